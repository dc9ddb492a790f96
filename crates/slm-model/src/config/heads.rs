//! Number and width of a model's attention heads.

use super::ModelConfig;

/// Numbers and width of the attention heads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) query: usize,
    pub(crate) key_value: usize,
    pub(crate) dim: usize,
}

impl Heads {
    pub(crate) fn of(config: &ModelConfig) -> Self {
        Self {
            query: config.num_attention_heads,
            key_value: config.num_key_value_heads,
            dim: config.head_dim,
        }
    }

    /// `1 / sqrt(head_dim)`.
    pub(crate) fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }
}
