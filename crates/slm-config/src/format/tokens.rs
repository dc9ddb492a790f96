//! `tokens`: rows that are tokenised already.

use super::{Layout, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "tokens",
    doc: "`input_ids`: a tokenised text; `labels` (-100 for tokens that are not learned) and `attention_mask` optional.",
    columns: &["input_ids", "labels", "attention_mask"],
    layout: Layout::Tokens {
        ids: "input_ids",
        labels: "labels",
        attention_mask: "attention_mask",
    },
};
