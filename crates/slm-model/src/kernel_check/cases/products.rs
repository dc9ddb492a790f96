//! What the kernels of products and of whole rows of scores must give.

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use slm_kernels::flash::FlashError;

use super::{Check, Checked, Input, LENGTH, ROWS, Within, agree_within};
use crate::attention::{AttentionMask, attend_on_device, attend_on_device_backward};
use crate::config::Heads;
use crate::fused::{Kernels, cube, plain};
use crate::kernel::attention::Problem;
use crate::kernel::{Values, matrix};

/// The bound of products: summed in single precision, or on a GPU in TF32 if the operands are in single precision.
const PRODUCTS: f32 = 2e-3;
/// Rows of the large product.
const MICRO_BATCH: usize = 2048;
/// How often the rows of the large product occur.
const REPEATED: usize = 32;
/// Rows and columns that are compared at each end of the large product.
const AT_ENDS: usize = 16;
/// Keys in the largest tile of the forward pass.
const TILE: usize = 32;
/// How much scores rise from one tile to the next: more than the kernel's slack of 5, and little enough for the earlier
/// keys to count.
const RISE: f32 = 6.5;

/// Why attention is not computed by the kernel, in one line.
fn unsupported(error: &FlashError, heads: Heads) -> String {
    match error {
        FlashError::Unsupported { .. } => {
            format!(
                "it does not support heads of {} values on this device",
                heads.dim
            )
        }
        FlashError::Mismatch { .. } => error.to_string().lines().take(1).collect(),
    }
}

/// The logarithm of each row's sum of scores, `[batch * num_heads, length]`, by the attention of the CPU.
fn log_sums_on_host(qkv: [&Input<2>; 3], mask: &AttentionMask, heads: Heads) -> Tensor<2> {
    let [queries, keys, values] = qkv.map(|input| Values::of(input.host.clone()));
    let problem = Problem {
        queries: queries.as_slice(),
        keys: keys.as_slice(),
        values: values.as_slice(),
        starts: mask.starts(),
        length: mask.length(),
        heads,
    };
    let log_sums = problem.forward().log_sums;
    let (batch, length) = (mask.batch(), mask.length());
    matrix(log_sums, [batch * length, heads.query], &Device::flex())
        .reshape([batch, length, heads.query])
        .swap_dims(1, 2)
        .reshape([batch * heads.query, length])
}

