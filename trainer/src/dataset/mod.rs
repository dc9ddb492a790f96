//! Conversion of a recipe's data sets into tokenised examples, with counts of everything that is left out.

mod answers;
mod content;
mod conversation;
mod counts;
mod decontamination;
mod documents;
mod draw;
mod files;
mod function_filter;
mod held_out;
mod layout;
mod licences;
mod loader;
mod made;
mod nothing_left;
mod pieces;
mod python_documents;
mod python_source;
mod raw_tokens;
mod reader;
mod rendered;
mod rows;
mod sample;
mod secrets;
mod split;
mod store;
pub(crate) mod synthetic;
mod tally;
mod tokenised;
mod tool_calls;
mod units;
mod untaught_end;

use std::collections::HashSet;
use std::path::Path;

use anyhow::Result;
use slm_artifacts::LearnedDataset;
use slm_cli::{Provenance, UserMistake};
use slm_config::{Dataset, DatasetFormat, ModuleToSave, TrainingUnit};
use slm_model::Tokenizer;

use crate::fim::{Cutter, FimTokens};
use crate::init_from::SourceAdapter;
use crate::setup::Setup;
use decontamination::Decontamination;
use held_out::HeldOut;
use loader::{Loaded, Loader};
use made::MadeDataset;
use rendered::Rendered;
use sample::Encoder;
use secrets::SecretSearch;
use split::Split;
use store::StoreWriter;
use untaught_end::UntaughtEnd;

pub(crate) use counts::Counts;
pub(crate) use files::{Located, locate};
pub(crate) use store::Store;
pub(crate) use units::Units;

/// All examples of a recipe.
#[derive(Debug)]
pub(crate) struct Examples {
    /// Every example, once.
    pub(crate) store: Store,
    /// How the examples make up units, to which the indices of `train` and `validation` belong.
    pub(crate) units: Units,
    /// The group of each unit: units of one task or prompt share it, and the split keeps them together.
    pub(crate) groups: Vec<u64>,
    /// Indices of the units to train on, repeated by their data set's weight.
    pub(crate) train: Vec<u32>,
    /// Indices of the units to validate on.
    pub(crate) validation: Vec<u32>,
    /// The counts of each data set.
    pub(crate) counts: Vec<Counts>,
    /// Provenance of the data sets from the hub.
    pub(crate) sources: Vec<Provenance>,
    /// The data sets that were made from answers to tasks.
    pub(crate) datasets: Vec<LearnedDataset>,
}

impl Examples {
    /// The number of tokens of a unit: of a pair, those of both sides.
    pub(crate) fn n_tokens(&self, unit: u32) -> usize {
        let examples = self.units.examples(unit);
        examples.map(|index| self.store.n_tokens(index)).sum()
    }

    /// The number of supervised tokens of a unit: of a pair, those of both sides.
    pub(crate) fn n_supervised(&self, unit: u32) -> usize {
        let examples = self.units.examples(unit);
        examples.map(|index| self.store.n_supervised(index)).sum()
    }

    /// The number of tokens of the longest example of a unit.
    pub(crate) fn longest(&self, unit: u32) -> usize {
        let examples = self.units.examples(unit);
        let lengths = examples.map(|index| self.store.n_tokens(index));
        lengths.max().unwrap_or(0)
    }
}

