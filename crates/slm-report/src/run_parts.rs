//! The parts of a run's description.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slm_artifacts::{ContaminationSearch, Energy, add_energy};

/// The base model's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModelInfo {
    /// Its name on the hub, or its path.
    pub name: String,
    /// SHA-256 of its weight file, in hex.
    pub sha256: String,
}

/// An adapter's identity and training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterInfo {
    /// The arm's name in the records.
    pub name: String,
    /// The adapter's folder.
    pub path: String,
    /// SHA-256 of `adapter_model.safetensors`, in hex.
    pub sha256: String,
    /// The training, if known.
    pub training: Option<TrainingSummary>,
    /// Whether its training omitted examples with texts of tasks, if known.
    pub decontaminated: Option<bool>,
    /// The benchmarks that the examples were searched for, and the number omitted, if its folder records them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<ContaminationSearch>,
    /// The tasks of the run that its training data contain, which the user allowed; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_tasks: Vec<String>,
}

/// A role with its speaker in every arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerInfo {
    /// The role.
    pub role: String,
    /// The speaker as the recipe names it: `base`, `teacher` or an adapter.
    pub speaker: String,
    /// The adapter's folder, or the teacher's model and address; omitted for the base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of the adapter's weights or of the teacher's description, in hex; omitted for the base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The tasks of the run that its training data contain, which the user allowed; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_tasks: Vec<String>,
}

/// A finished training in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSummary {
    /// Optimizer steps.
    pub steps: usize,
    /// Training examples.
    pub examples: usize,
    /// Loss of the last step, in nats per supervised token; with an objective of preferences, per preference.
    pub final_loss: f64,
    /// Wall time, in seconds.
    pub seconds: f64,
    /// The objective of preferences that was trained for; omitted for `sft` or if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Energy in the time of `seconds`; omitted if the adapter's folder does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
}

/// The recipe as the run used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeInfo {
    /// The resolved recipe, YAML.
    pub yaml: String,
    /// SHA-256 of `yaml`, in hex.
    pub sha256: String,
    /// The file that declared it; omitted if the recipe is the copy in an adapter's folder, or by an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<DeclaredRecipe>,
}

/// The file of a recipe as it was when the run started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredRecipe {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The `--set` arguments, which change it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// The Git commit that last changed the file; omitted if it differs from the committed one, or is in no repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When that commit was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<String>,
}

/// The training tasks that a router chooses by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutesInfo {
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Number of tasks.
    pub tasks: usize,
    /// The workflows that are chosen from.
    pub choices: Vec<String>,
}

/// The index and the memory that workflows looked things up in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnowledgeInfo {
    /// SHA-256 over the chunks and files of the index, in hex; `None` without an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_sha256: Option<String>,
    /// Chunks of the index.
    pub chunks: usize,
    /// Files of the index.
    pub files: usize,
    /// Number of files that were left out, by the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, usize>,
    /// Chunks that were hidden for at least one task.
    pub masked: usize,
    /// SHA-256 of the memory's file, in hex; `None` without a memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_sha256: Option<String>,
    /// Entries of the memory.
    pub entries: usize,
    /// Most chunks that one lookup finds: `knowledge.top_k`.
    pub top_k: usize,
}

/// What something that was made before a run has cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineCost {
    /// What was made: `memory`.
    pub what: String,
    /// Tokens generated, those of the runs that it was made of included.
    pub completion_tokens: usize,
    /// Calls to the model.
    pub calls: usize,
    /// Program runs.
    pub executions: usize,
}

/// A part of the budget that is smaller than what a workflow may need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortBudget {
    /// The workflow.
    pub workflow: String,
    /// `calls`, `executions` or `lookups`.
    pub resource: String,
    /// The most that the workflow may need for a sample.
    pub most: usize,
    /// The budget for a sample.
    pub budget: usize,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointInfo {
    /// The URL, without user, password and query.
    pub url: String,
    /// The route: `completions` or `chat`.
    pub api: String,
    /// The server's names of the arms, the base model first.
    pub models: Vec<ServedModel>,
    /// The form of the prompts; `None` before the first request.
    pub prompts: Option<String>,
    /// Concurrent requests.
    pub concurrency: usize,
}

/// An arm as a server serves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedModel {
    /// The arm.
    pub arm: String,
    /// The server's name of the arm.
    pub model: String,
    /// The server's description in its list of models, without times and permissions; `None` if it has no list.
    pub told: Option<serde_json::Value>,
}

/// A shard of a run's tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardInfo {
    /// The shard's number, from 1.
    pub index: usize,
    /// The number of shards.
    pub of: usize,
    /// The names of its tasks, in the run's order.
    pub tasks: Vec<String>,
}

/// Which shards of a run were merged, where some are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterimInfo {
    /// The numbers of the merged shards, from 1.
    pub shards: Vec<usize>,
    /// The number of shards of the whole run.
    pub of: usize,
    /// The number of tasks of the merged shards.
    pub tasks: usize,
}

/// A benchmark's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkInfo {
    /// Its name.
    pub name: String,
    /// Number of tasks.
    pub tasks: usize,
    /// SHA-256 over the contents of its tasks, in hex.
    pub sha256: String,
    /// Rows of its file and tasks that are left out, by reason; omitted if there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, usize>,
}

/// The confinement of the tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxInfo {
    /// The sandbox's level, as text.
    pub level: String,
    /// The attacks of the self-test before the run, and whether they were blocked.
    pub properties: Vec<SandboxProperty>,
}

/// One property of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxProperty {
    /// For example "no network".
    pub name: String,
    /// Whether the attack on it failed, on this machine, for this user.
    pub enforced: bool,
}

/// A seed and its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSeed {
    /// Its use, for example `generation`.
    pub name: String,
    /// The seed.
    pub seed: u64,
}

/// The sampling of completions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingInfo {
    /// 0 is greedy decoding.
    pub temperature: f64,
    /// Nucleus size (top-p); `None` keeps every token.
    pub top_p: Option<f64>,
    /// Number of most likely tokens to sample from (top-k); `None` keeps every token.
    pub top_k: Option<usize>,
    /// Token limit of a completion.
    pub max_new_tokens: usize,
    /// Samples per task and arm.
    pub samples_per_task: u32,
}

/// Wall time and energy of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseTiming {
    /// The phase, for example `generate base single`.
    pub phase: String,
    /// Wall time, in seconds.
    pub seconds: f64,
    /// Energy in that time; omitted in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
}

impl PhaseTiming {
    /// Adds the time and the energy of the same phase in another start or shard.
    pub fn add(&mut self, other: &Self) {
        self.energy = add_energy(
            (self.energy.as_ref(), self.seconds),
            (other.energy.as_ref(), other.seconds),
        );
        self.seconds += other.seconds;
    }
}
