//! The report on a finished training: `training-report.md`, its chart and its page, in the run's folder.

pub(crate) mod examples;
mod loss_curve;
mod page;
mod preferences;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use slm_artifacts::TrainingSummary;
use slm_cli::{bytes_text, duration_text};
use slm_config::{Costs, Objective, Recipe};
use slm_model::{Init, LoraSettings};
use slm_report::{COST_PHRASES, WorkCost, draw_loss_curve};

use crate::dataset::Counts;
use crate::folder::replace_file;
use crate::log::{self, LogLine};

pub(crate) use page::render as page;

/// File name of the report.
pub(crate) const REPORT_FILE: &str = "training-report.md";
/// File name of its page.
pub(crate) const PAGE_FILE: &str = "training-report.html";
/// File name of its chart.
const PICTURE_FILE: &str = "loss.svg";

const TEMPLATE: &str = include_str!("training.md.jinja");

/// A final validation loss that exceeds the lowest one by more than this share is noted.
const RISEN: f64 = 0.01;
/// A share of rows left out or cut above this is noted.
const MANY_LEFT_OUT: f64 = 0.1;

/// The subject of a report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The recipe with its overrides.
    pub(crate) recipe: &'a Recipe,
    /// The adapter's shape.
    pub(crate) settings: &'a LoraSettings,
    /// The figures of the training.
    pub(crate) summary: &'a TrainingSummary,
}

/// Writes the report, its chart and its page into the run's folder.
///
/// # Errors
/// The log cannot be read, or the disk is full.
pub(crate) fn write(run: &Path, subject: Subject) -> Result<()> {
    let lines = log::read(run)?;
    let named = (subject.recipe.name(), unit(subject.recipe));
    let curve = loss_curve::of(named, &lines, subject.summary.best);
    replace_file(run, PICTURE_FILE, &draw_loss_curve(&curve))?;
    replace_file(run, REPORT_FILE, &markdown(subject, &lines))?;
    // The report is complete without it.
    let yaml = subject.recipe.to_yaml();
    let name = subject.recipe.name();
    let html = page(run, name, Some(subject.summary), &lines, &yaml);
    if let Err(error) = html.and_then(|html| replace_file(run, PAGE_FILE, &html)) {
        slm_cli::note(&format!(
            "warning: {PAGE_FILE} is not written: {error:#}\nhint: `trainer view` writes it again"
        ));
    }
    Ok(())
}

/// The unit of the losses of a recipe's objective.
fn unit(recipe: &Recipe) -> &'static str {
    if recipe.train.objective == Objective::Sft {
        "nats per supervised token"
    } else {
        "per preference"
    }
}

/// Whether the report and its chart are in the run's folder.
pub(crate) fn is_written(run: &Path) -> bool {
    [REPORT_FILE, PICTURE_FILE]
        .iter()
        .all(|name| run.join(name).is_file())
}

/// Renders the report as Markdown.
fn markdown(subject: Subject, lines: &[LogLine]) -> String {
    slm_report::markdown::render(
        &[("training", TEMPLATE), COST_PHRASES],
        &Page::new(subject, lines),
    )
}

/// The data of the template.
#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    /// The adapter's folder.
    adapter: String,
    folder: String,
    summary: &'a TrainingSummary,
    /// What the training started from: `the base model`, or the adapter.
    start: &'a str,
    /// Wall time as text.
    time: String,
    tokens_per_second: f64,
    peak_memory: Option<String>,
    cost: WorkCost,
    /// `None` without any.
    prices: Option<&'a Costs>,
    losses: Losses,
    /// The unit of a loss, after the number.
    unit: &'static str,
    /// What losses are.
    losses_are: &'static str,
    /// The figures of a preference objective.
    preferences: Option<preferences::Preferences>,
    notes: Vec<Note<'a>>,
    data: Vec<DataSet<'a>>,
    /// The first row or file that was left out for each reason, as text.
    first_left_out: Vec<String>,
    settings: Settings<'a>,
}

/// Losses in nats per supervised token; `None` where the log has none.
#[derive(Serialize)]
struct Losses {
    /// The validation loss before the first step.
    before: Option<f64>,
    /// Before any update.
    first: Option<f64>,
    /// The mean over the last tenth of the logged steps.
    late: Option<f64>,
    /// The validation loss of the adapter that was kept.
    adapter: Option<f64>,
    /// Step and loss of the last validation.
    last_validation: Option<(usize, f64)>,
}

