//! Weights narrower than single precision, in panels: bfloat16, and integer codes with a scale per group.
//!
//! With few rows, the time is spent on reading and unpacking weights, so they are unpacked in registers inside the
//! product. With many rows, a block of weights is unpacked to memory once and multiplied by all rows. Both compute the
//! same sums of the same numbers in the same order, so the bits are equal.
//!
//! Speed against unpacking to single precision and [`gemm`](super::gemm): 13 to 28 times for one row, 7 to 10 times for
//! eight, on two cores with AVX-512 (2026-11-30, `cargo bench -p slm-model --bench kernels -- packed`).
#![allow(unsafe_code)] // vector instructions, guarded by CPU feature detection

use std::sync::OnceLock;

use rayon::prelude::*;

use crate::gguf::{CodeWidth, PackedTensor};
use crate::simd::{Groups, Row, WIDTH, multiply_scaled, sum};
use factors::{Factors, OfPanel, of_panels};
use packing::{Bytes, FIVES, Packing, SIXES, in_nibbles, in_units, in_words};

/// Maximum number of rows for which weights are unpacked in registers.
const FEW_ROWS: usize = 3;
/// Rows of a panel that are unpacked at a time; they fit into the L1 cache.
pub(crate) const DEPTH: usize = 256;
/// Group size of the sums of [`Inputs`] for most codes with minima or an offset.
const SUMMED: usize = 32;
/// Group size of the sums for the others, `Q2_K` and `Q3_K`.
const SUMMED_FINER: usize = 16;

/// One bfloat16 per column of a panel.
pub(crate) type HalfRow = [u16; WIDTH];

/// Whether `rows` is small enough for weights to be unpacked in registers, and the CPU can do so.
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

/// Rows to be multiplied, with the sums that some weights need.
pub(crate) struct Inputs<'a> {
    /// `[n, in]`
    pub(crate) values: &'a [f32],
    /// `[n, in / SUMMED]`, or empty.
    sums: Vec<f32>,
    /// `[n, in / SUMMED_FINER]`, computed for the first weights that need them.
    finer_sums: OnceLock<Vec<f32>>,
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(values: &'a [f32], summed: bool) -> Self {
        let sums = if summed {
            values.chunks_exact(SUMMED).map(sum).collect()
        } else {
            Vec::new()
        };
        Self {
            values,
            sums,
            finer_sums: OnceLock::new(),
        }
    }

    /// The sums for weights with this group size.
    fn sums_of(&self, group: usize) -> &[f32] {
        if group == SUMMED {
            return &self.sums;
        }
        let sums = || self.values.chunks_exact(SUMMED_FINER).map(sum).collect();
        self.finer_sums.get_or_init(sums)
    }
}

/// Integer codes with scales: a value is `scale * code`, or `scale * code + minimum`.
#[derive(Debug)]
pub(crate) struct CodedPanels {
    packing: Packing,
    /// One per group of rows of a panel.
    scales: Factors,
    minima: Option<Factors>,
    /// The number of rows that share a scale.
    group: usize,
}

/// Buffers for the unpacked part of a panel.
pub(crate) struct Unpacked {
    rows: Vec<Row>,
    /// Scales of groups, the smallest of which have 16 rows.
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

    /// The buffer for rows.
    pub(crate) fn rows(&mut self) -> &mut [Row] {
        &mut self.rows
    }
}

