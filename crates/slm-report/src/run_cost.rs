//! What a work cost: wall time, energy and, with the recipe's prices, money; of a run, its phases and its solved tasks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use slm_artifacts::{Amount, Energy, JOULES_PER_KWH, NOT_RECORDED, add_energy};
use slm_config::Costs;

use crate::cell::{Cell, Decoding};
use crate::number::significant;
use crate::record::{RunInfo, SampleRecord};
use crate::run_parts::PhaseTiming;

/// The macros of templates that show costs, for the pages of other crates.
pub const COST_PHRASES: (&str, &str) = (
    "cost_phrases",
    include_str!("templates/cost_phrases.md.jinja"),
);

const SECONDS_PER_HOUR: f64 = 3600.0;

/// What a work cost. Amounts are `{"known": N}`, `{"at_least": N}` (a part was not measured) or `"unknown"`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkCost {
    /// Wall time, in seconds.
    pub seconds: f64,
    /// Wall time, in hours.
    pub hours: f64,
    /// The measured energy by parts of the machine; `None` if an earlier version recorded the work.
    pub energy: Option<Energy>,
    /// The energy of all parts, in kilowatt-hours.
    pub kwh: Amount,
    /// The price of the energy; `None` without `costs.price_per_kwh`.
    pub energy_cost: Option<Amount>,
    /// The price of the hours; `None` without `costs.price_per_hour`.
    pub hours_cost: Option<f64>,
    /// Both prices together; `None` without any.
    pub money: Option<Amount>,
    /// Seconds in which energy was not measured, by the reason; of several parts the sum.
    pub unread: BTreeMap<String, f64>,
}

impl WorkCost {
    /// Computes the cost of a work of some wall time.
    pub fn of(seconds: f64, energy: Option<&Energy>, prices: Option<&Costs>) -> Self {
        let hours = seconds / SECONDS_PER_HOUR;
        let joules = energy.map_or(Amount::Unknown, Energy::joules);
        let kwh = divided(joules, JOULES_PER_KWH);
        let energy_cost = prices.and_then(|prices| {
            let price = prices.price_per_kwh?;
            Some(if price > 0.0 {
                kwh.times(price)
            } else {
                Amount::Known(0.0)
            })
        });
        let hours_cost = prices.and_then(|prices| Some(prices.price_per_hour? * hours));
        let all = [energy_cost, hours_cost.map(Amount::Known)];
        Self {
            seconds,
            hours,
            energy: energy.cloned(),
            kwh,
            energy_cost,
            hours_cost,
            money: all.into_iter().flatten().reduce(Amount::plus),
            unread: match energy {
                Some(energy) => energy.unread_by_reason(),
                None => [(NOT_RECORDED.to_owned(), seconds)].into(),
            },
        }
    }

    /// Returns the cost divided by a number of tasks; `None` if there are none.
    pub fn per(&self, tasks: usize) -> Option<TaskCost> {
        let tasks = (tasks > 0).then_some(tasks as f64)?;
        Some(TaskCost {
            seconds: self.seconds / tasks,
            kwh: divided(self.kwh, tasks),
            money: self.money.map(|money| divided(money, tasks)),
        })
    }

    /// The energy and the price on one line, such as `0.12 kWh, at least 0.036 EUR`; with the first reason for what is not
    /// known.
    pub fn text(&self, prices: Option<&Costs>) -> String {
        let energy = amount_text(self.kwh, "kWh");
        let reason = self.unread.first_key_value();
        let reason = reason.map_or_else(String::new, |(reason, _)| format!(" ({reason})"));
        energy + &reason + &money_text(self.money, prices)
    }
}

/// Returns the price after a comma; nothing without one.
fn money_text(money: Option<Amount>, prices: Option<&Costs>) -> String {
    let currency = prices.and_then(|prices| prices.currency.as_deref());
    money.map_or_else(String::new, |money| {
        let money = amount_text(money, currency.unwrap_or_default());
        format!(", cost {money}")
    })
}

/// The amount divided by a positive number, which gives whole numbers where its reciprocal would not.
fn divided(amount: Amount, divisor: f64) -> Amount {
    match amount {
        Amount::Known(amount) => Amount::Known(amount / divisor),
        Amount::AtLeast(amount) => Amount::AtLeast(amount / divisor),
        Amount::Unknown => Amount::Unknown,
    }
}

fn amount_text(amount: Amount, unit: &str) -> String {
    let with_unit = |number: f64| {
        format!("{} {unit}", significant(number))
            .trim_end()
            .to_owned()
    };
    match amount {
        Amount::Known(number) => with_unit(number),
        Amount::AtLeast(number) => format!("at least {}", with_unit(number)),
        Amount::Unknown => "unknown".to_owned(),
    }
}

