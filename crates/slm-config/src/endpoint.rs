//! A server that answers in place of the built-in model: `evaluate.endpoint`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An OpenAI-compatible server, such as vLLM, llama.cpp or Ollama.
///
/// The base model's tokenizer and chat template still come from `model.name_or_path`, so that the server gets the same
/// prompts as the built-in model; its weights are not needed here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoint {
    /// Address up to `/v1`, such as `http://127.0.0.1:8000/v1`; without user, password and query. Required.
    pub url: String,
    /// What the server calls the base model. Default: `model.hub_name`, else `model.name_or_path`.
    pub model: Option<String>,
    /// What the server calls each adapter, by the adapter's name in the report or its folder as it is given. Default:
    /// none.
    pub adapters: BTreeMap<String, String>,
    /// The route that is asked. Default `completions`.
    pub api: Api,
    /// Requests under way at once. Default 16; 1 to 1024.
    pub concurrency: usize,
    /// Seconds until a request is given up and made again. Default 600; above 0, at most 86400.
    pub timeout_s: f64,
    /// How often a request that failed is made again. Default 8; 0 to 100.
    pub max_retries: usize,
    /// Name of the environment variable that holds the server's key, in capitals. Default: no key is sent.
    pub api_key_env: Option<String>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: None,
            adapters: BTreeMap::new(),
            api: Api::Completions,
            concurrency: 16,
            timeout_s: 600.0,
            max_retries: 8,
            api_key_env: None,
        }
    }
}

impl Endpoint {
    /// The address that all routes begin with: with `/v1` and without a slash at its end.
    pub fn base_url(&self) -> String {
        let url = self.url.trim_end_matches('/');
        if url.ends_with("/v1") {
            url.to_owned()
        } else {
            format!("{url}/v1")
        }
    }
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `/v1/completions`: prompts are rendered here, token for token those of the built-in model.
    Completions,
    /// `/v1/chat/completions`: the server renders the conversation; no tokenizer is needed here.
    Chat,
}

impl Api {
    /// As a recipe writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::Chat => "chat",
        }
    }
}
