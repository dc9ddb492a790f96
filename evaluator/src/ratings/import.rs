//! `evaluator ratings import`: the filled tables of the raters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::UserMistake;

use super::key::{Item, KEY, Key, cell_hash};
use super::page;
use super::result::{Rating, compare};
use super::spreadsheet::{self, Line, Table};
use crate::ratings_arguments::ImportArguments;

/// The columns that raters read, which stay as exported.
const SHOWN: [&str; 2] = ["task", "program"];

/// Compares the ratings and prints the result.
pub(super) fn run(arguments: &ImportArguments) -> Result<()> {
    let key = Key::read(&arguments.export)?;
    if !key.has_hashes() {
        slm_cli::note(&format!(
            "{}: of an older version, so rows are not compared with the exported programs",
            arguments.export.join(KEY).display()
        ));
    }
    let raters = raters(&arguments.files)?;
    let mut ratings = Vec::new();
    for (rater, path) in arguments.files.iter().enumerate() {
        let table = spreadsheet::read(path, "item")?;
        let found = filled(&key, rater, &table, path)?;
        if found.is_empty() {
            return Err(UserMistake(format!(
                "{}: no rating\nhint: fill in the columns {} with 1 to 5",
                path.display(),
                key.columns.join(", ")
            ))
            .into());
        }
        ratings.extend(found);
    }
    let result = compare(&key, raters, &ratings);
    if arguments.json {
        slm_cli::document(&serde_json::to_string_pretty(&result)?);
    } else {
        slm_cli::result(&page::render(&result));
    }
    Ok(())
}

/// Returns the raters' names: those of their files.
fn raters(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if names.iter().any(|known| *known == name) {
            return Err(UserMistake(format!(
                "{}: a second file of the rater `{name}`\nhint: name each file after its rater, and each rater once",
                path.display()
            ))
            .into());
        }
        names.push(name.into_owned());
    }
    Ok(names)
}

/// Returns the ratings in the table of one rater.
fn filled(key: &Key, rater: usize, table: &Table, path: &Path) -> Result<Vec<Rating>> {
    let at_start = |text: String| -> anyhow::Error {
        UserMistake(format!("{}: {text}", path.display())).into()
    };
    let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, name) in table.columns.iter().enumerate() {
        if columns.insert(name, at).is_some() && !name.is_empty() {
            return Err(at_start(format!(
                "two columns `{name}`\nhint: keep the first line of ratings.csv as it was exported"
            )));
        }
    }
    let shown: &[&str] = if key.has_hashes() { &SHOWN } else { &[] };
    let own = key.columns.iter().map(String::as_str);
    let expected: Vec<&str> = shown.iter().copied().chain(own).collect();
    if let Some(missing) = expected.iter().find(|name| !columns.contains_key(**name)) {
        return Err(at_start(format!(
            "no column `{missing}`, expected {}\nhint: keep the first line of ratings.csv as it was exported",
            expected.join(", ")
        )));
    }
    let of_export = |name: &str| {
        ["item", "task", "program", ""].contains(&name) || key.columns.iter().any(|own| own == name)
    };
    let foreign: Vec<&str> = columns
        .keys()
        .copied()
        .filter(|name| !of_export(name))
        .collect();
    if !foreign.is_empty() {
        let names = foreign.join(", ");
        slm_cli::note(&format!(
            "{}: columns that are not read: {names}",
            path.display()
        ));
    }
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut ratings = Vec::new();
    for line in &table.rows {
        let cell = |column: &str| line.cells.get(columns[column]).map_or("", String::as_str);
        let item = item_of(key, cell("item")).map_err(|error| at_line(path, line, &error))?;
        if !seen.insert(item) {
            let error = format!(
                "the item {} a second time\nhint: remove one of the rows",
                cell("item")
            );
            return Err(at_line(path, line, &error));
        }
        for column in shown {
            if let Some(error) = difference(&key.items[item], column, cell(column)) {
                return Err(at_line(path, line, &error));
            }
        }
        for (column, name) in key.columns.iter().enumerate() {
            let value = rating(cell(name)).map_err(|found| {
                let error = format!("`{name}` is `{found}`, expected 1, 2, 3, 4, 5 or nothing\nhint: correct the cell");
                at_line(path, line, &error)
            })?;
            ratings.extend(value.map(|value| Rating {
                rater,
                item,
                column,
                value,
            }));
        }
    }
    Ok(ratings)
}

