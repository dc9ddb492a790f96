//! From the recipe's data sets to tokenised examples, with a count of everything left out.

mod python_source;

use anyhow::{Context, Result};
use config::{DatasetFormat, Overlength, Recipe};
use cli::UserMistake;
use model::{ChatTemplate, CodeRequest, Tokenizer};

use crate::batch::Example;

/// One request and its answer, before they are tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Signature and docstring.
    pub(crate) stub: String,
    /// The function's body.
    pub(crate) body: String,
    /// File and line, for messages.
    pub(crate) origin: String,
}

/// What was read, and what was left out and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Files read.
    pub(crate) files: usize,
    /// Files that do not parse or cannot be read.
    pub(crate) unreadable_files: usize,
    /// Documented functions found.
    pub(crate) functions: usize,
    /// Left out: body shorter or longer than the recipe allows.
    pub(crate) wrong_length: usize,
    /// Left out: same syntax tree as one before it.
    pub(crate) duplicates: usize,
    /// Left out: holds the docstring of a benchmark task.
    pub(crate) contaminated: usize,
    /// Left out at random, to keep to `max_examples`.
    pub(crate) beyond_max: usize,
    /// Left out: more tokens than `max_seq_length`.
    pub(crate) overlong: usize,
    /// Cut off at `max_seq_length`.
    pub(crate) truncated: usize,
    /// Examples that are trained on.
    pub(crate) kept: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} examples from {} documented functions in {} files", self.kept, self.functions, self.files)?;
        let left_out = [
            (self.unreadable_files, "files unreadable"),
            (self.wrong_length, "of the wrong length"),
            (self.duplicates, "duplicates"),
            (self.contaminated, "overlapping a benchmark"),
            (self.beyond_max, "beyond max_examples"),
            (self.overlong, "over max_seq_length"),
            (self.truncated, "cut at max_seq_length"),
        ];
        let mut separator = "; left out or cut: ";
        for (count, why) in left_out.into_iter().filter(|&(count, _)| count > 0) {
            write!(f, "{separator}{count} {why}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// Reads every data set of the recipe and turns it into tokens.
///
/// # Errors
/// A data set that is missing or empty, an example over the limit where the recipe says `error`, no example left.
pub(crate) fn load(recipe: &Recipe, tokenizer: &Tokenizer, template: &ChatTemplate) -> Result<(Vec<Example>, Counts)> {
    let mut counts = Counts::default();
    let mut examples = Vec::new();
    for dataset in &recipe.data.datasets {
        let pairs = match dataset.format {
            DatasetFormat::PythonSource => python_source::read(dataset, recipe, &mut counts)?,
        };
        for pair in pairs {
            let example = encode(&pair, tokenizer, template).with_context(|| pair.origin.clone())?;
            examples.extend(fit_length(example, &pair, recipe, &mut counts)?);
        }
    }
    if examples.is_empty() {
        let text = format!("no training example is left: {counts}\nhint: widen the limits under `data`");
        return Err(UserMistake(text).into());
    }
    counts.kept = examples.len();
    Ok((examples, counts))
}

/// The tokens of a pair: the prompt is exactly the evaluator's for the same stub.
pub(crate) fn encode(pair: &Pair, tokenizer: &Tokenizer, template: &ChatTemplate) -> Result<Example> {
    Ok(Example {
        prompt: template.encode_code_request(tokenizer, CodeRequest { stub: &pair.stub })?,
        completion: template.encode_code_completion(tokenizer, &pair.body)?,
    })
}

/// The example if it fits into `max_seq_length`, or what the recipe says to do with it.
fn fit_length(mut example: Example, pair: &Pair, recipe: &Recipe, counts: &mut Counts) -> Result<Option<Example>> {
    let limit = recipe.data.max_seq_length;
    if example.len() <= limit {
        return Ok(Some(example));
    }
    match recipe.data.overlength {
        Overlength::Error => {
            let (origin, found) = (&pair.origin, example.len());
            let text = format!(
                "{origin}: example has {found} tokens, `data.max_seq_length` is {limit}\n\
                 hint: raise the limit, or set `data.overlength` to drop or truncate"
            );
            Err(UserMistake(text).into())
        }
        Overlength::Truncate if example.prompt.len() < limit => {
            counts.truncated += 1;
            example.completion.truncate(limit - example.prompt.len());
            Ok(Some(example))
        }
        // A prompt that fills the limit alone leaves nothing to learn.
        Overlength::Truncate | Overlength::Drop => {
            counts.overlong += 1;
            Ok(None)
        }
    }
}
