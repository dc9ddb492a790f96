//! Conversion of a row's columns into a conversation or a text, by the layout of the format.

use slm_config::{ColumnMessage, Layout, TextColumn};
use slm_model::{Message, Role};

use super::answers;
use super::content::Content;
use super::conversation::{self, role_of};
use super::counts::BadRow;
use super::reader::Reader;

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
        Layout::Text { column } | Layout::Document { column } => Ok(Content::Plain {
            prompt: String::new(),
            completion: reader.text(column)?.to_owned(),
        }),
        Layout::Continuation {
            prompt,
            completion,
            optional,
        } => answers::continuation(reader, prompt, completion, optional.prefill),
        Layout::Pair {
            prompt,
            chosen,
            rejected,
            optional,
        } => answers::pair(reader, prompt, [chosen, rejected], optional.prefill),
        Layout::Labelled {
            prompt,
            completion,
            label,
            optional,
        } => {
            let answer = answers::single(reader, prompt, completion, optional.prefill)?;
            let label = answers::label(reader, label)?;
            Ok(Content::Labelled(Box::new(answer), label))
        }
    }
}

/// Returns the task that a row answers, where its format and the row have one.
///
/// # Errors
/// It is neither text nor a number.
pub(super) fn task(reader: &Reader, layout: &'static Layout) -> Result<Option<String>, BadRow> {
    match layout {
        Layout::Continuation { optional, .. }
        | Layout::Pair { optional, .. }
        | Layout::Labelled { optional, .. } => answers::task(reader, optional.task_id),
        Layout::MessagePerColumns(_)
        | Layout::Messages { .. }
        | Layout::Text { .. }
        | Layout::Document { .. } => Ok(None),
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
