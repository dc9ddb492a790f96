//! Programs that contain the tests instead of solving the task.

use slm_metrics::syntax::{argument_comparisons, literal_arguments};

/// Most comparisons of arguments with literals in a row; base cases of a recursion are fewer.
const MOST_IN_A_ROW: usize = 5;
/// Fewest visible examples for which an `if` each is no coincidence.
const FEWEST_EXAMPLES: usize = 2;

/// Whether a program compares its arguments with more than five literals in a row, or has an `if` with an argument of
/// each of at least two visible examples.
pub fn reads_like_test_table(program: &str, entry_point: &str, examples: &[String]) -> bool {
    let found = argument_comparisons(program);
    if found.longest_run > MOST_IN_A_ROW {
        return true;
    }
    let has_if = |example: &String| {
        let given = literal_arguments(example, entry_point);
        !given.is_disjoint(&found.literals)
    };
    examples.len() >= FEWEST_EXAMPLES && examples.iter().all(has_if)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(branches: &[&str], examples: &[&str], expected: bool) {
        let ifs: Vec<String> = branches
            .iter()
            .map(|branch| format!("    if {branch}:\n        return 1\n"))
            .collect();
        let program = format!("def f(n):\n{}    return 0\n", ifs.concat());
        let examples: Vec<String> = examples.iter().map(|&of| of.to_owned()).collect();
        assert_eq!(reads_like_test_table(&program, "f", &examples), expected);
    }

    #[test]
    fn more_than_five_literals_in_a_row_are_a_table() {
        let all = ["n == 1", "n == 2", "n == 3", "n == 4", "n == 5", "n == 6"];
        check(&all, &[], true);
        check(&all[..5], &[], false);
    }

    #[test]
    fn an_if_for_each_visible_example_is_a_table() {
        let examples = ["assert f(1) == 1", "assert f(7) == 1"];
        check(&["n == 1", "n == 7"], &examples, true);
        check(&["n == 1"], &examples, false);
        check(&["n == 1"], &examples[..1], false);
    }
}
