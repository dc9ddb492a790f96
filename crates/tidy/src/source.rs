//! The files of the workspace, and their code without comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the workspace folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads a text file of the workspace.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the workspace's packages as (name, folder from the root), ordered by folder.
pub fn crates() -> Vec<(String, String)> {
    let mut folders = vec!["trainer".to_owned(), "evaluator".to_owned()];
    for entry in fs::read_dir(root().join("crates")).expect("a folder `crates`") {
        let name = entry.expect("a readable entry").file_name();
        folders.push(format!("crates/{}", name.to_string_lossy()));
    }
    folders.sort();
    assert!(folders.len() > 5, "{folders:?}");
    folders
        .into_iter()
        .map(|folder| (package_name(&folder), folder))
        .collect()
}

fn package_name(folder: &str) -> String {
    let manifest = read(&format!("{folder}/Cargo.toml"));
    manifest
        .lines()
        .find_map(|line| {
            Some(
                line.strip_prefix("name = \"")?
                    .trim_end_matches('"')
                    .to_owned(),
            )
        })
        .unwrap_or_else(|| panic!("{folder}: no name"))
}

/// Returns the keys in one section of a crate's manifest, such as `dependencies`.
pub fn manifest_keys(folder: &str, section: &str) -> Vec<String> {
    read(&format!("{folder}/Cargo.toml"))
        .lines()
        .skip_while(|line| *line != format!("[{section}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(['=', '.'])?.0.trim().to_owned()))
        .filter(|key| !key.starts_with('#'))
        .collect()
}

/// A Rust file.
#[derive(Debug)]
pub struct Source {
    /// Path from the workspace folder, with `/` as separator.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// Returns the text with comments, strings and characters blanked out, line for line.
    pub fn code(&self) -> String {
        code_of(&self.text)
    }
}

/// Returns every Rust file of the crates, including tests, ordered by path.
pub fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (_, folder) in crates() {
        find(&folder, &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 100, "only {} files found", sources.len());
    sources
}

/// Returns the Rust files under `src/`.
pub fn shipped() -> impl Iterator<Item = Source> {
    sources()
        .into_iter()
        .filter(|source| source.path.contains("/src/"))
}

fn find(folder: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(root().join(folder)).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            find(&path, sources);
        } else if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs")
        {
            sources.push(Source {
                text: read(&path),
                path,
            });
        }
    }
}

/// Replaces comments, strings and characters by spaces. Line breaks are kept.
pub fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = token(rest, first, code.ends_with(is_word));
        let (taken, after) = rest.split_at(length);
        if is_code {
            code += taken;
        } else {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    code
}

/// Returns the length of the next piece in bytes, and whether it is code.
fn token(rest: &str, first: char, in_word: bool) -> (usize, bool) {
    let until = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return (until(rest.find('\n')), false);
    }
    if rest.starts_with("/*") {
        return (until(rest.find("*/").map(|at| at + 2)), false);
    }
    let raw = rest
        .strip_prefix("br")
        .or_else(|| rest.strip_prefix('r'))
        .filter(|_| !in_word);
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let open = rest.len() - raw.len() + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            return (
                until(rest[open..].find(&close).map(|at| open + at + close.len())),
                false,
            );
        }
    }
    match first {
        '"' => (1 + quoted(&rest[1..], '"'), false),
        '\'' => match rest[1..].chars().next() {
            Some('\\') => (1 + quoted(&rest[1..], '\''), false),
            Some(c) if rest[1 + c.len_utf8()..].starts_with('\'') => (2 + c.len_utf8(), false),
            // A lifetime.
            _ => (1, true),
        },
        _ => (first.len_utf8(), true),
    }
}

/// Returns the number of bytes up to and including the closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Returns whether a character can be part of a name.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns whether the code refers to an item of the crate `name`, or imports it.
pub fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        !before.ends_with(is_word)
            && (after.starts_with("::") || before.ends_with("use ") && !after.starts_with(is_word))
    })
}

/// Returns whether `name` occurs in the code as a whole word; `name` may contain `::`.
pub fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn comments_strings_and_characters_are_no_code() {
    let text = "let a = 'x'; // unsafe\nlet b: &'static str = \"unsafe \\\" unsafe\"; let c = r#\"unsafe\"#; /* unsafe */ f('\\'', d);";
    let code = code_of(text);
    assert_eq!(code.lines().count(), 2);
    assert!(!mentions(&code, "unsafe"), "{code}");
    for word in ["let a", "let b: &'static str", "let c", "f(", "d)"] {
        assert!(code.contains(word), "{word} in {code}");
    }
}

#[test]
fn a_name_is_found_as_a_whole_word_only() {
    assert!(names_crate("use zip::Archive;", "zip") && names_crate("use zip;", "zip"));
    assert!(!names_crate("a.zip(b)", "zip") && !names_crate("unzip::all(b)", "zip"));
    assert!(mentions("unsafe { f() }", "unsafe"));
    assert!(!mentions("deny(unsafe_code)", "unsafe"));
}
