//! What a user types.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use slm_metrics::Rank;
use slm_model::{DeviceChoice, NamedShape, SyntheticType};

use crate::sandboxing::{self, SandboxArguments, SandboxChoice};
use crate::shard::Shard;

/// Judges base models and adapters on tasks with hidden tests.
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
    #[command(after_long_help = COMPARE_EXAMPLES)]
    Compare(CompareArguments),
    /// H2: answer at every point of a grid of temperature and top-p
    #[command(after_long_help = SWEEP_EXAMPLES)]
    Sweep(OneArmArguments),
    /// H3: answer by reflection, by several agents, and by their controls
    #[command(after_long_help = WORKFLOWS_EXAMPLES)]
    Workflows(OneArmArguments),
    /// H1, H2 and H3 in one run
    #[command(after_long_help = HYPOTHESES_EXAMPLES)]
    Hypotheses(HypothesesArguments),
    /// Write the report of a run anew, without a model
    #[command(after_long_help = REPORT_EXAMPLES)]
    Report(ReportArguments),
    /// Print how an answer came about, step by step
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show(ShowArguments),
    /// Score a file of samples against a benchmark's hidden tests
    #[command(after_long_help = SCORE_EXAMPLES)]
    Score(ScoreArguments),
    /// Try out what the sandbox holds against
    #[command(after_long_help = sandboxing::EXAMPLES)]
    Sandbox(SandboxArguments),
    /// Count lines, complexity and maintainability of Python files
    #[command(after_long_help = METRICS_EXAMPLES)]
    Metrics(MetricsArguments),
    /// Measure how fast a model reads and answers on a device
    #[command(after_long_help = BENCH_EXAMPLES)]
    Bench(BenchArguments),
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  evaluator compare
  evaluator compare checkpoints/r8/adapter checkpoints/r64/adapter --recipe recipes/quickstart.yaml
  evaluator compare --base-only --recipe recipes/quickstart.yaml --set \"evaluate.workflows=[single, reflection]\"
  evaluator compare --base-only --recipe recipes/quickstart.yaml --endpoint http://127.0.0.1:8000/v1
  evaluator compare --shard 1/4

Without an adapter, the newest finished one under checkpoints/ is taken. Its recipe, which lies in its folder, says how \
to evaluate; of several adapters, that of the first. A run that was interrupted goes on where it stopped when the same \
command is given again.

Environment: SLM_CACHE moves the folder for models from packages, PYTHON names the Python to use; for the hub see \
`trainer fetch --help`.";

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Folders of adapters, in PEFT's layout [default: the newest under checkpoints/]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapters: Vec<PathBuf>,
    /// Let the base model answer alone
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

Beside reflection and multi_agent, all under the same budget: one answer (single), the best of several by their tests \
(best_of_n, codet), and both workflows without ever running a program (reflection_blind, multi_agent_blind).";

