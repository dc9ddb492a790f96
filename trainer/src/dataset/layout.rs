//! Conversion of a row's columns into a conversation or a text, by the layout of the format.

use serde_json::Value;
use slm_config::{ColumnMessage, Layout, MessageKeys, TextColumn};
use slm_model::{Message, Role};

use super::conversation::{self, role_of};
use super::counts::BadRow;
use super::reader::Reader;
use super::sample::Content;

/// Separator of the columns that make up one message.
const BETWEEN_COLUMNS: &str = "\n\n";

/// Converts a row into a conversation or a text.
///
/// # Errors
/// A column is missing, or does not match the layout.
pub(super) fn content(reader: &Reader, layout: &'static Layout) -> Result<Content, BadRow> {
    match layout {
        Layout::MessagePerColumns(messages) => message_per_columns(reader, messages),
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

/// Reads a conversation with separate columns for each message.
fn message_per_columns(
    reader: &Reader,
    layout: &'static [ColumnMessage],
) -> Result<Content, BadRow> {
    let text_of = |column: &TextColumn| match *column {
        TextColumn::Required(column) => reader.text(column).map(Some),
        TextColumn::Optional(column) => {
            let text = reader.optional_text(column)?;
            Ok(text.filter(|text| !text.is_empty()))
        }
    };
    let mut messages = Vec::new();
    for message in layout {
        let mut texts = Vec::new();
        for column in message.texts {
            texts.extend(text_of(column)?);
        }
        if !texts.is_empty() {
            messages.push(Message::new(
                role_of(message.speaker),
                texts.join(BETWEEN_COLUMNS),
            ));
        }
    }
    Ok(Content::Conversation(messages))
}

/// Reads a prompt and its completion, as texts or as conversations.
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
