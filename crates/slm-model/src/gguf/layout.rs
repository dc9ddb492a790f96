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
    AttentionBias, Biases, ConfigError, Family, LayerKind, ModelConfig, ModelKeys, Multipliers,
    NormKind, OUTER_NAMES, RopeScaling, RotaryLayout, Target, head_dim_from, known_family,
    unsupported_rope, yarn_attention_factor,
};
use crate::weight_file::HostTensor;

/// The divisors of the rotary frequencies.
pub(crate) const ROPE_DIVISORS: &str = "rope_freqs.weight";
const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// Returns GGUF's name of the tensor that Hugging Face calls `name`.
pub(crate) fn gguf_name(family: &Family, name: &str) -> Option<String> {
    if let Some((_, gguf)) = OUTER_NAMES.iter().find(|(hub, _)| *hub == name) {
        return Some((*gguf).to_owned());
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, kind) = part.rsplit_once('.')?;
    let (_, gguf) = family.gguf_names.iter().find(|(hub, _)| *hub == part)?;
    Some(format!("blk.{layer}.{gguf}.{kind}"))
}

/// Returns Hugging Face's name of the tensor that a GGUF file calls `name`.
pub(crate) fn hub_name(family: &Family, name: &str) -> Option<String> {
    if let Some((hub, _)) = OUTER_NAMES.iter().find(|(_, gguf)| *gguf == name) {
        return Some((*hub).to_owned());
    }
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = part.rsplit_once('.')?;
    let (hub, _) = family.gguf_names.iter().find(|(_, gguf)| *gguf == part)?;
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

/// The keys of a file's architecture, such as `qwen3.block_count`.
struct ArchitectureKeys<'a> {
    file: &'a GgufFile,
    architecture: &'a str,
}

impl<'a> ArchitectureKeys<'a> {
    fn key(&self, part: &str) -> String {
        format!("{}.{part}", self.architecture)
    }

    fn string(&self, part: &str) -> Result<Option<&'a str>, LayoutError> {
        Ok(self.file.metadata().string(&self.key(part))?)
    }
}

/// Wraps the error of a reader.
fn of_keys(error: GgufError) -> ConfigError {
    ConfigError::Keys(Box::new(error))
}

