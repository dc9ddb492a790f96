//! The metadata of a model, as llama.cpp's converter writes them.
//!
//! [`ARCHITECTURES`] lists what differs by architecture; everything else is written for all of them.
//!
//! # Source
//! The `set_gguf_parameters` of `conversion/` in <https://github.com/ggml-org/llama.cpp>.

use super::GgufType;
use crate::config::{
    LayerKind, ModelConfig, Multipliers, NormKind, RopeBase, RopeScaling, yarn_attention_factor,
};
use crate::gguf::layout::ROPE_DIVISORS;
use crate::gguf::writer::NewPairs;

/// The format of quantised blocks, which llama.cpp checks.
const QUANTIZATION_VERSION: u32 = 2;

/// Keys that describe a file and not its model; [`about_file`] writes them.
pub(super) const OF_FILE: [&str; 2] = ["general.file_type", "general.quantization_version"];

/// What differs by architecture.
struct Architecture {
    /// `general.architecture`.
    name: &'static str,
    /// Writes the keys that only this architecture has; the error is what llama.cpp cannot represent.
    write: fn(&ModelConfig, &mut Keys) -> Result<(), &'static str>,
}

/// All architectures that are written.
const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "llama",
        write: plain,
    },
    Architecture {
        name: "qwen2",
        write: plain,
    },
    Architecture {
        name: "qwen3",
        write: plain,
    },
    Architecture {
        name: "olmo2",
        write: plain,
    },
    Architecture {
        name: "starcoder2",
        write: plain,
    },
    Architecture {
        name: "smollm3",
        write: |config, keys| {
            // Not in the metadata: llama.cpp has this pattern.
            let has_rope = |layer: usize| !(layer + 1).is_multiple_of(4);
            let fits = |layer| config.layer_kind(layer).rope.is_some() == has_rope(layer);
            require((0..config.num_hidden_layers).all(fits), NO_ROPE)?;
            scaled_as_usual(config)?;
            keys.context(config);
            Ok(())
        },
    },
    Architecture {
        name: "granite",
        write: |config, keys| {
            let Multipliers {
                embedding,
                residual,
                logits_divisor,
            } = config.multipliers;
            keys.float(
                "attention.scale",
                config.attention_scale.unwrap_or_default(),
            );
            keys.float("embedding_scale", embedding);
            keys.float("residual_scale", residual);
            keys.float("logit_scale", logits_divisor);
            let without = (0..config.num_hidden_layers)
                .filter(|&layer| config.layer_kind(layer).rope.is_none())
                .count();
            if without == config.num_hidden_layers {
                keys.boolean("rope.scaling.finetuned", false);
            } else {
                require(without == 0, NO_ROPE)?;
            }
            keys.context(config);
            Ok(())
        },
    },
    Architecture {
        name: "phi3",
        write: |config, keys| {
            let window = config.layer_kind(0).window;
            let alike = (0..config.num_hidden_layers).map(|layer| config.layer_kind(layer));
            let kind = LayerKind {
                window,
                ..LayerKind::GLOBAL
            };
            require(
                alike.into_iter().all(|other| other == kind),
                "layers with different windows",
            )?;
            keys.size("attention.sliding_window", window.unwrap_or(0));
            keys.size("context_length", config.max_position_embeddings);
            let original = match &config.rope_scaling {
                Some(RopeScaling::LongRope {
                    original_max_position_embeddings,
                    attention_factor,
                    ..
                }) => {
                    keys.float("rope.scaling.attn_factor", *attention_factor);
                    *original_max_position_embeddings
                }
                _ => config.max_position_embeddings,
            };
            keys.size("rope.scaling.original_context_length", original);
            scaled_as_usual(config)
        },
    },
    Architecture {
        name: "gemma3",
        write: |config, keys| {
            // Not in the metadata: llama.cpp has this pattern and these factors.
            let window = config.layer_kinds.iter().find_map(|kind| kind.window);
            let kind = |layer: usize| {
                let is_global = (layer + 1).is_multiple_of(6);
                LayerKind {
                    window: window.filter(|_| !is_global),
                    rope: Some(if is_global || window.is_none() {
                        RopeBase::Global
                    } else {
                        RopeBase::Local
                    }),
                }
            };
            let fits = |layer| config.layer_kind(layer) == kind(layer);
            require(
                (0..config.num_hidden_layers).all(fits),
                "the pattern of windows",
            )?;
            let embedding = (config.hidden_size as f64).sqrt();
            let multipliers = Multipliers {
                embedding,
                ..Multipliers::NONE
            };
            require(config.multipliers == multipliers, "multipliers")?;
            require(has_usual_scale(config), "the factor of attention scores")?;
            keys.size("attention.sliding_window", window.unwrap_or(0));
            keys.float(
                "rope.freq_base_swa",
                config.rope_local_theta.unwrap_or(config.rope_theta),
            );
            keys.size("context_length", config.max_position_embeddings);
            Ok(())
        },
    },
];

const NO_ROPE: &str = "the pattern of layers without rotary embedding";

fn require(fits: bool, what: &'static str) -> Result<(), &'static str> {
    if fits { Ok(()) } else { Err(what) }
}

/// Writes an architecture without further keys.
fn plain(config: &ModelConfig, keys: &mut Keys) -> Result<(), &'static str> {
    let mut kinds = (0..config.num_hidden_layers).map(|layer| config.layer_kind(layer));
    require(
        kinds.all(|kind| kind.rope == LayerKind::GLOBAL.rope),
        NO_ROPE,
    )?;
    scaled_as_usual(config)?;
    keys.context(config);
    Ok(())
}

