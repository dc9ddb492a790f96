//! `evaluator report RUN --against RUN`: two runs, cell by cell.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use slm_artifacts::BASE_ARM;
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_report::{
    BenchmarkInfo, Cell, ChangedSetting, ComparedCell, RunComparison, RunInfo, SampleRecord,
};

use crate::recorded;
use crate::run_folder::RunFolder;

/// Keys of a recipe that change no answer.
const NO_ANSWER: [&str; 4] = ["name", "output.", "costs.", "evaluate.hypotheses"];

/// A run and its records.
struct Recorded {
    info: RunInfo,
    records: Vec<SampleRecord>,
}

impl Recorded {
    fn read(folder: &Path) -> Result<Self> {
        let info = RunFolder::read_info(folder)?;
        let records = recorded::read(folder, &info)?;
        let expected = info.n_answers();
        if records.len() < expected {
            slm_cli::note(&format!(
                "{}: {} of {expected} answers are recorded",
                folder.display(),
                records.len()
            ));
        }
        let records = records.into_iter().map(SampleRecord::upgraded);
        Ok(Self {
            info,
            records: records.collect(),
        })
    }

    /// The records of a cell in the benchmarks of these names.
    fn of<'a>(
        &'a self,
        cell: &'a Cell,
        benchmarks: &'a BTreeSet<&str>,
    ) -> impl Iterator<Item = &'a SampleRecord> {
        self.records.iter().filter(|record| {
            record.arm == cell.arm
                && record.workflow == cell.workflow.name()
                && record.decoding == cell.decoding
                && benchmarks.contains(&*record.benchmark)
        })
    }

    /// The only adapter; `None` if there is none or there are several.
    fn only_adapter(&self) -> Option<&str> {
        match &self.info.adapters[..] {
            [adapter] => Some(&adapter.name),
            _ => None,
        }
    }
}

/// Compares the run in the first folder with that in the second.
///
/// # Errors
/// A run cannot be read, they have no cell in common, or a benchmark has other tasks in one of them.
pub(super) fn compare(folder: &Path, against: &Path) -> Result<RunComparison> {
    let (other, base) = (Recorded::read(folder)?, Recorded::read(against)?);
    let benchmarks = shared_benchmarks(&base.info, &other.info)?;
    let cells: Vec<ComparedCell> = base
        .info
        .plan
        .cells
        .iter()
        .filter_map(|of_base| {
            let arm = counterpart(&of_base.arm, &base, &other)?;
            let of_other = other.info.plan.cells.iter().find(|cell| {
                cell.arm == arm
                    && (cell.workflow, cell.decoding) == (of_base.workflow, of_base.decoding)
            })?;
            let arms = if arm == of_base.arm {
                arm.to_owned()
            } else {
                format!("{arm} less {}", of_base.arm)
            };
            Some(ComparedCell {
                label: format!("{arms}, {}, {}", of_base.workflow.name(), of_base.decoding),
                base_arm: &of_base.arm,
                other_arm: &of_other.arm,
                base: base.of(of_base, &benchmarks).collect(),
                other: other.of(of_other, &benchmarks).collect(),
            })
        })
        .collect();
    if cells.is_empty() {
        return Err(nothing_in_common(&base.info, &other.info).into());
    }
    let tasks = |records: &[&SampleRecord]| -> BTreeSet<String> {
        records.iter().map(|of| of.task_id.clone()).collect()
    };
    let mut all = cells.iter().map(|cell| [&cell.base, &cell.other]);
    if all.all(|[base, other]| tasks(base).is_disjoint(&tasks(other))) {
        return Err(UserMistake(format!(
            "{} and {} have no task in common\nhint: compare runs of the same tasks",
            base.info.name, other.info.name
        ))
        .into());
    }
    Ok(RunComparison::new(
        (&base.info.name, &other.info.name),
        changed(&base.info, &other.info, &cells),
        &cells,
        other.info.statistics_seed(),
    ))
}

/// The arm of `other` that an arm of `base` is compared with: the one of its name, or the only adapter of each run.
fn counterpart<'a>(arm: &str, base: &Recorded, other: &'a Recorded) -> Option<&'a str> {
    let arms = other.info.plan.cells.iter().map(|cell| cell.arm.as_str());
    let same = arms.into_iter().find(|own| *own == arm);
    let is_only = || arm != BASE_ARM && base.only_adapter() == Some(arm);
    same.or_else(|| other.only_adapter().filter(|_| is_only()))
}

/// The names of the benchmarks that both runs have.
///
/// # Errors
/// There is none, or one has as many, but other tasks in one of the runs.
fn shared_benchmarks<'a>(
    base: &'a RunInfo,
    other: &'a RunInfo,
) -> Result<BTreeSet<&'a str>, UserMistake> {
    let mut shared = BTreeSet::new();
    for (of_base, of_other) in benchmarks_of_both(base, other) {
        shared.insert(&*of_base.name);
        // Of a part of the tasks, the hash is another one: `changed` lists it.
        if of_base.tasks == of_other.tasks && of_base.sha256 != of_other.sha256 {
            return Err(UserMistake(format!(
                "the {} tasks of {} differ between {} and {}\n\
                 hint: run one of them again on the tasks of the other",
                of_base.tasks, of_base.name, base.name, other.name
            )));
        }
    }
    if !shared.is_empty() {
        return Ok(shared);
    }
    let names = |info: &RunInfo| {
        let names: Vec<&str> = info.benchmarks.iter().map(|of| of.name.as_str()).collect();
        format!("{} ({})", info.name, names.join(", "))
    };
    Err(UserMistake(format!(
        "{} and {} have no benchmark in common\nhint: compare runs of the same tasks",
        names(base),
        names(other)
    )))
}

