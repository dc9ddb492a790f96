//! Extracts the program from a model's answer.

use slm_benchmarks::TaskView;
use slm_benchmarks::prompting::{self, Completion, Style};
use slm_metrics::syntax::{
    Extraction, Form, Reason, Wanted, adds_nothing, extract_program, normalised_hash,
};

/// A program extracted from an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The program; the whole text if none was found.
    pub text: String,
    /// Why it cannot be run; `None` if it can.
    pub fault: Option<ProgramFault>,
    /// Hash of the normalised syntax tree, for programs that can be run; valid within one process.
    pub hash: Option<u64>,
}

/// Why a program is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramFault {
    /// It parses, but contains only the prompt.
    NothingAdded,
    /// Its definition of the entry point does not parse.
    EntryPoint,
    /// It does not define the entry point.
    NoEntryPoint,
    /// The task has no entry point, and the answer contains no program that does something.
    NoScript,
}

impl ProgramFault {
    /// Returns the reason in words, for reports that a model reads and for records.
    pub fn text(self) -> &'static str {
        match self {
            Self::NothingAdded => "adds no statement to the prompt",
            Self::EntryPoint => "the definition of the entry point does not parse",
            Self::NoEntryPoint => "nothing defines the entry point",
            Self::NoScript => "no program that parses",
        }
    }
}

impl Program {
    /// Extracts the program from an answer to a request in this style; `None` is the request format of the
    /// toolkit's own training, whose answer is the rest of the prompt.
    ///
    /// Code fences, reasoning and prose around the program are removed.
    pub fn in_answer(style: Option<Style>, task: &TaskView, answer: &str) -> Self {
        let extraction = extraction(style, task, answer);
        let hash = normalised_hash(&extraction.program).filter(|_| extraction.complete);
        // A prompt parses as a whole program, and one without operators has an MI of 100: a model that adds
        // nothing to it must not score well for that.
        let fault = if adds_nothing(&extraction.program, &task.prompt) {
            Some(ProgramFault::NothingAdded)
        } else {
            match extraction.reason {
                Reason::Complete => None,
                Reason::BrokenEntryPoint => Some(ProgramFault::EntryPoint),
                Reason::NoEntryPoint => Some(ProgramFault::NoEntryPoint),
                Reason::NoScript => Some(ProgramFault::NoScript),
            }
        };
        Self {
            text: extraction.program,
            fault,
            hash: hash.filter(|_| fault.is_none()),
        }
    }
}

impl Program {
    /// Extracts the program from an answer that continues `begun`, the task with further functions in its prompt: those that
    /// the entry point does not reach are removed. The request format is that of the toolkit's own training.
    pub fn built_on(begun: &TaskView, task: &TaskView, answer: &str) -> Self {
        let whole = Self::in_answer(None, begun, answer);
        if whole.fault.is_some() {
            return whole;
        }
        let kept = extract_program(&whole.text, Form::Whole, &wanted(task));
        Self {
            hash: normalised_hash(&kept.program),
            text: kept.program,
            fault: None,
        }
    }
}

fn extraction(style: Option<Style>, task: &TaskView, answer: &str) -> Extraction {
    let wanted = wanted(task);
    let Some(style) = style else {
        return extract_program(answer, Form::RestOf(&task.prompt), &wanted);
    };
    let Completion { begun, text, whole } = prompting::completion(style, task, answer);
    let form = if whole {
        Form::WholeOrRestOf(&begun)
    } else {
        Form::RestOf(&begun)
    };
    extract_program(&text, form, &wanted)
}

/// Returns what the program for a task must define.
pub(crate) fn wanted(task: &TaskView) -> Wanted<'_> {
    Wanted {
        entry_point: &task.entry_point,
        method: task.method.as_deref(),
        prompt: &task.prompt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskView {
        TaskView {
            task_id: "test/area".to_owned(),
            prompt: "import math\n\ndef area(r):\n    \"\"\"Area.\"\"\"\n".to_owned(),
            entry_point: "area".to_owned(),
            method: None,
            public_examples: Vec::new(),
            setup: String::new(),
            instruction: None,
            few_shot: None,
            repository: None,
        }
    }

    #[test]
    fn each_style_finds_the_program_in_its_answer() {
        let (body, whole) = ("    return r", "def area(r):\n    return r\n");
        let stub = task().prompt;
        let (continued, answered) = (
            format!("{stub}{body}\n"),
            format!("import math\n\n\n{whole}"),
        );
        let fenced = format!("Sure:\n```python\n{whole}```\nDone.");
        let thought = format!("<think>\n{fenced}\n</think>\n{whole}");
        for (style, answer, expected) in [
            (None, body, &continued),
            (None, fenced.as_str(), &answered),
            (Some(Style::Base), "\treturn r", &continued),
            (Some(Style::Instruct), whole, &answered),
            (Some(Style::Instruct), body, &continued),
            (Some(Style::Chat), fenced.as_str(), &answered),
            (Some(Style::Chat), thought.as_str(), &answered),
            (Some(Style::FewShot), whole, &answered),
        ] {
            let found = Program::in_answer(style, &task(), answer);
            assert_eq!(found.fault, None, "{style:?} {answer:?}");
            assert_eq!(&found.text, expected, "{style:?} {answer:?}");
        }
    }

    #[test]
    fn of_further_functions_those_that_the_entry_point_reaches_are_kept() {
        let functions = "def square(x):\n    return x * x\n\n\ndef unused(x):\n    return x\n\n\n";
        let stub = "def area(r):\n    \"\"\"Area.\"\"\"\n";
        let begun = TaskView {
            prompt: format!("import math\n\n{functions}{stub}"),
            ..task()
        };
        let body = "    return math.pi * square(r)\n";
        let whole = format!("Sure:\n```python\ndef area(r):\n{body}```\n");
        for answer in [body, &whole] {
            let found = Program::built_on(&begun, &task(), answer);
            assert_eq!(found.fault, None, "{answer}");
            assert!(found.text.contains("def square(x)"), "{}", found.text);
            assert!(found.text.contains("import math"), "{}", found.text);
            assert!(found.text.ends_with(body), "{}", found.text);
            assert!(!found.text.contains("unused"), "{}", found.text);
            assert!(found.hash.is_some());
        }
        let empty = Program::built_on(&begun, &task(), "");
        assert_eq!(empty.fault, Some(ProgramFault::NothingAdded));
    }

    #[test]
    fn what_cannot_be_run_has_a_fault_and_no_hash() {
        for (answer, fault) in [
            ("", ProgramFault::NothingAdded),
            ("    # later", ProgramFault::NothingAdded),
            ("    return (", ProgramFault::EntryPoint),
        ] {
            let found = Program::in_answer(None, &task(), answer);
            assert_eq!((found.fault, found.hash), (Some(fault), None), "{answer:?}");
        }
    }
}
