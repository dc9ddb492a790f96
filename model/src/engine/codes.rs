//! Weights that are narrower than single precision, in panels: halves, and whole numbers with a scale for each group.
//!
//! With few rows, time goes into reading and unpacking weights, so they are unpacked in registers on their way into the
//! products. With many, a stretch of them is unpacked to memory once and multiplied by all rows. Both take the same sums
//! of the same numbers in the same order: the same bits.
#![allow(unsafe_code)] // vector instructions, after asking the CPU for them

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use rayon::prelude::*;

use super::vector::{Groups, Row, WIDTH, multiply_scaled, sum};
use crate::gguf::{Codes, PackedTensor};
use crate::kernel::for_each_instruction_set;

/// Up to so many rows are multiplied by weights in registers.
const FEW_ROWS: usize = 3;
/// Rows of a panel that are unpacked at a time: so many stay in the nearest cache.
pub(crate) const DEPTH: usize = 256;
/// Values whose sum is asked for where codes have minima or an offset: the groups of all such types.
const SUMMED: usize = 32;

/// Halves for each column of a panel.
pub(crate) type HalfRow = [u16; WIDTH];
/// A byte for each column.
type Bytes = [i8; WIDTH];
/// Eight rows of a panel, four bits each, the first one lowest.
type Nibbles = [u32; WIDTH];
const NIBBLES: usize = 8;

/// Whether so few rows are best multiplied by weights that are unpacked in registers.
pub(crate) fn are_few(rows: usize) -> bool {
    rows <= FEW_ROWS && has_kernels()
}

#[cfg(target_arch = "x86_64")]
fn has_kernels() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_kernels() -> bool {
    false
}

/// Rows to be multiplied, and what weights ask to know of them.
pub(crate) struct Inputs<'a> {
    /// `[n, in]`
    pub(crate) values: &'a [f32],
    /// `[n, in / SUMMED]`, or empty.
    sums: Vec<f32>,
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(values: &'a [f32], summed: bool) -> Self {
        let sums = if summed {
            values.chunks_exact(SUMMED).map(sum).collect()
        } else {
            Vec::new()
        };
        Self { values, sums }
    }
}

/// Whole numbers with scales: a value is `scale * code`, or `scale * code + minimum`.
#[derive(Debug)]
pub(crate) struct CodedPanels {
    packing: Packing,
    /// One for each group of rows of a panel.
    scales: Factors,
    minima: Option<Factors>,
    /// Rows that share a scale.
    group: usize,
}

#[derive(Debug)]
enum Packing {
    Bytes(Vec<Bytes>),
    /// A code is a nibble less the offset. Products are taken of nibbles alone; the offset is a minimum of
    /// `-offset * scale`, which is exact, for it is a power of two.
    Nibbles(Vec<Nibbles>, i8),
}

/// A number for each column and group.
#[derive(Debug)]
enum Factors {
    Single(Vec<Row>),
    /// In half precision (not bf16), where that holds them all.
    Half(Vec<HalfRow>),
}

impl Factors {
    fn new(rows: Vec<Row>) -> Self {
        let values = rows.as_flattened().par_iter();
        let is_half = |&value: &f32| f16::from_f32(value).to_f32().to_bits() == value.to_bits();
        if !values.clone().all(is_half) {
            return Self::Single(rows);
        }
        let halves = rows
            .par_iter()
            .map(|row| row.map(|value| f16::from_f32(value).to_bits()));
        Self::Half(halves.collect())
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Single(rows) => size_of_val(&rows[..]),
            Self::Half(rows) => size_of_val(&rows[..]),
        }
    }

    fn value(&self, group: usize, column: usize) -> f32 {
        match self {
            Self::Single(rows) => rows[group][column],
            Self::Half(rows) => f16::from_bits(rows[group][column]).to_f32(),
        }
    }

    /// Those of groups from `first` on.
    fn unpack(&self, first: usize, out: &mut [Row]) {
        match self {
            Self::Single(rows) => out.copy_from_slice(&rows[first..][..out.len()]),
            Self::Half(rows) => {
                let halves = &rows[first..][..out.len()];
                let halves: &[f16] = halves.as_flattened().reinterpret_cast();
                halves.convert_to_f32_slice(out.as_flattened_mut());
            }
        }
    }
}

