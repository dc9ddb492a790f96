//! Continuous batching: every sequence has a slot of the cache, and a slot that becomes free is filled again at once,
//! with whatever the [`Client`] asks next.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::runtime::{Runtime, RuntimeAdapter, RuntimeCache};
use crate::sampling::Sampling;
use crate::tokenizer::{DecodeStream, Tokenizer, TokenizerError};

/// The cache grows by whole steps of so many positions.
const CAPACITY_STEP: usize = 128;

/// One prompt and how to go on from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// At least one token.
    pub prompt: Vec<u32>,
    /// Most tokens of the completion.
    pub max_new_tokens: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Seed of this request's draws; its completion does not depend on other requests.
    pub seed: u64,
    /// Texts that end the completion, and are not part of it.
    pub stop: Vec<String>,
    /// Whether the adapter answers, where there is one, or the base model alone.
    pub with_adapter: bool,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its turn, or a stop string came up.
    Stop,
    /// `max_new_tokens` were made.
    Length,
}

/// What a model answered to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The tokens made, without the end token; those of a stop string are included.
    pub tokens: Vec<u32>,
    /// Their text up to the stop string.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// This request's share of the wall time: each step is divided among the sequences in it. Seconds.
    pub seconds: f64,
}

/// What a run of [`Generation`] tells while it works.
#[derive(Clone, Debug, PartialEq)]
pub enum GenerationEvent {
    /// A request is answered.
    Finished {
        /// Its place among the requests, in the order in which they came.
        index: usize,
        /// The answer.
        completion: Completion,
    },
    /// Tokens made so far, over all requests.
    Tokens(usize),
}

/// Why requests cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// A prompt without tokens leaves nothing to go on from.
    #[error("request {0} has an empty prompt")]
    EmptyPrompt(usize),
    /// Prompt and completion together do not fit the model's positions.
    #[error(
        "request {index}: {prompt} prompt tokens and up to {new} new ones exceed the model's {limit} positions\n\
         hint: lower max_new_tokens or shorten the prompt"
    )]
    TooLong {
        /// Which request.
        index: usize,
        /// Tokens of its prompt.
        prompt: usize,
        /// Its limit of new tokens.
        new: usize,
        /// Positions of the model.
        limit: usize,
    },
    /// The tokenizer cannot spell a token.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A model ready to answer.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'a> {
    /// The base model.
    pub runtime: &'a Runtime,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The adapter on top, if any.
    pub adapter: Option<&'a RuntimeAdapter>,
    /// Sequences that are decoded side by side.
    pub slots: usize,
}

/// Who asks, and hears the answers, while a [`Generation`] works: an answer may lead to the next request.
pub trait Client {
    /// What ends the work early.
    type Error: From<GenerationError>;

    /// The next request, if there is one by now; asked whenever a slot is free.
    ///
    /// With `idle` nothing is being generated, and `None` ends the work: a client that expects more requests waits
    /// for the first of them.
    fn next(&mut self, idle: bool) -> Result<Option<Request>, Self::Error>;

    /// Takes note of what happened.
    fn hear(&mut self, event: GenerationEvent) -> Result<(), Self::Error>;
}

/// A client whose requests are known from the start.
struct Listed<'a, E> {
    requests: std::slice::Iter<'a, Request>,
    on_event: &'a mut dyn FnMut(GenerationEvent) -> Result<(), E>,
}

impl<E: From<GenerationError>> Client for Listed<'_, E> {
    type Error = E;

    fn next(&mut self, _idle: bool) -> Result<Option<Request>, E> {
        Ok(self.requests.next().cloned())
    }

    fn hear(&mut self, event: GenerationEvent) -> Result<(), E> {
        (self.on_event)(event)
    }
}

/// A place in the cache, and what it holds.
struct Slot {
    number: usize,
    /// The tokens whose keys and values lie there, from position 0 on.
    tokens: Vec<u32>,
    /// Whether the adapter took part in them.
    adapted: bool,
}

impl Slot {
    fn new(number: usize) -> Self {
        Self {
            number,
            tokens: Vec::new(),
            adapted: false,
        }
    }

    /// How many tokens of a prompt's beginning lie there.
    fn shared(&self, prompt: &[u32], adapted: bool) -> usize {
        if self.adapted != adapted {
            return 0;
        }
        let pairs = self.tokens.iter().zip(prompt);
        pairs.take_while(|(held, wanted)| held == wanted).count()
    }
}

/// What comes after the last token of a sequence.
enum Next {
    Logits(Vec<f32>),
    /// The likeliest token, found where the logits are.
    Likeliest(u32),
}

/// A sequence in its slot.
struct Sequence<'a> {
    index: usize,
    slot: Slot,
    request: Request,
    rng: ChaCha8Rng,
    tokens: Vec<u32>,
    stream: DecodeStream<'a>,
    text: String,
    seconds: f64,
}

impl<'a> Generation<'a> {
    /// Answers all requests, at most `slots` at a time, and tells of each as soon as it is done.
    ///
    /// # Errors
    /// [`GenerationError`] before anything is computed, or what `on_event` gives, at once.
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

    /// Answers what `client` asks, at most `slots` requests at a time, until it has no more.
    ///
    /// On the CPU no completion depends on what is generated beside it.
    ///
    /// # Errors
    /// [`GenerationError`] for a request that cannot be answered, or what the client gives, at once.
    pub fn serve<C: Client>(&self, client: &mut C) -> Result<(), C::Error> {
        self.work(self.slots, 1, client)
    }