/// The cost of a work for each of the tasks that it solved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TaskCost {
    /// Wall time, in seconds.
    pub seconds: f64,
    /// Energy, in kilowatt-hours.
    pub kwh: Amount,
    /// The price; `None` without prices.
    pub money: Option<Amount>,
}

impl TaskCost {
    /// The energy and the price on one line.
    pub fn text(&self, prices: Option<&Costs>) -> String {
        amount_text(self.kwh, "kWh") + &money_text(self.money, prices)
    }
}

/// What a phase of a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// It loaded the model, or asked the server.
    Loading,
    /// It generated the answers of a cell, and ran the programs of its workflow.
    Generation,
    /// It ran hidden tests and measured programs.
    Scoring,
    /// A phase of another version of this program.
    Other,
}

impl PhaseKind {
    fn of(phase: &str) -> Self {
        match phase {
            "load model" | "ask server" => Self::Loading,
            "human bodies" | "hidden tests" | "own solutions" => Self::Scoring,
            phase if phase.starts_with("generate ") => Self::Generation,
            _ => Self::Other,
        }
    }
}

/// The cost of one phase of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseCost {
    /// The phase, as in `timings` of `run.json`.
    pub phase: String,
    /// What it did.
    pub kind: PhaseKind,
    /// Its cost.
    pub cost: WorkCost,
}

/// The cost of all phases of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindCost {
    /// The kind.
    pub kind: PhaseKind,
    /// Its cost.
    pub cost: WorkCost,
}

/// The cost of the answers of a cell: that of its phase, which loads no model and runs no hidden tests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SolvedCost {
    /// The arm.
    pub arm: String,
    /// The workflow.
    pub workflow: String,
    /// The sampling setting.
    pub decoding: Decoding,
    /// Tasks with an answer.
    pub tasks: usize,
    /// Tasks with an answer that passes all hidden tests.
    pub solved_tasks: usize,
    /// The cost of all answers; `None` if the run has no time of the phase.
    pub cost: Option<WorkCost>,
    /// The cost for each solved task; `None` if none is solved.
    pub per_solved_task: Option<TaskCost>,
}

/// The cost of the training of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingCost {
    /// The adapter's arm.
    pub arm: String,
    /// Its cost; a training that the adapter started from is not included.
    pub cost: WorkCost,
}

/// The cost of a run: `cost` of `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunCost {
    /// The prices; `None` without any.
    pub prices: Option<Costs>,
    /// The whole run.
    pub whole: WorkCost,
    /// Its phases by kind.
    pub kinds: Vec<KindCost>,
    /// Its phases, in the order they ran.
    pub phases: Vec<PhaseCost>,
    /// Tasks with an answer.
    pub tasks: usize,
    /// Tasks with an answer of any cell that passes all hidden tests.
    pub solved_tasks: usize,
    /// Wall time of the calls whose answers were reused, where they were computed, in seconds. It is in no other time.
    pub reused_s: f64,
    /// The cost of the whole run for each of them; `None` if there is none.
    pub per_solved_task: Option<TaskCost>,
    /// The cells, in the plan's order.
    pub cells: Vec<SolvedCost>,
    /// The trainings of the run's adapters, as far as their folders record them.
    pub trainings: Vec<TrainingCost>,
}

impl RunCost {
    /// Computes the cost of a run; `None` before its times are recorded.
    pub fn of(run: &RunInfo, records: &[SampleRecord]) -> Option<Self> {
        let prices = run.prices.as_ref();
        let of_timings = |timings: &[&PhaseTiming]| {
            let (seconds, energy) = sum(timings);
            WorkCost::of(seconds, energy.as_ref(), prices)
        };
        let all: Vec<&PhaseTiming> = run.timings.iter().collect();
        if all.is_empty() {
            return None;
        }
        let whole = of_timings(&all);
        let mut by_kind: BTreeMap<PhaseKind, Vec<&PhaseTiming>> = BTreeMap::new();
        for &timing in &all {
            let kind = PhaseKind::of(&timing.phase);
            by_kind.entry(kind).or_default().push(timing);
        }
        let records: Vec<&SampleRecord> = records.iter().collect();
        let (tasks, solved_tasks) = tasks_of(&records);
        let reused = records.iter().map(|record| record.reused_s);
        let phases = all.iter().map(|timing| PhaseCost {
            phase: timing.phase.clone(),
            kind: PhaseKind::of(&timing.phase),
            cost: of_timings(&[timing]),
        });
        let cells = run.plan.cells.iter().map(|cell| {
            let phase = format!("generate {}", cell.label(run.plan.reference));
            let timing = all.iter().find(|timing| timing.phase == phase);
            solved_cost(cell, &records, timing.map(|timing| of_timings(&[timing])))
        });
        let trainings = run.adapters.iter().filter_map(|adapter| {
            let training = adapter.training.as_ref()?;
            Some(TrainingCost {
                arm: adapter.name.clone(),
                cost: WorkCost::of(training.seconds, training.energy.as_ref(), prices),
            })
        });
        Some(Self {
            prices: run.prices.clone(),
            per_solved_task: whole.per(solved_tasks),
            whole,
            kinds: by_kind
                .into_iter()
                .map(|(kind, timings)| KindCost {
                    kind,
                    cost: of_timings(&timings),
                })
                .collect(),
            phases: phases.collect(),
            tasks,
            solved_tasks,
            reused_s: reused.sum(),
            cells: cells.collect(),
            trainings: trainings.collect(),
        })
    }
}

