//! Settings of a new adapter: ranks, scales, and which layers get a pair.

use super::modules_to_save::SavedModule;
use super::restrictions::Restrictions;
use crate::config::ModelConfig;
use crate::target::{MAX_PATTERN_BYTES, PatternError, Target, Targets, compile};

/// Maximum memory of all compiled patterns of a map together, in bytes.
const MAX_PATTERNS_BYTES: usize = 16 << 20;

/// Initialization of the pairs of a new adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// A uniform in ±1/sqrt(in), B zero.
    Uniform,
    /// The weight's principal singular vectors (`PiSSA`).
    ///
    /// The initial pair is subtracted from the weight, so that the model's output is unchanged at first. On disk that
    /// subtraction is stored as further ranks with the opposite sign: a plain adapter of twice the rank, as PEFT
    /// converts it. Excludes `use_dora`, whose norms those ranks would change.
    ///
    /// # Source
    /// Meng et al. 2024, arXiv:2404.02948.
    Pissa,
}

/// Settings of a new adapter.
#[derive(Clone, Debug)]
pub struct LoraSettings {
    /// Rank of the update.
    pub r: usize,
    /// Numerator of the scale.
    pub lora_alpha: f64,
    /// Dropout rate on the inputs of A in training. It is written into the adapter's settings; the masks come from
    /// [`Noise`](super::Noise).
    pub lora_dropout: f64,
    /// Scale by `lora_alpha / sqrt(r)` instead of `lora_alpha / r` (Kalajdzievski 2023, arXiv:2312.03732).
    pub use_rslora: bool,
    /// Train the norm of each row of the weight separately from its direction (`DoRA`).
    pub use_dora: bool,
    /// Whether B has a bias. New adapters of this program have none; adapters of PEFT may.
    pub lora_bias: bool,
    /// Initialization of the pairs.
    pub init: Init,
    /// Which linear layers get a pair.
    pub targets: Targets,
    /// Which of these get no pair all the same.
    pub restrictions: Restrictions,
    /// Which of embedding and head get a pair. New adapters of this program have none there; adapters of PEFT may.
    pub vocabulary_pairs: Vec<SavedModule>,
    /// Tokens whose rows of the embedding or the head are trained; the same holds.
    pub token_indices: Vec<(SavedModule, Vec<usize>)>,
    /// Modules that are trained in full.
    pub modules_to_save: Vec<SavedModule>,
    /// Ranks that differ from `r`, by a regular expression for the end of a module's path; the first match
    /// counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// The same for `lora_alpha`.
    pub alpha_pattern: Vec<(String, f64)>,
}

/// Patterns for the ends of module paths, each with a value.
pub(crate) struct Patterns<V>(Vec<(regex::Regex, V)>);

