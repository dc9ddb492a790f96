//! What differs between the layers of one model: rotary embedding and window.

use super::{ModelConfig, RopeBase};

/// How the attention of a layer sees positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerKind {
    /// The base of the rotary embedding; `None` without one.
    pub rope: Option<RopeBase>,
    /// The number of tokens that a token attends to, itself included; `None` for all before it.
    pub window: Option<usize>,
}

impl LayerKind {
    /// Rotary embedding, and attention to all earlier tokens.
    pub const GLOBAL: Self = Self {
        rope: Some(RopeBase::Global),
        window: None,
    };
}

/// Shortens a list of layers to the period that repeats in it.
fn period(mut kinds: Vec<LayerKind>) -> Vec<LayerKind> {
    let repeats = |n: &usize| (*n..kinds.len()).all(|i| kinds[i] == kinds[i - n]);
    if let Some(n) = (1..kinds.len()).find(repeats) {
        kinds.truncate(n);
    }
    kinds
}

impl ModelConfig {
    /// Drops the windows that no sequence exceeds, and what repeats in the list of layers.
    pub(crate) fn normalise_layers(&mut self) {
        let kinds = (0..self.num_hidden_layers).map(|layer| {
            let kind = self.layer_kind(layer);
            let is_narrow = |&window: &usize| window < self.max_position_embeddings;
            LayerKind {
                window: kind.window.filter(is_narrow),
                ..kind
            }
        });
        self.layer_kinds = period(kinds.collect());
    }

    /// Removes the rotary embedding from every layer.
    pub(crate) fn remove_rope(&mut self) {
        for kind in &mut self.layer_kinds {
            kind.rope = None;
        }
    }

    /// Sets the width of a head, all of which is rotated.
    pub(crate) fn set_head_dim(&mut self, head_dim: usize) {
        self.head_dim = head_dim;
        self.rotary_dim = head_dim;
    }

    /// The windows of the layers, each once; `None` for layers without one.
    pub(crate) fn windows(&self) -> Vec<Option<usize>> {
        let mut windows: Vec<_> = self.layer_kinds.iter().map(|kind| kind.window).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// Returns how the attention of a layer sees positions.
    pub fn layer_kind(&self, layer: usize) -> LayerKind {
        let kinds = &self.layer_kinds;
        kinds
            .get(layer % kinds.len().max(1))
            .copied()
            .unwrap_or(LayerKind::GLOBAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeating_list_is_shortened_to_its_period() {
        let none = LayerKind {
            rope: None,
            window: None,
        };
        let (a, b) = (LayerKind::GLOBAL, none);
        assert_eq!(period(vec![a, a, a]), [a]);
        assert_eq!(period(vec![a, a, a, b, a]), [a, a, a, b]);
        assert_eq!(period(vec![a, b, a, b, a]), [a, b]);
        assert_eq!(period(vec![a, b, b]), [a, b, b]);
        assert_eq!(period(vec![]), []);
    }
}
