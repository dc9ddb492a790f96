//! The units of training: examples, pairs of answers, or labelled answers.

use std::ops::Range;

use crate::batch::Example;

/// How the examples of the store make up the units of training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// Each example is a unit: index k is example k.
    Rows,
    /// Two examples are a unit: index k is the pair of the examples 2k, chosen, and 2k + 1, rejected.
    Pairs,
    /// Each example is a unit with a label: index k is example k, which is wanted if `labels[k]`.
    Labelled(Vec<bool>),
}

impl Units {
    /// The indices in the store of the examples of the unit with index `unit`.
    pub(crate) fn examples(&self, unit: u32) -> Range<usize> {
        let unit = unit as usize;
        match self {
            Self::Rows | Self::Labelled(_) => unit..unit + 1,
            Self::Pairs => 2 * unit..2 * unit + 2,
        }
    }

    /// The word for one unit.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Rows => "example",
            Self::Pairs => "pair",
            Self::Labelled(_) => "labelled answer",
        }
    }
}

/// The tokens of a unit of training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A text to learn.
    Row(Example),
    /// The chosen and the rejected answer, each after the prompt.
    Pair([Example; 2]),
    /// An answer after the prompt, and whether it is wanted.
    Labelled(Example, bool),
}

impl Unit {
    /// Its examples.
    pub(super) fn examples(&self) -> &[Example] {
        match self {
            Self::Row(example) | Self::Labelled(example, _) => std::slice::from_ref(example),
            Self::Pair(sides) => sides,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_examples_of_the_store_and_another_unit_is_one() {
        assert_eq!(Units::Rows.examples(3), 3..4);
        assert_eq!(Units::Labelled(vec![true; 4]).examples(3), 3..4);
        assert_eq!(Units::Pairs.examples(3), 6..8);
    }
}
