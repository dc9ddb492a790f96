//! Unpacked form of the packed types of GGUF: integer codes and a scale for each group of them.
//!
//! A value is `scale * code`, or `scale * code + minimum`, the product rounded before the sum, bit for bit as in
//! [`dequantize`](super::dequantize). Scales and minima are half-precision numbers, times integers if a block has
//! several groups.
//!
//! # Source
//! The block layouts: `ggml-common.h` of <https://github.com/ggml-org/ggml>.

use half::f16;

use super::tensor_type::TensorType;

/// The values of the codes of `IQ4_NL` and `IQ4_XS`: closer together around zero, where most weights are.
const TABLE: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// Codes, scales and minima of some blocks.
pub(crate) struct Codes {
    #[expect(clippy::struct_field_names, reason = "codes as opposed to scales")]
    pub(crate) codes: Vec<i8>,
    pub(crate) scales: Scales,
    /// Zeros for types without minima.
    pub(crate) minima: Scales,
}

/// A factor for each group: that of its block times its own.
pub(crate) struct Scales {
    /// One per block.
    pub(crate) of_blocks: Vec<f16>,
    /// One per group; 1 if each block is one group.
    pub(crate) of_groups: Vec<i8>,
}

impl Scales {
    fn new(blocks: usize, groups: usize) -> Self {
        Self {
            of_blocks: vec![f16::ZERO; blocks],
            of_groups: vec![1; groups],
        }
    }

    pub(crate) fn value(&self, group: usize) -> f32 {
        let groups_per_block = self.of_groups.len() / self.of_blocks.len();
        self.of_blocks[group / groups_per_block].to_f32() * f32::from(self.of_groups[group])
    }
}

/// Destination of the scales of one block.
struct OfBlock<'a> {
    of_block: &'a mut f16,
    of_groups: &'a mut [i8],
}

impl Codes {
    /// Allocates `blocks` blocks.
    pub(super) fn of_blocks(kind: TensorType, blocks: usize) -> Self {
        let groups = blocks * kind.block_len() / kind.group();
        Self {
            codes: vec![0; blocks * kind.block_len()],
            scales: Scales::new(blocks, groups),
            minima: Scales::new(blocks, groups),
        }
    }

    /// Unpacks as many blocks as are allocated.
    pub(super) fn fill(&mut self, kind: TensorType, bytes: &[u8]) {
        let groups = kind.block_len() / kind.group();
        let blocks = bytes
            .chunks_exact(kind.block_bytes())
            .zip(self.codes.chunks_exact_mut(kind.block_len()));
        for (i, (block, codes)) in blocks.enumerate() {
            let [scales, minima] = [&mut self.scales, &mut self.minima].map(|scales| OfBlock {
                of_block: &mut scales.of_blocks[i],
                of_groups: &mut scales.of_groups[i * groups..][..groups],
            });
            kind.take_apart(block, codes, scales, minima);
        }
    }
}

