//! A server that answers in place of the built-in model: vLLM, llama.cpp, Ollama, or any other that speaks OpenAI's
//! HTTP interface.
//!
//! - [`http`] makes one request; [`retry`] says which trouble passes, and waits
//! - [`wire`] is the JSON of requests and answers; [`dialect`] finds out what this server understands of it
//! - [`settle`] holds answers to stop strings and limits that a server may ignore; [`chat`] turns whole answers into
//!   the rest of one that was begun
//!
//! Requests are made side by side, a thread each, and every answer goes to the caller as it comes, so that one that
//! fails costs no other.

mod chat;
mod dialect;
mod http;
mod retry;
mod settle;
mod wire;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use cli::UserMistake;
use config::Api;
use model::{ChatTemplate, GenerationError, Tokenizer};
use serde_json::{Map, Value};

use super::{Answer, Backend, Caller, Query};
use crate::record::{EndpointInfo, FinishReason, ServedModel};
use dialect::Dialect;
use http::{ApiKey, Http, told};
use retry::{Patience, Try};
use wire::{Prompt, Said};

/// How often it is looked whether a program that ended has led to another query.
const GLANCE: Duration = Duration::from_millis(20);

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
    patience: Patience,
    api: Api,
    concurrency: usize,
    /// None where the server renders conversations.
    texts: Option<Texts>,
    /// The base model's name over there, then the adapters'.
    names: Vec<String>,
    served: Vec<ServedModel>,
    /// Most tokens of prompt and answer, as far as the server has told by now.
    limit: AtomicUsize,
    dialect: OnceLock<Dialect>,
}

/// What became of a request, if not an error.
#[derive(Debug)]
enum Outcome {
    /// An answer, and how often it was asked for again.
    Said(Said, usize),
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
        settings: &config::Endpoint,
        base_model: &str,
        adapters: &[(String, String)],
        texts: Option<Texts>,
    ) -> Result<Self> {
        let config::Endpoint {
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
        let patience = Patience::new(*max_retries);
        let listed = listed_models(&http, &patience)?;
        let base = model.clone().unwrap_or_else(|| base_model.to_owned());
        let arms = std::iter::once((crate::record::BASE_ARM.to_owned(), base))
            .chain(adapters.iter().cloned());
        let (mut names, mut served) = (Vec::new(), Vec::new());
        for (arm, name) in arms {
            let told = listed
                .as_ref()
                .map(|listed| find_model(&http, listed, &name))
                .transpose()?;
            names.push(name.clone());
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
            patience,
            api: *api,
            concurrency: *concurrency,
            texts,
            names,
            served,
            limit: AtomicUsize::new(limit.unwrap_or(usize::MAX)),
            dialect: OnceLock::new(),
        })
    }

    /// Who answers, for the run's description.
    pub(crate) fn info(&self) -> EndpointInfo {
        EndpointInfo {
            url: self.http.base().to_owned(),
            api: self.api.name().to_owned(),
            models: self.served.clone(),
            prompts: self
                .dialect
                .get()
                .map(|dialect| dialect.prompts(self.api).to_owned()),
            concurrency: self.concurrency,
        }
    }

    /// The base model, with an adapter by its place or without, as a model that answers.
    pub(crate) fn arm(&self, adapter: Option<usize>) -> ServedArm<'_> {
        ServedArm {
            endpoint: self,
            base: &self.names[0],
            adapter: adapter.map(|at| self.names[at + 1].as_str()),
        }
    }

    fn error(&self, text: &str) -> anyhow::Error {
        anyhow!("{}: {text}", self.http.base())
    }

    /// What the server understands; asked once.
    fn dialect(&self) -> Result<Dialect> {
        if let Some(dialect) = self.dialect.get() {
            return Ok(*dialect);
        }
        let model = &self.names[0];
        let found = dialect::find(self, model)?;
        cli::note(&format!(
            "asking {model} at {}: prompts as {}, up to {} requests at once",
            self.http.base(),
            found.prompts(self.api),
            self.concurrency
        ));
        Ok(*self.dialect.get_or_init(|| found))
    }

    /// Asks for one token.
    fn probe(&self, model: &str, prompt: &Prompt, extras: bool) -> Result<Outcome> {
        let query = Query {
            messages: Vec::new(),
            begun: String::new(),
            stop: Vec::new(),
            sampling: model::Sampling::GREEDY,
            max_new_tokens: 1,
            seed: 1,
            with_adapter: false,
        };
        let body = wire::body(model, prompt, &query, 1, extras);
        self.ask(&body, 1, &AtomicBool::new(false))
    }

    /// Makes a request until it is answered.
    fn ask(&self, body: &Value, seed: u64, halt: &AtomicBool) -> Result<Outcome> {
        let (outcome, retries) = self.patience.run(seed, halt, || self.attempt(body))?;
        Ok(match outcome {
            Outcome::Said(said, _) => Outcome::Said(said, retries),
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
                Ok(said) => Try::Done(Outcome::Said(said, 0)),
                Err(why) => Try::Again(format!("{base}: {why}"), None),
            },
            status @ (400 | 413 | 422) => {
                let why = told(&reply.body);
                Try::Done(match wire::context_limit(&reply.body) {
                    Some(limit) => Outcome::TooLong(limit),
                    None => Outcome::Refused(format!("HTTP {status}: {why}")),
                })
            }
            _ => retry::judge(base, self.http.has_key(), &reply),
        }
    }
}

