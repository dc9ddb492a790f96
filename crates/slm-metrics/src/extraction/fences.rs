//! Code blocks in Markdown as models write it: indented, quoted, on one line, or with code directly after the fence.

use std::borrow::Cow;

/// Columns by which a closing fence may be indented deeper than its opening one (`CommonMark` 4.5).
const CLOSER_INDENT: usize = 3;
/// Length of the shortest fence.
const SHORTEST: usize = 3;
const TAB_STOP: usize = 4;

/// A block's language, as far as relevant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    /// None, or a word that names no language.
    Unknown,
    Other,
}

/// The contents of a block, without the indentation and the quote markers of its fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub(super) language: Language,
    pub(super) code: Cow<'a, str>,
}

/// A text divided into its blocks and the parts between them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Markdown<'a> {
    pub(super) blocks: Vec<Block<'a>>,
    /// The parts outside the blocks, in order, including empty ones.
    pub(super) outside: Vec<&'a str>,
    /// From the first opening fence to the last closing one, if there are several blocks: fences inside a
    /// docstring belong to one program.
    pub(super) widest: Option<&'a str>,
}

/// The opening fence of a block.
#[derive(Debug, Clone, Copy)]
struct Opening {
    mark: char,
    len: usize,
    quotes: usize,
    indent: usize,
    language: Language,
    /// Offset of its contents in the text.
    start: usize,
}

/// Divides a text at its fences; an unclosed one extends to the end.
pub(super) fn split(text: &str) -> Markdown<'_> {
    let mut scan = Scan {
        text,
        found: Markdown::default(),
        outside_from: 0,
        first_inside: None,
        last_close: None,
    };
    let mut open: Option<Opening> = None;
    let (mut at, mut end) = (0, 0);
    while at < text.len() {
        // A line may be processed in several steps.
        if at >= end {
            end = text[at..].find('\n').map_or(text.len(), |n| at + n + 1);
        }
        at = match open {
            None => scan.outside_line(at, end, &mut open),
            Some(opening) => scan.inside_line(opening, at, end, &mut open),
        };
    }
    match open {
        Some(opening) => scan.close(opening, text.len(), text.len()),
        None => scan.found.outside.push(&text[scan.outside_from..]),
    }
    if let (Some(first), Some(last)) = (scan.first_inside, scan.last_close)
        && first < last
        && scan.found.blocks.len() > 1
    {
        scan.found.widest = Some(&text[first..last]);
    }
    scan.found
}

/// Returns definitions that are marked as code only by indentation: after an empty line, dedented by the
/// indentation of their first line. Lines indented below a statement are part of it.
pub(super) fn indented(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part: Option<(usize, String)> = None;
    let (mut previous, mut after_blank) = ("", true);
    for line in text.split_inclusive('\n') {
        let columns = indent_columns(line);
        let is_blank = line.trim().is_empty();
        part = match part {
            Some((indent, mut code)) if is_blank || columns >= indent => {
                code.push_str(if is_blank {
                    "\n"
                } else {
                    without_columns(line, indent)
                });
                Some((indent, code))
            }
            ended => {
                parts.extend(ended.map(|(_, code)| code));
                let begins = columns > 0
                    && after_blank
                    && !opens_suite(previous)
                    && begins_statement(line.trim_start());
                begins.then(|| (columns, without_columns(line, columns).to_owned()))
            }
        };
        after_blank = is_blank;
        if !is_blank {
            previous = line;
        }
    }
    parts.extend(part.map(|(_, code)| code));
    parts
}

struct Scan<'a> {
    text: &'a str,
    found: Markdown<'a>,
    /// Start of the current part outside the blocks.
    outside_from: usize,
    /// Start of the first block's contents, if its fence is not indented.
    first_inside: Option<usize>,
    last_close: Option<usize>,
}

