//! Definitions equal those that Python's `ast` finds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use slm_metrics::syntax::{DefinitionKind, definitions};
use slm_retrieval::{Index, Mask, Sources, collect};

use crate::index_of;

/// Kind, qualified name, first line, line of the keyword, last line.
type Found = (String, String, usize, usize, usize);

fn read(lines: &str) -> BTreeSet<Found> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn own(text: &str) -> BTreeSet<Found> {
    let all = definitions(text).unwrap();
    let kind = |kind: DefinitionKind| match kind {
        DefinitionKind::Function => "function",
        DefinitionKind::AsyncFunction => "async function",
        DefinitionKind::Class => "class",
        DefinitionKind::Assignment => "assignment",
    };
    all.into_iter()
        .filter(|of| of.kind != DefinitionKind::Assignment)
        .map(|of| {
            (
                kind(of.kind).to_owned(),
                of.qualified_name,
                of.first_line,
                of.keyword_line,
                of.last_line,
            )
        })
        .collect()
}

#[test]
fn definitions_of_a_recorded_file_equal_those_of_ast() {
    let expected = read(include_str!("golden/symbols/golden.jsonl"));
    assert_eq!(expected.len(), 14);
    assert_eq!(own(include_str!("golden/symbols/input.py")), expected);
}

#[expect(clippy::print_stderr, reason = "a skipped test must be reported")]
#[test]
fn definitions_of_fifty_files_of_the_standard_library_equal_those_of_ast() {
    let Some(files) = standard_library() else {
        eprintln!("skipped: python3 or the sources of its standard library are missing");
        return;
    };
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/symbols/make.py");
    let sources = Sources {
        code: files.clone(),
        root: PathBuf::from("/"),
        ..Sources::default()
    };
    let collected = collect(&sources, &|_| None).unwrap();
    assert_eq!(collected.files.len(), 50, "{:?}", collected.left_out);
    let texts: Vec<String> = collected
        .files
        .iter()
        .map(|file| file.text.clone())
        .collect();
    let names: Vec<String> = collected
        .files
        .iter()
        .map(|file| file.source.clone())
        .collect();
    let index = Index::new(collected).unwrap();
    let mut expected: Vec<BTreeSet<Found>> = Vec::new();
    for (name, text) in names.iter().zip(&texts) {
        let path = Path::new("/").join(name);
        let output = Command::new("python3")
            .arg(&make)
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}");
        let found = read(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(own(text), found, "{name}");
        expected.push(found);
    }
    let all: BTreeSet<&str> = expected.iter().flatten().map(|of| of.1.as_str()).collect();
    assert!(all.len() > 500, "{}", all.len());
    for name in all.iter().step_by(7) {
        let dotted = format!(".{name}");
        let mut wanted: Vec<(&str, usize, usize)> = Vec::new();
        for (source, found) in names.iter().zip(&expected) {
            let named = found
                .iter()
                .filter(|of| of.1 == *name || of.1.ends_with(&dotted));
            wanted.extend(named.map(|of| (source.as_str(), of.2, of.4)));
        }
        wanted.sort_unstable();
        let symbol = index.symbol(name, &Mask::none()).unwrap();
        let mut found: Vec<(&str, usize, usize)> = symbol
            .definitions
            .iter()
            // Assignments are found as well.
            .filter(|of| {
                let first = of.text.trim_start();
                ["def ", "async ", "class ", "@"]
                    .iter()
                    .any(|word| first.starts_with(word))
            })
            .map(|of| (of.source.as_str(), of.lines.0, of.lines.1))
            .collect();
        found.sort_unstable();
        found.dedup();
        wanted.dedup();
        assert_eq!(found, wanted, "{name}");
    }
}

/// Returns fifty files of the standard library, the first by name that Python 3.13's grammar accepts.
fn standard_library() -> Option<Vec<PathBuf>> {
    let script = "import os; print(os.path.dirname(os.__file__))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.trim())
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| definitions(&text).is_ok()))
        .collect();
    files.sort();
    files.truncate(50);
    (files.len() == 50).then_some(files)
}

const FILES: [(&str, &str); 2] = [
    (
        "pkg/a.py",
        "import math\nLIMIT = 3\n\ndef area(r):\n    return math.pi * r ** 2\n\nclass Shape:\n    def area(self):\n        return area(self.r)\n",
    ),
    (
        "pkg/b.py",
        "from .a import area\n\n# area\nx = area(1)\ny = area(2)\nz = area(3)\n",
    ),
];

#[test]
fn a_name_has_its_definitions_and_first_three_uses() {
    let index = index_of(&FILES);
    let symbol = index.symbol("area", &Mask::none()).unwrap();
    let places: Vec<_> = symbol
        .definitions
        .iter()
        .map(|of| (of.source.as_str(), of.name.as_str(), of.lines))
        .collect();
    assert_eq!(
        places,
        [
            ("pkg/a.py", "area", (4, 5)),
            ("pkg/a.py", "Shape.area", (8, 9))
        ]
    );
    assert_eq!(
        symbol.definitions[0].text,
        "def area(r):\n    return math.pi * r ** 2\n"
    );
    let uses: Vec<_> = symbol
        .uses
        .iter()
        .map(|of| (of.source.as_str(), of.line, of.text.as_str()))
        .collect();
    assert_eq!(
        uses,
        [
            ("pkg/a.py", 9, "return area(self.r)"),
            ("pkg/b.py", 1, "from .a import area"),
            ("pkg/b.py", 4, "x = area(1)"),
        ]
    );
}

#[test]
fn a_dotted_name_finds_only_what_it_means() {
    let index = index_of(&FILES);
    let names = |name: &str| -> Vec<String> {
        let symbol = index.symbol(name, &Mask::none()).unwrap_or_default();
        symbol.definitions.into_iter().map(|of| of.name).collect()
    };
    assert_eq!(names("Shape.area"), ["Shape.area"]);
    assert_eq!(names("pkg.a.area"), ["area"]);
    assert_eq!(names("a.Shape.area()"), ["Shape.area"]);
    assert_eq!(names("LIMIT"), ["LIMIT"]);
    assert_eq!(names("b.area"), [] as [&str; 0]);
    for unknown in ["nothing", "", ".", "rea", "a area"] {
        assert_eq!(index.symbol(unknown, &Mask::none()), None, "{unknown:?}");
    }
}
