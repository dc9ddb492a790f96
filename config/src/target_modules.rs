//! The linear layers that get an adapter, and how a recipe writes them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which linear layers get an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// All seven linear layers of a decoder layer, written `all-linear`.
    AllLinear,
    /// The named ones; at least one, none twice.
    Listed(Vec<TargetModule>),
}

impl TargetModules {
    /// The chosen layers, in the order of [`TargetModule::ALL`].
    pub fn modules(&self) -> Vec<TargetModule> {
        match self {
            Self::AllLinear => TargetModule::ALL.to_vec(),
            Self::Listed(chosen) => TargetModule::ALL
                .into_iter()
                .filter(|module| chosen.contains(module))
                .collect(),
        }
    }
}

impl Serialize for TargetModules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AllLinear => serializer.serialize_str("all-linear"),
            Self::Listed(modules) => modules.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TargetModules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TargetModules;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`all-linear` or a list of layer names")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "all-linear" => Ok(TargetModules::AllLinear),
                    other => Err(E::unknown_variant(other, &["all-linear"])),
                }
            }
            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Self::Value, A::Error> {
                let mut modules = Vec::new();
                while let Some(module) = list.next_element()? {
                    modules.push(module);
                }
                Ok(TargetModules::Listed(modules))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Leaf name of a linear layer inside a decoder layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetModule {
    /// Query projection of the attention.
    QProj,
    /// Key projection of the attention.
    KProj,
    /// Value projection of the attention.
    VProj,
    /// Output projection of the attention.
    OProj,
    /// Gate of the feed-forward layer.
    GateProj,
    /// Up projection of the feed-forward layer.
    UpProj,
    /// Down projection of the feed-forward layer.
    DownProj,
}

impl TargetModule {
    /// All seven, in the order in which a decoder layer computes them.
    pub const ALL: [Self; 7] = [
        Self::QProj,
        Self::KProj,
        Self::VProj,
        Self::OProj,
        Self::GateProj,
        Self::UpProj,
        Self::DownProj,
    ];

    /// The leaf name as it stands in weight files and in `adapter_config.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QProj => "q_proj",
            Self::KProj => "k_proj",
            Self::VProj => "v_proj",
            Self::OProj => "o_proj",
            Self::GateProj => "gate_proj",
            Self::UpProj => "up_proj",
            Self::DownProj => "down_proj",
        }
    }
}
