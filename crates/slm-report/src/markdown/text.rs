//! Safe pieces of GitHub Markdown: names, tables and code.
//!
//! Programs and completions are written by a model, and names by whoever named a file: none of them may end a
//! table, a fence or a `<details>` block, become HTML, or hide characters.

use std::fmt::Write as _;

/// A longer name is cut.
const NAME_CHARS: usize = 120;

/// Longer lines of code are cut: a report is read, and records keep the whole text.
const CODE_LINE_CHARS: usize = 120;

/// Further lines of code are left out.
const CODE_LINES: usize = 60;

/// A name as inline code, safe inside table cells and HTML blocks.
pub(super) fn name(text: &str) -> String {
    let shown: String = cut(text, NAME_CHARS).chars().map(visible).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+:=,() ".contains(c);
    if shown.chars().all(plain) && shown.trim() == shown && !shown.is_empty() {
        return format!("`{shown}`");
    }
    // Entities are never Markdown, wherever they stand.
    let escaped: String = shown
        .chars()
        .map(|c| {
            if c.is_ascii_punctuation() {
                format!("&#{};", u32::from(c))
            } else {
                c.to_string()
            }
        })
        .collect();
    format!("<code>{escaped}</code>")
}

/// A fenced code block, cut to a readable size.
pub(super) fn code_block(language: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut body: Vec<String> = lines
        .iter()
        .take(CODE_LINES)
        .map(|line| {
            cut(line, CODE_LINE_CHARS)
                .chars()
                .map(visible_in_code)
                .collect()
        })
        .collect();
    if lines.len() > CODE_LINES {
        body.push(format!("… ({} more lines)", lines.len() - CODE_LINES));
    }
    fenced(language, &body.join("\n"))
}

/// A fenced code block with every line of `text`, for what is to be copied.
pub(super) fn whole_code_block(language: &str, text: &str) -> String {
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

/// A fence is closed by a run of backticks as long as its own: ours is longer than any inside.
fn fenced(language: &str, body: &str) -> String {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{body}\n{fence}\n")
}

fn cut(text: &str, limit: usize) -> String {
    let chars = text.chars().count();
    if chars <= limit {
        return text.to_owned();
    }
    let start: String = text.chars().take(limit).collect();
    format!("{start}… (+{} characters)", chars - limit)
}

/// Control and direction characters as a replacement character: unseen they could reorder or hide text.
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

/// A table whose first `text_columns` columns hold text and the others numbers. Cells must be safe already.
pub(super) fn table(header: &[&str], text_columns: usize, rows: &[Vec<String>]) -> String {
    let mut page = format!("| {} |\n|", header.join(" | "));
    for column in 0..header.len() {
        page.push_str(if column < text_columns {
            " --- |"
        } else {
            " ---: |"
        });
    }
    page.push('\n');
    for row in rows {
        debug_assert_eq!(row.len(), header.len(), "{row:?}");
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
    page
}

/// A block that opens on a click. `summary` must be safe HTML; `body` is Markdown.
pub(super) fn details(summary: &str, body: &str) -> String {
    format!(
        "<details>\n<summary>{summary}</summary>\n\n{}\n\n</details>\n",
        body.trim_end()
    )
}

/// A name as HTML, for places where Markdown is not read.
pub(super) fn html_name(text: &str) -> String {
    let shown = name(text);
    match shown
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
    {
        Some(plain) => format!("<code>{plain}</code>"),
        None => shown,
    }
}
