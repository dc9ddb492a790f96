//! Code inside of texts: fenced and indented blocks, interactive examples, and code in strings and comments.

use slm_metrics::syntax::{CodeToken, CodeTokenKind};

/// Lines of a text that may be code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The code without its common indentation.
    pub(super) text: String,
    /// The line of the file that each line of the code has.
    pub(super) numbers: Vec<usize>,
}

/// A line of a text and its number in the file.
type Line<'a> = (usize, &'a str);

impl Block {
    fn of(lines: &[Line<'_>]) -> Self {
        let indent_of = |line: &str| line.len() - line.trim_start().len();
        let indent = lines
            .iter()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(_, line)| indent_of(line))
            .min()
            .unwrap_or(0);
        let mut text = String::new();
        for (_, line) in lines {
            text.push_str(line.get(indent..).unwrap_or_default());
            text.push('\n');
        }
        Self {
            text,
            numbers: lines.iter().map(|(number, _)| *number).collect(),
        }
    }

    /// Returns the line of the file that has line `number` of the code.
    pub(super) fn line(&self, number: usize) -> usize {
        let last = self.numbers.last().copied().unwrap_or(1);
        let place = number.saturating_sub(1);
        self.numbers.get(place).copied().unwrap_or(last)
    }
}

/// Returns the blocks of a text whose first line has a number: the whole, each paragraph, each run of indented lines, and
/// the contents of fences and interactive examples. A line may be in several blocks. Marks of quotes are removed.
pub(super) fn of_text(text: &str, first_line: usize) -> Vec<Block> {
    let lines: Vec<Line<'_>> = (first_line..).zip(text.lines().map(unquoted)).collect();
    of_lines(&lines)
}

fn of_lines(lines: &[Line<'_>]) -> Vec<Block> {
    let mut blocks = vec![Block::of(lines)];
    let is_blank = |line: &Line<'_>| line.1.trim().is_empty();
    blocks.extend(
        lines
            .split(is_blank)
            .filter(|part| !part.is_empty() && part.len() < lines.len())
            .map(Block::of),
    );
    let is_outer = |line: &Line<'_>| !is_blank(line) && !line.1.starts_with([' ', '\t']);
    blocks.extend(
        lines
            .split(is_outer)
            .filter(|lines| !lines.iter().all(is_blank))
            .map(Block::of),
    );
    blocks.extend(fences(lines));
    blocks.extend(examples(lines));
    blocks
}

/// Removes the marks of a quote before a line, but not the prompt of an interactive example.
fn unquoted(line: &str) -> &str {
    let mut rest = line;
    while let Some(inner) = rest.trim_start().strip_prefix('>') {
        if inner.starts_with('>') {
            break;
        }
        rest = inner.strip_prefix(' ').unwrap_or(inner);
    }
    rest
}

fn fences(lines: &[Line<'_>]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    for (at, (_, line)) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        // A fence in a list starts after the item's mark.
        let trimmed = trimmed.trim_start_matches(['-', '*', '+', ' ']);
        match open {
            None => {
                let mark = ["```", "~~~"]
                    .into_iter()
                    .find(|of| trimmed.starts_with(of));
                open = mark.map(|mark| (mark, at + 1));
            }
            Some((mark, from)) if trimmed.starts_with(mark) => {
                blocks.push(Block::of(&lines[from..at]));
                open = None;
            }
            Some(_) => {}
        }
    }
    if let Some((_, from)) = open {
        blocks.push(Block::of(&lines[from..]));
    }
    blocks
}

/// Returns the code of interactive examples; outputs and text between them are left out, so that code in several
/// examples is one block.
fn examples(lines: &[Line<'_>]) -> Option<Block> {
    let mut code = Vec::new();
    let mut is_continued = false;
    for (number, line) in lines {
        let trimmed = line.trim_start();
        let marks: &[&str] = if is_continued {
            &[">>>", "..."]
        } else {
            &[">>>"]
        };
        let rest = marks.iter().find_map(|mark| trimmed.strip_prefix(mark));
        is_continued = rest.is_some();
        if let Some(rest) = rest {
            code.push((*number, rest.strip_prefix(' ').unwrap_or(rest)));
        }
    }
    (!code.is_empty()).then(|| Block::of(&code))
}

/// Returns the blocks inside the strings over several lines and the comments of a Python file.
pub(super) fn of_python(text: &str, tokens: &[CodeToken]) -> Vec<Block> {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut blocks = Vec::new();
    for token in tokens {
        let is_text = matches!(token.kind, CodeTokenKind::Text | CodeTokenKind::BareText);
        if is_text && token.lines.1 > token.lines.0 {
            let marks = |c: char| c.is_ascii_alphabetic() || c == '"' || c == '\'';
            let inner = match token.text.find(['"', '\'']) {
                Some(at) if at <= 2 => token.text[at..].trim_matches(['"', '\'']),
                _ => token.text.trim_end_matches(marks),
            };
            blocks.extend(of_text(inner, token.lines.0));
        }
    }
    let mut run: Vec<Line<'_>> = Vec::new();
    let comments = tokens.iter().filter(|t| t.kind == CodeTokenKind::Comment);
    for comment in comments {
        let number = comment.lines.0;
        let line = lines.get(number - 1).copied().unwrap_or_default();
        if !line.trim_start().starts_with('#') {
            continue;
        }
        let follows = run.last().is_some_and(|(last, _)| last + 1 == number);
        if !follows {
            end_comments(&mut run, &mut blocks);
        }
        let inner = line.trim_start().trim_start_matches('#');
        run.push((number, inner.strip_prefix(' ').unwrap_or(inner)));
    }
    end_comments(&mut run, &mut blocks);
    blocks
}

fn end_comments(run: &mut Vec<Line<'_>>, blocks: &mut Vec<Block>) {
    if !run.is_empty() {
        blocks.extend(of_lines(run));
        run.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_metrics::syntax::code_tokens;

    #[track_caller]
    fn check(blocks: &[Block], text: &str, numbers: &[usize]) {
        let found = blocks
            .iter()
            .any(|block| block.text == text && block.numbers == numbers);
        assert!(found, "{text:?} not in {blocks:#?}");
    }

    #[test]
    fn fenced_indented_quoted_and_interactive_code_is_found() {
        let text = "Text.\n\n- ```python\n  a = 1\n\n  b = 2\n  ```\n\nText::\n\n    c = 3\n\n    d = 4\n\n> e = 5\n\n>>> f = 6\n... g = 7\nout\n>>> h\n";
        let blocks = of_text(text, 11);
        check(&blocks, "a = 1\n\nb = 2\n", &[14, 15, 16]);
        check(&blocks, "\nc = 3\n\nd = 4\n\n", &[20, 21, 22, 23, 24]);
        check(&blocks, "e = 5\n", &[25]);
        check(&blocks, "f = 6\ng = 7\nh\n", &[27, 28, 30]);
        assert_eq!(blocks[0].line(1), 11);
    }

    #[test]
    fn code_in_strings_and_comments_is_found() {
        let text = "def f():\n    \"\"\"Doc.\n\n        x = 1\n    \"\"\"\n    # y = 2\n    # z = 3\n    return 1  # no\n";
        let blocks = of_python(text, &code_tokens(text).expect("tokens"));
        check(&blocks, "x = 1\n", &[4]);
        check(&blocks, "y = 2\nz = 3\n", &[6, 7]);
    }
}
