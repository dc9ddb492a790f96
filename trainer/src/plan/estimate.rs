//! Estimate of a training's time on another GPU.
//!
//! Times add up from the bytes of element-wise kernels, the operations of matrix products, and the launches of kernels.
//! The counts follow from the fused layer (`slm-model`, `layer/`); the speeds are those that a GPU is expected to reach,
//! see [`crate::cards`]. No measurement has confirmed them, so the error may be 40 %.

use serde::Serialize;
use slm_model::loss::chunk_size_on_gpu;
use slm_model::{LAUNCHES, ModelConfig, Target};

use crate::cards::Card;
use crate::training::PlannedStep;

/// The error of the estimate, as a share.
pub(crate) const ERROR: f64 = 0.4;
/// Seconds that the host takes to launch a kernel.
const SECONDS_PER_LAUNCH: f64 = 7e-6;
/// Launches of an optimizer step over concatenated parameters, and those that concatenate the gradients of a
/// micro-batch.
const LAUNCHES_UPDATE: f64 = 60.0;
/// See [`LAUNCHES_UPDATE`].
const LAUNCHES_CONCATENATE: f64 = 27.0;
/// Bytes of a value in bf16 and in single precision.
const BF16: f64 = 2.0;
/// See [`BF16`].
const F32: f64 = 4.0;
/// Time of the narrow products of the pairs, as a multiple of that of their operands' bytes: they are too narrow to keep
/// all of a GPU busy.
const NARROW_SLOWDOWN: f64 = 2.0;
/// Element-wise operations of the optimizer, each over all trained values.
const UPDATE_PASSES: f64 = 40.0;

/// What limits the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// Memory bandwidth, by element-wise kernels and narrow products.
    Bandwidth,
    /// Matrix products and attention.
    Products,
    /// Launches of kernels by the host.
    Launches,
}

impl Limit {
    /// Describes it after "limited by".
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Bandwidth => "memory bandwidth",
            Self::Products => "matrix products",
            Self::Launches => "the launches of kernels",
        }
    }
}

/// The model and what is trained of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// Shape of the base model.
    pub(crate) config: &'a ModelConfig,
    /// The number of trainable values.
    pub(crate) trainable: usize,
    /// The number of layers that are recomputed in the backward pass.
    pub(crate) recomputed_layers: usize,
    /// Tokens whose logits the recipe asks to hold at a time.
    pub(crate) loss_chunk_size: usize,
}

/// Seconds of a part of a training, by what takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seconds {
    bandwidth: f64,
    products: f64,
    launches: f64,
}

/// The estimate of a training.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Estimate {
    /// The GPU.
    pub(crate) card: &'static str,
    /// Hours of all optimizer steps.
    pub(crate) hours: f64,
    /// Seconds of a mean step.
    pub(crate) seconds_per_step: f64,
    /// Tokens of the examples per second, without padding.
    pub(crate) tokens_per_second: f64,
    /// What takes the most time.
    pub(crate) limited_by: Limit,
    /// Seconds of a mean step by what takes them; the host launches kernels while the GPU computes.
    pub(crate) bandwidth_seconds: f64,
    /// See `bandwidth_seconds`.
    pub(crate) products_seconds: f64,
    /// See `bandwidth_seconds`.
    pub(crate) launches_seconds: f64,
    /// The error of all of these, as a share.
    pub(crate) error: f64,
}

impl Estimate {
    /// Describes the estimate for people.
    pub(crate) fn lines(&self) -> [String; 3] {
        let Self {
            card,
            hours,
            seconds_per_step,
            tokens_per_second,
            limited_by,
            bandwidth_seconds,
            products_seconds,
            launches_seconds,
            error,
        } = self;
        [
            format!(
                "estimate     about {hours:.1} hours on {card}: {seconds_per_step:.2} s per step, {tokens_per_second:.0} \
                 tokens/s, limited by {}",
                limited_by.text()
            ),
            format!(
                "             a step: memory bandwidth {bandwidth_seconds:.2} s, matrix products {products_seconds:.2} s, \
                 and meanwhile launches {launches_seconds:.2} s"
            ),
            format!(
                "             computed from shapes and data sheet, not measured (±{:.0} %); without validations",
                100.0 * error
            ),
        ]
    }
}

