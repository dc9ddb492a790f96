//! Model, lengths and batch for some data on a machine.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use slm_cli::{UserMistake, bytes_text};
use slm_config::{Overlength, Quantization, Recipe};
use slm_model::{DeviceChoice, DeviceMemory};

use super::model::Model;
use super::survey::Survey;
use crate::budget::{Budget, COMFORTABLE, Longest, Placement};
use crate::flops::flops_per_token;

/// Seconds that a training on the CPU may take: a night.
const NIGHT_S: f64 = 10.0 * 3600.0;
/// Floating-point operations a core does per second in training, as measured with AVX2.
const CORE_FLOPS: f64 = 35e9;
/// Shares of the examples that the longest sequence should cover, in order of preference.
const COVERAGES: [f64; 3] = [0.99, 0.95, 0.9];
/// Share of the examples below which longer ones are cut rather than left out.
const FEWEST_COVERED: f64 = 0.8;
/// Sequence lengths are multiples of this,
const LENGTH_UNIT: usize = 64;
/// and at most this long, because time grows with the square.
const MOST_TOKENS: usize = 4096;
/// A shorter length saves little.
const FEWEST_TOKENS: usize = 256;

/// The device that trains.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) device: DeviceChoice,
    pub(super) opened: Device,
    /// Memory that a training may take.
    pub(super) bytes: u64,
    /// For the CPU, its cores: time is bounded there.
    pub(super) cpu_cores: Option<usize>,
}

/// What the recipe sets.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) model_title: String,
    pub(super) model_section: String,
    pub(super) quantization: Quantization,
    pub(super) rank: usize,
    pub(super) max_seq_length: usize,
    pub(super) micro_batch_size: usize,
    pub(super) gradient_accumulation_steps: usize,
    pub(super) epochs: usize,
    /// Set where not all examples can be learned from in a night.
    pub(super) max_examples: Option<usize>,
    /// Examples that are used.
    pub(super) examples: usize,
    /// Examples longer than `max_seq_length`.
    pub(super) too_long: usize,
    /// What becomes of them: texts are split, and others are cut if leaving them out would leave too few.
    pub(super) overlength: Overlength,
    pub(super) val_size: f64,
    /// Estimated memory.
    pub(super) needed_bytes: u64,
    /// Estimated time on the CPU.
    pub(super) seconds: Option<f64>,
}

/// A length and a batch that fit.
#[derive(Clone, Copy)]
struct Fit {
    max_seq_length: usize,
    micro_batch_size: usize,
    bytes: u64,
}

impl Choice {
    /// The largest model that fits into memory and, on the CPU, into a night, with sequences as long as almost all
    /// examples.
    ///
    /// # Errors
    /// No model fits.
    pub(super) fn new(
        mut models: Vec<Model>,
        survey: &Survey,
        machine: &Machine,
        is_named: bool,
    ) -> Result<Self> {
        let is_only = models.len() == 1;
        let mut smallest_need = u64::MAX;
        let mut slow = None;
        for model in &mut models {
            let Some((quantization, fit)) = fitting(model, survey, machine, &mut smallest_need)?
            else {
                continue;
            };
            let choice = Self::of(model, quantization, fit, survey, machine);
            if choice.seconds.is_none_or(|seconds| seconds <= NIGHT_S) || is_only {
                return Ok(choice.within_a_night(is_named));
            }
            slow = Some(choice);
        }
        // The smallest one that fits, on as many examples as a night allows.
        if let Some(choice) = slow {
            return Ok(choice.within_a_night(false));
        }
        let text = format!(
            "no training fits into {}: the smallest needs about {}\n\
             hint: free memory, or set --memory to what another machine has",
            bytes_text(machine.bytes),
            bytes_text(smallest_need)
        );
        Err(UserMistake(text).into())
    }

