//! Folders with FP8 weights: read like others, and refused when codes or scales are not valid.

use std::collections::BTreeMap;
use std::fs;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize_to_file};
use slm_model::Weights;
use tempfile::TempDir;

use crate::support::copy_of;

const NAME: &str = "model.layers.0.self_attn.q_proj";

/// A copy of `tiny-qwen2` whose first query projection has one FP8 code in all places and a scale of 0.5 for each row.
fn folder(code: u8, scales: Option<usize>) -> TempDir {
    let folder = copy_of("tiny-qwen2");
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).expect("golden");
    let old = SafeTensors::deserialize(&bytes).expect("golden");
    let shape = old
        .tensor(&format!("{NAME}.weight"))
        .expect("golden")
        .shape()
        .to_vec();
    let codes = vec![code; shape.iter().product()];
    let scale: Vec<u8> = scales.map_or(Vec::new(), |n| 0.5_f32.to_le_bytes().repeat(n));
    let mut tensors: BTreeMap<String, TensorView> = old.tensors().into_iter().collect();
    let view = TensorView::new(Dtype::F8_E4M3, shape.clone(), &codes).expect("codes");
    tensors.insert(format!("{NAME}.weight"), view);
    if let Some(n) = scales {
        let view = TensorView::new(Dtype::F32, vec![n, 1], &scale).expect("scales");
        tensors.insert(format!("{NAME}.weight_scale"), view);
    }
    let changed = folder.path().join("changed.safetensors");
    serialize_to_file(tensors, None, &changed).expect("written");
    fs::rename(changed, path).expect("renamed");
    let path = folder.path().join("config.json");
    let config = fs::read_to_string(&path).expect("golden");
    let quantised = r#"{ "quantization_config": {"quant_method": "compressed-tensors", "config_groups":
        {"group_0": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}},"#;
    fs::write(&path, config.replacen('{', quantised, 1)).expect("written");
    folder
}

#[test]
fn a_folder_with_fp8_weights_is_read_like_any_other() {
    let folder = folder(0xb8, Some(64));
    let weights = Weights::open(folder.path()).expect("FP8");
    let tensor = weights.tensor(&format!("{NAME}.weight")).expect("FP8");
    assert_eq!(tensor.shape, [64, 64]);
    assert!(
        tensor
            .values
            .iter()
            .all(|value| value.to_bits() == (-0.5_f32).to_bits())
    );
}

#[test]
fn codes_that_are_no_numbers_are_refused() {
    let folder = folder(0x7f, Some(64));
    let weights = Weights::open(folder.path()).expect("its header is sound");
    let error = weights
        .tensor(&format!("{NAME}.weight"))
        .expect_err("NaN")
        .to_string();
    assert!(
        error.contains(NAME) && error.contains("non-finite"),
        "{error}"
    );
}

#[test]
fn scales_that_are_missing_or_too_few_are_refused_when_the_folder_is_opened() {
    for (scales, expected) in [
        (
            None,
            "neither `model.layers.0.self_attn.q_proj.weight_scale_inv` nor",
        ),
        (Some(63), "is of shape [63, 1], expected one scale, [64, 1]"),
    ] {
        let folder = folder(0, scales);
        let error = Weights::open(folder.path())
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains(expected) && error.contains("hint: "),
            "{error}"
        );
    }
}
