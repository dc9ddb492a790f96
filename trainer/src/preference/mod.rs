//! Preference objectives: losses on the log-probabilities of whole answers, the reference, and figures of them.
//!
//! Each objective is a function of the scores of a micro-batch's answers. Its derivatives are computed on the host and
//! scale the gradients that the policy's forward pass has already computed (see [`slm_model::preference`]), so that a
//! step takes one forward and one backward pass of the policy, as without preferences.

mod batch;
mod figures;
mod loss;
mod objective;
mod reference;
mod validation;
mod weights;

pub use batch::PreferenceBatch;
pub(crate) use figures::PreferenceProgress;
pub use figures::{Answers, PreferenceSums};
pub use loss::{Part, Scored, Totals, loss_and_derivatives};
pub use objective::Objective;
pub(crate) use reference::{REFERENCE_FILE, Reference, base_text};
pub(crate) use validation::{PreferenceValidation, Preferences, validate_preferences};
pub(crate) use weights::{unequal_weights, unsuitable_defaults};
