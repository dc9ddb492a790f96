//! The prompting conventions of the request for the first program.

use slm_benchmarks::TaskView;
use slm_benchmarks::prompting::{self, Input, Style};
use slm_config::Prompting;
use slm_model::{CODE_STOP, CodeRequest, Message, Role};

/// A request for a program.
#[derive(Debug, PartialEq)]
pub(super) struct Opening {
    /// If empty, `begun` is continued as plain text.
    pub(super) messages: Vec<Message>,
    pub(super) begun: String,
    pub(super) stop: Vec<&'static str>,
}

/// Returns the request for a task's first program.
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

/// Whether an answer that is cut off leaves a code fence open.
pub(super) fn is_fenced(prompting: Prompting) -> bool {
    !matches!(prompting, Prompting::Base | Prompting::FewShot)
}

/// Returns the published style of a convention; `None` for the request of the toolkit's own training.
pub(super) fn style(prompting: Prompting) -> Option<Style> {
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
            repository: None,
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
}
