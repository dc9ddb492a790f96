//! The tokenizer of a folder in the metadata of a GGUF file.
//!
//! A GGUF file names a pre-tokenizer, and its rules are part of the programs that read it. The name is found by trying: the
//! rules of each known name and those of `tokenizer.json` split texts with everything that rules differ in. The tokenizer
//! that the metadata describe must then give the same tokens.
//!
//! # Source
//! The keys and token types: `get_vocab_base` in `conversion/base.py` and `SpecialVocab` in `gguf-py` of
//! <https://github.com/ggml-org/llama.cpp>.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, Tokenizer as HubTokenizer,
};

use super::MergeError;
use crate::gguf::metadata::{Metadata, MetadataValue};
use crate::gguf::vocabulary::{pre_tokenizer_names, tokenizer_of};
use crate::gguf::writer::NewPairs;
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

/// The key of the chat template.
pub(super) const CHAT_TEMPLATE: &str = "tokenizer.chat_template";

// Token types, by llama.cpp's numbers.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// Texts in which rules for splitting differ: contractions in both cases, runs of digits, spaces, tabs and line ends,
/// letters of several scripts with and without marks, punctuation beside letters, emojis.
const PROBES: [&str; 8] = [
    "I'm sure they've won't HE'S We'Ll 'tis d'être l'été",
    "0 12 345 6789 12345678 3.14 1,000 x86 v2 ٣٤٥ Ⅳ½ 2nd",
    "a  b   c\td\t\te \n f\n\n  g\r\n\r\n\th  \n\n\n   ",
    "def f(x: int) -> str:\n    return f\"{x!r}\"  # ok?\n\n\nif __name__ == '__main__':\n\tf(-1)\n",
    "camelCase HTTPServer snake_case_name CONST_A1 a.b->c::d //comment /* x */ $var @dec #include <s>",
    "Привет мир! 你好，世界。こんにちは한국어 कि ऩ é e\u{301} Åström ÅÄÖ ﬁ café naïve",
    "🙂👩‍👩‍👧 ©®™ … – — « » “q” ‘q’ ·•§¶ ¿qué? ¡sí!",
    " leading  trailing ...!!! ???---===+++ [x](y) {z} <<a>> 100% a&b c|d e^f g~h \\n \u{a0}nbsp\u{200b}zw",
];

/// The tokenizer as pairs.
struct Vocabulary {
    tokens: Vec<String>,
    types: Vec<i32>,
    merges: Vec<String>,
}

/// Adds the pairs that describe the tokenizer and the chat template.
///
/// # Errors
/// The tokenizer cannot be read, or the format cannot represent it.
pub(super) fn about_tokenizer(
    pairs: &mut NewPairs,
    weights: &Weights,
    chat_template: Option<&str>,
) -> Result<(), MergeError> {
    let tokenizer = weights.tokenizer()?;
    let refused = |what: String| MergeError::Tokenizer {
        path: weights.path().to_owned(),
        what,
    };
    let described: Value =
        serde_json::from_str(&tokenizer.to_json()).map_err(|error| refused(error.to_string()))?;
    let vocabulary = Vocabulary::read(&described, weights.config().vocab_size).map_err(refused)?;
    let pre = pre_tokenizer_of(&described).map_err(refused)?;
    let (template, special_tokens) = weights.template_text()?;
    let id_of = |name: &str| {
        let token = special_tokens.get(name)?;
        tokenizer.token_to_id(token)
    };
    let begin = tokenizer
        .text_start()
        .map_err(|error| refused(error.to_string()))?;
    let adds_begin = !begin.is_empty();
    if begin.len() > 1 {
        return Err(refused(format!("{} tokens begin each text", begin.len())));
    }
    let config = weights.config();
    let begin = begin.first().copied();
    let begin = begin.or_else(|| id_of("bos_token")).or(config.bos_token_id);
    let mut ends: Vec<u32> = id_of("eos_token").into_iter().collect();
    for &id in &config.eos_token_ids {
        if !ends.contains(&id) {
            ends.push(id);
        }
    }
    let ids = [
        ("bos_token_id", begin),
        ("eos_token_id", ends.first().copied()),
        // Both end an answer, too.
        ("eot_token_id", ends.get(1).copied()),
        ("eom_token_id", ends.get(2).copied()),
        ("unknown_token_id", id_of("unk_token")),
        ("padding_token_id", id_of("pad_token")),
    ];

    let key = |part: &str| format!("tokenizer.ggml.{part}");
    pairs.text(&key("model"), "gpt2");
    pairs.text(&key("pre"), pre);
    pairs.texts(&key("tokens"), &vocabulary.tokens);
    pairs.integers(&key("token_type"), &vocabulary.types);
    pairs.texts(&key("merges"), &vocabulary.merges);
    for (part, id) in ids {
        // An id without a row is in some configurations.
        if let Some(id) = id.filter(|&id| (id as usize) < vocabulary.tokens.len()) {
            pairs.unsigned(&key(part), id);
        }
    }
    pairs.boolean(&key("add_bos_token"), adds_begin);
    if let Some(text) = chat_template.or(template.as_deref()) {
        pairs.text(CHAT_TEMPLATE, text);
    }
    let written = vocabulary.metadata(pre, begin.filter(|_| adds_begin));
    check(&tokenizer, weights.path(), &written).map_err(refused)
}

