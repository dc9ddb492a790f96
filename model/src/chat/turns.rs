//! Conversations to learn from: whose each token is.

use super::{ChatError, ChatTemplate, Message, Piece, Role};
use crate::tokenizer::{Markup, Tokenizer};

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The template's, or another speaker's.
    Context,
    /// The assistant's, in its answer of this number, counted from 0.
    Answer(usize),
    /// What ends that answer, which the assistant says too.
    End(usize),
}

/// A text as tokens, with whose each of them is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// The tokens.
    pub ids: Vec<u32>,
    /// One for each token.
    pub parts: Vec<Part>,
}

impl Turns {
    /// Appends tokens of one part.
    pub fn push(&mut self, part: Part, ids: impl IntoIterator<Item = u32>) {
        self.ids.extend(ids);
        self.parts.resize(self.ids.len(), part);
    }

    /// Number of answers.
    pub fn n_answers(&self) -> usize {
        let numbers = self.parts.iter().filter_map(|part| match part {
            Part::Context => None,
            Part::Answer(number) | Part::End(number) => Some(number + 1),
        });
        numbers.max().unwrap_or(0)
    }
}

impl ChatTemplate {
    /// The ids of a whole conversation, with the assistant's answers marked.
    ///
    /// Stock templates do not say where an answer begins and ends, so it is read off the pieces that
    /// [`encode`](Self::encode) is made of. An answer is tokenized apart from what surrounds it: at inference the
    /// prompt ends before it, so no token may span that border in training. It ends with the first special token
    /// after it; where the template puts none there, with the template's own text or, after the last answer, the
    /// model's end token.
    ///
    /// # Errors
    /// The template refuses or rewrites the messages, or nothing can mark the end of the last answer.
    pub fn encode_turns(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
    ) -> Result<Turns, ChatError> {
        let mut turns = Builder {
            tokenizer,
            turns: Turns::default(),
            run: String::new(),
        };
        let end = self.end_of_turn()?;
        let mut n_answers = 0;
        // The answer that has been said and not yet ended.
        let mut open = None;
        for piece in self.pieces(messages, false)? {
            match piece {
                Piece::Message(index, text) if messages[index].role == Role::Assistant => {
                    turns.flush(Part::Context)?;
                    turns.run = text;
                    turns.flush(Part::Answer(n_answers))?;
                    open = Some(n_answers);
                    n_answers += 1;
                }
                Piece::Message(_, text) | Piece::Content(text) => {
                    open = None;
                    turns.run.push_str(&text);
                }
                Piece::Markup(text) => match open.take() {
                    Some(answer) => turns.end_and_go_on(&text, answer, end)?,
                    None => turns.markup(&tokenizer.split_markup(&text))?,
                },
            }
        }
        turns.flush(Part::Context)?;
        let last = n_answers.checked_sub(1).map(Part::End);
        if let Some(last) = last.filter(|last| !turns.turns.parts.contains(last)) {
            let ids = tokenizer.encode(end)?;
            turns.turns.push(last, ids);
        }
        Ok(turns.turns)
    }
}

struct Builder<'a> {
    tokenizer: &'a Tokenizer,
    turns: Turns,
    /// Text that has not been tokenized yet, so that tokens may span the border of pieces.
    run: String,
}