fn sum(timings: &[&PhaseTiming]) -> (f64, Option<Energy>) {
    timings
        .iter()
        .fold((0.0, None), |(seconds, energy), timing| {
            let more = (timing.energy.as_ref(), timing.seconds);
            let energy = add_energy((energy.as_ref(), seconds), more);
            (seconds + timing.seconds, energy)
        })
}

/// Returns the number of tasks with an answer, and of those with one that passes.
fn tasks_of(records: &[&SampleRecord]) -> (usize, usize) {
    let all: BTreeSet<&str> = records.iter().map(|record| &*record.task_id).collect();
    let passed = records.iter().filter(|record| record.passed());
    let solved: BTreeSet<&str> = passed.map(|record| &*record.task_id).collect();
    (all.len(), solved.len())
}

fn solved_cost(cell: &Cell, records: &[&SampleRecord], cost: Option<WorkCost>) -> SolvedCost {
    let is_of = |record: &&&SampleRecord| {
        record.arm == cell.arm
            && record.workflow == cell.workflow.name()
            && record.decoding == cell.decoding
    };
    let own: Vec<&SampleRecord> = records.iter().filter(is_of).copied().collect();
    let (tasks, solved_tasks) = tasks_of(&own);
    SolvedCost {
        arm: cell.arm.clone(),
        workflow: cell.workflow.name().to_owned(),
        decoding: cell.decoding,
        tasks,
        solved_tasks,
        per_solved_task: cost.as_ref().and_then(|cost| cost.per(solved_tasks)),
        cost,
    }
}

#[cfg(test)]
mod tests {
    use slm_artifacts::{EnergyPart, MeasuredEnergy};

    use super::*;
    use crate::synthetic;

    fn read(joules: f64, seconds: f64) -> Energy {
        let part = MeasuredEnergy {
            joules: Some(joules),
            seconds,
            unread: BTreeMap::new(),
        };
        Energy([(EnergyPart::Processors, part)].into())
    }

    fn prices(per_kwh: Option<f64>, per_hour: Option<f64>) -> Costs {
        Costs {
            price_per_kwh: per_kwh,
            price_per_hour: per_hour,
            currency: Some("EUR".to_owned()),
        }
    }

    #[track_caller]
    fn near(found: Amount, expected: Amount) {
        let is_near = match (found, expected) {
            (Amount::Known(a), Amount::Known(b)) | (Amount::AtLeast(a), Amount::AtLeast(b)) => {
                (a - b).abs() < 1e-12 * b.max(1.0)
            }
            (a, b) => a == b,
        };
        assert!(is_near, "{found:?}, expected {expected:?}");
    }

    #[test]
    fn a_price_is_that_of_the_energy_and_of_the_hours() {
        // 2 hours at 250 W: 0.5 kWh, for 0.15 EUR; the machine costs 3 EUR.
        let energy = read(1.8e6, 7200.0);
        let both = prices(Some(0.3), Some(1.5));
        let cost = WorkCost::of(7200.0, Some(&energy), Some(&both));
        near(cost.kwh, Amount::Known(0.5));
        near(cost.energy_cost.expect("a price"), Amount::Known(0.15));
        near(cost.money.expect("a price"), Amount::Known(3.15));
        assert_eq!(cost.text(Some(&both)), "0.500 kWh, cost 3.15 EUR");
        let per = cost.per(9).expect("tasks");
        near(per.money.expect("a price"), Amount::Known(0.35));
        assert!((per.seconds - 800.0).abs() < 1e-9);
        assert_eq!(cost.per(0), None);
        let free = WorkCost::of(7200.0, Some(&energy), None);
        assert_eq!(
            (free.money, free.text(None)),
            (None, "0.500 kWh".to_owned())
        );
    }

