//! Answers made to block, fill up or crash the evaluator itself: each fails on its own, quickly, and affects no other
//! verdict.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::score::score_command;
use crate::support::Project;

/// The output of a run of `evaluator score`, and the resources of that process.
struct Measured {
    document: Value,
    cpu_s: f64,
    peak_bytes: u64,
}

/// Runs a command to its end, and samples its process (not the sandboxed ones below it) in the meantime.
fn measured(command: &mut Command) -> Measured {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the evaluator");
    let process = format!("/proc/{}", child.id());
    let (mut cpu_s, mut peak_bytes): (f64, u64) = (0.0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().expect("our child") {
            break status;
        }
        let stat = fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
        let ticks = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace();
        let ticks: f64 = ticks
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<f64>().ok())
            .sum();
        cpu_s = cpu_s.max(ticks / 100.0);
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes =
            peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak_bytes = peak_bytes.max(1024 * kibibytes.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    };
    let output = child.wait_with_output().expect("its output");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(status.success(), "{status}: {errors}");
    Measured {
        document: serde_json::from_slice(&output.stdout).expect("one JSON document"),
        cpu_s,
        peak_bytes,
    }
}

/// A task of EvalPlus whose reference returns a value.
fn task(id: &str, name: &str, value: &str) -> Value {
    json!({
        "task_id": id, "entry_point": name, "prompt": "\"\"\"\nx\n\"\"\"\n", "atol": 0, "contract": "", "assertion": "",
        "canonical_solution": format!("def {name}(x):\n    return {value}\n"), "base_input": [[0]], "plus_input": [],
        "test": "",
    })
}

/// Scores programs, then once again from the cache: each has this verdict, and its reason contains this text.
fn check(benchmark: &str, task: &Value, programs: &[(&str, &str, &str)]) {
    let project = Project::new();
    project.write("tasks.jsonl", format!("{task}\n"));
    let samples: Vec<String> = programs
        .iter()
        .map(|(program, ..)| json!({"task_id": task["task_id"], "solution": program}).to_string())
        .collect();
    project.write("samples.jsonl", samples.join("\n"));
    for _ in 0..2 {
        let mut command = score_command(&project, benchmark, "tasks.jsonl", "samples.jsonl");
        let found = measured(&mut command);
        let samples = found.document["samples"].as_array().expect("samples");
        assert_eq!(samples.len(), programs.len());
        for ((program, verdict, reason), sample) in programs.iter().zip(samples) {
            assert_eq!(sample["base"], *verdict, "{program}\n{sample}");
            assert!(sample.to_string().contains(reason), "{program}\n{sample}");
        }
        assert!(found.cpu_s < 2.0, "{} s of CPU time", found.cpu_s);
        assert!(found.peak_bytes < 200 << 20, "{} bytes", found.peak_bytes);
        let kept = project.path(&format!("cache/scores/{benchmark}.jsonl"));
        assert!(fs::metadata(kept).expect("scores").len() < 64 << 10);
    }
}

/// A correct program, whose verdict no other program of the same file may affect.
const GOOD: (&str, &str, &str) = ("def f(x):\n    return [0.5, 1.5]\n", "passed", "");

#[test]
fn a_list_that_contains_itself_fails() {
    let cyclic = "def f(x):\n    l = []\n    l.append(l)\n    return l\n";
    let task = task("HumanEval/21", "f", "[0.5, 1.5]");
    check(
        "humaneval+",
        &task,
        &[(cyclic, "failed", "wrong result"), GOOD],
    );
}

#[test]
fn a_list_that_contains_itself_equals_no_other() {
    let program = "def f(x):\n    l = []\n    l.append(l)\n    return l\n";
    let task = {
        let mut task = task("HumanEval/21", "f", "None");
        task["canonical_solution"] = json!(program);
        task
    };
    check(
        "humaneval+",
        &task,
        &[(program, "failed", "contains itself")],
    );
}

