//! The feed-forward block, with or without a gate.

use burn::tensor::{Tensor, activation::silu};

use crate::config::Activation;
use crate::device::is_cpu;
use crate::fused::{Kernels, functions};
use crate::kernel::swiglu::swiglu;
use crate::linear::FrozenLinear;
use crate::lora::LayerAdapter;
use crate::target::Target;

/// `sqrt(2 / pi)`, of the approximation of GELU.
pub(crate) const GELU_SCALE: f32 = 0.797_884_6;
/// The factor of the cube in the approximation of GELU.
pub(crate) const GELU_CUBE: f32 = 0.044_715;

/// A linear layer with its name in adapters.
pub(crate) type Named = (Target, FrozenLinear);

/// The feed-forward block of one decoder layer.
#[derive(Clone, Debug)]
pub(crate) struct FeedForward {
    pub(crate) linears: FeedForwardLinears,
    pub(crate) activation: Activation,
}

/// The linear layers of a feed-forward block.
#[derive(Clone, Debug)]
pub(crate) enum FeedForwardLinears {
    /// `down(act(gate(x)) * up(x))`: gate, up, down.
    ///
    /// # Source
    /// Shazeer 2020, arXiv:2002.05202.
    Gated(Box<[Named; 3]>),
    /// The same, with gate and up in one matrix, in this order.
    FusedGated(Box<[Named; 2]>),
    /// `down(act(up(x)))`: up, down.
    Plain(Box<[Named; 2]>),
}

impl FeedForwardLinears {
    /// All linear layers, in the order of a forward pass.
    pub(crate) fn all(&self) -> &[Named] {
        match self {
            Self::Gated(linears) => &**linears,
            Self::FusedGated(linears) | Self::Plain(linears) => &**linears,
        }
    }
}

impl FeedForward {
    /// Runs the block.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`; returns the same
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        kernels: &Kernels,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let linear = |(target, linear): &Named, x: Tensor<2>| {
            linear.forward(x, adapter.and_then(|adapter| adapter.pair(*target)))
        };
        match &self.linears {
            FeedForwardLinears::Gated(linears) => {
                let [gate, up, down] = &**linears;
                let (gate, up) = (linear(gate, x.clone()), linear(up, x));
                linear(down, self.gated(gate, up, kernels))
            }
            FeedForwardLinears::FusedGated(linears) => {
                let [gate_up, down] = &**linears;
                let both = linear(gate_up, x);
                let width = both.dims()[1] / 2;
                let (gate, up) = (
                    both.clone().narrow(1, 0, width),
                    both.narrow(1, width, width),
                );
                linear(down, self.gated(gate, up, kernels))
            }
            FeedForwardLinears::Plain(linears) => {
                let [up, down] = &**linears;
                let x = linear(up, x);
                linear(down, self.activated(x))
            }
        }
    }

    fn gated(&self, gate: Tensor<2>, up: Tensor<2>, kernels: &Kernels) -> Tensor<2> {
        match self.activation {
            Activation::Silu if is_cpu(&up.device()) => swiglu(gate, up),
            Activation::Silu => functions::swiglu(kernels, gate, up),
            Activation::GeluTanh => self.activated(gate) * up,
        }
    }

    fn activated(&self, x: Tensor<2>) -> Tensor<2> {
        match self.activation {
            Activation::Silu => silu(x),
            Activation::GeluTanh => {
                let cube = x.clone() * x.clone() * x.clone();
                let inner = (x.clone() + cube * GELU_CUBE) * GELU_SCALE;
                x * 0.5 * (inner.tanh() + 1.0)
            }
        }
    }
}
