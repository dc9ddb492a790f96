//! The memory formula of a training on a GPU.
//!
//! All constants are computed from the operations of the fused layer (`slm-model`, `layer/`); none was measured on a GPU
//! yet. Bytes are per token unless noted, `e` is the number of bytes of a value of the activations.

use slm_model::loss::chunk_size_on_gpu;

use super::{Memory, MemoryInputs};

/// Bytes of a single-precision value.
const F32: f64 = 4.0;
/// Values of single precision per token and `hidden_size` that the loss holds beside a chunk of logits: the states after
/// the last norm, their supervised rows, the gradients of the chunks, and these concatenated.
const LOSS_STATES: f64 = 4.0;
/// Copies of the adapter's values in single precision: the parameters, their summed gradients, and the gradients of one
/// micro-batch.
const ADAPTER_COPIES: f64 = 3.0;
/// Values of single precision that `AdamW` holds for each value that it updates: a scaled gradient and its square, the
/// corrected moments, and the new value.
const UPDATE_COPIES: f64 = 4.0;
/// Copies of the gradient of a trained head in the loss: the sum over chunks, and the product of a chunk.
const HEAD_GRADIENTS: f64 = 2.0;
/// Activations of a layer that is not one fused operation (`DoRA`, `PiSSA`, dropout), as a multiple of those of a fused
/// one: 115 against 52 kB kept per token of the 1.5B shape.
const UNFUSED_KEPT: f64 = 2.2;
/// Memory that such a layer needs in its backward pass, as a multiple of that of a fused one: 140 against 81 kB.
const UNFUSED_WORKING: f64 = 1.75;
/// Share of the memory outside the weights that the pool of the GPU holds and nothing uses: pages are larger than what
/// is placed in them.
const POOL_WASTE: f64 = 0.1;
/// Bytes of the CUDA context: the driver's own memory of a process, with the code of the kernels.
const CONTEXT_BYTES: f64 = 0.5 * (1u64 << 30) as f64;

/// How a GPU computes the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GpuLayers {
    /// Bytes of a value of the activations: 2 in bf16, 4 in single precision.
    pub(crate) value_bytes: usize,
    /// Values of `x Aᵀ` per token, over all layers.
    pub(crate) narrow: usize,
    /// Whether each layer is one fused operation.
    pub(crate) are_fused: bool,
    /// Whether a kernel computes the loss, which holds no exponentials beside the logits.
    pub(crate) is_loss_fused: bool,
    /// Whether the head is trained, whose gradient the loss sums.
    pub(crate) is_head_trained: bool,
    /// The most values that the optimizer updates together.
    pub(crate) updated_together: usize,
}

/// Bytes per token of one layer.
#[derive(Clone, Copy, Debug)]
struct LayerBytes {
    /// Its input, which is all that a recomputed layer keeps.
    input: f64,
    /// Everything that its backward pass needs, the input included.
    kept: f64,
    /// What the backward pass holds in addition at its peak.
    working: f64,
}

impl LayerBytes {
    fn of(inputs: &MemoryInputs<'_>, layers: GpuLayers) -> Self {
        let config = inputs.config;
        let e = layers.value_bytes as f64;
        let (h, f) = (config.hidden_size as f64, config.intermediate_size as f64);
        let heads = config.num_attention_heads as f64;
        let all_heads = heads + config.num_key_value_heads as f64;
        let count = config.num_hidden_layers as f64;
        let input = e * h;
        // Queries, keys, values and the output of attention.
        let attention = 2.0 * e * all_heads * config.head_dim as f64;
        // The logarithm of each head's sum of scores, and the inverse root mean squares of two norms.
        let small = F32 * (heads + 2.0);
        let residual_after_attention = F32 * h;
        let gate_and_up = 2.0 * e * f;
        let narrow = e * layers.narrow as f64 / count;
        let kept = input + attention + small + residual_after_attention + gate_and_up + narrow;
        // The gradients of gate, of up and of their product, the product computed again, the gradient of the output, and
        // that of the residual stream in single precision. The backward pass of attention holds less.
        let working = 4.0 * e * f + e * h + F32 * h;
        if layers.are_fused {
            return Self {
                input,
                kept,
                working,
            };
        }
        let variant = F32 * inputs.kept_per_token as f64 / count;
        Self {
            input,
            kept: UNFUSED_KEPT * kept + variant,
            working: UNFUSED_WORKING * working,
        }
    }
}

