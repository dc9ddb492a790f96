//! The LoRA pair of one linear layer and its forward pass.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use super::dora::Magnitude;
use super::dropout::Dropout;
use crate::frozen::{FrozenWeight, matmul_transposed};
use crate::target::Target;
use crate::weight_file::HostTensor;

/// The trainable pair of one linear layer: `y = W x + scale * B (A x)`.
///
/// Four optional fields change the method: `magnitude` (`DoRA`), `lora_bias`, `start` (`PiSSA`) and `dropout`.
#[derive(Module, Debug)]
pub struct LowRank {
    /// `[r, in]`
    pub(crate) lora_a: Param<Tensor<2>>,
    /// `[out, r]`
    pub(crate) lora_b: Param<Tensor<2>>,
    /// Norms of the weight's rows, if they are trained (`DoRA`).
    pub(crate) magnitude: Option<Magnitude>,
    /// Bias of B, `[1, out]`, scaled as its product (PEFT's `lora_bias`).
    pub(crate) lora_bias: Option<Param<Tensor<2>>>,
    /// `lora_alpha / r`, or `lora_alpha / sqrt(r)` with rsLoRA.
    #[module(skip)]
    pub(crate) scale: f64,
    /// Initial A and B, if they were taken from the frozen weight (`PiSSA`).
    #[module(skip)]
    pub(crate) start: Option<Start>,
    /// Dropout of one forward pass of training.
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
    /// Creates a pair from its parts, without `PiSSA` or dropout.
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
            lora_bias: None,
            scale,
            start: None,
            dropout: None,
        }
    }

    /// Adds a bias of B, `[1, out]`.
    pub(crate) fn with_bias(self, lora_bias: Option<Param<Tensor<2>>>) -> Self {
        Self { lora_bias, ..self }
    }

    /// Returns the values of A, `[r, in]`.
    pub fn lora_a(&self) -> Tensor<2> {
        self.lora_a.val()
    }

    /// Returns the values of B, `[out, r]`.
    pub fn lora_b(&self) -> Tensor<2> {
        self.lora_b.val()
    }

    /// Returns the magnitudes, `[1, out]`, with `DoRA`.
    pub fn lora_magnitude_vector(&self) -> Option<Tensor<2>> {
        let magnitude = self.magnitude.as_ref()?;
        Some(magnitude.lora_magnitude_vector.val())
    }

    /// Returns the bias of B, `[1, out]`, if it has one.
    pub fn lora_bias(&self) -> Option<Tensor<2>> {
        self.lora_bias.as_ref().map(Param::val)
    }

    /// Copies the bias of B to the host, `[out]`.
    pub(crate) fn host_bias(&self) -> Option<HostTensor> {
        let HostTensor { values, .. } = on_host(self.lora_bias()?);
        Some(HostTensor {
            shape: vec![values.len()],
            values,
        })
    }

    /// Returns what the bias of B adds to the layer's output, `[out]`.
    pub(crate) fn host_scaled_bias(&self) -> Option<Vec<f32>> {
        let bias = self.host_bias()?.values.into_iter();
        Some(bias.map(|value| value * self.scale as f32).collect())
    }

    /// Copies A to the host; with `PiSSA`, the initial A is appended as further rows.
    pub(crate) fn host_a(&self) -> HostTensor {
        let a = self.lora_a.val().inner();
        on_host(match &self.start {
            None => a,
            Some(start) => Tensor::cat(vec![a, start.a.clone()], 0),
        })
    }

    /// Copies B to the host; with `PiSSA`, the negated initial B is appended as further columns.
    pub(crate) fn host_b(&self) -> HostTensor {
        let b = self.lora_b.val().inner();
        on_host(match &self.start {
            None => b,
            Some(start) => Tensor::cat(vec![b, start.b.clone().neg()], 1),
        })
    }

    /// Copies the magnitudes to the host, `[out]`.
    pub(crate) fn host_magnitude(&self) -> Option<HostTensor> {
        let HostTensor { values, .. } = on_host(self.lora_magnitude_vector()?);
        Some(HostTensor {
            shape: vec![values.len()],
            values,
        })
    }

    /// Returns the factor of each row of the adapted weight, `[out]`, with `DoRA`.
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

    /// Id of A, the key of its gradient and optimizer state.
    pub fn lora_a_id(&self) -> ParamId {
        self.lora_a.id
    }

    /// Id of B.
    pub fn lora_b_id(&self) -> ParamId {
        self.lora_b.id
    }

    /// Id of the magnitudes.
    pub fn lora_magnitude_vector_id(&self) -> Option<ParamId> {
        let magnitude = self.magnitude.as_ref()?;
        Some(magnitude.lora_magnitude_vector.id)
    }

    /// Id of the bias of B.
    pub fn lora_bias_id(&self) -> Option<ParamId> {
        self.lora_bias.as_ref().map(|bias| bias.id)
    }

    /// The parameters A, B and, where they exist, magnitudes and bias.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &Param<Tensor<2>>> {
        let magnitude = self.magnitude.iter().map(|m| &m.lora_magnitude_vector);
        let pair = [&self.lora_a, &self.lora_b].into_iter();
        pair.chain(magnitude).chain(&self.lora_bias)
    }

    /// Returns the adapted layer's output without its bias; `base` is the frozen layer's output for `x`.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; `base`: `[n, out]`; `weight`: `[out, in]`; returns `[n, out]`, all in the number type of `x`
    pub(crate) fn adapt(&self, base: Tensor<2>, x: Tensor<2>, weight: &FrozenWeight) -> Tensor<2> {
        let base = match &self.start {
            None => base,
            // The part taken from the weight is subtracted without dropout and without gradient.
            Some(Start { a, b }) => base - self.scaled(x.clone(), a, b),
        };
        let dropped = self
            .dropout
            .as_ref()
            .map(|dropout| dropout.apply(x.clone()));
        let drops = dropped.is_some();
        let x = dropped.unwrap_or(x);
        let (a, b) = (self.lora_a.val(), self.lora_b.val());
        let mut update = self.scaled(x.clone(), &a, &b);
        if let Some(bias) = &self.lora_bias {
            update = update + bias.val().mul_scalar(self.scale).cast(x.dtype());
        }
        let Some(magnitude) = &self.magnitude else {
            return base + update;
        };
        let factor = magnitude.factor(weight, &a, &b, self.scale).cast(x.dtype());
        if drops {
            // As in PEFT, the magnitudes' change to the frozen output belongs to the adapter and gets dropout too.
            let frozen = weight.forward(x);
            return base + (frozen.clone() + update) * factor - frozen;
        }
        (base + update) * factor
    }

    /// Returns A and B of a plain LoRA pair; `None` with `DoRA`, a bias, `PiSSA` or dropout.
    pub(crate) fn alone(&self) -> Option<[Tensor<2>; 2]> {
        let alone = self.magnitude.is_none()
            && self.lora_bias.is_none()
            && self.start.is_none()
            && self.dropout.is_none();
        alone.then(|| [self.lora_a.val(), self.lora_b.val()])
    }

    /// `scale * (x Aᵀ) Bᵀ`.
    fn scaled(&self, x: Tensor<2>, a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
        // The scale is applied to the narrow product of width r.
        let narrow = matmul_transposed(x, a).mul_scalar(self.scale);
        matmul_transposed(narrow, b)
    }

    /// The parameters' tensors: A, B and, where they exist, magnitudes and bias.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<2>> {
        self.parameters().map(Param::val)
    }

    /// Returns the same pair with other tensors, given in the order of [`Self::tensors`].
    pub(super) fn over(&self, tensors: &mut impl Iterator<Item = Tensor<2>>) -> Self {
        let mut next = || match tensors.next() {
            Some(tensor) => tensor,
            None => unreachable!("as many tensors as there are parameters"),
        };
        Self {
            lora_a: Param::initialized(self.lora_a.id, next()),
            lora_b: Param::initialized(self.lora_b.id, next()),
            magnitude: self.magnitude.as_ref().map(|m| m.over(next())),
            lora_bias: self
                .lora_bias
                .as_ref()
                .map(|bias| Param::initialized(bias.id, next())),
            scale: self.scale,
            start: self.start.clone(),
            dropout: self.dropout.clone(),
        }
    }

    /// Splits the ranks that subtract the initial values off a loaded `PiSSA` pair.
    ///
    /// The parameters are tracked if `device` is an autodiff device.
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

