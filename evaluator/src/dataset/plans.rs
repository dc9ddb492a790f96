//! Plans of programs that pass, for `--to plans`: written from the program, and kept if they help to write it.
//!
//! As in `CodePLAN` (<https://arxiv.org/abs/2403.13271>), a model sees a task with a program that solves it, and describes
//! its steps. The plan is kept if it holds no line of the program and the model of the runs, given task and plan, solves
//! the task in one of several samples.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use serde_json::{Value, json};
use slm_artifacts::{FinishReason, Verdict};
use slm_benchmarks::{ScoringPhase, TaskView};
use slm_cli::UserMistake;
use slm_config::Prompts;
use slm_harvest::{Asks, Harvest, Reason, Row, check_plan};
use slm_metrics::syntax::without_reasoning;
use slm_model::{CODE_STOP, CodeRequest, Message, Role, Sampling};
use slm_sandbox::{Limits, Sandbox};

use super::calls::{ask, spent};
use super::models::Models;
use super::runs::HarvestedRun;
use super::verdicts::verdicts;
use crate::backend::{Answer, Backend, Query, Speaker, Wanted};
use crate::dataset_arguments::DatasetArguments;
use crate::digest::step_seed;
use crate::experiment::tasks::RunTask;
use crate::workflow::prompt::{Prompt, Template, Templates};

/// Maximum tokens of a plan: five steps are shorter.
const MAX_PLAN_TOKENS: usize = 256;
/// Sampling temperature of the programs that are written by a plan.
const TEMPERATURE: f64 = 0.6;

/// The user's turn of a request to write the program by a plan.
pub(super) fn by_plan(stub: &str, plan: &str) -> Vec<Message> {
    let [user] = CodeRequest { stub }.messages();
    vec![Message::new(
        Role::User,
        format!("{}\n\nPlan:\n{plan}", user.content),
    )]
}

/// The request for a plan without the program, which a row teaches: the planner's of the workflow `multi_agent`.
///
/// # Errors
/// None for the built-in templates.
pub(super) fn asking_for_plan(stub: &str, entry_point: &str) -> Result<Vec<Message>> {
    let values = [("task", stub), ("entry_point", entry_point)];
    Ok(Templates::load(&Prompts::default())?.messages(Prompt::Planner, &values))
}

/// Replaces the rows, whose answers pass, by two rows for each of which the plan helps: task to plan, and task with plan
/// to program. Returns what was spent, as rules of the data set.
///
/// # Errors
/// A model cannot be opened or fails, the sandbox fails, or no plan is kept.
pub(super) fn add(
    harvest: &mut Harvest,
    runs: &[HarvestedRun],
    arguments: &DatasetArguments,
    phase: &ScoringPhase,
) -> Result<BTreeMap<String, Value>> {
    let [first, ..] = runs else {
        return Ok(BTreeMap::new());
    };
    let models = Models::open(first, arguments.teacher.as_deref(), arguments.device)?;
    let evaluate = &models.recipe.evaluate;
    let limits = Limits::default().with_cpu_s(evaluate.timeout_s);
    let sandbox = arguments.sandbox.open(evaluate.python.as_deref(), limits)?;
    let made = Making {
        tasks: tasks(runs),
        planner: &*models.teacher(),
        coder: &*models.coder(),
        samples: arguments.plan_samples,
        seed: arguments.seed,
        max_new_tokens: evaluate.max_new_tokens,
    }
    .make(std::mem::take(&mut harvest.rows), &sandbox, phase)?;
    for (reason, count) in made.left_out {
        *harvest.left_out.entry(reason).or_default() += count;
    }
    harvest.rows = made.rows;
    if harvest.rows.is_empty() {
        let left_out = harvest.left_out.iter();
        let lines: Vec<String> = left_out.map(|(of, n)| format!("\n  {n} {of}")).collect();
        return Err(UserMistake(format!(
            "no plan of {} answers is kept{}\nhint: name a stronger model that writes plans with --teacher, or raise \
             --plan-samples",
            harvest.answers,
            lines.concat()
        ))
        .into());
    }
    Ok(BTreeMap::from([
        ("plan_calls".to_owned(), json!(made.calls)),
        ("plan_tokens".to_owned(), json!(made.tokens)),
        ("plan_samples".to_owned(), json!(arguments.plan_samples)),
        ("planner".to_owned(), json!(models.teacher_name())),
        ("seed".to_owned(), json!(arguments.seed)),
    ]))
}

/// The tasks by run and name in the run.
type Tasks<'a> = HashMap<(&'a str, &'a str), &'a RunTask>;

fn tasks(runs: &[HarvestedRun]) -> Tasks<'_> {
    let mut all = HashMap::new();
    for run in runs {
        let of_run = run.tasks.iter();
        all.extend(of_run.map(|of| ((run.info.name.as_str(), of.view.task_id.as_str()), of)));
    }
    all
}

struct Making<'a> {
    tasks: Tasks<'a>,
    /// The model that sees programs and writes plans.
    planner: &'a dyn Backend,
    /// The model that learns.
    coder: &'a dyn Backend,
    /// Programs that are written by a plan.
    samples: usize,
    seed: u64,
    max_new_tokens: usize,
}

