//! Bit-packed codes of a panel.

use rayon::prelude::*;

use super::{Row, WIDTH};
use crate::simd::for_each_instruction_set;

/// One byte per column.
pub(super) type Bytes = [i8; WIDTH];
/// Eight rows of a panel, four bits each, the first in the lowest bits.
pub(super) type Nibbles = [u32; WIDTH];
/// Rows per [`Nibbles`].
pub(super) const NIBBLES: usize = 8;

/// Rows of a panel in `N` numbers per column: eight rows for each number but the first.
///
/// Number `1 + n` has the lower four bits of rows `8 * n` to `8 * n + 7`: the first four rows in the lower halves of
/// its bytes, the others in the upper halves. Number 0 has the remaining bits: byte `r` those of rows `r`, `4 + r`,
/// `8 + r` and so on, starting at bit 4 and wrapping after bit 7 to bit 0, so that one shift moves those of four
/// rows into place.
pub(super) type Words<const N: usize> = [[u32; WIDTH]; N];
pub(super) type Fives = Words<5>;
pub(super) type Sixes = Words<3>;
/// Rows per [`Fives`].
pub(super) const FIVES: usize = 32;
/// Rows per [`Sixes`].
pub(super) const SIXES: usize = 16;

/// Bits of a code in the first number of a unit of `words` numbers.
pub(super) const fn upper_bits(words: usize) -> usize {
    4 / (words - 1)
}

/// Bit offset of the upper bits of rows `4 * four` and following in each byte of the first number.
const fn upper_shift(four: usize, words: usize) -> usize {
    (4 + four * upper_bits(words)) % 8
}

/// The codes of all panels, concatenated. A code is the stored number minus an offset.
#[derive(Debug)]
pub(super) enum Packing {
    Bytes(Vec<Bytes>),
    Nibbles(Vec<Nibbles>, i8),
    Fives(Vec<Fives>, i8),
    Sixes(Vec<Sixes>, i8),
}

impl Packing {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(units) => size_of_val(&units[..]),
            Self::Nibbles(units, _) => size_of_val(&units[..]),
            Self::Fives(units, _) => size_of_val(&units[..]),
            Self::Sixes(units, _) => size_of_val(&units[..]),
        }
    }

    /// The offset between the stored number and the code.
    pub(super) fn offset(&self) -> i8 {
        match *self {
            Self::Bytes(_) => 0,
            Self::Nibbles(_, offset) | Self::Fives(_, offset) | Self::Sixes(_, offset) => offset,
        }
    }

    /// The offset left in the numbers that products use. Subtracting it from nibbles would take one step each, where
    /// the other packings subtract four at a time; instead it becomes a minimum of `-offset * scale`, which is exact
    /// because the offset is a power of two.
    pub(super) fn surplus(&self) -> i8 {
        match self {
            Self::Nibbles(..) => self.offset(),
            Self::Bytes(_) | Self::Fives(..) | Self::Sixes(..) => 0,
        }
    }

    /// Returns a column's code in row `k` of the concatenated panels.
    pub(super) fn code(&self, k: usize, column: usize) -> i8 {
        match self {
            Self::Bytes(bytes) => bytes[k][column],
            Self::Nibbles(nibbles, offset) => {
                let nibble = nibbles[k / NIBBLES][column] >> (k % NIBBLES * 4) & 0x0f;
                nibble as i8 - offset
            }
            Self::Fives(fives, offset) => code(&fives[k / FIVES], k % FIVES, column) - offset,
            Self::Sixes(sixes, offset) => code(&sixes[k / SIXES], k % SIXES, column) - offset,
        }
    }

    /// Unpacks the rows starting at `first`, with the surplus; both ends must be at unit boundaries.
    pub(super) fn widen(&self, first: usize, out: &mut [Row]) {
        match self {
            Self::Bytes(bytes) => widen_bytes(&bytes[first..][..out.len()], out),
            Self::Nibbles(nibbles, _) => widen_nibbles(&nibbles[first / NIBBLES..], out),
            Self::Fives(fives, offset) => {
                widen_words(fives[first / FIVES..].as_flattened(), 5, *offset, out);
            }
            Self::Sixes(sixes, offset) => {
                widen_words(sixes[first / SIXES..].as_flattened(), 3, *offset, out);
            }
        }
    }
}

fn code<const N: usize>(unit: &Words<N>, k: usize, column: usize) -> i8 {
    let (four, byte) = (k / 4, k % 4 * 8);
    let low = unit[1 + k / 8][column] >> (byte + four % 2 * 4) & 0x0f;
    let upper = unit[0][column] >> (byte + upper_shift(four, N)) & ((1 << upper_bits(N)) - 1);
    (low | upper << 4) as i8
}

/// Packs the codes of all panels in units of `ROWS` rows; `read` fills the rows of a panel and the matching item of
/// `others`.
pub(super) fn in_units<U, S, const ROWS: usize>(
    columns: usize,
    others: impl IndexedParallelIterator<Item = S>,
    read: impl Fn(S, &mut [Bytes]) + Sync,
    pack: impl Fn(&[Bytes; ROWS]) -> U + Sync,
) -> Vec<U>
where
    U: Copy + Default + Send,
    S: Send,
{
    let units = columns / ROWS;
    let mut all = vec![U::default(); others.len() * units];
    others
        .zip(all.par_chunks_mut(units))
        .for_each(|(others, out)| {
            let mut rows = vec![[0; WIDTH]; columns];
            read(others, &mut rows);
            for (out, rows) in out.iter_mut().zip(rows.as_chunks().0) {
                *out = pack(rows);
            }
        });
    all
}

