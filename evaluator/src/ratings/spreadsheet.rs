//! Tables as spreadsheets read and write them.
//!
//! Programs are texts of a model, and a spreadsheet runs a cell that looks like a formula. Quoting does not prevent that,
//! so [`harmless`] puts a `'` before such text: at the start of a cell, and also where a cell would start if the file
//! were split at line ends or at another separator than its own. Spreadsheets show the `'`, and what it precedes is text.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use slm_cli::UserMistake;

use crate::ratings_arguments::Separator;

/// The byte order mark by which spreadsheets recognise UTF-8.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The separators of columns that spreadsheets use.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Most characters of a cell in common spreadsheets.
pub(super) const MOST_CHARS: usize = 32_767;

impl Separator {
    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// Writes a table as a spreadsheet reads it: UTF-8 with its mark, every cell quoted.
pub(super) fn write(separator: Separator, rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator.byte())
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(UTF8_MARK.to_vec());
    for row in rows {
        writer.write_record(row).context("cannot write the table")?;
    }
    writer
        .into_inner()
        .map_err(|error| anyhow::anyhow!("cannot write the table: {error}"))
}

/// Returns a text for a cell that no spreadsheet takes for a formula, without control characters.
pub(super) fn harmless(text: &str, separator: Separator) -> String {
    let own = char::from(separator.byte());
    let starts = |c: char| "=+-@＝＋－＠".contains(c);
    let mut shown = String::with_capacity(text.len());
    // At the start of the whole cell, spaces before a formula do not help.
    let mut may_start = text.trim_start().starts_with(starts) && !text.starts_with(starts);
    if may_start {
        shown.push('\'');
    }
    may_start = true;
    for c in text.replace("\r\n", "\n").chars() {
        if may_start && starts(c) {
            shown.push('\'');
        }
        may_start = matches!(c, '\n' | '\r') || (c != own && "\t;,".contains(c));
        let forbidden = c.is_control() && !matches!(c, '\n' | '\t');
        shown.push(if forbidden { '\u{fffd}' } else { c });
    }
    shown
}

/// A table that was read: the names of its columns in lower case, and its rows that are not empty.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Line>,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Line {
    /// Its first line in the file, from 1.
    pub(super) number: u64,
    pub(super) cells: Vec<String>,
}

/// Reads a table with a column of this name, with or without a byte order mark, with the line ends and the separator of
/// any spreadsheet.
///
/// # Errors
/// The file cannot be read, is not in a form of UTF-8 or of one byte for each letter, or has no such column.
pub(super) fn read(path: &Path, column: &str) -> Result<Table> {
    let mistake =
        |text: &str| -> anyhow::Error { UserMistake(format!("{}: {text}", path.display())).into() };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let problem = match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => "no such file",
                ErrorKind::IsADirectory => "a folder, expected CSV",
                _ => {
                    return Err(error).with_context(|| format!("cannot read {}", path.display()));
                }
            };
            return Err(mistake(&format!(
                "{problem}\nhint: name the tables that raters filled in, such as ada.csv"
            )));
        }
    };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(mistake(
            "UTF-16 or no text, expected UTF-8\nhint: save the table as \"CSV UTF-8\"",
        ));
    }
    if bytes.starts_with(b"PK") {
        return Err(mistake(
            "a workbook or an archive, expected CSV\nhint: save the table as \"CSV UTF-8\"",
        ));
    }
    let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(&bytes);
    for separator in SEPARATORS {
        let table = parsed(text, separator)
            .map_err(|error| mistake(&format!("{error}\nhint: save the table as \"CSV UTF-8\"")))?;
        if table.columns.iter().any(|name| name == column) {
            return Ok(table);
        }
    }
    Err(mistake(&format!(
        "no column `{column}` in the first line\nhint: keep the first line of ratings.csv as it was exported"
    )))
}

fn parsed(text: &[u8], separator: u8) -> Result<Table, csv::Error> {
    // A line that some spreadsheets write before the first one.
    let hint = [&b"sep="[..], &[separator]].concat();
    let rest = text.strip_prefix(&hint[..]).unwrap_or(text);
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .from_reader(rest);
    // Only ASCII is needed: other letters may be in the encoding of the rater's machine.
    let words = |record: &csv::ByteRecord| -> Vec<String> {
        let cell = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        record.iter().map(cell).collect()
    };
    let columns = words(reader.byte_headers()?);
    let columns = columns.iter().map(|name| name.to_lowercase()).collect();
    let skipped = text.len() - rest.len();
    let mut place = LinePlace::default();
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record?;
        let cells = words(&record);
        if cells.iter().any(|cell| !cell.is_empty()) {
            let byte = record.position().map_or(0, csv::Position::byte) as usize;
            let number = place.line_of(text, skipped + byte);
            rows.push(Line { number, cells });
        }
    }
    Ok(Table { columns, rows })
}

/// Counts lines as editors do, with any line ends. The CSV reader's own count lags behind at `\r\n` and at empty lines.
#[derive(Default)]
struct LinePlace {
    /// Bytes that were counted.
    at: usize,
    /// Line ends in them.
    ends: u64,
}

