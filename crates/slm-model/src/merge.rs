//! Merges base model and adapter into a folder in Hugging Face's layout, which transformers loads.
//!
//! The sum is always computed in single precision on the dequantised weights and written in 16 or 32 bits; nothing is
//! quantised again. Tensors are read, merged and written one at a time, so only one is in memory.

mod gguf;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;
use serde_json::{Map, Value, json};

use crate::config::ConfigError;
use crate::lora::{Adapter, LowRank, SavedModule};
use crate::target::Target;
use crate::weight_file::HostTensor;
use crate::weights::{Weights, WeightsError};

pub use gguf::{GgufType, NewGguf};

/// Files of a Hugging Face folder that are copied into a merged model.
const COPIED: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
];

/// Type of written weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightType {
    /// bfloat16.
    Bf16,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
}

impl WeightType {
    /// Size of a value in bytes.
    fn width(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// The type as safetensors files name it.
    pub(crate) fn of_file(self) -> Dtype {
        match self {
            Self::Bf16 => Dtype::BF16,
            Self::F16 => Dtype::F16,
            Self::F32 => Dtype::F32,
        }
    }

    /// The name in `config.json`.
    fn torch_name(self) -> &'static str {
        match self {
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
            Self::F32 => "float32",
        }
    }

    /// Whether one of the values becomes infinite in this type.
    pub(crate) fn overflows(self, values: &[f32]) -> bool {
        self == Self::F16 && values.iter().any(|v| v.abs() > f16::MAX.to_f32())
    }

    /// The values, rounded to the nearest (ties to even), in little-endian order.
    pub(crate) fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values
                .iter()
                .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                .collect(),
            Self::Bf16 => values
                .iter()
                .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
                .collect(),
        }
    }
}

/// Reasons why a merged model cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The base model cannot be read.
    #[error(transparent)]
    Weights(Box<WeightsError>),
    /// `config.json` cannot represent the base model's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be written.
    #[error("{}: {source}\nhint: free space on the disk", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// GGUF files or llama.cpp cannot represent something that the model has.
    #[error(
        "this model of the family `{family}` is not written as a GGUF file, which cannot represent {what}\nhint: merge into a folder, and convert that with llama.cpp's convert_hf_to_gguf.py"
    )]
    NoGguf {
        /// The model family.
        family: &'static str,
        /// The tensor, or what else cannot be represented.
        what: String,
    },
    /// The tokenizer cannot be stored in a GGUF file.
    #[error("{}: the tokenizer cannot be stored in a GGUF file: {what}\nhint: merge into a folder, and convert that with llama.cpp's convert_hf_to_gguf.py", path.display())]
    Tokenizer {
        /// The base model.
        path: PathBuf,
        /// The reason.
        what: String,
    },
    /// The adapter changes one of embedding and head, which the base model's GGUF file has as one matrix.
    #[error(
        "{}: the embedding is the head, too, and the adapter changes only one of them, which a copy of this file cannot hold\n\
         hint: merge into a folder, and convert that with llama.cpp's convert_hf_to_gguf.py", path.display()
    )]
    Unties {
        /// The base model.
        path: PathBuf,
    },
    /// The adapter trained a bias that the base model has no place for.
    #[error(
        "`{module}`: the adapter has a bias (`lora_bias`) and the base model's layer has none, so they cannot be merged\n\
         hint: use the adapter beside its base model; PEFT cannot merge it either"
    )]
    NoBias {
        /// The linear layer.
        module: String,
    },
    /// A merged value, or the scale of a block of them, is too large for half precision.
    #[error("tensor `{tensor}` contains values beyond half precision\nhint: {hint}")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// A way out.
        hint: &'static str,
    },
}