impl std::ops::Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bandwidth: self.bandwidth + other.bandwidth,
            products: self.products + other.products,
            launches: self.launches + other.launches,
        }
    }
}

impl Seconds {
    /// The whole time: the host launches kernels while the GPU computes.
    fn total(self) -> f64 {
        (self.bandwidth + self.products).max(self.launches)
    }

    fn limit(self) -> Limit {
        if self.launches > self.bandwidth + self.products {
            Limit::Launches
        } else if self.bandwidth > self.products {
            Limit::Bandwidth
        } else {
            Limit::Products
        }
    }
}

impl Work<'_> {
    /// Bytes of element-wise kernels per token and layer, forward and backward.
    pub(crate) fn elementwise_bytes(&self) -> (f64, f64) {
        let config = self.config;
        let (h, f) = (config.hidden_size as f64, config.intermediate_size as f64);
        let heads = (config.num_attention_heads + config.num_key_value_heads) as f64;
        let all_heads = heads * config.head_dim as f64;
        let linears = self.linears();
        let outputs: f64 = linears.iter().map(|[out, _]| out).sum();
        // Norm of the input: read, written. Norm with the residual sum: both read, the sum written in single precision,
        // the norm written. The layer's output: the sum read.
        let norms = (2.0 * BF16 + 2.0 * BF16 + F32 + BF16 + F32) * h;
        let rotation = 2.0 * BF16 * all_heads;
        // The product with the weight and that of the pair are read, their sum is written.
        let pair_sums = 3.0 * BF16 * outputs;
        let swiglu = 3.0 * BF16 * f;
        let attention = 2.0 * BF16 * all_heads;
        let forward = norms + rotation + pair_sums + swiglu + attention;
        // Each norm: the gradient, the sum and the residual gradient read, one written, a cast to bf16.
        let norms = 2.0 * (BF16 + 3.0 * F32 + F32 + BF16) * h;
        // Two terms for each linear layer are read; one sum is written for each of the four inputs.
        let inputs: f64 = linears.iter().map(|[_, input]| input).sum();
        let pair_sums = 2.0 * BF16 * inputs + BF16 * (3.0 * h + f);
        let swiglu = 6.0 * BF16 * f;
        let attention = 4.0 * BF16 * all_heads;
        let backward = norms + rotation + pair_sums + swiglu + attention;
        (forward, backward)
    }

    /// Rows and columns of a layer's linear layers.
    fn linears(&self) -> Vec<[f64; 2]> {
        let shape = |target: &Target| {
            let (out_features, in_features) = target.shape(self.config);
            [out_features as f64, in_features as f64]
        };
        self.config.targets().iter().map(shape).collect()
    }

    /// Launches of a micro-batch of this many tokens at most: those counted for a model of one layer, for each layer.
    pub(crate) fn launches(&self, tokens: usize) -> f64 {
        let layers = self.config.num_hidden_layers;
        let recomputed = self.recomputed_layers.min(layers);
        let chunks = tokens.div_ceil(chunk_size_on_gpu(self.loss_chunk_size).max(1));
        let launches = layers * LAUNCHES.forward
            + (layers - recomputed) * LAUNCHES.backward
            + recomputed * LAUNCHES.backward_recomputed
            + chunks * LAUNCHES.loss;
        launches as f64 + LAUNCHES_CONCATENATE
    }

    /// Estimates a micro-batch of `sequences` sequences of `length` tokens.
    pub(crate) fn micro_batch(&self, card: Card, (sequences, length): (usize, usize)) -> Seconds {
        let config = self.config;
        let layers = config.num_hidden_layers as f64;
        let forward_layers = layers + self.recomputed_layers as f64;
        let tokens = (sequences * length) as f64;
        let linears = self.linears();
        let values: f64 = linears.iter().map(|[out, input]| out * input).sum();
        let sides: f64 = linears.iter().map(|[out, input]| out + input).sum();
        let (forward, backward) = self.elementwise_bytes();
        let elementwise = forward_layers * forward + layers * backward;
        // Of a pair, forward: the input read and the output written. Backward: both gradients read, twice that of the
        // output, the input read, and its gradient written.
        let narrow = BF16 * sides * (forward_layers + 2.0 * layers) * NARROW_SLOWDOWN;
        // Logits written and read twice, probabilities written.
        let loss = (3.0 * F32 + BF16) * config.vocab_size as f64;
        let width = (config.num_attention_heads * config.head_dim) as f64;
        // 2 operations per multiplication, for scores and weighted values, over half of the keys on average.
        let attention = 4.0 * width * length as f64 / 2.0;
        let attention = attention * (forward_layers + 2.5 * layers);
        let head = (config.vocab_size * config.hidden_size) as f64;
        let products = 2.0 * values * (forward_layers + layers) + 4.0 * head;
        Seconds {
            bandwidth: tokens * (elementwise + narrow + loss) / card.reached_bandwidth(),
            products: tokens
                * (products / card.reached_products() + attention / card.reached_attention()),
            launches: self.launches(sequences * length) * SECONDS_PER_LAUNCH,
        }
    }

    /// Estimates an update of the parameters.
    pub(crate) fn update(&self, card: Card) -> Seconds {
        let bytes = UPDATE_PASSES * F32 * self.trainable as f64;
        Seconds {
            bandwidth: bytes / card.reached_bandwidth(),
            products: 0.0,
            launches: LAUNCHES_UPDATE * SECONDS_PER_LAUNCH,
        }
    }
}

