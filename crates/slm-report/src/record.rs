//! What one evaluation leaves behind: a line for each sample and one description of the run.
//!
//! `records.jsonl` holds one [`SampleRecord`] a line, flushed as it is made, so that a crash loses at most
//! one sample; `run.json` holds one [`RunInfo`]. Statistics and report read nothing else, so a report can be
//! made again from these two files alone. Both carry a version: a reader refuses what it does not know
//! rather than guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slm_artifacts::{ContaminationSearch, FinishReason, StopReason, Verdict};
use slm_config::Declared;
use slm_hub::Provenance;

use crate::cell::Decoding;
use crate::code_metric::ProgramMetrics;
use crate::plan::Plan;
use crate::spending::Spending;

/// The version written into every record and run description; raised when a field changes its meaning.
///
/// | version | what changed |
/// |---|---|
/// | 4 | verdict `empty`, which was `unparsable`; `metrics.lloc_code`; `plan.hypotheses[].declared` |
/// | 3 | the first that later versions read |
pub const RECORD_VERSION: u32 = 4;

/// The earliest version that is read.
pub const OLDEST_RECORD: u32 = 3;

/// What version 3 said of an unparsable answer that version 4 calls empty.
const NOTHING_ADDED: &str = "adds no statement to the prompt";

/// One completion of one task by one arm, with everything measured on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleRecord {
    /// [`RECORD_VERSION`] at the time of writing.
    pub version: u32,
    /// [`BASE_ARM`](slm_artifacts::BASE_ARM) or the adapter's name.
    pub arm: String,
    /// The workflow that led from the task to the completion, for example `single`.
    pub workflow: String,
    /// How tokens were drawn.
    pub decoding: Decoding,
    /// The benchmark that the task is from.
    pub benchmark: String,
    /// The task's name, unique in the run.
    pub task_id: String,
    /// Counts the samples of one task from 0.
    pub sample: u32,
    /// The seed of this sample's random choices.
    pub seed: u64,
    /// Tokens of the rendered requests, all calls together.
    pub prompt_tokens: usize,
    /// Tokens the model produced in all calls, end tokens not counted.
    pub completion_tokens: usize,
    /// Calls to the model.
    pub calls: usize,
    /// Runs of a program inside the workflow, hidden tests not counted.
    pub executions: usize,
    /// Rounds of revision begun.
    pub rounds: u32,
    /// Why the workflow ended.
    pub stop: StopReason,
    /// Answers that missed their format.
    pub format_failures: usize,
    /// What the workflow left of its budget.
    pub unspent: Spending,
    /// Why the generation of `completion` ended.
    pub finish_reason: FinishReason,
    /// Wall time of the generation, in seconds; a batch's time is shared out among its samples.
    pub generation_s: f64,
    /// How often a server was asked again until it answered; left out where there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: usize,
    /// Whether tokens were counted here because a server did not; left out where it is false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tokens_estimated: bool,
    /// The model's text that holds the final program, unchanged; empty if no call was to make one.
    pub completion: String,
    /// The program extracted from the completion, which was measured and tested.
    pub program: String,
    /// Whether a Python parser accepts the program.
    pub parsable: bool,
    /// Static metrics of the program; none exactly if it does not parse or is [`Verdict::Empty`].
    pub metrics: Option<ProgramMetrics>,
    /// How the hidden tests ended.
    pub verdict: Verdict,
    /// Hidden tests that passed.
    pub tests_passed: usize,
    /// Hidden tests of the task.
    pub tests_total: usize,
    /// The last line of the failure, if the verdict needs one.
    pub detail: Option<String>,
    /// Processor time of the tests, in seconds.
    pub cpu_s: f64,
}

impl SampleRecord {
    /// Whether every hidden test passed.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }

    /// The record as this version would have written it, but for `version`, which still tells who did.
    pub fn upgraded(mut self) -> Self {
        if self.version >= RECORD_VERSION {
            return self;
        }
        if let Some(metrics) = &mut self.metrics
            && metrics.lloc_code.is_none()
        {
            let found = slm_metrics::analyze(&self.program).ok();
            metrics.lloc_code = found.map(|found| found.lloc_code);
        }
        if self.verdict == Verdict::Unparsable && self.detail.as_deref() == Some(NOTHING_ADDED) {
            (self.verdict, self.parsable) = (Verdict::Empty, true);
        }
        self
    }
}

/// Whether a count need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What is needed to understand a run and to make it again: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// [`RECORD_VERSION`] at the time of writing.
    pub version: u32,
    /// The run's name, which is also its folder's.
    pub name: String,
    /// When the run began, RFC 3339.
    pub created: String,
    /// This project's version.
    pub project_version: String,
    /// SHA-256 over all that enters a sample, in hex.
    pub config_sha256: String,
    /// The command line that makes the run again.
    pub command: String,
    /// The base model.
    pub base_model: BaseModelInfo,
    /// The adapters judged; their names are the arms beside [`BASE_ARM`](slm_artifacts::BASE_ARM), in the report's order.
    pub adapters: Vec<AdapterInfo>,
    /// The resolved recipe.
    pub recipe: RecipeInfo,
    /// The benchmarks, in the recipe's order.
    pub benchmarks: Vec<BenchmarkInfo>,
    /// What came from the hub, the base model first: commits, and the hash of each file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Provenance>,
    /// The device that generated, in words, for example `cpu (flex)`.
    pub device: String,
    /// Threads that generated.
    pub threads: usize,
    /// The Python interpreter that ran the tests, for example `3.11.7`.
    pub python_version: String,
    /// How the tests were confined.
    pub sandbox: SandboxInfo,
    /// The seeds of the run, by what they seed.
    pub seeds: Vec<NamedSeed>,
    /// How completions are sampled, where a cell says nothing else.
    pub sampling: SamplingInfo,
    /// What was asked, in which cells, and what the run declared before it saw any result.
    pub plan: Plan,
    /// What each workflow may spend on a sample.
    pub budget: Spending,
    /// Wall time by phase, in seconds, in the order they ran.
    pub timings: Vec<PhaseTiming>,
    /// The server that answered in place of the built-in model; left out where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointInfo>,
    /// Which part of the tasks this is; left out where it is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardInfo>,
    /// The names of the runs that were merged to this one; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<String>,
    /// Processor time of the hidden tests on a task's own solution, in seconds, for tasks that some program solved.
    pub canonical_cpu_s: BTreeMap<String, f64>,
}

