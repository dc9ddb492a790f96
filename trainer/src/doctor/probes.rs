//! The probes: the same computations on a device and on the CPU.

use burn::tensor::{Device, Tensor, TensorData};
use slm_cli::UserMistake;
use slm_config::Optim;
use slm_model::{
    Adapter, Decoder, DeviceChoice, KernelState, Kernels, KvCache, ModelConfig, NamedShape,
    SyntheticType, WeightFormat, Weights,
};

use super::finding::{Finding, KernelFinding, Precision};
use super::watch::{ProbeError, Report};
use crate::batch::{Batch, Example, pack};
use crate::devices::gpu_text;
use crate::difference::{max, relative};
use crate::step::{AdapterOptimizer, OptimizerSettings, StepAt};

/// Rank of the adapter.
const RANK: usize = 8;
/// Seed of all random values.
const SEED: u64 = 11;
/// Number of optimizer steps that are compared.
const STEPS: usize = 5;
/// Tokens of the examples in a batch: deliberately not multiples of a tile size.
const LENGTHS: [usize; 5] = [37, 21, 9, 50, 2];
/// Maximum length of a packed sequence.
const PACKED_LENGTH: usize = 64;

/// A model variant under examination. A new storage format or memory optimisation gets an entry in [`VARIANTS`].
#[derive(Clone, Copy, Debug)]
struct Variant {
    shape: &'static str,
    dtype: Precision,
    /// Only the first layer, with a small vocabulary.
    is_layer: bool,
}

const fn whole(shape: &'static str, dtype: Precision) -> Variant {
    Variant {
        shape,
        dtype,
        is_layer: false,
    }
}

/// `tiny-qwen2` has biases and two query heads per key head; `tiny-llama` has no biases, three query heads per key head,
/// and an untied head.
const VARIANTS: [Variant; 4] = [
    whole("tiny-qwen2", Precision::F32),
    whole("tiny-llama", Precision::F32),
    whole("tiny-qwen2", Precision::Bf16),
    whole("tiny-llama", Precision::Bf16),
];

/// One layer of the model that the recipes train: hidden size 1536, intermediate size 8960, 12 query and 2 key heads of
/// 128. Backends select their kernels by size, and small models do not reach those of real ones.
const LAYERS: [Variant; 2] = [
    Variant {
        shape: "qwen2.5-1.5b",
        dtype: Precision::F32,
        is_layer: true,
    },
    Variant {
        shape: "qwen2.5-1.5b",
        dtype: Precision::Bf16,
        is_layer: true,
    },
];
/// Tokens of the vocabulary of [`LAYERS`].
const LAYER_VOCABULARY: usize = 512;

/// A model and an adapter on one device.
struct Subject {
    decoder: Decoder,
    /// Tracked by autodiff.
    adapter: Adapter,
}

impl Variant {
    /// The name in findings.
    fn name(&self) -> String {
        let layer = if self.is_layer { "a layer of " } else { "" };
        let dtype = match self.dtype {
            Precision::F32 => "",
            Precision::Bf16 => " in bf16",
        };
        format!("{layer}{}{dtype}", self.shape)
    }

    /// Builds the same model and adapter on any device. The weights of a variant in bf16 are exact in it, so that the
    /// CPU computes with the same ones.
    fn on(&self, device: &Device, format: WeightFormat) -> Result<Subject, ProbeError> {
        let shape: NamedShape = self.shape.parse()?;
        let kind = match self.dtype {
            Precision::F32 => SyntheticType::F32,
            Precision::Bf16 => SyntheticType::Bf16,
        };
        let weights = if self.is_layer {
            let config = ModelConfig {
                num_hidden_layers: 1,
                vocab_size: LAYER_VOCABULARY,
                ..shape.config()
            };
            Weights::synthetic_of_config(config, kind, SEED)
        } else {
            Weights::synthetic(shape, kind, SEED)
        };
        let decoder = Decoder::load_as(&weights, format, device, |_, _| ())?;
        let trainable = device.clone().autodiff();
        Ok(Subject {
            adapter: Adapter::synthetic(decoder.config(), RANK, SEED, &trainable),
            decoder,
        })
    }

