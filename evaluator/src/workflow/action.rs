//! Actions: a tool and its argument on one line, `Action: docs WORDS`; of `try`, a code block after the line.

use std::fmt;

use slm_artifacts::FormatFailure;
use slm_benchmarks::TaskView;
use slm_config::{MOST_CHOSEN, Prompting};
use slm_metrics::syntax::{parses, without_reasoning};
use slm_scoring::{Program, ProgramFault};

use super::convention::style;
use super::tool::{Offer, Tool};
use crate::knowledge::file_range;

/// What begins the line of an action.
const MARK: &str = "action:";

/// What begins and ends a code block.
const FENCE: &str = "```";

/// Most characters of the model's words that a message repeats.
const MOST_QUOTED: usize = 40;

/// A tool with its argument, which is empty only for a tool without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) tool: Tool,
    /// Words, a name, a range of lines or a snippet.
    pub(crate) argument: String,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { tool, argument } = self;
        if *tool == Tool::Try {
            return write!(
                f,
                "Action: try\n{FENCE}python\n{}\n{FENCE}",
                argument.trim_end()
            );
        }
        f.write_str(format!("Action: {tool} {argument}").trim_end())
    }
}

/// Why an answer is no action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It has neither the line of an action nor a program.
    Nothing,
    /// The tool is not on offer.
    UnknownTool(String),
    /// The argument is missing, or is no range of lines.
    NoArgument(Tool),
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there is no action and no code block"),
            Self::UnknownTool(name) => write!(f, "there is no tool `{name}`"),
            Self::NoArgument(tool) if *tool == Tool::Try => {
                f.write_str("`try` needs a code block after its line")
            }
            Self::NoArgument(tool) => write!(f, "`{tool}` needs {}", tool.facts().1),
        }
    }
}

/// An answer that chooses between tools and a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Turn {
    Action(Action),
    Program(Program),
    Misread(Misread),
}

/// Parses an answer that is an action or a whole program, by what comes first: the line of an action, or a code block.
///
/// Without either, text that defines the entry point is a program.
pub(super) fn turn(offer: Offer, task: &TaskView, answer: &str) -> Turn {
    let spoken = without_reasoning(answer);
    let program = || Turn::Program(program(task, answer));
    for (at, line) in spoken.lines().enumerate() {
        if line.trim_start().starts_with(FENCE) {
            return program();
        }
        if let Some(words) = after_mark(line) {
            let after: Vec<&str> = spoken.lines().skip(at + 1).collect();
            return match action(offer, words, &after) {
                Ok(action) => Turn::Action(action),
                Err(misread) => Turn::Misread(misread),
            };
        }
    }
    let name = &task.entry_point;
    let defines = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        ["def ", "class "].iter().any(|keyword| {
            let rest = line.strip_prefix(keyword);
            let rest = rest.and_then(|rest| rest.trim_start().strip_prefix(name.as_str()));
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    if !name.is_empty() && spoken.lines().any(defines) {
        return program();
    }
    Turn::Misread(Misread::Nothing)
}

/// Extracts the program from an answer. Of one that does not parse, the text is the code block, so that its lines can be
/// named; without that, only the task's prompt would be left of it.
fn program(task: &TaskView, answer: &str) -> Program {
    let program = Program::in_answer(style(Prompting::Chat), task, answer);
    let lines: Vec<&str> = without_reasoning(answer).lines().collect();
    let Some(block) = block(&lines).filter(|_| program.fault.is_some()) else {
        return program;
    };
    let is_body = block.starts_with([' ', '\t']);
    let text = if is_body {
        format!("{}{block}\n", task.prompt)
    } else {
        block + "\n"
    };
    if parses(&text) {
        return program;
    }
    Program {
        text,
        fault: Some(ProgramFault::EntryPoint),
        hash: None,
    }
}

/// Parses an answer of lines that each name a lookup, with or without `Action:`, up to [`MOST_CHOSEN`] of them. Further
/// ones are ignored, lines that name none are a format failure.
pub(super) fn lookups(offer: Offer, answer: &str) -> (Vec<Action>, Option<FormatFailure>) {
    let spoken = without_reasoning(answer);
    let lines = spoken.lines().map(plain);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(FENCE));
    let mut chosen: Vec<Action> = Vec::new();
    let mut failure = None;
    for line in lines {
        if chosen.len() == MOST_CHOSEN {
            break;
        }
        match action(offer, after_mark(line).unwrap_or(line), &[]) {
            Ok(lookup) if !chosen.contains(&lookup) => chosen.push(lookup),
            Ok(_) => (),
            Err(_) => failure = Some(FormatFailure::NoAction),
        }
    }
    if chosen.is_empty() {
        failure = Some(FormatFailure::NoAction);
    }
    (chosen, failure)
}

/// Returns a line without the marks of lists, quotations and emphasis before it.
fn plain(line: &str) -> &str {
    let line = line.trim();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let line = number
        .strip_prefix(['.', ')'])
        .filter(|_| number.len() < line.len())
        .unwrap_or(line);
    let is_block = line.starts_with(FENCE);
    let mark = |c: char| matches!(c, '-' | '*' | '>' | '`' | ' ' | '\t') && !is_block;
    line.trim_start_matches(mark).trim_end()
}

/// Returns the words after `Action:`.
fn after_mark(line: &str) -> Option<&str> {
    let line = plain(line);
    let (mark, rest) = line.split_at_checked(MARK.len())?;
    let is_marked = mark.eq_ignore_ascii_case(MARK);
    is_marked.then(|| rest.trim_matches([' ', '\t', '*', '`']))
}

/// Parses the words of an action; `after` are the lines that follow.
fn action(offer: Offer, words: &str, after: &[&str]) -> Result<Action, Misread> {
    let end = words.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = words.split_at(end.unwrap_or(words.len()));
    if name.is_empty() {
        return Err(Misread::Nothing);
    }
    let tool = offer
        .iter()
        .find(|tool| name.eq_ignore_ascii_case(tool.facts().0));
    let Some(&tool) = tool else {
        return Err(Misread::UnknownTool(
            name.chars().take(MOST_QUOTED).collect(),
        ));
    };
    let argument = bare(rest.trim_start_matches([':', '`', '*']));
    let argument = match tool {
        Tool::Check | Tool::Run => String::new(),
        Tool::Docs | Tool::Code => {
            let words: Vec<&str> = argument.split_whitespace().collect();
            words.join(" ")
        }
        Tool::Symbol => {
            let name = argument.split_whitespace().next().unwrap_or_default();
            name.trim_end_matches("()").to_owned()
        }
        Tool::Read => file_range(argument).map_or_else(String::new, |(file, from, to)| {
            format!("{file}:{from}-{to}")
        }),
        Tool::Try => block(after).unwrap_or_else(|| argument.to_owned()),
    };
    if argument.trim().is_empty() && !matches!(tool, Tool::Check | Tool::Run) {
        return Err(Misread::NoArgument(tool));
    }
    Ok(Action { tool, argument })
}

/// Returns an argument without the quotes or brackets around it.
fn bare(argument: &str) -> &str {
    let argument = argument.trim();
    let pairs = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('(', ')'),
        ('[', ']'),
        ('<', '>'),
    ];
    let inside = pairs.iter().find_map(|&(open, close)| {
        let inside = argument.strip_prefix(open)?.strip_suffix(close)?;
        (!inside.contains([open, close])).then_some(inside)
    });
    inside.map_or_else(|| argument.trim_matches('`').trim(), bare)
}

