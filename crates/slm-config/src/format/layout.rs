//! How the columns of a row make up an example.

/// How the columns of a row make up an example. All names of columns are the format's own.
#[derive(Debug, PartialEq, Eq)]
pub enum Layout {
    /// A conversation with separate columns for each message.
    MessagePerColumns {
        /// Holds earlier turns as a list of question and answer, or nothing.
        history: &'static str,
        /// The messages; the earlier turns are before the first of the user.
        messages: &'static [ColumnMessage],
    },
    /// A conversation in one column: a list of messages.
    Messages {
        /// Holds the system message, or nothing.
        system: Option<&'static str>,
        /// Holds the list.
        column: &'static str,
        /// Holds the definitions of tools, or nothing.
        tools: &'static str,
        /// How the list spells messages.
        keys: MessageKeys,
    },
    /// A text in segments, each with a mark whether it is learned, without chat template.
    Segments {
        /// Holds the list.
        column: &'static str,
    },
    /// A text that is tokenised already.
    Tokens {
        /// Holds the tokens.
        ids: &'static str,
        /// Holds the token itself or -100 for each token; a row may omit it.
        labels: &'static str,
        /// Holds 0 for padding; a row may omit it.
        attention_mask: &'static str,
    },
    /// A text that is learned from its beginning, without chat template.
    Text {
        /// Holds the text.
        column: &'static str,
    },
    /// A text that is cut for fill-in-the-middle, or learned from its beginning, without chat template.
    Document {
        /// Holds the text.
        column: &'static str,
    },
    /// A text and its continuation, without chat template. Both may be lists of messages in
    /// [`MessageKeys::OPENAI`]'s spelling, which are a conversation.
    Continuation {
        /// Holds the text.
        prompt: &'static str,
        /// Holds the continuation.
        completion: &'static str,
        /// Columns that a row may omit.
        optional: OptionalColumns,
    },
    /// Two continuations of one text, each as in [`Self::Continuation`]. Without a prompt both are whole
    /// conversations, and the messages that they share at their beginning are the prompt.
    Pair {
        /// Holds the text; a row may omit it.
        prompt: &'static str,
        /// Holds the better continuation.
        chosen: &'static str,
        /// Holds the worse continuation.
        rejected: &'static str,
        /// Columns that a row may omit.
        optional: OptionalColumns,
    },
    /// As [`Self::Continuation`], with a judgement of the continuation.
    Labelled {
        /// Holds the text.
        prompt: &'static str,
        /// Holds the continuation.
        completion: &'static str,
        /// Holds a boolean: whether the continuation is wanted.
        label: &'static str,
        /// Columns that a row may omit.
        optional: OptionalColumns,
    },
}

/// Columns of answers that a row may omit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalColumns {
    /// Holds the beginning of the answer that is given to the model and not learned; the answer starts with it.
    pub prefill: &'static str,
    /// Holds the id of the task that is answered: rows of one task stay on one side of the split for validation.
    pub task_id: &'static str,
}

impl OptionalColumns {
    /// The columns that `evaluator dataset` writes.
    pub const USUAL: Self = Self {
        prefill: "prefill",
        task_id: "task_id",
    };
}

/// What one row of a format gives to train on. All data sets of a training give the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingUnit {
    /// A text to learn.
    Example,
    /// A better and a worse answer.
    Pair,
    /// An answer with its judgement.
    LabelledAnswer,
}

impl TrainingUnit {
    /// Names several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Example => "examples to learn",
            Self::Pair => "pairs of answers",
            Self::LabelledAnswer => "labelled answers",
        }
    }
}

/// A message that is made up of columns.
#[derive(Debug, PartialEq, Eq)]
pub struct ColumnMessage {
    /// Whose message it is.
    pub speaker: Speaker,
    /// Its text: what the columns hold, a blank line between two. Without any of them there is no message.
    pub texts: &'static [TextColumn],
}

/// A column that holds text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextColumn {
    /// In every row.
    Required(&'static str),
    /// Missing, null or empty in some rows.
    Optional(&'static str),
}

/// The speaker of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Instructions for the whole conversation.
    System,
    /// Who asks.
    User,
    /// Who answers.
    Assistant,
}

/// How a list spells messages: the keys of a message, and the names of its speakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageKeys {
    /// Key of the speaker.
    pub role: &'static str,
    /// Key of the text.
    pub text: &'static str,
    /// Names of the user beside `user`.
    pub user: &'static [&'static str],
    /// Names of the assistant beside `assistant`.
    pub assistant: &'static [&'static str],
}

impl MessageKeys {
    /// `{"role": "user", "content": "..."}`.
    pub const OPENAI: Self = Self {
        role: "role",
        text: "content",
        user: &[],
        assistant: &[],
    };

    /// The speaker that a file calls `name`.
    pub fn speaker(self, name: &str) -> Option<Speaker> {
        match name {
            "system" => Some(Speaker::System),
            "user" => Some(Speaker::User),
            "assistant" => Some(Speaker::Assistant),
            name if self.user.contains(&name) => Some(Speaker::User),
            name if self.assistant.contains(&name) => Some(Speaker::Assistant),
            _ => None,
        }
    }
}

impl TextColumn {
    /// The column.
    pub fn column(self) -> &'static str {
        match self {
            Self::Required(column) | Self::Optional(column) => column,
        }
    }
}

#[cfg(test)]
impl Layout {
    /// The columns that it reads.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        match self {
            Self::MessagePerColumns { history, messages } => {
                let texts = messages.iter().flat_map(|message| message.texts);
                texts.map(|text| text.column()).chain([*history]).collect()
            }
            Self::Messages {
                system,
                column,
                tools,
                ..
            } => system.iter().copied().chain([*column, *tools]).collect(),
            Self::Tokens {
                ids,
                labels,
                attention_mask,
            } => vec![ids, labels, attention_mask],
            Self::Segments { column } | Self::Text { column } | Self::Document { column } => {
                vec![column]
            }
            Self::Continuation {
                prompt,
                completion,
                optional,
            } => vec![prompt, completion, optional.prefill, optional.task_id],
            Self::Pair {
                prompt,
                chosen,
                rejected,
                optional: OptionalColumns { prefill, task_id },
            } => vec![prompt, chosen, rejected, prefill, task_id],
            Self::Labelled {
                prompt,
                completion,
                label,
                optional: OptionalColumns { prefill, task_id },
            } => vec![prompt, completion, label, prefill, task_id],
        }
    }
}