#[test]
fn shared_lists_fail_at_once() {
    let program = |first: &str, n: usize| {
        format!(
            "def f(x):\n    l = {first}\n    for _ in range({n}):\n        l = [l, l]\n    return l\n"
        )
    };
    let programs = [
        program("[0.5]", 40),
        program("[[]]", 60),
        program("[0.5]", 300),
    ];
    let mut cases: Vec<_> = programs
        .iter()
        .map(|program| (program.as_str(), "failed", "wrong result"))
        .collect();
    cases.push(GOOD);
    check(
        "humaneval+",
        &task("HumanEval/21", "f", "[0.5, 1.5]"),
        &cases,
    );
    // The same with shapes that numpy accepts, so that only the size is a problem.
    let wide = "def f(x):\n    row = [0.5] * 100000\n    return [row] * 100000\n";
    check(
        "humaneval+",
        &task("HumanEval/21", "f", "[[0.25]] * 100000"),
        &[(wide, "failed", "wrong result")],
    );
}

#[test]
fn shared_tuples_fail_where_sets_are_compared() {
    let shared = "def similar_elements(x):\n    t = (1,)\n    for _ in range(60):\n        t = (t, t)\n    return [t]\n";
    let cyclic = "def similar_elements(x):\n    t = ([],)\n    t[0].append(t)\n    return [t]\n";
    let good = "def similar_elements(x):\n    return [2, 1, 1]\n";
    check(
        "mbpp+",
        &task("Mbpp/2", "similar_elements", "(1, 2)"),
        &[
            (shared, "failed", "wrong result"),
            (cyclic, "failed", "wrong result"),
            (good, "passed", ""),
        ],
    );
}

#[test]
fn a_right_set_of_a_million_members_is_judged_in_time() {
    let program = "def similar_elements(x):\n    return set(range(1000000))\n";
    check(
        "mbpp+",
        &task("Mbpp/2", "similar_elements", "set(range(1000000))"),
        &[(program, "passed", "")],
    );
    let program = "def f(x):\n    return set(range(1000000))\n";
    check(
        "mbpp+",
        &task("Mbpp/3", "f", "set(range(1000000))"),
        &[(program, "passed", "")],
    );
}

#[test]
fn forged_messages_are_violations_and_short() {
    let pen = "import os\ndef frame(text):\n    data = text.encode()\n    data = len(data).to_bytes(4, 'big') + data\n    \
               while data:\n        data = data[os.write(4, data):]\n";
    let fault = format!(
        "{pen}frame('t3;s5:faults5:errors%d:' % (60 << 20) + 'x' * (60 << 20))\nos._exit(0)\n"
    );
    let root = format!(
        "{pen}def f(x):\n    frame('t4;s6:outputi0;f0.0;' + 'l1;' * 990 + 'r0;')\n    os._exit(0)\n"
    );
    let long = format!("{pen}frame('t3;s5:faults5:errors500000:' + 'x' * 500000)\nos._exit(0)\n");
    check(
        "humaneval+",
        &task("HumanEval/21", "f", "[0.5, 1.5]"),
        &[
            (&fault, "violation", "channel of the results"),
            (&root, "violation", "channel of the results"),
            (&long, "error", "more bytes"),
            GOOD,
        ],
    );
}

#[test]
fn odd_values_of_all_sizes_fail_by_themselves() {
    let expected = "[0.5, 1.5]";
    let programs = [
        // Numbers of a megabyte, alone and as keys.
        "def f(x):\n    return 10 ** 10 ** 6\n",
        "def f(x):\n    return [10 ** 10 ** 6, 1.5]\n",
        "def f(x):\n    from fractions import Fraction\n    return [Fraction(1, 10 ** 10 ** 6), 1.5]\n",
        "def f(x):\n    from decimal import Decimal\n    return [Decimal('1e999999999999'), 1.5]\n",
        // Keys as deeply nested as they can be written.
        "def f(x):\n    t = ()\n    for _ in range(300):\n        t = (t,)\n    return {t: t}\n",
        "def f(x):\n    t = frozenset()\n    for _ in range(300):\n        t = frozenset([t, 1])\n    return {t}\n",
        "def f(x):\n    d = {}\n    d[1] = d\n    return [d, frozenset([(1, 2)])]\n",
        "def f(x):\n    return ['\\ud800', {'\\udfff': 1}]\n",
        "def f(x):\n    return {float('nan'), float('nan')}\n",
        "def f(x):\n    return [True, 1.5]\n",
        "def f(x):\n    return 'x' * (30 << 20)\n",
        // About two CPU seconds on the slowest machine seen, of three that the sandbox allows; three times as many
        // would end as a timeout there.
        "def f(x):\n    return [[]] * 1000000\n",
    ];
    let mut cases: Vec<_> = programs
        .iter()
        .map(|program| (*program, "failed", "wrong result"))
        .collect();
    cases.push(GOOD);
    for some in cases.chunks(4) {
        check("humaneval+", &task("HumanEval/21", "f", expected), some);
    }
}

