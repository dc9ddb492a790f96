//! Broken and hostile chat templates and tokenizers: each must end in an error, within two seconds and 200 MB.
//!
//! Each case runs in a separate process, whose peak memory is read from the kernel.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use slm_model::{ChatTemplate, Message, Role, Tokenizer};

use crate::support::golden;

const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_MEMORY_KB: u64 = 200_000;
/// The environment variable with the case that a process runs.
const CASE: &str = "HOSTILE_FILES_CASE";
/// Number of mutations of the golden tokenizer, which are read one by one.
const MUTATIONS: usize = 400;

/// Templates by name; each must end in an error.
fn templates() -> Vec<(&'static str, String)> {
    [deep_sources(), repetitions(), growth(), recursion()].concat()
}

/// Long chains and deep nesting in the source.
fn deep_sources() -> Vec<(&'static str, String)> {
    let chain = |first: &str, link: &str, last: &str| {
        format!("{{{{ {first}{}{last} }}}}", link.repeat(20_000))
    };
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(20_000), close.repeat(20_000))
    };
    vec![
        ("not", chain("", "not ", "1")),
        ("minus", chain("", "-", "1")),
        ("plus", chain("a", "+1", "")),
        ("filters", chain("a", "|trim", "")),
        (
            "filters with arguments",
            chain("a", "|replace('a','b')", ""),
        ),
        ("methods", chain("a", ".strip(',', 1)", "")),
        ("attributes", chain("a", ".a", "")),
        ("items", chain("a", "[0]", "")),
        ("conditions", chain("a", " if a else a", "")),
        ("and", chain("a", " and a", "")),
        ("tests", chain("a", " is defined", "")),
        (
            "elif",
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(20_000)),
        ),
        (
            "parentheses",
            format!("{{{{ {} }}}}", nested("(", "1", ")")),
        ),
        ("lists", format!("{{{{ {} }}}}", nested("[", "1", "]"))),
        ("maps", format!("{{{{ {} }}}}", nested("{1:", "1", "}"))),
        ("calls", format!("{{{{ {} }}}}", nested("a(", "1", ")"))),
        (
            "targets",
            format!("{{% for {} in a %}}{{% endfor %}}", nested("(", "a", ")")),
        ),
        ("if", nested("{% if 1 %}", "x", "{% endif %}")),
        ("for", nested("{% for a in [1] %}", "x", "{% endfor %}")),
        ("set", nested("{% set a %}", "x", "{% endset %}")),
        ("with", nested("{% with %}", "x", "{% endwith %}")),
        ("macro", nested("{% macro a() %}", "x", "{% endmacro %}")),
    ]
}

