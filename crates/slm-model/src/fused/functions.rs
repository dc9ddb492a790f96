//! Single fused operations as autograd functions, for what is not computed by a whole layer's function.

use burn::tensor::{DType, Tensor};

use super::kernels::Kernels;
use super::plain::{Direction, Normed};
use crate::autograd::{Function, apply};

/// `RMSNorm` in single precision, tracked if `x` is.
///
/// # Shapes
/// `x`: `[n, width]`; `weight`: `[width]`
pub(crate) fn rms_norm(kernels: &Kernels, x: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Tensor<2> {
    let norm = RmsNorm {
        kernels: kernels.clone(),
        weight: weight.clone(),
        eps,
    };
    apply(norm, [x])
}

/// Rotary position embedding in the dtype of `x`, tracked if `x` is; see [`super::plain::rotate`].
pub(crate) fn rotate(
    kernels: &Kernels,
    x: Tensor<2>,
    tables: [&Tensor<2>; 2],
    factor: f32,
) -> Tensor<2> {
    let rotate = Rotate {
        kernels: kernels.clone(),
        tables: tables.map(Clone::clone),
        factor,
    };
    apply(rotate, [x])
}

/// `silu(gate) * up` in the dtype of `gate`, tracked if either is.
///
/// # Shapes
/// both `[n, width]`; returns the same
pub(crate) fn swiglu(kernels: &Kernels, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    apply(Swiglu(kernels.clone()), [gate, up])
}

#[derive(Clone)]
struct RmsNorm {
    kernels: Kernels,
    weight: Tensor<1>,
    eps: f64,
}

impl Function<1> for RmsNorm {
    /// The input, and the inverse RMS of its rows.
    type Saved = (Tensor<2>, Tensor<1>);

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, Self::Saved) {
        let Normed {
            sum,
            normed,
            inverse_rms,
        } = self.kernels.rms_norm(x, &self.weight, self.eps, DType::F32);
        (normed, (sum, inverse_rms))
    }

    fn backward(
        self,
        (x, inverse_rms): Self::Saved,
        gradient: Tensor<2>,
        _: [bool; 1],
    ) -> [Option<Tensor<2>>; 1] {
        let kind = x.dtype();
        let of_x = self
            .kernels
            .rms_norm_backward(gradient, x, inverse_rms, &self.weight, None);
        [Some(self.kernels.scaled_cast(of_x, 1.0, kind))]
    }
}

#[derive(Clone)]
struct Rotate {
    kernels: Kernels,
    tables: [Tensor<2>; 2],
    factor: f32,
}

impl Rotate {
    fn compute(&self, x: Tensor<2>, direction: Direction) -> Tensor<2> {
        let tables = self.tables.each_ref();
        self.kernels.rotate(x, tables, self.factor, direction)
    }
}

impl Function<1> for Rotate {
    type Saved = ();

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, ()) {
        (self.compute(x, Direction::Forward), ())
    }

    fn backward(self, (): (), gradient: Tensor<2>, _: [bool; 1]) -> [Option<Tensor<2>>; 1] {
        [Some(self.compute(gradient, Direction::Backward))]
    }
}

#[derive(Clone)]
struct Swiglu(Kernels);

impl Function<2> for Swiglu {
    type Saved = [Tensor<2>; 2];

    fn forward(&self, [gate, up]: [Tensor<2>; 2]) -> (Tensor<2>, Self::Saved) {
        (self.0.swiglu(gate.clone(), up.clone()), [gate, up])
    }

    fn backward(
        self,
        [gate, up]: Self::Saved,
        gradient: Tensor<2>,
        _: [bool; 2],
    ) -> [Option<Tensor<2>>; 2] {
        let found = self.0.swiglu_backward(gate, up, gradient);
        [Some(found.of_gate), Some(found.of_up)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::plain;
    use crate::kernel::check::{agree, normal};

    #[test]
    fn value_and_gradients_equal_plain_autodiffs() {
        let kernels = Kernels::default();
        let weight = normal([12]);
        agree(
            [normal([5, 12])],
            |[x]| rms_norm(&kernels, x, &weight, 1e-6),
            |[x]| {
                let mean = x.clone().square().mean_dim(1);
                x / (mean + 1e-6).sqrt() * weight.clone().unsqueeze()
            },
        );
        let angles = normal([2, 3]);
        let (cos, sin) = (angles.clone().cos(), angles.sin());
        agree(
            [normal([4, 12])],
            |[x]| rotate(&kernels, x, [&cos, &sin], 0.25),
            |[x]| plain::rotate(x, [&cos, &sin], 0.25, Direction::Forward),
        );
        agree(
            [normal([5, 12]), normal([5, 12])],
            |[gate, up]| swiglu(&kernels, gate, up),
            |[gate, up]| plain::swiglu(gate, up),
        );
    }
}
