//! `SmolLM3`.

use super::Family;
use super::llama::LLAMA;
use crate::config::LayerKind;

/// No rotary embedding on every fourth layer.
///
/// # Source
/// `SmolLM3Config` of <https://github.com/huggingface/transformers>; `SmolLM3Model` in llama.cpp's converter, whose files
/// do not contain the layers: they are every fourth.
pub(super) const SMOLLM3: Family = Family {
    model_type: "smollm3",
    class: "SmolLM3ForCausalLM",
    gguf_architecture: "smollm3",
    rope_theta: 2_000_000.0,
    tie_word_embeddings: true,
    read_json: |raw, config| {
        let interval = raw.no_rope_layer_interval.unwrap_or(4);
        let listed = raw.no_rope_layers.as_deref();
        let has_rope = |layer: usize| match listed {
            Some(list) => list.get(layer).is_none_or(|&rotated| rotated != 0),
            None => interval == 0 || !(layer + 1).is_multiple_of(interval),
        };
        let switched_on = raw.use_sliding_window == Some(true);
        let window = raw.window().filter(|_| switched_on);
        raw.set_windows(config, window, |layer| !has_rope(layer))?;
        let kinds = (0..config.num_hidden_layers).map(|layer| LayerKind {
            rope: config.layer_kind(layer).rope.filter(|_| has_rope(layer)),
            ..config.layer_kind(layer)
        });
        config.layer_kinds = kinds.collect();
        Ok(())
    },
    read_gguf: |_, config| {
        let kinds = (1..=config.num_hidden_layers).map(|number| LayerKind {
            rope: LayerKind::GLOBAL.rope.filter(|_| !number.is_multiple_of(4)),
            ..LayerKind::GLOBAL
        });
        config.layer_kinds = kinds.collect();
        Ok(())
    },
    ..LLAMA
};
