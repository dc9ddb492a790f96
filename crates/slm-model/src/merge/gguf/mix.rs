//! Which type each tensor of a GGUF file gets.
//!
//! # Source
//! The mix of `Q4_K_M`: `llama_tensor_get_type` in `src/llama-quant.cpp` of <https://github.com/ggml-org/llama.cpp>.

use crate::gguf::TensorType;

/// The type of a GGUF file's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GgufType {
    /// Half precision.
    F16,
    /// 8 bits.
    Q8_0,
    /// llama.cpp's mix `Q4_K_M`: 4 bits, and 6 for the tensors that matter most.
    Q4KM,
}

impl GgufType {
    /// llama.cpp's number of the file type, the value of `general.file_type`.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::Q4KM => 15,
        }
    }
}

/// What the mix depends on, besides a tensor itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    pub(super) file: GgufType,
    pub(super) layers: usize,
    /// Whether the file has no `output.weight`.
    pub(super) is_tied: bool,
    /// Whether llama.cpp counts the model among those of 70B parameters, whose values it quantises more finely.
    pub(super) is_70b: bool,
}

impl Mix {
    /// Returns the type of the tensor called `name` with dimensions `shape`, outermost first.
    pub(super) fn type_of(&self, name: &str, shape: &[usize]) -> TensorType {
        let columns = match shape {
            [rows, .., columns] if *rows > 1 && !is_kept(name) => *columns,
            _ => return TensorType::F32,
        };
        let wanted = match self.file {
            GgufType::F16 => TensorType::F16,
            GgufType::Q8_0 => TensorType::Q8_0,
            GgufType::Q4KM => self.of_q4_k_m(name, columns),
        };
        let fits = |kind: &TensorType| columns.is_multiple_of(kind.block_len());
        let narrower = match wanted {
            TensorType::Q4_K => TensorType::Q5_0,
            TensorType::Q5_K => TensorType::Q5_1,
            TensorType::Q6_K => TensorType::Q8_0,
            other => other,
        };
        let mut fitting = [wanted, narrower].into_iter().filter(fits);
        fitting.next().unwrap_or(TensorType::F16)
    }

    fn of_q4_k_m(&self, name: &str, columns: usize) -> TensorType {
        let is_head = name == "output.weight" || self.is_tied && name == "token_embd.weight";
        if is_head {
            return if columns.is_multiple_of(TensorType::Q6_K.block_len()) {
                TensorType::Q6_K
            } else {
                TensorType::Q8_0
            };
        }
        let of_layer = name
            .strip_prefix("blk.")
            .and_then(|rest| rest.split_once('.'));
        let layer = of_layer.and_then(|(layer, part)| Some((layer.parse().ok()?, part)));
        match layer {
            Some((layer, "ffn_down.weight")) if self.has_more_bits(layer) => TensorType::Q6_K,
            Some((layer, "attn_v.weight" | "attn_qkv.weight")) => {
                if self.has_more_bits(layer) {
                    TensorType::Q6_K
                } else if self.is_70b {
                    TensorType::Q5_K
                } else {
                    TensorType::Q4_K
                }
            }
            _ => TensorType::Q4_K,
        }
    }

    /// Whether a layer's most sensitive tensors get 6 bits: in the first and last eighth, and every third in between.
    fn has_more_bits(&self, layer: usize) -> bool {
        let eighth = self.layers / 8;
        layer < eighth || layer >= 7 * self.layers / 8 || (layer - eighth) % 3 == 2
    }
}

/// Whether a tensor stays in single precision: all but weights, and the weights of norms.
fn is_kept(name: &str) -> bool {
    !name.ends_with("weight") || name.ends_with("_norm.weight")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The types that `llama_model_quantize` gives the tensors of models with 5 and 30 layers: see
    /// `golden/gguf/mix.py`.
    #[test]
    fn the_mix_is_llama_cpps() {
        let golden = include_str!("../../../tests/it/golden/gguf/mix.json");
        let golden: BTreeMap<String, BTreeMap<String, (String, Vec<usize>)>> =
            serde_json::from_str(golden).expect("golden");
        for (model, tensors) in &golden {
            let layers = tensors
                .keys()
                .filter(|name| name.ends_with("ffn_down.weight"));
            let mix = Mix {
                file: match model.rsplit_once('-').expect("a type").1 {
                    "q8_0" => GgufType::Q8_0,
                    "f16" => GgufType::F16,
                    _ => GgufType::Q4KM,
                },
                layers: layers.count(),
                is_tied: !tensors.contains_key("output.weight"),
                is_70b: false,
            };
            assert!(tensors.len() > 30, "{model}");
            for (name, (kind, shape)) in tensors {
                assert_eq!(mix.type_of(name, shape).name(), kind, "{model}: {name}");
            }
        }
        assert!(golden.len() >= 5, "{} models", golden.len());
    }
}
