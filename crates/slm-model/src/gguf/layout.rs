//! The changes that llama.cpp's converter makes to a Hugging Face model, and their inverse.
//!
//! Names change (`model.layers.0.self_attn.q_proj` is `blk.0.attn_q`), and in files of the Llama family
//! the rows of the query and key projections are reordered for interleaved rotary embedding.
//!
//! # Source
//! `convert_hf_to_gguf.py` and `gguf-py/gguf/constants.py` of <https://github.com/ggml-org/llama.cpp>.

use super::error::GgufError;
use super::reader::GgufFile;
use crate::config::{
    ConfigError, ModelConfig, RopeScaling, head_dim_from, known_family, unsupported_rope,
};
use crate::family::{Family, RotaryLayout};
use crate::weight_file::HostTensor;

const ROPE_DIVISORS: &str = "rope_freqs.weight";

/// Returns GGUF's name of the tensor that Hugging Face calls `name`.
pub(crate) fn gguf_name(family: &Family, name: &str) -> Option<String> {
    let names = &family.gguf_names;
    if let Some((_, gguf)) = names.outer().iter().find(|(hub, _)| *hub == name) {
        return Some((*gguf).to_owned());
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, kind) = part.rsplit_once('.')?;
    let (_, gguf) = names.layer.iter().find(|(hub, _)| *hub == part)?;
    Some(format!("blk.{layer}.{gguf}.{kind}"))
}

/// Returns Hugging Face's name of the tensor that a GGUF file calls `name`.
pub(crate) fn hub_name(family: &Family, name: &str) -> Option<String> {
    let names = &family.gguf_names;
    if let Some((hub, _)) = names.outer().iter().find(|(_, gguf)| *gguf == name) {
        return Some((*hub).to_owned());
    }
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = part.rsplit_once('.')?;
    let (hub, _) = names.layer.iter().find(|(_, gguf)| *gguf == part)?;
    Some(format!("model.layers.{layer}.{hub}.{kind}"))
}

/// Restores Hugging Face's row order of a query or key projection.
///
/// The converter moves the elements `i` and `i + head_dim / 2` of a head, which form a pair, to rows `2 i` and
/// `2 i + 1`, because ggml rotates neighbours in this family. Works on weights and biases.
pub(crate) fn unpermute_heads(tensor: &mut HostTensor, head_dim: usize) {
    let row: usize = tensor.shape[1..].iter().product();
    let half = head_dim / 2;
    let mut head_rows = vec![0.0; head_dim * row];
    for head in tensor.values.chunks_exact_mut(head_dim * row) {
        for (i, from) in head.chunks_exact(row).enumerate() {
            let to = i / 2 + i % 2 * half;
            head_rows[to * row..][..row].copy_from_slice(from);
        }
        head.copy_from_slice(&head_rows);
    }
}

/// Position in the file of row `row` in Hugging Face's order: [`unpermute_heads`] for one row.
pub(crate) fn source_row(row: usize, head_dim: usize) -> usize {
    let (head, to) = (row / head_dim, row % head_dim);
    let half = head_dim / 2;
    head * head_dim + to % half * 2 + to / half
}

/// Applies the converter's permutation, the inverse of [`unpermute_heads`].
pub(crate) fn permute_heads(tensor: &mut HostTensor, head_dim: usize) {
    let row: usize = tensor.shape[1..].iter().product();
    let half = head_dim / 2;
    let mut head_rows = vec![0.0; head_dim * row];
    for head in tensor.values.chunks_exact_mut(head_dim * row) {
        for (to, slot) in head_rows.chunks_exact_mut(row).enumerate() {
            let from = to / 2 + to % 2 * half;
            slot.copy_from_slice(&head[from * row..][..row]);
        }
        head.copy_from_slice(&head_rows);
    }
}

/// Whether GGUF files of a family permute the rows of the tensor that Hugging Face calls `name`.
pub(crate) fn is_permuted(family: &Family, name: &str) -> bool {
    family.gguf_rotary == RotaryLayout::Interleaved
        && (name.contains(".self_attn.q_proj.") || name.contains(".self_attn.k_proj."))
}

