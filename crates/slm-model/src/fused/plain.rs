//! The fused operations in burn's operations, for any device: the fallback, and the reference of the kernels.
//!
//! Each computes in single precision and rounds once, as its kernel does.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};

/// The result of a norm, with what its gradient needs.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the norm of a sum is normed")]
pub(crate) struct Normed {
    /// The input of the norm, `[n, width]`.
    pub(crate) sum: Tensor<2>,
    /// `sum / rms(sum) * weight`, `[n, width]`.
    pub(crate) normed: Tensor<2>,
    /// `1 / rms` of each row in single precision, `[n]`.
    pub(crate) inverse_rms: Tensor<1>,
}

/// Whether a rotation is that of the forward pass or its transpose, the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// By the angle of the position.
    Forward,
    /// By minus the angle.
    Backward,
}

/// The hidden states of `SwiGLU`, recomputed, and the gradients of its inputs.
#[derive(Clone, Debug)]
pub(crate) struct SwigluGradients {
    pub(crate) hidden: Tensor<2>,
    pub(crate) of_gate: Tensor<2>,
    pub(crate) of_up: Tensor<2>,
}

fn wide<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(DType::F32)
}

/// Computes `x / rms(x) * weight` over each row, in the dtype `kind`.
///
/// # Shapes
/// `x`: `[n, width]`; `weight`: `[width]`
/// # Source
/// Zhang and Sennrich 2019, arXiv:1910.07467.
pub(crate) fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, eps: f64, kind: DType) -> Normed {
    let values = wide(x.clone());
    let inverse = (values.clone().square().mean_dim(1) + eps).sqrt().recip();
    let normed = values * inverse.clone() * weight.clone().unsqueeze();
    Normed {
        sum: x,
        normed: normed.cast(kind),
        inverse_rms: inverse.squeeze_dim(1),
    }
}

/// [`rms_norm`] of `x + delta`, which is summed and kept in single precision; the norm is in the dtype of `delta`.
///
/// # Shapes
/// `x`, `delta`: `[n, width]`; `weight`: `[width]`
pub(crate) fn add_rms_norm(x: Tensor<2>, delta: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Normed {
    let kind = delta.dtype();
    rms_norm(wide(x) + wide(delta), weight, eps, kind)
}

/// Computes the gradient of a norm's input in single precision, plus the gradient `residual` that reaches the input by
/// another way.
///
/// # Shapes
/// `gradient`, `sum`, `residual`: `[n, width]`; `inverse_rms`: `[n]`; `weight`: `[width]`; returns `[n, width]`
pub(crate) fn rms_norm_backward(
    gradient: Tensor<2>,
    sum: Tensor<2>,
    inverse_rms: Tensor<1>,
    weight: &Tensor<1>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let inverse: Tensor<2> = inverse_rms.unsqueeze_dim(1);
    let gradient = wide(gradient) * weight.clone().unsqueeze();
    let normed = wide(sum) * inverse.clone();
    let inner = (gradient.clone() * normed.clone()).mean_dim(1);
    let of_sum = (gradient - normed * inner) * inverse;
    match residual {
        Some(residual) => of_sum + wide(residual),
        None => of_sum,
    }
}

/// Rotates each head of `x` by the angles of its position, half-split form, and multiplies it by `factor`.
///
/// # Shapes
/// `x`: `[batch * positions, heads * dim]`, the positions repeating for every sequence of the batch; `cos`, `sin`:
/// `[positions, dim / 2]`; returns the shape and dtype of `x`
/// # Source
/// Su et al. 2021, arXiv:2104.09864.
pub(crate) fn rotate(
    x: Tensor<2>,
    [cos, sin]: [&Tensor<2>; 2],
    factor: f32,
    direction: Direction,
) -> Tensor<2> {
    let kind = x.dtype();
    let [rows, width] = x.dims();
    let [positions, half] = cos.dims();
    let heads = wide(x).reshape([rows / positions, positions, width / half / 2, 2 * half]);
    let first = heads.clone().narrow(3, 0, half);
    let second = heads.narrow(3, half, half);
    let table = |table: &Tensor<2>| table.clone().reshape([1, positions, 1, half]);
    let (cos, sin) = (table(cos), table(sin));
    let sin = match direction {
        Direction::Forward => sin,
        Direction::Backward => sin.neg(),
    };
    let turned = Tensor::cat(
        vec![
            first.clone() * cos.clone() - second.clone() * sin.clone(),
            second * cos + first * sin,
        ],
        3,
    );
    turned.mul_scalar(factor).reshape([rows, width]).cast(kind)
}

/// Computes `silu(gate) * up`, in the dtype of `gate`.
///
/// # Shapes
/// both `[n, width]`; returns the same
/// # Source
/// Shazeer 2020, arXiv:2002.05202.
pub(crate) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let kind = gate.dtype();
    let gate = wide(gate);
    (gate.clone() * sigmoid(gate) * wide(up)).cast(kind)
}