impl TensorType {
    fn take_apart(self, block: &[u8], codes: &mut [i8], scales: OfBlock, minima: OfBlock) {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => unreachable!("these hold no codes"),
            Self::Q4_0 => {
                *scales.of_block = half_at(block, 0);
                nibbles(&block[2..], codes, |q| q as i8 - 8);
            }
            Self::Q4_1 => {
                (*scales.of_block, *minima.of_block) = (half_at(block, 0), half_at(block, 2));
                nibbles(&block[4..], codes, |q| q as i8);
            }
            Self::Q5_0 => {
                *scales.of_block = half_at(block, 0);
                five_bits(&block[2..], codes, |q| q as i8 - 16);
            }
            Self::Q5_1 => {
                (*scales.of_block, *minima.of_block) = (half_at(block, 0), half_at(block, 2));
                five_bits(&block[4..], codes, |q| q as i8);
            }
            Self::Q8_0 => {
                *scales.of_block = half_at(block, 0);
                for (code, &q) in codes.iter_mut().zip(&block[2..]) {
                    *code = q as i8;
                }
            }
            Self::Q2_K => {
                let (of_groups, rest) = block.split_at(16);
                let (packed, halves) = rest.split_at(64);
                (*scales.of_block, *minima.of_block) = (half_at(halves, 0), -half_at(halves, 2));
                let groups = scales.of_groups.iter_mut().zip(minima.of_groups);
                for ((scale, minimum), &byte) in groups.zip(of_groups) {
                    (*scale, *minimum) = ((byte & 0x0f) as i8, (byte >> 4) as i8);
                }
                for (i, code) in codes.iter_mut().enumerate() {
                    *code = two_bits(packed, i) as i8;
                }
            }
            Self::Q3_K => {
                let (third_bits, rest) = block.split_at(32);
                let (packed, rest) = rest.split_at(64);
                *scales.of_block = half_at(rest, 12);
                for (i, scale) in scales.of_groups.iter_mut().enumerate() {
                    *scale = six_bits(rest, i) as i8 - 32;
                }
                for (i, code) in codes.iter_mut().enumerate() {
                    // Bit n of byte j is the third bit of value j of the run of 32 with number n.
                    let third = (third_bits[i % 32] >> (i / 32)) & 1;
                    *code = (two_bits(packed, i) | third << 2) as i8 - 4;
                }
            }
            Self::Q4_K => {
                let packed = &block[16..];
                scales_and_minima(block, scales, minima);
                for (i, codes) in codes.chunks_exact_mut(32).enumerate() {
                    // Two sub-blocks share 32 bytes: the even one uses the low nibbles.
                    for (code, &byte) in codes.iter_mut().zip(&packed[i / 2 * 32..]) {
                        *code = ((byte >> (i % 2 * 4)) & 0x0f) as i8;
                    }
                }
            }
            Self::Q5_K => {
                let (fifth_bits, packed) = block[16..].split_at(32);
                scales_and_minima(block, scales, minima);
                for (i, codes) in codes.chunks_exact_mut(32).enumerate() {
                    let bytes = packed[i / 2 * 32..].iter().zip(fifth_bits);
                    for (code, (&byte, &fifths)) in codes.iter_mut().zip(bytes) {
                        // Bit i of byte j is the fifth bit of value j of sub-block i.
                        let q = ((byte >> (i % 2 * 4)) & 0x0f) | ((fifths >> i) & 1) << 4;
                        *code = q as i8;
                    }
                }
            }
            Self::Q6_K => six_bit_codes(block, codes, scales),
            Self::IQ4_NL => {
                *scales.of_block = half_at(block, 0);
                nibbles(&block[2..], codes, |q| TABLE[usize::from(q)]);
            }
            Self::IQ4_XS => {
                *scales.of_block = half_at(block, 0);
                let upper = u16::from_le_bytes(first(&block[2..]));
                let (low, packed) = block[4..].split_at(4);
                for (i, scale) in scales.of_groups.iter_mut().enumerate() {
                    let low = (low[i / 2] >> (i % 2 * 4)) & 0x0f;
                    let upper = (upper >> (2 * i)) as u8 & 0x03;
                    *scale = (low | upper << 4) as i8 - 32;
                }
                let parts = packed.chunks_exact(16).zip(codes.chunks_exact_mut(32));
                for (packed, codes) in parts {
                    nibbles(packed, codes, |q| TABLE[usize::from(q)]);
                }
            }
        }
    }
}

/// Unpacks `Q6_K`.
fn six_bit_codes(block: &[u8], codes: &mut [i8], scales: OfBlock) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (sub_scales, scale) = rest.split_at(16);
    *scales.of_block = half_at(scale, 0);
    for (scale, &sub_scale) in scales.of_groups.iter_mut().zip(sub_scales) {
        *scale = sub_scale as i8;
    }
    for (i, code) in codes.iter_mut().enumerate() {
        // Each half of 128 values has 64 low bytes and 32 high bytes, processed in runs of 32.
        let (half, run, j) = (i / 128, i % 128 / 32, i % 32);
        let nibble = (low[half * 64 + run % 2 * 32 + j] >> (run / 2 * 4)) & 0x0f;
        let upper = (high[half * 32 + j] >> (run * 2)) & 0x03;
        *code = (nibble | upper << 4) as i8 - 32;
    }
}

