//! The end of answers of a model that was not trained to generate the end of a turn.

use slm_model::{ChatError, ChatTemplate, Tokenizer};

/// A token that ends turns in the chat template, and that the model was never trained to generate.
///
/// Qwen2.5's base models have `<|im_end|>` in their vocabulary but never saw it. An adapter leaves the output
/// projection unchanged, so training on that token does not make the model generate it, and its answers would not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UntaughtEnd {
    /// The template's token.
    pub(crate) token: u32,
    /// The model's end-of-text token, which ends answers instead.
    pub(crate) instead: u32,
}

impl UntaughtEnd {
    /// Returns the replacement for the template's end of a turn; `None` if it is plain text, or among the end tokens in
    /// the model's configuration.
    ///
    /// # Errors
    /// The template has no end of a turn.
    pub(crate) fn of(
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        declared: &[u32],
    ) -> Result<Option<Self>, ChatError> {
        let end = tokenizer.encode(template.end_of_turn()?)?;
        Ok(match (&end[..], declared) {
            (&[token], &[instead, ..])
                if tokenizer.is_special(token) && !declared.contains(&token) =>
            {
                Some(Self { token, instead })
            }
            _ => None,
        })
    }
}