/// What a server says of its models, by their names; none if it has no list.
fn listed_models(http: &Http, patience: &Patience) -> Result<Option<BTreeMap<String, Value>>> {
    let base = http.base();
    let never = AtomicBool::new(false);
    let (listed, _) = patience.run(0, &never, || {
        let reply = match http.get("/models") {
            Ok(reply) => reply,
            Err(lost) => return retry::lost(base, lost),
        };
        match reply.status {
            200..=299 => Try::Done(models_of(&reply.body)),
            404 | 405 | 501 => Try::Done(None),
            _ => retry::judge(base, http.has_key(), &reply),
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

/// One arm of a run, answered by a server.
pub(crate) struct ServedArm<'a> {
    endpoint: &'a Endpoint,
    base: &'a str,
    adapter: Option<&'a str>,
}

/// A query as it goes out.
struct Request {
    query: Query,
    prompt: Prompt,
    /// Tokens of the prompt, where they are counted here.
    prompt_tokens: Option<usize>,
    /// Most tokens that were asked for.
    granted: usize,
    /// The work's clock when it went out.
    began: f64,
}

impl ServedArm<'_> {
    fn model(&self, query: &Query) -> &str {
        self.adapter
            .filter(|_| query.with_adapter)
            .unwrap_or(self.base)
    }

    fn request(&self, query: Query, began: f64) -> Result<Request> {
        let dialect = self.endpoint.dialect()?;
        let (prompt, prompt_tokens) = match &self.endpoint.texts {
            None => (Prompt::Messages(query.messages.clone()), None),
            Some(texts) => {
                let ids = texts.ids(&query)?;
                let n = ids.len();
                let prompt = if dialect.ids {
                    Prompt::Ids(ids)
                } else {
                    Prompt::Text(texts.text(&query, dialect)?)
                };
                (prompt, Some(n))
            }
        };
        Ok(Request {
            query,
            prompt,
            prompt_tokens,
            granted: usize::MAX,
            began,
        })
    }

    /// How many tokens may be asked for; 0 if there is no room.
    fn granted(&self, request: &Request) -> usize {
        let limit = self.endpoint.limit.load(Ordering::Relaxed);
        let room = limit.saturating_sub(request.prompt_tokens.unwrap_or(0));
        request.query.max_new_tokens.min(room)
    }

    /// What the caller is told of an answer.
    fn answer(&self, request: &Request, said: &Said, retries: usize, seconds: f64) -> Result<Answer> {
        let Request { query, prompt, .. } = request;
        let tokenizer = self.endpoint.texts.as_ref().map(|texts| &texts.tokenizer);
        let whole = matches!(prompt, Prompt::Messages(_)) && !query.begun.is_empty();
        let stop = if whole { &[] } else { &query.stop[..] };
        let settled = settle::settle(said, stop, query.max_new_tokens, tokenizer)?;
        let text = if whole {
            let rest = chat::continuation(&query.begun, &settled.text);
            let end = query.stop.iter().filter_map(|stop| rest.find(stop)).min();
            rest[..end.unwrap_or(rest.len())].to_owned()
        } else {
            query.after_begun(settled.text)
        };
        let prompt_tokens = said.prompt_tokens.or(request.prompt_tokens);
        Ok(Answer {
            text,
            prompt_tokens: prompt_tokens.unwrap_or(0),
            completion_tokens: settled.completion_tokens,
            finish_reason: settled.finish_reason,
            seconds,
            retries,
            tokens_estimated: settled.estimated || said.prompt_tokens.is_none(),
        })
    }
}

impl Backend for ServedArm<'_> {
    fn check(&self, query: &Query) -> Result<()> {
        let Some(texts) = &self.endpoint.texts else {
            return Ok(());
        };
        let (prompt, new) = (texts.ids(query)?.len(), query.max_new_tokens);
        let limit = self.endpoint.limit.load(Ordering::Relaxed);
        if prompt + new > limit {
            let index = 0;
            let error = GenerationError::TooLong {
                index,
                prompt,
                new,
                limit,
            };
            return Err(error.into());
        }
        Ok(())
    }

    fn serve(&self, caller: &mut dyn Caller) -> Result<()> {
        let halt = AtomicBool::new(false);
        thread::scope(|scope| {
            let (results, inbox) = mpsc::channel();
            let mut work = Work {
                arm: self,
                scope,
                halt: &halt,
                results,
                caller,
                under_way: BTreeMap::new(),
                asked: 0,
                made: 0,
                clock: 0.0,
                last: Instant::now(),
            };
            let result = work.run(&inbox);
            halt.store(true, Ordering::Relaxed);
            result
        })
    }
}

/// The requests of an arm.
struct Work<'scope, 'env, 'a> {
    arm: &'env ServedArm<'env>,
    scope: &'scope Scope<'scope, 'env>,
    halt: &'env AtomicBool,
    results: Sender<(usize, Result<Outcome>)>,
    caller: &'a mut dyn Caller,
    under_way: BTreeMap<usize, Request>,
    /// Queries taken.
    asked: usize,
    /// Tokens of all answers.
    made: usize,
    /// Wall time, divided by the requests that were under way: what passes on it while a request is, is its share.
    clock: f64,
    last: Instant,
}

