//! Adapters compared with PEFT, read and written.

use std::fs;

use burn::tensor::{Device, Tensor};
use slm_model::{
    Adapter, AdapterError, AdapterOrigin, Decoder, Engine, EngineAdapter, Init, LoraSettings,
    Noise, PathPattern, SavedModule, Targets,
};

use crate::support::{Expected, copy_of, golden, max_difference, tiny};

fn load(decoder: &Decoder, folder: &str) -> Adapter {
    Adapter::load(&golden(folder), decoder.config(), "tiny", &Device::flex())
        .expect("golden adapter")
        .adapter
}

/// Prints a line of the parity table, with --nocapture.
#[expect(clippy::print_stderr, reason = "prints the distance from the bound")]
fn tell(adapter: &str, direction: &str, difference: f32) {
    eprintln!("{adapter}, {direction}: logits differ by {difference:.1e}");
}

fn check_logits(model: &str, adapter: &str) {
    let (weights, decoder) = tiny(model);
    let adapter_model = load(&decoder, adapter);
    let engine = Engine::load(&weights, |_, _| ()).expect("golden weights");
    let for_engine = EngineAdapter::new(&adapter_model, &weights).expect("golden weights");
    let expected = Expected::read(&format!("{adapter}/expected.safetensors"));
    let shape = expected.shape("input_ids");
    let found = decoder.logits(&expected.ids("input_ids"), shape[0], Some(&adapter_model));
    // Padding is not part of a sequence; without padding, every row counts.
    let lengths = if expected.has("lengths") {
        expected.integers("lengths")
    } else {
        vec![shape[1] as i64; shape[0]]
    };
    for (sequence, length) in lengths.into_iter().enumerate() {
        let rows =
            |t: &burn::tensor::Tensor<2>| t.clone().narrow(0, sequence * shape[1], length as usize);
        let difference = max_difference(&rows(&found), &rows(&expected.rows("logits")));
        tell(adapter, "read from PEFT", difference);
        assert!(
            difference < 1e-4,
            "{adapter}, sequence {sequence}: logits differ by {difference}"
        );
        // The CPU engine has its own adapter code.
        let tokens = &expected.ids("input_ids")[sequence * shape[1]..][..length as usize];
        let last = engine.prefill(&mut engine.cache(1), 0, 0, tokens, Some(&for_engine));
        let last = Tensor::<1>::from_floats(&last[..], &Device::flex()).unsqueeze();
        let place = sequence * shape[1] + length as usize - 1;
        let difference = max_difference(&last, &expected.rows("logits").narrow(0, place, 1));
        assert!(
            difference < 1e-3,
            "{adapter}, sequence {sequence}: the engine's logits differ by {difference}"
        );
    }
    let base = decoder.logits(&expected.ids("input_ids"), shape[0], None);
    assert!(
        max_difference(&found, &base) > 1e-2,
        "the adapter changes nothing"
    );
}

#[test]
fn adapters_that_peft_saved_give_pefts_logits() {
    check_logits("tiny-qwen2", "peft-qwen2/all-linear");
    check_logits("tiny-llama", "peft-llama/all-linear");
}

#[test]
fn rslora_and_patterns_give_pefts_logits() {
    check_logits("tiny-qwen2", "peft-qwen2/subset");
    check_logits("tiny-llama", "peft-llama/subset");
}

#[test]
fn dora_gives_pefts_logits() {
    check_logits("tiny-qwen2", "peft-variants/dora");
    check_logits("tiny-llama", "peft-variants/dora-rslora-patterns");
}

#[test]
fn layers_chosen_by_name_or_regular_expression_give_pefts_logits() {
    check_logits("tiny-llama", "peft-variants/regex");
    check_logits("tiny-qwen2", "peft-variants/names");
}

#[test]
fn layers_chosen_by_index_and_excluded_modules_give_pefts_logits() {
    check_logits("tiny-llama", "peft-later/layers");
    check_logits("tiny-qwen2", "peft-later/one-layer");
    check_logits("tiny-qwen2", "peft-later/exclude-names");
    check_logits("tiny-llama", "peft-later/exclude-pattern");
}

#[test]
fn a_bias_of_b_gives_pefts_logits() {
    check_logits("tiny-qwen2", "peft-later/lora-bias");
    check_logits("tiny-llama", "peft-later/lora-bias-beside-none");
}

#[test]
fn lora_on_the_head_and_the_embedding_gives_pefts_logits() {
    check_logits("tiny-qwen2", "peft-later/lm-head");
    check_logits("tiny-llama", "peft-later/lm-head-untied");
    check_logits("tiny-qwen2", "peft-later/embed-tokens");
    check_logits("tiny-llama", "peft-later/embed-tokens-untied");
}

