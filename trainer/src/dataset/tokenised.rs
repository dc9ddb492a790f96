//! Rows that are tokenised already, and rows of text segments with a mark for each.

use serde_json::Value;

use super::content::Content;
use super::counts::{BadRow, Reason};
use super::reader::{Reader, kind, quoted};

/// The label of a token that is not learned.
const IGNORED: i64 = -100;

/// Reads `input_ids`, with `labels` and `attention_mask` if the row has them. Tokens of padding are left out.
///
/// # Errors
/// A column is no list of whole numbers, the lengths differ, a label is another token, or the padding is inside.
pub(super) fn tokens(
    reader: &Reader,
    ids: &'static str,
    labels: &'static str,
    mask: &'static str,
) -> Result<Content, BadRow> {
    let tokens = integers(reader, ids, reader.value(ids)?)?;
    let same_length = |own: &'static str| -> Result<Option<Vec<i64>>, BadRow> {
        let Some(value) = reader.optional(own)? else {
            return Ok(None);
        };
        let list = integers(reader, own, value)?;
        if list.len() == tokens.len() {
            return Ok(Some(list));
        }
        Err(reader.bad(
            Reason::WrongType,
            &format!(
                "{} has {} values, but {} has {}",
                quoted(reader.name_of(own)),
                list.len(),
                quoted(reader.name_of(ids)),
                tokens.len()
            ),
            "tokenise the row again",
        ))
    };
    let labels_of_tokens = same_length(labels)?.unwrap_or_else(|| tokens.clone());
    let is_kept = match same_length(mask)? {
        Some(mask) => mask.iter().map(|&kept| kept != 0).collect(),
        None => vec![true; tokens.len()],
    };
    let first = is_kept.iter().position(|kept| *kept).unwrap_or(0);
    let last = is_kept
        .iter()
        .rposition(|kept| *kept)
        .map_or(first, |at| at + 1);
    if is_kept[first..last].contains(&false) {
        let problem = format!("{} has a 0 between ones", quoted(reader.name_of(mask)));
        return Err(reader.bad(
            Reason::WrongType,
            &problem,
            "only tokens at the start and the end of a row can be padding",
        ));
    }
    let mut text = Vec::with_capacity(last - first);
    let mut supervised = Vec::with_capacity(last - first);
    for at in first..last {
        let (token, label) = (tokens[at], labels_of_tokens[at]);
        let id = u32::try_from(token).map_err(|_| {
            reader.bad(
                Reason::WrongType,
                &format!(
                    "{}[{at}] is {token}, which is no token",
                    reader.name_of(ids)
                ),
                "tokenise the row again",
            )
        })?;
        if label != IGNORED && label != token {
            return Err(reader.bad(
                Reason::WrongType,
                &format!(
                    "{}[{at}] is {label}, expected {IGNORED} or the token, {token}",
                    reader.name_of(labels)
                ),
                "labels are not shifted: a label is that of the token in the same place",
            ));
        }
        text.push(id);
        supervised.push(label != IGNORED);
    }
    Ok(Content::Tokens {
        ids: text,
        supervised,
    })
}

/// Reads a list of `{"label": true, "text": "..."}`: only segments with the label are learned.
///
/// # Errors
/// The column is no such list.
pub(super) fn segments(reader: &Reader, own: &'static str) -> Result<Content, BadRow> {
    let value = reader.value(own)?;
    let name = reader.name_of(own);
    let wrong = |at: &str, found: &str, expected: &str| {
        let problem = format!(
            "{} is {found}, expected {expected}",
            quoted(&format!("{name}{at}"))
        );
        reader.bad(
            Reason::WrongType,
            &problem,
            "choose another format or column",
        )
    };
    let list = value
        .as_array()
        .ok_or_else(|| wrong("", kind(value), "a list of segments"))?;
    let mut segments = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let label = match item.get("label") {
            Some(Value::Bool(label)) => *label,
            Some(Value::Number(label)) if label.as_u64().is_some_and(|label| label <= 1) => {
                label.as_u64() == Some(1)
            }
            other => {
                let found = other.map_or("missing", kind);
                return Err(wrong(&format!("[{at}].label"), found, "a boolean"));
            }
        };
        let text = item.get("text").and_then(Value::as_str).ok_or_else(|| {
            let found = item.get("text").map_or("missing", kind);
            wrong(&format!("[{at}].text"), found, "text")
        })?;
        segments.push((label, text.to_owned()));
    }
    Ok(Content::Segments(segments))
}

fn integers(reader: &Reader, own: &'static str, value: &Value) -> Result<Vec<i64>, BadRow> {
    let wrong = |at: &str, found: &str| {
        let name = quoted(&format!("{}{at}", reader.name_of(own)));
        reader.bad(
            Reason::WrongType,
            &format!("{name} is {found}, expected a list of whole numbers"),
            "choose another format or column",
        )
    };
    // CSV files hold lists as text.
    let parsed: Value;
    let value = match value {
        Value::String(text) => {
            parsed = serde_json::from_str(text).map_err(|_| wrong("", "text"))?;
            &parsed
        }
        value => value,
    };
    let list = value.as_array().ok_or_else(|| wrong("", kind(value)))?;
    list.iter()
        .enumerate()
        .map(|(at, item)| {
            let found = match item {
                // Masks are booleans in some files.
                Value::Bool(value) => Some(i64::from(*value)),
                item => item.as_i64(),
            };
            found.ok_or_else(|| wrong(&format!("[{at}]"), kind(item)))
        })
        .collect()
}
