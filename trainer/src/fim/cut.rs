//! Cuts of a document into prefix, middle and suffix.

use std::ops::Range;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use slm_config::{Dataset, FimCut, SpmLayout};
use slm_metrics::syntax::body_spans;

use super::tokens::FimTokens;
use crate::piece::Piece;

/// Share of the documents that are cut, unless the recipe names another.
///
/// # Source
/// Bavarian et al. 2022, section 4.3: half of the documents cost nothing in the other half.
const FIM_RATE: f64 = 0.5;
/// Share of the cut documents whose suffix comes first, unless the recipe names another: editors and the model cards of
/// Qwen2.5-Coder and DeepSeek-Coder put the prefix first.
const SPM_RATE: f64 = 0.0;

/// The order of prefix and suffix before the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Prefix token, prefix, suffix token, suffix, middle token.
    Psm,
    /// Prefix token, suffix token, suffix, middle token, prefix.
    SpmJoined,
    /// Suffix token, suffix, prefix token, prefix, middle token.
    SpmSeparate,
}

impl Order {
    /// The order with the suffix first of a layout.
    pub(crate) fn suffix_first(layout: SpmLayout) -> Self {
        match layout {
            SpmLayout::Joined => Self::SpmJoined,
            SpmLayout::Separate => Self::SpmSeparate,
        }
    }

    /// The order in which a model is asked that was trained on a data set: the more frequent one.
    pub(crate) fn usual(dataset: Option<&Dataset>) -> Self {
        match dataset {
            Some(dataset) if dataset.spm_rate.unwrap_or(SPM_RATE) > 0.5 => {
                Self::suffix_first(dataset.spm_layout.unwrap_or_default())
            }
            _ => Self::Psm,
        }
    }
}

/// The middle of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// In bytes of the document.
    pub(crate) middle: Range<usize>,
    /// The order of the other parts.
    pub(crate) order: Order,
}

/// A document or a piece of one; cut or whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The text of the piece, shared by all of its examples.
    pub(crate) text: Arc<str>,
    /// The text of the whole document, shared by all of its pieces.
    pub(crate) whole: Arc<str>,
    /// Whether the document ends with the piece.
    pub(crate) is_last: bool,
    /// `None` for a document that is learned as a text.
    pub(crate) cut: Option<Cut>,
    /// The tokens between the parts.
    pub(crate) tokens: Arc<FimTokens>,
}

impl Document {
    /// The same for all examples of one document while they exist.
    pub(crate) fn id(&self) -> usize {
        self.whole.as_ptr() as usize
    }
}

/// Why a document gives no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uncut {
    /// It has no text but white space.
    Empty,
    /// It has the tokens of fill-in-the-middle already.
    AlreadyCut,
}

/// Cuts the documents of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Cutter {
    tokens: Arc<FimTokens>,
    fim_rate: f64,
    spm_rate: f64,
    suffix_first: Order,
    cut: FimCut,
    seed: u64,
}

impl Cutter {
    /// Takes the settings of a data set.
    pub(crate) fn new(dataset: &Dataset, tokens: FimTokens, seed: u64) -> Self {
        Self {
            tokens: Arc::new(tokens),
            fim_rate: dataset.fim_rate.unwrap_or(FIM_RATE),
            spm_rate: dataset.spm_rate.unwrap_or(SPM_RATE),
            suffix_first: Order::suffix_first(dataset.spm_layout.unwrap_or_default()),
            cut: dataset.fim_cut.unwrap_or_default(),
            seed,
        }
    }

    /// The spellings of the tokens before prefix, suffix and middle.
    pub(crate) fn spelled(&self) -> String {
        self.tokens.spelled()
    }

    /// Checks that a document can be cut.
    ///
    /// # Errors
    /// It has no text, or has the tokens of fill-in-the-middle already.
    pub(crate) fn check(&self, text: &str) -> Result<(), Uncut> {
        if text.trim().is_empty() {
            return Err(Uncut::Empty);
        }
        if self.tokens.are_all_in(text) {
            return Err(Uncut::AlreadyCut);
        }
        Ok(())
    }

    /// The function bodies of a document, in bytes of it; none unless the middles are blocks.
    pub(crate) fn bodies(&self, text: &str) -> Vec<Range<usize>> {
        match self.cut {
            FimCut::Block => body_spans(text).unwrap_or_default(),
            FimCut::Random | FimCut::Lines => Vec::new(),
        }
    }

    /// Returns the examples of a piece of a document with these `bodies`, in bytes of the piece: one, or with [`FimCut::Block`] one for each
    /// function body in the piece; and whether it was cut between lines for lack of one.
    ///
    /// The draws depend on the seed and the text alone, so that they are the same on every machine and in every order of
    /// documents.
    ///
    /// # Errors
    /// The piece gives no example.
    pub(crate) fn documents(
        &self,
        piece: &Piece,
        bodies: &[Range<usize>],
    ) -> Result<(Vec<Document>, bool), Uncut> {
        let text = piece.text();
        self.check(text)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(fnv1a(text.as_bytes()));
        let whole = Arc::clone(&piece.whole);
        // The text of a document with one piece is not stored twice.
        let shared = if text.len() == whole.len() {
            Arc::clone(&whole)
        } else {
            text.into()
        };
        let document = |cut| Document {
            text: Arc::clone(&shared),
            whole: Arc::clone(&whole),
            is_last: piece.is_last(),
            cut,
            tokens: Arc::clone(&self.tokens),
        };
        if !rng.random_bool(self.fim_rate) {
            return Ok((vec![document(None)], false));
        }
        let mut lacks_body = false;
        let middles = match self.cut {
            FimCut::Random => vec![between_characters(text, &mut rng)],
            FimCut::Lines => vec![between_lines(text, &mut rng)],
            FimCut::Block => {
                lacks_body = bodies.is_empty();
                if lacks_body {
                    vec![between_lines(text, &mut rng)]
                } else {
                    bodies.to_vec()
                }
            }
        };
        let documents = middles.into_iter().map(|middle| {
            let order = if rng.random_bool(self.spm_rate) {
                self.suffix_first
            } else {
                Order::Psm
            };
            document(Some(Cut { middle, order }))
        });
        Ok((documents.collect(), lacks_body))
    }
}

/// Draws a number from 0 to `most` in the same way on machines of any word size.
fn draw(most: usize, rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..=most as u64) as usize
}

/// Draws two places between characters, or at an end, which may be the same.
fn between_characters(text: &str, rng: &mut ChaCha8Rng) -> Range<usize> {
    let n = text.chars().count();
    let (a, b) = (draw(n, rng), draw(n, rng));
    let byte = |character: usize| {
        let at = text.char_indices().nth(character);
        at.map_or(text.len(), |(at, _)| at)
    };
    byte(a.min(b))..byte(a.max(b))
}

/// Draws two different places between lines, or at an end.
fn between_lines(text: &str, rng: &mut ChaCha8Rng) -> Range<usize> {
    let mut places = vec![0];
    places.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    if places.last() != Some(&text.len()) {
        places.push(text.len());
    }
    // A text that is not empty has two ends at least.
    let last = places.len() - 1;
    let first = draw(last, rng);
    let mut second = draw(last.saturating_sub(1), rng);
    second += usize::from(second >= first);
    places[first.min(second)]..places[first.max(second)]
}

/// A hash of a text that is the same in every version of this program.
///
/// # Source
/// Fowler, Noll, Vo: FNV-1a with 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
