//! The formats and number types of exports, as words of the command line.

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

/// The type of the weights of a GGUF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GgufWeights {
    /// Half precision.
    #[value(name = "f16")]
    F16,
    /// 8 bits.
    #[value(name = "q8_0")]
    Q8,
    /// llama.cpp's mix of 4 and 6 bits.
    #[value(name = "q4_k_m")]
    Q4KM,
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
