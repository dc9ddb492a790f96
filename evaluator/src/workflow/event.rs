//! The trajectory log: one line for each finished step of a workflow.
//!
//! Only `measured` contains values that a machine may measure differently next time. Everything else in a line is
//! determined by the run's configuration, so that an interrupted and resumed run has the same lines as an
//! uninterrupted one; only their order may differ, since tasks run concurrently.

use slm_artifacts::{Expects, FinishReason, FormatFailure, Phase, StopReason, Verdict};
use slm_report::{Decoding, SampleRecord, Spending};

use serde::{Deserialize, Serialize};
use slm_config::{Role, Workflow};

use super::budget::Exhausted;
use crate::json_lines::Versioned;
pub(crate) use crate::knowledge::{Hit, LookupResult, LookupTool};

/// The version of every new line; raised when a field changes its meaning.
///
/// | version | change |
/// |---|---|
/// | 5 | `speaker`, `phase`, `turn`, log-probabilities and judgements of calls; `phase`, `complete` and `routed_to` of the
/// decision |
/// | 4 | steps `lookup`; `lookups` of the budget |
/// | 3 | extraction of the program from an answer, and with it `code_sha256`; verdict `empty` |
/// | 2 | the first that later versions read |
pub(crate) const LOG_VERSION: u32 = 5;

/// The earliest version that is read.
pub(crate) const OLDEST_LOG: u32 = 2;

/// Identifies the trajectory of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// `base` or the adapter's name.
    pub(crate) arm: String,
    pub(crate) workflow: Workflow,
    pub(crate) decoding: Decoding,
    pub(crate) task_id: String,
    /// Number of the answer to the task, from 0.
    pub(crate) sample: u32,
}

/// What names an answer in its run: arm, workflow, sampling, task and sample.
pub(crate) type AnswerName<'a> = (&'a str, &'a str, Decoding, &'a str, u32);

impl Key {
    /// Returns the name of the answer.
    pub(crate) fn name(&self) -> AnswerName<'_> {
        let Self {
            arm,
            workflow,
            decoding,
            task_id,
            sample,
        } = self;
        (arm, workflow.name(), *decoding, task_id, *sample)
    }
}

/// Returns the name of the answer of a record. The record keeps the workflow as a word, so it has no [`Key`].
pub(crate) fn name_of_record(record: &SampleRecord) -> AnswerName<'_> {
    let SampleRecord {
        arm,
        workflow,
        decoding,
        task_id,
        sample,
        ..
    } = record;
    (arm, workflow, *decoding, task_id, *sample)
}

/// A finished step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// [`LOG_VERSION`] at the time of writing.
    pub(crate) version: u32,
    /// The run's name.
    pub(crate) run: String,
    /// Hash of everything that affects a sample.
    pub(crate) config_sha256: String,
    pub(crate) trajectory: Key,
    /// Number of the step in its trajectory, from 0, in the order of the requests.
    pub(crate) step: u32,
    /// 0 until the first revision.
    pub(crate) round: u32,
    /// The step that made the program which this step is about.
    pub(crate) parent: Option<u32>,
    pub(crate) what: What,
}

impl Versioned for Event {
    const VERSION: u32 = LOG_VERSION;
    const OLDEST: u32 = OLDEST_LOG;
}

/// The kind of a step, with its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Call(Box<CallResult>),
    Execution(ExecutionResult),
    Lookup(LookupResult),
    Decision(Decision),
}

