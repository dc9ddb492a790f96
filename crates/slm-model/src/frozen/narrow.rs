//! A matrix in the CPU's memory with fewer bits than its values are computed in.

use std::ops::Range;

use half::bf16;
use rayon::prelude::*;

use super::WeightFormat;
use super::quantize::{block_type, quantized};
use crate::gguf::PackedTensor;
use crate::simd::widen;
use crate::weight_file::HostTensor;

/// A matrix whose rows can be unpacked separately.
#[derive(Debug)]
pub(crate) struct NarrowMatrix {
    columns: usize,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// bfloat16.
    Halves(Vec<u16>),
    /// Blocks as in a GGUF file.
    Blocks(PackedTensor),
}

impl NarrowMatrix {
    /// Rounds to bfloat16, to nearest with ties to even.
    pub(super) fn halves(tensor: &HostTensor) -> Self {
        let halves = tensor.values.par_iter();
        let halves = halves
            .map(|&value| bf16::from_f32(value).to_bits())
            .collect();
        Self {
            columns: tensor.shape[1],
            storage: Storage::Halves(halves),
        }
    }

    /// Wraps packed blocks of a file.
    pub(super) fn blocks(blocks: PackedTensor) -> Self {
        Self {
            columns: blocks.columns(),
            storage: Storage::Blocks(blocks),
        }
    }

    /// Quantises a matrix if its name and shape allow it; otherwise stores bfloat16.
    pub(super) fn quantized(name: &str, tensor: &HostTensor, format: WeightFormat) -> Self {
        let blocks = block_type(name, &tensor.shape, format);
        let blocks = blocks.and_then(|kind| quantized(tensor, kind));
        blocks.map_or_else(|| Self::halves(tensor), Self::blocks)
    }

    pub(crate) fn rows(&self) -> usize {
        match &self.storage {
            Storage::Halves(halves) => halves.len() / self.columns,
            Storage::Blocks(blocks) => blocks.rows(),
        }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Size of the values in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.storage {
            Storage::Halves(halves) => size_of_val(&halves[..]),
            Storage::Blocks(blocks) => blocks.bytes(),
        }
    }

    /// Splits all rows into runs of at most `values` values.
    pub(crate) fn row_blocks(&self, values: usize) -> impl Iterator<Item = Range<usize>> {
        let (rows, step) = (self.rows(), (values / self.columns).max(1));
        (0..rows)
            .step_by(step)
            .map(move |start| start..rows.min(start + step))
    }

    /// Unpacks some rows to single precision, on all cores.
    ///
    /// # Shapes
    /// `out`: `[rows.len(), columns]`
    pub(crate) fn unpack(&self, rows: Range<usize>, out: &mut [f32]) {
        assert_eq!(out.len(), rows.len() * self.columns, "room for the rows");
        match &self.storage {
            Storage::Halves(halves) => {
                let halves = &halves[rows.start * self.columns..rows.end * self.columns];
                let parts = out.par_chunks_mut(1 << 14).zip(halves.par_chunks(1 << 14));
                parts.for_each(|(out, halves)| widen(halves, out));
            }
            Storage::Blocks(blocks) => {
                let each = out.par_chunks_mut(self.columns).enumerate();
                each.for_each(|(row, out)| blocks.unpack_row(rows.start + row, out));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::fixture::packed_noise;

    #[test]
    fn blocks_unpack_to_the_values_of_their_file() {
        for (packed, values) in packed_noise(33, 512) {
            let matrix = NarrowMatrix::blocks(packed);
            assert_eq!((matrix.rows(), matrix.columns()), (33, 512));
            let mut found = vec![0.0; 7 * 512];
            matrix.unpack(20..27, &mut found);
            assert_eq!(found, values[20 * 512..27 * 512]);
        }
    }

    #[test]
    fn halves_are_rounded_to_the_nearest() {
        let values = vec![1.0, 1.0 + 3.0 / 512.0, -2.5, 1e-3];
        let shape = vec![2, 2];
        let matrix = NarrowMatrix::halves(&HostTensor { shape, values });
        let mut found = vec![0.0; 4];
        matrix.unpack(0..2, &mut found);
        let nearest = f32::from_bits(0x3a83_0000);
        assert_eq!(found, [1.0, 1.0 + 1.0 / 128.0, -2.5, nearest]);
        assert_eq!(matrix.bytes(), 8);
    }

    #[test]
    fn runs_of_rows_cover_all_of_them() {
        let matrix = NarrowMatrix::halves(&HostTensor {
            shape: vec![10, 4],
            values: vec![0.0; 40],
        });
        let runs: Vec<_> = matrix.row_blocks(13).collect();
        assert_eq!(runs, [0..3, 3..6, 6..9, 9..10]);
        assert_eq!(matrix.row_blocks(1).count(), 10);
    }
}
