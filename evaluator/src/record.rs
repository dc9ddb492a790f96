//! What one evaluation leaves behind: a line for each sample and one description of the run.
//!
//! `records.jsonl` holds one [`SampleRecord`] a line, flushed as it is made, so that a crash loses at most
//! one sample; `run.json` holds one [`RunInfo`]. How a sample came about stands in `trajectory.jsonl`, see
//! [`crate::workflow::event`]. Statistics and report read nothing else, so a report can
//! be made again from these two files alone. Both carry a version: a reader refuses what it does not know
//! rather than guess.

use slm_artifacts::{FinishReason, StopReason, Verdict};
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use slm_cli::Provenance;
use slm_config::Declared;

use crate::experiment::cell::Decoding;
use crate::experiment::plan::Plan;
use crate::json_lines::Versioned;
use crate::workflow::budget::Spending;

/// The version written into every record and run description; raised when a field changes its meaning.
///
/// | version | what changed |
/// |---|---|
/// | 4 | verdict `empty`, which was `unparsable`; `metrics.lloc_code`; `plan.hypotheses[].declared` |
/// | 3 | the first that later versions read |
pub(crate) const RECORD_VERSION: u32 = 4;

/// The earliest version that is read.
pub(crate) const OLDEST_RECORD: u32 = 3;

/// What version 3 said of an unparsable answer that version 4 calls empty.
const NOTHING_ADDED: &str = "adds no statement to the prompt";

/// One completion of one task by one arm, with everything measured on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SampleRecord {
    /// [`RECORD_VERSION`] at the time of writing.
    pub(crate) version: u32,
    /// [`BASE_ARM`] or the adapter's name.
    pub(crate) arm: String,
    /// The workflow that led from the task to the completion, for example `single`.
    pub(crate) workflow: String,
    /// How tokens were drawn.
    pub(crate) decoding: Decoding,
    /// The benchmark that the task is from.
    pub(crate) benchmark: String,
    /// The task's name, unique in the run.
    pub(crate) task_id: String,
    /// Counts the samples of one task from 0.
    pub(crate) sample: u32,
    /// The seed of this sample's random choices.
    pub(crate) seed: u64,
    /// Tokens of the rendered requests, all calls together.
    pub(crate) prompt_tokens: usize,
    /// Tokens the model produced in all calls, end tokens not counted.
    pub(crate) completion_tokens: usize,
    /// Calls to the model.
    pub(crate) calls: usize,
    /// Runs of a program inside the workflow, hidden tests not counted.
    pub(crate) executions: usize,
    /// Rounds of revision begun.
    pub(crate) rounds: u32,
    /// Why the workflow ended.
    pub(crate) stop: StopReason,
    /// Answers that missed their format.
    pub(crate) format_failures: usize,
    /// What the workflow left of its budget.
    pub(crate) unspent: Spending,
    /// Why the generation of `completion` ended.
    pub(crate) finish_reason: FinishReason,
    /// Wall time of the generation, in seconds; a batch's time is shared out among its samples.
    pub(crate) generation_s: f64,
    /// How often a server was asked again until it answered; left out where there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: usize,
    /// Whether tokens were counted here because a server did not; left out where it is false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tokens_estimated: bool,
    /// The model's text that holds the final program, unchanged; empty if no call was to make one.
    pub(crate) completion: String,
    /// The program extracted from the completion, which was measured and tested.
    pub(crate) program: String,
    /// Whether a Python parser accepts the program.
    pub(crate) parsable: bool,
    /// Static metrics of the program; none exactly if it does not parse or is [`Verdict::Empty`].
    pub(crate) metrics: Option<ProgramMetrics>,
    /// How the hidden tests ended.
    pub(crate) verdict: Verdict,
    /// Hidden tests that passed.
    pub(crate) tests_passed: usize,
    /// Hidden tests of the task.
    pub(crate) tests_total: usize,
    /// The last line of the failure, if the verdict needs one.
    pub(crate) detail: Option<String>,
    /// Processor time of the tests, in seconds.
    pub(crate) cpu_s: f64,
}

impl Versioned for SampleRecord {
    const VERSION: u32 = RECORD_VERSION;
    const OLDEST: u32 = OLDEST_RECORD;
}

