//! Locates the messages in a rendered conversation.
//!
//! Templates do not mark messages, and they change them: white space around a message is stripped, the thoughts in an
//! answer (`<think>`) are moved or omitted. So the template is run again with marks in place of the words. The white
//! space around the words stays, and so do the tags that the template itself names, because it may look for them.
//! Replacing the marks by the words must reproduce the first rendering; otherwise the template rewrites messages, which
//! is an error.
//!
//! A third run with stripped messages shows which white space beside a mark belongs to the message.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use super::{ChatError, Message, Role};
use crate::tokenizer::Regions;

/// A rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendering {
    /// The text, equal to that of transformers.
    pub(super) text: String,
    /// The positions of the messages, in the text's order. A message without words has none.
    pub(super) spans: Vec<MessageSpan>,
    /// The indices of messages with missing words.
    pub(super) incomplete: Vec<usize>,
}

/// Position of a text of a message: of its thought in a separate field, or of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageSpan {
    /// Index of the message; while the spans are made, of its text.
    pub(super) message: usize,
    /// Byte range from its first to its last byte.
    pub(super) range: Range<usize>,
    /// The words in it, with the white space around them: everything but tags, which the template may have
    /// written instead of the message.
    own: Vec<Range<usize>>,
}

impl Rendering {
    /// Regions for the tokenizer: user and system messages contain no markup, and in assistant messages only tags are
    /// markup.
    pub(super) fn regions(&self, messages: &[Message]) -> Regions {
        let mut text = Vec::new();
        for span in &self.spans {
            match messages[span.message].role {
                Role::Assistant => text.extend(span.own.iter().cloned()),
                Role::System | Role::User | Role::Tool => text.push(span.range.clone()),
            }
        }
        Regions {
            text,
            breaks: Vec::new(),
        }
    }
}

/// Returns the tags that a template's source contains, such as `<think>`, each as opening and closing tag, without
/// special tokens.
pub(super) fn tags_of(source: &str, special_tokens: &[&str]) -> Vec<String> {
    /// Shorter names are HTML tags, or tokens such as `<s>`.
    const MIN_NAME: usize = 3;
    /// Far more than any template handles.
    const MAX_TAGS: usize = 64;
    let mut tags = Vec::new();
    for (at, _) in source.match_indices('<') {
        let rest = &source[at + 1..];
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let len = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            .count();
        if len < MIN_NAME || !rest[len..].starts_with('>') || tags.len() >= MAX_TAGS {
            continue;
        }
        for tag in [
            format!("<{}>", &rest[..len]),
            format!("</{}>", &rest[..len]),
        ] {
            if !tags.contains(&tag) && !special_tokens.contains(&tag.as_str()) {
                tags.push(tag);
            }
        }
    }
    tags
}

/// Renders messages and locates them in the text. `render` runs the template, `tags` are those in its source.
///
/// # Errors
/// The template refuses or rewrites the messages.
pub(super) fn locate(
    render: impl Fn(&[Message]) -> Result<String, ChatError>,
    messages: &[Message],
    tags: &[&str],
) -> Result<Rendering, ChatError> {
    let text = render(messages)?;
    let rewritten = || ChatError::rewritten(messages);
    let slots = slots_of(messages);
    let mark = ('\u{e000}'..='\u{f8ff}')
        .find(|&mark| !text.contains(mark) && slots.iter().all(|s| !s.text.contains(mark)))
        .ok_or_else(rewritten)?;
    let parts: Vec<Parts> = slots.iter().map(|s| Parts::of(s.text, tags)).collect();
    let marked = |is_stripped: bool| {
        let mut marked = messages.to_vec();
        for (i, (slot, parts)) in slots.iter().zip(&parts).enumerate() {
            let text = parts.marked(mark, i, is_stripped);
            let message = &mut marked[slot.message];
            if slot.is_thought {
                message.reasoning = Some(text);
            } else {
                message.content = text;
            }
        }
        Marked::parse(&render(&marked)?, mark, &parts).ok_or_else(rewritten)
    };
    let found = marked(false)?;
    if !found.gives(&text, &parts) {
        return Err(rewritten());
    }
    let has_space = parts.iter().any(Parts::has_outer_space);
    // If stripping also changes other parts of the rendering, it shows nothing about the white space.
    let stripped = if has_space { marked(true).ok() } else { None };
    let stripped = stripped.filter(|stripped| stripped.words == found.words);
    let mut spans = found.spans(&parts, stripped.as_ref());
    for span in &mut spans {
        span.message = slots[span.message].message;
    }
    let there: BTreeSet<(usize, usize)> = found.words.iter().copied().collect();
    let is_cut = |i: &usize| (0..parts[*i].words.len()).any(|j| !there.contains(&(*i, j)));
    let mut incomplete: Vec<usize> = (0..slots.len())
        .filter(is_cut)
        .map(|i| slots[i].message)
        .collect();
    incomplete.dedup();
    Ok(Rendering {
        text,
        spans,
        incomplete,
    })
}

