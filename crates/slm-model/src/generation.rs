//! Continuous batching: every sequence has a slot of the KV cache, and a slot that becomes free is filled at once with
//! the next request of the [`Client`].

use std::collections::BTreeSet;
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::log_probability::{Asked, LogProbability, log_probability};
use crate::runtime::{Runtime, RuntimeAdapter, RuntimeCache};
use crate::sampling::Sampling;
use crate::statement::end_of_statement;
use crate::tokenizer::{DecodeStream, Tokenizer, TokenizerError};

/// The cache grows in steps of this many positions.
const CAPACITY_STEP: usize = 128;

/// A prompt and its generation settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// At least one token.
    pub prompt: Vec<u32>,
    /// Maximum number of tokens of the completion.
    pub max_new_tokens: usize,
    /// Sampling settings.
    pub sampling: Sampling,
    /// Random seed of this request; its completion does not depend on other requests.
    pub seed: u64,
    /// Stop strings: they end the completion and are not part of it.
    pub stop: Vec<String>,
    /// Index of the adapter to use, among those of the [`Generation`]; `None` for the base model alone.
    pub adapter: Option<usize>,
    /// The log-probabilities that the completion is to have.
    pub asked: Asked,
    /// Ends the completion before the second statement of a Python function's body, whose statements begin after this many
    /// characters, or before a line with less indentation. Only in the first case does the text end with a line end.
    pub one_statement: Option<usize>,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model produced an end token or a stop string.
    Stop,
    /// `max_new_tokens` was reached.
    Length,
}

/// The result of a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The generated tokens, without the end token; those of a stop string are included.
    pub tokens: Vec<u32>,
    /// Their text, up to the stop string.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// This request's share of the wall time: each step is divided among the sequences in it. Seconds.
    pub seconds: f64,
    /// Its log-probability, if [`Asked::completion`].
    pub log_probability: Option<LogProbability>,
    /// The log-probabilities of the tokens of [`Asked::first`], in its order, in nats.
    pub first: Vec<f64>,
}

/// A progress event of a [`Generation`].
#[derive(Clone, Debug, PartialEq)]
pub enum GenerationEvent {
    /// A request is finished.
    Finished {
        /// Its index among the requests, in the order of their arrival.
        index: usize,
        /// The completion.
        completion: Completion,
    },
    /// Number of tokens generated up to now, over all requests.
    Tokens(usize),
}

/// Reasons why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// The prompt has no tokens.
    #[error("request {0} has an empty prompt")]
    EmptyPrompt(usize),
    /// Prompt and completion together exceed the model's positions.
    #[error(
        "request {index}: {prompt} prompt tokens and up to {new} new ones exceed the model's {limit} positions\n\
         hint: lower max_new_tokens or shorten the prompt"
    )]
    TooLong {
        /// Index of the request.
        index: usize,
        /// Number of prompt tokens.
        prompt: usize,
        /// Its limit of new tokens.
        new: usize,
        /// The model's number of positions.
        limit: usize,
    },
    /// The tokenizer cannot decode a token.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A model set up for generation.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'a> {
    /// The base model.
    pub runtime: &'a Runtime,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The adapters that requests may use.
    pub adapters: &'a [&'a RuntimeAdapter],
    /// Maximum number of sequences decoded in a batch.
    pub slots: usize,
}

/// Source of requests and receiver of results of a [`Generation`]: a result may lead to the next request.
pub trait Client {
    /// An error that ends the work early.
    type Error: From<GenerationError>;

    /// Returns the next request, if there is one already; called whenever a slot is free.
    ///
    /// If `idle`, nothing is being generated, and `None` ends the work: a client that expects more requests must block
    /// until the first of them.
    fn next(&mut self, idle: bool) -> Result<Option<Request>, Self::Error>;

    /// Receives an event.
    fn receive(&mut self, event: GenerationEvent) -> Result<(), Self::Error>;
}

/// A client with a fixed list of requests.
struct Listed<'a, E> {
    requests: std::slice::Iter<'a, Request>,
    on_event: &'a mut dyn FnMut(GenerationEvent) -> Result<(), E>,
}

