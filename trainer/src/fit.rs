//! `trainer fit`: trains an adapter from a recipe.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use burn::tensor::Device;
use slm_artifacts::{ContaminationSearch, HeldOutPreferences, TrainingSummary};
use slm_cli::{Failure, UserMistake, bytes_text, duration_text};
use slm_config::Recipe;
use slm_model::{Adapter, AdapterOrigin, Decoder, DeviceChoice, LoraSettings, ModelConfig};
use slm_report::WorkCost;

use crate::arguments::FitArguments;
use crate::batch::StaticShapes;
use crate::budget::{Budget, Longest, Placement};
use crate::checkpoint::{self, Best, Checkpoint, CheckpointMeta, TrainingState};
use crate::dataset::{self, Counts, Examples};
use crate::folder::RunFolder;
use crate::init_from::SourceAdapter;
use crate::loading::load_for_training;
use crate::lora_settings::lora_settings;
use crate::output::{AdapterTexts, commit_adapter, summary_of_finished, update_recipe};
use crate::preference::{self, Objective, Reference, base_text};
use crate::report;
use crate::setup::Setup;
use crate::step::AdapterOptimizer;
use crate::training::{BEST_FOLDER, TrainState, Training, say_saved};

/// Trains the adapter of a recipe and prints its folder.
pub(crate) fn run(arguments: &FitArguments) -> Result<(), Failure> {
    Ok(fit(arguments)?)
}

fn fit(arguments: &FitArguments) -> Result<()> {
    let setup = Setup::open_for_training(&arguments.recipe)?;
    let Setup {
        recipe,
        base,
        source,
        ..
    } = &setup;
    if let Some(source) = source {
        slm_cli::note(&format!("init_from          {}", source.text()));
    }
    let (choice, device) = slm_cli::open_device(arguments.device.device)?;
    let run = RunFolder::open(&recipe.output_dir())?;
    let examples = dataset::load(&setup, run.path())?;
    dataset::check_labels(&examples)?;
    say_data(recipe, &examples);
    let fingerprint = examples.store.fingerprint().to_owned();
    let source_sha256 = source.as_ref().map(SourceAdapter::fingerprint);
    let start = TrainingState::start(base.sha256()?, fingerprint, source_sha256);
    let resumed = resumable(arguments, &run, recipe, &start)?;
    let base_sha256 = start.model_sha256.clone();
    let source_sha256 = start.init_from_sha256.clone();
    let training = Training::new(recipe, &examples);
    let training = training.starting_from(source.as_ref().map(SourceAdapter::folder));
    let training = training.on_device(choice);
    let finished = resumed
        .as_ref()
        .map(|checkpoint| &checkpoint.state)
        .filter(|state| training.is_finished(state));
    if let Some(state) = finished
        && let Some(summary) = summary_of_finished(&recipe.adapter_dir(), state)
    {
        let settings = lora_settings(recipe, base.config())?;
        return already_done((recipe, &settings), &run, summary, examples.counts.clone());
    }
    if let Some(Checkpoint { state, path, .. }) = &resumed {
        say_saved(state.step, training.total_steps(), path);
    }

    let placement = Placement::on_device(base, choice, &device)?;
    let budget = Budget::new(recipe, base, Longest::of(&examples), placement)?;
    budget.check()?;
    let (decoder, budget) = load_for_training(base, recipe, budget, (choice, &device))?;
    // A kernel may be off.
    budget.check()?;
    if budget.inputs.recomputed_layers > 0 {
        slm_cli::note(&format!("layers             {}", budget.layers_text()));
    }
    let settings = lora_settings(recipe, decoder.config())?;
    let from = resumed.as_ref().map(|checkpoint| checkpoint.path.as_path());
    let trainable = device.clone().autodiff();
    let initial = match (&resumed, source) {
        (Some(_), _) => None,
        (None, Some(source)) => Some(source.load(recipe, decoder.config(), &trainable)?),
        (None, None) => Some(decoder.init_adapter(&settings, recipe.train.seed, &trainable)),
    };
    let hashes = (base_sha256.as_str(), source_sha256.as_deref());
    let start_text = base_text(hashes, base.format(&device)?, choice);
    let reference = reference(
        recipe,
        start_text,
        (&decoder, initial.as_ref().filter(|_| source.is_some())),
        &examples,
        (run.path(), from),
    );
    let training = training.with_reference(reference?);
    let at = match (resumed, initial) {
        (Some(checkpoint), _) => go_on(checkpoint, &decoder, &training, &settings, &trainable)?,
        (None, Some(adapter)) => TrainState {
            state: start,
            adapter,
            optimizer: AdapterOptimizer::on_device_of(&decoder, training.optimizer_settings()),
        },
        (None, None) => unreachable!("a training that is not resumed has an initial adapter"),
    };
    report::examples::write(run.path(), &examples, &setup.tokenizer)?;
    say_adapter(at.adapter.num_trainable(), decoder.config(), choice);

    let origin = origin_of(recipe);
    let recipe_yaml = recipe.to_yaml();
    let meta = CheckpointMeta {
        settings: &settings,
        origin: &origin,
        recipe_yaml: &recipe_yaml,
    };
    let TrainState { state, adapter, .. } = training.run(&decoder, at, &run, meta)?;
    let adapter = match state.best.filter(|_| recipe.train.load_best_model_at_end) {
        Some(best) => best_adapter(best, recipe, &run, decoder.config(), &device)?,
        None => adapter,
    };
    let summary = summarise(&setup, &examples, &state, adapter.num_trainable(), choice);
    let folder = recipe.adapter_dir();
    let template = recipe.model.chat_template.as_deref();
    let texts = AdapterTexts {
        recipe_yaml: &recipe_yaml,
        chat_template: template.map(slm_cli::read_template).transpose()?,
        summary: &summary,
    };
    commit_adapter(&folder, &adapter, &settings, &origin, &texts)?;
    say_trained(recipe, &summary);
    write_report((recipe, &settings), &run, &summary)?;
    slm_cli::result(&format!("adapter: {}", folder.display()));
    Ok(())
}

