//! Probes what a server supports beyond the common API, with requests for one token.
//!
//! vLLM and llama.cpp accept token ids as a prompt, which leaves no ambiguity; Ollama and llama-cpp-python accept
//! only text. The server tokenizes a text itself, and some servers prepend a begin token. The server's count of a
//! prompt's tokens shows whether the two vocabularies agree.

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::Api;
use slm_model::{Message, Role, Sampling};

use super::wire::{Prompt, ServerAnswer};
use super::{Endpoint, Outcome, Texts};
use crate::backend::{Query, Speaker, Wanted};

/// A text that every vocabulary splits into several tokens, none of them special.
const PLAIN: &str = "def area(width, height):\n    return width * height";

/// How requests to a server are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// Whether prompts are token ids.
    pub(super) ids: bool,
    /// Whether the server accepts parameters beyond OpenAI's API.
    pub(super) extras: bool,
    /// Whether the server prepends its begin token to a text.
    pub(super) adds_start: bool,
}

impl Capabilities {
    /// Names the form of the prompts.
    pub(super) fn prompts(self, api: Api) -> &'static str {
        match api {
            Api::Completions if self.ids => "token ids",
            Api::Completions => "text",
            Api::Chat => "conversations, rendered by the server",
        }
    }
}

/// Probes what the server supports.
///
/// # Errors
/// The server cannot be reached, or its count of tokens differs from the local tokenizer's.
pub(super) fn discover(endpoint: &Endpoint, model: &str) -> Result<Capabilities> {
    let Some(texts) = &endpoint.texts else {
        let prompt = Prompt::Messages(conversation());
        let (extras, _) = first_taken(endpoint, model, &prompt)?;
        return Ok(Capabilities {
            ids: false,
            extras,
            adds_start: false,
        });
    };
    let (extras, answer) = first_taken(endpoint, model, &Prompt::Text(PLAIN.to_owned()))?;
    let own = texts.tokenizer.encode_text(PLAIN)?.len();
    let start = texts.tokenizer.text_start()?;
    let adds_start = match answer.prompt_tokens {
        None => !start.is_empty(),
        Some(theirs) if theirs == own => false,
        Some(theirs) if theirs == own + 1 => true,
        Some(theirs) => return Err(stranger(endpoint, model, theirs, own)),
    };
    let query = query(conversation());
    let ids = texts.ids(&query)?;
    let mut capabilities = Capabilities {
        ids: true,
        extras,
        adds_start,
    };
    let expected = ids.len();
    if let Some(answer) = endpoint.probe_once(model, &Prompt::Ids(ids), extras)? {
        return match answer.prompt_tokens {
            Some(theirs) if theirs != expected => Err(stranger(endpoint, model, theirs, expected)),
            _ => Ok(capabilities),
        };
    }
    capabilities.ids = false;
    let text = texts.text(&query, capabilities)?;
    let (_, answer) = first_taken(endpoint, model, &Prompt::Text(text))?;
    match answer.prompt_tokens {
        Some(theirs) if theirs != expected => Err(stranger(endpoint, model, theirs, expected)),
        _ => Ok(capabilities),
    }
}

/// Returns the answer to a prompt, with the extra parameters or, if these are refused, without them.
fn first_taken(endpoint: &Endpoint, model: &str, prompt: &Prompt) -> Result<(bool, ServerAnswer)> {
    for extras in [true, false] {
        match endpoint.probe(model, prompt, extras)? {
            Outcome::Answered(answer, _) => return Ok((extras, answer)),
            Outcome::Refused(why) if !extras => return Err(endpoint.error(&why)),
            Outcome::TooLong(_) => {
                return Err(endpoint.error("the context has no room for a short prompt"));
            }
            Outcome::Refused(_) => {}
        }
    }
    unreachable!("the second refusal is an error")
}

/// Returns a short conversation.
pub(super) fn conversation() -> Vec<Message> {
    vec![Message::new(Role::User, PLAIN)]
}

/// Returns a query for one token.
pub(super) fn query(messages: Vec<Message>) -> Query {
    Query {
        messages,
        begun: String::new(),
        stop: Vec::new(),
        sampling: Sampling::GREEDY,
        max_new_tokens: 1,
        seed: 1,
        speaker: Speaker::Base,
        wanted: Wanted::default(),
    }
}

fn stranger(endpoint: &Endpoint, model: &str, theirs: usize, own: usize) -> anyhow::Error {
    let text = format!(
        "{}: `{model}` counts {theirs} tokens in a prompt in which the tokenizer of `model.name_or_path` counts {own}, \
         so it is another model, or adds text to prompts\n\
         hint: serve the recipe's model, or let the server render prompts: --set evaluate.endpoint.api=chat",
        endpoint.http.base()
    );
    UserMistake(text).into()
}

impl Texts {
    /// Returns a query's prompt as the token ids that the built-in model gets.
    pub(super) fn ids(&self, query: &Query) -> Result<Vec<u32>> {
        query.prompt_ids(&self.tokenizer, &self.template)
    }

    /// Returns a query's prompt as text, for a server that tokenizes it.
    pub(super) fn text(&self, query: &Query, capabilities: Capabilities) -> Result<String> {
        let start = self.tokenizer.text_start()?;
        let start = self.tokenizer.decode(&start, false)?;
        if query.messages.is_empty() {
            let start = if capabilities.adds_start { "" } else { &start };
            return Ok(format!("{start}{}", query.begun));
        }
        let text = self
            .template
            .text_begun(&self.tokenizer, &query.messages, &query.begun)?;
        // Avoids a second begin token.
        let doubled = capabilities.adds_start && !start.is_empty();
        let rest = text.strip_prefix(&start).filter(|_| doubled);
        Ok(rest.map_or_else(|| text.clone(), str::to_owned))
    }
}
