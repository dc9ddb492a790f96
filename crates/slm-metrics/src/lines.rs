//! Lines and columns of byte offsets.

use crate::ast::TextSize;

/// The offsets at which the lines of a text begin; the text holds `\n` line ends only.
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

    /// The line that holds `offset`, counted from 1.
    pub(crate) fn line(&self, offset: TextSize) -> usize {
        self.starts
            .partition_point(|&start| start <= offset.to_u32())
    }

    /// Where line `line` (counted from 1) begins.
    pub(crate) fn start(&self, line: usize) -> TextSize {
        TextSize::new(self.starts[line - 1])
    }

    /// Where the line that holds `offset` begins.
    pub(crate) fn line_start(&self, offset: TextSize) -> TextSize {
        self.start(self.line(offset))
    }

    /// Bytes between the start of the line and `offset`, as `CPython` counts columns.
    pub(crate) fn column(&self, offset: TextSize) -> usize {
        (offset - self.line_start(offset)).to_usize()
    }
}