#[test]
fn rows_of_single_tokens_give_pefts_logits() {
    check_logits("tiny-qwen2", "peft-later/tokens");
    check_logits("tiny-llama", "peft-later/tokens-untied");
    check_logits("tiny-llama", "peft-later/tokens-of-both");
}

#[test]
fn embeddings_saved_beside_an_adapter_give_pefts_logits() {
    check_logits("tiny-qwen2", "peft-later/saved-embedding");
    check_logits("tiny-llama", "peft-later/saved-embedding-untied");
}

/// PEFT reads these settings back: what is written is what was read.
#[test]
fn settings_of_other_programs_survive_reading_and_saving() {
    for (model, place) in [
        ("tiny-llama", "peft-later/layers"),
        ("tiny-qwen2", "peft-later/one-layer"),
        ("tiny-qwen2", "peft-later/exclude-names"),
        ("tiny-llama", "peft-later/exclude-pattern"),
        ("tiny-qwen2", "peft-later/lora-bias"),
        ("tiny-qwen2", "peft-later/lm-head"),
        ("tiny-llama", "peft-later/embed-tokens-untied"),
        ("tiny-qwen2", "peft-later/tokens"),
        ("tiny-llama", "peft-later/tokens-of-both"),
        ("tiny-qwen2", "peft-later/saved-embedding"),
        ("tiny-llama", "peft-variants/dora-rslora-patterns"),
    ] {
        let (_, decoder) = tiny(model);
        let adapter = load(&decoder, place);
        let settings = Adapter::settings(&golden(place)).expect("settings").lora;
        let n_trainable = settings.num_trainable(decoder.config());
        assert_eq!(adapter.num_trainable(), n_trainable, "{place}");
        let folder = tempfile::tempdir().expect("a folder");
        adapter
            .save(folder.path(), &settings, &origin())
            .expect("saved");
        let read =
            |folder: &std::path::Path, name: &str| fs::read(folder.join(name)).expect("a file");
        let config = |folder: &std::path::Path| -> serde_json::Value {
            serde_json::from_slice(&read(folder, "adapter_config.json")).expect("JSON")
        };
        let (before, after) = (config(&golden(place)), config(folder.path()));
        for key in [
            "r",
            "lora_alpha",
            "target_modules",
            "exclude_modules",
            "trainable_token_indices",
            "layers_pattern",
            "rank_pattern",
            "alpha_pattern",
            "use_dora",
            "use_rslora",
        ] {
            let plain = |value: &serde_json::Value| match value {
                serde_json::Value::String(text) if key == "layers_pattern" => {
                    serde_json::json!([text])
                }
                value => value.clone(),
            };
            assert_eq!(plain(&before[key]), after[key], "{place}: {key}");
        }
        let names = |folder: &std::path::Path| {
            let bytes = read(folder, "adapter_model.safetensors");
            let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
            let names: std::collections::BTreeSet<String> =
                file.names().into_iter().map(str::to_owned).collect();
            names
        };
        // Of a tied model, the frozen matrix is saved for both.
        if place != "peft-later/lm-head" {
            assert_eq!(names(folder.path()), names(&golden(place)), "{place}");
        }
        let saved = Adapter::load(folder.path(), decoder.config(), "tiny", &Device::flex());
        let saved = saved.expect("saved").adapter;
        let tokens: Vec<u32> = (3..20).collect();
        let logits = |adapter: &Adapter| decoder.logits(&tokens, 1, Some(adapter));
        assert!(
            max_difference(&logits(&saved), &logits(&adapter)) == 0.0,
            "{place}"
        );
    }
}

