//! Small valid and invalid GGUF files for tests.

use tempfile::TempDir;

use super::dequantize::dequantize;
use super::{GgufError, GgufFile, PackedTensor, TensorType};

/// Builder of a GGUF file; nothing is checked.
pub(super) struct Fixture {
    version: u32,
    pairs: Vec<u8>,
    pair_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data_len: usize,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::of_version(3)
    }

    pub(super) fn of_version(version: u32) -> Self {
        Self {
            version,
            pairs: Vec::new(),
            pair_count: 0,
            tensors: Vec::new(),
            tensor_count: 0,
            data_len: 0,
        }
    }

    /// Adds a key with any type number and any bytes as value.
    pub(super) fn raw_pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs.extend(text(key));
        self.pairs.extend(kind.to_le_bytes());
        self.pairs.extend(value);
        self.pair_count += 1;
        self
    }

    pub(super) fn string(self, key: &str, value: &str) -> Self {
        self.raw_pair(key, 8, &text(value))
    }

    pub(super) fn integer(self, key: &str, value: u32) -> Self {
        self.raw_pair(key, 4, &value.to_le_bytes())
    }

    pub(super) fn float(self, key: &str, value: f32) -> Self {
        self.raw_pair(key, 6, &value.to_le_bytes())
    }

    /// Adds an array with any type number, length and bytes.
    pub(super) fn array(self, key: &str, kind: u32, len: u64, values: &[u8]) -> Self {
        let head = [&kind.to_le_bytes()[..], &len.to_le_bytes()].concat();
        self.raw_pair(key, 9, &[&head, values].concat())
    }

    pub(super) fn strings(self, key: &str, values: &[&str]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| text(value)).collect();
        self.array(key, 8, values.len() as u64, &bytes)
    }

    pub(super) fn integers(self, key: &str, values: &[i32]) -> Self {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.array(key, 5, values.len() as u64, &bytes)
    }

    /// Adds a tensor with its dimensions in the file's order, any type number and any offset.
    pub(super) fn raw_tensor(
        mut self,
        name: &str,
        dimensions: &[u64],
        kind: u32,
        offset: u64,
    ) -> Self {
        self.tensors.extend(text(name));
        self.tensors.extend((dimensions.len() as u32).to_le_bytes());
        for dimension in dimensions {
            self.tensors.extend(dimension.to_le_bytes());
        }
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend(offset.to_le_bytes());
        self.tensor_count += 1;
        self
    }

    /// Adds `len` zero bytes of data after the header.
    pub(super) fn data(mut self, len: usize) -> Self {
        self.data_len = len;
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.to_le_bytes());
        bytes.extend(self.pair_count.to_le_bytes());
        bytes.extend(&self.pairs);
        bytes.extend(&self.tensors);
        if self.data_len > 0 {
            bytes.resize(bytes.len().next_multiple_of(32) + self.data_len, 0);
        }
        bytes
    }

    /// Everything that a model's configuration and tokenizer require, and two tensors.
    pub(super) fn tiny_model() -> Self {
        Self::new()
            .string("general.architecture", "llama")
            .integer("llama.block_count", 1)
            .integer("llama.context_length", 64)
            .integer("llama.embedding_length", 32)
            .integer("llama.feed_forward_length", 64)
            .integer("llama.attention.head_count", 2)
            .integer("llama.attention.head_count_kv", 1)
            .float("llama.attention.layer_norm_rms_epsilon", 1e-5)
            .string("tokenizer.ggml.model", "gpt2")
            .string("tokenizer.ggml.pre", "smollm")
            .strings("tokenizer.ggml.tokens", &["<s>", "a", "b", "ab", "Ġ"])
            .integers("tokenizer.ggml.token_type", &[3, 1, 1, 1, 1])
            .strings("tokenizer.ggml.merges", &["a b"])
            .integer("tokenizer.ggml.eos_token_id", 0)
            .raw_tensor("token_embd.weight", &[32, 5], 8, 0)
            .raw_tensor("output_norm.weight", &[32], 0, 192)
            .data(320)
    }
}

/// Encodes a string as in GGUF.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Writes the bytes to a file and opens it; the folder must outlive the file.
pub(super) fn opened(bytes: &[u8]) -> Result<(TempDir, GgufFile), GgufError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("writable");
    GgufFile::open(&path).map(|file| (folder, file))
}

/// Returns noise in every packed type, with its dequantized values.
///
/// # Shapes
/// `[rows, columns]`
pub(crate) fn packed_noise(rows: usize, columns: usize) -> Vec<(PackedTensor, Vec<f32>)> {
    let packed = TensorType::ALL.iter().filter(|kind| kind.is_packed());
    packed
        .map(|&kind| {
            let blocks = rows * columns / kind.block_len();
            let mut state = kind.id();
            let mut bytes: Vec<u8> = (0..blocks * kind.block_bytes())
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            // The half-precision scales must be finite, so their exponents are lowered.
            let scales: &[usize] = match kind {
                TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4_K | TensorType::Q5_K => {
                    &[1, 3]
                }
                TensorType::Q2_K => &[81, 83],
                TensorType::Q3_K => &[109],
                TensorType::Q6_K => &[209],
                _ => &[1],
            };
            for block in bytes.chunks_exact_mut(kind.block_bytes()) {
                for &at in scales {
                    block[at] &= 0x9f;
                }
            }
            let mut values = vec![0.0; rows * columns];
            dequantize(kind, &bytes, &mut values);
            let packed = PackedTensor::new(kind, columns, bytes).expect("whole blocks");
            (packed, values)
        })
        .collect()
}
