//! Lookups: a query, what it finds, and what of it a prompt may show.

use slm_benchmarks::TaskView;
use slm_retrieval::{Corpus, Index, Mask, sketch, strips};

use super::compose::{CLOSING_FENCE, Composed, compose, titled};
use super::interface::documentation;
use super::result::{Hit, LookupResult, LookupTool};
use super::{Form, Knowledge, Look, placebo};

/// Most characters of an observation.
pub(super) const MOST_CHARS: usize = 600;

impl Knowledge {
    /// Does a lookup for a task. `seed` draws the placebo.
    ///
    /// The result depends only on the index and these arguments, so that a resumed run finds the same.
    pub(crate) fn look(&self, task: &TaskView, look: &Look, seed: u64) -> LookupResult {
        let random = match look.form {
            Form::Entries => Some(None),
            Form::RandomEntries => Some(Some(seed)),
            _ => None,
        };
        if let Some(random) = random {
            return self.remembered(task, look, random);
        }
        let nothing = Mask::none();
        let of_task = self.tasks.get(&task.task_id);
        let mask = self.mask(task, &nothing);
        let Some(index) = &self.index else {
            return empty(look, String::new(), 0);
        };
        let mut found = empty(look, index.sha256().to_owned(), mask.n_hidden());
        let lookup = Lookup {
            knowledge: self,
            index,
            mask,
            task,
            look,
        };
        match look.form {
            Form::Chunks => lookup.chunks(&mut found),
            Form::Graded => lookup.graded(&mut found),
            Form::Placebo => lookup.placebo(&mut found, seed),
            Form::References => {
                let references = of_task.map_or(&[][..], |of| &of.references);
                lookup.references(&mut found, references);
            }
            Form::Function => lookup.function(&mut found),
            Form::Sketch => lookup.sketch(&mut found),
            Form::Observation => lookup.observe(&mut found),
            // Looked up above.
            Form::Entries | Form::RandomEntries => {}
        }
        found
    }

    /// Does a lookup in the memory; `random` draws other entries than the best.
    fn remembered(&self, task: &TaskView, look: &Look, random: Option<u64>) -> LookupResult {
        let mut found = empty(look, String::new(), 0);
        if let Some(memory) = &self.memory {
            memory.look(&task.task_id, &mut found, random);
        }
        found
    }
}

impl Knowledge {
    /// Returns the relevant parts of chunks, each with the query that found it, for a prompt, and the chunks that the
    /// text shows.
    pub(crate) fn strips_of(
        &self,
        task: &TaskView,
        chunks: &[(usize, &str)],
    ) -> (String, Vec<usize>) {
        let (Some(index), nothing) = (&self.index, Mask::none()) else {
            return (String::new(), Vec::new());
        };
        let mask = self.mask(task, &nothing);
        let (chunks, texts): (Vec<usize>, Vec<String>) = chunks
            .iter()
            .filter_map(|&(chunk, query)| Some((chunk, self.relevant(index, chunk, query)?)))
            .unzip();
        let Composed { text, shown } = compose(&texts, self.max_tokens, mask, &*self.count_tokens);
        let shown = chunks.into_iter().zip(shown).filter(|(_, shown)| *shown);
        (text, shown.map(|(chunk, _)| chunk).collect())
    }

    /// Returns a chunk for a prompt, at most `knowledge.max_tokens` tokens of it.
    pub(crate) fn whole(&self, task: &TaskView, chunk: usize) -> String {
        let (Some(index), nothing) = (&self.index, Mask::none()) else {
            return String::new();
        };
        let mask = self.mask(task, &nothing);
        let text = self.presented(index, chunk);
        compose(&[text], self.max_tokens, mask, &*self.count_tokens).text
    }

    /// Returns a chunk with its name and its file; a documented function as documentation, unless bodies
    /// are wanted.
    pub(super) fn presented(&self, index: &Index, chunk: usize) -> String {
        let of = &index.chunks()[chunk];
        let documented = documentation(of).filter(|_| !self.bodies);
        documented.unwrap_or_else(|| titled(of, &of.text))
    }

    /// Returns the statements and sentences of a chunk that share a word with the query; a documented function as
    /// [`Self::presented`] does. `None` if there are none.
    fn relevant(&self, index: &Index, chunk: usize, query: &str) -> Option<String> {
        let of = &index.chunks()[chunk];
        if let Some(documented) = documentation(of).filter(|_| !self.bodies) {
            return Some(documented);
        }
        let kept: Vec<String> = strips(of)
            .into_iter()
            .filter(|strip| index.covers(query, strip) > 0.0)
            .collect();
        (!kept.is_empty()).then(|| titled(of, &kept.join("\n")))
    }

    /// Returns what is hidden for a task; `nothing` for a task that is not known.
    fn mask<'a>(&'a self, task: &TaskView, nothing: &'a Mask) -> &'a Mask {
        self.tasks.get(&task.task_id).map_or(nothing, |of| &of.mask)
    }
}

/// Joins texts up to the length of an observation; a code block that is cut is closed.
fn observation(texts: &[String], mask: &Mask) -> Composed {
    let room = MOST_CHARS - CLOSING_FENCE.len();
    let mut composed = compose(texts, room, mask, &|text| text.chars().count());
    if composed.text.matches("```").count() % 2 == 1 {
        composed.text.push_str(CLOSING_FENCE);
    }
    composed
}

