//! `SentencePiece` vocabularies in GGUF files: tokens with scores instead of merges.
//!
//! Two neighbours are merged if the result is a token, the highest score first. The same order follows from a BPE whose
//! merges are all splits of each token into two others, sorted by the token's score, so the tokenizer can be written as
//! `tokenizer.json`. Characters without a token become byte tokens. As in llama.cpp, a space is put before the text and
//! after each special token unless `add_space_prefix` is false, and `remove_extra_whitespaces` has no effect.
//!
//! # Source
//! `llm_tokenizer_spm_session` in `src/llama-vocab.cpp` of <https://github.com/ggml-org/llama.cpp>.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as DecoderSequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::{Prepend, Replace, Sequence};
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, Tokenizer as HubTokenizer};

use super::template::{self, TemplateDefaults};
use super::token_list::{TokenKind, TokenList};
use super::{Metadata, VocabularyError, corrupt};

/// The character that represents a space.
const MARK: &str = "\u{2581}";
/// Ids of the special tokens of a file that does not name them.
const DEFAULT_BEGIN: usize = 1;
const DEFAULT_END: usize = 2;
/// Maximum number of bytes that are hashed to find the splits of all tokens; Gemma 3 needs a tenth.
const MAX_HASHED_BYTES: usize = 1 << 28;
/// Maximum size of all merges together, in bytes; Gemma 3 needs a tenth.
const MAX_MERGE_BYTES: usize = 1 << 26;
/// Special tokens of Phi-3 that do not absorb the white space after them.
const PHI3_KEEPS_SPACE: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// Builds the tokenizer described by `metadata`.
///
/// # Errors
/// Keys are missing or of another type, or scores, types and tokens do not fit together.
pub(super) fn tokenizer_of(metadata: Metadata<'_>) -> Result<HubTokenizer, VocabularyError> {
    let tokens = TokenList::read(metadata)?;
    let scores = scores(metadata, &tokens)?;
    let unknown = unknown_token(metadata, &tokens)?;
    let mut builder = BPE::builder()
        .vocab_and_merges(tokens.vocabulary()?, merges(&tokens, &scores)?)
        .byte_fallback(true)
        .fuse_unk(true);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown.to_owned());
    }
    let bpe = builder
        .build()
        .map_err(|error| corrupt(format!("merges: {error}")))?;
    let mut tokenizer = HubTokenizer::new(bpe);

    let prefix = metadata.boolean("tokenizer.ggml.add_space_prefix")?;
    let has_prefix = prefix.unwrap_or(true);
    let replace =
        |from: &str, to: &str| Replace::new(from, to).map_err(|error| corrupt(error.to_string()));
    let mut normalizers = Vec::new();
    let mut decoders = vec![
        DecoderWrapper::Replace(replace(MARK, " ")?),
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ];
    if has_prefix {
        normalizers.push(NormalizerWrapper::Prepend(Prepend::new(MARK.to_owned())));
        decoders.push(DecoderWrapper::Strip(Strip::new(' ', 1, 0)));
    }
    normalizers.push(NormalizerWrapper::Replace(replace(" ", MARK)?));
    tokenizer.with_normalizer(Some(Sequence::new(normalizers)));
    tokenizer.with_decoder(Some(DecoderSequence::new(decoders)));
    tokenizer.add_tokens(&added_tokens(metadata, &tokens)?);
    let defaults = TemplateDefaults {
        adds_begin: true,
        begin: Some(DEFAULT_BEGIN),
        end: Some(DEFAULT_END),
    };
    tokenizer.with_post_processor(template::of(metadata, &tokens, &defaults)?);
    Ok(tokenizer)
}

