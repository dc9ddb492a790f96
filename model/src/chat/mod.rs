//! Conversations as a model expects them: its own chat template, rendered and tokenized.
//!
//! - [`ChatTemplate`] renders messages to text, and to ids in which only the template's own markup becomes
//!   special tokens
//! - `jinja` is the template language with what transformers adds to it
//! - `turns` tells whose each token of a conversation is, so that the assistant's can be learned
//! - [`code`] is the one place that phrases a request for code, for training and evaluation alike

pub(crate) mod code;
mod jinja;
mod turns;

pub use code::{CODE_STOP, CodeRequest};
pub use turns::{Part, Turns};

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::{Environment, Value, context};
use thiserror::Error;

use crate::tokenizer::{Markup, Tokenizer, TokenizerError};

/// The format that most small models use, for those that come without a template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Far above any real template.
const MAX_TEMPLATE_BYTES: usize = 1 << 20;
const TEMPLATE_NAME: &str = "chat_template";

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions that stand above the conversation.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name, as templates write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }
}

/// What went wrong with a chat template.
#[derive(Debug, Error)]
pub enum ChatError {
    /// The template is no valid Jinja, or larger than any template should be.
    #[error("chat template: {reason}")]
    Template {
        /// Where and why.
        reason: String,
    },
    /// The template refuses these messages, or does more work than any template should.
    #[error("chat template failed: {reason}")]
    Render {
        /// Where and why; a template's own `raise_exception` appears here.
        reason: String,
    },
    /// The template changes what is said, so its own text cannot be told from it.
    #[error(
        "chat template rewrites a message, so its markup cannot be told from the message's text"
    )]
    Rewritten,
    /// Nothing marks the end of the assistant's turn.
    #[error(
        "chat template puts nothing after the assistant's message, and the model has no end token"
    )]
    NoEndOfTurn,
    /// The rendered text could not be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A part of a rendered conversation, by its author.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Written by the template: special tokens count.
    Markup(String),
    /// Written by someone else: nothing in it is special.
    Content(String),
    /// The same, as the message of this number.
    Message(usize, String),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Markup(text) | Self::Content(text) | Self::Message(_, text) => text,
        }
    }
}

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token` and the like, by name.
    special_tokens: BTreeMap<String, String>,
    /// See [`Self::end_of_turn`]: every example of a data set asks for it.
    end_of_turn: OnceLock<String>,
}

impl ChatTemplate {
    /// Compiles a template. `special_tokens` are the model's, by the names that templates use: `bos_token`,
    /// `eos_token`, `pad_token`, `unk_token`.
    pub fn new(source: &str, special_tokens: BTreeMap<String, String>) -> Result<Self, ChatError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(ChatError::Template {
                reason: format!(
                    "{} bytes, expected at most {MAX_TEMPLATE_BYTES}",
                    source.len()
                ),
            });
        }
        let mut environment = jinja::environment();
        environment
            .add_template_owned(TEMPLATE_NAME, jinja::without_generation_tags(source))
            .map_err(|error| ChatError::Template {
                reason: jinja::message(&error),
            })?;
        Ok(Self {
            environment,
            special_tokens,
            end_of_turn: OnceLock::new(),
        })
    }

    /// The `ChatML` format, for models without a template of their own.
    pub fn chatml() -> Self {
        Self::new(CHATML, BTreeMap::new()).expect("our own template compiles")
    }

    /// Renders a conversation as transformers' `apply_chat_template` does.
    ///
    /// With `add_generation_prompt` the text ends where the assistant is to speak.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        let tokens = Value::from(self.special_tokens.clone());
        let messages: Value = messages
            .iter()
            .map(|message| {
                let role = message.role.name();
                context! { role, content => message.content.as_str() }
            })
            .collect();
        self.environment
            .get_template(TEMPLATE_NAME)
            .and_then(|template| {
                template.render(context! {
                    messages,
                    add_generation_prompt,
                    // transformers passes both, and templates ask whether they are none.
                    tools => (),
                    documents => (),
                    ..tokens
                })
            })
            .map_err(|error| ChatError::Render {
                reason: jinja::message(&error),
            })
    }

    /// The ids of a conversation. Only the template's own markup becomes special tokens: a literal
    /// `<|im_end|>` in a message stays text, and everything else is tokenized as if rendered in one piece.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>, ChatError> {
        encode_pieces(tokenizer, &self.pieces(messages, add_generation_prompt)?)
    }

    /// What the template puts after the assistant's message, without the white space before the next turn.
    pub fn end_of_turn(&self) -> Result<&str, ChatError> {
        if let Some(end) = self.end_of_turn.get() {
            return Ok(end);
        }
        let end = self.find_end_of_turn()?;
        Ok(self.end_of_turn.get_or_init(|| end))
    }

    fn find_end_of_turn(&self) -> Result<String, ChatError> {
        let pieces = self.pieces(
            &[
                Message::new(Role::User, "question"),
                Message::new(Role::Assistant, "answer"),
            ],
            false,
        )?;
        match pieces.last() {
            Some(Piece::Markup(end)) if !end.trim().is_empty() => Ok(end.trim_end().to_owned()),
            _ => self
                .special_tokens
                .get("eos_token")
                .cloned()
                .ok_or(ChatError::NoEndOfTurn),
        }
    }

    /// Renders a conversation, keeping apart what the template wrote and what the messages say.
    ///
    /// The template runs a second time with a mark in place of every message. Putting the messages (as they
    /// are, or trimmed, which some templates do) where the marks ended up must give the first rendering again;
    /// otherwise the template rewrites messages, and it is an error.
    fn pieces(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<Piece>, ChatError> {
        let rendered = self.render(messages, add_generation_prompt)?;
        let mark = ('\u{e000}'..='\u{f8ff}')
            .find(|&mark| {
                !rendered.contains(mark) && messages.iter().all(|m| !m.content.contains(mark))
            })
            .ok_or(ChatError::Rewritten)?;
        let marked: Vec<_> = messages
            .iter()
            .enumerate()
            .map(|(i, message)| {
                // Templates may ask whether there is a content at all.
                let content = match message.content.as_str() {
                    "" => String::new(),
                    _ => format!("{mark}{i}{mark}"),
                };
                Message::new(message.role, content)
            })
            .collect();
        let marked = self.render(&marked, add_generation_prompt)?;
        for trimmed in [false, true] {
            let pieces = pieces_between(&marked, mark, |i| {
                let content = messages.get(i)?.content.as_str();
                Some(if trimmed { content.trim() } else { content })
            })?;
            if pieces.iter().map(Piece::text).eq_text(&rendered) {
                return Ok(pieces);
            }
        }
        Err(ChatError::Rewritten)
    }
}

/// Splits a rendering with marks, putting each message's content at its mark.
fn pieces_between<'a>(
    marked: &str,
    mark: char,
    content: impl Fn(usize) -> Option<&'a str>,
) -> Result<Vec<Piece>, ChatError> {
    let mut pieces = Vec::new();
    for (i, part) in marked.split(mark).enumerate() {
        // Marks come in pairs around a number, so every second part is one.
        if i % 2 == 1 {
            let said = part.parse().ok().and_then(|i| Some((i, content(i)?)));
            let (index, content) = said.ok_or(ChatError::Rewritten)?;
            pieces.push(Piece::Message(index, content.to_owned()));
        } else if !part.is_empty() {
            pieces.push(Piece::Markup(part.to_owned()));
        }
    }
    Ok(pieces)
}

/// Tokenizes pieces as one text, with special tokens taken from the template's pieces alone.
fn encode_pieces(tokenizer: &Tokenizer, pieces: &[Piece]) -> Result<Vec<u32>, ChatError> {
    let mut ids = Vec::new();
    // Text runs on over the border of pieces, so that tokens may span it as they do in one rendering.
    let mut run = String::new();
    let flush = |run: &mut String, ids: &mut Vec<u32>| {
        ids.extend(tokenizer.encode_text(run)?);
        run.clear();
        Ok::<_, TokenizerError>(())
    };
    for piece in pieces {
        match piece {
            Piece::Content(text) | Piece::Message(_, text) => run.push_str(text),
            Piece::Markup(text) => {
                for part in tokenizer.split_markup(text) {
                    match part {
                        Markup::Text(text) => run.push_str(&text),
                        Markup::Token(id) => {
                            flush(&mut run, &mut ids)?;
                            ids.push(id);
                        }
                    }
                }
            }
        }
    }
    flush(&mut run, &mut ids)?;
    Ok(ids)
}

/// Comparing a sequence of texts with one text, without joining them.
trait EqText {
    fn eq_text(self, text: &str) -> bool;
}

impl<'a, I: Iterator<Item = &'a str>> EqText for I {
    fn eq_text(mut self, text: &str) -> bool {
        self.try_fold(text, |rest, part| rest.strip_prefix(part)) == Some("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA3: &str = "{{- bos_token }}\n{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\n{%- endif %}\n";

    fn template(source: &str) -> ChatTemplate {
        let tokens = [
            ("bos_token", "<|begin_of_text|>"),
            ("eos_token", "<|eot_id|>"),
        ];
        let tokens = tokens.map(|(name, text)| (name.to_owned(), text.to_owned()));
        ChatTemplate::new(source, tokens.into()).expect("a valid template")
    }

    fn user(content: &str) -> [Message; 1] {
        [Message::new(Role::User, content)]
    }

    fn rendered(source: &str) -> String {
        template(source).render(&user("hi"), true).expect("renders")
    }

    fn failure(source: &str) -> String {
        template(source)
            .render(&user("hi"), true)
            .expect_err("must fail")
            .to_string()
    }

    #[test]
    fn chatml_is_the_format_of_models_without_a_template() {
        let chatml = ChatTemplate::chatml();
        let text = chatml.render(&user("hi"), true).expect("renders");
        assert_eq!(
            text,
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
        );
        assert_eq!(chatml.end_of_turn().expect("has one"), "<|im_end|>");
    }

    #[test]
    fn a_template_of_llama_3_renders_and_ends_its_turns_its_own_way() {
        let llama = template(LLAMA3);
        assert_eq!(
            llama.render(&user(" hi "), true).expect("renders"),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        );
        assert_eq!(llama.end_of_turn().expect("has one"), "<|eot_id|>");
        assert_eq!(
            llama.code_completion("    pass").expect("renders"),
            "    pass\n```<|eot_id|>"
        );
        let prompt = llama
            .code_request(CodeRequest { stub: "def f():" })
            .expect("renders");
        assert!(
            prompt.ends_with("<|end_header_id|>\n\n```python\ndef f():\n"),
            "{prompt}"
        );
    }

    #[test]
    fn a_template_without_end_of_turn_falls_back_to_the_end_token() {
        let source = "{% for message in messages %}{{ message.content }}{% endfor %}";
        assert_eq!(
            template(source).end_of_turn().expect("has one"),
            "<|eot_id|>"
        );
        let bare = ChatTemplate::new(source, BTreeMap::new()).expect("valid");
        assert!(matches!(bare.end_of_turn(), Err(ChatError::NoEndOfTurn)));
    }

    #[test]
    fn contents_are_told_from_markup_even_when_trimmed_empty_or_full_of_odd_characters() {
        let llama = template(LLAMA3);
        for content in [" <|eot_id|> ", "", "\u{e000}0\u{e000}", "0", "\n"] {
            let messages = [
                Message::new(Role::System, "be brief"),
                Message::new(Role::User, content),
            ];
            let pieces = llama.pieces(&messages, true).expect("told apart");
            let text: String = pieces.iter().map(Piece::text).collect();
            assert_eq!(text, llama.render(&messages, true).expect("renders"));
            let markup = pieces
                .iter()
                .filter(|piece| matches!(piece, Piece::Markup(_)));
            let ends: usize = markup
                .map(|piece| piece.text().matches("<|eot_id|>").count())
                .sum();
            assert_eq!(ends, 2, "{content:?}");
        }
    }

    #[test]
    fn a_template_that_rewrites_messages_is_refused() {
        let shouting =
            template("{% for message in messages %}{{ message.content | upper }}{% endfor %}");
        assert!(matches!(
            shouting.pieces(&user("hi"), true),
            Err(ChatError::Rewritten)
        ));
    }

    #[test]
    fn templates_find_what_transformers_offers() {
        for (source, expected) in [
            ("{{ strftime_now('%d %b %Y') }}", "26 Jul 2024"),
            ("{{ {'a': [1, '<ü>']} | tojson }}", "{\"a\": [1, \"<ü>\"]}"),
            ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
            ("{{ tools is none and documents is none }}", "True"),
            (
                "{% for c in 'abc' %}{% if c == 'b' %}{% break %}{% endif %}{{ c }}{% endfor %}",
                "a",
            ),
            ("{% generation %}x{%- endgeneration -%} y", "xy"),
            ("{{ ' a '.strip() }}{{ 'abc'.startswith('a') }}", "aTrue"),
            (
                "{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}",
                "2",
            ),
            ("a\n    {% if true %}\nb\n    {% endif %}\n", "a\nb\n"),
            (
                "{{ messages[-1]['content'] }}{{ messages[0].get('name', '?') }}",
                "hi?",
            ),
        ] {
            assert_eq!(rendered(source), expected, "{source}");
        }
    }

    #[test]
    fn a_refusal_of_the_template_is_an_error_in_its_words() {
        let message = failure("{{ raise_exception('roles must alternate') }}");
        assert!(message.contains("roles must alternate"), "{message}");
    }

    #[test]
    fn broken_templates_are_refused_at_once() {
        let broken = |source: &str| ChatTemplate::new(source, BTreeMap::new()).map(|_| ());
        assert!(broken("{% for %}").is_err());
        assert!(broken("{{").is_err());
        assert!(broken("{% generation").is_err());
        assert!(broken(&"x".repeat(MAX_TEMPLATE_BYTES + 1)).is_err());
    }

    #[test]
    fn hostile_templates_run_out_of_fuel() {
        for source in [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{{ 'a' * 10000000000 }}",
        ] {
            failure(source);
        }
        let doubling = "{% set x = x ~ x %}".repeat(60);
        failure(&format!("{{% set x = 'aaaaaaaa' %}}{doubling}"));
    }
}