/// The benchmarks of one name in two runs.
fn benchmarks_of_both<'a>(
    base: &'a RunInfo,
    other: &'a RunInfo,
) -> impl Iterator<Item = (&'a BenchmarkInfo, &'a BenchmarkInfo)> {
    base.benchmarks.iter().filter_map(|of_base| {
        let mut others = other.benchmarks.iter();
        let of_other = others.find(|of| of.name == of_base.name)?;
        Some((of_base, of_other))
    })
}

fn nothing_in_common(base: &RunInfo, other: &RunInfo) -> UserMistake {
    let cells = |info: &RunInfo| {
        let cells = info.plan.cells.iter();
        let names = cells.map(|cell| {
            format!(
                "\n    {}, {}, {}",
                cell.arm,
                cell.workflow.name(),
                cell.decoding
            )
        });
        format!("\n  {}:{}", info.name, names.collect::<String>())
    };
    UserMistake(format!(
        "the runs have no workflow with one sampling setting in common{}{}\n\
         hint: arms of one name are compared, and the adapters if each run has one",
        cells(base),
        cells(other)
    ))
}

/// What can change an answer and is not the same in both runs.
fn changed(base: &RunInfo, other: &RunInfo, cells: &[ComparedCell<'_>]) -> Vec<ChangedSetting> {
    let recipe = |info: &RunInfo| {
        let yaml = &info.recipe.yaml;
        Recipe::parse_without_data(yaml, Path::new("run.json"), &[], slm_benchmarks::NAMES).ok()
    };
    let mut found = Vec::new();
    let recipes = recipe(base).zip(recipe(other));
    if recipes.is_none() && base.recipe.yaml != other.recipe.yaml {
        found.push(ChangedSetting {
            key: "recipe".to_owned(),
            base: with_hash("not readable here", &base.recipe.sha256),
            other: with_hash("not readable here", &other.recipe.sha256),
        });
    }
    if let Some((of_base, of_other)) = recipes {
        let differences = of_base.differences(&of_other).into_iter();
        let decides = |key: &str| !NO_ANSWER.iter().any(|prefix| key.starts_with(prefix));
        found.extend(
            differences
                .filter(|of| decides(&of.key))
                .map(|of| ChangedSetting {
                    key: of.key,
                    base: of.first,
                    other: of.second,
                }),
        );
    }
    let named = |info: &RunInfo| {
        [
            (
                "base model",
                with_hash(&info.base_model.name, &info.base_model.sha256),
            ),
            ("device", info.device.clone()),
            ("Python", info.python_version.clone()),
            ("sandbox", info.sandbox.level.clone()),
            ("version", info.project_version.clone()),
        ]
    };
    let mut compare = |key: &str, of_base: String, of_other: String| {
        if of_base != of_other {
            found.push(ChangedSetting {
                key: key.to_owned(),
                base: of_base,
                other: of_other,
            });
        }
    };
    for ((key, of_base), (_, of_other)) in named(base).into_iter().zip(named(other)) {
        compare(key, of_base, of_other);
    }
    for (of_base, of_other) in benchmarks_of_both(base, other) {
        let [first, second] =
            [of_base, of_other].map(|of| with_hash(&format!("{} tasks", of.tasks), &of.sha256));
        compare(&format!("tasks of {}", of_base.name), first, second);
    }
    let arms: BTreeSet<(&str, &str)> = cells
        .iter()
        .map(|cell| (cell.base_arm, cell.other_arm))
        .collect();
    for (arm, other_arm) in arms {
        let [first, second] = [(base, arm), (other, other_arm)].map(|(info, arm)| {
            let adapter = info.adapters.iter().find(|of| of.name == arm);
            adapter.map_or_else(
                || "none".to_owned(),
                |of| with_hash(&format!("{}, {}", of.name, of.path), &of.sha256),
            )
        });
        compare("adapter", first, second);
    }
    for ((key, of_base), (_, of_other)) in parts(base).into_iter().zip(parts(other)) {
        compare(key, of_base, of_other);
    }
    if found.is_empty() && base.config_sha256 != other.config_sha256 {
        let [first, second] = [base, other].map(|info| with_hash("hash", &info.config_sha256));
        found.push(ChangedSetting {
            key: "another setting".to_owned(),
            base: first,
            other: second,
        });
    }
    found
}

/// The hashes of what a run may have beside its recipe.
fn parts(info: &RunInfo) -> [(&'static str, String); 4] {
    let hash = |text: serde_json::Result<String>| match text.as_deref() {
        Ok("null" | "[]") | Err(_) => "none".to_owned(),
        Ok(text) => with_hash("its description", &slm_artifacts::sha256(text)),
    };
    [
        ("knowledge", hash(serde_json::to_string(&info.knowledge))),
        ("speakers", hash(serde_json::to_string(&info.speakers))),
        ("routes", hash(serde_json::to_string(&info.routes))),
        ("endpoint", hash(serde_json::to_string(&info.endpoint))),
    ]
}

fn with_hash(name: &str, sha256: &str) -> String {
    let short = sha256.get(..12).unwrap_or(sha256);
    format!("{name} (SHA-256 {short}...)")
}
