//! The experiments, top to bottom: the request, every trajectory of every cell, then hidden tests, then the report.
//!
//! `compare`, `sweep`, `workflows` and `hypotheses` differ only in their [`Plan`].

pub(crate) mod adapters;
mod against;
pub(crate) mod answering;
pub(crate) mod arm;
mod canonical;
mod costs;
mod declaration;
mod describe;
mod human;
pub(crate) mod learned;
mod merge;
mod rebuild;
mod score_trajectories;
mod speakers;
pub(crate) mod tasks;
pub(crate) mod timings;
#[cfg(test)]
mod version_3;

pub(crate) use rebuild::rebuild;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::Result;
use slm_benchmarks::{ScoringPhase, Task, TaskView};
use slm_cli::{Failure, UserMistake};
use slm_config::{Evaluate, Workflow};
use slm_report::{AdapterInfo, Cell, Experiment, Plan, RunInfo, SampleRecord, ShardInfo};
use slm_sandbox::{Limits, Sandbox};
use slm_scoring::{ExpectedOutputCache, Scorer, TreePools, names_test_machinery};

use crate::arguments::CommonArguments;
use crate::backend::Backend;
use crate::backend::teacher::WithTeacher;
use crate::knowledge::{self, LaterCounter};
use crate::order;
use crate::repositories;
use crate::routing;
use crate::run_folder::RunFolder;
use crate::shard::Shard;
use crate::view;
use crate::workflow::agent::{Grading, Settings};
use crate::workflow::prompt::Templates;
use crate::workflow::runner::SandboxRunner;
use crate::workflow::trajectory::{Finished, Identity, SpeakingAdapter};
use slm_artifacts::BASE_ARM;

use adapters::NamedAdapter;
use answering::Answering;
use arm::AnsweringArm;
use score_trajectories::score_trajectories;
use speakers::TeacherServer;
use tasks::RunTask;
use timings::Timings;

/// A user's request.
pub(crate) struct Request<'a> {
    pub(crate) experiment: Experiment,
    /// The adapters that the user named.
    pub(crate) adapters: &'a [PathBuf],
    /// Whether the newest adapter is evaluated if none is named; else only the base model is.
    pub(crate) newest_if_none: bool,
    pub(crate) common: &'a CommonArguments,
}

/// Runs the experiment, and prints the report's path.
pub(crate) fn run(request: &Request) -> Result<(), Failure> {
    let unscored = experiment(request)?;
    if unscored.is_empty() {
        return Ok(());
    }
    for reason in &unscored {
        slm_cli::note(&format!("unscored: {reason}"));
    }
    Err(Failure::Incomplete(format!(
        "{} answers could not be scored and are not in the report\n\
         hint: choose an interpreter that has the tasks' packages with --set evaluate.python=PATH",
        unscored.len()
    )))
}

