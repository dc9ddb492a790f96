//! What `benches/` measures beside the public functions: fused operations, and what burn's own make of the same.

use std::sync::Arc;

use burn::tensor::{Tensor, activation::silu};

use crate::attention::{Heads, Sight, attend_plainly, attend_whole};
use crate::kernel;

/// Sequences, their length, query heads, key-value heads, and width of a head.
pub type AttentionShape = (usize, usize, usize, usize, usize);

fn parts((batch, length, query, key_value, dim): AttentionShape) -> (Arc<Sight>, Heads) {
    let heads = Heads {
        query,
        key_value,
        dim,
    };
    (Arc::new(Sight::causal(batch, length)), heads)
}

/// Causal attention as in training.
pub fn attention([q, k, v]: [Tensor<2>; 3], shape: AttentionShape) -> Tensor<2> {
    let (sight, heads) = parts(shape);
    attend_whole(q, k, v, &sight, heads)
}

/// The same by burn's operations, over full scores.
pub fn plain_attention(inputs: [Tensor<2>; 3], shape: AttentionShape) -> Tensor<2> {
    let (sight, heads) = parts(shape);
    attend_plainly(inputs, &sight, heads)
}

/// `silu(gate) * up` as in training on the CPU.
pub fn swiglu([gate, up]: [Tensor<2>; 2]) -> Tensor<2> {
    kernel::swiglu::swiglu(gate, up)
}

/// The same by burn's operations.
pub fn plain_swiglu([gate, up]: [Tensor<2>; 2]) -> Tensor<2> {
    silu(gate) * up
}

/// `x Wᵀ` and `g W` as in training on the CPU.
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`; `gradient`: `[n, out]`
pub fn products([x, weight, gradient]: [Tensor<2>; 3]) -> [Tensor<2>; 2] {
    let y = kernel::linear::times(x, weight.clone());
    [y, kernel::linear::back(gradient, weight)]
}

/// The same by burn's operations.
pub fn plain_products([x, weight, gradient]: [Tensor<2>; 3]) -> [Tensor<2>; 2] {
    let y = x.matmul(weight.clone().transpose());
    [y, gradient.matmul(weight)]
}
