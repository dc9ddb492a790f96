//! A server that answers in place of the built-in model: vLLM, llama.cpp, Ollama, or any other with OpenAI's HTTP
//! API.
//!
//! - [`http`] sends one request, and [`first_reply`] mentions a server that keeps silent; [`retry`] decides which
//!   failures are transient, and retries with backoff
//! - [`wire`] is the JSON of requests and answers; [`capabilities`] probes what this server supports of it
//! - [`enforce_limits`] applies stop strings and limits that a server may ignore; [`chat`] reduces whole answers to
//!   the continuation of the prefill
//! - [`serve`] sends the requests of an arm concurrently

mod capabilities;
mod chat;
mod enforce_limits;
mod first_reply;
mod http;
mod retry;
mod serve;
mod stops;
mod wire;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};
use slm_cli::UserMistake;
use slm_config::Api;
use slm_model::{ChatTemplate, Tokenizer};
use slm_report::{EndpointInfo, ServedModel};

use capabilities::Capabilities;
use http::{ApiKey, Http, error_message};
use retry::{Retrier, Try};
use serve::ServedArm;
use wire::{Prompt, ServerAnswer};

use crate::backend::Wanted;

/// The fields of a server's list that identify a model. Times and permissions change with every start.
const IDENTITY: [&str; 6] = ["id", "owned_by", "root", "parent", "max_model_len", "meta"];

/// Renders and tokenizes prompts locally.
pub(crate) struct Texts {
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) template: ChatTemplate,
    /// Maximum tokens of prompt and answer together.
    pub(crate) positions: usize,
}

/// A server whose list of models was read.
pub(crate) struct Endpoint {
    http: Http,
    retrier: Retrier,
    api: Api,
    concurrency: usize,
    /// `None` if the server renders conversations.
    texts: Option<Texts>,
    /// The base model, then the adapters.
    served: Vec<ServedModel>,
    /// Maximum tokens of prompt and answer together, as far as the server has reported it.
    limit: AtomicUsize,
    capabilities: OnceLock<Capabilities>,
    /// Whether the server accepts more than four stop strings; probed at the first request that has more.
    accepts_many_stops: OnceLock<bool>,
    /// Variables of the chat template that the server renders conversations with.
    template_kwargs: BTreeMap<String, Value>,
}

/// The outcome of a request that is not an error.
#[derive(Debug)]
enum Outcome {
    /// An answer, and the number of retries.
    Answered(ServerAnswer, usize),
    /// Prompt and answer exceed the context; its size in tokens, if the server reports it.
    TooLong(Option<usize>),
    /// The server does not accept such a request; its message.
    Refused(String),
}

