//! The OpenAI-compatible server of `evaluate.endpoint`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section, words};

/// What `url` may be.
pub(crate) const URL_FORM: &str =
    "http://HOST:PORT/v1 or https://..., without user, password and query";
/// What `api_key_env` may be.
pub(crate) const KEY_FORM: &str =
    "the name of an environment variable in capitals, never the key itself";

section! {
/// An OpenAI-compatible server, such as vLLM, llama.cpp or Ollama, that generates instead of the built-in model.
///
/// The base model's tokenizer and chat template still come from `model.name_or_path`, so that the server receives the same
/// prompts as the built-in model; its weights are not needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address up to `/v1`, without user, password and query.
    url: String = String::new() => Kind::Text(URL_FORM);
    /// The server's name of the base model.
    model: Option<String> = None => Kind::Text("the server's name of the base model"),
        absent "`model.hub_name`, else `model.name_or_path`";
    /// The server's name of each adapter: keys are the adapter's name in the report, or its folder as given.
    adapters: BTreeMap<String, String> = BTreeMap::new() => Kind::Map {
        to: &Kind::Text("ADAPTER: NAME, the server's name"), each: "adapter", keys: None,
    };
    /// API that is called.
    api: Api = Api::Completions => Kind::Word(Api::words);
    /// Requests in flight at once.
    concurrency: usize = 16 => Kind::Int(1, 1024), aliases ["max_connections"];
    /// Seconds after which a request is abandoned and repeated.
    timeout_s: f64 = 600.0 => Kind::above(0.0, 86_400.0);
    /// Most repetitions of a failed request.
    max_retries: usize = 8 => Kind::Int(0, 100);
    /// Name of the environment variable that holds the server's API key, in capitals.
    api_key_env: Option<String> = None =>
        Kind::Text(KEY_FORM), absent "no key is sent";
}
}

impl Endpoint {
    /// The prefix of all routes: `url` with `/v1` and without a trailing slash.
    pub fn base_url(&self) -> String {
        let url = self.url.trim_end_matches('/');
        if url.ends_with("/v1") {
            url.to_owned()
        } else {
            format!("{url}/v1")
        }
    }
}

words! {
/// The API of a server.
pub enum Api {
    /// `/v1/completions`: prompts are rendered here, token for token those of the built-in model.
    Completions = "completions",
    /// `/v1/chat/completions`: the server renders the conversation; no tokenizer is needed here.
    Chat = "chat",
}
}