/// Returns one score per token.
fn scores(metadata: Metadata<'_>, tokens: &TokenList) -> Result<Vec<f64>, VocabularyError> {
    let key = "tokenizer.ggml.scores";
    let scores = metadata.require(key, metadata.numbers(key)?)?;
    let (n_tokens, n_scores) = (tokens.tokens.len(), scores.len());
    if n_tokens != n_scores {
        return Err(corrupt(format!("{n_tokens} tokens and {n_scores} scores")));
    }
    if let Some(id) = scores.iter().position(|score| score.is_nan()) {
        return Err(corrupt(format!("the score of token {id} is not a number")));
    }
    // Negative zero equals zero.
    Ok(scores.iter().map(|score| score + 0.0).collect())
}

/// Returns the token for text that the vocabulary cannot spell.
///
/// # Errors
/// There is neither such a token nor one for each byte.
fn unknown_token<'a>(
    metadata: Metadata<'_>,
    tokens: &TokenList<'a>,
) -> Result<Option<&'a str>, VocabularyError> {
    let key = "tokenizer.ggml.unknown_token_id";
    let id = metadata.unsigned::<usize>(key)?;
    let is_usable = |(_, token, kind): &(u32, &str, TokenKind)| match id {
        Some(_) => !matches!(kind, TokenKind::Unused | TokenKind::Byte) && !token.is_empty(),
        None => *kind == TokenKind::Unknown && !token.is_empty(),
    };
    let found = match id {
        Some(id) => tokens.iter().nth(id).filter(is_usable),
        None => tokens.iter().find(is_usable),
    };
    if let Some((_, token, _)) = found {
        return Ok(Some(token));
    }
    let spelled: HashSet<&str> = tokens.iter().map(|(_, token, _)| token).collect();
    let missing = (0..=u8::MAX).find(|byte| !spelled.contains(format!("<0x{byte:02X}>").as_str()));
    match missing {
        Some(byte) => Err(corrupt(format!(
            "there is no token <0x{byte:02X}> for the byte {byte}, and none for unknown text (`{key}`)"
        ))),
        None => Ok(None),
    }
}

/// Returns the special and user-defined tokens.
fn added_tokens(
    metadata: Metadata<'_>,
    tokens: &TokenList,
) -> Result<Vec<AddedToken>, VocabularyError> {
    let mut added = tokens.added()?;
    // As llama.cpp, which has no key for it either.
    let name = metadata
        .string("general.name")?
        .unwrap_or("")
        .to_lowercase();
    if name.contains("phi-3") || name.contains("phi3") {
        for token in &mut added {
            token.rstrip = !PHI3_KEEPS_SPACE.contains(&token.content.as_str());
        }
    }
    Ok(added)
}

