//! The index: chunks, the files that they come from, and how both are searched.

use slm_artifacts::Sha256;

use crate::chunk::{Chunk, Corpus};
use crate::collect::{Collected, IndexedFile};
use crate::error::{ReadError, RetrievalError};
use crate::lines::{FileLines, HIDDEN};
use crate::mask::{Mask, Secret, Traced};
use crate::ranking::Ranking;

/// Uses of a name that [`Index::symbol`] returns.
const MOST_USES: usize = 3;

/// An index of chunks in memory.
#[derive(Debug)]
pub struct Index {
    chunks: Vec<Chunk>,
    files: Vec<FileLines>,
    sha256: String,
    ranking: Ranking,
    traced: Traced,
}

/// A chunk that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its place in [`Index::chunks`].
    pub chunk: usize,
    /// Its BM25 score.
    pub score: f32,
}

/// What the index knows about a name. Masked lines never appear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Symbol {
    /// Every definition of the name, in the order of the files.
    pub definitions: Vec<SymbolDefinition>,
    /// The first uses of the name's last part, one a line.
    pub uses: Vec<SymbolUse>,
}

/// A definition as written in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolDefinition {
    /// The file.
    pub source: String,
    /// Its qualified name.
    pub name: String,
    /// First line, decorators included, and last line, counted from 1.
    pub lines: (usize, usize),
    /// The lines; masked ones are replaced as in [`Index::read`].
    pub text: String,
}

/// A line that uses a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolUse {
    /// The file.
    pub source: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The line without its indentation.
    pub text: String,
}

impl Index {
    /// Makes the index of what was collected.
    ///
    /// # Errors
    /// [`RetrievalError::Empty`] if there is no chunk.
    pub fn new(collected: Collected) -> Result<Self, RetrievalError> {
        if collected.chunks.is_empty() {
            return Err(RetrievalError::Empty {
                n_files: collected.files.len(),
                left_out: collected.left_out_phrase(),
            });
        }
        let Collected { chunks, files, .. } = collected;
        let sha256 = identity(&chunks, &files);
        let texts: Vec<String> = chunks.iter().map(searched_text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let ranking = Ranking::of(&texts);
        let files: Vec<FileLines> = files
            .into_iter()
            .map(|file| FileLines::new(file.source, file.text))
            .collect();
        let traced = Traced::new(&chunks, &files);
        Ok(Self {
            chunks,
            files,
            sha256,
            ranking,
            traced,
        })
    }

    /// Returns the chunks, in the order of the sources.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Returns the names of the files whose lines can be read, in order.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.source.as_str())
    }

    /// Returns the SHA-256 over the sorted hashes of all chunks and files, which identifies what lookups can return.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns the `k` best chunks for a query: those with a score above 0 that are not masked, by decreasing score,
    /// then by place.
    ///
    /// The terms are those of [`crate::tokens`]; the score of a chunk depends on all chunks, masked ones included.
    pub fn search(&self, query: &str, corpus: Corpus, mask: &Mask, k: usize) -> Vec<Hit> {
        let mut hits = self.scores(query, corpus, mask);
        hits.retain(|hit| hit.score > 0.0);
        // Stable: equal scores stay in the order of the chunks.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(k);
        hits
    }

    /// Returns the scores of all chunks that are not masked, also those of 0, in the order of the chunks.
    pub fn scores(&self, query: &str, corpus: Corpus, mask: &Mask) -> Vec<Hit> {
        let scores = self.ranking.scores(query);
        let in_corpus =
            |(place, chunk): &(usize, &Chunk)| corpus.contains(chunk.kind) && !mask.hides(*place);
        let chunks = self.chunks.iter().enumerate().filter(in_corpus);
        let hit = |(chunk, _)| Hit {
            chunk,
            score: scores.get(&chunk).copied().unwrap_or(0.0),
        };
        chunks.map(hit).collect()
    }

    /// Returns the share of the query's idf mass, over its distinct terms, that a chunk's terms cover: 0 to 1.
    ///
    /// Terms that no chunk has count as well. 0 for a query without terms and for a chunk that does not exist.
    pub fn coverage(&self, query: &str, chunk: usize) -> f64 {
        let chunk = self.chunks.get(chunk);
        chunk.map_or(0.0, |chunk| self.covers(query, &searched_text(chunk)))
    }

    /// Returns the same share for any text.
    pub fn covers(&self, query: &str, text: &str) -> f64 {
        self.ranking.coverage(query, text)
    }

