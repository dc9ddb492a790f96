//! The outline of Markdown. The only module that uses the crate `pulldown-cmark`.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Heading, Outline};

/// Returns the headings outside of quotes and lists, and the starts of the blocks beside them.
pub(super) fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    let mut depth = 0;
    let mut open: Option<Heading> = None;
    let mut position = Position { at: 0, line: 1 };
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    let line = position.line_of(text, range.start);
                    outline.starts.push(line);
                    if let Tag::Heading { level, .. } = tag {
                        let end = text[range.clone()].trim_end().len() + range.start;
                        open = Some(Heading {
                            line,
                            last_line: line + text[range.start..end].matches('\n').count(),
                            level: level as usize,
                            title: String::new(),
                        });
                    }
                }
                depth += 1;
            }
            Event::End(tag) => {
                depth -= 1;
                if let (TagEnd::Heading(_), 0) = (tag, depth)
                    && let Some(heading) = open.take()
                {
                    outline.headings.push(heading);
                }
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut open {
                    heading.title.push_str(&part);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut open {
                    heading.title.push(' ');
                }
            }
            _ => {}
        }
    }
    outline
}

/// A place in the text that only moves forward, with its line.
struct Position {
    at: usize,
    line: usize,
}

impl Position {
    fn line_of(&mut self, text: &str, at: usize) -> usize {
        if at > self.at {
            self.line += text[self.at..at].matches('\n').count();
            self.at = at;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_inside_quotes_code_and_front_matter_are_none() {
        let text = "---\ntitle: x\n---\n\n> # quoted\n\n- # listed\n\n~~~\n# code\n~~~\n\n    # indented\n\n# Real *one*\n";
        let outline = outline(text);
        let titles: Vec<_> = outline
            .headings
            .iter()
            .map(|h| (h.line, h.level, h.title.as_str()))
            .collect();
        assert_eq!(titles, [(15, 1, "Real one")]);
    }
}
