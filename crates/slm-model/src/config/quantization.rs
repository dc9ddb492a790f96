//! Detects weights quantised by another program from the files in the model's folder. FP8 weights are dequantised when
//! they are read; all others are refused by name and not with a shape mismatch.

use serde_json::Value;

use super::ConfigError;

/// Keys of `config.json` written by transformers, early releases of compressed-tensors, and MLX.
const KEYS: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// Files with quantization settings outside `config.json`, each with the program that writes it.
pub(crate) const SETTINGS_FILES: [(&str, &str); 3] = [
    ("quantize_config.json", "GPTQ"),
    ("quant_config.json", "AWQ"),
    ("hf_quant_config.json", "ModelOpt"),
];

/// Endings of tensor names within a decoder layer, with the methods that write such tensors.
const TENSORS: [(&str, &str); 7] = [
    (".qweight", "GPTQ or AWQ"),
    (".quant_map", "bitsandbytes"),
    (".weight.absmax", "bitsandbytes"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale_inv", "fp8"),
    (".weight_scale", "fp8"),
    (".scales", "MLX"),
];

/// FP8 weights (E4M3) with scales beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fp8 {
    /// Rows and columns of a block with one scale, if scales are not per tensor or per row.
    pub(crate) block: Option<[usize; 2]>,
}

/// Endings of the tensors with the scales of FP8 weights.
pub(crate) const FP8_SCALES: [&str; 2] = [".weight_scale_inv", ".weight_scale"];

/// Returns the settings of FP8 weights in a `config.json`, if there are any; refuses all other quantization settings.
///
/// # Source
/// `FineGrainedFP8Config` of <https://github.com/huggingface/transformers>; `QuantizationConfig` of
/// <https://github.com/vllm-project/compressed-tensors>.
pub(crate) fn fp8_or_refused(config: &Value) -> Result<Option<Fp8>, ConfigError> {
    let is_set = |value: &&Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    // Multimodal models keep the decoder's settings one level below.
    let places = [config, &config["text_config"]];
    for (key, place) in KEYS.iter().flat_map(|key| places.map(|place| (key, place))) {
        if let Some(settings) = place.get(key).filter(is_set) {
            if let Some(fp8) = fp8_of(settings) {
                return Ok(Some(fp8));
            }
            return Err(ConfigError::Quantised {
                method: method_of(settings),
                found: format!("`{key}`"),
            });
        }
    }
    Ok(None)
}

/// Reads the settings of FP8 weights; `None` if they are of another kind.
fn fp8_of(settings: &Value) -> Option<Fp8> {
    let is_unset_or = |value: &Value, expected: &[&str]| {
        value.is_null() || value.as_str().is_some_and(|text| expected.contains(&text))
    };
    match settings["quant_method"].as_str()? {
        "fp8" if is_unset_or(&settings["fmt"], &["e4m3", "float8_e4m3fn"]) => {
            block_of(&settings["weight_block_size"])
        }
        "compressed-tensors" => {
            let format = &settings["format"];
            if !is_unset_or(format, &["float-quantized", "naive-quantized"]) {
                return None;
            }
            let groups = settings["config_groups"].as_object()?;
            let mut found = None;
            for group in groups.values() {
                let weights = &group["weights"];
                let is_fp8 = weights["num_bits"] == 8
                    && weights["type"] == "float"
                    && weights["symmetric"] != false
                    && is_unset_or(&weights["strategy"], &["tensor", "channel", "block"])
                    && is_unset_or(&group["format"], &["float-quantized", "naive-quantized"]);
                let fp8 = is_fp8.then(|| block_of(&weights["block_structure"]))??;
                if found.is_some_and(|found| found != fp8) {
                    return None;
                }
                found = Some(fp8);
            }
            found
        }
        _ => None,
    }
}

/// Reads the size of a block, `[rows, columns]`, or none.
fn block_of(value: &Value) -> Option<Fp8> {
    if value.is_null() {
        return Some(Fp8 { block: None });
    }
    let side = |i: usize| {
        let side = value[i]
            .as_u64()
            .filter(|side| (1..=1 << 20).contains(side));
        side.map(|side| side as usize)
    };
    (value.as_array()?.len() == 2).then_some(())?;
    Some(Fp8 {
        block: Some([side(0)?, side(1)?]),
    })
}

/// Returns the method and the number of bits, as far as the settings contain them.
fn method_of(settings: &Value) -> String {
    let text = |key: &str| settings[key].as_str().map(str::to_owned);
    let method = text("quant_method").or_else(|| text("quant_algo"));
    let method = method.unwrap_or_else(|| "an unnamed method".to_owned());
    let is_true = |key: &str| settings[key] == true;
    let bits = ["bits", "w_bit", "num_bits", "nbits"]
        .into_iter()
        .find_map(|key| settings[key].as_u64());
    let bits = match bits {
        _ if is_true("load_in_4bit") => Some(4),
        _ if is_true("load_in_8bit") => Some(8),
        bits => bits,
    };
    match bits {
        Some(bits) => format!("{method}, {bits} bits"),
        None => method,
    }
}