/// Repetition, and operations on its result.
fn repetitions() -> Vec<(&'static str, String)> {
    vec![
        (
            "a repeated list, joined",
            "{{ (['x' * 100000] * 100000)|join }}".into(),
        ),
        (
            "a repeated list, printed",
            "{{ ['x' * 100000] * 100000 }}".into(),
        ),
        (
            "a repeated list, with text",
            "{{ (['x' * 100000] * 100000) ~ '' }}".into(),
        ),
        (
            "a repeated list as JSON",
            "{{ (['x' * 100000] * 100000)|tojson }}".into(),
        ),
        (
            "a repeated list as text",
            "{{ (['x' * 100000] * 100000)|string }}".into(),
        ),
        (
            "a repeated list of the source",
            "{{ (['xxxxxxxxxx', 1] * 99999999)|join }}".into(),
        ),
        ("a repeated text", "{{ 'x' * 10000000000 }}".into()),
        (
            "a text repeated twice",
            "{{ ('x' * 10000) * 100000 }}".into(),
        ),
        (
            "a list repeated twice",
            "{{ ((['x'] * 10000) * 10000)|join }}".into(),
        ),
        (
            "a list of repeated lists",
            "{{ ([['x'] * 10000] * 10000)|string }}".into(),
        ),
        (
            "join as a method",
            "{{ ('x' * 1000000).join(['a'] * 100000) }}".into(),
        ),
        (
            "join with a long joiner",
            "{{ (['a'] * 100000)|join('x' * 1000000) }}".into(),
        ),
        (
            "replace as a method",
            "{{ ('x' * 100000).replace('x', 'y' * 100000) }}".into(),
        ),
        (
            "replace as a filter",
            "{{ ('x' * 100000)|replace('x', 'y' * 100000) }}".into(),
        ),
        (
            "replace of nothing",
            "{{ ('x' * 100000).replace('', 'y' * 100000) }}".into(),
        ),
        ("split", "{{ ('x' * 10000000).split('x') | length }}".into()),
        (
            "split of nothing",
            "{{ ('x' * 10000000)|split('') | length }}".into(),
        ),
        ("lines", "{{ ('\n' * 10000000)|lines | length }}".into()),
        ("format by width", "{{ '{:1000000000}'.format(1) }}".into()),
        (
            "format by fields",
            "{{ ('{0}' * 10000).format('x' * 1000000) }}".into(),
        ),
        (
            "format as a filter",
            "{{ '%1000000000d'|format(1) }}".into(),
        ),
        (
            "format as a filter by fields",
            "{{ ('%s' * 1500)|format(*(['x' * 1000000] * 1500)) }}".into(),
        ),
        ("indent", "{{ ('x\n' * 100000)|indent(100000) }}".into()),
        ("range", "{{ range(10**9)|list }}".into()),
        (
            "loops",
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"
                .into(),
        ),
    ]
}

/// Values that grow in a loop.
fn growth() -> Vec<(&'static str, String)> {
    let looped = |body: &str, end: &str| {
        format!(
            "{{% set ns = namespace(x='x', l=[1], m=[1], n=0) %}}{{% for i in range(60) %}}{body}{{% endfor %}}{end}"
        )
    };
    let doubled = "{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}";
    let long = "{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}";
    vec![
        ("a doubled text", looped("{% set ns.x = ns.x + ns.x %}", "{{ ns.x }}")),
        ("a doubled text by ~", looped("{% set ns.x = ns.x ~ ns.x %}", "{{ ns.x }}")),
        ("a doubled list", looped("{% set ns.l = ns.l + ns.l %}", "{{ ns.l|join }}")),
        ("a list of itself, twice", looped("{% set ns.l = [ns.l, ns.l] %}", "{{ ns.l }}")),
        ("a map of itself, twice", looped("{% set ns.l = {1: ns.l, 2: ns.l} %}", "{{ ns.l }}")),
        ("a pair of itself", looped("{% set ns.l = (ns.l, ns.l) %}", "{{ ns.l|tojson }}")),
        ("a dict of itself", looped("{% set ns.l = dict(a=ns.l, b=ns.l) %}", "{{ ns.l|length }}")),
        ("compared", looped(doubled, "{{ ns.l == ns.m }}")),
        ("ordered", looped(doubled, "{{ [ns.l, ns.m]|sort|length }}")),
        ("found", looped(doubled, "{{ ns.l in [ns.m] }}")),
        ("a key", looped(doubled, "{{ {ns.l: 1}|length }}")),
        ("a text set by a block", looped("{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}", "{{ ns.x }}")),
        ("a deep list", format!("{{% set ns = namespace(l=[]) %}}{long}{{{{ ns.l|tojson }}}}")),
        ("a deep list that nobody reads", format!("{{% set ns = namespace(l=[]) %}}{long}")),
        ("a wide list as JSON", "{{ (range(99999)|list + range(99999)|list + [range(99999)|list])|tojson(indent=16) }}".into()),
        ("a namespace in itself", "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}".into()),
        ("a namespace as its own attribute", "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns.ns.ns }}{{ [ns] }}".into()),
        ("many attributes of a namespace", format!(
            "{{% set ns = namespace() %}}{{% set x = 'x' * 8000000 %}}{}{{{{ ns ~ '' }}}}",
            (0..2000).fold(String::new(), |text, i| text + &format!("{{% set ns.a{i} = x %}}"))
        )),
        ("comparisons without end", "{% set l = range(90000)|list %}{% set m = range(90000)|list %}\
            {% for i in range(90000) %}{% if l == m %}{% endif %}{% endfor %}".into()),
        ("comparisons behind a choice", "{% set l = range(90000)|list %}{% set m = range(90000)|list %}\
            {% for i in range(90000) %}{% if l == (m if m else 'x') %}{% endif %}{% endfor %}".into()),
        ("selections without end", "{% set l = range(90000)|list %}\
            {% for i in range(90000) %}{% if l|select('in', l)|list %}{% endif %}{% endfor %}".into()),
        ("changes", "{% set l = range(90000)|list %}{% for i in range(90000) %}{{ loop.changed(l) }}{% endfor %}".into()),
    ]
}

