//! A model's tokenizer and chat template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::folder::{MAX_CONFIG_BYTES, read, read_json};
use super::{Source, Weights, WeightsError};
use crate::chat::ChatTemplate;
use crate::gguf::GgufFile;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Upper bound of a plausible tokenizer; they reach 35 MB.
const MAX_TOKENIZER_BYTES: u64 = 256 << 20;
/// Names of special tokens in templates.
const SPECIAL_TOKENS: [&str; 4] = ["bos_token", "eos_token", "unk_token", "pad_token"];

impl Weights {
    /// Builds the tokenizer from `tokenizer.json` or the metadata.
    pub fn tokenizer(&self) -> Result<Tokenizer, WeightsError> {
        let eos = &self.config.eos_token_ids;
        let (path, tokenizer) = match &self.source {
            Source::Gguf(file) => (
                self.path.clone(),
                Tokenizer::from_gguf(file.metadata(), eos),
            ),
            Source::Folder(_) => {
                let path = self.path.join("tokenizer.json");
                if !path.exists() && self.path.join("tokenizer.model").is_file() {
                    let source = TokenizerError::SentencePieceAlone;
                    return Err(WeightsError::Tokenizer { path, source });
                }
                let json = read(&path, MAX_TOKENIZER_BYTES)?;
                let config = read_json(&self.path.join("tokenizer_config.json"))?;
                (path, Tokenizer::from_files(&json, config.as_ref(), eos))
            }
            Source::Synthetic(_) => {
                let path = self.path.clone();
                return Err(WeightsError::NoTokenizer { path });
            }
        };
        tokenizer.map_err(|source| WeightsError::Tokenizer { path, source })
    }

    /// Compiles the chat template, if the model has one.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>, WeightsError> {
        let (path, template, special_tokens) = self.template()?;
        template
            .map(|template| ChatTemplate::new(&template, special_tokens))
            .transpose()
            .map_err(|source| WeightsError::Chat { path, source })
    }

    /// Compiles another chat template for the model, with the model's special tokens.
    pub fn other_chat_template(&self, source: &str) -> Result<ChatTemplate, WeightsError> {
        let (path, _, special_tokens) = self.template()?;
        ChatTemplate::new(source, special_tokens)
            .map_err(|source| WeightsError::Chat { path, source })
    }

    /// Returns the text of the chat template, and the special tokens by name.
    pub(crate) fn template_text(
        &self,
    ) -> Result<(Option<String>, BTreeMap<String, String>), WeightsError> {
        let (_, template, special_tokens) = self.template()?;
        Ok((template, special_tokens))
    }

    /// Reads the chat template's file, its text, and the special tokens by name.
    fn template(&self) -> Result<Template, WeightsError> {
        match &self.source {
            Source::Gguf(file) => {
                let template = file.metadata().string("tokenizer.chat_template")?;
                let special_tokens = gguf_special_tokens(file)?;
                Ok((
                    self.path.clone(),
                    template.map(str::to_owned),
                    special_tokens,
                ))
            }
            Source::Folder(_) => folder_template(&self.path),
            Source::Synthetic(_) => Ok((self.path.clone(), None, BTreeMap::new())),
        }
    }
}

/// A template's file, its text, and the special tokens by name.
type Template = (PathBuf, Option<String>, BTreeMap<String, String>);

/// Reads the template of a folder: `chat_template.jinja`, or the one in `tokenizer_config.json`.
fn folder_template(folder: &Path) -> Result<Template, WeightsError> {
    let config_path = folder.join("tokenizer_config.json");
    let config = read_json(&config_path)?.unwrap_or(Value::Null);
    let special_tokens = SPECIAL_TOKENS
        .iter()
        .filter_map(|&name| {
            // A string, or the description of an added token.
            let token = &config[name];
            let text = token.as_str().or_else(|| token["content"].as_str())?;
            Some((name.to_owned(), text.to_owned()))
        })
        .collect();
    let jinja_path = folder.join("chat_template.jinja");
    if jinja_path.is_file() {
        let text = String::from_utf8_lossy(&read(&jinja_path, MAX_CONFIG_BYTES)?).into_owned();
        return Ok((jinja_path, Some(text), special_tokens));
    }
    let template = match &config["chat_template"] {
        // Several named templates: the default is the one for plain conversations.
        Value::Array(templates) => templates
            .iter()
            .find(|template| template["name"] == "default")
            .and_then(|template| template["template"].as_str()),
        template => template.as_str(),
    };
    Ok((config_path, template.map(str::to_owned), special_tokens))
}

/// Returns the special tokens that a GGUF file defines by id.
fn gguf_special_tokens(file: &GgufFile) -> Result<BTreeMap<String, String>, WeightsError> {
    let metadata = file.metadata();
    let tokens = metadata.strings("tokenizer.ggml.tokens")?.unwrap_or(&[]);
    let keys = ["bos", "eos", "unknown", "padding"];
    let mut special_tokens = BTreeMap::new();
    for (name, key) in SPECIAL_TOKENS.iter().zip(keys) {
        let id = metadata.unsigned::<usize>(&format!("tokenizer.ggml.{key}_token_id"))?;
        if let Some(text) = id.and_then(|id| tokens.get(id)) {
            special_tokens.insert((*name).to_owned(), text.clone());
        }
    }
    Ok(special_tokens)
}
