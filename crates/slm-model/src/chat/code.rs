//! Prompts for the body of a Python function, and the completions that answer them.
//!
//! The user's turn contains imports, signature and docstring; the assistant's turn is prefilled with an opening code
//! fence and the same lines, so that the completion is exactly the body, up to the closing fence. Training and
//! evaluation both use this format: otherwise their comparison would measure formatting.
//!
//! # Where the prompt ends
//! A newline separates docstring and body. GPT-2-like vocabularies have one token for a newline with the indentation
//! that follows; a prompt that ends in a lone newline then looks to the model like the end of the code, and
//! `SmolLM2-135M-Instruct` closes the fence at once in six of six requests. Qwen2-like vocabularies join the newline to
//! the quotes before it, and `Qwen2.5-Coder-0.5B-Instruct` returns nothing in six of six requests if the prompt ends
//! without it. So for the first kind the ids of a prompt end before the newline, and the completion starts with it;
//! [`ChatTemplate::code_body`] removes it.
//!
//! A stub without a function's header, only a docstring, looks like a whole program: prefilled with it,
//! `Qwen2.5-Coder-0.5B-Instruct` closes the fence at once in three of 24 tasks of MBPP+. There the completion is the
//! whole program.

use super::{ChatError, ChatTemplate, Message, OwnedTokens, Role, TokenOwner, encode_after};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Stop strings for completions of a [`CodeRequest`]: the line that closes the fence.
pub const CODE_STOP: &[&str] = &["\n```"];

const FENCE: &str = "```";

/// A Python function without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRequest<'a> {
    /// Imports, signature and docstring; trailing white space is ignored.
    pub stub: &'a str,
}

impl CodeRequest<'_> {
    /// The user's turn.
    pub fn messages(&self) -> [Message; 1] {
        let stub = self.stub.trim_end();
        let text = format!(
            "Complete the following Python function. Reply with the code only.\n\n{FENCE}python\n{stub}\n{FENCE}"
        );
        [Message::new(Role::User, text)]
    }

    /// The prefix of the assistant's turn: the opening fence and the stub, up to the line where the body starts. Of a stub
    /// that ends outside of any function, such as the docstring that is the text of an MBPP task, only the opening fence.
    pub fn begun(&self) -> String {
        if !self.has_header() {
            return format!("{FENCE}python\n");
        }
        format!("{FENCE}python\n{}\n", self.stub.trim_end())
    }

    /// Whether the stub ends within a function or a class, or with its header, so that a body continues it.
    fn has_header(&self) -> bool {
        let last = self.stub.trim_end().lines().next_back().unwrap_or_default();
        last.starts_with([' ', '\t']) || last.ends_with(':')
    }
}

impl ChatTemplate {
    /// Renders a request; the text ends with the stub and one newline, where the body starts.
    pub fn code_request(&self, request: CodeRequest<'_>) -> Result<String, ChatError> {
        Ok(self.render(&request.messages(), true)? + &request.begun())
    }

    /// Encodes the prompt of a request; nothing in the stub becomes a special token.
    ///
    /// The ids are those of [`code_request`](Self::code_request), without its last newline if the vocabulary joins
    /// it to the body's indentation.
    pub fn encode_code_request(
        &self,
        tokenizer: &Tokenizer,
        request: CodeRequest<'_>,
    ) -> Result<Vec<u32>, ChatError> {
        self.encode_begun(tokenizer, &request.messages(), &request.begun())
    }

    /// Encodes a conversation whose last assistant turn starts with the prefix `begun`, which may be empty; nothing in
    /// it becomes a special token.
    ///
    /// A newline at its end is left to the model if the vocabulary joins it to the indentation that follows. Then the
    /// completion starts with it, and [`code_body`](Self::code_body) removes it.
    pub fn encode_begun(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        begun: &str,
    ) -> Result<Vec<u32>, ChatError> {
        let begun = given(tokenizer, begun)?;
        self.encode_begun_with(tokenizer, messages, true, begun)
    }