#[test]
fn layers_that_the_model_lacks_are_refused_with_their_number() {
    let folder = copy_of("peft-later/layers");
    let path = folder.path().join("adapter_config.json");
    let config = fs::read_to_string(&path).expect("settings");
    let layers = |indices: &str, pattern: &str| {
        let mut config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        config["layers_to_transform"] = serde_json::from_str(indices).expect("JSON");
        config["layers_pattern"] = serde_json::from_str(pattern).expect("JSON");
        fs::write(&path, config.to_string()).expect("written");
        let (_, decoder) = tiny("tiny-llama");
        let found = Adapter::load(folder.path(), decoder.config(), "tiny", &Device::flex());
        found.map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert_eq!(layers("[2, 0]", "[\"layers\"]"), "");
    assert_eq!(layers("[0, 2, 9]", "null"), "");
    for (indices, pattern, part) in [
        (
            "[7, 9]",
            "null",
            "names the layers [7, 9], and no module in them is adapted; this model has 3 layers",
        ),
        ("[0, 2]", "\"h\"", "no module in them is adapted"),
        (
            "-1",
            "null",
            "`layers_to_transform` is neither the index of a layer nor a list of them",
        ),
        ("[0, 1.5]", "null", "`layers_to_transform` is neither"),
        (
            "null",
            "\"layers\"",
            "`layers_pattern` is set without `layers_to_transform`",
        ),
        (
            "[0, 2]",
            "\"(\"",
            "`layers_pattern`: `(` is not a valid regular expression",
        ),
        ("[0, 2]", "[\"(a{1000}){1000}\"]", "`layers_pattern`: "),
        (
            "[0, 2]",
            "[3]",
            "`layers_pattern` is neither a string nor a short list of strings",
        ),
    ] {
        let text = layers(indices, pattern);
        assert!(text.contains(part), "{indices}, {pattern}: {text}");
    }
}

#[test]
fn modules_trained_as_a_whole_give_pefts_logits() {
    check_logits("tiny-llama", "peft-variants/modules-to-save");
}

#[test]
fn modules_trained_as_a_whole_are_refused_where_they_are_one_matrix() {
    let (_, decoder) = tiny("tiny-qwen2");
    let folder = golden("peft-variants/modules-to-save");
    let found = Adapter::load(&folder, decoder.config(), "tiny", &Device::flex());
    let text = found.expect_err("tied").to_string();
    assert!(text.contains("`modules_to_save` = embed_tokens"), "{text}");
    let settings = LoraSettings {
        modules_to_save: vec![SavedModule::LmHead],
        ..LoraSettings::plain(4, 8.0)
    };
    let text = settings.check(decoder.config()).expect_err("tied");
    assert!(text.to_string().contains("ties the embedding"), "{text}");
}

#[test]
fn a_pissa_adapter_that_peft_converted_gives_pefts_logits() {
    check_logits("tiny-llama", "peft-variants/pissa-llama");
}

/// Initializes an adapter with these settings on a tiny model.
fn fresh(model: &str, settings: &LoraSettings) -> (Decoder, Adapter) {
    let (_, decoder) = tiny(model);
    settings.check(decoder.config()).expect("settings");
    let adapter = decoder.init_adapter(settings, 1, &Device::flex());
    (decoder, adapter)
}

#[test]
fn every_fresh_adapter_leaves_the_base_model_as_it_is() {
    let plain = LoraSettings::plain(4, 8.0);
    let dora = LoraSettings {
        use_dora: true,
        ..plain.clone()
    };
    let pissa = LoraSettings {
        init: Init::Pissa,
        use_rslora: true,
        ..plain.clone()
    };
    for (settings, most) in [(plain, 0.0), (dora, 2e-5), (pissa, 2e-5)] {
        let (decoder, adapter) = fresh("tiny-qwen2", &settings);
        let tokens: Vec<u32> = (3..20).collect();
        let difference = max_difference(
            &decoder.logits(&tokens, 1, Some(&adapter)),
            &decoder.logits(&tokens, 1, None),
        );
        assert!(difference <= most, "{settings:?}: {difference}");
        let expected = settings.num_trainable(decoder.config());
        assert_eq!(adapter.num_trainable(), expected, "{settings:?}");
    }
}

/// Compared with the parts that PEFT's exact decomposition takes from each weight.
#[test]
fn a_pissa_adapter_begins_with_pefts_principal_parts() {
    let settings = LoraSettings {
        init: Init::Pissa,
        ..LoraSettings::plain(4, 8.0)
    };
    let (_, adapter) = fresh("tiny-llama", &settings);
    let expected = Expected::read("peft-variants/pissa-llama/starts.safetensors");
    for (layer, target, pair) in adapter.pairs() {
        let name = format!("model.{}.start", target.module_path(layer));
        // The scale is 2 in both.
        let found = pair.lora_b().matmul(pair.lora_a()).mul_scalar(2.0);
        let expected = expected.rows(&name);
        // The singular values of a random matrix are close together, so the last vectors have not converged yet, but
        // their share of the weight is the same.
        let square = |tensor: &Tensor<2>| tensor.clone().square().sum().into_scalar::<f32>();
        let (held, best) = (square(&found), square(&expected));
        assert!(
            (held / best - 1.0).abs() < 1e-3,
            "{name}: {held} for {best}"
        );
        let apart = square(&(found - expected)) / best;
        assert!(apart < 5e-2, "{name}: {apart}");
    }
}

/// Dropout uses another code path, especially with `DoRA`.
#[test]
fn zeros_that_are_all_but_impossible_change_nothing_and_likely_ones_do() {
    for (model, folder) in [
        ("tiny-qwen2", "peft-qwen2/all-linear"),
        ("tiny-qwen2", "peft-variants/dora"),
        ("tiny-llama", "peft-variants/dora-rslora-patterns"),
    ] {
        let (_, decoder) = tiny(model);
        let adapter = load(&decoder, folder);
        let tokens: Vec<u32> = (3..20).collect();
        let expected = decoder.logits(&tokens, 1, Some(&adapter));
        let difference = |lora_dropout| {
            let noise = Noise {
                lora_dropout,
                neftune_noise_alpha: 0.0,
                seed: 1,
                step: 2,
                micro_batch: 3,
            };
            let noisy = adapter.with_noise(noise);
            max_difference(&decoder.logits(&tokens, 1, Some(&noisy)), &expected)
        };
        let (never, often) = (difference(1e-12), difference(0.3));
        assert!(never < 1e-4 && often > 0.1, "{folder}: {never}, {often}");
    }
}

#[test]
fn an_adapter_saved_in_training_goes_on_as_it_was() {
    let pissa = LoraSettings {
        init: Init::Pissa,
        use_rslora: true,
        rank_pattern: vec![("q_proj".to_owned(), 3)],
        ..LoraSettings::plain(4, 8.0)
    };
    let (decoder, adapter) = fresh("tiny-qwen2", &pissa);
    let folder = tempfile::tempdir().expect("temporary folder");
    adapter
        .save(folder.path(), &pissa, &origin())
        .expect("saved");
    let loaded = Adapter::load(folder.path(), decoder.config(), "tiny", &Device::flex());
    let loaded = loaded.expect("loaded").adapter;
    let rank = |adapter: &Adapter| adapter.pairs().map(|(_, _, p)| p.lora_a().dims()[0]).next();
    assert_eq!(rank(&loaded), Some(6), "a plain adapter of twice the rank");
    let resumed = loaded.resumed(&pissa, &Device::flex());
    assert_eq!(rank(&resumed), Some(3));
    for ((_, _, a), (_, _, b)) in adapter.pairs().zip(resumed.pairs()) {
        assert!(max_difference(&a.lora_a(), &b.lora_a()) == 0.0);
        assert!(max_difference(&a.lora_b(), &b.lora_b()) == 0.0);
    }
    let tokens: Vec<u32> = (3..20).collect();
    let logits = |adapter| decoder.logits(&tokens, 1, Some(adapter));
    assert!(max_difference(&logits(&adapter), &logits(&resumed)) == 0.0);
}

fn origin() -> AdapterOrigin {
    AdapterOrigin {
        base_model_name_or_path: "tiny-qwen2".to_owned(),
        revision: None,
    }
}

/// Saves an adapter and compares the bytes with those that PEFT has checked: `golden/saved-here/` contains adapters
/// written by this code, and PEFT's logits for them.
fn check_saved(
    decoder: &Decoder,
    adapter: &Adapter,
    settings: &LoraSettings,
    model: &str,
    place: &str,
) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let origin = AdapterOrigin {
        base_model_name_or_path: model.to_owned(),
        revision: None,
    };
    adapter
        .save(folder.path(), settings, &origin)
        .expect("saved");
    let judged = golden(place).join("adapter");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    if update {
        fs::create_dir_all(&judged).expect("folder");
    }
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        if update {
            fs::copy(folder.path().join(name), judged.join(name)).expect("copy");
        }
        let (found, expected) = (
            fs::read(folder.path().join(name)),
            fs::read(judged.join(name)),
        );
        assert_eq!(
            found.expect("saved"),
            expected.expect("golden"),
            "{place}/{name}: PEFT has judged other bytes"
        );
    }
    if update {
        // PEFT must compute their logits now.
        return;
    }
    let expected = Expected::read(&format!("{place}/expected.safetensors"));
    let saved = load(decoder, &format!("{place}/adapter"));
    let batch = expected.shape("input_ids")[0];
    let found = decoder.logits(&expected.ids("input_ids"), batch, Some(&saved));
    let difference = max_difference(&found, &expected.rows("logits"));
    tell(place, "read by PEFT", difference);
    assert!(difference < 1e-4, "{place}: logits differ by {difference}");
}

