//! Exhausts time, output and files.

use slm_sandbox::{Limits, Verdict, Work};

use super::{
    STRONGEST, WALLED, answer, asserts_of, calls_of, check, ends_as, forged_job, short, told,
};

/// Limits whose wall time ends before the CPU time.
fn by_the_clock() -> Limits {
    Limits {
        wall_s: 0.7,
        ..short()
    }
}

fn times_out(program: &str) {
    ends_as(&[Verdict::Timeout], &short(), program);
}

#[test]
fn no_signal_can_be_ignored_to_run_on() {
    times_out(
        "import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
def f():
    while True:
        pass",
    );
}

#[test]
fn ignoring_the_timer_of_a_call_does_not_prolong_it() {
    check(
        STRONGEST,
        &calls_of(
            "import signal
def attack():
    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, lambda *_: None)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    while True:
        pass",
        ),
        &short(),
        |outcome| assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}"),
    );
}

#[test]
fn swallowing_the_end_of_a_call_does_not_prolong_it() {
    check(
        STRONGEST,
        &calls_of(
            "def attack():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass",
        ),
        &short(),
        |outcome| assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}"),
    );
}

#[test]
fn a_sleeper_is_ended_by_the_clock() {
    ends_as(
        &[Verdict::Timeout],
        &by_the_clock(),
        "import time\ndef f():\n    time.sleep(1e6)",
    );
}

#[test]
fn waiting_for_a_lock_is_ended_by_the_clock() {
    let program =
        "import threading\nlock = threading.Lock()\nlock.acquire()\ndef f():\n    lock.acquire()";
    ends_as(&[Verdict::Timeout], &by_the_clock(), program);
}

#[test]
fn a_number_of_a_hundred_million_digits_is_ended() {
    times_out("def f():\n    return 10 ** 10 ** 8");
}

#[test]
fn a_catastrophic_pattern_is_ended() {
    times_out("import re\ndef f():\n    return re.match('(a|a?)+$', 'a' * 40 + 'b')");
}

#[test]
fn a_patched_clock_changes_no_limit() {
    times_out(
        "import time
time.process_time = time.perf_counter = time.time = time.monotonic = lambda: 0.0
time.sleep = lambda seconds: None
def f():
    while True:
        pass",
    );
}

#[test]
fn an_endless_end_of_the_program_is_ended() {
    ends_as(
        &[Verdict::Failed, Verdict::Error, Verdict::Timeout],
        &short(),
        "import atexit, threading
def forever():
    while True:
        pass
atexit.register(forever)
threading.Thread(target=forever).start()
class Sticky:
    def __del__(self):
        forever()
keep = Sticky()
def f():
    return 2",
    );
}

#[test]
fn an_endless_destructor_is_ended() {
    times_out(
        "class Sticky:
    def __del__(self):
        while True:
            pass
def f():
    Sticky()
    return 1",
    );
}

#[test]
fn an_endless_generator_is_ended_where_the_tests_collect_it() {
    // Its values accumulate in the process of the tests.
    let job = asserts_of(
        "import itertools\ndef f():\n    return itertools.count()",
        &["assert len(list(f())) == 3"],
    );
    check(STRONGEST, &job, &short(), |outcome| {
        let verdicts = [Verdict::Timeout, Verdict::Memory, Verdict::OutputLimit];
        assert!(verdicts.contains(&outcome.verdict), "{outcome:#?}");
    });
}

#[test]
fn endless_text_of_an_object_is_ended() {
    times_out(
        "class Endless:
    def __repr__(self):
        while True:
            pass
    __str__ = __eq__ = __hash__ = __bool__ = __repr__
def f():
    raise ValueError(Endless())",
    );
}

#[test]
fn an_endless_load_leaves_no_test_passed() {
    check(
        STRONGEST,
        &asserts_of("while True:\n    pass", &["assert True"]),
        &short(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
            assert_eq!(outcome.pass_ratio(), Some(0.0), "{outcome:#?}");
        },
    );
}

#[test]
fn recursion_without_end_is_an_error() {
    ends_as(&[Verdict::Error], &short(), "def f():\n    return f() + 1");
}

#[test]
fn recursion_without_bounds_ends_the_program_alone() {
    ends_as(
        &[Verdict::Error, Verdict::Memory, Verdict::Timeout],
        &short(),
        "import sys\nsys.setrecursionlimit(10**9)\ndef f():\n    return repr(deep)\ndeep = []\nfor _ in range(200000):\n    deep = [deep]",
    );
}

#[test]
fn a_crash_of_the_interpreter_is_an_error() {
    ends_as(
        &[Verdict::Error],
        &short(),
        "import ctypes\ndef f():\n    return ctypes.string_at(1)",
    );
}

