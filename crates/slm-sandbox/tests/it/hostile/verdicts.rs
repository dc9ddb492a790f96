//! Wrong programs that try to pass by manipulating Python itself.

use slm_sandbox::{Job, Limits, Verdict, Work};

use super::{STRONGEST, asserts_of, check, forged, forged_job};

/// Runs a wrong function that is preceded by `trick`.
fn forged_by(trick: &str) {
    forged(
        &format!("{trick}\ndef f(*_):\n    return 2\n"),
        &["assert f() == 1"],
    );
}

#[test]
fn leaving_with_success_passes_nothing() {
    for exit in [
        "os._exit(0)",
        "sys.exit(0)",
        "exit()",
        "quit()",
        "raise SystemExit(0)",
        "os.abort()",
        "os.kill(os.getpid(), 15)",
    ] {
        forged(
            &format!("import os, sys\n{exit}"),
            &["assert True", "assert 1 == 2"],
        );
        forged(
            &format!("import os, sys\ndef f():\n    {exit}"),
            &["assert f() == 1"],
        );
    }
}

#[test]
fn leaving_with_success_at_the_end_passes_nothing() {
    forged_by("import atexit, os, threading, time\natexit.register(os._exit, 0)");
    forged_by(
        "import os, threading, time\nthreading.Timer(0.001, os._exit, (0,)).start()\ntime.sleep(0.5)",
    );
}

#[test]
fn exceptions_of_any_kind_pass_nothing() {
    for name in [
        "AssertionError",
        "KeyboardInterrupt",
        "GeneratorExit",
        "SystemExit",
        "StopIteration",
        "StopAsyncIteration",
        "MemoryError",
        "RecursionError",
        "NotImplementedError",
        "BaseException",
        "Warning",
        "OSError(27, 'x')",
    ] {
        forged(&format!("def f():\n    raise {name}"), &["assert f() == 1"]);
    }
}

#[test]
fn exceptions_that_bear_the_names_of_the_harness_pass_nothing() {
    for name in [
        "Gone",
        "Malformed",
        "TimeUp",
        "AssertionError",
        "Verdict",
        "Passed",
    ] {
        for base in ["Exception", "BaseException", "AssertionError", "SystemExit"] {
            forged(
                &format!("class {name}({base}): pass\ndef f():\n    raise {name}('x')"),
                &["assert f() == 1"],
            );
        }
    }
}

#[test]
fn an_exception_with_hostile_text_passes_nothing() {
    forged(
        "class Bad(Exception):
    def __str__(self):
        raise SystemExit(0)
    __repr__ = __str__
    @property
    def args(self):
        raise GeneratorExit
def f():
    raise Bad",
        &["assert f() == 1"],
    );
}

#[test]
fn patched_builtins_do_not_reach_the_tests() {
    forged_by(
        "import builtins
for name in ('all', 'any', 'isinstance', 'issubclass', 'bool', 'callable', 'hasattr'):
    setattr(builtins, name, lambda *_: True)
for name in ('sorted', 'list', 'len', 'abs', 'sum', 'set', 'str', 'repr', 'int', 'float', 'tuple', 'type', 'min', 'max'):
    setattr(builtins, name, lambda *_, **__: 1)
builtins.AssertionError = builtins.Exception = builtins.BaseException = ValueError",
    );
    forged(
        "import builtins\nbuiltins.abs = builtins.len = builtins.sum = lambda *_: 0\ndef f():\n    return 2",
        &[
            "assert abs(f() - 1) < 0.5",
            "assert len([f()]) == 0",
            "assert sum([f()]) == 0",
        ],
    );
}

#[test]
fn a_builtin_of_the_same_name_as_the_program_s_is_not_taken_for_python_s() {
    forged(
        "def abs(x):\n    return 0\ndef sorted(x, **_):\n    return [1]\ndef len(x):\n    return 0\ndef f():\n    return 2",
        &[
            "assert abs(f() - 1) < 0.5",
            "assert sorted([f()]) == [1]",
            "assert len([f()]) == 0",
        ],
    );
}

#[test]
fn patched_modules_do_not_reach_the_tests() {
    forged(
        "import math, json, unittest, functools, operator, copy, random, decimal
math.isclose = lambda *_, **__: True
math.fabs = lambda x: 0.0
json.dumps = lambda *_, **__: '1'
json.loads = lambda *_: 1
operator.eq = lambda *_: True
copy.deepcopy = lambda x: 1
unittest.TestCase.assertEqual = lambda *_: None
def f():
    return 2",
        &[
            "import math\nassert math.isclose(f(), 1)",
            "import math\nassert math.fabs(f() - 1) < 1e-6",
            "import json\nassert json.dumps(f()) == '1'",
            "import operator\nassert operator.eq(f(), 1)",
            "import copy\nassert copy.deepcopy(f()) == 1",
            "import unittest\nunittest.TestCase().assertEqual(f(), 1)",
        ],
    );
}

#[test]
fn replaced_modules_and_hooks_of_imports_do_not_reach_the_tests() {
    forged(
        "import sys, types, builtins
class Fake(types.ModuleType):
    def __getattr__(self, name):
        return lambda *_, **__: True
class Finder:
    @staticmethod
    def find_spec(name, *_):
        sys.modules[name] = Fake(name)
        return None
sys.meta_path.insert(0, Finder)
sys.path_hooks.insert(0, lambda path: Finder)
sys.modules['math'] = sys.modules['unittest'] = Fake('math')
builtins.__import__ = lambda *_, **__: Fake('x')
open('math.py', 'w').write('isclose = lambda *_: True')
open('statistics.py', 'w').write('mean = lambda *_: 1')
sys.path.insert(0, '.')
def f():
    return 2",
        &[
            "import math\nassert math.isclose(f(), 1)",
            "import statistics\nassert statistics.mean([f()]) == 1",
        ],
    );
}