    #[test]
    fn what_was_not_measured_is_unknown_or_a_lower_bound_and_never_0() {
        let unread = Energy::unread(3600.0, "permission denied");
        let of = |per_kwh, per_hour| {
            WorkCost::of(3600.0, Some(&unread), Some(&prices(per_kwh, per_hour)))
        };
        assert_eq!(of(Some(0.3), None).money, Some(Amount::Unknown));
        let text = of(Some(0.3), None).text(Some(&prices(Some(0.3), None)));
        assert_eq!(text, "unknown (permission denied), cost unknown");
        near(
            of(Some(0.3), Some(2.0)).money.expect("a price"),
            Amount::AtLeast(2.0),
        );
        near(
            of(None, Some(2.0)).money.expect("a price"),
            Amount::Known(2.0),
        );
        near(
            of(Some(0.0), None).money.expect("a price"),
            Amount::Known(0.0),
        );
        let mut part = read(3.6e6, 1800.0);
        part.add(&Energy::unread(1800.0, "permission denied"));
        let cost = WorkCost::of(3600.0, Some(&part), Some(&prices(Some(0.3), None)));
        near(cost.money.expect("a price"), Amount::AtLeast(0.3));
        assert_eq!(
            cost.text(Some(&prices(Some(0.3), None))),
            "at least 1.00 kWh (permission denied), cost at least 0.300 EUR"
        );
        let earlier = WorkCost::of(60.0, None, None);
        assert_eq!(earlier.kwh, Amount::Unknown);
        assert_eq!(earlier.unread, [(NOT_RECORDED.to_owned(), 60.0)].into());
    }

    #[test]
    fn a_cell_pays_for_its_answers_and_the_run_for_everything() {
        let mut run = synthetic::run(&["adapter"]);
        // Of the 41.4 kJ of the run, 20 kJ are the base model's answers.
        let joules = [20_000.0, 18_000.0, 3400.0];
        for (timing, joules) in run.timings.iter_mut().zip(joules) {
            timing.energy = Some(read(joules, timing.seconds));
        }
        run.prices = Some(prices(Some(3.6), None));
        let solved = |arm, task| synthetic::solved(synthetic::sample(arm, task));
        let records = [
            solved("base", 0),
            synthetic::sample("base", 1),
            solved("adapter", 1),
            solved("adapter", 2),
        ];
        let cost = RunCost::of(&run, &records).expect("a cost");
        // 3.6 EUR for a kilowatt-hour are 1e-6 EUR for a joule.
        near(cost.whole.money.expect("a price"), Amount::Known(0.0414));
        assert_eq!((cost.tasks, cost.solved_tasks), (3, 3));
        near(
            cost.per_solved_task
                .and_then(|of| of.money)
                .expect("a price"),
            Amount::Known(0.0138),
        );
        let counts: Vec<(&str, usize, usize)> = cost
            .cells
            .iter()
            .map(|cell| (&*cell.arm, cell.tasks, cell.solved_tasks))
            .collect();
        assert_eq!(counts, [("base", 2, 1), ("adapter", 2, 2)]);
        let per_task = |at: usize| cost.cells[at].per_solved_task.and_then(|of| of.money);
        near(per_task(0).expect("a price"), Amount::Known(0.02));
        near(per_task(1).expect("a price"), Amount::Known(0.009));
        let kinds: Vec<PhaseKind> = cost.kinds.iter().map(|of| of.kind).collect();
        assert_eq!(kinds, [PhaseKind::Generation, PhaseKind::Scoring]);
        near(
            cost.kinds[0].cost.kwh.times(JOULES_PER_KWH),
            Amount::Known(38_000.0),
        );
        // The training of the synthetic adapter has no energy.
        assert_eq!(cost.trainings[0].cost.money, Some(Amount::Unknown));
        run.timings.clear();
        assert_eq!(RunCost::of(&run, &records), None);
    }

    #[test]
    fn a_run_with_an_unmeasured_phase_has_a_lower_bound() {
        let mut run = synthetic::run(&["adapter"]);
        run.timings[0].energy = Some(read(3.6e6, 130.4));
        let cost = RunCost::of(&run, &[]).expect("a cost");
        near(cost.whole.kwh, Amount::AtLeast(1.0));
        assert_eq!(cost.phases[0].cost.kwh, Amount::Known(1.0));
        assert_eq!(cost.phases[1].cost.kwh, Amount::Unknown);
        assert_eq!(cost.per_solved_task, None);
        let seconds = cost.whole.unread[NOT_RECORDED];
        assert!((seconds - 131.15).abs() < 1e-9, "{seconds}");
    }
}
