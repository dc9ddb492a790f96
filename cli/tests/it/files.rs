//! Files: how long they get, what they say of themselves, and the map of them in the README.

use std::collections::BTreeSet;

use crate::source::{read, root, shipped, sources};

/// Past this many lines a file has two subjects.
const LONGEST: usize = 600;

#[test]
fn no_file_is_too_long() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(
            lines <= LONGEST,
            "{}: {lines} lines, at most {LONGEST}",
            source.path
        );
    }
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    for source in shipped() {
        assert!(
            source.text.starts_with("//! "),
            "{}: begins without `//!`",
            source.path
        );
    }
}

#[test]
fn the_readmes_code_map_lists_every_source_file_and_no_other() {
    let mapped = code_map(&read("README.md"));
    let there: BTreeSet<String> = shipped()
        .map(|source| entry(&source.path).to_owned())
        .collect();
    let missing: Vec<_> = there.difference(&mapped).collect();
    assert!(missing.is_empty(), "not in the code map: {missing:?}");
    for path in mapped {
        assert!(
            root().join(&path).exists(),
            "in the code map, but not there: {path}"
        );
    }
}

/// How a file appears in the map: `mod.rs` and `lib.rs` by their folder, whose line says what they are for.
fn entry(path: &str) -> &str {
    path.strip_suffix("mod.rs")
        .or_else(|| path.strip_suffix("lib.rs"))
        .unwrap_or(path)
}

/// The paths in the code map: a tree by indentation, each line `NAME, NAME  what they are for`.
fn code_map(readme: &str) -> BTreeSet<String> {
    let (_, section) = readme
        .split_once("\n## Code map\n")
        .expect("a section `Code map`");
    let tree = section
        .split("```")
        .nth(1)
        .expect("a block in the code map");
    let mut paths = BTreeSet::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let indent = line.len() - line.trim_start().len();
        let (names, purpose) = line
            .trim_start()
            .split_once("  ")
            .unwrap_or_else(|| panic!("no purpose: {line}"));
        assert!(!purpose.trim().is_empty(), "no purpose: {line}");
        open.retain(|(of, _)| *of < indent);
        let folder = open.last().map_or("", |(_, path)| path).to_owned();
        for name in names.split(", ") {
            let path = format!("{folder}{name}");
            if name.ends_with('/') {
                open.push((indent, path.clone()));
            }
            assert!(paths.insert(path), "twice in the code map: {line}");
        }
    }
    paths
}

#[test]
fn a_code_map_is_read_as_a_tree() {
    let readme = "\n## Code map\n\n```\na/src/  one\n  b.rs, c.rs    two\n  d/  three\n    e.rs  four\n  f.rs  five\n```\n";
    let expected = [
        "a/src/",
        "a/src/b.rs",
        "a/src/c.rs",
        "a/src/d/",
        "a/src/d/e.rs",
        "a/src/f.rs",
    ];
    assert_eq!(code_map(readme), expected.map(str::to_owned).into());
}
