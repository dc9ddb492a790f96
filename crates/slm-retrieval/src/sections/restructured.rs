//! The outline of reStructuredText and of plain text.

use super::{Heading, Outline};

/// An underline of fewer characters may be shorter than its title only by mistake.
const FEWEST_MARKS: usize = 4;

/// Returns the headings, lines with an underline and perhaps an overline, and the starts of unindented paragraphs.
///
/// # Source
/// docutils, "reStructuredText Markup Specification", sections: levels are in the order in which their styles occur.
pub(super) fn outline(lines: &[&str]) -> Outline {
    let mut outline = Outline::default();
    let mut styles: Vec<(char, bool)> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let is_first = at == 0 || lines[at - 1].trim().is_empty();
        let found = heading(lines, at).filter(|_| is_first);
        if let Some((title, mark, n_lines)) = found {
            let style = (mark, n_lines == 3);
            let level = styles.iter().position(|of| *of == style);
            let level = level.unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            outline.starts.push(at + 1);
            outline.headings.push(Heading {
                line: at + 1,
                last_line: at + n_lines,
                level: level + 1,
                title: title.to_owned(),
            });
            at += n_lines;
            if at < lines.len() && !lines[at].trim().is_empty() {
                outline.starts.push(at + 1);
            }
            continue;
        }
        let is_indented = lines[at].starts_with([' ', '\t']);
        if is_first && !is_indented && !lines[at].trim().is_empty() {
            outline.starts.push(at + 1);
        }
        at += 1;
    }
    outline
}

/// Returns the title, the mark and the number of lines of a heading that starts at a line.
fn heading<'a>(lines: &[&'a str], at: usize) -> Option<(&'a str, char, usize)> {
    let line = |offset: usize| lines.get(at + offset).map(|line| line.trim_end());
    let (first, second) = (line(0)?, line(1)?);
    if let Some(mark) = adornment(first)
        && line(2) == Some(first)
        && !second.trim().is_empty()
    {
        return Some((second.trim(), mark, 3));
    }
    let mark = adornment(second)?;
    let is_title =
        !first.trim().is_empty() && !first.starts_with(' ') && adornment(first).is_none();
    let is_long = second.len() >= first.chars().count().min(FEWEST_MARKS);
    (is_title && is_long).then_some((first, mark, 2))
}

/// Returns the character of a line that repeats one mark.
fn adornment(line: &str) -> Option<char> {
    let mark = line.chars().next().filter(char::is_ascii_punctuation)?;
    let is_one = line.chars().all(|c| c == mark);
    // Two dots or colons are markup.
    (is_one && line != ".." && line != "::").then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underlines_and_overlines_make_headings_in_the_order_of_their_styles() {
        let text = "=====\nTitle\n=====\n\nPart\n====\nText::\n\n    Code\n    ====\n\nSub\n---\n\n----\n\nPart 2\n======\n";
        let lines: Vec<&str> = text.lines().collect();
        let outline = outline(&lines);
        let headings: Vec<_> = outline
            .headings
            .iter()
            .map(|h| (h.line, h.last_line, h.level, h.title.as_str()))
            .collect();
        assert_eq!(
            headings,
            [
                (1, 3, 1, "Title"),
                (5, 6, 2, "Part"),
                (12, 13, 3, "Sub"),
                (17, 18, 2, "Part 2"),
            ]
        );
        assert_eq!(outline.starts, [1, 5, 7, 12, 15, 17]);
    }

    #[test]
    fn tables_lists_and_dots_are_no_headings() {
        for text in [
            "a b\n== ==\n",
            "x\n\n..\n",
            "- a\n- b\n",
            "a long title\n--\n",
            "=====\n",
        ] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(outline(&lines).headings, [], "{text}");
        }
    }
}
