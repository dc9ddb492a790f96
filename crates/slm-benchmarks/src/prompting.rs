//! The prompting conventions, which turn a task into a prompt and define how a completion is read: pure text.
//!
//! A published score belongs to one convention; with another one the same model may lose 20 to 40 points.
//! [`Style::Base`] and [`Style::Instruct`] are those of the published scores of Qwen2.5-Coder, [`Style::Chat`] is a
//! plain conversation.

use std::borrow::Cow;

use crate::TaskView;

/// A prompting convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The model continues the prompt's text.
    Base,
    /// A conversation whose answer is prefilled with an opened code block.
    Instruct,
    /// A conversation; the program is extracted from the answer.
    Chat,
    /// The model continues solved examples and the request, if the benchmark has them.
    FewShot,
}

/// Everything that a request needs besides the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The model's input.
    pub input: Input,
    /// Stop strings, which are not part of the answer.
    pub stops: Vec<&'static str>,
    /// Maximum tokens of the answer.
    pub max_new_tokens: usize,
}

/// The input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Text to be continued, without a chat template.
    Text(String),
    /// A conversation, rendered with the model's own template.
    Conversation {
        /// The system message.
        system: Option<&'static str>,
        /// The user message.
        user: String,
        /// The beginning of the answer, which the model continues.
        prefill: &'static str,
    },
}

/// A solved example for a few-shot prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// The task in prose.
    pub text: String,
    /// Its tests.
    pub tests: Vec<String>,
    /// Its solution.
    pub code: String,
}

/// Stop strings for every benchmark.
const BASE_STOPS: [&str; 8] = [
    "<|endoftext|>",
    "<|endofmask|>",
    "</s>",
    "\nif __name__",
    "\ndef main(",
    "\nprint(",
    "\n```\n",
    "```",
];
/// Further stop strings if the body of a function is requested.
const FUNCTION_STOPS: [&str; 5] = ["\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert "];
/// Further stop strings if a program is requested by a docstring.
const PROGRAM_STOPS: [&str; 2] = ["\n\"\"\"", "\nassert"];
const FENCE: &str = "```python\n";
const CLOSING_FENCE: &str = "\n```";
const SYSTEM: &str =
    "You are an intelligent programming assistant to produce Python algorithmic solutions";

/// Returns the request for a task.
pub fn request(style: Style, task: &TaskView) -> Request {
    match style {
        Style::Base => {
            let further: &[&str] = if is_docstring_alone(&task.prompt) {
                &PROGRAM_STOPS
            } else {
                &FUNCTION_STOPS
            };
            Request {
                input: Input::Text(format!("{}\n", task.prompt.trim())),
                stops: [&BASE_STOPS, further].concat(),
                max_new_tokens: 768,
            }
        }
        Style::Instruct => Request {
            input: Input::Conversation {
                system: Some(SYSTEM),
                user: format!(
                    "Can you complete the following Python function?\n{FENCE}{}{CLOSING_FENCE}\n",
                    task.prompt.trim()
                ),
                prefill: FENCE,
            },
            stops: vec![CLOSING_FENCE],
            max_new_tokens: 2048,
        },
        Style::Chat => Request {
            input: Input::Conversation {
                system: None,
                user: task.instruction.clone().unwrap_or_else(|| {
                    format!(
                        "Write the whole of this Python program.\n{FENCE}{}{CLOSING_FENCE}",
                        task.prompt.trim()
                    )
                }),
                prefill: "",
            },
            stops: Vec::new(),
            max_new_tokens: 2048,
        },
        Style::FewShot => Request {
            input: Input::Text(task.few_shot.clone().unwrap_or_default()),
            stops: vec!["[DONE]"],
            max_new_tokens: 768,
        },
    }
}

/// Builds the few-shot prompt: prose and all tests of each example and of the task, with each answer between markers.
///
/// # Source
/// Austin et al. 2021, arXiv:2108.07732, section 4 and its published prompt.
pub(crate) fn few_shot(shots: &[Shot], text: &str, tests: &[String]) -> String {
    let question = |text: &str, tests: &[String]| {
        format!(
            "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n{}\n[BEGIN]\n",
            tests.join("\n")
        )
    };
    let mut input = String::new();
    for shot in shots {
        input.push_str(&question(&shot.text, &shot.tests));
        input.push_str(shot.code.trim_end());
        input.push_str("\n[DONE]\n\n");
    }
    input.push_str(&question(text, tests));
    input
}

