//! `segments`: a text in segments, each with a mark whether it is learned.

use super::{Layout, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "segments",
    doc: "`segments`: a text as a list of `label` (whether it is learned) and `text`, without chat template.",
    columns: &["segments"],
    layout: Layout::Segments { column: "segments" },
};
