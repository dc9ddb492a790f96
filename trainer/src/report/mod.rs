//! The report on a finished training: `training-report.md` and its picture, in the run's folder.

mod picture;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use slm_cli::{bytes_text, duration_text};
use slm_config::{InitLoraWeights, Recipe};

use crate::dataset::Counts;
use crate::folder::replace_file;
use crate::log::{self, LogLine};
use crate::output::TrainingSummary;

/// Name of the report.
pub(crate) const REPORT_FILE: &str = "training-report.md";
/// Name of its picture.
const PICTURE_FILE: &str = "loss.svg";

/// A validation loss that ends this much above its lowest is worth a word: a share of the lowest.
const RISEN: f64 = 0.01;
/// So is this share of the rows left out or cut.
const MANY_LEFT_OUT: f64 = 0.1;

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The recipe with its overrides.
    pub(crate) recipe: &'a Recipe,
    /// How the training went.
    pub(crate) summary: &'a TrainingSummary,
}

/// Writes report and picture into the run's folder.
///
/// # Errors
/// The log cannot be read, or the disk is full.
pub(crate) fn write(run: &Path, subject: Subject) -> Result<()> {
    let lines = log::read(run)?;
    let picture = picture::draw(subject.recipe.name(), &lines, subject.summary.best);
    replace_file(run, PICTURE_FILE, &picture)?;
    replace_file(run, REPORT_FILE, &markdown(subject, &lines))
}

/// Whether the report and its picture are in the run's folder.
pub(crate) fn is_written(run: &Path) -> bool {
    [REPORT_FILE, PICTURE_FILE]
        .iter()
        .all(|name| run.join(name).is_file())
}

