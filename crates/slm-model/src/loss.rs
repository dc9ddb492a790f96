//! Chunked cross-entropy from hidden states, without materializing all logits.

use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

use crate::device::is_cpu;
use crate::frozen::FrozenWeight;
use crate::fused::Kernel;
use crate::head::Head;
use crate::kernel::softmax::{Softmax, softmax};

/// Label of an unsupervised position, as in PyTorch and transformers.
pub const IGNORE_LABEL: i64 = -100;

/// The fewest positions of a chunk on a GPU.
const LEAST_ON_GPU: usize = 1024;
/// The last chunk on a GPU is padded to a multiple of this.
const PADDING_STEP: usize = 256;

/// A loss and its gradient with respect to the hidden states.
#[derive(Debug)]
pub struct LossAndGradient {
    /// Summed cross-entropy of the supervised tokens divided by `count`, in nats. `[1]`
    pub loss: Tensor<1>,
    /// A tensor whose backward pass gives exactly the gradients of `loss`. `[1]`
    ///
    /// It is the inner product of the hidden states with the loss gradient that the chunks have already computed; its
    /// value is meaningless.
    pub backward_seed: Tensor<1>,
}

/// Reason why a batch has no loss.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LossError {
    /// No label is supervised: the mean would be 0/0.
    #[error("the batch has no supervised token")]
    NoTargets,
    /// A preference objective cannot train the head.
    #[error("a preference objective cannot train `lm_head`")]
    TrainedHead,
}

/// The supervised positions and their target tokens.
///
/// On devices that tune a kernel for each shape, they are padded with positions of weight zero, so that the last chunk has
/// one of few sizes.
pub(crate) struct Supervised {
    pub(crate) rows: Vec<usize>,
    targets: Vec<usize>,
    /// The number of positions without padding.
    pub(crate) n: usize,
    /// The number of positions whose logits are in memory at a time.
    chunk_size: usize,
}

/// Returns the number of positions whose logits are in memory at a time, if `chunk_size` is asked for.
///
/// On a GPU at least 1024, so that the products with the head fill it, unless fewer than 256 are asked for.
pub fn chunk_size_on(chunk_size: usize, device: &Device) -> usize {
    if is_cpu(device) {
        chunk_size
    } else {
        chunk_size_on_gpu(chunk_size)
    }
}

/// The result of [`chunk_size_on`] on a GPU.
pub fn chunk_size_on_gpu(chunk_size: usize) -> usize {
    if chunk_size < PADDING_STEP {
        chunk_size
    } else {
        chunk_size.max(LEAST_ON_GPU)
    }
}

impl Supervised {
    pub(crate) fn of(labels: &[i64], chunk_size: usize, device: &Device) -> Self {
        let (mut rows, mut targets): (Vec<usize>, Vec<usize>) = labels
            .iter()
            .enumerate()
            .filter(|&(_, &label)| label != IGNORE_LABEL)
            .map(|(row, &label)| (row, label as usize))
            .unzip();
        let n = rows.len();
        let chunk_size = chunk_size_on(chunk_size, device);
        if !is_cpu(device) {
            let filled = n.next_multiple_of(chunk_size.min(PADDING_STEP));
            rows.resize(filled, 0);
            targets.resize(filled, 0);
        }
        Self {
            rows,
            targets,
            n,
            chunk_size,
        }
    }

    /// Selects the hidden states of the positions.
    pub(crate) fn states(&self, hidden: Tensor<2>) -> Tensor<2> {
        let device = hidden.device().inner();
        hidden.select(0, indices(&self.rows, &device))
    }

    /// Weights of `len` rows of a chunk: 1 for supervised rows and 0 for padding; `None` if there is no padding.
    fn counted(&self, start: usize, len: usize, device: &Device) -> Option<Tensor<2>> {
        if start + len <= self.n {
            return None;
        }
        let counts = (start..start + len).map(|at| f32::from(at < self.n));
        let data = TensorData::new(counts.collect::<Vec<_>>(), [len, 1]);
        Some(Tensor::from_data(data, device))
    }

