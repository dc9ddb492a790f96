//! Conversations, rendered and tokenized with the model's own chat template.
//!
//! - [`ChatTemplate`] renders messages to text, and to ids in which only the template's own markup becomes
//!   special tokens
//! - `jinja` is the template language with transformers' extensions, `clock` its fixed date
//! - `python_json` is its filter `tojson`
//! - `program` runs an untrusted template within bounds
//! - `message` defines conversations, `thinking` the treatment of thoughts in them, `tools` that of tool calls
//! - `rendering` locates the messages in a rendered conversation
//! - `error` defines the errors
//! - `answers` locates the answers in a rendered conversation
//! - `token_owners` assigns each token of a conversation to a message or the template, for supervision
//! - [`code`] defines the prompt format for code, used by both training and evaluation

mod answers;
mod clock;
pub(crate) mod code;
mod error;
mod jinja;
mod message;
mod program;
mod python_json;
mod rendering;
pub(crate) mod thinking;
mod token_owners;
mod tools;

pub use code::{CODE_STOP, CodeRequest};
pub use error::ChatError;
pub use message::{Chat, Message, Role};
pub use thinking::Thinking;
pub use token_owners::{OwnedTokens, TokenOwner};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde_json::Value as Json;

use crate::tokenizer::{Before, Regions, Tokenizer, TokenizerError};
use program::Program;
use rendering::Rendering;