#[test]
fn an_abort_of_the_interpreter_is_an_error() {
    ends_as(
        &[Verdict::Error],
        &short(),
        "import os\ndef f():\n    os.abort()",
    );
}

#[test]
fn a_flood_on_standard_error_is_ended() {
    ends_as(
        &[Verdict::OutputLimit],
        &short(),
        "import os\ndef f():\n    while True:\n        os.write(2, b'x' * 65536)",
    );
}

#[test]
fn a_flood_by_another_process_is_ended() {
    // Where no other process can be started, this is an error.
    ends_as(
        &[Verdict::OutputLimit, Verdict::Error],
        &short(),
        "import subprocess\ndef f():\n    subprocess.run(['/bin/sh', '-c', 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done'])",
    );
}

#[test]
fn a_flood_of_values_is_ended() {
    let job = calls_of("def attack():\n    return 'x' * (100 << 20)");
    check(STRONGEST, &job, &Limits::default(), |outcome| {
        assert_eq!(outcome.verdict, Verdict::OutputLimit, "{outcome:#?}");
    });
}

#[test]
fn a_huge_file_is_not_written() {
    check(
        STRONGEST,
        &calls_of(&told(
            "def attempt():
    with open('huge', 'wb') as file:
        file.seek(1 << 30)
        file.write(b'x')
        file.flush()",
        )),
        &short(),
        |outcome| assert!(answer(outcome).starts_with("denied"), "{outcome:#?}"),
    );
}

#[test]
fn a_huge_file_is_not_reserved() {
    check(
        STRONGEST,
        &calls_of(&told(
            "import os\ndef attempt():\n    os.posix_fallocate(os.open('huge', os.O_RDWR | os.O_CREAT), 0, 1 << 30)",
        )),
        &short(),
        |outcome| {
            let is_held =
                answer(outcome).starts_with("denied") || outcome.verdict != Verdict::Passed;
            assert!(is_held, "{outcome:#?}");
        },
    );
}

#[test]
fn many_open_files_are_refused() {
    check(
        STRONGEST,
        &calls_of(&told(
            "import os\nopened = []\ndef attempt():\n    for _ in range(100):\n        opened.append(os.open('/dev/null', os.O_RDONLY))",
        )),
        &short(),
        |outcome| {
            assert!(
                answer(outcome).contains("Too many open files"),
                "{outcome:#?}"
            );
        },
    );
}

#[test]
fn closing_every_file_leaves_no_test_passed() {
    forged_job(&asserts_of(
        "import os\nos.closerange(0, 100)\ndef f():\n    return 1",
        &["assert f() == 1"],
    ));
}

#[test]
fn a_program_that_never_reads_its_requests_is_ended() {
    let mut job = asserts_of(
        "import time\ntime.sleep(1e6)\ndef f(text):\n    return 1",
        &["assert f('x' * (8 << 20)) == 1"],
    );
    if let Work::Asserts { setup, .. } = &mut job.work {
        setup.push_str("import math");
    }
    check(STRONGEST, &job, &by_the_clock(), |outcome| {
        assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
    });
}

#[test]
fn words_of_the_walls_themselves_are_only_output() {
    for words in ["bwrap: no such file", "sandbox helper: cannot", ""] {
        for program in [
            format!("import os\nprint({words:?}, flush=True)\nos._exit(1)"),
            format!("import os\nprint({words:?}, flush=True)\nos._exit(125)"),
        ] {
            forged_job(&asserts_of(&program, &["assert True"]));
        }
    }
}

/// Runs a program that creates empty files, or others without content, as fast as it can.
fn makes_files(make: &str) {
    check(
        WALLED,
        &calls_of(&format!(
            "import os
def attack():
    i = 0
    while True:
        {make}
        i += 1"
        )),
        &Limits::default(),
        |outcome| {
            // Refused by the kernel where it counts files, else detected by the harness.
            let is_refused = outcome.detail.contains("No space left");
            let is_counted =
                outcome.verdict == Verdict::Violation && outcome.detail.contains("4096 files");
            // The number ends it, and not a time limit: how long 4096 files take depends on the file system.
            assert!(is_refused || is_counted, "{outcome:#?}");
        },
    );
}

#[test]
fn files_without_content_are_counted() {
    makes_files("os.close(os.open('%d' % i, os.O_CREAT))");
}

#[test]
fn folders_are_counted() {
    makes_files("os.mkdir('%d' % i)");
}

#[test]
fn links_are_counted() {
    makes_files("os.symlink('x', '%d' % i)");
}

#[test]
fn files_in_folders_below_the_reach_of_any_path_are_counted() {
    makes_files(
        "if i < 40:
            os.mkdir('d' * 200)
            os.chdir('d' * 200)
        os.close(os.open('%d' % i, os.O_CREAT))",
    );
}
