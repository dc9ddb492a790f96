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
    let Outline { headings, starts } = match format {
        Format::Markdown => markdown::outline(text),
        Format::Restructured => restructured::outline(&lines),
    };
    let mut cutter = Cutter::new(source, &lines, &starts);
    let first = headings.first().map_or(lines.len(), |of| of.line - 1);
    let file_name = source.rsplit('/').next().unwrap_or(source);
    cutter.cut(file_name, (1, first), 1);
    let mut path: Vec<(usize, &str)> = Vec::new();
    for (at, heading) in headings.iter().enumerate() {
        path.retain(|(level, _)| *level < heading.level);
        path.push((heading.level, &heading.title));
        let titles: Vec<&str> = path.iter().map(|(_, title)| *title).collect();
        let last = headings
            .get(at + 1)
            .map_or(lines.len(), |next| next.line - 1);
        cutter.cut(
            &titles.join(" > "),
            (heading.line, last),
            heading.last_line + 1,
        );
    }
    cutter.chunks
}

/// Cuts sections into chunks: as many blocks as fit; a longer block is cut at line ends, and a longer line between words.
struct Cutter<'a> {
    source: &'a str,
    lines: &'a [&'a str],
    /// The starts of blocks, in order.
    starts: &'a [usize],
    /// Number of words before each line, and of all.
    words: Vec<usize>,
    chunks: Vec<Chunk>,
}

impl<'a> Cutter<'a> {
    fn new(source: &'a str, lines: &'a [&'a str], starts: &'a [usize]) -> Self {
        let mut words = vec![0];
        let mut n_words = 0;
        for line in lines {
            n_words += line.split_whitespace().count();
            words.push(n_words);
        }
        Self {
            source,
            lines,
            starts,
            words,
            chunks: Vec::new(),
        }
    }

    /// Adds the chunks of a section, whose text after its heading starts at line `body_from`. A heading without text is
    /// no chunk.
    fn cut(&mut self, name: &str, (first, last): (usize, usize), body_from: usize) {
        let last = last.min(self.lines.len());
        if body_from > last || self.words[last] == self.words[body_from - 1] {
            return;
        }
        let mut start = first;
        while start <= last {
            if self.words[start] == self.words[start - 1] {
                start += 1;
                continue;
            }
            let most = self.words[start - 1] + MOST_WORDS;
            let fits = self.words.partition_point(|words| *words <= most) - 1;
            if fits < start {
                self.cut_line(name, start);
                start += 1;
                continue;
            }
            let end = if fits >= last {
                last
            } else {
                let next = self.starts.partition_point(|at| *at <= fits + 1);
                let block = next.checked_sub(1).map_or(0, |place| self.starts[place]);
                // The heading stays with the text after it.
                if block > start && block > body_from {
                    block - 1
                } else {
                    fits
                }
            };
            self.add(name, start, end);
            start = end + 1;
        }
    }

    fn add(&mut self, name: &str, from: usize, to: usize) {
        let is_blank = |line: &usize| self.words[*line] == self.words[*line - 1];
        let to = (from..=to).rev().find(|line| !is_blank(line)).unwrap_or(to);
        let text = self.lines[from - 1..to].join("\n");
        self.push(name, (from, to), text.trim_end());
    }

    fn cut_line(&mut self, name: &str, line: usize) {
        let words: Vec<&str> = self.lines[line - 1].split_whitespace().collect();
        for part in words.chunks(MOST_WORDS) {
            self.push(name, (line, line), &part.join(" "));
        }
    }

    fn push(&mut self, name: &str, lines: (usize, usize), text: &str) {
        let chunk = Chunk::new(self.source, ChunkKind::Section, name, lines, text);
        self.chunks.push(chunk);
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
