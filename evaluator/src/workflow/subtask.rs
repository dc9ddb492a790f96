//! The functions that a decomposer proposes: lines `name(parameters): what it returns`.

use slm_artifacts::FormatFailure;
use slm_benchmarks::TaskView;
use slm_metrics::syntax::{definitions_of_stub, is_builtin_name, parses, without_reasoning};

/// Most functions that a task is split into; further ones are ignored.
pub(crate) const MAX_SUBTASKS: usize = 4;

/// A function that a decomposer proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subtask {
    pub(crate) name: String,
    /// The parameters and, if it is given, the type of the result: `(x: int) -> int`.
    signature: String,
    /// What the function returns, in words.
    purpose: String,
}

impl Subtask {
    /// Returns the stub of the function: its head and a docstring.
    pub(super) fn stub(&self) -> String {
        let Self {
            name,
            signature,
            purpose,
        } = self;
        format!("def {name}{signature}:\n    \"\"\"{purpose}\"\"\"\n")
    }

    /// Returns the line that proposes the function.
    pub(super) fn line(&self) -> String {
        format!("{}{}: {}", self.name, self.signature, self.purpose)
    }

    /// Parses a line; `None` if it gives no signature.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim().trim_start_matches(['-', '*', '>', '#', ' ']);
        let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let line = number.strip_prefix(['.', ')']).unwrap_or(line).trim_start();
        let line = line.replace(['`'], "").replace("**", "");
        let line = line.strip_prefix("def ").unwrap_or(&line).trim();
        let open = line.find('(')?;
        let name = line[..open].trim();
        let close = open + closing(&line[open..])?;
        let (parameters, rest) = (&line[open..=close], &line[close + 1..]);
        let (result, purpose) = rest.split_once(':')?;
        let signature = format!("{parameters}{}", spaced(result.trim()));
        let purpose = purpose.trim().replace(['"', '\\'], "'");
        let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let is_signature = is_word && parses(&format!("def {name}{signature}:\n    pass\n"));
        (is_signature && !purpose.is_empty()).then(|| Self {
            name: name.to_owned(),
            signature,
            purpose,
        })
    }
}

/// Returns the place of the parenthesis that closes the first one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => (),
        }
    }
    None
}

fn spaced(result: &str) -> String {
    if result.is_empty() {
        return String::new();
    }
    format!(" {result}")
}

/// Returns the functions that an answer proposes, and whether at least one line proposes none.
///
/// Refused are names that the task defines, such as its entry point, names of built-in functions, and a name's second line.
pub(super) fn in_answer(task: &TaskView, text: &str) -> (Vec<Subtask>, Option<FormatFailure>) {
    let of_task = definitions_of_stub(&task.prompt);
    let mut found: Vec<Subtask> = Vec::new();
    let mut failure = None;
    let answer = without_reasoning(text);
    let lines = answer
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with("```"));
    for line in lines {
        let is_new = |subtask: &Subtask| {
            subtask.name != task.entry_point
                && !is_builtin_name(&subtask.name)
                && of_task.iter().all(|of| of.name != subtask.name)
                && found.iter().all(|of| of.name != subtask.name)
        };
        match Subtask::parse(line).filter(is_new) {
            Some(subtask) if found.len() < MAX_SUBTASKS => found.push(subtask),
            Some(_) => break,
            None => failure = Some(FormatFailure::NoSignature),
        }
    }
    if found.is_empty() {
        failure = Some(FormatFailure::NoSignature);
    }
    (found, failure)
}