#[derive(Debug, Args)]
pub(crate) struct OneArmArguments {
    /// Folder of an adapter, in PEFT's layout [default: none, the base model answers]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapter: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

const HYPOTHESES_EXAMPLES: &str = "\
Examples:
  evaluator hypotheses
  evaluator hypotheses checkpoints/quickstart/adapter --recipe recipes/quickstart.yaml

What evaluate.hypotheses declares is tested in one run: adapters against the base model (h1), and on the base model \
the grid of temperature and top-p (h2) and the workflows (h3). What two of them need is answered once. A run that was \
interrupted goes on where it stopped when the same command is given again.";

#[derive(Debug, Args)]
pub(crate) struct HypothesesArguments {
    /// Folders of adapters, in PEFT's layout [default: the newest under checkpoints/]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapters: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// What all experiments have in common.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// Recipe to evaluate by [default: the one in the adapter's folder]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Let an OpenAI-compatible server answer: vLLM, llama.cpp, Ollama; short for --set evaluate.endpoint.url=URL
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Do the I-th of N parts of the tasks, as a run of its own that `evaluator report` merges with the others
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Folder under which the run's folder is made
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print one JSON document with the results instead of the report's path
    #[arg(long)]
    pub(crate) json: bool,
}

impl CommonArguments {
    /// All overrides of the recipe.
    pub(crate) fn overrides(&self) -> Vec<String> {
        let url = self
            .endpoint
            .iter()
            .map(|url| format!("evaluate.endpoint.url={url}"));
        self.overrides.iter().cloned().chain(url).collect()
    }
}

const REPORT_EXAMPLES: &str = "\
Examples:
  evaluator report reports/quickstart-1a2b3c4d
  evaluator report quickstart-1a2b3c4d --json
  evaluator report reports/quickstart-1a2b3c4d-shard-*

Several runs must be all shards of one; they are merged to the run that would have been made without --shard, and its \
report is written. report.md, its pictures, summary.json and samples.parquet follow from run.json and records.jsonl in the run's folder.";

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// A run's folder, or its name under the reports' folder; or all shards of a run
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Folder under which runs are looked for by name, and merged ones are written
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print one JSON document with the results instead of the report's path
    #[arg(long)]
    pub(crate) json: bool,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  evaluator show reports/quickstart-1a2b3c4d embedded/double_it
  evaluator show quickstart-1a2b3c4d double_it --arm base --workflow reflection --sample 0

Every answer to the task is printed, one after the other, unless --arm, --workflow and --sample choose among them: what \
was asked and said, how tests ended, what each revision changed, why it stopped, and what was left of the budget.";

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A run's folder, or its name under the reports' folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// A task's id, or an end of it that no other task shares
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
    /// Folder under which runs are looked for by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print the steps as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

const SCORE_EXAMPLES: &str = "\
Examples:
  evaluator score --benchmark humaneval+ --data HumanEvalPlus.jsonl.gz samples.jsonl
  evaluator score --benchmark mbpp+ --data MbppPlus.jsonl.gz --json --extract answers.jsonl.gz

A line of the file is {\"task_id\": ..., \"solution\": ...}, a whole program, or {\"task_id\": ..., \"completion\": ...}, \
which goes on from the task's prompt. Several lines a task make pass@k; tasks without a line do not count. Scores are \
kept by content: the same command again is done at once, an interrupted one goes on where it stopped, and a changed \
program is scored anew.

Environment: SLM_CACHE moves the folder of scores, right results and data, PYTHON names the Python to use.";

#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// Samples as .jsonl or .jsonl.gz, in the format of EvalPlus
    #[arg(value_name = "SAMPLES")]
    pub(crate) samples: PathBuf,
    /// Name of the benchmark, such as humaneval+
    #[arg(long, value_name = "NAME")]
    pub(crate) benchmark: String,
    /// The benchmark's data file, as its publisher has it, or hf:OWNER/NAME#FILE [default: the one in the cache folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Take the program out of each answer first: fenced blocks, prose around them
    #[arg(long)]
    pub(crate) extract: bool,
    /// Programs tested at once, at most one a core [default: one a core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Python that programs run on: a program, or the one of a virtual environment [default: python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print one JSON document with every sample instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

const METRICS_EXAMPLES: &str = "\
Examples:
  evaluator metrics src
  evaluator metrics --sort mi --min B --json src tests/conftest.py

The numbers are those of radon 6.0.1, except mi_code: the maintainability index without docstrings and comments. In \
folders every *.py is counted, except in hidden folders and __pycache__; symbolic links are not followed. A file that \
cannot be counted is told on stderr, the others still are counted, and the exit code is 3.";

#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// Python files, whatever they are called, and folders to search for *.py
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Order of the files: mi has the least maintainable first, cc the most complex [default: by path]
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

const BENCH_EXAMPLES: &str = "\
Examples:
  evaluator bench --shape qwen2.5-0.5b --weights q4_k
  evaluator bench --shape qwen2.5-1.5b --device cuda --batch 1,32,128 --adapter-rank 16 --json
  evaluator bench --model models/SmolLM2-135M-Instruct.Q4_1.gguf --batch 1,8

With --shape the weights are drawn, so that devices can be compared before anything is downloaded. Shapes: \
smollm2-135m, smollm2-360m, qwen2.5-0.5b, qwen2.5-1.5b, qwen2.5-3b, qwen2.5-7b, llama-3.2-1b, tiny-qwen2, tiny-llama.";

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("measured").required(true).args(["shape", "model"])))]
pub(crate) struct BenchArguments {
    /// A model of this shape, with drawn weights
    #[arg(long, value_name = "NAME")]
    pub(crate) shape: Option<NamedShape>,
    /// A model on disk: a folder in Hugging Face layout, or a .gguf file
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    #[arg(
        long,
        help = "How drawn weights are kept: f32, bf16, q8_0, q4_0, q4_1 or q4_k",
        value_name = "TYPE",
        default_value = "bf16",
        conflicts_with = "model"
    )]
    pub(crate) weights: SyntheticType,
    /// Sequences side by side, one measurement each
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32", value_parser = at_least_one)]
    pub(crate) batch: Vec<usize>,
    /// Tokens of each prompt
    #[arg(long, value_name = "N", default_value = "64", value_parser = at_least_one)]
    pub(crate) prompt_tokens: usize,
    /// Tokens of each answer
    #[arg(long, value_name = "N", default_value = "32", value_parser = at_least_one)]
    pub(crate) new_tokens: usize,
    /// Beside the model an adapter of this rank on every linear layer
    #[arg(long, value_name = "R", value_parser = at_least_one)]
    pub(crate) adapter_rank: Option<usize>,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number that counts something that must be there.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&n| n > 0);
    number.ok_or_else(|| "a whole number from 1 on".to_owned())
}

/// The number by which files are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// Maintainability index.
    Mi,
    /// Cyclomatic complexity of the whole file.
    Cc,
}

/// A rank that the maintainability index can have.
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
