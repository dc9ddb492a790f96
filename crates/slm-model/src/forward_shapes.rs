//! What depends only on the shape of a forward pass, kept for the last few shapes: rotary tables and causal masks.
//!
//! A training has few shapes, and each of them would otherwise be computed on the host and copied to the device in every
//! micro-batch.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;

use crate::attention::{AttentionMask, SequenceMasks};
use crate::config::{ModelConfig, RopeBase};
use crate::fused::Kernels;
use crate::rotary::Rotary;

/// The number of shapes that are kept.
const KEPT: usize = 8;

/// Values that were used last, by their key.
struct Recent<K, V>(Mutex<VecDeque<(K, Arc<V>)>>);

impl<K: PartialEq, V> Recent<K, V> {
    fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| *known == key);
        let entry = match at.and_then(|at| kept.remove(at)) {
            Some(entry) => entry,
            None => (key, Arc::new(make())),
        };
        let value = entry.1.clone();
        kept.push_front(entry);
        kept.truncate(KEPT);
        value
    }
}

/// Rotary tables and causal masks of the last few shapes.
pub(crate) struct ForwardShapes {
    rotary: Recent<(RopeBase, usize), Rotary>,
    masks: Recent<(usize, usize), SequenceMasks>,
}

impl ForwardShapes {
    pub(crate) fn new() -> Self {
        Self {
            rotary: Recent(Mutex::default()),
            masks: Recent(Mutex::default()),
        }
    }

    /// The tables for positions from 0 to `length`.
    pub(crate) fn rotary(
        &self,
        config: &ModelConfig,
        base: RopeBase,
        length: usize,
        device: &Device,
        kernels: &Kernels,
    ) -> Arc<Rotary> {
        self.rotary.get((base, length), || {
            let positions: Vec<usize> = (0..length).collect();
            Rotary::new(config, base, &positions, device, kernels)
        })
    }

    /// The masks of `batch` sequences of one text each; `windows` are those of the model's layers.
    pub(crate) fn causal(
        &self,
        batch: usize,
        length: usize,
        windows: &[Option<usize>],
    ) -> Arc<SequenceMasks> {
        self.masks.get((batch, length), || {
            let mask = Arc::new(AttentionMask::causal(batch, length));
            SequenceMasks::new(&mask, windows)
        })
    }
}

impl fmt::Debug for ForwardShapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardShapes").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_shapes_are_kept_and_older_ones_are_dropped() {
        let shapes = ForwardShapes::new();
        let first = shapes.causal(2, 8, &[None]);
        for length in 1..KEPT {
            shapes.causal(1, length, &[None]);
        }
        assert!(Arc::ptr_eq(&first, &shapes.causal(2, 8, &[None])));
        for length in 1..=KEPT {
            shapes.causal(3, length, &[None]);
        }
        assert!(!Arc::ptr_eq(&first, &shapes.causal(2, 8, &[None])));
    }
}
