//! Formats of data sets: the columns of a row, and how they make up an example.
//!
//! A format is its file here and its line in [`ROW_FORMATS`]; recipe check, reader and command line take it from there.

mod alpaca;
mod fim;
mod kto;
mod layout;
mod messages;
mod pairs;
mod prompt_completion;
mod segments;
mod sharegpt;
mod text;
mod tokens;

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::schema::Word;

pub use layout::{
    ColumnMessage, Layout, MessageKeys, OptionalColumns, Speaker, TextColumn, TrainingUnit,
};

/// Formats of rows, in the order of the documentation.
pub const ROW_FORMATS: [&RowFormat; 10] = [
    &alpaca::FORMAT,
    &messages::FORMAT,
    &sharegpt::FORMAT,
    &prompt_completion::FORMAT,
    &text::FORMAT,
    &fim::FORMAT,
    &segments::FORMAT,
    &tokens::FORMAT,
    &pairs::FORMAT,
    &kto::FORMAT,
];

/// As a recipe writes [`DatasetFormat::PythonSource`].
const PYTHON_SOURCE: &str = "python_source";

/// All names that `format` may have.
const NAMES: &[&str] = &{
    let mut names = [PYTHON_SOURCE; ROW_FORMATS.len() + 1];
    let mut i = 0;
    while i < ROW_FORMATS.len() {
        names[i] = ROW_FORMATS[i].name;
        i += 1;
    }
    names
};

/// All columns that some format reads, each once.
static COLUMNS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut columns = Vec::new();
    for own in ROW_FORMATS.iter().flat_map(|format| format.columns) {
        if !columns.contains(own) {
            columns.push(*own);
        }
    }
    columns
});

/// All columns that some format reads, each once, in the order of the formats.
pub(crate) fn columns() -> &'static [&'static str] {
    &COLUMNS
}

/// A format of the rows of `.jsonl`, `.json`, `.csv` (each perhaps with `.gz`) and `.parquet` files.
#[derive(Debug, PartialEq, Eq)]
pub struct RowFormat {
    /// Its name in a recipe.
    pub name: &'static str,
    /// What a row holds, in one sentence.
    pub doc: &'static str,
    /// The columns that it reads, by its own names.
    pub columns: &'static [&'static str],
    /// How they make up an example.
    pub layout: Layout,
}

impl RowFormat {
    /// `messages`, the format of a file that nobody names one for.
    pub const MESSAGES: &'static Self = &messages::FORMAT;

    /// The format that a recipe calls `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ROW_FORMATS.into_iter().find(|format| format.name == name)
    }

    /// What a row gives to train on.
    pub fn unit(&self) -> TrainingUnit {
        match self.layout {
            Layout::Pair { .. } => TrainingUnit::Pair,
            Layout::Labelled { .. } => TrainingUnit::LabelledAnswer,
            Layout::MessagePerColumns { .. }
            | Layout::Messages { .. }
            | Layout::Text { .. }
            | Layout::Document { .. }
            | Layout::Segments { .. }
            | Layout::Tokens { .. }
            | Layout::Continuation { .. } => TrainingUnit::Example,
        }
    }
}

/// Format of a data set: `data.datasets[].format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetFormat {
    /// Files of rows.
    Rows(&'static RowFormat),
    /// A folder of Python files; each documented function gives the request (signature and
    /// docstring) and the answer (body).
    PythonSource,
}

impl DatasetFormat {
    pub(crate) fn words() -> Vec<Word> {
        let rows = ROW_FORMATS.iter().map(|format| Word {
            name: format.name,
            aliases: &[],
            doc: std::slice::from_ref(&format.doc),
        });
        let python_source = Word {
            name: PYTHON_SOURCE,
            aliases: &[],
            doc: &[
                "A tree of Python files: each documented function and method gives a prompt (imports, class header, signature and docstring) and a completion (body).",
            ],
        };
        rows.chain([python_source]).collect()
    }

    /// Its name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows(format) => format.name,
            Self::PythonSource => PYTHON_SOURCE,
        }
    }

    /// The columns that the format reads, by its own names.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Rows(format) => format.columns,
            Self::PythonSource => &[],
        }
    }

    /// Whether an example may be a conversation, which the chat template divides into turns.
    pub fn has_turns(self) -> bool {
        let is_text = |format: &RowFormat| {
            matches!(
                format.layout,
                Layout::Text { .. }
                    | Layout::Document { .. }
                    | Layout::Segments { .. }
                    | Layout::Tokens { .. }
            )
        };
        !matches!(self, Self::Rows(format) if is_text(format))
    }

    /// Whether documents are cut for fill-in-the-middle.
    pub fn is_fim(self) -> bool {
        matches!(self, Self::Rows(format) if matches!(format.layout, Layout::Document { .. }))
    }

    /// Whether an example is a text or a document, which `overlength: split` splits.
    pub fn can_be_split(self) -> bool {
        matches!(self, Self::Rows(format)
            if matches!(format.layout, Layout::Text { .. } | Layout::Document { .. }))
    }

    /// Whether a text may be learned without chat template, so that its special tokens can be recognised.
    pub fn has_texts(self) -> bool {
        match self {
            Self::Rows(format) => matches!(
                format.layout,
                Layout::Text { .. }
                    | Layout::Continuation { .. }
                    | Layout::Pair { .. }
                    | Layout::Labelled { .. }
            ),
            Self::PythonSource => false,
        }
    }

    /// What an item of the data set gives to train on.
    pub fn unit(self) -> TrainingUnit {
        match self {
            Self::Rows(format) => format.unit(),
            Self::PythonSource => TrainingUnit::Example,
        }
    }
}

impl Serialize for DatasetFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for DatasetFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = DatasetFormat;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a format")
            }
            fn visit_enum<A: de::EnumAccess<'de>>(self, word: A) -> Result<Self::Value, A::Error> {
                let (name, variant) = word.variant::<String>()?;
                de::VariantAccess::unit_variant(variant)?;
                if name == PYTHON_SOURCE {
                    return Ok(DatasetFormat::PythonSource);
                }
                RowFormat::by_name(&name)
                    .map(DatasetFormat::Rows)
                    .ok_or_else(|| de::Error::unknown_variant(&name, NAMES))
            }
        }
        deserializer.deserialize_enum("DatasetFormat", NAMES, Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_formats_columns_are_those_of_its_layout() {
        for format in ROW_FORMATS {
            let (mut listed, mut read) = (format.columns.to_vec(), format.layout.columns());
            listed.sort_unstable();
            read.sort_unstable();
            assert_eq!(listed, read, "{}", format.name);
        }
    }
}
