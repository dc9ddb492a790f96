//! The arguments of `evaluator memory`.

use std::path::PathBuf;

use clap::Args;
use slm_model::DeviceChoice;

use crate::sandboxing::SandboxChoice;

pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator memory latest -o memory.jsonl --recipe judge.yaml
  evaluator memory train-1a2b3c4d train-5e6f7a8b -o memory.jsonl --recipe judge.yaml --general --teacher teacher.yaml

An entry holds the words of a task, the plan if there was one, the program, what failed before, and the share of answers \
to the task that do not pass. Of each task one program that passes all hidden tests becomes an entry; left out and \
counted is what `evaluator dataset --to sft` leaves out. With --recipe, tasks that the recipe evaluates are refused. The \
workflow memory reads the file of knowledge.memory, and refuses one with a task that is about to be evaluated.

--general asks a model for at most seven lessons from all entries. They are kept if the base model of the runs, given \
them, solves no fewer of the entries' tasks with one greedy answer each than without them.";

#[derive(Debug, Args)]
pub(crate) struct MemoryArguments {
    /// Runs: their folders, their names under the --reports folder, unique prefixes of them, or `latest`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// File of the memory; an earlier memory is replaced
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Recipe of the evaluation whose tasks must not become entries
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder that is searched for runs by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Add general lessons, which a model writes
    #[arg(long)]
    pub(crate) general: bool,
    /// Recipe of the model or server that writes the lessons [default: the base model of the runs]
    #[arg(long, value_name = "RECIPE", requires = "general")]
    pub(crate) teacher: Option<PathBuf>,
    /// Where to compute the lessons and their check: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print the first line of the file, which describes it, as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}
