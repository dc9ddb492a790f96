//! From the recipe's data sets to tokenised examples, with a count of everything left out.

mod python_source;

use anyhow::{Context, Result};
use cli::UserMistake;
use config::{DatasetFormat, Overlength, Recipe};
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
    /// Left out, drawn by the seed, to keep to `max_examples`.
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
        write!(
            f,
            "{} examples from {} documented functions in {} files",
            self.kept, self.functions, self.files
        )?;
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
pub(crate) fn load(
    recipe: &Recipe,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
) -> Result<(Vec<Example>, Counts)> {
    let mut counts = Counts::default();
    let mut examples = Vec::new();
    for dataset in &recipe.data.datasets {
        let pairs = match dataset.format {
            DatasetFormat::PythonSource => python_source::read(dataset, recipe, &mut counts)?,
        };
        let enough = examples
            .len()
            .saturating_add(dataset.max_examples.unwrap_or(usize::MAX));
        for pair in pairs {
            if examples.len() == enough {
                counts.beyond_max += 1;
                continue;
            }
            let example =
                encode(&pair, tokenizer, template).with_context(|| pair.origin.clone())?;
            examples.extend(fit_length(example, &pair, recipe, &mut counts)?);
        }
    }
    if examples.is_empty() {
        let text =
            format!("no training example is left: {counts}\nhint: widen the limits under `data`");
        return Err(UserMistake(text).into());
    }
    counts.kept = examples.len();
    Ok((examples, counts))
}

/// The tokens of a pair: the prompt is exactly the evaluator's for the same stub.
pub(crate) fn encode(
    pair: &Pair,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
) -> Result<Example> {
    Ok(Example {
        prompt: template.encode_code_request(tokenizer, CodeRequest { stub: &pair.stub })?,
        completion: template.encode_code_completion(tokenizer, &pair.body)?,
    })
}

/// The example if it fits into `max_seq_length`, or what the recipe says to do with it.
fn fit_length(
    mut example: Example,
    pair: &Pair,
    recipe: &Recipe,
    counts: &mut Counts,
) -> Result<Option<Example>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use benchmarks::ScoringPhase;
    use model::Checkpoint;
    use std::path::Path;

    fn tiny(model: &str) -> (Tokenizer, ChatTemplate) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../model/tests/it/golden")
            .join(model);
        let checkpoint = Checkpoint::open(&folder).expect("golden checkpoint");
        let template = checkpoint
            .chat_template()
            .expect("template")
            .unwrap_or_else(ChatTemplate::chatml);
        (checkpoint.tokenizer().expect("tokenizer"), template)
    }

    /// The evaluator asks for a task with `encode_code_request` on the task's prompt, nothing else.
    #[test]
    fn a_training_prompt_has_the_tokens_of_the_evaluators_request_for_the_same_function() {
        for model in ["tiny-qwen2", "tiny-llama"] {
            let (tokenizer, template) = tiny(model);
            let tasks = benchmarks::by_name("embedded")
                .and_then(|b| b.tasks())
                .expect("embedded tasks");
            let mut compared = 0;
            for task in &tasks {
                let view = task.view();
                let source = format!(
                    "{}{}",
                    view.prompt,
                    task.canonical_solution(&ScoringPhase::begin())
                );
                let functions = metrics::syntax::documented_functions(&source)
                    .expect("a solved task is Python");
                // Classes are no single function, and imports stand before the function, not in it.
                let Some(function) = functions
                    .into_iter()
                    .find(|f| f.name == view.entry_point && view.prompt.starts_with("def "))
                else {
                    continue;
                };
                let pair = Pair {
                    stub: function.stub,
                    body: function.body,
                    origin: String::new(),
                };
                let example = encode(&pair, &tokenizer, &template).expect("tokens");
                let asked = template
                    .encode_code_request(&tokenizer, CodeRequest { stub: &view.prompt })
                    .expect("tokens");
                assert_eq!(example.prompt, asked, "{}", view.task_id);
                compared += 1;
            }
            assert!(compared > 40, "only {compared} tasks compared");
        }
    }

    #[test]
    fn the_completion_is_the_body_the_fence_and_the_end_of_the_turn() {
        let (tokenizer, template) = tiny("tiny-qwen2");
        let pair = Pair {
            stub: "def f(x):\n    \"\"\"Doc.\"\"\"\n".into(),
            body: "    return x\n".into(),
            origin: String::new(),
        };
        let example = encode(&pair, &tokenizer, &template).expect("tokens");
        let end = *example
            .completion
            .iter()
            .rfind(|id| tokenizer.eos_ids().contains(id))
            .expect("the turn ends");
        let text = tokenizer.decode(&example.completion, true).expect("text");
        assert_eq!(
            ChatTemplate::code_body(&text).trim_end(),
            "    return x\n```"
        );
        assert!(tokenizer.eos_ids().contains(&end));
    }

    fn recipe(overlength: Overlength, max_seq_length: usize) -> Recipe {
        let text =
            "model: {name_or_path: x.gguf}\ndata: {datasets: [{path: a, format: python_source}]}";
        let mut recipe = Recipe::parse(text, Path::new("r.yaml"), &[]).expect("recipe");
        recipe.data.overlength = overlength;
        recipe.data.max_seq_length = max_seq_length;
        recipe
    }

    #[test]
    fn an_overlong_example_is_dropped_cut_or_refused_and_counted() {
        let pair = Pair {
            stub: String::new(),
            body: String::new(),
            origin: "a.py:3".to_owned(),
        };
        let example = || Example {
            prompt: vec![1; 10],
            completion: vec![2; 10],
        };
        let mut counts = Counts::default();
        let fit = |overlength, limit, counts: &mut Counts| {
            fit_length(example(), &pair, &recipe(overlength, limit), counts)
        };
        assert_eq!(
            fit(Overlength::Drop, 20, &mut counts).expect("fits"),
            Some(example())
        );
        assert_eq!(
            fit(Overlength::Drop, 19, &mut counts).expect("dropped"),
            None
        );
        let cut = fit(Overlength::Truncate, 16, &mut counts)
            .expect("cut")
            .expect("an example");
        assert_eq!(cut.completion.len(), 6);
        assert_eq!(
            fit(Overlength::Truncate, 10, &mut counts).expect("nothing left to learn"),
            None
        );
        assert_eq!((counts.overlong, counts.truncated), (2, 1));
        let error = fit(Overlength::Error, 19, &mut counts)
            .expect_err("refused")
            .to_string();
        assert!(
            error.starts_with("a.py:3: example has 20 tokens, `data.max_seq_length` is 19"),
            "{error}"
        );
    }
}