impl RunInfo {
    /// The description as this version would have written it.
    pub fn upgraded(mut self) -> Self {
        self.version = RECORD_VERSION;
        for hypothesis in &mut self.plan.hypotheses {
            // Version 3 did not record who set an effect; what is no default, somebody set.
            if hypothesis.declared.is_none() && !hypothesis.equals_a_default() {
                hypothesis.declared = Some(Declared::Recipe);
            }
        }
        self
    }

    /// Tasks that the run answers.
    pub fn n_tasks(&self) -> usize {
        match &self.shard {
            Some(shard) => shard.tasks.len(),
            None => self.n_tasks_of_benchmarks(),
        }
    }

    /// Tasks of all benchmarks, of which a shard answers some.
    pub fn n_tasks_of_benchmarks(&self) -> usize {
        self.benchmarks
            .iter()
            .map(|benchmark| benchmark.tasks)
            .sum()
    }

    /// Answers that the finished run has.
    pub fn n_answers(&self) -> usize {
        let cells = self.plan.cells.iter();
        self.n_tasks() * cells.map(|cell| cell.samples as usize).sum::<usize>()
    }

    /// The seed of resampling, permutations and the split of tasks.
    pub fn statistics_seed(&self) -> u64 {
        let seed = self.seeds.iter().find(|seed| seed.name == STATISTICS);
        seed.map_or(1, |seed| seed.seed)
    }
}

/// The name of the seed of resampling, permutations and the split of tasks.
pub const STATISTICS: &str = "statistics";

/// The base model's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModelInfo {
    /// Its name on the hub, or its path.
    pub name: String,
    /// SHA-256 of its weight file, in hex.
    pub sha256: String,
}

/// One adapter's identity and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterInfo {
    /// The arm's name in the records.
    pub name: String,
    /// The adapter's folder.
    pub path: String,
    /// SHA-256 of `adapter_model.safetensors`, in hex.
    pub sha256: String,
    /// How it was trained, where that is known.
    pub training: Option<TrainingSummary>,
    /// Whether its training left out examples that hold texts of tasks, where that is known.
    pub decontaminated: Option<bool>,
    /// What they were searched for and how many were left out, where its folder says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<ContaminationSearch>,
}

/// A finished training in four numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSummary {
    /// Optimizer steps.
    pub steps: usize,
    /// Training examples.
    pub examples: usize,
    /// Loss of the last step, in nats per supervised token.
    pub final_loss: f64,
    /// Wall time, in seconds.
    pub seconds: f64,
}

/// The recipe as the run used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeInfo {
    /// The resolved recipe, YAML.
    pub yaml: String,
    /// SHA-256 of `yaml`, in hex.
    pub sha256: String,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointInfo {
    /// Its address, without user, password and query.
    pub url: String,
    /// The route that was asked: `completions` or `chat`.
    pub api: String,
    /// What it calls each arm, the base model first.
    pub models: Vec<ServedModel>,
    /// What prompts were, in words; none before the first request.
    pub prompts: Option<String>,
    /// Requests under way at once.
    pub concurrency: usize,
}

/// An arm as a server knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedModel {
    /// The arm.
    pub arm: String,
    /// The server's name of it.
    pub model: String,
    /// What its list of models says of it, without times and permissions; none if it has no list.
    pub told: Option<serde_json::Value>,
}

/// A part of a run's tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardInfo {
    /// Counts the shards from 1.
    pub index: usize,
    /// How many shards the run has.
    pub of: usize,
    /// The names of its tasks, in the run's order.
    pub tasks: Vec<String>,
}

/// The benchmark's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkInfo {
    /// Its name.
    pub name: String,
    /// Number of tasks.
    pub tasks: usize,
    /// SHA-256 over the contents of its tasks, in hex.
    pub sha256: String,
}

/// How the tests were confined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxInfo {
    /// The level in words.
    pub level: String,
    /// What the self-test tried before the run, and whether it was held off.
    pub properties: Vec<SandboxProperty>,
}

/// One thing a sandbox may or may not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxProperty {
    /// Such as "no network".
    pub name: String,
    /// Whether the attempt failed, on this machine, for this user.
    pub enforced: bool,
}

/// A seed and what it seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSeed {
    /// What it seeds, for example `generation`.
    pub name: String,
    /// The seed.
    pub seed: u64,
}

/// How completions were sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingInfo {
    /// 0 is greedy decoding.
    pub temperature: f64,
    /// Nucleus size; none keeps every token.
    pub top_p: Option<f64>,
    /// Most likely tokens kept; none keeps every token.
    pub top_k: Option<usize>,
    /// Token limit of a completion.
    pub max_new_tokens: usize,
    /// Samples a task and arm.
    pub samples_per_task: u32,
}

/// Wall time of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseTiming {
    /// The phase, for example `generate base single`.
    pub phase: String,
    /// Wall time, in seconds.
    pub seconds: f64,
}
