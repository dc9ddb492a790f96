//! Escapes strings to safe pieces of GitHub Markdown: text, names and code.
//!
//! Programs and completions are written by a model, and names come from file names: none of them may end a table, a
//! fence or a `<details>` block, become HTML, or hide characters.

use std::fmt::Write as _;

/// Longer names are cut.
const NAME_CHARS: usize = 120;

/// Longer lines of code are cut, so that a page of GitHub's width shows the others without scrolling; the records keep
/// the whole text.
const CODE_LINE_CHARS: usize = 100;

/// Further lines of code are omitted.
const CODE_LINES: usize = 60;

/// Escapes plain text for paragraphs, headings, table cells and HTML blocks. Characters that are no markup in their
/// place are kept, such as the underscore in `snake_case`.
pub(crate) fn text(text: &str) -> String {
    let mut escaped = String::new();
    let mut before = None;
    let mut letters = text.chars().map(visible).peekable();
    while let Some(c) = letters.next() {
        let in_word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
        let is_markup = match c {
            '_' => !(in_word(before.as_ref()) && in_word(letters.peek())),
            // Starts of a quotation, a list, an underlined heading; a link.
            '>' | '-' | '+' | '=' => before.is_none(),
            ':' => letters.peek() == Some(&'/'),
            c => "\\`*|<[]&~#$".contains(c),
        };
        if is_markup {
            push_entity(&mut escaped, c);
        } else {
            escaped.push(c);
        }
        before = Some(c);
    }
    escaped
}

/// Appends an HTML entity, which is never parsed as Markdown.
fn push_entity(text: &mut String, c: char) {
    // Writing to a string cannot fail.
    let _ = write!(text, "&#{};", u32::from(c));
}

/// Escapes a name as inline code, safe inside table cells and HTML blocks.
pub(crate) fn name(text: &str) -> String {
    let shown: String = cut(text, NAME_CHARS).chars().map(visible).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+:=,() ".contains(c);
    if shown.chars().all(plain) && shown.trim() == shown && !shown.is_empty() {
        return format!("`{shown}`");
    }
    let mut escaped = String::new();
    for c in shown.chars() {
        if c.is_ascii_punctuation() {
            push_entity(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    format!("<code>{escaped}</code>")
}

/// Escapes a path or a command as inline code, safe inside table cells.
pub(crate) fn code(text: &str) -> String {
    let shown = line(text).replace('`', "'").replace('|', "\\|");
    format!("`{shown}`")
}

/// Escapes text whose parts between backticks are code.
pub(crate) fn prose(mixed: &str) -> String {
    let parts = mixed.split('`').enumerate();
    let shown = parts.map(|(at, part)| if at % 2 == 0 { text(part) } else { code(part) });
    shown.collect()
}

/// Escapes one line of an indented code block.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Renders a fenced code block, cut to a readable size.
pub(crate) fn code_block(language: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut body: Vec<String> = lines
        .iter()
        .take(CODE_LINES)
        .map(|line| cut_line(line).chars().map(visible_in_code).collect())
        .collect();
    if lines.len() > CODE_LINES {
        body.push(format!("… ({} more lines)", lines.len() - CODE_LINES));
    }
    fenced(language, &body.join("\n"))
}

/// Renders a fenced code block with every line of `text`, for text to be copied.
pub(crate) fn whole_code_block(language: &str, text: &str) -> String {
    let shown: String = text
        .trim_end()
        .lines()
        .map(|line| {
            line.chars()
                .map(visible_in_code)
                .chain(['\n'])
                .collect::<String>()
        })
        .collect();
    fenced(language, shown.trim_end())
}

/// Fences a block. A fence ends at an equally long run of backticks, so this one is longer than any inside.
fn fenced(language: &str, body: &str) -> String {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{body}\n{fence}\n")
}

/// Cuts a line of code, so that it and the note on what is missing have at most [`CODE_LINE_CHARS`] characters.
fn cut_line(line: &str) -> String {
    const NOTE_CHARS: usize = 24;
    if line.chars().count() <= CODE_LINE_CHARS {
        return line.to_owned();
    }
    cut(line, CODE_LINE_CHARS - NOTE_CHARS)
}

fn cut(text: &str, limit: usize) -> String {
    let chars = text.chars().count();
    if chars <= limit {
        return text.to_owned();
    }
    let start: String = text.chars().take(limit).collect();
    format!("{start}… (+{} characters)", chars - limit)
}

/// Replaces control and direction characters, which could reorder or hide text.
fn visible(c: char) -> char {
    let reorders =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if c.is_control() || reorders || breaks {
        '\u{fffd}'
    } else {
        c
    }
}

fn visible_in_code(c: char) -> char {
    if c == '\t' { c } else { visible(c) }
}

/// Escapes a name as HTML, for places where Markdown is not parsed.
pub(crate) fn html_name(text: &str) -> String {
    let shown = name(text);
    match shown
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
    {
        Some(plain) => format!("<code>{plain}</code>"),
        None => shown,
    }
}
