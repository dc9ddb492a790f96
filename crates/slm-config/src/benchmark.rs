//! Sets of tasks with hidden tests, and how a recipe names them and their files.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An item of `evaluate.benchmarks`: a name, or a name with the file that holds the tasks.
///
/// Written `humaneval+`, or `{name: humaneval+, path: data/HumanEvalPlus.jsonl.gz}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    /// Which benchmark.
    pub name: BenchmarkName,
    /// Its data file, as the publisher has it, relative to the current folder; or `hf:OWNER/NAME#FILE`, a file of a
    /// data set on the Hugging Face hub. Default: the one in the cache folder.
    pub path: Option<PathBuf>,
}

/// Name of a set of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchmarkName {
    /// The tasks written for this project, built into the evaluator.
    Embedded,
    /// Functions from their docstrings (`OpenAI`).
    Humaneval,
    /// The same with many more tests (`EvalPlus`).
    #[serde(rename = "humaneval+")]
    HumanevalPlus,
    /// Small programs from a sentence (Google).
    Mbpp,
    /// The part of it that was checked by hand.
    MbppSanitized,
    /// That part with many more tests (`EvalPlus`).
    #[serde(rename = "mbpp+")]
    MbppPlus,
    /// Whole classes.
    Classeval,
    /// Problems of programming contests.
    Apps,
    /// Functions that use many libraries.
    Bigcodebench,
    /// Dated contest problems.
    Livecodebench,
    /// `HumanEval`'s problems, changed by a language model.
    Evoeval,
    /// Word problems whose answer is a number.
    MathqaPython,
    /// Methods from the problems of a website.
    Leetcode,
    /// A file of your own.
    Custom,
}

impl BenchmarkName {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Embedded,
        Self::Humaneval,
        Self::HumanevalPlus,
        Self::Mbpp,
        Self::MbppSanitized,
        Self::MbppPlus,
        Self::Classeval,
        Self::Apps,
        Self::Bigcodebench,
        Self::Livecodebench,
        Self::Evoeval,
        Self::MathqaPython,
        Self::Leetcode,
        Self::Custom,
    ];

    /// As a recipe writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Humaneval => "humaneval",
            Self::HumanevalPlus => "humaneval+",
            Self::Mbpp => "mbpp",
            Self::MbppSanitized => "mbpp-sanitized",
            Self::MbppPlus => "mbpp+",
            Self::Classeval => "classeval",
            Self::Apps => "apps",
            Self::Bigcodebench => "bigcodebench",
            Self::Livecodebench => "livecodebench",
            Self::Evoeval => "evoeval",
            Self::MathqaPython => "mathqa-python",
            Self::Leetcode => "leetcode",
            Self::Custom => "custom",
        }
    }
}

impl Benchmark {
    /// A benchmark whose file lies where it is looked for.
    pub fn named(name: BenchmarkName) -> Self {
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
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let name = BenchmarkName::deserialize(de::value::StrDeserializer::<E>::new(text))?;
                Ok(Benchmark::named(name))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Item { name, path } =
                    Item::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Benchmark { name, path })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
