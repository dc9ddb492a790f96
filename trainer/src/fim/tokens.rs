//! The tokens of fill-in-the-middle of a tokenizer.

use slm_cli::UserMistake;
use slm_config::FimTokenNames;
use slm_model::Tokenizer;

/// The tokens of a family of models.
struct Family {
    /// Models that use them, for messages.
    models: &'static str,
    /// The token before the prefix.
    prefix: &'static str,
    /// The token before the suffix.
    suffix: &'static str,
    /// The token before the middle.
    middle: &'static str,
    /// Tokens that end a middle; without any of them in the tokenizer, the token that ends a text.
    ends: &'static [&'static str],
}

/// In the order in which they are looked for.
///
/// # Source
/// The model cards and papers of Qwen2.5-Coder (arXiv:2409.12186), `StarCoder` (arXiv:2305.06161), DeepSeek-Coder
/// (arXiv:2401.14196), Code Llama (arXiv:2308.12950), `CodeGemma` (arXiv:2406.11409), `SantaCoder` (arXiv:2301.03988) and
/// Seed-Coder (arXiv:2506.03524).
const FAMILIES: [Family; 6] = [
    Family {
        models: "Qwen2.5-Coder, CodeGemma, Granite 4",
        prefix: "<|fim_prefix|>",
        suffix: "<|fim_suffix|>",
        middle: "<|fim_middle|>",
        ends: &["<|file_separator|>"],
    },
    Family {
        models: "StarCoder, Granite 3, Mellum",
        prefix: "<fim_prefix>",
        suffix: "<fim_suffix>",
        middle: "<fim_middle>",
        ends: &[],
    },
    Family {
        models: "SantaCoder",
        prefix: "<fim-prefix>",
        suffix: "<fim-suffix>",
        middle: "<fim-middle>",
        ends: &[],
    },
    Family {
        models: "DeepSeek-Coder",
        prefix: "<｜fim▁begin｜>",
        suffix: "<｜fim▁hole｜>",
        middle: "<｜fim▁end｜>",
        ends: &["<｜end▁of▁sentence｜>"],
    },
    Family {
        models: "Code Llama",
        prefix: "▁<PRE>",
        suffix: "▁<SUF>",
        middle: "▁<MID>",
        ends: &["▁<EOT>"],
    },
    Family {
        models: "Seed-Coder",
        prefix: "<[fim-prefix]>",
        suffix: "<[fim-suffix]>",
        middle: "<[fim-middle]>",
        ends: &[],
    },
];

/// Tokens that code models generate after a middle in place of its end: padding, or the start of the next file.
const AFTER_A_MIDDLE: [&str; 9] = [
    "<|fim_pad|>",
    "<fim_pad>",
    "<fim-pad>",
    "<[fim-pad]>",
    "<|file_sep|>",
    "<|file_separator|>",
    "<file_sep>",
    "<|repo_name|>",
    "<filename>",
];

/// The tokens of fill-in-the-middle of a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FimTokens {
    /// The token before the prefix.
    pub(crate) prefix: u32,
    /// The token before the suffix.
    pub(crate) suffix: u32,
    /// The token before the middle.
    pub(crate) middle: u32,
    /// The token that ends the middle.
    pub(crate) end: u32,
    /// All tokens that end a completion.
    stops: Vec<u32>,
    /// The spellings of the tokens before prefix, suffix and middle.
    names: [String; 3],
}

impl FimTokens {
    /// Returns the tokens that a recipe names, or else those of a known family in the tokenizer.
    ///
    /// # Errors
    /// The tokenizer lacks one of them, two are the same, or no token can end a middle. `place` begins the message.
    pub(crate) fn of(
        tokenizer: &Tokenizer,
        given: Option<&FimTokenNames>,
        place: &str,
    ) -> Result<Self, UserMistake> {
        match given {
            Some(names) => Self::named(tokenizer, names, place),
            None => Self::known(tokenizer, place),
        }
    }

