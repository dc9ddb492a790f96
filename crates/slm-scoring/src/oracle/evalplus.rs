//! Checks the rules against EvalPlus: its verdicts on pairs of values, stored with the script that computed them.

use serde::Deserialize;
use slm_benchmarks::Oracle;
use slm_sandbox::Value;

use super::OutputChecker;

/// One pair, as Python source and as encoded values.
#[derive(Deserialize)]
struct Row {
    expected: String,
    got: String,
    atol: f64,
    passes: bool,
    texts: [String; 2],
}

#[test]
fn pairs_of_values_are_judged_as_evalplus_judges_them() {
    let rows = include_str!("../../tests/it/golden/evalplus/verdicts.jsonl");
    let (mut differing, mut n) = (Vec::new(), 0);
    for row in rows.lines() {
        let row: Row = serde_json::from_str(row).expect("a row");
        let [expected, got] = row
            .texts
            .map(|text| Value::try_from(text).expect("a value"));
        let accepted = OutputChecker::new(&Oracle::Equal, row.atol).accepts(&got, &expected, None);
        // The one intended difference: a program's own `__eq__` is never called here.
        let is_right = row.passes && !row.got.contains("Liar");
        if accepted.unwrap_or(false) != is_right {
            differing.push(format!(
                "{} for {}, atol {}: {accepted:?}",
                row.got, row.expected, row.atol
            ));
        }
        n += 1;
    }
    assert!(n > 300, "{n} rows");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
