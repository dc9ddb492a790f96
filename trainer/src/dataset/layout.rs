//! Conversion of a row's columns into a conversation or a text, by the layout of the format.

use serde_json::Value;
use slm_config::{ColumnMessage, Layout, Speaker, TextColumn};
use slm_model::{Message, Role};

use super::answers;
use super::content::Content;
use super::conversation::{self, role_of};
use super::counts::{BadRow, Reason};
use super::reader::{Reader, kind, quoted};
use super::tokenised;

/// Separator of the columns that make up one message.
const BETWEEN_COLUMNS: &str = "\n\n";

/// Converts a row into a conversation or a text.
///
/// # Errors
/// A column is missing, or does not match the layout.
pub(super) fn content(reader: &Reader, layout: &'static Layout) -> Result<Content, BadRow> {
    match layout {
        Layout::MessagePerColumns { history, messages } => {
            message_per_columns(reader, history, messages)
        }
        Layout::Messages {
            system,
            column,
            tools,
            keys,
        } => {
            let system = system
                .map(|column| reader.optional_text(column))
                .transpose()?;
            let system = system.flatten().filter(|text| !text.is_empty());
            let mut messages = Vec::new();
            messages.extend(system.map(|text| Message::new(Role::System, text)));
            messages.extend(conversation::messages(reader, column, *keys)?);
            conversation::check_turns(reader, column, &mut messages)?;
            Ok(match conversation::tools(reader, tools)? {
                Some(tools) => Content::WithTools { messages, tools },
                None => Content::Conversation(messages),
            })
        }
        Layout::Segments { column } => tokenised::segments(reader, column),
        Layout::Tokens {
            ids,
            labels,
            attention_mask,
        } => tokenised::tokens(reader, ids, labels, attention_mask),
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
        Layout::MessagePerColumns { .. }
        | Layout::Messages { .. }
        | Layout::Segments { .. }
        | Layout::Tokens { .. }
        | Layout::Text { .. }
        | Layout::Document { .. } => Ok(None),
    }
}

/// Reads a conversation with separate columns for each message.
fn message_per_columns(
    reader: &Reader,
    history: &'static str,
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
        let is_first_question = message.speaker == Speaker::User;
        if is_first_question {
            messages.extend(earlier_turns(reader, history)?);
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

/// Reads earlier turns: a list of question and answer.
///
/// # Errors
/// The column is no such list.
fn earlier_turns(reader: &Reader, own: &'static str) -> Result<Vec<Message>, BadRow> {
    let Some(value) = reader.optional(own)? else {
        return Ok(Vec::new());
    };
    let wrong = |at: &str, found: &str| {
        let name = quoted(&format!("{}{at}", reader.name_of(own)));
        reader.bad(
            Reason::WrongType,
            &format!("{name} is {found}, expected a list of pairs of question and answer"),
            "choose another format or column",
        )
    };
    let turns = match value {
        Value::String(text) if text.trim().is_empty() => return Ok(Vec::new()),
        Value::Array(turns) => turns,
        value => return Err(wrong("", kind(value))),
    };
    let mut messages = Vec::with_capacity(2 * turns.len());
    for (at, turn) in turns.iter().enumerate() {
        let texts = turn.as_array().map(Vec::as_slice);
        let Some([Value::String(question), Value::String(answer)]) = texts else {
            return Err(wrong(&format!("[{at}]"), kind(turn)));
        };
        messages.push(Message::new(Role::User, question.as_str()));
        messages.push(Message::new(Role::Assistant, answer.as_str()));
    }
    Ok(messages)
}
