//! The recipe: the settings of a run, as a YAML file.
//!
//! A recipe is read in five steps, each in one file:
//!
//! 1. `yaml` reads the text into a tree of nodes (`tree`) and finds a key's line (`probe`); it is the only importer of
//!    `serde_yaml`.
//! 2. `spelling` replaces the keys of other trainers (`lora_r`, `epochs`) by ours.
//! 3. `overrides` inserts the `--set section.key=value` arguments into the same tree.
//! 4. `deserialize` turns the tree into a [`Recipe`]. It stops at the first unknown key or wrong type.
//! 5. `check` compares every value with its range and reports all mistakes together.
//!
//! The keys themselves are rows of tables (`schema`), from which structs, defaults, checks, aliases and the [`Reference`]
//! are made.
//!
//! The tree between text and struct keeps what `serde_yaml` does not report: whether a value is from the file (and its
//! line) or from a `--set` argument (and which), and the spelling of each key.
//!
//! ```
//! use std::path::Path;
//! use slm_config::Recipe;
//!
//! let text = "model: {name_or_path: base.gguf}\nlora: {lora_rank: 4}\n";
//! let sets = ["train.learning_rate=1e-4".to_owned()];
//! let recipe = Recipe::parse_without_data(text, Path::new("small.yaml"), &sets, &[]).unwrap();
//! assert_eq!((recipe.name(), recipe.lora.r), ("small", 4));
//! ```

mod adaptive;
mod adaptive_choices;
mod benchmark;
mod check;
mod cost_facts;
mod costs;
mod data;
mod deserialize;
mod difference;
mod endpoint;
mod error;
mod experiment;
mod fim;
mod format;
mod improve;
mod init_from;
mod knowledge;
mod load;
mod node;
mod optimizer;
mod overrides;
mod paths;
mod probe;
mod recipe;
mod reference;
mod schema;
mod selection;
mod shipped;
mod speakers;
mod spelling;
mod split;
mod target_modules;
mod template_value;
mod tools;
mod train;
mod tree;
mod word_or_list;
mod workflow;
mod workflow_cost;
mod workflow_part;
mod workflow_relations;
mod workflow_table;
mod yaml;

pub use adaptive::{Adaptive, Router};
pub use benchmark::{Benchmark, BenchmarkSplit, BenchmarkVariant, ParsonsIndent};
pub use costs::{Costs, without_costs};
pub use data::{
    Columns, Data, Dataset, OnBadRow, OneOf, Overlength, Thinking, TrainOn, TrainOnEos,
};
pub use difference::Difference;
pub use endpoint::{Api, Endpoint};
pub use error::{Location, Mistake, RecipeError};
pub use experiment::{Declared, Hypothesis, HypothesisId, HypothesisMetric, Sweep};
pub use fim::{FimCut, FimTokenNames, SpecialTokens, SpmLayout};
pub use format::{
    ColumnMessage, DatasetFormat, Layout, MessageKeys, OptionalColumns, ROW_FORMATS, RowFormat,
    Speaker, TextColumn, TrainingUnit,
};
pub use improve::{Improve, Keep, PairRule, Prefer};
pub use init_from::InitFrom;
pub use knowledge::{Grade, Knowledge, MemoryMode};
pub use load::Names;
pub use optimizer::{AdamSettings, Optim};
pub use paths::FoundBeside;
pub use recipe::{
    Dtype, Evaluate, InitLoraWeights, Lora, Model, ModuleToSave, Output, Quantization, Recipe,
    Sampling,
};
pub use reference::{Reference, UnknownName};
pub use selection::{Beam, BeamScore, SamplesSelect};
pub use shipped::{ShippedRecipe, UnknownRecipe};
pub use speakers::{RoleSpeaker, Speakers, Teacher};
pub use split::Split;
pub use target_modules::{TargetModule, TargetModules};
pub use template_value::TemplateValue;
pub use tools::{Strategy, Tools};
pub use train::{GradientCheckpointing, LrSchedulerType, Objective, Train};
pub use workflow::{AdapterRoles, Budget, Controls, Prompting, Prompts, Role};
pub use workflow_cost::{Cost, CostFacts, MOST_ACTIONS, MOST_CHOSEN, MOST_SYMBOLS};
pub use workflow_part::{H3Part, Needs};
pub use workflow_table::{Workflow, WorkflowPair};