/// Estimates a training of `steps` optimizer steps, from some of its steps.
///
/// # Panics
/// There is no step.
pub(crate) fn estimate(
    work: Work<'_>,
    card: Card,
    planned: &[PlannedStep],
    steps: usize,
) -> Estimate {
    assert!(!planned.is_empty(), "a training has a step");
    let of_step = |step: &PlannedStep| {
        let micro_batches = step.micro_batches.iter();
        let seconds = micro_batches.map(|&shape| work.micro_batch(card, shape));
        seconds.fold(work.update(card), |sum, part| sum + part)
    };
    let all = planned.iter().map(of_step);
    let all = all.fold(Seconds::default(), |sum, part| sum + part);
    let tokens: usize = planned.iter().map(|step| step.tokens).sum();
    let n = planned.len() as f64;
    let seconds_per_step = all.total() / n;
    Estimate {
        card: card.name,
        hours: seconds_per_step * steps as f64 / 3600.0,
        seconds_per_step,
        tokens_per_second: tokens as f64 / all.total(),
        limited_by: all.limit(),
        bandwidth_seconds: all.bandwidth / n,
        products_seconds: all.products / n,
        launches_seconds: all.launches / n,
        error: ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use slm_config::Recipe;
    use slm_model::NamedShape;

    use super::*;
    use crate::batch::StaticShapes;
    use crate::lora_settings::lora_settings;

    const TOKENS: f64 = 2048.0;

    fn config() -> ModelConfig {
        let shape: NamedShape = "qwen2.5-1.5b".parse().expect("a shape");
        shape.config()
    }

    fn work(config: &ModelConfig, recomputed_layers: usize) -> Work<'_> {
        Work {
            config,
            trainable: 18_464_768,
            recomputed_layers,
            loss_chunk_size: 256,
        }
    }

    /// A step without padding.
    fn step(micro_batches: &[(usize, usize)]) -> PlannedStep {
        PlannedStep {
            micro_batches: micro_batches.to_vec(),
            tokens: micro_batches.iter().map(|(n, length)| n * length).sum(),
        }
    }

    fn card(name: &str) -> Card {
        name.parse().expect("known")
    }

    #[test]
    fn elementwise_traffic_is_at_most_60_gb_for_2048_tokens() {
        let config = config();
        let (forward, backward) = work(&config, 28).elementwise_bytes();
        let traffic = 28.0 * TOKENS * (2.0 * forward + backward);
        assert!((40e9..60e9).contains(&traffic), "{traffic:.3e}");
    }

    #[test]
    fn a_step_takes_at_most_a_fifth_of_34_000_launches() {
        let config = config();
        let work = work(&config, 28);
        let launches = work.launches(4 * 2048) + LAUNCHES_UPDATE;
        assert!((4000.0..34_000.0 / 5.0).contains(&launches), "{launches}");
        // By the launches that slm-model's test counts: 28 layers, 8 chunks of logits.
        let counted = 28 * (LAUNCHES.forward + LAUNCHES.backward_recomputed) + 8 * LAUNCHES.loss;
        let others = LAUNCHES_CONCATENATE + LAUNCHES_UPDATE;
        assert!(
            (launches - counted as f64 - others).abs() < 0.5,
            "{launches}"
        );
    }

    #[test]
    fn the_speeds_are_those_that_were_estimated_kernel_by_kernel() {
        let config = config();
        // Tokens per second at a micro-batch of 4 with all layers recomputed and with none, by an estimate of each kernel's time.
        for (name, recomputed, expected) in [
            ("h200", 28, 18e3),
            ("h200", 0, 24e3),
            ("rtx-4090", 28, 6.5e3),
        ] {
            let work = work(&config, recomputed);
            let step = step(&[(4, 2048); 4]);
            let found = estimate(work, card(name), &[step], 10);
            let ratio = found.tokens_per_second / expected;
            assert!(
                (0.75..1.3).contains(&ratio),
                "{name}, {recomputed}: {ratio}"
            );
            assert!((found.hours * 360.0 - found.seconds_per_step).abs() < 1e-9);
        }
    }

    #[test]
    fn the_recipe_of_a_night_takes_at_most_eight_hours_on_24_gb() {
        let config = config();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/qwen-coder-1.5b.yaml");
        let recipe = Recipe::load(&path, &[], slm_benchmarks::NAMES).expect("the recipe");
        let most = recipe.data.datasets.iter().map(|data| data.max_examples);
        let examples: usize = most.sum::<Option<usize>>().expect("a limit");
        let train = &recipe.train;
        let steps = train.num_train_epochs * examples.div_ceil(train.examples_per_step());
        assert!(steps >= 1000, "a night: {steps} steps");
        let settings = lora_settings(&recipe, &config).expect("the model's layers");
        let work = Work {
            config: &config,
            trainable: settings.num_trainable(&config),
            recomputed_layers: config.num_hidden_layers,
            loss_chunk_size: train.loss_chunk_size,
        };
        // Every example as long as the limit.
        let (sequences, limit) = (train.micro_batch_size, recipe.data.max_seq_length);
        let shape = StaticShapes::of_recipe(&recipe).of(sequences, limit);
        let step = step(&vec![shape; train.gradient_accumulation_steps]);
        for name in ["rtx-3090", "rtx-4090", "l4"] {
            let found = estimate(work, card(name), std::slice::from_ref(&step), steps);
            let latest = found.hours * (1.0 + ERROR);
            assert!(latest <= 8.0, "{name}: {} hours", found.hours);
        }
    }

    #[test]
    fn small_micro_batches_are_limited_by_launches() {
        let config = config();
        let work = work(&config, 28);
        let one = estimate(work, card("h200"), &[step(&[(1, 256); 64])], 1);
        assert_eq!(one.limited_by, Limit::Launches);
        let many = estimate(work, card("rtx-4090"), &[step(&[(4, 2048)])], 1);
        assert_eq!(many.limited_by, Limit::Products);
    }
}
