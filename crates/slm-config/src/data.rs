//! Section `data`: the training examples.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fim::{FimCut, FimTokenNames, SpecialTokens, SpmLayout};
use crate::format::{self, DatasetFormat};
use crate::schema::{Kind, section, words};
use crate::split::SPLIT_FORM;
use crate::word_or_list::word_or_list;

section! {
/// Section `data`: the training examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Data sets, mixed in one shuffled order. A training needs at least one.
    datasets: Vec<Dataset> = Vec::new() => Kind::Sections(Dataset::KEYS), absent "none";
    /// Part of a conversation on which the loss is computed.
    train_on: TrainOn = TrainOn::Assistant => Kind::Word(TrainOn::words);
    /// Supervised turns whose end-of-turn token is supervised, too.
    train_on_eos: TrainOnEos = TrainOnEos::Turn => Kind::Word(TrainOnEos::words);
    /// Longest example in tokens, prompt and completion together.
    max_seq_length: usize = 512 => Kind::Int(16, 131_072), aliases ["cutoff_len", "sequence_len", "max_length"];
    /// Treatment of examples longer than `max_seq_length`; their number is reported either way.
    overlength: Overlength = Overlength::Drop => Kind::Word(Overlength::words);
    /// Treatment of thoughts (`<think>`, `reasoning_content`) in answers. Earlier turns are always as the chat template
    /// renders them; those of which it omits a part are not learned.
    thinking: Thinking = Thinking::Auto => Kind::Word(Thinking::words);
    /// Treatment of rows that cannot be learned from: broken JSON, a missing field, an odd conversation. A data set of
    /// which more than half is bad stops the run either way.
    on_bad_row: OnBadRow = OnBadRow::Skip => Kind::Word(OnBadRow::words);
    /// Packs short examples of a step into sequences of up to `max_seq_length`, masked from each other. Changes memory
    /// and speed, not the result.
    packing: bool = false => Kind::Bool, aliases ["sample_packing"];
    /// Fraction of the examples held out for validation. Examples from one Python file, rows of one `task_id`, and equal
    /// rows stay on one side.
    val_size: f64 = 0.0 => Kind::from_to(0.0, 0.5), aliases ["val_set_size"];
    /// Removes examples that share thirteen consecutive words with a task of `evaluate.benchmarks` or its solution, a
    /// sentence of its description, or a function of its solution by the normalized syntax tree.
    decontaminate: bool = true => Kind::Bool;
    /// Leaves out examples with a credential: a private key, a token of a known service, a password in a URL, or a random
    /// text assigned to a name such as `api_key`. They are counted, and the place of the first is shown.
    exclude_secrets: bool = true => Kind::Bool;
}
}

