//! Positions in a module's text: lines, keywords after decorators, and strings over several lines.

use crate::ast::token::TokenKind;
use crate::ast::{self, Ranged, TextRange, TextSize};
use crate::parser::Module;

impl Module<'_> {
    /// Returns the start of `def`, `async` or `class` of a definition that begins at `start` with its decorators.
    pub(crate) fn keyword_start(&self, start: TextSize, decorators: &[ast::Decorator]) -> TextSize {
        let Some(last) = decorators.last() else {
            return start;
        };
        let tokens = self.tokens();
        let after = tokens.partition_point(|token| token.start() < last.end());
        let is_keyword = |token: &&ast::token::Token| {
            matches!(
                token.kind(),
                TokenKind::Def | TokenKind::Async | TokenKind::Class
            )
        };
        let keyword = tokens[after..].iter().find(is_keyword);
        keyword.map_or(start, Ranged::start)
    }

    /// Returns the white space between the start of the line and `offset`; `None` if there is other text.
    pub(crate) fn blank_before(&self, offset: TextSize) -> Option<&str> {
        let before = &self.text[TextRange::new(self.lines.line_start(offset), offset)];
        let rest = before.trim_start_matches([' ', '\t']);
        rest.is_empty().then_some(before)
    }

    /// Returns the end of the line of `offset`, without the newline.
    pub(crate) fn line_end(&self, offset: TextSize) -> TextSize {
        let rest = &self.text[offset.to_usize()..];
        let length = rest.find('\n').unwrap_or(rest.len());
        offset + TextSize::new(length as u32)
    }

    /// Returns the strings, f-strings included, that contain a line end, in order.
    pub(crate) fn multiline_strings(&self) -> Vec<TextRange> {
        let mut found = Vec::new();
        let mut open = Vec::new();
        for token in self.tokens() {
            let range = match token.kind() {
                TokenKind::FStringStart => {
                    open.push(token.start());
                    continue;
                }
                TokenKind::FStringEnd => match open.pop() {
                    Some(start) if open.is_empty() => TextRange::new(start, token.end()),
                    _ => continue,
                },
                TokenKind::String if open.is_empty() => token.range(),
                _ => continue,
            };
            if self.text[range].contains('\n') {
                found.push(range);
            }
        }
        found
    }
}
