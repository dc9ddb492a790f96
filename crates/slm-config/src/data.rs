//! Section `data`: the training examples.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::{self, DatasetFormat};
use crate::word_or_list::word_or_list;

/// Section `data`: the training examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Data sets, mixed in one shuffled order. At least one.
    pub datasets: Vec<Dataset>,
    /// What of a conversation is learned. Default `assistant`.
    pub train_on: TrainOn,
    /// Of which learned turns the end is learned too. Default `turn`.
    pub train_on_eos: TrainOnEos,
    /// Longest example in tokens, prompt and completion together. Default 512; 16 to 131072.
    /// Alias: `cutoff_len`, `sequence_len`, `max_length`.
    pub max_seq_length: usize,
    /// What happens to a longer example. Default `drop`; the number is reported either way.
    pub overlength: Overlength,
    /// What happens to a row that cannot be learned from: broken JSON, a missing field, an odd conversation. Default
    /// `skip`; more than half of a data set stops the run either way.
    pub on_bad_row: OnBadRow,
    /// Put short examples of a step one after the other into sequences of up to `max_seq_length`,
    /// each blind to the others. Default false. Changes memory and speed, not the result.
    /// Alias: `sample_packing`.
    pub packing: bool,
    /// Share of the examples that is kept out of training, to validate on. Default 0; 0 to 0.5.
    /// Examples from one Python file, and equal rows, stay on one side. Alias: `val_set_size`.
    pub val_size: f64,
    /// Leave out examples that share thirteen words in a row with a task of `evaluate.benchmarks` or its solution, hold a
    /// sentence of its description, or a function of its solution by the normalised syntax tree. Default true.
    pub decontaminate: bool,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            datasets: Vec::new(),
            train_on: TrainOn::Assistant,
            train_on_eos: TrainOnEos::Turn,
            max_seq_length: 512,
            overlength: Overlength::Drop,
            on_bad_row: OnBadRow::Skip,
            packing: false,
            val_size: 0.0,
            decontaminate: true,
        }
    }
}

/// One data set: an item of `data.datasets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// A file or folder, relative to the current folder; `hf:OWNER/NAME`, a data set on the Hugging
    /// Face hub, `hf:OWNER/NAME@REVISION#FILES` certain files of one state of it (a file, a folder, or
    /// a pattern with `*`); `stdlib:` (in quotes, for the colon), the standard library of the Python on
    /// this machine. Required. `OWNER/NAME` is on the hub, too, if no such file or folder is here.
    pub path: String,
    /// How the files are read. Required.
    pub format: DatasetFormat,
    /// How often each example is seen in an epoch: 2 is twice, 0.5 is a half of the examples, drawn
    /// with `train.seed`. Default 1; above 0, at most 100.
    #[serde(default = "once")]
    pub weight: f64,
    /// Most examples taken from this data set, drawn with `train.seed`. Default: all; 1 to 100000000.
    pub max_examples: Option<usize>,
    /// The file's names of the columns that the format reads. Default: the format's own names.
    #[serde(default)]
    pub columns: Columns,
    /// Rows that are wanted, by what stands in their columns: `{lang: python}`, or one of several,
    /// `{lang: [python, cython]}`. Numbers and truth values in quotes. Default: all. Not for
    /// `python_source`.
    #[serde(default, rename = "where")]
    pub only: BTreeMap<String, OneOf>,
    /// `python_source`: fewest lines of a function body. Default: no limit; 0 to 100000.
    pub min_body_lines: Option<usize>,
    /// `python_source`: most lines of a function body. Default: no limit; 1 to 100000.
    pub max_body_lines: Option<usize>,
    /// `python_source`: fewest words of a docstring. Default: no limit; 0 to 10000.
    pub min_docstring_words: Option<usize>,
    /// `python_source`: least maintainability index of a function. Default: no limit; 0 to 100.
    pub min_maintainability_index: Option<f64>,
    /// `python_source`: most cyclomatic complexity of a function. Default: no limit; 1 to 100000.
    pub max_cyclomatic_complexity: Option<usize>,
    /// `python_source`: files whose first comments or docstring hold one of these words are left out,
    /// such as `GPL` or `All rights reserved`. Default: none.
    #[serde(default)]
    pub exclude_licences: Vec<String>,
}

/// Values that a column may have: a text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOf(pub Vec<String>);

impl Serialize for OneOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OneOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or_list(
            deserializer,
            "text (numbers and truth values in quotes), or a list of texts",
            |text| Ok(Self(vec![text.to_owned()])),
            Self,
        )
    }
}

/// Default of `weight`.
fn once() -> f64 {
    1.0
}

/// The file's names of columns, by the format's own: `columns: {prompt: question, completion: answer}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<&'static str, String>);

impl Columns {
    /// Each column's own name and the file's, where one is given; in the order of the formats.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = move |own: &&'static str| Some((*own, self.0.get(own)?.as_str()));
        format::columns().iter().filter_map(named)
    }

    /// The file's name of the column that the format calls `own`.
    pub fn name_of<'a>(&'a self, own: &'a str) -> &'a str {
        self.0.get(own).map_or(own, String::as_str)
    }
}

/// Every column is written out, `null` where the file calls it as the format does.
impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = format::columns();
        serializer.collect_map(columns.iter().map(|own| (own, self.0.get(own))))
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("names of columns")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let known = format::columns();
                let mut names = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let own = known.iter().find(|own| **own == key);
                    let own = own.ok_or_else(|| A::Error::unknown_field(&key, known))?;
                    if let Some(name) = map.next_value()? {
                        names.insert(*own, name);
                    }
                }
                Ok(Columns(names))
            }
        }
        deserializer.deserialize_struct("Columns", format::columns(), Visitor)
    }
}

/// What of a conversation is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainOn {
    /// The last message of the assistant.
    Completion,
    /// Every message of the assistant.
    Assistant,
    /// Every token, those of the chat template included.
    All,
}

/// Of which learned turns the end is learned too, and with it when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainOnEos {
    /// Of every one.
    Turn,
    /// Of the last one.
    Last,
    /// Of none.
    None,
}

/// What happens to a row that cannot be learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// It is left out, and counted by reason with the first place of each.
    Skip,
    /// The first one stops the run before it begins.
    Error,
}

/// What happens to an example longer than `max_seq_length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlength {
    /// It is left out.
    Drop,
    /// Its end is cut off.
    Truncate,
    /// The run stops before it begins.
    Error,
}