/// Returns all splits of the tokens into two others, the best first.
///
/// Tokens of the same score are in the order of their ids, where llama.cpp takes the leftmost in the text; of one
/// token's splits, the one with the longest first half is the first.
fn merges(tokens: &TokenList, scores: &[f64]) -> Result<Merges, VocabularyError> {
    let is_composed = |kind| matches!(kind, TokenKind::Normal | TokenKind::UserDefined);
    let composed: Vec<(u32, &str)> = tokens
        .iter()
        .filter(|(_, _, kind)| is_composed(*kind))
        .map(|(id, token, _)| (id, token))
        .collect();
    let hashed: usize = composed
        .iter()
        .map(|(_, token)| token.len().saturating_mul(token.len()))
        .fold(0, usize::saturating_add);
    let too_long = || corrupt("the tokens are too long".to_owned());
    if hashed > MAX_HASHED_BYTES {
        return Err(too_long());
    }
    let ids: HashMap<&str, u32> = composed.iter().map(|(id, token)| (*token, *id)).collect();
    let mut splits = Vec::new();
    let mut merge_bytes = 0;
    for &(id, token) in &composed {
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if ids.contains_key(left) && ids.contains_key(right) {
                merge_bytes += token.len();
                if merge_bytes > MAX_MERGE_BYTES {
                    return Err(too_long());
                }
                splits.push((id, at, left, right));
            }
        }
    }
    splits.sort_by(|(a_id, a_at, ..), (b_id, b_at, ..)| {
        let score = |id: u32| scores[id as usize];
        score(*b_id)
            .total_cmp(&score(*a_id))
            .then_with(|| (a_id, Reverse(a_at)).cmp(&(b_id, Reverse(b_at))))
    });
    let merge = |(_, _, left, right): (u32, usize, &str, &str)| (left.to_owned(), right.to_owned());
    Ok(splits.into_iter().map(merge).collect())
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{Fixture, opened};
    use super::*;

    const TOKENS: [&str; 8] = [
        "<unk>",
        "<s>",
        "</s>",
        "\u{2581}",
        "a",
        "b",
        "ab",
        "\u{2581}a",
    ];
    const TYPES: [i32; 8] = [2, 3, 3, 1, 1, 1, 1, 1];
    const SCORES: [f32; 8] = [0.0, 0.0, 0.0, -2.0, -3.0, -4.0, 0.0, -1.0];

    fn floats(values: &[f32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    fn of(tokens: &[&str], types: &[i32], scores: &[f32]) -> Fixture {
        Fixture::new()
            .string("tokenizer.ggml.model", "llama")
            .strings("tokenizer.ggml.tokens", tokens)
            .integers("tokenizer.ggml.token_type", types)
            .array(
                "tokenizer.ggml.scores",
                6,
                scores.len() as u64,
                &floats(scores),
            )
    }

    fn built(fixture: &Fixture) -> Result<HubTokenizer, VocabularyError> {
        let (_folder, file) = opened(&fixture.bytes()).expect("a valid file");
        tokenizer_of(file.metadata())
    }

    fn refusal(fixture: &Fixture) -> String {
        let built = built(fixture).map(|_| ());
        built.expect_err("must be refused").to_string()
    }

    fn ids(tokenizer: &HubTokenizer, text: &str) -> Vec<u32> {
        let encoding = tokenizer.encode(text, true).expect("encodes");
        encoding.get_ids().to_vec()
    }

    #[test]
    fn neighbours_with_the_best_score_are_merged_first() {
        let tokenizer = built(&of(&TOKENS, &TYPES, &SCORES)).expect("valid");
        assert_eq!(ids(&tokenizer, "ab"), [1, 3, 6]);
        let mut scores = SCORES;
        scores[6] = -9.0;
        let tokenizer = built(&of(&TOKENS, &TYPES, &scores)).expect("valid");
        assert_eq!(ids(&tokenizer, "ab"), [1, 7, 5]);
        // As whole numbers, which llama.cpp reads too.
        let whole = [0, 0, 0, -2, -3, -4, -9, -1];
        let fixture = Fixture::new()
            .string("tokenizer.ggml.model", "llama")
            .strings("tokenizer.ggml.tokens", &TOKENS)
            .integers("tokenizer.ggml.token_type", &TYPES)
            .integers("tokenizer.ggml.scores", &whole);
        assert_eq!(ids(&built(&fixture).expect("valid"), "ab"), [1, 7, 5]);
    }

    #[test]
    fn text_that_the_vocabulary_cannot_spell_is_the_unknown_token() {
        let tokenizer = built(&of(&TOKENS, &TYPES, &SCORES)).expect("valid");
        assert_eq!(ids(&tokenizer, "axyb"), [1, 7, 0, 5]);
    }

    #[test]
    fn vocabularies_that_do_not_fit_together_are_corrupt() {
        let changed = |change: fn(&mut Vec<&str>, &mut Vec<i32>, &mut Vec<f32>)| {
            let (mut tokens, mut types, mut scores) =
                (TOKENS.to_vec(), TYPES.to_vec(), SCORES.to_vec());
            change(&mut tokens, &mut types, &mut scores);
            of(&tokens, &types, &scores)
        };
        for (fixture, expected) in [
            (
                changed(|_, _, scores| scores.truncate(7)),
                "8 tokens and 7 scores",
            ),
            (
                changed(|_, _, scores| scores.push(0.0)),
                "8 tokens and 9 scores",
            ),
            (
                changed(|_, types, _| types.truncate(7)),
                "8 tokens and 7 token types",
            ),
            (
                changed(|_, _, scores| scores[4] = f32::NAN),
                "score of token 4 is not a number",
            ),
            (
                changed(|tokens, _, _| tokens[5] = "a"),
                "token \"a\" occurs twice, as 4 and 5",
            ),
            (
                changed(|_, types, _| types[4] = 9),
                "token \"a\" is of type 9",
            ),
            (
                changed(|_, types, _| types[0] = 5),
                "no token <0x00> for the byte 0",
            ),
            (
                changed(|_, types, _| types[0] = 1),
                "none for unknown text (`tokenizer.ggml.unknown_token_id`)",
            ),
            (
                changed(|tokens, _, _| tokens[0] = ""),
                "no token <0x00> for the byte 0",
            ),
            (
                changed(|_, _, _| ()).integer("tokenizer.ggml.bos_token_id", 8),
                "`tokenizer.ggml.bos_token_id` is 8, but there are 8 tokens",
            ),
            (
                Fixture::new()
                    .string("tokenizer.ggml.model", "llama")
                    .strings("tokenizer.ggml.tokens", &TOKENS),
                "`tokenizer.ggml.scores` is missing",
            ),
            (
                Fixture::new()
                    .string("tokenizer.ggml.model", "llama")
                    .strings("tokenizer.ggml.tokens", &["a"])
                    .strings("tokenizer.ggml.scores", &["0"]),
                "an array of numbers",
            ),
        ] {
            let message = refusal(&fixture);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn begin_and_end_ids_that_the_file_does_not_name_are_those_of_llama() {
        // Without a token of the default id, no begin token is put.
        let tokenizer = built(&of(&["<unk>"], &[2], &[0.0])).expect("valid");
        assert_eq!(ids(&tokenizer, "a"), [0]);
        let asks = of(&TOKENS, &TYPES, &SCORES).raw_pair("tokenizer.ggml.add_eos_token", 7, &[1]);
        assert_eq!(ids(&built(&asks).expect("valid"), "ab"), [1, 3, 6, 2]);
    }

    /// Vocabularies whose splits would take hours to find or gigabytes to keep.
    #[test]
    fn endless_tokens_are_refused_before_all_their_splits_are_found() {
        let long: Vec<String> = (0..4)
            .map(|n| format!("{n}{}", "a".repeat(1 << 15)))
            .collect();
        let mut tokens: Vec<&str> = long.iter().map(String::as_str).collect();
        tokens.push("<unk>");
        let fixture = of(&tokens, &[1, 1, 1, 1, 2], &[0.0; 5]);
        assert!(refusal(&fixture).contains("the tokens are too long"));

        let runs: Vec<String> = (1..800).map(|n| "a".repeat(n)).collect();
        let mut tokens: Vec<&str> = runs.iter().map(String::as_str).collect();
        tokens.push("<unk>");
        let mut types = vec![1; runs.len()];
        types.push(2);
        let fixture = of(&tokens, &types, &vec![0.0; tokens.len()]);
        assert!(refusal(&fixture).contains("the tokens are too long"));
    }

    #[test]
    fn a_special_token_is_not_composed_of_text() {
        let tokens = [
            "<unk>", "<s>", "</s>", "\u{2581}", "<", "s", ">", "<s", "s>",
        ];
        let types = [2, 3, 3, 1, 1, 1, 1, 1, 1];
        let tokenizer = built(&of(&tokens, &types, &[0.0; 9])).expect("valid");
        let mut text = tokenizer.clone();
        text.set_encode_special_tokens(true);
        assert_eq!(ids(&tokenizer, "<s>"), [1, 1]);
        assert_eq!(ids(&text, "<s>"), [1, 3, 7, 6]);
    }
}
