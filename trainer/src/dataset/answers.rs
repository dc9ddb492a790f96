//! Answers to prompts in TRL's columns: one answer, a pair of answers, or an answer with its label.

use serde_json::Value;
use slm_config::MessageKeys;
use slm_model::{Message, Role};

use super::content::Content;
use super::conversation;
use super::counts::{BadRow, Reason};
use super::reader::{Reader, kind, quoted};

/// What an answer follows.
enum Prompt {
    Text(String),
    Messages(Vec<Message>),
}

/// Reads a prompt and its completion, as texts or as conversations. The completion may have several messages.
pub(super) fn continuation(
    reader: &Reader,
    prompt: &'static str,
    completion: &'static str,
    prefill: &'static str,
) -> Result<Content, BadRow> {
    let content = if reader.value(prompt)?.is_array() {
        let mut messages = conversation::messages(reader, prompt, MessageKeys::OPENAI)?;
        messages.extend(side(reader, completion)?);
        conversation::check_turns(reader, prompt, &mut messages)?;
        Content::Conversation(messages)
    } else {
        Content::Plain {
            prompt: reader.text(prompt)?.to_owned(),
            completion: reader.text(completion)?.to_owned(),
        }
    };
    begun(reader, content, completion, prefill)
}

/// Reads a prompt and a single answer, as text or as one message of the assistant.
pub(super) fn single(
    reader: &Reader,
    prompt: &'static str,
    completion: &'static str,
    prefill: &'static str,
) -> Result<Content, BadRow> {
    let before = if reader.value(prompt)?.is_array() {
        Prompt::Messages(conversation::messages(reader, prompt, MessageKeys::OPENAI)?)
    } else {
        Prompt::Text(reader.text(prompt)?.to_owned())
    };
    let content = answer(reader, &before, prompt, completion)?;
    begun(reader, content, completion, prefill)
}