impl SampleRecord {
    /// Whether every hidden test passed.
    pub(crate) fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }

    /// The record as this version would have written it, but for `version`, which still tells who did.
    pub(crate) fn upgraded(mut self) -> Self {
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
pub(crate) fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Static metrics of one program, by radon's definitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramMetrics {
    /// Lines in all.
    pub(crate) loc: usize,
    /// Logical lines: statements, roughly.
    pub(crate) lloc: usize,
    /// Source lines: neither blank, comment nor docstring.
    pub(crate) sloc: usize,
    /// Comment tokens, those behind code included.
    pub(crate) comments: usize,
    /// Lines of strings that stand alone and span several lines.
    pub(crate) multi: usize,
    /// Blank lines.
    pub(crate) blank: usize,
    /// Lines that hold only a comment or a one-line docstring.
    pub(crate) single_comments: usize,
    /// Total cyclomatic complexity of the module, as it enters the maintainability index.
    pub(crate) cyclomatic_complexity: f64,
    /// Halstead volume, in bits; 0 for a program without operators.
    pub(crate) halstead_volume: f64,
    /// Maintainability index, 0 to 100, of the program as extracted, comments and docstrings included.
    pub(crate) maintainability_index: f64,
    /// Maintainability index, 0 to 100, of the same program without comments and docstrings.
    pub(crate) mi_code: f64,
    /// Logical lines of the same program without comments and docstrings; left out before version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lloc_code: Option<usize>,
}

/// What is needed to understand a run and to make it again: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunInfo {
    /// [`RECORD_VERSION`] at the time of writing.
    pub(crate) version: u32,
    /// The run's name, which is also its folder's.
    pub(crate) name: String,
    /// When the run began, RFC 3339.
    pub(crate) created: String,
    /// This project's version.
    pub(crate) project_version: String,
    /// SHA-256 over all that enters a sample, in hex.
    pub(crate) config_sha256: String,
    /// The command line that makes the run again.
    pub(crate) command: String,
    /// The base model.
    pub(crate) base_model: BaseModelInfo,
    /// The adapters judged; their names are the arms beside [`BASE_ARM`], in the report's order.
    pub(crate) adapters: Vec<AdapterInfo>,
    /// The resolved recipe.
    pub(crate) recipe: RecipeInfo,
    /// The benchmarks, in the recipe's order.
    pub(crate) benchmarks: Vec<BenchmarkInfo>,
    /// What came from the hub, the base model first: commits, and the hash of each file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<Provenance>,
    /// The device that generated, in words, for example `cpu (flex)`.
    pub(crate) device: String,
    /// Threads that generated.
    pub(crate) threads: usize,
    /// The Python interpreter that ran the tests, for example `3.11.7`.
    pub(crate) python_version: String,
    /// How the tests were confined.
    pub(crate) sandbox: SandboxInfo,
    /// The seeds of the run, by what they seed.
    pub(crate) seeds: Vec<NamedSeed>,
    /// How completions are sampled, where a cell says nothing else.
    pub(crate) sampling: SamplingInfo,
    /// What was asked, in which cells, and what the run declared before it saw any result.
    pub(crate) plan: Plan,
    /// What each workflow may spend on a sample.
    pub(crate) budget: Spending,
    /// Wall time by phase, in seconds, in the order they ran.
    pub(crate) timings: Vec<PhaseTiming>,
    /// The server that answered in place of the built-in model; left out where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<EndpointInfo>,
    /// Which part of the tasks this is; left out where it is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<ShardInfo>,
    /// The names of the runs that were merged to this one; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) merged_from: Vec<String>,
    /// Processor time of the hidden tests on a task's own solution, in seconds, for tasks that some program solved.
    pub(crate) canonical_cpu_s: BTreeMap<String, f64>,
}

impl RunInfo {
    /// The description as this version would have written it.
    pub(crate) fn upgraded(mut self) -> Self {
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
    pub(crate) fn n_tasks(&self) -> usize {
        match &self.shard {
            Some(shard) => shard.tasks.len(),
            None => self.n_tasks_of_benchmarks(),
        }
    }

    /// Tasks of all benchmarks, of which a shard answers some.
    pub(crate) fn n_tasks_of_benchmarks(&self) -> usize {
        self.benchmarks
            .iter()
            .map(|benchmark| benchmark.tasks)
            .sum()
    }

    /// Answers that the finished run has.
    pub(crate) fn n_answers(&self) -> usize {
        let cells = self.plan.cells.iter();
        self.n_tasks() * cells.map(|cell| cell.samples as usize).sum::<usize>()
    }

    /// The seed of resampling, permutations and the split of tasks.
    pub(crate) fn statistics_seed(&self) -> u64 {
        let seed = self.seeds.iter().find(|seed| seed.name == STATISTICS);
        seed.map_or(1, |seed| seed.seed)
    }
}

/// The name of the seed of resampling, permutations and the split of tasks.
pub(crate) const STATISTICS: &str = "statistics";

/// The base model's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BaseModelInfo {
    /// Its name on the hub, or its path.
    pub(crate) name: String,
    /// SHA-256 of its weight file, in hex.
    pub(crate) sha256: String,
}