#[test]
fn tracing_does_not_reach_the_tests() {
    forged_by(
        "import sys, threading
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    for name in list(frame.f_locals):
        frame.f_locals[name] = 1
    return trace
sys.settrace(trace)
sys.setprofile(trace)
threading.settrace(trace)",
    );
}

/// Runs a program that prints all data it finds, on a test that holds a secret: it fails the test, and prints
/// no secret.
fn check_secret_stays_hidden(program: &str, secret: &str) {
    let test = format!("expected = '{secret}'\nassert f() == 1");
    let limits = Limits {
        output_bytes: 64 << 20,
        ..Limits::default()
    };
    check(
        STRONGEST,
        &asserts_of(program, &[&test]),
        &limits,
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
            assert!(!String::from_utf8_lossy(&outcome.output).contains(secret));
        },
    );
}

#[test]
fn walking_the_frames_finds_no_test_to_change() {
    let secret = super::nonce();
    let program = "import gc, sys
def f():
    texts, frame = [], sys._getframe()
    while frame is not None:
        texts += [repr(frame.f_locals), repr(frame.f_globals), repr(frame.f_code.co_consts)]
        for space in (frame.f_locals, frame.f_globals):
            for name in list(space):
                if name in ('passed', 'tests', 'result', 'fault', 'verdict', 'report'):
                    space[name] = None
        frame = frame.f_back
    print(texts)
    return 2";
    check_secret_stays_hidden(program, &secret);
}

#[test]
fn the_collector_of_garbage_finds_no_test_to_change() {
    let secret = super::nonce();
    let program = "import gc
def f(*_):
    for thing in gc.get_objects():
        if type(thing) is dict:
            for key in ('passed', 'verdict', 'fault', 'tests'):
                if key in thing:
                    thing[key] = True
        if type(thing) in (str, list, tuple, dict):
            try:
                print(repr(thing)[:2000])
            except Exception:
                pass
    gc.disable()
    return 2";
    check_secret_stays_hidden(program, &secret);
}

#[test]
fn the_memory_of_its_own_process_holds_no_test() {
    let secret = super::nonce();
    // Level A has no /proc, so the program's own memory is read by address.
    let program = "import ctypes, gc
def f():
    for thing in gc.get_objects():
        start = id(thing)
        try:
            print(ctypes.string_at(start, 64))
        except Exception:
            pass
    return 2";
    let test = format!("expected = '{secret}'\nassert f() == 1");
    let limits = Limits {
        output_bytes: 64 << 20,
        ..Limits::default()
    };
    check(
        STRONGEST,
        &asserts_of(program, &[&test]),
        &limits,
        |outcome| {
            assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
            assert!(!String::from_utf8_lossy(&outcome.output).contains(&secret));
        },
    );
}

#[test]
fn a_pickled_command_is_never_unpacked() {
    forged(
        "import os
class Liar:
    def __reduce__(self):
        return os._exit, (0,)
    __reduce_ex__ = __getstate__ = __setstate__ = lambda self, *_: (os._exit, (0,))
def f():
    return Liar()",
        &["assert f() == 1", "import copy\nassert copy.copy(f()) == 1"],
    );
}

#[test]
fn the_state_of_a_shared_class_brings_no_lies() {
    // An instance of a preamble class is transmitted as its state, which may contain anything.
    let program = "class Any:
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 1
def f():
    point = Point(1, 2)
    for name in ('__eq__', '__class__', 'x', 'y', 'same'):
        point.__dict__[name] = Any()
    return point";
    forged_job(&Job {
        program: program.into(),
        preamble: "class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
"
        .into(),
        work: Work::Asserts {
            setup: String::new(),
            entry_point: "f".into(),
            tests: [
                "assert f() == Point(1, 2)",
                "assert f().x == 1",
                "assert Point(1, 2) == f()",
            ]
            .map(Into::into)
            .into(),
        },
        tree: None,
    });
}

#[test]
fn a_patched_preamble_does_not_reach_the_tests() {
    forged_job(&Job {
        program: "Point.__eq__ = lambda self, other: True
Point.__init__ = lambda self, *_: None
def check(*_):
    return True
def f():
    return Point(3, 4)"
            .into(),
        preamble: "class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
def check(point):
    return point == Point(1, 2)
"
        .into(),
        work: Work::Asserts {
            setup: String::new(),
            entry_point: "f".into(),
            tests: ["assert f() == Point(1, 2)", "assert check(f())"]
                .map(Into::into)
                .into(),
        },
        tree: None,
    });
}

#[test]
fn changing_an_argument_does_not_change_what_is_expected() {
    forged(
        "def f(items, *_):\n    items.clear()\n    items += [1, 2]\n    return items",
        &[
            "expected = (3, 4)\nassert tuple(f([3, 4])) == expected",
            "expected = [3, 4]\nassert f(list(expected)) == expected",
        ],
    );
}

#[test]
fn printing_success_passes_nothing() {
    forged_by("print('passed')\nprint('OK')\nprint('{\"verdict\": \"passed\"}')\nprint('.' * 100)");
}
