//! The conventions by which the first program is asked for and found in the answer.

use benchmarks::TaskView;
use benchmarks::prompting::{self, Input, Style};
use config::Prompting;
use metrics::syntax::extract_program;
use model::{CODE_STOP, CodeRequest, Message, Role};

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

/// The text that holds the program which an answer stands for.
pub(super) fn program_text(prompting: Prompting, task: &TaskView, answer: &str) -> String {
    let Some(style) = style(prompting) else {
        return format!("{}{answer}", task.prompt);
    };
    if style == Style::Chat {
        // What the prompt has before the definition goes before the program, and not before the words around it.
        let found = extract_program(answer, &task.entry_point);
        if found.complete {
            return prompting::program(style, task, &found.program);
        }
    }
    prompting::program(style, task, answer)
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
        for (prompting, answer, expected) in [
            (
                Prompting::Training,
                body.to_owned(),
                format!("{stub}{body}"),
            ),
            (
                Prompting::Base,
                "\treturn r".to_owned(),
                format!("{stub}{body}"),
            ),
            (
                Prompting::Instruct,
                whole.to_owned(),
                format!("import math\n\n{whole}"),
            ),
            (
                Prompting::Chat,
                format!("Sure:\n```python\n{whole}```\nDone."),
                format!("import math\n\n{whole}"),
            ),
            (
                Prompting::FewShot,
                whole.to_owned(),
                format!("import math\n\n{whole}"),
            ),
        ] {
            assert_eq!(
                program_text(prompting, &task(), &answer),
                expected,
                "{prompting:?}"
            );
        }
    }
}
