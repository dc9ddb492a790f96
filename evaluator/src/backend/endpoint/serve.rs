//! Sends all requests of an arm concurrently, one thread each. Every answer is handed over as it arrives, so that a
//! failing request loses no other answer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::enforce_limits::enforce_limits;
use super::wire::{Prompt, ServerAnswer};
use super::{Endpoint, Outcome, chat, wire};
use crate::backend::{
    Answer, Backend, Caller, Judgement, LogProbability, Query, Speaker, check_room,
};
use slm_artifacts::FinishReason;
use slm_report::ServedModel;

/// How often finished program runs are checked for new queries.
const GLANCE: Duration = Duration::from_millis(20);

/// One arm of a run, answered by a server.
pub(crate) struct ServedArm<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The server's name of the base model.
    pub(super) base: &'a str,
    /// The server's name of the arm's adapter.
    pub(super) adapter: Option<&'a str>,
    /// The adapters of `evaluate.speakers`.
    pub(super) speakers: &'a [ServedModel],
}

/// A query as it is sent.
struct Request {
    query: Query,
    prompt: Prompt,
    /// Tokens of the prompt, if they are counted locally.
    prompt_tokens: Option<usize>,
    /// The `max_tokens` of the last attempt.
    granted: usize,
    /// [`Work::clock`] when the query was taken.
    began: f64,
}

