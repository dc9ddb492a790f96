//! The metadata of a model, as llama.cpp's converter writes them.
//!
//! [`ARCHITECTURES`] lists what differs by architecture; everything else is written for all of them.
//!
//! # Source
//! The `set_gguf_parameters` of `conversion/` in <https://github.com/ggml-org/llama.cpp>.

use super::GgufType;
use crate::config::{ModelConfig, RopeScaling};
use crate::gguf::writer::NewPairs;

/// The format of quantised blocks, which llama.cpp checks.
const QUANTIZATION_VERSION: u32 = 2;

/// Keys that describe a file and not its model; [`about_file`] writes them.
pub(super) const OF_FILE: [&str; 2] = ["general.file_type", "general.quantization_version"];

/// What differs by architecture.
struct Architecture {
    /// `general.architecture`.
    name: &'static str,
    /// Whether the converter writes `vocab_size`.
    has_vocab_size: bool,
    /// Whether the converter writes `rope.dimension_count`.
    has_rotary_dim: bool,
}

/// All architectures that are written.
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "llama",
        has_vocab_size: true,
        has_rotary_dim: true,
    },
    Architecture {
        name: "qwen2",
        has_vocab_size: false,
        has_rotary_dim: false,
    },
];

/// Whether models with this `general.architecture` can be written.
pub(super) fn is_known(architecture: &str) -> bool {
    architecture_of(architecture).is_some()
}

fn architecture_of(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|known| known.name == name)
}

/// Adds the pairs that describe the file.
pub(super) fn about_file(pairs: &mut NewPairs, kind: GgufType) {
    let [file_type, version] = OF_FILE;
    pairs.unsigned(file_type, kind.file_type());
    pairs.unsigned(version, QUANTIZATION_VERSION);
}

/// Adds the pairs that describe a model called `name`.
pub(super) fn about_model(pairs: &mut NewPairs, config: &ModelConfig, name: &str) {
    let architecture = config.family.gguf_architecture;
    pairs.text("general.architecture", architecture);
    pairs.text("general.type", "model");
    pairs.text("general.name", name);
    pairs.text("general.size_label", &size_label(config.num_parameters()));
    let key = |part: &str| format!("{architecture}.{part}");
    for (part, size) in [
        ("block_count", config.num_hidden_layers),
        ("context_length", config.max_position_embeddings),
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
        ("attention.key_length", config.head_dim),
        ("attention.value_length", config.head_dim),
    ] {
        // A checked configuration has smaller ones.
        pairs.unsigned(&key(part), size as u32);
    }
    pairs.float(
        &key("attention.layer_norm_rms_epsilon"),
        config.rms_norm_eps,
    );
    pairs.float(&key("rope.freq_base"), config.rope_theta);
    if let Some(RopeScaling::Linear { factor }) = config.rope_scaling {
        pairs.text(&key("rope.scaling.type"), "linear");
        pairs.float(&key("rope.scaling.factor"), factor);
    }
    let own = architecture_of(architecture);
    if own.is_some_and(|own| own.has_vocab_size) {
        pairs.unsigned(&key("vocab_size"), config.vocab_size as u32);
    }
    if own.is_some_and(|own| own.has_rotary_dim) {
        pairs.unsigned(&key("rope.dimension_count"), config.head_dim as u32);
    }
}

/// The number of parameters with two significant digits at least, such as `1.5B`.
fn size_label(parameters: usize) -> String {
    let parameters = parameters as f64;
    let (unit, letter) = match parameters {
        n if n > 1e9 => (1e9, 'B'),
        n if n > 1e6 => (1e6, 'M'),
        _ => (1e3, 'K'),
    };
    let count = parameters / unit;
    let decimals = usize::from(count.round() < 10.0);
    format!("{count:.decimals$}{letter}")
}

/// The divisors of the rotary frequencies, where the scaling is stored as a tensor.
///
/// # Shapes
/// - returns `[head_dim / 2]`
pub(super) fn rope_divisors(config: &ModelConfig) -> Option<Vec<f32>> {
    match &config.rope_scaling {
        None | Some(RopeScaling::Linear { .. }) => None,
        Some(RopeScaling::Divisors(divisors)) => Some(divisors.clone()),
        Some(RopeScaling::Llama3 { .. }) => {
            let plain = ModelConfig {
                rope_scaling: None,
                ..config.clone()
            };
            let pairs = plain.inv_freq().into_iter().zip(config.inv_freq());
            Some(pairs.map(|(plain, scaled)| plain / scaled).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;

    #[test]
    fn sizes_have_two_digits_or_more() {
        for (parameters, label) in [
            (137_664, "138K"),
            (134_515_008, "135M"),
            (494_032_768, "494M"),
            (1_543_714_304, "1.5B"),
            (12_000_000_000, "12B"),
        ] {
            assert_eq!(size_label(parameters), label);
        }
    }

    #[test]
    fn every_family_has_its_architecture_in_the_table() {
        for family in Family::ALL {
            assert!(is_known(family.gguf_architecture), "{family}");
        }
    }
}
