//! The output projection (LM head): logits over the vocabulary from hidden states.

use burn::tensor::{DType, Tensor};

use crate::frozen::{FrozenWeight, matmul_transposed};
use crate::fused::Kernels;

/// An output projection, `[vocab_size, hidden_size]`: the base model's, or an adapter's that trains it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The weight as a constant.
    weight: FrozenWeight,
    /// The tracked weight, if it is trained.
    trained: Option<Tensor<2>>,
    kernels: Kernels,
}

impl Head {
    /// Wraps the base model's weight.
    pub(crate) fn frozen(weight: FrozenWeight, kernels: Kernels) -> Self {
        Self {
            weight,
            trained: None,
            kernels,
        }
    }

    /// The kernels of the weight's device; none for a weight that may be trained.
    pub(crate) fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// The weight as a constant.
    pub(crate) fn weight(&self) -> &FrozenWeight {
        &self.weight
    }

    /// The tracked weight, if it is trained.
    pub(crate) fn trained(&self) -> Option<&Tensor<2>> {
        self.trained.as_ref()
    }

    /// Computes logits in single precision.
    ///
    /// # Shapes
    /// `states`: `[n, hidden_size]`; returns `[n, vocab_size]`
    pub fn logits(&self, states: Tensor<2>) -> Tensor<2> {
        let logits = match &self.trained {
            Some(weight) => matmul_transposed(states, weight),
            None if states.is_autodiff() => self.weight.forward(states),
            None => self.weight.forward_as(states, DType::F32, &self.kernels),
        };
        logits.cast(DType::F32)
    }
}

impl From<Tensor<2>> for Head {
    /// Wraps the given weight; it is trained if it is tracked.
    fn from(weight: Tensor<2>) -> Self {
        Self {
            trained: weight.is_autodiff().then(|| weight.clone()),
            weight: FrozenWeight::Dense(weight.inner()),
            kernels: Kernels::default(),
        }
    }
}
