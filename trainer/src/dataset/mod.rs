//! From the recipe's data sets to tokenised examples, with a count of everything left out.

mod counts;
mod decontamination;
mod function_filter;
mod python_source;
mod rows;
mod sample;
mod split;
mod store;
pub(crate) mod synthetic;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Result;
use cli::{BaseModel, Progress, Provenance, UserMistake};
use config::{Dataset, DatasetFormat, ModuleToSave, Overlength, Recipe};
use model::{ChatTemplate, Tokenizer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::batch::Example;
use crate::setup::Setup;
use decontamination::Decontamination;
use sample::{Encoder, Sample, UntaughtEnd};
use split::{Origin, Split};
use store::StoreWriter;

pub(crate) use counts::{Counts, Reason};
pub(crate) use rows::{Located, locate};
pub(crate) use store::Store;

/// All examples of a recipe.
#[derive(Debug)]
pub(crate) struct Examples {
    /// Each once.
    pub(crate) store: Store,
    /// Which are trained on, by their place in the store; as often as their data set's weight says.
    pub(crate) train: Vec<u32>,
    /// Which are validated on.
    pub(crate) validation: Vec<u32>,
    /// What became of each data set.
    pub(crate) counts: Vec<Counts>,
    /// Those that came from the hub.
    pub(crate) sources: Vec<Provenance>,
}

/// Reads every data set of the recipe and turns it into tokens, which lie in a nameless file in `folder`. What is odd
/// about the model is told on stderr.
///
/// # Errors
/// A data set that is missing or empty, a row that is not as its format expects, an example over the limit where the
/// recipe says `error`, no example left.
pub(crate) fn load(setup: &Setup, folder: &Path) -> Result<Examples> {
    let Setup {
        recipe,
        base,
        tokenizer,
        template,
    } = setup;
    // All of them before the first is read: what cannot be had is known soonest.
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
        store: StoreWriter::new(folder)?,
        origins: Vec::new(),
        seen: HashSet::new(),
    };
    let mut counts = Vec::new();
    for (index, (dataset, located)) in recipe.data.datasets.iter().zip(&located).enumerate() {
        counts.push(loader.read(dataset, &located.files, index)?);
    }
    let weights: Vec<f64> = recipe.data.datasets.iter().map(|d| d.weight).collect();
    let seed = recipe.train.seed;
    let Split { train, validation } =
        split::split(&loader.origins, recipe.data.val_size, &weights, seed);
    if train.is_empty() {
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let text = format!(
            "no training example is left: {}\nhint: widen the limits under `data`",
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

/// The end of a turn that the model cannot say, if the recipe's data have turns and its head stays as it is. A template
/// that says nothing of it is told of with the first row that needs it.
fn untaught_end(
    recipe: &Recipe,
    base: &BaseModel,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
) -> Option<UntaughtEnd> {
    let has_turns = |dataset: &Dataset| dataset.format != DatasetFormat::Text;
    let head_is_trained = recipe.lora.modules_to_save.contains(&ModuleToSave::LmHead);
    if head_is_trained || !recipe.data.datasets.iter().any(has_turns) {
        return None;
    }
    let end = UntaughtEnd::of(template, tokenizer, &base.config().eos_token_ids).ok()??;
    let spelled = |id| tokenizer.id_to_token(id).unwrap_or_else(|| id.to_string());
    cli::note(&format!(
        "warning: the chat template ends a turn with {}, which is no end token of this base model: it was hardly taught \
         to say it. Answers end with {} instead; an Instruct model would do better.",
        spelled(end.token),
        spelled(end.instead)
    ));
    Some(end)
}

/// Samples that become tokens together, on all cores. So many are in memory at a time.
const CHUNK: usize = 1024;

/// What became of a sample.
enum Encoded {
    /// Tokens.
    Example(Example),
    /// It is left out.
    LeftOut(Reason),
}

struct Loader<'a> {
    recipe: &'a Recipe,
    encoder: Encoder<'a>,
    search: Option<Decontamination>,
    store: StoreWriter,
    /// One for each example in the store.
    origins: Vec<Origin>,
    /// Syntax trees of the functions so far, in whichever data set.
    seen: HashSet<u64>,
}

impl Loader<'_> {
    fn read(&mut self, dataset: &Dataset, files: &[PathBuf], index: usize) -> Result<Counts> {
        let mut counts = Counts {
            path: dataset.path.clone(),
            ..Counts::default()
        };
        let first = self.store.len();
        let mut progress = Progress::new("reading data", 0, "examples");
        if dataset.format == DatasetFormat::PythonSource {
            let seed = self.recipe.train.seed;
            let samples = python_source::read(dataset, seed, &mut self.seen, &mut counts)?;
            // They are drawn by their shuffled order, after what does not fit has been left out.
            let most = first + dataset.max_examples.unwrap_or(usize::MAX - first);
            for chunk in samples.chunks(CHUNK) {
                self.take(chunk, index, most, &mut counts)?;
                progress.set((self.store.len() - first) as u64, "");
            }
        } else {
            counts.unit = "rows";
            let mut drawn = dataset
                .max_examples
                .map(|most| Draw::new(most, self.recipe.train.seed, index));
            let mut chunk = Vec::new();
            for file in files {
                counts.files += 1;
                for sample in rows::samples(file, dataset, index)? {
                    counts.found += 1;
                    match (sample, &mut drawn) {
                        (Ok(None), _) => counts.leave_out(Reason::Unwanted),
                        (Ok(Some(sample)), None) => chunk.push(sample),
                        (Ok(Some(sample)), Some(drawn)) => {
                            if drawn.offer(sample) {
                                counts.leave_out(Reason::BeyondMax);
                            }
                        }
                        (Err(error), _) => {
                            // What is wrong with a row before this one comes first.
                            self.take(&chunk, index, usize::MAX, &mut counts)?;
                            return Err(error);
                        }
                    }
                    if chunk.len() == CHUNK {
                        self.take(&chunk, index, usize::MAX, &mut counts)?;
                        chunk.clear();
                        progress.set((self.store.len() - first) as u64, "");
                    }
                }
            }
            chunk.extend(drawn.into_iter().flat_map(Draw::in_order));
            for chunk in chunk.chunks(CHUNK) {
                self.take(chunk, index, usize::MAX, &mut counts)?;
            }
        }
        counts.kept = self.store.len() - first;
        progress.clear();
        Ok(counts)
    }

    /// Turns samples into examples, or counts why not, until the store holds `most`.
    fn take(
        &mut self,
        samples: &[Sample],
        dataset: usize,
        most: usize,
        counts: &mut Counts,
    ) -> Result<()> {
        let (encoder, search) = (&self.encoder, &self.search);
        let encoded: Vec<Result<Encoded>> = samples
            .par_iter()
            .map(|sample| {
                let reason = search
                    .as_ref()
                    .and_then(|search| search.reason_against(sample));
                Ok(match reason {
                    Some(reason) => Encoded::LeftOut(reason),
                    None => Encoded::Example(encoder.encode(sample)?),
                })
            })
            .collect();
        for (sample, encoded) in samples.iter().zip(encoded) {
            if self.store.len() == most {
                counts.leave_out(Reason::BeyondMax);
                continue;
            }
            match encoded? {
                Encoded::LeftOut(reason) => counts.leave_out(reason),
                Encoded::Example(example) => self.keep(example, sample, dataset, counts)?,
            }
        }
        Ok(())
    }

    /// Puts an example into the store if there is something to learn in it, or counts why not.
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

/// A fair draw of some samples from a stream of unknown length.
///
/// # Source
/// Vitter 1985, "Random sampling with a reservoir", algorithm R.
struct Draw {
    wanted: usize,
    seen: usize,
    /// With their places in the stream.
    taken: Vec<(usize, Sample)>,
    rng: ChaCha8Rng,
}

impl Draw {
    fn new(wanted: usize, seed: u64, dataset: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((1 << 61) + dataset as u64);
        Self {
            wanted,
            seen: 0,
            taken: Vec::new(),
            rng,
        }
    }

    /// Takes a sample into the draw or not; tells whether one, this or another, is left out for it.
    fn offer(&mut self, sample: Sample) -> bool {
        let place = self.seen;
        self.seen += 1;
        if self.taken.len() < self.wanted {
            self.taken.push((place, sample));
            return false;
        }
        let seat = self.rng.random_range(0..self.seen);
        if seat < self.wanted {
            self.taken[seat] = (place, sample);
        }
        true
    }

    /// The samples drawn, in the stream's order.
    fn in_order(mut self) -> impl Iterator<Item = Sample> {
        self.taken.sort_by_key(|(place, _)| *place);
        self.taken.into_iter().map(|(_, sample)| sample)
    }
}

/// The example if it fits into `max_seq_length`, or what the recipe says to do with it.
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
        // What has nothing to learn before the limit would leave nothing after the cut.
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
    use sample::Content;

    fn sample(text: &str) -> Sample {
        Sample {
            content: Content::Plain {
                prompt: String::new(),
                completion: text.to_owned(),
            },
            origin: "a.py:3".to_owned(),
            group: None,
        }
    }

    fn recipe(overlength: Overlength, max_seq_length: usize) -> Recipe {
        let text =
            "model: {name_or_path: x.gguf}\ndata: {datasets: [{path: a, format: python_source}]}";
        let mut recipe = Recipe::parse(text, Path::new("r.yaml"), &[]).expect("recipe");
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
                &sample(""),
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

    #[test]
    fn a_draw_is_fair_and_keeps_the_order_of_the_stream() {
        let mut chosen = [0; 10];
        for seed in 0..600 {
            let mut draw = Draw::new(3, seed, 0);
            let left_out = (0..10)
                .filter(|i| draw.offer(sample(&i.to_string())))
                .count();
            assert_eq!(left_out, 7);
            let places: Vec<usize> = draw
                .in_order()
                .map(|sample| sample.text().parse().expect("a number"))
                .collect();
            assert!(places.is_sorted() && places.len() == 3, "{places:?}");
            for place in places {
                chosen[place] += 1;
            }
        }
        // 180 each are expected; five standard deviations are 56.
        assert!(chosen.iter().all(|n| (124..=236).contains(n)), "{chosen:?}");
    }
}
