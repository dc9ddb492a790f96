//! Autograd functions: each defines its own gradient and is a single node of burn's autodiff graph.
//!
//! burn tracks each operation separately and stores what each of them needs. Operations that together have a cheaper
//! backward pass (recomputed, fused, or with a weight that is unpacked on the fly) are implemented as a [`Function`] on
//! plain tensors, which [`apply`] adds to the graph.

use std::fmt;

#[cfg(feature = "cube")]
use burn::backend::Cube;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Backend, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::Tensor;

/// A differentiable function of `N` matrices. All tensors it receives are plain, i.e. outside autodiff.
pub(crate) trait Function<const N: usize>: Clone + Send + 'static {
    /// What the backward pass needs.
    type Saved: Clone + Send + 'static;

    /// Computes the value and what to save for backward.
    fn forward(&self, inputs: [Tensor<2>; N]) -> (Tensor<2>, Self::Saved);

    /// Computes the gradient with respect to each input that is `wanted`; `gradient` is that with respect to the value.
    fn backward(
        self,
        saved: Self::Saved,
        gradient: Tensor<2>,
        wanted: [bool; N],
    ) -> [Option<Tensor<2>>; N];
}

/// Applies a function; the result is tracked if any of the inputs is.
///
/// All inputs must be on one device, the CPU or a GPU of `burn-cubecl`; some may be plain.
pub(crate) fn apply<F: Function<N>, const N: usize>(
    function: F,
    inputs: [Tensor<2>; N],
) -> Tensor<2> {
    if !inputs.iter().any(Tensor::is_autodiff) {
        return function.forward(inputs).0;
    }
    #[cfg(feature = "cube")]
    if !crate::device::is_cpu(&inputs[0].device()) {
        return tracked::<Cube, F, N>(function, inputs);
    }
    tracked::<Flex, F, N>(function, inputs)
}

fn tracked<B: Backend, F: Function<N>, const N: usize>(
    function: F,
    inputs: [Tensor<2>; N],
) -> Tensor<2>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    let inputs = inputs.map(|input| {
        input
            .autodiff()
            .try_into_primitive::<Autodiff<B>>()
            .unwrap_or_else(|error| unreachable!("a tensor of another backend: {error:?}"))
    });
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the type of the inputs has no public name"
    )]
    let nodes = inputs.each_ref().map(|input| input.node());
    let plain = inputs.map(|input| Tensor::from_primitive::<B>(input.into_primitive()));
    let (value, saved) = function.forward(plain);
    let value = primitive::<B>(value);
    let node = Node(std::marker::PhantomData::<F>);
    let prepared = <Node<F> as Backward<B, N>>::prepare::<NoCheckpointing>(node, nodes);
    let value = match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { function, saved }, value),
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    };
    Tensor::from_primitive::<Autodiff<B>>(value)
}

fn primitive<B: Backend>(tensor: Tensor<2>) -> B::FloatTensorPrimitive
where
    DispatchTensor: DispatchKindConversion<B>,
{
    tensor
        .try_into_primitive::<B>()
        .unwrap_or_else(|error| unreachable!("a tensor of another backend: {error:?}"))
}

struct Node<F>(std::marker::PhantomData<F>);

#[derive(Clone)]
struct State<F, S> {
    function: F,
    saved: S,
}

impl<F> fmt::Debug for Node<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<F>())
    }
}

impl<F, S> fmt::Debug for State<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<F>())
    }
}

impl<B: Backend, F: Function<N>, const N: usize> Backward<B, N> for Node<F>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = State<F, F::Saved>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = Tensor::from_primitive::<B>(gradients.consume::<B>(&ops.node));
        let State { function, saved } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = function.backward(saved, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, primitive::<B>(gradient));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// `x * y`, with a deliberately wrong gradient for `y`: seven times too large.
    #[derive(Clone)]
    struct Product;

    impl Function<2> for Product {
        type Saved = [Tensor<2>; 2];

        fn forward(&self, [x, y]: [Tensor<2>; 2]) -> (Tensor<2>, [Tensor<2>; 2]) {
            (x.clone() * y.clone(), [x, y])
        }

        fn backward(
            self,
            [x, y]: [Tensor<2>; 2],
            gradient: Tensor<2>,
            wanted: [bool; 2],
        ) -> [Option<Tensor<2>>; 2] {
            let of_x = wanted[0].then(|| gradient.clone() * y);
            [of_x, wanted[1].then(|| gradient * x * 7.0)]
        }
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_into_vec().expect("f32")
    }

    #[test]
    fn gradients_are_those_that_the_function_gives() {
        let device = Device::flex();
        let x = Tensor::<2>::from_data([[2.0, 3.0]], &device)
            .autodiff()
            .require_grad();
        let y = Tensor::<2>::from_data([[5.0, 7.0]], &device)
            .autodiff()
            .require_grad();
        let value = apply(Product, [x.clone(), y.clone() * 2.0]);
        assert_eq!(values(value.clone()), [20.0, 42.0]);
        let mut gradients = (value * 3.0).sum().backward();
        let of =
            |t: &Tensor<2>, gradients: &mut _| values(t.grad_remove(gradients).expect("tracked"));
        assert_eq!(of(&x, &mut gradients), [30.0, 42.0]);
        assert_eq!(of(&y, &mut gradients), [84.0, 126.0]);
    }

    #[test]
    fn a_plain_input_is_a_constant_and_plain_inputs_give_a_plain_value() {
        let device = Device::flex();
        let plain = Tensor::<2>::from_data([[5.0]], &device);
        let tracked = plain.clone().autodiff().require_grad();
        let value = apply(Product, [tracked.clone(), plain.clone()]);
        let mut gradients = value.sum().backward();
        let gradient = tracked.grad_remove(&mut gradients).expect("tracked");
        assert_eq!(values(gradient), [5.0]);
        assert!(!apply(Product, [plain.clone(), plain]).is_autodiff());
    }
}