/// Reads every data set of the recipe and tokenises it into an unnamed temporary file in `folder`. Prints a warning
/// about an unsuitable end of turn, and the first bad row for each reason, on stderr.
///
/// # Errors
/// A data set is missing, empty or has more than half of its rows bad; it was made from tasks that the recipe evaluates;
/// a row is bad or an example over the limit where the recipe chooses `error`; or no example is left.
pub(crate) fn load(setup: &Setup, folder: &Path) -> Result<Examples> {
    let Setup {
        recipe,
        base: _,
        tokenizer,
        template,
        source,
    } = setup;
    // All data sets are located before the first is read, so that a missing one is reported early.
    let located: Vec<Located> = recipe
        .data
        .datasets
        .iter()
        .map(locate)
        .collect::<Result<_>>()?;
    let cutters = recipe
        .data
        .datasets
        .iter()
        .map(|dataset| cutter(dataset, tokenizer, recipe.train.seed))
        .collect::<Result<_>>()?;
    let made = located.iter().filter_map(|located| located.made.as_ref());
    let learned = source.iter().flat_map(SourceAdapter::learned);
    let before = learned.map(|learned| (" of the adapter of `lora.init_from`", learned));
    made::refuse_evaluated(recipe, made.map(MadeDataset::of_recipe).chain(before))?;
    let encoder = Encoder {
        tokenizer,
        template,
        data: &recipe.data,
        untaught_end: untaught_end(setup),
    };
    let mut loader = Loader {
        recipe,
        encoder,
        search: Decontamination::of(recipe)?,
        cutters,
        held_out: HeldOut::of(recipe)?,
        secrets: recipe.data.exclude_secrets.then(SecretSearch::new),
        loaded: Loaded::new(StoreWriter::new(folder)?),
        seen: HashSet::new(),
        rendered: Rendered::default(),
    };
    let mut counts = Vec::new();
    for (index, (dataset, located)) in recipe.data.datasets.iter().zip(&located).enumerate() {
        let read = loader.read(dataset, located, index)?;
        for first in read.first_texts() {
            slm_cli::note(&format!("left out           {first}"));
        }
        let learns_all =
            matches!(dataset.format, DatasetFormat::Rows(format) if format.name == "text");
        let rendered = std::mem::take(&mut loader.rendered);
        for note in rendered.notes(&dataset.path, dataset.special_tokens, learns_all) {
            slm_cli::note(&note);
        }
        counts.push(read);
    }
    let weights: Vec<f64> = recipe.data.datasets.iter().map(|d| d.weight).collect();
    let seed = recipe.train.seed;
    let Split { train, validation } =
        split::split(&loader.loaded.origins, recipe.data.val_size, &weights, seed);
    if train.is_empty() {
        return Err(nothing_left::error(&counts).into());
    }
    let Loaded {
        store,
        labels,
        origins,
    } = loader.loaded;
    let units = match recipe.data.datasets.first().map(|d| d.format.unit()) {
        Some(TrainingUnit::Pair) => Units::Pairs,
        Some(TrainingUnit::LabelledAnswer) => Units::Labelled(labels),
        Some(TrainingUnit::Example) | None => Units::Rows,
    };
    let (mut sources, mut datasets) = (Vec::new(), Vec::new());
    for Located { fetched, made, .. } in located {
        sources.extend(fetched.map(|fetched| fetched.provenance));
        datasets.extend(made.map(MadeDataset::learned));
    }
    Ok(Examples {
        store: store.finish()?,
        units,
        groups: origins.iter().map(|origin| origin.group).collect(),
        train,
        validation,
        counts,
        sources,
        datasets,
    })
}

/// Makes what cuts the documents of a data set; `None` for other formats than `fim`.
///
/// # Errors
/// The tokenizer has no tokens for fill-in-the-middle.
fn cutter(dataset: &Dataset, tokenizer: &Tokenizer, seed: u64) -> Result<Option<Cutter>> {
    if !dataset.format.is_fim() {
        return Ok(None);
    }
    let place = format!("data set {}, format fim", dataset.path);
    let tokens = FimTokens::of(tokenizer, dataset.fim_tokens.as_ref(), &place)?;
    Ok(Some(Cutter::new(dataset, tokens, seed)))
}

/// Checks that labelled answers to train on have both labels.
///
/// # Errors
/// All labels are the same.
pub(crate) fn check_labels(examples: &Examples) -> Result<()> {
    let Examples {
        units: Units::Labelled(labels),
        train,
        ..
    } = examples
    else {
        return Ok(());
    };
    let wanted = train.iter().filter(|&&unit| labels[unit as usize]).count();
    if wanted > 0 && wanted < train.len() {
        return Ok(());
    }
    let text = format!(
        "all {} labelled answers to train on have the label {}, but KTO learns from both labels\n\
         hint: add answers with the other label, or learn the wanted ones in the format prompt_completion",
        train.len(),
        wanted > 0
    );
    Err(UserMistake(text).into())
}

/// Returns the size in bytes of each function in a tree of Python files that gives an example, and the counts of what
/// was left out.
///
/// # Errors
/// The folder is missing, or holds no Python file.
pub(crate) fn python_functions(dataset: &Dataset) -> Result<(Vec<usize>, Counts)> {
    let mut counts = Counts::default();
    let samples = python_source::read(
        dataset,
        0,
        &HeldOut::default(),
        &mut HashSet::new(),
        &mut counts,
    )?;
    let bytes = samples.iter().map(|sample| sample.content.bytes());
    Ok((bytes.collect(), counts))
}

/// Returns the template's end-of-turn token if the model was not trained to generate it, the recipe's data have turns,
/// and `lm_head` is not trained. A template without an end of turn is reported later, with the first row that needs it.
fn untaught_end(setup: &Setup) -> Option<UntaughtEnd> {
    let Setup {
        recipe,
        base,
        tokenizer,
        template,
        source,
    } = setup;
    let has_turns = |dataset: &Dataset| dataset.format.has_turns();
    let head_is_trained = match source {
        Some(source) => source.trains_head(base.config()),
        None => recipe.lora.modules_to_save.contains(&ModuleToSave::LmHead),
    };
    if head_is_trained || !recipe.data.datasets.iter().any(has_turns) {
        return None;
    }
    let end = UntaughtEnd::of(template, tokenizer, &base.config().eos_token_ids).ok()??;
    let spelled = |id| tokenizer.id_to_token(id).unwrap_or_else(|| id.to_string());
    slm_cli::note(&format!(
        "warning: the chat template ends a turn with {}, which is not an end token of this base model: it was hardly \
         trained to generate it. Answers end with {} instead; an Instruct model would be better.",
        spelled(end.token),
        spelled(end.instead)
    ));
    Some(end)
}
