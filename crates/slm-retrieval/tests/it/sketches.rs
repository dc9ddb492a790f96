//! Sketches of code.

use slm_benchmarks::ScoringPhase;
use slm_metrics::syntax::code_tokens;
use slm_retrieval::sketch::{common_subsequence, copied, lcs_len, oracle, rule};

/// Returns the reference solutions of the built-in tasks, as whole programs.
pub(crate) fn solutions() -> Vec<String> {
    let phase = ScoringPhase::begin();
    let set = slm_benchmarks::load("embedded", None).unwrap();
    let program = |task: &slm_benchmarks::Task| {
        format!("{}{}", task.view().prompt, task.canonical_solution(&phase))
    };
    set.tasks.iter().map(program).collect()
}

/// The tokens that sketches compare.
fn tokens(text: &str) -> Vec<(String, usize)> {
    let tokens = code_tokens(text).unwrap().into_iter();
    tokens
        .filter(|token| token.kind.is_code())
        .map(|token| (token.text, token.lines.0))
        .collect()
}

/// A plain dynamic program over prefixes: entry (i, j) is the length for a[..i] and b[..j].
fn lengths(a: &[String], b: &[String]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            table[i][j] = if a[i - 1] == b[j - 1] {
                table[i - 1][j - 1] + 1
            } else {
                table[i - 1][j].max(table[i][j - 1])
            };
        }
    }
    table
}

/// The places in `a` of the subsequence, from a table over the reversed sequences.
fn places(a: &[String], b: &[String]) -> Vec<usize> {
    let reversed = |of: &[String]| of.iter().rev().cloned().collect::<Vec<_>>();
    let table = lengths(&reversed(a), &reversed(b));
    let rest = |i: usize, j: usize| table[a.len() - i][b.len() - j];
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            found.push(i);
            (i, j) = (i + 1, j + 1);
        } else if rest(i + 1, j) >= rest(i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[test]
fn lengths_and_oracle_sketches_equal_a_plain_dynamic_program_on_two_hundred_pairs() {
    let programs = solutions();
    let mut n_pairs = 0;
    for step in [1, 5, 23] {
        for (at, source) in programs.iter().enumerate() {
            let target = &programs[(at + step) % programs.len()];
            let (own, other) = (tokens(source), tokens(target));
            let texts = |of: &[(String, usize)]| of.iter().map(|t| t.0.clone()).collect::<Vec<_>>();
            let (a, b) = (texts(&own), texts(&other));
            let table = lengths(&a, &b);
            let expected = table[a.len()][b.len()];
            assert_eq!(lcs_len(&a, &b), expected);
            assert_eq!(common_subsequence(&a, &b).len(), expected);
            let kept = places(&a, &b);
            let sketch = oracle(source, target);
            assert!((sketch.kept - kept.len() as f64 / a.len() as f64).abs() < 1e-12);
            // The sketch, line by line, without spaces: kept tokens, and one gap for each run of others.
            let mut wanted: Vec<String> = Vec::new();
            for (place, (text, line)) in own.iter().enumerate() {
                let is_first = place == 0 || own[place - 1].1 != *line;
                if is_first {
                    wanted.push(String::new());
                }
                let written = wanted.last_mut().unwrap();
                let was_kept = place > 0 && kept.binary_search(&(place - 1)).is_ok();
                if kept.binary_search(&place).is_ok() {
                    written.push_str(text);
                } else if is_first || was_kept {
                    written.push_str("...");
                }
            }
            let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
            let found: Vec<String> = sketch.text.lines().map(without_spaces).collect();
            let wanted: Vec<String> = wanted
                .iter()
                .flat_map(|line| line.lines())
                .map(without_spaces)
                .collect();
            assert_eq!(found, wanted, "{source}");
            assert!((copied(source, target) - expected as f64 / a.len() as f64).abs() < 1e-12);
            n_pairs += 1;
        }
    }
    assert!(n_pairs >= 200, "{n_pairs}");
}

#[test]
fn the_rule_keeps_structure_builtins_imports_and_the_tasks_names() {
    let chunk = "def mean_of(values, *, skip=None):\n    \"\"\"Docstring.\"\"\"\n    import math\n    total = 0.0  # comment\n    for value in values:\n        if value is not skip:\n            total += math.fsum([value, 1.5])\n    return total / len(values), self.cache.size\n";
    let sketch = rule(chunk, "Sum the values, but skip a value.");
    assert_eq!(
        sketch.text,
        "def ...(values, *, skip=None):\n    import math\n    ... = ...\n    for value in values:\n        if value is not skip:\n            ... += math....([value, ...])\n    return ... / len(values), ...\n"
    );
    assert!(sketch.kept > 0.7 && sketch.kept < 0.9, "{}", sketch.kept);
}

#[test]
fn texts_without_code_have_empty_sketches() {
    for text in [
        "",
        "# only\n",
        "\"\"\"Doc.\"\"\"\n",
        "a\0b",
        "\u{feff}x = 1\n",
    ] {
        let sketch = rule(text, "x");
        assert_eq!((sketch.text.as_str(), sketch.kept), ("", 0.0), "{text:?}");
        assert_eq!(oracle(text, "x = 1").text, "");
        assert!(copied(text, "x = 1").abs() < f64::EPSILON);
    }
    let broken = rule("def f(:\r\n  return don't $", "return");
    assert!(
        broken.text.starts_with("def ...(:\n  return ..."),
        "{}",
        broken.text
    );
}
