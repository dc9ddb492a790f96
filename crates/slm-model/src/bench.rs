//! Entry points for `benches/`: each kernel and its baseline.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, activation::silu};

use crate::attention::{AttentionMask, attend_full_sequence, attend_reference};
use crate::config::RopeBase;
use crate::config::{Heads, ModelConfig};
use crate::engine;
use crate::fused::{Kernels, plain};
use crate::gguf::PackedTensor;
use crate::kernel::gemm::{self, MatRef};
use crate::kernel::{Values, linear, norm, softmax, swiglu};
use crate::loss;
use crate::rotary;
use crate::synthetic::{Synthetic, SyntheticType};

/// Number of sequences, their length, query heads, key-value heads, and head width.
pub type AttentionShape = (usize, usize, usize, usize, usize);

fn parts((batch, length, query, key_value, dim): AttentionShape) -> (Arc<AttentionMask>, Heads) {
    let heads = Heads {
        query,
        key_value,
        dim,
    };
    (Arc::new(AttentionMask::causal(batch, length)), heads)
}

/// Causal attention as in training.
pub fn attention([q, k, v]: [Tensor<2>; 3], shape: AttentionShape) -> Tensor<2> {
    let (mask, heads) = parts(shape);
    attend_full_sequence(q, k, v, &mask, heads, &Kernels::default())
}

/// Causal attention in burn's operations, over full scores.
pub fn plain_attention(inputs: [Tensor<2>; 3], shape: AttentionShape) -> Tensor<2> {
    let (mask, heads) = parts(shape);
    attend_reference(inputs, &mask, heads)
}

/// `silu(gate) * up` as in training on the CPU.
pub fn swiglu([gate, up]: [Tensor<2>; 2]) -> Tensor<2> {
    swiglu::swiglu(gate, up)
}

/// `silu(gate) * up` in burn's operations.
pub fn plain_swiglu([gate, up]: [Tensor<2>; 2]) -> Tensor<2> {
    silu(gate) * up
}

/// `x / rms(x) * weight` as in training on the CPU.
pub fn norm([x]: [Tensor<2>; 1], weight: &Tensor<1>) -> Tensor<2> {
    norm::rms_norm(x, weight, 1e-6)
}

/// `x / rms(x) * weight` in burn's operations.
pub fn plain_norm([x]: [Tensor<2>; 1], weight: &Tensor<1>) -> Tensor<2> {
    plain::rms_norm(x, weight, 1e-6, DType::F32).normed
}

/// Rotary embedding for the positions of one sequence.
#[derive(Debug)]
pub struct Rotary(rotary::Rotary);

impl Rotary {
    /// Tables for the first `length` positions.
    pub fn new(config: &ModelConfig, length: usize) -> Self {
        let positions: Vec<usize> = (0..length).collect();
        let kernels = Kernels::default();
        Self(rotary::Rotary::new(
            config,
            RopeBase::Global,
            &positions,
            &Device::flex(),
            &kernels,
        ))
    }

    /// Rotates as in training on the CPU.
    pub fn rotate(&self, [x]: [Tensor<2>; 1]) -> Tensor<2> {
        self.0.rotate(x, 0.125)
    }

    /// Rotates in burn's operations.
    pub fn rotate_plainly(&self, [x]: [Tensor<2>; 1]) -> Tensor<2> {
        self.0.rotate_plainly(x, 0.125)
    }
}

/// `exp(logit - max)` and its sums, as in the loss on the CPU.
pub fn softmax(logits: Tensor<2>) -> [Tensor<2>; 2] {
    let found = softmax::softmax(logits);
    [found.exponentials, found.sums]
}

/// `exp(logit - max)` and its sums in burn's operations.
pub fn plain_softmax(logits: Tensor<2>) -> [Tensor<2>; 2] {
    let found = loss::plain_softmax(logits);
    [found.exponentials, found.sums]
}

/// `x Wᵀ + x Aᵀ Bᵀ` as in training on the CPU.
///
/// # Shapes
/// `x`: `[n, in]`; `a`: `[r, in]`; `b`: `[out, r]`; `weight`: `[out, in]`
pub fn lora_linear([x, a, b]: [Tensor<2>; 3], weight: &Tensor<2>) -> Tensor<2> {
    let weight = weight.clone();
    let values = move || Values::of(weight.clone());
    linear::lora_linear(x, values, None, [a, b], 1.0)
}

/// `x Wᵀ + x Aᵀ Bᵀ` in burn's operations.
pub fn plain_lora_linear([x, a, b]: [Tensor<2>; 3], weight: &Tensor<2>) -> Tensor<2> {
    let update = x.clone().matmul(a.transpose()).matmul(b.transpose());
    x.matmul(weight.clone().transpose()) + update
}

/// `x Wᵀ` with this crate's kernel, or with the `gemm` crate.
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`, both row-major; returns `[n, out]`
pub fn gemm(x: &[f32], n: usize, weight: &[f32], by_crate: bool) -> Vec<f32> {
    let out_features = weight.len() / (x.len() / n);
    let (x, weight) = (MatRef::of_rows(x, n), MatRef::of_rows(weight, out_features));
    if by_crate {
        gemm::gemm_by_crate(x, weight.transposed())
    } else {
        gemm::gemm(1.0, x, weight.transposed())
    }
}

/// A matrix with random values in the blocks of a GGUF file.
#[derive(Debug)]
pub struct Packed {
    blocks: PackedTensor,
    linear: engine::Linear,
}

impl Packed {
    /// Creates a matrix `[out, in]`; `kind` is a type with codes, and `in` a multiple of its blocks.
    pub fn new(kind: SyntheticType, out_features: usize, in_features: usize) -> Self {
        let synthetic = Synthetic { kind, seed: 1 };
        let blocks = synthetic.packed("a.weight", &[out_features, in_features]);
        let blocks = blocks.unwrap_or_else(|| panic!("{kind} has no blocks of {in_features}"));
        Self {
            linear: engine::Linear::of_blocks(&blocks),
            blocks,
        }
    }

    /// `x Wᵀ` as in generation on the CPU.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; returns `[n, out]`
    pub fn multiply(&self, x: &[f32], n: usize) -> Vec<f32> {
        let [y] = engine::project([(&self.linear, None)], x, n);
        y
    }

    /// `x Wᵀ` by unpacking the whole matrix and multiplying the values.
    pub fn unpack_and_multiply(&self, x: &[f32], n: usize) -> Vec<f32> {
        use rayon::prelude::*;
        let columns = self.blocks.columns();
        let mut values = vec![0.0; self.blocks.rows() * columns];
        let rows = values.par_chunks_mut(columns).enumerate();
        rows.for_each(|(row, out)| self.blocks.unpack_row(row, out));
        gemm(x, n, &values, false)
    }
}
