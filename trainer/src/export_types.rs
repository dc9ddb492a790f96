//! The formats and number types of exports, as words of the command line.

use std::fmt;

use anyhow::{Error, Result};
use slm_cli::UserMistake;
use slm_model::{GgufType, WeightType};

/// Data type of merged weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MergedType {
    /// Brain floating point, 16 bits.
    Bf16,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
}

impl From<MergedType> for WeightType {
    fn from(dtype: MergedType) -> Self {
        match dtype {
            MergedType::Bf16 => Self::Bf16,
            MergedType::F16 => Self::F16,
            MergedType::F32 => Self::F32,
        }
    }
}

/// The type of the weights of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportType {
    /// Single precision.
    F32,
    /// Brain floating point, 16 bits.
    Bf16,
    /// Half precision.
    F16,
    /// 8 bits.
    #[value(name = "q8_0")]
    Q8,
    /// llama.cpp's mix of 4 and 6 bits.
    #[value(name = "q4_k_m")]
    Q4KM,
}

impl fmt::Display for ExportType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8 => "q8_0",
            Self::Q4KM => "q4_k_m",
        })
    }
}

impl ExportType {
    /// The type in a safetensors file.
    ///
    /// # Errors
    /// Such files have no quantised weights here.
    pub(crate) fn of_tensors(self) -> Result<WeightType> {
        match self {
            Self::F32 => Ok(WeightType::F32),
            Self::Bf16 => Ok(WeightType::Bf16),
            Self::F16 => Ok(WeightType::F16),
            Self::Q8 | Self::Q4KM => Err(self.refused("f32, bf16 or f16")),
        }
    }

    /// The type in a GGUF file with a whole model.
    ///
    /// # Errors
    /// Such files are not written in this type.
    pub(crate) fn of_gguf(self) -> Result<GgufType> {
        match self {
            Self::F16 => Ok(GgufType::F16),
            Self::Q8 => Ok(GgufType::Q8_0),
            Self::Q4KM => Ok(GgufType::Q4KM),
            Self::F32 | Self::Bf16 => Err(self.refused("f16, q8_0 or q4_k_m")),
        }
    }

    fn refused(self, expected: &str) -> Error {
        let text = format!(
            "--type {self} is not a type of this format, expected {expected}\n\
             hint: `trainer export --help` lists the types of each format"
        );
        UserMistake(text).into()
    }
}

/// An export format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// PEFT's folder.
    Peft,
    /// A LoRA file for llama.cpp.
    Gguf,
    /// Base model and adapter as one folder.
    Merged,
    /// Base model and adapter as one GGUF file.
    MergedGguf,
}
