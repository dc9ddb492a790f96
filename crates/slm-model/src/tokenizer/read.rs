//! Reader of untrusted `tokenizer.json` files: any defect is an error that names the key.
//!
//! The library treats some broken files as broken invariants and panics, so the parts that it reads that way are read
//! here first. Remaining panics are caught.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Tokenizer as HubTokenizer,
};

use super::TokenizerError;
use crate::gguf::vocabulary::MAX_ADDED_BYTES;

/// The small parts, which are read twice: everything but the model.
const PARTS: [&str; 5] = [
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
];

/// Reads the tokenizer.
///
/// # Errors
/// The text is not JSON, or the library does not support one of its parts, which the error names.
pub(super) fn tokenizer(json: &[u8]) -> Result<HubTokenizer, TokenizerError> {
    let outline: Outline = serde_json::from_slice(json).map_err(|error| broken(&error))?;
    outline.check()?;
    HubTokenizer::from_bytes(json).map_err(|error| TokenizerError::Json {
        reason: error.to_string(),
    })
}

fn broken(error: &serde_json::Error) -> TokenizerError {
    TokenizerError::Json {
        reason: error.to_string(),
    }
}

/// The kinds of models that the library reads.
const MODELS: [&str; 4] = ["BPE", "Unigram", "WordPiece", "WordLevel"];

/// The kind of a model; old files have none.
#[derive(Deserialize)]
struct ModelOutline {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The small parts of a `tokenizer.json`.
struct Outline(Map<String, Value>);

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OutlineVisitor)
    }
}

struct OutlineVisitor;

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that describes a tokenizer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
        let mut parts = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let named = |error| A::Error::custom(format!("`{key}`: {error}"));
            if PARTS.contains(&key.as_str()) {
                let value = map.next_value::<Value>().map_err(named)?;
                if parts.insert(key.clone(), value).is_some() {
                    return Err(A::Error::custom(format!("`{key}` occurs twice")));
                }
            } else if key == "model" {
                let model: ModelOutline = map.next_value().map_err(named)?;
                if let Some(kind) = model.kind.filter(|kind| !MODELS.contains(&kind.as_str())) {
                    let expected = MODELS.join(", ");
                    let what = format!("`model`: found type `{kind}`, expected one of {expected}");
                    return Err(A::Error::custom(what));
                }
            } else {
                map.next_value::<IgnoredAny>().map_err(named)?;
            }
        }
        Ok(Outline(parts))
    }
}

impl Outline {
    fn check(&self) -> Result<(), TokenizerError> {
        self.read::<Option<NormalizerWrapper>>("normalizer")?;
        self.read::<Option<PreTokenizerWrapper>>("pre_tokenizer")?;
        self.read::<Option<PostProcessorWrapper>>("post_processor")?;
        self.read::<Option<DecoderWrapper>>("decoder")?;
        let tokens = self.0.get("added_tokens").and_then(Value::as_array);
        let contents = tokens
            .into_iter()
            .flatten()
            .filter_map(|token| token["content"].as_str());
        let bytes: usize = contents.map(str::len).sum();
        if bytes > MAX_ADDED_BYTES {
            return Err(TokenizerError::Json {
                reason: format!(
                    "`added_tokens`: found {bytes} bytes of text, expected at most {MAX_ADDED_BYTES}"
                ),
            });
        }
        Ok(())
    }

    /// Reads a part as the library does, to name it in the error if that fails.
    fn read<T: for<'de> Deserialize<'de>>(&self, key: &str) -> Result<(), TokenizerError> {
        let Some(value) = self.0.get(key) else {
            return Ok(());
        };
        T::deserialize(value)
            .map(|_| ())
            .map_err(|error| TokenizerError::Json {
                reason: format!("`{key}`: {error}"),
            })
    }
}

/// Sets whether byte-level steps add a space before each text, as transformers does for `add_prefix_space` in
/// `tokenizer_config.json`.
pub(super) fn set_prefix_space(tokenizer: &mut HubTokenizer, add: bool) {
    fn set(step: &mut PreTokenizerWrapper, add: bool) {
        match step {
            PreTokenizerWrapper::ByteLevel(step) => step.add_prefix_space = add,
            PreTokenizerWrapper::Sequence(steps) => {
                steps.as_mut().iter_mut().for_each(|step| set(step, add));
            }
            _ => {}
        }
    }
    if let Some(mut step) = tokenizer.get_pre_tokenizer().cloned() {
        set(&mut step, add);
        tokenizer.with_pre_tokenizer(Some(step));
    }
}

thread_local! {
    /// Whether a panic on this thread is caught and converted to an error.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `build` and converts a panic to an error without printing it.
///
/// # Errors
/// Those of `build`, or that it panicked.
pub(super) fn guarded<T>(
    build: impl FnOnce() -> Result<T, TokenizerError>,
) -> Result<T, TokenizerError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                report(panic);
            }
        }));
    });
    let was_caught = IS_CAUGHT.replace(true);
    // `build` borrows only for reading.
    let built = catch_unwind(AssertUnwindSafe(build));
    IS_CAUGHT.set(was_caught);
    built.unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(TokenizerError::Unusable {
            reason: words.unwrap_or("the library gives no reason").to_owned(),
        })
    })
}