/// The first `N` bytes of a block.
pub(super) fn first<const N: usize>(block: &[u8]) -> [u8; N] {
    *block.first_chunk().expect("a whole block")
}

/// The half-precision number at byte `at`.
pub(super) fn half_at(block: &[u8], at: usize) -> f16 {
    f16::from_le_bytes(first(&block[at..]))
}

/// Unpacks nibbles: the low ones fill the first half of the codes, the high ones the second.
fn nibbles(packed: &[u8], codes: &mut [i8], code: impl Fn(u8) -> i8) {
    let (low, high) = codes.split_at_mut(packed.len());
    for ((&byte, low), high) in packed.iter().zip(low).zip(high) {
        *low = code(byte & 0x0f);
        *high = code(byte >> 4);
    }
}

/// Unpacks four bytes with the fifth bit of each code, followed by their low bits as for [`nibbles`].
fn five_bits(packed: &[u8], codes: &mut [i8], code: impl Fn(u8) -> i8) {
    let (fifth_bits, packed) = packed.split_at(4);
    let fifth_bits = u32::from_le_bytes(first(fifth_bits));
    for (i, to) in codes.iter_mut().enumerate() {
        let nibble = (packed[i % 16] >> (i / 16 * 4)) & 0x0f;
        let fifth = ((fifth_bits >> i) & 1) as u8;
        *to = code(nibble | fifth << 4);
    }
}

/// The two low bits of value `i` of `Q2_K` and `Q3_K`: each half of 128 values has 32 bytes, with the values of four
/// runs of 32 from the lowest bits to the highest.
fn two_bits(packed: &[u8], i: usize) -> u8 {
    let (half, run, j) = (i / 128, i % 128 / 32, i % 32);
    (packed[half * 32 + j] >> (run * 2)) & 0x03
}

/// Unpacks the 6-bit scale of sub-block `i` from the 12 bytes of `Q3_K`: the low nibbles of the first eight bytes, then
/// their high nibbles; the upper two bits of scale `i` are in byte `8 + i % 4`, at bit `i / 4 * 2`.
fn six_bits(packed: &[u8], i: usize) -> u8 {
    let low = (packed[i % 8] >> (i / 8 * 4)) & 0x0f;
    let upper = (packed[8 + i % 4] >> (i / 4 * 2)) & 0x03;
    low | upper << 4
}

/// Unpacks the scales and minima of the eight sub-blocks of `Q4_K` and `Q5_K`; these types subtract the minimum.
fn scales_and_minima(block: &[u8], scales: OfBlock, minima: OfBlock) {
    (*scales.of_block, *minima.of_block) = (half_at(block, 0), -half_at(block, 2));
    let of_groups = scales.of_groups.iter_mut().zip(minima.of_groups);
    for (i, (scale, minimum)) in of_groups.enumerate() {
        (*scale, *minimum) = scale_and_minimum(&block[4..16], i);
    }
}

/// Unpacks the 6-bit scale and minimum of sub-block `i` from the 12 bytes of `Q4_K` and `Q5_K`.
///
/// The first four of each are in the low 6 bits of bytes 0-3 and 4-7; the last four have their low nibbles
/// in bytes 8-11 and their upper two bits in the top bits of bytes 0-3 and 4-7.
fn scale_and_minimum(packed: &[u8], i: usize) -> (i8, i8) {
    let (scale, minimum) = if i < 4 {
        (packed[i] & 0x3f, packed[i + 4] & 0x3f)
    } else {
        (
            (packed[i + 4] & 0x0f) | ((packed[i - 4] >> 2) & 0x30),
            (packed[i + 4] >> 4) | ((packed[i] >> 2) & 0x30),
        )
    };
    (scale as i8, minimum as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_sub_blocks_take_their_upper_scale_bits_from_the_first_bytes() {
        // Scale 4 is 0x25: low nibble 5 in byte 8, upper bits 0b10 on byte 0.
        let mut packed = [0; 12];
        packed[0] = 0b1000_0000;
        packed[8] = 0x05;
        assert_eq!(scale_and_minimum(&packed, 4), (37, 0));
        assert_eq!(scale_and_minimum(&packed, 0), (0, 0));
    }
}
