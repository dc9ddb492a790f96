//! What gives a task's solution away, and must not be shown to it.

mod blocks;
mod traces;
mod windows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use slm_benchmarks::word_grams;
use slm_metrics::syntax::{Definition, DefinitionKind};

use crate::chunk::{Chunk, ChunkKind};
use crate::lines::{FileLines, LineRanges, contains};
use traces::{Compiled, Traces};

/// What must not be shown for a task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Secret<'a> {
    /// Its solutions, as whole programs where known.
    pub solutions: &'a [&'a str],
    /// Its hidden tests.
    pub tests: &'a [&'a str],
    /// The file and the qualified name of the definition that the task is about.
    pub target: Option<(&'a str, &'a str)>,
}

/// What is hidden for one task: chunks, and lines of files.
///
/// Hidden is what shares with the secret
/// - thirteen words in a row, of the solutions or the tests;
/// - a function that is equal up to docstrings, annotations and names, or its body without the function;
/// - 25 tokens in a row that are equal up to names, or a whole shorter body of at least 12;
///
/// also inside of documents, strings and comments; and the definition that the task is about.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    chunks: HashSet<usize>,
    lines: HashMap<usize, LineRanges>,
    secret: Option<Arc<Compiled>>,
}

static NO_LINES: LineRanges = Vec::new();

impl Mask {
    /// Hides nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Hides no chunk, but permits no text that shares something with the secret: for texts that come from elsewhere.
    pub fn guarding(secret: &Secret<'_>) -> Self {
        let compiled = Compiled::new(secret.solutions, secret.tests);
        Self {
            secret: Some(Arc::new(compiled)),
            ..Self::default()
        }
    }

    /// Returns whether the chunk at a place is hidden.
    pub fn hides(&self, chunk: usize) -> bool {
        self.chunks.contains(&chunk)
    }

    /// Returns the number of hidden chunks.
    pub fn n_hidden(&self) -> usize {
        self.chunks.len()
    }

    /// Returns whether a text may be shown: by the rules for chunks it shares nothing with the solutions and tests.
    pub fn permits(&self, text: &str) -> bool {
        let secret = self.secret.as_ref();
        secret.is_none_or(|secret| secret.found_in(&Traces::of_any(text)).is_empty())
    }

    /// Returns the hidden lines of the file at a place.
    pub(crate) fn lines(&self, file: usize) -> &LineRanges {
        self.lines.get(&file).unwrap_or(&NO_LINES)
    }
}

/// Everything in an index that can be compared with a secret.
#[derive(Debug)]
pub(crate) struct Traced {
    /// Of each file.
    files: Vec<Traces>,
    /// Of each chunk.
    chunks: Vec<TracedChunk>,
}

#[derive(Debug)]
struct TracedChunk {
    /// The place of its file.
    file: Option<usize>,
    /// The lines that its text is made of.
    lines: LineRanges,
    /// Traces of its text, if that is no part of the file as it is.
    own: Option<Traces>,
}

impl Traced {
    pub(crate) fn new(chunks: &[Chunk], files: &[FileLines]) -> Self {
        let place = |(place, file): (usize, &FileLines)| (file.source.clone(), place);
        let places: HashMap<String, usize> = files.iter().enumerate().map(place).collect();
        let traced = chunks.iter().map(|chunk| {
            let file = places.get(&chunk.source).copied();
            let is_whole = matches!(chunk.kind, ChunkKind::Function | ChunkKind::Section);
            let lines = match file {
                Some(file) if !is_whole => part_lines(chunk, files[file].definitions()),
                _ => vec![chunk.lines],
            };
            TracedChunk {
                file,
                lines,
                own: (file.is_none() || !is_whole).then(|| Traces::of_any(&chunk.text)),
            }
        });
        let chunks = traced.collect();
        let of_file = |file: &FileLines| {
            if file.is_python() {
                Traces::of_python(&file.text)
            } else {
                Traces::of_document(&file.text)
            }
        };
        Self {
            files: files.iter().map(of_file).collect(),
            chunks,
        }
    }

