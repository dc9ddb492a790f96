//! Which functions become tasks with tests, and why the others do not.

use std::sync::LazyLock;

use slm_repository::{RepositoryError, make_tasks};

use super::{Made, Repository, make, note, sandbox};

const FUNCTIONS: &str = r#"
"""Functions."""
import random
import socket
import subprocess


def add(a, b):
    """Adds."""
    total = a + b
    return total


def area(width, height):
    """Multiplies.

    >>> area(2, 3)
    6

    >>> area(1, 0)
    0
    """
    return width * height


class Counter:
    """Counts."""

    def __init__(self, start):
        self.start = start

    def up(self, step):
        """Counts up."""
        return self.start + step

    @property
    def half(self):
        """Half."""
        return self.start / 2


def alone(x):
    """Has no test."""
    return x + 7


def weak(x):
    """Has a test that compares nothing."""
    if x > 3:
        return x - 2
    return x + 5


def ignored(x):
    """Has a test that ignores errors."""
    return x * 11


def endless(x):
    """Has a test that never ends."""
    return x * 13


def wrong(x):
    """Has a test that fails."""
    return x * 17


def skipped(x):
    """Has a test that is skipped."""
    return x * 19


def connects(x):
    """Needs the network."""
    socket.create_connection(("127.0.0.1", 9), timeout=1)
    return x * 23


def starts(x):
    """Needs a program."""
    return subprocess.run(["/no/such/program"], check=True), x * 29


def writes(x):
    """Writes a file."""
    with open("result.txt", "w") as file:
        file.write(str(x * 31))


def orphan(x):
    """Is named by a broken file."""
    return x * 37


def rare(x):
    """Is rarely right."""
    return x if random.random() < 0.02 else -x


def numbers(n):
    """Yields."""
    for i in range(n):
        yield i * 41


async def later(x):
    """Waits."""
    return x * 43


def traced(function):
    """Decorates."""
    return function


def outer(x):
    """Contains another."""

    def inner(y):
        """Is nested."""
        return y

    return inner(x) + 47
"#;

const TESTS: &str = r#"
import asyncio
import unittest

from pkg.functions import *
from pkg import functions


def test_add():
    assert add(2, 3) == 5


def test_weak():
    assert weak(1) is not None


def test_ignored():
    try:
        ignored(2)
    except Exception:
        pass


def test_wrong():
    assert wrong(1) == 18


def test_connects():
    assert connects(1) == 23


def test_starts():
    assert starts(1)


def test_writes():
    writes(1)


def test_numbers():
    assert list(numbers(3)) == [0, 41, 82]


def test_later():
    assert asyncio.run(later(2)) == 86


def test_outer():
    assert outer(1) == 48


class TestCounter(unittest.TestCase):
    def setUp(self):
        self.counter = functions.Counter(4)

    def test_up(self):
        for step in (1, 2):
            with self.subTest(step):
                self.assertEqual(self.counter.up(step), 4 + step)

    def test_half(self):
        self.assertEqual(self.counter.half, 2)

    @unittest.skip("not now")
    def test_skipped(self):
        self.assertEqual(functions.skipped(1), 19)
"#;

fn repository() -> Repository {
    let rare = (0..4).fold(String::new(), |text, i| {
        text + &format!("def test_rare_{i}():\n    assert functions.rare(5) == 5\n")
    });
    Repository::new(&[
        ("src/pkg/__init__.py", ""),
        ("src/pkg/functions.py", FUNCTIONS),
        (
            "src/pkg/same.py",
            "def same(width, height):\n    'A copy.'\n    return width * height\n",
        ),
        ("tests/test_functions.py", TESTS),
        (
            "tests/test_endless.py",
            "from pkg.functions import endless\ndef test_a():\n    assert True\ndef test_endless():\n    while endless(1): pass\ndef test_z():\n    assert True\n",
        ),
        (
            "tests/test_broken.py",
            "import no_such_package\nfrom pkg.functions import orphan\ndef test_orphan():\n    assert orphan(1) == 37\n",
        ),
        (
            "tests/test_rare.py",
            &format!("from pkg import functions\n{rare}"),
        ),
    ])
}

