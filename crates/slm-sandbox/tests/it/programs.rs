//! Outcomes of honest and unusual programs.

use std::thread;
use std::time::{Duration, Instant};

use slm_sandbox::{
    Call, Interpreter, Job, Level, Limits, Outcome, Returned, Sandbox, Verdict, Work,
};

use crate::hostile::sandbox_at;
use crate::{ADD, check, is_running, run, sandbox};

#[test]
fn a_right_program_passes_all_its_tests() {
    let outcome = check(
        ADD,
        &["assert add(1, 2) == 3", "assert add('a', 'b') == 'ab'"],
        Verdict::Passed,
        "",
    );
    assert!(outcome.tests.iter().all(|test| test.passed));
    assert!(outcome.detail.is_empty());
    assert_eq!(outcome.pass_ratio(), Some(1.0));
    assert!(outcome.cpu_s > 0.0 && outcome.cpu_s < 5.0, "{outcome:?}");
    assert!(outcome.wall_s > 0.0, "{outcome:?}");
    assert!(!outcome.rerun);
}

#[test]
fn a_failed_equality_tells_both_values_and_later_tests_still_run() {
    let outcome = check(
        ADD,
        &["assert add(1, 2) == 4", "assert add(2, 2) == 4"],
        Verdict::Failed,
        "got 3, expected 4",
    );
    assert!(
        outcome.detail.starts_with("assert add(1, 2) == 4\n"),
        "{outcome:?}"
    );
    assert_eq!(outcome.pass_ratio(), Some(0.5));
    assert!(outcome.tests[1].passed);
}

#[test]
fn other_assertions_keep_their_meaning() {
    for (test, verdict) in [
        ("assert 1 < add(1, 1) < 3", Verdict::Passed),
        ("assert add(1, 1)", Verdict::Passed),
        ("assert not add(1, 1)", Verdict::Failed),
        ("assert add(1, 1) == 2 == 2", Verdict::Passed),
        ("assert add(1, 1) == 3, 'because'", Verdict::Failed),
        (
            "for i in range(3):\n    assert add(i, i) == 2 * i",
            Verdict::Passed,
        ),
        ("assert add(1, 1) is None", Verdict::Failed),
    ] {
        check(ADD, &[test], verdict, "");
    }
}