impl Scan<'_> {
    /// Processes a line outside the blocks; returns the offset to continue at.
    fn outside_line(&mut self, at: usize, end: usize, open: &mut Option<Opening>) -> usize {
        let line = &self.text[at..end];
        let Some(fence) = Fence::find(line) else {
            return end;
        };
        let inside = at + fence.after;
        if fence.mark == '`'
            && let Some(n) = run_of(&line[fence.after..], fence.len)
        {
            // A block on one line; another may follow on the same line.
            let close = inside + n;
            let (language, skipped) = one_line_language(&self.text[inside..close]);
            self.keep_outside(at + fence.start);
            self.found.blocks.push(Block {
                language,
                code: Cow::Borrowed(&self.text[inside + skipped..close]),
            });
            let after = &self.text[close..end];
            let next = close + (after.len() - after.trim_start_matches('`').len());
            self.outside_from = next;
            return next;
        }
        let after = line[fence.after..].trim_end_matches(['\r', '\n']);
        let Some((language, skipped)) = info(after).filter(|_| {
            // After other words, a fence must end its line or be followed by a language name.
            fence.leads || !after.trim().contains(char::is_whitespace)
        }) else {
            return end;
        };
        self.keep_outside(at + fence.start);
        let start = skipped.map_or(end, |skipped| inside + skipped);
        if self.found.blocks.is_empty() && fence.quotes == 0 && fence.indent == 0 {
            self.first_inside = Some(start);
        }
        *open = Some(Opening {
            mark: fence.mark,
            len: fence.len,
            quotes: fence.quotes,
            indent: fence.indent,
            language,
            start,
        });
        // Code directly after an opening fence is the first line of its block, which it may also close.
        start
    }

    /// Processes a line of a block; returns the offset to continue at.
    fn inside_line(
        &mut self,
        opening: Opening,
        at: usize,
        end: usize,
        open: &mut Option<Opening>,
    ) -> usize {
        let line = &self.text[at..end];
        let Some(unquoted) = unquoted(line, opening.quotes) else {
            // The quotation ends, and with it all blocks in it.
            self.close(opening, at, at);
            *open = None;
            return at;
        };
        let content = unquoted.trim_end();
        let bare = content.trim_start();
        let run = bare.len() - bare.trim_start_matches(opening.mark).len();
        let columns = indent_columns(unquoted);
        if run >= opening.len && columns <= opening.indent + CLOSER_INDENT {
            let rest = &bare[run..];
            if rest.is_empty() {
                self.close(opening, at, end);
                *open = None;
                return end;
            }
            if opening.mark == '`' && !rest.contains('`') {
                // No line of Python begins like this: an unclosed block, followed by the next one or by prose.
                let after = self.offset_of(rest);
                let opens_next = matches!(info(rest), Some((Language::Python, None)));
                self.close(opening, at, if opens_next { at } else { after });
                *open = None;
                return if opens_next { at } else { end };
            }
        }
        let before = content.trim_end_matches(opening.mark);
        if opening.mark == '`'
            && content.len() - before.len() >= opening.len
            && !before.contains("```")
            && !before.trim().is_empty()
        {
            self.close(opening, self.offset_of(before) + before.len(), end);
            *open = None;
        }
        end
    }

    /// Returns the offset of a part of the text.
    fn offset_of(&self, part: &str) -> usize {
        part.as_ptr() as usize - self.text.as_ptr() as usize
    }

    fn keep_outside(&mut self, until: usize) {
        self.found
            .outside
            .push(&self.text[self.outside_from..until]);
    }

    fn close(&mut self, opening: Opening, inside_end: usize, outside_from: usize) {
        let inside = &self.text[opening.start..inside_end.max(opening.start)];
        let code = if opening.quotes == 0 && opening.indent == 0 {
            Cow::Borrowed(inside)
        } else {
            let lines = inside.split_inclusive('\n');
            Cow::Owned(
                lines
                    .map(|line| {
                        let line = unquoted(line, opening.quotes).unwrap_or(line);
                        without_columns(line, opening.indent)
                    })
                    .collect(),
            )
        };
        self.found.blocks.push(Block {
            language: opening.language,
            code,
        });
        self.outside_from = outside_from;
        self.last_close = Some(inside_end);
    }
}

/// A run of fence characters on a line.
#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: char,
    len: usize,
    quotes: usize,
    indent: usize,
    /// Offsets of the run's start and end in the line.
    start: usize,
    after: usize,
    /// Whether only container markers precede it.
    leads: bool,
}

impl Fence {
    /// Returns the first fence of a line: at its beginning, in a quotation or list, or (only backticks) after words.
    fn find(line: &str) -> Option<Self> {
        let (quotes, indent, rest) = container(line);
        let fence = |mark: char, indent, rest: &str, leads| {
            let len = rest.len() - rest.trim_start_matches(mark).len();
            let start = line.len() - rest.len();
            (len >= SHORTEST).then_some(Self {
                mark,
                len,
                quotes,
                indent,
                start,
                after: start + len,
                leads,
            })
        };
        let at_start = |indent, rest: &str| {
            let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
            fence(mark, indent, rest, true)
        };
        if let Some(found) = at_start(indent, rest) {
            return Some(found);
        }
        let marker = list_marker(rest);
        if marker > 0
            && let Some(found) = at_start(indent + marker, &rest[marker..])
        {
            return Some(found);
        }
        let at = run_of(rest, SHORTEST)?;
        // A block that begins after words has the indentation of its line.
        fence('`', indent, &rest[at..], false)
    }
}

