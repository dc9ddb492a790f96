//! The documented functions of a package from PyPI, counted here and by Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use slm_metrics::syntax::{Uncut, survey_functions};

const PACKAGE: &str = "rich==15.0.0";

/// Returns the package's folder. Without a package index the test prints a note and skips; with `REQUIRE_MODEL=1`,
/// which demands all downloads, it fails instead.
#[expect(clippy::print_stderr, reason = "a skipped test must be reported")]
fn package() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rich-15.0.0");
    if folder.join("rich/table.py").is_file() {
        return Some(folder);
    }
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&folder)
        .arg(PACKAGE)
        .status();
    if installed.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    assert!(
        std::env::var_os("REQUIRE_MODEL").is_none(),
        "REQUIRE_MODEL is set, but pip cannot install {PACKAGE}"
    );
    eprintln!("SKIPPED: pip cannot install {PACKAGE}");
    None
}

fn python_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            python_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "py") {
            found.push(path);
        }
    }
}

#[test]
fn the_documented_functions_of_rich_are_those_that_python_counts() {
    let Some(folder) = package() else { return };
    let root = folder.join("rich");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/functions/count.py");
    let output = Command::new("python3").arg(script).arg(&root).output();
    let counted: serde_json::Value =
        serde_json::from_slice(&output.expect("python3").stdout).expect("JSON");
    let mut files = Vec::new();
    python_files(&root, &mut files);
    let (mut functions, mut methods, mut nested) = (0, 0, 0);
    for file in files {
        let text = slm_metrics::decode_python(&std::fs::read(&file).expect("a file"));
        let survey = survey_functions(&text.expect("a text")).expect("Python");
        for function in &survey.functions {
            match function.class_name {
                Some(_) => methods += 1,
                None => functions += 1,
            }
        }
        for function in &survey.uncut {
            match function.reason {
                Uncut::Nested if !function.is_method => nested += 1,
                _ if function.is_method => methods += 1,
                _ => functions += 1,
            }
        }
    }
    let found = serde_json::json!({"functions": functions, "methods": methods, "nested": nested});
    assert_eq!(found, counted);
    assert_eq!(
        counted,
        serde_json::json!({"functions": 84, "methods": 424, "nested": 26})
    );
}
