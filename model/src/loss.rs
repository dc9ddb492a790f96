//! Cross-entropy straight from hidden states, without ever holding all logits.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

/// Label of a position that weighs nothing, as in PyTorch and transformers.
pub const IGNORE_LABEL: i64 = -100;

/// A loss and its gradient with respect to the hidden states.
#[derive(Debug)]
pub struct LossAndGradient {
    /// Summed cross-entropy of the supervised tokens divided by `count`, in nats. `[1]`
    pub loss: Tensor<1>,
    /// A tensor whose backward pass gives exactly the gradients of `loss`. `[1]`
    ///
    /// It equals the inner product of the hidden states with the loss' gradient, which the chunks have
    /// computed already; its own value means nothing.
    pub backward_seed: Tensor<1>,
}

/// Why a batch has no loss.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LossError {
    /// No label is supervised: the mean would be 0/0.
    #[error("the batch has no supervised token")]
    NoTargets,
}

/// Cross-entropy of the supervised tokens, divided by `count`, with its gradient.
///
/// The vocabulary's logits are computed for `chunk_size` tokens at a time, for the supervised positions alone, and
/// dropped at once. `count` is that of the whole accumulation window, so that the losses and
/// gradients of its micro-batches add up to those of one batch.
///
/// # Shapes
/// - `hidden`: `[tokens, hidden_size]`, after the final norm; `head`: `[vocab_size, hidden_size]`, frozen or trained
/// - `labels`: one per row of `hidden`, already shifted by one; [`IGNORE_LABEL`] weighs nothing
/// # Errors
/// [`LossError::NoTargets`] if no token is supervised; checked on the host, so it costs no device sync.
/// # Source
/// Wijmans et al. 2024, arXiv:2411.09009 (the chunked form of section 4).
pub fn chunked_cross_entropy(
    hidden: Tensor<2>,
    head: &Tensor<2>,
    labels: &[i64],
    count: usize,
    chunk_size: usize,
) -> Result<LossAndGradient, LossError> {
    let (rows, targets): (Vec<i64>, Vec<i64>) = labels
        .iter()
        .enumerate()
        .filter(|&(_, &label)| label != IGNORE_LABEL)
        .map(|(row, &label)| (row as i64, label))
        .unzip();
    if rows.is_empty() {
        return Err(LossError::NoTargets);
    }
    let tracked = head.is_autodiff().then_some(head);
    let head = &head.clone().inner();
    let device = head.device();
    let indices = |values: &[i64]| -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &device)
    };
    let supervised = hidden.select(0, indices(&rows));
    let states = supervised.clone().inner();
    let transposed = head.clone().transpose();

    let mut loss = Tensor::<1>::zeros([1], &device);
    let mut gradients = Vec::with_capacity(rows.len().div_ceil(chunk_size));
    let mut of_head = tracked.map(Tensor::zeros_like).map(Tensor::inner);
    for (i, targets) in targets.chunks(chunk_size).enumerate() {
        let h = states.clone().narrow(0, i * chunk_size, targets.len());
        let target_weights = head.clone().select(0, indices(targets));
        let logits = h.clone().matmul(transposed.clone());
        let max = logits.clone().max_dim(1);
        let exponentials = (logits - max.clone()).exp();
        let sums = exponentials.clone().sum_dim(1);
        let log_sum_exp = sums.clone().log() + max;
        let target_logits = (h.clone() * target_weights.clone()).sum_dim(1);
        loss = loss + (log_sum_exp - target_logits).sum();
        // d loss / d W = softmax(h Wᵀ)ᵀ h, less h in the rows of the targets
        of_head = of_head.map(|sum| {
            let weighted = h.clone() / sums.clone();
            let sum = sum + exponentials.clone().transpose().matmul(weighted);
            sum.select_assign(0, indices(targets), h.neg(), IndexingUpdateOp::Add)
        });
        // d loss / d h = softmax(h Wᵀ) W - W[target]
        gradients.push(exponentials.matmul(head.clone()) / sums - target_weights);
    }
    let gradient = Tensor::cat(gradients, 0).div_scalar(count as f64);
    let mut backward_seed = (supervised * gradient).sum();
    if let (Some(head), Some(gradient)) = (tracked, of_head) {
        backward_seed = backward_seed + (head.clone() * gradient.div_scalar(count as f64)).sum();
    }
    Ok(LossAndGradient {
        loss: loss.div_scalar(count as f64),
        backward_seed,
    })
}