/// Returns the number of quote markers before a line's content, the columns of white space after them, and the
/// content.
fn container(line: &str) -> (usize, usize, &str) {
    let (mut quotes, mut rest) = (0, line);
    loop {
        let content = rest.trim_start_matches([' ', '\t']);
        match content.strip_prefix('>') {
            // `>>>` is the prompt of Python's interpreter.
            Some(after) if !content.starts_with(">>>") => {
                quotes += 1;
                rest = after.strip_prefix(' ').unwrap_or(after);
            }
            _ => return (quotes, indent_columns(rest), content),
        }
    }
}

/// Returns a quoted line without its markers; `None` if it has fewer of them.
fn unquoted(line: &str, quotes: usize) -> Option<&str> {
    let mut rest = line;
    for _ in 0..quotes {
        let after = rest.trim_start_matches([' ', '\t']).strip_prefix('>')?;
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Some(rest)
}

/// Returns the length in bytes of a list marker and the spaces after it; 0 if there is none.
fn list_marker(text: &str) -> usize {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let marker = match text[digits..].chars().next() {
        Some('-' | '*' | '+') if digits == 0 => 1,
        Some('.' | ')') if (1..=9).contains(&digits) => digits + 1,
        _ => return 0,
    };
    let spaces = text[marker..].len() - text[marker..].trim_start_matches(' ').len();
    if spaces == 0 { 0 } else { marker + spaces }
}

fn indent_columns(line: &str) -> usize {
    let mut columns = 0;
    for c in line.chars() {
        match c {
            ' ' => columns += 1,
            '\t' => columns += TAB_STOP - columns % TAB_STOP,
            _ => break,
        }
    }
    columns
}

/// Returns a line with its indentation reduced by that many columns.
fn without_columns(line: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, c) in line.char_indices() {
        let width = match c {
            ' ' => 1,
            '\t' => TAB_STOP - taken % TAB_STOP,
            _ => return &line[at..],
        };
        if taken >= columns {
            return &line[at..];
        }
        taken += width;
    }
    ""
}

/// Returns the start of the first run of at least `len` backticks.
fn run_of(text: &str, len: usize) -> Option<usize> {
    let mut run = 0;
    for (at, byte) in text.bytes().enumerate() {
        run = if byte == b'`' { run + 1 } else { 0 };
        if run == len {
            return Some(at + 1 - len);
        }
    }
    None
}

/// Returns the language after an opening fence, and the offset of code that directly follows it; `None` if the
/// text is neither.
fn info(text: &str) -> Option<(Language, Option<usize>)> {
    let trimmed = text.trim();
    let word_end = trimmed
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '#' | '.')))
        .unwrap_or(trimmed.len());
    let (word, rest) = trimmed.split_at(word_end);
    let lead = text.len() - text.trim_start().len();
    if rest.is_empty() && glued_keyword(word).is_none() {
        return Some((language(word), None));
    }
    // Attributes: ```{.python .numberLines}, ```python title="a.py"
    if trimmed.starts_with('{') {
        let python = trimmed.to_ascii_lowercase().contains("python");
        let language = if python {
            Language::Python
        } else {
            Language::Unknown
        };
        return Some((language, None));
    }
    if let Some(keyword) = glued_keyword(word) {
        // ```pythondef f(x):
        return Some((Language::Python, Some(lead + word.len() - keyword.len())));
    }
    if language(word) == Language::Python {
        let rest = rest.trim_start();
        let key = rest.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let has_attributes =
            rest.starts_with('{') || key.starts_with("=\"") || key.starts_with("='");
        let glued = lead + trimmed.len() - rest.len();
        return Some((Language::Python, (!has_attributes).then_some(glued)));
    }
    if begins_statement(trimmed) {
        return Some((Language::Unknown, Some(lead)));
    }
    (language(word) == Language::Other && !word.is_empty() && !trimmed.contains('`'))
        .then_some((Language::Other, None))
}

/// Returns the language of a one-line block, and the length in bytes of its name.
fn one_line_language(text: &str) -> (Language, usize) {
    let word_end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..word_end];
    if word_end < text.len() && language(word) == Language::Python {
        let rest = text[word_end..].trim_start();
        (Language::Python, text.len() - rest.len())
    } else {
        (Language::Unknown, 0)
    }
}

/// Returns a keyword that directly follows the name of the language.
fn glued_keyword(word: &str) -> Option<&str> {
    ["python3", "python", "py3", "py"]
        .iter()
        .filter_map(|name| word.strip_prefix(name))
        .find(|rest| matches!(*rest, "def" | "class" | "import" | "from" | "async"))
}

