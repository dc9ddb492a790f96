//! A whole decoder layer as one autograd function.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::attention_block::{self, AttentionBlock};
use super::feed_forward_block::{self, FeedForwardBlock};
use super::fusable::Fusable;
use super::lora_linear::Factors;
use crate::attention::{AttentionMask, SequenceMasks};
use crate::autograd::{Function, apply};
use crate::forward_pass::Shared;
use crate::lora::{LayerAdapter, LowRank};
use crate::target::Target;

/// The linear layers, in the order of a forward pass.
const TARGETS: [Target; 7] = [
    Target::QProj,
    Target::KProj,
    Target::VProj,
    Target::OProj,
    Target::GateProj,
    Target::UpProj,
    Target::DownProj,
];
/// The number of linear layers.
const LINEARS: usize = TARGETS.len();
/// The layer's input, and A and B of each linear layer.
const INPUTS: usize = 1 + 2 * LINEARS;

/// Whether every pair is plain LoRA, which is all that [`Fusable::run`] computes.
pub(crate) fn can_be_fused(adapter: Option<&LayerAdapter>) -> bool {
    let mut pairs = TARGETS
        .into_iter()
        .filter_map(|target| adapter?.pair(target));
    pairs.all(|pair| pair.alone().is_some())
}

impl Fusable {
    /// Runs the layer over full sequences as one autograd function; with `recompute`, only `x` is kept for the backward
    /// pass. The pairs must be plain LoRA, see [`can_be_fused`].
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`; returns the same
    pub(crate) fn run(
        self,
        x: Tensor<2>,
        shared: &Shared,
        masks: &SequenceMasks,
        adapter: Option<&LayerAdapter>,
        recompute: bool,
    ) -> Tensor<2> {
        let pairs: [Option<&LowRank>; LINEARS] =
            TARGETS.map(|target| adapter.and_then(|adapter| adapter.pair(target)));
        let function = FusedLayer {
            mask: masks.of(self.window).clone(),
            weights: self,
            shared: shared.clone(),
            scales: pairs.map(|pair| Some(pair?.scale as f32)),
            recompute,
        };
        // A pair that is missing is filled with a constant.
        let unused = x.clone().inner();
        let mut inputs = vec![x];
        for pair in pairs {
            let tensors = pair.and_then(LowRank::alone);
            inputs.extend(tensors.unwrap_or_else(|| [unused.clone(), unused.clone()]));
        }
        let inputs: [Tensor<2>; INPUTS] = match inputs.try_into() {
            Ok(inputs) => inputs,
            Err(inputs) => unreachable!("{} inputs", inputs.len()),
        };
        apply(function, inputs)
    }
}

#[derive(Clone)]
struct FusedLayer {
    weights: Fusable,
    shared: Shared,
    mask: Arc<AttentionMask>,
    /// The scale of each pair; `None` without one.
    scales: [Option<f32>; LINEARS],
    recompute: bool,
}

/// What the backward pass needs.
#[derive(Clone)]
struct Saved {
    x: Tensor<2>,
    factors: [Option<Factors>; LINEARS],
    /// `None` if it is computed again.
    blocks: Option<(attention_block::Saved, feed_forward_block::Saved)>,
}

impl FusedLayer {
    fn blocks<'a>(
        &'a self,
        factors: &'a [Option<Factors>; LINEARS],
    ) -> (AttentionBlock<'a>, FeedForwardBlock<'a>) {
        let [q, k, v, o, gate, up, down] = factors.each_ref().map(Option::as_ref);
        let (weights, shared) = (&self.weights, &self.shared);
        let attention = AttentionBlock {
            weights,
            shared,
            mask: &self.mask,
            factors: [q, k, v, o],
        };
        let feed_forward = FeedForwardBlock {
            weights,
            shared,
            factors: [gate, up, down],
        };
        (attention, feed_forward)
    }
}

impl Function<INPUTS> for FusedLayer {
    type Saved = Saved;

    fn forward(&self, inputs: [Tensor<2>; INPUTS]) -> (Tensor<2>, Saved) {
        let mut inputs = inputs.into_iter();
        let mut next = || match inputs.next() {
            Some(input) => input,
            None => unreachable!("all inputs are listed"),
        };
        let x = next();
        let kind = x.dtype();
        let factors = self.scales.map(|scale| {
            let pair = [next(), next()];
            Some(Factors::new(&self.shared.kernels, pair, scale?, kind))
        });
        let (attention, feed_forward) = self.blocks(&factors);
        let (attended, of_attention) = attention.forward(&x);
        let mut of_feed_forward = feed_forward.enter(x.clone(), attended);
        let y = feed_forward.leave(&mut of_feed_forward);
        let blocks = (of_attention.reduced(), of_feed_forward.reduced());
        let saved = Saved {
            x,
            blocks: (!self.recompute).then_some(blocks),
            factors,
        };
        (y, saved)
    }

    fn backward(
        self,
        saved: Saved,
        gradient: Tensor<2>,
        wanted: [bool; INPUTS],
    ) -> [Option<Tensor<2>>; INPUTS] {
        let Saved { x, factors, blocks } = saved;
        let (attention, feed_forward) = self.blocks(&factors);
        let (of_attention, of_feed_forward) = blocks.unwrap_or_else(|| {
            let (attended, of_attention) = attention.forward(&x);
            (of_attention, feed_forward.enter(x.clone(), attended))
        });
        let (of_sum, of_last) = feed_forward.backward(of_feed_forward, gradient);
        let (of_x, of_first) = attention.backward(&x, of_attention, of_sum, wanted[0]);
        let pairs = of_first
            .into_iter()
            .chain(of_last)
            .flat_map(|pair| match pair {
                Some([a, b]) => [Some(a), Some(b)],
                None => [None, None],
            });
        let mut found = std::iter::once(of_x).chain(pairs);
        wanted.map(|wanted| found.next().flatten().filter(|_| wanted))
    }
}
