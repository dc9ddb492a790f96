//! Selection of the files of a model repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::HubError;
use crate::listing::Listing;

/// Files that every model needs.
const NEEDED: [&str; 2] = ["config.json", TOKENIZER];
const TOKENIZER: &str = "tokenizer.json";
/// `SentencePiece`'s own file, which is not read.
const SENTENCE_PIECE: &str = "tokenizer.model";
/// Files that belong to a model where they exist.
const OPTIONAL: [&str; 4] = [
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    INDEX,
];
/// Files for other programs that read a merged model.
const EXTRA: [&str; 4] = [
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
];
/// All weights in a single file.
const SINGLE: &str = "model.safetensors";
/// Map from the tensors to the files of sharded weights.
const INDEX: &str = "model.safetensors.index.json";

/// Returns all needed files except the weights.
///
/// # Errors
/// [`HubError::NoModel`] if the repository is not a readable model; nothing is downloaded then.
pub(crate) fn small(listing: &Listing, repository: &str) -> Result<Vec<String>, HubError> {
    let has = |path: &str| listing.get(path).is_some();
    let ending = |ending: &str| {
        let files = listing.paths().filter(|path| path.ends_with(ending));
        files.map(str::to_owned).collect::<Vec<_>>()
    };
    let problem = if !has(SINGLE) && !has(INDEX) {
        if ending(".gguf").is_empty() && !ending(".bin").is_empty() {
            "its weights are in .bin files, and only safetensors and GGUF are read".to_owned()
        } else {
            format!("it has no {SINGLE}")
        }
    } else if let Some(missing) = NEEDED.iter().find(|path| !has(path)) {
        if *missing == TOKENIZER && has(SENTENCE_PIECE) {
            conversion(repository)
        } else {
            format!("it has no {missing}")
        }
    } else {
        let wanted = NEEDED.iter().chain(&OPTIONAL).filter(|path| has(path));
        return Ok(wanted.map(|path| (*path).to_owned()).collect());
    };
    let named = |file: String| format!("hf:{repository}#{file}");
    Err(HubError::NoModel {
        repository: repository.to_owned(),
        problem,
        candidates: ending(".gguf").into_iter().map(named).collect(),
    })
}

/// Returns what is missing beside `SentencePiece`'s file, with the commands that make it.
fn conversion(repository: &str) -> String {
    format!(
        "it has {SENTENCE_PIECE} and no {TOKENIZER}\n\
         hint: convert it, then name the folder DIR as the model:\n  \
         pip install transformers sentencepiece protobuf huggingface_hub\n  \
         hf download {repository} --local-dir DIR && cd DIR\n  \
         python -c 'from transformers import AutoTokenizer; AutoTokenizer.from_pretrained(\".\").save_pretrained(\".\")'"
    )
}

/// Returns the additional files for other programs that the repository has.
pub(crate) fn extra(listing: &Listing) -> impl Iterator<Item = &'static str> {
    EXTRA.into_iter().filter(|path| listing.get(path).is_some())
}

/// Returns the files of the weights; `folder` already has those of [`small`].
///
/// # Errors
/// [`HubError::NoModel`] if the index cannot be read; [`HubError::NoFile`] if it refers to a missing file.
pub(crate) fn weights(
    listing: &Listing,
    repository: &str,
    folder: &Path,
) -> Result<Vec<String>, HubError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    if listing.get(INDEX).is_none() {
        return Ok(vec![SINGLE.to_owned()]);
    }
    let index: Option<Index> = fs::read(folder.join(INDEX))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(index) = index else {
        return Err(HubError::NoModel {
            repository: repository.to_owned(),
            problem: format!("its {INDEX} cannot be read"),
            candidates: Vec::new(),
        });
    };
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    match files.iter().find(|file| listing.get(file).is_none()) {
        Some(missing) => Err(HubError::NoFile {
            repository: repository.to_owned(),
            file: format!("{missing}, which its {INDEX} lists"),
            candidates: Vec::new(),
        }),
        None => Ok(files.into_iter().collect()),
    }
}

