//! From the recipe's data sets to tokenised examples, with a count of everything left out.

mod counts;
mod function_filter;
mod python_source;
mod rows;
mod sample;
mod split;
mod store;
pub(crate) mod synthetic;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Result;
use benchmarks::{Overlap, Task};
use cli::UserMistake;
use config::{Dataset, DatasetFormat, Overlength, Recipe};
use model::{ChatTemplate, Tokenizer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::batch::Example;
use counts::Reason;
use sample::{Encoder, Sample};
use split::{Origin, Split};
use store::StoreWriter;

pub(crate) use counts::Counts;
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
}

/// Reads every data set of the recipe and turns it into tokens, which lie in a nameless file in `folder`.
///
/// # Errors
/// A data set that is missing or empty, a row that is not as its format expects, an example over the limit where the
/// recipe says `error`, no example left.
pub(crate) fn load(
    recipe: &Recipe,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    folder: &Path,
) -> Result<Examples> {
    let mut loader = Loader {
        recipe,
        encoder: Encoder {
            tokenizer,
            template,
            data: &recipe.data,
        },
        overlap: overlap(recipe)?,
        store: StoreWriter::new(folder)?,
        origins: Vec::new(),
    };
    let mut counts = Vec::new();
    for (index, dataset) in recipe.data.datasets.iter().enumerate() {
        counts.push(loader.read(dataset, index)?);
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
    })
}

/// The search for texts of the tasks that the recipe evaluates on; `None` if it does not want one.
fn overlap(recipe: &Recipe) -> Result<Option<Overlap>> {
    if !recipe.data.decontaminate {
        return Ok(None);
    }
    let tasks = benchmarks::by_name("embedded")?.tasks()?;
    Ok(Some(Overlap::new(tasks.iter().map(Task::view))))
}

struct Loader<'a> {
    recipe: &'a Recipe,
    encoder: Encoder<'a>,
    overlap: Option<Overlap>,
    store: StoreWriter,
    /// One for each example in the store.
    origins: Vec<Origin>,
}

impl Loader<'_> {
    fn read(&mut self, dataset: &Dataset, index: usize) -> Result<Counts> {
        let mut counts = Counts {
            path: dataset.path.clone(),
            ..Counts::default()
        };
        let enough = dataset.max_examples.unwrap_or(usize::MAX);
        let first = self.store.len();
        if dataset.format == DatasetFormat::PythonSource {
            let seed = self.recipe.train.seed;
            for sample in python_source::read(dataset, seed, &mut counts)? {
                if self.store.len() - first == enough {
                    counts.leave_out(Reason::BeyondMax);
                } else {
                    self.take(&sample, index, &mut counts)?;
                }
            }
        } else {
            counts.unit = "rows";
            let mut drawn = Draw::new(enough, self.recipe.train.seed, index);
            for file in rows::files(dataset)? {
                counts.files += 1;
                for sample in rows::samples(&file, dataset, index)? {
                    counts.found += 1;
                    let sample = sample?;
                    if enough == usize::MAX {
                        self.take(&sample, index, &mut counts)?;
                    } else if drawn.offer(sample) {
                        counts.leave_out(Reason::BeyondMax);
                    }
                }
            }
            for sample in drawn.in_order() {
                self.take(&sample, index, &mut counts)?;
            }
        }
        counts.kept = self.store.len() - first;
        Ok(counts)
    }

    /// Turns a sample into an example, or counts why not.
    fn take(&mut self, sample: &Sample, dataset: usize, counts: &mut Counts) -> Result<()> {
        let overlap = self.overlap.as_ref();
        if overlap.is_some_and(|overlap| overlap.find(&sample.text()).is_some()) {
            counts.leave_out(Reason::Contaminated);
            return Ok(());
        }
        let example = self.encoder.encode(sample)?;
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
        self.store.push(&example)
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
