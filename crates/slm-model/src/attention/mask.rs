//! The attention mask of full sequences: causal, and block-diagonal if a sequence packs several texts.

use std::sync::OnceLock;

#[cfg(feature = "cube")]
use burn::tensor::DType;
use burn::tensor::{Device, Tensor, TensorData};

#[cfg(feature = "cube")]
use crate::fused::cube::SequenceRows;

/// Sequences of equal length, each with one or several texts followed by padding.
#[derive(Debug)]
pub(crate) struct AttentionMask {
    batch: usize,
    length: usize,
    /// The index in its sequence at which each token's text begins. Each padding token is a separate text.
    starts: Vec<u32>,
    /// Whether some sequence has more than one text.
    packed: bool,
    /// Whether some token attends to a part of its text alone.
    has_window: bool,
    /// See [`Self::additive`]; computed on first use, once for all layers.
    additive: OnceLock<Tensor<4>>,
    /// See [`Self::rows`].
    #[cfg(feature = "cube")]
    rows: OnceLock<SequenceRows>,
}

impl AttentionMask {
    /// Sequences of one text each. Padding at the end is invisible to all tokens before it, so it may count as text.
    pub(crate) fn causal(batch: usize, length: usize) -> Self {
        Self {
            batch,
            length,
            starts: vec![0; batch * length],
            packed: false,
            has_window: false,
            additive: OnceLock::new(),
            #[cfg(feature = "cube")]
            rows: OnceLock::new(),
        }
    }

    /// Sequences packed from several texts; `texts` gives the lengths of the texts of each.
    pub(crate) fn packed(texts: &[Vec<usize>], length: usize) -> Self {
        let mut starts = Vec::with_capacity(texts.len() * length);
        for (index, lengths) in texts.iter().enumerate() {
            let mut start = 0;
            for &text in lengths {
                starts.extend(std::iter::repeat_n(start as u32, text));
                start += text;
            }
            assert!(start <= length, "texts longer than their sequence");
            starts.extend((start..length).map(|at| at as u32));
            debug_assert_eq!(starts.len(), (index + 1) * length);
        }
        Self {
            batch: texts.len(),
            length,
            starts,
            packed: true,
            has_window: false,
            additive: OnceLock::new(),
            #[cfg(feature = "cube")]
            rows: OnceLock::new(),
        }
    }

    /// The same sequences where a token attends to at most `window` tokens, itself included.
    pub(crate) fn within(&self, window: usize) -> Self {
        let first_of = |row: usize| (row % self.length + 1).saturating_sub(window) as u32;
        let starts = self.starts.iter().enumerate();
        Self {
            batch: self.batch,
            length: self.length,
            starts: starts
                .map(|(row, &start)| start.max(first_of(row)))
                .collect(),
            packed: self.packed,
            has_window: true,
            additive: OnceLock::new(),
            #[cfg(feature = "cube")]
            rows: OnceLock::new(),
        }
    }

    /// Whether some token attends to a part of its text alone.
    pub(crate) fn has_window(&self) -> bool {
        self.has_window
    }

    /// The number of sequences.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// The number of tokens per sequence.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The first index of its sequence that each token attends to.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// The same on a device of `CubeCL`, for its attention kernel; copied there on first use, once for all layers.
    #[cfg(feature = "cube")]
    pub(crate) fn rows(&self, device: &Device) -> &SequenceRows {
        self.rows.get_or_init(|| {
            let data = TensorData::new(self.starts.clone(), [self.starts.len()]);
            SequenceRows {
                batch: self.batch,
                length: self.length,
                starts: Tensor::from_data(data, (device, DType::U32)),
            }
        })
    }

    /// Additive mask: 0 where the key is visible, minus infinity elsewhere.
    ///
    /// # Shapes
    /// returns `[1 or batch, 1, length, length]`
    pub(super) fn additive(&self, device: &Device) -> &Tensor<4> {
        self.additive.get_or_init(|| {
            let batch = if self.packed { self.batch } else { 1 };
            let length = self.length;
            let mut mask = vec![f32::NEG_INFINITY; batch * length * length];
            let rows = mask.chunks_exact_mut(length).zip(&self.starts);
            for (row, (keys, &start)) in rows.enumerate() {
                keys[start as usize..=row % length].fill(0.0);
            }
            let data = TensorData::new(mask, [batch, 1, length, length]);
            Tensor::from_data(data, device)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_sees_its_own_text_up_to_itself() {
        let mask = AttentionMask::packed(&[vec![2, 1], vec![4]], 4);
        assert_eq!(mask.starts(), [0, 0, 2, 3, 0, 0, 0, 0]);
        let mask = mask.additive(&Device::flex()).clone();
        assert_eq!(mask.dims(), [2, 1, 4, 4]);
        let mask: Vec<f32> = mask.into_data().try_into_vec().expect("f32");
        let seen: String = mask
            .iter()
            .map(|&m| if m == 0.0 { 'x' } else { '.' })
            .collect();
        assert_eq!(seen, "x...xx....x....xx...xx..xxx.xxxx");
    }

    #[test]
    fn a_window_hides_all_but_the_last_tokens_of_a_text() {
        let mask = AttentionMask::packed(&[vec![4, 1], vec![5]], 5).within(2);
        assert_eq!(mask.starts(), [0, 0, 1, 2, 4, 0, 0, 1, 2, 3]);
        assert!(mask.has_window());
    }

    #[test]
    fn plain_sequences_share_a_mask() {
        let mask = AttentionMask::causal(3, 2);
        assert_eq!((mask.batch(), mask.length()), (3, 2));
        assert_eq!(mask.additive(&Device::flex()).dims(), [1, 1, 2, 2]);
    }
}
