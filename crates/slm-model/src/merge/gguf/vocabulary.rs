//! The tokenizer of a folder in the metadata of a GGUF file: byte-level BPE, or `SentencePiece`'s BPE with byte tokens.
//!
//! For byte-level BPE, a GGUF file names a pre-tokenizer, and its rules are part of the programs that read it. The name is found by trying: the
//! rules of each known name and those of `tokenizer.json` split texts with everything that rules differ in.
//! `SentencePiece`'s BPE has scores instead of merges. In both cases, the tokenizer that the metadata describe must give the
//! same tokens.
//!
//! # Source
//! The keys and token types: `get_vocab_base` in `conversion/base.py` and `SpecialVocab` in `gguf-py` of
//! <https://github.com/ggml-org/llama.cpp>.

use std::collections::{BTreeMap, HashMap};
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
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

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
    rules: Rules,
}

/// How tokens are found in a text.
enum Rules {
    /// Byte-level BPE: two tokens for each merge, and the name of a pre-tokenizer.
    ByteLevel {
        merges: Vec<String>,
        pre: &'static str,
    },
    /// A score for each token, and whether a space is put before a text.
    SentencePiece { scores: Vec<f32>, prefix: bool },
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
    let mut vocabulary =
        Vocabulary::read(&described, weights.config().vocab_size).map_err(refused)?;
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

    let added = begin.filter(|_| adds_begin);
    vocabulary
        .check(&tokenizer, weights.path(), added)
        .map_err(refused)?;
    let key = |part: &str| format!("tokenizer.ggml.{part}");
    pairs.text(&key("model"), vocabulary.rules.model());
    pairs.text(&key("pre"), vocabulary.rules.pre());
    pairs.texts(&key("tokens"), &vocabulary.tokens);
    pairs.integers(&key("token_type"), &vocabulary.types);
    match &vocabulary.rules {
        Rules::ByteLevel { merges, .. } => pairs.texts(&key("merges"), merges),
        Rules::SentencePiece { scores, prefix } => {
            pairs.floats(&key("scores"), scores);
            pairs.boolean(&key("add_space_prefix"), *prefix);
        }
    }
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
    Ok(())
}

impl Rules {
    fn model(&self) -> &'static str {
        match self {
            Self::ByteLevel { .. } => "gpt2",
            Self::SentencePiece { .. } => "llama",
        }
    }

    fn pre(&self) -> &'static str {
        match self {
            Self::ByteLevel { pre, .. } => pre,
            Self::SentencePiece { .. } => "default",
        }
    }
}