#[test]
fn both_sides_of_an_equality_are_evaluated_once() {
    check(
        "calls = []\ndef f():\n    calls.append(1)\n    return len(calls)\ndef count():\n    return len(calls)\n",
        &["assert f() == 1\nassert count() == 1"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn an_exception_in_a_test_is_an_error_with_its_line_in_the_program() {
    check(
        "def f(x):\n    y = 1\n    return y / x\n",
        &["assert f(0) == 1"],
        Verdict::Error,
        "ZeroDivisionError: division by zero (line 3)",
    );
}

#[test]
fn an_exception_while_the_program_loads_leaves_its_tests_unrun() {
    let outcome = check(
        "import no_such_module",
        &["assert True"],
        Verdict::Error,
        "ModuleNotFoundError",
    );
    assert_eq!(outcome.tests[0].message, "not run");
    assert!(!outcome.tests[0].passed);
}

#[test]
fn an_assertion_of_the_program_itself_is_an_error_while_it_loads() {
    check(
        "assert 1 == 2",
        &["assert True"],
        Verdict::Error,
        "AssertionError",
    );
}

#[test]
fn a_program_that_is_not_python_is_unparsable() {
    check(
        "def f(:\n    pass",
        &["assert True"],
        Verdict::Unparsable,
        "SyntaxError",
    );
    check(
        "x = '\0'",
        &["assert True"],
        Verdict::Unparsable,
        "null bytes",
    );
    check(
        "Here is the solution:",
        &["assert True"],
        Verdict::Unparsable,
        "SyntaxError",
    );
    check(
        &"(".repeat(100_000),
        &["assert True"],
        Verdict::Unparsable,
        "",
    );
}

#[test]
fn a_test_that_is_not_python_is_an_error_of_the_test() {
    check(
        ADD,
        &["assert add(1, 2) =="],
        Verdict::Error,
        "in the test itself: SyntaxError",
    );
}

#[test]
fn leaving_before_the_tests_is_an_error() {
    check(
        "import os\nos._exit(0)",
        &["assert True"],
        Verdict::Error,
        "exit status 0",
    );
    check(
        "def f():\n    import os\n    os._exit(0)",
        &["assert True", "f()"],
        Verdict::Error,
        "ended before",
    );
    check(
        "import sys\nsys.exit(0)",
        &["assert True"],
        Verdict::Error,
        "SystemExit: 0",
    );
    check(
        "import sys\ndef f():\n    sys.exit()",
        &["f()"],
        Verdict::Error,
        "SystemExit",
    );
    check(
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        &["assert True"],
        Verdict::Error,
        "signal 9",
    );
    check(
        "raise KeyboardInterrupt",
        &["assert True"],
        Verdict::Error,
        "KeyboardInterrupt",
    );
}

#[test]
fn a_crash_of_the_interpreter_is_an_error() {
    check(
        "import ctypes\nctypes.string_at(0)",
        &["assert True"],
        Verdict::Error,
        "signal 11",
    );
    check(
        "def f():\n    return f()\nf()",
        &["assert True"],
        Verdict::Error,
        "RecursionError",
    );
}

#[test]
fn unicode_passes_through() {
    check(
        "def grüße(名):\n    return '👋 ' + 名\n",
        &[
            "assert grüße('世界') == '👋 世界'",
            "print(grüße('\u{2028}'))",
        ],
        Verdict::Passed,
        "",
    );
    check(
        "x = 'é'",
        &["assert x == 'è'"],
        Verdict::Failed,
        "got 'é', expected 'è'",
    );
    // A lone surrogate is not valid Unicode: it must not corrupt the results.
    check(
        "raise ValueError('\\ud800')",
        &[],
        Verdict::Error,
        "ValueError: ?",
    );
}

#[test]
fn exceptions_with_odd_texts_are_told() {
    check(
        "raise ValueError('x' * 10**6)",
        &[],
        Verdict::Error,
        "xxx...",
    );
    check(
        "class E(Exception):\n    def __str__(self):\n        raise KeyError\nraise E",
        &[],
        Verdict::Error,
        "E: <no text>",
    );
    check(
        "class R:\n    def __repr__(self):\n        raise KeyError\nr = R()",
        &["assert r == 1"],
        Verdict::Failed,
        "got <KeyError in __repr__>, expected 1",
    );
}

#[test]
fn writing_to_every_open_file_is_a_violation_and_no_pass() {
    let program = "import os\nfor fd in range(3, 200):\n    try:\n        os.write(fd, b'passed\\n')\n    except OSError:\n        pass\n";
    check(
        program,
        &["assert False"],
        Verdict::Violation,
        "channel of the results",
    );
}

#[test]
fn closing_every_open_file_is_no_pass() {
    check(
        "import os\nos.closerange(0, 1000)",
        &["assert True"],
        Verdict::Error,
        "ended before",
    );
}

#[test]
fn the_harness_keeps_its_open_files_to_itself() {
    // A file as a C library opens it, without O_CLOEXEC.
    let file = tempfile::tempfile().expect("a file");
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).expect("a valid file");
    let program = "import os\nopen_files = []\nfor fd in range(3, 1000):\n    try:\n        os.fstat(fd)\n        open_files.append(fd)\n    except OSError:\n        pass\n";
    // Two descriptors: the pipes of commands and results.
    check(
        program,
        &["assert len(open_files) == 2"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn a_child_that_stays_is_gone_after_the_run() {
    let marker = format!("sandbox-test-{}", std::process::id());
    let program = format!(
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', '{marker}'])\nimport time\ntime.sleep(0.2)\n"
    );
    check(&program, &["assert True"], Verdict::Passed, "");
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_running(&marker) {
        assert!(Instant::now() < deadline, "the child is still there");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_fork_of_the_program_reports_nothing() {
    let outcome = check(
        "import os, time\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\n",
        &["assert pid != 0"],
        Verdict::Passed,
        "",
    );
    assert_eq!(outcome.tests.len(), 1);
}

#[test]
fn threads_and_exit_handlers_left_behind_do_not_hold_the_run_up() {
    let start = Instant::now();
    check(
        "import atexit, threading, time\natexit.register(time.sleep, 1000)\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n",
        &["assert True"],
        Verdict::Passed,
        "",
    );
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn standard_input_is_empty() {
    check(
        "name = input('name? ')",
        &["assert True"],
        Verdict::Error,
        "EOFError",
    );
    check(
        "import sys\ntext = sys.stdin.read()",
        &["assert text == ''"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn a_thousand_tests_are_told_one_by_one() {
    let tests: Vec<String> = (0..1000)
        .map(|i| {
            format!(
                "assert add({i}, 1) == {}, 'x' * 400",
                if i == 700 { 0 } else { i + 1 }
            )
        })
        .collect();
    let outcome = sandbox().run_tests(ADD, &tests).expect("the harness works");
    assert_eq!(outcome.verdict, Verdict::Failed);
    assert_eq!(outcome.tests.len(), 1000);
    let failed: Vec<usize> = (0..1000).filter(|&i| !outcome.tests[i].passed).collect();
    assert_eq!(failed, [700]);
}

#[test]
fn a_program_and_tests_larger_than_a_pipe_arrive_whole() {
    let program = format!("text = '{}'\n", "y".repeat(3_000_000));
    check(
        &program,
        &["assert len(text) == 3000000"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn without_tests_a_program_passes_by_reaching_its_end() {
    let outcome = check("x = 1", &[], Verdict::Passed, "");
    assert!(outcome.tests.is_empty());
    assert_eq!(outcome.pass_ratio(), None);
    check("", &[""], Verdict::Passed, "");
}

#[test]
fn names_bound_by_one_test_are_unknown_to_the_next() {
    check(
        "x = 1",
        &["y = 2\nx = 5", "assert x == 1\nassert 'y' not in dir()"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn a_guarded_main_does_not_run() {
    check(
        "if __name__ == '__main__':\n    raise SystemExit\n",
        &["assert True"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn dataclasses_and_pickling_find_the_module_of_the_program() {
    let program = "from dataclasses import dataclass\nimport pickle\n@dataclass\nclass P:\n    x: 'int' = 0\ndef again(p):\n    return pickle.loads(pickle.dumps(p))\n";
    check(
        program,
        &["assert again(P(3)) == P(3)"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn rebinding_builtins_does_not_spoil_the_results() {
    let program = "import builtins, os, json\nfor name in ('len', 'type', 'isinstance', 'str', 'getattr'):\n    setattr(builtins, name, None)\nos.write = os._exit = json.dumps = None\n";
    check(
        program,
        &["assert True", "assert False"],
        Verdict::Failed,
        "AssertionError",
    );
}

#[test]
fn the_environment_is_ours_alone_and_hashes_are_stable() {
    let program = "import os, time\nnames = set(os.environ)\nhome = os.path.samefile(os.environ['HOME'], os.getcwd())\nempty = os.listdir('.') == []\n";
    check(
        program,
        &[
            "assert names - {'LC_CTYPE', 'LD_LIBRARY_PATH'} == {'PYTHONHASHSEED', 'OMP_NUM_THREADS', 'TZ', 'HOME', 'TMPDIR', 'PATH'}",
            "assert home and empty",
            "assert time.tzname[0] == 'UTC'",
        ],
        Verdict::Passed,
        "",
    );
    // The order of a set of strings, on which many programs depend, is the same in each run.
    let order = "assert str({'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}) == ''";
    let (a, b) = (run("", &[order]), run("", &[order]));
    assert_eq!(a.detail, b.detail);
}

#[test]
fn modules_written_into_the_working_folder_are_not_importable() {
    check(
        "open('planted.py', 'w').close()\nimport planted",
        &[],
        Verdict::Error,
        "ModuleNotFoundError",
    );
}

#[test]
fn many_workers_share_one_sandbox() {
    let sandbox = sandbox();
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for i in 0..5 {
                    let test = format!("assert add({worker}, {i}) == {}", worker + i);
                    let outcome = sandbox.run_tests(ADD, &[test]).expect("the harness works");
                    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:?}");
                }
            });
        }
    });
}

#[test]
fn the_output_of_a_script_is_its_stdout_alone() {
    let script = |program: &str| Job {
        program: program.into(),
        preamble: String::new(),
        work: Work::Script {
            stdin: "0\n".into(),
        },
        tree: None,
    };
    let warns = "import os, sys, warnings\nprint('one', input(), flush=True)\nwarnings.warn('two')\n\
        os.write(2, b'three')\nprint('four')\nprint('five', file=sys.stderr)\n";
    let raises = "print('one')\nraise ValueError('two')\n";
    for sandbox in [Level::A, Level::B].into_iter().filter_map(sandbox_at) {
        let run = |program| {
            let outcome = sandbox.run(&script(program), sandbox.limits());
            outcome.expect("the harness works")
        };
        let outcome = run(warns);
        assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        assert_eq!(String::from_utf8_lossy(&outcome.output), "one 0\nfour\n");
        let outcome = run(raises);
        assert_eq!(outcome.verdict, Verdict::Error, "{outcome:#?}");
        assert!(
            outcome.detail.contains("ValueError: two (line 2)"),
            "{outcome:#?}"
        );
    }
    // In other modes stderr is not judged, and both streams are kept.
    let outcome = run("import sys\nprint('one', file=sys.stderr)\n", &[]);
    assert_eq!(outcome.output, b"one\n", "{outcome:#?}");
}

#[test]
fn objects_of_a_shared_class_that_a_program_changes_are_changed_for_the_tests() {
    let job = Job {
        program: "\
def invert(node):
    if node:
        node.left, node.right = invert(node.right), invert(node.left)
    return node
def mark(node):
    node.mark = 'seen'
    del node.value
def fill(slim):
    slim.value = [slim]
"
        .into(),
        preamble: "\
class Node:
    def __init__(self, value, left=None, right=None):
        self.value, self.left, self.right = value, left, right
class Slim:
    __slots__ = ('value',)
"
        .into(),
        work: Work::Asserts {
            setup: String::new(),
            entry_point: "invert".into(),
            tests: [
                "tree = Node(1, Node(2, Node(3)))\nleft = tree.left\nassert invert(tree) is tree\n\
                 assert tree.left is None and tree.right is left and left.right.value == 3",
                "node = Node(1)\nassert mark(node) is None\n\
                 assert node.mark == 'seen' and not hasattr(node, 'value') and node.left is None",
                "slim = Slim()\nfill(slim)\nassert slim.value[0] is slim",
            ]
            .map(str::to_owned)
            .to_vec(),
        },
        tree: None,
    };
    let outcome = sandbox()
        .run(&job, sandbox().limits())
        .expect("the harness works");
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
}

#[test]
fn a_vanished_interpreter_is_an_error_of_the_harness() {
    let interpreter = Interpreter {
        executable: "/no/such/python".into(),
        version: "3.11.7".into(),
        prefix: "/no/such".into(),
        search_path: Vec::new(),
    };
    let error = Sandbox::new(interpreter, Limits::default()).expect_err("nothing to run");
    assert!(error.to_string().contains("/no/such/python"), "{error}");
}

#[test]
fn verdicts_and_outcomes_survive_json() {
    let outcome = run(ADD, &["assert add(1, 2) == 4"]);
    let json = serde_json::to_string(&outcome).expect("serialises");
    assert!(json.starts_with("{\"verdict\":\"failed\""), "{json}");
    assert_eq!(
        serde_json::from_str::<Outcome>(&json).expect("parses"),
        outcome
    );
    assert_eq!(
        serde_json::to_string(&Verdict::OutputLimit).expect("serialises"),
        "\"output_limit\""
    );
}

#[test]
fn calls_of_a_function_that_the_program_lacks_are_an_error() {
    let job = Job {
        program: ADD.into(),
        preamble: String::new(),
        work: Work::Calls {
            entry_point: "subtract".into(),
            calls: vec![Call {
                arguments: "(1, 2)".into(),
                cpu_s: 1.0,
            }],
        },
        tree: None,
    };
    let outcome = sandbox()
        .run(&job, sandbox().limits())
        .expect("the harness works");
    assert_eq!(outcome.verdict, Verdict::Error, "{outcome:#?}");
    assert!(outcome.detail.contains("no `subtract`"), "{outcome:#?}");
    assert_eq!(outcome.calls[0].returned, Returned::NotRun);
}