/// The repository with its tasks, made once.
static MADE: LazyLock<Option<(Repository, Made)>> = LazyLock::new(|| {
    let repository = repository();
    let made = repository.make(sandbox()?);
    Some((repository, made))
});

#[test]
fn each_function_is_tested_or_has_its_reason() {
    let Some((_, made)) = &*MADE else { return };
    let why = |name: &str| {
        made.why(&format!("src/pkg/functions.py::{name}"))
            .to_owned()
    };
    for name in [
        "add",
        "area",
        "Counter.up",
        "Counter.half",
        "numbers",
        "later",
        "outer",
    ] {
        assert_eq!(why(name), "", "{name}");
    }
    for (name, reason) in [
        ("alone", "no test enters its body"),
        ("traced", "no test enters its body"),
        ("weak", "its tests let mutants pass"),
        ("ignored", "its tests pass without a body"),
        (
            "endless",
            "its tests reach a limit or end their process (time limit)",
        ),
        ("wrong", "its tests fail with its own body (AssertionError)"),
        ("connects", "its tests need the network ("),
        ("starts", "its tests start other programs ("),
        (
            "writes",
            "its tests need files outside the box or write files (",
        ),
        (
            "orphan",
            "a test file that names it cannot be imported (ModuleNotFoundError: No module named 'no_such_package')",
        ),
    ] {
        assert!(why(name).starts_with(reason), "{name}: {}", why(name));
    }
    let rare = why("rare");
    assert!(
        rare.starts_with("its tests fail with its own body")
            || rare == "its tests differ between two runs",
        "{rare}"
    );
    let report = &made.report;
    assert_eq!(report.left_out.get("nested"), Some(&1));
    assert_eq!(report.left_out.get("duplicate"), Some(&1));
    assert_eq!(report.tested, 7);
    assert_eq!(report.tested_by_kind.get("doctest"), Some(&1));
    assert_eq!(report.tested_by_kind.get("unittest"), Some(&2));
    let problems: Vec<&str> = report
        .problems
        .iter()
        .map(|(file, ..)| file.as_str())
        .collect();
    assert_eq!(problems, ["tests/test_broken.py", "tests/test_endless.py"]);
}

#[test]
fn rows_have_what_a_model_and_a_scorer_need() {
    let Some((repository, made)) = &*MADE else {
        return;
    };
    let area = &made.rows["src/pkg/functions.py::area"];
    assert!(area.prompt.ends_with("    \"\"\"\n"), "{}", area.prompt);
    assert_eq!(area.canonical_solution, "    return width * height\n");
    assert_eq!(area.public_examples, [">>> area(2, 3)\n6\n"]);
    let up = &made.rows["src/pkg/functions.py::Counter.up"];
    assert_eq!(up.entry_point, "Counter");
    assert_eq!(
        up.tests[0].id,
        "tests/test_functions.py::TestCounter::test_up"
    );
    let first: serde_json::Value =
        serde_json::from_str(made.text.lines().next().expect("a row")).expect("JSON");
    assert_eq!(first["repo"]["root"], "repo");
    assert_eq!(first["version"], 1);
    // The file can be read as a benchmark.
    let path = repository.folder.path().join("own.jsonl");
    std::fs::write(&path, &made.text).expect("a file");
    let set = slm_benchmarks::load("repository", Some(&path)).expect("a benchmark");
    assert_eq!(set.tasks.len(), made.rows.len());
    for task in &set.tasks {
        let row = &made.rows[&task.view().task_id];
        assert_eq!(task.is_forgeable(), row.kind == "tested");
        assert_eq!(task.view().prompt, row.prompt);
    }
}