/// Runs the experiment, and returns the reasons why some answers could not be scored.
#[expect(clippy::too_many_lines, reason = "the run from top to bottom")]
fn experiment(request: &Request) -> Result<Vec<String>> {
    let arguments = request.common;
    let (chosen, recipe) = adapters::choose(
        request.adapters,
        request.newest_if_none,
        arguments.recipe.as_deref(),
        &arguments.overrides(),
    )?;
    let evaluate = &recipe.evaluate;
    let names: Vec<&str> = chosen.iter().map(|adapter| adapter.name.as_str()).collect();
    let plan = Plan::new(request.experiment, evaluate, &names)
        .map_err(|error| UserMistake(error.to_string()))?;
    let workflows: Vec<Workflow> = plan.cells.iter().map(|cell| cell.workflow).collect();
    if !chosen.is_empty() {
        speakers::check_arms(&recipe, &workflows)?;
    }
    let templates = Templates::load(&evaluate.prompts)?;
    let limits = Limits::default().with_cpu_s(evaluate.timeout_s);
    let sandbox = arguments.sandbox.open(evaluate.python.as_deref(), limits)?;

    let (mut tasks, benchmarks, sources) = tasks::load(evaluate)?;
    let learned = learned::check(&chosen, &tasks, arguments.allow_learned_tasks)?;
    let speaking = speakers::adapters(&recipe, &workflows)?;
    let learned_by_speakers = learned::check(&speaking, &tasks, arguments.allow_learned_tasks)?;
    let counter = LaterCounter::default();
    let python = sandbox.interpreter();
    let knowledge = Rc::new(knowledge::open(&recipe, &tasks, python, counter.counter())?);
    let routing = Rc::new(routing::open(&recipe, &tasks)?);
    let teacher = speakers::teacher(&recipe, &workflows)?;
    let device = arguments.device;
    let mut timings = Timings::with_energy(teacher.is_some());
    let answering = Answering::open(&recipe, &chosen, &speaking, device, &mut timings)?;
    counter.set(answering.count_tokens());
    speakers::check_probabilities(&recipe, &workflows, &answering, teacher.as_ref())?;
    let described = describe_adapters(&chosen, learned)?;

    let trees = TreePools::new();
    check_repositories(&tasks, &sandbox, &trees)?;
    let mut info = describe::run(describe::Parts {
        recipe: &recipe,
        answerer: answering.answerer(&recipe)?,
        adapters: described,
        speakers: speakers::describe(evaluate, &speaking, &learned_by_speakers, teacher.as_ref())?,
        assisted: speakers::assisted(&recipe, &workflows),
        benchmarks,
        sources,
        plan,
        templates: &templates,
        sandbox: &sandbox,
        request,
        knowledge: &knowledge,
        routing: &routing,
    })?;
    describe::adopt_earlier_identity(&mut info, &recipe, &templates, &arguments.reports);
    if let Some(shard) = arguments.shard {
        tasks = take_shard(shard, tasks, &mut info)?;
    }
    let folder = arguments.reports.join(&info.name);
    let mut run = RunFolder::open_alone(folder.clone())?;
    slm_cli::saved_so_far(format!(
        "every finished step and verdict is saved in {}",
        folder.display()
    ));
    let mut recorded = Vec::new();
    if let Some(earlier) = run.info()? {
        if earlier.interim.is_some() {
            return Err(UserMistake(format!(
                "{}: holds the merge of some shards, which a merge of more shards replaces\n\
                 hint: run the missing shards with --shard, or choose another folder with --reports",
                folder.display()
            ))
            .into());
        }
        info.created = earlier.created;
        info.recipe.declared = earlier.recipe.declared;
        info.merged_from = earlier.merged_from;
        recorded = earlier.timings;
    }
    timings.continue_in(&folder, recorded)?;
    costs::announce(&mut info, &recipe);
    speakers::note_same_decomposer(evaluate, &workflows);
    run.write_info(&info)?;

    let runner = SandboxRunner {
        sandbox: &sandbox,
        trees: &trees,
    };
    let answerers = Answerers {
        speaking: speakers::speaking(&speaking, &info.speakers),
        answering: &answering,
        teacher: teacher.as_ref(),
    };
    let views: Vec<&TaskView> = tasks.iter().map(|task| &task.view).collect();
    let mut finished = Vec::new();
    for cell in info.plan.cells.clone() {
        let label = cell.label(info.plan.reference);
        let settings = Rc::new(Settings {
            evaluate: evaluate_as(&cell, evaluate),
            templates: templates.clone(),
            knowledge: Rc::clone(&knowledge),
            grading: Grading::from(&recipe.knowledge),
            routing: Rc::clone(&routing),
        });
        finished.extend(timings.phase(&format!("generate {label}"), || {
            complete(
                &answerers, &cell, &label, &info, &views, &settings, &runner, &mut run,
            )
        })?);
    }
    if let Some(endpoint) = answering.endpoint().filter(|of| of.prompts.is_some()) {
        info.endpoint = Some(endpoint);
    }
    let unscored = judge(
        &answering,
        &mut info,
        &tasks,
        &finished,
        &runner,
        &mut run,
        &mut timings,
    )?;
    info.timings = timings.phases();
    run.write_info(&info)?;
    let path = publish(&info, &run, arguments.json)?;
    timings.finish()?;
    slm_cli::note(&format!(
        "peak memory        {}",
        slm_cli::peak_memory_text()
    ));
    if let Some(path) = path {
        slm_cli::result(&format!("report: {}", path.display()));
    }
    Ok(unscored)
}

