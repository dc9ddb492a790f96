//! LoRA: low-rank pairs beside the frozen linear layers.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::ModelConfig;
use crate::linear::MatMul;
use crate::weight_file::HostTensor;

/// One linear layer of a decoder layer, by the name that Hugging Face gives its module.
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
}

impl Target {
    /// All seven, in the order of a forward pass.
    pub const ALL: [Self; 7] = [
        Self::QProj,
        Self::KProj,
        Self::VProj,
        Self::OProj,
        Self::GateProj,
        Self::UpProj,
        Self::DownProj,
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
        }
    }

    /// The target with this leaf name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Path of the module inside the model, such as `layers.3.self_attn.q_proj`.
    pub fn module_path(self, layer: usize) -> String {
        let block = match self {
            Self::QProj | Self::KProj | Self::VProj | Self::OProj => "self_attn",
            Self::GateProj | Self::UpProj | Self::DownProj => "mlp",
        };
        format!("layers.{layer}.{block}.{}", self.name())
    }

    /// `(out, in)` of the frozen weight.
    pub fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let hidden = config.hidden_size;
        let query = config.num_attention_heads * config.head_dim;
        let key_value = config.num_key_value_heads * config.head_dim;
        match self {
            Self::QProj => (query, hidden),
            Self::KProj | Self::VProj => (key_value, hidden),
            Self::OProj => (hidden, query),
            Self::GateProj | Self::UpProj => (config.intermediate_size, hidden),
            Self::DownProj => (hidden, config.intermediate_size),
        }
    }
}

/// The trainable pair of one linear layer: `y += scale * (x Aᵀ) Bᵀ`.
#[derive(Module, Debug)]
pub struct LowRank {
    /// `[r, in]`
    pub(crate) lora_a: Param<Tensor<2>>,
    /// `[out, r]`
    pub(crate) lora_b: Param<Tensor<2>>,
    /// `lora_alpha / r`, or `lora_alpha / sqrt(r)` with rsLoRA.
    #[module(skip)]
    pub(crate) scale: f64,
}

impl LowRank {
    /// The values of A, `[r, in]`.
    pub fn lora_a(&self) -> Tensor<2> {
        self.lora_a.val()
    }

    /// The values of B, `[out, r]`.
    pub fn lora_b(&self) -> Tensor<2> {
        self.lora_b.val()
    }

    /// The values of A on the host.
    pub(crate) fn host_a(&self) -> HostTensor {
        on_host(self.lora_a.val())
    }

    /// The values of B on the host.
    pub(crate) fn host_b(&self) -> HostTensor {
        on_host(self.lora_b.val())
    }

    /// Identity of A, which keys its gradient and optimizer state.
    pub fn lora_a_id(&self) -> ParamId {
        self.lora_a.id
    }

    /// Identity of B.
    pub fn lora_b_id(&self) -> ParamId {
        self.lora_b.id
    }

    /// # Shapes
    /// `x`: `[n, in]`; returns `[n, out]`
    pub(crate) fn forward(&self, x: Tensor<2>, matmul: MatMul) -> Tensor<2> {
        // The scale goes onto the narrow product, r wide.
        let narrow = matmul.product(x, &self.lora_a.val()).mul_scalar(self.scale);
        matmul.product(narrow, &self.lora_b.val())
    }
}

/// The pairs of one decoder layer; `None` where the adapter leaves a linear layer alone.
#[derive(Module, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the tensors on disk"
)]
pub struct LayerAdapter {
    pub(crate) q_proj: Option<LowRank>,
    pub(crate) k_proj: Option<LowRank>,
    pub(crate) v_proj: Option<LowRank>,
    pub(crate) o_proj: Option<LowRank>,
    pub(crate) gate_proj: Option<LowRank>,
    pub(crate) up_proj: Option<LowRank>,
    pub(crate) down_proj: Option<LowRank>,
}

impl LayerAdapter {
    /// The pair beside `target`, if there is one.
    pub fn pair(&self, target: Target) -> Option<&LowRank> {
        match target {
            Target::QProj => self.q_proj.as_ref(),
            Target::KProj => self.k_proj.as_ref(),
            Target::VProj => self.v_proj.as_ref(),
            Target::OProj => self.o_proj.as_ref(),
            Target::GateProj => self.gate_proj.as_ref(),
            Target::UpProj => self.up_proj.as_ref(),
            Target::DownProj => self.down_proj.as_ref(),
        }
    }

