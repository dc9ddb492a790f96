//! No two sibling modules import each other, and no file has a meaningless name.

use tidy::{crates, knots, shipped};

/// Names that do not restrict their contents.
const EMPTY_NAMES: [&str; 4] = ["types", "common", "util", "shared"];

#[test]
fn no_two_sibling_modules_import_each_other() {
    let sources: Vec<_> = shipped().collect();
    let mut found = Vec::new();
    // The programs of the wheel are files without modules.
    for (name, folder) in crates().into_iter().filter(|(name, _)| name != "slm-lora") {
        let prefix = format!("{folder}/src/");
        let files: Vec<(String, String)> = sources
            .iter()
            .filter_map(|source| {
                let path = source.path.strip_prefix(&prefix)?;
                Some((path.to_owned(), source.text.clone()))
            })
            .collect();
        found.extend(
            knots(&files)
                .into_iter()
                .map(|knot| format!("{name}, {knot}")),
        );
    }
    assert!(
        found.is_empty(),
        "{} knots:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn every_file_has_a_name_that_says_what_is_in_it() {
    for source in shipped() {
        let parts = source.path.trim_end_matches(".rs").split('/');
        let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part));
        assert!(
            empty.is_none(),
            "{}: name the file after its subject",
            source.path
        );
    }
}
