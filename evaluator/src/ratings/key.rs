//! The key of an export: which arm and workflow wrote the program of each row. Raters must not see it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use slm_artifacts::sha256;
use slm_cli::UserMistake;

/// The version of new keys.
pub(super) const KEY_VERSION: u32 = 1;

/// The file of the key in the folder of an export.
pub(super) const KEY: &str = "key.json";

/// The columns to be filled, each with ratings from 1 to 5.
pub(super) const COLUMNS: [&str; 5] = [
    "correctness",
    "completeness",
    "readability",
    "conciseness",
    "overall_quality",
];

/// What an export consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// [`KEY_VERSION`] at the time of writing.
    pub(super) version: u32,
    /// The name of the export, with which all its items begin.
    pub(super) export: String,
    pub(super) seed: u64,
    /// The columns to be filled.
    pub(super) columns: Vec<String>,
    /// What is compared; the first is the reference.
    pub(super) sides: Vec<Side>,
    /// In the order of the rows.
    pub(super) items: Vec<Item>,
    /// Number of tasks that are not in the export, by reason.
    pub(super) left_out: BTreeMap<String, usize>,
}

/// An arm in a workflow of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    pub(super) run: String,
    pub(super) arm: String,
    pub(super) workflow: String,
}

/// A row of the table.
#[expect(clippy::struct_field_names, reason = "the columns of a file")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) item: String,
    pub(super) task_id: String,
    /// The numbers of the sides that wrote this program, from 0.
    pub(super) sides: Vec<usize>,
    /// [`cell_hash`] of the task's text and of the program; older keys have neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) task_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program_sha256: Option<String>,
}

