//! What of a text can be compared with a secret, and the secret itself.

use std::collections::HashSet;

use slm_benchmarks::word_grams;
use slm_metrics::syntax::{code_tokens, definitions, function_traces, parses, snippet_trace};

use super::blocks::{self, Block};
use super::windows::{Stream, Windows};

/// Everything in a text that can be compared with a secret.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// Hash and lines of each run of words.
    grams: Vec<(u64, (usize, usize))>,
    streams: Vec<Stream>,
    /// Traces of functions with their lines.
    functions: Vec<(String, (usize, usize))>,
    /// Traces of functions' bodies, and of blocks as a whole, with their lines.
    bodies: Vec<(String, (usize, usize))>,
}

impl Traces {
    /// Returns the traces of a Python file.
    pub(super) fn of_python(text: &str) -> Self {
        let mut traces = Self::of_words(text);
        let Ok(tokens) = code_tokens(text) else {
            return traces;
        };
        traces.streams.push(Stream::of(&tokens, |line| line));
        traces.add_functions(text, |line| line);
        for block in blocks::of_python(text, &tokens) {
            traces.add_block(&block);
        }
        traces
    }

    /// Returns the traces of a document.
    pub(super) fn of_document(text: &str) -> Self {
        let mut traces = Self::of_words(text);
        for block in blocks::of_text(text, 1) {
            traces.add_block(&block);
        }
        traces
    }

    /// Returns the traces of a text that may be either.
    pub(super) fn of_any(text: &str) -> Self {
        let mut traces = Self::of_document(text);
        let python = Self::of_python(text);
        traces.streams.extend(python.streams);
        traces.functions.extend(python.functions);
        traces.bodies.extend(python.bodies);
        traces
    }

    fn of_words(text: &str) -> Self {
        let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let line = |at: usize| starts.partition_point(|start| *start <= at) + 1;
        let grams = word_grams(text).into_iter().map(|gram| {
            let last = gram.range.end.saturating_sub(1);
            (gram.hash, (line(gram.range.start), line(last)))
        });
        Self {
            grams: grams.collect(),
            ..Self::default()
        }
    }

    fn add_block(&mut self, block: &Block) {
        let line = |number: usize| block.line(number);
        if let Ok(tokens) = code_tokens(&block.text) {
            self.streams.push(Stream::of(&tokens, line));
        }
        self.add_functions(&block.text, line);
        if let Some(trace) = snippet_trace(&block.text) {
            let lines = (line(1), line(block.numbers.len()));
            self.bodies.push((trace, lines));
        }
    }

    fn add_functions(&mut self, text: &str, line: impl Fn(usize) -> usize) {
        for of in function_traces(text).unwrap_or_default() {
            let lines = (line(of.lines.0), line(of.lines.1));
            self.functions.extend(of.function.map(|of| (of, lines)));
            self.bodies.extend(of.body.map(|of| (of, lines)));
        }
    }
}

/// A secret, prepared for comparisons.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    grams: HashSet<u64>,
    windows: Windows,
    functions: HashSet<String>,
    bodies: HashSet<String>,
}

impl Compiled {
    pub(super) fn new(solutions: &[&str], tests: &[&str]) -> Self {
        let mut compiled = Self::default();
        for text in solutions.iter().chain(tests) {
            let grams = word_grams(text).into_iter().map(|gram| gram.hash);
            compiled.grams.extend(grams);
        }
        for solution in solutions {
            compiled.add_code(&solution.replace("\r\n", "\n"));
        }
        compiled
    }

    fn add_code(&mut self, solution: &str) {
        if let Ok(tokens) = code_tokens(solution) {
            self.windows.add_program(&Stream::of(&tokens, |line| line));
        }
        // Of a function's body alone, the program around it is not known.
        let bare = unindented(solution);
        self.add_body(&bare);
        self.bodies.extend(snippet_trace(&bare));
        let program = if parses(&bare) {
            bare
        } else {
            solution.to_owned()
        };
        for of in function_traces(&program).unwrap_or_default() {
            self.functions.extend(of.function);
            self.bodies.extend(of.body);
        }
        let lines: Vec<&str> = program.lines().collect();
        for of in definitions(&program).unwrap_or_default() {
            if !of.kind.is_function() {
                continue;
            }
            if let (Some(first), Some(last)) = (of.statements.first(), of.statements.last()) {
                self.add_body(&unindented(&lines[first.0 - 1..last.1].join("\n")));
            }
        }
    }

    fn add_body(&mut self, body: &str) {
        if let Ok(tokens) = code_tokens(body) {
            let stream = Stream::of(&tokens, |line| line);
            self.windows.add_body(&stream, !word_grams(body).is_empty());
        }
    }

    /// Returns the lines of a text that have something of the secret, in no order.
    pub(super) fn found_in(&self, traces: &Traces) -> Vec<(usize, usize)> {
        let grams = traces.grams.iter();
        let grams = grams.filter(|(hash, _)| self.grams.contains(hash));
        let mut found: Vec<(usize, usize)> = grams.map(|(_, lines)| *lines).collect();
        for stream in &traces.streams {
            found.extend(self.windows.find(stream));
        }
        let of = |known: &HashSet<String>, traces: &[(String, (usize, usize))]| {
            let equal = traces.iter().filter(|(trace, _)| known.contains(trace));
            equal.map(|(_, lines)| *lines).collect::<Vec<_>>()
        };
        found.extend(of(&self.functions, &traces.functions));
        found.extend(of(&self.bodies, &traces.bodies));
        found
    }
}

/// Removes the indentation that all lines share.
fn unindented(text: &str) -> String {
    let indent_of = |line: &str| line.len() - line.trim_start().len();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines.map(indent_of).min().unwrap_or(0);
    let mut bare = String::new();
    for line in text.lines() {
        bare.push_str(line.get(indent..).unwrap_or_default());
        bare.push('\n');
    }
    bare
}