/// Returns the GGUF file of this name.
///
/// # Errors
/// [`HubError::NoFile`] with the GGUF files of the repository.
pub(crate) fn gguf(listing: &Listing, repository: &str, file: &str) -> Result<String, HubError> {
    let is_gguf = |path: &&str| path.to_lowercase().ends_with(".gguf");
    let found = listing.paths().filter(is_gguf).find(|path| *path == file);
    found.map(str::to_owned).ok_or_else(|| HubError::NoFile {
        repository: repository.to_owned(),
        file: file.to_owned(),
        candidates: listing.paths().filter(is_gguf).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Entry;

    fn listing(paths: &[&str]) -> Listing {
        let entry = |path: &&str| Entry::found((*path).to_owned(), 1, None);
        Listing::new("c".repeat(40), paths.iter().map(entry).collect())
    }

    #[test]
    fn a_model_is_its_configuration_tokenizer_and_safetensors() {
        let paths = [
            "README.md",
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "merges.txt",
            "model.safetensors",
            "pytorch_model.bin",
            "onnx/model.onnx",
        ];
        let listing = listing(&paths);
        let small = small(&listing, "a/b").expect("a model");
        assert_eq!(
            small,
            ["config.json", "tokenizer.json", "tokenizer_config.json"]
        );
        assert_eq!(extra(&listing).collect::<Vec<_>>(), ["merges.txt"]);
        let weights = weights(&listing, "a/b", Path::new("none")).expect("weights");
        assert_eq!(weights, ["model.safetensors"]);
    }

    #[test]
    fn shards_are_those_that_the_index_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}}"#;
        fs::write(folder.path().join(INDEX), index).expect("a file");
        let shards = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ];
        let whole = listing(&[INDEX, shards[0], shards[1]]);
        assert_eq!(weights(&whole, "a/b", folder.path()).expect("two"), shards);
        let half = listing(&[INDEX, shards[0]]);
        let error = weights(&half, "a/b", folder.path()).expect_err("one is missing");
        assert!(error.to_string().contains(shards[1]), "{error}");
        fs::write(folder.path().join(INDEX), "{").expect("a file");
        let error = weights(&whole, "a/b", folder.path()).expect_err("broken");
        assert!(matches!(error, HubError::NoModel { .. }), "{error}");
    }

    #[test]
    fn what_is_no_model_is_told_before_a_download() {
        let problem = |paths: &[&str]| {
            let error = small(&listing(paths), "a/b").expect_err("no model");
            error.to_string()
        };
        let text = problem(&["config.json", "tokenizer.json", "pytorch_model.bin"]);
        assert!(text.contains(".bin files"), "{text}");
        let text = problem(&["x-Q4_K_M.gguf", "README.md"]);
        assert!(text.contains("hf:a/b#x-Q4_K_M.gguf"), "{text}");
        let text = problem(&["config.json", "model.safetensors"]);
        assert!(text.contains("it has no tokenizer.json"), "{text}");
        let text = problem(&["config.json", "model.safetensors", "tokenizer.model"]);
        for expected in [
            "it has tokenizer.model and no tokenizer.json",
            "hint: convert it",
            "hf download a/b --local-dir DIR",
            "AutoTokenizer.from_pretrained(\".\").save_pretrained(\".\")",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        let both = [
            "config.json",
            "model.safetensors",
            "tokenizer.model",
            "tokenizer.json",
        ];
        assert!(small(&listing(&both), "a/b").is_ok());
    }

    #[test]
    fn a_gguf_file_is_taken_by_its_name_alone() {
        let listing = listing(&["a-Q4.gguf", "b-Q8.gguf", "config.json"]);
        assert_eq!(
            gguf(&listing, "a/b", "b-Q8.gguf").expect("there"),
            "b-Q8.gguf"
        );
        for file in ["c.gguf", "config.json", "*.gguf"] {
            let text = gguf(&listing, "a/b", file).expect_err(file).to_string();
            assert!(
                text.contains("hint: its files: a-Q4.gguf, b-Q8.gguf"),
                "{text}"
            );
        }
    }
}