/// A text of a message that a mark can replace.
struct Slot<'a> {
    /// Index of the message.
    message: usize,
    /// Whether it is the thought in a separate field, instead of the content.
    is_thought: bool,
    text: &'a str,
}

/// Returns the texts of messages, in the order in which templates print them.
fn slots_of(messages: &[Message]) -> Vec<Slot<'_>> {
    let mut slots = Vec::with_capacity(messages.len());
    for (
        message,
        Message {
            content, reasoning, ..
        },
    ) in messages.iter().enumerate()
    {
        let thought = reasoning.as_deref().map(|text| (true, text));
        let texts = thought.into_iter().chain([(false, content.as_str())]);
        slots.extend(texts.map(|(is_thought, text)| Slot {
            message,
            is_thought,
            text,
        }));
    }
    slots
}

/// Whether all words of a text are in `rendered`, in order: everything but its tags and the white space beside them.
pub(super) fn survives(text: &str, rendered: &str, tags: &[&str]) -> bool {
    let mut rest = Some(rendered);
    for word in Parts::of(text, tags).words {
        rest = rest
            .and_then(|rest| rest.split_once(word))
            .map(|(_, after)| after);
    }
    rest.is_some()
}

/// Returns the ranges of a text that are not tags.
pub(super) fn words_of(text: &str, tags: &[&str]) -> Vec<Range<usize>> {
    let start = text.as_ptr() as usize;
    let words = Parts::of(text, tags).words;
    let range = |word: &str| {
        let from = word.as_ptr() as usize - start;
        from..from + word.len()
    };
    words.into_iter().map(range).collect()
}

/// A message's text, split into words, and the tags and white space between and around them.
struct Parts<'a> {
    /// The text before the first word.
    lead: &'a str,
    /// Segments without tags, stripped of white space.
    words: Vec<&'a str>,
    /// The tags and white space between the words; one fewer.
    gaps: Vec<&'a str>,
    /// The text after the last word; empty if there are no words.
    trail: &'a str,
}

impl<'a> Parts<'a> {
    fn of(content: &'a str, tags: &[&str]) -> Self {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        let mut add = |range: Range<usize>| {
            let stretch = &content[range.clone()];
            let words = stretch.trim();
            if !words.is_empty() {
                let lead = stretch.len() - stretch.trim_start().len();
                let start = range.start + lead;
                stretches.push(start..start + words.len());
            }
        };
        let mut at = 0;
        let mut from = 0;
        while let Some(offset) = content[at..].find('<') {
            at += offset;
            match tags.iter().find(|tag| content[at..].starts_with(*tag)) {
                Some(tag) => {
                    add(from..at);
                    at += tag.len();
                    from = at;
                }
                None => at += 1,
            }
        }
        add(from..content.len());
        if stretches.is_empty() {
            // A message of only tags counts as words, or it would be lost in the template's text.
            let lead = content.len() - content.trim_start().len();
            stretches
                .extend((!content.trim().is_empty()).then(|| lead..lead + content.trim().len()));
        }
        let words = stretches.iter().map(|range| &content[range.clone()]);
        let between = stretches.windows(2);
        Self {
            words: words.collect(),
            gaps: between
                .map(|pair| &content[pair[0].end..pair[1].start])
                .collect(),
            lead: &content[..stretches.first().map_or(content.len(), |first| first.start)],
            trail: stretches.last().map_or("", |last| &content[last.end..]),
        }
    }

    fn has_outer_space(&self) -> bool {
        let is_space = |text: &str| !text.is_empty() && text.trim().is_empty();
        !self.words.is_empty() && (is_space(self.lead) || is_space(self.trail))
    }

    /// The text with a mark in place of each segment of words.
    fn marked(&self, mark: char, message: usize, is_stripped: bool) -> String {
        let outer = |text: &'a str| {
            let is_left_out = is_stripped && text.trim().is_empty() && !self.words.is_empty();
            if is_left_out { "" } else { text }
        };
        let mut marked = outer(self.lead).to_owned();
        for j in 0..self.words.len() {
            let _ = write!(marked, "{mark}{message}.{j}{mark}");
            marked += self.gaps.get(j).copied().unwrap_or("");
        }
        marked + outer(self.trail)
    }
}

/// A rendering with marks.
struct Marked {
    /// The template's text before, between and after the marks.
    texts: Vec<String>,
    /// The marks as indices of message and segment; one fewer than `texts`.
    words: Vec<(usize, usize)>,
}

impl Marked {
    /// Splits a rendering at its marks; `None` if one is malformed.
    fn parse(rendered: &str, mark: char, parts: &[Parts]) -> Option<Self> {
        let mut marked = Self {
            texts: Vec::new(),
            words: Vec::new(),
        };
        for (i, part) in rendered.split(mark).enumerate() {
            // Marks come in pairs around their numbers, so every second part is a number.
            if i % 2 == 0 {
                marked.texts.push(part.to_owned());
                continue;
            }
            let (message, stretch) = part.split_once('.')?;
            let word: (usize, usize) = (message.parse().ok()?, stretch.parse().ok()?);
            parts.get(word.0)?.words.get(word.1)?;
            marked.words.push(word);
        }
        (marked.texts.len() == marked.words.len() + 1).then_some(marked)
    }

