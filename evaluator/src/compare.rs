//! `evaluator compare`: base model against adapter, top to bottom.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use benchmarks::{ScoringPhase, Task, TaskView};
use cli::{BaseModel, Failure, UserMistake};
use config::Recipe;
use model::{Adapter, ChatTemplate, Decoder, Tokenizer};
use sandbox::{Limits, Sandbox};

use crate::arguments::CompareArguments;
use crate::arm::Arm;
use crate::backend::LocalModel;
use crate::record::{BASE_ARM, PhaseTiming, RunInfo};
use crate::run_folder::RunFolder;
use crate::workflow::agent::Settings;
use crate::workflow::prompt::Templates;
use crate::workflow::trajectory::{Finished, Identity};
use crate::{arm, describe, judge, report, score};

/// Compares an adapter with its base model, and prints where the report is.
pub(crate) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    let unscored = compare(arguments)?;
    if unscored.is_empty() {
        return Ok(());
    }
    for reason in &unscored {
        cli::note(&format!("unscored: {reason}"));
    }
    Err(Failure::Incomplete(format!(
        "{} answers could not be scored and are not in the report\n\
         hint: --set evaluate.python=PATH names an interpreter that has what the tasks need",
        unscored.len()
    )))
}

/// Gives the reasons why some answers could not be scored.
fn compare(arguments: &CompareArguments) -> Result<Vec<String>> {
    let folder = match &arguments.adapter {
        _ if arguments.base_only => None,
        Some(folder) => Some(folder.clone()),
        None => Some(newest_adapter(Path::new("checkpoints"))?),
    };
    let recipe = load_recipe(folder.as_deref(), arguments)?;
    let templates = Templates::load(&recipe.evaluate.prompts)?;
    let (choice, device) = arguments
        .device
        .open()
        .map_err(|e| UserMistake(e.to_string()))?;
    let limits = Limits::default().with_cpu_s(recipe.evaluate.timeout_s);
    let sandbox = arguments
        .sandbox
        .open(recipe.evaluate.python.as_deref(), limits)?;

    let mut timings = Timings::default();
    let (base, decoder) = timings.phase("load model", || {
        let base = BaseModel::open(&recipe.model)?;
        let decoder = base.load(&device)?;
        Ok((base, decoder))
    })?;
    let adapter = folder
        .as_deref()
        .map(|folder| load_adapter(folder, &decoder, &recipe))
        .transpose()?;

    let [benchmark] = &recipe.evaluate.benchmarks[..] else {
        let text = "`evaluate.benchmarks` names several benchmarks\nhint: compare them one by one: --set evaluate.benchmarks=[embedded]";
        return Err(UserMistake(text.to_owned()).into());
    };
    let set = score::load_tasks(benchmark.name.as_str(), benchmark.path.as_deref())?;
    let (benchmark, tasks) = (set.benchmark, set.tasks);
    let mut info = describe::run(describe::Parts {
        recipe: &recipe,
        base: &base,
        adapter: folder
            .as_deref()
            .map(|folder| describe::adapter(folder, &recipe))
            .transpose()?,
        benchmark: describe::benchmark(benchmark, &tasks),
        templates: &templates,
        sandbox: &sandbox,
        device: choice.to_string(),
        arguments,
    })?;
    let mut run = RunFolder::open(arguments.reports.join(&info.name))?;
    if let Some(earlier) = run.info() {
        info.created = earlier.created;
        timings.continue_from(earlier.timings);
    }
    run.write_info(&info)?;

    let model = Model {
        tokenizer: base.tokenizer()?,
        template: base.chat_template()?,
        decoder,
        adapter,
    };
    let settings = Rc::new(Settings {
        evaluate: recipe.evaluate.clone(),
        templates,
    });
    let views: Vec<_> = tasks.iter().map(Task::view).collect();
    let finished = generate(
        &model,
        &info,
        &views,
        &settings,
        &sandbox,
        &mut run,
        &mut timings,
    )?;
    // Every trajectory of the run is closed: only now do hidden tests open.
    let scoring = ScoringPhase::begin();
    let unscored = timings.phase("hidden tests", || {
        judge::all(&finished, &tasks, &scoring, &sandbox, &mut run)
    })?;
    info.timings = timings.phases;
    run.write_info(&info)?;
    let report = report::build(&info, run.records());
    let path = run.write_report(&report)?;
    cli::note(&format!("peak memory        {}", cli::peak_memory_text()));
    if arguments.json {
        cli::result(&serde_json::to_string_pretty(&report.summary)?);
    } else {
        cli::result(&format!("report: {}", path.display()));
    }
    Ok(unscored)
}

/// What answers.
struct Model {
    decoder: Decoder,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    adapter: Option<Adapter>,
}