/// Returns the log-probabilities of all answers before the first step, under the base model with the adapter that the
/// training starts from, where the objective compares with them.
fn reference(
    recipe: &Recipe,
    base: String,
    start: (&Decoder, Option<&Adapter>),
    examples: &Examples,
    folders: (&Path, Option<&Path>),
) -> Result<Option<Reference>> {
    let objective = Objective::from(&recipe.train);
    if !objective.has_reference() {
        return Ok(None);
    }
    let sequences = recipe.train.micro_batch_size * objective.sequences_per_unit();
    let shapes = StaticShapes::of_recipe(recipe).without_packing(sequences);
    let sizes = (shapes, recipe.train.loss_chunk_size);
    Reference::obtain(start, examples, sizes, base, folders).map(Some)
}

/// Prints what the data sets gave, and warnings about the weights of labels and about unsuitable defaults.
fn say_data(recipe: &Recipe, examples: &Examples) {
    for counts in &examples.counts {
        slm_cli::note(&format!("data               {counts}"));
    }
    if let Some(text) = preference::unequal_weights(Objective::from(&recipe.train), examples) {
        slm_cli::note(&text);
    }
    for text in preference::unsuitable_defaults(&recipe.train) {
        slm_cli::note(&text);
    }
}

/// Prints the number of trainable parameters and the device.
fn say_adapter(trainable: usize, config: &ModelConfig, choice: DeviceChoice) {
    let all = config.num_parameters() as f64;
    slm_cli::note(&format!(
        "adapter            {trainable} trainable parameters, {:.2} % of the model's {:.1} M, on {choice}",
        100.0 * trainable as f64 / all,
        all / 1e6
    ));
}

/// Prints the tokens, time and memory of the finished training, and its outcome on held-out preferences.
fn say_trained(recipe: &Recipe, summary: &TrainingSummary) {
    slm_cli::note(&format!(
        "trained            {} tokens in {}, {:.0} tokens/s, peak memory {}",
        summary.tokens,
        duration_text(Duration::from_secs_f64(summary.seconds)),
        summary.tokens as f64 / summary.seconds,
        summary
            .peak_memory_bytes
            .map_or_else(|| "unknown".to_owned(), bytes_text)
    ));
    slm_cli::note(&format!(
        "energy             {}",
        cost_of(summary, recipe).text(Some(&recipe.costs))
    ));
    if let Some(held_out) = &summary.preferences {
        say_preferences(recipe, held_out);
    }
}

/// The cost of a training at the recipe's prices.
pub(crate) fn cost_of(summary: &TrainingSummary, recipe: &Recipe) -> WorkCost {
    WorkCost::of(
        summary.seconds,
        summary.energy.as_ref(),
        Some(&recipe.costs),
    )
}