/// Copies a tensor to the host.
pub(crate) fn on_host(tensor: Tensor<2>) -> HostTensor {
    let data = tensor.inner().into_data();
    HostTensor {
        shape: data.shape().to_vec(),
        values: data
            .try_into_vec()
            .unwrap_or_else(|e| unreachable!("adapters are f32: {e:?}")),
    }
}

/// Creates a parameter with the given values; tracked if `device` is an autodiff device.
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

/// The linear layers of Llama, of which saved states contain consecutive ids.
const LLAMA_TARGETS: usize = 7;
/// Room for the linear layers of all other families.
const OTHER_TARGETS: usize = 64;

/// The index of a linear layer within the model.
pub(crate) fn module_index(layer: usize, target: Target) -> u64 {
    let target = target as usize;
    if target < LLAMA_TARGETS {
        return (layer * LLAMA_TARGETS + target) as u64;
    }
    // Behind those of any model with the first names.
    (1 << 32) + (layer * OTHER_TARGETS + target) as u64
}

/// The id of part `part` of a pair (A: 0, B: 1, magnitudes: 2, bias: 3), derived from its layer's index in the model.
///
/// It is stable, so that a saved optimizer state finds its parameter again.
pub(crate) fn parameter_id(index: u64, part: u64) -> ParamId {
    // Starts at 1 and leaves room for four parts per layer.
    ParamId::from(1 + index * 4 + part)
}
