//! The tensor types of GGUF files.
//!
//! # Source
//! The block layouts: `ggml-common.h` of <https://github.com/ggml-org/ggml>.

/// The packing of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)] // ggml's own names; `Q40` would be unclear
pub(crate) enum TensorType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// bfloat16.
    BF16,
    /// 32 values of 4 bits around 8, one scale.
    Q4_0,
    /// 32 values of 4 bits, a scale and a minimum.
    Q4_1,
    /// 32 values of 5 bits around 16, one scale.
    Q5_0,
    /// 32 values of 5 bits, a scale and a minimum.
    Q5_1,
    /// 32 values of 8 bits, one scale.
    Q8_0,
    /// 256 values of 2 bits; sixteen sub-blocks with 4-bit scales and minima.
    Q2_K,
    /// 256 values of 3 bits around 4; sixteen sub-blocks with 6-bit scales around 32.
    Q3_K,
    /// 256 values of 4 bits; eight sub-blocks with 6-bit scales and minima.
    Q4_K,
    /// 256 values of 5 bits; eight sub-blocks with 6-bit scales and minima.
    Q5_K,
    /// 256 values of 6 bits around 32; sixteen sub-blocks with 8-bit scales.
    Q6_K,
    /// 32 values out of a table of 16, one scale.
    IQ4_NL,
    /// 256 values out of the same table; eight sub-blocks with 6-bit scales around 32.
    IQ4_XS,
}

/// Values per block of the K types.
const SUPER_BLOCK: usize = 256;
/// Values per block of the older types.
const BLOCK: usize = 32;

impl TensorType {
    /// All supported types.
    pub(crate) const ALL: &[Self] = &[
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
    ];

    /// Returns the type with ggml's number `id`, if it is supported.
    pub(crate) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.id() == id)
    }

    /// ggml's number of the type.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2_K => 10,
            Self::Q3_K => 11,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
            Self::IQ4_NL => 20,
            Self::IQ4_XS => 23,
            Self::BF16 => 30,
        }
    }

    /// ggml's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
            Self::IQ4_NL => "IQ4_NL",
            Self::IQ4_XS => "IQ4_XS",
        }
    }

    /// The number of values per block.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4_NL => BLOCK,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K | Self::IQ4_XS => {
                SUPER_BLOCK
            }
        }
    }

    /// The size of a block in bytes.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 | Self::IQ4_NL => 2 + BLOCK / 2,
            Self::Q4_1 => 4 + BLOCK / 2,
            Self::Q5_0 => 2 + 4 + BLOCK / 2,
            Self::Q5_1 => 4 + 4 + BLOCK / 2,
            Self::Q8_0 => 2 + BLOCK,
            Self::Q2_K => SUPER_BLOCK / 16 + SUPER_BLOCK / 4 + 4,
            Self::Q3_K => SUPER_BLOCK / 8 + SUPER_BLOCK / 4 + 12 + 2,
            Self::Q4_K => 4 + 12 + SUPER_BLOCK / 2,
            Self::Q5_K => 4 + 12 + SUPER_BLOCK / 8 + SUPER_BLOCK / 2,
            Self::Q6_K => SUPER_BLOCK / 2 + SUPER_BLOCK / 4 + SUPER_BLOCK / 16 + 2,
            Self::IQ4_XS => 2 + 2 + SUPER_BLOCK / 64 + SUPER_BLOCK / 2,
        }
    }

    /// Whether blocks contain codes and scales instead of the values themselves.
    pub(crate) fn is_packed(self) -> bool {
        self.block_len() > 1
    }

    /// The number of values that share a scale.
    pub(super) fn group(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q2_K | Self::Q3_K | Self::Q6_K => 16,
            Self::Q4_0
            | Self::Q4_1
            | Self::Q5_0
            | Self::Q5_1
            | Self::Q8_0
            | Self::Q4_K
            | Self::Q5_K
            | Self::IQ4_NL
            | Self::IQ4_XS => 32,
        }
    }

    /// Whether a minimum is added to the products.
    pub(super) fn has_minima(self) -> bool {
        matches!(
            self,
            Self::Q4_1 | Self::Q5_1 | Self::Q2_K | Self::Q4_K | Self::Q5_K
        )
    }
}

/// Returns the name of a ggml type by its number, including unsupported types; for error messages.
pub(crate) fn type_name(id: u32) -> String {
    if let Some(kind) = TensorType::from_id(id) {
        return kind.name().to_owned();
    }
    let name = match id {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("number {id}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number() {
        for &kind in TensorType::ALL {
            assert_eq!(TensorType::from_id(kind.id()), Some(kind));
            assert_eq!(type_name(kind.id()), kind.name());
        }
        assert_eq!(TensorType::from_id(16), None);
        assert_eq!(type_name(16), "IQ2_XXS");
        assert_eq!(type_name(999), "number 999");
    }
}