impl ModelKeys for ArchitectureKeys<'_> {
    fn size(&self, part: &str) -> Result<Option<usize>, ConfigError> {
        let (metadata, key) = (self.file.metadata(), self.key(part));
        if let Ok(Some([first, others @ ..])) = metadata.integers(&key)
            && others.iter().all(|other| other == first)
            && let Ok(size) = usize::try_from(*first)
        {
            return Ok(Some(size));
        }
        metadata.unsigned(&key).map_err(of_keys)
    }

    fn required_size(&self, part: &str) -> Result<usize, ConfigError> {
        let found = self.size(part)?;
        let found = self.file.metadata().require(&self.key(part), found);
        found.map_err(of_keys)
    }

    fn float(&self, part: &str) -> Result<Option<f64>, ConfigError> {
        let found = self.file.metadata().float(&self.key(part));
        found.map_err(of_keys)
    }

    fn boolean(&self, part: &str) -> Result<Option<bool>, ConfigError> {
        let found = self.file.metadata().boolean(&self.key(part));
        found.map_err(of_keys)
    }

    fn optional_vector(&self, name: &str) -> Result<Option<Vec<f32>>, ConfigError> {
        if self.file.tensor_info(name).is_none() {
            return Ok(None);
        }
        let tensor = self.file.tensor(name).map_err(of_keys)?;
        Ok(Some(tensor.values))
    }
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
    let keys = ArchitectureKeys {
        file,
        architecture: name,
    };

    let hidden_size = keys.required_size("embedding_length")?;
    let num_attention_heads = keys.required_size("attention.head_count")?;
    let head_dim = match keys.size("attention.key_length")? {
        Some(head_dim) => head_dim,
        None => head_dim_from(hidden_size, num_attention_heads)?,
    };
    let value_length = keys.size("attention.value_length")?;
    if let Some(found) = value_length.filter(|&found| found != head_dim) {
        return Err(LayoutError::Config(ConfigError::Unsupported {
            key: "attention.value_length",
            found: found.to_string(),
            supported: "the width of a head",
        }));
    }
    let rotary_dim = keys.size("rope.dimension_count")?.unwrap_or(head_dim);
    let embedding = file.tensor_info(EMBEDDING);
    let embedding = embedding.ok_or_else(|| GgufError::MissingTensor {
        path: file.path().to_owned(),
        tensor: EMBEDDING.to_owned(),
    })?;
    let epsilon = match family.norm {
        NormKind::Layer => "attention.layer_norm_epsilon",
        NormKind::Rms | NormKind::RmsFromOne => "attention.layer_norm_rms_epsilon",
    };
    let epsilon = keys.key(epsilon);
    let token = |key: &str| metadata.unsigned::<u32>(key);
    let mut eos_token_ids = Vec::new();
    for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        eos_token_ids.extend(token(&format!("tokenizer.ggml.{key}"))?);
    }
    eos_token_ids.dedup();
    let has_bias = |target: Target| {
        let hub = format!("model.{}.bias", target.module_path(0));
        gguf_name(family, &hub).is_some_and(|name| file.tensor_info(&name).is_some())
    };
    let [query, .., down] = *family.targets else {
        unreachable!("{family}: a layer has linear layers");
    };

    let mut config = ModelConfig {
        family,
        vocab_size: embedding.shape[0],
        hidden_size,
        intermediate_size: keys.required_size("feed_forward_length")?,
        num_hidden_layers: keys.required_size("block_count")?,
        num_attention_heads,
        num_key_value_heads: keys
            .size("attention.head_count_kv")?
            .unwrap_or(num_attention_heads),
        head_dim,
        rotary_dim,
        attention_scale: None,
        rms_norm_eps: metadata.require(&epsilon, metadata.float(&epsilon)?)?,
        rope_theta: keys.float("rope.freq_base")?.unwrap_or(family.rope_theta),
        rope_scaling: None,
        rope_local_theta: None,
        layer_kinds: vec![LayerKind::GLOBAL],
        max_position_embeddings: keys.required_size("context_length")?,
        long_context: false,
        tie_word_embeddings: file.tensor_info(HEAD).is_none(),
        activation: family.activation,
        biases: Biases {
            qkv: family.attention_bias == AttentionBias::OfInputs || has_bias(query),
            output: has_bias(Target::OProj),
            feed_forward: has_bias(down),
        },
        multipliers: Multipliers::NONE,
        eos_token_ids,
        bos_token_id: token("tokenizer.ggml.bos_token_id")?,
    };
    // Before the keys of the family, so that loops over layers are short.
    config.check()?;
    config.rope_scaling = rope_scaling(&keys, config.max_position_embeddings)?;
    (family.read_gguf)(&keys, &mut config)?;
    config.normalise_layers();
    config.check()?;
    Ok(config)
}

fn rope_scaling(
    keys: &ArchitectureKeys<'_>,
    context: usize,
) -> Result<Option<RopeScaling>, LayoutError> {
    if let Some(divisors) = keys.optional_vector(ROPE_DIVISORS)? {
        return Ok(Some(RopeScaling::Divisors(divisors)));
    }
    let factor = || {
        let found = keys.float("rope.scaling.factor")?;
        let key = keys.key("rope.scaling.factor");
        Ok::<_, LayoutError>(keys.file.metadata().require(&key, found)?)
    };
    match keys.string("rope.scaling.type")? {
        // The family reads the factors of `LongRoPE`.
        None | Some("none" | "longrope") => Ok(None),
        Some("linear") => Ok(Some(RopeScaling::Linear { factor: factor()? })),
        Some("yarn") => {
            let factor = factor()?;
            let given = |part: &str| keys.float(part);
            Ok(Some(RopeScaling::Yarn {
                factor,
                beta_fast: given("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                beta_slow: given("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                original_max_position_embeddings: keys
                    .size("rope.scaling.original_context_length")?
                    .unwrap_or(context),
                attention_factor: yarn_attention_factor(factor, 1.0)
                    * given("rope.scaling.attn_factor")?.unwrap_or(1.0),
                truncate: true,
            }))
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
