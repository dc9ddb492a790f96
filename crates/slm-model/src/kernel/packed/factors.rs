//! Scales and minima of a panel's groups, as narrow as in the file.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use rayon::prelude::*;

use super::packing::Bytes;
use super::{HalfRow, Row, WIDTH};
use crate::gguf::Scales;
use crate::simd::for_each_instruction_set;

/// One number per column and group of rows: a half-precision number shared by the groups of a block, times the group's
/// own byte if a block has several groups.
#[derive(Debug)]
pub(super) struct Factors {
    /// In half precision (not bf16).
    pub(super) of_blocks: Vec<HalfRow>,
    /// Empty if each block is one group.
    pub(super) of_groups: Vec<Bytes>,
    /// Base-2 logarithm of the number of groups per block.
    pub(super) block_shift: u32,
}

impl Factors {
    pub(super) fn new(of_blocks: Vec<HalfRow>, of_groups: Vec<Bytes>) -> Self {
        let groups_per_block = of_groups.len().checked_div(of_blocks.len()).unwrap_or(1);
        assert!(groups_per_block.is_power_of_two(), "groups of a block");
        Self {
            of_blocks,
            of_groups: if groups_per_block == 1 {
                Vec::new()
            } else {
                of_groups
            },
            block_shift: groups_per_block.trailing_zeros(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.of_blocks[..]) + size_of_val(&self.of_groups[..])
    }

    pub(super) fn value(&self, group: usize, column: usize) -> f32 {
        let of_block = f16::from_bits(self.of_blocks[group >> self.block_shift][column]).to_f32();
        let of_group = self.of_groups.get(group);
        of_group.map_or(of_block, |bytes| of_block * f32::from(bytes[column]))
    }

    /// Unpacks the factors of the groups starting at `first`.
    pub(super) fn unpack(&self, first: usize, out: &mut [Row]) {
        if self.of_groups.is_empty() {
            let halves = self.of_blocks[first..][..out.len()].as_flattened();
            let halves: &[f16] = halves.reinterpret_cast();
            return halves.convert_to_f32_slice(out.as_flattened_mut());
        }
        let (mut group, mut out) = (first, out);
        while !out.is_empty() {
            let block = group >> self.block_shift;
            let len = (((block + 1) << self.block_shift) - group).min(out.len());
            let (of_block, rest) = out.split_at_mut(len);
            let mut factor = [0.0; WIDTH];
            let halves: &[f16] = self.of_blocks[block].reinterpret_cast();
            halves.convert_to_f32_slice(&mut factor);
            multiply(&factor, &self.of_groups[group..], of_block);
            (group, out) = (group + len, rest);
        }
    }
}

for_each_instruction_set! {
    /// Multiplies one factor with each row of bytes.
    fn multiply(factor: &Row, bytes: &[Bytes], out: &mut [Row]) {
        for (out, bytes) in out.iter_mut().zip(bytes) {
            for ((out, &byte), &factor) in out.iter_mut().zip(bytes).zip(factor) {
                *out = factor * f32::from(byte);
            }
        }
    }
}

/// Splits the buffers into one part per panel, with `blocks` blocks and `groups` groups each.
pub(super) fn of_panels<'a>(
    of_blocks: &'a mut [HalfRow],
    of_groups: &'a mut [Bytes],
    (blocks, groups): (usize, usize),
) -> impl IndexedParallelIterator<Item = OfPanel<'a>> {
    of_blocks
        .par_chunks_mut(blocks)
        .zip(of_groups.par_chunks_mut(groups))
        .map(|(of_blocks, of_groups)| OfPanel {
            of_blocks,
            of_groups,
        })
}

/// Buffers for the factors of one panel.
pub(super) struct OfPanel<'a> {
    pub(super) of_blocks: &'a mut [HalfRow],
    pub(super) of_groups: &'a mut [Bytes],
}

impl OfPanel<'_> {
    /// Writes the factors of a row of the matrix into column `j`.
    pub(super) fn write(&mut self, j: usize, scales: &Scales) {
        for (row, half) in self.of_blocks.iter_mut().zip(&scales.of_blocks) {
            row[j] = half.to_bits();
        }
        for (row, &byte) in self.of_groups.iter_mut().zip(&scales.of_groups) {
            row[j] = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_its_blocks_half_times_its_own_byte() {
        let half = |value| [f16::from_f32(value).to_bits(); WIDTH];
        let own = |bytes: [i8; 4]| bytes.map(|byte| [byte; WIDTH]).to_vec();
        let factors = |groups| Factors::new(vec![half(0.5), half(-3.0)], groups);
        for (factors, expected) in [
            (factors(own([1, 1, 1, 1])), vec![0.5, 0.5, -3.0, -3.0]),
            (factors(own([2, -1, 0, 63])), vec![1.0, -0.5, 0.0, -189.0]),
            (factors(own([1; 4])[..2].to_vec()), vec![0.5, -3.0]),
        ] {
            let mut unpacked = vec![[0.0; WIDTH]; expected.len()];
            factors.unpack(0, &mut unpacked);
            for (group, &expected) in expected.iter().enumerate() {
                assert_eq!(
                    factors.value(group, 7).to_bits(),
                    unpacked[group][7].to_bits()
                );
                assert!((unpacked[group][7] - expected).abs() < f32::EPSILON);
            }
            let mut last = [[0.0; WIDTH]];
            factors.unpack(expected.len() - 1, &mut last);
            assert_eq!(Some(&last[0]), unpacked.last());
        }
    }
}