impl<E: From<GenerationError>> Client for Listed<'_, E> {
    type Error = E;

    fn next(&mut self, _idle: bool) -> Result<Option<Request>, E> {
        Ok(self.requests.next().cloned())
    }

    fn receive(&mut self, event: GenerationEvent) -> Result<(), E> {
        (self.on_event)(event)
    }
}

/// A slot of the cache and its content.
struct Slot {
    number: usize,
    /// The tokens whose keys and values are cached, from position 0.
    tokens: Vec<u32>,
    /// Index of the adapter that they were computed with.
    adapter: Option<usize>,
}

impl Slot {
    fn new(number: usize) -> Self {
        Self {
            number,
            tokens: Vec::new(),
            adapter: None,
        }
    }

    /// The number of tokens of a prompt's prefix that are cached.
    fn shared(&self, prompt: &[u32], adapter: Option<usize>) -> usize {
        if self.adapter != adapter {
            return 0;
        }
        let pairs = self.tokens.iter().zip(prompt);
        pairs.take_while(|(held, wanted)| held == wanted).count()
    }
}

/// The model's output after the last token of a sequence.
enum Next {
    Logits(Vec<f32>),
    /// The argmax of the logits, computed on the device.
    Likeliest(u32),
}

/// A running sequence.
struct Sequence<'a> {
    index: usize,
    slot: Slot,
    request: Request,
    rng: ChaCha8Rng,
    tokens: Vec<u32>,
    stream: DecodeStream<'a>,
    text: String,
    seconds: f64,
    log_probability: LogProbability,
    /// Of each token the end of the text with it, and the log-probability until then; empty unless an answer is one
    /// statement, whose end is known only by the tokens after it.
    until: Vec<(usize, LogProbability)>,
    first: Vec<f64>,
}

impl<'a> Generation<'a> {
    /// Answers all requests, at most `slots` at a time, and reports each as soon as it is done.
    ///
    /// # Errors
    /// [`GenerationError`] before anything is computed, or the first error of `on_event`.
    pub fn run<E: From<GenerationError>>(
        &self,
        requests: &[Request],
        on_event: &mut dyn FnMut(GenerationEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut capacity = 1;
        for (index, request) in requests.iter().enumerate() {
            capacity = capacity.max(self.positions(index, request)?);
        }
        let slots = self.slots.min(requests.len());
        let requests = requests.iter();
        self.work(slots, capacity, &mut Listed { requests, on_event })
    }

    /// Answers the requests of `client`, at most `slots` at a time, until it has no more.
    ///
    /// On the CPU no completion depends on the other sequences in the batch.
    ///
    /// # Errors
    /// [`GenerationError`] for a request that cannot be answered, or the first error of the client.
    pub fn serve<C: Client>(&self, client: &mut C) -> Result<(), C::Error> {
        self.work(self.slots, 1, client)
    }

    /// Runs the batching loop. The cache starts with `capacity` positions per slot and grows for longer requests.
    fn work<C: Client>(
        &self,
        slots: usize,
        capacity: usize,
        client: &mut C,
    ) -> Result<(), C::Error> {
        let slots = slots.max(1);
        let mut cache = self.runtime.cache(slots, capacity);
        let mut free: Vec<Slot> = (0..slots).rev().map(Slot::new).collect();
        let mut running: Vec<Sequence> = Vec::new();
        let (mut asked, mut made) = (0, 0);
        loop {
            while !free.is_empty() {
                let Some(request) = client.next(running.is_empty())? else {
                    break;
                };
                let positions = self.positions(asked, &request)?;
                cache.reserve(positions, CAPACITY_STEP);
                let mut slot = Self::choose(&mut free, &request);
                self.share(&running, &mut slot, &request, &mut cache);
                let (sequence, finish) = self.begin(asked, slot, request, &mut cache)?;
                asked += 1;
                made += 1;
                if let Some(finish) = finish {
                    let (slot, event) = sequence.finished(finish);
                    free.push(slot);
                    client.receive(event)?;
                } else {
                    running.push(sequence);
                }
            }
            if running.is_empty() {
                return Ok(());
            }
            let started = Instant::now();
            let next = self.next(&mut running, &mut cache);
            let mut finished = Vec::new();
            for (sequence, next) in running.iter_mut().zip(&next) {
                finished.push(self.extend(sequence, next)?);
            }
            made += running.len();
            let share = started.elapsed().as_secs_f64() / running.len() as f64;
            let mut kept = Vec::with_capacity(running.len());
            for (mut sequence, finish) in running.into_iter().zip(finished) {
                sequence.seconds += share;
                match finish {
                    Some(finish) => {
                        let (slot, event) = sequence.finished(finish);
                        free.push(slot);
                        client.receive(event)?;
                    }
                    None => kept.push(sequence),
                }
            }
            running = kept;
            client.receive(GenerationEvent::Tokens(made))?;
        }
    }

    /// Returns the number of cache positions that a request needs.
    fn positions(&self, index: usize, request: &Request) -> Result<usize, GenerationError> {
        let limit = self.runtime.config().context_length();
        let (prompt, new) = (request.prompt.len(), request.max_new_tokens);
        if prompt == 0 {
            return Err(GenerationError::EmptyPrompt(index));
        }
        if prompt + new > limit {
            return Err(GenerationError::TooLong {
                index,
                prompt,
                new,
                limit,
            });
        }
        Ok(prompt + new)
    }

    /// Returns the adapter at an index.
    fn adapter(&self, index: Option<usize>) -> Option<&'a RuntimeAdapter> {
        index.map(|index| self.adapters[index])
    }

