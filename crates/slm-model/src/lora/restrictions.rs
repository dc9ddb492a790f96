//! PEFT's `exclude_modules` and `layers_to_transform`: modules that the targets name and that get no pair all the same.

use regex::Regex;

use crate::target::{MAX_PATTERN_BYTES, PatternError, Targets, compile};

/// Frame of a pattern for the part of a path before a layer's index, as in PEFT.
const LAYER_FRAME: &str = r"^(?:|.*?\.)(?:{})\.(\d+)\.";
/// Any part before the index.
const ANY_LAYERS: &str = r"[^.]*";

/// Which of the modules that the targets name get no pair.
#[derive(Clone, Debug, Default)]
pub struct Restrictions {
    /// Modules without a pair, by name or by pattern: `exclude_modules`. Never [`Targets::AllLinear`].
    pub exclude: Option<Targets>,
    /// The layers that get pairs: `layers_to_transform`; `None` for all layers.
    pub layers: Option<LayersToTransform>,
}

/// The layers that get pairs.
#[derive(Clone, Debug)]
pub struct LayersToTransform {
    indices: Vec<usize>,
    patterns: Vec<String>,
    compiled: Vec<Regex>,
}

impl LayersToTransform {
    /// Chooses layers by their index. `patterns` are names or regular expressions of the list that holds the layers, such
    /// as `layers`; without any, the first number in a path is the index.
    ///
    /// # Errors
    /// A pattern is not a valid regular expression.
    pub fn new(indices: Vec<usize>, patterns: Vec<String>) -> Result<Self, PatternError> {
        let any = [ANY_LAYERS.to_owned()];
        let all = if patterns.is_empty() {
            &any[..]
        } else {
            &patterns
        };
        let each = MAX_PATTERN_BYTES / all.len();
        let compiled = all
            .iter()
            .map(|pattern| compile(pattern, LAYER_FRAME, each));
        Ok(Self {
            compiled: compiled.collect::<Result<_, _>>()?,
            indices,
            patterns,
        })
    }

    /// The indices of the layers.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The names of the list that holds the layers.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether a path such as `model.layers.3.self_attn.q_proj` belongs to one of the layers.
    fn has(&self, path: &str) -> bool {
        let found = self.compiled.iter().find_map(|one| one.captures(path));
        let index = found.and_then(|found| found.get(1)?.as_str().parse().ok());
        index.is_some_and(|index: usize| self.indices.contains(&index))
    }
}

impl Restrictions {
    /// Whether a module such as `layers.3.self_attn.q_proj`, which the targets name, gets a pair.
    pub fn allow(&self, targets: &Targets, module: &str) -> bool {
        self.allow_path(targets, &format!("model.{module}"))
    }

    /// As [`Self::allow`], for a whole path such as `lm_head`.
    pub(crate) fn allow_path(&self, targets: &Targets, path: &str) -> bool {
        let excluded = self.exclude.as_ref();
        if excluded.is_some_and(|excluded| excluded.matches_path(path)) {
            return false;
        }
        // As in PEFT, a module that is named by its whole path gets a pair in any layer.
        let has = |names: &[String]| names.iter().any(|name| name == path);
        let is_named = matches!(targets, Targets::Named(names) if has(names));
        let layers = self.layers.as_ref().filter(|_| !is_named);
        layers.is_none_or(|layers| layers.has(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::PathPattern;

    fn named(names: &[&str]) -> Targets {
        Targets::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn layers(indices: &[usize], patterns: &[&str]) -> Result<LayersToTransform, PatternError> {
        let patterns = patterns.iter().map(|&text| text.to_owned());
        LayersToTransform::new(indices.to_vec(), patterns.collect())
    }

    #[test]
    fn layers_are_chosen_by_their_index_unless_a_whole_path_names_the_module() {
        let all = named(&["q_proj", "model.layers.2.mlp.up_proj"]);
        for (patterns, expected) in [
            (&[][..], [true, false, true]),
            (&["layers"], [true, false, true]),
            (&["h", "lay..s"], [true, false, true]),
            (&["h"], [false, false, true]),
        ] {
            let restrictions = Restrictions {
                layers: Some(layers(&[0, 7], patterns).expect("patterns")),
                exclude: None,
            };
            let modules = [0, 1].map(|layer| format!("layers.{layer}.self_attn.q_proj"));
            let found = [&*modules[0], &modules[1], "layers.2.mlp.up_proj"];
            let found = found.map(|module| restrictions.allow(&all, module));
            assert_eq!(found, expected, "{patterns:?}");
        }
    }

    #[test]
    fn excluded_modules_get_no_pair_in_any_layer() {
        let pattern = PathPattern::new(r"model\.layers\.0\..*").expect("a pattern");
        for (exclude, expected) in [
            (named(&["q_proj"]), [false, true]),
            (named(&["1.mlp.up_proj", "proj"]), [true, false]),
            (Targets::Matching(pattern), [false, true]),
        ] {
            let restrictions = Restrictions {
                exclude: Some(exclude.clone()),
                layers: None,
            };
            let modules = ["layers.0.self_attn.q_proj", "layers.1.mlp.up_proj"];
            let found = modules.map(|module| restrictions.allow(&Targets::AllLinear, module));
            assert_eq!(found, expected, "{exclude:?}");
        }
    }

    #[test]
    fn patterns_that_are_malformed_or_huge_are_refused() {
        for pattern in ["(", "a)(b", "(a{1000}){1000}"] {
            let error = layers(&[0], &[pattern]).expect_err("refused");
            assert!(matches!(error, PatternError::Malformed { .. }), "{error}");
        }
    }
}