/// An observation that the reader should not miss.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Note<'a> {
    /// The adapter's validation loss is not below that of the start.
    NoHelp {
        adapter: f64,
        before: f64,
    },
    /// The final validation loss is well above the lowest.
    Risen {
        step: usize,
        lowest: f64,
        last: f64,
        keeps_best: bool,
    },
    StoppedEarly,
    /// No examples were held out for validation.
    NoValidation,
    /// More than half of the gradients were clipped.
    Clipped {
        share: f64,
    },
    /// Many rows are too long.
    Long {
        lost: usize,
        found: usize,
        unit: &'a str,
        path: &'a str,
        max_seq_length: usize,
    },
}

/// The counts of a data set.
#[derive(Serialize)]
struct DataSet<'a> {
    path: &'a str,
    /// What was read, as text.
    found: String,
    kept: usize,
    /// What was left out or cut, as text; `None` if nothing was.
    left_out: Option<String>,
    /// The licences of Python files, as text; `None` for other data.
    licences: Option<String>,
}

/// The most important settings.
#[derive(Serialize)]
struct Settings<'a> {
    base_model: &'a str,
    r: usize,
    lora_alpha: String,
    /// The variants and extensions of LoRA in use.
    variants: Vec<&'static str>,
    /// The objective with its settings; `None` for `sft`.
    objective: Option<String>,
    optimizer: &'static str,
    learning_rate: f64,
    examples_per_step: usize,
    seed: u64,
}

impl<'a> Page<'a> {
    fn new(subject: Subject<'a>, lines: &[LogLine]) -> Self {
        let Subject {
            recipe,
            settings,
            summary,
        } = subject;
        let source = summary.init_from.as_deref();
        let losses = Losses {
            before: source.map_or(summary.base_validation_loss, |start| start.validation_loss),
            first: first_loss(lines),
            late: late_loss(lines),
            adapter: adapters_loss(recipe, summary, lines),
            last_validation: validation_losses(lines).last().copied(),
        };
        let data = summary.data.iter().map(|counts| DataSet {
            path: &counts.path,
            found: counts.found_text(),
            kept: counts.kept,
            left_out: counts.left_out_text(),
            licences: counts.licences_text(),
        });
        let is_sft = recipe.train.objective == Objective::Sft;
        let prices = Some(&recipe.costs).filter(|costs| costs.has_price());
        Self {
            name: recipe.name(),
            adapter: recipe.adapter_dir().display().to_string(),
            folder: recipe.output_dir().display().to_string(),
            summary,
            start: source.map_or("the base model", |start| &start.path),
            time: duration_text(Duration::from_secs_f64(summary.seconds)),
            tokens_per_second: summary.tokens as f64 / summary.seconds,
            peak_memory: summary.peak_memory_bytes.map(bytes_text),
            cost: WorkCost::of(summary.seconds, summary.energy.as_ref(), prices),
            prices,
            notes: notes(recipe, summary, lines, &losses),
            losses,
            unit: unit(recipe),
            losses_are: if is_sft {
                "in nats per supervised token"
            } else {
                "means over the preferences"
            },
            preferences: preferences::of(recipe, summary.preferences.as_ref(), lines),
            data: data.collect(),
            first_left_out: summary.data.iter().flat_map(Counts::first_texts).collect(),
            settings: Settings::of(recipe, settings),
        }
    }
}

fn notes<'a>(
    recipe: &Recipe,
    summary: &'a TrainingSummary,
    lines: &[LogLine],
    losses: &Losses,
) -> Vec<Note<'a>> {
    let mut notes = Vec::new();
    match (losses.before, losses.adapter) {
        (Some(before), Some(adapter)) if adapter >= before => {
            notes.push(Note::NoHelp { adapter, before });
        }
        _ => {}
    }
    match (summary.best, losses.last_validation) {
        (Some(best), Some((_, last))) if last > best.loss * (1.0 + RISEN) => {
            notes.push(Note::Risen {
                step: best.step,
                lowest: best.loss,
                last,
                keeps_best: recipe.train.load_best_model_at_end,
            });
        }
        _ => {}
    }
    if summary.stopped_early {
        notes.push(Note::StoppedEarly);
    }
    if summary.validation_examples == 0 {
        notes.push(Note::NoValidation);
    }
    let share = clipped_share(recipe, lines);
    if share > 0.5 {
        notes.push(Note::Clipped { share });
    }
    let long = summary.data.iter().map(|counts| Note::Long {
        lost: counts.left_out_by_length(),
        found: counts.found,
        unit: &counts.unit,
        path: &counts.path,
        max_seq_length: recipe.data.max_seq_length,
    });
    notes.extend(long.filter(|note| {
        matches!(note, Note::Long { lost, found, .. } if *lost as f64 > MANY_LEFT_OUT * *found as f64)
    }));
    notes
}

