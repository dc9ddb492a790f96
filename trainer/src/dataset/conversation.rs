//! Conversations: lists of messages in a column, and the order of roles that chat templates accept.

use serde_json::{Map, Value};
use slm_config::{MessageKeys, Speaker};
use slm_model::{Message, Role};

use super::counts::{BadRow, Reason, shown};
use super::reader::{Reader, kind, quoted};

/// Separator of the texts of a content in parts, as in `vLLM` and `llama.cpp`.
const BETWEEN_PARTS: &str = "\n";
/// Roles whose messages belong to a tool call.
const TOOL_ROLES: [&str; 5] = [
    "tool",
    "function",
    "ipython",
    "function_call",
    "observation",
];

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
        if let Some(key) = tool_key(fields).or_else(|| is_tool(name).then_some(role)) {
            let problem = "belongs to a tool call, which is not supported yet";
            return Err(self.bad(Reason::ToolCall, &at(key), problem, "remove the row"));
        }
        let role = self.keys.speaker(name).map(role_of).ok_or_else(|| {
            let problem = format!("is \"{}\", expected system, user or assistant", shown(name));
            let hint = "remove the row, or rename the role";
            self.bad(Reason::UnknownRole, &at(role), &problem, hint)
        })?;
        let is_unlearned = |weight: &Value| weight.as_f64().is_some_and(|weight| weight < 1.0);
        if role == Role::Assistant && fields.get("weight").is_some_and(is_unlearned) {
            let problem = "excludes the message from training, but `weight` is not supported yet";
            let hint = "remove the row, or the message's `weight`";
            return Err(self.bad(Reason::MessageWeight, &at("weight"), problem, hint));
        }
        match fields.get(text) {
            Some(Value::String(text)) => Ok(Message::new(role, text.as_str())),
            Some(Value::Array(parts)) => Ok(Message::new(role, self.joined(&at(text), parts)?)),
            other => Err(self.not_text(&at(text), other)),
        }
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

/// Returns the field of a message that holds a tool call.
fn tool_key(fields: &Map<String, Value>) -> Option<&'static str> {
    let is_used = |key: &&'static str| match fields.get(*key) {
        None | Some(Value::Null) => false,
        Some(Value::Array(calls)) => !calls.is_empty(),
        Some(_) => true,
    };
    ["tool_calls", "function_call"].into_iter().find(is_used)
}

fn is_tool(role: &str) -> bool {
    TOOL_ROLES.contains(&role)
}

/// Checks the order that every chat template accepts: an optional system message, then user and assistant in turn.
///
/// # Errors
/// The order differs, or the last message is not the assistant's.
pub(super) fn check_turns(
    reader: &Reader,
    own: &'static str,
    messages: &[Message],
) -> Result<(), BadRow> {
    let name = quoted(reader.name_of(own));
    let spoken = match messages {
        [first, rest @ ..] if first.role == Role::System => rest,
        all => all,
    };
    let expected = [Role::User, Role::Assistant].into_iter().cycle();
    let wrong = spoken
        .iter()
        .zip(expected)
        .position(|(message, role)| message.role != role);
    if let Some(at) = wrong {
        let role = spoken[at].role.name();
        let number = at + 1 + messages.len() - spoken.len();
        return Err(reader.bad(
            Reason::OddConversation,
            &format!(
                "message {number} of {name} has role {role}, but user and assistant must alternate, user first"
            ),
            "join or remove messages of one role in a row",
        ));
    }
    if spoken.len() % 2 == 1 || spoken.is_empty() {
        return Err(reader.bad(
            Reason::OddConversation,
            &format!("{name} does not end with an assistant message, so there is nothing to learn"),
            "remove the row",
        ));
    }
    Ok(())
}