    pub(crate) fn mask(&self, chunks: &[Chunk], files: &[FileLines], secret: &Secret<'_>) -> Mask {
        let compiled = Compiled::new(secret.solutions, secret.tests);
        let mut lines: BTreeMap<usize, LineRanges> = BTreeMap::new();
        for (place, (traces, file)) in self.files.iter().zip(files).enumerate() {
            let mut found = compiled.found_in(traces);
            if let Some((target_file, name)) = secret.target
                && is_same_file(&file.source, target_file)
            {
                found.extend(lines_of(file, name));
            }
            if !found.is_empty() {
                lines.insert(place, with_comments(file, merged(found)));
            }
        }
        let mut hidden: HashSet<usize> = HashSet::new();
        let own = |chunk: &TracedChunk| {
            let found = chunk.own.as_ref().map(|own| compiled.found_in(own));
            found.is_some_and(|found| !found.is_empty())
        };
        let by_text: Vec<bool> = self.chunks.iter().map(own).collect();
        // A hidden chunk hides its lines, and these may belong to other chunks.
        loop {
            let mut added: BTreeMap<usize, LineRanges> = BTreeMap::new();
            let n_before = hidden.len();
            for (place, chunk) in self.chunks.iter().enumerate() {
                if hidden.contains(&place) {
                    continue;
                }
                let masked = chunk.file.and_then(|file| lines.get(&file));
                let meets = masked.is_some_and(|masked| meet(masked, &chunk.lines));
                let is_target = secret.target.is_some_and(|(file, name)| {
                    is_same_file(&chunks[place].source, file) && is_named(&chunks[place], name)
                });
                if !(meets || by_text[place] || is_target) {
                    continue;
                }
                hidden.insert(place);
                if let Some(file) = chunk.file {
                    added.entry(file).or_default().extend(&chunk.lines);
                }
            }
            for (file, more) in added {
                let masked = lines.entry(file).or_default();
                masked.extend(more);
                *masked = merged(std::mem::take(masked));
            }
            if hidden.len() == n_before {
                break;
            }
        }
        Mask {
            chunks: hidden,
            lines: lines.into_iter().collect(),
            secret: Some(Arc::new(compiled)),
        }
    }
}

/// Returns the lines that the text of a class or object is made of.
fn part_lines(chunk: &Chunk, all: &[Definition]) -> LineRanges {
    let is_it = |of: &Definition| {
        let is_named = chunk.kind == ChunkKind::Class && of.qualified_name == chunk.name
            || chunk.kind == ChunkKind::Object
                && chunk.name.ends_with(&format!(".{}", of.qualified_name));
        of.first_line == chunk.lines.0 && is_named
    };
    let Some(at) = all.iter().position(is_it) else {
        return vec![chunk.lines];
    };
    let of = &all[at];
    if chunk.kind == ChunkKind::Object {
        let last = of.docstring_lines.map_or(0, |lines| lines.1);
        return vec![(of.first_line, last.max(of.signature_last_line))];
    }
    let mut lines = Vec::new();
    let mut from = of.first_line;
    for member in all.iter().filter(|member| member.parent == Some(at)) {
        if !member.kind.is_function() && member.kind != DefinitionKind::Class {
            continue;
        }
        if from < member.first_line {
            lines.push((from, member.first_line - 1));
        }
        // A signature alone may give the solution away.
        if !word_grams(&member.signature).is_empty() {
            lines.push((member.first_line, member.signature_last_line));
        }
        from = from.max(member.last_line + 1);
    }
    if from <= of.last_line {
        lines.push((from, of.last_line));
    }
    merged(lines)
}

/// Returns the lines of the definitions with a qualified name.
fn lines_of(file: &FileLines, name: &str) -> Vec<(usize, usize)> {
    let named = file.definitions().iter();
    let named = named.filter(|of| of.qualified_name == name);
    named.map(|of| (of.first_line, of.last_line)).collect()
}

/// Returns whether a chunk is the definition with a qualified name; the name of an object begins with its module.
fn is_named(chunk: &Chunk, name: &str) -> bool {
    let rest = chunk.name.strip_suffix(name);
    rest.is_some_and(|module| {
        module.is_empty() || chunk.kind == ChunkKind::Object && module.ends_with('.')
    })
}

/// Returns whether two paths are the same, or one is the end of the other: their roots may differ, and one may be that of
/// an installed package.
fn is_same_file(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|path| {
        let path = path.trim_start_matches("./");
        path.strip_prefix("pip:").unwrap_or(path)
    });
    let ends = |long: &str, short: &str| {
        let rest = long.strip_suffix(short);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    !a.is_empty() && !b.is_empty() && (ends(a, b) || ends(b, a))
}

/// Extends each range by the lines above and below that are only comments.
fn with_comments(file: &FileLines, ranges: LineRanges) -> LineRanges {
    if !file.is_python() {
        return ranges;
    }
    let is_comment = |line: usize| file.line(line).trim_start().starts_with('#');
    let extended = ranges.into_iter().map(|(mut from, mut to)| {
        while from > 1 && is_comment(from - 1) {
            from -= 1;
        }
        while is_comment(to + 1) {
            to += 1;
        }
        (from, to)
    });
    merged(extended.collect())
}

/// Sorts ranges and joins those that touch.
fn merged(mut ranges: Vec<(usize, usize)>) -> LineRanges {
    ranges.sort_unstable();
    let mut joined: LineRanges = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn meet(masked: &LineRanges, lines: &LineRanges) -> bool {
    lines.iter().any(|(from, to)| {
        let next = masked.partition_point(|range| range.1 < *from);
        contains(masked, *from) || masked.get(next).is_some_and(|range| range.0 <= *to)
    })
}