impl Builder<'_> {
    /// Tokenizes the text so far.
    fn flush(&mut self, part: Part) -> Result<(), ChatError> {
        let ids = self.tokenizer.encode_text(&self.run)?;
        self.run.clear();
        self.turns.push(part, ids);
        Ok(())
    }

    fn markup(&mut self, parts: &[Markup]) -> Result<(), ChatError> {
        for part in parts {
            match part {
                Markup::Text(text) => self.run.push_str(text),
                Markup::Token(id) => {
                    self.flush(Part::Context)?;
                    self.turns.push(Part::Context, [*id]);
                }
            }
        }
        Ok(())
    }

    /// Markup after an answer: what ends it, then what begins the next turn.
    fn end_and_go_on(&mut self, text: &str, answer: usize, end: &str) -> Result<(), ChatError> {
        let mut parts = self.tokenizer.split_markup(text);
        let first_token = parts
            .iter()
            .position(|part| matches!(part, Markup::Token(_)));
        let n_ending = match (first_token, text.strip_prefix(end)) {
            (Some(at), _) => at + 1,
            (None, Some(rest)) => {
                parts = vec![Markup::Text(end.to_owned()), Markup::Text(rest.to_owned())];
                1
            }
            (None, None) => 0,
        };
        let (ending, rest) = parts.split_at(n_ending);
        for part in ending {
            match part {
                Markup::Text(text) => {
                    self.run.push_str(text);
                    self.flush(Part::End(answer))?;
                }
                Markup::Token(id) => self.turns.push(Part::End(answer), [*id]),
            }
        }
        self.markup(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checkpoint;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn tokenizer() -> Tokenizer {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/tiny-qwen2");
        let checkpoint = Checkpoint::open(&folder).expect("golden checkpoint");
        checkpoint.tokenizer().expect("tokenizer")
    }

    fn conversation() -> Vec<Message> {
        vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "One?"),
            Message::new(Role::Assistant, "First<|im_end|>"),
            Message::new(Role::User, "Two?"),
            Message::new(Role::Assistant, "  Second"),
        ]
    }

    /// The text of each part, in order.
    fn parts(template: &ChatTemplate, tokenizer: &Tokenizer) -> Vec<(Part, String)> {
        let turns = template
            .encode_turns(tokenizer, &conversation())
            .expect("turns");
        assert_eq!(turns.ids.len(), turns.parts.len());
        assert_eq!(turns.n_answers(), 2);
        let mut runs: Vec<(Part, Vec<u32>)> = Vec::new();
        for (&id, &part) in turns.ids.iter().zip(&turns.parts) {
            match runs.last_mut() {
                Some((last, ids)) if *last == part => ids.push(id),
                _ => runs.push((part, vec![id])),
            }
        }
        runs.into_iter()
            .map(|(part, ids)| (part, tokenizer.decode(&ids, false).expect("text")))
            .collect()
    }

    #[test]
    fn the_answers_and_their_ends_are_told_from_the_rest() {
        let tokenizer = tokenizer();
        let found = parts(&ChatTemplate::chatml(), &tokenizer);
        let context = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n";
        let expected = [
            (Part::Context, context),
            // A literal end token in a message is text, and ends nothing.
            (Part::Answer(0), "First<|im_end|>"),
            (Part::End(0), "<|im_end|>"),
            (
                Part::Context,
                "\n<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\n",
            ),
            (Part::Answer(1), "  Second"),
            (Part::End(1), "<|im_end|>"),
            (Part::Context, "\n"),
        ];
        assert_eq!(found, expected.map(|(part, text)| (part, text.to_owned())));
    }

    #[test]
    fn everything_before_an_answer_has_the_tokens_of_the_prompt_that_asks_for_it() {
        let tokenizer = tokenizer();
        let template = ChatTemplate::chatml();
        let messages = conversation();
        let turns = template.encode_turns(&tokenizer, &messages).expect("turns");
        for (answer, before) in [(0, 2), (1, 4)] {
            let prompt = template
                .encode(&tokenizer, &messages[..before], true)
                .expect("prompt");
            let at = turns
                .parts
                .iter()
                .position(|part| *part == Part::Answer(answer));
            assert_eq!(turns.ids[..at.expect("an answer")], prompt);
        }
    }

    #[test]
    fn a_template_whose_turns_end_in_plain_text_or_in_nothing_still_ends_the_last_answer() {
        let tokenizer = tokenizer();
        let tokens = BTreeMap::from([("eos_token".to_owned(), "<|im_end|>".to_owned())]);
        let template = |source: &str| ChatTemplate::new(source, tokens.clone()).expect("valid");
        let ends = |template: &ChatTemplate| -> Vec<(Part, String)> {
            let mut parts = parts(template, &tokenizer);
            parts.retain(|(part, _)| matches!(part, Part::End(_)));
            parts
        };
        let text =
            template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n###\n{% endfor %}");
        let end = |answer, text: &str| (Part::End(answer), text.to_owned());
        assert_eq!(ends(&text), [end(0, "\n###"), end(1, "\n###")]);
        let bare = template("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
        assert_eq!(ends(&bare), [end(1, "<|im_end|>")]);
    }
}