impl<V: Copy> Patterns<V> {
    /// Compiles patterns in the order in which they are tried.
    pub(crate) fn new(patterns: &[(String, V)]) -> Result<Self, PatternError> {
        let most_bytes = (MAX_PATTERNS_BYTES / patterns.len().max(1)).min(MAX_PATTERN_BYTES);
        let compiled = patterns.iter().map(|(pattern, value)| {
            // As in PEFT, the pattern must match the whole path or the part after a dot.
            let compiled = compile(pattern, r"^(?:.*\.)?(?:{})$", most_bytes)?;
            Ok((compiled, *value))
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the value of the first pattern that matches a module such as `layers.3.self_attn.q_proj`.
    pub(crate) fn value(&self, module: &str) -> Option<V> {
        let path = format!("model.{module}");
        let mut all = self.0.iter();
        all.find(|(pattern, _)| pattern.is_match(&path))
            .map(|&(_, value)| value)
    }
}

impl LoraSettings {
    /// Plain LoRA on every linear layer.
    pub fn plain(r: usize, lora_alpha: f64) -> Self {
        Self {
            r,
            lora_alpha,
            lora_dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            lora_bias: false,
            init: Init::Uniform,
            targets: Targets::AllLinear,
            restrictions: Restrictions::default(),
            vocabulary_pairs: Vec::new(),
            token_indices: Vec::new(),
            modules_to_save: Vec::new(),
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
        }
    }

    /// Checks names and patterns: each target must match a linear layer, each rank or alpha pattern one with a pair.
    ///
    /// # Errors
    /// The first name or pattern without a match, or a module trained in full whose weight is tied.
    pub fn check(&self, config: &ModelConfig) -> Result<(), PatternError> {
        self.targets.check(config)?;
        if let Some(module) = self.modules_to_save.first()
            && config.tie_word_embeddings
        {
            return Err(PatternError::Tied(module.name()));
        }
        let ranks = self.rank_pattern.iter().map(|(pattern, _)| pattern);
        let alphas = self.alpha_pattern.iter().map(|(pattern, _)| pattern);
        for pattern in ranks.chain(alphas) {
            let compiled = Patterns::new(&[(pattern.clone(), ())])?;
            if !self
                .modules(config)
                .any(|(_, module)| compiled.value(&module).is_some())
            {
                return Err(PatternError::MatchesNothing(pattern.clone()));
            }
        }
        Ok(())
    }

    /// Checks that all patterns are valid regular expressions.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_patterns(&self) -> Result<(), PatternError> {
        Patterns::new(&self.rank_pattern)?;
        Patterns::new(&self.alpha_pattern).map(|_| ())
    }

    /// The linear layers that get a pair, with their paths, in the order of a forward pass.
    fn modules(&self, config: &ModelConfig) -> impl Iterator<Item = (Target, String)> {
        let all = (0..config.num_hidden_layers).flat_map(|layer| {
            config
                .targets()
                .iter()
                .map(move |&target| (target, target.module_path(layer)))
        });
        all.filter(|(_, module)| self.adapts(module))
    }

    /// Whether a module such as `layers.3.self_attn.q_proj` gets a pair.
    pub fn adapts(&self, module: &str) -> bool {
        self.targets.matches(module) && self.restrictions.allow(&self.targets, module)
    }

    /// The path, rank and scale of each pair, in the order of a forward pass. The patterns must have passed
    /// [`Self::check`], or come from an adapter.
    pub fn pairs(&self, config: &ModelConfig) -> Vec<(String, usize, f64)> {
        let shapes = self.shapes();
        let pairs = self.modules(config).map(|(_, module)| {
            let (r, scale) = shapes.rank_and_scale(&module);
            (module, r, scale)
        });
        pairs.collect()
    }

    /// The number of values that a new adapter with these settings trains.
    pub fn num_trainable(&self, config: &ModelConfig) -> usize {
        let shapes = self.trainable_shapes(config);
        shapes.iter().map(|[rows, columns]| rows * columns).sum()
    }

    /// The shape, `[rows, columns]`, of each tensor that a new adapter with these settings trains.
    pub fn trainable_shapes(&self, config: &ModelConfig) -> Vec<[usize; 2]> {
        let shapes = self.shapes();
        let modules = self.modules(config).flat_map(|(target, module)| {
            let (out_features, in_features) = target.shape(config);
            let (r, _) = shapes.rank_and_scale(&module);
            let magnitudes = self.use_dora.then_some([1, out_features]);
            let bias = self.lora_bias.then_some([1, out_features]);
            [[r, in_features], [out_features, r]]
                .into_iter()
                .chain(magnitudes)
                .chain(bias)
        });
        let whole = self.modules_to_save.iter();
        let pairs = self.vocabulary_pairs.iter().flat_map(|&module| {
            let (r, _) = shapes.rank_and_scale(module.path());
            pair_shapes(module, config, r)
        });
        let tokens = self.token_indices.iter();
        let tokens = tokens.map(|(_, tokens)| [tokens.len(), config.hidden_size]);
        modules
            .chain(whole.map(|module| module.shape(config)))
            .chain(pairs)
            .chain(tokens)
            .collect()
    }

    /// Whether gradients of the whole head are computed: it is trained in full, by a pair or in the rows of some tokens.
    pub fn trains_head(&self, config: &ModelConfig) -> bool {
        let is_head = |module: SavedModule| {
            module == SavedModule::LmHead || (config.tie_word_embeddings && !self.has_pair(module))
        };
        self.modules_to_save.contains(&SavedModule::LmHead)
            || self.has_pair(SavedModule::LmHead)
            || self
                .token_indices
                .iter()
                .any(|(module, _)| is_head(*module))
    }

    fn has_pair(&self, module: SavedModule) -> bool {
        self.vocabulary_pairs.contains(&module)
    }

    /// The number of values per token that training keeps beyond those of plain LoRA: dropout masks and masked inputs,
    /// and the inputs of the product with the magnitudes.
    pub fn kept_per_token(&self, config: &ModelConfig) -> usize {
        let drops = self.lora_dropout > 0.0;
        let modules = self.modules(config).map(|(target, _)| {
            let (out_features, in_features) = target.shape(config);
            let dropped = if drops { 2 * in_features } else { 0 };
            let scaled = match (self.use_dora, drops) {
                (false, _) => 0,
                (true, false) => out_features,
                (true, true) => 2 * out_features,
            };
            dropped + scaled
        });
        modules.sum()
    }

    /// Compiles ranks and scales for look-up; panics unless the patterns passed [`Self::check`].
    pub(super) fn shapes(&self) -> Shapes {
        fn compiled<V: Copy>(patterns: &[(String, V)]) -> Patterns<V> {
            Patterns::new(patterns).unwrap_or_else(|error| panic!("unchecked settings: {error}"))
        }
        Shapes {
            r: self.r,
            lora_alpha: self.lora_alpha,
            use_rslora: self.use_rslora,
            ranks: compiled(&self.rank_pattern),
            alphas: compiled(&self.alpha_pattern),
        }
    }
}

/// The shapes of A and B of a pair of the embedding or the head.
pub(crate) fn pair_shapes(module: SavedModule, config: &ModelConfig, r: usize) -> [[usize; 2]; 2] {
    let (vocab_size, hidden_size) = (config.vocab_size, config.hidden_size);
    match module {
        SavedModule::LmHead => [[r, hidden_size], [vocab_size, r]],
        SavedModule::EmbedTokens => [[r, vocab_size], [hidden_size, r]],
    }
}

/// Rank and scale of each module.
pub(crate) struct Shapes {
    pub(crate) r: usize,
    pub(crate) lora_alpha: f64,
    pub(crate) use_rslora: bool,
    pub(crate) ranks: Patterns<usize>,
    pub(crate) alphas: Patterns<f64>,
}

impl Shapes {
    /// Rank of a module's pair and the scale of its update.
    pub(crate) fn rank_and_scale(&self, module: &str) -> (usize, f64) {
        let r = self.ranks.value(module).unwrap_or(self.r);
        let alpha = self.alphas.value(module).unwrap_or(self.lora_alpha);
        let divisor = r as f64;
        let divisor = if self.use_rslora {
            divisor.sqrt()
        } else {
            divisor
        };
        (r, alpha / divisor)
    }
}