    /// As [`Self::encode_begun`], as text for an external tokenizer, which interprets special tokens spelled in
    /// messages.
    pub fn text_begun(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        begun: &str,
    ) -> Result<String, ChatError> {
        Ok(self.render(messages, true)? + given(tokenizer, begun)?)
    }

    /// Returns the completion that answers a request: the body, the closing fence and the end of the turn.
    pub fn code_completion(&self, body: &str) -> Result<String, ChatError> {
        Ok(format!("{}{}", closed(body), self.end_of_turn()?))
    }

    /// Encodes the completion to train on; nothing in the body becomes a special token.
    ///
    /// The ids follow those of [`encode_code_request`](Self::encode_code_request), so they start with its newline if
    /// that ends without one.
    pub fn encode_code_completion(
        &self,
        tokenizer: &Tokenizer,
        body: &str,
    ) -> Result<Vec<u32>, ChatError> {
        let mut text = closed(body);
        if joins_newline_to_indentation(tokenizer)? {
            text.insert(0, '\n');
        }
        Ok(encode_after(tokenizer, &text, self.end_of_turn()?)?)
    }

    /// Encodes a request and its answer as one training text: the ids of
    /// [`encode_code_request`](Self::encode_code_request) and of
    /// [`encode_code_completion`](Self::encode_code_completion).
    pub fn encode_code_turns(
        &self,
        tokenizer: &Tokenizer,
        request: CodeRequest<'_>,
        body: &str,
    ) -> Result<OwnedTokens, ChatError> {
        let (messages, begun) = (request.messages(), request.begun());
        self.encode_begun_turns(tokenizer, &messages, &begun, &closed(body))
    }

    /// Encodes a conversation and the assistant's answer to it as one training text. The answer's turn starts with
    /// `begun`, which belongs to the context and is that of [`encode_begun`](Self::encode_begun); `answer` is the rest
    /// of the turn. Nothing in either becomes a special token.
    ///
    /// A newline that `encode_begun` leaves to the model is the answer's first.
    ///
    /// # Errors
    /// The template refuses or rewrites the messages, or nothing can mark the end of the turn.
    pub fn encode_begun_turns(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        begun: &str,
        answer: &str,
    ) -> Result<OwnedTokens, ChatError> {
        let given = given(tokenizer, begun)?;
        let text = format!("{}{answer}", &begun[given.len()..]);
        let end = self.end_of_turn()?;
        let mut answer = encode_after(tokenizer, &text, end)?;
        let mut end = encode_after(tokenizer, "", end)?;
        if answer.ends_with(&end) {
            answer.truncate(answer.len() - end.len());
        } else {
            // The end is plain text whose first token spans the answer's last characters: it cannot be separated.
            end.clear();
        }
        let context = self.encode_begun_with(tokenizer, messages, true, given)?;
        let mut turns = OwnedTokens::default();
        turns.push(TokenOwner::Context, context);
        turns.push(TokenOwner::Answer(0), answer);
        turns.push(TokenOwner::End(0), end);
        Ok(turns)
    }

    /// Returns the body of a generated completion, which may start with the newline between stub and body.
    pub fn code_body(completion: &str) -> &str {
        completion.strip_prefix('\n').unwrap_or(completion)
    }
}

/// The body with exactly one newline at its end, and the fence.
fn closed(body: &str) -> String {
    format!("{}\n{FENCE}", body.trim_end())
}

/// Returns the part of the assistant's prefix that is given to the model.
fn given<'a>(tokenizer: &Tokenizer, begun: &'a str) -> Result<&'a str, TokenizerError> {
    Ok(match begun.strip_suffix('\n') {
        Some(without) if joins_newline_to_indentation(tokenizer)? => without,
        _ => begun,
    })
}

/// Whether a token spans the newline between docstring and body.
fn joins_newline_to_indentation(tokenizer: &Tokenizer) -> Result<bool, TokenizerError> {
    let stub = tokenizer.encode_text("\"\"\"\n")?;
    let whole = tokenizer.encode_text("\"\"\"\n    return")?;
    Ok(!whole.starts_with(&stub))
}