    fn of(
        model: &Model,
        quantization: Quantization,
        fit: Fit,
        survey: &Survey,
        machine: &Machine,
    ) -> Self {
        let (fitting, tokens) = survey.up_to(fit.max_seq_length);
        let too_long = survey.len() - fitting;
        let few_fit = (fitting as f64) < FEWEST_COVERED * survey.len() as f64;
        let (overlength, more, more_tokens) = if too_long > 0 && survey.can_be_split() {
            let (pieces, tokens) = survey.pieces(fit.max_seq_length);
            (Overlength::Split, pieces, tokens)
        } else if few_fit {
            let tokens = too_long * fit.max_seq_length;
            (Overlength::Truncate, too_long, tokens)
        } else {
            (Overlength::Drop, 0, 0)
        };
        let (examples, tokens) = (fitting + more, tokens + more_tokens);
        let per_step = examples_per_step(examples);
        let epochs = match examples {
            0..=200 => 4,
            201..=2000 => 3,
            _ => 2,
        };
        let config = model.base.config();
        let seconds = machine.cpu_cores.map(|cores| {
            // The adapter is too small to matter here.
            let flops = flops_per_token(config, 0, fit.max_seq_length);
            (tokens * epochs) as f64 * flops / (CORE_FLOPS * cores as f64)
        });
        Self {
            model_title: model.title.clone(),
            model_section: model.section.clone(),
            quantization,
            rank: model.rank,
            max_seq_length: fit.max_seq_length,
            micro_batch_size: fit.micro_batch_size,
            gradient_accumulation_steps: per_step / fit.micro_batch_size,
            epochs,
            max_examples: None,
            examples,
            too_long,
            overlength,
            val_size: match examples {
                0..=29 => 0.0,
                30..=999 => 0.1,
                _ => 0.05,
            },
            needed_bytes: fit.bytes,
            seconds,
        }
    }

    /// The same on so few examples that it ends within a night, unless the user chose the model and so its time.
    fn within_a_night(mut self, is_chosen: bool) -> Self {
        if let Some(seconds) = self
            .seconds
            .filter(|seconds| *seconds > NIGHT_S && !is_chosen)
        {
            let examples = ((self.examples as f64 * NIGHT_S / seconds) as usize).max(1);
            self.seconds = Some(seconds * examples as f64 / self.examples as f64);
            self.max_examples = Some(examples);
            self.examples = examples;
        }
        self
    }
}

/// More examples a step where there are many, but some tens of steps in an epoch where there are few.
fn examples_per_step(examples: usize) -> usize {
    match examples {
        0..=100 => 4,
        101..=1000 => 8,
        _ => 16,
    }
}

/// The quantization, length and batch with which a model fits: no quantization before some, the longest sequences before
/// shorter ones, the largest batch of the length. Updates the least memory that was not enough.
fn fitting(
    model: &mut Model,
    survey: &Survey,
    machine: &Machine,
    smallest_need: &mut u64,
) -> Result<Option<(Quantization, Fit)>> {
    // A GPU keeps quantized weights in bf16, so quantization saves nothing there.
    let quantizations: &[Quantization] = if model.is_quantized || machine.cpu_cores.is_none() {
        &[Quantization::None]
    } else {
        &[Quantization::None, Quantization::Q8, Quantization::Q4]
    };
    let positions = model.base.config().context_length();
    let mut lengths: Vec<usize> = COVERAGES
        .map(|share| survey.quantile(share).next_multiple_of(LENGTH_UNIT))
        .map(|length| length.clamp(FEWEST_TOKENS, MOST_TOKENS).min(positions))
        .into();
    lengths.dedup();
    for &quantization in quantizations {
        for &max_seq_length in &lengths {
            let most = examples_per_step(survey.up_to(max_seq_length).0).min(8);
            for micro_batch_size in [8, 4, 2, 1].into_iter().filter(|n| *n <= most) {
                let bytes = needed_bytes(
                    model,
                    quantization,
                    max_seq_length,
                    micro_batch_size,
                    machine,
                )?;
                if bytes as f64 <= COMFORTABLE * machine.bytes as f64 {
                    let fit = Fit {
                        max_seq_length,
                        micro_batch_size,
                        bytes,
                    };
                    return Ok(Some((quantization, fit)));
                }
                *smallest_need = (*smallest_need).min((bytes as f64 / COMFORTABLE) as u64);
            }
        }
    }
    Ok(None)
}

