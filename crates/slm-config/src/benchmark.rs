//! Sets of tasks with hidden tests, and how a recipe names them and their files.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::schema::{Key, Kind, words};

/// What the tree's deserializer knows the type of a benchmark's name by.
pub(crate) const NAME_TYPE: &str = "BenchmarkName";

/// An item of `evaluate.benchmarks`: a name, or a name with the file that holds the tasks.
///
/// Written `humaneval+`, or `{name: humaneval+, path: data/HumanEvalPlus.jsonl.gz}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    /// Which benchmark: one of the names that the recipe was read with.
    pub name: String,
    /// Its data file, as the publisher has it, or a folder of such files, relative to the current folder; or
    /// `hf:OWNER/NAME#FILE`, a file or folder of a data set on the Hugging Face hub. Default: the one in the cache folder.
    pub path: Option<PathBuf>,
    /// The part of the publisher's split that is used. Default: all tasks of the file.
    pub split: Option<BenchmarkSplit>,
    /// A file with the ids of the tasks that are used, one per line. Default: all tasks.
    pub task_ids: Option<PathBuf>,
    /// Another form of the same tasks. Default: as published.
    pub variant: Option<BenchmarkVariant>,
    /// Wrong lines of each Parsons problem. Default: 2.
    pub distractors: Option<usize>,
    /// Whether the lines of Parsons problems keep their indentation. Default: `lost`.
    pub indent: Option<ParsonsIndent>,
    /// The wording of the instruction of Parsons problems. Default: 1.
    pub wording: Option<usize>,
}

/// Wrong lines of a Parsons problem if the recipe names no number.
const DISTRACTORS: usize = 2;

words! {
/// Another form of a benchmark's tasks: `variant` of a benchmark.
pub enum BenchmarkVariant {
    /// The lines of the canonical solution, in another order and with wrong lines among them, are part of the prompt.
    Parsons = "parsons",
}
}

words! {
/// Whether the lines of a Parsons problem are shown with their indentation: `indent` of a benchmark.
pub enum ParsonsIndent default Lost {
    /// Without indentation.
    Lost = "lost",
    /// With the indentation of the solution.
    Kept = "kept",
}
}

words! {
/// A part of a benchmark by its publisher: `split` of a benchmark.
pub enum BenchmarkSplit {
    /// For training.
    Train = "train",
    /// For choices during development.
    Validation = "validation",
    /// For scores; a training that is judged by them must not see them.
    Test = "test",
}
}

impl Benchmark {
    pub(crate) const KEYS: &'static [Key] = &[
        Key {
            name: "name",
            kind: Kind::Benchmark,
            nullable: false,
            absent: None,
            aliases: &[],
            doc: &["Name of the task set; `custom` reads your own file."],
        },
        Key {
            name: "path",
            kind: Kind::Text("a file"),
            nullable: true,
            absent: Some("the one in the cache folder"),
            aliases: &[],
            doc: &[
                "Its data file as published or a folder of such files, relative to the recipe's folder or the working directory, or `hf:OWNER/NAME#FILE`, a file or folder of a data set on the Hugging Face hub.",
            ],
        },
        Key {
            name: "split",
            kind: Kind::Word(BenchmarkSplit::words),
            nullable: true,
            absent: Some("all tasks of the file"),
            aliases: &[],
            doc: &[
                "Part of the publisher's split: `mbpp` and `mbpp-sanitized` by their ids, `leetcode` by its questions, `repository` by `evaluator tasks --split`, `codesearchnet` by its partition (without it `test`).",
            ],
        },
        Key {
            name: "task_ids",
            kind: Kind::Text("a file"),
            nullable: true,
            absent: Some("all tasks"),
            aliases: &[],
            doc: &["A file with the ids of the tasks to use, one per line."],
        },
        Key {
            name: "variant",
            kind: Kind::Word(BenchmarkVariant::words),
            nullable: true,
            absent: Some("the tasks as published"),
            aliases: &[],
            doc: &[
                "Another form of the same tasks, for `evaluate.benchmarks`; list the benchmark a second time without it as the control.",
            ],
        },
        Key {
            name: "distractors",
            kind: Kind::Int(0, 20),
            nullable: true,
            absent: Some("2 with `variant: parsons`"),
            aliases: &[],
            doc: &[
                "Wrong lines among those of a Parsons problem: lines of the solution with one other token.",
            ],
        },
        Key {
            name: "indent",
            kind: Kind::Word(ParsonsIndent::words),
            nullable: true,
            absent: Some("`lost` with `variant: parsons`"),
            aliases: &[],
            doc: &["Whether the lines of a Parsons problem are shown with their indentation."],
        },
        Key {
            name: "wording",
            kind: Kind::Int(1, 3),
            nullable: true,
            absent: Some("1 with `variant: parsons`"),
            aliases: &[],
            doc: &["Wording of the instruction of a Parsons problem, of three."],
        },
    ];

    /// Reads the ids in `task_ids`; `None` if the recipe names no such file. Empty lines are ignored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_task_ids(&self) -> io::Result<Option<Vec<String>>> {
        let Some(path) = &self.task_ids else {
            return Ok(None);
        };
        let text = fs::read_to_string(path)?;
        let ids = text.lines().map(str::trim).filter(|id| !id.is_empty());
        Ok(Some(ids.map(str::to_owned).collect()))
    }

    /// Creates a benchmark whose file is in its default place.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            name,
            path: None,
            split: None,
            task_ids: None,
            variant: None,
            distractors: None,
            indent: None,
            wording: None,
        }
    }

    /// Returns the wrong lines, the indentation and the wording of Parsons problems; `None` without the variant.
    pub fn parsons(&self) -> Option<(usize, ParsonsIndent, usize)> {
        let BenchmarkVariant::Parsons = self.variant?;
        Some((
            self.distractors.unwrap_or(DISTRACTORS),
            self.indent.unwrap_or_default(),
            self.wording.unwrap_or(1),
        ))
    }
}

