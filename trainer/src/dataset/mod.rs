//! Conversion of a recipe's data sets into tokenised examples, with counts of everything that is left out.

mod conversation;
mod counts;
mod decontamination;
mod draw;
mod files;
mod function_filter;
mod held_out;
mod layout;
mod licences;
mod python_source;
mod reader;
mod rows;
mod sample;
mod secrets;
mod split;
mod store;
pub(crate) mod synthetic;
mod tally;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Result;
use rayon::prelude::*;
use slm_cli::{BaseModel, Progress, Provenance, UserMistake};
use slm_config::{Dataset, DatasetFormat, ModuleToSave, OnBadRow, Overlength, Recipe, RowFormat};
use slm_model::{ChatTemplate, Tokenizer};

use crate::batch::Example;
use crate::setup::Setup;
use decontamination::Decontamination;
use draw::Draw;
use held_out::HeldOut;
use rows::RowError;
use sample::{EncodeError, Encoder, Sample, UntaughtEnd};
use secrets::SecretSearch;
use split::{Origin, Split};
use store::StoreWriter;
use tally::Tally;

use counts::BadRow;
pub(crate) use counts::{Counts, Reason};
pub(crate) use files::{Located, locate};
pub(crate) use store::Store;

/// All examples of a recipe.
#[derive(Debug)]
pub(crate) struct Examples {
    /// Every example, once.
    pub(crate) store: Store,
    /// Indices in the store of the examples to train on, repeated by their data set's weight.
    pub(crate) train: Vec<u32>,
    /// Indices in the store of the examples to validate on.
    pub(crate) validation: Vec<u32>,
    /// The counts of each data set.
    pub(crate) counts: Vec<Counts>,
    /// Provenance of the data sets from the hub.
    pub(crate) sources: Vec<Provenance>,
}

