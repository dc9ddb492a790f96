//! What the kernels of single rows and elements must give.

use burn::tensor::{DType, Device, Tensor};

use super::{Check, Checked, EPS, Input, ROWS, Within, agree_within};
use crate::config::Heads;
use crate::fused::{Direction, cube, plain};
use crate::lora::host_mask;

/// Hands a tensor to a kernel.
type Take = fn(&Tensor<2>) -> Tensor<2>;

/// A tensor that is still held, so that the result is a new one, and a copy, which the kernel writes over.
const TAKE: [Take; 2] = [Tensor::clone, fresh];

fn fresh(tensor: &Tensor<2>) -> Tensor<2> {
    tensor.clone().mul_scalar(1.0)
}

impl Check<'_> {
    pub(super) fn norm(&self) -> Checked {
        let (kind, shape) = (self.kind, [ROWS, self.width]);
        let weight = self.input_as(DType::F32, 1, [self.width]);
        // A row of zeros and one of large values.
        let uneven = |at: usize, value: f32| match at / self.width {
            0 => 0.0,
            1 => 65_536.0 * value,
            _ => value,
        };
        let [x, delta] = [2, 3].map(|seed| self.input_of(kind, seed, shape, uneven));
        // Computed in single precision from equal inputs.
        let exact = Within::Row(1e-5);
        let rounded = Within::Row(self.bound());
        let mut of_x = None;
        for out in [DType::F32, kind] {
            let found = self
                .kernels
                .rms_norm(x.device.clone(), &weight.device, EPS, out);
            let expected = plain::rms_norm(x.host.clone(), &weight.host, EPS, DType::F32);
            agree_within(rounded, "the norm", found.normed, expected.normed)?;
            let rms = Within::Each {
                relative: 1e-5,
                absolute: 0.0,
            };
            let inverse = (found.inverse_rms, expected.inverse_rms);
            agree_within(rms, "the inverse RMS", inverse.0.clone(), inverse.1.clone())?;
            of_x = Some(inverse);
        }
        let of_x = of_x.unwrap_or_else(|| unreachable!("two norms were computed"));

        let add = |x: Tensor<2>| {
            let delta = delta.device.clone();
            self.kernels.add_rms_norm(x, delta, &weight.device, EPS)
        };
        let (in_place, sum) = (add(fresh(&x.device)), add(x.device.clone()));
        let expected = plain::add_rms_norm(x.host.clone(), delta.host.clone(), &weight.host, EPS);
        agree_within(exact, "the sum", in_place.sum, expected.sum.clone())?;
        agree_within(exact, "the sum", sum.sum.clone(), expected.sum.clone())?;
        agree_within(rounded, "the norm of a sum", sum.normed, expected.normed)?;
        let of_sum = (sum.inverse_rms, expected.inverse_rms);
        let sum = Input {
            device: sum.sum,
            host: expected.sum,
        };

        // The gradients before attention, before the feed-forward block, and after the last layer.
        let (narrow, wide) = (self.input(4, shape), self.input_as(DType::F32, 5, shape));
        let (other, stream) = (self.input(6, shape), self.input_as(DType::F32, 7, shape));
        let cases = [
            (&narrow, &x, &of_x, Some((stream.device, stream.host))),
            (&narrow, &sum, &of_sum, Some((other.device, other.host))),
            (&wide, &x, &of_x, None),
        ];
        for (gradient, sum, inverse, residual) in cases {
            let (on_device, on_host) = residual.unzip();
            let found = self.kernels.rms_norm_backward(
                gradient.device.clone(),
                sum.device.clone(),
                inverse.0.clone(),
                &weight.device,
                on_device,
            );
            let expected = plain::rms_norm_backward(
                gradient.host.clone(),
                sum.host.clone(),
                inverse.1.clone(),
                &weight.host,
                on_host,
            );
            agree_within(exact, "the gradient of the norm", found, expected)?;
        }
        Ok(())
    }

    pub(super) fn rotary(&self) -> Checked {
        let Heads {
            query,
            key_value,
            dim,
        } = self.heads;
        let angles = self.input_as(DType::F32, 1, [ROWS, dim / 2]);
        let host = [angles.host.clone().cos(), angles.host.sin()];
        let values =
            |tensor: &Tensor<2>| Tensor::<2>::from_data(tensor.clone().into_data(), self.device);
        let device = host.each_ref().map(values);
        let q = self.input(2, [2 * ROWS, query * dim]);
        let k = self.input(3, [2 * ROWS, key_value * dim]);
        let ways = [Direction::Forward, Direction::Backward];
        for (direction, take) in ways
            .into_iter()
            .flat_map(|way| TAKE.map(|take| (way, take)))
        {
            let expect = |x: &Input<2>, factor| {
                plain::rotate(x.host.clone(), host.each_ref(), factor, direction)
            };
            let inputs = [take(&q.device), take(&k.device)];
            let tables = device.each_ref();
            let [of_q, of_k] = self.kernels.rotate_pair(inputs, tables, 0.125, direction);
            self.agree("the rotation of queries", of_q, expect(&q, 0.125))?;
            self.agree("the rotation of keys", of_k, expect(&k, 1.0))?;
            let x = take(&k.device);
            let alone = self.kernels.rotate(x, tables, 0.5, direction);
            self.agree("a rotation", alone, expect(&k, 0.5))?;
        }
        Ok(())
    }

    pub(super) fn swiglu(&self) -> Checked {
        let shape = [ROWS, self.width];
        // The exponential of gates of minus 100 overflows to infinity, which must give 0.
        for largest in [1.0, 100.0] {
            let gate = self.input_of(self.kind, 1, shape, |_, value| largest * value);
            let [up, gradient] = [2, 3].map(|seed| self.input(seed, shape));
            let found = self.kernels.swiglu(gate.device.clone(), up.device.clone());
            let expected = plain::swiglu(gate.host.clone(), up.host.clone());
            self.agree("the hidden states", found, expected)?;
            let found = self
                .kernels
                .swiglu_backward(gate.device, up.device, gradient.device);
            let expected = plain::swiglu_backward(gate.host, up.host, gradient.host);
            self.agree("the hidden states", found.hidden, expected.hidden)?;
            self.agree("the gradient of the gate", found.of_gate, expected.of_gate)?;
            self.agree("the gradient of up", found.of_up, expected.of_up)?;
        }
        Ok(())
    }

    pub(super) fn sum(&self) -> Checked {
        let shape = [ROWS, self.width];
        let terms: Vec<Input<2>> = (0..6).map(|seed| self.input(seed, shape)).collect();
        let wide = self.input_as(DType::F32, 6, shape);
        let bias = self.input(7, [self.width]);
        let sum = |n: usize, has_wide: bool, has_bias: bool, take: Take| {
            let factors = std::iter::once(1.0).chain(std::iter::repeat(0.5));
            let (mut on_device, mut on_host): (Vec<_>, Vec<_>) = terms[..n]
                .iter()
                .zip(factors)
                .map(|(term, factor)| ((take(&term.device), factor), (term.host.clone(), factor)))
                .unzip();
            if has_wide {
                on_device.push((wide.device.clone(), 1.0));
                on_host.push((wide.host.clone(), 1.0));
            }
            let of = |bias| Some(bias).filter(|_| has_bias);
            let found = self
                .kernels
                .sum_scaled(on_device, of(&bias.device), self.kind);
            let expected = plain::sum_scaled(on_host, of(&bias.host), DType::F32);
            self.agree("a sum", found, expected)
        };
        let [held, fresh] = TAKE;
        sum(6, false, false, held)?;
        sum(2, true, true, held)?;
        // A layer with a bias, the residual stream, and the gradients of inputs of two and of three layers.
        sum(2, false, true, fresh)?;
        sum(2, true, false, fresh)?;
        sum(4, false, false, fresh)?;
        sum(6, false, false, fresh)?;
        for (take, out) in [(held, self.kind), (fresh, DType::F32)] {
            let found = self.kernels.scaled_cast(take(&wide.device), 0.5, out);
            self.agree("a scaled matrix", found, wide.host.clone() * 0.5)?;
        }
        Ok(())
    }

    pub(super) fn dropout(&self) -> Checked {
        let (shape, key) = ([ROWS, self.width], [1, 2, 3, 4]);
        let found = cube::dropout_mask(&self.kernels, self.device, shape, 0.25, key, self.kind);
        let expected = host_mask(shape, 0.25, key, &Device::flex());
        self.agree("the mask", found, expected)
    }
}

#[cfg(all(test, feature = "cube-cpu"))]
mod tests {
    use burn::backend::Cube;

    use super::*;

    #[test]
    fn a_kernel_may_write_over_a_copy_and_not_over_what_is_held() {
        let x = Tensor::<2>::ones([2, 8], &Device::cpu());
        let may = TAKE.map(|take| {
            let taken = take(&x).try_into_primitive::<Cube>();
            taken.expect("a tensor of CubeCL").can_mut()
        });
        assert_eq!(may, [false, true]);
    }
}