impl Serialize for Benchmark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let Self {
            name,
            path,
            split,
            task_ids,
            variant,
            distractors,
            indent,
            wording,
        } = self;
        let is_set = [
            path.is_some(),
            split.is_some(),
            task_ids.is_some(),
            variant.is_some(),
            distractors.is_some(),
            indent.is_some(),
            wording.is_some(),
        ];
        let n = is_set.iter().filter(|is_set| **is_set).count();
        if n == 0 {
            return name.serialize(serializer);
        }
        let mut item = serializer.serialize_struct("Benchmark", 1 + n)?;
        item.serialize_field("name", name)?;
        if path.is_some() {
            item.serialize_field("path", path)?;
        }
        if split.is_some() {
            item.serialize_field("split", split)?;
        }
        if task_ids.is_some() {
            item.serialize_field("task_ids", task_ids)?;
        }
        if variant.is_some() {
            item.serialize_field("variant", variant)?;
        }
        if distractors.is_some() {
            item.serialize_field("distractors", distractors)?;
        }
        if indent.is_some() {
            item.serialize_field("indent", indent)?;
        }
        if wording.is_some() {
            item.serialize_field("wording", wording)?;
        }
        item.end()
    }
}

/// A benchmark's name, checked by the tree's deserializer against the caller's list of names.
struct BenchmarkName(String);

impl<'de> Deserialize<'de> for BenchmarkName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = BenchmarkName;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a benchmark")
            }
            fn visit_enum<A: de::EnumAccess<'de>>(self, word: A) -> Result<Self::Value, A::Error> {
                let (name, variant) = word.variant()?;
                de::VariantAccess::unit_variant(variant)?;
                Ok(BenchmarkName(name))
            }
        }
        deserializer.deserialize_enum(NAME_TYPE, &[], Visitor)
    }
}

impl<'de> Deserialize<'de> for Benchmark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Item {
            name: BenchmarkName,
            #[serde(default)]
            path: Option<PathBuf>,
            #[serde(default)]
            split: Option<BenchmarkSplit>,
            #[serde(default)]
            task_ids: Option<PathBuf>,
            #[serde(default)]
            variant: Option<BenchmarkVariant>,
            #[serde(default)]
            distractors: Option<usize>,
            #[serde(default)]
            indent: Option<ParsonsIndent>,
            #[serde(default)]
            wording: Option<usize>,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Benchmark;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a benchmark, or `{name: ..., path: ...}`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                word: D,
            ) -> Result<Self::Value, D::Error> {
                BenchmarkName::deserialize(word).map(|name| Benchmark::named(name.0))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Item {
                    name,
                    path,
                    split,
                    task_ids,
                    variant,
                    distractors,
                    indent,
                    wording,
                } = Item::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Benchmark {
                    name: name.0,
                    path,
                    split,
                    task_ids,
                    variant,
                    distractors,
                    indent,
                    wording,
                })
            }
        }
        deserializer.deserialize_newtype_struct("Benchmark", Visitor)
    }
}
