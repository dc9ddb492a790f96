//! The common parts of all charts: card, fonts, titles and the legend of arms.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::{BORDER, CARD, INK, MUTED, arm_color, with_dark_variant};

/// A drawing area of a chart.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The result of drawing.
pub(crate) type Drawn<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// Width of every chart in pixels, which GitHub displays without scaling down.
pub(crate) const WIDTH: u32 = 860;

/// Maximum characters of an arm's name in a chart.
pub(crate) const NAME_CHARS: usize = 40;

/// Pixels between a chart's content and the bottom and left of its card.
pub(crate) const MARGINS: [i32; 2] = [12, 16];

/// Draws a chart of this height on a card with a title; `paint` gets the area below the title, `[bottom, left]`
/// pixels away from these edges of the card.
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
    Ok(with_dark_variant(&svg))
}

/// Draws one line of text, whose top left, middle or right (`align`) is at `at`.
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

/// Returns the text style of this size in CSS pixels.
pub(crate) fn font(size: f64, color: RGBColor) -> TextStyle<'static> {
    // plotters writes a font size smaller by this factor into the SVG.
    ("sans-serif", size * 1.24).into_font().color(&color)
}

/// Draws a row of coloured squares with the arms' names.
pub(crate) fn legend(area: &Area, names: &[&str]) -> Drawn<()> {
    let names = names.iter().map(|name| clean(name, NAME_CHARS));
    let names: Vec<String> = names.collect();
    let colors = (0..names.len()).map(arm_color);
    key(area, colors.zip(names.iter().map(String::as_str)))?;
    Ok(())
}

/// Draws a row of coloured squares with their meanings; returns the x position of the next one.
pub(crate) fn key<'a>(
    area: &Area,
    entries: impl IntoIterator<Item = (RGBColor, &'a str)>,
) -> Drawn<i32> {
    let mut x = 8;
    for (color, name) in entries {
        area.draw(&Rectangle::new([(x, 3), (x + 12, 15)], color.filled()))?;
        text(area, name, (x + 18, 2), 15.0, INK, HPos::Left)?;
        // Fonts are not measured; this is wide enough for common sans-serif fonts.
        x += 18 + 8 * name.chars().count() as i32 + 22;
    }
    Ok(x)
}

/// Writes into an empty area why it is empty.
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

/// Cleans a name for a chart: replaces control characters, which XML forbids, and cuts it to `most` characters.
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
