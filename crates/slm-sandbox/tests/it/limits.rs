//! Resource limits of a program, and the reports when they are exceeded.

use std::time::{Duration, Instant};

use slm_sandbox::{Limits, Verdict};

use crate::{ADD, asserts, check, cpu_limit, run, run_with, unsafe_sandbox};

#[test]
fn an_infinite_loop_is_ended_by_its_cpu_time_and_once_more_alone() {
    let outcome = run_with(
        &cpu_limit(1.0),
        "def f():\n    while True:\n        pass\n",
        &["assert 1 == 1", "f()"],
    );
    assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
    assert!(outcome.detail.contains("CPU limit of 1 s"), "{outcome:#?}");
    assert!(outcome.cpu_s >= 0.5, "{outcome:#?}");
    assert!(outcome.rerun, "{outcome:#?}");
    // Results reported before the end count.
    assert!(
        outcome.tests[0].passed && !outcome.tests[1].passed,
        "{outcome:#?}"
    );
}

#[test]
fn catching_signals_does_not_prolong_an_infinite_loop() {
    let program = "import signal\nfor s in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT):\n    signal.signal(s, signal.SIG_IGN)\nwhile True:\n    pass\n";
    let outcome = run_with(&cpu_limit(1.0), program, &[]);
    assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
    assert!(outcome.cpu_s < 2.5, "{outcome:#?}");
}

#[test]
fn a_sleeping_program_is_ended_by_the_clock_after_a_second_run_alone() {
    let limits = Limits {
        wall_s: 0.5,
        ..Limits::default()
    };
    let start = Instant::now();
    let outcome = run_with(&limits, "import time\ntime.sleep(1000)", &["assert True"]);
    assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
    assert!(
        outcome.detail.contains("wall limit of 0.5 s"),
        "{outcome:#?}"
    );
    assert!(outcome.rerun, "{outcome:#?}");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_run_that_was_slow_only_the_first_time_passes_by_its_second_run() {
    let marker = tempfile::tempdir().expect("a folder");
    let program = format!(
        "import os, time\npath = {:?}\nif not os.path.exists(path):\n    open(path, 'w').close()\n    time.sleep(1000)\n",
        marker.path().join("seen")
    );
    let limits = Limits {
        wall_s: 5.0,
        ..Limits::default()
    };
    let outcome = unsafe_sandbox()
        .run(&asserts(&program, &["assert True"]), &limits)
        .expect("the harness works");
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
    assert!(outcome.rerun);
}

#[test]
fn limits_without_bounds_are_no_trouble() {
    let limits = Limits {
        cpu_s: f64::INFINITY,
        wall_s: f64::INFINITY,
        memory_bytes: u64::MAX,
        file_bytes: u64::MAX,
        output_bytes: u64::MAX,
        processes: u64::MAX,
        open_files: u64::MAX,
    };
    let outcome = run_with(&limits, ADD, &["assert add(1, 2) == 3"]);
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
}

#[test]
fn a_fractional_cpu_limit_is_judged_exactly() {
    let program = "import time\nwhile time.process_time() < 0.6:\n    pass\n";
    let outcome = run_with(&cpu_limit(0.5), program, &["assert True"]);
    assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
}

#[test]
fn a_memory_bomb_in_the_program_is_told_as_memory() {
    check(
        "x = bytearray(1 << 40)",
        &["assert True"],
        Verdict::Memory,
        "MemoryError",
    );
    check(
        "x = []\nwhile True:\n    x.append(bytearray(1 << 24))",
        &["assert True"],
        Verdict::Memory,
        "",
    );
}

#[test]
fn a_memory_bomb_in_one_test_lets_the_next_run() {
    let program = "def f(n):\n    x = []\n    for _ in range(n):\n        x.append(bytearray(1 << 24))\n    return n\n";
    let outcome = check(
        program,
        &["assert f(1000) == 1000", "assert f(2) == 2"],
        Verdict::Memory,
        "MemoryError",
    );
    assert!(outcome.tests[1].passed, "{outcome:#?}");
}

#[test]
fn small_objects_until_memory_is_full_are_told_as_memory() {
    let limits = Limits {
        memory_bytes: 256 << 20,
        ..Limits::default()
    };
    let program = "keep = []\ndef f():\n    while True:\n        keep.append([keep])\n";
    let outcome = run_with(&limits, program, &["f()", "assert True"]);
    assert_eq!(outcome.verdict, Verdict::Memory, "{outcome:#?}");
}

#[test]
fn peak_memory_is_that_of_the_program_and_not_of_this_process() {
    // If peak memory were inherited over the fork, it would be at least this large.
    let ballast = vec![1_u8; 400 << 20];
    let small = run("x = 1", &["assert x == 1"]);
    let large = run(
        "x = b'1' * (200 << 20)\ndef f():\n    return len(x)\n",
        &["assert f() > 0"],
    );
    assert!(ballast.contains(&1));
    assert!(
        (1 << 20..64 << 20).contains(&small.peak_memory_bytes),
        "{small:?}"
    );
    assert!(
        (200 << 20..264 << 20).contains(&large.peak_memory_bytes),
        "{large:?}"
    );
}

#[test]
fn an_output_flood_is_ended() {
    let start = Instant::now();
    check(
        "while True:\n    print('x' * 1000)",
        &["assert True"],
        Verdict::OutputLimit,
        "1048576 bytes",
    );
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_output_flood_that_ends_at_once_is_still_over_the_limit() {
    let limits = Limits {
        output_bytes: 1000,
        ..Limits::default()
    };
    let outcome = run_with(
        &limits,
        "import sys\nsys.stderr.write('x' * 2000)",
        &["assert True"],
    );
    assert_eq!(outcome.verdict, Verdict::OutputLimit, "{outcome:#?}");
}

#[test]
fn printing_below_the_limit_changes_nothing() {
    check(
        "print('x' * 100000)\nprint('{\"done\": 1}')",
        &["print('passed')"],
        Verdict::Passed,
        "",
    );
}

#[test]
fn a_huge_file_is_a_violation() {
    check(
        "with open('big', 'wb') as f:\n    for _ in range(100):\n        f.write(b'x' * (1 << 20))",
        &["assert True"],
        Verdict::Violation,
        "File too large",
    );
}
