//! Conversations: lists of messages in a column, and the order of roles that chat templates accept.

use serde_json::{Map, Value};
use slm_config::{MessageKeys, Speaker};
use slm_model::{Message, Role};

use super::counts::{BadRow, Reason, shown};
use super::reader::{Reader, kind, quoted};
use super::tool_calls;

/// Separator of the texts of a content in parts, as in `vLLM` and `llama.cpp`.
const BETWEEN_PARTS: &str = "\n";
/// Separator of joined messages of one role.
const BETWEEN_TURNS: &str = "\n\n";
/// Names of a tool whose message is the result of a call.
const TOOL_ROLES: [&str; 5] = [
    "tool",
    "function",
    "ipython",
    "observation",
    "tool_response",
];
/// Names of the assistant where the text of the message is a call.
const CALL_ROLES: [&str; 2] = ["function_call", "tool_call"];
/// Keys that exclude a message from the loss with 0 or false: of OpenAI, axolotl, ms-swift and others.
const WEIGHTS: [&str; 5] = ["weight", "train", "training", "loss", "loss_mask"];

/// Returns the role of a speaker in the chat template.
pub(super) fn role_of(speaker: Speaker) -> Role {
    match speaker {
        Speaker::System => Role::System,
        Speaker::User => Role::User,
        Speaker::Assistant => Role::Assistant,
    }
}

/// Reads the list of messages in the column that the format calls `own`.
///
/// # Errors
/// The column is not such a list, or a message in it cannot be used for training.
pub(super) fn messages(
    reader: &Reader,
    own: &'static str,
    keys: MessageKeys,
) -> Result<Vec<Message>, BadRow> {
    let column = Column {
        reader,
        name: reader.name_of(own),
        keys,
    };
    let value = reader.value(own)?;
    let list = value
        .as_array()
        .ok_or_else(|| column.wrong("", kind(value), "a list of messages"))?;
    let message = |(index, item)| column.message(index, item);
    list.iter().enumerate().map(message).collect()
}

/// A column of messages.
struct Column<'a> {
    reader: &'a Reader<'a>,
    name: &'a str,
    keys: MessageKeys,
}

impl Column<'_> {
    /// Makes the error for the value at `at` in the column.
    fn bad(&self, reason: Reason, at: &str, problem: &str, hint: &str) -> BadRow {
        let at = quoted(&format!("{}{at}", self.name));
        self.reader.bad(reason, &format!("{at} {problem}"), hint)
    }

    fn wrong(&self, at: &str, found: &str, expected: &str) -> BadRow {
        let problem = format!("is {found}, expected {expected}");
        self.bad(
            Reason::WrongType,
            at,
            &problem,
            "choose another format or column",
        )
    }

    fn message(&self, index: usize, item: &Value) -> Result<Message, BadRow> {
        let MessageKeys { role, text, .. } = self.keys;
        let at = |key: &str| format!("[{index}].{key}");
        let fields = item.as_object().ok_or_else(|| {
            let expected = format!("a message with `{role}` and `{text}`");
            self.wrong(&format!("[{index}]"), kind(item), &expected)
        })?;
        let name = match fields.get(role) {
            Some(Value::String(name)) => name,
            other => {
                return Err(self.not_text(&at(role), other));
            }
        };
        let is_call = CALL_ROLES.contains(&name.as_str());
        let role = match self.keys.speaker(name).map(role_of) {
            _ if is_call => Role::Assistant,
            Some(role) => role,
            None if TOOL_ROLES.contains(&name.as_str()) => Role::Tool,
            None => {
                let problem = format!(
                    "is \"{}\", expected system, user, assistant or tool",
                    shown(name)
                );
                let hint = "remove the row, or rename the role";
                return Err(self.bad(Reason::UnknownRole, &at(role), &problem, hint));
            }
        };
        let mut message = Message::new(role, "");
        let bad_call = |key: &str, problem: &str| {
            let hint = "write the calls as in OpenAI's format, or remove the row";
            self.bad(Reason::ToolCall, &at(key), problem, hint)
        };
        if is_call {
            let value = fields.get(text).unwrap_or(&Value::Null);
            message.tool_calls = tool_calls::calls(value).map_err(|p| bad_call(text, &p))?;
            if message.tool_calls.is_empty() {
                return Err(bad_call(text, "has no call"));
            }
            message.is_null = true;
        } else if role == Role::Assistant {
            let calls = tool_calls::of_message(fields);
            message.tool_calls = calls.map_err(|(key, problem)| bad_call(key, &problem))?;
            message.reasoning = slm_model::thought_in(fields).map(str::to_owned);
        }
        message.is_learned = self.is_learned(fields, role, &at)?;
        let text_of = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        message.name = text_of("name");
        message.tool_call_id = text_of("tool_call_id").filter(|_| role == Role::Tool);
        let may_be_null = !message.tool_calls.is_empty() || message.reasoning.is_some();
        if is_call {
            return Ok(message);
        }
        message.content = match fields.get(text) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => self.joined(&at(text), parts)?,
            None | Some(Value::Null) if may_be_null => {
                message.is_null = true;
                String::new()
            }
            other => return Err(self.not_text(&at(text), other)),
        };
        Ok(message)
    }

    /// Whether a message is learned: whether none of its keys excludes it from the loss.
    ///
    /// # Errors
    /// A key of the assistant's message is neither 0, 1 nor a boolean.
    fn is_learned(
        &self,
        fields: &Map<String, Value>,
        role: Role,
        at: &dyn Fn(&str) -> String,
    ) -> Result<bool, BadRow> {
        let mut is_learned = true;
        for key in WEIGHTS {
            let is_in_loss = match fields.get(key) {
                None | Some(Value::Null) => continue,
                Some(Value::Bool(value)) => Some(*value),
                Some(value) => match value.as_f64() {
                    Some(0.0) => Some(false),
                    Some(1.0) => Some(true),
                    _ => None,
                },
            };
            match is_in_loss {
                Some(is_in_loss) => is_learned &= is_in_loss,
                None if role == Role::Assistant => {
                    let problem = "is neither 0, 1 nor a boolean";
                    let hint = "a message is learned or not; remove the row, or write 0 or 1";
                    return Err(self.bad(Reason::MessageWeight, &at(key), problem, hint));
                }
                None => {}
            }
        }
        Ok(is_learned)
    }

    /// Makes the error for a field that should be text.
    fn not_text(&self, at: &str, found: Option<&Value>) -> BadRow {
        match found {
            None => {
                let hint = "name the column that holds messages, or remove the row";
                self.bad(Reason::EmptyField, at, "is missing", hint)
            }
            Some(Value::Null) => {
                let hint = "fill the field, or remove the row";
                self.bad(Reason::EmptyField, at, "is null", hint)
            }
            Some(value) => self.wrong(at, kind(value), "text"),
        }
    }

    /// Joins the text parts of a content.
    fn joined(&self, at: &str, parts: &[Value]) -> Result<String, BadRow> {
        let mut texts = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let name = part.get("type").and_then(Value::as_str);
            match part.get("text").and_then(Value::as_str) {
                Some(text) if name == Some("text") => texts.push(text),
                _ => {
                    let found = match name {
                        Some(name) => format!("of type \"{}\"", shown(name)),
                        None => kind(part).to_owned(),
                    };
                    let at = format!("{at}[{index}]");
                    let expected = "a part of type \"text\" with its `text`";
                    return Err(self.wrong(&at, &found, expected));
                }
            }
        }
        Ok(texts.join(BETWEEN_PARTS))
    }
}

