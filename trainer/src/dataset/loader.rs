//! Reading of the data sets: samples are searched, encoded and stored, or counted by the reason against them.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use slm_cli::{Progress, UserMistake};
use slm_config::{Dataset, DatasetFormat, OnBadRow, Overlength, Recipe, RowFormat, Split};

use super::content::Content;
use super::counts::{BadRow, Counts, Reason};
use super::decontamination::Decontamination;
use super::draw::Draw;
use super::files::Located;
use super::held_out::HeldOut;
use super::rendered::{self, Rendered};
use super::rows::RowError;
use super::sample::{EncodeError, Encoder, Sample};
use super::secrets::SecretSearch;
use super::split::Origin;
use super::store::StoreWriter;
use super::tally::Tally;
use super::units::Unit;
use super::{documents, python_documents, python_source, rows};
use crate::batch::Example;
use crate::fim::Cutter;

/// Maximum number of samples that are in memory and encoded in parallel at a time.
const CHUNK: usize = 1024;
/// Bytes of text after which a chunk of samples ends early.
const CHUNK_BYTES: usize = 16 << 20;

/// The result of encoding a sample.
#[derive(Clone)]
enum Encoded {
    /// Its tokens, and the number of answers that the chat template cuts.
    Unit(Unit, usize),
    /// Its tokens, with the texts around the middle of a document shortened to fit.
    Shortened(Unit),
    /// It is left out for this reason.
    LeftOut(Reason),
    /// It is left out for something in it: a benchmark's task, or a credential of this kind.
    Found(Reason, String),
    /// It cannot be encoded.
    Bad(BadRow),
}

/// Reads data sets one after another.
pub(super) struct Loader<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) encoder: Encoder<'a>,
    pub(super) search: Option<Decontamination>,
    /// One per data set; `None` for those of other formats than `fim`.
    pub(super) cutters: Vec<Option<Cutter>>,
    pub(super) held_out: HeldOut,
    pub(super) secrets: Option<SecretSearch>,
    pub(super) loaded: Loaded,
    /// Syntax tree hashes of the functions read from all data sets.
    pub(super) seen: HashSet<u64>,
    /// The rendered conversations of the data set that is read.
    pub(super) rendered: Rendered,
}

/// The units that were kept.
pub(super) struct Loaded {
    /// Their examples.
    pub(super) store: StoreWriter,
    /// One per unit.
    pub(super) origins: Vec<Origin>,
    /// One per labelled answer.
    pub(super) labels: Vec<bool>,
}

impl Loaded {
    pub(super) fn new(store: StoreWriter) -> Self {
        Self {
            store,
            origins: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// The number of units.
    fn len(&self) -> usize {
        self.origins.len()
    }

    /// Stores a unit.
    fn push(&mut self, unit: &Unit, sample: &Sample, dataset: usize) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        match (&sample.group, unit) {
            (Some(group), _) => group.hash(&mut hasher),
            (None, Unit::Row(example)) => example.tokens.hash(&mut hasher),
            // Several answers to one prompt are one group.
            (None, Unit::Pair([example, _]) | Unit::Labelled(example, _)) => {
                example.context().hash(&mut hasher);
            }
        }
        self.origins.push(Origin {
            group: hasher.finish(),
            dataset: dataset as u16,
        });
        let origin = &sample.origin;
        match unit {
            Unit::Row(example) => self.store.push(example, origin),
            Unit::Pair([chosen, rejected]) => {
                self.store.push(chosen, &format!("{origin}, chosen"))?;
                self.store.push(rejected, &format!("{origin}, rejected"))
            }
            Unit::Labelled(example, label) => {
                self.labels.push(*label);
                self.store.push(example, origin)?;
                self.store.push_label(*label);
                Ok(())
            }
        }
    }
}

impl Loader<'_> {
    /// Reads a data set, and counts what it gives.
    ///
    /// # Errors
    /// As [`load`](super::load).
    pub(super) fn read(
        &mut self,
        dataset: &Dataset,
        located: &Located,
        index: usize,
    ) -> Result<Counts> {
        let mut counts = Counts {
            path: dataset.path.clone(),
            ..Counts::default()
        };
        let first = self.loaded.len();
        let mut tally = Tally::default();
        match dataset.format {
            DatasetFormat::PythonSource => {
                self.read_python(dataset, index, &mut counts, &mut tally)?;
            }
            DatasetFormat::Rows(_) if located.is_python => {
                self.read_documents(dataset, index, &mut counts, &mut tally)?;
            }
            DatasetFormat::Rows(format) => {
                let files = (dataset, format, located);
                self.read_rows(files, index, &mut counts, &mut tally)?;
            }
        }
        counts.kept = self.loaded.len() - first;
        (counts.rendered_conversations, counts.literal_conversations) = self.rendered.counts();
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
        let progress = Progress::new("reading data", 0, "examples");
        let seed = self.recipe.train.seed;
        let samples = python_source::read(dataset, seed, &self.held_out, &mut self.seen, counts)?;
        // The limit applies in shuffled order, after unsuitable functions have been left out.
        self.take_all(&samples, dataset, index, progress, counts, tally)
    }

