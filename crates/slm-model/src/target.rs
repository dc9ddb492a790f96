//! The choice of the linear layers that get an adapter.

use regex::{Regex, RegexBuilder};

use crate::config::ModelConfig;
pub use crate::config::Target;

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

    /// Whether the pattern matches the whole of a path.
    pub(crate) fn is_match(&self, path: &str) -> bool {
        self.compiled.is_match(path)
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

    /// Whether a module outside the layers, such as `lm_head` or `model.embed_tokens`, is chosen by name or pattern.
    pub(crate) fn matches_path(&self, path: &str) -> bool {
        match self {
            Self::AllLinear => false,
            Self::Named(names) => names.iter().any(|name| ends_with(path, name)),
            Self::Matching(pattern) => pattern.is_match(path),
        }
    }

    /// Checks that every name or pattern matches a linear layer of the model.
    ///
    /// # Errors
    /// The first one that does not, with the modules of the model.
    pub fn check(&self, config: &ModelConfig) -> Result<(), PatternError> {
        let paths = || {
            (0..config.num_hidden_layers).flat_map(|layer| {
                let path = move |target: &Target| format!("model.{}", target.module_path(layer));
                config.targets().iter().map(path)
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

/// Describes all linear layers of a model in short patterns, for messages.
fn modules_of(config: &ModelConfig) -> String {
    let last = config.num_hidden_layers.saturating_sub(1);
    let mut patterns: Vec<String> = Vec::new();
    let mut block = String::new();
    for target in config.targets() {
        let path = target.path_in_layer();
        let (of, name) = path.split_once('.').unwrap_or(("", &path));
        if of == block {
            patterns.push(name.to_owned());
        } else {
            patterns.push(format!("model.layers.N.{path}"));
            of.clone_into(&mut block);
        }
    }
    let listed = match patterns.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => patterns.join(", "),
    };
    format!("{listed}, with N from 0 to {last}")
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
