//! The recipe: what a run is made of, as a YAML file.
//!
//! A recipe goes through five steps, each with one file:
//!
//! 1. `yaml` reads the text into a tree of nodes with `tree`, and finds a key's line
//!    with `probe`; it alone imports `serde_yaml`.
//! 2. `spelling` turns the spellings that other trainers use (`lora_r`, `epochs`) into ours.
//! 3. `overrides` puts the `--set section.key=value` arguments into the same tree.
//! 4. `deserialize` turns the tree into a [`Recipe`], whose schema and defaults stand in
//!    `recipe`. Unknown keys and wrong types stop here, at the first.
//! 5. `check` compares every value with its range and reports all mistakes together.
//!
//! A tree stands between text and struct because an error has to say more than `serde_yaml` tells:
//! whether a value came from the file (then its line) or from a `--set` argument (then which), and
//! which key was meant.

mod benchmark;
mod check;
mod data;
mod deserialize;
mod difference;
mod endpoint;
mod error;
mod experiment;
mod format;
mod load;
mod node;
mod optimizer;
mod overrides;
mod probe;
mod recipe;
mod spelling;
mod target_modules;
mod train;
mod tree;
mod word_or_list;
mod workflow;
mod workflow_table;
mod yaml;

pub use benchmark::Benchmark;
pub use data::{Columns, Data, Dataset, OnBadRow, OneOf, Overlength, TrainOn, TrainOnEos};
pub use difference::Difference;
pub use endpoint::{Api, Endpoint};
pub use error::{Location, Mistake, RecipeError};
pub use experiment::{Declared, Hypothesis, HypothesisId, HypothesisMetric, Sweep};
pub use format::{
    ColumnMessage, DatasetFormat, Layout, MessageKeys, ROW_FORMATS, RowFormat, Speaker, TextColumn,
};
pub use load::Names;
pub use optimizer::{AdamSettings, Optim};
pub use recipe::{
    Dtype, Evaluate, InitLoraWeights, Lora, Model, ModuleToSave, Output, Quantization, Recipe,
    Sampling,
};
pub use target_modules::{TargetModule, TargetModules};
pub use train::{GradientCheckpointing, LrSchedulerType, Train};
pub use workflow::{AdapterRoles, Budget, Prompting, Prompts, Role};
pub use workflow_table::{H3Part, Workflow, WorkflowPair};
