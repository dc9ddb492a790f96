//! A frozen linear layer with an optional LoRA pair.

use burn::tensor::Tensor;

use crate::frozen::FrozenWeight;
use crate::kernel::linear::lora_linear;
use crate::lora::LowRank;

/// A frozen `y = x Wᵀ + b`, in the layout on disk and outside autodiff.
#[derive(Clone, Debug)]
pub(crate) struct FrozenLinear {
    /// `[out, in]`
    pub(crate) weight: FrozenWeight,
    /// `[out]`, in the dtype that the layer computes in.
    pub(crate) bias: Option<Tensor<1>>,
}

impl FrozenLinear {
    /// Computes `x Wᵀ + b`; with a pair, `W` is the adapted weight, such as `W + s B A`.
    ///
    /// The dense sum is never computed: its gradient would be as large as `W`.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; returns `[n, out]`
    /// # Source
    /// Hu et al. 2021, arXiv:2106.09685, section 4.1.
    pub(crate) fn forward(&self, x: Tensor<2>, lora: Option<&LowRank>) -> Tensor<2> {
        if let Some(pair) = lora
            && self.weight.is_unpacked_at_once()
            && let Some(factors) = pair.alone()
        {
            let weight = self.weight.clone();
            let values = move || weight.values();
            return lora_linear(x, values, self.bias.as_ref(), factors, pair.scale);
        }
        let base = self.weight.forward(x.clone());
        let y = match lora {
            Some(pair) => pair.adapt(base, x, &self.weight),
            None => base,
        };
        match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }
}
