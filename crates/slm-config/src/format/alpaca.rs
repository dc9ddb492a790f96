//! `alpaca`: a request, perhaps with an input, and its answer.

use super::{ColumnMessage, Layout, RowFormat, Speaker, TextColumn};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "alpaca",
    doc: "`instruction`, `input`, `output`: an instruction, optional input, and the answer; `system` and `history` optional.",
    columns: &["instruction", "input", "output", "system", "history"],
    layout: Layout::MessagePerColumns {
        history: "history",
        messages: &[
            ColumnMessage {
                speaker: Speaker::System,
                texts: &[TextColumn::Optional("system")],
            },
            ColumnMessage {
                speaker: Speaker::User,
                texts: &[
                    TextColumn::Required("instruction"),
                    TextColumn::Optional("input"),
                ],
            },
            ColumnMessage {
                speaker: Speaker::Assistant,
                texts: &[TextColumn::Required("output")],
            },
        ],
    },
};
