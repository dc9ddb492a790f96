//! The linear layers of a decoder layer.

use super::{Biases, ModelConfig};

/// One linear layer of a decoder layer, by its module name in Hugging Face transformers. A family has some of them: see
/// [`ModelConfig::targets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Query projection.
    QProj,
    /// Key projection.
    KProj,
    /// Value projection.
    VProj,
    /// Attention output projection.
    OProj,
    /// Gate of the feed-forward layer.
    GateProj,
    /// Up projection of the feed-forward layer.
    UpProj,
    /// Down projection of the feed-forward layer.
    DownProj,
    /// Query, key and value projections in one matrix, in this order.
    QkvProj,
    /// Gate and up projection in one matrix, in this order.
    GateUpProj,
    /// Up projection of a feed-forward layer without a gate.
    CFc,
    /// Down projection of a feed-forward layer without a gate.
    CProj,
    /// Gate and up projection in one matrix, in this order, of Granite 4.
    InputLinear,
    /// Down projection of Granite 4.
    OutputLinear,
}

impl Target {
    /// All of all families. Saved states depend on the order: new ones are added at the end.
    pub const ALL: [Self; 13] = [
        Self::QProj,
        Self::KProj,
        Self::VProj,
        Self::OProj,
        Self::GateProj,
        Self::UpProj,
        Self::DownProj,
        Self::QkvProj,
        Self::GateUpProj,
        Self::CFc,
        Self::CProj,
        Self::InputLinear,
        Self::OutputLinear,
    ];

    /// The leaf name, such as `q_proj`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QProj => "q_proj",
            Self::KProj => "k_proj",
            Self::VProj => "v_proj",
            Self::OProj => "o_proj",
            Self::GateProj => "gate_proj",
            Self::UpProj => "up_proj",
            Self::DownProj => "down_proj",
            Self::QkvProj => "qkv_proj",
            Self::GateUpProj => "gate_up_proj",
            Self::CFc => "c_fc",
            Self::CProj => "c_proj",
            Self::InputLinear => "input_linear",
            Self::OutputLinear => "output_linear",
        }
    }

    /// Returns the target with this leaf name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The path of the module inside a layer, such as `self_attn.q_proj`.
    pub(crate) fn path_in_layer(self) -> String {
        let block = match self {
            Self::QProj | Self::KProj | Self::VProj | Self::OProj | Self::QkvProj => "self_attn",
            Self::GateProj
            | Self::UpProj
            | Self::DownProj
            | Self::GateUpProj
            | Self::CFc
            | Self::CProj => "mlp",
            Self::InputLinear | Self::OutputLinear => "shared_mlp",
        };
        format!("{block}.{}", self.name())
    }

    /// The path of the module inside the model, such as `layers.3.self_attn.q_proj`.
    pub fn module_path(self, layer: usize) -> String {
        format!("layers.{layer}.{}", self.path_in_layer())
    }

    /// Whether the frozen layer has a bias.
    pub(crate) fn has_bias(self, config: &ModelConfig) -> bool {
        let Biases {
            qkv,
            output,
            feed_forward,
        } = config.biases;
        match self {
            Self::QProj | Self::KProj | Self::VProj | Self::QkvProj => qkv,
            Self::OProj => output,
            _ => feed_forward,
        }
    }

    /// `(out, in)` of the frozen weight.
    pub fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let query = config.num_attention_heads * config.head_dim;
        let key_value = config.num_key_value_heads * config.head_dim;
        match self {
            Self::QProj => (query, hidden),
            Self::KProj | Self::VProj => (key_value, hidden),
            Self::QkvProj => (query + 2 * key_value, hidden),
            Self::OProj => (hidden, query),
            Self::GateProj | Self::UpProj | Self::CFc => (intermediate, hidden),
            Self::GateUpProj | Self::InputLinear => (2 * intermediate, hidden),
            Self::DownProj | Self::CProj | Self::OutputLinear => (hidden, intermediate),
        }
    }
}
