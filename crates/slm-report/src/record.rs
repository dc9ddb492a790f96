//! The files of one evaluation: a record for each sample and one description of the run.
//!
//! `records.jsonl` contains one [`SampleRecord`] per line, written when it is complete, so that a crash loses at most
//! one sample; `run.json` contains one [`RunInfo`]. Statistics and report read only these two files, so a report can
//! be rebuilt from them. Both have a version: a reader refuses an unknown one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slm_artifacts::{FinishReason, Phase, StopReason, Verdict};
use slm_config::{Costs, Declared};
use slm_hub::Provenance;
use slm_metrics::syntax::{BleuCounts, LineUse};

use crate::cell::Decoding;
use crate::code_metric::{CODE_METRICS, ProgramMetrics};
use crate::plan::Plan;
use crate::run_parts::{
    AdapterInfo, BaseModelInfo, BenchmarkInfo, EndpointInfo, InterimInfo, KnowledgeInfo, NamedSeed,
    OfflineCost, PhaseTiming, RecipeInfo, RoutesInfo, SamplingInfo, SandboxInfo, ShardInfo,
    ShortBudget, SpeakerInfo,
};
use crate::spending::{Spending, is_no_time, is_zero};

/// The version written into every record and run description; raised when a field changes its meaning.
///
/// | version | change |
/// |---|---|
/// | 7 | `attempts`, `tokens_to_program`, `seconds_to_program`, `executable`, `phase`, `phases`, `complete`, `routed_to`,
/// `bleu`, `line_use`; `speakers`, `assisted`, `routes` of the run |
/// | 6 | `lookups`, `masked`, `recall`, `copied`, `sketch_kept`; `knowledge`, `offline` and `short_budgets` of the run |
/// | 5 | `metrics` with complexity, findings, debt and what the prompt gives; `same_signature`, `similarity`,
/// `reference_loss`; `human` of the run |
/// | 4 | verdict `empty`, which was `unparsable`; `metrics.lloc_code`; `plan.hypotheses[].declared` |
/// | 3 | the first that later versions read |
pub const RECORD_VERSION: u32 = 7;

/// The earliest version that is read.
pub const OLDEST_RECORD: u32 = 3;

/// No count, time or metric of a record is larger.
const LARGEST: f64 = 1e12;

/// The detail of version 3 for an unparsable answer that version 4 calls empty.
const NOTHING_ADDED: &str = "adds no statement to the prompt";

