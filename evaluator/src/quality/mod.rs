//! `evaluator quality`: findings of static rules, technical debt and metrics, of Python files or of a run's programs.

mod arms;
mod arms_page;
mod cells;
mod files;
mod measured;
pub(crate) mod sarif;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use slm_cli::{Failure, UserMistake, print_list};
use slm_metrics::rules::{self, Minutes, Rule};

use crate::arguments::QualityArguments;
use crate::run_folder::RUN;

/// Prints the findings or the comparison that the arguments name.
pub(crate) fn run(arguments: &QualityArguments) -> Result<(), Failure> {
    if arguments.rules {
        return print_rules(arguments.json);
    }
    match subject(arguments).map_err(anyhow::Error::from)? {
        Subject::Files => files::run(arguments),
        Subject::Runs(_) if arguments.sarif => {
            let text = "--sarif lists findings in files, and a run's programs are in none\nhint: use --json for runs";
            Err(anyhow::Error::from(UserMistake(text.to_owned())).into())
        }
        Subject::Runs(folders) => arms::run(&folders, arguments.json),
    }
}

/// What is to be measured.
enum Subject {
    /// The paths are Python files, or folders of them.
    Files,
    /// The folders of runs.
    Runs(Vec<PathBuf>),
}

/// Decides whether the paths are runs. A run's name is looked up among the runs if no such path exists.
fn subject(arguments: &QualityArguments) -> Result<Subject, UserMistake> {
    let is_run = |path: &PathBuf| !path.exists() || path.join(RUN).is_file();
    let (runs, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
        arguments.subjects.iter().partition(|path| is_run(path));
    match (runs.first(), files.first()) {
        (Some(run), Some(file)) => Err(UserMistake(format!(
            "{} is a run, and {} is not: they cannot be measured together\nhint: name runs, or Python files and folders",
            run.display(),
            file.display()
        ))),
        (None, _) => Ok(Subject::Files),
        (Some(_), None) => {
            let folders = runs.into_iter().map(|run| folder_of(run, arguments));
            folders.collect::<Result<_, _>>().map(Subject::Runs)
        }
    }
}

fn folder_of(run: &Path, arguments: &QualityArguments) -> Result<PathBuf, UserMistake> {
    crate::runs::folder_of(run, &arguments.reports).map_err(|UserMistake(error)| {
        if run.exists() || run == Path::new("latest") {
            return UserMistake(error);
        }
        UserMistake(format!(
            "{}: no such file, folder or run\nhint: `evaluator runs` lists the runs",
            run.display()
        ))
    })
}

/// A rule as it is printed.
#[derive(Serialize)]
pub(super) struct ShownRule {
    rule: &'static str,
    category: rules::Category,
    title: &'static str,
    /// The same rule in other tools.
    known_as: &'static str,
    /// Minutes to repair one finding, or for each unit above the limit.
    minutes: f64,
    /// The largest value without a finding, of rules with a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_unit_above: Option<usize>,
    /// Both, for the table.
    #[serde(skip)]
    estimate: Minutes,
}

impl ShownRule {
    pub(super) fn of(rule: &'static Rule) -> Self {
        let (minutes, per_unit_above) = match rule.minutes {
            Minutes::Constant(minutes) => (minutes, None),
            Minutes::PerUnitAbove { limit, each } => (each, Some(limit)),
        };
        Self {
            rule: rule.id,
            category: rule.category,
            title: rule.title,
            known_as: rule.known_as,
            minutes,
            per_unit_above,
            estimate: rule.minutes,
        }
    }
}

/// Returns the name of a category or severity, as in JSON.
pub(crate) fn word<T: Serialize>(value: T) -> String {
    let text = serde_json::to_value(value).ok();
    let text = text.as_ref().and_then(serde_json::Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn print_rules(is_json: bool) -> Result<(), Failure> {
    let all: Vec<ShownRule> = rules::all().map(ShownRule::of).collect();
    let header = ["rule", "category", "minutes", "known as", "reports"];
    let row = |rule: &ShownRule| {
        vec![
            rule.rule.to_owned(),
            word(rule.category),
            rule.estimate.to_string(),
            rule.known_as.to_owned(),
            rule.title.to_owned(),
        ]
    };
    print_list(&all, is_json, &header, row, "no rules")
}
