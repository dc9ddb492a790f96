//! The pair of one linear layer, and what it computes.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use super::dora::Magnitude;
use super::dropout::Dropout;
use crate::frozen::{FrozenWeight, matmul_transposed};
use crate::target::Target;
use crate::weight_file::HostTensor;

/// The trainable pair of one linear layer: `y = W x + scale * B (A x)`.
///
/// What training does to it is told by three more fields: magnitudes make it `DoRA`, a start that is taken from the
/// weight makes it `PiSSA`, and zeros in its input are dropout.
#[derive(Module, Debug)]
pub struct LowRank {
    /// `[r, in]`
    pub(crate) lora_a: Param<Tensor<2>>,
    /// `[out, r]`
    pub(crate) lora_b: Param<Tensor<2>>,
    /// Lengths of the weight's rows, where they are trained apart.
    pub(crate) magnitude: Option<Magnitude>,
    /// `lora_alpha / r`, or `lora_alpha / sqrt(r)` with rsLoRA.
    #[module(skip)]
    pub(crate) scale: f64,
    /// What the pair held at its start, where that is part of the frozen weight.
    #[module(skip)]
    pub(crate) start: Option<Start>,
    /// The zeros of one forward pass of training.
    #[module(skip)]
    pub(super) dropout: Option<Dropout>,
}

/// A pair's A and B before the first step.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// `[r, in]`
    pub(crate) a: Tensor<2>,
    /// `[out, r]`
    pub(crate) b: Tensor<2>,
}

impl LowRank {
    /// A pair with the given values.
    pub(crate) fn new(
        lora_a: Param<Tensor<2>>,
        lora_b: Param<Tensor<2>>,
        magnitude: Option<Magnitude>,
        scale: f64,
    ) -> Self {
        Self {
            lora_a,
            lora_b,
            magnitude,
            scale,
            start: None,
            dropout: None,
        }
    }

    /// The values of A, `[r, in]`.
    pub fn lora_a(&self) -> Tensor<2> {
        self.lora_a.val()
    }

    /// The values of B, `[out, r]`.
    pub fn lora_b(&self) -> Tensor<2> {
        self.lora_b.val()
    }

    /// The values of the magnitudes, `[1, out]`, with `DoRA`.
    pub fn lora_magnitude_vector(&self) -> Option<Tensor<2>> {
        let magnitude = self.magnitude.as_ref()?;
        Some(magnitude.lora_magnitude_vector.val())
    }

    /// The values of A on the host; with a start that is part of the weight, of A above its start.
    pub(crate) fn host_a(&self) -> HostTensor {
        let a = self.lora_a.val().inner();
        on_host(match &self.start {
            None => a,
            Some(start) => Tensor::cat(vec![a, start.a.clone()], 0),
        })
    }

    /// The values of B on the host; with a start that is part of the weight, of B beside its start's opposite.
    pub(crate) fn host_b(&self) -> HostTensor {
        let b = self.lora_b.val().inner();
        on_host(match &self.start {
            None => b,
            Some(start) => Tensor::cat(vec![b, start.b.clone().neg()], 1),
        })
    }

    /// The magnitudes on the host, `[out]`.
    pub(crate) fn host_magnitude(&self) -> Option<HostTensor> {
        let HostTensor { values, .. } = on_host(self.lora_magnitude_vector()?);
        Some(HostTensor {
            shape: vec![values.len()],
            values,
        })
    }

    /// What each row of the adapted weight is multiplied by, `[out]`, with `DoRA`.
    ///
    /// # Shapes
    /// `weight`: `[out, in]`, of the frozen layer
    pub(crate) fn host_factors(&self, weight: &HostTensor) -> Option<Vec<f32>> {
        let magnitude = self.magnitude.as_ref()?;
        let (a, b) = (self.lora_a.val().inner(), self.lora_b.val().inner());
        let data = TensorData::new(weight.values.clone(), weight.shape.clone());
        let weight = FrozenWeight::Dense(Tensor::from_data(data, &a.device()));
        Some(on_host(magnitude.factor(&weight, &a, &b, self.scale)).values)
    }

    /// Identity of A, which keys its gradient and optimizer state.
    pub fn lora_a_id(&self) -> ParamId {
        self.lora_a.id
    }

    /// Identity of B.
    pub fn lora_b_id(&self) -> ParamId {
        self.lora_b.id
    }

    /// Identity of the magnitudes.
    pub fn lora_magnitude_vector_id(&self) -> Option<ParamId> {
        let magnitude = self.magnitude.as_ref()?;
        Some(magnitude.lora_magnitude_vector.id)
    }