    /// Takes the free slot with the longest cached prefix of the request's prompt; of equals, the one freed
    /// last.
    fn choose(free: &mut Vec<Slot>, request: &Request) -> Slot {
        let shared = |slot: &Slot| slot.shared(&request.prompt, request.adapter);
        let best = (0..free.len()).max_by_key(|&i| shared(&free[i]));
        free.remove(best.unwrap_or(0))
    }

    /// Copies the prefix of the request's prompt from the running sequence that has the longest part of it, if that is
    /// more than the slot has: several samples of one prompt run side by side.
    fn share(
        &self,
        running: &[Sequence],
        slot: &mut Slot,
        request: &Request,
        cache: &mut RuntimeCache,
    ) {
        if !self.runtime.keeps_prefixes() {
            return;
        }
        let shared = |slot: &Slot| slot.shared(&request.prompt, request.adapter);
        let donor = running.iter().max_by_key(|of| shared(&of.slot));
        let Some(donor) = donor.map(|of| &of.slot) else {
            return;
        };
        let n = shared(donor);
        if n > shared(slot) {
            self.runtime
                .copy_prefix(cache, donor.number, slot.number, n);
            slot.tokens = request.prompt[..n].to_vec();
            slot.adapter = request.adapter;
        }
    }

    /// Runs prefill for a prompt and draws the first token.
    fn begin(
        &self,
        index: usize,
        mut slot: Slot,
        request: Request,
        cache: &mut RuntimeCache,
    ) -> Result<(Sequence<'a>, Option<Finish>), GenerationError> {
        let started = Instant::now();
        let adapter = self.adapter(request.adapter);
        let shared = if self.runtime.keeps_prefixes() {
            slot.shared(&request.prompt, request.adapter)
        } else {
            0
        };
        // The last token is always processed, because its logits are needed.
        let start = shared.min(request.prompt.len() - 1);
        let unread = &request.prompt[start..];
        let logits = self
            .runtime
            .prefill(cache, slot.number, start, unread, adapter);
        slot.tokens.clone_from(&request.prompt);
        slot.adapter = request.adapter;
        let of_token = |&token: &u32| log_probability(&logits, token);
        let first = request.asked.first.iter().map(of_token).collect();
        let mut sequence = Sequence {
            index,
            slot,
            rng: ChaCha8Rng::seed_from_u64(request.seed),
            stream: self.tokenizer.decode_stream(&request.prompt),
            request,
            tokens: Vec::new(),
            text: String::new(),
            seconds: 0.0,
            log_probability: LogProbability::default(),
            until: Vec::new(),
            first,
        };
        let finish = self.extend(&mut sequence, &Next::Logits(logits))?;
        sequence.seconds = started.elapsed().as_secs_f64();
        Ok((sequence, finish))
    }

