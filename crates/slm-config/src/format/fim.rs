//! `fim`: documents that are cut into prefix, middle and suffix.

use super::{Layout, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "fim",
    doc: "`text`: documents for fill-in-the-middle, or a folder of Python files. A share of `fim_rate` is cut into prefix, middle and suffix, with the middle supervised; the others are learned as `text`.",
    columns: &["text"],
    layout: Layout::Document { column: "text" },
};