    /// `capacity` positions are there from the start; more are made when a request needs them.
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
                let slot = self.choose(&mut free, &request);
                let (sequence, finish) = self.begin(asked, slot, request, &mut cache)?;
                asked += 1;
                made += 1;
                if let Some(finish) = finish {
                    let (slot, event) = sequence.finished(finish);
                    free.push(slot);
                    client.hear(event)?;
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
                        client.hear(event)?;
                    }
                    None => kept.push(sequence),
                }
            }
            running = kept;
            client.hear(GenerationEvent::Tokens(made))?;
        }
    }

    /// Positions of the cache that a request needs.
    fn positions(&self, index: usize, request: &Request) -> Result<usize, GenerationError> {
        let limit = self.runtime.config().max_position_embeddings;
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

    /// Who answers a request.
    fn adapter(&self, with_adapter: bool) -> Option<&'a RuntimeAdapter> {
        self.adapter.filter(|_| with_adapter)
    }

    /// Takes the free slot that holds the longest beginning of a request's prompt already; of equals, the one that was
    /// freed last.
    fn choose(&self, free: &mut Vec<Slot>, request: &Request) -> Slot {
        let adapted = self.adapter(request.with_adapter).is_some();
        let shared = |slot: &Slot| slot.shared(&request.prompt, adapted);
        let best = (0..free.len()).max_by_key(|&i| shared(&free[i]));
        free.remove(best.unwrap_or(0))
    }

    /// Reads a prompt into its slot and draws the first token.
    fn begin(
        &self,
        index: usize,
        mut slot: Slot,
        request: Request,
        cache: &mut RuntimeCache,
    ) -> Result<(Sequence<'a>, Option<Finish>), GenerationError> {
        let started = Instant::now();
        let adapter = self.adapter(request.with_adapter);
        let shared = if self.runtime.keeps_prefixes() {
            slot.shared(&request.prompt, adapter.is_some())
        } else {
            0
        };
        // The last token is always read: its logits are what is asked for.
        let start = shared.min(request.prompt.len() - 1);
        let unread = &request.prompt[start..];
        let logits = self
            .runtime
            .prefill(cache, slot.number, start, unread, adapter);
        slot.tokens.clone_from(&request.prompt);
        slot.adapted = adapter.is_some();
        let mut sequence = Sequence {
            index,
            slot,
            rng: ChaCha8Rng::seed_from_u64(request.seed),
            request,
            tokens: Vec::new(),
            stream: self.tokenizer.decode_stream(),
            text: String::new(),
            seconds: 0.0,
        };
        let finish = self.extend(&mut sequence, &Next::Logits(logits))?;
        sequence.seconds = started.elapsed().as_secs_f64();
        Ok((sequence, finish))
    }

    /// What comes after the last token of each sequence. Those with the adapter and those without are two passes.
    ///
    /// Where all of a pass take the likeliest token, a GPU finds it itself: the logits of many sequences are long under
    /// way to the CPU.
    fn next(&self, running: &mut [Sequence], cache: &mut RuntimeCache) -> Vec<Next> {
        let vocab_size = self.runtime.config().vocab_size;
        let mut next: Vec<Option<Next>> = running.iter().map(|_| None).collect();
        for adapted in [false, true] {
            let rows: Vec<usize> = (0..running.len())
                .filter(|&row| running[row].slot.adapted == adapted)
                .collect();
            if rows.is_empty() {
                continue;
            }
            let last: Vec<u32> = rows.iter().map(|&row| running[row].last_token()).collect();
            let at: Vec<(usize, usize)> = rows
                .iter()
                .map(|&row| (running[row].slot.number, running[row].position()))
                .collect();
            let adapter = self.adapter(adapted);
            let is_greedy = |&row: &usize| running[row].request.sampling.is_greedy();
            let found: Vec<Next> = if rows.iter().all(is_greedy) {
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

    /// Draws the next token of a sequence and says whether that ended it.
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
            ..
        } = sequence;
        if request.max_new_tokens == 0 {
            return Ok(Some(Finish::Length));
        }
        let token = match next {
            Next::Logits(logits) => request.sampling.draw(logits, rng),
            Next::Likeliest(token) => *token,
        };
        if self.tokenizer.eos_ids().contains(&token) {
            *text += &stream.finish()?;
            return Ok(Some(Finish::Stop));
        }
        tokens.push(token);
        // A stop string may begin in text that was there before.
        let longest = request.stop.iter().map(String::len).max().unwrap_or(0);
        let mut from = text.len().saturating_sub(longest);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        *text += &stream.push(token)?;
        let ends_at = request
            .stop
            .iter()
            .filter_map(|stop| Some(from + text[from..].find(stop.as_str())?))
            .min();
        if let Some(end) = ends_at {
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

    /// Position of the last token drawn, which is not in the cache yet.
    fn position(&self) -> usize {
        self.request.prompt.len() + self.tokens.len() - 1
    }

    /// Gives the slot back, and the event to tell.
    fn finished(self, finish: Finish) -> (Slot, GenerationEvent) {
        let completion = Completion {
            tokens: self.tokens,
            text: self.text,
            finish,
            seconds: self.seconds,
        };
        let index = self.index;
        (self.slot, GenerationEvent::Finished { index, completion })
    }
}