    /// Returns the definitions and first uses of a name, plain or with the names around it: `f`, `Class.f`.
    ///
    /// Definitions are those of [`definitions`](slm_metrics::syntax::definitions); a dotted name finds definitions whose qualified name ends with it. Uses
    /// are lines of code with the identifier outside strings and comments. `None` if nothing visible was found.
    pub fn symbol(&self, name: &str, mask: &Mask) -> Option<Symbol> {
        let name = name.trim().trim_end_matches("()");
        let last_part = name.rsplit('.').next().filter(|part| !part.is_empty())?;
        let mut symbol = Symbol::default();
        for (place, file) in self.files.iter().enumerate() {
            if !file.is_python() || !file.text.contains(last_part) {
                continue;
            }
            let masked = mask.lines(place);
            for definition in file.definitions() {
                if !is_named(&definition.qualified_name, name, &file.module()) {
                    continue;
                }
                let lines = (definition.first_line, definition.last_line);
                if let Some(text) = file.visible(lines, masked) {
                    symbol.definitions.push(SymbolDefinition {
                        source: file.source.clone(),
                        name: definition.qualified_name.clone(),
                        lines,
                        text,
                    });
                }
            }
            if symbol.uses.len() < MOST_USES {
                let lines = file.uses(last_part, masked).into_iter();
                symbol.uses.extend(lines.map(|line| SymbolUse {
                    source: file.source.clone(),
                    line,
                    text: file.line(line).trim().to_owned(),
                }));
                symbol.uses.truncate(MOST_USES);
            }
        }
        (!symbol.definitions.is_empty() || !symbol.uses.is_empty()).then_some(symbol)
    }

    /// Returns lines `from` to `to` of a file, counted from 1 and both included, without those after its end. Masked
    /// lines in a row are replaced by the line `# hidden for this task`.
    ///
    /// `source` is the name of a file in the index, or its end if no other file ends so.
    ///
    /// # Errors
    /// [`ReadError`] if the file is not in the index or lacks the first line.
    pub fn read(
        &self,
        source: &str,
        from: usize,
        to: usize,
        mask: &Mask,
    ) -> Result<String, ReadError> {
        let place = self.place_of(source)?;
        let file = &self.files[place];
        if from == 0 || to < from || from > file.n_lines() {
            return Err(ReadError::BadRange {
                source_name: file.source.clone(),
                from,
                to,
                n_lines: file.n_lines(),
            });
        }
        let lines = (from, to.min(file.n_lines()));
        let text = file.visible(lines, mask.lines(place));
        Ok(text.unwrap_or_else(|| format!("{HIDDEN}\n")))
    }

    /// Returns the mask of a task: what gives its solution or its hidden tests away.
    pub fn mask(&self, secret: &Secret<'_>) -> Mask {
        self.traced.mask(&self.chunks, &self.files, secret)
    }

    fn place_of(&self, source: &str) -> Result<usize, ReadError> {
        let source = source.trim().trim_start_matches("./");
        let exact = self.files.iter().position(|file| file.source == source);
        let ending = |file: &FileLines| {
            let rest = file.source.strip_suffix(source);
            rest.is_some_and(|rest| rest.ends_with(['/', ':'])) && !source.is_empty()
        };
        if let Some(place) = exact {
            return Ok(place);
        }
        let mut ends = (0..self.files.len()).filter(|&place| ending(&self.files[place]));
        if let (Some(place), None) = (ends.next(), ends.next()) {
            return Ok(place);
        }
        let names: Vec<&str> = self.sources().collect();
        Err(ReadError::NotInIndex {
            source_name: source.to_owned(),
            meant: crate::spelling::nearest(source, &names).map(str::to_owned),
        })
    }
}

/// Returns the text that terms are taken from: the name is not always in the text.
fn searched_text(chunk: &Chunk) -> String {
    format!("{}\n{}", chunk.name, chunk.text)
}

fn identity(chunks: &[Chunk], files: &[IndexedFile]) -> String {
    let mut hashes: Vec<String> = chunks.iter().map(|chunk| chunk.sha256.clone()).collect();
    hashes.extend(files.iter().map(|file| {
        let hash = Sha256::new().chain(&file.source).chain([0]);
        hash.chain(&file.text).hex()
    }));
    hashes.sort_unstable();
    let mut hash = Sha256::new();
    for of in hashes {
        hash.update(of);
    }
    hash.hex()
}

/// Returns whether `name` means the definition `qualified` of a module: all of its name, or its end at a dot; the
/// module's own name may precede it.
fn is_named(qualified: &str, name: &str, module: &str) -> bool {
    let ends_with = |whole: &str| {
        whole == name
            || whole
                .strip_suffix(name)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    // `module.f` must not find `f` of another module.
    let full = format!("{module}.{qualified}");
    ends_with(qualified) || (name.len() > qualified.len() && ends_with(&full))
}