impl Endpoint {
    /// Returns the tokenizer of the models, if it is known here.
    pub(crate) fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.texts.as_ref().map(|texts| &texts.tokenizer)
    }

    /// Requests the server's list of models. `adapters` are the arms' names with the server's names of the adapters.
    ///
    /// # Errors
    /// The named key is missing, the server cannot be reached, or it does not serve these models.
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
            accepts_many_stops: OnceLock::new(),
            template_kwargs: BTreeMap::new(),
        })
    }

    /// Sends variables for the server's chat template with each conversation, as `vLLM`, `SGLang` and `llama.cpp` accept them.
    #[must_use]
    pub(crate) fn with_template_kwargs(mut self, kwargs: BTreeMap<String, Value>) -> Self {
        if self.api == Api::Chat {
            self.template_kwargs = kwargs;
        }
        self
    }

    /// Describes the server, for the run's description.
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

    /// Returns the base model, with the adapter at an index or without one, as a backend. The adapters from `speakers` on
    /// are those of `evaluate.speakers`.
    pub(crate) fn arm(&self, adapter: Option<usize>, speakers: usize) -> ServedArm<'_> {
        ServedArm {
            endpoint: self,
            base: &self.served[0].model,
            adapter: adapter.map(|at| self.served[at + 1].model.as_str()),
            speakers: &self.served[speakers + 1..],
        }
    }

    fn error(&self, text: &str) -> anyhow::Error {
        anyhow!("{}: {text}", self.http.base())
    }

    /// Returns the server's capabilities, which are probed once.
    fn capabilities(&self) -> Result<Capabilities> {
        if let Some(capabilities) = self.capabilities.get() {
            return Ok(*capabilities);
        }
        let model = &self.served[0].model;
        let found = capabilities::discover(self, model)?;
        slm_cli::note(&format!(
            "generating with {model} at {}: prompts as {}, up to {} concurrent requests",
            self.http.base(),
            found.prompts(self.api),
            self.concurrency
        ));
        Ok(*self.capabilities.get_or_init(|| found))
    }

    /// Checks that the server returns log-probabilities, by requesting one token from each model.
    ///
    /// # Errors
    /// The server does not; or the errors of any request.
    pub(crate) fn require_log_probabilities(&self, needed_by: &str) -> Result<()> {
        let capabilities = self.capabilities()?;
        let mut query = capabilities::query(capabilities::conversation());
        query.wanted = Wanted {
            log_probability: true,
            judgement: true,
            ..Wanted::default()
        };
        let prompt = match &self.texts {
            None => Prompt::Messages(query.messages.clone()),
            Some(texts) if capabilities.ids => Prompt::Ids(texts.ids(&query)?),
            Some(texts) => Prompt::Text(texts.text(&query, capabilities)?),
        };
        for served in &self.served {
            let body = wire::body(&served.model, &prompt, &query, &[], 1, capabilities.extras);
            let why = match self.ask(&body, 1, &AtomicBool::new(false))? {
                Outcome::Answered(answer, _)
                    if answer.log_probabilities.is_some() && answer.likeliest.is_some() =>
                {
                    continue;
                }
                Outcome::Answered(..) => "its answer has none".to_owned(),
                Outcome::TooLong(_) => "the context has no room for a short prompt".to_owned(),
                Outcome::Refused(why) => why,
            };
            return Err(UserMistake(format!(
                "{}: `{}` returns no log-probabilities, which {needed_by} needs: {why}\n\
                 hint: use a server that returns `logprobs` (vLLM, llama.cpp), the built-in model, or \
                 --set evaluate.samples_select=public",
                self.http.base(),
                served.model
            ))
            .into());
        }
        Ok(())
    }

    /// Requests one token, with retries.
    fn probe(&self, model: &str, prompt: &Prompt, extras: bool) -> Result<Outcome> {
        self.ask(&probe(model, prompt, extras), 1, &AtomicBool::new(false))
    }

    /// Requests one token without retries, if the server may fail on the request; `None` if there is no answer.
    fn probe_once(
        &self,
        model: &str,
        prompt: &Prompt,
        extras: bool,
    ) -> Result<Option<ServerAnswer>> {
        self.answered_once(&probe(model, prompt, extras))
    }

    /// Sends a request without retries; `None` if there is no answer.
    fn answered_once(&self, body: &Value) -> Result<Option<ServerAnswer>> {
        match self.attempt(body) {
            Try::Done(Outcome::Answered(answer, _)) => Ok(Some(answer)),
            Try::Done(_) | Try::Passing { .. } => Ok(None),
            Try::Failed(error) => Err(error),
        }
    }

    /// Sends a request until it is answered.
    fn ask(&self, body: &Value, seed: u64, halt: &AtomicBool) -> Result<Outcome> {
        let (outcome, retries) = self.retrier.run(seed, halt, || self.attempt(body))?;
        Ok(match outcome {
            Outcome::Answered(answer, _) => Outcome::Answered(answer, retries),
            other => other,
        })
    }

    fn attempt(&self, body: &Value) -> Try<Outcome> {
        let base = self.http.base();
        let with_kwargs = wire::with_template_kwargs(body, &self.template_kwargs);
        let reply = match self.http.post(wire::route(self.api), &with_kwargs) {
            Ok(reply) => reply,
            Err(lost) => return retry::lost(base, lost),
        };
        match reply.status {
            200..=299 => match wire::read(self.api, &reply.body) {
                Ok(answer) => Try::Done(Outcome::Answered(answer, 0)),
                Err(why) => retry::again(format!("{base}: {why}")),
            },
            status @ (400 | 413 | 422) => {
                let why = error_message(&reply.body);
                Try::Done(match wire::context_limit(&reply.body) {
                    Some(limit) => Outcome::TooLong(limit),
                    None => Outcome::Refused(format!("HTTP {status}: {why}")),
                })
            }
            _ => retry::classify(base, self.http.has_key(), &reply),
        }
    }
}

/// Returns the request for one token.
fn probe(model: &str, prompt: &Prompt, extras: bool) -> Value {
    wire::body(
        model,
        prompt,
        &capabilities::query(Vec::new()),
        &[],
        1,
        extras,
    )
}

/// Returns the server's descriptions of its models, by name; `None` if it has no list.
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

/// Finds a model in the list by name; Ollama lists names with a tag.
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