/// Lets every arm answer every task in every workflow.
fn generate(
    model: &Model,
    info: &RunInfo,
    tasks: &[&TaskView],
    settings: &Rc<Settings>,
    sandbox: &Sandbox,
    run: &mut RunFolder,
    timings: &mut Timings,
) -> Result<Vec<Finished>> {
    let base = (BASE_ARM, None, None);
    let adapted = model
        .adapter
        .iter()
        .zip(&info.adapters)
        .map(|(adapter, of)| (of.name.as_str(), Some(adapter), Some(of.sha256.clone())));
    let mut finished = Vec::new();
    for (name, adapter, adapter_sha256) in std::iter::once(base).chain(adapted) {
        let local = LocalModel {
            decoder: &model.decoder,
            tokenizer: &model.tokenizer,
            template: &model.template,
            adapter,
            batch_size: settings.evaluate.batch_size,
        };
        let arm = Arm {
            name,
            model: &local,
            identity: Rc::new(Identity {
                run: info.name.clone(),
                config_sha256: info.config_sha256.clone(),
                model_sha256: info.base_model.sha256.clone(),
                adapter_sha256,
            }),
        };
        for &workflow in &settings.evaluate.workflows {
            finished.extend(timings.phase(&format!("generate {name} {workflow}"), || {
                arm::complete(&arm, workflow, tasks, settings, sandbox, run)
            })?);
        }
    }
    Ok(finished)
}

fn load_adapter(folder: &Path, decoder: &Decoder, recipe: &Recipe) -> Result<Adapter> {
    let loaded = Adapter::load(
        folder,
        decoder.config(),
        recipe.model.base_model_name(),
        decoder.device(),
    )?;
    for warning in &loaded.warnings {
        cli::note(&format!("warning: {warning}"));
    }
    Ok(loaded.adapter)
}

/// The adapter that was finished last under `checkpoints`.
fn newest_adapter(checkpoints: &Path) -> Result<PathBuf> {
    let finished = |folder: PathBuf| {
        let written = fs::metadata(folder.join("adapter_model.safetensors"))
            .and_then(|file| file.modified())
            .ok()?;
        folder
            .join("recipe.yaml")
            .is_file()
            .then_some((written, folder))
    };
    fs::read_dir(checkpoints)
        .into_iter()
        .flatten()
        .filter_map(|entry| finished(entry.ok()?.path().join("adapter")))
        .max()
        .map(|(_, folder)| folder)
        .ok_or_else(|| {
            let text = format!(
                "no finished adapter under {}/\nhint: run `trainer fit recipes/quickstart.yaml` first, or name the adapter's folder",
                checkpoints.display()
            );
            UserMistake(text).into()
        })
}

/// The recipe that was named, or the adapter's.
fn load_recipe(adapter: Option<&Path>, arguments: &CompareArguments) -> Result<Recipe> {
    let own = adapter.map(recipe_of).transpose()?;
    let path = match (&arguments.recipe, own) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) if path.is_file() => path,
        (None, own) => {
            let text = format!(
                "{}: has no recipe.yaml, as adapters from elsewhere\nhint: say how to evaluate with --recipe recipes/NAME.yaml",
                own.as_deref()
                    .and_then(Path::parent)
                    .unwrap_or(Path::new(""))
                    .display()
            );
            return Err(UserMistake(text).into());
        }
    };
    Ok(Recipe::load(&path, &arguments.overrides)?)
}

/// Where an adapter's recipe lies, if it has one.
fn recipe_of(adapter: &Path) -> Result<PathBuf, UserMistake> {
    if !adapter.is_dir() {
        let text = format!(
            "{}: no such adapter folder\nhint: `trainer fit` prints the folder that it wrote",
            adapter.display()
        );
        return Err(UserMistake(text));
    }
    if !adapter.join("adapter_config.json").is_file() {
        let inside = adapter.join("adapter");
        let hint = if inside.is_dir() {
            format!("did you mean {}?", inside.display())
        } else {
            "an adapter's folder holds adapter_config.json and adapter_model.safetensors".to_owned()
        };
        let text = format!(
            "{}: holds no adapter_config.json, so it is no adapter\nhint: {hint}",
            adapter.display()
        );
        return Err(UserMistake(text));
    }
    Ok(adapter.join("recipe.yaml"))
}

/// Wall time by phase.
#[derive(Default)]
struct Timings {
    phases: Vec<PhaseTiming>,
}

impl Timings {
    fn phase<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work()?;
        self.add(name, started.elapsed().as_secs_f64());
        Ok(result)
    }

    fn add(&mut self, name: &str, seconds: f64) {
        match self.phases.iter_mut().find(|phase| phase.phase == name) {
            Some(phase) => phase.seconds += seconds,
            None => self.phases.push(PhaseTiming {
                phase: name.to_owned(),
                seconds,
            }),
        }
    }

    /// Adds what earlier starts of the run took.
    fn continue_from(&mut self, earlier: Vec<PhaseTiming>) {
        for phase in earlier {
            self.add(&phase.phase, phase.seconds);
        }
    }
}
