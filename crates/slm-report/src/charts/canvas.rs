//! What all pictures share: the card, colours, fonts, titles and the legend of arms.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// An area of a picture.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The outcome of drawing.
pub(crate) type Drawn<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// Width of every picture in pixels: what GitHub shows without scaling down.
pub(crate) const WIDTH: u32 = 860;

pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(crate) const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6e);
pub(crate) const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe6);
const CARD: RGBColor = RGBColor(0xff, 0xff, 0xff);
const BORDER: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);

/// The base model is grey, adapters take Okabe and Ito's colours, told apart by colour-blind readers.
const ARMS: [RGBColor; 7] = [
    RGBColor(0x8c, 0x95, 0x9f),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// Characters of an arm's name that a picture has room for.
pub(crate) const NAME_CHARS: usize = 40;

/// Pixels between a report's picture and the bottom and left of its card.
pub(crate) const MARGINS: [i32; 2] = [12, 16];

/// The colour of an arm, the base model being the first.
pub(crate) fn arm_color(arm: usize) -> RGBColor {
    if arm == 0 {
        ARMS[0]
    } else {
        ARMS[1 + (arm - 1) % (ARMS.len() - 1)]
    }
}

/// A picture of this height on a card with a title; `paint` gets the area below the title, which is this many pixels
/// from the card's bottom and left.
pub(crate) fn card(
    height: u32,
    [bottom, left]: [i32; 2],
    title: &str,
    paint: impl FnOnce(&Area) -> Drawn<()>,
) -> Drawn<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&CARD)?;
        let corner = (WIDTH as i32 - 1, height as i32 - 1);
        root.draw(&Rectangle::new([(0, 0), corner], BORDER.stroke_width(1)))?;
        text(&root, title, (20, 14), 18.0, INK, HPos::Left)?;
        paint(&root.margin(44, bottom, left, 20))?;
        root.present()?;
    }
    Ok(svg)
}

/// One line of text whose upper corner (left, right or middle) is at `at`.
pub(crate) fn text(
    area: &Area,
    text: &str,
    at: (i32, i32),
    size: f64,
    color: RGBColor,
    align: HPos,
) -> Drawn<()> {
    let style = font(size, color).pos(Pos::new(align, VPos::Top));
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// The style of text in this size, in CSS pixels.
pub(crate) fn font(size: f64, color: RGBColor) -> TextStyle<'static> {
    // plotters writes a font size smaller by this factor into the SVG.
    ("sans-serif", size * 1.24).into_font().color(&color)
}

/// A row of coloured squares with the arms' names.
pub(crate) fn legend(area: &Area, names: &[&str]) -> Drawn<()> {
    let names = names.iter().map(|name| clean(name, NAME_CHARS));
    let names: Vec<String> = names.collect();
    let colors = (0..names.len()).map(arm_color);
    key(area, colors.zip(names.iter().map(String::as_str)))?;
    Ok(())
}

/// A row of coloured squares with their meanings; gives where the next one would stand.
pub(crate) fn key<'a>(
    area: &Area,
    entries: impl IntoIterator<Item = (RGBColor, &'a str)>,
) -> Drawn<i32> {
    let mut x = 8;
    for (color, name) in entries {
        area.draw(&Rectangle::new([(x, 3), (x + 12, 15)], color.filled()))?;
        text(area, name, (x + 18, 2), 15.0, INK, HPos::Left)?;
        // No font is measured here; this is wide enough for common sans-serif fonts.
        x += 18 + 8 * name.chars().count() as i32 + 22;
    }
    Ok(x)
}

/// Says in an empty area why it is empty.
pub(crate) fn nothing(area: &Area, reason: &str) -> Drawn<()> {
    let (width, height) = area.dim_in_pixel();
    text(
        area,
        reason,
        (width as i32 / 2, height as i32 / 2 - 8),
        15.0,
        MUTED,
        HPos::Center,
    )
}

/// A name as a picture can show it: XML has no control characters, and there is room for so many.
pub(crate) fn clean(name: &str, most: usize) -> String {
    let visible = |c: char| {
        let forbidden = c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}');
        if forbidden { '\u{fffd}' } else { c }
    };
    let mut shown: String = name.chars().take(most).map(visible).collect();
    if name.chars().count() > most {
        shown.push('…');
    }
    shown
}