    /// Computes the losses of all positions, chunk by chunk, without a gradient; `take` receives those of each chunk,
    /// `[n, 1]`, zero for padding.
    ///
    /// # Shapes
    /// `states`: `[positions, hidden_size]`, plain
    pub(crate) fn losses(&self, states: &Tensor<2>, head: &Head, mut take: impl FnMut(Tensor<2>)) {
        if head.kernels().is_on(Kernel::CrossEntropy) {
            self.for_each_chunk(states, head, |logits, targets, weights| {
                let losses = head.kernels().losses(logits, targets, weights);
                take(losses.unsqueeze_dim(1));
            });
            return;
        }
        let (device, weight) = (states.device(), head.weight());
        for (i, targets) in self.targets.chunks(self.chunk_size).enumerate() {
            let (start, n) = (i * self.chunk_size, targets.len());
            let h = states.clone().narrow(0, start, n);
            let losses = Chunk::new(h, weight, targets).losses;
            take(match self.counted(start, n, &device) {
                Some(counted) => losses * counted,
                None => losses,
            });
        }
    }

    /// Computes the losses of all positions and their gradients with respect to the states, chunk by chunk; `take`
    /// receives each chunk. Returns the gradient of each position's own loss, `[positions, hidden_size]`.
    ///
    /// # Shapes
    /// as in [`Self::losses`]
    pub(crate) fn gradient_rows(
        &self,
        states: &Tensor<2>,
        head: &Head,
        mut take: impl FnMut(&Part),
    ) -> Tensor<2> {
        let (device, weight) = (states.device(), head.weight());
        let mut gradients = Vec::with_capacity(self.rows.len().div_ceil(self.chunk_size));
        if head.kernels().is_on(Kernel::CrossEntropy) {
            let kernels = head.kernels();
            self.for_each_chunk(states, head, |logits, targets, weights| {
                let (losses, of_logits) =
                    kernels.cross_entropy(logits, targets, weights, weight.dtype());
                take(&Part::Losses(losses.unsqueeze_dim(1)));
                gradients.push(weight.backward_as(of_logits, DType::F32, kernels));
            });
            return joined(gradients);
        }
        for (i, targets) in self.targets.chunks(self.chunk_size).enumerate() {
            let (start, n) = (i * self.chunk_size, targets.len());
            let counted = self.counted(start, n, &device);
            let h = states.clone().narrow(0, start, n);
            let chunk = Chunk::new(h.clone(), weight, targets);
            let part = Part::Full(FullPart {
                chunk,
                h,
                targets,
                counted,
            });
            take(&part);
            if let Part::Full(part) = part {
                gradients.push(part.gradient(weight));
            }
        }
        joined(gradients)
    }

    /// Hands the kernel's inputs to `take`, chunk by chunk: logits, `[n, vocab_size]`, targets and weights, `[n]`.
    fn for_each_chunk(
        &self,
        states: &Tensor<2>,
        head: &Head,
        mut take: impl FnMut(Tensor<2>, Tensor<1, Int>, Tensor<1>),
    ) {
        let device = states.device();
        for (i, targets) in self.targets.chunks(self.chunk_size).enumerate() {
            let (start, n) = (i * self.chunk_size, targets.len());
            let h = states.clone().narrow(0, start, n);
            let targets: Vec<u32> = targets.iter().map(|&target| target as u32).collect();
            let targets =
                Tensor::<1, Int>::from_data(TensorData::new(targets, [n]), (&device, DType::U32));
            let weights: Vec<f32> = (start..start + n)
                .map(|at| f32::from(at < self.n))
                .collect();
            let weights = Tensor::<1>::from_data(TensorData::new(weights, [n]), &device);
            take(head.logits(h), targets, weights);
        }
    }
}

