//! Messages of a conversation, with the fields that templates read.

use serde_json::Value as Json;

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions before the conversation.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The role's name in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The author.
    pub role: Role,
    /// The text; empty if there is none.
    pub content: String,
    /// Whether training supervises it, if it is the assistant's.
    pub is_learned: bool,
    /// Whether the content is null, as beside tool calls; `content` is empty then.
    pub is_null: bool,
    /// The thought before the answer, where the data have it in a separate field.
    pub reasoning: Option<String>,
    /// Tool calls of the assistant: objects `{"type": "function", "function": {"name": ..., "arguments": ...}}`.
    pub tool_calls: Vec<Json>,
    /// Name of the speaker or of the tool.
    pub name: Option<String>,
    /// Id of the tool call that a tool's message answers.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// Creates a message of `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            is_learned: true,
            is_null: false,
            reasoning: None,
            tool_calls: Vec::new(),
            name: None,
            tool_call_id: None,
        }
    }

    /// Returns the message as context only: training does not supervise it.
    #[must_use]
    pub fn not_learned(self) -> Self {
        Self {
            is_learned: false,
            ..self
        }
    }

    /// All of its text: the thought, the content, and the tool calls as JSON; one per line.
    pub fn text(&self) -> String {
        let mut text = self.reasoning.clone().unwrap_or_default();
        let calls = self.tool_calls.iter().map(Json::to_string);
        for part in std::iter::once(self.content.clone()).chain(calls) {
            if !text.is_empty() && !part.is_empty() {
                text.push('\n');
            }
            text.push_str(&part);
        }
        text
    }
}

/// A conversation, and the tools that the model may call in it.
#[derive(Debug, Clone, Copy)]
pub struct Chat<'a> {
    /// The messages.
    pub messages: &'a [Message],
    /// Definitions of tools: a list of `{"type": "function", "function": {"name": ..., "parameters": ...}}`.
    pub tools: Option<&'a Json>,
}

impl<'a> Chat<'a> {
    /// A conversation without tools.
    pub fn of(messages: &'a [Message]) -> Self {
        Self {
            messages,
            tools: None,
        }
    }
}