/// A completion, and the text that it may continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion<'a> {
    /// The beginning of the program, if the completion is its continuation.
    pub begun: String,
    /// The completion.
    pub text: Cow<'a, str>,
    /// Whether a whole program was requested, so that the completion is more likely one than a continuation.
    pub whole: bool,
}

/// Returns how a completion is to be read.
///
/// A completion of [`Style::Base`] continues the prompt, with tabs replaced by four spaces. The other styles request
/// a whole program.
pub fn completion<'a>(style: Style, task: &TaskView, text: &'a str) -> Completion<'a> {
    match style {
        Style::Base => Completion {
            begun: format!("{}\n", task.prompt.trim()),
            text: text.replace('\t', "    ").into(),
            whole: false,
        },
        Style::Instruct | Style::Chat | Style::FewShot => Completion {
            begun: task.prompt.clone(),
            text: text.into(),
            whole: true,
        },
    }
}

/// Whether a prompt is only a docstring, perhaps after comments, so that imports and definitions must follow.
fn is_docstring_alone(prompt: &str) -> bool {
    let mut prompt = prompt.trim();
    while let Some((_, rest)) = prompt.split_once('\n').filter(|_| prompt.starts_with('#')) {
        prompt = rest.trim_start();
    }
    prompt.starts_with("\"\"\"") && prompt.ends_with("\"\"\"") && !prompt.contains("\ndef ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> TaskView {
        let prompt =
            "import math\n\ndef helper(x):\n    return x\n\ndef area(r):\n    \"\"\"Area.\"\"\"\n";
        TaskView::new("t/0", prompt.to_owned(), "area")
    }

    fn words() -> TaskView {
        TaskView::new(
            "t/1",
            "\"\"\"\nAdd.\nassert f(1) == 2\n\"\"\"\n".to_owned(),
            "f",
        )
    }

    #[test]
    fn a_base_model_goes_on_from_the_prompt() {
        let request = request(Style::Base, &function());
        assert_eq!(request.input, Input::Text(function().prompt));
        assert!(request.stops.contains(&"\ndef ") && !request.stops.contains(&"\nassert"));
        assert_eq!(request.max_new_tokens, 768);
        let stops = super::request(Style::Base, &words()).stops;
        assert!(stops.contains(&"\n\"\"\"") && !stops.contains(&"\ndef "));
        let completion = completion(Style::Base, &function(), "\treturn r");
        assert_eq!(completion.begun, function().prompt);
        assert_eq!(
            (&*completion.text, completion.whole),
            ("    return r", false)
        );
    }

    #[test]
    fn an_instruct_model_answers_inside_an_opened_block() {
        let request = request(Style::Instruct, &words());
        let Input::Conversation {
            system,
            user,
            prefill,
        } = request.input
        else {
            panic!("a conversation");
        };
        assert_eq!(system, Some(SYSTEM));
        assert_eq!(
            user,
            "Can you complete the following Python function?\n```python\n\"\"\"\nAdd.\nassert f(1) == 2\n\"\"\"\n```\n"
        );
        assert_eq!((prefill, request.stops), ("```python\n", vec!["\n```"]));
    }

    #[test]
    fn other_styles_are_answered_with_a_whole_program() {
        for style in [Style::Instruct, Style::Chat, Style::FewShot] {
            let answer = "def area(r):\n\treturn helper(r)";
            let completion = completion(style, &function(), answer);
            assert_eq!((&*completion.text, completion.whole), (answer, true));
            assert_eq!(completion.begun, function().prompt);
        }
    }

    #[test]
    fn examples_precede_a_few_shot_request() {
        let shot = Shot {
            text: "One.".to_owned(),
            tests: vec!["assert f() == 1".to_owned()],
            code: "def f(): return 1\n".to_owned(),
        };
        let mut task = words();
        task.few_shot = Some(few_shot(&[shot], "Two.", &["assert g() == 2".to_owned()]));
        let request = request(Style::FewShot, &task);
        let Input::Text(text) = request.input else {
            panic!("text");
        };
        assert_eq!(request.stops, ["[DONE]"]);
        assert_eq!(
            text,
            "You are an expert Python programmer, and here is your task: One. Your code should pass these tests:\n\nassert f() == 1\n[BEGIN]\ndef f(): return 1\n[DONE]\n\nYou are an expert Python programmer, and here is your task: Two. Your code should pass these tests:\n\nassert g() == 2\n[BEGIN]\n"
        );
    }
}