/// Recursion, and access to the engine's state.
fn recursion() -> Vec<(&'static str, String)> {
    vec![
        ("a macro in itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".into()),
        ("macros in each other", "{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}".into()),
        ("a loop in itself", "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}".into()),
        ("a call in itself", "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{% call f() %}x{% endcall %}".into()),
        ("a template in itself", "{% include self %}".into()),
        ("a template in itself by name", "{% include 'chat_template' %}".into()),
        ("a template that extends itself", "{% extends 'chat_template' %}".into()),
        ("the state", "{{ debug() }}".into()),
    ]
}

/// Returns the error of a template.
fn run_template(source: &str) -> String {
    let messages = [
        Message::new(Role::User, "hi"),
        Message::new(Role::Assistant, "a"),
    ];
    ChatTemplate::new(source, BTreeMap::new())
        .and_then(|template| template.render(&messages, true))
        .expect_err("must fail")
        .to_string()
}

/// Reads mutations of the golden tokenizer, and uses those that can be read.
fn run_mutations() -> String {
    let json = std::fs::read(golden("tokenizer/qwen2/tokenizer.json")).expect("a golden file");
    // Without the merges, which are most of the file but rarely invalid.
    let small: Vec<u8> = {
        let mut value: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        value["model"]["merges"] = serde_json::json!([]);
        serde_json::to_vec(&value).expect("JSON")
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut refused = 0;
    for number in 0..MUTATIONS {
        let mut json = if number % 8 == 0 {
            json.clone()
        } else {
            small.clone()
        };
        let part = [
            &b"\"decoder\""[..],
            b"\"pre_tokenizer\"",
            b"\"added_tokens\"",
            b"\"normalizer\"",
            b"\"model\"",
        ];
        let part = part[number % part.len()];
        let start = json
            .windows(part.len())
            .position(|w| w == part)
            .expect("a part");
        let at = (start + rng.random_range(0..300)).min(json.len() - 2);
        match number % 4 {
            0 => json[at] = rng.random_range(0..=255),
            1 => {
                json.remove(at);
            }
            2 => json.truncate(at),
            _ => {
                let bits = [
                    "{",
                    "[",
                    "]",
                    "\"",
                    "null",
                    "-1",
                    "1e999",
                    "\\ud800",
                    "true",
                    ",",
                    "99999999999",
                ];
                let bit = bits[rng.random_range(0..bits.len())];
                json.splice(at..=at, bit.bytes());
            }
        }
        match Tokenizer::from_json(&json, &[]) {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
            Ok(tokenizer) => {
                let ids = tokenizer.encode("a b <|im_end|>").unwrap_or_default();
                drop(tokenizer.encode_text("a b <|im_end|>\né").map(|_| ()));
                drop(tokenizer.decode(&ids, false).map(|_| ()));
            }
        }
    }
    format!("{refused} of {MUTATIONS} refused")
}

/// Runs the case in the environment variable, and prints its error and the peak memory of the process.
#[test]
fn a_case_in_a_process_of_its_own() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    let begun = Instant::now();
    let error = match case.parse::<usize>() {
        Ok(number) => run_template(&templates()[number].1),
        Err(_) => run_mutations(),
    };
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel reports");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.expect("a peak").trim().trim_end_matches(" kB");
    // On a separate line after the test runner's output.
    let line = format!(
        "\ncase|{}|{peak}|{}\n",
        begun.elapsed().as_millis(),
        error.replace('\n', " ")
    );
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("a pipe");
}

