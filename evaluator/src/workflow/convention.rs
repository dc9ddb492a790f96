//! The conventions by which the first program is asked for and found in the answer.

use slm_benchmarks::TaskView;
use slm_benchmarks::prompting::{self, Completion, Input, Style};
use slm_config::Prompting;
use slm_metrics::syntax::{Extraction, Form, Wanted, extract_program};
use slm_model::{CODE_STOP, CodeRequest, Message, Role};

/// A request for a program.
#[derive(Debug, PartialEq)]
pub(super) struct Opening {
    /// Without any, `begun` is gone on from as plain text.
    pub(super) messages: Vec<Message>,
    pub(super) begun: String,
    pub(super) stop: Vec<&'static str>,
}

/// How a task's first program is asked for.
pub(super) fn opening(prompting: Prompting, task: &TaskView) -> Opening {
    let Some(style) = style(prompting) else {
        let request = CodeRequest { stub: &task.prompt };
        return Opening {
            messages: request.messages().into(),
            begun: request.begun(),
            stop: CODE_STOP.to_vec(),
        };
    };
    let request = prompting::request(style, task);
    let (messages, begun) = match request.input {
        Input::Text(text) => (Vec::new(), text),
        Input::Conversation {
            system,
            user,
            prefill,
        } => {
            let system = system.map(|text| Message::new(Role::System, text));
            let user = Message::new(Role::User, user);
            (
                system.into_iter().chain([user]).collect(),
                prefill.to_owned(),
            )
        }
    };
    Opening {
        messages,
        begun,
        stop: request.stops,
    }
}

/// The program in an answer.
pub(super) fn program(prompting: Prompting, task: &TaskView, answer: &str) -> Extraction {
    let wanted = wanted(task);
    let Some(style) = style(prompting) else {
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

/// What the program that answers a task must define.
pub(crate) fn wanted(task: &TaskView) -> Wanted<'_> {
    Wanted {
        entry_point: &task.entry_point,
        method: task.method.as_deref(),
        prompt: &task.prompt,
    }
}

/// Whether an answer that is cut off leaves a code fence open.
pub(super) fn is_fenced(prompting: Prompting) -> bool {
    !matches!(prompting, Prompting::Base | Prompting::FewShot)
}

/// `None` for the request of the toolkit's own training.
fn style(prompting: Prompting) -> Option<Style> {
    match prompting {
        Prompting::Training => None,
        Prompting::Base => Some(Style::Base),
        Prompting::Instruct => Some(Style::Instruct),
        Prompting::Chat => Some(Style::Chat),
        Prompting::FewShot => Some(Style::FewShot),
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
            few_shot: Some("examples, then the task".to_owned()),
        }
    }

    #[test]
    fn each_convention_has_its_request() {
        let request = |prompting| {
            let opening = opening(prompting, &task());
            (opening.messages.len(), opening.begun, opening.stop.len())
        };
        let stub = task().prompt;
        assert_eq!(
            request(Prompting::Training),
            (1, format!("```python\n{stub}"), 1)
        );
        assert_eq!(request(Prompting::Base), (0, stub, 13));
        assert_eq!(
            request(Prompting::Instruct),
            (2, "```python\n".to_owned(), 1)
        );
        assert_eq!(request(Prompting::Chat), (1, String::new(), 0));
        assert_eq!(
            request(Prompting::FewShot),
            (0, "examples, then the task".to_owned(), 1)
        );
    }

    #[test]
    fn each_convention_finds_the_program_in_its_answer() {
        let (body, whole) = ("    return r", "def area(r):\n    return r\n");
        let stub = task().prompt;
        let (continued, answered) = (
            format!("{stub}{body}\n"),
            format!("import math\n\n\n{whole}"),
        );
        let fenced = format!("Sure:\n```python\n{whole}```\nDone.");
        let thought = format!("<think>\n{fenced}\n</think>\n{whole}");
        for (prompting, answer, expected) in [
            (Prompting::Training, body, &continued),
            (Prompting::Training, fenced.as_str(), &answered),
            (Prompting::Base, "\treturn r", &continued),
            (Prompting::Instruct, whole, &answered),
            (Prompting::Instruct, body, &continued),
            (Prompting::Chat, fenced.as_str(), &answered),
            (Prompting::Chat, thought.as_str(), &answered),
            (Prompting::FewShot, whole, &answered),
        ] {
            let found = program(prompting, &task(), answer);
            assert!(found.complete, "{prompting:?} {answer:?}");
            assert_eq!(&found.program, expected, "{prompting:?} {answer:?}");
        }
    }
}