impl Vocabulary {
    /// Reads a `tokenizer.json` of a model with `rows` embeddings.
    fn read(described: &Value, rows: usize) -> Result<Self, String> {
        let model = &described["model"];
        let byte_level = |part: &Value| part.to_string().contains("\"ByteLevel\"");
        if model["type"] != "BPE" || !byte_level(&described["pre_tokenizer"]) {
            let kind = model["type"].as_str().unwrap_or("unknown");
            return Err(format!(
                "a tokenizer of kind {kind} that is not byte-level BPE"
            ));
        }
        let mut tokens: Vec<Option<(String, i32)>> = vec![None; rows];
        let mut put = |id: Option<u64>, token: &str, kind: i32| {
            let id = id.unwrap_or(u64::MAX);
            let place = usize::try_from(id).ok().and_then(|id| tokens.get_mut(id));
            let place = place.ok_or_else(|| {
                format!("token {token:?} has id {id}, but there are {rows} embeddings")
            })?;
            *place = Some((token.to_owned(), kind));
            Ok::<_, String>(())
        };
        for (token, id) in model["vocab"].as_object().into_iter().flatten() {
            put(id.as_u64(), token, NORMAL)?;
        }
        for added in described["added_tokens"].as_array().into_iter().flatten() {
            let token = added["content"].as_str().unwrap_or_default();
            let is_control = added["special"] == true || looks_like_control(token);
            let kind = if is_control { CONTROL } else { USER_DEFINED };
            put(added["id"].as_u64(), token, kind)?;
        }
        let unused = |id: usize| (format!("[PAD{id}]"), UNUSED);
        let tokens = tokens.into_iter().enumerate();
        let (tokens, types) = tokens
            .map(|(id, token)| token.unwrap_or_else(|| unused(id)))
            .unzip();
        let merges = model["merges"].as_array().into_iter().flatten();
        let merges = merges.map(|merge| match merge {
            Value::String(merge) => Ok(merge.clone()),
            pair => match (pair[0].as_str(), pair[1].as_str()) {
                (Some(left), Some(right)) if !left.contains(' ') && !right.contains(' ') => {
                    Ok(format!("{left} {right}"))
                }
                _ => Err(format!("merge {pair} cannot be written as two words")),
            },
        });
        Ok(Self {
            merges: merges.collect::<Result<_, _>>()?,
            tokens,
            types,
        })
    }

    /// The metadata from which the reader builds the tokenizer.
    fn metadata(&self, pre: &str, begin: Option<u32>) -> BTreeMap<String, MetadataValue> {
        let types = self.types.iter().map(|&kind| i64::from(kind)).collect();
        let mut metadata = metadata_of(
            pre,
            MetadataValue::Strings(self.tokens.clone()),
            MetadataValue::Integers(types),
            MetadataValue::Strings(self.merges.clone()),
        );
        let begins = MetadataValue::Bool(begin.is_some());
        metadata.insert("tokenizer.ggml.add_bos_token".to_owned(), begins);
        if let Some(id) = begin {
            let id = MetadataValue::Integer(i128::from(id));
            metadata.insert("tokenizer.ggml.bos_token_id".to_owned(), id);
        }
        metadata
    }
}