/// Reads every data set of the recipe and tokenises it into an unnamed temporary file in `folder`. Prints a warning
/// about an unsuitable end of turn, and the first bad row for each reason, on stderr.
///
/// # Errors
/// A data set is missing, empty or has more than half of its rows bad; a row is bad or an example over the limit where
/// the recipe chooses `error`; or no example is left.
pub(crate) fn load(setup: &Setup, folder: &Path) -> Result<Examples> {
    let Setup {
        recipe,
        base,
        tokenizer,
        template,
    } = setup;
    // All data sets are located before the first is read, so that a missing one is reported early.
    let located: Vec<Located> = recipe
        .data
        .datasets
        .iter()
        .map(locate)
        .collect::<Result<_>>()?;
    let mut loader = Loader {
        recipe,
        encoder: Encoder {
            tokenizer,
            template,
            data: &recipe.data,
            untaught_end: untaught_end(recipe, base, tokenizer, template),
        },
        search: Decontamination::of(recipe)?,
        held_out: HeldOut::of(recipe)?,
        secrets: recipe.data.exclude_secrets.then(SecretSearch::new),
        store: StoreWriter::new(folder)?,
        origins: Vec::new(),
        seen: HashSet::new(),
    };
    let mut counts = Vec::new();
    for (index, (dataset, located)) in recipe.data.datasets.iter().zip(&located).enumerate() {
        let read = loader.read(dataset, located, index)?;
        for first in read.first_texts() {
            slm_cli::note(&format!("left out           {first}"));
        }
        counts.push(read);
    }
    let weights: Vec<f64> = recipe.data.datasets.iter().map(|d| d.weight).collect();
    let seed = recipe.train.seed;
    let Split { train, validation } =
        split::split(&loader.origins, recipe.data.val_size, &weights, seed);
    if train.is_empty() {
        let is_held_out = counts
            .iter()
            .any(|counts| counts.left_out.contains_key(&Reason::HeldOut));
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let hint = if is_held_out {
            "files that the recipe evaluates on are not learned from: `evaluator tasks --split 0.7` leaves some \
             to learn from"
        } else {
            "widen the limits under `data`"
        };
        let text = format!(
            "no training example is left: {}\nhint: {hint}",
            counts.join("; ")
        );
        return Err(UserMistake(text).into());
    }
    Ok(Examples {
        store: loader.store.finish()?,
        train,
        validation,
        counts,
        sources: located
            .into_iter()
            .filter_map(|located| Some(located.fetched?.provenance))
            .collect(),
    })
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
fn untaught_end(
    recipe: &Recipe,
    base: &BaseModel,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
) -> Option<UntaughtEnd> {
    let has_turns = |dataset: &Dataset| dataset.format.has_turns();
    let head_is_trained = recipe.lora.modules_to_save.contains(&ModuleToSave::LmHead);
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

/// Maximum number of samples that are in memory and encoded in parallel at a time.
const CHUNK: usize = 1024;
/// Bytes of text after which a chunk of samples ends early.
const CHUNK_BYTES: usize = 16 << 20;

/// The result of encoding a sample.
enum Encoded {
    /// Its tokens.
    Example(Example),
    /// It is left out for this reason.
    LeftOut(Reason),
    /// It is left out for a credential of this kind.
    Secret(&'static str),
    /// It cannot be encoded.
    Bad(BadRow),
}

struct Loader<'a> {
    recipe: &'a Recipe,
    encoder: Encoder<'a>,
    search: Option<Decontamination>,
    held_out: HeldOut,
    secrets: Option<SecretSearch>,
    store: StoreWriter,
    /// One per example in the store.
    origins: Vec<Origin>,
    /// Syntax tree hashes of the functions read from all data sets.
    seen: HashSet<u64>,
}

impl Loader<'_> {
    fn read(&mut self, dataset: &Dataset, located: &Located, index: usize) -> Result<Counts> {
        let mut counts = Counts {
            path: dataset.path.clone(),
            ..Counts::default()
        };
        let first = self.store.len();
        let mut tally = Tally::default();
        match dataset.format {
            DatasetFormat::PythonSource => {
                self.read_python(dataset, index, &mut counts, &mut tally)?;
            }
            DatasetFormat::Rows(format) => {
                let files = (dataset, format, located);
                self.read_rows(files, index, &mut counts, &mut tally)?;
            }
        }
        counts.kept = self.store.len() - first;
        tally.check(&counts)?;
        Ok(counts)
    }

    fn read_python(
        &mut self,
        dataset: &Dataset,
        index: usize,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<()> {
        let first = self.store.len();
        let mut progress = Progress::new("reading data", 0, "examples");
        let seed = self.recipe.train.seed;
        let samples = python_source::read(dataset, seed, &self.held_out, &mut self.seen, counts)?;
        // The limit applies in shuffled order, after unsuitable functions have been left out.
        let most = first + dataset.max_examples.unwrap_or(usize::MAX - first);
        for chunk in samples.chunks(CHUNK) {
            self.take(chunk, index, most, counts, tally)?;
            progress.set((self.store.len() - first) as u64, "");
        }
        progress.clear();
        Ok(())
    }

    fn read_rows(
        &mut self,
        (dataset, format, located): (&Dataset, &'static RowFormat, &Located),
        index: usize,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<()> {
        counts.unit = "rows".into();
        for file in &located.not_for_training {
            counts.leave_out_first(Reason::NotForTraining, &file.display().to_string());
        }
        let first = self.store.len();
        let mut progress = Progress::new("reading data", 0, "examples");
        let mut drawn = dataset
            .max_examples
            .map(|most| Draw::new(most, self.recipe.train.seed, index));
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for file in &located.files {
            counts.files += 1;
            for sample in rows::samples(file, dataset, format, index)? {
                counts.found += 1;
                match (sample, &mut drawn) {
                    (Ok(None), _) => counts.leave_out(Reason::Unwanted),
                    (Ok(Some(sample)), None) => {
                        tally.wanted += 1;
                        bytes += sample.content.bytes();
                        chunk.push(sample);
                    }
                    (Ok(Some(sample)), Some(drawn)) => {
                        tally.wanted += 1;
                        if drawn.offer(sample) {
                            counts.leave_out(Reason::BeyondMax);
                        }
                    }
                    (Err(error), _) => {
                        tally.wanted += 1;
                        match error {
                            RowError::Bad(bad) if self.skips_bad_rows() => {
                                tally.bad_row(bad, counts);
                            }
                            error => {
                                // An error in a row before this one is reported first.
                                self.take(&chunk, index, usize::MAX, counts, tally)?;
                                return Err(error.into());
                            }
                        }
                    }
                }
                if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
                    self.take(&chunk, index, usize::MAX, counts, tally)?;
                    (chunk, bytes) = (Vec::new(), 0);
                    progress.set((self.store.len() - first) as u64, "");
                }
            }
        }
        chunk.extend(drawn.into_iter().flat_map(Draw::in_order));
        for chunk in chunk.chunks(CHUNK) {
            self.take(chunk, index, usize::MAX, counts, tally)?;
        }
        progress.clear();
        Ok(())
    }

    fn skips_bad_rows(&self) -> bool {
        self.recipe.data.on_bad_row == OnBadRow::Skip
    }

    /// Encodes samples and stores the examples, or counts the reasons against them, until the store holds `most`.
    fn take(
        &mut self,
        samples: &[Sample],
        dataset: usize,
        most: usize,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<()> {
        let (encoder, search, secrets) = (&self.encoder, &self.search, &self.secrets);
        let encoded: Vec<Result<Encoded>> = samples
            .par_iter()
            .map(|sample| {
                let reason = search
                    .as_ref()
                    .and_then(|search| search.reason_against(sample));
                if let Some(reason) = reason {
                    return Ok(Encoded::LeftOut(reason));
                }
                if let Some(kind) = secrets.as_ref().and_then(|s| s.find(&sample.text())) {
                    return Ok(Encoded::Secret(kind));
                }
                match encoder.encode(sample) {
                    Ok(example) => Ok(Encoded::Example(example)),
                    Err(EncodeError::Bad(bad)) => Ok(Encoded::Bad(bad)),
                    Err(EncodeError::Model(error)) => Err(error),
                }
            })
            .collect();
        for (sample, encoded) in samples.iter().zip(encoded) {
            if self.store.len() == most {
                counts.leave_out(Reason::BeyondMax);
                continue;
            }
            tally.tried += 1;
            match encoded? {
                Encoded::LeftOut(reason) => counts.leave_out(reason),
                Encoded::Secret(kind) => {
                    let place = format!("{}: {kind}", sample.origin);
                    counts.leave_out_first(Reason::HoldsSecret, &place);
                }
                Encoded::Example(example) => self.keep(example, sample, dataset, counts)?,
                Encoded::Bad(bad) if self.skips_bad_rows() => tally.bad_example(bad, counts),
                Encoded::Bad(bad) => return Err(bad.into_error()),
            }
        }
        Ok(())
    }

    /// Stores an example that has supervised tokens; otherwise counts the reason.
    fn keep(
        &mut self,
        example: Example,
        sample: &Sample,
        dataset: usize,
        counts: &mut Counts,
    ) -> Result<()> {
        let Some(example) = fit_length(example, sample, self.recipe, counts)? else {
            return Ok(());
        };
        if example.n_supervised() == 0 {
            counts.leave_out(Reason::NothingToLearn);
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        match &sample.group {
            Some(group) => group.hash(&mut hasher),
            None => example.tokens.hash(&mut hasher),
        }
        self.origins.push(Origin {
            group: hasher.finish(),
            dataset: dataset as u16,
        });
        self.store.push(&example, &sample.origin)
    }
}

/// Applies `max_seq_length` and the recipe's choice for longer examples.
fn fit_length(
    mut example: Example,
    sample: &Sample,
    recipe: &Recipe,
    counts: &mut Counts,
) -> Result<Option<Example>> {
    let limit = recipe.data.max_seq_length;
    if example.len() <= limit {
        return Ok(Some(example));
    }
    match recipe.data.overlength {
        Overlength::Error => {
            let (origin, found) = (&sample.origin, example.len());
            let text = format!(
                "{origin}: example has {found} tokens, `data.max_seq_length` is {limit}\n\
                 hint: raise the limit, or set `data.overlength` to drop or truncate"
            );
            Err(UserMistake(text).into())
        }
        // Without a supervised token before the limit, nothing would be left to learn after the cut.
        Overlength::Truncate if example.supervised[..limit].contains(&true) => {
            counts.leave_out(Reason::Truncated);
            example.tokens.truncate(limit);
            example.supervised.truncate(limit);
            Ok(Some(example))
        }
        Overlength::Truncate | Overlength::Drop => {
            counts.leave_out(Reason::Overlong);
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(overlength: Overlength, max_seq_length: usize) -> Recipe {
        let text =
            "model: {name_or_path: x.gguf}\ndata: {datasets: [{path: a, format: python_source}]}";
        let mut recipe =
            Recipe::parse(text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES).expect("recipe");
        recipe.data.overlength = overlength;
        recipe.data.max_seq_length = max_seq_length;
        recipe
    }

    #[test]
    fn an_overlong_example_is_dropped_cut_or_refused_and_counted() {
        let example = || Example::new(vec![1; 20], [vec![false; 10], vec![true; 10]].concat());
        let mut counts = Counts::default();
        let mut fit = |overlength, limit| {
            fit_length(
                example(),
                &Sample::of_text(""),
                &recipe(overlength, limit),
                &mut counts,
            )
        };
        assert_eq!(fit(Overlength::Drop, 20).expect("fits"), Some(example()));
        assert_eq!(fit(Overlength::Drop, 19).expect("dropped"), None);
        let cut = fit(Overlength::Truncate, 16)
            .expect("cut")
            .expect("an example");
        assert_eq!((cut.len(), cut.n_supervised()), (16, 6));
        let nothing = fit(Overlength::Truncate, 10).expect("nothing left to learn");
        assert_eq!(nothing, None);
        let error = fit(Overlength::Error, 19).expect_err("refused").to_string();
        assert!(
            error.starts_with("a.py:3: example has 20 tokens, `data.max_seq_length` is 19"),
            "{error}"
        );
        let expected = [(Reason::Overlong, 2), (Reason::Truncated, 1)];
        assert_eq!(counts.left_out, expected.into());
    }
}