pub(super) fn in_nibbles(rows: &[Bytes; NIBBLES], offset: i8) -> Nibbles {
    std::array::from_fn(|j| {
        let nibbles = (0u32..).step_by(4).zip(rows);
        nibbles.fold(0, |all, (shift, row)| {
            all | u32::from((row[j] + offset) as u8) << shift
        })
    })
}

pub(super) fn in_words<const N: usize, const ROWS: usize>(
    rows: &[Bytes; ROWS],
    offset: i8,
) -> Words<N> {
    let mut unit = [[0; WIDTH]; N];
    for (k, row) in rows.iter().enumerate() {
        let (four, byte) = (k / 4, k % 4 * 8);
        for (j, &code) in row.iter().enumerate() {
            let kept = u32::from((code + offset) as u8);
            unit[1 + k / 8][j] |= (kept & 0x0f) << (byte + four % 2 * 4);
            unit[0][j] |= (kept >> 4) << (byte + upper_shift(four, N));
        }
    }
    unit
}

// Loops instead of closures, which would be compiled separately for the baseline instruction set.
for_each_instruction_set! {
    fn widen_bytes(codes: &[Bytes], out: &mut [Row]) {
        for (codes, out) in codes.iter().zip(out) {
            for (out, &code) in out.iter_mut().zip(codes) {
                *out = f32::from(code);
            }
        }
    }
}

for_each_instruction_set! {
    /// Leaves the offset in.
    fn widen_nibbles(codes: &[Nibbles], out: &mut [Row]) {
        for (codes, out) in codes.iter().zip(out.as_chunks_mut::<NIBBLES>().0) {
            for (k, out) in out.iter_mut().enumerate() {
                for (out, &nibbles) in out.iter_mut().zip(codes) {
                    *out = (nibbles >> (4 * k) & 0x0f) as i32 as f32;
                }
            }
        }
    }
}

for_each_instruction_set! {
    /// Unpacks units of `words` numbers.
    fn widen_words(units: &[[u32; WIDTH]], words: usize, offset: i8, out: &mut [Row]) {
        let upper_mask = 0x1010_1010 * ((1 << upper_bits(words)) - 1);
        let rows = 8 * (words - 1);
        for (unit, out) in units.chunks_exact(words).zip(out.chunks_exact_mut(rows)) {
            for (four, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let (upper, low) = (&unit[0], &unit[1 + four / 2]);
                let (low_shift, upper_shift) = (four % 2 * 4, upper_shift(four, words));
                // To bit 4: one of the two shifts is zero.
                let right = upper_shift.saturating_sub(4);
                let left = 4_usize.saturating_sub(upper_shift);
                let [first, second, third, fourth] = out;
                for j in 0..WIDTH {
                    let upper = upper[j] >> right << left & upper_mask;
                    let four = low[j] >> low_shift & 0x0f0f_0f0f | upper;
                    first[j] = ((four & 0xff) as i32 - i32::from(offset)) as f32;
                    second[j] = ((four >> 8 & 0xff) as i32 - i32::from(offset)) as f32;
                    third[j] = ((four >> 16 & 0xff) as i32 - i32::from(offset)) as f32;
                    fourth[j] = ((four >> 24) as i32 - i32::from(offset)) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of codes, cycling through `count` values that start at `lowest`.
    fn rows<const N: usize>(lowest: i8, count: usize) -> [Bytes; N] {
        std::array::from_fn(|k| {
            std::array::from_fn(|j| lowest.wrapping_add(((j + k) * 7 % count) as i8))
        })
    }

    fn check<const N: usize>(packing: &Packing, codes: &[Bytes; N]) {
        for (k, row) in codes.iter().enumerate() {
            for (j, &code) in row.iter().enumerate() {
                assert_eq!(packing.code(k, j), code, "{packing:?}: row {k}, column {j}");
            }
        }
        let mut widened = [[0.0; WIDTH]; N];
        packing.widen(0, &mut widened);
        let expected = codes.map(|row| row.map(|code| f32::from(code + packing.surplus())));
        assert_eq!(widened, expected, "{packing:?}");
    }

    #[test]
    fn codes_of_either_sign_come_out_as_they_went_in() {
        for offset in [0, 8] {
            let codes = rows(-offset, 16);
            let nibbles = vec![in_nibbles(&codes, offset)];
            check(&Packing::Nibbles(nibbles, offset), &codes);
        }
        for offset in [0, 16] {
            let codes: [Bytes; FIVES] = rows(-offset, 32);
            let fives = vec![in_words(&codes, offset)];
            check(&Packing::Fives(fives, offset), &codes);
        }
        for offset in [0, 32] {
            let codes: [Bytes; SIXES] = rows(-offset, 64);
            let sixes = vec![in_words(&codes, offset)];
            check(&Packing::Sixes(sixes, offset), &codes);
        }
        let codes: [Bytes; 1] = rows(-128, 256);
        check(&Packing::Bytes(codes.to_vec()), &codes);
    }
}
