//! Batched generation: every sequence has a slot of the cache, and a slot that becomes free is filled again.

use std::time::Instant;

use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::decoder::Decoder;
use crate::kv_cache::KvCache;
use crate::lora::Adapter;
use crate::sampling::Sampling;
use crate::tokenizer::{DecodeStream, Tokenizer, TokenizerError};

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
        /// Its place among the requests.
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
    pub decoder: &'a Decoder,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The adapter on top, if any.
    pub adapter: Option<&'a Adapter>,
    /// Sequences that are decoded side by side.
    pub slots: usize,
}

/// A sequence in its slot.
struct Sequence<'a> {
    index: usize,
    slot: usize,
    request: &'a Request,
    rng: ChaCha8Rng,
    tokens: Vec<u32>,
    stream: DecodeStream<'a>,
    text: String,
    seconds: f64,
}

impl Generation<'_> {
    /// Answers all requests, at most `slots` at a time, and tells of each as soon as it is done.
    ///
    /// # Errors
    /// [`GenerationError`] before anything is computed, or what `on_event` gives, at once.
    pub fn run<E: From<GenerationError>>(
        &self,
        requests: &[Request],
        on_event: &mut dyn FnMut(GenerationEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let slots = self.slots.clamp(1, requests.len().max(1));
        let capacity = self.capacity(requests)?;
        let mut cache = KvCache::new(
            self.decoder.config(),
            slots,
            capacity,
            self.decoder.device(),
        );
        let mut waiting = requests.iter().enumerate();
        let mut free: Vec<usize> = (0..slots).rev().collect();
        let mut running: Vec<Sequence> = Vec::new();
        let mut made = 0;
        loop {
            while let Some(&slot) = free.last() {
                let Some((index, request)) = waiting.next() else {
                    break;
                };
                let started = Instant::now();
                let logits = self
                    .decoder
                    .prefill(&mut cache, slot, &request.prompt, self.adapter);
                let mut sequence = Sequence {
                    index,
                    slot,
                    request,
                    rng: ChaCha8Rng::seed_from_u64(request.seed),
                    tokens: Vec::new(),
                    stream: self.tokenizer.decode_stream(),
                    text: String::new(),
                    seconds: 0.0,
                };
                let finish = self.extend(&mut sequence, &host_rows(logits)[0])?;
                sequence.seconds = started.elapsed().as_secs_f64();
                made += 1;
                if let Some(finish) = finish {
                    on_event(sequence.finished(finish))?;
                } else {
                    free.pop();
                    running.push(sequence);
                }
            }
            if running.is_empty() {
                return Ok(());
            }
            let started = Instant::now();
            let last: Vec<u32> = running.iter().map(Sequence::last_token).collect();
            let at: Vec<(usize, usize)> = running.iter().map(|s| (s.slot, s.position())).collect();
            let logits = host_rows(self.decoder.decode(&mut cache, &last, &at, self.adapter));
            let mut finished = Vec::new();
            for (row, sequence) in running.iter_mut().enumerate() {
                finished.push(self.extend(sequence, &logits[row])?);
            }
            made += running.len();
            let share = started.elapsed().as_secs_f64() / running.len() as f64;
            let mut kept = Vec::with_capacity(running.len());
            for (mut sequence, finish) in running.into_iter().zip(finished) {
                sequence.seconds += share;
                match finish {
                    Some(finish) => {
                        free.push(sequence.slot);
                        on_event(sequence.finished(finish))?;
                    }
                    None => kept.push(sequence),
                }
            }
            running = kept;
            on_event(GenerationEvent::Tokens(made))?;
        }
    }

    /// Positions that the longest request needs.
    fn capacity(&self, requests: &[Request]) -> Result<usize, GenerationError> {
        let limit = self.decoder.config().max_position_embeddings;
        let mut capacity = 1;
        for (index, request) in requests.iter().enumerate() {
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
            capacity = capacity.max(prompt + new);
        }
        Ok(capacity)
    }

    /// Draws the next token of a sequence and says whether that ended it.
    fn extend(
        &self,
        sequence: &mut Sequence,
        logits: &[f32],
    ) -> Result<Option<Finish>, GenerationError> {
        let request = sequence.request;
        if request.max_new_tokens == 0 {
            return Ok(Some(Finish::Length));
        }
        let token = request.sampling.draw(logits, &mut sequence.rng);
        if self.tokenizer.eos_ids().contains(&token) {
            sequence.text += &sequence.stream.finish()?;
            return Ok(Some(Finish::Stop));
        }
        sequence.tokens.push(token);
        // A stop string may begin in text that was there before.
        let longest = request.stop.iter().map(String::len).max().unwrap_or(0);
        let mut from = sequence.text.len().saturating_sub(longest);
        while !sequence.text.is_char_boundary(from) {
            from -= 1;
        }
        sequence.text += &sequence.stream.push(token)?;
        let ends_at = request
            .stop
            .iter()
            .filter_map(|stop| Some(from + sequence.text[from..].find(stop.as_str())?))
            .min();
        if let Some(end) = ends_at {
            sequence.text.truncate(end);
            return Ok(Some(Finish::Stop));
        }
        if sequence.tokens.len() < request.max_new_tokens {
            return Ok(None);
        }
        sequence.text += &sequence.stream.finish()?;
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

    fn finished(self, finish: Finish) -> GenerationEvent {
        let Self {
            index,
            tokens,
            text,
            seconds,
            ..
        } = self;
        GenerationEvent::Finished {
            index,
            completion: Completion {
                tokens,
                text,
                finish,
                seconds,
            },
        }
    }
}

/// The rows of a matrix, on the host.
fn host_rows(logits: Tensor<2>) -> Vec<Vec<f32>> {
    let width = logits.dims()[1];
    let values: Vec<f32> = logits
        .into_data()
        .try_into_vec()
        .unwrap_or_else(|error| unreachable!("logits are f32: {error:?}"));
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}