/// Returns the first code block of these lines, which may lack its end.
fn block(lines: &[&str]) -> Option<String> {
    let is_fence = |line: &&str| line.trim_start().starts_with(FENCE);
    let mut inside = lines.iter().skip_while(|line| !is_fence(line));
    inside.next()?;
    let text: Vec<&str> = inside.take_while(|line| !is_fence(line)).copied().collect();
    Some(text.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::tool::{ALL, LOOKUPS, WITHOUT_LOOKUPS, names};

    fn task() -> TaskView {
        serde_json::from_value(serde_json::json!({
            "task_id": "test/double", "prompt": "def double(x):\n    \"\"\"Twice x.\"\"\"\n",
            "entry_point": "double", "public_examples": [],
        }))
        .expect("a task")
    }

    fn read(answer: &str) -> Turn {
        turn(ALL, &task(), answer)
    }

    #[track_caller]
    fn check(answer: &str, tool: Tool, argument: &str) {
        let argument = argument.to_owned();
        let expected = Action { tool, argument };
        assert_eq!(read(answer), Turn::Action(expected), "{answer:?}");
    }

    #[test]
    fn a_line_is_an_action_in_every_usual_spelling() {
        for answer in [
            "Action: docs moon  phase",
            "action: DOCS moon phase",
            "**Action:** docs \"moon phase\"",
            "I search first.\n\n- `Action: docs: moon phase`\nObservation: made up",
            "1. Action: docs(moon phase)",
            "<think>Action: code x</think>Action: docs [moon phase]",
        ] {
            check(answer, Tool::Docs, "moon phase");
        }
        check("Action: symbol Tally.add()", Tool::Symbol, "Tally.add");
        check("Action: symbol __init__", Tool::Symbol, "__init__");
        check("Action: read `a/b.py: 3 - 7`", Tool::Read, "a/b.py:3-7");
        check("Action: read b.py:3", Tool::Read, "b.py:3-3");
        check("Action: check it", Tool::Check, "");
        check("Action: run", Tool::Run, "");
        check(
            "Action: try print(double(2))",
            Tool::Try,
            "print(double(2))",
        );
        check(
            "Action: try\n```python\nx = 1\nprint(x)\n```\nAction: run",
            Tool::Try,
            "x = 1\nprint(x)",
        );
        check("Action: try\n\n```\nprint(1)", Tool::Try, "print(1)");
    }

    #[test]
    fn an_action_reads_as_it_is_written() {
        for answer in [
            "Action: docs moon phase",
            "Action: read b.py:3-7",
            "Action: run",
            "Action: try\n```python\nx = 1\nprint(x)\n```",
        ] {
            let Turn::Action(action) = read(answer) else {
                panic!("{answer}")
            };
            assert_eq!(action.to_string(), answer);
        }
    }

    #[test]
    fn what_comes_first_counts() {
        let block = "```python\ndef double(x):\n    return 2 * x\n```";
        let program = |answer: &str| match read(answer) {
            Turn::Program(program) => program.fault.is_none() && program.text.contains("2 * x"),
            _ => false,
        };
        assert!(program(block));
        assert!(program(&format!("Here it is:\n{block}\nAction: run")));
        assert!(program("def double(x):\n    return 2 * x\n"));
        assert!(program("async def double(x):\n    return 2 * x\n"));
        let action = read(&format!("Action: run\n{block}"));
        assert!(matches!(action, Turn::Action(_)), "{action:?}");
    }

    #[test]
    fn a_program_that_does_not_parse_is_its_code_block() {
        for (block, expected) in [
            (
                "def double(x):\n    return (x",
                "def double(x):\n    return (x\n",
            ),
            (
                "    return (x",
                "def double(x):\n    \"\"\"Twice x.\"\"\"\n    return (x\n",
            ),
        ] {
            let Turn::Program(program) = read(&format!("So:\n```python\n{block}\n```\nDone."))
            else {
                panic!("a program")
            };
            assert_eq!(program.text, expected);
            assert_eq!(program.fault, Some(ProgramFault::EntryPoint));
        }
    }

    #[test]
    fn what_is_no_action_has_a_reason() {
        for (answer, expected) in [
            ("", "there is no action and no code block"),
            ("Doubled, I think.", "there is no action and no code block"),
            (
                "def doubled(x): pass",
                "there is no action and no code block",
            ),
            ("Action:", "there is no action and no code block"),
            ("Action: search moon", "there is no tool `search`"),
            ("Action: docs", "`docs` needs WORDS"),
            ("Action: docs \"\"", "`docs` needs WORDS"),
            ("Action: symbol ()", "`symbol` needs NAME"),
            ("Action: read b.py", "`read` needs FILE:FROM-TO"),
            ("Action: read b.py:x-y", "`read` needs FILE:FROM-TO"),
            ("Action: try", "`try` needs a code block after its line"),
            (
                "Action: try\n```\n\n```",
                "`try` needs a code block after its line",
            ),
        ] {
            let Turn::Misread(misread) = read(answer) else {
                panic!("{answer}")
            };
            assert_eq!(misread.to_string(), expected, "{answer:?}");
        }
        let Turn::Misread(misread) = turn(WITHOUT_LOOKUPS, &task(), "Action: docs moon") else {
            panic!("not on offer")
        };
        assert_eq!(misread, Misread::UnknownTool("docs".to_owned()));
        assert_eq!(names(WITHOUT_LOOKUPS), "check, run, try");
    }

    #[test]
    fn a_list_of_lookups_has_up_to_four_and_one_failure() {
        let read = |answer: &str| {
            let (chosen, failure) = lookups(LOOKUPS, answer);
            let chosen: Vec<String> = chosen.iter().map(Action::to_string).collect();
            (chosen, failure.is_some())
        };
        let two = ["Action: docs moon phase", "Action: symbol Tally"];
        let two = two.map(str::to_owned).to_vec();
        for (answer, failed) in [
            ("Action: docs moon phase\nAction: symbol Tally", false),
            ("```\n1. docs moon phase\n2. symbol Tally\n```", false),
            (
                "- docs moon phase\n- docs moon phase\n\n- symbol `Tally`",
                false,
            ),
            ("First:\ndocs moon phase\nsymbol Tally\nrun\ntry x", true),
        ] {
            assert_eq!(read(answer), (two.clone(), failed), "{answer:?}");
        }
        assert_eq!(read(""), (Vec::new(), true));
        assert_eq!(read("I need nothing."), (Vec::new(), true));
        let many: Vec<String> = (0..9).map(|n| format!("code word{n}")).collect();
        assert_eq!(read(&many.join("\n")).0.len(), MOST_CHOSEN);
    }

    #[test]
    fn an_endless_answer_is_read() {
        for text in ["Action: ", "```\n", "`", "Action: try\n```", "(", "\""] {
            read(&text.repeat(5000));
            lookups(ALL, &text.repeat(5000));
            read(&format!("Action: docs {}", text.repeat(5000)));
        }
    }
}