    /// Decodes one token of each sequence. Sequences with different adapters, or without one, are separate passes.
    ///
    /// If all sequences of a pass are greedy and ask for no log-probability, a GPU computes the argmax itself: copying the logits of many sequences to
    /// the CPU takes long.
    fn next(&self, running: &mut [Sequence], cache: &mut RuntimeCache) -> Vec<Next> {
        let vocab_size = self.runtime.config().vocab_size;
        let mut next: Vec<Option<Next>> = running.iter().map(|_| None).collect();
        let of_rows = running.iter().map(|sequence| sequence.slot.adapter);
        for adapter in of_rows.collect::<BTreeSet<_>>() {
            let rows: Vec<usize> = (0..running.len())
                .filter(|&row| running[row].slot.adapter == adapter)
                .collect();
            let last: Vec<u32> = rows.iter().map(|&row| running[row].last_token()).collect();
            let at: Vec<(usize, usize)> = rows
                .iter()
                .map(|&row| (running[row].slot.number, running[row].position()))
                .collect();
            let adapter = self.adapter(adapter);
            let needs_no_logits = |&row: &usize| {
                let request = &running[row].request;
                request.sampling.is_greedy() && !request.asked.completion
            };
            let found: Vec<Next> = if rows.iter().all(needs_no_logits) {
                let tokens = self.runtime.decode_greedily(cache, &last, &at, adapter);
                tokens.into_iter().map(Next::Likeliest).collect()
            } else {
                let logits = self.runtime.decode(cache, &last, &at, adapter);
                let of_rows = logits.chunks_exact(vocab_size);
                of_rows.map(|row| Next::Logits(row.to_vec())).collect()
            };
            for ((&row, &last), found) in rows.iter().zip(&last).zip(found) {
                next[row] = Some(found);
                running[row].slot.tokens.push(last);
            }
        }
        let next = next.into_iter().flatten();
        next.collect()
    }

    /// Draws the next token of a sequence and returns the reason if that ended it.
    fn extend(
        &self,
        sequence: &mut Sequence,
        next: &Next,
    ) -> Result<Option<Finish>, GenerationError> {
        let Sequence {
            request,
            rng,
            tokens,
            stream,
            text,
            log_probability,
            until,
            ..
        } = sequence;
        if request.max_new_tokens == 0 {
            return Ok(Some(Finish::Length));
        }
        let token = match next {
            Next::Logits(logits) => {
                let token = request.sampling.draw(logits, rng);
                if request.asked.completion {
                    log_probability.add(logits, token);
                }
                token
            }
            Next::Likeliest(token) => *token,
        };
        if self.tokenizer.eos_ids().contains(&token) {
            *text += &stream.finish()?;
            return Ok(Some(Finish::Stop));
        }
        tokens.push(token);
        // A stop string may start in earlier text.
        let longest = request.stop.iter().map(String::len).max().unwrap_or(0);
        let mut from = text.len().saturating_sub(longest);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        *text += &stream.push(token)?;
        if request.asked.completion && request.one_statement.is_some() {
            until.push((text.len(), *log_probability));
        }
        let ends_at = request
            .stop
            .iter()
            .filter_map(|stop| Some(from + text[from..].find(stop.as_str())?))
            .min();
        let ends_at = ends_at.or_else(|| end_of_statement(text, request.one_statement?));
        if let Some(end) = ends_at {
            // The tokens after the statement are no part of it.
            if let Some((_, kept)) = until.iter().find(|(length, _)| *length >= end) {
                *log_probability = *kept;
            }
            text.truncate(end);
            return Ok(Some(Finish::Stop));
        }
        if tokens.len() < request.max_new_tokens {
            return Ok(None);
        }
        *text += &stream.finish()?;
        Ok(Some(Finish::Length))
    }
}

impl Sequence<'_> {
    fn last_token(&self) -> u32 {
        match self.tokens.last() {
            Some(&token) => token,
            None => unreachable!("a running sequence has drawn a token"),
        }
    }

    /// Position of the last drawn token, which is not yet in the cache.
    fn position(&self) -> usize {
        self.request.prompt.len() + self.tokens.len() - 1
    }

    /// Returns the slot and the event to report.
    fn finished(self, finish: Finish) -> (Slot, GenerationEvent) {
        let asked = &self.request.asked;
        let completion = Completion {
            tokens: self.tokens,
            text: self.text,
            finish,
            seconds: self.seconds,
            log_probability: asked.completion.then_some(self.log_probability),
            first: self.first,
        };
        let index = self.index;
        (self.slot, GenerationEvent::Finished { index, completion })
    }
}
