//! Solved samples for the tokens of prompts and completions.

use crate::record::SampleRecord;

/// Returns the number of samples that pass for 1,000 tokens of prompts and completions of all samples; `None` without
/// tokens, or if no sample has tests.
pub(crate) fn solved_per_1000_tokens<'a>(
    samples: impl IntoIterator<Item = &'a SampleRecord>,
) -> Option<f64> {
    let (mut passed, mut tokens, mut tested) = (0_usize, 0_usize, false);
    for sample in samples {
        passed += usize::from(sample.passed());
        tokens += sample.prompt_tokens + sample.completion_tokens;
        tested |= sample.is_tested();
    }
    (tested && tokens > 0).then(|| passed as f64 * 1000.0 / tokens as f64)
}