impl LinePlace {
    /// Returns the line, from 1, of the first byte from `start` on that ends no line; `start` grows from call to call.
    fn line_of(&mut self, text: &[u8], start: usize) -> u64 {
        while let Some(&byte) = text.get(self.at) {
            let ends_line = matches!(byte, b'\n' | b'\r');
            if self.at >= start && !ends_line {
                break;
            }
            let is_half = byte == b'\r' && text.get(self.at + 1) == Some(&b'\n');
            self.ends += u64::from(ends_line && !is_half);
            self.at += 1;
        }
        self.ends + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_begins_with_a_quotation_mark() {
        let check = |text: &str, expected: &str| {
            assert_eq!(harmless(text, Separator::Comma), expected);
        };
        check("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@sum(1)", "'@sum(1)");
        check("  \n =1", "'  \n =1");
        check("＝1", "'＝1");
        check("\"\"\"\n=cmd()\r\n+1\"\"\"", "\"\"\"\n'=cmd()\n'+1\"\"\"");
        check("x = 1;=cmd()", "x = 1;'=cmd()");
        check("x\t=cmd()", "x\t'=cmd()");
        check("f(x,-1) - 2", "f(x,-1) - 2");
        check("a\0b\u{7}", "a\u{fffd}b\u{fffd}");
        assert_eq!(harmless("f(x,-1);=2", Separator::Semicolon), "f(x,'-1);=2");
    }

    fn read_bytes(bytes: &[u8]) -> Result<Table> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ada.csv");
        std::fs::write(&path, bytes).expect("written");
        read(&path, "item")
    }

    #[test]
    fn a_table_is_read_as_any_spreadsheet_writes_it() {
        let forms: [&[u8]; 6] = [
            b"item,program,quality\nR1,\"a,b\n;c\",4\n,,\nR2,\"\",\n",
            b"\xef\xbb\xbf\"Item\",program,Quality\r\nR1,\"a,b\n;c\",4\r\n,,\r\nR2,,\r\n",
            b"item;program;quality\r\nR1;\"a,b\n;c\";4\r\n;;\r\nR2;;",
            b"item\tprogram\tquality\nR1\t\"a,b\n;c\"\t4\n\t\t\nR2\t\t\n",
            b"sep=;\r\nitem;program;quality\r\nR1;\"a,b\n;c\";4\r\n;;\r\nR2;;\r\n",
            b"item,program,quality\nR1,\"a,b\n;c\", 4 \n\nR2\n",
        ];
        for form in forms {
            let table = read_bytes(form).expect("a table");
            assert_eq!(table.columns, ["item", "program", "quality"]);
            assert_eq!(table.rows.len(), 2, "{table:?}");
            assert_eq!(table.rows[0].cells, ["R1", "a,b\n;c", "4"]);
            assert_eq!(table.rows[1].cells[0], "R2");
        }
        let table = read_bytes(b"item,program\nR1,\"a\nb\"\nR2,caf\xe9\n").expect("a table");
        let numbers: Vec<u64> = table.rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [2, 4]);
    }

    #[test]
    fn rows_have_the_line_numbers_of_an_editor() {
        let lines = "sep=,\nitem,program\nR1,\"a\n\nb\"\n\n,\nR2,c\nR3,\"d\ne\"\nR4,f";
        for end in ["\n", "\r\n", "\r"] {
            for (text, expected) in [
                (lines, [3, 8, 9, 11]),
                (lines.trim_start_matches("sep=,\n"), [2, 7, 8, 10]),
            ] {
                let text = text.replace('\n', end);
                let table = read_bytes(text.as_bytes()).expect("a table");
                let numbers: Vec<u64> = table.rows.iter().map(|row| row.number).collect();
                assert_eq!(numbers, expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_missing_table_is_the_users_mistake() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, expected) in [
            (folder.path().join("ada.csv"), "ada.csv: no such file"),
            (folder.path().to_owned(), ": a folder, expected CSV"),
        ] {
            let error = read(&path, "item").expect_err("no table");
            assert!(error.is::<UserMistake>(), "{error:#}");
            let error = error.to_string();
            assert!(
                error.contains(expected) && error.contains("\nhint: "),
                "{error}"
            );
        }
    }

    #[test]
    fn other_files_are_refused_with_a_hint() {
        for bytes in [
            &b"\xff\xfei\0t\0e\0m\0"[..],
            b"PK\x03\x04 workbook",
            b"task,program\n1,2\n",
            b"",
        ] {
            let error = read_bytes(bytes).expect_err("no table").to_string();
            assert!(
                error.contains("ada.csv: ") && error.contains("\nhint: "),
                "{error}"
            );
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let rows = [
            vec!["item", "program"],
            vec!["R1", "def f():\n    return \"a;b\"\n"],
        ];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        for separator in [Separator::Comma, Separator::Semicolon] {
            let table = read_bytes(&write(separator, &rows).expect("written")).expect("a table");
            assert_eq!(table.rows[0].cells[1], "def f():\n    return \"a;b\"");
        }
    }
}
