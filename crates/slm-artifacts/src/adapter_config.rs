//! `adapter_config.json`: an adapter's settings, as written and read by PEFT 0.21.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The settings of a LoRA adapter, with PEFT's names.
///
/// # Source
/// `LoraConfig` of PEFT, `peft/tuners/lora/config.py`.
// The fields are PEFT's.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterConfig {
    /// `LORA`.
    pub peft_type: String,
    /// `CAUSAL_LM`.
    pub task_type: Option<String>,
    /// The base model's name on the hub.
    pub base_model_name_or_path: Option<String>,
    /// The base model's revision on the hub.
    pub revision: Option<String>,
    /// Whether the adapter is loaded for inference only.
    pub inference_mode: bool,
    /// Rank of the LoRA matrices.
    pub r: usize,
    /// Numerator of the scaling factor.
    #[serde(serialize_with = "whole_as_integer")]
    pub lora_alpha: f64,
    /// Dropout probability of the inputs in training.
    pub lora_dropout: f64,
    /// `none`: biases are not trained.
    pub bias: String,
    /// Whether weights are stored as `[in, out]`.
    pub fan_in_fan_out: bool,
    /// The linear layers with LoRA matrices.
    pub target_modules: TargetModules,
    /// Modules that are trained in full.
    pub modules_to_save: Option<Vec<String>>,
    /// Whether the scaling factor is `lora_alpha / sqrt(r)` (`rsLoRA`) instead of `lora_alpha / r`.
    pub use_rslora: bool,
    /// Whether there are magnitude vectors (`DoRA`).
    pub use_dora: bool,
    /// Initialization of the LoRA matrices: `true`, or the name of a method.
    pub init_lora_weights: Value,
    /// Ranks that differ, by a pattern of module paths.
    pub rank_pattern: Map<String, Value>,
    /// Values of `lora_alpha` that differ, by a pattern of module paths.
    pub alpha_pattern: Map<String, Value>,
    /// Keys from other versions of PEFT.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which linear layers have LoRA matrices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetModules {
    /// By the last component of their path.
    Names(Vec<String>),
    /// By a regular expression for their path.
    Pattern(String),
}

/// Converts a number to JSON; a whole number to an integer, as PEFT writes it and older readers expect.
pub fn whole_or_float(value: f64) -> Value {
    if value.fract() == 0.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn whole_as_integer<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    whole_or_float(*value).serialize(serializer)
}