impl Vocabulary {
    /// Reads a `tokenizer.json` of a model with `rows` embeddings.
    fn read(described: &Value, rows: usize) -> Result<Self, String> {
        let model = &described["model"];
        let is_byte_level = described["pre_tokenizer"]
            .to_string()
            .contains("\"ByteLevel\"");
        let is_sentence_piece = !is_byte_level && model["byte_fallback"] == true;
        if model["type"] != "BPE" || !(is_byte_level || is_sentence_piece) {
            let kind = model["type"].as_str().unwrap_or("unknown");
            return Err(format!(
                "a tokenizer of kind {kind} that is neither byte-level BPE nor BPE with byte tokens"
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
            let is_byte = is_sentence_piece && is_byte_token(token);
            put(id.as_u64(), token, if is_byte { BYTE } else { NORMAL })?;
        }
        for added in described["added_tokens"].as_array().into_iter().flatten() {
            let token = added["content"].as_str().unwrap_or_default();
            let is_control = added["special"] == true || looks_like_control(token);
            let kind = match is_control {
                _ if is_sentence_piece && model["unk_token"] == token => UNKNOWN,
                true => CONTROL,
                false => USER_DEFINED,
            };
            put(added["id"].as_u64(), token, kind)?;
        }
        let unused = |id: usize| (format!("[PAD{id}]"), UNUSED);
        let tokens = tokens.into_iter().enumerate();
        let (tokens, types): (Vec<String>, Vec<i32>) = tokens
            .map(|(id, token)| token.unwrap_or_else(|| unused(id)))
            .unzip();
        let merges = model["merges"].as_array().into_iter().flatten();
        let pairs = merges.map(|merge| pair_of(merge).ok_or(merge));
        let rules = if is_byte_level {
            let merges = pairs.map(|pair| match pair {
                Ok((left, right)) if !left.contains(' ') && !right.contains(' ') => {
                    Ok(format!("{left} {right}"))
                }
                Ok((left, right)) => Err(format!("merge {left:?} {right:?} contains a space")),
                Err(merge) => Err(format!("merge {merge} is not a pair of tokens")),
            });
            Rules::ByteLevel {
                merges: merges.collect::<Result<_, _>>()?,
                pre: pre_tokenizer_of(described)?,
            }
        } else {
            // The token of the first merge has the best score; characters that no merge gives have the worst.
            let mut ranks = HashMap::new();
            for pair in pairs {
                let (left, right) = pair.map_err(|merge| format!("merge {merge} is no pair"))?;
                let next = ranks.len();
                ranks.entry(format!("{left}{right}")).or_insert(next);
            }
            let last = ranks.len();
            let rank = |token: &String| ranks.get(token).copied().unwrap_or(last);
            Rules::SentencePiece {
                scores: tokens.iter().map(|token| -(rank(token) as f32)).collect(),
                prefix: true,
            }
        };
        Ok(Self {
            tokens,
            types,
            rules,
        })
    }

    /// The metadata from which the reader builds the tokenizer.
    fn metadata(&self, begin: Option<u32>) -> BTreeMap<String, MetadataValue> {
        let types = self.types.iter().map(|&kind| i64::from(kind)).collect();
        let mut metadata = metadata_of(
            &self.rules,
            MetadataValue::Strings(self.tokens.clone()),
            MetadataValue::Integers(types),
        );
        let mut put = |key: &str, value| {
            metadata.insert(format!("tokenizer.ggml.{key}"), value);
        };
        put("add_bos_token", MetadataValue::Bool(begin.is_some()));
        if let Some(id) = begin {
            put("bos_token_id", MetadataValue::Integer(i128::from(id)));
        }
        metadata
    }

    /// Checks that the written metadata describe the same tokenizer; a space before a text is switched off if that is the
    /// only difference.
    fn check(
        &mut self,
        tokenizer: &Tokenizer,
        path: &Path,
        begin: Option<u32>,
    ) -> Result<(), String> {
        let first = same_tokens(tokenizer, path, &self.metadata(begin));
        let Rules::SentencePiece { prefix, .. } = &mut self.rules else {
            return first;
        };
        let Err(reason) = first else {
            return Ok(());
        };
        *prefix = false;
        same_tokens(tokenizer, path, &self.metadata(begin)).map_err(|_| reason)
    }
}

/// Whether a token represents a byte: `<0x0A>`.
fn is_byte_token(token: &str) -> bool {
    let digits = token
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

/// Reads a merge: two texts, or one with a space between them.
fn pair_of(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(merge) => merge.split_once(' '),
        pair => Some((pair[0].as_str()?, pair[1].as_str()?)),
    }
}

/// Whether a token that is not special is written as markup, as the converter does: `<|name|>`.
fn looks_like_control(token: &str) -> bool {
    [("<|", "|>"), ("<｜", "｜>")]
        .iter()
        .any(|(start, end)| token.starts_with(start) && token.ends_with(end))
}

fn metadata_of(
    rules: &Rules,
    tokens: MetadataValue,
    types: MetadataValue,
) -> BTreeMap<String, MetadataValue> {
    let text = |text: &str| MetadataValue::String(text.to_owned());
    let mut pairs = vec![
        ("model", text(rules.model())),
        ("pre", text(rules.pre())),
        ("tokens", tokens),
        ("token_type", types),
    ];
    match rules {
        Rules::ByteLevel { merges, .. } => {
            pairs.push(("merges", MetadataValue::Strings(merges.clone())));
        }
        Rules::SentencePiece { scores, prefix } => {
            let scores = scores.iter().copied().map(f64::from).collect();
            pairs.push(("scores", MetadataValue::Floats(scores)));
            pairs.push(("add_space_prefix", MetadataValue::Bool(*prefix)));
        }
    }
    let pairs = pairs.into_iter();
    pairs
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
    let is_it = |pre: &&'static str| {
        let rules = Rules::ByteLevel {
            merges: Vec::new(),
            pre,
        };
        let tokens = MetadataValue::Strings(vec!["a".to_owned()]);
        let pairs = metadata_of(&rules, tokens, MetadataValue::Integers(vec![1]));
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

/// Checks that metadata describe the same tokenizer.
fn same_tokens(
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
