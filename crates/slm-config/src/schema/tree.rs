//! The table as a flat list of rows, each with its path.

use super::key::{Key, Kind};

/// A key with its path.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The path, with `[]` for each item of a list: `data.datasets[].path`.
    pub(crate) path: String,
    /// The key.
    pub(crate) key: &'static Key,
}

impl Row {
    /// The path of the section, without the key; empty at the top level.
    pub(crate) fn section(&self) -> &str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    /// Whether its value is a list whose items may be sections.
    pub(crate) fn has_section_items(&self) -> bool {
        matches!(self.key.kind, Kind::List { .. }) && self.key.kind.item_keys().is_some()
    }

    /// The sentences of the key on one line.
    pub(crate) fn sentences(&self) -> String {
        one_line(self.key.doc)
    }
}

/// The path of a key in a section; the top level is empty.
pub(crate) fn joined(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

/// The lines of a doc comment as one.
pub(crate) fn one_line(doc: &[&str]) -> String {
    let lines: Vec<_> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

/// All keys below `keys`, in reading order, sections before their own keys.
pub(crate) fn rows(keys: &'static [Key]) -> Vec<Row> {
    fn walk(keys: &'static [Key], section: &str, rows: &mut Vec<Row>) {
        for key in keys {
            let path = joined(section, key.name);
            rows.push(Row {
                path: path.clone(),
                key,
            });
            if let Kind::Section(keys) = key.kind {
                walk(keys, &path, rows);
            } else if let Some(keys) = key.kind.item_keys() {
                walk(keys, &format!("{path}[]"), rows);
            }
        }
    }
    let mut all = Vec::new();
    walk(keys, "", &mut all);
    all
}
