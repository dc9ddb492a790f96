//! A folder that a program is given to read: it can be read and nothing more, and nothing beside it is visible.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use slm_sandbox::{Job, Limits, SandboxError, Verdict};

use super::{WALLED, answer, calls_of, check, quoted, strongest, told};

/// A folder `tree` that any user may read and write, beside a folder `beside` with a secret.
fn folders() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    };
    open(folder.path(), 0o777);
    for (name, content) in [("tree", "shown"), ("beside", "secret")] {
        let below = folder.path().join(name);
        fs::create_dir(&below).expect("a folder");
        open(&below, 0o777);
        fs::write(below.join("file"), content).expect("a file");
        open(&below.join("file"), 0o666);
    }
    folder
}

/// Runs `attempt()` with the tree at levels A and B, and passes its answer on.
fn with_tree(folder: &Path, attempt: &str, judge: impl Fn(&str)) {
    let program = format!(
        "import os\nTREE = {}\nBESIDE = {}\n{attempt}",
        quoted(&folder.join("tree")),
        quoted(&folder.join("beside"))
    );
    let job = Job {
        tree: Some(folder.join("tree")),
        ..calls_of(&told(&program))
    };
    check(WALLED, &job, &Limits::default(), |outcome| {
        if outcome.verdict == Verdict::Violation {
            judge("denied: a violation");
        } else {
            judge(&answer(outcome));
        }
    });
}

#[test]
fn the_tree_can_be_read() {
    let folder = folders();
    let attempt = "def attempt():\n    return os.listdir(TREE), open(TREE + '/file').read()";
    with_tree(folder.path(), attempt, |answer| {
        assert_eq!(answer, "came through: (['file'], 'shown')");
    });
}

#[test]
fn the_tree_cannot_be_changed() {
    for attempt in [
        "open(TREE + '/file', 'a')",
        "open(TREE + '/other', 'w')",
        "os.remove(TREE + '/file')",
        "os.mkdir(TREE + '/folder')",
        "os.rename(TREE + '/file', TREE + '/moved')",
        "os.symlink('/etc/passwd', TREE + '/link')",
        "os.link(TREE + '/file', TREE + '/link')",
        "os.truncate(TREE + '/file', 0)",
        "os.chmod(TREE + '/file', 0)",
        "os.rename(TREE, TREE + '-moved')",
    ] {
        let folder = folders();
        let program = format!("def attempt():\n    return {attempt}");
        with_tree(folder.path(), &program, |answer| {
            assert!(answer.starts_with("denied: "), "{attempt}: {answer}");
        });
        let tree = folder.path().join("tree");
        let names: Vec<_> = fs::read_dir(&tree).expect("the tree").flatten().collect();
        assert_eq!(names.len(), 1, "{attempt}");
        let file = tree.join("file");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "shown");
        let mode = fs::metadata(&file).expect("the file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o666, "{attempt}");
    }
}

#[test]
fn nothing_beside_the_tree_can_be_read() {
    let folder = folders();
    for attempt in [
        "open(BESIDE + '/file').read()",
        "open(TREE + '/../beside/file').read()",
        "os.listdir(BESIDE)",
    ] {
        let program = format!("def attempt():\n    return {attempt}");
        with_tree(folder.path(), &program, |answer| {
            assert!(answer.starts_with("denied: "), "{attempt}: {answer}");
        });
    }
    // The folder above exists at level A, but contains the tree alone.
    let program = "def attempt():\n    return os.listdir(TREE + '/..')";
    with_tree(folder.path(), program, |answer| {
        assert!(!answer.contains("beside"), "{answer}");
    });
}

#[test]
fn a_link_in_the_tree_leads_nowhere() {
    let folder = folders();
    let link = folder.path().join("tree/link");
    std::os::unix::fs::symlink(folder.path().join("beside/file"), link).expect("a link");
    let program = "def attempt():\n    return open(TREE + '/link').read()";
    with_tree(folder.path(), program, |answer| {
        assert!(answer.starts_with("denied: "), "{answer}");
    });
}

#[test]
fn a_folder_that_would_hide_the_boxs_own_is_refused() {
    let Some(sandbox) = strongest() else { return };
    for tree in ["/", "/tmp", "relative", "/no/such/folder"] {
        let job = Job {
            tree: Some(tree.into()),
            ..calls_of("def attack(): return 1")
        };
        let error = sandbox.run(&job, sandbox.limits()).expect_err("a refusal");
        assert!(matches!(error, SandboxError::Tree { .. }), "{error}");
    }
}
