//! Vocabularies of GGUF files, with scores or with merges and a pre-tokenizer, compared with llama.cpp and tokenizers.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use slm_model::Tokenizer;

use crate::tokenizer_kinds::{ids, kind, list, read_json, text};
use crate::vocabulary_file::VocabularyFile;

/// The GGUF file of a `SentencePiece` vocabulary, with additional keys.
fn scored(pairs: &Value) -> VocabularyFile {
    let vocabulary = read_json("sentence-piece-scores");
    let numbers = |key: &str| serde_json::from_value::<Vec<f32>>(vocabulary[key].clone());
    let tokens = list(&vocabulary["tokens"]).iter().map(text);
    VocabularyFile::new("llama")
        .tokens(&tokens.collect::<Vec<_>>())
        .floats("tokenizer.ggml.scores", &numbers("scores").expect("scores"))
        .integers(
            "tokenizer.ggml.token_type",
            &numbers("types")
                .expect("types")
                .iter()
                .map(|n| *n as i32)
                .collect::<Vec<_>>(),
        )
        .pairs(pairs)
}

fn opened(file: &VocabularyFile) -> Tokenizer {
    file.with_path(|path| Tokenizer::from_gguf_file(path, &[]).expect("a tokenizer"))
}

#[test]
fn vocabularies_with_scores_have_llama_cpps_ids() {
    let inputs = read_json("inputs");
    for file in list(&read_json("gguf")["files"]) {
        let name = text(&file["name"]);
        let tokenizer = opened(&scored(&file["pairs"]));
        let is_ended = file["pairs"]["tokenizer.ggml.add_eos_token"] == true;
        for (input, expected) in list(&inputs["texts"]).iter().zip(list(&file["texts"])) {
            let mut found = tokenizer.text_start().expect("ids");
            found.extend(tokenizer.encode(text(input)).expect("ids"));
            if is_ended {
                found.extend(tokenizer.text_end());
            }
            assert_eq!(found, ids(expected), "{name}: {input:?}");
        }
        // Written to a folder, it is the same tokenizer.
        let copy = Tokenizer::from_json(tokenizer.to_json().as_bytes(), &[]).expect("a tokenizer");
        assert_eq!(
            copy.text_start().expect("ids"),
            tokenizer.text_start().expect("ids")
        );
        for input in list(&inputs["texts"]).iter().map(text) {
            let ids = tokenizer.encode(input).expect("ids");
            assert_eq!(copy.encode(input).expect("ids"), ids, "{name}: {input:?}");
            assert_eq!(
                copy.decode(&ids, false).expect("text"),
                tokenizer.decode(&ids, false).expect("text")
            );
        }
    }
}

/// A file without a space before the text is the kind `no-prefix`, one with it the kind `prepend`.
#[test]
fn vocabularies_with_scores_are_the_tokenizer_that_transformers_makes_of_them() {
    for (name, prefix) in [("prepend", true), ("no-prefix", false)] {
        let (_, expected) = kind(name);
        let pairs = serde_json::json!({"tokenizer.ggml.add_space_prefix": prefix});
        let found = opened(&scored(&pairs));
        for input in list(&read_json("inputs")["texts"]).iter().map(text) {
            let ids = expected.encode(input).expect("ids");
            assert_eq!(found.encode(input).expect("ids"), ids, "{name}: {input:?}");
            let text = expected.decode(&ids, false).expect("text");
            assert_eq!(found.decode(&ids, false).expect("text"), text, "{name}");
        }
    }
}

#[test]
fn pre_tokenizers_split_as_the_models_files_and_llama_cpp_do() {
    let state = read_json("byte-level");
    let vocabulary = state["model"]["vocab"].as_object().expect("a vocabulary");
    let mut tokens: Vec<(&str, u64)> = vocabulary
        .iter()
        .map(|(token, id)| (token.as_str(), id.as_u64().expect("an id")))
        .collect();
    tokens.sort_by_key(|(_, id)| *id);
    let tokens: Vec<&str> = tokens.into_iter().map(|(token, _)| token).collect();
    let types: Vec<i32> = tokens
        .iter()
        .map(|token| if token.starts_with("<|") { 3 } else { 1 })
        .collect();
    let merges: Vec<String> = list(&state["model"]["merges"])
        .iter()
        .map(|pair| format!("{} {}", text(&pair[0]), text(&pair[1])))
        .collect();
    let merges: Vec<&str> = merges.iter().map(String::as_str).collect();
    let mut tokenizers: BTreeMap<String, Tokenizer> = BTreeMap::new();
    for case in list(&read_json("pre-tokenizers")["texts"]) {
        let input = text(&case["text"]);
        for result in list(&case["results"]) {
            for name in list(&result["names"]).iter().map(text) {
                // Where llama.cpp differs from the models' own files.
                if name.ends_with("+llama.cpp") {
                    continue;
                }
                let tokenizer = tokenizers.entry(name.to_owned()).or_insert_with(|| {
                    opened(
                        &VocabularyFile::new("gpt2")
                            .tokens(&tokens)
                            .integers("tokenizer.ggml.token_type", &types)
                            .strings("tokenizer.ggml.merges", &merges)
                            .pairs(&serde_json::json!({"tokenizer.ggml.pre": name})),
                    )
                });
                let found = tokenizer.encode(input).expect("ids");
                assert_eq!(found, ids(&result["ids"]), "{name}: {input:?}");
            }
        }
    }
    assert!(tokenizers.len() > 40, "{}", tokenizers.len());
}

/// Vocabularies of real models, compared with the ids that `llama_cpp_ids.py` wrote beside them. llama.cpp differs from the
/// models' own files where NFC changes a text, and takes `</s>` for a special token in every vocabulary.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be reported")]
fn real_vocabularies_have_llama_cpps_ids() {
    let Some(folder) = std::env::var_os("VOCABULARIES") else {
        eprintln!("skipped: VOCABULARIES names no folder");
        return;
    };
    let is_excused = |text: &str| {
        ["\u{301}", "\u{212b}", "</s>"]
            .iter()
            .any(|part| text.contains(part))
    };
    let mut differ = Vec::new();
    let mut n_files = 0;
    for entry in std::fs::read_dir(Path::new(&folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        n_files += 1;
        let tokenizer = Tokenizer::from_gguf_file(&path, &[]).expect("a tokenizer");
        let record = std::fs::read(path.with_extension("json")).expect("the ids");
        let record: Value = serde_json::from_slice(&record).expect("valid JSON");
        for case in list(&record) {
            let mut found = tokenizer.text_start().expect("ids");
            found.extend(tokenizer.encode(text(&case["text"])).expect("ids"));
            if found != ids(&case["ids"]) {
                differ.push(format!("{}: {}: {found:?}", path.display(), case["text"]));
                let input = text(&case["text"]);
                assert!(is_excused(input), "{}: {case}: {found:?}", path.display());
            }
        }
    }
    assert!(n_files > 0, "no vocabulary in the folder");
    eprintln!(
        "{n_files} vocabularies, {} known differences:\n{}",
        differ.len(),
        differ.join("\n")
    );
}
