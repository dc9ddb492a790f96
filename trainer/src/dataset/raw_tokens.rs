//! Encoding of rows without turns: text segments, and rows that are tokenised already.

use slm_model::{OwnedTokens, TokenOwner, TokenizerError};

use super::content::Content;
use super::counts::{BadRow, Reason};
use super::sample::{EncodeError, Encoder, Sample};

impl Encoder<'_> {
    /// All text of a sample, also if it is tokenised already.
    pub(super) fn text(&self, sample: &Sample) -> String {
        match &sample.content {
            Content::Tokens { ids, .. } => self.tokenizer.decode(ids, false).unwrap_or_default(),
            content => content.text(),
        }
    }

    /// Refuses tokens that the model's tokenizer does not have.
    pub(super) fn check_tokens(&self, ids: &[u32], origin: &str) -> Result<(), EncodeError> {
        let unknown = |id: &u32| self.tokenizer.id_to_token(*id).is_none();
        let Some(at) = ids.iter().position(unknown) else {
            return Ok(());
        };
        let id = ids[at];
        Err(EncodeError::Bad(BadRow {
            reason: Reason::Untokenizable,
            problem: format!(
                "{origin}: token {at} of the row is {id}, which this model does not have"
            ),
            hint: Some("tokenise the rows with this model's tokenizer".to_owned()),
        }))
    }

    /// Encodes texts one by one, without tokens at the start and the end of the text.
    pub(super) fn encode_segments(
        &self,
        segments: &[(bool, String)],
    ) -> Result<OwnedTokens, TokenizerError> {
        let mut turns = OwnedTokens::default();
        for (is_learned, text) in segments {
            let ids = if turns.ids.is_empty() {
                self.tokenizer.encode(text)?
            } else {
                self.tokenizer.encode_continuation(text)?
            };
            let owner = if *is_learned {
                TokenOwner::Answer(0)
            } else {
                TokenOwner::NotLearned(0)
            };
            turns.push(owner, ids);
        }
        Ok(turns)
    }
}