/// Returns how a cell beside an item differs from the export.
fn difference(item: &Item, column: &str, cell: &str) -> Option<String> {
    let [task, program] = SHOWN;
    let expected = match column {
        of if of == task => &item.task_sha256,
        of if of == program => &item.program_sha256,
        _ => return None,
    };
    let is_same = *expected.as_ref()? == cell_hash(cell);
    (!is_same).then(|| {
        format!(
            "`{column}` of the item {} is not the exported one, so its ratings may be of another program\n\
             hint: sort whole rows, not single columns, and change only the columns of ratings",
            item.item
        )
    })
}

fn at_line(path: &Path, line: &Line, error: &str) -> anyhow::Error {
    UserMistake(format!("{}:{}: {error}", path.display(), line.number)).into()
}

/// Returns the number of an item, from 0.
fn item_of(key: &Key, name: &str) -> Result<usize, String> {
    let place = key.items.iter().position(|item| item.item == name);
    place.ok_or_else(|| {
        let export = name.rsplit_once('-').map_or("", |(export, _)| export);
        if export == key.export {
            format!("no item `{name}`, the export has {} items\nhint: keep the column `item` as it was exported", key.items.len())
        } else if export.len() == key.export.len() && export.starts_with('R') {
            format!("the item `{name}` is one of the export {export}, expected {}\nhint: name the folder of that export", key.export)
        } else {
            format!("no item `{name}`, expected one such as {}-001\nhint: keep the column `item` as it was exported", key.export)
        }
    })
}

/// Returns the rating in a cell, `None` for an empty one, or the text that is no rating.
///
/// A spreadsheet may have added decimals, with a point or a comma.
fn rating(cell: &str) -> Result<Option<u8>, &str> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    let (whole, decimals) = cell.split_once(['.', ',']).unwrap_or((cell, ""));
    let value = whole
        .parse::<u8>()
        .ok()
        .filter(|value| (1..=5).contains(value));
    let is_whole = decimals.chars().all(|digit| digit == '0');
    value
        .filter(|_| is_whole && whole.len() == 1)
        .map(Some)
        .ok_or(cell)
}

#[cfg(test)]
mod tests {
    use super::super::key::{KEY_VERSION, Side};
    use super::*;

    fn key() -> Key {
        let item = |n: usize| Item {
            item: format!("R1a2b3c4d-{n:03}"),
            task_id: format!("a/{n}"),
            sides: vec![0],
            task_sha256: None,
            program_sha256: None,
        };
        Key {
            version: KEY_VERSION,
            export: "R1a2b3c4d".to_owned(),
            seed: 1,
            columns: vec!["readability".to_owned(), "overall_quality".to_owned()],
            sides: vec![Side {
                run: "night".to_owned(),
                arm: "base".to_owned(),
                workflow: "single".to_owned(),
            }],
            items: vec![item(1), item(2)],
            left_out: BTreeMap::new(),
        }
    }

    fn import(text: &str) -> Result<Vec<(usize, usize, u8)>, String> {
        import_by(&key(), text)
    }