/// Room for what is unpacked of a panel.
pub(crate) struct Unpacked {
    rows: Vec<Row>,
    /// Of groups, the smallest of which have 16 rows.
    scales: Vec<Row>,
    minima: Vec<Row>,
}

impl Unpacked {
    pub(crate) fn new() -> Self {
        let rows = |n| vec![[0.0; WIDTH]; n];
        Self {
            rows: rows(DEPTH),
            scales: rows(DEPTH / 16),
            minima: rows(DEPTH / 16),
        }
    }

    /// Room for rows.
    pub(crate) fn rows(&mut self) -> &mut [Row] {
        &mut self.rows
    }
}

impl CodedPanels {
    /// Panels of [`WIDTH`] rows of `packed`; the last one is filled up with zeros.
    pub(crate) fn new(packed: &PackedTensor) -> Self {
        let (rows, columns) = (packed.rows(), packed.columns());
        let group = packed.group();
        let groups = columns / group;
        let panels = rows.div_ceil(WIDTH);
        let mut scales = vec![[0.0; WIDTH]; panels * groups];
        let mut minima = scales.clone();
        let read = |panel: usize, codes: &mut [Bytes], scales: &mut [Row], minima: &mut [Row]| {
            let mut of_row = Codes::new(packed);
            for j in 0..WIDTH.min(rows - panel * WIDTH) {
                packed.read(panel * WIDTH + j, &mut of_row);
                into_column(j, &of_row.codes, codes);
                into_column(j, &of_row.scales, scales);
                into_column(j, &of_row.minima, minima);
            }
        };
        let of_groups = scales
            .par_chunks_mut(groups)
            .zip(minima.par_chunks_mut(groups))
            .enumerate();
        let packing = if let Some(offset) = packed.nibble_offset() {
            let mut nibbles = vec![[0; WIDTH]; panels * columns / NIBBLES];
            let of_panels = nibbles.par_chunks_mut(columns / NIBBLES);
            of_groups
                .zip(of_panels)
                .for_each(|((panel, (scales, minima)), nibbles)| {
                    let mut bytes = vec![[0; WIDTH]; columns];
                    read(panel, &mut bytes, scales, minima);
                    for (nibbles, bytes) in nibbles.iter_mut().zip(bytes.as_chunks().0) {
                        *nibbles = in_nibbles(bytes, offset);
                    }
                });
            Packing::Nibbles(nibbles, offset)
        } else {
            let mut bytes = vec![[0; WIDTH]; panels * columns];
            of_groups
                .zip(bytes.par_chunks_mut(columns))
                .for_each(|((panel, (scales, minima)), bytes)| read(panel, bytes, scales, minima));
            Packing::Bytes(bytes)
        };
        assert!(
            group == SUMMED || !packed.has_minima(),
            "sums of other groups"
        );
        Self {
            packing,
            scales: Factors::new(scales),
            minima: packed.has_minima().then(|| Factors::new(minima)),
            group,
        }
    }

    /// Bytes that the weights take.
    pub(crate) fn bytes(&self) -> usize {
        let codes = match &self.packing {
            Packing::Bytes(bytes) => size_of_val(&bytes[..]),
            Packing::Nibbles(nibbles, _) => size_of_val(&nibbles[..]),
        };
        codes + self.scales.bytes() + self.minima.as_ref().map_or(0, Factors::bytes)
    }

    /// Whether products need sums of their [`Inputs`].
    pub(crate) fn needs_sums(&self) -> bool {
        self.minima.is_some() || self.offset() != 0
    }

    fn offset(&self) -> i8 {
        match self.packing {
            Packing::Bytes(_) => 0,
            Packing::Nibbles(_, offset) => offset,
        }
    }

    /// One column of a panel's rows, which begin at `first` of all panels' rows one after the other.
    pub(crate) fn column(&self, first: usize, column: usize, out: &mut [f32]) {
        for (k, out) in (first..).zip(out) {
            let code = match &self.packing {
                Packing::Bytes(bytes) => bytes[k][column],
                Packing::Nibbles(nibbles, offset) => {
                    let nibble = nibbles[k / NIBBLES][column] >> (k % NIBBLES * 4) & 0x0f;
                    nibble as i8 - offset
                }
            };
            let group = k / self.group;
            let product = self.scales.value(group, column) * f32::from(code);
            let minima = self.minima.as_ref();
            *out = minima.map_or(product, |minima| product + minima.value(group, column));
        }
    }