/// The report as a page.
fn markdown(subject: Subject, lines: &[LogLine]) -> String {
    let mut page = String::new();
    let sections = [
        headline(subject, lines),
        format!("![Losses and learning rate by step]({PICTURE_FILE})\n"),
        findings(subject, lines),
        outcome(subject, lines),
        data(subject),
        settings(subject.recipe),
        next(subject.recipe),
    ];
    for section in sections.iter().filter(|section| !section.is_empty()) {
        page.push_str(section);
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn headline(Subject { recipe, summary }: Subject, lines: &[LogLine]) -> String {
    let time = duration_text(Duration::from_secs_f64(summary.seconds));
    let course = match (
        summary.base_validation_loss,
        adapters_loss(recipe, summary, lines),
    ) {
        (Some(base), Some(adapters)) => format!(
            "; on examples kept out of training, the loss is {base:.3} nats a learned token with the base model and \
             {adapters:.3} with the adapter"
        ),
        _ => match (first_loss(lines), late_loss(lines)) {
            (Some(first), Some(late)) => {
                format!(
                    "; the training loss went from {first:.3} to {late:.3} nats a learned token"
                )
            }
            _ => String::new(),
        },
    };
    format!(
        "# Training of {}\n\n{} was trained for {} steps on a set of {} examples, in {time} on {}{course}.\n",
        code(recipe.name()),
        code(&recipe.adapter_dir().display().to_string()),
        summary.steps,
        summary.examples,
        summary.device,
    )
}

/// What a reader should not overlook.
fn findings(subject: Subject, lines: &[LogLine]) -> String {
    let Subject { recipe, summary } = subject;
    let mut notes = Vec::new();
    match (summary.base_validation_loss, adapters_loss(recipe, summary, lines)) {
        (Some(base), Some(adapters)) if adapters >= base => notes.push(format!(
            "The validation loss of the adapter ({adapters:.4}) is not below the base model's ({base:.4}): on examples that \
             it has not seen, the training did not help."
        )),
        _ => {}
    }
    match (summary.best, validation_losses(lines).last()) {
        (Some(best), Some((_, last))) if *last > best.loss * (1.0 + RISEN) => {
            let kept = if recipe.train.load_best_model_at_end {
                "the adapter is the one of that step"
            } else {
                "the adapter is the last one all the same (`train.load_best_model_at_end: false`)"
            };
            notes.push(format!(
                "The validation loss was lowest after step {} ({:.4}) and ended {:.1} % higher, at {last:.4}; {kept}.",
                best.step,
                best.loss,
                100.0 * (last / best.loss - 1.0)
            ));
        }
        _ => {}
    }
    if summary.stopped_early {
        notes.push(format!(
            "Training stopped early, after step {}, because the validation loss no longer fell.",
            summary.steps
        ));
    }
    if summary.validation_examples == 0 {
        notes.push(
            "No example was kept out of training (`data.val_size: 0`), so these losses cannot tell learning from \
             memorising."
                .to_owned(),
        );
    }
    let clipped = clipped_share(recipe, lines);
    if clipped > 0.5 {
        notes.push(format!(
            "At {:.0} % of the logged steps the gradient was scaled down to `train.max_grad_norm`.",
            100.0 * clipped
        ));
    }
    for counts in &summary.data {
        let lost: usize = counts.left_out_by_length();
        if lost as f64 > MANY_LEFT_OUT * counts.found as f64 {
            notes.push(format!(
                "{lost} of {} {} of {} were left out or cut for their length (`data.max_seq_length: {}`).",
                counts.found,
                counts.unit,
                code(&counts.path),
                recipe.data.max_seq_length
            ));
        }
    }
    if notes.is_empty() {
        return String::new();
    }
    let notes: Vec<String> = notes.iter().map(|note| format!("- {note}\n")).collect();
    format!("## To be noted\n\n{}", notes.concat())
}

fn outcome(subject: Subject, lines: &[LogLine]) -> String {
    let Subject { summary, .. } = subject;
    let mut rows = Vec::new();
    if let (Some(first), Some(late)) = (first_loss(lines), late_loss(lines)) {
        rows.push((
            "training loss of the first step, before any update",
            format!("{first:.4}"),
        ));
        rows.push((
            "training loss, mean of the last tenth of the log",
            format!("{late:.4}"),
        ));
    }
    if let Some(base) = summary.base_validation_loss {
        let perplexity = base.exp();
        rows.push((
            "validation loss, base model",
            format!("{base:.4} (perplexity {perplexity:.3})"),
        ));
    }
    if let Some(best) = summary.best {
        rows.push((
            "validation loss, lowest",
            format!(
                "{:.4} after step {} (perplexity {:.3})",
                best.loss,
                best.step,
                best.loss.exp()
            ),
        ));
    }
    if let Some((step, loss)) = validation_losses(lines).last() {
        rows.push((
            "validation loss, last",
            format!("{loss:.4} after step {step}"),
        ));
    }
    let speed = summary.tokens as f64 / summary.seconds;
    rows.extend([
        (
            "tokens read",
            format!(
                "{}, {} of them learned",
                summary.tokens, summary.supervised_tokens
            ),
        ),
        (
            "time, with validations and checkpoints",
            format!(
                "{}, {speed:.0} tokens/s",
                duration_text(Duration::from_secs_f64(summary.seconds))
            ),
        ),
        (
            "peak memory of the process",
            summary
                .peak_memory_bytes
                .map_or_else(|| "unknown".to_owned(), bytes_text),
        ),
        (
            "trained parameters",
            summary.trainable_parameters.to_string(),
        ),
    ]);
    let mut table =
        "## Outcome\n\nLosses are in nats a learned token.\n\n| | |\n|---|---|\n".to_owned();
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {name} | {value} |");
    }
    table
}

fn data(subject: Subject) -> String {
    let mut table =
        "## Data\n\n| data set | read | examples | left out or cut |\n|---|---|---|---|\n"
            .to_owned();
    for counts in &subject.summary.data {
        let left_out = counts
            .left_out_text()
            .unwrap_or_else(|| "nothing".to_owned());
        let _ = writeln!(
            table,
            "| {} | {} {} in {} files | {} | {left_out} |",
            code(&counts.path),
            counts.found,
            counts.unit,
            counts.files,
            counts.kept,
        );
    }
    let first = subject.summary.data.iter().flat_map(Counts::first_texts);
    let first: Vec<String> = first.map(|text| format!("- {}\n", code(&text))).collect();
    if !first.is_empty() {
        let _ = write!(
            table,
            "\nThe first of each kind that was left out:\n\n{}",
            first.concat()
        );
    }
    let _ = writeln!(
        table,
        "\nAn epoch has {} examples by the data sets' weights; {} examples were kept out to validate on. {}",
        subject.summary.examples,
        subject.summary.validation_examples,
        match &subject.summary.decontamination {
            Some(search) => format!(
                "{} examples shared text or code with a task of {} and were left out.",
                search.left_out,
                search.benchmarks.join(", ")
            ),
            None => "The examples were not searched for the tasks that the recipe evaluates on."
                .to_owned(),
        }
    );
    table
}

fn settings(recipe: &Recipe) -> String {
    let (lora, train) = (&recipe.lora, &recipe.train);
    let mut variants = Vec::new();
    for (is_on, name) in [
        (lora.use_rslora, "rsLoRA"),
        (lora.use_dora, "DoRA"),
        (lora.init_lora_weights == InitLoraWeights::Pissa, "PiSSA"),
        ((lora.loraplus_lr_ratio - 1.0).abs() > f64::EPSILON, "LoRA+"),
        (train.neftune_noise_alpha.is_some(), "NEFTune"),
        (lora.lora_dropout > 0.0, "dropout"),
    ] {
        if is_on {
            variants.push(name);
        }
    }
    let variants = if variants.is_empty() {
        String::new()
    } else {
        format!(", with {}", variants.join(", "))
    };
    format!(
        "## Settings\n\n\
         - base model: {}\n\
         - adapter: rank {}, alpha {}{variants}\n\
         - optimizer: {}, peak learning rate {:e}, {} examples a step\n\
         - seed: {}; on one CPU the same recipe and data give the same bytes\n\n\
         [adapter/recipe.yaml](adapter/recipe.yaml) has all settings, [{}]({}) the losses by step, and \
         `tensorboard --logdir {}` shows them.\n",
        code(recipe.model.base_model_name()),
        lora.r,
        lora.lora_alpha,
        train.optim.name(),
        train.learning_rate,
        train.examples_per_step(),
        train.seed,
        log::LOG_FILE,
        log::LOG_FILE,
        recipe.output_dir().display(),
    )
}

fn next(recipe: &Recipe) -> String {
    let adapter = recipe.adapter_dir().display().to_string();
    format!(
        "## What next\n\n\
         A loss says how well the model predicts such texts, not how well it programs. Base model and adapter on tasks \
         with hidden tests:\n\n    evaluator compare {adapter}\n\n\
         Ask it something:\n\n    trainer generate {adapter}/recipe.yaml --adapter {adapter}\n"
    )
}

fn step_losses(lines: &[LogLine]) -> impl DoubleEndedIterator<Item = f64> {
    lines.iter().filter_map(|line| match line {
        LogLine::Step { loss, .. } => Some(*loss),
        LogLine::Validation { .. } | LogLine::Start { .. } => None,
    })
}

fn validation_losses(lines: &[LogLine]) -> Vec<(usize, f64)> {
    let of = |line: &LogLine| match *line {
        LogLine::Validation {
            step,
            validation_loss,
            ..
        } => Some((step, validation_loss)),
        LogLine::Step { .. } | LogLine::Start { .. } => None,
    };
    lines.iter().filter_map(of).collect()
}

/// The validation loss of the adapter that was kept.
fn adapters_loss(recipe: &Recipe, summary: &TrainingSummary, lines: &[LogLine]) -> Option<f64> {
    if recipe.train.load_best_model_at_end {
        return summary.best.map(|best| best.loss);
    }
    let (step, loss) = validation_losses(lines).last().copied()?;
    (step > 0).then_some(loss)
}

/// The training loss before any update; of a log without that line, the first one.
fn first_loss(lines: &[LogLine]) -> Option<f64> {
    let start = lines.iter().find_map(|line| match *line {
        LogLine::Start { loss, .. } => Some(loss),
        LogLine::Step { .. } | LogLine::Validation { .. } => None,
    });
    start.or_else(|| step_losses(lines).next())
}

/// The mean over the last tenth of the logged steps, at least one.
fn late_loss(lines: &[LogLine]) -> Option<f64> {
    let n = step_losses(lines).count();
    let tenth = n.div_ceil(10);
    (n > 0).then(|| step_losses(lines).rev().take(tenth).sum::<f64>() / tenth as f64)
}

/// The share of logged steps whose gradient was scaled down.
fn clipped_share(recipe: &Recipe, lines: &[LogLine]) -> f64 {
    let limit = recipe.train.max_grad_norm.unwrap_or(f64::INFINITY);
    let norms = lines.iter().filter_map(|line| match line {
        LogLine::Step { grad_norm, .. } => Some(*grad_norm),
        LogLine::Validation { .. } | LogLine::Start { .. } => None,
    });
    let (mut all, mut clipped) = (0, 0);
    for norm in norms {
        all += 1;
        clipped += usize::from(norm > limit);
    }
    clipped as f64 / f64::from(all.max(1))
}

/// A name as inline code, inside a table cell too.
fn code(name: &str) -> String {
    let shown: String = name
        .chars()
        .map(|c| match c {
            c if c.is_control() => '\u{fffd}',
            '`' => '\'',
            c => c,
        })
        .collect();
    format!("`{}`", shown.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Best;
    use crate::dataset::Reason;

    fn recipe(set: &[&str]) -> Recipe {
        let text = "model: {name_or_path: m.gguf}\ndata: {datasets: [{path: 'a|b', format: text}]}";
        let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
        Recipe::parse(text, Path::new("night.yaml"), &set, slm_benchmarks::NAMES).expect("a recipe")
    }

    fn page(set: &[&str], best: Option<Best>, left_out: usize) -> String {
        let recipe = recipe(set);
        let mut counts = Counts {
            path: "a|b".to_owned(),
            files: 1,
            found: 100,
            unit: "rows".into(),
            kept: 100 - left_out,
            ..Counts::default()
        };
        for _ in 0..left_out {
            counts.leave_out(Reason::Overlong);
        }
        let summary = TrainingSummary {
            steps: 400,
            examples: 100,
            validation_examples: usize::from(best.is_some()),
            tokens: 80_000,
            supervised_tokens: 30_000,
            trainable_parameters: 7424,
            final_loss: 0.9,
            base_validation_loss: best.map(|_| 2.15),
            best,
            stopped_early: false,
            data: vec![counts],
            decontamination: None,
            seconds: 40.0,
            peak_memory_bytes: Some(1_500_000_000),
            device: "cpu".to_owned(),
            project_version: "0".to_owned(),
            sources: Vec::new(),
        };
        let subject = Subject {
            recipe: &recipe,
            summary: &summary,
        };
        markdown(subject, &picture::tests::made_up(400))
    }

    #[test]
    fn a_report_tells_what_was_reached_with_what_and_what_comes_next() {
        let page = page(&["lora.use_dora=true"], None, 0);
        for part in [
            "# Training of `night`\n",
            "`checkpoints/night/adapter` was trained for 400 steps on a set of 100 examples, in 40.0 s on cpu; the training loss went \
             from 2.200 to ",
            "| training loss of the first step, before any update | 2.2000 |",
            "![Losses and learning rate by step](loss.svg)",
            "- No example was kept out of training",
            "| tokens read | 80000, 30000 of them learned |",
            "| time, with validations and checkpoints | 40.0 s, 2000 tokens/s |",
            "| peak memory of the process | 1.50 GB |",
            "| `a\\|b` | 100 rows in 1 files | 100 | nothing |",
            "rank 8, alpha 16, with DoRA",
            "    evaluator compare checkpoints/night/adapter\n",
        ] {
            assert!(page.contains(part), "`{part}` is not in\n{page}");
        }
        assert!(!page.contains("validation loss, lowest"), "{page}");
    }

    #[test]
    fn what_should_not_be_overlooked_is_said_first() {
        let best = Some(Best {
            step: 300,
            loss: 1.1,
        });
        let page = page(&["train.max_grad_norm=0.01"], best, 20);
        for part in [
            "on examples kept out of training, the loss is 2.150 nats a learned token with the base model and 1.100 with \
             the adapter.\n",
            "The validation loss was lowest after step 300 (1.1000) and ended 20.0 % higher, at 1.3201; the adapter is the one \
             of that step.\n",
            "| validation loss, base model | 2.1500 (perplexity 8.585) |",
            "| validation loss, lowest | 1.1000 after step 300 (perplexity 3.004) |",
            "At 100 % of the logged steps the gradient was scaled down",
            "- 20 of 100 rows of `a\\|b` were left out or cut for their length (`data.max_seq_length: 512`).",
            "| 80 | 20 over max_seq_length |",
        ] {
            assert!(page.contains(part), "`{part}` is not in\n{page}");
        }
        assert!(!page.contains("No example was kept out"), "{page}");
        assert!(!page.contains("did not help"), "{page}");
    }

    #[test]
    fn an_adapter_that_is_no_better_than_the_base_model_is_named_so() {
        let best = Some(Best {
            step: 50,
            loss: 2.15,
        });
        let said =
            "The validation loss of the adapter (2.1500) is not below the base model's (2.1500)";
        assert!(page(&[], best, 0).contains(said));
        // Then the adapter is the one of the last step.
        let last = page(&["train.load_best_model_at_end=false"], best, 0);
        assert!(!last.contains("is not below"), "{last}");
        assert!(last.contains("and 1.320 with the adapter.\n"), "{last}");
    }
}
