//! Sets of tasks with hidden tests, and how a recipe names them and their files.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::schema::{Key, Kind};

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
    ];

    /// Creates a benchmark whose file is in its default place.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { name, path: None }
    }
}

impl Serialize for Benchmark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        match &self.path {
            None => self.name.serialize(serializer),
            Some(path) => {
                let mut item = serializer.serialize_struct("Benchmark", 2)?;
                item.serialize_field("name", &self.name)?;
                item.serialize_field("path", path)?;
                item.end()
            }
        }
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
                let Item { name, path } =
                    Item::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let name = name.0;
                Ok(Benchmark { name, path })
            }
        }
        deserializer.deserialize_newtype_struct("Benchmark", Visitor)
    }
}