/// Describes the adapters, each with the tasks of the run that it has learned.
fn describe_adapters(
    chosen: &[NamedAdapter],
    learned: Vec<Vec<String>>,
) -> Result<Vec<AdapterInfo>> {
    let adapters = chosen.iter().zip(learned);
    adapters
        .map(|(adapter, learned_tasks)| {
            let described = describe::adapter(&adapter.folder, &adapter.name)?;
            Ok(AdapterInfo {
                learned_tasks,
                ..described
            })
        })
        .collect()
}

/// Keeps the tasks of a shard, and describes it.
fn take_shard(shard: Shard, tasks: Vec<RunTask>, info: &mut RunInfo) -> Result<Vec<RunTask>> {
    let tasks = shard.take(tasks)?;
    info.name = shard.name(&info.name);
    info.shard = Some(ShardInfo {
        index: shard.index,
        of: shard.of,
        tasks: tasks.iter().map(|task| task.view.task_id.clone()).collect(),
    });
    Ok(tasks)
}

/// Checks the repositories of the tasks. No answer exists yet, and only original bodies are run.
fn check_repositories(tasks: &[RunTask], sandbox: &Sandbox, trees: &TreePools) -> Result<()> {
    let scorer = Scorer {
        sandbox,
        expected_outputs: &expected_outputs(),
        phase: &ScoringPhase::begin(),
        trees,
    };
    let tasks: Vec<&Task> = tasks.iter().map(|task| &task.task).collect();
    repositories::check(&tasks, &scorer)
}

pub(crate) fn expected_outputs() -> ExpectedOutputCache {
    ExpectedOutputCache::new(slm_cli::cache_dir().join("answers"), slm_cli::note)
}

/// Measures and tests the final program of every trajectory. Returns the reasons why some could not be scored.
///
/// All trajectories of the run are closed: only now may hidden tests and the publishers' solutions be opened.
fn judge(
    answering: &Answering,
    info: &mut RunInfo,
    tasks: &[RunTask],
    finished: &[Finished],
    runner: &SandboxRunner,
    run: &mut RunFolder,
    timings: &mut Timings,
) -> Result<Vec<String>> {
    let scorer = Scorer {
        sandbox: runner.sandbox,
        expected_outputs: &expected_outputs(),
        phase: &ScoringPhase::begin(),
        trees: runner.trees,
    };
    let phase = scorer.phase;
    info.human = human::metrics(tasks, phase);
    let losses = if info.human.is_empty() {
        human::Losses::new()
    } else {
        timings.phase("human bodies", || {
            human::losses(answering, info, tasks, finished, run.records(), phase)
        })?
    };
    let unscored = timings.phase("hidden tests", || {
        score_trajectories(finished, tasks, &losses, &scorer, run)
    })?;
    warn_of_forgery(tasks, run);
    let solved = solved_by_some_program(tasks, run);
    info.canonical_cpu_s =
        timings.phase("own solutions", || canonical::cpu_seconds(&solved, &scorer))?;
    Ok(unscored)
}

/// Writes the report and the tables; prints the summary for `json`, else returns the report's path to be printed.
fn publish(info: &RunInfo, run: &RunFolder, json: bool) -> Result<Option<PathBuf>> {
    let sorted = order::sorted(info, run.records());
    let records: Vec<SampleRecord> = sorted.into_iter().map(SampleRecord::upgraded).collect();
    let report = slm_report::build(info, &records);
    let path = run.write_report(&report)?;
    run.write_samples(info, &records)?;
    if json {
        slm_cli::document(&serde_json::to_string_pretty(&report.summary)?);
    }
    // The report is complete without it.
    let page = view::beside_report(run.path(), info, &records, &report.overview);
    if let Err(error) = page.and_then(|page| run.write_page(&page)) {
        slm_cli::note(&format!(
            "warning: report.html is not written: {error:#}\nhint: `evaluator view` writes it again"
        ));
    }
    Ok((!json).then_some(path))
}