/// Refuses a folder whose tensor names are those of quantised weights, except the scales that belong to `fp8`.
pub(crate) fn refuse_quantised_tensors<'a>(
    names: impl IntoIterator<Item = &'a str>,
    fp8: Option<Fp8>,
) -> Result<(), ConfigError> {
    let of_layers = names.into_iter().filter(|name| name.contains(".layers."));
    let refused = |end: &str| fp8.is_none() || !FP8_SCALES.contains(&end);
    for name in of_layers {
        let mut ends = TENSORS.iter().filter(|(end, _)| refused(end));
        if let Some((_, method)) = ends.find(|(end, _)| name.ends_with(end)) {
            return Err(ConfigError::Quantised {
                method: (*method).to_owned(),
                found: format!("tensor `{name}`"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantised_configurations_are_named_by_method_and_width() {
        for (config, expected) in [
            (
                json!({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}}),
                "bitsandbytes, 4 bits (`quantization_config`)",
            ),
            (
                json!({"quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": 128}}),
                "gptq, 8 bits",
            ),
            (
                json!({"quantization_config": {"quant_method": "awq", "w_bit": 4}}),
                "awq, 4 bits",
            ),
            (
                json!({"quantization_config": {"quant_method": "fp8", "fmt": "e5m2"}}),
                "fp8 (",
            ),
            (
                json!({"quantization_config": {"quant_method": "fp8", "weight_block_size": [0, 128]}}),
                "fp8 (",
            ),
            (
                json!({"quantization_config": {"quant_method": "fbgemm_fp8"}}),
                "fbgemm_fp8 (",
            ),
            (
                json!({"quantization_config": {"quant_method": "compressed-tensors"}}),
                "compressed-tensors (",
            ),
            (
                json!({"compression_config": {"quant_method": "compressed-tensors"}}),
                "compressed-tensors (`compression_config`)",
            ),
            (
                json!({"quantization": {"group_size": 64, "bits": 4}}),
                "an unnamed method, 4 bits (`quantization`)",
            ),
            (
                json!({"text_config": {"quantization_config": {"quant_method": "hqq"}}}),
                "hqq",
            ),
            (
                json!({"quantization_config": "int4"}),
                "`quantization_config`",
            ),
        ] {
            let error = fp8_or_refused(&config).expect_err("quantised").to_string();
            assert!(error.contains(expected), "{config}: {error}");
            assert!(
                error.contains("hint: ") && error.contains("model.quantization"),
                "{error}"
            );
        }
        for config in [
            json!({}),
            json!({"quantization_config": null}),
            json!({"quantization_config": {}}),
            json!([]),
        ] {
            assert_eq!(fp8_or_refused(&config).expect("not quantised"), None);
        }
    }

    #[test]
    fn fp8_settings_of_either_method_are_read_and_odd_ones_are_refused() {
        let compressed = |weights: Value| {
            json!({"quantization_config": {"quant_method": "compressed-tensors", "format": "float-quantized",
                   "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}, "ignore": ["lm_head"]}})
        };
        for (config, block) in [
            (
                json!({"quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3",
                       "quant_method": "fp8", "weight_block_size": [128, 128]}}),
                Some([128, 128]),
            ),
            (
                json!({"text_config": {"quantization_config": {"quant_method": "fp8", "weight_block_size": null}}}),
                None,
            ),
            (
                compressed(json!({"num_bits": 8, "type": "float", "strategy": "channel"})),
                None,
            ),
            (
                compressed(json!({"num_bits": 8, "type": "float", "strategy": "block",
                                  "symmetric": true, "block_structure": [64, 32]})),
                Some([64, 32]),
            ),
        ] {
            let found = fp8_or_refused(&config).expect("FP8");
            assert_eq!(found, Some(Fp8 { block }), "{config}");
        }
        for weights in [
            json!({"num_bits": 8, "type": "int", "strategy": "channel"}),
            json!({"num_bits": 4, "type": "float", "strategy": "tensor"}),
            json!({"num_bits": 8, "type": "float", "strategy": "group"}),
            json!({"num_bits": 8, "type": "float", "symmetric": false}),
            json!({"num_bits": 8, "type": "float", "block_structure": [128]}),
            json!(null),
        ] {
            let error = fp8_or_refused(&compressed(weights.clone())).expect_err("refused");
            assert!(
                error.to_string().contains("compressed-tensors"),
                "{weights}"
            );
        }
    }

    #[test]
    fn tensors_of_quantised_layers_are_known_by_their_names() {
        let layer = "model.layers.3.self_attn.q_proj";
        for (end, method) in TENSORS {
            let name = format!("{layer}{end}");
            let error = refuse_quantised_tensors([&name[..]], None)
                .expect_err("quantised")
                .to_string();
            assert!(error.contains(method) && error.contains(&name), "{error}");
        }
        let plain = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
        refuse_quantised_tensors(plain.iter().map(String::as_str), None).expect("plain");
        let fp8 = Some(Fp8 { block: None });
        for (end, _) in TENSORS {
            let name = format!("{layer}{end}");
            let found = refuse_quantised_tensors([&name[..]], fp8);
            assert_eq!(found.is_ok(), FP8_SCALES.contains(&end), "{name}");
        }
    }
}