/// A chunk of the supervised positions with its loss.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, and never moved far"
)]
pub(crate) enum Part<'a> {
    /// The losses alone, zero for padding, `[n, 1]`.
    Losses(Tensor<2>),
    /// With what the gradient of the head needs.
    Full(FullPart<'a>),
}

impl Part<'_> {
    /// Cross-entropy of each position, zero for padding, `[n, 1]`.
    pub(crate) fn losses(&self) -> Tensor<2> {
        match self {
            Self::Losses(losses) => losses.clone(),
            Self::Full(part) => part.losses(),
        }
    }

    /// See [`FullPart::add_head_gradient`].
    fn add_head_gradient(&self, sum: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Losses(_) => unreachable!("a head that is trained has no kernels"),
            Self::Full(part) => part.add_head_gradient(sum),
        }
    }
}

/// A chunk in burn's operations.
pub(crate) struct FullPart<'a> {
    chunk: Chunk,
    /// Hidden states, `[n, hidden_size]`.
    h: Tensor<2>,
    targets: &'a [usize],
    counted: Option<Tensor<2>>,
}

impl FullPart<'_> {
    /// Multiplies rows with their weights.
    fn count_only(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.counted {
            Some(counted) => rows * counted.clone(),
            None => rows,
        }
    }

    fn losses(&self) -> Tensor<2> {
        self.count_only(self.chunk.losses.clone())
    }

    /// Adds the gradient of the summed loss with respect to the head, `softmax(h Wᵀ)ᵀ h` minus `h` in the rows of the
    /// targets, to `sum`.
    fn add_head_gradient(&self, sum: Tensor<2>) -> Tensor<2> {
        let h = self.count_only(self.h.clone());
        let weighted = h.clone() / self.chunk.sums.clone();
        let sum = sum + self.chunk.exponentials.clone().transpose().matmul(weighted);
        let at = indices(self.targets, &h.device());
        sum.select_assign(0, at, h.neg(), IndexingUpdateOp::Add)
    }

    /// Gradient of each position's loss with respect to its hidden state, `softmax(h Wᵀ) W - W[target]`.
    fn gradient(self, weight: &FrozenWeight) -> Tensor<2> {
        let Self { chunk, counted, .. } = self;
        let rows = weight.backward(chunk.exponentials) / chunk.sums - chunk.target_weights;
        match counted {
            Some(counted) => rows * counted,
            None => rows,
        }
    }
}

