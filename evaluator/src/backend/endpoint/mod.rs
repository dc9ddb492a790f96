//! A server that answers in place of the built-in model: vLLM, llama.cpp, Ollama, or any other that speaks OpenAI's
//! HTTP interface.
//!
//! - [`http`] makes one request; [`retry`] says which trouble passes, and waits
//! - [`wire`] is the JSON of requests and answers; [`capabilities`] finds out what this server understands of it
//! - [`enforce_limits`] holds answers to stop strings and limits that a server may ignore; [`chat`] turns whole answers into
//!   the rest of one that was begun
//! - [`serve`] makes the requests of an arm side by side

mod capabilities;
mod chat;
mod enforce_limits;
mod http;
mod retry;
mod serve;
mod wire;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};
use slm_cli::UserMistake;
use slm_config::Api;
use slm_model::{ChatTemplate, Tokenizer};
use slm_report::{EndpointInfo, ServedModel};

use capabilities::Capabilities;
use http::{ApiKey, Http, told};
use retry::{Retrier, Try};
use serve::ServedArm;
use wire::{Prompt, ServerAnswer};

/// What identifies a served model in a server's own list. Times and permissions change with every start.
const IDENTITY: [&str; 6] = ["id", "owned_by", "root", "parent", "max_model_len", "meta"];

/// What prompts are made with here.
pub(crate) struct Texts {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: ChatTemplate,
    /// Most tokens of prompt and answer.
    pub(crate) positions: usize,
}

/// A server that has been asked which models it serves.
pub(crate) struct Endpoint {
    http: Http,
    retrier: Retrier,
    api: Api,
    concurrency: usize,
    /// None where the server renders conversations.
    texts: Option<Texts>,
    /// The base model, then the adapters.
    served: Vec<ServedModel>,
    /// Most tokens of prompt and answer, as far as the server has told by now.
    limit: AtomicUsize,
    capabilities: OnceLock<Capabilities>,
}

/// What became of a request, if not an error.
#[derive(Debug)]
enum Outcome {
    /// An answer, and how often it was asked for again.
    Answered(ServerAnswer, usize),
    /// Prompt and answer do not fit; how many tokens would, if the server says so.
    TooLong(Option<usize>),
    /// The server does not take such a request, in its words.
    Refused(String),
}

impl Endpoint {
    /// Asks the server for its models. `adapters` are the arms' names with what the server calls them.
    ///
    /// # Errors
    /// There is no key where one is named, the server cannot be asked, or does not serve these models.
    pub(crate) fn open(
        settings: &slm_config::Endpoint,
        base_model: &str,
        adapters: &[(String, String)],
        texts: Option<Texts>,
    ) -> Result<Self> {
        let slm_config::Endpoint {
            url: _,
            model,
            adapters: _,
            api,
            concurrency,
            timeout_s,
            max_retries,
            api_key_env,
        } = settings;
        let http = Http::new(
            settings.base_url(),
            ApiKey::from_variable(api_key_env.as_deref())?,
            Duration::from_secs_f64(*timeout_s),
            *concurrency,
        );
        let retrier = Retrier::new(*max_retries);
        let listed = listed_models(&http, &retrier)?;
        let base = model.clone().unwrap_or_else(|| base_model.to_owned());
        let arms = std::iter::once((slm_artifacts::BASE_ARM.to_owned(), base))
            .chain(adapters.iter().cloned());
        let mut served = Vec::new();
        for (arm, name) in arms {
            let told = listed
                .as_ref()
                .map(|listed| find_model(&http, listed, &name))
                .transpose()?;
            served.push(ServedModel {
                arm,
                model: name,
                told,
            });
        }
        let told = served.iter().filter_map(|served| {
            let told = served.told.as_ref()?;
            told["max_model_len"].as_u64()
        });
        let positions = texts.as_ref().map_or(usize::MAX, |texts| texts.positions);
        let limit = told.map(|n| n as usize).chain([positions]).min();
        Ok(Self {
            http,
            retrier,
            api: *api,
            concurrency: *concurrency,
            texts,
            served,
            limit: AtomicUsize::new(limit.unwrap_or(usize::MAX)),
            capabilities: OnceLock::new(),
        })
    }

    /// Who answers, for the run's description.
    pub(crate) fn info(&self) -> EndpointInfo {
        EndpointInfo {
            url: self.http.base().to_owned(),
            api: self.api.name().to_owned(),
            models: self.served.clone(),
            prompts: self
                .capabilities
                .get()
                .map(|capabilities| capabilities.prompts(self.api).to_owned()),
            concurrency: self.concurrency,
        }
    }

