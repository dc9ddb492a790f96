//! A request for the body of a Python function, and the completion that answers it.
//!
//! The user's turn shows imports, signature and docstring; the assistant's turn is begun for the model with
//! an opened code fence and the same lines, so that the completion is exactly the body, up to the closing
//! fence. Training and evaluation both come here: otherwise their comparison would measure formatting.
//!
//! # Where the prompt ends
//! Between docstring and body stands a newline. Vocabularies in the manner of GPT-2 have one token for a newline with
//! the indentation that follows; a prompt that ends in a lone newline then looks, to the model, like the
//! end of the code, and `SmolLM2-135M-Instruct` closes the fence at once in six requests out of six. Vocabularies in
//! the manner of Qwen2 join the newline to the quotes before it, and `Qwen2.5-Coder-0.5B-Instruct` answers
//! nothing, six times out of six, if the prompt ends without it. So the ids of a prompt end before the newline
//! for the first kind, and the completion begins with it; [`ChatTemplate::code_body`] takes it off.

use super::{ChatError, ChatTemplate, Message, OwnedTokens, Role, TokenOwner, encode_after};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Stop strings for completions of a [`CodeRequest`]: the line that closes the fence.
pub const CODE_STOP: &[&str] = &["\n```"];

const FENCE: &str = "```";

/// A Python function without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRequest<'a> {
    /// Imports, signature and docstring; white space at its end does not count.
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

    /// The beginning of the assistant's turn: the opened fence and the stub, up to the line where the body begins.
    pub fn begun(&self) -> String {
        format!("{FENCE}python\n{}\n", self.stub.trim_end())
    }
}

impl ChatTemplate {
    /// The text of a request: ends with the stub and one newline, where the body begins.
    pub fn code_request(&self, request: CodeRequest<'_>) -> Result<String, ChatError> {
        Ok(self.render(&request.messages(), true)? + &request.begun())
    }

    /// The prompt of a request as ids; nothing in the stub becomes a special token.
    ///
    /// They are those of [`code_request`](Self::code_request), without its last newline where the vocabulary joins
    /// that to the body's indentation.
    pub fn encode_code_request(
        &self,
        tokenizer: &Tokenizer,
        request: CodeRequest<'_>,
    ) -> Result<Vec<u32>, ChatError> {
        self.encode_begun(tokenizer, &request.messages(), &request.begun())
    }

    /// The ids of a conversation in which the assistant's turn is begun with `begun`, which may be empty; nothing in
    /// it becomes a special token.
    ///
    /// A newline at its end is left to the model where the vocabulary joins that to the indentation that follows; then
    /// the completion begins with it, and [`code_body`](Self::code_body) takes it off.
    pub fn encode_begun(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        begun: &str,
    ) -> Result<Vec<u32>, ChatError> {
        let begun = given(tokenizer, begun)?;
        self.encode_begun_with(tokenizer, messages, true, begun)
    }

    /// The same as text, for whoever tokenizes it elsewhere: there, special tokens that a message spells out count.
    pub fn text_begun(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        begun: &str,
    ) -> Result<String, ChatError> {
        Ok(self.render(messages, true)? + given(tokenizer, begun)?)
    }

    /// The text that answers a request: the body, the closing fence and the end of the turn.
    pub fn code_completion(&self, body: &str) -> Result<String, ChatError> {
        Ok(format!("{}{}", closed(body), self.end_of_turn()?))
    }

    /// The completion to learn as ids; nothing in the body becomes a special token.
    ///
    /// They follow [`encode_code_request`](Self::encode_code_request), so they begin with its newline where that ends
    /// without.
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

    /// A request and its answer as one text to learn from: the ids of [`encode_code_request`](Self::encode_code_request)
    /// and of [`encode_code_completion`](Self::encode_code_completion).
    pub fn encode_code_turns(
        &self,
        tokenizer: &Tokenizer,
        request: CodeRequest<'_>,
        body: &str,
    ) -> Result<OwnedTokens, ChatError> {
        let mut answer = self.encode_code_completion(tokenizer, body)?;
        let mut end = encode_after(tokenizer, "", self.end_of_turn()?)?;
        if answer.ends_with(&end) {
            answer.truncate(answer.len() - end.len());
        } else {
            // The end is plain text whose first token spans the fence: it cannot be told from the answer.
            end.clear();
        }
        let mut turns = OwnedTokens::default();
        turns.push(
            TokenOwner::Context,
            self.encode_code_request(tokenizer, request)?,
        );
        turns.push(TokenOwner::Answer(0), answer);
        turns.push(TokenOwner::End(0), end);
        Ok(turns)
    }

    /// The body in a generated completion, which may begin with the newline between stub and body.
    pub fn code_body(completion: &str) -> &str {
        completion.strip_prefix('\n').unwrap_or(completion)
    }
}

/// The body, ending in exactly one newline, and the fence.
fn closed(body: &str) -> String {
    format!("{}\n{FENCE}", body.trim_end())
}

/// What the model is given of the beginning of its turn.
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
