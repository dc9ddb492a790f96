//! The reference as a Markdown page.

use std::fmt::Write as _;

use super::defaults::Defaults;
use super::type_name::type_name;
use crate::load::Names;
use crate::recipe::Recipe;
use crate::schema::{Kind, Row, Word, one_line, rows};

const HEAD: &str = "\
# Recipe keys

<!-- Generated from the table of keys in crates/slm-config; `just docs` writes it again. -->

A recipe is a YAML file with these sections. Every key has a default unless it is marked as required, and an unknown key is
an error that suggests the nearest. `--set section.key=value` overrides a key on the command line. `trainer recipe KEY`
prints an entry of this page.
";

pub(super) fn page(benchmarks: Names) -> String {
    let defaults = Defaults::new();
    let all = rows(Recipe::KEYS);
    let mut page = HEAD.to_owned();
    page.push_str("\n## The top level\n\n");
    section(&mut page, &all, "", &defaults, benchmarks);
    for row in &all {
        let items = match row.key.kind {
            Kind::Section(_) => "",
            Kind::Sections(_) => "[]",
            _ if row.has_section_items() => "[]",
            _ => continue,
        };
        let _ = write!(page, "\n## {}{items}\n\n{}\n\n", row.path, row.sentences());
        let path = format!("{}{items}", row.path);
        section(&mut page, &all, &path, &defaults, benchmarks);
    }
    page
}

/// The table of the keys of the section `path`, then the words that they may hold.
fn section(page: &mut String, all: &[Row], path: &str, defaults: &Defaults, benchmarks: Names) {
    let own = || all.iter().filter(|row| row.section() == path);
    page.push_str("| key | type | default | |\n|---|---|---|---|\n");
    for row in own() {
        let default = if defaults.is_required(row) {
            "**required**".to_owned()
        } else {
            defaults.of(row).unwrap_or_default()
        };
        let mut sentences = row.sentences();
        if !row.key.aliases.is_empty() {
            let aliases: Vec<_> = row.key.aliases.iter().map(|a| format!("`{a}`")).collect();
            let _ = write!(sentences, " Also spelled {}.", aliases.join(", "));
        }
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            row.key.name,
            cell(&type_name(&row.key.kind, benchmarks)),
            cell(&default),
            cell(&sentences)
        );
    }
    for row in own() {
        let words = words_of(&row.key.kind);
        if words.len() > 1 {
            let _ = write!(page, "\n`{}`:\n\n", row.key.name);
            for word in words {
                let _ = writeln!(page, "- `{}`: {}", word.name, one_line(word.doc));
            }
        }
    }
}

/// The words that a value of this type may hold.
pub(super) fn words_of(kind: &Kind) -> Vec<Word> {
    match kind {
        Kind::Word(words) => words(),
        Kind::List { of, .. } => words_of(of),
        Kind::Either(kinds) => kinds.iter().flat_map(words_of).collect(),
        _ => Vec::new(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
