//! The linear layers that get an adapter, and how a recipe writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::schema::Word;
use crate::word_or_list::word_or_list;

/// Names of the linear layers of a decoder layer, of all families.
const LAYERS: &[&str] = &[
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    // Of families with fused or other layers.
    "qkv_proj",
    "gate_up_proj",
    "c_fc",
    "c_proj",
    "input_linear",
    "output_linear",
];

/// Which linear layers get an adapter, as PEFT has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// All linear layers of a decoder layer, written `all-linear`.
    AllLinear,
    /// Those whose paths end with one of these names, of which the last part is a layer's; at least one, none twice.
    Listed(Vec<TargetModule>),
    /// Those whose whole path, such as `model.layers.0.self_attn.q_proj`, this regular expression matches.
    Matching(String),
}

impl TargetModules {
    pub(crate) fn words() -> Vec<Word> {
        vec![Word {
            name: "all-linear",
            aliases: &[],
            doc: &["All linear layers of a decoder layer."],
        }]
    }
}

impl Serialize for TargetModules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AllLinear => serializer.serialize_str("all-linear"),
            Self::Listed(modules) => modules.serialize(serializer),
            Self::Matching(pattern) => serializer.serialize_str(pattern),
        }
    }
}

impl<'de> Deserialize<'de> for TargetModules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or_list(
            deserializer,
            "`all-linear`, a list of layer names or a regular expression",
            |text| match text {
                "all-linear" => Ok(Self::AllLinear),
                // A word cannot match a whole path, which has dots, so it is a misspelling.
                word if word.chars().all(is_of_word) => Err(&["all-linear"]),
                pattern => Ok(Self::Matching(pattern.to_owned())),
            },
            Self::Listed,
        )
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// The end of the paths of some linear layers: `q_proj`, `self_attn.q_proj`, `layers.0.self_attn.q_proj`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TargetModule(String);

impl TargetModule {
    /// The name in weight files and in `adapter_config.json`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TargetModule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let leaf = name.rsplit('.').next().unwrap_or(&name);
        if LAYERS.contains(&leaf) {
            return Ok(Self(name));
        }
        Err(de::Error::unknown_variant(&name, LAYERS))
    }
}