/// Computes the gradients of [`swiglu`], and its value again; all in the dtype of `gate`.
///
/// # Shapes
/// all `[n, width]`
pub(crate) fn swiglu_backward(
    gate: Tensor<2>,
    up: Tensor<2>,
    gradient: Tensor<2>,
) -> SwigluGradients {
    let kind = gate.dtype();
    let (gate, up, gradient) = (wide(gate), wide(up), wide(gradient));
    let share = sigmoid(gate.clone());
    let silu = gate.clone() * share.clone();
    // d silu(g) / d g = s (1 + g (1 - s)).
    let slope = share.clone() * (gate * (share.neg() + 1.0) + 1.0);
    SwigluGradients {
        hidden: (silu.clone() * up.clone()).cast(kind),
        of_gate: (gradient.clone() * up * slope).cast(kind),
        of_up: (gradient * silu).cast(kind),
    }
}

fn sigmoid(x: Tensor<2>) -> Tensor<2> {
    (x.neg().exp() + 1.0).recip()
}

/// Computes the sum of matrices, each times its factor, plus a bias, in the dtype `out`.
///
/// # Shapes
/// `terms`: at least one, all `[n, m]`; `bias`: `[m]`; returns `[n, m]`
pub(crate) fn sum_scaled(
    terms: Vec<(Tensor<2>, f32)>,
    bias: Option<&Tensor<1>>,
    out: DType,
) -> Tensor<2> {
    let scaled = terms.into_iter().map(|(term, factor)| {
        let term = wide(term);
        if factor.to_bits() == 1.0f32.to_bits() {
            term
        } else {
            term.mul_scalar(factor)
        }
    });
    let sum = scaled
        .reduce(|a, b| a + b)
        .unwrap_or_else(|| unreachable!("a sum has terms"));
    let sum = match bias {
        Some(bias) => sum + wide(bias.clone()).unsqueeze(),
        None => sum,
    };
    sum.cast(out)
}

/// Computes `factor * x` in the dtype `out`.
pub(crate) fn scaled_cast(x: Tensor<2>, factor: f32, out: DType) -> Tensor<2> {
    wide(x).mul_scalar(factor).cast(out)
}

/// Computes `a b` in the dtype `out`. Both have the same dtype.
///
/// # Shapes
/// `a`: `[n, k]`; `b`: `[k, m]`; returns `[n, m]`
pub(crate) fn matmul(a: Tensor<2>, b: Tensor<2>, out: DType) -> Tensor<2> {
    a.matmul(b).cast(out)
}

