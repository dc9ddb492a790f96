//! The built-in model.

use std::cell::OnceCell;

use anyhow::Result;
use slm_model::{
    Asked, ChatTemplate, Client, Finish, Generation, GenerationEvent, Request, Runtime,
    RuntimeAdapter, Tokenizer,
};

use super::reuse::{Call, GivenAnswers};
use super::wanted::YesAndNo;
use super::{Answer, Backend, Caller, LogProbability, Query, Speaker, check_room};
use slm_artifacts::FinishReason;

/// The base model, with an adapter or without.
pub(crate) struct LocalModel<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) template: &'a ChatTemplate,
    /// The adapters of all arms.
    pub(crate) adapters: &'a [RuntimeAdapter],
    /// Index of this arm's adapter among them.
    pub(crate) arm: Option<usize>,
    /// The adapters of `evaluate.speakers`.
    pub(crate) speakers: &'a [RuntimeAdapter],
    /// Sequences that are decoded together.
    pub(crate) batch_size: usize,
    /// The answers of the run, of all arms.
    pub(crate) given: &'a GivenAnswers,
}

impl LocalModel<'_> {
    fn prompt(&self, query: &Query) -> Result<Vec<u32>> {
        query.prompt_ids(self.tokenizer, self.template)
    }

    /// Returns the place of a speaker's adapter: those of the arms come before those of other speakers.
    fn adapter_of(&self, speaker: Speaker) -> Option<usize> {
        match speaker {
            Speaker::Base => None,
            Speaker::Arm => self.arm,
            Speaker::Adapter(at) => Some(self.adapters.len() + at),
            Speaker::Teacher => unreachable!("another backend answers for the teacher"),
        }
    }

    fn positions(&self) -> usize {
        self.runtime.config().context_length()
    }
}

impl Backend for LocalModel<'_> {
    fn check(&self, query: &Query) -> Result<()> {
        let prompt = self.prompt(query)?.len();
        Ok(check_room(prompt, query.max_new_tokens, self.positions())?)
    }

    fn remember(&self, query: &Query, answer: &Answer) -> Result<()> {
        let wanted = query.wanted;
        let is_whole = wanted.log_probability == answer.log_probability.is_some()
            && wanted.judgement == answer.judgement.is_some();
        if !query.sampling.is_greedy() || !is_whole {
            return Ok(());
        }
        let prompt = self.prompt(query)?;
        let room = self.positions().saturating_sub(prompt.len());
        if room > 0 {
            let max_new_tokens = query.max_new_tokens.min(room);
            let adapter = self.adapter_of(query.speaker);
            if let Some(call) = Call::of(query, adapter, &prompt, max_new_tokens) {
                self.given.keep(call, answer);
            }
        }
        Ok(())
    }

    fn serve(&self, caller: &mut dyn Caller) -> Result<()> {
        let adapters: Vec<&RuntimeAdapter> = self.adapters.iter().chain(self.speakers).collect();
        let generation = Generation {
            runtime: self.runtime,
            tokenizer: self.tokenizer,
            adapters: &adapters,
            slots: self.batch_size,
        };
        generation.serve(&mut Counter {
            model: self,
            caller,
            queries: 0,
            requests: Vec::new(),
            yes_and_no: OnceCell::new(),
        })
    }
}

/// A request that the model has taken.
struct Asking {
    query: Query,
    /// The query's number.
    number: usize,
    prompt_tokens: usize,
    /// What an equal call has in common with this one; `None` if another call of this kind may be answered differently.
    call: Option<Call>,
}

/// Adapts the caller's queries to the generation's requests.
struct Counter<'a> {
    model: &'a LocalModel<'a>,
    caller: &'a mut dyn Caller,
    /// Number of queries taken.
    queries: usize,
    requests: Vec<Asking>,
    /// The tokens of judgements, found at the first.
    yes_and_no: OnceCell<YesAndNo>,
}

impl Counter<'_> {
    fn yes_and_no(&self) -> Result<&YesAndNo> {
        if let Some(found) = self.yes_and_no.get() {
            return Ok(found);
        }
        let found = YesAndNo::of(self.model.tokenizer)?;
        Ok(self.yes_and_no.get_or_init(|| found))
    }
}

impl Client for Counter<'_> {
    type Error = anyhow::Error;

    fn next(&mut self, idle: bool) -> Result<Option<Request>> {
        while let Some(query) = self.caller.next(idle)? {
            let index = self.queries;
            self.queries += 1;
            let prompt = self.model.prompt(&query)?;
            let room = self.model.positions().saturating_sub(prompt.len());
            if room == 0 {
                let answer = Answer {
                    text: String::new(),
                    prompt_tokens: 0,
                    completion_tokens: 0,
                    finish_reason: FinishReason::NoRoom,
                    seconds: 0.0,
                    reused: false,
                    retries: 0,
                    tokens_estimated: false,
                    log_probability: None,
                    judgement: None,
                };
                self.caller.answered(index, answer)?;
                continue;
            }
            let max_new_tokens = query.max_new_tokens.min(room);
            let adapter = self.model.adapter_of(query.speaker);
            let call = Call::of(&query, adapter, &prompt, max_new_tokens);
            if let Some(answer) = call.as_ref().and_then(|call| self.model.given.get(call)) {
                self.caller.answered(index, answer)?;
                continue;
            }
            let n = prompt.len();
            let first = if query.wanted.judgement {
                self.yes_and_no()?.tokens.clone()
            } else {
                Vec::new()
            };
            let request = Request {
                prompt,
                max_new_tokens,
                sampling: query.sampling,
                seed: query.seed,
                stop: query.stop.iter().map(|&stop| stop.to_owned()).collect(),
                adapter,
                asked: Asked {
                    completion: query.wanted.log_probability,
                    first,
                },
                one_statement: query.wanted.one_statement,
            };
            self.requests.push(Asking {
                query,
                number: index,
                prompt_tokens: n,
                call,
            });
            return Ok(Some(request));
        }
        Ok(None)
    }

    fn receive(&mut self, event: GenerationEvent) -> Result<()> {
        slm_cli::check_backend()?;
        match event {
            GenerationEvent::Tokens(made) => self.caller.tokens(made),
            GenerationEvent::Finished { index, completion } => {
                let Asking {
                    query,
                    number,
                    prompt_tokens,
                    call,
                } = &self.requests[index];
                let judgement = if query.wanted.judgement {
                    Some(self.yes_and_no()?.judgement(&completion.first))
                } else {
                    None
                };
                let answer = Answer {
                    text: query.after_begun(completion.text),
                    prompt_tokens: *prompt_tokens,
                    completion_tokens: completion.tokens.len(),
                    finish_reason: match completion.finish {
                        Finish::Stop => FinishReason::Stop,
                        Finish::Length => FinishReason::Length,
                    },
                    seconds: completion.seconds,
                    reused: false,
                    retries: 0,
                    tokens_estimated: false,
                    log_probability: completion.log_probability.map(|of| LogProbability {
                        sum: of.sum,
                        tokens: of.tokens,
                    }),
                    judgement,
                };
                if let Some(call) = call {
                    self.model.given.keep(call.clone(), &answer);
                }
                self.caller.answered(*number, answer)
            }
        }
    }
}