impl ServedArm<'_> {
    fn model(&self, query: &Query) -> &str {
        match query.speaker {
            // The base model of the teacher's server is the teacher.
            Speaker::Base | Speaker::Teacher => self.base,
            Speaker::Arm => self.adapter.unwrap_or(self.base),
            Speaker::Adapter(at) => &self.speakers[at].model,
        }
    }

    fn request(&self, query: Query, began: f64) -> Result<Request> {
        let capabilities = self.endpoint.capabilities()?;
        let (prompt, prompt_tokens) = match &self.endpoint.texts {
            None => (Prompt::Messages(query.messages.clone()), None),
            Some(texts) => {
                let ids = texts.ids(&query)?;
                let n = ids.len();
                let prompt = if capabilities.ids {
                    Prompt::Ids(ids)
                } else {
                    Prompt::Text(texts.text(&query, capabilities)?)
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

    /// Returns how many tokens may be requested; 0 if there is no room.
    fn granted(&self, request: &Request) -> usize {
        let limit = self.endpoint.limit.load(Ordering::Relaxed);
        let room = limit.saturating_sub(request.prompt_tokens.unwrap_or(0));
        request.query.max_new_tokens.min(room)
    }

    /// Converts a server's answer into the caller's.
    fn answer(
        &self,
        request: &Request,
        answer: &ServerAnswer,
        retries: usize,
        seconds: f64,
    ) -> Result<Answer> {
        let Request { query, prompt, .. } = request;
        let tokenizer = self.endpoint.texts.as_ref().map(|texts| &*texts.tokenizer);
        let whole = matches!(prompt, Prompt::Messages(_)) && !query.begun.is_empty();
        let stop: &[&str] = if whole { &[] } else { &query.stop };
        let limited = enforce_limits(answer, stop, query.max_new_tokens, tokenizer)?;
        let text = if whole {
            let rest = chat::continuation(&query.begun, &limited.text);
            let end = query.stop.iter().filter_map(|stop| rest.find(stop)).min();
            rest[..end.unwrap_or(rest.len())].to_owned()
        } else {
            query.after_begun(limited.text)
        };
        let prompt_tokens = answer.prompt_tokens.or(request.prompt_tokens);
        let log_probability = answer
            .log_probabilities
            .as_ref()
            .filter(|_| query.wanted.log_probability)
            .map(|all| {
                // What was cut off is not part of the answer. Some servers list the end token, others do not.
                let reported = answer.completion_tokens.unwrap_or(all.len());
                let is_cut = limited.completion_tokens < reported;
                let n = if is_cut {
                    all.len().min(limited.completion_tokens)
                } else {
                    all.len()
                };
                LogProbability {
                    sum: all[..n].iter().sum(),
                    tokens: n,
                }
            });
        let judgement = query.wanted.judgement.then(|| {
            let likeliest = answer.likeliest.iter().flatten();
            Judgement::of_texts(likeliest.map(|(token, log)| (token.as_str(), *log)))
        });
        Ok(Answer {
            text,
            prompt_tokens: prompt_tokens.unwrap_or(0),
            completion_tokens: limited.completion_tokens,
            finish_reason: limited.finish_reason,
            seconds,
            reused: false,
            retries,
            tokens_estimated: limited.estimated || answer.prompt_tokens.is_none(),
            log_probability,
            judgement,
        })
    }
}

impl Backend for ServedArm<'_> {
    fn check(&self, query: &Query) -> Result<()> {
        let Some(texts) = &self.endpoint.texts else {
            return Ok(());
        };
        let limit = self.endpoint.limit.load(Ordering::Relaxed);
        Ok(check_room(
            texts.ids(query)?.len(),
            query.max_new_tokens,
            limit,
        )?)
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

/// Returns the outcome of a request, with a panic as an error: otherwise its receiver would wait for ever.
fn caught(ask: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
        bail!("a request panicked inside this program; the message above is a bug")
    })
}

/// The requests of an arm.
struct Work<'scope, 'env, 'a> {
    arm: &'env ServedArm<'env>,
    scope: &'scope Scope<'scope, 'env>,
    halt: &'env AtomicBool,
    results: Sender<(usize, Result<Outcome>)>,
    caller: &'a mut dyn Caller,
    under_way: BTreeMap<usize, Request>,
    /// Number of queries taken.
    asked: usize,
    /// Completion tokens of all answers.
    made: usize,
    /// Wall time divided by the number of requests in flight: its increase during a request is the request's share.
    clock: f64,
    last: Instant,
}

impl Work<'_, '_, '_> {
    /// Sends queries and receives answers until there are no more. After an error no query is sent any more, but
    /// requests in flight are awaited, so that no answer is lost.
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
            if let Err(error) = outcome.and_then(|outcome| self.receive(index, outcome)) {
                self.under_way.remove(&index);
                // The first error is the cause; later ones are its effects.
                failed.get_or_insert(error);
                self.halt.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Advances the clock to now.
    fn tick(&mut self) {
        let now = Instant::now();
        let passed = now.duration_since(self.last).as_secs_f64();
        self.clock += passed / self.under_way.len().max(1) as f64;
        self.last = now;
    }

    /// Sends a request, unless it would repeat the previous attempt or request no token.
    fn send(&mut self, index: usize, mut request: Request) -> Result<()> {
        let granted = self.arm.granted(&request);
        if granted == 0 || granted >= request.granted {
            return self.no_room(index, &request);
        }
        request.granted = granted;
        let (arm, halt, results) = (self.arm, self.halt, self.results.clone());
        let extras = arm.endpoint.capabilities()?.extras;
        let model = arm.model(&request.query);
        let stops = arm.endpoint.sent_stops(&request.query.stop)?;
        let body = wire::body(
            model,
            &request.prompt,
            &request.query,
            &stops,
            granted,
            extras,
        );
        let seed = request.query.seed;
        self.under_way.insert(index, request);
        self.scope.spawn(move || {
            // The receiver is dropped after an error.
            let _ = results.send((index, caught(|| arm.endpoint.ask(&body, seed, halt))));
        });
        Ok(())
    }

    fn receive(&mut self, index: usize, outcome: Outcome) -> Result<()> {
        self.tick();
        let Some(request) = self.under_way.remove(&index) else {
            unreachable!("request {index} is not in flight")
        };
        match outcome {
            Outcome::Answered(answer, retries) => {
                let seconds = self.clock - request.began;
                let answer = self.arm.answer(&request, &answer, retries, seconds)?;
                self.made += answer.completion_tokens;
                self.caller.answered(index, answer)?;
                self.caller.tokens(self.made)
            }
            Outcome::TooLong(limit) => {
                let known = &self.arm.endpoint.limit;
                known.fetch_min(limit.unwrap_or(usize::MAX), Ordering::Relaxed);
                // Repeated within the limit that is now known.
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
            reused: false,
            retries: 0,
            tokens_estimated: false,
            log_probability: None,
            judgement: None,
        };
        self.caller.answered(index, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_panics_is_an_error_and_not_awaited_for_ever() {
        let error = caught(|| panic!("on purpose")).expect_err("an error");
        assert!(error.to_string().contains("a bug"), "{error}");
        assert!(matches!(
            caught(|| Ok(Outcome::TooLong(None))),
            Ok(Outcome::TooLong(None))
        ));
    }
}
