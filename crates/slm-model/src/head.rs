//! The output projection (LM head): logits over the vocabulary from hidden states.

use burn::tensor::{DType, Tensor};

use crate::frozen::{FrozenWeight, matmul_transposed};

/// An output projection, `[vocab_size, hidden_size]`: the base model's, or an adapter's that trains it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The weight as a constant.
    weight: FrozenWeight,
    /// The tracked weight, if it is trained.
    trained: Option<Tensor<2>>,
}

impl Head {
    /// Wraps the base model's weight.
    pub(crate) fn frozen(weight: FrozenWeight) -> Self {
        Self {
            weight,
            trained: None,
        }
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
            None => self.weight.forward(states),
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
        }
    }
}
