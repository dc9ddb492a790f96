//! How likely a model finds a given answer.

use crate::log_probability::log_probability;
use crate::runtime::{Runtime, RuntimeAdapter, RuntimeCache};

/// Rows of logits that are computed at once on the CPU; bounds memory, as each has the size of the vocabulary.
const CHUNK: usize = 32;

impl Runtime {
    /// Returns the loss of each token of an answer after a prompt: its negative log-probability, in nats.
    ///
    /// The mean over the tokens is the cross-entropy that a training on this answer reports.
    ///
    /// # Shapes
    /// `prompt` and `answer`: at least one token each, together at most the model's positions; returns one value per
    /// token of `answer`
    ///
    /// # Panics
    /// The prompt or the answer is empty.
    pub fn answer_losses(
        &self,
        prompt: &[u32],
        answer: &[u32],
        adapter: Option<&RuntimeAdapter>,
    ) -> Vec<f32> {
        assert!(
            !prompt.is_empty() && !answer.is_empty(),
            "prompt and answer have at least one token each"
        );
        match self {
            Self::Engine(_) => self.losses_with_cache(prompt, answer, adapter),
            Self::Device(decoder) => {
                let adapter = adapter.map(crate::runtime::for_decoder);
                // The state after a token predicts the next one: the last token predicts nothing here.
                let tokens = [prompt, &answer[..answer.len() - 1]].concat();
                let states = decoder.hidden_states(&tokens, 1, adapter);
                let states = states.narrow(0, prompt.len() - 1, answer.len());
                let head = decoder.head(adapter);
                let mut losses = Vec::with_capacity(answer.len());
                for (index, chunk) in answer.chunks(CHUNK).enumerate() {
                    let states = states.clone().narrow(0, index * CHUNK, chunk.len());
                    let logits = crate::runtime::on_host(head.logits(states));
                    self.extend(&mut losses, &logits, chunk);
                }
                losses
            }
        }
    }

    fn losses_with_cache(
        &self,
        prompt: &[u32],
        answer: &[u32],
        adapter: Option<&RuntimeAdapter>,
    ) -> Vec<f32> {
        let mut cache: RuntimeCache = self.cache(1, prompt.len() + answer.len());
        let first = self.prefill(&mut cache, 0, 0, prompt, adapter);
        let mut losses = Vec::with_capacity(answer.len());
        self.extend(&mut losses, &first, &answer[..1]);
        let mut position = prompt.len();
        for (given, next) in answer[..answer.len() - 1]
            .chunks(CHUNK)
            .zip(answer[1..].chunks(CHUNK))
        {
            let at: Vec<(usize, usize)> = (position..position + given.len())
                .map(|position| (0, position))
                .collect();
            let logits = self.decode(&mut cache, given, &at, adapter);
            self.extend(&mut losses, &logits, next);
            position += given.len();
        }
        losses
    }

    /// Appends the losses of `next` under the rows of `logits`.
    fn extend(&self, losses: &mut Vec<f32>, logits: &[f32], next: &[u32]) {
        let rows = logits.chunks_exact(self.config().vocab_size);
        losses.extend(
            rows.zip(next)
                .map(|(row, &token)| -log_probability(row, token) as f32),
        );
    }
}
