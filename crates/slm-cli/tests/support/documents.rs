//! Documents that are generated from the code: a test compares them, and `UPDATE_DOCS=1` writes them.

use std::fs;
use std::path::{Path, PathBuf};

fn document(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Compares a whole document, by its path in the repository.
pub(crate) fn check_document(path: &str, expected: &str) {
    let file = document(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&file, expected).expect("the document can be written");
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let differs = found
        .lines()
        .zip(expected.lines())
        .position(|(a, b)| a != b);
    let line = differs.unwrap_or(found.lines().count().min(expected.lines().count())) + 1;
    assert!(
        found == expected,
        "{path} differs from the code, first in line {line}: run the tests once with UPDATE_DOCS=1"
    );
}

/// The same for the part of a document between the lines `<!-- NAME -->` and `<!-- end NAME -->`.
pub(crate) fn check_part(path: &str, name: &str, expected: &str) {
    let text = fs::read_to_string(document(path)).unwrap_or_default();
    let (open, close) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end {name} -->\n"),
    );
    let begin = text.find(&open).map(|at| at + open.len());
    let end = text.find(&close);
    let (Some(begin), Some(end)) = (begin, end) else {
        panic!("{path} lacks the lines {open}and {close}");
    };
    let whole = format!("{}\n{}\n{}", &text[..begin], expected.trim(), &text[end..]);
    check_document(path, &whole);
}

/// A command in a document.
#[derive(Debug, Clone)]
pub(crate) struct Documented {
    /// The document and the line.
    pub(crate) place: String,
    /// The program and its arguments, as a shell splits them.
    pub(crate) words: Vec<String>,
}

/// The lines of the shell blocks of README and guides, continued lines joined, and the first lines of recipes; each with
/// its place.
pub(crate) fn documented_lines() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in documents() {
        let is_recipe = path.starts_with("recipes/");
        let mut is_shell = is_recipe;
        let mut pending = String::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.starts_with("```") {
                is_shell = line == "```sh";
                continue;
            }
            let line = if is_recipe {
                match line.strip_prefix("# ").filter(|_| number == 1) {
                    Some(line) => line,
                    None => break,
                }
            } else {
                line
            };
            if !is_shell {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                pending.push_str(part);
                continue;
            }
            let whole = std::mem::take(&mut pending) + line;
            found.push((format!("{path}:{number}"), whole));
        }
    }
    found
}

/// The commands of `program` in those lines.
pub(crate) fn documented_commands(program: &str) -> Vec<Documented> {
    let mut found = Vec::new();
    for (place, line) in documented_lines() {
        for words in split(&line) {
            let first = words
                .iter()
                .position(|word| !word.contains('='))
                .unwrap_or(0);
            if words.get(first).is_some_and(|word| word == program) {
                found.push(Documented {
                    place: place.clone(),
                    words: words[first..].to_vec(),
                });
            }
        }
    }
    found
}

/// README, guides and recipes, by their paths in the repository.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned()];
    for (folder, ending) in [("docs/guide", ".md"), ("recipes", ".yaml")] {
        let entries = fs::read_dir(document(folder)).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        paths.extend(
            names
                .filter(|name| name.ends_with(ending))
                .map(|name| format!("{folder}/{name}")),
        );
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(document(&path)).expect("a document");
            (path, text)
        })
        .collect()
}

/// The commands of a line, split into words at blanks outside of quotes; `&&` divides commands and `#` begins a comment.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => commands.last_mut().expect("one").extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
        if commands
            .last()
            .is_some_and(|words| words.last().is_some_and(|word| word == "&&"))
        {
            commands.last_mut().expect("one").pop();
            commands.push(Vec::new());
        }
    }
    commands.last_mut().expect("one").extend(word);
    commands.retain(|words| !words.is_empty());
    commands
}

#[test]
fn lines_are_split_as_a_shell_does() {
    let words = |line: &str| split(line);
    assert_eq!(
        words("a 'b c' && d --x=\"e f\" # g"),
        [vec!["a", "b c"], vec!["d", "--x=e f"]]
    );
    assert_eq!(words("  # only a comment"), Vec::<Vec<String>>::new());
}
