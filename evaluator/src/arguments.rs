//! The command-line arguments of `evaluator`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use slm_cli::{CompletionsArguments, ManArguments};
use slm_metrics::Rank;
use slm_model::{DeviceChoice, NamedShape, SyntheticType};

use crate::dataset_arguments::{self, DatasetArguments};
use crate::index_arguments::{self, IndexArguments};
use crate::memory_arguments::{self, MemoryArguments};
use crate::ratings_arguments::{self, RatingsArguments};
use crate::recipe_arguments;
use crate::report_arguments::ReportArguments;
use crate::review_arguments::{self, ReviewArguments};
use crate::sandboxing::{self, SandboxArguments, SandboxChoice};
use crate::shard::Shard;
use crate::view_arguments::{self, ViewArguments};

/// Evaluates base models and adapters on tasks with hidden tests.
#[derive(Debug, Parser)]
#[command(
    version = slm_cli::version(),
    after_help = "Exit codes: 0 done, 1 environment failure, 2 user mistake, 3 some samples unscored or files uncounted, 101 bug, 130 interrupted"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// H1: compare adapters with their base model and write a report
    #[command(after_long_help = COMPARE_EXAMPLES, aliases = ["eval", "evaluate"])]
    Compare(CompareArguments),
    /// H2: sample at every point of a grid of temperature and top-p
    #[command(after_long_help = SWEEP_EXAMPLES)]
    Sweep(OneArmArguments),
    /// H3: compare reflection and several agents with their controls; and the recipe's other workflows
    #[command(after_long_help = WORKFLOWS_EXAMPLES)]
    Workflows(OneArmArguments),
    /// H1, H2 and H3 in one run
    #[command(after_long_help = HYPOTHESES_EXAMPLES)]
    Hypotheses(HypothesesArguments),
    /// List the runs under reports/, the newest first
    Runs(RunsArguments),
    /// Rebuild the report of a run from its records, without a model
    #[command(after_long_help = REPORT_EXAMPLES)]
    Report(ReportArguments),
    /// Print the verdict, the request and the steps of an answer, or compare two arms
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show(ShowArguments),
    /// Write a run, or several, as one HTML page with every answer
    #[command(after_long_help = view_arguments::EXAMPLES)]
    View(ViewArguments),
    /// Score a file of samples against a benchmark's hidden tests
    #[command(after_long_help = SCORE_EXAMPLES)]
    Score(ScoreArguments),
    /// Make training data of the tested answers of runs
    #[command(after_long_help = dataset_arguments::EXAMPLES)]
    Dataset(DatasetArguments),
    /// Make a memory of the tested answers of runs
    #[command(after_long_help = memory_arguments::EXAMPLES)]
    Memory(MemoryArguments),
    /// Make a benchmark of your own code: the functions of a repository, proven by its tests
    #[command(after_long_help = TASKS_EXAMPLES)]
    Tasks(TasksArguments),
    /// Show what retrieval has indexed, and what a query finds
    #[command(after_long_help = index_arguments::EXAMPLES)]
    Index(IndexArguments),
    /// Attack the sandbox and print what it blocks
    #[command(after_long_help = sandboxing::EXAMPLES)]
    Sandbox(SandboxArguments),
    /// Count lines, complexity and maintainability of Python files
    #[command(after_long_help = METRICS_EXAMPLES)]
    Metrics(MetricsArguments),
    /// Find weaknesses, unreliable code and smells in Python files, or compare the arms of a run in them
    #[command(after_long_help = QUALITY_EXAMPLES)]
    Quality(QualityArguments),
    /// Let people rate the programs of runs without knowing which arm wrote them
    #[command(after_long_help = ratings_arguments::EXAMPLES)]
    Ratings(RatingsArguments),
    /// Review Python files: static findings, and those of a model on functions that have some
    #[command(after_long_help = review_arguments::EXAMPLES)]
    Review(ReviewArguments),
    /// Measure how fast a model prefills and decodes on a device
    #[command(after_long_help = BENCH_EXAMPLES)]
    Bench(BenchArguments),
    /// Print a completion script for a shell
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
    /// Write man pages
    Man(ManArguments),
}