struct Made {
    rows: Vec<Row>,
    left_out: Vec<(Reason, usize)>,
    calls: usize,
    /// Generated tokens.
    tokens: usize,
}

/// A row with the plan of its program.
struct Planned<'a> {
    row: Row,
    plan: String,
    of: &'a RunTask,
}

impl<'a> Making<'a> {
    fn make(&self, rows: Vec<Row>, sandbox: &Sandbox, phase: &ScoringPhase) -> Result<Made> {
        let template = Template::parse(
            include_str!("plan_from_program.md"),
            "plan_from_program.md",
            &["task", "entry_point", "code"],
        )?;
        let rows: Vec<(Row, &RunTask)> = rows
            .into_iter()
            .filter_map(|row| Some((self.task(&row)?, row)))
            .map(|(of, row)| (row, of))
            .collect();
        let queries = rows
            .iter()
            .map(|(row, of)| self.plan(&template, row, &of.view));
        let answers = ask(self.planner, queries.collect(), "plans")?;
        let mut left_out = Vec::new();
        let (mut calls, mut tokens) = spent(&answers);
        let mut planned = Vec::new();
        for ((row, of), answer) in rows.into_iter().zip(answers) {
            match read(&answer, &row) {
                Ok(plan) => planned.push(Planned { row, plan, of }),
                Err(reason) => left_out.push((reason, 1)),
            }
        }
        let queries = planned.iter().flat_map(|of| self.programs(of));
        let answers = ask(self.coder, queries.collect(), "programs by plans")?;
        let (more_calls, more_tokens) = spent(&answers);
        calls += more_calls;
        tokens += more_tokens;
        let items: Vec<(&RunTask, &str)> = planned
            .iter()
            .flat_map(|of| std::iter::repeat_n(of.of, self.samples))
            .zip(answers.iter().map(|answer| answer.text.as_str()))
            .collect();
        let verdicts = verdicts(&items, sandbox, phase)?;
        let mut kept = Vec::new();
        for (of, verdicts) in planned.into_iter().zip(verdicts.chunks(self.samples)) {
            if verdicts.contains(&Some(Verdict::Passed)) {
                kept.extend(of.into_rows());
            } else if verdicts.contains(&None) {
                left_out.push((Reason::UnscoredPlan, 1));
            } else {
                left_out.push((Reason::UselessPlan, 1));
            }
        }
        Ok(Made {
            rows: kept,
            left_out,
            calls,
            tokens,
        })
    }

    /// Every row has a task: its answers are those of the runs.
    fn task(&self, row: &Row) -> Option<&'a RunTask> {
        let source = &row.sides.first()?.source;
        let name = (source.run.as_str(), source.task_id.as_str());
        self.tasks.get(&name).copied()
    }

    /// Returns the request for the plan of a row's program.
    fn plan(&self, template: &Template, row: &Row, view: &TaskView) -> Query {
        let body = row.sides.first().map_or("", |side| side.body.as_str());
        let program = format!("{}\n{body}", row.stub.trim_end());
        let values = [
            ("task", row.stub.as_str()),
            ("entry_point", &view.entry_point),
            ("code", &program),
        ];
        Query {
            messages: template.render(&values),
            begun: String::new(),
            stop: Vec::new(),
            sampling: Sampling::GREEDY,
            max_new_tokens: MAX_PLAN_TOKENS,
            seed: step_seed(self.seed, &row.task_id, 0, 0),
            speaker: Speaker::Base,
            wanted: Wanted::default(),
        }
    }

    /// Returns the requests for programs by a plan.
    fn programs(&self, of: &Planned) -> Vec<Query> {
        let stub = &of.row.stub;
        (0..self.samples)
            .map(|sample| Query {
                messages: by_plan(stub, &of.plan),
                begun: CodeRequest { stub }.begun(),
                stop: CODE_STOP.to_vec(),
                sampling: Sampling {
                    temperature: TEMPERATURE,
                    ..Sampling::GREEDY
                },
                max_new_tokens: self.max_new_tokens,
                seed: step_seed(self.seed, &of.row.task_id, sample as u32, 1),
                speaker: Speaker::Base,
                wanted: Wanted::default(),
            })
            .collect()
    }
}

impl Planned<'_> {
    /// Task to plan, and task with plan to program.
    fn into_rows(self) -> [Row; 2] {
        let mut of_plan = self.row.clone();
        of_plan.asks = Asks::Plan;
        for side in &mut of_plan.sides {
            side.body.clone_from(&self.plan);
            side.lloc = 0;
            "plan".clone_into(&mut side.source.side);
            side.source.mi_code = None;
        }
        let mut of_program = self.row;
        of_program.asks = Asks::ProgramByPlan(self.plan);
        [of_plan, of_program]
    }
}

/// Returns the plan in an answer.
fn read(answer: &Answer, row: &Row) -> Result<String, Reason> {
    if answer.finish_reason != FinishReason::Stop {
        return Err(Reason::CutPlan);
    }
    let plan = without_reasoning(&answer.text).trim();
    let body = row.sides.first().map_or("", |side| side.body.as_str());
    check_plan(plan, body)?;
    Ok(plan.to_owned())
}
