//! Model FLOPs of a training token, independent of the implementation.

use slm_model::{ModelConfig, Target};

/// Returns the floating-point operations that LoRA training needs for each token of a sequence: forward and backward,
/// without recomputation.
///
/// A frozen weight takes one product forward and one backward, as it has no gradient; an adapter weight takes two
/// backward. Attention counts the keys under the causal mask, half of the sequence on average, and twice as much
/// backward as forward.
///
/// # Source
/// Chowdhery et al. 2022, arXiv:2204.02311, appendix B, for model FLOPs utilisation; the parts as above.
pub(crate) fn flops_per_token(config: &ModelConfig, trainable: usize, length: usize) -> f64 {
    let linear = |target: Target| {
        let (out_features, in_features) = target.shape(config);
        (out_features * in_features) as f64
    };
    let layer: f64 = config.targets().iter().copied().map(linear).sum();
    let frozen =
        config.num_hidden_layers as f64 * layer + (config.vocab_size * config.hidden_size) as f64;
    let width = (config.num_attention_heads * config.head_dim) as f64;
    // 2 operations per multiplication, for the scores and for the weighted values.
    let attention = 4.0 * config.num_hidden_layers as f64 * width * length as f64 / 2.0;
    4.0 * frozen + 6.0 * trainable as f64 + 3.0 * attention
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_model::NamedShape;

    #[test]
    fn a_token_of_qwen_1_5b_takes_what_was_counted_by_hand() {
        let shape: NamedShape = "qwen2.5-1.5b".parse().expect("a known shape");
        // Forward: 2 x (1.310 G in layers + 0.233 G in the head + 18.5 M of the adapter) + 0.176 G of attention;
        // backward: the frozen part once, the adapter's and attention's twice.
        let found = flops_per_token(&shape.config(), 18_464_768, 2048);
        let frozen = 28.0 * 46_792_704.0 + 233_373_696.0;
        let attention = 4.0 * 28.0 * 1536.0 * 1024.0;
        let forward = 2.0 * (frozen + 18_464_768.0) + attention;
        let backward = 2.0 * frozen + 4.0 * 18_464_768.0 + 2.0 * attention;
        assert!((found / (forward + backward) - 1.0).abs() < 1e-12);
        assert!((found / 6.8e9 - 1.0).abs() < 0.01, "{found}");
    }
}
