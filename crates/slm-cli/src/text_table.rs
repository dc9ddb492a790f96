//! Tables of aligned columns for a terminal.

use serde::Serialize;

use crate::exit::Failure;
use crate::output::{document, note, result};

/// A table with one line per row, columns padded to their widest cell. Columns whose cells are all numbers or empty are
/// right-aligned.
pub fn text_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([header[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let is_number = |column: usize| {
        rows.iter()
            .all(|row| row[column].is_empty() || row[column].parse::<f64>().is_ok())
    };
    let columns: Vec<_> = (0..header.len())
        .map(|column| (width(column), is_number(column)))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells
            .zip(&columns)
            .map(|(cell, (width, is_number))| {
                if *is_number {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:width$}")
                }
            })
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    for row in rows {
        lines.push(line(&mut row.iter().map(String::as_str)));
    }
    lines.join("\n")
}

/// Prints items as one JSON document, or as a table with a line each; without items, prints the note `none` on stderr.
///
/// # Errors
/// An item cannot be written as JSON.
pub fn print_list<T: Serialize>(
    items: &[T],
    is_json: bool,
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    none: &str,
) -> Result<(), Failure> {
    if is_json {
        let text = serde_json::to_string_pretty(items).map_err(anyhow::Error::from)?;
        document(&text);
    } else if items.is_empty() {
        note(none);
    } else {
        let rows: Vec<_> = items.iter().map(row).collect();
        result(&text_table(header, &rows));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_left_and_numbers_are_right() {
        let rows = [["a", "10"], ["bcd", ""], ["ü", "9"]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.map(str::to_owned).into())
            .collect();
        let expected = "name  steps\na        10\nbcd\nü         9";
        assert_eq!(text_table(&["name", "steps"], &rows), expected);
    }
}
