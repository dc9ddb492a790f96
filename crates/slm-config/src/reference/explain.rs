//! The reference as text for a terminal.

use std::fmt::Write as _;

use super::defaults::Defaults;
use super::page::words_of;
use super::type_name::type_name;
use crate::load::Names;
use crate::recipe::Recipe;
use crate::schema::{Row, one_line, rows};
use crate::spelling::{self, nearest};

/// No key of a recipe has this name.
#[derive(Debug, thiserror::Error)]
#[error("a recipe has no key `{name}`\nhint: {hint}")]
pub struct UnknownName {
    name: String,
    hint: String,
}

/// All sections and keys, a line each.
pub(super) fn overview() -> String {
    let all = rows(Recipe::KEYS);
    let width = all.iter().map(|row| row.path.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &all {
        let sentence = first_sentence(&row.sentences());
        let _ = writeln!(text, "{:width$}  {sentence}", row.path);
    }
    text
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> String {
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text[..end].to_owned()
}

pub(super) fn explain(name: &str, benchmarks: Names) -> Result<String, UnknownName> {
    let all = rows(Recipe::KEYS);
    let plain = |path: &str| path.replace("[]", "");
    let wanted = without_indices(name);
    let by_path = || all.iter().filter(|row| plain(&row.path) == wanted);
    let by_name = || {
        all.iter().filter(|row| {
            row.key.name == name
                || row.key.aliases.contains(&name)
                || wanted.rsplit_once('.').is_some_and(|(section, alias)| {
                    plain(row.section()) == section && row.key.aliases.contains(&alias)
                })
        })
    };
    let mut found: Vec<&Row> = by_path().collect();
    if found.is_empty() {
        found = by_name().collect();
    }
    // A section: its keys follow it.
    let below: Vec<&Row> = all
        .iter()
        .filter(|row| found.len() == 1 && plain(row.section()) == plain(&found[0].path))
        .collect();
    if found.is_empty() {
        return Err(unknown(name, &all));
    }
    let defaults = Defaults::new();
    let entries: Vec<_> = found
        .into_iter()
        .chain(below)
        .map(|row| entry(row, &defaults, benchmarks))
        .collect();
    Ok(entries.join("\n"))
}

/// `data.datasets[0].path` and `data.datasets[].path` as `data.datasets.path`.
fn without_indices(name: &str) -> String {
    let is_index = |part: &str| part.parse::<usize>().is_ok();
    let parts: Vec<_> = name
        .split(['.', '[', ']'])
        .filter(|part| !part.is_empty() && !is_index(part))
        .collect();
    parts.join(".")
}

fn unknown(name: &str, all: &[Row]) -> UnknownName {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let meant = nearest(name, all.iter().map(|row| row.path.as_str())).or_else(|| {
        let names = |row: &Row| [&[row.key.name], row.key.aliases].concat();
        let same_leaf = nearest(leaf, all.iter().flat_map(names))?;
        all.iter()
            .find(|row| names(row).contains(&same_leaf))
            .map(|row| row.path.as_str())
    });
    let hint = match (spelling::foreign(leaf), meant) {
        (Some(ours), _) => format!("the key for this is {ours}"),
        (None, Some(meant)) => format!("did you mean `{meant}`?"),
        (None, None) => "`trainer recipe` lists all keys".to_owned(),
    };
    UnknownName {
        name: crate::node::shown(name),
        hint,
    }
}

fn entry(row: &Row, defaults: &Defaults, benchmarks: Names) -> String {
    let mut text = format!("{}\n", row.path);
    for line in textwrap(&row.sentences(), 96) {
        let _ = writeln!(text, "    {line}");
    }
    let plain = |text: String| text.replace('`', "");
    let _ = writeln!(
        text,
        "    type: {}",
        plain(type_name(&row.key.kind, benchmarks))
    );
    if defaults.is_required(row) {
        text.push_str("    required\n");
    } else if let Some(default) = defaults.of(row) {
        let _ = writeln!(text, "    default: {}", plain(default));
    }
    if !row.key.aliases.is_empty() {
        let _ = writeln!(text, "    also spelled: {}", row.key.aliases.join(", "));
    }
    for word in words_of(&row.key.kind) {
        let _ = writeln!(text, "    - {}: {}", word.name, one_line(word.doc));
    }
    text
}

/// Lines of at most `width` characters, where words allow it.
fn textwrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("it starts with one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
