//! The arguments of `evaluator dataset`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use slm_cli::UserMistake;
use slm_harvest::{Keep, Kind, PairRule, Prefer, Settings};
use slm_model::DeviceChoice;

use crate::sandboxing::SandboxChoice;

pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator dataset latest --to sft -o data/own-answers --recipe judge.yaml
  evaluator dataset latest --to pairs --rule maintainability -o data/pairs --recipe judge.yaml
  evaluator dataset --to sketches -o data/sketches --recipe judge.yaml

Rows are answers of finished runs, after hidden tests. An answer is kept if it passes all hidden tests (sft), is clearly \
better or worse than another answer to its task (pairs), or either passes or fails (kto). Left out and counted: \
truncated answers, tasks without tests or of the publisher's test split, programs that read like a table of tests, \
programs that do not continue the task's prompt, equal programs. With --recipe, tasks that the recipe evaluates are \
refused: the run must have sampled other tasks, for example of MBPP's training split. The folder holds rows.jsonl (TRL's columns), sources.jsonl (the origin of each row) and dataset.json.

--to plans asks a model for the plan of each program that passes, in at most five steps and without its code, and keeps \
the plans by which the base model solves the task in one of --plan-samples samples. Each gives two rows: task to plan, \
and task with plan to program.

--to sketches needs no run: each documented function of knowledge.code of --recipe becomes a row, task and sketch to \
body. The sketch has what the most similar other function has in common with it, in the words of the workflow sketch. \
Functions that share text with tasks of the recipe's benchmarks are left out.

--to routes teaches a router which workflow to choose: of each task that some workflow solves, the cheapest one that \
passes at least half of its samples is a wanted answer (label true), every other one of the runs an unwanted one, in \
TRL's columns of KTO. routes.jsonl beside the rows has the pass rate and mean tokens of each workflow on each task, for \
evaluate.adaptive.routes. The runs must have one arm.
--to decompositions teaches a decomposer: each task that the workflow decompose or decompose_self split into functions is \
a row, from task, failed program and test report to the functions. The label is true if the program over the functions \
passes all hidden tests, in TRL's columns of KTO.

--to verifier asks about each program whether it does what the task asks: yes for those that pass all hidden tests, no \
for wrong results and exceptions. A fifth of the tasks is held out; dataset.json names them, with the area under the \
ROC curve (AUC) that the visible tests and the model's own log-probabilities reach on their answers. With --judge, the \
base model or an adapter that was fitted on the rows judges these answers, and dataset.json has the AUC of its judgements, too.

--keep none and --keep canonical make controls: as many answers of the same tasks without regard to tests, and the \
publishers' solutions of the same tasks.";

/// The kinds of data sets that are made of runs.
const NEED_RUNS: [(&str, &str); 7] = [
    ("to", "sft"),
    ("to", "pairs"),
    ("to", "kto"),
    ("to", "verifier"),
    ("to", "plans"),
    ("to", "routes"),
    ("to", "decompositions"),
];

