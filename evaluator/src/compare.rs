//! `evaluator compare`: base model against adapter, top to bottom.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use cli::{BaseModel, Failure, UserMistake};
use config::{Benchmark, Recipe};
use model::Adapter;
use sandbox::{Interpreter, Limits, Sandbox};

use crate::arguments::CompareArguments;
use crate::backend::LocalModel;
use crate::record::{BASE_ARM, PhaseTiming};
use crate::run_folder::RunFolder;
use crate::{arm, describe, report};

/// Compares an adapter with its base model, and prints where the report is.
pub(crate) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    Ok(compare(arguments)?)
}

fn compare(arguments: &CompareArguments) -> Result<()> {
    let folder = match &arguments.adapter {
        Some(folder) => folder.clone(),
        None => newest_adapter(Path::new("checkpoints"))?,
    };
    let recipe = load_recipe(&folder, arguments)?;
    let (choice, device) = arguments
        .device
        .open()
        .map_err(|e| UserMistake(e.to_string()))?;
    let python = recipe.evaluate.python.clone().unwrap_or_else(cli::python);
    let interpreter =
        Interpreter::resolve(Some(&python)).context("no Python to run the tests with")?;
    let sandbox = Sandbox::new(
        interpreter,
        Limits::default().with_cpu_s(recipe.evaluate.timeout_s),
    );

    let mut timings = Timings::default();
    let (base, decoder) = timings.phase("load model", || {
        let base = BaseModel::open(&recipe.model)?;
        let decoder = base.load(&device)?;
        Ok((base, decoder))
    })?;
    let (tokenizer, template) = (base.tokenizer()?, base.chat_template()?);
    let loaded = Adapter::load(
        &folder,
        decoder.config(),
        recipe.model.base_model_name(),
        &device,
    )?;
    for warning in &loaded.warnings {
        cli::note(&format!("warning: {warning}"));
    }

    // One benchmark is all that recipes know so far; the next one will not compile without a decision here.
    let [Benchmark::Embedded] = recipe.evaluate.benchmarks[..] else {
        unreachable!("recipes hold each benchmark once")
    };
    let benchmark = "embedded";
    let tasks = benchmarks::by_name(benchmark)?.tasks()?;
    let mut info = describe::run(describe::Parts {
        recipe: &recipe,
        base: &base,
        adapter: describe::adapter(&folder, &recipe)?,
        benchmark: describe::benchmark(benchmark, &tasks),
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

    for (name, adapter) in [
        (BASE_ARM, None),
        (info.adapters[0].name.as_str(), Some(&loaded.adapter)),
    ] {
        let evaluate = &recipe.evaluate;
        let model = LocalModel {
            decoder: &decoder,
            tokenizer: &tokenizer,
            template: &template,
            adapter,
            evaluate,
        };
        timings.phase(&format!("generate and test {name}"), || {
            arm::complete(name, &model, &tasks, evaluate, &sandbox, &mut run)
        })?;
    }
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
    Ok(())
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

fn load_recipe(adapter: &Path, arguments: &CompareArguments) -> Result<Recipe> {
    if !adapter.is_dir() {
        let text = format!(
            "{}: no such adapter folder\nhint: `trainer fit` prints the folder that it wrote",
            adapter.display()
        );
        return Err(UserMistake(text).into());
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
        return Err(UserMistake(text).into());
    }
    let path = arguments
        .recipe
        .clone()
        .unwrap_or_else(|| adapter.join("recipe.yaml"));
    if arguments.recipe.is_none() && !path.is_file() {
        let text = format!(
            "{}: has no recipe.yaml, as adapters from elsewhere\nhint: say how to evaluate with --recipe recipes/NAME.yaml",
            adapter.display()
        );
        return Err(UserMistake(text).into());
    }
    Ok(Recipe::load(&path, &arguments.overrides)?)
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
