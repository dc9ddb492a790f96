//! One optimizer step of a preference objective.

use burn::optim::GradientsParams;
use slm_model::loss::LossError;
use slm_model::preference::ScoredBatch;
use slm_model::{Adapter, Decoder};

use crate::optimizer::GradientSum;
use crate::preference::{PreferenceBatch, PreferenceSums, Scored, Totals, loss_and_derivatives};
use crate::step::{AdapterOptimizer, StepAt, StepError, StepOutcome, WindowLoss};

impl AdapterOptimizer {
    /// Takes one step over a window of micro-batches of pairs or labelled answers and returns the updated adapter.
    ///
    /// The window's loss is the mean over all its pairs or answers, so that the step does not depend on how they are
    /// divided into micro-batches; only the reference point of `kto` belongs to a micro-batch.
    ///
    /// # Errors
    /// As [`AdapterOptimizer::step`].
    pub fn preference_step(
        &mut self,
        decoder: &Decoder,
        adapter: Adapter,
        window: &[PreferenceBatch],
        at: StepAt,
    ) -> Result<(Adapter, StepOutcome), StepError> {
        let mut sum = self.gradient_sum(&adapter);
        let (loss, sums) =
            self.add_preference_gradients(decoder, &adapter, window, at.step, &mut sum)?;
        let loss = WindowLoss::OfPreferences(loss, sums);
        self.update(adapter, sum, at.learning_rate, loss)
    }

    /// Computes the loss of a window, the sums of its figures, and the gradient for each parameter of the adapter.
    ///
    /// # Errors
    /// [`StepError::Loss`] if the window is empty, an answer has no supervised token, or the head is trained.
    pub fn preference_gradients(
        &self,
        decoder: &Decoder,
        adapter: &Adapter,
        window: &[PreferenceBatch],
        step: usize,
    ) -> Result<(f64, PreferenceSums, GradientsParams), StepError> {
        let mut sum = GradientSum::per_parameter();
        let (loss, sums) =
            self.add_preference_gradients(decoder, adapter, window, step, &mut sum)?;
        Ok((loss, sums, sum.into_gradients()))
    }

    /// Computes the loss of a window and the sums of its figures, and adds its gradients to a sum.
    fn add_preference_gradients(
        &self,
        decoder: &Decoder,
        adapter: &Adapter,
        window: &[PreferenceBatch],
        step: usize,
        sum: &mut GradientSum,
    ) -> Result<(f64, PreferenceSums), StepError> {
        let settings = self.settings();
        let chunk_size = settings.loss_chunk_size;
        let totals = Totals::sum(window.iter().map(PreferenceBatch::totals));
        if totals.units == 0 {
            return Err(LossError::NoTargets.into());
        }
        let (mut loss, mut sums) = (0.0, PreferenceSums::default());
        for (index, part) in window.iter().enumerate() {
            // Before the forward pass whose activations are kept.
            let divergence = part.divergence(decoder, Some(adapter), chunk_size)?;
            let noise = settings.noise(step, index, &part.batch);
            let noisy = noise.map(|noise| adapter.with_noise(noise));
            let batch = &part.batch;
            let hidden = batch.hidden_states(decoder, noisy.as_ref().or(Some(adapter)));
            let head = decoder.head(Some(adapter));
            let (labels, sequences) = (batch.labels_of_sequences(), batch.n_sequences());
            let scored = ScoredBatch::new(hidden, &head, labels, sequences, chunk_size)?;
            let compared = Scored {
                scores: scored.scores(),
                reference: &part.reference,
                labels: &part.labels,
                divergence,
            };
            let part = loss_and_derivatives(settings.objective, &compared, totals);
            let gradients = scored.backward_seed(&part.derivatives).backward();
            sum.add(adapter, gradients);
            loss += part.loss;
            sums.add(part.sums);
        }
        Ok((loss, sums))
    }
}