/// Joins the rows of chunks.
fn joined(mut chunks: Vec<Tensor<2>>) -> Tensor<2> {
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    Tensor::cat(chunks, 0)
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// Softmax and losses of a chunk of logits.
struct Chunk {
    /// `exp(logit - max)`, `[n, vocab_size]`.
    exponentials: Tensor<2>,
    /// Row sums of `exponentials`, `[n, 1]`.
    sums: Tensor<2>,
    /// The rows of the head for the targets, `[n, hidden_size]`.
    target_weights: Tensor<2>,
    /// Cross-entropy of each row, `[n, 1]`.
    losses: Tensor<2>,
}

impl Chunk {
    /// Computes a chunk in single precision; only the product with the head uses the head's dtype.
    ///
    /// # Shapes
    /// `states`: `[n, hidden_size]`, plain
    fn new(states: Tensor<2>, head: &FrozenWeight, targets: &[usize]) -> Self {
        let target_weights = head.rows(targets).cast(DType::F32);
        let target_logits = (states.clone() * target_weights.clone()).sum_dim(1);
        let logits = head.forward(states);
        let Softmax {
            exponentials,
            sums,
            max,
        } = if is_cpu(&logits.device()) {
            softmax(logits)
        } else {
            plain_softmax(logits)
        };
        // The two logits are subtracted first: they are large and close to each other.
        let losses = sums.clone().log() + (max - target_logits);
        Self {
            exponentials,
            sums,
            target_weights,
            losses,
        }
    }
}

/// Parts of a softmax in burn's operations, for any device.
pub(crate) fn plain_softmax(logits: Tensor<2>) -> Softmax {
    let max = logits.clone().max_dim(1);
    let exponentials = (logits - max.clone()).exp();
    let sums = exponentials.clone().sum_dim(1);
    Softmax {
        exponentials,
        sums,
        max,
    }
}

/// Computes the cross-entropy of the supervised tokens, divided by `count`, with its gradient.
///
/// Logits are computed for `chunk_size` supervised tokens at a time and dropped at once. `count` is the number of
/// supervised tokens of the whole accumulation window, so that the losses and gradients of its micro-batches add up to
/// those of one batch.
///
/// # Shapes
/// - `hidden`: `[tokens, hidden_size]`, after the final norm, in single precision; `head`: of `[vocab_size, hidden_size]`
/// - `labels`: one per row of `hidden`, already shifted by one; [`IGNORE_LABEL`] has no weight
/// # Errors
/// [`LossError::NoTargets`] if no token is supervised; checked on the host, so it costs no device sync.
/// # Source
/// Wijmans et al. 2024, arXiv:2411.09009 (the chunked form of section 4).
pub fn chunked_cross_entropy(
    hidden: Tensor<2>,
    head: &Head,
    labels: &[i64],
    count: usize,
    chunk_size: usize,
) -> Result<LossAndGradient, LossError> {
    let device = hidden.device().inner();
    let learned = Supervised::of(labels, chunk_size, &device);
    if learned.n == 0 {
        return Err(LossError::NoTargets);
    }
    let supervised = learned.states(hidden);
    let states = supervised.clone().inner();

    let mut loss = Tensor::<1>::zeros([1], &device);
    let mut of_head = head.trained().map(Tensor::zeros_like).map(Tensor::inner);
    let gradient = learned.gradient_rows(&states, head, |part| {
        loss = loss.clone() + part.losses().sum();
        of_head = of_head.take().map(|sum| part.add_head_gradient(sum));
    });
    let gradient = gradient.div_scalar(count as f64);
    let mut backward_seed = (supervised * gradient).sum();
    if let (Some(head), Some(gradient)) = (head.trained(), of_head) {
        backward_seed = backward_seed + (head.clone() * gradient.div_scalar(count as f64)).sum();
    }
    Ok(LossAndGradient {
        loss: loss.div_scalar(count as f64),
        backward_seed,
    })
}

/// Computes the summed cross-entropy of the supervised tokens, in nats, without a gradient: for validation.
///
/// As in [`chunked_cross_entropy`], at most `chunk_size` tokens' logits are in memory.
///
/// # Shapes
/// as in [`chunked_cross_entropy`]; `hidden` plain
pub fn summed_cross_entropy(
    hidden: Tensor<2>,
    head: &Head,
    labels: &[i64],
    chunk_size: usize,
) -> Tensor<1> {
    let device = hidden.device();
    let learned = Supervised::of(labels, chunk_size, &device);
    let mut loss = Tensor::<1>::zeros([1], &device);
    if learned.n == 0 {
        return loss;
    }
    let states = learned.states(hidden);
    learned.losses(&states, head, |losses| {
        loss = loss.clone() + losses.sum();
    });
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::noise;
    use burn::tensor::{Distribution, activation::log_softmax};

    const LABELS: [i64; 7] = [3, IGNORE_LABEL, 0, 10, IGNORE_LABEL, 3, 7];

    /// Loss and gradient by full logits and burn's autodiff.
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
            let projection = Head::from(head.clone());
            let found = chunked_cross_entropy(tracked.clone(), &projection, &LABELS, 5, chunk_size)
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
            let summed = summed_cross_entropy(hidden.clone(), &projection, &LABELS, chunk_size);
            let mean = summed.into_scalar::<f32>() / 5.0;
            assert!(
                (mean - expected_loss).abs() < 1e-5,
                "{mean} for {expected_loss}"
            );
        }
    }

    /// With a hidden size of one the logits are those of the head, so that only the sums over the vocabulary round.
    #[test]
    fn sums_over_a_vocabulary_of_150_000_are_those_of_double_precision() {
        const N: usize = 151_936;
        let device = Device::flex();
        // Half a millionth, or the last digits of a large loss.
        let most = |loss: f64| (2.0 * loss * f64::from(f32::EPSILON)).max(5e-7);
        for peak in [9.0, 16.0, 22.0] {
            let mut logits: Vec<f32> = noise(N, 5).iter().map(|x| 8.0 * x).collect();
            logits[777] = peak;
            let exact = |term: &dyn Fn(f64) -> f64| -> f64 {
                let terms = logits
                    .iter()
                    .map(|&z| (f64::from(z) - f64::from(peak)).exp());
                terms
                    .zip(&logits)
                    .map(|(e, &z)| e * term(f64::from(z)))
                    .sum()
            };
            let (sum, weighted) = (exact(&|_| 1.0), exact(&|z| z));
            let labels = [777, 31];
            let targets = labels.map(|label| f64::from(logits[label as usize]));
            let [loss, gradient] = [
                targets.map(|z| sum.ln() + f64::from(peak) - z),
                targets.map(|z| weighted / sum - z),
            ];

            let head = Head::from(Tensor::from_data(
                TensorData::new(logits.clone(), [N, 1]),
                &device,
            ));
            let hidden = Tensor::<2>::ones([2, 1], &device);
            for (row, label) in labels.iter().enumerate() {
                let of_row = hidden.clone().narrow(0, row, 1);
                let found = summed_cross_entropy(of_row, &head, &[*label], 4);
                let error = f64::from(found.into_scalar::<f32>()) - loss[row];
                assert!(
                    error.abs() < most(loss[row]),
                    "peak {peak}, row {row}: off by {error:e}"
                );
            }
            let tracked = hidden.autodiff().require_grad();
            let found =
                chunked_cross_entropy(tracked.clone(), &head, &labels, 1, 4).expect("labels");
            let sum: f64 = loss.iter().sum();
            let error = f64::from(found.loss.into_scalar::<f32>()) - sum;
            assert!(error.abs() < most(sum), "peak {peak}: off by {error:e}");
            let mut gradients = found.backward_seed.backward();
            let of_hidden = tracked
                .grad_remove(&mut gradients)
                .expect("tracked")
                .into_data();
            let of_hidden: Vec<f32> = of_hidden.try_into_vec().expect("f32");
            for (found, expected) in of_hidden.iter().zip(gradient) {
                let error = f64::from(*found) - expected;
                assert!(error.abs() < 1e-5, "peak {peak}: gradient off by {error:e}");
            }
        }
    }

    #[test]
    fn a_gpu_takes_1024_positions_at_a_time_unless_fewer_than_256_are_asked_for() {
        for (asked, taken) in [
            (1, 1),
            (64, 64),
            (255, 255),
            (256, 1024),
            (1024, 1024),
            (4096, 4096),
        ] {
            assert_eq!(chunk_size_on_gpu(asked), taken);
        }
        assert_eq!(chunk_size_on(256, &Device::flex()), 256);
    }

    #[test]
    fn a_batch_without_supervised_tokens_is_an_error() {
        let device = Device::flex();
        let hidden = Tensor::<2>::zeros([2, 6], &device)
            .autodiff()
            .require_grad();
        let head = Head::from(Tensor::<2>::zeros([11, 6], &device));
        let result = chunked_cross_entropy(hidden, &head, &[IGNORE_LABEL; 2], 1, 4);
        assert_eq!(result.err(), Some(LossError::NoTargets));
    }
}