/// Computes the estimate.
pub(super) fn memory(inputs: &MemoryInputs<'_>, layers: GpuLayers) -> Memory {
    let config = inputs.config;
    let tokens = inputs.tokens() as f64;
    let LayerBytes {
        input,
        kept,
        working,
    } = LayerBytes::of(inputs, layers);
    let all = config.num_hidden_layers;
    let recomputed = inputs.recomputed_layers.min(all);
    let in_full = all - recomputed;
    let hidden = F32 * config.hidden_size as f64;
    // Without a layer kept in full, the last one is recomputed while the inputs of all are held.
    let recomputed_states = if in_full == 0 { kept - input } else { 0.0 };
    let chunk = tokens.min(chunk_size_on_gpu(inputs.loss_chunk_size) as f64);
    let value_bytes = layers.value_bytes as f64;
    let vocabulary = config.vocab_size as f64;
    // A trained head has no kernel.
    let (exponentials, head) = match layers {
        GpuLayers {
            is_head_trained: true,
            ..
        } => (F32, HEAD_GRADIENTS * hidden * vocabulary),
        GpuLayers { is_loss_fused, .. } => (if is_loss_fused { 0.0 } else { F32 }, 0.0),
    };
    let logits = chunk * vocabulary * (F32 + exponentials + value_bytes) + head;
    let trainable = inputs.trainable as f64;
    let estimate = Memory {
        weights_bytes: inputs.weights_bytes,
        adapter_bytes: ((F32 * ADAPTER_COPIES + value_bytes) * trainable) as u64,
        optimizer_bytes: 4 * inputs.optimizer_values as u64,
        activations_bytes: (tokens * (recomputed as f64 * input + in_full as f64 * kept)) as u64,
        backward_bytes: (tokens * (recomputed_states + working + hidden)) as u64,
        logits_bytes: (logits + tokens * LOSS_STATES * hidden) as u64,
        update_bytes: (UPDATE_COPIES * F32 * layers.updated_together as f64) as u64,
        pool_bytes: 0,
        program_bytes: 0,
    };
    let in_pages = estimate.total() - estimate.weights_bytes;
    Memory {
        pool_bytes: (POOL_WASTE * in_pages as f64) as u64,
        program_bytes: CONTEXT_BYTES as u64,
        ..estimate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_model::NamedShape;

    const GIB: f64 = (1u64 << 30) as f64;
    const BF16: GpuLayers = GpuLayers {
        value_bytes: 2,
        narrow: 28 * 7 * 16,
        are_fused: true,
        is_loss_fused: true,
        is_head_trained: false,
        updated_together: 18_464_768,
    };

    /// A training of the 1.5B shape in bf16 with rank 16 on micro-batches of 4 x 2,048 tokens.
    fn estimate(layers: GpuLayers, recomputed_layers: usize) -> Memory {
        with_chunks(layers, recomputed_layers, 256)
    }

    /// The same with another `loss_chunk_size`.
    fn with_chunks(layers: GpuLayers, recomputed_layers: usize, loss_chunk_size: usize) -> Memory {
        let shape: NamedShape = "qwen2.5-1.5b".parse().expect("a shape");
        let config = shape.config();
        let inputs = MemoryInputs {
            config: &config,
            gpu: Some(layers),
            weights_bytes: 2 * config.num_parameters() as u64,
            recomputed_layers,
            trainable: 18_464_768,
            optimizer_values: 2 * 18_464_768,
            kept_per_token: 0,
            micro_batch_size: 4,
            sequences_per_unit: 1,
            length: 2048,
            loss_chunk_size,
        };
        inputs.memory()
    }

    #[test]
    fn the_terms_of_the_1_5b_shape_are_those_that_were_computed_by_hand() {
        let Memory {
            weights_bytes,
            adapter_bytes,
            optimizer_bytes,
            activations_bytes,
            backward_bytes,
            logits_bytes,
            update_bytes,
            pool_bytes,
            program_bytes,
        } = estimate(BF16, 28);
        for (name, bytes, gib) in [
            ("weights", weights_bytes, 2.875),
            ("adapter", adapter_bytes, 0.241),
            ("optimizer", optimizer_bytes, 0.138),
            ("inputs of 28 layers", activations_bytes, 0.656),
            ("backward of a layer", backward_bytes, 1.041),
            ("logits", logits_bytes, 1.057),
            ("update", update_bytes, 0.275),
            ("pool", pool_bytes, 0.209),
            ("context", program_bytes, 0.5),
        ] {
            let found = bytes as f64 / GIB;
            assert!((found - gib).abs() < 0.002, "{name}: {found} for {gib}");
        }
    }

    #[test]
    fn a_micro_batch_of_4_x_2048_tokens_reserves_at_most_5_6_gib() {
        let memory = estimate(BF16, 28);
        let reserved = (memory.total() - memory.program_bytes) as f64 / GIB;
        assert!(reserved <= 5.6, "{reserved}");
    }

    #[test]
    fn a_small_chunk_of_logits_takes_less_memory_and_the_default_is_raised_to_1024() {
        let of = |chunk| with_chunks(BF16, 28, chunk).logits_bytes;
        assert_eq!(of(256), of(1024));
        let saved = (of(256) - of(64)) as f64 / ((1024 - 64) * 151_936 * 6) as f64;
        assert!((saved - 1.0).abs() < 1e-6, "{saved}");
    }

    #[test]
    fn a_trained_head_takes_its_gradient_twice_in_the_loss_and_four_copies_in_the_update() {
        let values = 151_936 * 1536;
        let trained = GpuLayers {
            is_head_trained: true,
            updated_together: values,
            ..BF16
        };
        let (with, without) = (estimate(trained, 28), estimate(BF16, 28));
        let more = with.logits_bytes - without.logits_bytes;
        let expected = (2 * 4 * values + 1024 * 151_936 * 4) as u64;
        assert!(more.abs_diff(expected) < 16, "{more} for {expected}");
        assert_eq!(with.update_bytes, 16 * values as u64);
        let beside = with.activations_bytes + with.logits_bytes.max(with.backward_bytes);
        let held = with.total() - with.weights_bytes - with.adapter_bytes - with.optimizer_bytes;
        let held = held - with.pool_bytes - with.program_bytes;
        assert_eq!(held, beside.max(with.update_bytes));
        let unfused = GpuLayers {
            is_loss_fused: false,
            ..BF16
        };
        assert!(estimate(unfused, 28).logits_bytes > without.logits_bytes);
    }

    #[test]
    fn recomputing_a_layer_saves_memory_and_other_paths_take_more() {
        let total = |layers, n| estimate(layers, n).total();
        for n in 1..=28 {
            assert!(total(BF16, n) < total(BF16, n - 1), "{n}");
        }
        let unfused = GpuLayers {
            are_fused: false,
            ..BF16
        };
        let single = GpuLayers {
            value_bytes: 4,
            ..BF16
        };
        assert!(total(unfused, 28) > total(BF16, 28));
        assert!(total(single, 28) > total(BF16, 28));
    }
}