    /// Reports the state of the fused kernels, each once for a dtype. Their check has answered what broke one.
    fn report_kernels(&self, kernels: &Kernels, report: &Report) {
        if kernels.off().next().is_some() {
            report.forgive_panics();
        }
        for (kernel, state) in kernels.iter() {
            report.kernel(KernelFinding {
                kernel: kernel.name().to_owned(),
                dtype: self.dtype,
                off: match state {
                    KernelState::On => None,
                    KernelState::Off(reason) => Some(reason.clone()),
                },
            });
        }
    }

    /// Builds the variant on the device and on the CPU.
    fn on_both(&self, device: &Device, report: &Report) -> Result<(Subject, Subject), ProbeError> {
        report.begin(&format!("loading {}", self.name()));
        let format = match self.dtype {
            Precision::F32 => WeightFormat::F32,
            Precision::Bf16 => WeightFormat::Bf16,
        };
        let theirs = self.on(device, format)?;
        self.report_kernels(theirs.decoder.kernels(), report);
        let ours = self.on(&Device::flex(), WeightFormat::F32)?;
        Ok((theirs, ours))
    }
}

/// Runs every probe; `quick` skips matrix products and a layer as large as a real model's.
pub(crate) fn all(choice: DeviceChoice, quick: bool, report: &Report) -> Result<(), ProbeError> {
    let opened = slm_cli::open_device_unwatched(choice);
    let (choice, device) = opened.map_err(|error| match error.downcast::<UserMistake>() {
        Ok(UserMistake(problem)) => ProbeError::Refused(problem),
        Err(error) => ProbeError::Failed(error),
    })?;
    report.device(choice.to_string());
    if let DeviceChoice::Cuda(index) = choice
        && let Some(gpu) = slm_model::nvidia_gpu(index)
    {
        slm_cli::note(&format!("device             {}", gpu_text(&gpu)));
    }
    let cpu = Device::flex();
    products(&device, &cpu, report, &[(5, 7, 3), (64, 64, 64)])?;
    let has_bf16 = WeightFormat::native(&device) == WeightFormat::Bf16;
    let is_run = |variant: &&Variant| has_bf16 || variant.dtype == Precision::F32;
    for variant in VARIANTS.iter().filter(is_run) {
        let (theirs, ours) = variant.on_both(&device, report)?;
        forward(variant, &theirs, &ours, report)?;
        gradients(variant, &[7, 256], &theirs, &ours, report)?;
        cached_decoding(variant, &theirs, report)?;
        steps(variant, theirs, ours, report)?;
    }
    if !quick {
        let sizes = [
            (1, 1536, 8960),
            (8, 1536, 8960),
            (33, 8960, 1536),
            (512, 1536, 8960),
        ];
        products(&device, &cpu, report, &sizes)?;
        for variant in LAYERS.iter().filter(is_run) {
            let (theirs, ours) = variant.on_both(&device, report)?;
            forward(variant, &theirs, &ours, report)?;
            gradients(variant, &[256], &theirs, &ours, report)?;
        }
    }
    Ok(())
}

/// Compares `x Wᵀ` and `g W`, the products of a linear layer forward and backward; backends select their kernels by
/// size.
///
/// `sizes` are `(rows, in, out)`.
fn products(
    device: &Device,
    cpu: &Device,
    report: &Report,
    sizes: &[(usize, usize, usize)],
) -> Result<(), ProbeError> {
    const PROBE: &str = "products of matrices";
    for &(rows, columns, out) in sizes {
        let place = format!("{rows} x {columns} x {out}");
        report.begin(&format!("{PROBE}, {place}"));
        let on = |device: &Device| -> Result<Vec<f32>, ProbeError> {
            let (x, w) = (
                drawn([rows, columns], 1, device),
                drawn([out, columns], 2, device),
            );
            let y = x.matmul(w.clone().transpose());
            let mut values = host(y.clone())?;
            values.extend(host(y.matmul(w))?);
            Ok(values)
        };
        let difference = relative(&on(device)?, &on(cpu)?);
        report.find(Finding::of(PROBE, &place, Precision::F32, difference));
    }
    Ok(())
}

