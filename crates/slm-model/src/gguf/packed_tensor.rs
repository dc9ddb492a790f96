//! A matrix in the packed blocks of its file.

use rayon::prelude::*;

use super::codes::Codes;
use super::dequantize::dequantize;
use super::tensor_type::TensorType;

/// A matrix in packed blocks.
#[derive(Clone)]
pub(crate) struct PackedTensor {
    kind: TensorType,
    columns: usize,
    /// Row-major.
    bytes: Vec<u8>,
}

/// Number of bits of a code after `offset` is added to make it non-negative.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CodeWidth {
    Four { offset: i8 },
    Five { offset: i8 },
    Six { offset: i8 },
    Byte,
}

impl std::fmt::Debug for PackedTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rows, columns) = (self.rows(), self.columns);
        write!(f, "{} [{rows}, {columns}]", self.kind.name())
    }
}

impl PackedTensor {
    /// Creates a matrix with rows of `columns` values in whole blocks; `None` for a wrong number of bytes or a type
    /// without codes.
    pub(crate) fn new(kind: TensorType, columns: usize, bytes: Vec<u8>) -> Option<Self> {
        if !kind.is_packed() || columns == 0 || !columns.is_multiple_of(kind.block_len()) {
            return None;
        }
        let row_bytes = columns / kind.block_len() * kind.block_bytes();
        bytes.len().is_multiple_of(row_bytes).then_some(Self {
            kind,
            columns,
            bytes,
        })
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn rows(&self) -> usize {
        self.bytes.len() / self.row_bytes()
    }

    fn row_bytes(&self) -> usize {
        self.columns / self.kind.block_len() * self.kind.block_bytes()
    }

    /// The number of columns that share a scale.
    pub(crate) fn group(&self) -> usize {
        self.kind.group()
    }

    /// The number of columns whose scales share a factor.
    pub(crate) fn block(&self) -> usize {
        self.kind.block_len()
    }

    /// Whether a minimum is added to the products.
    pub(crate) fn has_minima(&self) -> bool {
        self.kind.has_minima()
    }

    /// Allocates the codes of a row.
    pub(crate) fn row_codes(&self) -> Codes {
        Codes::of_blocks(self.kind, self.columns / self.kind.block_len())
    }

    /// The width of the codes.
    pub(crate) fn width(&self) -> CodeWidth {
        match self.kind {
            TensorType::Q4_0 => CodeWidth::Four { offset: 8 },
            // Two and three bits are kept in four, as no kernel reads narrower ones.
            TensorType::Q3_K => CodeWidth::Four { offset: 4 },
            TensorType::Q2_K | TensorType::Q4_1 | TensorType::Q4_K => CodeWidth::Four { offset: 0 },
            TensorType::Q5_0 => CodeWidth::Five { offset: 16 },
            TensorType::Q5_1 | TensorType::Q5_K => CodeWidth::Five { offset: 0 },
            TensorType::Q6_K => CodeWidth::Six { offset: 32 },
            // The values of `IQ4_NL` and `IQ4_XS` come out of a table and have eight bits.
            _ => CodeWidth::Byte,
        }
    }

    /// Size of the blocks in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the rows in another order: row `i` is row `source_row(i)` of `self`.
    pub(crate) fn with_rows(&self, source_row: impl Fn(usize) -> usize) -> Self {
        let width = self.row_bytes();
        let rows = (0..self.rows()).map(source_row);
        Self {
            bytes: rows
                .flat_map(|row| &self.bytes[row * width..][..width])
                .copied()
                .collect(),
            ..*self
        }
    }

    /// Dequantizes a row.
    pub(crate) fn unpack_row(&self, row: usize, out: &mut [f32]) {
        let bytes = &self.bytes[row * self.row_bytes()..][..self.row_bytes()];
        dequantize(self.kind, bytes, out);
    }

    /// Whether every value is a finite number.
    pub(crate) fn is_finite(&self) -> bool {
        (0..self.rows()).into_par_iter().all(|row| {
            let mut of_row = self.row_codes();
            self.read(row, &mut of_row);
            // A half-precision number times two bytes cannot become infinite in single precision.
            let mut halves = of_row
                .scales
                .of_blocks
                .iter()
                .chain(&of_row.minima.of_blocks);
            halves.all(|half| half.is_finite())
        })
    }

    /// Unpacks a row into codes and scales.
    pub(crate) fn read(&self, row: usize, into: &mut Codes) {
        let bytes = &self.bytes[row * self.row_bytes()..][..self.row_bytes()];
        into.fill(self.kind, bytes);
    }
}
