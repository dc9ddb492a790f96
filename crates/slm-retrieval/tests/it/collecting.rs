//! Files, folders, patterns and packages.

use std::path::{Path, PathBuf};

use slm_retrieval::{Collected, Index, LeftOut, RetrievalError, Sources, collect};

use crate::folder_of;

fn try_collect(root: &Path, docs: &[&str], code: &[&str]) -> Result<Collected, RetrievalError> {
    let sources = Sources {
        docs: docs.iter().map(|of| (*of).to_owned()).collect(),
        code: code.iter().map(PathBuf::from).collect(),
        root: root.to_owned(),
    };
    collect(&sources, &|name| Some(root.join("site").join(name)))
}

fn names(root: &Path, docs: &[&str], code: &[&str]) -> Vec<String> {
    let all = try_collect(root, docs, code).unwrap();
    all.files.into_iter().map(|file| file.source).collect()
}

const FILES: [(&str, &str); 9] = [
    (".gitignore", "built/\n"),
    ("docs/a.md", "A\n"),
    ("docs/sub/b.rst", "B\n"),
    ("docs/c.pdf", "C\n"),
    ("built/d.md", "D\n"),
    ("README.md", "R\n"),
    ("src/x.py", "def x(): pass\n"),
    ("src/.hidden/y.py", "def y(): pass\n"),
    ("src/venv/pyvenv.cfg", ""),
];

#[test]
fn files_folders_and_patterns_name_documents() {
    let folder = folder_of(&FILES);
    let of = |docs: &[&str]| names(folder.path(), docs, &[]);
    assert_eq!(of(&["docs"]), ["docs/a.md", "docs/sub/b.rst"]);
    assert_eq!(of(&["docs/**/*.rst"]), ["docs/sub/b.rst"]);
    assert_eq!(of(&["docs/*.md"]), ["docs/a.md"]);
    assert_eq!(of(&["*.md"]), ["README.md"]);
    assert_eq!(of(&["."]), ["README.md", "docs/a.md", "docs/sub/b.rst"]);
    // Each file once, however often it is named; a file that is named is read although .gitignore has it.
    assert_eq!(
        of(&["docs/a.md", "./docs", "docs/{a,z}.md", "built/d.md"]),
        ["built/d.md", "docs/a.md", "docs/sub/b.rst"]
    );
    let other = try_collect(folder.path(), &["docs/*"], &[]).unwrap();
    assert_eq!(other.left_out[&LeftOut::OtherFormat], ["docs/c.pdf"]);
    assert_eq!(other.files.len(), 1);
}

#[test]
fn folders_and_files_name_code() {
    let folder = folder_of(&FILES);
    std::fs::write(folder.path().join("src/venv/z.py"), "def z(): pass\n").unwrap();
    assert_eq!(names(folder.path(), &[], &["src"]), ["src/x.py"]);
    assert_eq!(names(folder.path(), &[], &["src/x.py"]), ["src/x.py"]);
    // Outside the root a file has the name of the folder that was named.
    let outside = names(&folder.path().join("docs"), &[], &["../src"]);
    assert_eq!(outside, ["src/x.py"]);
}

#[test]
fn what_finds_nothing_is_an_error_with_its_name() {
    let folder = folder_of(&FILES);
    let error = |docs: &[&str], code: &[&str]| {
        let error = try_collect(folder.path(), docs, code).unwrap_err();
        error.to_string()
    };
    let none = error(&["docs/*.txt"], &[]);
    assert!(
        none.starts_with("no file .md, .markdown, .rst or .txt matches `docs/*.txt`\nhint: "),
        "{none}"
    );
    let missing = error(&["doc/a.md"], &[]);
    assert!(
        missing.starts_with("`doc/a.md` does not exist\nhint: "),
        "{missing}"
    );
    let meant = error(&["docs/b.md"], &[]);
    assert!(
        meant.contains("hint: did you mean `docs/a.md`? paths are relative to"),
        "{meant}"
    );
    assert!(error(&["dcos/*.md"], &[]).contains("did you mean `docs`?"));
    assert!(error(&[], &["scr"]).contains("did you mean `src`?"));
    assert!(error(&[], &["docs"]).contains("no file .py matches `docs`"));
    assert!(error(&["docs/[.md"], &[]).contains("is not a pattern of paths"));
    let package = try_collect(folder.path(), &["pip:nothing"], &[]).unwrap_err();
    assert!(matches!(package, RetrievalError::NoSuchPackage { name } if name == "nothing"));
}

#[test]
fn an_index_of_nothing_is_an_error_that_names_what_was_left_out() {
    let folder = folder_of(&[("test_a.py", "def test_a(): pass\n"), ("b.py", "x = 1\n")]);
    let all = try_collect(folder.path(), &[], &["."]).unwrap();
    let error = Index::new(all).unwrap_err().to_string();
    assert!(
        error.starts_with("nothing to index: no definition and no text in 1 readable file(s); left out: 1 files of tests\nhint: "),
        "{error}"
    );
}

#[test]
fn a_package_is_read_and_never_imported() {
    let folder = folder_of(&[
        (
            "site/boxes/__init__.py",
            "\"\"\"Boxes.\"\"\"\nfrom ._core import Box\nraise SystemExit('imported')\n",
        ),
        (
            "site/boxes/_core.py",
            "class Box:\n    \"\"\"A box.\"\"\"\n    def open(self):\n        \"\"\"Open it.\"\"\"\n        return 1\n    def _hide(self): pass\n\nclass Inner: pass\n",
        ),
        (
            "site/boxes/more.py",
            "__all__ = ['a']\ndef a(x: int = 1): pass\ndef b(): pass\n",
        ),
        ("site/boxes/tests/test_a.py", "def test_a(): pass\n"),
        ("site/compiled/core.so", ""),
        (".gitignore", "site/\n"),
    ]);
    let all = try_collect(folder.path(), &["pip:boxes"], &[]).unwrap();
    let found: Vec<_> = all
        .chunks
        .iter()
        .map(|chunk| {
            (
                chunk.source.as_str(),
                chunk.name.as_str(),
                chunk.text.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("pip:boxes/__init__.py", "boxes", "Boxes."),
            ("pip:boxes/_core.py", "boxes._core.Box", "class Box\nA box."),
            (
                "pip:boxes/_core.py",
                "boxes._core.Box.open",
                "def open(self)\nOpen it."
            ),
            ("pip:boxes/more.py", "boxes.more.a", "def a(x: int = 1)"),
        ]
    );
    assert_eq!(
        all.left_out[&LeftOut::TestFile],
        ["pip:boxes/tests/test_a.py"]
    );
    let compiled = try_collect(folder.path(), &["pip:compiled"], &[]).unwrap_err();
    let message = compiled.to_string();
    assert!(
        message.starts_with("the package `compiled` has no Python source in "),
        "{message}"
    );
}

#[test]
fn a_package_of_one_file_has_its_name() {
    let folder = folder_of(&[("site/one.py", "def f():\n    \"\"\"One.\"\"\"\n")]);
    let sources = Sources {
        docs: vec!["pip:one".to_owned()],
        root: folder.path().to_owned(),
        ..Sources::default()
    };
    let file = folder.path().join("site/one.py");
    let all = collect(&sources, &|_| Some(file.clone())).unwrap();
    assert_eq!(all.chunks[0].source, "pip:one.py");
    assert_eq!(all.chunks[0].name, "one.f");
}
