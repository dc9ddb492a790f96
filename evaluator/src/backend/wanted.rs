//! What a caller may ask beyond an answer's text, and the probabilities that it gets.

use std::collections::BTreeSet;

use anyhow::Result;
use slm_model::Tokenizer;

/// The spellings of yes and of no with which an answer may begin.
const YES: [&str; 6] = ["yes", "Yes", " yes", " Yes", "YES", " YES"];
const NO: [&str; 6] = ["no", "No", " no", " No", "NO", " NO"];

/// What a query asks beyond the text of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    /// The log-probability of the answer.
    pub(crate) log_probability: bool,
    /// The probabilities of yes and no as its first token.
    pub(crate) judgement: bool,
    /// The end of the answer before the second statement at this indentation, in characters; only the built-in model ends
    /// an answer so.
    pub(crate) one_statement: Option<usize>,
}

/// The log-probability of an answer under the model's own distribution: at temperature 1, over the whole vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LogProbability {
    /// The sum over its tokens, in nats.
    pub(crate) sum: f64,
    /// The number of these tokens: with the end token and those of a stop string, as far as the source reports them.
    pub(crate) tokens: usize,
}

impl LogProbability {
    /// Returns the mean over the tokens; `None` without a token.
    pub(crate) fn mean(self) -> Option<f64> {
        (self.tokens > 0).then(|| self.sum / self.tokens as f64)
    }

    /// Returns that of two texts, one after the other.
    pub(crate) fn and(self, later: Self) -> Self {
        Self {
            sum: self.sum + later.sum,
            tokens: self.tokens + later.tokens,
        }
    }
}

/// The probabilities that an answer begins with yes or with no, in any usual spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) yes: f64,
    pub(crate) no: f64,
}

impl Judgement {
    /// Returns the probability of yes among both; `None` if the model gives neither any probability.
    pub(crate) fn score(self) -> Option<f64> {
        let both = self.yes + self.no;
        (both > 0.0).then(|| self.yes / both)
    }

    /// Sums the probabilities of a server's likeliest first tokens, given as texts with their log-probabilities. Tokens
    /// beyond those count as impossible.
    pub(crate) fn of_texts<'a>(likeliest: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let mut sums = Self::default();
        let mut seen = BTreeSet::new();
        for (text, log_probability) in likeliest {
            // llama.cpp and vLLM write a leading space as a mark of their vocabulary.
            let plain = text.replace(['\u{2581}', '\u{120}'], " ");
            if !seen.insert(plain.clone()) {
                continue;
            }
            if YES.contains(&plain.as_str()) {
                sums.yes += log_probability.exp();
            } else if NO.contains(&plain.as_str()) {
                sums.no += log_probability.exp();
            }
        }
        sums
    }
}

/// The first tokens of the spellings of yes and no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct YesAndNo {
    /// Those of yes, then those of no.
    pub(super) tokens: Vec<u32>,
    n_yes: usize,
}

impl YesAndNo {
    /// Finds the tokens: of each spelling the first. A token that both begin with shows nothing and is left out.
    pub(super) fn of(tokenizer: &Tokenizer) -> Result<Self> {
        let first = |spellings: &[&str]| -> Result<BTreeSet<u32>> {
            let mut tokens = BTreeSet::new();
            for spelling in spellings {
                tokens.extend(tokenizer.encode_text_continuation(spelling)?.first());
            }
            Ok(tokens)
        };
        let (yes, no) = (first(&YES)?, first(&NO)?);
        let yes_only: Vec<u32> = yes.difference(&no).copied().collect();
        let n_yes = yes_only.len();
        let tokens = yes_only.into_iter().chain(no.difference(&yes).copied());
        Ok(Self {
            tokens: tokens.collect(),
            n_yes,
        })
    }

    /// Sums the probabilities from the log-probabilities of [`Self::tokens`].
    pub(super) fn judgement(&self, log_probabilities: &[f64]) -> Judgement {
        let (yes, no) = log_probabilities.split_at(self.n_yes.min(log_probabilities.len()));
        let sum = |of: &[f64]| of.iter().map(|log| log.exp()).sum();
        Judgement {
            yes: sum(yes),
            no: sum(no),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_the_share_of_yes_of_both() {
        let judgement = Judgement { yes: 0.3, no: 0.1 };
        assert!((judgement.score().expect("a score") - 0.75).abs() < 1e-12);
        assert_eq!(Judgement::default().score(), None);
    }

    #[test]
    fn a_servers_tokens_count_once_and_in_every_usual_spelling() {
        let half = 0.5_f64.ln();
        let likeliest = [
            ("Yes", half),
            ("Yes", half),
            ("\u{120}yes", 0.125_f64.ln()),
            ("\u{2581}No", 0.25_f64.ln()),
            ("yesterday", half),
        ];
        let found = Judgement::of_texts(likeliest.into_iter());
        assert!((found.yes - 0.625).abs() < 1e-12, "{found:?}");
        assert!((found.no - 0.25).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn the_tokens_of_yes_and_no_are_apart() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../crates/slm-model/tests/it/golden/tiny-qwen2/tokenizer.json"
        );
        let json = std::fs::read(path).expect("the golden's tokenizer");
        let tokenizer = Tokenizer::from_json(&json, &[]).expect("a tokenizer");
        let found = YesAndNo::of(&tokenizer).expect("tokens");
        let distinct: BTreeSet<u32> = found.tokens.iter().copied().collect();
        assert_eq!(distinct.len(), found.tokens.len());
        assert!(found.n_yes > 0 && found.n_yes < found.tokens.len());
        let logs: Vec<f64> = found.tokens.iter().map(|_| 0.01_f64.ln()).collect();
        let judgement = found.judgement(&logs);
        let expected = 0.01 * found.n_yes as f64;
        assert!((judgement.yes - expected).abs() < 1e-12, "{judgement:?}");
    }
}