/// Returns a prompt with functions before the definition of its entry point, so that all that the prompt defines before is
/// known to them; at its beginning if it defines none.
pub(super) fn with_functions(prompt: &str, entry_point: &str, functions: &[String]) -> String {
    let lines: Vec<&str> = prompt.split_inclusive('\n').collect();
    let defines = |line: &str| {
        ["def ", "async def ", "class "].iter().any(|keyword| {
            let name = line.strip_prefix(keyword);
            let rest = name.and_then(|name| name.strip_prefix(entry_point));
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    let mut at = lines.iter().rposition(|line| defines(line)).unwrap_or(0);
    while at > 0 && lines[at - 1].starts_with('@') {
        at -= 1;
    }
    let functions: Vec<String> = functions
        .iter()
        .map(|function| format!("{}\n\n\n", function.trim_end()))
        .collect();
    let functions = functions.concat();
    format!(
        "{}{functions}{}",
        lines[..at].concat(),
        lines[at..].concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskView {
        serde_json::from_value(serde_json::json!({
            "task_id": "test/area",
            "prompt": "from math import pi\n\ndef given(x):\n    return x\n\ndef area(r):\n    \"\"\"Area.\"\"\"\n",
            "entry_point": "area",
            "public_examples": [],
        }))
        .expect("a task")
    }

    fn names(text: &str) -> (Vec<String>, bool) {
        let (found, failure) = in_answer(&task(), text);
        let names = found.into_iter().map(|subtask| subtask.name).collect();
        (names, failure.is_some())
    }

    #[test]
    fn a_line_is_a_signature_and_what_it_returns() {
        for line in [
            "square(x): x times x",
            "- `square(x)`: x times x",
            "1. **square(x)**: x times x",
            "2) def square(x): x times x",
        ] {
            let (found, failure) = in_answer(&task(), line);
            assert_eq!(failure, None, "{line}");
            assert_eq!(
                found[0].stub(),
                "def square(x):\n    \"\"\"x times x\"\"\"\n"
            );
            assert_eq!(found[0].line(), "square(x): x times x");
        }
        let (found, _) = in_answer(&task(), "f(x: int, y=(1, 2)) -> list[int]: all \"of\" it");
        assert_eq!(
            found[0].stub(),
            "def f(x: int, y=(1, 2)) -> list[int]:\n    \"\"\"all 'of' it\"\"\"\n"
        );
    }

    #[test]
    fn what_proposes_no_new_function_is_dropped_and_counted() {
        for line in [
            "area(r): the whole task",
            "given(x): known already",
            "sum(x): a built-in function",
            "class(x): a keyword",
            "Compute the square first.",
            "square(x)",
            "square(x):",
            "square(x: twice",
            "two words(x): no name",
            "f(1): no parameter",
            "",
        ] {
            assert_eq!(names(line), (vec![], true), "{line}");
        }
        let twice = names("square(x): once\nsquare(y): twice\nnot one\ncube(x): more");
        assert_eq!(twice, (vec!["square".to_owned(), "cube".to_owned()], true));
    }

    #[test]
    fn of_many_functions_the_first_are_taken() {
        let many: Vec<String> = (0..100).map(|n| format!("f{n}(x): number {n}\n")).collect();
        let many = many.concat();
        assert_eq!(names(&many).0, ["f0", "f1", "f2", "f3"]);
        let thought = format!("<think>{many}</think>\nlast(x): the only one");
        assert_eq!(names(&thought), (vec!["last".to_owned()], false));
    }

    #[test]
    fn functions_are_inserted_before_the_entry_point_and_its_decorators() {
        let functions = ["def a(n: Node):\n    return 1\n".to_owned()];
        let before = "class Node:\n    pass\n\ndef area_of(x): ...\n\n";
        let entry = "@cached\n@other\ndef area(r):\n    \"\"\"Area.\"\"\"\n";
        let prompt = with_functions(&format!("{before}{entry}"), "area", &functions);
        let expected = format!("{before}def a(n: Node):\n    return 1\n\n\n{entry}");
        assert_eq!(prompt, expected);
        assert!(parses(&prompt));
        assert_eq!(
            with_functions("x = 1\n", "area", &functions),
            "def a(n: Node):\n    return 1\n\n\nx = 1\n"
        );
    }
}
