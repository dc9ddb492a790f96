//! The colours of charts, each with its counterpart on a dark background.
//!
//! A picture is drawn in the light colours. [`with_dark_variant`] adds a style that replaces them where the reader's
//! system prefers dark: a picture in a page has no access to the page's own style.

use std::fmt::Write as _;

use plotters::style::RGBColor;

pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(super) const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6e);
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe6);
pub(super) const CARD: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const BORDER: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
/// A cell of a heat map without a value.
pub(super) const EMPTY: RGBColor = RGBColor(0xf3, 0xf4, 0xf6);

const GREY: RGBColor = RGBColor(0x84, 0x8d, 0x97);
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const GREEN: RGBColor = RGBColor(0x00, 0x91, 0x6a);
const PURPLE: RGBColor = RGBColor(0xb8, 0x58, 0x8f);
const ORANGE: RGBColor = RGBColor(0xad, 0x77, 0x00);
const TEAL: RGBColor = RGBColor(0x16, 0x89, 0x9a);

/// A faint blue for single values behind a curve, which need not be distinguished.
pub(super) const FAINT_BLUE: RGBColor = RGBColor(0xa9, 0xcf, 0xe6);

/// Grey for the base model; for adapters the hues of Okabe and Ito, which colour-blind readers can distinguish. Some are
/// darker than theirs, so that each has a contrast of 3 to 1 to the card.
pub(super) const ARMS: [RGBColor; 7] = [GREY, BLUE, VERMILION, GREEN, PURPLE, ORANGE, TEAL];

/// The colours that are replaced on a dark background, light first.
const PAIRS: [(RGBColor, RGBColor); 14] = [
    (INK, RGBColor(0xe6, 0xed, 0xf3)),
    (MUTED, RGBColor(0x91, 0x98, 0xa1)),
    (GRID, RGBColor(0x30, 0x36, 0x3d)),
    (CARD, RGBColor(0x0d, 0x11, 0x17)),
    (BORDER, RGBColor(0x3d, 0x44, 0x4d)),
    (EMPTY, RGBColor(0x21, 0x26, 0x2d)),
    (GREY, RGBColor(0x8c, 0x95, 0x9f)),
    (FAINT_BLUE, RGBColor(0x1f, 0x4a, 0x6b)),
    (BLUE, RGBColor(0x58, 0xa6, 0xe0)),
    (VERMILION, RGBColor(0xf0, 0x88, 0x3e)),
    (GREEN, RGBColor(0x3f, 0xb6, 0x8b)),
    (PURPLE, RGBColor(0xe0, 0xa0, 0xc6)),
    (ORANGE, RGBColor(0xe3, 0xb3, 0x41)),
    (TEAL, RGBColor(0x79, 0xd4, 0xe6)),
];

/// Number of shades of a heat map.
const SHADES: usize = 9;

/// The ends of a heat map's scale, for the least and the largest value, on a light and on a dark card. Text in the colour
/// of ink is readable on each of them.
const SCALES: [[RGBColor; 2]; 2] = [
    [RGBColor(0xf7, 0xfb, 0xff), RGBColor(0x6b, 0xae, 0xd6)],
    [RGBColor(0x12, 0x21, 0x2f), RGBColor(0x14, 0x50, 0x7f)],
];

/// Returns the colour of an arm by its index; the base model is 0.
pub(super) fn arm_color(arm: usize) -> RGBColor {
    if arm == 0 {
        ARMS[0]
    } else {
        ARMS[1 + (arm - 1) % (ARMS.len() - 1)]
    }
}

/// Returns the colour of a heat map's cell for a value at this share of the scale, 0 to 1.
pub(super) fn shade(share: f64) -> RGBColor {
    let level = (share.clamp(0.0, 1.0) * (SHADES - 1) as f64).round() as usize;
    shades(SCALES[0])[level]
}

fn shades([least, most]: [RGBColor; 2]) -> [RGBColor; SHADES] {
    std::array::from_fn(|level| {
        let share = level as f64 / (SHADES - 1) as f64;
        let mix =
            |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))) as u8;
        RGBColor(
            mix(least.0, most.0),
            mix(least.1, most.1),
            mix(least.2, most.2),
        )
    })
}

/// Adds a style to an SVG that replaces its colours where a dark colour scheme is preferred.
///
/// # Panics
/// The text is no SVG: a fault of this program.
pub(super) fn with_dark_variant(svg: &str) -> String {
    let [light, dark] = SCALES.map(shades);
    let pairs = PAIRS.into_iter().chain(light.into_iter().zip(dark));
    let mut rules = String::new();
    for (light, dark) in pairs {
        let (light, dark) = (hex(light), hex(dark));
        for attribute in ["fill", "stroke"] {
            if svg.contains(&format!("{attribute}=\"{light}\"")) {
                // Writing to a string cannot fail.
                let _ = writeln!(rules, "[{attribute}=\"{light}\"] {{ {attribute}: {dark} }}");
            }
        }
    }
    let start = svg.find("<svg").expect("an SVG");
    let end = start + svg[start..].find('>').expect("a start tag") + 1;
    let (head, body) = svg.split_at(end);
    format!("{head}\n<style>\n@media (prefers-color-scheme: dark) {{\n{rules}}}\n</style>{body}")
}

/// Formats a colour as plotters writes it.
fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours, 1 to 21, as in the Web Content Accessibility Guidelines 2.2.
    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let luminance = |color: RGBColor| {
            let linear = |value: u8| {
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * linear(color.0) + 0.7152 * linear(color.1) + 0.0722 * linear(color.2)
        };
        let [a, b] = [a, b].map(luminance);
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn dark(light: RGBColor) -> RGBColor {
        let pair = PAIRS.iter().find(|(of, _)| *of == light);
        pair.expect("a counterpart").1
    }

    #[test]
    fn text_and_series_are_visible_on_both_cards() {
        let on_both = |color: RGBColor, least: f64| {
            for (color, card) in [(color, CARD), (dark(color), dark(CARD))] {
                let found = contrast(color, card);
                assert!(found >= least, "{color:?} on {card:?}: {found:.2}");
            }
        };
        for text in [INK, MUTED] {
            on_both(text, 4.5);
        }
        for series in ARMS {
            on_both(series, 3.0);
        }
    }

    #[test]
    fn text_is_readable_on_every_shade() {
        for ([cells, empty], ink) in [
            ([shades(SCALES[0]), [EMPTY; SHADES]], INK),
            ([shades(SCALES[1]), [dark(EMPTY); SHADES]], dark(INK)),
        ] {
            for cell in cells.into_iter().chain(empty) {
                assert!(contrast(cell, ink) >= 4.5, "{cell:?}");
            }
        }
    }

    #[test]
    fn arms_differ_on_both_cards() {
        for (at, a) in ARMS.iter().enumerate() {
            for b in &ARMS[..at] {
                assert_ne!(a, b);
                assert_ne!(dark(*a), dark(*b));
            }
        }
    }

    #[test]
    fn only_colours_that_occur_are_replaced() {
        let svg = "<svg width=\"1\">\n<rect fill=\"#FFFFFF\" stroke=\"none\"/>\n</svg>\n";
        let expected = "<svg width=\"1\">\n<style>\n@media (prefers-color-scheme: dark) {\n\
                        [fill=\"#FFFFFF\"] { fill: #0D1117 }\n}\n</style>\n<rect fill=\"#FFFFFF\" stroke=\"none\"/>\n</svg>\n";
        assert_eq!(with_dark_variant(svg), expected);
    }
}