impl<'scope> Work<'scope, '_, '_> {
    /// Asks and hears until there is no more to ask. After an error nothing is asked any more, but what is under way is
    /// waited for, so that no answer is lost.
    fn run(&mut self, inbox: &mpsc::Receiver<(usize, Result<Outcome>)>) -> Result<()> {
        let mut failed = None;
        loop {
            while failed.is_none() && self.under_way.len() < self.arm.endpoint.concurrency {
                let Some(query) = self.caller.next(self.under_way.is_empty())? else {
                    break;
                };
                let index = self.asked;
                self.asked += 1;
                self.tick();
                let request = self.arm.request(query, self.clock)?;
                self.send(index, request)?;
            }
            if self.under_way.is_empty() {
                return failed.map_or(Ok(()), Err);
            }
            let (index, outcome) = match inbox.recv_timeout(GLANCE) {
                Ok(result) => result,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => unreachable!("this side can send, too"),
            };
            if let Err(error) = outcome.and_then(|outcome| self.hear(index, outcome)) {
                self.under_way.remove(&index);
                // The first error is the cause; those that follow it are its effects.
                failed.get_or_insert(error);
                self.halt.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Brings the clock up to date.
    fn tick(&mut self) {
        let now = Instant::now();
        let passed = now.duration_since(self.last).as_secs_f64();
        self.clock += passed / self.under_way.len().max(1) as f64;
        self.last = now;
    }

    /// Puts a request on its way, unless it would be the same as before or ask for nothing.
    fn send(&mut self, index: usize, mut request: Request) -> Result<()> {
        let granted = self.arm.granted(&request);
        if granted == 0 || granted >= request.granted {
            return self.no_room(index, &request);
        }
        request.granted = granted;
        let (arm, halt, results) = (self.arm, self.halt, self.results.clone());
        let extras = arm.endpoint.dialect()?.extras;
        let model = arm.model(&request.query);
        let body = wire::body(model, &request.prompt, &request.query, granted, extras);
        let seed = request.query.seed;
        self.under_way.insert(index, request);
        self.scope.spawn(move || {
            // The other side is gone after an error.
            let _ = results.send((index, arm.endpoint.ask(&body, seed, halt)));
        });
        Ok(())
    }

    fn hear(&mut self, index: usize, outcome: Outcome) -> Result<()> {
        self.tick();
        let Some(request) = self.under_way.remove(&index) else {
            unreachable!("request {index} is not under way")
        };
        match outcome {
            Outcome::Said(said, retries) => {
                let seconds = self.clock - request.began;
                let answer = self.arm.answer(&request, &said, retries, seconds)?;
                self.made += answer.completion_tokens;
                self.caller.answered(index, answer)?;
                self.caller.tokens(self.made)
            }
            Outcome::TooLong(limit) => {
                let known = &self.arm.endpoint.limit;
                known.fetch_min(limit.unwrap_or(usize::MAX), Ordering::Relaxed);
                // Asked again with what the limit leaves.
                self.send(index, request)
            }
            Outcome::Refused(why) => Err(self.arm.endpoint.error(&why)),
        }
    }

    fn no_room(&mut self, index: usize, request: &Request) -> Result<()> {
        let answer = Answer {
            text: String::new(),
            prompt_tokens: 0,
            completion_tokens: 0,
            finish_reason: FinishReason::NoRoom,
            seconds: self.clock - request.began,
            retries: 0,
            tokens_estimated: false,
        };
        self.caller.answered(index, answer)
    }
}
