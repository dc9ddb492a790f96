//! Parses the model's answers, leniently: small models break every format.

use slm_artifacts::{Expects, FinishReason, FormatFailure};
use slm_benchmarks::TaskView;
use slm_config::{Prompting, Workflow};
use slm_metrics::syntax::{normalised_hash, without_reasoning};
use slm_scoring::{Program, ProgramFault};

use super::action::{self, Action, Misread, Turn};
use super::convention::{is_fenced, style};
use super::event::LookupResult;
use super::partial::{Continuation, continuation, parses_as_prefix};
use super::reply;
use super::subtask::{self, Subtask};
use super::tool::Offer;
use crate::backend::{Answer, Judgement, LogProbability};

/// Maximum self-written tests of a task; further ones are ignored.
pub(crate) const MAX_TESTS: usize = 5;

/// Maximum lines of a self-written test.
const MAX_TEST_LINES: usize = 8;

/// The parsed content of an answer, what a lookup found, or what a snippet printed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    Program(Program),
    Tests(Vec<String>),
    Prose(String),
    Found(LookupResult),
    Lookups(Vec<Action>),
    Action(Action),
    Misread(Misread),
    Signatures(Vec<Subtask>),
    /// A function that is only a part of the program.
    Function(Program),
    /// `None` if there is nothing to ask.
    Question(Option<String>),
    /// `None` if the answer names none of the choices.
    Route(Option<Workflow>),
    Statement(Statement),
    /// The verifier's probability of yes; `None` if it gave neither yes nor no one.
    Judged(Option<f64>),
}

/// The next statement of a partial program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) finish: FinishReason,
    pub(crate) completion_tokens: usize,
    pub(crate) log_probability: Option<LogProbability>,
    /// Whether another statement may follow: the program parses with it.
    pub(crate) parses: bool,
}

/// Parses an answer whose probabilities or length matter; `None` if its text decides alone.
pub(crate) fn read_whole(
    expects: Expects,
    begun: &str,
    answer: &Answer,
) -> Option<(Reading, Option<FormatFailure>)> {
    match expects {
        Expects::Judgement => {
            let score = answer.judgement.and_then(Judgement::score);
            let failure = score.is_none().then_some(FormatFailure::NoJudgement);
            Some((Reading::Judged(score), failure))
        }
        Expects::Statement => {
            let parses = parses_as_prefix(begun, &answer.text);
            let failure = match continuation(&answer.text, answer.finish_reason) {
                Continuation::Cut => Some(FormatFailure::UnclosedFence),
                Continuation::Open | Continuation::Complete if parses => None,
                Continuation::Open | Continuation::Complete => Some(FormatFailure::NoProgram),
            };
            let statement = Statement {
                text: answer.text.clone(),
                finish: answer.finish_reason,
                completion_tokens: answer.completion_tokens,
                log_probability: answer.log_probability,
                parses,
            };
            Some((Reading::Statement(statement), failure))
        }
        _ => None,
    }
}

/// What an answer is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) task: &'a TaskView,
    /// As in [`ModelCall::part`](super::step_queue::ModelCall::part).
    pub(crate) part: Option<&'a TaskView>,
}

impl<'a> From<&'a TaskView> for Subject<'a> {
    fn from(task: &'a TaskView) -> Self {
        Self { task, part: None }
    }
}

/// Parses an answer; `offer` are the tools and `choices` the workflows that it may name, and `begun` is the beginning that
/// the request contained (prefill).
#[expect(
    clippy::too_many_arguments,
    reason = "an answer is read by what its call expects of it"
)]
pub(crate) fn read(
    expects: Expects,
    offer: Offer,
    choices: &[Workflow],
    prompting: Prompting,
    Subject { task, part }: Subject,
    begun: &str,
    text: &str,
    finish: FinishReason,
) -> (Reading, Option<FormatFailure>) {
    let cut = finish != FinishReason::Stop;
    let unclosed = cut.then_some(FormatFailure::UnclosedFence);
    match expects {
        Expects::Program => {
            let program = match part {
                Some(begun) => Program::built_on(begun, task, text),
                None => Program::in_answer(style(prompting), task, text),
            };
            let unclosed = unclosed.filter(|_| is_fenced(prompting));
            let failure = unclosed.or(program_failure(&program));
            (Reading::Program(program), failure)
        }
        Expects::Lookups => {
            let (lookups, failure) = action::lookups(offer, text);
            (Reading::Lookups(lookups), failure)
        }
        Expects::Action => match action::turn(offer, task, text) {
            Turn::Action(action) => (Reading::Action(action), None),
            Turn::Misread(misread) => (Reading::Misread(misread), Some(FormatFailure::NoAction)),
            Turn::Program(program) => {
                let failure = unclosed.or(program_failure(&program));
                (Reading::Program(program), failure)
            }
        },
        Expects::Signatures => {
            let (subtasks, failure) = subtask::in_answer(task, text);
            (Reading::Signatures(subtasks), failure)
        }
        Expects::Function => {
            let program = Program::in_answer(None, part.unwrap_or(task), text);
            let failure = unclosed.or(program_failure(&program));
            (Reading::Function(program), failure)
        }
        Expects::Tests => {
            let fenced = without_reasoning(text);
            // A model that reasons does not continue `begun`: its answer starts after the reasoning.
            let continues = fenced.len() == text.len();
            let begun = begun.rsplit("```python\n").next().filter(|_| continues);
            let tests = tests(task, &format!("{}{fenced}", begun.unwrap_or_default()));
            let none = tests.is_empty().then_some(FormatFailure::NoTests);
            (Reading::Tests(tests), unclosed.or(none))
        }
        Expects::Statement | Expects::Judgement => {
            unreachable!("read with its probabilities")
        }
        Expects::Prose => {
            let prose = without_reasoning(text).trim().to_owned();
            let empty = prose.is_empty().then_some(FormatFailure::Empty);
            (Reading::Prose(prose), empty)
        }
        Expects::Question => {
            let (question, failure) = reply::question(text);
            (Reading::Question(question), failure)
        }
        Expects::Route => {
            let route = reply::route(choices, text, cut);
            let failure = route.is_none().then_some(FormatFailure::NoWorkflow);
            (Reading::Route(route), failure)
        }
    }
}