/// Estimated memory of a training, with as many layers recomputed as memory asks for.
fn needed_bytes(
    model: &mut Model,
    quantization: Quantization,
    max_seq_length: usize,
    micro_batch_size: usize,
    machine: &Machine,
) -> Result<u64> {
    let text = format!(
        "model: {{name_or_path: x, quantization: {}}}\n\
         lora: {{r: {rank}}}\n\
         data: {{max_seq_length: {max_seq_length}, packing: true}}\n\
         train: {{micro_batch_size: {micro_batch_size}}}\n",
        quantization.name(),
        rank = model.rank,
    );
    let path = Path::new("init.yaml");
    let recipe = Recipe::parse_without_data(&text, path, &[], slm_benchmarks::NAMES)?;
    model.base.store_as(&recipe.model);
    let data = Longest {
        examples: micro_batch_size,
        tokens: max_seq_length,
    };
    let device = (machine.device, &machine.opened);
    let memory = DeviceMemory {
        total: machine.bytes,
        free: machine.bytes,
    };
    let placement = Placement::with_memory(&model.base, Some(memory), device)?;
    let budget = Budget::new(&recipe, &model.base, data, placement)?;
    Ok(budget.inputs.memory().total())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Functions of which most are short and some as long as `longest`.
    fn survey(functions: usize, longest: usize) -> Survey {
        let length = |n: usize| 100 + n * n % 400 + if n.is_multiple_of(20) { longest } else { 0 };
        Survey::of_lengths((0..functions).map(length).collect())
    }

    fn machine(gigabytes: f64, cpu_cores: Option<usize>) -> Machine {
        let (_, opened) = DeviceChoice::Cpu.open().expect("the CPU");
        Machine {
            device: DeviceChoice::Cpu,
            opened,
            bytes: (gigabytes * 1e9) as u64,
            cpu_cores,
        }
    }

    fn choose(survey: &mut Survey, machine: &Machine) -> Result<Choice> {
        let models = Model::all(None, survey)?;
        Choice::new(models, survey, machine, false)
    }

    #[test]
    fn memory_and_data_decide_on_model_length_and_batch() {
        let mut seen = std::collections::BTreeSet::new();
        for (functions, longest) in [(50, 300), (500, 1500), (5000, 3500)] {
            for gigabytes in [24.0, 6.0, 3.0] {
                let machine = machine(gigabytes, None);
                let mut survey = survey(functions, longest);
                let choice = choose(&mut survey, &machine).expect("a choice");
                let needed = choice.needed_bytes as f64;
                assert!(needed <= COMFORTABLE * machine.bytes as f64, "{choice:?}");
                assert!(choice.examples * 10 >= survey.len() * 8, "{choice:?}");
                let batch = choice.micro_batch_size * choice.gradient_accumulation_steps;
                assert_eq!(batch, examples_per_step(choice.examples));
                seen.insert((
                    functions,
                    choice.max_seq_length,
                    choice.micro_batch_size,
                    choice.model_title,
                ));
            }
        }
        assert!(seen.len() >= 7, "{seen:?}");
    }

    #[test]
    fn a_cpu_gets_what_it_can_train_on_in_a_night() {
        let machine = machine(24.0, Some(2));
        let few = choose(&mut survey(50, 300), &machine).expect("a choice");
        let many = choose(&mut survey(50_000, 300), &machine).expect("a choice");
        for choice in [&few, &many] {
            assert!(
                choice.seconds.is_some_and(|s| s <= NIGHT_S * 1.001),
                "{choice:?}"
            );
        }
        assert_eq!(few.max_examples, None);
        assert!(
            many.max_examples.is_some_and(|most| most < 50_000),
            "{many:?}"
        );
        assert!(few.model_title != many.model_title, "{few:?} {many:?}");
    }

    #[test]
    fn long_examples_are_cut_where_leaving_them_out_would_leave_none() {
        let machine = machine(24.0, Some(2));
        let mut survey = Survey::of_lengths(vec![6000; 100]);
        let choice = choose(&mut survey, &machine).expect("a choice");
        assert_eq!(
            (choice.overlength, choice.examples),
            (Overlength::Truncate, 100),
            "{choice:?}"
        );
        // All of one length that fits no model twice: none is left out for the sake of a batch.
        for gigabytes in [10.0, 6.0, 3.0] {
            let machine = without_time_limit(gigabytes);
            let mut survey = Survey::of_lengths(vec![1498; 500]);
            let choice = choose(&mut survey, &machine).expect("a choice");
            assert_eq!(
                (choice.max_seq_length, choice.examples),
                (1536, 500),
                "{choice:?}"
            );
        }
    }

    fn without_time_limit(gigabytes: f64) -> Machine {
        machine(gigabytes, None)
    }

    #[test]
    fn too_little_memory_is_an_error_with_what_is_needed() {
        let error = choose(&mut survey(50, 300), &machine(0.1, None))
            .expect_err("nothing fits")
            .to_string();
        assert!(
            error.contains("no training fits into") && error.contains("hint: "),
            "{error}"
        );
    }
}
