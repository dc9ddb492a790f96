//! Lines and columns of byte offsets.

use crate::ast::TextSize;

/// The offsets at which the lines of a text begin; the text contains only `\n` line ends.
#[derive(Debug)]
pub(crate) struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    pub(crate) fn new(text: &str) -> Self {
        let starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|&(_, byte)| byte == b'\n')
                    .map(|(offset, _)| offset as u32 + 1),
            )
            .collect();
        Self { starts }
    }

    /// Returns the line that contains `offset`, counted from 1.
    pub(crate) fn line(&self, offset: TextSize) -> usize {
        self.starts
            .partition_point(|&start| start <= offset.to_u32())
    }

    /// Returns the start of line `line` (counted from 1).
    pub(crate) fn start(&self, line: usize) -> TextSize {
        TextSize::new(self.starts[line - 1])
    }

    /// Returns the start of the line that contains `offset`.
    pub(crate) fn line_start(&self, offset: TextSize) -> TextSize {
        self.start(self.line(offset))
    }

    /// Returns the bytes between the start of the line and `offset`, which is `CPython`'s column.
    pub(crate) fn column(&self, offset: TextSize) -> usize {
        (offset - self.line_start(offset)).to_usize()
    }
}