    /// Parameters with their names on disk.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &Param<Tensor<2>>> {
        let magnitude = self.magnitude.iter().map(|m| &m.lora_magnitude_vector);
        [&self.lora_a, &self.lora_b].into_iter().chain(magnitude)
    }

    /// What the adapted layer makes of `x`, its bias left out, where `base` is what the frozen one makes of it.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; `base`: `[n, out]`; `weight`: `[out, in]`; returns `[n, out]`, all in the number type of `x`
    pub(crate) fn adapt(&self, base: Tensor<2>, x: Tensor<2>, weight: &FrozenWeight) -> Tensor<2> {
        let base = match &self.start {
            None => base,
            // Neither its zeros nor its training touch the part of the weight that the pair began with.
            Some(Start { a, b }) => base - self.scaled(x.clone(), a, b),
        };
        let dropped = self.dropout.map(|dropout| dropout.apply(x.clone()));
        let drops = dropped.is_some();
        let x = dropped.unwrap_or(x);
        let (a, b) = (self.lora_a.val(), self.lora_b.val());
        let update = self.scaled(x.clone(), &a, &b);
        let Some(magnitude) = &self.magnitude else {
            return base + update;
        };
        let factor = magnitude.factor(weight, &a, &b, self.scale).cast(x.dtype());
        if drops {
            // As in PEFT, what the magnitudes change of the frozen layer is a part of the adapter and sees the zeros.
            let frozen = weight.forward(x);
            return base + (frozen.clone() + update) * factor - frozen;
        }
        (base + update) * factor
    }

    /// A and B, if nothing else takes part: no magnitude, no start of the weight's own, no dropout.
    pub(crate) fn alone(&self) -> Option<[Tensor<2>; 2]> {
        let alone = self.magnitude.is_none() && self.start.is_none() && self.dropout.is_none();
        alone.then(|| [self.lora_a.val(), self.lora_b.val()])
    }

    /// `scale * (x Aᵀ) Bᵀ`.
    fn scaled(&self, x: Tensor<2>, a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
        // The scale goes onto the narrow product, r wide.
        let narrow = matmul_transposed(x, a).mul_scalar(self.scale);
        matmul_transposed(narrow, b)
    }

    /// The parameters' tensors: A, B, and magnitudes where there are some.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<2>> {
        self.parameters().map(Param::val)
    }

    /// The same pair over other tensors, which come as from [`Self::tensors`].
    pub(super) fn over(&self, tensors: &mut impl Iterator<Item = Tensor<2>>) -> Self {
        let mut next = || match tensors.next() {
            Some(tensor) => tensor,
            None => unreachable!("as many tensors as there are parameters"),
        };
        Self {
            lora_a: Param::initialized(self.lora_a.id, next()),
            lora_b: Param::initialized(self.lora_b.id, next()),
            magnitude: self.magnitude.as_ref().map(|m| m.over(next())),
            scale: self.scale,
            start: self.start.clone(),
            dropout: self.dropout,
        }
    }

    /// The same pair, tracked or not, as it was before it was saved: the ranks that undo its start are taken off.
    pub(super) fn with_start_apart(&self, scale: f64, index: u64, device: &Device) -> Self {
        let (a, b) = (self.lora_a.val().inner(), self.lora_b.val().inner());
        let r = a.dims()[0] / 2;
        let start = Start {
            a: a.clone().narrow(0, r, r),
            b: b.clone().narrow(1, r, r).neg(),
        };
        let part = |tensor: Tensor<2>, part| {
            let HostTensor { shape, values } = on_host(tensor);
            let id = parameter_id(index, part);
            parameter(values, [shape[0], shape[1]], id, device)
        };
        Self {
            start: Some(start),
            ..Self::new(
                part(a.narrow(0, 0, r), 0),
                part(b.narrow(1, 0, r), 1),
                None,
                scale,
            )
        }
    }
}

/// A tensor's values on the host.
pub(crate) fn on_host(tensor: Tensor<2>) -> HostTensor {
    let data = tensor.inner().into_data();
    HostTensor {
        shape: data.shape().to_vec(),
        values: data
            .try_into_vec()
            .unwrap_or_else(|e| unreachable!("adapters are f32: {e:?}")),
    }
}

/// A parameter with the given values; tracked if `device` is an autodiff device.
pub(crate) fn parameter(
    values: Vec<f32>,
    shape: [usize; 2],
    id: ParamId,
    device: &Device,
) -> Param<Tensor<2>> {
    let tensor = Tensor::from_data(TensorData::new(values, shape), device);
    let (_, tensor, mapper) = Param::from_tensor(tensor).consume();
    Param::from_mapped_value(id, tensor, mapper)
}

/// The number of a linear layer within the model.
pub(crate) fn module_index(layer: usize, target: Target) -> u64 {
    (layer * Target::ALL.len() + target as usize) as u64
}

/// Identity of a part of a pair (A, B, magnitudes) by its layer's number in the model, so that a saved optimizer state finds its
/// parameter again.
pub(crate) fn parameter_id(index: u64, part: u64) -> ParamId {
    // From 1 on, with room for four parts each.
    ParamId::from(1 + index * 4 + part)
}