/// Summed cross-entropy of the supervised tokens, in nats, without a gradient: for validation.
///
/// As in [`chunked_cross_entropy`], no more than `chunk_size` tokens' logits are held at a time.
///
/// # Shapes
/// as in [`chunked_cross_entropy`]; `hidden` plain
pub fn summed_cross_entropy(
    hidden: Tensor<2>,
    head: &Tensor<2>,
    labels: &[i64],
    chunk_size: usize,
) -> Tensor<1> {
    let device = head.device();
    let supervised: Vec<(i64, i64)> = (0..)
        .zip(labels.iter().copied())
        .filter(|&(_, label)| label != IGNORE_LABEL)
        .collect();
    let transposed = head.clone().transpose();
    let mut loss = Tensor::<1>::zeros([1], &device);
    for chunk in supervised.chunks(chunk_size) {
        let n = chunk.len();
        let (rows, targets): (Vec<i64>, Vec<i64>) = chunk.iter().copied().unzip();
        let indices =
            |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, [n]), &device);
        let h = hidden.clone().select(0, indices(rows));
        let target_weights = head.clone().select(0, indices(targets));
        let logits = h.clone().matmul(transposed.clone());
        let max = logits.clone().max_dim(1);
        let log_sum_exp = (logits - max.clone()).exp().sum_dim(1).log() + max;
        loss = loss + (log_sum_exp - (h * target_weights).sum_dim(1)).sum();
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, activation::log_softmax};

    const LABELS: [i64; 7] = [3, IGNORE_LABEL, 0, 10, IGNORE_LABEL, 3, 7];

    /// Loss and gradient by full logits and burn's own autodiff.
    fn reference(hidden: Tensor<2>, head: &Tensor<2>) -> (f32, Tensor<2>) {
        let hidden = hidden.autodiff().require_grad();
        let log_probabilities = log_softmax(hidden.clone().matmul(head.clone().transpose()), 1);
        let terms = LABELS
            .iter()
            .enumerate()
            .filter(|&(_, &label)| label != IGNORE_LABEL);
        let loss = terms
            .map(|(row, &label)| {
                log_probabilities
                    .clone()
                    .narrow(0, row, 1)
                    .narrow(1, label as usize, 1)
                    .neg()
            })
            .reduce(|a, b| a + b)
            .expect("labels are supervised")
            / 5.0;
        let value = loss.clone().inner().sum().into_scalar::<f32>();
        let mut gradients = loss.sum().backward();
        let gradient = hidden
            .grad_remove(&mut gradients)
            .expect("hidden is tracked");
        (value, gradient)
    }

    #[test]
    fn equals_full_logits_at_every_chunk_size() {
        let device = Device::flex();
        let hidden = Tensor::<2>::random([7, 6], Distribution::Normal(0.0, 1.0), &device);
        let head = Tensor::<2>::random([11, 6], Distribution::Normal(0.0, 1.0), &device);
        let (expected_loss, expected_gradient) = reference(hidden.clone(), &head);
        for chunk_size in [1, 2, 5, 100] {
            let tracked = hidden.clone().autodiff().require_grad();
            let found = chunked_cross_entropy(tracked.clone(), &head, &LABELS, 5, chunk_size)
                .expect("labels");
            let mut gradients = found.backward_seed.backward();
            let gradient = tracked
                .grad_remove(&mut gradients)
                .expect("hidden is tracked");
            let loss = found.loss.into_scalar::<f32>();
            assert!(
                (loss - expected_loss).abs() < 1e-5,
                "{loss} for {expected_loss}"
            );
            let difference = (gradient - expected_gradient.clone())
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(difference < 1e-6, "chunk {chunk_size}: {difference}");
            let summed = summed_cross_entropy(hidden.clone(), &head, &LABELS, chunk_size);
            let mean = summed.into_scalar::<f32>() / 5.0;
            assert!(
                (mean - expected_loss).abs() < 1e-5,
                "{mean} for {expected_loss}"
            );
        }
    }

    #[test]
    fn a_batch_without_supervised_tokens_is_an_error() {
        let device = Device::flex();
        let hidden = Tensor::<2>::zeros([2, 6], &device)
            .autodiff()
            .require_grad();
        let head = Tensor::<2>::zeros([11, 6], &device);
        let result = chunked_cross_entropy(hidden, &head, &[IGNORE_LABEL; 2], 1, 4);
        assert_eq!(result.err(), Some(LossError::NoTargets));
    }
}