    /// Returns the tokens of the first family whose three are in the tokenizer.
    fn known(tokenizer: &Tokenizer, place: &str) -> Result<Self, UserMistake> {
        for family in &FAMILIES {
            let names = [family.prefix, family.suffix, family.middle];
            let [Some(prefix), Some(suffix), Some(middle)] =
                names.map(|name| tokenizer.token_to_id(name))
            else {
                continue;
            };
            let mut ends = family.ends.iter();
            let end = ends.find_map(|name| tokenizer.token_to_id(name));
            return Self::new(tokenizer, [prefix, suffix, middle], end, names, place);
        }
        let lines = FAMILIES.iter().map(|family| {
            let names = [family.prefix, family.suffix, family.middle];
            let found: Vec<&str> = names
                .into_iter()
                .filter(|name| tokenizer.token_to_id(name).is_some())
                .collect();
            let found = match &found[..] {
                [] => String::new(),
                found => format!(": only {} found", found.join(", ")),
            };
            format!("\n  {} ({}){found}", names.join(" "), family.models)
        });
        Err(UserMistake(format!(
            "{place}: the model's tokenizer has no tokens for fill-in-the-middle; looked for{}\n\
             hint: choose a code model that was trained for it, or name its tokens: `fim_tokens: {{prefix: ..., \
             suffix: ..., middle: ...}}`",
            lines.collect::<String>()
        )))
    }

    fn named(
        tokenizer: &Tokenizer,
        names: &FimTokenNames,
        place: &str,
    ) -> Result<Self, UserMistake> {
        let FimTokenNames {
            prefix,
            suffix,
            middle,
            end,
        } = names;
        let id = |key: &str, name: &str| {
            tokenizer.token_to_id(name).ok_or_else(|| {
                UserMistake(format!(
                    "{place}: `fim_tokens.{key}` is {name:?}, which is no token of the model\n\
                     hint: `added_tokens` in the model's tokenizer.json lists its special tokens"
                ))
            })
        };
        let ids = [
            id("prefix", prefix)?,
            id("suffix", suffix)?,
            id("middle", middle)?,
        ];
        if ids[0] == ids[1] || ids[1] == ids[2] || ids[0] == ids[2] {
            return Err(UserMistake(format!(
                "{place}: `fim_tokens` names one token twice: prefix {prefix}, suffix {suffix}, middle {middle}\n\
                 hint: the three parts need three tokens"
            )));
        }
        let end = end.as_ref().map(|name| id("end", name)).transpose()?;
        Self::new(tokenizer, ids, end, [prefix, suffix, middle], place)
    }

    fn new(
        tokenizer: &Tokenizer,
        [prefix, suffix, middle]: [u32; 3],
        end: Option<u32>,
        names: [&str; 3],
        place: &str,
    ) -> Result<Self, UserMistake> {
        let end = end.or_else(|| tokenizer.text_end()).ok_or_else(|| {
            UserMistake(format!(
                "{place}: the model has no token that ends a text, so that a completion would not end\n\
                 hint: name it: `fim_tokens: {{prefix: {}, suffix: {}, middle: {}, end: ...}}`",
                names[0], names[1], names[2]
            ))
        })?;
        let mut stops = vec![end, prefix, suffix, middle];
        stops.extend(tokenizer.eos_ids());
        let after = AFTER_A_MIDDLE.iter();
        stops.extend(after.filter_map(|name| tokenizer.token_to_id(name)));
        Ok(Self {
            prefix,
            suffix,
            middle,
            end,
            stops,
            names: names.map(str::to_owned),
        })
    }

    /// Whether a completion ends before this token.
    pub(crate) fn stops_at(&self, id: u32) -> bool {
        self.stops.contains(&id)
    }

    /// Whether a text spells out the tokens of all three parts: it is in the form of fill-in-the-middle already.
    pub(crate) fn are_all_in(&self, text: &str) -> bool {
        self.names.iter().all(|name| text.contains(name))
    }

    /// All tokens that end a completion.
    pub(crate) fn stops(&self) -> &[u32] {
        &self.stops
    }

    /// The spellings of the tokens before prefix, suffix and middle.
    pub(crate) fn names(&self) -> &[String; 3] {
        &self.names
    }

    /// The same as one text.
    pub(crate) fn spelled(&self) -> String {
        self.names.join(" ")
    }
}
