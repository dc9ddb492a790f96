//! Times training steps on the CPU in milliseconds: six layers with random weights in the shapes of real models.
//!
//! ```sh
//! cargo bench -p slm-model --bench training [-- WORD]
//! ```
//!
//! The fastest of several rounds is printed; compare only within one run. WORD selects models by name.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use slm_model::loss::chunked_cross_entropy;
use slm_model::{Adapter, Decoder, LoraSettings, WeightFormat, Weights};

/// Rounds per measurement.
const ROUNDS: usize = 5;
const LAYERS: usize = 6;

/// A model's shape: hidden, feed-forward, query heads, key-value heads, vocabulary. Heads are 64 wide.
struct Shape(&'static str, usize, usize, usize, usize, usize);

const SHAPES: [Shape; 2] = [
    Shape("smollm2-135m", 576, 1536, 9, 3, 49_152),
    Shape("qwen2.5-0.5b", 896, 4864, 14, 2, 151_936),
];

fn main() {
    let word = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let chosen = |name: &str| {
        word.as_ref()
            .is_none_or(|word| name.contains(word.as_str()))
    };
    for shape in &SHAPES {
        let name = shape.0;
        if !chosen(&format!("step {name}")) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_model(folder.path(), shape);
        for (batch, length) in [(2, 512), (1, 2048)] {
            let mut results = Vec::new();
            for (what, format, checkpointed_layers) in [
                ("f32", WeightFormat::F32, 0),
                ("f32 layer", WeightFormat::F32, usize::MAX),
                ("bf16", WeightFormat::Bf16, 0),
                ("q4", WeightFormat::Q4, 0),
            ] {
                let step = Step::new(folder.path(), format, checkpointed_layers);
                results.push((what, step.forward(batch, length), step.whole(batch, length)));
            }
            let results: Vec<_> = results.iter().map(|&(what, f, w)| (what, (f, w))).collect();
            report(&format!("step {name} {batch}x{length}"), &results);
        }
    }
}

/// Milliseconds of the fastest round.
fn fastest(mut work: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

fn report(name: &str, results: &[(&str, (f64, f64))]) {
    let mut line = format!("{name:32}");
    for (what, (forward, both)) in results {
        let _ = write!(line, "  {what} {forward:.1} / {both:.1} ms");
    }
    println!("{line}");
}

/// Six layers with an adapter on all linear layers, and a loss.
struct Step {
    decoder: Decoder,
    adapter: Adapter,
}

impl Step {
    fn new(folder: &Path, format: WeightFormat, checkpointed_layers: usize) -> Self {
        let weights = Weights::open(folder).expect("a model");
        let device = Device::flex();
        let decoder = Decoder::load_as(&weights, format, &device, |_, _| ()).expect("weights");
        let decoder = decoder.with_gradient_checkpointing(checkpointed_layers);
        let settings = LoraSettings::plain(16, 32.0);
        let adapter = decoder.init_adapter(&settings, 1, &device.autodiff());
        Self { decoder, adapter }
    }

    fn tokens(batch: usize, length: usize) -> Vec<u32> {
        (0..batch * length)
            .map(|i| (i * 7919 % 40_000) as u32)
            .collect()
    }

    /// Milliseconds of the layers' forward pass.
    fn forward(&self, batch: usize, length: usize) -> f64 {
        let tokens = Self::tokens(batch, length);
        let frozen = self.adapter.frozen();
        fastest(|| drop(self.decoder.hidden_states(&tokens, batch, Some(&frozen))))
    }

    /// Milliseconds of layers and loss, forward and backward; a quarter of the tokens is supervised.
    fn whole(&self, batch: usize, length: usize) -> f64 {
        let tokens = Self::tokens(batch, length);
        let labels: Vec<i64> = (0..tokens.len())
            .map(|i| {
                if i % 4 == 0 {
                    i64::from(tokens[i])
                } else {
                    -100
                }
            })
            .collect();
        let head = self.decoder.head(Some(&self.adapter));
        fastest(|| {
            let hidden = self
                .decoder
                .hidden_states(&tokens, batch, Some(&self.adapter));
            let found = chunked_cross_entropy(hidden, &head, &labels, 1, 256).expect("labels");
            drop(found.backward_seed.backward());
        })
    }
}

/// Writes a Llama model with random weights.
fn write_model(folder: &Path, &Shape(_, hidden, wide, query, key_value, vocabulary): &Shape) {
    let config = format!(
        r#"{{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": {hidden},
        "intermediate_size": {wide}, "num_hidden_layers": {LAYERS}, "num_attention_heads": {query},
        "num_key_value_heads": {key_value}, "head_dim": 64, "vocab_size": {vocabulary}, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "max_position_embeddings": 4096, "tie_word_embeddings": true,
        "hidden_act": "silu", "eos_token_id": 0, "bos_token_id": 0}}"#
    );
    fs::write(folder.join("config.json"), config).expect("config.json");
    let config = slm_model::ModelConfig::from_json(
        &fs::read_to_string(folder.join("config.json")).expect("config.json"),
    )
    .expect("a configuration");
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
        .tensors()
        .into_iter()
        .map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let value = |noise: &mut dyn FnMut() -> f32| {
                if shape.len() == 1 {
                    1.0
                } else {
                    noise() * 0.03
                }
            };
            let bytes = (0..n)
                .flat_map(|_| value(&mut noise).to_le_bytes())
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name.as_str(), view.expect("whole values"))
    });
    let path = folder.join("model.safetensors");
    safetensors::serialize_to_file(views, None, &path).expect("model.safetensors");
}