/// Reads two answers to one prompt. Two whole conversations without prompt have the messages that they share at their
/// beginning as prompt.
pub(super) fn pair(
    reader: &Reader,
    prompt: &'static str,
    columns: [&'static str; 2],
    prefill: &'static str,
) -> Result<Content, BadRow> {
    let [chosen, rejected] = columns;
    let values = [reader.value(chosen)?, reader.value(rejected)?];
    let is_whole = |value: &Value| {
        let first = value.as_array().and_then(|list| list.first());
        let role = first.and_then(|message| message.get(MessageKeys::OPENAI.role));
        role.and_then(Value::as_str)
            .is_some_and(|role| role != Role::Assistant.name())
    };
    let before = match reader.optional(prompt)? {
        Some(Value::Array(_)) => {
            Prompt::Messages(conversation::messages(reader, prompt, MessageKeys::OPENAI)?)
        }
        // A text beside whole conversations repeats their first message, as in UltraFeedback.
        None | Some(Value::String(_)) if values.into_iter().all(is_whole) => {
            let sides = without_prompt(reader, columns)?;
            return both(reader, sides, columns, prefill);
        }
        Some(_) => Prompt::Text(reader.text(prompt)?.to_owned()),
        None => {
            let (column, name) = (reader.name_of(prompt), quoted(reader.name_of(chosen)));
            return Err(reader.bad(
                Reason::EmptyField,
                &format!(
                    "no column {}, and {name} and {} are no whole conversations, so where the prompt ends is unknown",
                    quoted(column),
                    quoted(reader.name_of(rejected))
                ),
                "add a column with the prompt, or name it with `data.datasets[].columns`",
            ));
        }
    };
    if matches!(before, Prompt::Text(_)) && values[0].is_string() != values[1].is_string() {
        return Err(reader.bad(
            Reason::WrongType,
            &format!(
                "{} is {}, but {} is {}: both must be text, or both messages",
                quoted(reader.name_of(chosen)),
                kind(values[0]),
                quoted(reader.name_of(rejected)),
                kind(values[1])
            ),
            "write both answers in one way",
        ));
    }
    let sides = [
        answer(reader, &before, prompt, chosen)?,
        answer(reader, &before, prompt, rejected)?,
    ];
    both(reader, sides, columns, prefill)
}

fn both(
    reader: &Reader,
    [chosen, rejected]: [Content; 2],
    columns: [&'static str; 2],
    prefill: &'static str,
) -> Result<Content, BadRow> {
    let chosen = begun(reader, chosen, columns[0], prefill)?;
    let rejected = begun(reader, rejected, columns[1], prefill)?;
    Ok(Content::Pair(Box::new([chosen, rejected])))
}

/// Reads whether an answer is wanted.
pub(super) fn label(reader: &Reader, own: &'static str) -> Result<bool, BadRow> {
    let value = reader.value(own)?;
    value.as_bool().ok_or_else(|| {
        let found = match value {
            Value::String(text) if matches!(text.as_str(), "true" | "false") => {
                format!("the text \"{text}\"")
            }
            other => kind(other).to_owned(),
        };
        reader.bad(
            Reason::WrongType,
            &format!(
                "{} is {found}, expected a boolean",
                quoted(reader.name_of(own))
            ),
            "write true or false without quotes, in JSON Lines or Parquet",
        )
    })
}

/// Reads the id of the task that a row answers: a text or a number.
pub(super) fn task(reader: &Reader, own: &'static str) -> Result<Option<String>, BadRow> {
    match reader.optional(own)? {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(Value::Number(id)) => Ok(Some(id.to_string())),
        Some(value) => Err(reader.bad(
            Reason::WrongType,
            &format!(
                "{} is {}, expected text or a number",
                quoted(reader.name_of(own)),
                kind(value)
            ),
            "name the column of the tasks' ids with `data.datasets[].columns`, or remove it",
        )),
    }
}

/// Reads the messages of a column; a text is one message of the assistant.
fn side(reader: &Reader, own: &'static str) -> Result<Vec<Message>, BadRow> {
    match reader.value(own)? {
        Value::String(text) => Ok(vec![Message::new(Role::Assistant, text.as_str())]),
        _ => conversation::messages(reader, own, MessageKeys::OPENAI),
    }
}

/// Reads the answer in the column `own` to a prompt.
fn answer(
    reader: &Reader,
    prompt: &Prompt,
    prompt_column: &'static str,
    own: &'static str,
) -> Result<Content, BadRow> {
    let before = match prompt {
        Prompt::Text(text) if !reader.value(own)?.is_array() => {
            return Ok(Content::Plain {
                prompt: text.clone(),
                completion: reader.text(own)?.to_owned(),
            });
        }
        Prompt::Text(text) => vec![Message::new(Role::User, text.as_str())],
        Prompt::Messages(messages) => messages.clone(),
    };
    conversation_of(reader, before, side(reader, own)?, prompt_column, own)
}

/// Joins a prompt and its answer, which is one message.
fn conversation_of(
    reader: &Reader,
    mut messages: Vec<Message>,
    answer: Vec<Message>,
    prompt_column: &'static str,
    own: &'static str,
) -> Result<Content, BadRow> {
    if answer.len() != 1 {
        return Err(reader.bad(
            Reason::OddConversation,
            &format!(
                "{} has {} messages after the prompt, expected one answer of the assistant",
                quoted(reader.name_of(own)),
                answer.len()
            ),
            "put the messages before the answer into the prompt, or remove the row",
        ));
    }
    messages.extend(answer);
    conversation::check_turns(reader, prompt_column, &mut messages)?;
    Ok(Content::Conversation(messages))
}

/// Reads two whole conversations: the messages before the first that differs are the prompt.
fn without_prompt(reader: &Reader, columns: [&'static str; 2]) -> Result<[Content; 2], BadRow> {
    let keys = MessageKeys::OPENAI;
    let [chosen, rejected] = columns;
    let sides = [
        conversation::messages(reader, chosen, keys)?,
        conversation::messages(reader, rejected, keys)?,
    ];
    let shared = sides[0]
        .iter()
        .zip(&sides[1])
        .take_while(|(first, second)| first == second)
        .count();
    // Equal conversations have equal answers, which is found after tokenising.
    let shortest = sides[0].len().min(sides[1].len());
    let shared = shared.min(shortest.saturating_sub(1));
    if shared == 0 {
        return Err(reader.bad(
            Reason::OddConversation,
            &format!(
                "{} and {} begin with different messages, so they have no common prompt",
                quoted(reader.name_of(chosen)),
                quoted(reader.name_of(rejected))
            ),
            "remove the row",
        ));
    }
    let [first, second] = sides.map(|mut messages| {
        let answer = messages.split_off(shared);
        (messages, answer)
    });
    Ok([
        conversation_of(reader, first.0, first.1, chosen, chosen)?,
        conversation_of(reader, second.0, second.1, rejected, rejected)?,
    ])
}

/// Moves the beginning of an answer that the column `prefill` gives to the model from the answer to its context.
///
/// # Errors
/// The answer in the column `own` does not start with it.
fn begun(
    reader: &Reader,
    content: Content,
    own: &'static str,
    prefill: &'static str,
) -> Result<Content, BadRow> {
    let Some(begun) = reader.optional_text(prefill)?.filter(|b| !b.is_empty()) else {
        return Ok(content);
    };
    let other = || {
        let (answer, begun) = (reader.name_of(own), reader.name_of(prefill));
        reader.bad(
            Reason::OtherPrefill,
            &format!("{} does not start with {}", quoted(answer), quoted(begun)),
            "write the whole answer, with its given beginning; or remove the row",
        )
    };
    match content {
        Content::Conversation(mut messages) => {
            let last = messages.pop().map(|message| message.content);
            let rest = last.as_deref().and_then(|text| text.strip_prefix(begun));
            let answer = rest.ok_or_else(other)?.to_owned();
            Ok(Content::Begun {
                messages,
                begun: begun.to_owned(),
                answer,
            })
        }
        Content::Plain { prompt, completion } => {
            let rest = completion.strip_prefix(begun).ok_or_else(other)?;
            Ok(Content::Plain {
                prompt: prompt + begun,
                completion: rest.to_owned(),
            })
        }
        content => Ok(content),
    }
}
