//! Documents in chunks: the section of each heading, in parts of at most [`MOST_WORDS`] words.

mod markdown;
mod restructured;

use crate::chunk::{Chunk, ChunkKind};

/// Maximum number of words of a chunk.
pub(crate) const MOST_WORDS: usize = 200;

/// The format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    /// Also plain text: it has headings with underlines or none.
    Restructured,
}

impl Format {
    /// The endings of the files that are read.
    pub(crate) const ENDINGS: &'static str = ".md, .markdown, .rst or .txt";

    /// Returns the format of a file by its ending.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let ending = path.rsplit_once('.')?.1.to_lowercase();
        match &*ending {
            "md" | "markdown" => Some(Self::Markdown),
            "rst" | "txt" => Some(Self::Restructured),
            _ => None,
        }
    }
}

/// Where a document may be cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outline {
    /// In order.
    headings: Vec<Heading>,
    /// Lines at which a paragraph or another block starts, counted from 1, in order.
    starts: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Heading {
    /// First line, counted from 1; an overline belongs to the heading.
    line: usize,
    /// Last line.
    last_line: usize,
    /// 1 is the highest.
    level: usize,
    title: String,
}

/// Cuts a document into chunks. Text before the first heading has the name of the file.
pub(crate) fn chunks(source: &str, text: &str, format: Format) -> Vec<Chunk> {
    let lines: Vec<&str> = text.lines().collect();
    let outline = match format {
        Format::Markdown => markdown::outline(text),
        Format::Restructured => restructured::outline(&lines),
    };
    let file_name = source.rsplit('/').next().unwrap_or(source);
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut chunks = Vec::new();
    let first = outline.headings.first().map_or(lines.len() + 1, |h| h.line);
    let before = Section {
        name: file_name.to_owned(),
        lines: (1, first - 1),
        body_from: 1,
    };
    before.cut(source, &lines, &outline.starts, &mut chunks);
    for (at, heading) in outline.headings.iter().enumerate() {
        path.retain(|(level, _)| *level < heading.level);
        path.push((heading.level, &heading.title));
        let next = outline.headings.get(at + 1);
        let titles: Vec<&str> = path.iter().map(|(_, title)| *title).collect();
        let section = Section {
            name: titles.join(" > "),
            lines: (
                heading.line,
                next.map_or(lines.len(), |next| next.line.saturating_sub(1)),
            ),
            body_from: heading.last_line + 1,
        };
        section.cut(source, &lines, &outline.starts, &mut chunks);
    }
    chunks
}

/// The lines of one heading, up to the next one.
struct Section {
    name: String,
    lines: (usize, usize),
    /// First line after the heading.
    body_from: usize,
}

impl Section {
    /// Adds the chunks of the section: as many blocks as fit; a longer block is cut at line ends, and a longer line
    /// between words. A heading without text is no chunk.
    fn cut(&self, source: &str, lines: &[&str], starts: &[usize], chunks: &mut Vec<Chunk>) {
        let (first, last) = (self.lines.0, self.lines.1.min(lines.len()));
        let is_blank = |line: usize| lines[line - 1].trim().is_empty();
        if (self.body_from.max(first)..=last).all(is_blank) {
            return;
        }
        let mut add = |from: usize, to: usize, text: &str| {
            let text = text.trim_end().trim_start_matches('\n');
            if !text.trim().is_empty() {
                let kind = ChunkKind::Section;
                chunks.push(Chunk::new(source, kind, &*self.name, (from, to), text));
            }
        };
        let n_words = |from: usize, to: usize| -> usize {
            let lines = lines[from - 1..to].iter();
            lines.map(|line| line.split_whitespace().count()).sum()
        };
        let text_of = |from: usize, to: usize| lines[from - 1..to].join("\n");
        let mut start = first;
        while start <= last {
            if is_blank(start) {
                start += 1;
                continue;
            }
            let ends = starts.iter().filter(|at| **at > start && **at <= last);
            let mut ends: Vec<usize> = ends.map(|at| at - 1).collect();
            ends.push(last);
            let fits = |end: &usize| n_words(start, *end) <= MOST_WORDS;
            // The heading stays with the text after it.
            let after_heading = |end: &usize| *end >= self.body_from;
            let end = ends
                .iter()
                .rev()
                .copied()
                .find(|end| fits(end) && after_heading(end))
                .or_else(|| (start..=last).rev().find(|end| fits(end)));
            if let Some(end) = end {
                let visible = (start..=end).rev().find(|line| !is_blank(*line));
                add(start, visible.unwrap_or(end), &text_of(start, end));
                start = end + 1;
            } else {
                let words: Vec<&str> = lines[start - 1].split_whitespace().collect();
                for part in words.chunks(MOST_WORDS) {
                    add(start, start, &part.join(" "));
                }
                start += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(text: &str, format: Format) -> Vec<(String, (usize, usize), String)> {
        let chunks = chunks("docs/a.md", text, format);
        chunks
            .into_iter()
            .map(|c| (c.name, c.lines, c.text))
            .collect()
    }

    #[test]
    fn each_heading_has_its_section_and_path() {
        let text = "Intro.\n\n# One #\n\n## Two `f`\n\nText of\ntwo.\n\n```python\n# no heading\n```\n\nThree\n=====\nEnd.\n";
        assert_eq!(
            short(text, Format::Markdown),
            [
                ("a.md".to_owned(), (1, 1), "Intro.".to_owned()),
                (
                    "One > Two f".to_owned(),
                    (5, 12),
                    "## Two `f`\n\nText of\ntwo.\n\n```python\n# no heading\n```".to_owned()
                ),
                (
                    "Three".to_owned(),
                    (14, 16),
                    "Three\n=====\nEnd.".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn long_sections_are_cut_between_blocks() {
        let paragraph = |word: &str, n: usize| vec![word; n].join(" ");
        let text = format!(
            "# H\n\n{}\n\n{}\n\n{}\n",
            paragraph("a", 150),
            paragraph("b", 60),
            paragraph("c", 130)
        );
        let found = short(&text, Format::Markdown);
        let lines: Vec<_> = found.iter().map(|c| c.1).collect();
        assert_eq!(lines, [(1, 3), (5, 7)]);
        assert!(found.iter().all(|c| c.0 == "H"));
    }

    #[test]
    fn a_long_block_is_cut_at_lines_and_a_long_line_between_words() {
        let lines = vec!["one two three four five"; 50].join("\n");
        let found = short(&lines, Format::Restructured);
        assert_eq!(
            found.iter().map(|c| c.1).collect::<Vec<_>>(),
            [(1, 40), (41, 50)]
        );
        let line = vec!["word"; 450].join(" ");
        let found = short(&line, Format::Markdown);
        let counts: Vec<_> = found
            .iter()
            .map(|c| c.2.split_whitespace().count())
            .collect();
        assert_eq!(counts, [200, 200, 50]);
    }

    #[test]
    fn empty_documents_and_lone_headings_have_no_chunks() {
        for text in ["", "\n\n", "# Only\n\n## Headings\n", "\u{feff}"] {
            assert_eq!(
                short(text, Format::Markdown).len(),
                usize::from(text.contains('\u{feff}'))
            );
        }
    }
}