/// Returns the recipe's section with the sampling settings of a cell.
fn evaluate_as(cell: &Cell, evaluate: &Evaluate) -> Evaluate {
    let mut evaluate = evaluate.clone();
    evaluate.sampling.temperature = cell.decoding.temperature;
    evaluate.sampling.top_p = cell.decoding.top_p;
    evaluate.samples_per_task = cell.samples as usize;
    evaluate
}

/// The models that answer the calls of a run.
struct Answerers<'a> {
    answering: &'a Answering,
    /// The adapters of `evaluate.speakers`.
    speaking: Vec<SpeakingAdapter>,
    teacher: Option<&'a TeacherServer>,
}

impl Answerers<'_> {
    /// Returns the models of an arm, with the teacher if there is one.
    fn arm(&self, adapter: Option<usize>, batch_size: usize) -> Box<dyn Backend + '_> {
        let arm = self.answering.arm(adapter, batch_size);
        match self.teacher {
            None => arm,
            Some(teacher) => Box::new(WithTeacher {
                arm,
                teacher: Box::new(teacher.endpoint.arm(None, 0)),
            }),
        }
    }
}

/// Generates the answers of a cell's arm to every task.
#[expect(
    clippy::too_many_arguments,
    reason = "a step of the one function above, not a tool for others"
)]
fn complete(
    answerers: &Answerers,
    cell: &Cell,
    label: &str,
    info: &RunInfo,
    tasks: &[&TaskView],
    settings: &Rc<Settings>,
    runner: &SandboxRunner,
    run: &mut RunFolder,
) -> Result<Vec<Finished>> {
    let place = info.adapters.iter().position(|of| of.name == cell.arm);
    let adapter = place.map(|at| &info.adapters[at]);
    let model = answerers.arm(place, settings.evaluate.batch_size);
    let arm = AnsweringArm {
        name: adapter.map_or(BASE_ARM, |of| &of.name),
        model: &*model,
        identity: Rc::new(Identity {
            run: info.name.clone(),
            config_sha256: info.config_sha256.clone(),
            model_sha256: info.base_model.sha256.clone(),
            adapter_sha256: adapter.map(|of| of.sha256.clone()),
            speakers: answerers.speaking.clone(),
            teacher_sha256: answerers.teacher.map(|of| of.sha256.clone()),
        }),
    };
    arm::complete(&arm, cell.workflow, label, tasks, settings, runner, run)
}

/// Notes how many programs for a repository's functions name what could forge the verdict of its tests. What the prompt
/// names already, such as an import of `inspect`, is the repository's own.
fn warn_of_forgery(tasks: &[RunTask], run: &RunFolder) {
    let own = tasks.iter().filter(|task| task.view.repository.is_some());
    let own: BTreeSet<&str> = own
        .filter(|task| names_test_machinery(&task.view.prompt).is_none())
        .map(|task| task.view.task_id.as_str())
        .collect();
    let named: Vec<(&SampleRecord, &str)> = run
        .records()
        .iter()
        .filter(|record| own.contains(record.task_id.as_str()))
        .filter_map(|record| Some((record, names_test_machinery(&record.program)?)))
        .collect();
    let Some((record, what)) = named.first() else {
        return;
    };
    let programs = match named.len() {
        1 => "1 program names".to_owned(),
        n => format!("{n} programs name"),
    };
    slm_cli::note(&format!(
        "warning: {programs} what could forge the verdict of the repository's tests, first {} with `{what}`",
        record.task_id
    ));
}

fn solved_by_some_program<'a>(tasks: &'a [RunTask], run: &RunFolder) -> Vec<&'a RunTask> {
    let solved: BTreeSet<&str> = run
        .records()
        .iter()
        .filter(|record| record.passed())
        .map(|record| record.task_id.as_str())
        .collect();
    tasks
        .iter()
        .filter(|task| solved.contains(task.view.task_id.as_str()))
        .collect()
}