/// The format of most small models, for those without a template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Maximum size of a template, far above any real one.
const MAX_TEMPLATE_BYTES: usize = 1 << 20;

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    program: Program,
    /// Whether the model has no template.
    is_missing: bool,
    /// `bos_token` and others, by name.
    special_tokens: BTreeMap<String, String>,
    /// Further variables, such as `enable_thinking`.
    kwargs: BTreeMap<String, Json>,
    /// SHA-256 of the source, in hexadecimal digits.
    sha256: String,
    /// Tags that the template names, such as `<think>`.
    tags: Vec<String>,
    /// Name of the field in which the template looks for thoughts.
    thought_field: Option<&'static str>,
    /// See [`Self::end_of_turn`]; cached because every training example needs it.
    end_of_turn: OnceLock<String>,
    /// See [`Self::generation_prompt`].
    generation_prompt: OnceLock<String>,
    /// See [`Self::tool_form`].
    tool_form: OnceLock<tools::ToolForm>,
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
        let source = jinja::with_unix_newlines(source);
        let sha256 = slm_artifacts::sha256_of_texts([source.as_str()]);
        let thought_field = thinking::field_of(&source);
        let special: Vec<&str> = special_tokens.values().map(String::as_str).collect();
        let tags = rendering::tags_of(&source, &special);
        let tags = thinking::with_tags(tags, &special);
        let source = jinja::without_generation_tags(&source);
        let program =
            Program::read(&source, &jinja::syntax()).map_err(|error| ChatError::Template {
                reason: jinja::message(&error),
            })?;
        Ok(Self {
            environment: jinja::environment(),
            program,
            is_missing: false,
            special_tokens,
            kwargs: BTreeMap::new(),
            sha256,
            tags,
            thought_field,
            end_of_turn: OnceLock::new(),
            generation_prompt: OnceLock::new(),
            tool_form: OnceLock::new(),
        })
    }

    /// Passes further variables to the template, such as `enable_thinking: false`.
    #[must_use]
    pub fn with_kwargs(mut self, kwargs: BTreeMap<String, Json>) -> Self {
        self.kwargs = kwargs;
        self.end_of_turn = OnceLock::new();
        self.generation_prompt = OnceLock::new();
        self.tool_form = OnceLock::new();
        self
    }

    /// The SHA-256 of the template's source with Unix newlines, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The further variables that the template receives.
    pub fn kwargs(&self) -> &BTreeMap<String, Json> {
        &self.kwargs
    }

    /// The template of a model that has none: it refuses every conversation.
    pub fn missing() -> Self {
        Self {
            is_missing: true,
            ..Self::chatml()
        }
    }

    /// Whether the model has no template.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// The template for a model without one: `ChatML` if the vocabulary has its tokens, otherwise none.
    pub fn for_vocabulary(tokenizer: &Tokenizer) -> Self {
        let has = |token| tokenizer.token_to_id(token).is_some();
        if has("<|im_start|>") && has("<|im_end|>") {
            Self::chatml()
        } else {
            Self::missing()
        }
    }

    /// The `ChatML` format, for models without a template.
    pub fn chatml() -> Self {
        Self::new(CHATML, BTreeMap::new()).expect("the built-in template compiles")
    }

    /// Renders a conversation as transformers' `apply_chat_template` does.
    ///
    /// With `add_generation_prompt` the text ends where the assistant's answer starts.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        self.render_chat(Chat::of(messages), add_generation_prompt)
    }

    /// As [`Self::render`], with the tools that the model may call. Fields that a message does not have are not passed.
    pub fn render_chat(
        &self,
        chat: Chat<'_>,
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        if self.is_missing {
            return Err(ChatError::Missing);
        }
        let messages = chat.messages.iter().map(|m| self.value_of(m));
        let tokens = self.special_tokens.iter();
        let tokens = tokens.map(|(name, text)| (name.as_str(), Value::from(text.as_str())));
        let kwargs = self.kwargs.iter();
        let kwargs = kwargs.map(|(name, value)| (name.as_str(), Value::from(Serde(value))));
        let variables = Value::from_pairs(tokens.chain(kwargs));
        let root = context! {
            messages => messages.collect::<Value>(),
            add_generation_prompt,
            // transformers passes both, and templates check whether they are none.
            tools => chat.tools.map(|tools| Value::from(Serde(tools))),
            documents => (),
            ..variables
        };
        self.program
            .run(&self.environment, root)
            .map_err(|error| ChatError::Render {
                reason: jinja::message(&error),
            })
    }

    /// A message as the template receives it.
    fn value_of(&self, message: &Message) -> Value {
        let Message {
            role,
            content,
            is_learned: _,
            is_null,
            reasoning,
            tool_calls,
            name,
            tool_call_id,
        } = message;
        let content = if *is_null {
            Value::from(())
        } else {
            Value::from(content.as_str())
        };
        let mut fields = vec![("role", Value::from(role.name())), ("content", content)];
        if let (Some(field), Some(thought)) = (self.thought_field, reasoning) {
            fields.push((field, Value::from(thought.as_str())));
        }
        if !tool_calls.is_empty() {
            fields.push(("tool_calls", Value::from(Serde(tool_calls))));
        }
        let names = [("name", name), ("tool_call_id", tool_call_id)];
        let names = names
            .into_iter()
            .filter_map(|(key, text)| Some((key, Value::from(text.as_deref()?))));
        fields.extend(names);
        Value::from_pairs(fields)
    }

    /// The messages as the template expects them: thoughts in the field that it reads, or in the content; the arguments of
    /// tool calls as objects or as text.
    ///
    /// # Errors
    /// The template prints no tools or tool calls, and the conversation has some.
    fn prepared<'a>(&self, chat: Chat<'a>) -> Result<Cow<'a, [Message]>, ChatError> {
        let is_as_it_is = |message: &Message| {
            message.tool_calls.is_empty()
                && (message.reasoning.is_none() || self.thought_field.is_some())
        };
        if chat.tools.is_none() && chat.messages.iter().all(is_as_it_is) {
            return Ok(Cow::Borrowed(chat.messages));
        }
        let mut messages = chat.messages.to_vec();
        if self.thought_field.is_none() {
            messages.iter_mut().for_each(thinking::merge);
        }
        self.prepare_tools(chat.tools, &mut messages)?;
        Ok(Cow::Owned(messages))
    }

    /// Encodes a conversation: the ids of the whole rendering, in which only the template's own markup becomes
    /// special tokens. A literal `<|im_end|>` in a message stays text. In an assistant's message, tags that the
    /// template handles itself (`<think>`) become the vocabulary's added tokens if it has them, as in transformers.
    ///
    /// # Errors
    /// The template refuses or rewrites the messages.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>, ChatError> {
        self.encode_begun_with(tokenizer, messages, add_generation_prompt, "")
    }

    /// Encodes a conversation followed by `begun`, in which nothing is markup.
    fn encode_begun_with(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
        begun: &str,
    ) -> Result<Vec<u32>, ChatError> {
        let messages = self.prepared(Chat::of(messages))?;
        let chat = Chat::of(&messages);
        let mut rendering = self.locate(chat, add_generation_prompt, Some(tokenizer))?;
        let mut regions = rendering.regions(&messages);
        let end = rendering.text.len();
        rendering.text.push_str(begun);
        regions.text.push(end..rendering.text.len());
        let placed = tokenizer.encode_regions(&rendering.text, &regions, Before::Nothing)?;
        Ok(placed.into_iter().map(|token| token.id).collect())
    }

    /// Tags that the template names and that are ordinary words for this tokenizer.
    fn tags_for(&self, tokenizer: Option<&Tokenizer>) -> Vec<&str> {
        let is_special = |tag: &str| {
            tokenizer.is_some_and(|t| t.token_to_id(tag).is_some_and(|id| t.is_special(id)))
        };
        let tags = self.tags.iter().map(String::as_str);
        tags.filter(|tag| !is_special(tag)).collect()
    }

    /// Renders a conversation and locates its messages.
    fn locate(
        &self,
        chat: Chat<'_>,
        add_generation_prompt: bool,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Rendering, ChatError> {
        let tags = self.tags_for(tokenizer);
        let tools = chat.tools;
        let render = |messages: &[Message]| {
            self.render_chat(Chat { messages, tools }, add_generation_prompt)
        };
        rendering::locate(render, chat.messages, &tags)
    }

    /// Returns the template's text after the assistant's message, without the white space before the next turn.
    ///
    /// # Errors
    /// The template refuses two turns, or prints nothing there and the model has no end token.
    pub fn end_of_turn(&self) -> Result<&str, ChatError> {
        if let Some(end) = self.end_of_turn.get() {
            return Ok(end);
        }
        let end = self.find_end_of_turn()?;
        Ok(self.end_of_turn.get_or_init(|| end))
    }

    fn find_end_of_turn(&self) -> Result<String, ChatError> {
        const ANSWER: &str = "answer";
        let messages = [
            Message::new(Role::User, "question"),
            Message::new(Role::Assistant, ANSWER),
        ];
        let (text, after) = match self.locate(Chat::of(&messages), false, None) {
            Ok(rendering) => {
                let after = rendering.spans.last().map_or(0, |span| span.range.end);
                (rendering.text, after)
            }
            // The template may change questions.
            Err(error @ ChatError::Rewritten { .. }) => {
                let text = self.render(&messages, false)?;
                let after = text.rfind(ANSWER).ok_or(error)? + ANSWER.len();
                (text, after)
            }
            Err(error) => return Err(error),
        };
        let end = text[after..].trim_end();
        if !end.trim().is_empty() {
            return Ok(end.to_owned());
        }
        self.special_tokens
            .get("eos_token")
            .cloned()
            .ok_or(ChatError::NoEndOfTurn)
    }

    /// Returns what the template prints to ask for an answer, such as `<|im_start|>assistant` and a newline; empty if it
    /// prints nothing.
    fn generation_prompt(&self) -> &str {
        self.generation_prompt.get_or_init(|| {
            let messages = [Message::new(Role::User, "question")];
            let render = |is_asked| self.render(&messages, is_asked).unwrap_or_default();
            let (closed, asked) = (render(false), render(true));
            asked.strip_prefix(&closed).unwrap_or("").to_owned()
        })
    }
}