impl From<WeightsError> for MergeError {
    fn from(error: WeightsError) -> Self {
        Self::Weights(Box::new(error))
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> MergeError + use<> {
    let path = path.to_owned();
    move |source| MergeError::Io { path, source }
}

/// Writes the adapted weight of every adapted layer, such as `W + scale B A`, and all other tensors unchanged, into an
/// existing folder; `progress` is called with `(done, total)` after each tensor.
///
/// # Errors
/// The base model is invalid, or the disk is full; the folder then contains part of the model.
/// # Source
/// Hu et al. 2021, arXiv:2106.09685, section 4.1 (no additional latency at inference).
pub fn write_merged(
    weights: &Weights,
    adapter: &Adapter,
    folder: &Path,
    dtype: WeightType,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), MergeError> {
    refuse_lost_bias(weights, adapter)?;
    let unties = is_untied(weights, adapter);
    write_config(weights, folder, dtype, unties)?;
    weights.write_tokenizer(folder)?;

    let mut tensors = weights.config().tensors();
    if unties {
        let head = SavedModule::LmHead;
        let shape = head.shape(weights.config()).to_vec();
        tensors.push((head.tensor_name().to_owned(), shape));
    }
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut end = 0;
    for (name, shape) in &tensors {
        let start = end;
        end += shape.iter().product::<usize>() * dtype.width();
        let entry = json!({"dtype": dtype.of_file(), "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // The data start at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');

    let path = folder.join("model.safetensors");
    let failed = || io_error(&path);
    let file = File::create(&path).map_err(failed())?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&(header.len() as u64).to_le_bytes())
        .and_then(|()| out.write_all(&header))
        .map_err(failed())?;
    for (done, (name, _)) in tensors.iter().enumerate() {
        let tensor = merged_tensor(weights, adapter, name)?;
        if dtype.overflows(&tensor.values) {
            return Err(MergeError::Overflow {
                tensor: name.clone(),
                hint: "merge as bf16 or f32",
            });
        }
        out.write_all(&dtype.bytes(&tensor.values))
            .map_err(failed())?;
        progress(done + 1, tensors.len());
    }
    out.flush().map_err(failed())
}

/// Writes the merged model as a GGUF file, with the base model's tokenizer and chat template; `progress` as in
/// [`write_merged`].
///
/// # Errors
/// The base model is invalid or of a kind that cannot be written, or the disk is full; the file then contains part of the
/// model.
pub fn write_merged_gguf(
    weights: &Weights,
    adapter: &Adapter,
    path: &Path,
    new: NewGguf,
    progress: impl FnMut(usize, usize),
) -> Result<(), MergeError> {
    refuse_lost_bias(weights, adapter)?;
    if is_untied(weights, adapter) {
        return Err(MergeError::Unties {
            path: weights.path().to_owned(),
        });
    }
    gguf::write_file(weights, adapter, new, path, progress)
}

/// Refuses biases of B beside layers whose base model has no bias that they could be added to.
fn refuse_lost_bias(weights: &Weights, adapter: &Adapter) -> Result<(), MergeError> {
    let config = weights.config();
    let mut pairs = adapter.pairs();
    let lost =
        pairs.find(|(_, target, pair)| pair.lora_bias().is_some() && !target.has_bias(config));
    lost.map_or(Ok(()), |(layer, target, _)| {
        Err(MergeError::NoBias {
            module: target.module_path(layer),
        })
    })
}

/// Whether the adapter changes the tensor with this name.
fn is_changed(adapter: &Adapter, name: &str) -> bool {
    let biased = pair_of(adapter, name, ".bias").and_then(LowRank::lora_bias);
    pair_of(adapter, name, ".weight").is_some()
        || biased.is_some()
        || own_weight(adapter, name).is_some()
}

/// Returns a tensor of the merged model.
fn merged_tensor(
    weights: &Weights,
    adapter: &Adapter,
    name: &str,
) -> Result<HostTensor, MergeError> {
    if let Some(module) = own_weight(adapter, name)
        && let Some(own) = changed_weight(weights, adapter, module)?
    {
        return Ok(own);
    }
    if name == SavedModule::LmHead.tensor_name() && is_untied(weights, adapter) {
        return Ok(weights.tensor(SavedModule::EmbedTokens.tensor_name())?);
    }
    let mut tensor = weights.tensor(name)?;
    if let Some(pair) = pair_of(adapter, name, ".weight") {
        add_update(&mut tensor, pair);
    }
    let pair = pair_of(adapter, name, ".bias");
    if let Some(bias) = pair.and_then(LowRank::host_scaled_bias) {
        for (value, bias) in tensor.values.iter_mut().zip(bias) {
            *value += bias;
        }
    }
    Ok(tensor)
}

/// Returns the module with this weight, if the adapter changes it.
fn own_weight(adapter: &Adapter, name: &str) -> Option<SavedModule> {
    let changes = |module: &SavedModule| {
        adapter.modules_to_save.get(*module).is_some() || adapter.vocabulary.changes(*module)
    };
    let mut modules = SavedModule::ALL.into_iter();
    modules.find(|module| module.tensor_name() == name && changes(module))
}

/// Returns the changed weight of the embedding or the head.
fn changed_weight(
    weights: &Weights,
    adapter: &Adapter,
    module: SavedModule,
) -> Result<Option<HostTensor>, WeightsError> {
    if let Some(whole) = adapter.modules_to_save.host(module) {
        return Ok(Some(whole));
    }
    let base = || weights.tensor(module.base_tensor(weights.config()));
    adapter.vocabulary.host(module, base)
}

/// Whether embedding and head of the merged model are two matrices although the base model has one.
fn is_untied(weights: &Weights, adapter: &Adapter) -> bool {
    weights.config().tie_word_embeddings && adapter.vocabulary.unties()
}

/// Returns the pair of the linear layer whose weight or bias, by `ending`, is called `name`.
fn pair_of<'a>(adapter: &'a Adapter, name: &str, ending: &str) -> Option<&'a LowRank> {
    let module = name.strip_prefix("model.layers.")?.strip_suffix(ending)?;
    let (layer, path) = module.split_once('.')?;
    let target = Target::from_name(path.rsplit_once('.')?.1)?;
    adapter.layer(layer.parse().ok()?).pair(target)
}

/// Computes `W += scale B A`, row by row in a fixed order; with magnitudes, each row is then scaled to its norm.
fn add_update(weight: &mut HostTensor, pair: &LowRank) {
    let (a, b) = (pair.host_a(), pair.host_b());
    let (r, width, scale) = (a.shape[0], a.shape[1], pair.scale as f32);
    let magnitudes = pair.host_magnitude().map(|m| m.values);
    let rows = weight.values.par_chunks_mut(width).enumerate();
    rows.zip(b.values.par_chunks(r)).for_each(|((at, row), b)| {
        for (k, &b) in b.iter().enumerate() {
            let factor = scale * b;
            for (w, &a) in row.iter_mut().zip(&a.values[k * width..]) {
                *w += factor * a;
            }
        }
        if let Some(magnitudes) = &magnitudes {
            let square: f64 = row.iter().map(|&w| f64::from(w).powi(2)).sum();
            let factor = f64::from(magnitudes[at]) / square.sqrt().max(f64::MIN_POSITIVE);
            for w in row {
                *w *= factor as f32;
            }
        }
    });
}

fn write_config(
    weights: &Weights,
    folder: &Path,
    dtype: WeightType,
    unties: bool,
) -> Result<(), MergeError> {
    let original = fs::read_to_string(weights.path().join("config.json")).ok();
    let parsed = original.and_then(|text| serde_json::from_str(&text).ok());
    let mut config: Map<String, Value> = match parsed {
        Some(config) => config,
        None => weights.config().to_json()?,
    };
    for quantised in ["quantization_config", "compression_config", "dtype"] {
        config.remove(quantised);
    }
    config.insert("torch_dtype".to_owned(), json!(dtype.torch_name()));
    let tie = "tie_word_embeddings";
    let is_stale = config.get(tie) == Some(&json!(true)) && !weights.config().tie_word_embeddings;
    if is_stale || unties {
        // The written head differs from the embedding: see `Weights::open`.
        config.insert(tie.to_owned(), json!(false));
    }
    put_json(folder, "config.json", &Value::Object(config))
}

fn put_json(folder: &Path, name: &str, value: &Value) -> Result<(), MergeError> {
    let path = folder.join(name);
    let text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|e| unreachable!("a JSON value is JSON: {e}"));
    fs::write(&path, text + "\n").map_err(io_error(&path))
}

impl Weights {
    /// Writes the tokenizer and the chat template in transformers' layout.
    ///
    /// # Errors
    /// They are invalid, or the disk is full.
    fn write_tokenizer(&self, folder: &Path) -> Result<(), MergeError> {
        if self.path().is_dir() {
            for name in COPIED {
                let (from, to) = (self.path().join(name), folder.join(name));
                if from.is_file() {
                    fs::copy(&from, &to).map_err(io_error(&to))?;
                }
            }
            return Ok(());
        }
        let path = folder.join("tokenizer.json");
        fs::write(&path, self.tokenizer()?.to_json()).map_err(io_error(&path))?;
        let (template, special_tokens) = self.template_text()?;
        let mut settings = Map::new();
        settings.insert(
            "tokenizer_class".to_owned(),
            json!("PreTrainedTokenizerFast"),
        );
        settings.insert("clean_up_tokenization_spaces".to_owned(), json!(false));
        for (name, token) in special_tokens {
            settings.insert(name, json!(token));
        }
        if let Some(template) = template {
            settings.insert("chat_template".to_owned(), json!(template));
        }
        put_json(folder, "tokenizer_config.json", &Value::Object(settings))
    }
}