#[test]
fn the_same_repository_gives_the_same_bytes() {
    let Some(sandbox) = sandbox() else { return };
    let files = [
        (
            "a.py",
            "def f(x):\n    'F.'\n    if x > 0:\n        return x * 3 + 1\n    return [x, 'a']\n",
        ),
        (
            "test_a.py",
            "from a import f\ndef test_one(): assert f(2) == 7\ndef test_two(): assert f(-1) == [-1, 'a']\ndef test_zero(): assert f(0) == [0, 'a']\n",
        ),
        ("test_b.py", "import missing\nfrom a import f\n"),
    ];
    let (one, two) = (Repository::new(&files), Repository::new(&files));
    let (first, second) = (one.make(sandbox), two.make(sandbox));
    assert_eq!(first.text, second.text);
    assert_eq!(first.report, second.report);
    assert_eq!(first.report.tested, 1);
}

#[test]
fn a_split_keeps_files_together() {
    let Some(sandbox) = sandbox() else { return };
    let texts: Vec<(String, String)> = (0..12)
        .map(|i| {
            let text = format!(
                "def f():\n    'F.'\n    return {i}\ndef g():\n    'G.'\n    return -{i}\n"
            );
            (format!("m{i}.py"), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let repository = Repository::new(&files);
    let mut options = repository.options();
    options.split = Some(0.5);
    let made = make(&repository.root(), sandbox, &options);
    let parts: Vec<_> = made
        .rows
        .values()
        .map(|row| row.split.expect("a part"))
        .collect();
    assert!(parts.chunks(2).all(|pair| pair[0] == pair[1]), "{parts:?}");
    assert!(
        made.report.train > 0 && made.report.eval > 0,
        "{:?}",
        made.report
    );
}

#[test]
fn what_pytest_alone_collects_is_run_by_it() {
    let Some(sandbox) = sandbox() else { return };
    let has_pytest = sandbox.run_tests("import pytest", &[]).expect("a run");
    if has_pytest.verdict != slm_sandbox::Verdict::Passed {
        note("SKIPPED: the interpreter has no pytest; set PYTHON to one that has it");
        return;
    }
    let made = Repository::new(&[
        ("a.py", "def f(x):\n    'F.'\n    return x * 3\ndef g(x):\n    'G.'\n    return x * 5\ndef h():\n    'H.'\n    return open('here').read()\n"),
        ("conftest.py", "import pytest\n@pytest.fixture\ndef four(): return 4\n"),
        (
            "tests/test_a.py",
            "import pytest\nfrom a import *\ndef test_g(four): assert g(four) == 20\n@pytest.mark.parametrize('x', [1, 2])\ndef test_f(x): assert f(x) == 3 * x\nclass TestH:\n    def test_h(self, tmp_path, monkeypatch):\n        (tmp_path / 'here').write_text('yes')\n        monkeypatch.chdir(tmp_path)\n        assert h() == 'yes'\n@pytest.mark.xfail\ndef test_x(): assert f(1) == 4\n",
        ),
    ])
    .make(sandbox);
    assert_eq!(made.report.tested, 3, "{}", made.report);
    assert_eq!(made.report.tested_by_kind.get("pytest"), Some(&3));
    let ids: Vec<&str> = made.rows["a.py::f"]
        .tests
        .iter()
        .map(|test| test.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["tests/test_a.py::test_f[1]", "tests/test_a.py::test_f[2]"]
    );
}

#[test]
fn modules_of_the_repository_precede_installed_ones_and_follow_the_standard_library() {
    let Some(sandbox) = sandbox() else { return };
    let installed = sandbox.run_tests("import pip", &[]).expect("a run");
    if installed.verdict != slm_sandbox::Verdict::Passed {
        note("SKIPPED: the interpreter has no pip, whose name this test needs");
        return;
    }
    let made = Repository::new(&[
        ("lib/pip.py", "def f(x):\n    'F.'\n    return x * 3\n"),
        ("lib/random.py", "raise ImportError('hides the standard library')\n"),
        ("src/setuptools/__init__.py", "def g(x):\n    'G.'\n    return x * 5\n"),
        (
            "test_a.py",
            "import pip, random, setuptools\ndef test_f(): assert pip.f(2) == 6 and random.random() < 1\ndef test_g(): assert setuptools.g(2) == 10\n",
        ),
    ])
    .make(sandbox);
    assert_eq!(made.report.tested, 2, "{}", made.report);
}

#[test]
fn repositories_without_tests_or_without_python_are_no_failure_of_the_harness() {
    let Some(sandbox) = sandbox() else { return };
    let made = Repository::new(&[("a.py", "def f():\n    'F.'\n    return 1\n")]).make(sandbox);
    assert_eq!(made.why("a.py::f"), "no test enters its body");
    let empty = Repository::new(&[("README", "")]);
    let made = make_tasks::<RepositoryError>(
        &empty.root(),
        sandbox,
        &empty.options(),
        &mut |_| (),
        &mut |_| Ok(()),
    );
    let error = made.expect_err("a refusal").to_string();
    assert!(error.contains("contains no Python file"), "{error}");
}

#[test]
fn the_tasks_may_be_inside_the_repository() {
    let Some(sandbox) = sandbox() else { return };
    let repository = Repository::new(&[("a.py", "def f():\n    'F.'\n    return 1\n")]);
    let mut options = repository.options();
    options.output = repository.root().join("own.jsonl");
    let first = make(&repository.root(), sandbox, &options);
    assert!(first.text.contains(r#""root":".""#), "{}", first.text);
    std::fs::write(&options.output, &first.text).expect("a file");
    let second = make(&repository.root(), sandbox, &options);
    assert_eq!(first.text, second.text);
}

#[test]
fn a_body_without_mutants_is_accepted_and_counted() {
    let Some(sandbox) = sandbox() else { return };
    let made = Repository::new(&[
        ("a.py", "def f():\n    'F.'\n    raise KeyError\n"),
        (
            "test_a.py",
            "from a import f\ndef test_f():\n    try: f()\n    except KeyError: return\n    assert False\n",
        ),
    ])
    .make(sandbox);
    assert_eq!(made.why("a.py::f"), "");
    assert_eq!((made.report.mutants, made.report.without_mutants), (0, 1));
    let page = made.report.to_string();
    assert!(
        page.contains("tasks with tests whose body has no mutants: 1"),
        "{page}"
    );
}

#[test]
fn tests_with_unusable_ids_are_a_problem_of_their_file() {
    let Some(sandbox) = sandbox() else { return };
    let long = "x".repeat(300);
    let test = format!(
        "from a import f\ndef test_{long}(): assert f(1) == 3\nglobals()['test_\\n'] = test_{long}\n"
    );
    let made = Repository::new(&[
        ("a.py", "def f(x):\n    'F.'\n    return x * 3\n"),
        ("test_a.py", &test),
    ])
    .make(sandbox);
    let problem = "a test file that names it has tests whose ids are too long or not printable (2)";
    assert_eq!(made.why("a.py::f"), problem);
    assert_eq!(
        made.report.problems,
        [("test_a.py".to_owned(), None, problem.to_owned())]
    );
}

#[test]
fn examples_enter_functions_of_files_after_others() {
    let Some(sandbox) = sandbox() else { return };
    let made = Repository::new(&[
        ("a.py", "def f(x):\n    'F.'\n    return x * 3\n"),
        (
            "b.py",
            "def g(x):\n    'G.'\n    return x * 5\ndef h(x):\n    \"\"\"H.\n\n    >>> h(2)\n    14\n    \"\"\"\n    return x * 7\n",
        ),
        ("c.py", "def k(x):\n    'K.'\n    return x * 9\n"),
        (
            "test_c.py",
            "from c import k\ndef test_k(): assert k(2) == 18\n",
        ),
    ])
    .make(sandbox);
    assert_eq!(made.why("b.py::h"), "");
    assert_eq!(made.why("c.py::k"), "");
    assert_eq!(made.report.tested, 2);
}