/// Compares logits, and hidden states of padded and packed sequences.
fn forward(
    variant: &Variant,
    theirs: &Subject,
    ours: &Subject,
    report: &Report,
) -> Result<(), ProbeError> {
    let (name, dtype) = (variant.name(), variant.dtype);
    let vocab_size = ours.decoder.config().vocab_size;
    let tokens: Vec<u32> = example(48, vocab_size, 7).tokens;
    for (what, adapted) in [("base model", false), ("adapter", true)] {
        report.begin(&format!("logits, {name}, {what}"));
        let logits = |subject: &Subject| {
            let adapter = adapted.then(|| subject.adapter.frozen());
            host(subject.decoder.logits(&tokens, 2, adapter.as_ref()))
        };
        let difference = relative(&logits(theirs)?, &logits(ours)?);
        let place = format!("{name}, {what}");
        report.find(Finding::of("logits", &place, dtype, difference));
    }
    for (what, batch) in batches(vocab_size) {
        report.begin(&format!("states, {name}, {what}"));
        let states = |subject: &Subject| {
            let adapter = subject.adapter.frozen();
            host(batch.hidden_states(&subject.decoder, Some(&adapter)))
        };
        let difference = relative(&states(theirs)?, &states(ours)?);
        let place = format!("{name}, {what}");
        report.find(Finding::of("states", &place, dtype, difference));
    }
    Ok(())
}

/// Compares the loss, computed in chunks, and the gradient of every matrix of the adapter.
fn gradients(
    variant: &Variant,
    loss_chunk_sizes: &[usize],
    theirs: &Subject,
    ours: &Subject,
    report: &Report,
) -> Result<(), ProbeError> {
    let (name, dtype) = (variant.name(), variant.dtype);
    let vocab_size = ours.decoder.config().vocab_size;
    for (what, batch) in batches(vocab_size) {
        for &loss_chunk_size in loss_chunk_sizes {
            let place = format!("{name}, {what}, chunks of {loss_chunk_size}");
            report.begin(&format!("loss and gradients, {place}"));
            let optimizer = || {
                AdapterOptimizer::new(OptimizerSettings {
                    loss_chunk_size,
                    ..settings()
                })
            };
            let on = |subject: &Subject| -> Result<_, ProbeError> {
                let window = std::slice::from_ref(&batch);
                let Subject { decoder, adapter } = subject;
                let (loss, mut found) = optimizer().gradients(decoder, adapter, window, 0)?;
                let mut values = vec![("loss".to_owned(), host(loss.unsqueeze::<2>())?)];
                for (layer, target, pair) in adapter.pairs() {
                    for (part, id) in [("A", pair.lora_a_id()), ("B", pair.lora_b_id())] {
                        let place = format!("layer {layer}, {}, {part}", target.name());
                        let gradient = found.remove::<2>(id);
                        let gradient =
                            gradient.ok_or_else(|| anyhow::anyhow!("{place}: no gradient"))?;
                        values.push((place, host(gradient)?));
                    }
                }
                Ok(values)
            };
            let (theirs, ours) = (on(theirs)?, on(ours)?);
            let differences = theirs
                .iter()
                .zip(&ours)
                .map(|((place, theirs), (_, ours))| (place, relative(theirs, ours)));
            let mut differences: Vec<(&String, f64)> = differences.collect();
            let (_, loss) = differences.remove(0);
            report.find(Finding::of("loss", &place, dtype, loss));
            let worst = differences
                .into_iter()
                .max_by(|(_, a), (_, b)| a.total_cmp(b));
            if let Some((matrix, difference)) = worst {
                let place = format!("{place}, {matrix}");
                report.find(Finding::of("gradients", &place, dtype, difference));
            }
        }
    }
    Ok(())
}