    /// Builds a layer from what `make` gives for each target.
    pub(crate) fn build<E>(
        mut make: impl FnMut(Target) -> Result<Option<LowRank>, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            q_proj: make(Target::QProj)?,
            k_proj: make(Target::KProj)?,
            v_proj: make(Target::VProj)?,
            o_proj: make(Target::OProj)?,
            gate_proj: make(Target::GateProj)?,
            up_proj: make(Target::UpProj)?,
            down_proj: make(Target::DownProj)?,
        })
    }
}

/// What a fresh adapter is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSettings {
    /// Rank of the update.
    pub r: usize,
    /// Numerator of the scale.
    pub lora_alpha: f64,
    /// Scale by `lora_alpha / sqrt(r)` instead of `lora_alpha / r` (Kalajdzievski 2023, arXiv:2312.03732).
    pub use_rslora: bool,
    /// Which linear layers get a pair.
    pub targets: Vec<Target>,
    /// Ranks of modules that differ from `r`, by a regular expression for the end of their path; the first that
    /// matches counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// The same for `lora_alpha`.
    pub alpha_pattern: Vec<(String, f64)>,
}

/// Why settings make no adapter.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// A pattern that is no regular expression.
    #[error("`{pattern}` is no regular expression: {reason}")]
    Malformed {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A pattern that would silently change nothing.
    #[error("`{0}` matches no module that gets an adapter")]
    MatchesNothing(String),
}

/// Patterns for the ends of module paths, with a value each.
pub(crate) struct Patterns<V>(Vec<(regex::Regex, V)>);

