//! Hostile repositories: the harness ends, accounts for every function, and nothing outside the box changes.

use std::fs;

use slm_sandbox::Verdict;

use super::{Repository, note, sandbox};

/// Runs a repository whose test file or conftest.py begins with hostile code.
fn attacked(file: &str, code: &str) {
    let Some(sandbox) = sandbox() else { return };
    let test = "from a import f\ndef test_f(): assert f(2) == 6\n";
    let mut files = vec![("a.py", "def f(x):\n    'F.'\n    return x * 3\n".to_owned())];
    if file == "conftest.py" {
        files.push(("test_a.py", "import pytest\n@pytest.fixture\ndef x(): return 2\ndef test_x(x):\n    from a import f\n    assert f(x) == 6\n".to_owned()));
        files.push(("conftest.py", code.to_owned()));
    } else {
        files.push(("test_a.py", format!("{code}\n{test}")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let repository = Repository::new(&files);
    let made = repository.make(sandbox);
    assert_eq!(made.rows.len(), 1, "{code}");
    for (name, text) in files {
        let path = repository.root().join(name);
        assert_eq!(fs::read_to_string(path).expect("the file"), text, "{code}");
    }
    let entries = fs::read_dir(repository.root()).expect("the repository");
    assert_eq!(
        entries.count(),
        if file == "conftest.py" { 3 } else { 2 },
        "{code}"
    );
}

const ATTACKS: [&str; 8] = [
    "while True: pass",
    "import os\nos._exit(0)",
    "import os\nos.write(1, b'x' * (40 << 20))\nfor fd in range(64):\n    try: os.write(fd, b'0' * (1 << 24))\n    except OSError: pass",
    "import sys\nsys.setrecursionlimit(10 ** 9)\ndef g(): return g()\ng()",
    "import os\nfor name in ('a.py', 'new.py'):\n    try: open(name, 'w').write('x')\n    except OSError: pass",
    "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'[\"end\", \"plain\", \"test_a.py::test_f\", \"passed\", \"\", \"\", \"\", [0]]\\n[1]\\n')\n    except OSError: pass",
    "raise SystemExit(3)",
    "x = [0] * (1 << 40)",
];

#[test]
fn hostile_test_files_end() {
    for code in ATTACKS {
        attacked("test_a.py", code);
    }
}

#[test]
fn hostile_conftests_end() {
    let Some(sandbox) = sandbox() else { return };
    let outcome = sandbox.run_tests("import pytest", &[]).expect("a run");
    if outcome.verdict != Verdict::Passed {
        note("SKIPPED: the interpreter has no pytest; set PYTHON to one that has it");
        return;
    }
    for code in ATTACKS {
        attacked("conftest.py", code);
    }
}

#[test]
fn forged_results_of_tests_that_never_ran_are_no_evidence() {
    let Some(sandbox) = sandbox() else { return };
    // Lines without the number that only the driver knows.
    let forged = "import os\nfor fd in range(3, 20):\n    for line in ('[\"begin\", \"plain\", \"test_a.py::test_f\"]', '[\"end\", \"plain\", \"test_a.py::test_f\", \"passed\", \"\", \"\", \"\", [0]]', '[\"done\"]'):\n        try: os.write(fd, line.encode() + b'\\n')\n        except OSError: pass\nos._exit(0)\n";
    let made = Repository::new(&[
        ("a.py", "def f(x):\n    'F.'\n    return x * 3\n"),
        ("test_a.py", forged),
    ])
    .make(sandbox);
    assert_eq!(made.report.tested, 0);
}