#[derive(Debug, Args)]
pub(crate) struct DatasetArguments {
    /// Runs: their folders, their names under the --reports folder, unique prefixes of them, or `latest`; none for
    /// sketches
    #[arg(value_name = "RUN", required_if_eq_any = NEED_RUNS)]
    pub(crate) runs: Vec<PathBuf>,
    /// What the rows are
    #[arg(long, value_name = "KIND")]
    pub(crate) to: Target,
    /// Folder of the data set; an earlier data set in it is replaced
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Recipe of the evaluation whose tasks must not become rows; for sketches also of the code, knowledge.code
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder that is searched for runs by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Which answers are kept; others than `passed` are controls, for sft alone
    #[arg(long, value_name = "WHICH", default_value = "passed")]
    pub(crate) keep: KeepChoice,
    /// Which answers to a task are chosen first, for sft and kto
    #[arg(long, value_name = "ORDER", default_value = "mi_code")]
    pub(crate) prefer: PreferChoice,
    /// Most rows of a task; for kto and verifier of each label, for plans programs [default: 4; for plans 1]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) per_task: Option<usize>,
    /// Most rows, rarely solved tasks first [default: no limit]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_rows: Option<usize>,
    /// What makes an answer better, for pairs [default: correctness]
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<RuleChoice>,
    /// Recipe of the model or server that writes plans, for plans [default: the base model of the runs]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) teacher: Option<PathBuf>,
    /// Programs that the base model of the runs writes by a plan, of which one must pass
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    pub(crate) plan_samples: usize,
    /// With --to verifier: the adapter whose AUC on the held-out tasks is measured (its folder, or the name of its training), or
    /// `base`
    #[arg(long, value_name = "ADAPTER")]
    pub(crate) judge: Option<PathBuf>,
    /// Seed of the answers that `--keep none` draws, of programs by plans, and of the tasks that a verifier's data hold out
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where to compute likelihoods, plans and judgements: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    #[command(flatten)]
    pub(crate) sandbox: SandboxChoice,
    /// Print the description of the data set as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// A kind of data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Answers to learn
    Sft,
    /// A better and a worse answer to one task
    Pairs,
    /// Answers, each good or bad
    Kto,
    /// Plans of answers that pass, and the answers by their plans
    Plans,
    /// Functions of knowledge.code after a sketch of the most similar one
    Sketches,
    /// The cheapest workflow that solves a task, and the others
    Routes,
    /// Splits of tasks into functions, each wanted or unwanted, for the role decomposer
    Decompositions,
    /// Answers with yes or no, for the role verifier
    Verifier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepChoice {
    /// Answers that pass all hidden tests
    Passed,
    /// Equally many of the same tasks, without regard to tests
    None,
    /// The publishers' solutions of the same tasks
    Canonical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum PreferChoice {
    /// The highest maintainability index of the code
    MiCode,
    /// The fewest logical lines of code
    Short,
    /// The highest mean log-probability under the base model, which is loaded
    Likelihood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleChoice {
    /// More hidden tests pass
    Correctness,
    /// Both pass; the code is more maintainable
    Maintainability,
}

impl DatasetArguments {
    /// Returns the rules.
    ///
    /// # Errors
    /// Two arguments exclude each other.
    pub(crate) fn settings(&self) -> Result<Settings, UserMistake> {
        let refuse = |text: &str| Err(UserMistake(text.to_owned()));
        let kind = match (self.to, self.rule) {
            (Target::Pairs, None | Some(RuleChoice::Correctness)) => {
                Kind::Pairs(PairRule::Correctness)
            }
            (Target::Pairs, Some(RuleChoice::Maintainability)) => {
                Kind::Pairs(PairRule::Maintainability)
            }
            (_, Some(_)) => {
                return refuse(
                    "--rule is a rule of pairs\nhint: remove --rule, or make pairs with --to pairs",
                );
            }
            (Target::Sft, None) => Kind::Sft,
            (Target::Kto, None) => Kind::Kto,
            (Target::Plans, None) => Kind::Plans,
            (Target::Sketches, None) => Kind::Sketches,
            (Target::Routes, None) => Kind::Routes,
            (Target::Decompositions, None) => Kind::Decompositions,
            (Target::Verifier, None) => Kind::Verifier,
        };
        if kind == Kind::Sketches {
            self.check_sketches()?;
        }
        if matches!(kind, Kind::Routes | Kind::Decompositions)
            && (self.per_task.is_some() || self.max_rows.is_some())
        {
            return refuse(
                "--per-task and --max-rows limit answers, but a row of routes is a workflow\nhint: remove them",
            );
        }
        if self.teacher.is_some() && kind != Kind::Plans {
            return refuse(
                "--teacher writes plans\nhint: remove --teacher, or make plans with --to plans",
            );
        }
        if self.judge.is_some() && kind != Kind::Verifier {
            return refuse(
                "--judge measures a verifier\nhint: remove --judge, or make data for one with --to verifier",
            );
        }
        let keep = match self.keep {
            KeepChoice::Passed => Keep::Passed,
            KeepChoice::None => Keep::None,
            KeepChoice::Canonical => Keep::Canonical,
        };
        if keep != Keep::Passed && kind != Kind::Sft {
            return refuse(
                "--keep none and --keep canonical are controls of --to sft\nhint: remove --keep",
            );
        }
        Ok(Settings {
            kind,
            keep,
            prefer: match self.prefer {
                PreferChoice::MiCode => Prefer::MiCode,
                PreferChoice::Short => Prefer::Short,
                PreferChoice::Likelihood => Prefer::Likelihood,
            },
            per_task: self
                .per_task
                .unwrap_or(if kind == Kind::Plans { 1 } else { 4 }),
            max_rows: self.max_rows,
            seed: self.seed,
        })
    }
}

impl DatasetArguments {
    /// Refuses arguments of sketches that have no effect.
    fn check_sketches(&self) -> Result<(), UserMistake> {
        let refuse = |text: &str| Err(UserMistake(text.to_owned()));
        if !self.runs.is_empty() {
            return refuse(
                "--to sketches reads the code of --recipe, and no run\nhint: remove the names of runs",
            );
        }
        if self.recipe.is_none() {
            return refuse(
                "--to sketches reads the functions of knowledge.code\nhint: name the recipe with --recipe",
            );
        }
        if self.per_task.is_some() || self.max_rows.is_some() {
            return refuse(
                "--per-task and --max-rows limit answers, of which sketches have none\nhint: remove them",
            );
        }
        Ok(())
    }
}

/// Parses a whole number of at least 1.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&n| n > 0);
    number.ok_or_else(|| "expected a whole number of at least 1".to_owned())
}