/// Returns how a program misses its format.
fn program_failure(program: &Program) -> Option<FormatFailure> {
    program.fault.map(|fault| match fault {
        ProgramFault::NothingAdded => FormatFailure::NothingAdded,
        ProgramFault::EntryPoint | ProgramFault::NoEntryPoint | ProgramFault::NoScript => {
            FormatFailure::NoProgram
        }
    })
}

/// Returns the assertions in a text that name the entry point, each once, without those that the task itself shows.
fn tests<'a>(task: &TaskView, text: &'a str) -> Vec<String> {
    let mut known: Vec<Option<u64>> = task
        .public_examples
        .iter()
        .map(|example| normalised_hash(example))
        .collect();
    // Markdown's quotation marks are not part of a line.
    let unquoted = |line: &'a str| line.trim_start_matches(['>', ' ', '\t']).trim_end();
    let lines: Vec<&str> = text.lines().map(unquoted).collect();
    let mut tests = Vec::new();
    let mut at = 0;
    while at < lines.len() && tests.len() < MAX_TESTS {
        let whole = (at + 1..=lines.len().min(at + MAX_TEST_LINES))
            .filter(|_| lines[at].starts_with("assert"))
            .map(|end| (end, lines[at..end].join("\n")))
            .find_map(|(end, test)| Some((end, normalised_hash(&test)?, test)));
        let Some((end, hash, test)) = whole else {
            at += 1;
            continue;
        };
        at = end;
        if test.contains(&task.entry_point) && !known.contains(&Some(hash)) {
            known.push(Some(hash));
            tests.push(test);
        }
    }
    tests
}