/// Reads the definitions of tools in the column that the format calls `own`, if the row has some.
///
/// # Errors
/// The column holds something else.
pub(super) fn tools(reader: &Reader, own: &'static str) -> Result<Option<Value>, BadRow> {
    let Some(value) = reader.optional(own)? else {
        return Ok(None);
    };
    tool_calls::tools(value).map_err(|problem| {
        let name = quoted(reader.name_of(own));
        reader.bad(
            Reason::ToolCall,
            &format!("{name} {problem}"),
            "write the tools as in OpenAI's format, or name another column",
        )
    })
}

/// Checks the order that chat templates accept: an optional system message, then user and assistant in turn; after a tool
/// call, its results before the next message of the assistant. Messages of one role in a row are joined first, if the
/// recipe asks for it.
///
/// # Errors
/// The order differs, or the last message is not the assistant's.
pub(super) fn check_turns(
    reader: &Reader,
    own: &'static str,
    messages: &mut Vec<Message>,
) -> Result<(), BadRow> {
    if reader.dataset.join_turns {
        join(messages);
    }
    let name = quoted(reader.name_of(own));
    let spoken = match &messages[..] {
        [first, rest @ ..] if first.role == Role::System => rest,
        all => all,
    };
    let is_next = |before: Option<&Message>, message: &Message| match (before, message.role) {
        (None, role) => role == Role::User,
        (Some(before), Role::Assistant) => matches!(before.role, Role::User | Role::Tool),
        (Some(before), Role::User) => before.role == Role::Assistant,
        (Some(before), Role::Tool) => before.role == Role::Tool || !before.tool_calls.is_empty(),
        (Some(_), Role::System) => false,
    };
    let wrong = (0..spoken.len()).find(|&at| {
        let before = at.checked_sub(1).map(|before| &spoken[before]);
        !is_next(before, &spoken[at])
    });
    if let Some(at) = wrong {
        let role = spoken[at].role;
        let number = at + 1 + messages.len() - spoken.len();
        let rule = if role == Role::Tool {
            "but it follows no tool call"
        } else {
            "but user and assistant must alternate, user first"
        };
        return Err(reader.bad(
            Reason::OddConversation,
            &format!("message {number} of {name} has role {}, {rule}", role.name()),
            "`data.datasets[].join_turns: true` joins messages of one role in a row; or remove the row",
        ));
    }
    if spoken
        .last()
        .is_none_or(|last| last.role != Role::Assistant)
    {
        return Err(reader.bad(
            Reason::OddConversation,
            &format!("{name} does not end with an assistant message, so there is nothing to learn"),
            "remove the row",
        ));
    }
    Ok(())
}

/// Joins consecutive messages of one role that are only text, and learned or not learned together.
fn join(messages: &mut Vec<Message>) {
    let is_text = |message: &Message| {
        message.role != Role::Tool
            && message.tool_calls.is_empty()
            && message.reasoning.is_none()
            && !message.is_null
    };
    messages.dedup_by(|later, earlier| {
        let is_same = earlier.role == later.role && earlier.is_learned == later.is_learned;
        if !is_same || !is_text(earlier) || !is_text(later) {
            return false;
        }
        earlier.content.push_str(BETWEEN_TURNS);
        earlier.content.push_str(&later.content);
        true
    });
}
