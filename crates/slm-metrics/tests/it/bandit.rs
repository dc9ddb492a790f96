//! Agreement of the security rules with bandit 1.9.4: generated programs, bandit's own examples, and optionally whole
//! source trees. A finding is compared by rule, line and severity.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use slm_metrics::rules::{self, Category};

/// The version whose findings are stored.
const BANDIT: &str = "bandit==1.9.4";
/// Files of source trees with known differences, which `golden/bandit/README.md` explains.
const DEVIATIONS: [&str; 2] = [
    "test/tokenizedata/bad_coding2.py",
    "sympy/polys/numberfields/resolvent_lookup.py",
];

fn lines(golden: &str) -> impl Iterator<Item = Value> + '_ {
    golden
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
}

/// Returns the findings as bandit's `[rule, line, severity]`, sorted; `None` if the source is not valid Python.
fn findings(source: &str) -> Option<Vec<Value>> {
    let found = rules::findings(source).ok()?;
    let mut places: Vec<(&str, usize, Value)> = found
        .iter()
        .filter(|finding| finding.rule.category == Category::Security)
        .map(|finding| {
            let rule = finding.rule.known_as.strip_prefix("bandit ");
            let severity = json!(finding.severity);
            (rule.expect("a rule of bandit"), finding.line, severity)
        })
        .collect();
    places.sort_by_key(|(rule, line, severity)| (*rule, *line, severity.to_string()));
    Some(places.into_iter().map(|place| json!(place)).collect())
}

/// Returns the text of a file, or a text that is no program if it cannot be decoded.
fn decoded(bytes: &[u8]) -> String {
    slm_metrics::decode_python(bytes).unwrap_or_else(|_| "\0".into())
}

/// Appends the differences of one source to `failures`.
fn compare(name: &str, source: &str, expected: &Value, failures: &mut String) {
    let found = findings(source);
    let expected = expected["findings"].as_array();
    if found.as_ref() == expected {
        return;
    }
    let key = |list: Option<&Vec<Value>>| -> BTreeSet<String> {
        list.into_iter().flatten().map(Value::to_string).collect()
    };
    let (expected_keys, found_keys) = (key(expected), key(found.as_ref()));
    let missing: Vec<_> = expected_keys.difference(&found_keys).collect();
    let extra: Vec<_> = found_keys.difference(&expected_keys).collect();
    let errors = [expected.is_none(), found.is_none()];
    writeln!(
        failures,
        "{name}: missing {missing:?}, extra {extra:?}, errors of bandit and here {errors:?}"
    )
    .expect("a string");
}

#[test]
fn generated_programs_agree_with_bandit() {
    let mut failures = String::new();
    let mut compared = 0;
    let mut fired = BTreeSet::new();
    for case in lines(include_str!("golden/bandit/generated.jsonl")) {
        let source = case["source"].as_str().expect("a source");
        compare(
            &format!("program {compared}:\n{source}"),
            source,
            &case,
            &mut failures,
        );
        compared += 1;
        let places = case["findings"].as_array().expect("findings");
        fired.extend(
            places
                .iter()
                .map(|place| place[0].as_str().expect("a rule").to_owned()),
        );
    }
    assert_eq!(compared, 500);
    assert!(failures.is_empty(), "\n{failures}");
    // Each rule has a finding here, and each stored finding has a rule.
    let known: BTreeSet<String> = rules::all()
        .filter(|rule| rule.category == Category::Security)
        .map(|rule| rule.known_as.replace("bandit ", ""))
        .collect();
    assert_eq!(known, fired);
}

/// `BANDIT_EXAMPLES` names the folder `examples` of bandit's source distribution. Without it the test is skipped, or
/// with `REQUIRE_MODEL=1` downloads the distribution.
#[test]
fn examples_of_bandit_agree() {
    let Some(folder) = examples() else {
        return;
    };
    let mut failures = String::new();
    let mut compared = 0;
    for case in lines(include_str!("golden/bandit/examples.jsonl")) {
        let file = case["file"].as_str().expect("a file");
        let bytes = std::fs::read(folder.join(file)).expect("an example of bandit");
        compare(file, &decoded(&bytes), &case, &mut failures);
        compared += 1;
    }
    assert!(compared > 80, "only {compared} examples");
    assert!(failures.is_empty(), "\n{failures}");
}

#[expect(clippy::print_stderr, reason = "a skipped test must be reported")]
fn examples() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("BANDIT_EXAMPLES") {
        return Some(folder.into());
    }
    if std::env::var_os("REQUIRE_MODEL").is_none() {
        eprintln!(
            "SKIPPED: needs bandit's examples; set BANDIT_EXAMPLES, or REQUIRE_MODEL=1 to download them"
        );
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bandit-examples");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a new folder");
    let options = ["--quiet", "--no-deps", "--no-binary", ":all:", BANDIT];
    run(
        Command::new("python3")
            .args(["-m", "pip", "download"])
            .args(options),
        &folder,
    );
    run(
        Command::new("tar").args(["xf", "bandit-1.9.4.tar.gz"]),
        &folder,
    );
    Some(folder.join("bandit-1.9.4/examples"))
}

fn run(command: &mut Command, folder: &Path) {
    let status = command.current_dir(folder).status();
    let status = status.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// `BANDIT_ORACLE=FILE` names lines of `{"path": ..., "findings": [...]}` as `golden/bandit/oracle.py` writes.
#[test]
fn source_trees_agree_with_bandit_where_an_oracle_is_given() {
    let Some(oracle) = std::env::var_os("BANDIT_ORACLE") else {
        return;
    };
    let oracle = std::fs::read_to_string(oracle).expect("BANDIT_ORACLE is a readable file");
    let mut failures = String::new();
    let mut compared = 0;
    for case in lines(&oracle) {
        let path = case["path"].as_str().expect("a path");
        let Ok(bytes) = std::fs::read(path) else {
            continue;
        };
        if DEVIATIONS.iter().any(|known| path.ends_with(known)) {
            continue;
        }
        compare(path, &decoded(&bytes), &case, &mut failures);
        compared += 1;
    }
    assert!(compared > 0, "no file of the oracle was found");
    assert!(failures.is_empty(), "of {compared} files:\n{failures}");
}
