//! Saved states that are read on the CPU, in a build for any device.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// An optimizer whose saved state is read on the CPU.
///
/// burn reads a saved state onto its default device. In a build for GPUs that is a GPU, even on a machine without one or
/// with `--device cpu`. The first step moves the state to the device of the parameters.
#[derive(Clone)]
pub(super) struct Portable<O>(pub(super) O);

/// State of a [`Portable`] optimizer.
#[derive(Clone)]
pub(super) struct PortableState<S>(pub(super) S);

impl<S: RecordState> RecordState for PortableState<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _default: &Device) -> Option<Self> {
        S::state_unflatten(prefix, source, &Device::flex()).map(Self)
    }
}

impl<O: Optimizer> Optimizer for Portable<O> {
    type State<const D: usize> = PortableState<O::State<D>>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let state = state.map(|state| state.0);
        let (tensor, state) = self.0.step(learning_rate, tensor, gradient, state);
        (tensor, state.map(PortableState))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        PortableState(O::to_device(state.0, device))
    }
}
