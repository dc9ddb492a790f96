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
    /// Its data file, as the publisher has it, relative to the current folder; or `hf:OWNER/NAME#FILE`, a file of a
    /// data set on the Hugging Face hub. Default: the one in the cache folder.
    pub path: Option<PathBuf>,
    /// The part of the publisher's split that is used. Default: all tasks of the file.
    pub split: Option<BenchmarkSplit>,
    /// A file with the ids of the tasks that are used, one per line. Default: all tasks.
    pub task_ids: Option<PathBuf>,
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
                "Its data file as published, relative to the recipe's folder or the working directory, or `hf:OWNER/NAME#FILE`, a file of a data set on the Hugging Face hub.",
            ],
        },
        Key {
            name: "split",
            kind: Kind::Word(BenchmarkSplit::words),
            nullable: true,
            absent: Some("all tasks of the file"),
            aliases: &[],
            doc: &[
                "Part of the publisher's split: `mbpp` and `mbpp-sanitized` by their ids, `leetcode` by its questions, `repository` by `evaluator tasks --split`.",
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
        }
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
        } = self;
        if path.is_none() && split.is_none() && task_ids.is_none() {
            return name.serialize(serializer);
        }
        let n = 1 + [path.is_some(), split.is_some(), task_ids.is_some()]
            .iter()
            .filter(|is_set| **is_set)
            .count();
        let mut item = serializer.serialize_struct("Benchmark", n)?;
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
                } = Item::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Benchmark {
                    name: name.0,
                    path,
                    split,
                    task_ids,
                })
            }
        }
        deserializer.deserialize_newtype_struct("Benchmark", Visitor)
    }
}
