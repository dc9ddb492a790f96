//! The prompting conventions of the request for the first program.

use slm_benchmarks::TaskView;
use slm_benchmarks::prompting::{self, Input, Style};
use slm_config::Prompting;
use slm_model::{CODE_STOP, CodeRequest, Message, Role};

/// A request for a program.
#[derive(Debug, PartialEq)]
pub(crate) struct Opening {
    /// If empty, `begun` is continued as plain text.
    pub(crate) messages: Vec<Message>,
    pub(crate) begun: String,
    pub(crate) stop: Vec<&'static str>,
}

/// Returns the request for a task's first program, after a text that may help, which may be empty.
pub(crate) fn opening(prompting: Prompting, task: &TaskView, before: &str) -> Opening {
    let mut opening = plain_opening(prompting, task);
    let before = before.trim();
    if before.is_empty() {
        return opening;
    }
    let user = opening
        .messages
        .iter_mut()
        .rfind(|message| message.role == Role::User);
    if let Some(message) = user {
        message.content = format!("{before}\n\n{}", message.content);
    } else {
        // Plain text that is continued is Python.
        let comment = |line: &str| format!("# {line}").trim_end().to_owned() + "\n";
        let comments: String = before.lines().map(comment).collect();
        opening.begun = format!("{comments}\n{}", opening.begun);
    }
    opening
}

/// Returns a sketch under its heading, to precede the request; nothing if there is none.
pub(crate) fn sketch_section(shown: &str) -> String {
    if shown.is_empty() {
        return String::new();
    }
    format!("## Sketch\n\n{shown}")
}

fn plain_opening(prompting: Prompting, task: &TaskView) -> Opening {
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
            let opening = opening(prompting, &task(), "");
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
    fn a_task_without_a_header_is_answered_by_a_whole_program() {
        let text = "\"\"\"\nWrite a function to add.\nassert add(1, 2) == 3\n\"\"\"\n";
        let task = TaskView {
            prompt: text.to_owned(),
            ..task()
        };
        let opening = opening(Prompting::Training, &task, "");
        assert_eq!(opening.begun, "```python\n");
        assert!(opening.messages[0].content.contains(text.trim_end()));
    }

    #[test]
    fn a_text_that_may_help_precedes_the_request() {
        for prompting in [
            Prompting::Training,
            Prompting::Instruct,
            Prompting::Chat,
            Prompting::Base,
            Prompting::FewShot,
        ] {
            let plain = opening(prompting, &task(), "");
            let helped = opening(prompting, &task(), "## Reference\n\nUse `pi`.\n");
            match (plain.messages.last(), helped.messages.last()) {
                (Some(plain), Some(helped)) => assert_eq!(
                    helped.content,
                    format!("## Reference\n\nUse `pi`.\n\n{}", plain.content)
                ),
                _ => assert_eq!(
                    helped.begun,
                    format!("# ## Reference\n#\n# Use `pi`.\n\n{}", plain.begun)
                ),
            }
            assert_eq!(plain.messages.len(), helped.messages.len());
            assert_eq!(plain.stop, helped.stop);
        }
    }
}