/// The error, time in milliseconds and peak memory in kB of a case.
fn outcome(case: &str) -> Result<(String, u64, u64), String> {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "hostile_files::a_case_in_a_process_of_its_own",
            "--nocapture",
        ])
        .env(CASE, case)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    while begun.elapsed() < MAX_TIME * 10 {
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(child.kill());
    let output = child.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("case|"));
    let Some(line) = line.filter(|_| output.status.success()) else {
        return Err(format!("{}: {text}", output.status));
    };
    let mut fields = line.splitn(3, '|');
    let mut next = || fields.next().unwrap_or_default().to_owned();
    let (time, peak) = (next(), next());
    Ok((
        next(),
        time.parse().expect("a time"),
        peak.parse().expect("a size"),
    ))
}

#[test]
fn hostile_templates_end_in_an_error_within_two_seconds_and_200_mb() {
    let mut failures = Vec::new();
    for (number, (name, _)) in templates().iter().enumerate() {
        match outcome(&number.to_string()) {
            Err(problem) => failures.push(format!("{name}: {problem}")),
            Ok((error, time, peak)) => {
                let is_bounded = u128::from(time) <= MAX_TIME.as_millis() && peak <= MAX_MEMORY_KB;
                if !is_bounded || !error.starts_with("chat template") {
                    failures.push(format!("{name}: {time} ms, {peak} kB, {error}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_broken_tokenizer_json_never_panics() {
    let (summary, _, peak) = outcome("mutations").expect("no panic");
    assert!(peak <= MAX_MEMORY_KB, "{peak} kB");
    let refused: usize = summary
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a count");
    assert!(refused > MUTATIONS / 3, "{summary}");
}

#[test]
fn what_is_wrong_with_a_tokenizer_json_is_named() {
    let json = std::fs::read_to_string(golden("tokenizer/qwen2/tokenizer.json")).expect("a file");
    let broken = |from: &str, to: &str| {
        let at = json.find("\"decoder\"").expect("a decoder");
        let (head, tail) = json.split_at(at);
        let changed = format!("{head}{}", tail.replacen(from, to, 1));
        assert_ne!(changed, json, "{from}");
        let error = Tokenizer::from_json(changed.as_bytes(), &[]).expect_err("broken");
        error.to_string()
    };
    for (from, to) in [
        ("true", "trXe"),
        ("\"ByteLevel\"", "\"Byte\\ud800\""),
        ("true", "1e999"),
        ("true", "3"),
    ] {
        let error = broken(from, to);
        assert!(
            error.starts_with("invalid tokenizer.json: `decoder`: "),
            "{from} to {to}: {error}"
        );
    }
    // The library treats this as a broken invariant.
    let begins = r#""post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}}"#;
    let changed = json.replacen("\"post_processor\": null", begins, 1);
    assert_ne!(changed, json);
    let error = Tokenizer::from_json(changed.as_bytes(), &[])
        .expect_err("no such token")
        .to_string();
    assert!(
        error.starts_with("no tokenizer can be built from the file"),
        "{error}"
    );
    let error = Tokenizer::from_json(b"[]", &[])
        .expect_err("no object")
        .to_string();
    assert!(
        error.contains("an object that describes a tokenizer"),
        "{error}"
    );
}
