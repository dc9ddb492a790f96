//! Documents for fill-in-the-middle: from one sample to the examples of its cuts, and their tokens.

use anyhow::Result;
use slm_config::{Dataset, Overlength, SpecialTokens};
use slm_model::TokenizerError;

use super::content::Content;
use super::counts::{BadRow, Counts, Reason};
use super::function_filter::FunctionFilter;
use super::pieces::refused;
use super::sample::{EncodeError, Encoder, Sample};
use super::tally::Tally;
use super::units::Unit;
use crate::fim::{self, Cutter, Document, Uncut};
use crate::piece::{Piece, assigned};

/// Cuts the document of a sample, or each of its `pieces`: one sample for each example. A document or a piece that gives
/// none is counted.
///
/// # Errors
/// The document has the tokens of fill-in-the-middle already or the tokenizer refuses it, and `stops_at_bad` is set.
pub(super) fn cut(
    sample: Sample,
    cutter: &Cutter,
    dataset: &Dataset,
    pieces: &dyn Fn(&str) -> Result<Vec<Piece>, TokenizerError>,
    stops_at_bad: bool,
    counts: &mut Counts,
    tally: &mut Tally,
) -> Result<Vec<Sample>> {
    let text = sample.content.text();
    if FunctionFilter::new(dataset).excludes_licence_of(&text) {
        counts.leave_out(Reason::ExcludedLicence);
        return Ok(Vec::new());
    }
    let mut bad = |bad: BadRow, counts: &mut Counts| {
        if stops_at_bad {
            return Err(bad.into_error());
        }
        tally.wanted += 1;
        tally.bad_row(bad, counts);
        Ok(Vec::new())
    };
    match cutter.check(&text) {
        Ok(()) => {}
        Err(Uncut::Empty) => {
            counts.leave_out(Reason::NothingToLearn);
            return Ok(Vec::new());
        }
        Err(Uncut::AlreadyCut) => {
            let hint = "texts that are cut already are learned with `format: text`";
            let row = BadRow {
                reason: Reason::AlreadyFim,
                problem: format!("{}: holds {}", sample.origin, cutter.spelled()),
                hint: Some(hint.to_owned()),
            };
            return bad(row, counts);
        }
    }
    let pieces = match pieces(&text) {
        Ok(pieces) => pieces,
        Err(error) => return bad(refused(error, &sample.origin), counts),
    };
    if pieces.len() > 1 {
        counts.leave_out(Reason::Split);
    }
    // Equal documents, and all cuts of one, stay on one side of the split into training and validation.
    let group = sample.group.unwrap_or_else(|| slm_artifacts::sha256(&text));
    let (bodies, divided) = assigned(&pieces, &cutter.bodies(&text));
    for _ in 0..divided {
        counts.leave_out(Reason::DividedBody);
    }
    let mut samples = Vec::new();
    for (piece, bodies) in pieces.iter().zip(&bodies) {
        // A piece of a document that passed the check may be blank, and has no more than the document.
        let Ok((documents, lacks_body)) = cutter.documents(piece, bodies) else {
            counts.leave_out(Reason::NothingToLearn);
            continue;
        };
        if lacks_body {
            counts.leave_out(Reason::CutAtLines);
        }
        let origin = if pieces.len() == 1 {
            sample.origin.clone()
        } else {
            piece.origin(&sample.origin)
        };
        samples.extend(documents.into_iter().map(|document| Sample {
            content: Content::Document(document),
            origin: origin.clone(),
            special_tokens: SpecialTokens::Literal,
            group: Some(group.clone()),
        }));
    }
    Ok(samples)
}

impl Encoder<'_> {
    /// Encodes a document for fill-in-the-middle. Where the recipe cuts or splits long examples, the texts around the
    /// middle are shortened to fit, and the returned flag is set; `None` if the middle alone does not fit, or if the
    /// recipe leaves out long examples and this is one.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub(crate) fn encode_document(
        &self,
        document: &Document,
        origin: &str,
    ) -> Result<Option<(Unit, bool)>, EncodeError> {
        let encode = |limit| {
            fim::encode(self.tokenizer, document, limit)
                .map_err(|error| EncodeError::of(error.into(), origin))
        };
        let limit = self.data.max_seq_length;
        let turns = match self.data.overlength {
            // The cuts of a piece rarely need more tokens than the piece has.
            Overlength::Truncate | Overlength::Split => encode(limit)?,
            // A long text around the middle is not encoded as a whole.
            Overlength::Drop => encode(limit)?.filter(|(_, is_cut)| !is_cut),
            Overlength::Error => encode(usize::MAX)?,
        };
        Ok(turns.map(|(turns, is_cut)| {
            let example = self.example(turns, self.data.train_on);
            (Unit::Row(example), is_cut)
        }))
    }
}