/// A call to the model, and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallResult {
    pub(crate) role: Role,
    pub(crate) expects: Expects,
    pub(crate) messages: Vec<LoggedMessage>,
    /// The beginning of the answer that the model was given (prefill).
    pub(crate) begun: String,
    /// Hash over `messages` and `begun`.
    pub(crate) messages_sha256: String,
    pub(crate) temperature: f64,
    pub(crate) top_p: f64,
    pub(crate) top_k: Option<usize>,
    /// The limit that the budget allowed.
    pub(crate) max_new_tokens: usize,
    pub(crate) seed: u64,
    /// Hash of the base model's weight file.
    pub(crate) model_sha256: String,
    /// Hash of the adapter's weight file, if the adapter answered.
    pub(crate) adapter_sha256: Option<String>,
    /// Who answered, as `evaluate.speakers` names it; omitted for the arm's model and the base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) speaker: Option<String>,
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    /// Whether tokens were counted locally because a server did not report them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tokens_estimated: bool,
    pub(crate) finish_reason: FinishReason,
    /// The answer after `begun`.
    pub(crate) text: String,
    /// Hash of the program in the answer, if one was requested.
    pub(crate) code_sha256: Option<String>,
    pub(crate) format_failure: Option<FormatFailure>,
    /// The phase of a chain in which the call is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<Phase>,
    /// Number of the call in its phase, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<u32>,
    /// Log-probability of the answer in nats under the model's own distribution, if the workflow asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_probability: Option<f64>,
    /// The number of tokens that it is the sum over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_probability_tokens: Option<usize>,
    /// Probability that the answer begins with yes, if a judgement was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p_yes: Option<f64>,
    /// Probability that it begins with no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p_no: Option<f64>,
    pub(crate) measured: CallMeasures,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoggedMessage {
    /// `system`, `user` or `assistant`.
    pub(crate) role: String,
    pub(crate) content: String,
}

/// Values that differ from run to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallMeasures {
    /// Share of the batch's wall time, in seconds; of a reused answer that of the call which made it.
    pub(crate) wall_s: f64,
    /// Whether an equal call of the run had been answered before; omitted if false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) reused: bool,
    /// How often the request to a server was repeated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: usize,
}

/// Whether a count is omitted from the line.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The result of a program run with the tests that the workflow may see, or of a snippet after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecutionResult {
    pub(crate) code_sha256: String,
    /// The task's public examples first, then the self-written tests.
    pub(crate) tests: Vec<TestRun>,
    /// How many of `tests` are public examples.
    pub(crate) public: usize,
    pub(crate) verdict: Verdict,
    /// Why the verdict is not `passed`.
    pub(crate) detail: String,
    /// The sandbox's level.
    pub(crate) sandbox: String,
    /// The snippet that was run instead of the tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tried: Option<Tried>,
    pub(crate) measured: ExecutionMeasures,
}

/// A snippet that was run after a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tried {
    pub(crate) snippet: String,
    /// The beginning of what it printed, and its exception.
    pub(crate) output: String,
}

impl ExecutionResult {
    /// Numbers of passed tests: public examples, self-written tests.
    pub(crate) fn passed(&self) -> (usize, usize) {
        let count = |tests: &[TestRun]| tests.iter().filter(|test| test.passed).count();
        let (public, own) = self.tests.split_at(self.public.min(self.tests.len()));
        (count(public), count(own))
    }

    /// Whether one of the task's public examples failed.
    pub(crate) fn fails_an_example(&self) -> bool {
        self.passed().0 < self.public.min(self.tests.len())
    }

    /// Returns the snippet that was run instead of the tests.
    pub(crate) fn snippet(&self) -> Option<&str> {
        self.tried.as_ref().map(|tried| tried.snippet.as_str())
    }

    /// Whether the program ran to its end without a test to fail.
    pub(crate) fn is_silent(&self) -> bool {
        self.verdict == Verdict::Passed && self.tests.is_empty()
    }

    /// Whether there were tests, and all passed.
    pub(crate) fn all_passed(&self) -> bool {
        self.verdict == Verdict::Passed && !self.tests.is_empty()
    }
}

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestRun {
    pub(crate) test: String,
    pub(crate) passed: bool,
    /// Empty if the test passed.
    pub(crate) message: String,
}

/// Values that differ from run to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecutionMeasures {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) peak_memory_bytes: u64,
}

/// The end of a trajectory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) stop: StopReason,
    /// The step that made the kept program; `None` if no call requested one.
    pub(crate) chosen: Option<u32>,
    pub(crate) code_sha256: Option<String>,
    pub(crate) spent: Spending,
    pub(crate) left: Spending,
    /// The phase of a chain in which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<Phase>,
    /// Whether the kept program of a chain can be run and has no placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) complete: Option<bool>,
    /// The workflow that the router chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) routed_to: Option<Workflow>,
}

impl From<Exhausted> for StopReason {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::CompletionTokens => Self::CompletionTokensSpent,
            Exhausted::Calls => Self::CallsSpent,
            Exhausted::Executions => Self::ExecutionsSpent,
        }
    }
}
