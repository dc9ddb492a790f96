//! `evaluator bench`: how fast a model prefills and decodes on a device, without data, recipe or tokenizer.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use slm_cli::{BaseModel, Failure, Progress, UserMistake, bytes_text};
use slm_model::{Adapter, Runtime, RuntimeAdapter};

use crate::arguments::BenchArguments;

/// Steps before the clock starts, in which a GPU selects its kernels.
const WARM_UP_STEPS: usize = 2;

/// The results of the command.
#[derive(Debug, Serialize)]
struct Bench {
    model: String,
    device: String,
    parameters: usize,
    adapter_rank: Option<usize>,
    prompt_tokens: usize,
    new_tokens: usize,
    load_seconds: f64,
    batches: Vec<BatchSpeed>,
    /// Of the device, or of the process if the device (such as the CPU) does not report it.
    peak_bytes: Option<u64>,
}

/// The speed at one batch size.
#[derive(Debug, Serialize)]
struct BatchSpeed {
    batch: usize,
    prompt_tokens_per_second: f64,
    decode_tokens_per_second: f64,
    milliseconds_per_step: f64,
}

/// Runs `evaluator bench`.
pub(crate) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    Ok(bench(arguments)?)
}

fn bench(arguments: &BenchArguments) -> Result<()> {
    let &BenchArguments {
        adapter_rank,
        prompt_tokens,
        new_tokens,
        seed,
        ..
    } = arguments;
    let (choice, device) = slm_cli::open_device(arguments.device)?;
    let base = match (arguments.shape, &arguments.model) {
        (Some(shape), _) => BaseModel::synthetic(shape, arguments.weights, seed),
        (None, Some(path)) => BaseModel::at(path)?,
        (None, None) => unreachable!("one of them is required"),
    };
    let config = base.config();
    let positions = prompt_tokens + new_tokens + WARM_UP_STEPS;
    if positions > config.context_length() {
        let text = format!(
            "{prompt_tokens} prompt tokens and {new_tokens} new ones exceed the model's {} positions\n\
             hint: lower --prompt-tokens or --new-tokens",
            config.context_length()
        );
        return Err(UserMistake(text).into());
    }
    let started = Instant::now();
    let runtime = base.load_runtime(&device)?;
    let load_seconds = started.elapsed().as_secs_f64();
    let adapter = adapter_rank.map(|r| {
        let adapter = Adapter::synthetic(config, r, seed, &device);
        runtime.adapter(adapter, base.weights())
    });
    let job = Job {
        runtime: &runtime,
        adapter: adapter.transpose()?,
        prompt_tokens,
        new_tokens,
    };
    let mut batches = Vec::with_capacity(arguments.batch.len());
    for &batch in &arguments.batch {
        batches.push(job.measure(batch));
    }
    let bench = Bench {
        model: base.weights().path().display().to_string(),
        device: choice.to_string(),
        parameters: config.num_parameters(),
        adapter_rank,
        prompt_tokens,
        new_tokens,
        load_seconds,
        batches,
        peak_bytes: slm_model::memory_bytes(&device).or_else(slm_cli::peak_memory_bytes),
    };
    if arguments.json {
        slm_cli::document(&serde_json::to_string_pretty(&bench)?);
    } else {
        slm_cli::result(&text(&bench));
    }
    Ok(())
}

/// What every batch size is measured with.
struct Job<'a> {
    runtime: &'a Runtime,
    adapter: Option<RuntimeAdapter>,
    prompt_tokens: usize,
    new_tokens: usize,
}

impl Job<'_> {
    /// Prefills `batch` prompts one after the other, then decodes all of them together, greedily.
    fn measure(&self, batch: usize) -> BatchSpeed {
        let vocab_size = self.runtime.config().vocab_size;
        let adapter = self.adapter.as_ref();
        let n = self.prompt_tokens;
        let mut cache = self
            .runtime
            .cache(batch, n + self.new_tokens + WARM_UP_STEPS);
        let steps = (batch + self.new_tokens) as u64;
        let mut progress = Progress::new(&format!("batch {batch}"), steps, "passes");
        let prompt = |slot: usize| -> Vec<u32> {
            // Prompts without a common prefix.
            let token = |i: usize| ((slot + 1) * 7919 + i * 104_729) % vocab_size;
            (0..n).map(|i| token(i) as u32).collect()
        };
        self.runtime.prefill(&mut cache, 0, 0, &prompt(0), adapter);
        let mut prompt_seconds = 0.0;
        let mut tokens = Vec::with_capacity(batch);
        for slot in 0..batch {
            let prompt = prompt(slot);
            let started = Instant::now();
            // Returns the logits, so the device has finished.
            self.runtime.prefill(&mut cache, slot, 0, &prompt, adapter);
            prompt_seconds += started.elapsed().as_secs_f64();
            tokens.push(prompt[0]);
            progress.set(slot as u64 + 1, "");
        }
        let mut started = Instant::now();
        for step in 0..self.new_tokens + WARM_UP_STEPS {
            if step == WARM_UP_STEPS {
                started = Instant::now();
            }
            let at: Vec<(usize, usize)> = (0..batch).map(|slot| (slot, n + step)).collect();
            tokens = self
                .runtime
                .decode_greedily(&mut cache, &tokens, &at, adapter);
            let done = (step + 1).saturating_sub(WARM_UP_STEPS);
            progress.set((batch + done) as u64, "");
        }
        let seconds = started.elapsed().as_secs_f64();
        progress.finish();
        BatchSpeed {
            batch,
            prompt_tokens_per_second: (batch * n) as f64 / prompt_seconds,
            decode_tokens_per_second: (batch * self.new_tokens) as f64 / seconds,
            milliseconds_per_step: 1e3 * seconds / self.new_tokens as f64,
        }
    }
}

fn text(bench: &Bench) -> String {
    let memory = bench
        .peak_bytes
        .map_or_else(|| "unknown".to_owned(), bytes_text);
    let rank = bench
        .adapter_rank
        .map_or_else(String::new, |r| format!(", adapter of rank {r}"));
    let mut lines = vec![
        format!(
            "{} on {}: {:.1} M parameters{rank}, loaded in {:.1} s, peak memory {memory}",
            bench.model,
            bench.device,
            bench.parameters as f64 / 1e6,
            bench.load_seconds,
        ),
        format!(
            "{} prompt tokens and {} new tokens per sequence",
            bench.prompt_tokens, bench.new_tokens
        ),
        " batch  prompt tokens/s  new tokens/s    ms/step".to_owned(),
    ];
    for speed in &bench.batches {
        lines.push(format!(
            "{:6} {:16.0} {:13.1} {:10.2}",
            speed.batch,
            speed.prompt_tokens_per_second,
            speed.decode_tokens_per_second,
            speed.milliseconds_per_step
        ));
    }
    lines.join("\n")
}