/// Computes the cross-entropy of each row of logits, and its gradient in the dtype `out`, both times the row's weight.
///
/// # Shapes
/// `logits`: `[n, vocab_size]` in single precision; `targets`, `weights`: `[n]`; returns `[n]` and `[n, vocab_size]`
pub(crate) fn cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    weights: Tensor<1>,
    out: DType,
) -> (Tensor<1>, Tensor<2>) {
    let max = logits.clone().max_dim(1);
    let targets: Tensor<2, Int> = targets.unsqueeze_dim(1);
    let weights: Tensor<2> = weights.unsqueeze_dim(1);
    let of_targets = logits.clone().gather(1, targets.clone());
    let exponentials = (logits - max.clone()).exp();
    let sums = exponentials.clone().sum_dim(1);
    let losses = (sums.clone().log() + (max - of_targets)) * weights.clone();
    let gradient = exponentials / sums * weights.clone();
    let gradient = gradient.scatter(1, targets, weights.neg(), IndexingUpdateOp::Add);
    (losses.squeeze_dim(1), gradient.cast(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::normal;
    use burn::tensor::activation::{log_softmax, silu};

    /// The largest difference, relative to the largest value.
    fn difference(found: Tensor<2>, expected: Tensor<2>) -> f32 {
        let largest = expected.clone().abs().max();
        ((found - expected).abs().max() / largest).into_scalar::<f32>()
    }

    /// Gradients of `value * gradient` by burn's autodiff.
    fn gradients<const N: usize>(
        inputs: [&Tensor<2>; N],
        gradient: &Tensor<2>,
        value: impl Fn([Tensor<2>; N]) -> Tensor<2>,
    ) -> [Tensor<2>; N] {
        let inputs = inputs.map(|x| x.clone().autodiff().require_grad());
        let mut found = (value(inputs.clone()) * gradient.clone()).sum().backward();
        inputs.map(|x| x.grad_remove(&mut found).expect("tracked"))
    }

    #[test]
    fn the_gradient_of_a_norm_is_autodiffs_plus_the_residuals() {
        let (x, delta, gradient, residual) = (
            normal([9, 20]),
            normal([9, 20]),
            normal([9, 20]),
            normal([9, 20]),
        );
        let weight = normal([20]);
        let Normed {
            sum,
            normed,
            inverse_rms,
        } = add_rms_norm(x.clone(), delta.clone(), &weight, 1e-6);
        let reference = |x: Tensor<2>| {
            let mean = x.clone().square().mean_dim(1);
            x / (mean + 1e-6).sqrt() * weight.clone().unsqueeze()
        };
        let x = x + delta;
        assert!(difference(normed, reference(x.clone())) < 1e-6);
        let [expected] = gradients([&x], &gradient, |[x]| reference(x));
        let found = rms_norm_backward(gradient, sum, inverse_rms, &weight, Some(residual.clone()));
        assert!(difference(found, expected + residual) < 1e-6);
    }

    #[test]
    fn the_gradients_of_swiglu_are_autodiffs() {
        let (gate, up, gradient) = (normal([7, 12]), normal([7, 12]), normal([7, 12]));
        let expected = gradients([&gate, &up], &gradient, |[gate, up]| silu(gate) * up);
        let value = silu(gate.clone()) * up.clone();
        let found = swiglu_backward(gate.clone(), up.clone(), gradient);
        assert!(difference(swiglu(gate, up), value.clone()) < 1e-6);
        assert!(difference(found.hidden, value) < 1e-6);
        assert!(difference(found.of_gate, expected[0].clone()) < 1e-6);
        assert!(difference(found.of_up, expected[1].clone()) < 1e-6);
    }

    #[test]
    fn rotating_back_undoes_a_rotation() {
        let (x, angles) = (normal([6, 16]), normal([3, 4]));
        let (cos, sin) = (angles.clone().cos(), angles.sin());
        let there = rotate(x.clone(), [&cos, &sin], 0.5, Direction::Forward);
        assert!(difference(there.clone(), x.clone()) > 0.1);
        let back = rotate(there, [&cos, &sin], 2.0, Direction::Backward);
        assert!(difference(back, x) < 1e-6);
    }

    #[test]
    fn cross_entropy_and_its_gradient_are_autodiffs_times_the_weights() {
        let logits = normal([4, 11]) * 3.0;
        let device = logits.device();
        let targets = Tensor::<1, Int>::from_data([3, 0, 10, 3], &device);
        let weights = Tensor::<1>::from_data([1.0, 1.0, 0.0, 0.5], &device);
        let one_hot: Tensor<2> = targets.clone().one_hot::<2>(11).float();
        let reference = |[logits]: [Tensor<2>; 1]| {
            let weights = weights.clone().unsqueeze_dim(1);
            (log_softmax(logits, 1) * one_hot.clone()).sum_dim(1).neg() * weights
        };
        let ones = Tensor::ones([4, 1], &device);
        let [gradient] = gradients([&logits], &ones, reference);
        let losses = reference([logits.clone()]);
        let found = cross_entropy(logits, targets, weights.clone(), DType::F32);
        assert!(difference(found.0.unsqueeze_dim(1), losses) < 1e-6);
        assert!(difference(found.1, gradient) < 1e-6);
    }

    #[test]
    fn a_sum_has_factors_and_a_bias() {
        let (a, b, bias) = (normal([3, 4]), normal([3, 4]), normal([4]));
        let expected = a.clone() * 0.5 + b.clone() + bias.clone().unsqueeze();
        let found = sum_scaled(vec![(a, 0.5), (b, 1.0)], Some(&bias), DType::F32);
        assert!(difference(found, expected) < 1e-6);
    }
}
