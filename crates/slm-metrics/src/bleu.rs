//! BLEU-4 of the tokens of function bodies: corpus level, one reference, no smoothing.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::code_tokens::{CodeTokenKind, code_tokens};
use crate::program_parts::function_body;

/// The longest n-grams that count.
const ORDERS: usize = 4;

/// What BLEU needs of one text or, added up, of a corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BleuCounts {
    /// N-grams that the reference has too, each at most as often as there, for n from 1 to 4.
    pub matches: [usize; ORDERS],
    /// All n-grams, for n from 1 to 4.
    pub ngrams: [usize; ORDERS],
    /// Tokens of the reference.
    pub reference_tokens: usize,
}

impl BleuCounts {
    /// Counts the n-grams of a text that its reference has.
    pub fn new<T: AsRef<str>>(text: &[T], reference: &[T]) -> Self {
        let words = |tokens: &[T]| -> Vec<String> {
            tokens.iter().map(|of| of.as_ref().to_owned()).collect()
        };
        let (text, reference) = (words(text), words(reference));
        let mut counts = Self {
            reference_tokens: reference.len(),
            ..Self::default()
        };
        for n in 1..=ORDERS {
            let mut left: HashMap<&[String], usize> = HashMap::new();
            for gram in reference.windows(n) {
                *left.entry(gram).or_default() += 1;
            }
            for gram in text.windows(n) {
                counts.ngrams[n - 1] += 1;
                if let Some(left) = left.get_mut(gram).filter(|left| **left > 0) {
                    *left -= 1;
                    counts.matches[n - 1] += 1;
                }
            }
        }
        counts
    }

    /// Compares the body of `function` in a program with that in the reference, by their [`body_tokens`]; a program
    /// without the function, or that does not parse, has an empty body. `None` if the reference has no such body.
    pub fn of_bodies(program: &str, reference: &str, function: &str) -> Option<Self> {
        let reference = body_tokens(reference, function)?;
        let own = body_tokens(program, function).unwrap_or_default();
        Some(Self::new(&own, &reference))
    }

    /// Adds the counts of another text of the corpus.
    pub fn add(&mut self, other: &Self) {
        for n in 0..ORDERS {
            self.matches[n] += other.matches[n];
            self.ngrams[n] += other.ngrams[n];
        }
        self.reference_tokens += other.reference_tokens;
    }

    /// Returns BLEU-4, 0 to 100; 0 if no n-gram of some length matches.
    ///
    /// # Source
    /// Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation".
    pub fn bleu(&self) -> f64 {
        if self.matches.contains(&0) {
            return 0.0;
        }
        let precisions = self.matches.iter().zip(self.ngrams);
        let logs: f64 = precisions
            .map(|(&found, all)| (found as f64 / all as f64).ln())
            .sum();
        let shortness = self.reference_tokens as f64 / self.ngrams[0] as f64;
        100.0 * (logs / ORDERS as f64 + (1.0 - shortness).min(0.0)).exp()
    }
}

/// Returns the tokens of the body of the function `name` at the top level of a program, after its docstring: names,
/// keywords, marks, numbers, strings and, as in `CodeSearchNet`'s `code_tokens`, whole comments. Line ends and
/// indentation are no tokens. `None` without such a function or body, or if the program does not parse.
pub fn body_tokens(program: &str, name: &str) -> Option<Vec<String>> {
    let tokens = code_tokens(&function_body(program, name)?).ok()?;
    let texts = tokens.into_iter();
    let texts = texts.filter(|token| token.kind != CodeTokenKind::LineEnd);
    Some(texts.map(|token| token.text).collect())
}