#[test]
fn adapters_saved_here_have_the_same_logits_in_peft() {
    let plain = LoraSettings::plain(4, 8.0);
    let check = |model: &str, from: &str, settings: &LoraSettings, place: &str| {
        let (_, decoder) = tiny(model);
        let adapter = load(&decoder, from).resumed(settings, &Device::flex());
        check_saved(&decoder, &adapter, settings, model, place);
    };
    check("tiny-qwen2", "peft-qwen2/all-linear", &plain, "saved-here");
    let named = |names: &[&str]| Targets::Named(names.iter().map(ToString::to_string).collect());
    let rslora = LoraSettings {
        use_rslora: true,
        targets: named(&["q_proj", "v_proj"]),
        ..plain.clone()
    };
    let from = "peft-qwen2/subset";
    check("tiny-qwen2", from, &rslora, "saved-here/rslora");
    let patterns = LoraSettings {
        targets: named(&["q_proj", "v_proj"]),
        rank_pattern: vec![
            ("v_proj".to_owned(), 2),
            (r"layers\.1\.self_attn\.q_proj".to_owned(), 6),
        ],
        alpha_pattern: vec![
            ("v_proj".to_owned(), 5.0),
            (r"layers\.2\.self_attn\.q_proj".to_owned(), 3.0),
        ],
        ..plain.clone()
    };
    let from = "peft-llama/subset";
    check("tiny-llama", from, &patterns, "saved-here/patterns");
    let names = LoraSettings {
        targets: named(&[
            "self_attn.v_proj",
            "model.layers.0.mlp.up_proj",
            "1.mlp.gate_proj",
        ]),
        ..plain.clone()
    };
    let from = "peft-variants/names";
    check("tiny-qwen2", from, &names, "saved-here/names");
    let dora = LoraSettings {
        use_dora: true,
        use_rslora: true,
        lora_dropout: 0.1,
        rank_pattern: vec![
            ("q_proj".to_owned(), 2),
            (r"layers\.1\.mlp\.down_proj".to_owned(), 6),
        ],
        alpha_pattern: vec![("up_proj".to_owned(), 3.0)],
        ..plain.clone()
    };
    let from = "peft-variants/dora-rslora-patterns";
    check("tiny-llama", from, &dora, "saved-here/dora");
    let pattern = r"model\.layers\.(0|2)\.(self_attn\.(q|o)_proj|mlp\.down_proj)";
    let regex = LoraSettings {
        targets: Targets::Matching(PathPattern::new(pattern).expect("a pattern")),
        ..plain.clone()
    };
    check(
        "tiny-llama",
        "peft-variants/regex",
        &regex,
        "saved-here/regex",
    );
    let whole = LoraSettings {
        modules_to_save: SavedModule::ALL.to_vec(),
        ..plain.clone()
    };
    let from = "peft-variants/modules-to-save";
    check("tiny-llama", from, &whole, "saved-here/modules-to-save");
    let pissa = LoraSettings {
        init: Init::Pissa,
        ..plain
    };
    let from = "peft-variants/pissa-llama";
    check("tiny-llama", from, &pissa, "saved-here/pissa");
}