impl Check<'_> {
    pub(super) fn matmul(&self) -> Checked {
        let a = self.input(1, [2 * ROWS, self.width]);
        let b = self.input(2, [16, self.width]);
        let rounded = Within::All(self.bound().max(PRODUCTS));
        let exact = Within::All(PRODUCTS);
        for (out, within) in [(DType::F32, exact), (self.kind, rounded)] {
            let found = self.multiply(a.device.clone(), b.device.clone().transpose(), out)?;
            let expected = a.host.clone().matmul(b.host.clone().transpose());
            agree_within(within, "a product", found, expected)?;
        }
        let c = self.input(3, [2 * ROWS, 16]);
        let found = self.multiply(c.device.transpose(), a.device.clone(), DType::F32)?;
        let expected = c.host.transpose().matmul(a.host);
        agree_within(exact, "a product of columns", found, expected)?;
        if cube::products_are_raced(&a.device) {
            self.large_product()?;
        }
        Ok(())
    }

    /// Compares the first and last values of a product of the size of training: of the rows of a micro-batch with a weight
    /// of the feed-forward block.
    fn large_product(&self) -> Checked {
        let x = self.input(4, [MICRO_BATCH / REPEATED, self.width]);
        let parts = self.inner.div_ceil(REPEATED).max(AT_ENDS);
        let weight = self.input(5, [parts, self.width]);
        // The rows occur `REPEATED` times, so that few are drawn and copied.
        let repeated = |part: &Tensor<2>| part.clone().repeat_dim(0, REPEATED);
        let (x_rows, weight_rows) = (repeated(&x.device), repeated(&weight.device));
        let found = self.multiply(x_rows, weight_rows.transpose(), self.kind)?;
        let ends = |tensor: Tensor<2>, dim: usize| {
            let last = tensor.dims()[dim] - AT_ENDS;
            let parts = [0, last].map(|start| tensor.clone().narrow(dim, start, AT_ENDS));
            Tensor::cat(parts.into(), dim)
        };
        let expected = ends(x.host, 0).matmul(ends(weight.host, 0).transpose());
        let rounded = Within::All(self.bound().max(PRODUCTS));
        agree_within(
            rounded,
            "a large product",
            ends(ends(found, 0), 1),
            expected,
        )
    }

    fn multiply(&self, a: Tensor<2>, b: Tensor<2>, out: DType) -> Result<Tensor<2>, String> {
        let product = cube::matmul(&self.kernels, a, b, out);
        product.map_err(|error| error.to_string().lines().take(1).collect())
    }

    pub(super) fn attention(&self) -> Checked {
        let Heads {
            query,
            key_value,
            dim,
        } = self.heads;
        // One or two key-value heads are enough.
        let shared = key_value.min(2);
        let heads = Heads {
            query: query / key_value * shared,
            key_value: shared,
            dim,
        };
        let (rows, width) = (2 * LENGTH, shared * dim);
        let scale = heads.scale();
        // Scores rise by about `RISE` from one tile of keys to the next, so that sums are rescaled. The offsets are centred,
        // so that scores are small.
        let step = RISE / (dim as f32).sqrt();
        let rising = |at: usize, value: f32| {
            let tile = at / width % LENGTH / TILE;
            value + step * (tile as f32 - 1.0)
        };
        let q = self.input_of(self.kind, 1, [rows, heads.query * dim], |_, value| {
            (value + 1.0) * scale
        });
        let k = self.input_of(self.kind, 2, [rows, width], rising);
        let v = self.input(3, [rows, width]);
        let gradient = self.input(4, [rows, heads.query * dim]);
        let mask = Arc::new(AttentionMask::packed(
            &[vec![LENGTH], vec![3, 1, LENGTH - 14]],
            LENGTH,
        ));
        let on_device = [&q, &k, &v].map(|input| input.device.clone());
        let on_host = [&q, &k, &v].map(|input| input.host.clone());
        let none = Kernels::default();
        let at = mask.rows(self.device);
        let attended = cube::attend(&self.kernels, on_device.clone(), at, heads);
        let [out, log_sums] = attended.map_err(|error| unsupported(&error, heads))?;
        let (expected, expected_saved) = attend_on_device(&none, on_host, &mask, heads);
        self.agree("attention", out.clone(), expected)?;
        let of_sums = log_sums_on_host([&q, &k, &v], &mask, heads);
        agree_within(
            Within::All(1e-4),
            "the sums of scores",
            log_sums.clone(),
            of_sums,
        )?;
        let saved = [out, log_sums, gradient.device];
        let found = cube::attend_backward(&self.kernels, on_device, saved, at, heads)
            .map_err(|error| unsupported(&error, heads))?;
        let expected =
            attend_on_device_backward(&none, expected_saved, gradient.host, &mask, heads);
        let names = ["queries", "keys", "values"];
        for ((name, found), expected) in names.into_iter().zip(found).zip(expected) {
            self.agree(&format!("the gradient of {name}"), found, expected)?;
        }
        Ok(())
    }

    pub(super) fn cross_entropy(&self) -> Checked {
        // Vectors of one value.
        let odd = 3 * self.width + usize::from(self.width.is_multiple_of(2));
        self.cross_entropy_of([0, 3, odd as u32 - 1, 7, 1], odd)?;
        // Vectors of up to eight values, as of real vocabularies: targets in the first, fourth and last of a vector.
        let even = (3 * self.width).next_multiple_of(8);
        self.cross_entropy_of([8, 11, even as u32 - 1, 0, 23], even)
    }

    /// Compares cross-entropy over a vocabulary of `width` tokens.
    fn cross_entropy_of(&self, targets: [u32; ROWS], width: usize) -> Checked {
        let logits = self.input_as(DType::F32, 1, [ROWS, width]);
        let (on_device, on_host) = (logits.device * 8.0, logits.host * 8.0);
        let weights = [1.0f32, 1.0, 0.5, 0.0, 1.0];
        let of_targets = TensorData::from(targets);
        let of_targets = Tensor::<1, Int>::from_data(of_targets, (self.device, DType::U32));
        let of_weights = Tensor::from_data(TensorData::from(weights), self.device);
        // Copied, so that the gradient in single precision is written over its own logits.
        let copy = on_device.clone().mul_scalar(1.0);
        let alone = self
            .kernels
            .losses(copy, of_targets.clone(), of_weights.clone());
        let found = self
            .kernels
            .cross_entropy(on_device, of_targets, of_weights, self.kind);
        let host = Device::flex();
        let expected = plain::cross_entropy(
            on_host,
            Tensor::<1, Int>::from_data(TensorData::from(targets.map(i64::from)), &host),
            Tensor::from_data(TensorData::from(weights), &host),
            DType::F32,
        );
        for losses in [alone, found.0] {
            agree_within(Within::All(1e-5), "the losses", losses, expected.0.clone())?;
        }
        // The probabilities are far below the gradient of the target.
        let relative = if self.kind == DType::BF16 { 1e-2 } else { 1e-4 };
        let each = Within::Each {
            relative,
            absolute: 1e-7,
        };
        agree_within(each, "the gradient of the logits", found.1, expected.1)
    }
}

#[cfg(all(test, feature = "cube-cpu"))]
mod tests {
    use super::*;
    use crate::fused::{Kernel, KernelState};
    use crate::shape::NamedShape;

    /// The CPU runtime does not race products, so that the check at start-up leaves this comparison out there.
    #[test]
    fn a_large_product_agrees_unless_it_is_broken() {
        let shape: NamedShape = "tiny-qwen2".parse().expect("a shape");
        let (device, config) = (Device::cpu(), shape.config());
        let compare = |broken| {
            let on = Kernel::ALL.map(|kernel| (kernel, KernelState::On));
            let kernels = Kernels::new(on.into()).with_broken(broken);
            Check::new(&device, DType::BF16, &config, kernels).large_product()
        };
        assert_eq!(compare(None), Ok(()));
        let reason = compare(Some((Kernel::Matmul, "product"))).expect_err("it is broken");
        assert!(reason.starts_with("a large product has "), "{reason}");
    }
}
