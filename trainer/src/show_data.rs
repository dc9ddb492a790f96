//! `trainer data`: shows a recipe's data sets as training examples.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;
use slm_cli::Failure;
use slm_model::Tokenizer;

use crate::arguments::DataArguments;
use crate::batch::Example;
use crate::dataset::{self, Counts, Examples};
use crate::setup::Setup;

/// Marks around supervised tokens.
const LEARNED: (&str, &str) = ("[[", "]]");
/// Width of the longest bar, in characters.
const BAR: usize = 40;

/// The output of the command, also as `--json`.
#[derive(Debug, Serialize)]
struct Report {
    datasets: Vec<Counts>,
    training: Totals,
    validation: Totals,
    max_seq_length: usize,
    histogram: Vec<Bin>,
    examples: Vec<Shown>,
}

/// Totals over examples.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Totals {
    examples: usize,
    tokens: usize,
    supervised_tokens: usize,
}

/// A bin of the histogram: the examples with `from` to `to` tokens.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Bin {
    from: usize,
    to: usize,
    examples: usize,
}

/// An example, token by token.
#[derive(Debug, Serialize)]
struct Shown {
    tokens: Vec<ShownToken>,
}

#[derive(Debug, Serialize)]
struct ShownToken {
    id: u32,
    text: String,
    supervised: bool,
}

/// Reads the data sets and prints the resulting examples.
pub(crate) fn run(arguments: &DataArguments) -> Result<(), Failure> {
    Ok(show(arguments)?)
}

fn show(arguments: &DataArguments) -> Result<()> {
    let DataArguments {
        recipe,
        examples: n_shown,
        json,
    } = arguments;
    let setup = Setup::open(recipe)?;
    let Setup {
        recipe, tokenizer, ..
    } = &setup;
    let examples = dataset::load(&setup, &std::env::temp_dir())?;
    let shown = examples.train.iter().take(*n_shown);
    let report = Report {
        training: totals(&examples, &examples.train),
        validation: totals(&examples, &examples.validation),
        max_seq_length: recipe.data.max_seq_length,
        histogram: histogram((0..examples.store.len()).map(|index| examples.store.n_tokens(index))),
        examples: shown
            .map(|&index| Ok(spelled(&examples.store.get(index as usize)?, tokenizer)))
            .collect::<Result<_>>()?,
        datasets: examples.counts,
    };
    if *json {
        slm_cli::document(&serde_json::to_string_pretty(&report)?);
    } else {
        slm_cli::result(text(&report).trim_end());
    }
    Ok(())
}

fn totals(examples: &Examples, indices: &[u32]) -> Totals {
    let store = &examples.store;
    Totals {
        examples: indices.len(),
        tokens: indices.iter().map(|&i| store.n_tokens(i as usize)).sum(),
        supervised_tokens: indices
            .iter()
            .map(|&i| store.n_supervised(i as usize))
            .sum(),
    }
}

/// Counts lengths in bins whose upper ends double, from the shortest example's bin to the longest's.
fn histogram(lengths: impl Iterator<Item = usize>) -> Vec<Bin> {
    const FIRST: usize = 32;
    let mut bins: Vec<Bin> = Vec::new();
    for length in lengths {
        while bins.last().is_none_or(|bin| bin.to < length) {
            let before = bins.last().map_or(0, |bin| bin.to);
            bins.push(Bin {
                from: before + 1,
                to: (2 * before).max(FIRST),
                examples: 0,
            });
        }
        if let Some(bin) = bins.iter_mut().find(|bin| length <= bin.to) {
            bin.examples += 1;
        }
    }
    let empty = bins.iter().take_while(|bin| bin.examples == 0).count();
    bins.split_off(empty)
}

fn spelled(example: &Example, tokenizer: &Tokenizer) -> Shown {
    let tokens = example.tokens.iter().zip(&example.supervised);
    let token = |(&id, &supervised): (&u32, &bool)| ShownToken {
        id,
        // A token may be a part of a character, which cannot be decoded alone.
        text: tokenizer
            .decode(&[id], false)
            .unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.to_string()),
        supervised,
    };
    Shown {
        tokens: tokens.map(token).collect(),
    }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let lines = &mut out;
    // Writing to a string cannot fail.
    for counts in &report.datasets {
        let _ = writeln!(lines, "{counts}");
    }
    for (name, totals) in [
        ("training", &report.training),
        ("validation", &report.validation),
    ] {
        let Totals {
            examples,
            tokens,
            supervised_tokens,
        } = totals;
        let _ = writeln!(
            lines,
            "{name:10} {examples} examples, {tokens} tokens, {supervised_tokens} of them supervised"
        );
    }
    let _ = writeln!(
        lines,
        "\nlength in tokens (max_seq_length {})",
        report.max_seq_length
    );
    let most = report
        .histogram
        .iter()
        .map(|bin| bin.examples)
        .max()
        .unwrap_or(1)
        .max(1);
    for bin in &report.histogram {
        let bar = "#".repeat((bin.examples * BAR).div_ceil(most));
        let range = format!("{}-{}", bin.from, bin.to);
        let _ = writeln!(lines, "{range:>13} {:>9} {bar}", bin.examples);
    }
    for (index, example) in report.examples.iter().enumerate() {
        let learned = example
            .tokens
            .iter()
            .filter(|token| token.supervised)
            .count();
        let _ = writeln!(
            lines,
            "\nexample {}: {} tokens, the {learned} between {} and {} are supervised",
            index + 1,
            example.tokens.len(),
            LEARNED.0,
            LEARNED.1
        );
        let _ = writeln!(lines, "{}", marked(example));
    }
    out
}

/// Formats the tokens of an example with a bar between them; line breaks are kept, other control characters are
/// escaped.
fn marked(example: &Shown) -> String {
    let mut out = String::new();
    let mut inside = false;
    for (index, token) in example.tokens.iter().enumerate() {
        if token.supervised && !inside {
            out.push_str(LEARNED.0);
        } else if !token.supervised && inside {
            out.push_str(LEARNED.1);
        } else if index > 0 {
            out.push('|');
        }
        inside = token.supervised;
        out.push_str(&slm_cli::printable(&token.text.replace('\t', "\\t")));
    }
    if inside {
        out.push_str(LEARNED.1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_bins_that_double() {
        let bin = |from, to, examples| Bin { from, to, examples };
        let found = histogram([33, 64, 65, 200].into_iter());
        assert_eq!(found, [bin(33, 64, 2), bin(65, 128, 1), bin(129, 256, 1)]);
        assert_eq!(histogram([1, 32].into_iter()), [bin(1, 32, 2)]);
        assert!(histogram(std::iter::empty()).is_empty());
    }

    #[test]
    fn the_learned_tokens_stand_between_marks() {
        let token = |text: &str, supervised| ShownToken {
            id: 0,
            text: text.to_owned(),
            supervised,
        };
        let tokens = vec![
            token("<s>", false),
            token("a\n", false),
            token("b", true),
            token("\u{1b}", true),
            token("c", false),
            token("d", true),
        ];
        assert_eq!(marked(&Shown { tokens }), "<s>|a\n[[b|\\u{1b}]]c[[d]]");
    }
}