/// Whether a review approves: one of its lines contains only the approval.
pub(crate) fn approves(review: &str) -> bool {
    review.lines().any(|line| {
        let words: Vec<String> = line
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        matches!(
            words[..],
            ["approved" | "approve" | "lgtm"]
                | ["verdict" | "decision" | "result", "approved" | "approve"]
                | ["the", "code", "is", "approved"]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskView {
        TaskView {
            task_id: "test/double".to_owned(),
            prompt: "def double(x):\n    \"\"\"Twice x.\"\"\"\n".to_owned(),
            entry_point: "double".to_owned(),
            method: None,
            public_examples: vec!["assert double(1) == 2".to_owned()],
            instruction: None,
            few_shot: None,
            repository: None,
            setup: String::new(),
        }
    }

    fn failure(expects: Expects, text: &str, finish: FinishReason) -> Option<FormatFailure> {
        let task = task();
        read(
            expects,
            &[],
            &[],
            Prompting::Training,
            Subject::from(&task),
            "",
            text,
            finish,
        )
        .1
    }

    fn found(text: &str) -> Vec<String> {
        super::tests(&task(), text)
    }

    #[test]
    fn each_way_to_miss_the_format_has_its_name() {
        use FinishReason::{Length, Stop};
        for (expects, text, finish, expected) in [
            (Expects::Program, "    return 2 * x", Stop, None),
            (
                Expects::Program,
                "    return (",
                Stop,
                Some(FormatFailure::NoProgram),
            ),
            (
                Expects::Program,
                "    # later",
                Stop,
                Some(FormatFailure::NothingAdded),
            ),
            (
                Expects::Program,
                "",
                Stop,
                Some(FormatFailure::NothingAdded),
            ),
            (
                Expects::Program,
                "    return 2 * x\n    # and",
                Length,
                Some(FormatFailure::UnclosedFence),
            ),
            (Expects::Tests, "assert double(2) == 4", Stop, None),
            (
                Expects::Tests,
                "assert double(2) == 4",
                Length,
                Some(FormatFailure::UnclosedFence),
            ),
            (
                Expects::Tests,
                "I cannot.",
                Stop,
                Some(FormatFailure::NoTests),
            ),
            (Expects::Prose, "One. Two.", Length, None),
            (Expects::Prose, " \n", Stop, Some(FormatFailure::Empty)),
        ] {
            assert_eq!(
                failure(expects, text, finish),
                expected,
                "{expects:?} {text:?}"
            );
        }
    }

    #[test]
    fn tests_are_read_out_of_prose_and_over_several_lines() {
        let text = "Sure:\n\n  assert double(2) == 4  # even\nassert double(\n    3\n) == 6\nprint(double(1))\n\
                    assert double((4 == 8\nassert True\nassert double(0) == 0, 'zero'";
        assert_eq!(
            found(text),
            [
                "assert double(2) == 4  # even",
                "assert double(\n3\n) == 6",
                "assert double(0) == 0, 'zero'"
            ]
        );
    }

    #[test]
    fn reasoning_is_read_neither_as_a_program_nor_as_tests_nor_as_words() {
        let draft =
            "```python\ndef double(x):\n    return x\n```\nassert double(9) == 9\nAPPROVED\n";
        let thought = format!("<think>\n{draft}</think>\n");
        let channels = format!(
            "<|channel|>analysis<|message|>{draft}<|end|><|start|>assistant<|channel|>final<|message|>"
        );
        let quoted = "> ```python\n> assert double(2) == 4\n> ```";
        let whole = "def double(x):\n    return 2 * x\n";
        for reasoning in [&thought, &channels] {
            let reading = |expects, prompting, text: &str| {
                let text = format!("{reasoning}{text}");
                let begun = "```python\nassert double(";
                read(
                    expects,
                    &[],
                    &[],
                    prompting,
                    Subject::from(&task()),
                    begun,
                    &text,
                    FinishReason::Stop,
                )
                .0
            };
            for prompting in [Prompting::Training, Prompting::Base, Prompting::Chat] {
                let answer = format!("```python\n{whole}```");
                let Reading::Program(program) = reading(Expects::Program, prompting, &answer)
                else {
                    panic!("a program");
                };
                assert_eq!((program.text.as_str(), program.fault), (whole, None));
            }
            assert_eq!(
                reading(Expects::Tests, Prompting::Training, quoted),
                Reading::Tests(vec!["assert double(2) == 4".to_owned()])
            );
            assert_eq!(
                reading(Expects::Prose, Prompting::Training, "It fails.\n"),
                Reading::Prose("It fails.".to_owned())
            );
        }
        let cut_off = format!("<think>\n{draft}");
        let failed = failure(Expects::Program, &cut_off, FinishReason::Stop);
        assert_eq!(failed, Some(FormatFailure::NothingAdded));
    }

    #[test]
    fn a_test_counts_once_and_never_if_the_task_shows_it() {
        let text = "assert double(1) == 2\nassert double(5) == 10\nassert double( 5 )==10";
        assert_eq!(found(text), ["assert double(5) == 10"]);
    }

    #[test]
    fn a_model_that_goes_on_for_ever_has_its_first_tests_read() {
        let tests: Vec<String> = (0..1000)
            .map(|n| format!("assert double({n}) == 0"))
            .collect();
        let text = tests.join("\n");
        assert_eq!(found(&text).len(), MAX_TESTS);
        assert_eq!(found(&"assert double(".repeat(1000)), Vec::<String>::new());
    }

    #[test]
    fn the_beginning_of_the_first_test_may_stand_in_the_request() {
        let begun = "```python\nassert double(";
        let (reading, failure) = read(
            Expects::Tests,
            &[],
            &[],
            Prompting::Training,
            Subject::from(&task()),
            begun,
            "7) == 14\nassert double(8) == 16",
            FinishReason::Stop,
        );
        let expected = ["assert double(7) == 14", "assert double(8) == 16"];
        assert_eq!(reading, Reading::Tests(expected.map(str::to_owned).into()));
        assert_eq!(failure, None);
    }

    #[test]
    fn approval_is_a_line_of_its_own() {
        for review in [
            "APPROVED",
            "**Approved.**",
            "Fine.\n\nVerdict: approved",
            "LGTM!",
        ] {
            assert!(approves(review), "{review}");
        }
        for review in [
            "",
            "Not approved.",
            "It cannot be approved yet.",
            "The code is right.",
        ] {
            assert!(!approves(review), "{review}");
        }
    }
}
