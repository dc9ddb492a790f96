//! Export of a LoRA adapter as a GGUF file, which llama.cpp applies with `--lora`.
//!
//! # Source
//! The reader: `llama_adapter_lora_init_impl` in `src/llama-adapter.cpp` of
//! <https://github.com/ggml-org/llama.cpp>.

use std::io::{self, Write};

use crate::config::{Family, ModelConfig};
use crate::gguf::TensorType;
use crate::gguf::layout::{gguf_name, is_permuted, permute_heads};
use crate::gguf::writer::{ALIGNMENT, NewTensor, put, text, write_header};
use crate::lora::Adapter;
use crate::weight_file::HostTensor;

/// Type codes of metadata values.
const KIND_U32: u32 = 4;
const KIND_F32: u32 = 6;
const KIND_STRING: u32 = 8;

/// Returns GGUF's name of the linear layer with this weight and its B; of a fused layer that llama.cpp splits, the names of
/// both halves with their rows of B.
fn parts(family: &Family, name: &str, b: HostTensor) -> Vec<(String, HostTensor)> {
    if let Some(base) = gguf_name(family, name) {
        return vec![(base, b)];
    }
    let layer = name.split('.').nth(2).unwrap_or_default();
    let half = b.values.len() / 2;
    let halves = ["ffn_gate", "ffn_up"]
        .into_iter()
        .zip(b.values.chunks(half));
    let part = |(gguf, values): (&str, &[f32])| {
        let shape = vec![b.shape[0] / 2, b.shape[1]];
        let values = values.to_vec();
        let base = format!("blk.{layer}.{gguf}.weight");
        (base, HostTensor { shape, values })
    };
    halves.map(part).collect()
}

/// Writes the adapter for a base model with this configuration.
///
/// llama.cpp scales an update by `alpha / r` with one alpha for the whole file. That alpha is computed from the first
/// pair's scale (which makes rsLoRA right); the ratio of another pair's scale is multiplied into its B.
///
/// # Errors
/// Those of writing to `out`.
pub(crate) fn write_adapter(
    adapter: &Adapter,
    config: &ModelConfig,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut alpha = None;
    let mut tensors: Vec<(String, HostTensor)> = Vec::new();
    for (layer, target, pair) in adapter.pairs() {
        let name = format!("model.{}.weight", target.module_path(layer));
        let (a, mut b) = (pair.host_a(), pair.host_b());
        let own = pair.scale * a.shape[0] as f64;
        let alpha = *alpha.get_or_insert(own);
        if own.to_bits() != alpha.to_bits() {
            let factor = (own / alpha) as f32;
            b.values.iter_mut().for_each(|value| *value *= factor);
        }
        if is_permuted(config.family, &name) {
            permute_heads(&mut b, config.head_dim);
        }
        for (base, b) in parts(config.family, &name, b) {
            tensors.push((format!("{base}.lora_a"), a.clone()));
            tensors.push((format!("{base}.lora_b"), b));
        }
    }

    let mut pairs: Vec<u8> = Vec::new();
    let mut pair = |key: &str, kind: u32, value: &[u8]| {
        pairs.extend(text(key));
        pairs.extend(kind.to_le_bytes());
        pairs.extend(value);
    };
    pair("general.type", KIND_STRING, &text("adapter"));
    pair(
        "general.architecture",
        KIND_STRING,
        &text(config.family.gguf_architecture),
    );
    pair(
        "general.alignment",
        KIND_U32,
        &(ALIGNMENT as u32).to_le_bytes(),
    );
    pair("adapter.type", KIND_STRING, &text("lora"));
    let alpha = alpha.unwrap_or(1.0) as f32;
    pair("adapter.lora.alpha", KIND_F32, &alpha.to_le_bytes());

    let described: Vec<NewTensor> = tensors
        .iter()
        .map(|(name, tensor)| NewTensor {
            name: name.clone(),
            shape: tensor.shape.clone(),
            kind: TensorType::F32,
        })
        .collect();
    write_header(out, (5, &pairs), described.iter(), ALIGNMENT)?;
    for (_, tensor) in &tensors {
        let bytes = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        put(out, bytes, ALIGNMENT)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::GgufFile;
    use crate::gguf::layout::unpermute_heads;
    use crate::lora::LoraSettings;
    use crate::target::Target;
    use crate::{Decoder, Weights};
    use burn::tensor::Device;
    use std::path::Path;

    #[test]
    fn the_file_holds_alpha_and_every_pair_with_heads_in_llama_cpps_order() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/tiny-llama");
        let weights = Weights::open(&golden).expect("golden model");
        let config = weights.config();
        let settings = LoraSettings {
            use_rslora: true,
            rank_pattern: vec![("k_proj".to_owned(), 2)],
            ..LoraSettings::plain(4, 8.0)
        };
        let device = Device::flex();
        let decoder = Decoder::load(&weights, &device, |_, _| ()).expect("golden weights");
        let adapter = decoder.init_adapter(&settings, 3, &device);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("adapter.gguf");
        let mut file = std::fs::File::create(&path).expect("a file");
        write_adapter(&adapter, config, &mut file).expect("written");

        let file = GgufFile::open(&path).expect("a GGUF file");
        assert_eq!(
            file.metadata().string("adapter.type").expect("text"),
            Some("lora")
        );
        assert_eq!(
            file.metadata()
                .float("adapter.lora.alpha")
                .expect("a number"),
            Some(16.0),
            "alpha / sqrt(r) = alpha' / r"
        );
        let mut n = 0;
        for (layer, target, pair) in adapter.pairs() {
            let hub = format!("model.{}.weight", target.module_path(layer));
            let base = gguf_name(config.family, &hub).expect("a name");
            let a = file.tensor(&format!("{base}.lora_a")).expect("A");
            assert_eq!(a, pair.host_a());
            let mut b = file.tensor(&format!("{base}.lora_b")).expect("B");
            if is_permuted(config.family, &hub) {
                unpermute_heads(&mut b, config.head_dim);
            }
            // B is zero in a new adapter, so this checks only its shape.
            assert_eq!(b, pair.host_b());
            assert_eq!(b.shape[1], if target == Target::KProj { 2 } else { 4 });
            n += 2;
        }
        assert_eq!(file.tensors().count(), n);
    }
    #[test]
    fn a_fused_layer_that_llama_cpp_splits_becomes_two_pairs() {
        let family = Family::of_model_type("granitemoehybrid").expect("supported");
        let b = HostTensor {
            shape: vec![4, 2],
            values: (0..8u8).map(f32::from).collect(),
        };
        let name = "model.layers.3.shared_mlp.input_linear.weight";
        let found = parts(family, name, b.clone());
        let half = |values: &[f32]| HostTensor {
            shape: vec![2, 2],
            values: values.to_vec(),
        };
        let expected = [
            ("blk.3.ffn_gate.weight".to_owned(), half(&b.values[..4])),
            ("blk.3.ffn_up.weight".to_owned(), half(&b.values[4..])),
        ];
        assert_eq!(found, expected);
    }
}
