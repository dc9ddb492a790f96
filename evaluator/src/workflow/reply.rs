//! Answers of one line: a question, or the name of a workflow.

use slm_artifacts::FormatFailure;
use slm_config::Workflow;
use slm_metrics::syntax::without_reasoning;

/// Fewest letters of a name that is cut off.
const LEAST_OF_NAME: usize = 3;

/// Parses a question: the first line with a question mark, up to its last one. `NONE` is no question; neither is an empty
/// answer, a program, or text that asks nothing, which are format failures.
pub(super) fn question(answer: &str) -> (Option<String>, Option<FormatFailure>) {
    let spoken = without_reasoning(answer).trim();
    let failed = (None, Some(FormatFailure::NoQuestion));
    let first = spoken.lines().next().unwrap_or_default();
    if bare(first).eq_ignore_ascii_case("none") {
        return (None, None);
    }
    if spoken.contains("```") || spoken.lines().any(is_code) {
        return failed;
    }
    let asked = spoken.lines().find_map(|line| {
        let end = line.rfind('?')?;
        let asked = line[..=end].trim();
        asked
            .contains(char::is_alphabetic)
            .then(|| asked.to_owned())
    });
    match asked {
        Some(asked) => (Some(asked), None),
        None => failed,
    }
}

/// Whether a line begins a definition, an import or a return.
fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    let begins = ["def ", "class ", "async def ", "import ", "return "];
    let is_import = line.starts_with("from ") && line.contains(" import ");
    is_import || (begins.iter().any(|word| line.starts_with(word)) && !line.ends_with('?'))
}

/// Returns a line without the marks around its words.
fn bare(line: &str) -> &str {
    line.trim_matches(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Parses the name of one of the workflows: the first word of the answer. If the answer was `cut` off, the beginning of one
/// name and of no other is enough.
pub(super) fn route(choices: &[Workflow], answer: &str, cut: bool) -> Option<Workflow> {
    let spoken = without_reasoning(answer);
    let mut words = spoken.split(|c: char| !c.is_alphanumeric() && c != '_');
    let word = words.find(|word| !word.is_empty())?.to_lowercase();
    let named = choices.iter().find(|of| of.name() == word);
    let is_last = spoken.trim_end().to_lowercase().ends_with(&word);
    if named.is_some() || !(cut && is_last) || word.len() < LEAST_OF_NAME {
        return named.copied();
    }
    let mut begun = choices.iter().filter(|of| of.name().starts_with(&word));
    let first = begun.next();
    first.filter(|_| begun.next().is_none()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_line_with_a_question_mark() {
        for (answer, expected) in [
            ("What is returned for 0?", "What is returned for 0?"),
            ("Sure.\n  Is x sorted? Thanks.\nWhy?", "Is x sorted?"),
            ("<think>Is it?</think>May x be None?", "May x be None?"),
            ("Does `from` import modules?", "Does `from` import modules?"),
        ] {
            assert_eq!(question(answer), (Some(expected.to_owned()), None));
        }
        for answer in [
            "NONE",
            "**None.**",
            " none\nI know it.",
            "<think>x?</think>NONE",
        ] {
            assert_eq!(question(answer), (None, None), "{answer}");
        }
    }

    #[test]
    fn what_asks_nothing_is_a_format_failure() {
        for answer in [
            "",
            " \n",
            "I will write it.",
            "?",
            "```python\nx = 1  # right?\n```",
            "def double(x):\n    return 2 * x  # right?",
            "from math import sqrt\nIs it?",
            "None of this is clear",
        ] {
            let expected = (None, Some(FormatFailure::NoQuestion));
            assert_eq!(question(answer), expected, "{answer}");
        }
    }

    #[test]
    fn a_route_is_the_first_word_and_one_of_the_choices() {
        use Workflow::{BestOfN, Memory, MultiAgent, Reflection, Single};
        let choices = [Single, Reflection, MultiAgent, BestOfN];
        for (answer, cut, expected) in [
            ("single", false, Some(Single)),
            (" `Multi_Agent`.", false, Some(MultiAgent)),
            ("best_of_n\n", true, Some(BestOfN)),
            ("best_of_", true, Some(BestOfN)),
            ("best_of_", false, None),
            ("reflection or single", true, Some(Reflection)),
            ("si", true, None),
            ("multi agent", true, None),
            ("memory", false, None),
            ("", false, None),
            ("I choose single", false, None),
        ] {
            assert_eq!(route(&choices, answer, cut), expected, "{answer}");
        }
        // The beginning of two names is neither.
        let two = [Workflow::Reflection, Workflow::ReflectionBlind];
        assert_eq!(route(&two, "refl", true), None);
        assert_eq!(route(&[Memory], "mem", true), Some(Memory));
    }
}
