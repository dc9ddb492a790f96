//! Log-probabilities of tokens under a model's own distribution: the softmax of its logits over the whole vocabulary, at
//! temperature 1 and without top-p or top-k, however the tokens are drawn.

/// Which log-probabilities a request asks for. They cost a pass over the logits of each token, so none is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether that of the completion is computed.
    pub completion: bool,
    /// The tokens whose log-probability as the first token of the completion is computed; each below the size of the
    /// vocabulary.
    pub first: Vec<u32>,
}

/// The log-probability of a completion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogProbability {
    /// The sum over its tokens, in nats.
    pub sum: f64,
    /// The number of its tokens: all that the model generated, with the end token if it ended so, and with those of a stop
    /// string.
    pub tokens: usize,
}

impl LogProbability {
    /// Adds a token under the logits that it was drawn from.
    ///
    /// # Shapes
    /// `logits`: `[vocab_size]`
    pub(crate) fn add(&mut self, logits: &[f32], token: u32) {
        self.sum += log_probability(logits, token);
        self.tokens += 1;
    }
}

/// Returns the log of the softmax at `token`, in nats, summed in f64.
///
/// # Shapes
/// `logits`: `[vocab_size]`
pub(crate) fn log_probability(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - most).exp())
        .sum();
    f64::from(logits[token as usize] - most) - sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_log_of_the_softmax() {
        let even = [3.0; 4];
        assert!((log_probability(&even, 2) + 4.0_f64.ln()).abs() < 1e-9);
        let sure = [-1e4, 1e4, 0.0];
        assert!(log_probability(&sure, 1).abs() < 1e-9);
        assert!((log_probability(&sure, 0) + 2e4).abs() < 1.0);
    }

    #[test]
    fn tokens_are_counted_and_summed() {
        let mut all = LogProbability::default();
        all.add(&[0.0; 2], 0);
        all.add(&[0.0; 8], 7);
        assert_eq!(all.tokens, 2);
        assert!((all.sum + 16.0_f64.ln()).abs() < 1e-9, "{all:?}");
    }
}