/// One completion of one task by one arm, with all its measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleRecord {
    /// [`RECORD_VERSION`] at the time of writing.
    pub version: u32,
    /// [`BASE_ARM`](slm_artifacts::BASE_ARM) or the adapter's name.
    pub arm: String,
    /// The workflow that led from the task to the completion, for example `single`.
    pub workflow: String,
    /// The sampling setting.
    pub decoding: Decoding,
    /// The benchmark of the task.
    pub benchmark: String,
    /// The task's name, unique in the run.
    pub task_id: String,
    /// Number of the sample of the task, from 0.
    pub sample: u32,
    /// The seed of this sample's random choices.
    pub seed: u64,
    /// Tokens of the rendered prompts, over all calls.
    pub prompt_tokens: usize,
    /// Tokens generated in all calls, without end tokens.
    pub completion_tokens: usize,
    /// Calls to the model.
    pub calls: usize,
    /// Program runs within the workflow, without hidden tests.
    pub executions: usize,
    /// Lookups in documentation, code and memory; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lookups: usize,
    /// Chunks of the index that were hidden for the task, since they share text with its solution or its hidden tests;
    /// omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub masked: usize,
    /// Share of the task's references among the chunks that lookups put into prompts; omitted without a lookup or
    /// references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Share of the program's tokens that form a common subsequence with the looked-up chunk nearest to it; omitted
    /// without such chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<f64>,
    /// Share of tokens that a sketch kept of its function; omitted without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sketch_kept: Option<f64>,
    /// Rounds of revision that were started.
    pub rounds: u32,
    /// Programs that the workflow had made when it made the kept one, that included: 1 + the round of revision that made
    /// it, or the number of the draft; omitted without a program, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Tokens generated until the kept program was made, that included; omitted as `attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_to_program: Option<usize>,
    /// Wall time of the calls until the kept program was made, in seconds; omitted as `attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_program: Option<f64>,
    /// Why the workflow ended.
    pub stop: StopReason,
    /// The phase in which a chain of phases ended; omitted for other workflows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The phases of a chain in which a call or a run was made, in their order; omitted for other workflows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// Whether the program of a chain can be run and has no placeholder; omitted for other workflows, and without a
    /// program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The workflow that a router chose; omitted for other workflows, and if none was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed_to: Option<String>,
    /// Number of answers with a format failure.
    pub format_failures: usize,
    /// The rest of the budget.
    pub unspent: Spending,
    /// Why the generation of `completion` ended.
    pub finish_reason: FinishReason,
    /// Wall time of the generation, in seconds; a batch's time is divided among its samples.
    pub generation_s: f64,
    /// The part of it that earlier, equal calls of the run took, whose answers were reused; omitted if 0.
    #[serde(default, skip_serializing_if = "is_no_time")]
    pub reused_s: f64,
    /// How often requests to a server were repeated; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: usize,
    /// Whether tokens were counted locally because a server did not report them; omitted if false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tokens_estimated: bool,
    /// The unchanged model output that contains the final program; empty if no call requested one.
    pub completion: String,
    /// The program extracted from the completion, which was measured and tested.
    pub program: String,
    /// Whether a Python parser accepts the program.
    pub parsable: bool,
    /// Static metrics of the program; `None` exactly if it does not parse or is [`Verdict::Empty`].
    pub metrics: Option<ProgramMetrics>,
    /// The outcome of the hidden tests.
    pub verdict: Verdict,
    /// Hidden tests that passed.
    pub tests_passed: usize,
    /// Hidden tests of the task.
    pub tests_total: usize,
    /// Executability: whether the program ran on every hidden test without an exception and within all limits, with any
    /// result; omitted without tests, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
    /// The last line of the failure, if the verdict needs one.
    pub detail: Option<String>,
    /// CPU time of the tests, in seconds.
    pub cpu_s: f64,
    /// Whether the program's signature equals that of the publisher's own solution; omitted if not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_signature: Option<bool>,
    /// Similarity of the program's tokens to those of the publisher's own solution, 0 to 1; omitted if not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// Loss of the publisher's own solution under the arm after the task's prompt, in nats per token; omitted if not
    /// computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_loss: Option<f64>,
    /// N-grams that the body of the program shares with that of the publisher's own solution; omitted if that has no
    /// body of the requested function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bleu: Option<BleuCounts>,
    /// How the program uses the lines that a Parsons problem shows; omitted for other tasks, and for a program that does
    /// not parse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_use: Option<LineUse>,
}

impl SampleRecord {
    /// Returns why this cannot be the record of a sample: numbers that no program and no model reaches, with which sums and
    /// charts have no meaning; `None` if it can.
    pub fn fault(&self) -> Option<String> {
        if self.tests_passed > self.tests_total {
            let (passed, total) = (self.tests_passed, self.tests_total);
            return Some(format!("{passed} tests passed of {total}"));
        }
        if self.verdict == Verdict::Passed && self.tests_passed < self.tests_total {
            let (passed, total) = (self.tests_passed, self.tests_total);
            return Some(format!(
                "the verdict is passed, but {passed} tests passed of {total}"
            ));
        }
        let counts = [
            ("prompt_tokens", self.prompt_tokens),
            ("completion_tokens", self.completion_tokens),
            ("calls", self.calls),
            ("executions", self.executions),
            ("tests_total", self.tests_total),
        ];
        let counts = counts.map(|(name, count)| (name, count as f64));
        let seconds = [
            ("generation_s", self.generation_s),
            ("reused_s", self.reused_s),
            ("cpu_s", self.cpu_s),
        ];
        let metrics = CODE_METRICS.iter().filter_map(|metric| {
            let value = (metric.json)(self.metrics.as_ref()?).as_f64()?;
            Some((metric.key, value))
        });
        let mut all = counts.into_iter().chain(seconds).chain(metrics);
        let (name, value) = all.find(|(_, value)| value.abs() > LARGEST)?;
        Some(format!(
            "`{name}` is {value:e}, expected at most {LARGEST:e}"
        ))
    }

    /// Whether the task has hidden tests; without any, a sample is only measured, and neither passes nor fails.
    pub fn is_tested(&self) -> bool {
        self.tests_total > 0
    }

    /// Whether every hidden test passed; a task without tests is not passed.
    pub fn passed(&self) -> bool {
        self.is_tested() && self.verdict == Verdict::Passed
    }

