//! `adapter_config.json`: an adapter's settings, as PEFT 0.21 writes and reads them.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The settings of a LoRA adapter in PEFT's words.
///
/// # Source
/// `LoraConfig` of PEFT, `peft/tuners/lora/config.py`.
// PEFT's fields.
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
    /// Whether the adapter is loaded without training it further.
    pub inference_mode: bool,
    /// Rank.
    pub r: usize,
    /// Numerator of the scale.
    #[serde(serialize_with = "whole_as_integer")]
    pub lora_alpha: f64,
    /// Share of the inputs that training sets to zero.
    pub lora_dropout: f64,
    /// `none`: biases stay as they are.
    pub bias: String,
    /// Whether weights are stored as `[in, out]`.
    pub fan_in_fan_out: bool,
    /// The linear layers with pairs.
    pub target_modules: TargetModules,
    /// Modules that are trained as a whole.
    pub modules_to_save: Option<Vec<String>>,
    /// Whether the scale is `lora_alpha / sqrt(r)` instead of `lora_alpha / r`.
    pub use_rslora: bool,
    /// Whether there are magnitudes (`DoRA`).
    pub use_dora: bool,
    /// How the pairs started: `true`, or the name of a method.
    pub init_lora_weights: Value,
    /// Other ranks, by a pattern of module paths.
    pub rank_pattern: Map<String, Value>,
    /// Other values of `lora_alpha`, by a pattern of module paths.
    pub alpha_pattern: Map<String, Value>,
    /// Keys of other versions of PEFT.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which linear layers have pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetModules {
    /// By the last part of their path.
    Names(Vec<String>),
    /// By a regular expression over their path.
    Pattern(String),
}

/// A number of JSON; a whole one as an integer, as PEFT writes it and older readers expect.
pub fn whole_or_float(value: f64) -> Value {
    if value.fract() == 0.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

// serde hands a reference over.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn whole_as_integer<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    whole_or_float(*value).serialize(serializer)
}