    /// Reads a tree of Python files for fill-in-the-middle.
    fn read_documents(
        &mut self,
        dataset: &Dataset,
        index: usize,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<()> {
        let progress = Progress::new("reading data", 0, "examples");
        let documents = python_documents::read(dataset, &self.held_out, &mut self.seen, counts)?;
        let mut samples = Vec::new();
        for document in documents {
            samples.extend(self.cut(document, dataset, index, counts, tally)?);
        }
        if dataset.max_examples.is_some() {
            samples.shuffle(&mut ChaCha8Rng::seed_from_u64(self.recipe.train.seed));
        }
        self.take_all(&samples, dataset, index, progress, counts, tally)
    }

    /// Takes samples until the data set has as many examples as it may have.
    fn take_all(
        &mut self,
        samples: &[Sample],
        dataset: &Dataset,
        index: usize,
        mut progress: Progress,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<()> {
        let first = self.loaded.len();
        let most = first + dataset.max_examples.unwrap_or(usize::MAX - first);
        for chunk in samples.chunks(CHUNK) {
            self.take(chunk, index, most, counts, tally)?;
            progress.set((self.loaded.len() - first) as u64, "");
        }
        progress.clear();
        Ok(())
    }

    /// Cuts a document of a data set for fill-in-the-middle, and splits a long text of another one if the recipe does.
    fn cut(
        &self,
        sample: Sample,
        dataset: &Dataset,
        index: usize,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<Vec<Sample>> {
        let samples = match &self.cutters[index] {
            Some(cutter) => {
                let stops = !self.skips_bad_rows();
                let pieces = |text: &str| self.encoder.pieces_of_document(text);
                documents::cut(sample, cutter, dataset, &pieces, stops, counts, tally)?
            }
            None if !dataset.format.can_be_split() => vec![sample],
            None => match self.encoder.split(sample, counts) {
                Ok(samples) => samples,
                Err(bad) if self.skips_bad_rows() => {
                    tally.wanted += 1;
                    tally.bad_row(bad, counts);
                    Vec::new()
                }
                Err(bad) => return Err(bad.into_error()),
            },
        };
        // A row counts once, although it may give several examples.
        tally.wanted += usize::from(!samples.is_empty());
        Ok(samples)
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
        let first = self.loaded.len();
        let kept_rows = rows_of_split(dataset, format, located, index)?;
        let mut place = 0..usize::MAX;
        let mut progress = Progress::new("reading data", 0, "examples");
        let mut drawn = dataset
            .max_examples
            .map(|most| Draw::new(most, self.recipe.train.seed, index));
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for file in &located.files {
            counts.files += 1;
            for sample in rows::samples(file, dataset, format, index)? {
                counts.found += 1;
                let row = place.next().unwrap_or(usize::MAX);
                if kept_rows.as_ref().is_some_and(|kept| !kept.contains(&row)) {
                    // A file that cannot be read any further is an error in any row.
                    if let Err(error @ RowError::File(_)) = sample {
                        return Err(error.into());
                    }
                    counts.leave_out(Reason::OutsideSplit);
                    continue;
                }
                match (sample, &mut drawn) {
                    (Ok(None), _) => counts.leave_out(Reason::Unwanted),
                    (Ok(Some(sample)), drawn) => {
                        for sample in self.cut(sample, dataset, index, counts, tally)? {
                            let Some(drawn) = drawn.as_mut() else {
                                bytes += sample.content.bytes();
                                chunk.push(sample);
                                continue;
                            };
                            if drawn.offer(sample) {
                                counts.leave_out(Reason::BeyondMax);
                            }
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
                if chunk.len() >= CHUNK || bytes >= CHUNK_BYTES {
                    self.take(&chunk, index, usize::MAX, counts, tally)?;
                    (chunk, bytes) = (Vec::new(), 0);
                    progress.set((self.loaded.len() - first) as u64, "");
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

    /// Encodes samples and stores the examples, or counts the reasons against them, until there are `most` units.
    fn take(
        &mut self,
        samples: &[Sample],
        dataset: usize,
        most: usize,
        counts: &mut Counts,
        tally: &mut Tally,
    ) -> Result<()> {
        let (encoder, search, secrets) = (&self.encoder, &self.search, &self.secrets);
        let refused = |sample: &Sample| {
            let text = encoder.text(sample);
            let task = search
                .as_ref()
                .and_then(|search| search.reason_against(sample, &text));
            let task = task.map(|(reason, task)| Encoded::Found(reason, format!("task {task}")));
            let secret = || {
                let kind = secrets.as_ref()?.find(&text)?;
                Some(Encoded::Found(Reason::HoldsSecret, kind.to_owned()))
            };
            task.or_else(secret)
        };
        // A text is searched once for all of its pieces and examples.
        let mut texts = HashMap::new();
        for sample in samples {
            if let Some(id) = sample.content.shared_text() {
                texts.entry(id).or_insert(sample);
            }
        }
        let texts: HashMap<_, _> = texts
            .into_par_iter()
            .map(|(id, sample)| (id, refused(sample)))
            .collect();
        let encoded: Vec<Result<Encoded>> = samples
            .par_iter()
            .map(|sample| {
                let against = match sample.content.shared_text() {
                    Some(id) => texts.get(&id).cloned().flatten(),
                    None => refused(sample),
                };
                if let Some(against) = against {
                    return Ok(against);
                }
                let encoded = match &sample.content {
                    Content::Document(document) => {
                        let encoded = encoder.encode_document(document, &sample.origin);
                        encoded.map(|encoded| match encoded {
                            Some((unit, false)) => Encoded::Unit(unit, 0),
                            Some((unit, true)) => Encoded::Shortened(unit),
                            None => Encoded::LeftOut(Reason::Overlong),
                        })
                    }
                    _ => encoder
                        .encode_counted(sample)
                        .map(|(unit, n_cut)| Encoded::Unit(unit, n_cut)),
                };
                match encoded {
                    Ok(encoded) => Ok(encoded),
                    Err(EncodeError::Bad(bad)) => Ok(Encoded::Bad(bad)),
                    Err(EncodeError::Model(error)) => Err(error),
                }
            })
            .collect();
        for (sample, encoded) in samples.iter().zip(encoded) {
            if self.loaded.len() == most {
                counts.leave_out(Reason::BeyondMax);
                continue;
            }
            tally.tried += 1;
            match encoded? {
                Encoded::LeftOut(reason) => counts.leave_out(reason),
                Encoded::Found(reason, what) => {
                    let place = format!("{}: {what}", sample.origin);
                    counts.leave_out_first(reason, &place);
                }
                Encoded::Unit(unit, n_cut) => {
                    let before = self.loaded.len();
                    self.keep(unit, sample, dataset, counts)?;
                    if n_cut > 0 && self.loaded.len() > before {
                        let place = format!("{}: {n_cut} of its answers", sample.origin);
                        counts.leave_out_first(Reason::CutAnswer, &place);
                    }
                }
                Encoded::Shortened(unit) => {
                    counts.leave_out(Reason::Truncated);
                    self.keep(unit, sample, dataset, counts)?;
                }
                Encoded::Bad(bad) if self.skips_bad_rows() => tally.bad_example(bad, counts),
                Encoded::Bad(bad) => return Err(bad.into_error()),
            }
        }
        Ok(())
    }

    /// Stores a unit whose examples all have supervised tokens; otherwise counts the reason. A pair is kept only with
    /// both sides.
    fn keep(
        &mut self,
        unit: Unit,
        sample: &Sample,
        dataset: usize,
        counts: &mut Counts,
    ) -> Result<()> {
        if let Unit::Pair([chosen, rejected]) = &unit
            && chosen.tokens == rejected.tokens
        {
            counts.leave_out_first(Reason::EqualAnswers, &sample.origin);
            return Ok(());
        }
        let Some(unit) = fit_unit(unit, sample, self.recipe, counts)? else {
            return Ok(());
        };
        if unit.examples().iter().any(|side| side.n_supervised() == 0) {
            counts.leave_out(Reason::NothingToLearn);
            return Ok(());
        }
        if let Some(token) = rendered::turn_token(&sample.content) {
            let tokenizer = self.encoder.tokenizer;
            self.rendered.count(token, sample.special_tokens, tokenizer);
        }
        self.loaded.push(&unit, sample, dataset)
    }
}

/// Returns the rows that `split: train[:5%]` selects; `None` for all. The rows are counted first.
fn rows_of_split(
    dataset: &Dataset,
    format: &'static RowFormat,
    located: &Located,
    index: usize,
) -> Result<Option<Range<usize>>> {
    let split = dataset.split.as_deref().and_then(Split::parse);
    let Some(split) = split.filter(Split::is_range) else {
        return Ok(None);
    };
    let mut n = 0;
    for file in &located.files {
        n += rows::samples(file, dataset, format, index)?.count();
    }
    Ok(Some(split.rows(n)))
}

/// Applies `max_seq_length` to each example of a unit.
fn fit_unit(
    unit: Unit,
    sample: &Sample,
    recipe: &Recipe,
    counts: &mut Counts,
) -> Result<Option<Unit>> {
    Ok(match unit {
        Unit::Row(example) => fit_length(example, sample, recipe, counts)?.map(Unit::Row),
        Unit::Labelled(example, label) => {
            let example = fit_length(example, sample, recipe, counts)?;
            example.map(|example| Unit::Labelled(example, label))
        }
        // A recipe that cuts long examples has no pairs.
        Unit::Pair([chosen, rejected]) => {
            let Some(chosen) = fit_length(chosen, sample, recipe, counts)? else {
                return Ok(None);
            };
            let rejected = fit_length(rejected, sample, recipe, counts)?;
            rejected.map(|rejected| Unit::Pair([chosen, rejected]))
        }
    })
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
                 hint: raise the limit, or leave such examples out with `data.overlength: drop`"
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
        Overlength::Truncate | Overlength::Drop | Overlength::Split => {
            counts.leave_out(Reason::Overlong);
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