    fn import_by(key: &Key, text: &str) -> Result<Vec<(usize, usize, u8)>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ada.csv");
        std::fs::write(&path, text).expect("written");
        let table = spreadsheet::read(&path, "item").map_err(|error| error.to_string())?;
        let found = filled(key, 0, &table, &path).map_err(|error| error.to_string())?;
        Ok(found
            .into_iter()
            .map(|of| (of.item, of.column, of.value))
            .collect())
    }

    #[test]
    fn ratings_are_read_with_gaps_decimals_and_further_columns() {
        let text = "item;task;program;readability;overall_quality;note\r\n\
                    R1a2b3c4d-002;t;p;4,0;;good\r\nR1a2b3c4d-001;t;p; 1 ;5.0;\r\n";
        assert_eq!(import(text), Ok(vec![(1, 0, 4), (0, 0, 1), (0, 1, 5)]));
        let empty = "item,readability,overall_quality\nR1a2b3c4d-001,,\n";
        assert_eq!(import(empty), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_rating_of_this_export_is_refused_with_its_line() {
        let header = "item,readability,overall_quality\n";
        let check = |rows: &str, expected: &str| {
            let error = import(&format!("{header}{rows}")).expect_err(rows);
            assert!(
                error.contains(expected) && error.contains("\nhint: "),
                "{error}"
            );
        };
        for value in ["0", "6", "3.5", "-1", "four", "=1+1", "11", "1e0"] {
            let expected = format!("ada.csv:2: `readability` is `{value}`, expected 1, 2");
            check(&format!("R1a2b3c4d-001,{value},2\n"), &expected);
        }
        check(
            "R1a2b3c4d-009,1,2\n",
            "ada.csv:2: no item `R1a2b3c4d-009`, the export has 2 items",
        );
        check(
            "R99999999-001,1,2\n",
            "is one of the export R99999999, expected R1a2b3c4d",
        );
        check(",1,2\n", "no item ``");
        check(
            "R1a2b3c4d-001,1,2\nR1a2b3c4d-001,1,2\n",
            "ada.csv:3: the item R1a2b3c4d-001 a second time",
        );
        let error = import("item,readability\nR1a2b3c4d-001,1\n").expect_err("a missing column");
        assert!(error.contains("no column `overall_quality`"), "{error}");
        let error = import("item,readability,readability,overall_quality\n").expect_err("twice");
        assert!(error.contains("two columns `readability`"), "{error}");
    }

    #[test]
    fn ratings_beside_another_task_or_program_are_refused_with_line_and_item() {
        let mut key = key();
        for (item, program) in key.items.iter_mut().zip(["def f():\n    return 1\n", "x"]) {
            item.task_sha256 = Some(cell_hash("Do it.\n\nNow."));
            item.program_sha256 = Some(cell_hash(program));
        }
        let header = "item,task,program,readability,overall_quality\r\n";
        let first = "R1a2b3c4d-001,\"Do it.\r\n\r\nNow.\",\"def f():\r\n    return 1\",4,5\r\n";
        let second = "R1a2b3c4d-002,\"Do it.\n\nNow. \",x,1,\r\n";
        let found = import_by(&key, &format!("{header}{second}{first}"));
        assert_eq!(found, Ok(vec![(1, 0, 1), (0, 0, 4), (0, 1, 5)]));
        let swapped = format!("{header}{first}{second}")
            .replace("4d-001", "4d-000")
            .replace("4d-002", "4d-001")
            .replace("4d-000", "4d-002");
        let other_task = second.replace("Now", "Later");
        for (text, expected) in [
            (
                swapped,
                "ada.csv:2: `program` of the item R1a2b3c4d-002 is not",
            ),
            (
                format!("{header}{first}{other_task}"),
                "ada.csv:6: `task` of the item R1a2b3c4d-002 is not",
            ),
            (
                "item,task,readability,overall_quality\nR1a2b3c4d-002,x,1,1\n".to_owned(),
                "no column `program`",
            ),
        ] {
            let error = import_by(&key, &text).expect_err(&text);
            assert!(
                error.contains(expected) && error.contains("\nhint: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_rater_has_one_file() {
        let files = ["a/ada.csv", "b/ada.csv"].map(PathBuf::from);
        let error = raters(&files).expect_err("the same name").to_string();
        assert!(
            error.contains("a second file of the rater `ada`"),
            "{error}"
        );
    }
}
