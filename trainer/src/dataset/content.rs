//! The text of a sample, by the way it is tokenised.

use std::slice;

use serde_json::Value;
use slm_metrics::syntax::FunctionSource;
use slm_model::Message;

use crate::fim::Document;
use crate::piece::Piece;

/// The text of a [`Sample`](super::sample::Sample), by the way it is tokenised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A function or method up to its docstring as the evaluator's request, and its body as the answer.
    Code {
        /// The imports and the part of a class that the request shows, then signature and docstring.
        prompt: String,
        /// The body.
        body: String,
        /// The function alone, at the left margin.
        definition: String,
    },
    /// Messages for the model's chat template; the last is the assistant's.
    Conversation(Vec<Message>),
    /// Messages with definitions of tools that the model may call; the last is the assistant's.
    WithTools {
        /// The messages.
        messages: Vec<Message>,
        /// A list of OpenAI's objects.
        tools: Value,
    },
    /// A conversation whose answer has a beginning that is given to the model; only the rest is learned.
    Begun {
        /// The messages before the answer.
        messages: Vec<Message>,
        /// The beginning of the answer.
        begun: String,
        /// The rest of the answer.
        answer: String,
    },
    /// A text and its continuation, without chat template; the prompt may be empty.
    Plain {
        /// The context.
        prompt: String,
        /// The continuation.
        completion: String,
    },
    /// A part of a text that is longer than an example may be, without chat template.
    Piece(Piece),
    /// A document for fill-in-the-middle, or a part of one; cut or whole.
    Document(Document),
    /// Texts without chat template, each with a mark whether it is learned.
    Segments(Vec<(bool, String)>),
    /// A text that is tokenised already.
    Tokens {
        /// The tokens.
        ids: Vec<u32>,
        /// One mark per token: whether it is learned.
        supervised: Vec<bool>,
    },
    /// A better and a worse answer, in this order, to one prompt; of each only the last message is learned.
    Pair(Box<[Content; 2]>),
    /// An answer, of which only the last message is learned, and whether it is wanted.
    Labelled(Box<Content>, bool),
}

impl Content {
    /// Makes a request and its answer of a function.
    pub(super) fn of_function(function: FunctionSource) -> Self {
        Self::Code {
            prompt: function.prompt(),
            body: function.body,
            definition: function.source,
        }
    }

    /// The parts that are tokenised one by one: both answers of a pair, each with the prompt.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::Pair(sides) => &sides[..],
            Self::Labelled(content, _) => slice::from_ref(content),
            other => slice::from_ref(other),
        }
    }

    /// The number of bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        let of_messages = |messages: &[Message]| messages.iter().map(|m| m.text().len()).sum();
        match self {
            Self::Code { prompt, body, .. } => prompt.len() + body.len(),
            Self::Plain { prompt, completion } => prompt.len() + completion.len(),
            Self::Piece(piece) => piece.span.len(),
            Self::Document(document) => document.text.len(),
            Self::Conversation(messages) => of_messages(messages),
            Self::WithTools { messages, tools } => {
                let before: usize = of_messages(messages);
                before + tools.to_string().len()
            }
            Self::Segments(segments) => segments.iter().map(|(_, text)| text.len()).sum(),
            Self::Tokens { ids, .. } => 4 * ids.len(),
            Self::Begun {
                messages,
                begun,
                answer,
            } => {
                let before: usize = of_messages(messages);
                before + begun.len() + answer.len()
            }
            Self::Pair(_) | Self::Labelled(..) => self.parts().iter().map(Self::bytes).sum(),
        }
    }

    /// The same for all pieces and examples of one text while they exist; `None` for content that shares none.
    pub(super) fn shared_text(&self) -> Option<usize> {
        match self {
            Self::Piece(piece) => Some(piece.whole.as_ptr() as usize),
            Self::Document(document) => Some(document.id()),
            _ => None,
        }
    }

    /// All of its text, with a line break after each message; of a piece, all of the text that it is a part of.
    pub(crate) fn text(&self) -> String {
        let of_messages = |messages: &[Message]| {
            let texts: Vec<String> = messages.iter().map(Message::text).collect();
            texts.join("\n")
        };
        match self {
            Self::Code { prompt, body, .. } => format!("{prompt}{body}"),
            Self::Plain { prompt, completion } => format!("{prompt}{completion}"),
            Self::Piece(piece) => piece.whole.to_string(),
            Self::Document(document) => document.whole.to_string(),
            Self::Conversation(messages) => of_messages(messages),
            Self::WithTools { messages, tools } => format!("{tools}\n{}", of_messages(messages)),
            Self::Segments(segments) => segments.iter().map(|(_, text)| text.as_str()).collect(),
            // Only a tokenizer knows it.
            Self::Tokens { .. } => String::new(),
            Self::Begun {
                messages,
                begun,
                answer,
            } => format!("{}\n{begun}{answer}", of_messages(messages)),
            Self::Pair(_) | Self::Labelled(..) => {
                let texts: Vec<String> = self.parts().iter().map(Self::text).collect();
                texts.join("\n")
            }
        }
    }
}