section! {
/// One data set: an item of `data.datasets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dataset requires {
    /// The data: a file or folder, relative to the recipe's folder or the working directory, or the folder that
    /// `evaluator dataset` wrote; `hf:OWNER/NAME` on the Hugging Face hub, or
    /// `hf:OWNER/NAME@REVISION#FILES` for some files of one revision (a file, a folder, or a pattern with `*`);
    /// `"stdlib:"`, the standard library of the Python on this machine, in quotes because of the colon. `OWNER/NAME`
    /// alone is on the hub, too, if there is no such local file or folder.
    path: String => Kind::Text("a file, a folder, or stdlib: in quotes");
    /// Format of the files.
    format: DatasetFormat => Kind::Word(DatasetFormat::words);
    /// Weight in the mix: 2 uses each example twice in an epoch, 0.5 a random half of them.
    #[serde(default = "once")]
    weight: f64 => Kind::above(0.0, 100.0);
    /// Most examples taken from this data set, drawn with `train.seed`.
    max_examples: Option<usize> => Kind::Int(1, 100_000_000), absent "all", aliases ["max_samples"];
    /// Part of a data set of the hub, or of a folder in its layout: `test`, `train[:5%]` or `train[100:200]`, by the names of
    /// the files. The part in brackets is a range of rows.
    split: Option<String> => Kind::Text(SPLIT_FORM), absent "the training split";
    /// Subset of a data set of the hub, or of a folder in its layout: a folder or the beginning of a file's name.
    subset: Option<String> => Kind::Text("the name of a subset"), absent "the only one", aliases ["config_name", "dataset_config_name"];
    /// Joins consecutive messages of one role, with a blank line between them. Otherwise such a row is left out and counted.
    #[serde(default)]
    join_turns: bool => Kind::Bool;
    /// Names of the file's columns, by the format's own names: `columns: {prompt: question, completion: answer}`.
    #[serde(default)]
    columns: Columns => Kind::Map { to: &Kind::Text("a column's name"), each: "column", keys: Some(format::columns) },
        absent "the format's own names";
    /// Keeps only rows with these values in their columns: `{lang: python}`, or one of several,
    /// `{lang: [python, cython]}`. Numbers and truth values in quotes. Not for `python_source`.
    #[serde(default)]
    only as "where": BTreeMap<String, OneOf> => Kind::Map {
        to: &Kind::Either(&[
            Kind::AnyText("a value"),
            Kind::List { of: &Kind::AnyText("a value"), unique: false, item: "value", least: 1, most: Kind::ANY },
        ]),
        each: "column",
        keys: None,
    }, absent "all rows";
    /// Treatment of added tokens of the tokenizer that a text without chat template spells out, such as
    /// `<|fim_prefix|>` or `<|im_start|>`: in `text`, and in the texts of `prompt_completion`, `pairs` and `kto`. In messages
    /// and in documents of `fim` they are always letters.
    #[serde(default)]
    special_tokens: SpecialTokens => Kind::Word(SpecialTokens::words);
    /// Share of the documents that are cut into prefix, middle and suffix; the others are learned as `text`
    /// (`fim` only).
    fim_rate: Option<f64> => Kind::from_to(0.0, 1.0), absent "0.5";
    /// Share of the cut documents whose suffix comes before the prefix (SPM); of the others the prefix comes first (PSM)
    /// (`fim` only).
    spm_rate: Option<f64> => Kind::from_to(0.0, 1.0), absent "0", aliases ["fim_spm_rate"];
    /// Order of tokens and text in an SPM example (`fim` only).
    spm_layout: Option<SpmLayout> => Kind::Word(SpmLayout::words), absent "joined";
    /// Places at which documents are cut, drawn with `train.seed` (`fim` only).
    fim_cut: Option<FimCut> => Kind::Word(FimCut::words), absent "random";
    /// Tokens of fill-in-the-middle, where those of the model's family are not found in the tokenizer (`fim` only).
    fim_tokens: Option<FimTokenNames> => Kind::Section(FimTokenNames::KEYS), absent "the tokenizer's own";
    /// Fewest lines of a function body (`python_source` only).
    min_body_lines: Option<usize> => Kind::Int(0, 100_000), absent "no limit";
    /// Most lines of a function body (`python_source` only).
    max_body_lines: Option<usize> => Kind::Int(1, 100_000), absent "no limit";
    /// Fewest words of a docstring (`python_source` only).
    min_docstring_words: Option<usize> => Kind::Int(0, 10_000), absent "no limit";
    /// Lowest maintainability index of a function (`python_source` only).
    min_maintainability_index: Option<f64> => Kind::from_to(0.0, 100.0), absent "no limit";
    /// Highest cyclomatic complexity of a function (`python_source` only).
    max_cyclomatic_complexity: Option<usize> => Kind::Int(1, 100_000), absent "no limit";
    /// Leaves out files whose leading comments or docstring contain one of these words, such as `GPL` or
    /// `All rights reserved` (`python_source` and `fim` only).
    #[serde(default)]
    exclude_licences: Vec<String> => Kind::List { of: &Kind::Text("a word"), unique: false, item: "word", least: 0, most: Kind::ANY },
        aliases ["exclude_licenses"];
}
}

/// The values of a column: a text, or a list of texts.
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

/// The names of the file's columns, by the format's own: `columns: {prompt: question, completion: answer}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<&'static str, String>);

impl Columns {
    /// Each column's own name and the file's, where one is given; in the order of the formats.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = move |own: &&'static str| Some((*own, self.0.get(own)?.as_str()));
        format::columns().iter().filter_map(named)
    }

    /// The file's name of the format's column `own`.
    pub fn name_of<'a>(&'a self, own: &'a str) -> &'a str {
        self.0.get(own).map_or(own, String::as_str)
    }
}

/// Writes every column, `null` where the file uses the format's own name.
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

words! {
/// The part of a conversation on which the loss is computed.
pub enum TrainOn {
    /// The last message of the assistant.
    Completion = "completion",
    /// Every message of the assistant.
    Assistant = "assistant",
    /// Every token, those of the chat template included.
    All = "all",
}
}

words! {
/// The supervised turns whose end-of-turn token is supervised, too; it teaches the model when to stop.
pub enum TrainOnEos {
    /// Every supervised turn.
    Turn = "turn",
    /// The last one.
    Last = "last",
    /// None of them.
    None = "none",
}
}

words! {
/// Treatment of thoughts in answers.
pub enum Thinking {
    /// As the chat template renders the conversation. A row whose last answer loses its thoughts is left out and counted.
    Auto = "auto",
    /// As `auto`, but thoughts of the last answer that the template omits are learned after the generation prompt.
    Keep = "keep",
    /// Removed from every answer before the template sees it.
    Strip = "strip",
}
}

words! {
/// Treatment of a row that cannot be learned from.
pub enum OnBadRow {
    /// Leaves the row out and counts it by reason, with the first place of each.
    Skip = "skip",
    /// Stops at the first such row, before training begins.
    Error = "error",
}
}

words! {
/// Treatment of an example longer than `max_seq_length`.
pub enum Overlength {
    /// Leaves the example out.
    Drop = "drop",
    /// Cuts its end off.
    Truncate = "truncate",
    /// Splits a text, or a document for fill-in-the-middle, into pieces that fit, where a definition begins if possible.
    /// Leaves out an example of another format.
    Split = "split",
    /// Stops before training begins.
    Error = "error",
}
}