/// One adapter's identity and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdapterInfo {
    /// The arm's name in the records.
    pub(crate) name: String,
    /// The adapter's folder.
    pub(crate) path: String,
    /// SHA-256 of `adapter_model.safetensors`, in hex.
    pub(crate) sha256: String,
    /// How it was trained, where that is known.
    pub(crate) training: Option<TrainingSummary>,
    /// Whether its training left out examples that hold texts of tasks, where that is known.
    pub(crate) decontaminated: Option<bool>,
    /// What they were searched for and how many were left out, where its folder says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<ContaminationSearch>,
}

/// A search for tasks in training examples: `decontamination` of `training.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContaminationSearch {
    /// The benchmarks whose tasks were searched for.
    pub(crate) benchmarks: Vec<String>,
    /// Examples that shared text or code with one of them.
    pub(crate) left_out: usize,
}

/// A finished training in four numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingSummary {
    /// Optimizer steps.
    pub(crate) steps: usize,
    /// Training examples.
    pub(crate) examples: usize,
    /// Loss of the last step, in nats per supervised token.
    pub(crate) final_loss: f64,
    /// Wall time, in seconds.
    pub(crate) seconds: f64,
}

/// The recipe as the run used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipeInfo {
    /// The resolved recipe, YAML.
    pub(crate) yaml: String,
    /// SHA-256 of `yaml`, in hex.
    pub(crate) sha256: String,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointInfo {
    /// Its address, without user, password and query.
    pub(crate) url: String,
    /// The route that was asked: `completions` or `chat`.
    pub(crate) api: String,
    /// What it calls each arm, the base model first.
    pub(crate) models: Vec<ServedModel>,
    /// What prompts were, in words; none before the first request.
    pub(crate) prompts: Option<String>,
    /// Requests under way at once.
    pub(crate) concurrency: usize,
}

/// An arm as a server knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServedModel {
    /// The arm.
    pub(crate) arm: String,
    /// The server's name of it.
    pub(crate) model: String,
    /// What its list of models says of it, without times and permissions; none if it has no list.
    pub(crate) told: Option<serde_json::Value>,
}

/// A part of a run's tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardInfo {
    /// Counts the shards from 1.
    pub(crate) index: usize,
    /// How many shards the run has.
    pub(crate) of: usize,
    /// The names of its tasks, in the run's order.
    pub(crate) tasks: Vec<String>,
}

/// The benchmark's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BenchmarkInfo {
    /// Its name.
    pub(crate) name: String,
    /// Number of tasks.
    pub(crate) tasks: usize,
    /// SHA-256 over the contents of its tasks, in hex.
    pub(crate) sha256: String,
}

/// How the tests were confined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxInfo {
    /// The level in words.
    pub(crate) level: String,
    /// What the self-test tried before the run, and whether it was held off.
    pub(crate) properties: Vec<slm_sandbox::Property>,
}

/// A seed and what it seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedSeed {
    /// What it seeds, for example `generation`.
    pub(crate) name: String,
    /// The seed.
    pub(crate) seed: u64,
}

/// How completions were sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamplingInfo {
    /// 0 is greedy decoding.
    pub(crate) temperature: f64,
    /// Nucleus size; none keeps every token.
    pub(crate) top_p: Option<f64>,
    /// Most likely tokens kept; none keeps every token.
    pub(crate) top_k: Option<usize>,
    /// Token limit of a completion.
    pub(crate) max_new_tokens: usize,
    /// Samples a task and arm.
    pub(crate) samples_per_task: u32,
}

/// Wall time of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhaseTiming {
    /// The phase, for example `generate base single`.
    pub(crate) phase: String,
    /// Wall time, in seconds.
    pub(crate) seconds: f64,
}