fn begins_statement(text: &str) -> bool {
    ["def ", "class ", "import ", "from ", "async def ", "@"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Returns whether a line is the header of a compound statement.
fn opens_suite(line: &str) -> bool {
    let line = line.trim();
    let word = line.split([' ', ':', '(']).next().unwrap_or_default();
    let keywords = [
        "class", "def", "async", "if", "elif", "else", "for", "while", "with", "try", "except",
        "finally", "match", "case",
    ];
    line.ends_with(':') && keywords.contains(&word)
}

fn language(word: &str) -> Language {
    match word.to_ascii_lowercase().as_str() {
        "python" | "py" | "python3" | "py3" | "python2" | "ipython" | "ipython3" | "sage" => {
            Language::Python
        }
        "" | "code" | "plaintext" | "plain" | "text" | "txt" => Language::Unknown,
        _ => Language::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<String> {
        let found = split(text).blocks;
        found
            .into_iter()
            .map(|block| block.code.into_owned())
            .collect()
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(blocks(text), expected, "{text:?}");
    }

    #[test]
    fn blocks_stand_between_their_fences() {
        check("```\na\n```\nb\n~~~py\nc\n~~~\n", &["a\n", "c\n"]);
        check("````\n```\na\n```\n````\n", &["```\na\n```\n"]);
        check("```python\na\r\n```\r\n", &["a\r\n"]);
        check("```python\na", &["a"]);
        check("no block `at` all ``b``\n", &[]);
        assert_eq!(split("a\n```\nb\n```\nc").outside, ["a\n", "c"]);
        assert_eq!(split("a\n```\nb").outside, ["a\n"]);
    }

    #[test]
    fn indented_and_quoted_fences_give_their_margin_up() {
        check(
            "1. A:\n\n   ```python\n   a\n     b\n   ```\n2. B\n",
            &["a\n  b\n"],
        );
        check("    ```\n    a\n    ```\n", &["a\n"]);
        check("\t```\n\ta\n\t\tb\n\t```\n", &["a\n\tb\n"]);
        check("- ```python\n  a\n  ```\n", &["a\n"]);
        check("10. ```\n    a\n    ```\n", &["a\n"]);
        check("> ```python\n> a\n>   b\n> ```\n", &["a\n  b\n"]);
        check("> > ```\n> > a\n> > ```\n", &["a\n"]);
        check("> ```\n> a\nb\n", &["a\n"]);
    }

    #[test]
    fn code_may_be_glued_to_a_fence() {
        check("```python a = 1```", &["a = 1"]);
        check(
            "Use ```def f(): pass``` or ```py x```.",
            &["def f(): pass", "x"],
        );
        check(
            "```python def f():\n    pass\n```\n",
            &["def f():\n    pass\n"],
        );
        check(
            "```pythondef f():\n    pass\n```\n",
            &["def f():\n    pass\n"],
        );
        check("Here:```python\na\n```\n", &["a\n"]);
        check("```python\na\nb```\n", &["a\nb"]);
        check("```python\na\n```Done.\n", &["a\n"]);
        check("```python title=\"a.py\"\na\n```\n", &["a\n"]);
        check("```{.python}\na\n```\n", &["a\n"]);
    }

    #[test]
    fn an_opening_fence_ends_a_block_that_was_not_closed() {
        check("```python\na\n```python\nb\n```\n", &["a\n", "b\n"]);
    }

    #[test]
    fn code_may_be_indented_without_a_fence() {
        let text = "So:\n\n    def f():\n        pass\n\n    x = 1\nDone.\n\n  @a\n  def g(): pass";
        assert_eq!(
            indented(text),
            ["def f():\n    pass\n\nx = 1\n", "@a\ndef g(): pass"]
        );
        assert!(indented("a\n  b\n").is_empty());
        assert!(indented("class A:\n\n    def f(self): pass\n").is_empty());
    }

    #[test]
    fn a_fence_deeper_than_its_block_belongs_to_it() {
        check("```\na\n    ```\nb\n```\n", &["a\n    ```\nb\n"]);
        let text = "```\n\"\"\"\n```\na\n```\n\"\"\"\nb\n```\n";
        assert_eq!(split(text).widest, Some("\"\"\"\n```\na\n```\n\"\"\"\nb\n"));
    }

    #[test]
    fn hostile_fences_take_linear_time() {
        for text in [
            "`".repeat(1 << 20),
            "```\n".repeat(1 << 18),
            "``` ".repeat(1 << 18),
            "> ".repeat(1 << 19),
            format!("{}```", "> ".repeat(1 << 16)),
            "- ".repeat(1 << 19),
            "~".repeat(1 << 20),
            format!("```{}", "a```b\n".repeat(1 << 16)),
        ] {
            let start = std::time::Instant::now();
            let found = split(&text);
            let n: usize = found.blocks.iter().map(|block| block.code.len()).sum();
            assert!(n <= text.len());
            assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        }
    }
}
