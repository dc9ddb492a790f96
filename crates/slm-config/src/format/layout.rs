//! How the columns of a row make up an example.

/// How the columns of a row make up an example. All names of columns are the format's own.
#[derive(Debug, PartialEq, Eq)]
pub enum Layout {
    /// A conversation with separate columns for each message.
    MessagePerColumns(&'static [ColumnMessage]),
    /// A conversation in one column: a list of messages.
    Messages {
        /// Holds the system message, or nothing.
        system: Option<&'static str>,
        /// Holds the list.
        column: &'static str,
        /// How the list spells messages.
        keys: MessageKeys,
    },
    /// A text and its continuation, without chat template. With a prompt, both may be lists of messages in
    /// [`MessageKeys::OPENAI`]'s spelling, which are a conversation.
    Continuation {
        /// Holds the text; `None` for texts that are learned from their beginning.
        prompt: Option<&'static str>,
        /// Holds the continuation.
        completion: &'static str,
    },
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
            Self::MessagePerColumns(messages) => {
                let texts = messages.iter().flat_map(|message| message.texts);
                texts.map(|text| text.column()).collect()
            }
            Self::Messages { system, column, .. } => {
                system.iter().copied().chain([*column]).collect()
            }
            Self::Continuation { prompt, completion } => {
                prompt.iter().copied().chain([*completion]).collect()
            }
        }
    }
}