impl CodedPanels {
    /// Converts `packed` to panels of [`WIDTH`] rows; the last one is padded with zeros.
    pub(crate) fn new(packed: &PackedTensor) -> Self {
        let (rows, columns) = (packed.rows(), packed.columns());
        let (group, block) = (packed.group(), packed.block());
        let panels = rows.div_ceil(WIDTH);
        let of_blocks = || vec![[0; WIDTH]; panels * (columns / block)];
        let of_groups = || vec![[0; WIDTH]; panels * (columns / group)];
        let (mut scale_blocks, mut scale_groups) = (of_blocks(), of_groups());
        let (mut minimum_blocks, mut minimum_groups) = (of_blocks(), of_groups());
        let lengths = (columns / block, columns / group);
        let of_panels = of_panels(&mut scale_blocks, &mut scale_groups, lengths)
            .zip(of_panels(&mut minimum_blocks, &mut minimum_groups, lengths))
            .enumerate();
        let read = |(panel, (mut scales, mut minima)): (_, (OfPanel, OfPanel)),
                    codes: &mut [Bytes]| {
            let mut of_row = packed.row_codes();
            for j in 0..WIDTH.min(rows - panel * WIDTH) {
                packed.read(panel * WIDTH + j, &mut of_row);
                for (row, &code) in codes.iter_mut().zip(&of_row.codes) {
                    row[j] = code;
                }
                scales.write(j, &of_row.scales);
                minima.write(j, &of_row.minima);
            }
        };
        let packing = match packed.width() {
            CodeWidth::Byte => Packing::Bytes(in_units(columns, of_panels, read, |[row]| *row)),
            CodeWidth::Four { offset } => {
                let pack = |rows: &_| in_nibbles(rows, offset);
                Packing::Nibbles(in_units(columns, of_panels, read, pack), offset)
            }
            CodeWidth::Five { offset } => {
                let pack = |rows: &[Bytes; FIVES]| in_words(rows, offset);
                Packing::Fives(in_units(columns, of_panels, read, pack), offset)
            }
            CodeWidth::Six { offset } => {
                let pack = |rows: &[Bytes; SIXES]| in_words(rows, offset);
                Packing::Sixes(in_units(columns, of_panels, read, pack), offset)
            }
        };
        assert!(
            [SUMMED, SUMMED_FINER].contains(&group)
                || !packed.has_minima() && packing.surplus() == 0,
            "sums of other groups"
        );
        let has_minima = packed.has_minima();
        Self {
            packing,
            scales: Factors::new(scale_blocks, scale_groups),
            minima: has_minima.then(|| Factors::new(minimum_blocks, minimum_groups)),
            group,
        }
    }

    /// Size of the weights in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.packing.bytes() + self.scales.bytes() + self.minima.as_ref().map_or(0, Factors::bytes)
    }

    /// Whether products need sums of their [`Inputs`].
    pub(crate) fn needs_sums(&self) -> bool {
        self.minima.is_some() || self.packing.surplus() != 0
    }

    /// Copies one column of a panel to `out`; `first` is the panel's first row in the concatenation of all panels.
    pub(crate) fn column(&self, first: usize, column: usize, out: &mut [f32]) {
        for (k, out) in (first..).zip(out) {
            let group = k / self.group;
            let product =
                self.scales.value(group, column) * f32::from(self.packing.code(k, column));
            let minima = self.minima.as_ref();
            *out = minima.map_or(product, |minima| product + minima.value(group, column));
        }
    }

    /// Computes `out[i][j] += sum over k of x[i][k] * w[first + k][j]`, over the `depth` rows of a panel.
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
        let (sums, sums_stride) = if self.needs_sums() {
            (x.sums_of(self.group), depth / self.group)
        } else {
            (&[][..], 0)
        };
        assert!(
            sums.len() >= out.len() * sums_stride,
            "sums that are not there"
        );
        #[cfg(target_arch = "x86_64")]
        if are_few(out.len()) {
            // SAFETY: the CPU has the features, and the assertions above bound the reads of `x`.
            unsafe {
                x86::add_products(self, first, depth, x.values, (sums, sums_stride), out);
            }
            return;
        }
        for start in (0..depth).step_by(DEPTH) {
            let n = DEPTH.min(depth - start);
            let rows = &mut unpacked.rows[..n];
            self.packing.widen(first + start, rows);
            let at = (first + start) / self.group;
            let scales = &mut unpacked.scales[..n / self.group];
            self.scales.unpack(at, scales);
            let minima = &mut unpacked.minima[..n / self.group];
            if let Some(own) = &self.minima {
                own.unpack(at, minima);
            } else {
                let factor = -f32::from(self.packing.surplus());
                let scales = scales.as_flattened().iter();
                for (minimum, scale) in minima.as_flattened_mut().iter_mut().zip(scales) {
                    *minimum = factor * scale;
                }
            }
            let groups = Groups {
                len: self.group,
                scales,
                minima: self.needs_sums().then_some(&*minima),
                sums: sums.get(start / self.group..).unwrap_or(&[]),
                sums_stride,
            };
            multiply_scaled(&x.values[start..], depth, rows, &groups, out);
        }
    }
}

/// Computes `out[i][j] += sum over k of x[i][k] * w[k][j]`, for few rows ([`are_few`]).
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
    // SAFETY: the CPU has the features, by the first assertion; the second bounds the reads of `x`.
    unsafe {
        x86::multiply_halves(weights, x, out);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (weights, x, out);
}

mod factors;
mod packing;
#[cfg(target_arch = "x86_64")]
mod x86;
