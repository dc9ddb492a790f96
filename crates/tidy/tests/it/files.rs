//! Files: their length, their header comments, and the map of folders in ARCHITECTURE.md.

use std::collections::BTreeSet;

use tidy::{read, shipped, sources};

/// Maximum number of lines: a longer file has two subjects.
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
fn the_code_map_lists_every_folder_of_sources_and_no_other() {
    let mapped = code_map(&read("ARCHITECTURE.md"));
    let there: BTreeSet<String> = shipped()
        .map(|source| folder(&source.path).to_owned())
        .collect();
    let missing: Vec<_> = there.difference(&mapped).collect();
    assert!(missing.is_empty(), "not in the code map: {missing:?}");
    let gone: Vec<_> = mapped.difference(&there).collect();
    assert!(gone.is_empty(), "in the code map, but not there: {gone:?}");
}

/// Returns the folder of a file, with a trailing slash.
fn folder(path: &str) -> &str {
    &path[..=path.rfind('/').expect("a file in a folder")]
}

/// Returns the paths in the code map: a tree by indentation, each line `FOLDER/  what it is for`.
fn code_map(page: &str) -> BTreeSet<String> {
    let (_, section) = page
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
        let (name, purpose) = line
            .trim_start()
            .split_once("  ")
            .unwrap_or_else(|| panic!("no purpose: {line}"));
        assert!(!purpose.trim().is_empty(), "no purpose: {line}");
        assert!(name.ends_with('/'), "not a folder: {line}");
        open.retain(|(of, _)| *of < indent);
        let path = format!("{}{name}", open.last().map_or("", |(_, path)| path));
        open.push((indent, path.clone()));
        assert!(paths.insert(path), "twice in the code map: {line}");
    }
    paths
}

#[test]
fn a_code_map_is_read_as_a_tree() {
    let page = "\n## Code map\n\n```\na/src/  one\n  d/  three\n    e/  four\n  f/  five\n```\n";
    let expected = ["a/src/", "a/src/d/", "a/src/d/e/", "a/src/f/"];
    assert_eq!(code_map(page), expected.map(str::to_owned).into());
}
