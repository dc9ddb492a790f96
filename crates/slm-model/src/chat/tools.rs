//! Tool calls and definitions of tools, in the form that a template expects.

use serde_json::{Map, Value as Json, json};

use super::python_json::python_json;
use super::{Chat, ChatError, ChatTemplate, Message, Role};
use crate::tokenizer::{Before, Regions, Tokenizer, TokenizerError};

/// How a template prints tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToolForm {
    /// The form of the arguments of calls; `None` if calls are not printed.
    arguments: Option<Arguments>,
    /// Whether definitions of tools are printed.
    has_tools: bool,
}

/// The form of the arguments of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arguments {
    /// An object.
    Object,
    /// The object as JSON text.
    Text,
}

/// Names that no template contains.
const PROBE: [&str; 3] = ["probe_function", "probe_argument", "probe_value"];

impl ChatTemplate {
    /// Finds out by renderings how the template prints tools.
    fn tool_form(&self) -> ToolForm {
        *self.tool_form.get_or_init(|| {
            let [function, argument, value] = PROBE;
            let tools = json!([{"type": "function", "function": {
                "name": function,
                "description": "",
                "parameters": {"type": "object", "properties": {argument: {"type": "string"}}},
            }}]);
            let user = [Message::new(Role::User, "question")];
            let shown = |messages: &[Message], tools: Option<&Json>| {
                let chat = Chat { messages, tools };
                self.render_chat(chat, false).unwrap_or_default()
            };
            let called = |arguments: Json| {
                // Some templates accept a call only with its result, and a content beside it.
                let call = |content: Option<&str>| {
                    let mut call = Message::new(Role::Assistant, content.unwrap_or(""));
                    call.is_null = content.is_none();
                    let function = json!({"name": function, "arguments": arguments.clone()});
                    let id = "call12345";
                    call.tool_calls =
                        vec![json!({"id": id, "type": "function", "function": function})];
                    let mut result = Message::new(Role::Tool, "result");
                    result.tool_call_id = Some(id.to_owned());
                    result.name = Some(PROBE[0].to_owned());
                    [user[0].clone(), call, result]
                };
                [None, Some("")].into_iter().any(|content| {
                    let text = shown(&call(content), Some(&tools));
                    // The definition has the argument's name, but not its value.
                    text.contains(value)
                })
            };
            let arguments = if called(json!({argument: value})) {
                Some(Arguments::Object)
            } else if called(Json::from(json!({argument: value}).to_string())) {
                Some(Arguments::Text)
            } else {
                None
            };
            ToolForm {
                arguments,
                has_tools: shown(&user, Some(&tools)).contains(function),
            }
        })
    }

    /// Converts the tool calls of messages into the form that the template expects.
    ///
    /// # Errors
    /// The template prints no tools or tool calls, and the conversation has some.
    pub(super) fn prepare_tools(
        &self,
        tools: Option<&Json>,
        messages: &mut [Message],
    ) -> Result<(), ChatError> {
        let calls = || {
            messages
                .iter()
                .any(|message| !message.tool_calls.is_empty())
        };
        if tools.is_none() && !calls() {
            return Ok(());
        }
        if self.is_missing {
            return Err(ChatError::Missing);
        }
        let form = self.tool_form();
        if tools.is_some() && !form.has_tools {
            let what = "definitions of tools";
            return Err(ChatError::NoTools { what });
        }
        if !calls() {
            return Ok(());
        }
        let Some(arguments) = form.arguments else {
            let what = "tool calls";
            return Err(ChatError::NoTools { what });
        };
        let calls = messages.iter_mut().flat_map(|m| &mut m.tool_calls);
        for call in calls {
            if let Some(given) = call.pointer_mut("/function/arguments") {
                reshape(given, arguments);
            }
        }
        Ok(())
    }
}

/// Returns the spelling of a special token in a message, a tool call or a definition of a tool, with its place.
pub(super) fn special_token_in(
    tokenizer: &Tokenizer,
    chat: Chat<'_>,
) -> Result<Option<(&'static str, String)>, TokenizerError> {
    for message in chat.messages {
        let thought = message.reasoning.as_deref().unwrap_or("");
        for text in [message.content.as_str(), thought] {
            if let Some(token) = special_token(tokenizer, text)? {
                return Ok(Some(("a message", token)));
            }
        }
    }
    special_token_in_tools(tokenizer, chat)
}

/// Returns the spelling of a special token in a tool call or a definition of a tool, with its place.
pub(super) fn special_token_in_tools(
    tokenizer: &Tokenizer,
    chat: Chat<'_>,
) -> Result<Option<(&'static str, String)>, TokenizerError> {
    let calls = chat.messages.iter().flat_map(|m| &m.tool_calls);
    let calls = calls.map(|call| ("a tool call", call));
    for (place, value) in calls.chain(chat.tools.map(|tools| ("a tool's definition", tools))) {
        let mut found = None;
        each_text(value, &mut |text| {
            if found.is_none() {
                found = special_token(tokenizer, text).transpose();
            }
        });
        if let Some(token) = found.transpose()? {
            return Ok(Some((place, token)));
        }
    }
    Ok(None)
}

/// Returns the first special token that a text spells out.
fn special_token(tokenizer: &Tokenizer, text: &str) -> Result<Option<String>, TokenizerError> {
    if text.is_empty() {
        return Ok(None);
    }
    let placed = tokenizer.encode_regions(text, &Regions::default(), Before::Nothing)?;
    let mut special = placed
        .iter()
        .filter(|token| token.is_markup && tokenizer.is_special(token.id));
    Ok(special
        .next()
        .map(|token| text[token.range.clone()].to_owned()))
}

/// Passes each text in a value, keys included, to `give`.
fn each_text(value: &Json, give: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => give(text),
        Json::Array(items) => items.iter().for_each(|item| each_text(item, give)),
        Json::Object(fields) => {
            for (key, value) in fields {
                give(key);
                each_text(value, give);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Converts arguments between an object and its JSON text. A text that is no object stays as it is.
fn reshape(given: &mut Json, form: Arguments) {
    match (&*given, form) {
        (Json::String(text), Arguments::Object) => {
            let text = if text.trim().is_empty() { "{}" } else { text };
            if let Ok(object) = serde_json::from_str::<Map<String, Json>>(text) {
                *given = Json::Object(object);
            }
        }
        (Json::Object(_), Arguments::Text) => {
            *given = Json::String(python_json(given));
        }
        _ => {}
    }
}