/// Prints how often the adapter is right on the held-out pairs or answers.
fn say_preferences(recipe: &Recipe, held_out: &HeldOutPreferences) {
    let verdict = held_out.verdict().map_or_else(
        || "; every comparison is a tie, which shows nothing".to_owned(),
        |verdict| format!(", which {verdict}"),
    );
    let chosen = if recipe.train.load_best_model_at_end {
        "; the step was chosen by the loss on them"
    } else {
        ""
    };
    slm_cli::note(&format!(
        "preferences        {}{verdict}{chosen}",
        held_out.text("held out")
    ));
}

/// Loads the adapter with the lowest validation loss.
fn best_adapter(
    best: Best,
    recipe: &Recipe,
    run: &RunFolder,
    config: &ModelConfig,
    device: &Device,
) -> Result<Adapter> {
    slm_cli::note(&format!(
        "best               validation loss {:.4} after step {}",
        best.loss, best.step
    ));
    let folder = run.path().join(BEST_FOLDER);
    let loaded = Adapter::load(&folder, config, recipe.model.base_model_name(), device)
        .context("cannot read the best adapter\nhint: train from scratch with --restart")?;
    Ok(loaded.adapter)
}

/// Ends the command for a training that is already finished. Writes only a missing report, and the copy of a recipe
/// whose other sections have changed since; both keep the figures of the training.
fn already_done(
    (recipe, settings): (&Recipe, &LoraSettings),
    run: &RunFolder,
    mut summary: TrainingSummary,
    counts: Vec<Counts>,
) -> Result<()> {
    if summary.data.is_empty() {
        // An earlier version did not save these counts; the examples are the same.
        summary.data = counts;
    }
    let folder = recipe.adapter_dir();
    slm_cli::note(&format!(
        "already done       {} steps in {}; --restart trains again from scratch",
        summary.steps,
        duration_text(Duration::from_secs_f64(summary.seconds)),
    ));
    let is_changed = update_recipe(&folder, &recipe.to_yaml())?;
    if is_changed {
        slm_cli::note("recipe             its copy beside the adapter is updated");
    }
    if is_changed || !report::is_written(run.path()) {
        write_report((recipe, settings), run, &summary)?;
    }
    slm_cli::result(&format!("adapter: {}", folder.display()));
    Ok(())
}

/// Writes the report and prints its path.
fn write_report(
    (recipe, settings): (&Recipe, &LoraSettings),
    run: &RunFolder,
    summary: &TrainingSummary,
) -> Result<()> {
    let subject = report::Subject {
        recipe,
        settings,
        summary,
    };
    report::write(run.path(), subject)?;
    let page = run.path().join(report::REPORT_FILE);
    slm_cli::note(&format!("report             {}", page.display()));
    Ok(())
}

/// Collects the figures of the finished training.
fn summarise(
    Setup {
        recipe,
        base,
        source,
        template,
        ..
    }: &Setup,
    examples: &Examples,
    state: &TrainingState,
    trainable_parameters: usize,
    device: DeviceChoice,
) -> TrainingSummary {
    let benchmarks = recipe.evaluate.benchmarks.iter();
    let before = state.base_validation_loss;
    TrainingSummary {
        steps: state.step,
        examples: examples.train.len(),
        validation_examples: examples.validation.len(),
        tokens: state.tokens,
        supervised_tokens: state.supervised_tokens,
        trainable_parameters,
        final_loss: state.last_loss,
        base_validation_loss: before.filter(|_| source.is_none()),
        best: state.best,
        preferences: kept_preferences(recipe, state),
        stopped_early: state.stopped_early,
        data: examples.counts.clone(),
        datasets: examples.datasets.clone(),
        decontamination: recipe.data.decontaminate.then(|| ContaminationSearch {
            benchmarks: benchmarks.map(|item| item.name.clone()).collect(),
            left_out: examples.counts.iter().map(Counts::contaminated).sum(),
        }),
        seconds: state.seconds,
        energy: state.energy.clone(),
        peak_memory_bytes: state.peak_memory_bytes.max(slm_cli::peak_memory_bytes()),
        device: device.to_string(),
        project_version: env!("CARGO_PKG_VERSION").to_owned(),
        // Without one, every row was plain text.
        chat_template: (!template.is_missing()).then(|| slm_cli::template_record(template)),
        sources: base
            .provenance()
            .into_iter()
            .chain(&examples.sources)
            .cloned()
            .collect(),
        base_sha256: state.model_sha256.clone(),
        init_from: source
            .as_ref()
            .map(|source| Box::new(source.record(before))),
    }
}

/// Returns the accuracy on held-out pairs or answers of the adapter that is kept.
fn kept_preferences(recipe: &Recipe, state: &TrainingState) -> Option<HeldOutPreferences> {
    if recipe.train.load_best_model_at_end {
        state.preference.best_held_out
    } else {
        state.preference.last_held_out
    }
}