/// Compares batched decoding with the KV cache with a full forward pass over each sequence, both on the device.
fn cached_decoding(variant: &Variant, theirs: &Subject, report: &Report) -> Result<(), ProbeError> {
    const PROBE: &str = "cached decoding";
    let (name, dtype) = (variant.name(), variant.dtype);
    report.begin(&format!("{PROBE}, {name}"));
    let Subject { decoder, adapter } = theirs;
    let adapter = adapter.frozen();
    let config = decoder.config();
    let mut cache = KvCache::new(config, LENGTHS.len() + 1, 64, decoder.device());
    let mut sequences: Vec<Vec<u32>> = LENGTHS
        .iter()
        .enumerate()
        .map(|(i, &length)| example(length, config.vocab_size, i).tokens)
        .collect();
    for (slot, tokens) in sequences.iter().enumerate() {
        decoder.prefill(&mut cache, slot, tokens, Some(&adapter));
    }
    let mut worst = 0.0f64;
    // All of them; some; one.
    for chosen in [&[0usize, 1, 2, 3, 4][..], &[1, 4], &[3], &[0, 1, 2, 3, 4]] {
        let tokens: Vec<u32> = chosen.iter().map(|&slot| slot as u32 * 3 + 1).collect();
        let at: Vec<(usize, usize)> = chosen
            .iter()
            .map(|&slot| (slot, sequences[slot].len()))
            .collect();
        let found = host(decoder.decode(&mut cache, &tokens, &at, Some(&adapter)))?;
        for ((&slot, &token), found) in chosen
            .iter()
            .zip(&tokens)
            .zip(found.chunks_exact(config.vocab_size))
        {
            sequences[slot].push(token);
            let all = host(decoder.logits(&sequences[slot], 1, Some(&adapter)))?;
            let expected = &all[all.len() - config.vocab_size..];
            worst = max(worst, relative(found, expected));
        }
    }
    report.find(Finding::of(PROBE, &name, dtype, worst));
    Ok(())
}

/// Compares the losses of a short training.
fn steps(
    variant: &Variant,
    theirs: Subject,
    ours: Subject,
    report: &Report,
) -> Result<(), ProbeError> {
    const PROBE: &str = "losses of a short training";
    let (name, dtype) = (variant.name(), variant.dtype);
    report.begin(&format!("{PROBE}, {name}"));
    let vocab_size = ours.decoder.config().vocab_size;
    let window: Vec<Batch> = batches(vocab_size)
        .into_iter()
        .map(|(_, batch)| batch)
        .collect();
    let on = |subject: Subject| -> Result<Vec<f32>, ProbeError> {
        let Subject {
            decoder,
            mut adapter,
        } = subject;
        let mut optimizer = AdapterOptimizer::on_device_of(&decoder, settings());
        let mut losses = Vec::with_capacity(STEPS);
        for step in 0..STEPS {
            let at = StepAt {
                step,
                learning_rate: 2e-3,
            };
            let outcome;
            (adapter, outcome) = optimizer.step(&decoder, adapter, &window, at)?;
            losses.push(outcome.loss as f32);
        }
        Ok(losses)
    };
    let (theirs, ours) = (on(theirs)?, on(ours)?);
    let difference = relative(&theirs, &ours);
    report.find(Finding::of(PROBE, &name, dtype, difference));
    if ours[STEPS - 1] >= ours[0] {
        return Err(anyhow::anyhow!("the loss does not fall on the CPU: {ours:?}").into());
    }
    Ok(())
}

fn settings() -> OptimizerSettings {
    OptimizerSettings {
        weight_decay: 0.01,
        max_grad_norm: Some(1.0),
        loss_chunk_size: 64,
        seed: SEED,
        ..OptimizerSettings::plain(Optim::Adamw)
    }
}

/// Returns an example whose first third is a prompt.
fn example(length: usize, vocab_size: usize, number: usize) -> Example {
    let tokens = (0..length).map(|i| ((i * i * 7 + i * 31 + number * 101) % vocab_size) as u32);
    let supervised = (0..length).map(|i| i >= length / 3);
    Example::new(tokens.collect(), supervised.collect())
}

/// Returns the same examples padded, and packed.
fn batches(vocab_size: usize) -> [(&'static str, Batch); 2] {
    let examples: Vec<Example> = LENGTHS
        .iter()
        .enumerate()
        .map(|(i, &length)| example(length, vocab_size, i))
        .collect();
    let padded: Vec<&Example> = examples.iter().collect();
    [
        ("padded", Batch::new(&padded)),
        ("packed", Batch::packed(&pack(&examples, PACKED_LENGTH))),
    ]
}

/// Returns numbers between -1 and 1 that are the same on every device.
fn drawn(shape: [usize; 2], seed: u32, device: &Device) -> Tensor<2> {
    let mut state = seed;
    let values: Vec<f32> = (0..shape[0] * shape[1])
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn host(tensor: Tensor<2>) -> Result<Vec<f32>, ProbeError> {
    let data = tensor.inner().into_data();
    let values = data.try_into_vec();
    Ok(values.map_err(|error| anyhow::anyhow!("values are not f32: {error:?}"))?)
}