    /// Whether the program ran on every hidden test without an exception and within all limits; `None` without tests.
    ///
    /// A record of an earlier version contains only the verdict of the first test that did not pass.
    pub fn is_executable(&self) -> Option<bool> {
        let by_verdict = matches!(self.verdict, Verdict::Passed | Verdict::Failed);
        self.is_tested()
            .then(|| self.executable.unwrap_or(by_verdict))
    }

    /// Returns the record with what its program determines and an earlier version did not write; `version` keeps the
    /// writer's.
    pub fn upgraded(mut self) -> Self {
        if self.version < 4
            && self.verdict == Verdict::Unparsable
            && self.detail.as_deref() == Some(NOTHING_ADDED)
        {
            (self.verdict, self.parsable) = (Verdict::Empty, true);
        }
        // Findings and what the prompt gives are unknown: the record does not contain the prompt.
        if self.version < 5
            && let Some(metrics) = &mut self.metrics
        {
            metrics.complete(&self.program);
        }
        // Version 5 wrote nothing that version 6 does not know, and workflows of its time look nothing up.
        self
    }
}

/// The description of a run, from which it can be understood and repeated: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// [`RECORD_VERSION`] at the time of writing.
    pub version: u32,
    /// The name of the run and of its folder.
    pub name: String,
    /// Start of the run, RFC 3339.
    pub created: String,
    /// This project's version.
    pub project_version: String,
    /// SHA-256 over everything that affects a sample, in hex.
    pub config_sha256: String,
    /// The command line that repeats the run.
    pub command: String,
    /// The base model.
    pub base_model: BaseModelInfo,
    /// The evaluated adapters; their names are the arms besides [`BASE_ARM`](slm_artifacts::BASE_ARM), in the
    /// report's order.
    pub adapters: Vec<AdapterInfo>,
    /// The roles that another model than the arm's answers for; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub speakers: Vec<SpeakerInfo>,
    /// The resolved recipe.
    pub recipe: RecipeInfo,
    /// The benchmarks, in the recipe's order.
    pub benchmarks: Vec<BenchmarkInfo>,
    /// The hub's record of what came from there, the base model first: commits, and the hash of each file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Provenance>,
    /// The device that generated, for example `cpu (flex)`.
    pub device: String,
    /// Number of threads that generated.
    pub threads: usize,
    /// The Python interpreter that ran the tests, for example `3.11.7`.
    pub python_version: String,
    /// The confinement of the tests.
    pub sandbox: SandboxInfo,
    /// The seeds of the run, by their use.
    pub seeds: Vec<NamedSeed>,
    /// The default sampling of cells.
    pub sampling: SamplingInfo,
    /// The hypotheses and the cells, declared before any result.
    pub plan: Plan,
    /// The budget of every workflow for a sample.
    pub budget: Spending,
    /// Wall time by phase, in seconds, in the order they ran.
    pub timings: Vec<PhaseTiming>,
    /// What workflows looked things up in; omitted without an index and memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<KnowledgeInfo>,
    /// Work before the run that its answers profit from; omitted if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offline: Vec<OfflineCost>,
    /// The training tasks that a router chooses by; omitted if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<RoutesInfo>,
    /// Parts of the budget that are smaller than what a workflow may need; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short_budgets: Vec<ShortBudget>,
    /// The workflows in which a teacher answered for a role, by name; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assisted: Vec<String>,
    /// The server that generated instead of the built-in model; omitted without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointInfo>,
    /// The shard of the tasks; omitted for a whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardInfo>,
    /// The names of the runs that were merged into this one; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<String>,
    /// The merged shards, if some are missing, so that no verdict is given; omitted for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interim: Option<InterimInfo>,
    /// The prices of the recipe; omitted if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Costs>,
    /// CPU time of the hidden tests on a task's own solution, in seconds, for tasks that some program solved.
    pub canonical_cpu_s: BTreeMap<String, f64>,
    /// The metrics of the publisher's own solution after the prompt, by task; omitted if none was measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub human: BTreeMap<String, ProgramMetrics>,
}

impl RunInfo {
    /// Returns the description as this version would have written it.
    pub fn upgraded(mut self) -> Self {
        self.version = RECORD_VERSION;
        for hypothesis in &mut self.plan.hypotheses {
            // Version 3 did not record who set an effect; one that is no default was set by a user.
            if hypothesis.declared.is_none() && !hypothesis.equals_a_default() {
                hypothesis.declared = Some(Declared::Recipe);
            }
        }
        self
    }