/// Whether a token that is not special is written as markup, as the converter does: `<|name|>`.
fn looks_like_control(token: &str) -> bool {
    [("<|", "|>"), ("<｜", "｜>")]
        .iter()
        .any(|(start, end)| token.starts_with(start) && token.ends_with(end))
}

fn metadata_of(
    pre: &str,
    tokens: MetadataValue,
    types: MetadataValue,
    merges: MetadataValue,
) -> BTreeMap<String, MetadataValue> {
    let text = |text: &str| MetadataValue::String(text.to_owned());
    [
        ("model", text("gpt2")),
        ("pre", text(pre)),
        ("tokens", tokens),
        ("token_type", types),
        ("merges", merges),
    ]
    .into_iter()
    .map(|(key, value)| (format!("tokenizer.ggml.{key}"), value))
    .collect()
}

/// Finds the name of a pre-tokenizer that splits as `tokenizer.json` does.
fn pre_tokenizer_of(described: &Value) -> Result<&'static str, String> {
    // The steps alone: a vocabulary takes long to build.
    let ignores_merges = described["model"]["ignore_merges"] == true;
    let mut small = described.clone();
    small["added_tokens"] = json!([]);
    small["post_processor"] = Value::Null;
    small["model"] = json!({"type": "BPE", "vocab": {"a": 0}, "merges": []});
    let theirs = HubTokenizer::from_bytes(small.to_string()).map_err(|error| error.to_string())?;
    let expected: Vec<_> = PROBES.iter().map(|text| pieces(&theirs, text)).collect();
    let is_it = |name: &&str| {
        let none = || MetadataValue::Strings(Vec::new());
        let tokens = MetadataValue::Strings(vec!["a".to_owned()]);
        let pairs = metadata_of(name, tokens, MetadataValue::Integers(vec![1]), none());
        let metadata = Metadata {
            path: Path::new(""),
            pairs: &pairs,
        };
        let Ok(ours) = tokenizer_of(metadata) else {
            return false;
        };
        let found = ours.to_string(false).unwrap_or_default();
        let found = found.contains("\"ignore_merges\":true");
        found == ignores_merges
            && PROBES
                .iter()
                .zip(&expected)
                .all(|(text, expected)| pieces(&ours, text) == *expected)
    };
    pre_tokenizer_names().find(is_it).ok_or_else(|| {
        "its rules for splitting text are those of no pre-tokenizer that is known by name"
            .to_owned()
    })
}

/// Normalises and splits a text; `None` if the library cannot.
fn pieces(tokenizer: &HubTokenizer, text: &str) -> Option<Vec<String>> {
    let mut text = tokenizers::NormalizedString::from(text);
    if let Some(normalizer) = tokenizer.get_normalizer() {
        tokenizers::Normalizer::normalize(normalizer, &mut text).ok()?;
    }
    let mut split = PreTokenizedString::from(text);
    tokenizer
        .get_pre_tokenizer()?
        .pre_tokenize(&mut split)
        .ok()?;
    let pieces = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    let pieces = pieces.into_iter().map(|(piece, ..)| piece.to_owned());
    Some(pieces.collect())
}

/// Checks that the written metadata describe the same tokenizer.
fn check(
    tokenizer: &Tokenizer,
    path: &Path,
    pairs: &BTreeMap<String, MetadataValue>,
) -> Result<(), String> {
    let written = Tokenizer::from_gguf(Metadata { path, pairs }, &[]);
    let written = written.map_err(|error| error.to_string())?;
    let start = [tokenizer, &written].map(|each| each.text_start().ok());
    if start[0] != start[1] {
        return Err("the tokens that begin a text would be lost".to_owned());
    }
    for text in PROBES {
        if tokenizer.encode(text).ok() != written.encode(text).ok() {
            return Err(format!(
                "the text {text:?} would be split into other tokens"
            ));
        }
    }
    Ok(())
}