/// The base model as the adapter names it.
fn origin_of(recipe: &Recipe) -> AdapterOrigin {
    AdapterOrigin {
        base_model_name_or_path: recipe.model.base_model_name().to_owned(),
        revision: recipe.model.revision.clone(),
    }
}

/// Returns the checkpoint to resume from, if the run has one; removes all with `--restart`.
///
/// # Errors
/// As [`newest_checkpoint`].
fn resumable(
    arguments: &FitArguments,
    run: &RunFolder,
    recipe: &Recipe,
    start: &TrainingState,
) -> Result<Option<Checkpoint>> {
    if arguments.restart {
        checkpoint::clear(run)?;
        return Ok(None);
    }
    newest_checkpoint(run, recipe, start)
}

/// Returns the checkpoint to resume from, if the run has one.
///
/// # Errors
/// The checkpoint belongs to another recipe, other data or another base model: the result would match neither training.
fn newest_checkpoint(
    run: &RunFolder,
    recipe: &Recipe,
    start: &TrainingState,
) -> Result<Option<Checkpoint>> {
    let found = checkpoint::newest(run, |path, problem| {
        slm_cli::note(&format!(
            "damaged            {}: {problem:#}; the previous checkpoint is used",
            path.display()
        ));
    })?;
    let Some(checkpoint) = found else {
        return Ok(None);
    };
    let theirs = Recipe::load(&checkpoint.recipe_path, &[], slm_benchmarks::NAMES)
        .with_context(|| format!("cannot resume from {}", checkpoint.path.display()))?;
    let mut differences: Vec<String> = theirs
        .differences(recipe)
        .into_iter()
        // Of an adapter that the training starts from the content counts, not the path.
        .filter(|difference| {
            changes_training(&difference.key) && difference.key != "lora.init_from"
        })
        .map(|d| format!("  `{}` was {}, is {}", d.key, d.first, d.second))
        .collect();
    let state = &checkpoint.state;
    if state.model_sha256 != start.model_sha256 {
        differences.push("  the base model's files have changed".to_owned());
    }
    match (&state.init_from_sha256, &start.init_from_sha256) {
        (theirs, ours) if theirs == ours => {}
        (Some(_), Some(_)) => {
            differences.push("  the adapter of `lora.init_from` has changed".to_owned());
        }
        (Some(_), None) => differences.push(
            "  it started from an adapter, and the recipe has no `lora.init_from`".to_owned(),
        ),
        (None, _) => {
            differences
                .push("  it started from a new adapter, without `lora.init_from`".to_owned());
        }
    }
    if differences.is_empty() && state.examples_sha256 != start.examples_sha256 {
        differences.push("  the data sets give different examples".to_owned());
    }
    if differences.is_empty() {
        return Ok(Some(checkpoint));
    }
    let text = format!(
        "{} belongs to a different training\n{}\n\
         hint: undo the changes to resume it; or train from scratch with --restart, which removes its checkpoints; \
         or set `output.output_dir` to another folder",
        checkpoint.path.display(),
        differences.join("\n")
    );
    Err(UserMistake(text).into())
}

/// Whether a key influences the result of a training. Gradient checkpointing does not, and must be changeable when less
/// memory is available.
fn changes_training(key: &str) -> bool {
    let section = key.split('.').next().unwrap_or(key);
    !matches!(
        section,
        "name" | "output" | "evaluate" | "improve" | "costs"
    ) && key != "train.gradient_checkpointing"
}

/// Restores the state of the training from a checkpoint.
fn go_on(
    checkpoint: Checkpoint,
    decoder: &Decoder,
    training: &Training,
    settings: &LoraSettings,
    device: &burn::tensor::Device,
) -> Result<TrainState> {
    slm_cli::note(&format!(
        "resuming           from step {} of {}, {}",
        checkpoint.state.step,
        training.total_steps(),
        checkpoint.path.display()
    ));
    let unusable = || format!("cannot resume from {}", checkpoint.path.display());
    let loaded = Adapter::load(&checkpoint.path, decoder.config(), "of the recipe", device);
    Ok(TrainState {
        adapter: loaded
            .with_context(unusable)?
            .adapter
            .resumed(settings, device),
        optimizer: AdapterOptimizer::on_device_of(decoder, training.optimizer_settings())
            .resumed(checkpoint.optimizer)
            .with_context(|| format!("cannot resume from {}", checkpoint.path.display()))?,
        state: checkpoint.state,
    })
}
