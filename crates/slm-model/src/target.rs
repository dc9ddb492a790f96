//! The linear layers of a decoder layer, and the choice of those that get an adapter.

use regex::{Regex, RegexBuilder};

use crate::config::ModelConfig;

/// One linear layer of a decoder layer, by its module name in Hugging Face transformers.
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

    /// Returns the target with this leaf name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The path of the module inside the model, such as `layers.3.self_attn.q_proj`.
    pub fn module_path(self, layer: usize) -> String {
        let block = match self {
            Self::QProj | Self::KProj | Self::VProj | Self::OProj => "self_attn",
            Self::GateProj | Self::UpProj | Self::DownProj => "mlp",
        };
        format!("layers.{layer}.{block}.{}", self.name())
    }

    /// Whether the frozen layer has a bias.
    pub(crate) fn has_bias(self, config: &ModelConfig) -> bool {
        config.qkv_bias && matches!(self, Self::QProj | Self::KProj | Self::VProj)
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

/// An invalid choice of layers, or of a value for some of them.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// A pattern that is not a valid regular expression.
    #[error("`{pattern}` is not a valid regular expression: {reason}")]
    Malformed {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A pattern that would silently have no effect.
    #[error("`{0}` matches no module that gets an adapter")]
    MatchesNothing(String),
    /// Training one of two modules that are the same matrix.
    #[error(
        "`{0}` cannot be trained: this model ties the embedding to the head, and training one would untie them"
    )]
    Tied(&'static str),
    /// A module name or pattern that matches no module.
    #[error("`{name}` matches no linear layer; expected one of {modules}")]
    NoSuchModule {
        /// The name or the regular expression.
        name: String,
        /// The modules of the model, abbreviated.
        modules: String,
    },
}

/// Maximum memory of a compiled pattern, in bytes: an adapter's patterns are untrusted.
pub(crate) const MAX_PATTERN_BYTES: usize = 1 << 18;

/// Compiles `frame` with `pattern` in place of `{}`, in at most `most_bytes` of memory.
pub(crate) fn compile(
    pattern: &str,
    frame: &str,
    most_bytes: usize,
) -> Result<Regex, PatternError> {
    let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(most_bytes).build();
    // By itself first, so that the frame cannot complete a malformed pattern such as `a)(b`.
    let compiled = compile(pattern).and_then(|_| compile(&frame.replace("{}", pattern)));
    compiled.map_err(|error| PatternError::Malformed {
        pattern: pattern.to_owned(),
        // The lines before the last only show the expression.
        reason: match error.to_string().lines().last() {
            Some(last) => last.trim_start_matches("error: ").to_owned(),
            None => "malformed".to_owned(),
        },
    })
}

/// The linear layers that get a pair, as in PEFT's `target_modules`.
#[derive(Clone, Debug)]
pub enum Targets {
    /// All linear layers of every decoder layer: `all-linear`.
    AllLinear,
    /// Layers whose path is one of these names or ends with a dot and one: `q_proj`, `layers.0.mlp.up_proj`.
    Named(Vec<String>),
    /// Layers whose whole path a regular expression matches.
    Matching(PathPattern),
}

/// A regular expression for the whole of a path such as `model.layers.0.self_attn.q_proj`.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    compiled: Regex,
}

impl PathPattern {
    /// Compiles the pattern.
    ///
    /// # Errors
    /// The pattern is not valid in Rust's `regex` syntax, which has neither look-around nor back-references.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Ok(Self {
            text: text.to_owned(),
            compiled: compile(text, "^(?:{})$", MAX_PATTERN_BYTES)?,
        })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Targets {
    /// Whether a module such as `layers.3.self_attn.q_proj` gets a pair.
    pub fn matches(&self, module: &str) -> bool {
        let path = format!("model.{module}");
        match self {
            Self::AllLinear => true,
            Self::Named(names) => names.iter().any(|name| ends_with(&path, name)),
            Self::Matching(pattern) => pattern.compiled.is_match(&path),
        }
    }

    /// Whether a module outside the layers, such as `lm_head`, is chosen by name.
    pub(crate) fn names(&self, module: &str) -> bool {
        match self {
            Self::AllLinear | Self::Matching(_) => false,
            Self::Named(names) => {
                let mut last_parts = names.iter().map(|name| name.rsplit('.').next());
                last_parts.any(|part| part == Some(module))
            }
        }
    }

    /// Checks that every name or pattern matches a linear layer of the model.
    ///
    /// # Errors
    /// The first one that does not, with the modules of the model.
    pub fn check(&self, config: &ModelConfig) -> Result<(), PatternError> {
        let paths = || {
            (0..config.num_hidden_layers).flat_map(|layer| {
                Target::ALL.map(|target| format!("model.{}", target.module_path(layer)))
            })
        };
        let lost = match self {
            Self::AllLinear => None,
            Self::Named(names) => names
                .iter()
                .find(|name| !paths().any(|path| ends_with(&path, name))),
            Self::Matching(pattern) => {
                let some = paths().any(|path| pattern.compiled.is_match(&path));
                (!some).then_some(&pattern.text)
            }
        };
        match lost {
            None => Ok(()),
            Some(name) => Err(PatternError::NoSuchModule {
                name: name.clone(),
                modules: modules_of(config),
            }),
        }
    }
}

/// Whether a path equals a name, or ends with a dot and that name.
fn ends_with(path: &str, name: &str) -> bool {
    path.strip_suffix(name)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Describes all linear layers of a model in two short patterns, for messages.
fn modules_of(config: &ModelConfig) -> String {
    let last = config.num_hidden_layers.saturating_sub(1);
    format!(
        "model.layers.N.self_attn.q_proj, k_proj, v_proj and o_proj, model.layers.N.mlp.gate_proj, up_proj and \
         down_proj, with N from 0 to {last}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Targets {
        Targets::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn matching(pattern: &str) -> Targets {
        Targets::Matching(PathPattern::new(pattern).expect("a pattern"))
    }

    #[test]
    fn names_match_ends_of_paths_and_patterns_whole_ones() {
        let q = "layers.10.self_attn.q_proj";
        for (targets, expected) in [
            (Targets::AllLinear, true),
            (names(&["q_proj"]), true),
            (names(&["v_proj", "self_attn.q_proj"]), true),
            (names(&["model.layers.10.self_attn.q_proj"]), true),
            (names(&["0.self_attn.q_proj"]), false),
            (names(&["proj"]), false),
            (matching(r".*\.self_attn\.(q|v)_proj"), true),
            (matching(r"model\.layers\.1\d\..*"), true),
            (matching(r"self_attn\.q_proj"), false),
            (matching("model.layers.10.self_attn.q|v"), false),
        ] {
            assert_eq!(targets.matches(q), expected, "{targets:?}");
        }
    }

    #[test]
    fn a_pattern_that_only_its_frame_would_mend_is_malformed() {
        for pattern in ["(", "a)(?:b", "(?=x)"] {
            let error = PathPattern::new(pattern).expect_err("malformed");
            assert!(
                matches!(error, PatternError::Malformed { .. }),
                "{pattern}: {error}"
            );
        }
    }
}
