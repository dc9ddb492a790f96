//! Tests of the settings: accepted, refused and hostile ones.

use super::*;
use crate::mutants::mutants;
use crate::target::Target;
use serde_json::json;

fn parse(config: &Value) -> Result<PeftSettings, AdapterError> {
    PeftSettings::parse(&config.to_string(), Path::new("adapter_config.json"))
}

fn config(extra: &[(&str, Value)]) -> Value {
    let mut config =
        json!({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]});
    for (key, value) in extra {
        config[*key] = value.clone();
    }
    config
}

#[test]
fn target_modules_are_a_word_a_list_or_a_pattern() {
    let check = |targets: Value, expected: [bool; 2]| {
        let settings = parse(&config(&[("target_modules", targets)])).expect("settings");
        let modules = ["layers.0.self_attn.q_proj", "layers.9.mlp.down_proj"];
        assert_eq!(modules.map(|m| settings.lora.targets.matches(m)), expected);
    };
    check(json!("all-linear"), [true, true]);
    check(json!(["q_proj", "0.down_proj"]), [true, false]);
    check(json!(r".*\.(up|down)_proj"), [false, true]);
    let look_around = config(&[("target_modules", json!("(?!x).*"))]);
    let error = parse(&look_around).err().expect("refused").to_string();
    assert!(
        error.contains("is not a valid regular expression"),
        "{error}"
    );
}

#[test]
fn patterns_override_rank_and_alpha() {
    let settings = parse(&config(&[
        ("rank_pattern", json!({"q_proj": 4})),
        ("alpha_pattern", json!({r"layers\.1\.self_attn\.q_proj": 2})),
    ]))
    .expect("settings");
    assert_eq!(
        settings.rank_and_scale("layers.0.self_attn.q_proj"),
        (4, 4.0)
    );
    assert_eq!(
        settings.rank_and_scale("layers.1.self_attn.q_proj"),
        (4, 0.5)
    );
    assert_eq!(settings.rank_and_scale("layers.0.mlp.up_proj"), (8, 2.0));
}

#[test]
fn rslora_scales_by_the_root_of_the_rank() {
    let settings =
        parse(&config(&[("r", json!(16)), ("use_rslora", json!(true))])).expect("settings");
    assert_eq!(settings.rank_and_scale("layers.0.mlp.up_proj"), (16, 4.0));
}

#[test]
fn settings_that_would_be_lost_are_refused_and_unknown_ones_named() {
    for (key, value) in [
        ("init_lora_weights", json!("pissa_niter_16")),
        ("modules_to_save", json!(["lm_head", "norm"])),
        ("bias", json!("all")),
    ] {
        let error = parse(&config(&[(key, value)]))
            .err()
            .expect("refused")
            .to_string();
        assert!(error.contains(key), "{error}");
    }
    let settings = parse(&config(&[
        ("brand_new", json!(3)),
        ("megatron_config", json!(null)),
    ]))
    .expect("settings");
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].contains("brand_new"));
}

/// No warning for what PEFT 0.18.1 and 0.21.2 write for keys that nobody has set.
#[test]
fn only_values_that_are_not_pefts_defaults_are_named() {
    let defaults = [
        ("megatron_core", json!("megatron.core")),
        ("qalora_group_size", json!(16)),
        ("ensure_weight_tying", json!(false)),
        ("kasa_config", json!(null)),
        ("eva_config", json!({"rho": 2.0})),
    ];
    let settings = parse(&config(&defaults)).expect("settings");
    assert_eq!(settings.warnings, [""; 0]);
    let changed = [
        ("megatron_core", json!("other.core")),
        ("qalora_group_size", json!(32)),
    ];
    let settings = parse(&config(&changed)).expect("settings");
    assert_eq!(settings.warnings.len(), 2, "{:?}", settings.warnings);
    for key in ["kasa_config", "arrow_config", "monteclora_config"] {
        let error = parse(&config(&[(key, json!({"beta": 1}))]));
        let error = error.err().expect("refused").to_string();
        assert!(
            error.contains(key) && error.contains("with PEFT"),
            "{error}"
        );
    }
}

#[test]
fn values_that_mean_nothing_are_refused_and_not_rounded() {
    for (key, value) in [
        ("r", json!(0)),
        ("r", json!(-8)),
        ("r", json!(4.5)),
        ("r", json!(1e18)),
        ("lora_alpha", json!("16")),
        ("lora_alpha", json!(1e300)),
        ("target_modules", json!(["q_proj", 3])),
        ("target_modules", json!(null)),
        ("rank_pattern", json!({"q_proj": 0})),
        ("rank_pattern", json!({"q_proj": 2.5})),
        ("rank_pattern", json!([4])),
        ("alpha_pattern", json!({"q_proj": null})),
        ("rank_pattern", json!({"(": 2})),
        ("rank_pattern", json!({"(a{1000}){1000}": 2})),
    ] {
        let error = parse(&config(&[(key, value.clone())])).err();
        let text = error
            .unwrap_or_else(|| panic!("{key}: {value}"))
            .to_string();
        assert!(text.contains(&format!("`{key}`")), "{text}");
    }
    // One pattern per linear layer of a large model, as PEFT writes them, is not too many.
    let of_llama = &Target::ALL[..7];
    let all =
        (0..80).flat_map(|layer| of_llama.iter().map(move |target| target.module_path(layer)));
    let all: Map<String, Value> = all
        .map(|module| (format!("model.{module}").replace('.', r"\."), json!(2)))
        .collect();
    parse(&config(&[("rank_pattern", Value::Object(all))])).expect("settings");
    // Patterns that are each within their own bound can exceed the total: here 1,000 of 200 kB.
    let large: Map<String, Value> = (0..1000)
        .map(|i| (format!("(a{{900}}){{9}}{i}"), json!(2)))
        .collect();
    let error = parse(&config(&[("rank_pattern", Value::Object(large))]));
    assert!(error.is_err_and(|error| error.to_string().contains("size limit")));
    let many: Map<String, Value> = (0..=MAX_PATTERNS)
        .map(|i| (format!("layers.{i}"), json!(2)))
        .collect();
    let error = parse(&config(&[("rank_pattern", Value::Object(many))]));
    let error = error.err().expect("refused").to_string();
    assert!(
        error.contains("1025 entries, expected at most 1024"),
        "{error}"
    );
}

#[test]
fn mutated_files_end_in_an_error_or_settings_but_never_in_a_panic() {
    let whole = config(&[
        ("rank_pattern", json!({r"layers\.1\..*q_proj": 4})),
        ("alpha_pattern", json!({"k_proj": 2.5})),
        ("modules_to_save", json!(["lm_head"])),
        ("use_rslora", json!(true)),
    ]);
    let mut accepted = 0;
    for bytes in mutants(whole.to_string().as_bytes(), 17, 1_500) {
        let text = String::from_utf8_lossy(&bytes);
        let Ok(settings) = PeftSettings::parse(&text, Path::new("adapter_config.json")) else {
            continue;
        };
        accepted += 1;
        let (r, scale) = settings.rank_and_scale("layers.1.self_attn.q_proj");
        assert!(r > 0 && (scale as f32).is_finite(), "{text}");
    }
    assert!(accepted > 100, "{accepted} mutants were accepted");
    let deep = format!(
        r#"{{"peft_type":"LORA","eva_config":{}"#,
        "[".repeat(100_000)
    );
    let error = PeftSettings::parse(&deep, Path::new("adapter_config.json"));
    assert!(error.is_err_and(|error| error.to_string().len() < 1_000));
}