/// Returns a hash of what a cell shows, in hex, without what a spreadsheet may change when it saves the table: line
/// ends, white space at their ends, a `'` at the start of the cell, and letters that an encoding of one byte lacks,
/// which become `?` or are read as other letters.
pub(super) fn cell_hash(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept = |line: &str| -> String {
        let is_kept = |c: &char| c.is_ascii() && *c != '?' && (!c.is_control() || *c == '\t');
        let line: String = line.chars().filter(is_kept).collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = text.split('\n').map(kept).collect();
    let text = lines.join("\n");
    sha256(text.trim().trim_start_matches('\'').trim_start())
}

impl Key {
    /// Reads the key in the folder of an export.
    ///
    /// # Errors
    /// There is none, it is not one of this version, or it contradicts itself.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(KEY);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Err(UserMistake(format!(
                    "{}: no export, it holds no {KEY}\nhint: name the folder of `evaluator ratings export -o FOLDER`",
                    folder.display()
                ))
                .into());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let key: Self = serde_json::from_slice(&text).map_err(|error| {
            UserMistake(format!(
                "{}: no key of an export: {error}\nhint: the file must be the one that the export wrote",
                path.display()
            ))
        })?;
        if key.version != KEY_VERSION {
            return Err(UserMistake(format!(
                "{}: version {}, expected {KEY_VERSION}\nhint: import with the version of this program that exported",
                path.display(),
                key.version
            ))
            .into());
        }
        key.check().map_err(|problem| {
            UserMistake(format!(
                "{}: {problem}\nhint: the file must be the one that the export wrote",
                path.display()
            ))
        })?;
        Ok(key)
    }

    /// Whether the export kept hashes of what raters read.
    pub(super) fn has_hashes(&self) -> bool {
        self.items.iter().all(|item| item.task_sha256.is_some())
    }

    /// Returns what an export does not write.
    fn check(&self) -> Result<(), String> {
        let lists = [
            ("sides", self.sides.len()),
            ("columns", self.columns.len()),
            ("items", self.items.len()),
        ];
        if let Some((name, _)) = lists.iter().find(|(_, n)| *n == 0) {
            return Err(format!("`{name}` is empty"));
        }
        let mut columns = BTreeSet::new();
        if let Some(twice) = self.columns.iter().find(|name| !columns.insert(*name)) {
            return Err(format!("the column `{twice}` is there twice"));
        }
        let n = self.sides.len();
        let has_hashes = self.has_hashes();
        let (mut names, mut programs) = (BTreeSet::new(), BTreeSet::new());
        for item in &self.items {
            let name = &item.item;
            if !names.insert(name) {
                return Err(format!("the item {name} is there twice"));
            }
            if item.sides.is_empty() {
                return Err(format!("the item {name} has no side"));
            }
            for &side in &item.sides {
                if side >= n {
                    return Err(format!(
                        "the item {name} has side {side}, but there are {n}, from 0"
                    ));
                }
                if !programs.insert((&item.task_id, side)) {
                    return Err(format!(
                        "the item {name} is a second program of {} by side {side}",
                        item.task_id
                    ));
                }
            }
            let hashes = [&item.task_sha256, &item.program_sha256];
            if hashes.iter().any(|hash| hash.is_some() != has_hashes) {
                return Err(format!("the item {name} lacks a hash that others have"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"{"version":1,"export":"R1","seed":1,"columns":["quality"],"sides":[{"run":"night","arm":"base","workflow":"single"}],"items":[{"item":"R1-001","task_id":"a","sides":[0]}],"left_out":{}}"#;

    fn read(text: &str) -> Result<Key> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(KEY), text).expect("written");
        Key::read(folder.path())
    }

    #[test]
    fn an_older_key_without_hashes_is_read() {
        assert!(!read(SOUND).expect("a key").has_hashes());
    }

    #[test]
    fn a_key_that_no_export_wrote_is_the_users_mistake() {
        let item = r#"{"item":"R1-001","task_id":"a","sides":[0]}"#;
        for (from, to, expected) in [
            (
                "\"sides\":[0]",
                "\"sides\":[]",
                "the item R1-001 has no side",
            ),
            (
                "\"sides\":[0]",
                "\"sides\":[99]",
                "the item R1-001 has side 99, but there are 1, from 0",
            ),
            (
                "\"sides\":[0]",
                "\"sides\":[0,0]",
                "a second program of a by side 0",
            ),
            (
                "\"sides\":[0]",
                "\"sides\":[0],\"task_sha256\":\"0\"",
                "lacks a hash",
            ),
            ("[\"quality\"]", "[]", "`columns` is empty"),
            (
                "[\"quality\"]",
                "[\"quality\",\"quality\"]",
                "the column `quality` is there twice",
            ),
            (item, "", "`items` is empty"),
            (item, &format!("{item},{item}"), "R1-001 is there twice"),
            ("\"version\":1", "\"version\":9", "version 9, expected 1"),
            ("\"seed\"", "\"sed\"", "unknown field `sed`"),
        ] {
            let changed = SOUND.replacen(from, to, 1);
            assert_ne!(changed, SOUND, "{from}");
            let error = read(&changed).expect_err(&changed);
            assert!(error.is::<UserMistake>(), "{error:#}");
            let error = error.to_string();
            assert!(
                error.contains(expected) && error.contains("\nhint: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_place_without_a_key_is_the_users_mistake() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ratings.csv");
        std::fs::write(&file, "item").expect("written");
        for place in [folder.path(), &file, &folder.path().join("none")] {
            let error = Key::read(place).expect_err("no key");
            assert!(error.is::<UserMistake>(), "{error:#}");
            assert!(error.to_string().contains("it holds no key.json\nhint: "));
        }
    }

    #[test]
    fn a_hash_ignores_what_a_spreadsheet_changes_and_nothing_more() {
        let program = "'=x\n    y = 'caf\u{e9}' \n\n";
        for saved in [
            "=x\r\n    y = 'caf\u{e9}'",
            "'=x\r    y = 'caf?'\r",
            "  '=x\n    y = 'caf\u{fffd}'\t\n",
        ] {
            assert_eq!(cell_hash(program), cell_hash(saved), "{saved:?}");
        }
        for other in ["=x\ny = 'caf'", "=x\n    y = 'cafe'", "=x", ""] {
            assert_ne!(cell_hash(program), cell_hash(other), "{other:?}");
        }
    }
}
