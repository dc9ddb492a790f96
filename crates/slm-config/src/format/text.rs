//! `text`: texts that are learned from beginning to end.

use super::{Layout, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "text",
    doc: "`text`: plain text without chat template, supervised from start to end.",
    columns: &["text"],
    layout: Layout::Text { column: "text" },
};
