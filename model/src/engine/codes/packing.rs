//! Codes of a panel, in as few bits as they take.

use rayon::prelude::*;

use super::{Row, WIDTH};
use crate::kernel::for_each_instruction_set;

/// A byte for each column.
pub(super) type Bytes = [i8; WIDTH];
/// Eight rows of a panel, four bits each, the first one lowest.
pub(super) type Nibbles = [u32; WIDTH];
/// Rows of [`Nibbles`].
pub(super) const NIBBLES: usize = 8;
/// Thirty-two rows of a panel, five bits each. Byte `r` of the first number has the fifth bits of rows `r`, `4 + r`,
/// `8 + r` and so on, the first one in bit 4 and those after bit 7 from bit 0 on: a shift brings those of four rows to
/// where they belong. Number `1 + w` has the lower four bits of rows `8 * w` to `8 * w + 7`: of the first four of them in
/// the lower halves of its bytes, of the others in the upper ones.
pub(super) type Fives = [[u32; WIDTH]; 5];
/// Rows of [`Fives`].
pub(super) const FIVES: usize = 32;

/// All panels' codes, one after the other. A code is what is kept less an offset: products are taken of what is kept
/// alone, and the offset is a minimum of `-offset * scale`, which is exact, for it is a power of two.
#[derive(Debug)]
pub(super) enum Packing {
    Bytes(Vec<Bytes>),
    Nibbles(Vec<Nibbles>, i8),
    Fives(Vec<Fives>, i8),
}

impl Packing {
    pub(super) fn offset(&self) -> i8 {
        match *self {
            Self::Bytes(_) => 0,
            Self::Nibbles(_, offset) | Self::Fives(_, offset) => offset,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(units) => size_of_val(&units[..]),
            Self::Nibbles(units, _) => size_of_val(&units[..]),
            Self::Fives(units, _) => size_of_val(&units[..]),
        }
    }

    /// A column's code in row `k` of all panels' rows.
    pub(super) fn code(&self, k: usize, column: usize) -> i8 {
        let kept = match self {
            Self::Bytes(bytes) => return bytes[k][column],
            Self::Nibbles(nibbles, _) => nibbles[k / NIBBLES][column] >> (k % NIBBLES * 4) & 0x0f,
            Self::Fives(fives, _) => {
                let (unit, k) = (&fives[k / FIVES], k % FIVES);
                let (four, byte) = (k / 4, k % 4 * 8);
                let low = unit[1 + four / 2][column] >> (byte + four % 2 * 4) & 0x0f;
                let fifth = unit[0][column] >> (byte + (four + 4) % 8) & 1;
                low | fifth << 4
            }
        };
        kept as i8 - self.offset()
    }

    /// What is kept of rows from `first` on, as numbers. Whole units at both ends.
    pub(super) fn widen(&self, first: usize, out: &mut [Row]) {
        match self {
            Self::Bytes(bytes) => widen_bytes(&bytes[first..][..out.len()], out),
            Self::Nibbles(nibbles, _) => widen_nibbles(&nibbles[first / NIBBLES..], out),
            Self::Fives(fives, _) => widen_fives(&fives[first / FIVES..], out),
        }
    }
}

/// All panels' codes in units of `ROWS` rows; `read` fills the rows of a panel and what else belongs to it.
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

pub(super) fn in_fives(rows: &[Bytes; FIVES], offset: i8) -> Fives {
    let mut unit = [[0; WIDTH]; 5];
    for (k, row) in rows.iter().enumerate() {
        let (four, byte) = (k / 4, k % 4 * 8);
        for (j, &code) in row.iter().enumerate() {
            let kept = u32::from((code + offset) as u8);
            unit[1 + four / 2][j] |= (kept & 0x0f) << (byte + four % 2 * 4);
            unit[0][j] |= (kept >> 4) << (byte + (four + 4) % 8);
        }
    }
    unit
}

// Loops and no closures: those would be compiled apart, for the baseline.
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
    fn widen_fives(codes: &[Fives], out: &mut [Row]) {
        for (codes, out) in codes.iter().zip(out.as_chunks_mut::<FIVES>().0) {
            let [fifths, low @ ..] = codes;
            for (four, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let low = &low[four / 2];
                let (low_shift, fifth_shift) = (four % 2 * 4, (four + 4) % 8);
                for (r, out) in out.iter_mut().enumerate() {
                    for ((out, &low), &fifths) in out.iter_mut().zip(low).zip(fifths) {
                        let low = low >> (8 * r + low_shift) & 0x0f;
                        let fifth = fifths >> (8 * r + fifth_shift) & 1;
                        *out = (low | fifth << 4) as i32 as f32;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of codes from `lowest` on, `count` different ones.
    fn rows<const N: usize>(lowest: i8, count: usize) -> [Bytes; N] {
        std::array::from_fn(|k| {
            std::array::from_fn(|j| lowest.wrapping_add(((j + k) * 7 % count) as i8))
        })
    }

    fn check<const N: usize>(packing: &Packing, codes: &[Bytes; N]) {
        for (k, row) in codes.iter().enumerate() {
            for (j, &code) in row.iter().enumerate() {
                assert_eq!(packing.code(k, j), code, "row {k}, column {j}");
            }
        }
        let mut widened = [[0.0; WIDTH]; N];
        packing.widen(0, &mut widened);
        let expected = codes.map(|row| row.map(|code| f32::from(code + packing.offset())));
        assert_eq!(widened, expected);
    }

    #[test]
    fn codes_of_either_sign_come_out_as_they_went_in() {
        for (offset, lowest) in [(0, 0), (8, -8)] {
            let codes = rows(lowest, 16);
            check(
                &Packing::Nibbles(vec![in_nibbles(&codes, offset)], offset),
                &codes,
            );
        }
        for (offset, lowest) in [(0, 0), (16, -16)] {
            let codes = rows(lowest, 32);
            check(
                &Packing::Fives(vec![in_fives(&codes, offset)], offset),
                &codes,
            );
        }
        let codes: [Bytes; 1] = rows(-128, 256);
        check(&Packing::Bytes(codes.to_vec()), &codes);
    }
}
