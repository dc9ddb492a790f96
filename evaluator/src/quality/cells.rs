//! The quality of a run's programs, cell by cell, and of each adapter's less the base model's.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_artifacts::BASE_ARM;
use slm_report::{Decoding, ProgramMetrics, SampleRecord};
use slm_statistics::{Interval, bootstrap_mean, mean, task_mean};

/// A number of a program.
pub(super) struct Measure {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// Factor for display: 100 for shares and for counts per 100 programs.
    pub(super) scale: f64,
    value: fn(&SampleRecord) -> Option<f64>,
}

const fn measure(
    key: &'static str,
    title: &'static str,
    scale: f64,
    value: fn(&SampleRecord) -> Option<f64>,
) -> Measure {
    Measure {
        key,
        title,
        scale,
        value,
    }
}

/// The measures, in the order of the table. Programs without metrics count for validity and tests alone, and tasks
/// without tests not for tests.
pub(super) const MEASURES: &[Measure] = &[
    measure("valid", "valid %", 100.0, |record| {
        Some(f64::from(u8::from(record.parsable)))
    }),
    measure("pass_rate", "passed %", 100.0, |record| {
        record
            .is_tested()
            .then(|| f64::from(u8::from(record.passed())))
    }),
    measure("tests_passed_share", "PassRatio %", 100.0, |record| {
        record
            .is_tested()
            .then(|| record.tests_passed as f64 / record.tests_total as f64)
    }),
    measure("security_high", "high", 100.0, |record| {
        count(record, |program| program.security_high)
    }),
    measure("security_medium", "medium", 100.0, |record| {
        count(record, |program| program.security_medium)
    }),
    measure("security_low", "low", 100.0, |record| {
        count(record, |program| program.security_low)
    }),
    measure("reliability_findings", "reliability", 100.0, |record| {
        count(record, |program| program.reliability_findings)
    }),
    measure("smells", "smells", 100.0, |record| {
        count(record, |program| program.smells)
    }),
    measure("debt_minutes", "debt min", 1.0, |record| {
        record.metrics?.debt_minutes
    }),
    measure(
        "debt_minutes_per_100_lloc",
        "debt/100 LLOC",
        1.0,
        |record| {
            let program = record.metrics?;
            let lines = program.lloc_code.filter(|&lines| lines > 0)?;
            Some(100.0 * program.debt_minutes? / lines as f64)
        },
    ),
    measure("maintainability_index", "MI", 1.0, |record| {
        Some(record.metrics?.maintainability_index)
    }),
    measure("mi_code", "mi_code", 1.0, |record| {
        Some(record.metrics?.mi_code)
    }),
    measure("cognitive_complexity", "cognitive", 1.0, |record| {
        count(record, |program| program.cognitive_complexity)
    }),
];

fn count(record: &SampleRecord, of: fn(&ProgramMetrics) -> Option<usize>) -> Option<f64> {
    of(record.metrics.as_ref()?).map(|count| count as f64)
}

/// One arm in one workflow with one sampling setting.
#[derive(Serialize)]
pub(super) struct CellQuality {
    pub(super) run: String,
    pub(super) arm: String,
    pub(super) workflow: String,
    pub(super) decoding: Decoding,
    pub(super) tasks: usize,
    pub(super) programs: usize,
    /// By the keys of [`MEASURES`]: the mean over tasks, scaled; `None` without a value.
    pub(super) means: BTreeMap<&'static str, Option<f64>>,
    /// The same less the base model's; empty for the base model, and where it has no such cell.
    pub(super) less_base: BTreeMap<&'static str, Difference>,
}

/// A mean difference over the tasks that both sides have a value for.
#[derive(Serialize)]
pub(super) struct Difference {
    pub(super) n: usize,
    #[serde(rename = "difference")]
    pub(super) mean: Option<f64>,
    /// 95 %, bias-corrected and accelerated bootstrap over tasks; `None` if the data give none.
    pub(super) interval: Option<Interval>,
}

/// The samples of a cell, by task.
type ByTask<'a> = BTreeMap<&'a str, Vec<&'a SampleRecord>>;

/// Workflow, sampling, the arm's place in the run and its name: cells are sorted by this.
type CellKey<'a> = (&'a str, Decoding, Option<usize>, &'a str);

/// Returns the cells of a run, by workflow and sampling, and the arms in their order.
pub(super) fn cells_of(
    run: &str,
    records: &[SampleRecord],
    arms: &[&str],
    seed: u64,
) -> Vec<CellQuality> {
    let place = |arm: &str| arms.iter().position(|other| *other == arm);
    let mut grouped: BTreeMap<CellKey, ByTask> = BTreeMap::new();
    for record in records {
        let arm = record.arm.as_str();
        let key = (record.workflow.as_str(), record.decoding, place(arm), arm);
        let tasks = grouped.entry(key).or_default();
        tasks.entry(&record.task_id).or_default().push(record);
    }
    let cell = |(&(workflow, decoding, of_run, arm), tasks): (&CellKey, &ByTask)| {
        let base = grouped.get(&(workflow, decoding, place(BASE_ARM), BASE_ARM));
        let base = base.filter(|_| arm != BASE_ARM && of_run != place(BASE_ARM));
        CellQuality {
            run: run.to_owned(),
            arm: arm.to_owned(),
            workflow: workflow.to_owned(),
            decoding,
            tasks: tasks.len(),
            programs: tasks.values().map(Vec::len).sum(),
            means: MEASURES
                .iter()
                .map(|measure| {
                    (
                        measure.key,
                        mean(&measure.values(tasks)).map(|v| v * measure.scale),
                    )
                })
                .collect(),
            less_base: base.map_or_else(BTreeMap::new, |base| {
                let differences = MEASURES
                    .iter()
                    .map(|measure| (measure.key, measure.difference(base, tasks, seed)));
                differences.collect()
            }),
        }
    };
    grouped.iter().map(cell).collect()
}

impl Measure {
    /// Returns the means of the tasks that have a value.
    fn values(&self, tasks: &ByTask) -> Vec<f64> {
        let values = tasks.values().filter_map(|samples| self.of_task(samples));
        values.collect()
    }

    fn of_task(&self, samples: &[&SampleRecord]) -> Option<f64> {
        task_mean(samples, |record| (self.value)(record))
    }

    fn difference(&self, base: &ByTask, tasks: &ByTask, seed: u64) -> Difference {
        let differences: Vec<f64> = tasks
            .iter()
            .filter_map(|(task, samples)| {
                let before = self.of_task(base.get(task)?)?;
                Some((self.of_task(samples)? - before) * self.scale)
            })
            .collect();
        Difference {
            n: differences.len(),
            mean: mean(&differences),
            interval: bootstrap_mean(&differences, seed).ok().map(|both| both.bca),
        }
    }
}