#[test]
fn results_of_standard_types_pass_where_pythons_equality_has_them() {
    let program = |value: &str| {
        format!(
            "from fractions import Fraction\nfrom decimal import Decimal\nfrom collections import *\ndef f(x):\n    return {value}\n"
        )
    };
    for (expected, cases) in [
        (
            "3",
            &[
                ("Fraction(3)", "passed"),
                ("Decimal('3.0')", "passed"),
                ("Fraction(7, 2)", "failed"),
            ][..],
        ),
        (
            "[3, {'a': 1}]",
            &[
                ("[Fraction(3), Counter('a')]", "passed"),
                ("[Decimal(3), OrderedDict(a=1)]", "passed"),
                ("[3, defaultdict(int, a=1)]", "passed"),
                ("deque([3, {'a': 1}])", "failed"),
            ],
        ),
        ("float('nan')", &[("float('nan')", "failed")]),
        ("[1.0, float('nan')]", &[("[1.0, float('nan')]", "failed")]),
        (
            "'\\ud800'",
            &[
                ("'\\ud800'", "passed"),
                ("'?'", "failed"),
                ("'\\ud801'", "failed"),
            ],
        ),
    ] {
        let programs: Vec<(String, &str)> = cases
            .iter()
            .map(|(value, verdict)| (program(value), *verdict))
            .collect();
        let cases: Vec<_> = programs
            .iter()
            .map(|(program, verdict)| (program.as_str(), *verdict, ""))
            .collect();
        check("mbpp+", &task("Mbpp/287", "f", expected), &cases);
    }
    // An object that claims to be equal to everything decides nothing.
    let liar = "class Liar:\n    def __eq__(self, other):\n        return True\ndef f(x):\n    return Liar()\n";
    let of_a_kind = "from fractions import Fraction\nclass Liar(Fraction):\n    def __eq__(self, other):\n        return True\n\
                     def f(x):\n    return Liar(4)\n";
    check(
        "mbpp+",
        &task("Mbpp/287", "f", "3"),
        &[(liar, "failed", ""), (of_a_kind, "failed", "")],
    );
}

#[test]
fn an_interpreter_below_the_folder_of_temporary_files_is_seen_in_the_box() {
    let folder = tempfile::Builder::new()
        .tempdir_in("/tmp")
        .expect("a folder");
    let venv = folder.path().join("venv");
    let made = Command::new("python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(&venv)
        .output()
        .expect("python3");
    assert!(made.status.success(), "{made:?}");
    // A package that no other Python has.
    let packages = fs::read_dir(venv.join("lib"))
        .expect("lib")
        .flatten()
        .next()
        .expect("a version");
    fs::write(
        packages.path().join("site-packages/only_here.py"),
        "VALUE = [0.5, 1.5]\n",
    )
    .expect("a module");
    let project = Project::new();
    project.write(
        "tasks.jsonl",
        format!("{}\n", task("HumanEval/21", "f", "[0.5, 1.5]")),
    );
    let program = "import os, only_here\ndef f(x):\n    try:\n        open(only_here.__file__, 'a')\n    except OSError:\n        \
                   return only_here.VALUE\n";
    project.write(
        "samples.jsonl",
        json!({"task_id": "HumanEval/21", "solution": program}).to_string(),
    );
    let python = venv.join("bin/python").display().to_string();
    let mut command = score_command(&project, "humaneval+", "tasks.jsonl", "samples.jsonl");
    let found = measured(command.args(["--python", &python]));
    assert_eq!(
        found.document["samples"][0]["base"], "passed",
        "{}",
        found.document
    );
}
