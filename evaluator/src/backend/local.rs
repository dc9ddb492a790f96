//! The built-in model.

use anyhow::{Context, Result, anyhow};
use config::Evaluate;
use model::{
    Adapter, CODE_STOP, ChatTemplate, CodeRequest, Decoder, Finish, Generation, GenerationEvent,
    Sampling, Tokenizer,
};

use super::{Answer, Backend, Event, Query};
use crate::record::FinishReason;

/// The base model, with an adapter or without.
pub(crate) struct LocalModel<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) template: &'a ChatTemplate,
    pub(crate) adapter: Option<&'a Adapter>,
    pub(crate) evaluate: &'a Evaluate,
}

impl LocalModel<'_> {
    /// The prompts, rendered as a training example's is.
    fn requests(&self, queries: &[Query]) -> Result<Vec<model::Request>> {
        let sampling = Sampling {
            temperature: self.evaluate.sampling.temperature,
            top_p: self.evaluate.sampling.top_p,
            top_k: self.evaluate.sampling.top_k,
        };
        queries
            .iter()
            .map(|query| {
                Ok(model::Request {
                    prompt: self
                        .template
                        .encode_code_request(self.tokenizer, CodeRequest { stub: &query.stub })?,
                    max_new_tokens: self.evaluate.max_new_tokens,
                    sampling,
                    seed: query.seed,
                    stop: CODE_STOP.iter().map(|&stop| stop.to_owned()).collect(),
                })
            })
            .collect::<Result<Vec<_>>>()
            .context("cannot render the request")
    }
}

impl Backend for LocalModel<'_> {
    fn answer(
        &self,
        queries: &[Query],
        on_event: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let requests = self.requests(queries)?;
        let generation = Generation {
            decoder: self.decoder,
            tokenizer: self.tokenizer,
            adapter: self.adapter,
            slots: self.evaluate.batch_size,
        };
        generation
            .run(&requests, &mut |event| match event {
                GenerationEvent::Tokens(count) => on_event(Event::Tokens(count)),
                GenerationEvent::Finished { index, completion } => {
                    let answer = Answer {
                        text: ChatTemplate::code_body(&completion.text).to_owned(),
                        prompt_tokens: requests[index].prompt.len(),
                        completion_tokens: completion.tokens.len(),
                        finish_reason: match completion.finish {
                            Finish::Stop => FinishReason::Stop,
                            Finish::Length => FinishReason::Length,
                        },
                        seconds: completion.seconds,
                    };
                    on_event(Event::Answered { index, answer })
                }
            })
            .map_err(|error| anyhow!(error))
    }
}