impl Command {
    /// Whether the recipe of an experiment can be read; without it, the command fails before it needs a device.
    pub(crate) fn has_recipe(&self) -> bool {
        match self {
            Self::Compare(arguments) => arguments.common.has_recipe(),
            Self::Sweep(arguments) | Self::Workflows(arguments) => arguments.common.has_recipe(),
            Self::Hypotheses(arguments) => arguments.common.has_recipe(),
            Self::Review(arguments) => arguments.has_recipe(),
            _ => true,
        }
    }

    /// The device on which the command computes, if it does.
    pub(crate) fn computes_on(&self) -> Option<DeviceChoice> {
        let experiment = |common: &CommonArguments| {
            let is_local = common.endpoint.is_none();
            is_local.then_some(common.device)
        };
        match self {
            Self::Compare(arguments) => experiment(&arguments.common),
            Self::Sweep(arguments) | Self::Workflows(arguments) => experiment(&arguments.common),
            Self::Hypotheses(arguments) => experiment(&arguments.common),
            Self::Dataset(arguments) => Some(arguments.device),
            Self::Memory(arguments) => arguments.general.then_some(arguments.device),
            Self::Review(arguments) => arguments.computes_on(),
            Self::Bench(arguments) => Some(arguments.device),
            Self::Runs(_)
            | Self::Report(_)
            | Self::Show(_)
            | Self::View(_)
            | Self::Score(_)
            | Self::Index(_)
            | Self::Tasks(_)
            | Self::Sandbox(_)
            | Self::Metrics(_)
            | Self::Quality(_)
            | Self::Ratings(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  evaluator completions bash > ~/.local/share/bash-completion/completions/evaluator
  evaluator completions zsh > ~/.zfunc/_evaluator
  evaluator completions fish > ~/.config/fish/completions/evaluator.fish";

const COMPARE_EXAMPLES: &str = "\
Examples:
  evaluator compare
  evaluator compare checkpoints/r8/adapter checkpoints/r64/adapter --recipe recipes/quickstart.yaml
  evaluator compare --base-only --recipe recipes/quickstart.yaml --set \"evaluate.workflows=[single, reflection]\"
  evaluator compare --base-only --recipe recipes/quickstart.yaml --endpoint http://127.0.0.1:8000/v1
  evaluator compare --shard 1/4

Without an adapter, the newest finished one under checkpoints/ is evaluated. The recipe in its folder is used; with \
several adapters, that of the first. An interrupted run resumes when the same command is repeated.

Environment: SLM_CACHE sets the folder for models from packages, PYTHON the Python interpreter; for the hub see \
`trainer fetch --help`.";

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Folders of adapters, in PEFT's layout [default: the newest under checkpoints/]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapters: Vec<PathBuf>,
    /// Evaluate the base model without an adapter
    #[arg(long, conflicts_with = "adapters", requires = "recipe")]
    pub(crate) base_only: bool,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

const SWEEP_EXAMPLES: &str = "\
Examples:
  evaluator sweep --recipe recipes/quickstart.yaml
  evaluator sweep checkpoints/quickstart/adapter --set \"evaluate.sweep={temperatures: [0.2, 1.0], top_p: [0.9]}\"

The grid is evaluate.sweep. The point with the least complex code is chosen on one half of the tasks, and compared on \
the other half with the recipe's own sampling, evaluate.sampling.";

const WORKFLOWS_EXAMPLES: &str = "\
Examples:
  evaluator workflows --recipe recipes/quickstart.yaml
  evaluator workflows checkpoints/quickstart/adapter --set evaluate.rounds=1

Besides reflection and multi_agent, these run under the same budget: one answer (single), the best of several answers \
by their tests (best_of_n, codet), and both workflows without running programs (reflection_blind, multi_agent_blind).";

#[derive(Debug, Args)]
pub(crate) struct OneArmArguments {
    /// Folder of an adapter, in PEFT's layout [default: none, only the base model]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapter: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

const HYPOTHESES_EXAMPLES: &str = "\
Examples:
  evaluator hypotheses
  evaluator hypotheses checkpoints/quickstart/adapter --recipe recipes/quickstart.yaml

Tests all hypotheses of evaluate.hypotheses in one run: adapters against the base model (h1), and on the base model \
the grid of temperature and top-p (h2) and the workflows (h3). Answers that two of them need are generated once. An \
interrupted run resumes when the same command is repeated.";

#[derive(Debug, Args)]
pub(crate) struct HypothesesArguments {
    /// Folders of adapters, in PEFT's layout [default: the newest under checkpoints/]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapters: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// The arguments that all experiments share.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// Recipe of the evaluation [default: the one in the adapter's folder]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Generate on an OpenAI-compatible server: vLLM, llama.cpp, Ollama; short for --set evaluate.endpoint.url=URL
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Run only the I-th of N shards of the tasks; `evaluator report` merges the runs of all shards
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Parent folder of the run's folder
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Answer tasks that an adapter learned from, to sample from it and not to judge it
    #[arg(long)]
    pub(crate) allow_learned_tasks: bool,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print one JSON document with the results instead of the report's path
    #[arg(long)]
    pub(crate) json: bool,
}

impl CommonArguments {
    /// Whether the recipe can be read, if one is named.
    fn has_recipe(&self) -> bool {
        recipe_arguments::has_recipe(self.recipe.as_deref(), &self.overrides())
    }

    /// Returns all overrides of the recipe; that of `--endpoint` is last.
    pub(crate) fn overrides(&self) -> Vec<String> {
        recipe_arguments::overrides(&self.overrides, self.endpoint.as_deref())
    }
}

const REPORT_EXAMPLES: &str = "\
Examples:
  evaluator report reports/quickstart-1a2b3c4d
  evaluator report quickstart-1a2b3c4d --json
  evaluator report reports/quickstart-1a2b3c4d-shard-*
  evaluator report reports/quickstart-1a2b3c4d-shard-* --interim
  evaluator report quickstart-5e6f7a8b --against quickstart-1a2b3c4d

Several runs must be all shards of one run; they are merged into the run that the same command without --shard makes. \
report.md, its charts, summary.json and samples.parquet are derived from run.json and records.jsonl in the run's folder.";

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Folder of the runs
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  evaluator show reports/quickstart-1a2b3c4d embedded/double_it
  evaluator show quickstart-1a2b3c4d double_it --arm base --workflow reflection --sample 0
  evaluator show reports/example initials --diff

Prints every answer to the task unless --arm, --workflow and --sample select among them: the verdict, the hidden tests \
passed, the first one that did not pass, MI and cyclomatic complexity; the request; the text of each call, the results of \
the tests, what each revision changed, the stop reason, and how much of the budget was spent. A run without \
trajectory.jsonl has no request and no steps to print.";

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A run: its folder, its name under the --reports folder, a unique prefix of it, or `latest`
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// A task's id, or the end of it after a `/` if no other task has the same
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// Only this arm: base, or an adapter's name
    #[arg(long, value_name = "ARM")]
    pub(crate) arm: Option<String>,
    /// Only this workflow
    #[arg(long, value_name = "WORKFLOW")]
    pub(crate) workflow: Option<String>,
    /// Only this sample, counted from 0
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<u32>,
    /// Folder that is searched for runs by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Compare the programs of the base model and of an adapter
    #[arg(long)]
    pub(crate) diff: bool,
    /// Print the records and steps as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

const SCORE_EXAMPLES: &str = "\
Examples:
  evaluator score --benchmark humaneval+ --data HumanEvalPlus.jsonl.gz samples.jsonl
  evaluator score --benchmark mbpp+ --data MbppPlus.jsonl.gz --json --extract answers.jsonl.gz
  evaluator score --benchmark humaneval+ --data hf:evalplus/humanevalplus tuned.jsonl --against base.jsonl

A line of the file is {\"task_id\": ..., \"solution\": ...}, a whole program, or {\"task_id\": ..., \"completion\": ...}, \
which continues the task's prompt. Folders of EvalPlus, lists of LiveCodeBench, generations.json of \
bigcode-evaluation-harness and samples_*.jsonl of lm-evaluation-harness are recognised. Several lines per task give \
pass@k; tasks without a line do not count. With --against, the two files are compared task by task. Scores are cached by content: a repeated command finishes at once, an interrupted one resumes, and a changed program is scored \
again.

Environment: SLM_CACHE sets the folder of scores, expected outputs and data, PYTHON the Python interpreter.";

#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// File or folder of samples
    #[arg(value_name = "SAMPLES")]
    pub(crate) samples: PathBuf,
    /// Samples of a base model on the same tasks: the report compares SAMPLES with them, task by task
    #[arg(long, value_name = "BASE")]
    pub(crate) against: Option<PathBuf>,
    /// Format of the samples [default: by their structure]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<SampleFormatName>,
    /// For generations without task ids: number of the first task, from 0, as in bigcode-evaluation-harness
    #[arg(long, value_name = "N")]
    pub(crate) limit_start: Option<usize>,
    /// Name of the benchmark, such as humaneval+
    #[arg(long, value_name = "NAME")]
    pub(crate) benchmark: String,
    /// The benchmark's data file or folder as published, or hf:OWNER/NAME#FILE [default: the file in the cache folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Extract the program from each answer first: fenced code blocks, without the prose around them
    #[arg(long)]
    pub(crate) extract: bool,
    /// Programs tested at once, at most one per core [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Python interpreter for the programs; may be one of a virtual environment [default: python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print one JSON document with every sample instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// The formats of `slm_scoring::SampleFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleFormatName {
    /// Rows with `task_id` and `solution` or `completion`
    Evalplus,
    /// Folder of programs such as `HumanEval_0/0.py`
    Folder,
    /// Rows with `question_id` and `code_list`
    Livecodebench,
    /// List with a list of programs for each task, without ids
    Bigcode,
    /// Rows with `doc`, `resps` and `filtered_resps`
    LmEval,
}

const TASKS_EXAMPLES: &str = "\
Examples:
  evaluator tasks ../my-project -o own.jsonl --split 0.7
  evaluator tasks ../my-project --python ../my-project/.venv/bin/python --json

Every function and method with a docstring outside the tests becomes a task, or is counted with the reason why it does \
not. If tests enter it (doctest, unittest, test \
functions, or pytest where the interpreter has it), they are the task's hidden tests: they must pass twice with the \
original body, fail without it, and notice most changes to it. Without such tests it is only measured: signature, \
maintainability, complexity, findings, similarity to the original. The output accounts for every function, with \
the reason. With --split, files for training and for evaluation are disjoint: `trainer fit` with a recipe that evaluates on \
the file reads only the former.

All code of the repository runs in the sandbox: without network, other programs, or files to write to.

Environment: PYTHON sets the Python interpreter.";

#[derive(Debug, Args)]
pub(crate) struct TasksArguments {
    /// Folder of the repository; files that .gitignore names are left out
    #[arg(value_name = "REPO")]
    pub(crate) repository: PathBuf,
    /// File to write the tasks to, one per line
    #[arg(long, short, value_name = "FILE", default_value = "own.jsonl")]
    pub(crate) output: PathBuf,
    /// Share of the files that are for training, between 0 and 1 [default: all are for evaluation]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) split: Option<f64>,
    /// Seed of the split and of the changes by which tests are proven
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Seconds of CPU time until a file of tests, or the tests of a function, are stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub(crate) timeout_s: f64,
    /// Python interpreter with the repository's dependencies; may be one of a virtual environment [default: python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print one JSON document with the counts instead of a page
    #[arg(long)]
    pub(crate) json: bool,
}

/// Parses a share between 0 and 1, both excluded.
fn share(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|&share: &f64| share > 0.0 && share < 1.0);
    number.ok_or_else(|| "expected a number between 0 and 1, such as 0.7".to_owned())
}

/// Parses a time limit.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|&s: &f64| (0.1..=3600.0).contains(&s));
    number.ok_or_else(|| "expected seconds, from 0.1 to 3600".to_owned())
}

const METRICS_EXAMPLES: &str = "\
Examples:
  evaluator metrics src
  evaluator metrics --sort mi --min B --json src tests/conftest.py

The numbers equal those of radon 6.0.1, except mi_code: the maintainability index without docstrings and comments. The \
document of --json also has the cognitive complexity by Campbell's definition. In folders every *.py is counted, except in \
hidden folders, virtual environments and build outputs, and what .gitignore excludes; symbolic links are not followed. A file that cannot be counted is reported on stderr, \
the other files are still counted, and the exit code is 3.";

#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// Python files with any extension, and folders to search for *.py
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Order of the files: mi puts the least maintainable first, cc the most complex [default: by path]
    #[arg(long, value_name = "KEY")]
    pub(crate) sort: Option<SortKey>,
    /// Leave out files whose maintainability has a better rank than this: A, B or C
    #[arg(long, value_name = "RANK", value_parser = maintainability_rank)]
    pub(crate) min: Option<Rank>,
    /// Read f-strings as Python up to 3.11 does: a colon in one does not count as a logical line
    #[arg(long)]
    pub(crate) legacy_fstrings: bool,
    /// Print one JSON document with all metrics of files, classes and functions instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

const QUALITY_EXAMPLES: &str = "\
Examples:
  evaluator quality src
  evaluator quality --sarif src > findings.sarif
  evaluator quality latest
  evaluator quality --rules

Of files, all findings are printed and a line of numbers for each file. Of runs, a line for each cell (validity, tests \
passed, findings per 100 programs, debt, maintainability, cognitive complexity), and each adapter less the base model \
with 95 % intervals over tasks. The minutes of debt are estimates of this project: --rules prints them. Exit code 3 if \
a file cannot be measured.";

#[derive(Debug, Args)]
pub(crate) struct QualityArguments {
    /// Python files and folders to search for *.py; or runs: their folders, their names under --reports, or `latest`
    #[arg(value_name = "RUN|PATH", required_unless_present = "rules")]
    pub(crate) subjects: Vec<PathBuf>,
    /// Print only the rules, with their estimated minutes
    #[arg(long, conflicts_with_all = ["subjects", "sarif"])]
    pub(crate) rules: bool,
    /// Folder that is searched for runs by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the findings in files as one SARIF 2.1.0 document
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  evaluator bench --shape qwen2.5-0.5b --weights q4_k
  evaluator bench --shape qwen2.5-1.5b --device cuda --batch 1,32,128 --adapter-rank 16 --json
  evaluator bench --model models/SmolLM2-135M-Instruct.Q4_1.gguf --batch 1,8

With --shape the weights are random, so that devices can be compared without a download. Shapes: \
smollm2-135m, smollm2-360m, qwen2.5-0.5b, qwen2.5-1.5b, qwen2.5-3b, qwen2.5-7b, llama-3.2-1b, tiny-qwen2, tiny-llama.";

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("measured").required(true).args(["shape", "model"])))]
pub(crate) struct BenchArguments {
    /// A model of this shape, with random weights
    #[arg(long, value_name = "NAME")]
    pub(crate) shape: Option<NamedShape>,
    /// A model on disk: a folder in Hugging Face layout, or a .gguf file
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    #[arg(
        long,
        help = "Storage type of the random weights: f32, bf16, q8_0, q4_0, q4_1 or q4_k",
        value_name = "TYPE",
        default_value = "bf16",
        conflicts_with = "model"
    )]
    pub(crate) weights: SyntheticType,
    /// Batch sizes (sequences decoded together), each measured on its own
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32", value_parser = at_least_one)]
    pub(crate) batch: Vec<usize>,
    /// Tokens of each prompt
    #[arg(long, value_name = "N", default_value = "64", value_parser = at_least_one)]
    pub(crate) prompt_tokens: usize,
    /// New tokens of each sequence
    #[arg(long, value_name = "N", default_value = "32", value_parser = at_least_one)]
    pub(crate) new_tokens: usize,
    /// Add an adapter of this rank to every linear layer of the model
    #[arg(long, value_name = "R", value_parser = at_least_one)]
    pub(crate) adapter_rank: Option<usize>,
    /// Seed of all random weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Parses a whole number of at least 1.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&n| n > 0);
    number.ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

/// The key by which files are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// Maintainability index.
    Mi,
    /// Cyclomatic complexity of the whole file.
    Cc,
}

/// Parses a rank that the maintainability index can have: A, B or C.
fn maintainability_rank(text: &str) -> Result<Rank, String> {
    text.parse()
        .ok()
        .filter(|rank| *rank <= Rank::C)
        .ok_or_else(|| "the maintainability index has the ranks A, B and C".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
