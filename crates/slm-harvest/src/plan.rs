//! What a plan must satisfy before a program by it is tested.

use crate::reason::Reason;

/// Most steps of a plan.
pub const MOST_STEPS: usize = 5;
/// Fewest tokens of a line of code that a plan must not hold; shorter ones, such as `return x`, occur in prose.
const FEWEST_TOKENS: usize = 3;

/// Checks a plan, one step per line, for the program whose continuation of the task's prompt is `body`.
///
/// # Errors
/// The plan is empty, has more than [`MOST_STEPS`] lines, or holds a line of the program.
pub fn check_plan(plan: &str, body: &str) -> Result<(), Reason> {
    let steps: Vec<String> = plan
        .lines()
        .map(packed)
        .filter(|of| !of.is_empty())
        .collect();
    if steps.is_empty() {
        return Err(Reason::NoPlan);
    }
    if steps.len() > MOST_STEPS {
        return Err(Reason::LongPlan);
    }
    let code = body.lines().map(str::trim);
    let mut code = code.filter(|line| !line.starts_with('#') && tokens(line) >= FEWEST_TOKENS);
    if code.any(|line| steps.iter().any(|step| step.contains(&packed(line)))) {
        return Err(Reason::PlanWithCode);
    }
    Ok(())
}

/// Returns a line without white space.
fn packed(line: &str) -> String {
    line.split_whitespace().collect()
}

/// Counts words and operators: a run of letters, digits and underscores is one token, any other character another.
fn tokens(line: &str) -> usize {
    let mut count = 0;
    let mut is_in_word = false;
    for c in line.chars() {
        let is_of_word = c.is_alphanumeric() || c == '_';
        count += usize::from(!(c.is_whitespace() || is_of_word && is_in_word));
        is_in_word = is_of_word;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_short_and_without_lines_of_the_program() {
        let body = "    # Add one to it.\n    y = x + 1\n    return y";
        for (plan, expected) in [
            ("1. Add one to it.\n2. return y", Ok(())),
            (" \n\n", Err(Reason::NoPlan)),
            ("a\n\nb\nc\nd\ne", Ok(())),
            ("a\nb\nc\nd\ne\nf", Err(Reason::LongPlan)),
            ("1. Set `y=x  + 1`.", Err(Reason::PlanWithCode)),
            ("y = x + 2", Ok(())),
        ] {
            assert_eq!(check_plan(plan, body), expected, "{plan:?}");
        }
    }
}