#[test]
fn an_adapter_of_another_model_is_refused_with_its_shapes() {
    let (_, decoder) = tiny("tiny-llama");
    let error = Adapter::load(
        &golden("peft-qwen2/all-linear"),
        decoder.config(),
        "tiny-llama",
        &Device::flex(),
    );
    let text = error.expect_err("another model").to_string();
    assert!(
        text.contains("does not fit base model `tiny-llama`"),
        "{text}"
    );
    assert!(
        text.contains("layers.2.") && text.contains("missing"),
        "{text}"
    );
}

#[test]
fn missing_and_broken_files_are_named() {
    let (_, decoder) = tiny("tiny-qwen2");
    let folder = tempfile::tempdir().expect("temporary folder");
    let load = || Adapter::load(folder.path(), decoder.config(), "tiny", &Device::flex());
    assert!(
        matches!(load(), Err(AdapterError::Io { path, .. }) if path.ends_with("adapter_config.json"))
    );
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(
            golden("peft-qwen2/all-linear").join(name),
            folder.path().join(name),
        )
        .expect("copy");
    }
    let weights = folder.path().join("adapter_model.safetensors");
    let whole = fs::read(&weights).expect("weights");
    for length in [0, 4, 100, whole.len() - 1] {
        fs::write(&weights, &whole[..length]).expect("write");
        assert!(
            matches!(load(), Err(AdapterError::Corrupt { .. })),
            "cut at {length}"
        );
    }
}
