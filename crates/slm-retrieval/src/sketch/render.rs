//! Writes a sketch in the layout of its code.

use slm_metrics::syntax::CodeToken;

use super::Sketch;

/// What a run of tokens that are not kept becomes.
const GAP: &str = "...";

/// Writes the kept tokens with the indentation and the spaces of `code`; each run of others on a line becomes a gap.
/// Lines without tokens are left out.
pub(super) fn sketch(code: &str, tokens: &[CodeToken], kept: &[bool]) -> Sketch {
    // Tokens are placed in the text with `\n` alone.
    let code = code.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = code.split('\n').collect();
    let mut text = String::new();
    let all: Vec<(&CodeToken, bool)> = tokens.iter().zip(kept.iter().copied()).collect();
    for line in all.chunk_by(|a, b| a.0.lines.0 == b.0.lines.0) {
        let source = lines
            .get(line[0].0.lines.0 - 1)
            .copied()
            .unwrap_or_default();
        let indent = &source[..source.len() - source.trim_start().len()];
        text.push_str(indent);
        let mut was_gap = false;
        let mut end = line[0].0.start;
        for (token, is_kept) in line {
            let is_spaced = token.start > end;
            let is_new = *is_kept || !was_gap;
            if is_spaced && is_new {
                text.push(' ');
            }
            if *is_kept {
                text.push_str(&token.text);
            } else if is_new {
                text.push_str(GAP);
            }
            was_gap = !is_kept;
            end = token.start + token.text.len();
        }
        text.push('\n');
    }
    let n_kept = kept.iter().filter(|kept| **kept).count();
    Sketch {
        text,
        kept: if tokens.is_empty() {
            0.0
        } else {
            n_kept as f64 / tokens.len() as f64
        },
    }
}