    /// The base model, with an adapter by its place or without, as a model that answers.
    pub(crate) fn arm(&self, adapter: Option<usize>) -> ServedArm<'_> {
        ServedArm {
            endpoint: self,
            base: &self.served[0].model,
            adapter: adapter.map(|at| self.served[at + 1].model.as_str()),
        }
    }

    fn error(&self, text: &str) -> anyhow::Error {
        anyhow!("{}: {text}", self.http.base())
    }

    /// What the server understands; asked once.
    fn capabilities(&self) -> Result<Capabilities> {
        if let Some(capabilities) = self.capabilities.get() {
            return Ok(*capabilities);
        }
        let model = &self.served[0].model;
        let found = capabilities::discover(self, model)?;
        slm_cli::note(&format!(
            "asking {model} at {}: prompts as {}, up to {} requests at once",
            self.http.base(),
            found.prompts(self.api),
            self.concurrency
        ));
        Ok(*self.capabilities.get_or_init(|| found))
    }

    /// Asks for one token, until it is answered.
    fn probe(&self, model: &str, prompt: &Prompt, extras: bool) -> Result<Outcome> {
        self.ask(&probe(model, prompt, extras), 1, &AtomicBool::new(false))
    }

    /// The same but once, for what the server may stumble over: none if there is no answer.
    fn probe_once(
        &self,
        model: &str,
        prompt: &Prompt,
        extras: bool,
    ) -> Result<Option<ServerAnswer>> {
        match self.attempt(&probe(model, prompt, extras)) {
            Try::Done(Outcome::Answered(answer, _)) => Ok(Some(answer)),
            Try::Done(_) | Try::Passing { .. } => Ok(None),
            Try::Failed(error) => Err(error),
        }
    }

    /// Makes a request until it is answered.
    fn ask(&self, body: &Value, seed: u64, halt: &AtomicBool) -> Result<Outcome> {
        let (outcome, retries) = self.retrier.run(seed, halt, || self.attempt(body))?;
        Ok(match outcome {
            Outcome::Answered(answer, _) => Outcome::Answered(answer, retries),
            other => other,
        })
    }

    fn attempt(&self, body: &Value) -> Try<Outcome> {
        let base = self.http.base();
        let reply = match self.http.post(wire::route(self.api), body) {
            Ok(reply) => reply,
            Err(lost) => return retry::lost(base, lost),
        };
        match reply.status {
            200..=299 => match wire::read(self.api, &reply.body) {
                Ok(answer) => Try::Done(Outcome::Answered(answer, 0)),
                Err(why) => retry::again(format!("{base}: {why}")),
            },
            status @ (400 | 413 | 422) => {
                let why = told(&reply.body);
                Try::Done(match wire::context_limit(&reply.body) {
                    Some(limit) => Outcome::TooLong(limit),
                    None => Outcome::Refused(format!("HTTP {status}: {why}")),
                })
            }
            _ => retry::classify(base, self.http.has_key(), &reply),
        }
    }
}

/// A request for one token.
fn probe(model: &str, prompt: &Prompt, extras: bool) -> Value {
    wire::body(model, prompt, &capabilities::query(Vec::new()), 1, extras)
}

/// What a server says of its models, by their names; none if it has no list.
fn listed_models(http: &Http, retrier: &Retrier) -> Result<Option<BTreeMap<String, Value>>> {
    let base = http.base();
    let never = AtomicBool::new(false);
    let (listed, _) = retrier.run(0, &never, || {
        let reply = match http.get("/models") {
            Ok(reply) => reply,
            Err(lost) => return retry::lost(base, lost),
        };
        match reply.status {
            200..=299 => Try::Done(models_of(&reply.body)),
            404 | 405 | 501 => Try::Done(None),
            _ => retry::classify(base, http.has_key(), &reply),
        }
    })?;
    Ok(listed)
}

fn models_of(body: &str) -> Option<BTreeMap<String, Value>> {
    let value: Value = serde_json::from_str(body).ok()?;
    let models = value["data"].as_array()?.iter().filter_map(|entry| {
        let name = entry["id"].as_str()?.to_owned();
        let kept: Map<String, Value> = IDENTITY
            .iter()
            .filter_map(|&key| Some((key.to_owned(), entry.get(key)?.clone())))
            .collect();
        Some((name, Value::Object(kept)))
    });
    Some(models.collect())
}

/// A model in the list under its name, which Ollama's lists with a tag.
fn find_model(http: &Http, listed: &BTreeMap<String, Value>, name: &str) -> Result<Value> {
    let found = listed
        .get(name)
        .or_else(|| listed.get(&format!("{name}:latest")));
    found.cloned().ok_or_else(|| {
        let names: Vec<String> = listed.keys().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() {
            "no model at all".to_owned()
        } else {
            names.join(", ")
        };
        UserMistake(format!(
            "{}: does not serve `{name}`, but {names}\n\
             hint: --set evaluate.endpoint.model=NAME for the base model, evaluate.endpoint.adapters for adapters",
            http.base()
        ))
        .into()
    })
}