impl<'a> Settings<'a> {
    fn of(recipe: &'a Recipe, lora: &LoraSettings) -> Self {
        let train = &recipe.train;
        let ratio = recipe.lora.loraplus_lr_ratio;
        let variants = [
            (lora.use_rslora, "rsLoRA"),
            (lora.use_dora, "DoRA"),
            (lora.init == Init::Pissa, "PiSSA"),
            ((ratio - 1.0).abs() > f64::EPSILON, "LoRA+"),
            (train.neftune_noise_alpha.is_some(), "NEFTune"),
            (lora.lora_dropout > 0.0, "dropout"),
        ];
        let used = variants.into_iter().filter(|(is_on, _)| *is_on);
        Self {
            base_model: recipe.model.base_model_name(),
            r: lora.r,
            lora_alpha: lora.lora_alpha.to_string(),
            variants: used.map(|(_, name)| name).collect(),
            objective: preferences::objective_text(train),
            optimizer: train.optim.name(),
            learning_rate: train.learning_rate,
            examples_per_step: train.examples_per_step(),
            seed: train.seed,
        }
    }
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

/// Returns the validation loss of the adapter that was kept.
fn adapters_loss(recipe: &Recipe, summary: &TrainingSummary, lines: &[LogLine]) -> Option<f64> {
    if recipe.train.load_best_model_at_end {
        return summary.best.map(|best| best.loss);
    }
    let (step, loss) = validation_losses(lines).last().copied()?;
    (step > 0).then_some(loss)
}

/// Returns the training loss before any update; the first logged loss where that line is missing.
fn first_loss(lines: &[LogLine]) -> Option<f64> {
    let start = lines.iter().find_map(|line| match *line {
        LogLine::Start { loss, .. } => Some(loss),
        LogLine::Step { .. } | LogLine::Validation { .. } => None,
    });
    start.or_else(|| step_losses(lines).next())
}

/// Returns the mean over the last tenth of the logged steps, at least one.
fn late_loss(lines: &[LogLine]) -> Option<f64> {
    let n = step_losses(lines).count();
    let tenth = n.div_ceil(10);
    (n > 0).then(|| step_losses(lines).rev().take(tenth).sum::<f64>() / tenth as f64)
}

/// Returns the share of logged steps whose gradient was clipped.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Best;
    use slm_artifacts::LeftOutReason as Reason;

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
            preferences: None,
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
            datasets: Vec::new(),
            data: vec![counts],
            decontamination: None,
            seconds: 40.0,
            energy: None,
            peak_memory_bytes: Some(1_500_000_000),
            device: "cpu".to_owned(),
            project_version: "0".to_owned(),
            chat_template: None,
            sources: Vec::new(),
            base_sha256: String::new(),
            init_from: None,
        };
        let settings = crate::lora_settings::of_recipe(&recipe).expect("settings");
        let subject = Subject {
            recipe: &recipe,
            settings: &settings,
            summary: &summary,
        };
        markdown(subject, &loss_curve::tests::made_up(400))
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
            "| tokens read | 80000, 30000 of them supervised |",
            "| time, with validations and checkpoints | 40.0 s, 2000 tokens/s |",
            "| peak memory of the process | 1.50 GB |",
            "| `a\\|b` | 100 rows in 1 file | 100 | nothing |",
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
            "on examples kept out of training, the loss is 2.150 nats per supervised token with the base model and 1.100 with \
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
        // Then the adapter is that of the last step.
        let last = page(&["train.load_best_model_at_end=false"], best, 0);
        assert!(!last.contains("is not below"), "{last}");
        assert!(last.contains("and 1.320 with the adapter.\n"), "{last}");
    }
}
