//! `alpaca`: a request, perhaps with an input, and its answer.

use super::{Field, Layout, RowFormat, Speaker, Turn};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "alpaca",
    columns: &["instruction", "input", "output", "system"],
    layout: Layout::Turns(&[
        Turn {
            speaker: Speaker::System,
            fields: &[Field::Optional("system")],
        },
        Turn {
            speaker: Speaker::User,
            fields: &[Field::Required("instruction"), Field::Optional("input")],
        },
        Turn {
            speaker: Speaker::Assistant,
            fields: &[Field::Required("output")],
        },
    ]),
};