/// Encodes text followed by markup, both continuing another text.
fn encode_after(
    tokenizer: &Tokenizer,
    text: &str,
    markup: &str,
) -> Result<Vec<u32>, TokenizerError> {
    let regions = Regions {
        text: std::iter::once(0..text.len()).collect(),
        breaks: Vec::new(),
    };
    let placed = tokenizer.encode_regions(&format!("{text}{markup}"), &regions, Before::Text)?;
    Ok(placed.into_iter().map(|token| token.id).collect())
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
            let rendering = llama
                .locate(Chat::of(&messages), true, None)
                .expect("found");
            assert_eq!(
                rendering.text,
                llama.render(&messages, true).expect("renders")
            );
            let regions = rendering.regions(&messages);
            let ends = rendering.text.match_indices("<|eot_id|>");
            let ends =
                ends.filter(|(at, _)| !regions.text.iter().any(|region| region.contains(at)));
            assert_eq!(ends.count(), 2, "{content:?}");
        }
    }

    #[test]
    fn a_template_that_rewrites_messages_is_refused() {
        let shouting =
            template("{% for message in messages %}{{ message.content | upper }}{% endfor %}");
        assert!(matches!(
            shouting.locate(Chat::of(&user("hi")), true, None),
            Err(ChatError::Rewritten {
                hint: error::AS_IT_IS
            })
        ));
    }

    #[test]
    fn templates_find_what_transformers_offers() {
        for (source, expected) in [
            ("{{ strftime_now('%d %b %Y') }}", "26 Jul 2024"),
            ("{{ {'a': [1, '<ü>']} | tojson }}", "{\"a\": [1, \"<ü>\"]}"),
            ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
            (
                "{{ {'b': [], 'a': {'c': [1, 2]}} | tojson(indent=1) }}",
                "{\n \"b\": [],\n \"a\": {\n  \"c\": [\n   1,\n   2\n  ]\n }\n}",
            ),
            (
                "{{ {'b': 'ü', 'a': '😀'} | tojson(ensure_ascii=True, sort_keys=True) }}",
                "{\"a\": \"\\ud83d\\ude00\", \"b\": \"\\u00fc\"}",
            ),
            (
                "{{ [1, {'a': 2}] | tojson(separators=(',', ':')) }}",
                "[1,{\"a\":2}]",
            ),
            ("{{ tools is none and documents is none }}", "True"),
            (
                "{{ [tools is iterable, 1 is iterable, 'a' is iterable, [] is iterable, {} is iterable] }}",
                "[False, False, True, True, True]",
            ),
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
