//! Sketches of code: what is likely to be useful in another program stays, and all else becomes `...`.

mod alignment;
mod render;

use std::collections::{BTreeSet, HashSet};

use slm_metrics::syntax::{CodeToken, CodeTokenKind, code_tokens, is_builtin_name};

pub use slm_metrics::syntax::lcs_length as lcs_len;

pub use alignment::common_subsequence;

/// Maximum number of tokens of each text that [`oracle`] aligns; later ones are left out.
pub const MOST_TOKENS: usize = 4_000;

/// A text with gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    /// The kept tokens in the layout of the code; each gap is `...`.
    pub text: String,
    /// Share of the code's tokens that are kept, from 0 to 1; 0 if it has none.
    pub kept: f64,
}

/// Makes a sketch of a chunk for a task.
///
/// Keywords, operators, names of Python itself, imports and what they bind, and every name that also occurs in the task
/// are kept. Comments and docstrings are removed; every other run of tokens on a line becomes `...`.
pub fn rule(chunk_text: &str, task_text: &str) -> Sketch {
    let tokens = tokens_of(chunk_text);
    let known: HashSet<String> = tokens_of(task_text)
        .into_iter()
        .map(|token| token.text)
        .chain(names_in(task_text))
        .collect();
    let imported = imported(&tokens);
    let is_kept = |token: &CodeToken| match token.kind {
        CodeTokenKind::Keyword | CodeTokenKind::Mark => true,
        CodeTokenKind::Name => {
            known.contains(&token.text)
                || is_builtin_name(&token.text)
                || imported.contains(&token.text)
        }
        _ => false,
    };
    let mut kept: Vec<bool> = tokens.iter().map(is_kept).collect();
    absorb_joints(&tokens, &mut kept);
    render::sketch(chunk_text, &tokens, &kept)
}

/// Makes the sketch of `source` that is best for writing `target`: its tokens in a longest common subsequence with the
/// target's are kept.
///
/// Comments and docstrings are no tokens. Of several longest subsequences it is that of [`common_subsequence`].
pub fn oracle(source: &str, target: &str) -> Sketch {
    let tokens = tokens_of(source);
    let [own, other] = [&tokens[..], &tokens_of(target)].map(texts);
    let limit = |texts: &[String]| texts.len().min(MOST_TOKENS);
    let pairs = common_subsequence(&own[..limit(&own)], &other[..limit(&other)]);
    let mut kept = vec![false; tokens.len()];
    for (at, _) in pairs {
        kept[at] = true;
    }
    render::sketch(source, &tokens, &kept)
}

/// Returns the share of a program's tokens that a longest common subsequence with a chunk has: how much of it could
/// have been copied. 0 for a program without tokens.
pub fn copied(program: &str, chunk_text: &str) -> f64 {
    let [program, chunk] = [program, chunk_text].map(|text| texts(&tokens_of(text)));
    if program.is_empty() {
        return 0.0;
    }
    lcs_len(&program, &chunk) as f64 / program.len() as f64
}

/// Returns the tokens of code, without comments, docstrings and line ends. Of a text that is not tokenized: none.
fn tokens_of(text: &str) -> Vec<CodeToken> {
    let mut tokens = code_tokens(text).unwrap_or_default();
    tokens.retain(|token| token.kind.is_code());
    tokens
}

fn texts(tokens: &[CodeToken]) -> Vec<String> {
    tokens.iter().map(|token| token.text.clone()).collect()
}

/// Returns the identifiers in a text, prose included.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Returns the names in the import statements, which are whole lines.
fn imported(tokens: &[CodeToken]) -> HashSet<String> {
    let mut names = HashSet::new();
    for line in tokens.chunk_by(|a, b| a.lines.0 == b.lines.0) {
        let is_import = matches!(&*line[0].text, "import" | "from");
        if is_import && line[0].kind == CodeTokenKind::Keyword {
            let of_line = line
                .iter()
                .filter(|token| token.kind == CodeTokenKind::Name);
            names.extend(of_line.map(|token| token.text.clone()));
        }
    }
    names
}

/// Makes dots and commas part of a gap that they are inside of: `a.b(c, d)` is one gap and one in brackets.
fn absorb_joints(tokens: &[CodeToken], kept: &mut [bool]) {
    let is_joint = |at: usize| matches!(&*tokens[at].text, "." | ",");
    for at in 0..tokens.len() {
        if !is_joint(at) {
            continue;
        }
        let beside = |other: Option<usize>| {
            other.is_some_and(|other| {
                kept.get(other) == Some(&false) && tokens[other].lines.0 == tokens[at].lines.0
            })
        };
        if beside(at.checked_sub(1)) && beside(Some(at + 1)) {
            kept[at] = false;
        }
    }
}
