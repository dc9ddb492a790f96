//! `messages`: a conversation as a list of `role` and `content`.

use super::{Layout, MessageKeys, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "messages",
    doc: "`messages`: a conversation as a list of `role` and `content`.",
    columns: &["messages"],
    layout: Layout::Messages {
        system: None,
        column: "messages",
        keys: MessageKeys::OPENAI,
    },
};
