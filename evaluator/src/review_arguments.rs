//! The arguments of `evaluator review`.

use std::path::PathBuf;

use clap::Args;
use slm_model::DeviceChoice;

use crate::recipe_arguments;
use crate::sandboxing::SandboxChoice;

pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator review src
  evaluator review src --recipe recipes/quickstart.yaml --sarif > review.sarif
  evaluator review src --recipe recipes/quickstart.yaml --tests own.jsonl -o reviews/src
  evaluator review --bench humaneval --recipe recipes/quickstart.yaml

Prints the findings of the static rules. With a model, each function with a finding or a cognitive complexity above 10 is \
shown to it in the role reviewer: it answers at most three findings and perhaps a rewritten function. A finding is shown \
if its line is in the function; a rewritten function if it parses, keeps name, parameters, decorators and docstring, \
lowers a count of findings or the cognitive complexity and raises none, and passes the function's tests where --tests or \
the recipe's benchmark `repository` has some. All else is counted with its reason. A file that does not parse is one \
finding. Files are never written, and their code is run in the sandbox alone.

--bench measures the reviewer: faults are put into reference solutions, one each, and proven by the hidden tests.";

#[derive(Debug, Args)]
pub(crate) struct ReviewArguments {
    /// Python files with any extension, and folders to search for *.py
    #[arg(value_name = "PATH", required_unless_present = "bench")]
    pub(crate) paths: Vec<PathBuf>,
    /// Recipe of the model or server that reviews [default: the one in the adapter's folder; without an adapter there are
    /// static findings alone]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder of an adapter, in PEFT's layout [default: none, only the base model]
    #[arg(long, value_name = "ADAPTER")]
    pub(crate) adapter: Option<PathBuf>,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Generate on an OpenAI-compatible server; short for --set evaluate.endpoint.url=URL
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Tasks of `evaluator tasks`, whose tests rewritten functions must pass
    #[arg(long, value_name = "FILE")]
    pub(crate) tests: Option<PathBuf>,
    /// Folder for the review and the answers of the model, with the rewritten functions as a data set; an earlier review is
    /// replaced
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Measure the reviewer on faults in the solutions of a benchmark: its name, or a file of tasks
    #[arg(long, value_name = "TASKS", conflicts_with_all = ["paths", "tests", "sarif"])]
    pub(crate) bench: Option<String>,
    /// The benchmark's data file as published, or hf:OWNER/NAME#FILE [default: the one in the cache folder]
    #[arg(long, value_name = "FILE", requires = "bench")]
    pub(crate) data: Option<PathBuf>,
    /// Most faults in the solution of a task
    #[arg(long, value_name = "N", requires = "bench", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) mutants: u16,
    /// Most tasks, the first ones of the benchmark [default: all]
    #[arg(long, value_name = "N", requires = "bench", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tasks: Option<u32>,
    /// Seed of the choice of faults
    #[arg(long, value_name = "N", requires = "bench", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the findings as one SARIF 2.1.0 document
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
}

impl ReviewArguments {
    /// Whether a model reviews.
    pub(crate) fn has_model(&self) -> bool {
        self.recipe.is_some() || self.adapter.is_some()
    }

    /// The device on which the command computes, if it does.
    pub(crate) fn computes_on(&self) -> Option<DeviceChoice> {
        (self.has_model() && self.endpoint.is_none()).then_some(self.device)
    }

    /// Whether the recipe can be read, if one is named.
    pub(crate) fn has_recipe(&self) -> bool {
        recipe_arguments::has_recipe(self.recipe.as_deref(), &self.overrides())
    }

    /// Returns all overrides of the recipe; that of `--endpoint` is last.
    pub(crate) fn overrides(&self) -> Vec<String> {
        recipe_arguments::overrides(&self.overrides, self.endpoint.as_deref())
    }
}
