//! Similarity of two pieces of Python by their tokens.

use std::collections::HashMap;
use std::hash::Hash;

use crate::ast::token::TokenKind;
use crate::ast::{Ranged, Stmt, TextRange};
use crate::code_lines::without_docstring;
use crate::docstrings::{body_of_only_function, docstrings};
use crate::parser::{Fstrings, Module, SyntaxError, with_module};

/// Maximum number of tokens of one text that [`similarity`] compares.
pub const MAX_TOKENS: usize = 20_000;

/// Returns how similar two texts are: 2 LCS / (`len(a)` + `len(b)`) over their tokens, from 0 to 1.
///
/// LCS is the length of the longest common subsequence. Two tokens are equal if their texts are. Comments, line
/// ends, indentation and docstrings are no tokens. If a text contains a single function and no other statement,
/// only its body counts, because a given signature would be equal in both. Two texts without tokens have
/// similarity 1.
///
/// # Errors
/// [`SyntaxError`] if one of them does not parse or has more than [`MAX_TOKENS`] tokens.
pub fn similarity(a: &str, b: &str) -> Result<f64, SyntaxError> {
    let [a, b] = [token_texts(a)?, token_texts(b)?];
    let total = a.len() + b.len();
    if total == 0 {
        return Ok(1.0);
    }
    Ok(2.0 * lcs_length(&a, &b) as f64 / total as f64)
}

/// Returns the texts of the tokens that count.
fn token_texts(source: &str) -> Result<Vec<String>, SyntaxError> {
    let texts = with_module(source, Fstrings::Pep701, |module| {
        let within = body_of_only_function(module.body()).map(body_range);
        let skipped = docstrings(module.body());
        let mut texts = Vec::new();
        let mut next_skipped = skipped.iter().peekable();
        for token in module.tokens() {
            while next_skipped
                .next_if(|range| range.end() <= token.start())
                .is_some()
            {}
            let in_docstring = next_skipped
                .peek()
                .is_some_and(|range| range.contains_range(token.range()));
            let inside = within
                .is_none_or(|range| range.is_some_and(|range| range.contains_range(token.range())));
            if inside && !in_docstring && counts(token.kind()) {
                texts.push(text_of(module, token.range()));
            }
        }
        texts
    })?;
    if texts.len() > MAX_TOKENS {
        let message = format!("{} tokens, at most {MAX_TOKENS} are compared", texts.len());
        return Err(SyntaxError::on_line(message, 1));
    }
    Ok(texts)
}

fn text_of(module: &Module<'_>, range: TextRange) -> String {
    module.text[range].to_owned()
}

/// Returns the range of the statements after the docstring; `None` if there are none.
fn body_range(body: &[Stmt]) -> Option<TextRange> {
    let stmts = without_docstring(body);
    Some(stmts.first()?.range().cover(stmts.last()?.range()))
}

fn counts(kind: TokenKind) -> bool {
    !matches!(
        kind,
        TokenKind::Comment
            | TokenKind::Newline
            | TokenKind::NonLogicalNewline
            | TokenKind::Indent
            | TokenKind::Dedent
            | TokenKind::EndOfFile
    )
}

/// Returns the length of the longest common subsequence, in time proportional to `a.len() * b.len() / 64`.
///
/// # Source
/// Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
pub fn lcs_length<T: Eq + Hash>(a: &[T], b: &[T]) -> usize {
    let n_words = a.len().div_ceil(64);
    let mut matches: HashMap<&T, Vec<u64>> = HashMap::new();
    for (at, text) in a.iter().enumerate() {
        let words = matches.entry(text).or_insert_with(|| vec![0; n_words]);
        words[at / 64] |= 1 << (at % 64);
    }
    let mut row = vec![u64::MAX; n_words];
    for text in b {
        let Some(equal) = matches.get(text) else {
            continue;
        };
        let mut carry = false;
        for (word, &equal) in row.iter_mut().zip(equal) {
            let kept = *word & equal;
            let (sum, overflow) = word.overflowing_add(kept);
            let (sum, second_overflow) = sum.overflowing_add(u64::from(carry));
            carry = overflow || second_overflow;
            *word = sum | (*word & !equal);
        }
    }
    // A zero bit is a position of `a` at which the subsequence grows by one; bits past its end stay set.
    row.iter().map(|word| word.count_zeros() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes the same length by the textbook's table.
    fn by_table(a: &[String], b: &[String]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for left in a {
            let mut diagonal = 0;
            for (at, right) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if left == right {
                    diagonal + 1
                } else {
                    above.max(row[at])
                };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    #[test]
    fn the_bit_parallel_length_is_that_of_the_table() {
        let mut state = 7_u64;
        let mut words = |n: usize, letters: u64| -> Vec<String> {
            (0..n)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    ((state >> 33) % letters).to_string()
                })
                .collect()
        };
        for (n, m) in [
            (0, 0),
            (0, 3),
            (1, 1),
            (63, 70),
            (64, 64),
            (65, 200),
            (300, 130),
        ] {
            for letters in [2, 5, 40] {
                let (a, b) = (words(n, letters), words(m, letters));
                assert_eq!(lcs_length(&a, &b), by_table(&a, &b), "{n} {m} {letters}");
            }
        }
    }
}