fn empty(look: &Look, index_sha256: String, masked: usize) -> LookupResult {
    LookupResult {
        tool: look.tool,
        query: look.query.clone(),
        index_sha256,
        hits: Vec::new(),
        shown: String::new(),
        masked,
        sketch_kept: None,
        problem: None,
    }
}

/// One lookup in the index.
pub(super) struct Lookup<'a> {
    knowledge: &'a Knowledge,
    pub(super) index: &'a Index,
    pub(super) mask: &'a Mask,
    task: &'a TaskView,
    pub(super) look: &'a Look,
}

impl Lookup<'_> {
    fn corpus(&self) -> Corpus {
        match (self.look.tool, self.look.form) {
            (_, Form::Function | Form::Sketch) => Corpus::Functions,
            (LookupTool::Docs, _) => Corpus::Docs,
            (LookupTool::Code, _) => Corpus::Code,
            _ => Corpus::All,
        }
    }

    fn search(&self, k: usize) -> Vec<(usize, f32)> {
        let hits = self
            .index
            .search(&self.look.query, self.corpus(), self.mask, k);
        hits.into_iter().map(|hit| (hit.chunk, hit.score)).collect()
    }

    fn compose(&self, texts: &[String]) -> Composed {
        if self.look.form == Form::Observation {
            return observation(texts, self.mask);
        }
        let Knowledge {
            max_tokens,
            count_tokens,
            ..
        } = self.knowledge;
        compose(texts, *max_tokens, self.mask, &**count_tokens)
    }

    /// Describes the hits, and shows a text for each of them.
    fn show(&self, found: &mut LookupResult, best: &[(usize, f32)], texts: &[String]) {
        let Composed { text, shown } = self.compose(texts);
        found.shown = text;
        found.hits = best
            .iter()
            .zip(shown)
            .map(|(&(chunk, score), shown)| self.hit(chunk, score, shown))
            .collect();
    }

    pub(super) fn hit(&self, chunk: usize, score: f32, shown: bool) -> Hit {
        let of = &self.index.chunks()[chunk];
        Hit {
            chunk,
            source: of.source.clone(),
            lines: Some(of.lines),
            name: of.name.clone(),
            sha256: of.sha256.clone(),
            score: f64::from(score),
            overlap: self.index.coverage(&self.look.query, chunk),
            shown,
        }
    }

    fn presented(&self, best: &[(usize, f32)]) -> Vec<String> {
        best.iter()
            .map(|&(chunk, _)| self.knowledge.presented(self.index, chunk))
            .collect()
    }

    fn chunks(&self, found: &mut LookupResult) {
        let best = self.search(self.knowledge.top_k);
        self.show(found, &best, &self.presented(&best));
    }

    /// Shows the best function with its body.
    fn function(&self, found: &mut LookupResult) {
        let best = self.search(1);
        let chunks = self.index.chunks();
        let texts: Vec<String> = best
            .iter()
            .map(|&(chunk, _)| titled(&chunks[chunk], &chunks[chunk].text))
            .collect();
        self.show(found, &best, &texts);
    }

    /// Shows what a tool finds, as an observation.
    fn observe(&self, found: &mut LookupResult) {
        match self.look.tool {
            LookupTool::Symbol => self.symbol(found),
            LookupTool::Read => self.read(found),
            _ => self.chunks(found),
        }
    }

    /// Finds the best chunks and shows nothing: `crag` grades them, and shows parts of those that are relevant.
    fn graded(&self, found: &mut LookupResult) {
        let best = self.search(self.knowledge.top_k);
        let hits = best.into_iter();
        found.hits = hits
            .map(|(chunk, score)| self.hit(chunk, score, false))
            .collect();
    }

    fn placebo(&self, found: &mut LookupResult, seed: u64) {
        let best = self.search(self.knowledge.top_k);
        let as_long_as = self.compose(&self.presented(&best)).text;
        let mut excluded: Vec<usize> = best.into_iter().map(|(chunk, _)| chunk).collect();
        // What solves the task is no placebo, found or not.
        let of_task = self.knowledge.tasks.get(&self.task.task_id);
        excluded.extend(of_task.iter().flat_map(|of| of.references.iter().flatten()));
        let drawn = placebo::draw(
            self.index,
            self.mask,
            &self.look.query,
            &excluded,
            &as_long_as,
            seed,
            self.knowledge,
        );
        found.shown = drawn.text;
        found.hits = drawn
            .chunks
            .into_iter()
            .map(|(chunk, score)| self.hit(chunk, score, true))
            .collect();
    }

    fn references(&self, found: &mut LookupResult, references: &[Vec<usize>]) {
        let permitted = |chunks: &Vec<usize>| {
            let shown = chunks.iter().find(|&&chunk| !self.mask.hides(chunk));
            shown.map(|&chunk| (chunk, 0.0))
        };
        let best: Vec<(usize, f32)> = references.iter().filter_map(permitted).collect();
        self.show(found, &best, &self.presented(&best));
    }

    fn sketch(&self, found: &mut LookupResult) {
        let best = self.search(1);
        let chunks = self.index.chunks();
        let sketches: Vec<sketch::Sketch> = best
            .iter()
            .map(|&(chunk, _)| sketch::rule(&chunks[chunk].text, &self.task.prompt))
            .collect();
        let texts: Vec<String> = best
            .iter()
            .zip(&sketches)
            .map(|(&(chunk, _), sketch)| titled(&chunks[chunk], &sketch.text))
            .collect();
        self.show(found, &best, &texts);
        found.sketch_kept = sketches.first().map(|sketch| sketch.kept);
    }
}
