//! Documents for fill-in-the-middle: from one sample to the examples of its cuts, and their tokens.

use anyhow::Result;
use slm_config::{Dataset, Overlength, SpecialTokens};

use super::content::Content;
use super::counts::{BadRow, Counts, Reason};
use super::function_filter::FunctionFilter;
use super::sample::{EncodeError, Encoder, Sample};
use super::tally::Tally;
use super::units::Unit;
use crate::fim::{self, Cutter, Document, Uncut};

/// Cuts the document of a sample: one sample for each example. A document that gives none is counted.
///
/// # Errors
/// The document has the tokens of fill-in-the-middle already, and `stops_at_bad` is set.
pub(super) fn cut(
    sample: Sample,
    cutter: &Cutter,
    dataset: &Dataset,
    stops_at_bad: bool,
    counts: &mut Counts,
    tally: &mut Tally,
) -> Result<Vec<Sample>> {
    let text = sample.content.text();
    if FunctionFilter::new(dataset).excludes_licence_of(&text) {
        counts.leave_out(Reason::ExcludedLicence);
        return Ok(Vec::new());
    }
    let documents = match cutter.documents(&text) {
        Ok((documents, lacks_body)) => {
            if lacks_body {
                counts.leave_out(Reason::CutAtLines);
            }
            documents
        }
        Err(Uncut::Empty) => {
            counts.leave_out(Reason::NothingToLearn);
            Vec::new()
        }
        Err(Uncut::AlreadyCut) => {
            let hint = "texts that are cut already are learned with `format: text`";
            let bad = BadRow {
                reason: Reason::AlreadyFim,
                problem: format!("{}: holds {}", sample.origin, cutter.spelled()),
                hint: Some(hint.to_owned()),
            };
            if stops_at_bad {
                return Err(bad.into_error());
            }
            tally.wanted += 1;
            tally.bad_row(bad, counts);
            Vec::new()
        }
    };
    let origin = sample.origin;
    // Equal documents, and all cuts of one, stay on one side of the split.
    let group = sample.group.unwrap_or_else(|| slm_artifacts::sha256(text));
    let samples = documents.into_iter().map(|document| Sample {
        content: Content::Document(document),
        origin: origin.clone(),
        special_tokens: SpecialTokens::Literal,
        group: Some(group.clone()),
    });
    Ok(samples.collect())
}

impl Encoder<'_> {
    /// Encodes a document for fill-in-the-middle. Where the recipe cuts long examples, the texts around the middle are
    /// shortened to fit, and the returned flag is set; `None` if the middle alone does not fit.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub(crate) fn encode_document(
        &self,
        document: &Document,
        origin: &str,
    ) -> Result<Option<(Unit, bool)>, EncodeError> {
        let limit = match self.data.overlength {
            Overlength::Truncate => self.data.max_seq_length,
            Overlength::Drop | Overlength::Error => usize::MAX,
        };
        let turns = fim::encode(self.tokenizer, document, limit)
            .map_err(|error| EncodeError::of(error.into(), origin))?;
        Ok(turns.map(|(turns, is_cut)| {
            let example = self.example(turns, self.data.train_on);
            (Unit::Row(example), is_cut)
        }))
    }
}