    /// `out[i][j] += sum over k of x[i][k] * w[first + k][j]`, over the `depth` rows of a panel.
    ///
    /// # Shapes
    /// `x`: `[out.len(), depth]`
    pub(crate) fn add_products(
        &self,
        first: usize,
        depth: usize,
        x: &Inputs,
        unpacked: &mut Unpacked,
        out: &mut [Row],
    ) {
        assert!(
            x.values.len() >= out.len() * depth,
            "rows that are not there"
        );
        let sums_stride = if self.needs_sums() { depth / SUMMED } else { 0 };
        assert!(
            x.sums.len() >= out.len() * sums_stride,
            "sums that are not there"
        );
        #[cfg(target_arch = "x86_64")]
        if are_few(out.len()) {
            // SAFETY: the CPU has the features, and the assertions above bound what is read of `x`.
            return unsafe { x86::add_products(self, first, depth, x, sums_stride, out) };
        }
        for start in (0..depth).step_by(DEPTH) {
            let n = DEPTH.min(depth - start);
            let rows = &mut unpacked.rows[..n];
            match &self.packing {
                Packing::Bytes(bytes) => widen_bytes(&bytes[first + start..][..n], rows),
                Packing::Nibbles(nibbles, _) => {
                    widen_nibbles(&nibbles[(first + start) / NIBBLES..], rows);
                }
            }
            let at = (first + start) / self.group;
            let scales = &mut unpacked.scales[..n / self.group];
            self.scales.unpack(at, scales);
            let minima = &mut unpacked.minima[..n / self.group];
            if let Some(own) = &self.minima {
                own.unpack(at, minima);
            } else {
                let factor = -f32::from(self.offset());
                let scales = scales.as_flattened().iter();
                for (minimum, scale) in minima.as_flattened_mut().iter_mut().zip(scales) {
                    *minimum = factor * scale;
                }
            }
            let groups = Groups {
                len: self.group,
                scales,
                minima: self.needs_sums().then_some(&*minima),
                sums: x.sums.get(start / SUMMED..).unwrap_or(&[]),
                sums_stride,
            };
            multiply_scaled(&x.values[start..], depth, rows, &groups, out);
        }
    }
}

/// Writes values into column `j` of as many rows.
fn into_column<T: Copy>(j: usize, values: &[T], rows: &mut [[T; WIDTH]]) {
    for (row, &value) in rows.iter_mut().zip(values) {
        row[j] = value;
    }
}

fn in_nibbles(rows: &[Bytes; NIBBLES], offset: i8) -> Nibbles {
    std::array::from_fn(|j| {
        let nibbles = (0u32..).step_by(4).zip(rows);
        nibbles.fold(0, |all, (shift, row)| {
            all | u32::from((row[j] + offset) as u8) << shift
        })
    })
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
    /// Without regard to the offset.
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

/// `out[i][j] += sum over k of x[i][k] * w[k][j]`, for few rows ([`are_few`]).
///
/// # Shapes
/// `x`: `[out.len(), weights.len()]`
pub(crate) fn multiply_halves(weights: &[HalfRow], x: &[f32], out: &mut [Row]) {
    assert!(are_few(out.len()), "many rows, or no instructions for few");
    assert!(
        x.len() >= out.len() * weights.len(),
        "rows that are not there"
    );
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the CPU has the features, by the first assertion; the second bounds what is read of `x`.
    unsafe {
        x86::multiply_halves(weights, x, out);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (weights, x, out);
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nibbles_hold_codes_of_either_sign() {
        for (offset, lowest) in [(0, 0), (8, -8)] {
            let codes: [Bytes; NIBBLES] =
                std::array::from_fn(|k| std::array::from_fn(|j| lowest + ((j + k) * 7 % 16) as i8));
            let mut widened = [[0.0; WIDTH]; NIBBLES];
            widen_nibbles(&[in_nibbles(&codes, offset)], &mut widened);
            let expected = codes.map(|row| row.map(|code| f32::from(code + offset)));
            assert_eq!(widened, expected);
        }
    }
}