/// Metadata of a GGUF file that do not describe a supported model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    /// A key is missing or has another type, or the file cannot be read.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The keys exist, but their values are not a valid model.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Derives the model's configuration from the metadata and the existing tensors.
///
/// The head is tied if and only if there is no `output.weight`. Files of models with a tied head may still contain
/// one, the embedding quantised separately and more finely (as in Qwen2.5-Coder-0.5B). It is then used as a separate
/// head, as in llama.cpp: the logits are those of that file.
pub(crate) fn config_of(file: &GgufFile) -> Result<ModelConfig, LayoutError> {
    let metadata = file.metadata();
    let name = metadata.string("general.architecture")?;
    let name = metadata.require("general.architecture", name)?;
    let family = known_family(Family::of_gguf_architecture(name), name)?;
    let key = |part: &str| format!("{name}.{part}");
    let size = |part: &str| metadata.unsigned::<usize>(&key(part));
    let required = |part: &str| metadata.require(&key(part), size(part)?);

    let hidden_size = required("embedding_length")?;
    let num_attention_heads = required("attention.head_count")?;
    let head_dim = match size("attention.key_length")? {
        Some(head_dim) => head_dim,
        None => head_dim_from(hidden_size, num_attention_heads)?,
    };
    for part in ["rope.dimension_count", "attention.value_length"] {
        if let Some(found) = size(part)?.filter(|&found| found != head_dim) {
            return Err(LayoutError::Config(ConfigError::Unsupported {
                key: "rope.dimension_count or attention.value_length",
                found: found.to_string(),
                supported: "the width of a head",
            }));
        }
    }
    let embedding = file.tensor_info(family.gguf_names.embedding);
    let embedding = embedding.ok_or_else(|| GgufError::MissingTensor {
        path: file.path().to_owned(),
        tensor: family.gguf_names.embedding.to_owned(),
    })?;
    let rms_norm_eps = key("attention.layer_norm_rms_epsilon");
    let token = |key: &str| metadata.unsigned::<u32>(key);
    let mut eos_token_ids = Vec::new();
    for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        eos_token_ids.extend(token(&format!("tokenizer.ggml.{key}"))?);
    }
    eos_token_ids.dedup();

    let config = ModelConfig {
        family,
        vocab_size: embedding.shape[0],
        hidden_size,
        intermediate_size: required("feed_forward_length")?,
        num_hidden_layers: required("block_count")?,
        num_attention_heads,
        num_key_value_heads: size("attention.head_count_kv")?.unwrap_or(num_attention_heads),
        head_dim,
        rms_norm_eps: metadata.require(&rms_norm_eps, metadata.float(&rms_norm_eps)?)?,
        rope_theta: metadata
            .float(&key("rope.freq_base"))?
            .unwrap_or(family.rope_theta),
        rope_scaling: rope_scaling(file, name)?,
        max_position_embeddings: required("context_length")?,
        tie_word_embeddings: file.tensor_info(family.gguf_names.head).is_none(),
        qkv_bias: family.qkv_bias,
        eos_token_ids,
        bos_token_id: token("tokenizer.ggml.bos_token_id")?,
    };
    config.check()?;
    Ok(config)
}

fn rope_scaling(file: &GgufFile, name: &str) -> Result<Option<RopeScaling>, LayoutError> {
    if file.tensor_info(ROPE_DIVISORS).is_some() {
        let divisors = file.tensor(ROPE_DIVISORS)?.values;
        return Ok(Some(RopeScaling::Divisors(divisors)));
    }
    let metadata = file.metadata();
    match metadata.string(&format!("{name}.rope.scaling.type"))? {
        None | Some("none") => Ok(None),
        Some("linear") => {
            let key = format!("{name}.rope.scaling.factor");
            let factor = metadata.require(&key, metadata.float(&key)?)?;
            Ok(Some(RopeScaling::Linear { factor }))
        }
        Some(other) => Err(unsupported_rope(other).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_map_there_and_back() {
        let family = Family::ALL[0];
        for (hub, gguf) in [
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("lm_head.weight", "output.weight"),
            (
                "model.layers.11.self_attn.q_proj.bias",
                "blk.11.attn_q.bias",
            ),
            (
                "model.layers.0.post_attention_layernorm.weight",
                "blk.0.ffn_norm.weight",
            ),
            (
                "model.layers.3.mlp.down_proj.weight",
                "blk.3.ffn_down.weight",
            ),
        ] {
            assert_eq!(gguf_name(family, hub).as_deref(), Some(gguf));
            assert_eq!(hub_name(family, gguf).as_deref(), Some(hub));
        }
        assert_eq!(
            gguf_name(family, "model.layers.0.self_attn.rotary.weight"),
            None
        );
        assert_eq!(hub_name(family, "rope_freqs.weight"), None);
    }

    #[test]
    fn unpermuting_undoes_the_converters_interleaving() {
        let (heads, head_dim, row) = (3, 8, 2);
        let original: Vec<f32> = (0..heads * head_dim * row).map(|i| i as f32).collect();
        // The converter: [heads, 2, head_dim / 2, row] with the two inner axes swapped.
        let mut permuted = Vec::new();
        for head in 0..heads {
            for pair in 0..head_dim / 2 {
                for part in 0..2 {
                    let from = (head * head_dim + part * head_dim / 2 + pair) * row;
                    permuted.extend_from_slice(&original[from..from + row]);
                }
            }
        }
        let mut tensor = HostTensor {
            shape: vec![heads * head_dim, row],
            values: permuted,
        };
        unpermute_heads(&mut tensor, head_dim);
        assert_eq!(tensor.values, original);
    }
}