    /// Whether replacing the marks by the words gives `text`.
    fn gives(&self, text: &str, parts: &[Parts]) -> bool {
        let words = self.words.iter().map(|&(i, j)| parts[i].words[j]);
        let pieces = self.texts.iter().map(String::as_str);
        // Texts and words alternate.
        let mut rest = Some(text);
        for (piece, word) in pieces.zip(words.map(Some).chain([None])) {
            rest = rest
                .and_then(|rest| rest.strip_prefix(piece))
                .and_then(|rest| rest.strip_prefix(word.unwrap_or("")));
        }
        rest == Some("")
    }

    fn spans(&self, parts: &[Parts], stripped: Option<&Self>) -> Vec<MessageSpan> {
        let mut spans: Vec<MessageSpan> = Vec::new();
        let mut at = 0;
        let mut last: Option<(usize, usize)> = None;
        for (n, &(i, j)) in self.words.iter().enumerate() {
            let before = self.texts[n].as_str();
            let start = at + before.len();
            let word = start..start + parts[i].words[j].len();
            let is_same = last.is_some_and(|(message, stretch)| message == i && stretch < j);
            match spans.last_mut() {
                Some(span) if is_same => {
                    span.own.push(word.clone());
                    span.range.end = word.end;
                }
                _ => {
                    let (after, lead) = self.outer(n, parts, stripped);
                    if let (Some(span), Some((message, _))) = (spans.last_mut(), last) {
                        span.extend_after(at..at + after, &parts[message]);
                    }
                    let mut span = MessageSpan {
                        message: i,
                        range: word.clone(),
                        own: vec![word.clone()],
                    };
                    span.extend_before(start - lead..start, &parts[i]);
                    spans.push(span);
                }
            }
            last = Some((i, j));
            at = word.end;
        }
        let (after, _) = self.outer(self.words.len(), parts, stripped);
        if let (Some(span), Some((message, _))) = (spans.last_mut(), last) {
            span.extend_after(at..at + after, &parts[message]);
        }
        spans
    }

    /// The number of bytes of the `n`th text that belong to the message before it, and to the message after it.
    fn outer(&self, n: usize, parts: &[Parts], stripped: Option<&Self>) -> (usize, usize) {
        let text = self.texts[n].as_str();
        let before = n.checked_sub(1).map(|n| self.words[n]);
        let trail = before
            .filter(|&(i, j)| j + 1 == parts[i].words.len())
            .map_or("", |(i, _)| parts[i].trail);
        let lead = self
            .words
            .get(n)
            .filter(|(_, j)| *j == 0)
            .map_or("", |&(i, _)| parts[i].lead);
        let is_tag = |text: &str| !text.trim().is_empty();
        // If the message's outer text has a tag, it is either printed unchanged, or the template has written its own.
        let after = if is_tag(trail) {
            common_prefix(text, trail)
        } else {
            0
        };
        let ahead = if is_tag(lead) {
            common_suffix(&text[after..], lead)
        } else {
            0
        };
        let Some(stripped) = stripped else {
            return (after, ahead);
        };
        let (trail, lead) = (
            if is_tag(trail) { "" } else { trail },
            if is_tag(lead) { "" } else { lead },
        );
        let own = stripped.texts[n].as_str();
        // The longest white space that can have been kept.
        let starts = lead.char_indices().map(|(at, _)| at);
        for from in starts.chain([lead.len()]) {
            let Some(rest) = text.strip_suffix(&lead[from..]) else {
                continue;
            };
            if let Some(kept) = rest.strip_suffix(own)
                && trail.starts_with(kept)
            {
                return (after.max(kept.len()), ahead.max(lead.len() - from));
            }
        }
        (after, ahead)
    }
}

/// Length of the prefix of `text` that equals `trail`, or its tags without the white space after them.
fn common_prefix(text: &str, trail: &str) -> usize {
    let tags = trail.trim_end();
    [trail, tags]
        .iter()
        .find(|trail| text.starts_with(**trail))
        .map_or(0, |trail| trail.len())
}

/// Length of the suffix of `text` that equals `lead`, or its tags without the white space before them.
fn common_suffix(text: &str, lead: &str) -> usize {
    let tags = lead.trim_start();
    [lead, tags]
        .iter()
        .find(|lead| text.ends_with(**lead))
        .map_or(0, |lead| lead.len())
}

impl MessageSpan {
    /// Adds bytes before the first word to the message.
    fn extend_before(&mut self, range: Range<usize>, parts: &Parts) {
        if range.is_empty() {
            return;
        }
        self.range.start = range.start;
        if parts.lead.trim().is_empty() {
            self.own.insert(0, range);
        }
    }

    /// Adds bytes after the last word to the message.
    fn extend_after(&mut self, range: Range<usize>, parts: &Parts) {
        if range.is_empty() {
            return;
        }
        self.range.end = range.end;
        if parts.trail.trim().is_empty() {
            self.own.push(range);
        }
    }
}
