//! Long texts of a data set in pieces: `overlength: split`.

use slm_config::{Overlength, SpecialTokens};
use slm_model::TokenizerError;

use super::content::Content;
use super::counts::{BadRow, Counts, Reason};
use super::sample::{Encoder, Sample};
use crate::fim::room_of_document;
use crate::piece::{Piece, split};

impl Encoder<'_> {
    /// Splits a text beyond `max_seq_length` into samples that fit, and counts it. Other samples, and all unless the
    /// recipe splits, are returned as they are.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub(super) fn split(&self, sample: Sample, counts: &mut Counts) -> Result<Vec<Sample>, BadRow> {
        let Content::Plain { prompt, completion } = &sample.content else {
            return Ok(vec![sample]);
        };
        if self.data.overlength != Overlength::Split || !prompt.is_empty() {
            return Ok(vec![sample]);
        }
        let pieces = self
            .pieces_of_text(completion, sample.special_tokens)
            .map_err(|error| refused(error, &sample.origin))?;
        if pieces.len() == 1 {
            return Ok(vec![sample]);
        }
        counts.leave_out(Reason::Split);
        let Sample {
            origin,
            special_tokens,
            group,
            ..
        } = sample;
        // All pieces of a text stay on one side of the split into training and validation.
        let group = group.or_else(|| Some(slm_artifacts::sha256(&*pieces[0].whole)));
        let samples = pieces.into_iter().map(|piece| Sample {
            origin: piece.origin(&origin),
            content: Content::Piece(piece),
            special_tokens,
            group: group.clone(),
        });
        Ok(samples.collect())
    }

    /// The pieces of a text that is learned as it is.
    fn pieces_of_text(
        &self,
        text: &str,
        special_tokens: SpecialTokens,
    ) -> Result<Vec<Piece>, TokenizerError> {
        let tokenizer = self.tokenizer;
        let around = tokenizer.text_start()?.len() + usize::from(tokenizer.text_end().is_some());
        let room = self.data.max_seq_length.saturating_sub(around);
        split(text, room, &|text| match special_tokens {
            SpecialTokens::Auto => tokenizer.encode(text),
            SpecialTokens::Literal => tokenizer.encode_text(text),
        })
    }

    /// The pieces of a document that is to be cut for fill-in-the-middle: all of it as one, unless the recipe splits.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub(super) fn pieces_of_document(&self, text: &str) -> Result<Vec<Piece>, TokenizerError> {
        if self.data.overlength != Overlength::Split {
            return Ok(vec![Piece::all_of(text)]);
        }
        let room = room_of_document(self.tokenizer, self.data.max_seq_length)?;
        split(text, room, &|text| self.tokenizer.encode_text(text))
    }
}

/// The bad row that a text is which the tokenizer refuses.
pub(super) fn refused(error: TokenizerError, origin: &str) -> BadRow {
    BadRow {
        reason: Reason::Untokenizable,
        problem: format!("{origin}: {error}"),
        hint: Some("remove the row".to_owned()),
    }
}