    /// Whether a teacher answered for a role of the workflow.
    pub fn is_assisted(&self, workflow: &str) -> bool {
        self.assisted.iter().any(|assisted| assisted == workflow)
    }

    /// Whether the run has only some shards of the declared tasks, so that no verdict is given.
    pub fn is_part(&self) -> bool {
        self.interim.is_some() || self.shard.is_some()
    }

    /// Returns the number of tasks that the run answers.
    pub fn n_tasks(&self) -> usize {
        match (&self.shard, &self.interim) {
            (Some(shard), _) => shard.tasks.len(),
            (None, Some(interim)) => interim.tasks,
            (None, None) => self.n_tasks_of_benchmarks(),
        }
    }

    /// Returns the number of tasks of all benchmarks, of which a shard or an interim report has some.
    pub fn n_tasks_of_benchmarks(&self) -> usize {
        self.benchmarks
            .iter()
            .map(|benchmark| benchmark.tasks)
            .sum()
    }

    /// Returns the number of answers of the finished run.
    pub fn n_answers(&self) -> usize {
        let cells = self.plan.cells.iter();
        self.n_tasks() * cells.map(|cell| cell.samples as usize).sum::<usize>()
    }

    /// Returns the seed of resampling, permutations and the split of tasks.
    pub fn statistics_seed(&self) -> u64 {
        let seed = self.seeds.iter().find(|seed| seed.name == STATISTICS);
        seed.map_or(1, |seed| seed.seed)
    }
}

/// The name of the seed of resampling, permutations and the split of tasks.
pub const STATISTICS: &str = "statistics";

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::synthetic::{run, sample};

    /// Returns a record as a version wrote it that had none of these metrics.
    fn written_by(version: u32, lacking: &[&str]) -> SampleRecord {
        let mut line = serde_json::to_value(sample("base", 3)).expect("JSON");
        line["version"] = version.into();
        let metrics = line["metrics"].as_object_mut().expect("metrics");
        for key in lacking {
            assert!(metrics.remove(*key).is_some(), "{key}");
        }
        serde_json::from_value(line).expect("a record of an earlier version")
    }

    const SINCE_5: [&str; 11] = [
        "cognitive_complexity",
        "security_findings",
        "security_high",
        "security_medium",
        "security_low",
        "reliability_findings",
        "smells",
        "debt_minutes",
        "given_comments",
        "given_multi",
        "given_docstrings",
    ];

    #[test]
    fn earlier_records_open_and_get_what_their_program_determines() {
        let since_4: Vec<&str> = SINCE_5.into_iter().chain(["lloc_code"]).collect();
        for (version, lacking) in [(3, since_4.as_slice()), (4, &SINCE_5)] {
            let record = written_by(version, lacking).upgraded();
            let found = slm_metrics::analyze(&record.program).expect("valid Python");
            let metrics = record.metrics.expect("metrics");
            assert_eq!(record.version, version);
            assert_eq!(
                metrics.cognitive_complexity,
                Some(found.cognitive_complexity)
            );
            assert!(metrics.lloc_code.is_some());
            // What the prompt gave is unknown, and with it which findings are the model's.
            let unknown = [
                metrics.security_findings,
                metrics.reliability_findings,
                metrics.smells,
                metrics.given_comments,
                metrics.given_docstrings,
            ];
            assert_eq!((unknown, metrics.debt_minutes), ([None; 5], None));
        }
    }

    #[test]
    fn a_record_and_a_run_without_the_fields_of_version_5_write_none_of_them() {
        let line = serde_json::to_value(sample("base", 3)).expect("JSON");
        let info = serde_json::to_value(run(&["adapter"])).expect("JSON");
        for key in ["same_signature", "similarity", "reference_loss"] {
            assert_eq!(line.get(key), None, "{key}");
        }
        assert_eq!(info.get("human"), None);
        let mut with: RunInfo = serde_json::from_value(info).expect("a run");
        let metrics = ProgramMetrics::measure("x = 1\n", "").expect("valid Python");
        with.human.insert("a/1".to_owned(), metrics);
        let again: Value = serde_json::to_value(&with).expect("JSON");
        assert_eq!(
            serde_json::from_value::<RunInfo>(again).expect("a run"),
            with
        );
    }
}