/// Refuses multipliers that the architecture does not have.
fn scaled_as_usual(config: &ModelConfig) -> Result<(), &'static str> {
    require(config.multipliers == Multipliers::NONE, "multipliers")?;
    require(has_usual_scale(config), "the factor of attention scores")
}

fn has_usual_scale(config: &ModelConfig) -> bool {
    let usual = (config.head_dim as f64).powf(-0.5);
    config
        .attention_scale
        .is_none_or(|scale| (scale / usual - 1.0).abs() < 1e-6)
}

/// Pairs whose keys begin with the architecture's name.
struct Keys<'a> {
    pairs: &'a mut NewPairs,
    architecture: &'static str,
}

impl Keys<'_> {
    fn key(&self, part: &str) -> String {
        format!("{}.{part}", self.architecture)
    }

    /// Adds a size, which a checked configuration limits to less than 32 bits.
    fn size(&mut self, part: &str, size: usize) {
        self.pairs.unsigned(&self.key(part), size as u32);
    }

    fn float(&mut self, part: &str, value: f64) {
        self.pairs.float(&self.key(part), value);
    }

    fn boolean(&mut self, part: &str, value: bool) {
        self.pairs.boolean(&self.key(part), value);
    }

    fn text(&mut self, part: &str, value: &str) {
        self.pairs.text(&self.key(part), value);
    }

    /// Adds the context length of an architecture for which llama.cpp knows no windows: that of the narrowest window, so that
    /// the window makes no difference within it.
    fn context(&mut self, config: &ModelConfig) {
        let windows = config.layer_kinds.iter().filter_map(|kind| kind.window);
        let narrowest = windows.min().unwrap_or(config.max_position_embeddings);
        self.size(
            "context_length",
            narrowest.min(config.max_position_embeddings),
        );
    }
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
///
/// # Errors
/// What llama.cpp cannot represent.
pub(super) fn about_model(
    pairs: &mut NewPairs,
    config: &ModelConfig,
    name: &str,
) -> Result<(), &'static str> {
    let architecture = config.family.gguf_architecture;
    let own = architecture_of(architecture).ok_or("its metadata")?;
    require(
        config.activation == config.family.activation,
        "the activation",
    )?;
    pairs.text("general.architecture", architecture);
    pairs.text("general.type", "model");
    pairs.text("general.name", name);
    pairs.text("general.size_label", &size_label(config.num_parameters()));
    let keys = &mut Keys {
        pairs,
        architecture,
    };
    for (part, size) in [
        ("vocab_size", config.vocab_size),
        ("block_count", config.num_hidden_layers),
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
        ("attention.key_length", config.head_dim),
        ("attention.value_length", config.head_dim),
        ("rope.dimension_count", config.rotary_dim),
    ] {
        keys.size(part, size);
    }
    let epsilon = match config.family.norm {
        NormKind::Layer => "attention.layer_norm_epsilon",
        NormKind::Rms | NormKind::RmsFromOne => "attention.layer_norm_rms_epsilon",
    };
    keys.float(epsilon, config.rms_norm_eps);
    keys.float("rope.freq_base", config.rope_theta);
    match &config.rope_scaling {
        Some(RopeScaling::Linear { factor }) => {
            keys.text("rope.scaling.type", "linear");
            keys.float("rope.scaling.factor", *factor);
        }
        Some(RopeScaling::Yarn {
            factor,
            beta_fast,
            beta_slow,
            original_max_position_embeddings,
            attention_factor,
            truncate,
        }) => {
            require(*truncate, "YaRN without `truncate`")?;
            keys.text("rope.scaling.type", "yarn");
            keys.float("rope.scaling.factor", *factor);
            keys.size(
                "rope.scaling.original_context_length",
                *original_max_position_embeddings,
            );
            keys.float("rope.scaling.yarn_beta_fast", *beta_fast);
            keys.float("rope.scaling.yarn_beta_slow", *beta_slow);
            let usual = yarn_attention_factor(*factor, 1.0);
            if (attention_factor / usual - 1.0).abs() > 1e-6 {
                keys.float("rope.scaling.attn_factor", attention_factor / usual);
            }
        }
        // Stored as tensors.
        None | Some(RopeScaling::Llama3 { .. } | RopeScaling::Divisors(_)) => {}
        Some(RopeScaling::LongRope { .. }) => {
            require(architecture == "phi3", "LongRoPE outside Phi-3")?;
        }
    }
    (own.write)(config, keys)
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

/// The scaling of the rotary frequencies that is stored as tensors, with their names.
///
/// # Shapes
/// - each: `[rotary_dim / 2]`
pub(super) fn rope_tensors(config: &ModelConfig) -> Vec<(&'static str, Vec<f32>)> {
    let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
    match &config.rope_scaling {
        None | Some(RopeScaling::Linear { .. } | RopeScaling::Yarn { .. }) => Vec::new(),
        Some(RopeScaling::Divisors(divisors)) => vec![(ROPE_DIVISORS, divisors.clone())],
        Some(RopeScaling::LongRope { short, long, .. }) => vec![
            ("rope_factors_long.weight", narrow(long)),
            ("rope_factors_short.weight", narrow(short)),
        ],
        Some(RopeScaling::Llama3 { .. }) => {
            let plain = ModelConfig {
                rope_scaling: None,
                ..config.clone()
            };
            let of = |config: &ModelConfig| config.inv_freq(RopeBase::Global);
            let pairs = of(&plain).into_iter().zip(of(config));
            let divisors = pairs.map(|(plain, scaled)| plain / scaled);
            vec![(ROPE_DIVISORS, divisors.collect())]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Family;

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
            assert!(
                architecture_of(family.gguf_architecture).is_some(),
                "{family}"
            );
        }
    }
}