impl<V: Copy> Patterns<V> {
    /// Compiles patterns in the order in which they are tried.
    pub(crate) fn new(patterns: &[(String, V)]) -> Result<Self, PatternError> {
        let compiled = patterns.iter().map(|(pattern, value)| {
            // As in PEFT, the pattern stands for the whole path or for what follows a dot.
            regex::Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"))
                .map(|compiled| (compiled, *value))
                .map_err(|error| PatternError::Malformed {
                    pattern: pattern.clone(),
                    // The lines before the last draw the expression that the pattern was put into.
                    reason: match error.to_string().lines().last() {
                        Some(last) => last.trim_start_matches("error: ").to_owned(),
                        None => "malformed".to_owned(),
                    },
                })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// The value of the first pattern that matches a module such as `layers.3.self_attn.q_proj`.
    pub(crate) fn value(&self, module: &str) -> Option<V> {
        let path = format!("model.{module}");
        let mut all = self.0.iter();
        all.find(|(pattern, _)| pattern.is_match(&path))
            .map(|&(_, value)| value)
    }
}

impl LoraSettings {
    /// Checks the patterns: each must be a regular expression and match a module that gets a pair.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self, config: &ModelConfig) -> Result<(), PatternError> {
        let ranks = self.rank_pattern.iter().map(|(pattern, _)| pattern);
        let alphas = self.alpha_pattern.iter().map(|(pattern, _)| pattern);
        for pattern in ranks.chain(alphas) {
            let compiled = Patterns::new(&[(pattern.clone(), ())])?;
            let matches = |layer| {
                let paths = self
                    .targets
                    .iter()
                    .map(move |target| target.module_path(layer));
                paths
                    .into_iter()
                    .any(|path| compiled.value(&path).is_some())
            };
            if !(0..config.num_hidden_layers).any(matches) {
                return Err(PatternError::MatchesNothing(pattern.clone()));
            }
        }
        Ok(())
    }

    /// Number of values that a fresh adapter of these settings has.
    pub fn num_trainable(&self, config: &ModelConfig) -> usize {
        let ranks = Self::compiled(&self.rank_pattern);
        let layers = (0..config.num_hidden_layers).flat_map(|layer| {
            let ranks = &ranks;
            self.targets.iter().map(move |target| {
                let (out_features, in_features) = target.shape(config);
                let r = ranks.value(&target.module_path(layer)).unwrap_or(self.r);
                r * (out_features + in_features)
            })
        });
        layers.sum()
    }

    /// Patterns that [`Self::check`] has seen.
    fn compiled<V: Copy>(patterns: &[(String, V)]) -> Patterns<V> {
        Patterns::new(patterns).unwrap_or_else(|error| panic!("unchecked settings: {error}"))
    }

    /// The factor before the update, for a rank and alpha that may differ by module.
    pub(crate) fn scale_of(r: usize, lora_alpha: f64, use_rslora: bool) -> f64 {
        let r = r as f64;
        lora_alpha / if use_rslora { r.sqrt() } else { r }
    }
}

/// A whole adapter: one [`LayerAdapter`] for each decoder layer.
#[derive(Module, Debug)]
pub struct Adapter {
    pub(crate) layers: Vec<LayerAdapter>,
}

impl Adapter {
    /// A fresh adapter, which leaves the base model's output as it is: A uniform in
    /// ±1/sqrt(in), B zero.
    ///
    /// `device` decides whether the parameters can be trained (an autodiff device) or only used.
    ///
    /// # Source
    /// PEFT's default: `kaiming_uniform_(a=sqrt(5))` on A, zeros on B.
    pub fn init(settings: &LoraSettings, config: &ModelConfig, seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let ranks = LoraSettings::compiled(&settings.rank_pattern);
        let alphas = LoraSettings::compiled(&settings.alpha_pattern);
        let layers = (0..config.num_hidden_layers)
            .map(|layer| {
                let made = LayerAdapter::build::<std::convert::Infallible>(|target| {
                    if !settings.targets.contains(&target) {
                        return Ok(None);
                    }
                    let (out_features, in_features) = target.shape(config);
                    let module = target.module_path(layer);
                    let r = ranks.value(&module).unwrap_or(settings.r);
                    let alpha = alphas.value(&module).unwrap_or(settings.lora_alpha);
                    let scale = LoraSettings::scale_of(r, alpha, settings.use_rslora);
                    let bound = 1.0 / (in_features as f32).sqrt();
                    let a = (0..r * in_features)
                        .map(|_| rng.random_range(-bound..bound))
                        .collect();
                    let b = vec![0.0; out_features * r];
                    let id = |part| parameter_id(layer, target, part);
                    Ok(Some(LowRank {
                        lora_a: parameter(a, [r, in_features], id(0), device),
                        lora_b: parameter(b, [out_features, r], id(1), device),
                        scale,
                    }))
                });
                match made {
                    Ok(layer) => layer,
                }
            })
            .collect();
        Self { layers }
    }

    /// The pairs of decoder layer `layer`.
    pub fn layer(&self, layer: usize) -> &LayerAdapter {
        &self.layers[layer]
    }

    /// Every pair with its decoder layer and target, in the order of a forward pass.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, Target, &LowRank)> {
        self.layers.iter().enumerate().flat_map(|(index, layer)| {
            Target::ALL
                .into_iter()
                .filter_map(move |target| Some((index, target, layer.pair(target)?)))
        })
    }

    /// Identities of the parameters, which key gradients and optimizer state.
    pub fn parameter_ids(&self) -> impl Iterator<Item = ParamId> {
        self.pairs()
            .flat_map(|(_, _, pair)| [pair.lora_a_id(), pair.lora_b_id()])
    }

    /// The same values outside autodiff, for use without gradients.
    pub fn frozen(&self) -> Self {
        self.valid()
    }

    /// Number of trainable values.
    pub fn num_trainable(&self) -> usize {
        self.pairs()
            .map(|(_, _, pair)| {
                pair.lora_a.val().shape().num_elements() + pair.lora_b.val().shape().num_elements()
            })
            .sum()
    }
}

/// A parameter's values on the host.
pub(crate) fn on_host(tensor: Tensor<2>) -> HostTensor {
    let data = if tensor.is_autodiff() {
        tensor.inner().into_data()
    } else {
        tensor.into_data()
    };
    HostTensor {
        shape: data.shape().to_vec(),
        values: data
            .try_into_vec()
            .unwrap_or_else(|e| unreachable!("adapters are f32: {e:?}")),
    }
}

/// A parameter with the given values; tracked if `device` is an autodiff device.
pub(crate) fn parameter(
    values: Vec<f32>,
    shape: [usize; 2],
    id: ParamId,
    device: &Device,
) -> Param<Tensor<2>> {
    let tensor = Tensor::from_data(TensorData::new(values, shape), device);
    let (_, tensor, mapper) = Param::from_tensor(tensor).consume();
    Param::from_mapped_value(id, tensor, mapper)
}

/// Identity of a parameter by its place in the model, so that a saved optimizer state finds its parameter again.
pub(crate) fn parameter_id(layer: usize, target: Target, part: usize) -> ParamId {
    let place = layer * Target::ALL.len() + target as usize;
    // From 1 on, with room for four parts to a place.
    ParamId::from(1 + (place * 4 + part) as u64)
}
