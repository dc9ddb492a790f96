//! `trainer data`: shows a recipe's data sets as training examples.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;
use slm_artifacts::counted;
use slm_cli::Failure;
use slm_model::Tokenizer;

use crate::arguments::DataArguments;
use crate::batch::Example;
use crate::dataset::{self, Counts, Examples, Units};
use crate::init_from::{ShownSource, SourceAdapter};
use crate::setup::Setup;

/// Marks around supervised tokens.
const LEARNED: (&str, &str) = ("[[", "]]");
/// Marks around special tokens, and around added tokens that look like tags.
const SPECIAL: (&str, &str) = ("«", "»");
/// Width of the longest bar, in characters.
const BAR: usize = 40;

/// The output of the command, also as `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// The adapter that the training starts from; `null` for a new adapter.
    init_from: Option<ShownSource>,
    datasets: Vec<Counts>,
    /// What is counted: `examples`, `pairs` or `labelled answers`.
    units: String,
    training: Totals,
    validation: Totals,
    max_seq_length: usize,
    histogram: Vec<Bin>,
    examples: Vec<Shown>,
}

/// Totals over examples, pairs or labelled answers.
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

/// An example, token by token. A pair is two of them.
#[derive(Clone, Debug, Serialize)]
struct Shown {
    /// Which side of a pair: `chosen` or `rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    /// Whether a labelled answer is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<bool>,
    tokens: Vec<ShownToken>,
}

#[derive(Clone, Debug, Serialize)]
struct ShownToken {
    id: u32,
    text: String,
    supervised: bool,
    /// Whether it is a special token, or an added token that looks like a tag; a text that spells one is not.
    special: bool,
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
    let setup = Setup::open_for_training(recipe)?;
    let Setup {
        recipe,
        tokenizer,
        source,
        ..
    } = &setup;
    let examples = dataset::load(&setup, &std::env::temp_dir())?;
    let shown = examples.train.iter().take(*n_shown);
    let shown = shown.map(|&unit| spelled(&examples, unit, tokenizer));
    let report = Report {
        init_from: source.as_ref().map(SourceAdapter::shown),
        units: format!("{}s", examples.units.noun()),
        training: totals(&examples, &examples.train),
        validation: totals(&examples, &examples.validation),
        max_seq_length: recipe.data.max_seq_length,
        histogram: histogram((0..examples.store.len()).map(|index| examples.store.n_tokens(index))),
        examples: shown.collect::<Result<Vec<_>>>()?.concat(),
        datasets: examples.counts,
    };
    if *json {
        slm_cli::document(&serde_json::to_string_pretty(&report)?);
    } else {
        let start = source.as_ref().map_or_else(String::new, |source| {
            format!("init_from  {}\n", source.text())
        });
        slm_cli::result((start + &text(&report)).trim_end());
    }
    Ok(())
}

fn totals(examples: &Examples, units: &[u32]) -> Totals {
    let supervised = units.iter().map(|&unit| examples.n_supervised(unit));
    Totals {
        examples: units.len(),
        tokens: units.iter().map(|&unit| examples.n_tokens(unit)).sum(),
        supervised_tokens: supervised.sum(),
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

/// Spells the examples of a unit of training.
fn spelled(examples: &Examples, unit: u32, tokenizer: &Tokenizer) -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for index in examples.units.examples(unit) {
        let (side, label) = match &examples.units {
            Units::Rows => (None, None),
            Units::Pairs if index % 2 == 0 => (Some("chosen"), None),
            Units::Pairs => (Some("rejected"), None),
            Units::Labelled(labels) => (None, Some(labels[index])),
        };
        shown.push(Shown {
            side,
            label,
            tokens: tokens_of(&examples.store.get(index)?, tokenizer),
        });
    }
    Ok(shown)
}

fn tokens_of(example: &Example, tokenizer: &Tokenizer) -> Vec<ShownToken> {
    let tokens = example.tokens.iter().zip(&example.supervised);
    let token = |(&id, &supervised): (&u32, &bool)| ShownToken {
        id,
        // A token may be a part of a character, which cannot be decoded alone.
        text: tokenizer
            .decode_continuation(&[id])
            .unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.to_string()),
        supervised,
        special: tokenizer.is_markup(id),
    };
    tokens.map(token).collect()
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
            "{name:10} {}, {tokens} tokens, {supervised_tokens} of them supervised",
            counted(*examples, report.units.trim_end_matches('s'))
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
    let mut number = 0;
    for example in &report.examples {
        number += usize::from(example.side != Some("rejected"));
        let title = match (example.side, example.label) {
            (Some(side), _) => format!("pair {number}, {side}"),
            (None, Some(label)) => format!("example {number}, label {label}"),
            (None, None) => format!("example {number}"),
        };
        let learned = example
            .tokens
            .iter()
            .filter(|token| token.supervised)
            .count();
        let _ = writeln!(
            lines,
            "\n{title}: {} tokens, the {learned} between {} and {} are supervised, those in {}{} are special",
            example.tokens.len(),
            LEARNED.0,
            LEARNED.1,
            SPECIAL.0,
            SPECIAL.1
        );
        let _ = writeln!(lines, "{}", marked(&example.tokens));
    }
    out
}

/// Formats the tokens of an example with a bar between them; line breaks are kept, other control characters are
/// escaped.
fn marked(tokens: &[ShownToken]) -> String {
    let mut out = String::new();
    let mut inside = false;
    for (index, token) in tokens.iter().enumerate() {
        if token.supervised && !inside {
            out.push_str(LEARNED.0);
        } else if !token.supervised && inside {
            out.push_str(LEARNED.1);
        } else if index > 0 {
            out.push('|');
        }
        inside = token.supervised;
        let text = token.text.replace('\t', "\\t");
        let text = slm_cli::printable(&text);
        if token.special {
            out.extend([SPECIAL.0, &text, SPECIAL.1]);
        } else {
            out.push_str(&text);
        }
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
            special: text == "<s>",
        };
        let tokens = vec![
            token("<s>", false),
            token("a\n", false),
            token("b", true),
            token("\u{1b}", true),
            token("c", false),
            token("d", true),
        ];
        assert_eq!(marked(&tokens), "«<s>»|a\n[[b|\\u{1b}]]c[[d]]");
    }
}
