//! `PassRatio` and Executability as `CodeScore` defines them, beside a script that runs the programs itself.

use serde_json::{Value, json};

use crate::{files_of, score};

#[test]
fn pass_ratio_and_executability_equal_those_of_a_script_that_runs_the_programs() {
    let golden: Value =
        serde_json::from_str(include_str!("golden/executability/expected.json")).expect("JSON");
    let cases = golden["cases"].as_array().expect("a list");
    let programs: Vec<&str> = cases
        .iter()
        .map(|case| case["program"].as_str().expect("a program"))
        .collect();
    let row = json!({
        "task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x * x\n",
        "base_input": golden["base_input"], "plus_input": golden["plus_input"], "atol": 0, "contract": "",
    });
    let files = files_of(&row, &programs);
    let (scores, ..) = score(&files, &files.folder.path().join("outputs"));
    assert_eq!(scores.len(), cases.len());
    for (case, score) in cases.iter().zip(scores) {
        let total = score.total().expect("a score");
        let ratio = total.passed as f64 / total.tests as f64;
        let expected = case["pass_ratio"].as_f64().expect("a number");
        assert!((ratio - expected).abs() < 1e-12, "{case}: {total:?}");
        assert_eq!(total.executable, case["executable"].as_bool(), "{case}");
    }
}
