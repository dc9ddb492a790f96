//! What a row says: its columns as a conversation or a text, by the layout of its format.

use serde_json::Value;
use slm_config::{Field, Layout, MessageKeys, Turn};
use slm_model::{Message, Role};

use super::conversation::{self, role_of};
use super::counts::BadRow;
use super::reader::Reader;
use super::sample::Content;

/// Between the columns that make up one message.
const BETWEEN_FIELDS: &str = "\n\n";

/// What the row says.
///
/// # Errors
/// A column is missing, or is not as the layout expects.
pub(super) fn content(reader: &Reader, layout: &'static Layout) -> Result<Content, BadRow> {
    match layout {
        Layout::Turns(turns) => turns_of(reader, turns),
        Layout::Messages {
            system,
            column,
            keys,
        } => {
            let system = system
                .map(|column| reader.optional_text(column))
                .transpose()?;
            let system = system.flatten().filter(|text| !text.is_empty());
            let mut messages = Vec::new();
            messages.extend(system.map(|text| Message::new(Role::System, text)));
            messages.extend(conversation::messages(reader, column, *keys)?);
            conversation::check_turns(reader, column, &messages)?;
            Ok(Content::Conversation(messages))
        }
        Layout::Continuation {
            prompt: Some(prompt),
            completion,
        } => continuation(reader, prompt, completion),
        Layout::Continuation {
            prompt: None,
            completion,
        } => Ok(Content::Plain {
            prompt: String::new(),
            completion: reader.text(completion)?.to_owned(),
        }),
    }
}

/// A conversation of which each message has columns of its own.
fn turns_of(reader: &Reader, turns: &'static [Turn]) -> Result<Content, BadRow> {
    let text = |field: &Field| match *field {
        Field::Required(column) => reader.text(column).map(Some),
        Field::Optional(column) => {
            let text = reader.optional_text(column)?;
            Ok(text.filter(|text| !text.is_empty()))
        }
    };
    let mut messages = Vec::new();
    for turn in turns {
        let mut texts = Vec::new();
        for field in turn.fields {
            texts.extend(text(field)?);
        }
        if !texts.is_empty() {
            messages.push(Message::new(
                role_of(turn.speaker),
                texts.join(BETWEEN_FIELDS),
            ));
        }
    }
    Ok(Content::Conversation(messages))
}

/// A text and its continuation, or a conversation and its end.
fn continuation(
    reader: &Reader,
    prompt: &'static str,
    completion: &'static str,
) -> Result<Content, BadRow> {
    if !reader.value(prompt)?.is_array() {
        return Ok(Content::Plain {
            prompt: reader.text(prompt)?.to_owned(),
            completion: reader.text(completion)?.to_owned(),
        });
    }
    let keys = MessageKeys::OPENAI;
    let mut messages = conversation::messages(reader, prompt, keys)?;
    messages.extend(match reader.value(completion)? {
        Value::String(text) => vec![Message::new(Role::Assistant, text.as_str())],
        _ => conversation::messages(reader, completion, keys)?,
    });
    conversation::check_turns(reader, prompt, &messages)?;
    Ok(Content::Conversation(messages))
}
