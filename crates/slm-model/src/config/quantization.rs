//! Detects weights quantised by another program from the files in the model's folder, so that they are refused by name
//! and not with a shape mismatch.

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

/// Refuses a `config.json` with quantization settings.
pub(crate) fn refuse_quantised(config: &Value) -> Result<(), ConfigError> {
    let is_set = |value: &&Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    // Multimodal models keep the decoder's settings one level below.
    let places = [config, &config["text_config"]];
    for (key, place) in KEYS.iter().flat_map(|key| places.map(|place| (key, place))) {
        if let Some(settings) = place.get(key).filter(is_set) {
            return Err(ConfigError::Quantised {
                method: method_of(settings),
                found: format!("`{key}`"),
            });
        }
    }
    Ok(())
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

/// Refuses a folder whose tensor names are those of quantised weights.
pub(crate) fn refuse_quantised_tensors<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), ConfigError> {
    let of_layers = names.into_iter().filter(|name| name.contains(".layers."));
    for name in of_layers {
        if let Some((_, method)) = TENSORS.iter().find(|(end, _)| name.ends_with(end)) {
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
                json!({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}),
                "fp8 (",
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
            let error = refuse_quantised(&config)
                .expect_err("quantised")
                .to_string();
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
            refuse_quantised(&config).expect("not quantised");
        }
    }

    #[test]
    fn tensors_of_quantised_layers_are_known_by_their_names() {
        let layer = "model.layers.3.self_attn.q_proj";
        for (end, method) in TENSORS {
            let name = format!("{layer}{end}");
            let error = refuse_quantised_tensors([&name[..]])
                .expect_err("quantised")
                .to_string();
            assert!(error.contains(method) && error.contains(&name), "{error}");
        }
        let plain = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
        refuse_quantised_tensors(plain.iter().map(String::as_str)).expect("plain");
    }
}
