//! The inputs of the check, and what each kernel must give.

mod products;
mod rows;

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::bf16;

use crate::config::{Heads, ModelConfig};
use crate::fused::{Kernel, KernelResult, KernelState, Kernels};

/// Rows of most inputs: neither even nor a multiple of a vector.
const ROWS: usize = 5;
/// Tokens per sequence: more than a tile of attention has, and no multiple of one.
const LENGTH: usize = 70;
const EPS: f64 = 1e-6;

/// Checks every kernel; the result `broken` is made wrong.
pub(crate) fn checked(
    device: &Device,
    kind: DType,
    config: &ModelConfig,
    broken: Option<KernelResult>,
) -> Kernels {
    let all = Kernel::ALL.map(|kernel| (kernel, KernelState::On));
    let kernels = Kernels::new(all.into()).with_broken(broken);
    let check = Check::new(device, kind, config, kernels);
    let states = Kernel::ALL.map(|kernel| {
        let checked = catch_unwind(AssertUnwindSafe(|| check.of(kernel)));
        let state = match checked {
            Ok(Ok(())) => KernelState::On,
            Ok(Err(reason)) => KernelState::Off(reason),
            Err(panic) => KernelState::Off(format!("it failed: {}", message(&*panic))),
        };
        (kernel, state)
    });
    Kernels::new(states.into()).with_broken(broken)
}

/// The first line of a panic's message.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    text.lines().next().unwrap_or_default().to_owned()
}

/// An input on the device, and its values on the CPU in single precision.
struct Input<const D: usize> {
    device: Tensor<D>,
    host: Tensor<D>,
}

struct Check<'a> {
    device: &'a Device,
    kind: DType,
    heads: Heads,
    /// Width of hidden states.
    width: usize,
    /// Width of the hidden states of the feed-forward block.
    inner: usize,
    kernels: Kernels,
}

type Checked = Result<(), String>;

impl<'a> Check<'a> {
    fn new(device: &'a Device, kind: DType, config: &ModelConfig, kernels: Kernels) -> Self {
        Self {
            device,
            kind,
            heads: Heads::of(config),
            width: config.hidden_size,
            inner: config.intermediate_size,
            kernels,
        }
    }
}

impl Check<'_> {
    fn of(&self, kernel: Kernel) -> Checked {
        match kernel {
            Kernel::Norm => self.norm(),
            Kernel::Rotary => self.rotary(),
            Kernel::Swiglu => self.swiglu(),
            Kernel::Sum => self.sum(),
            Kernel::Matmul => self.matmul(),
            Kernel::Attention => self.attention(),
            Kernel::CrossEntropy => self.cross_entropy(),
            Kernel::Dropout => self.dropout(),
        }
    }

    /// Pseudo-random values from -1 to 1 in the decoder's dtype, a function of the seed.
    fn input<const D: usize>(&self, seed: u32, shape: [usize; D]) -> Input<D> {
        self.input_as(self.kind, seed, shape)
    }

    fn input_as<const D: usize>(&self, kind: DType, seed: u32, shape: [usize; D]) -> Input<D> {
        self.input_of(kind, seed, shape, |_, value| value)
    }

    /// The same with each value changed by a function of its index, and then rounded to bf16.
    fn input_of<const D: usize>(
        &self,
        kind: DType,
        seed: u32,
        shape: [usize; D],
        change: impl Fn(usize, f32) -> f32,
    ) -> Input<D> {
        let mut state = seed.wrapping_mul(0x9e37_79b9).wrapping_add(12_345);
        let values = (0..shape.iter().product()).map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bf16::from_f32(change(at, (state >> 8) as f32 / (1 << 23) as f32 - 1.0))
        });
        let values: Vec<bf16> = values.collect();
        let wide: Vec<f32> = values.iter().map(|value| value.to_f32()).collect();
        let host = Tensor::from_data(TensorData::new(wide.clone(), shape), &Device::flex());
        let device = if kind == DType::BF16 {
            Tensor::from_data(TensorData::new(values, shape), (self.device, kind))
        } else {
            Tensor::from_data(TensorData::new(wide, shape), self.device)
        };
        Input { device, host }
    }

    /// The largest difference that rounding explains, relative to the largest value: 4 units in the last place of bf16,
    /// or sums in another order in single precision.
    fn bound(&self) -> f32 {
        if self.kind == DType::BF16 {
            1.6e-2
        } else {
            1e-5
        }
    }

    /// Compares a result with the expected values, relative to the largest.
    fn agree<const D: usize>(&self, what: &str, found: Tensor<D>, expected: Tensor<D>) -> Checked {
        agree_within(Within::All(self.bound()), what, found, expected)
    }
}

/// The largest difference between a value and the expected one.
#[derive(Clone, Copy)]
enum Within {
    /// Relative to the largest expected value.
    All(f32),
    /// Relative to the largest expected value of the row.
    Row(f32),
    /// Relative to the expected value itself, or absolute where that is more.
    Each { relative: f32, absolute: f32 },
}

/// Compares a result with the expected values.
fn agree_within<const D: usize>(
    within: Within,
    what: &str,
    found: Tensor<D>,
    expected: Tensor<D>,
) -> Checked {
    let (shape, expected_shape) = (found.dims(), expected.dims());
    if shape != expected_shape {
        return Err(format!(
            "the shape of {what} is {shape:?}, expected {expected_shape:?}"
        ));
    }
    let values = |tensor: Tensor<D>| -> Result<Vec<f32>, String> {
        let data = tensor.into_data().convert::<f32>();
        data.try_into_vec()
            .map_err(|error| format!("{what} cannot be read: {error:?}"))
    };
    let (found, expected) = (values(found)?, values(expected)?);
    let width = match within {
        Within::Row(_) => shape[D - 1],
        Within::All(_) | Within::Each { .. } => expected.len(),
    };
    let rows = found
        .chunks(width.max(1))
        .zip(expected.chunks(width.max(1)));
    for (found, expected) in rows {
        let largest = expected
            .iter()
            .fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
        for (&found, &expected) in found.iter().zip(expected) {
            let bound = match within {
                Within::All(bound) | Within::Row(bound) => bound * largest,
                Within::Each { relative, absolute } => absolute.max(relative * expected.abs()),
            };
            // NaN is not below any bound.
            let is_near = (found - expected).abs() <= bound;
            if !is_near {
                return Err(format!("{what} has {found} where {expected} is expected"));
            }
        }
    }
    Ok(())
}
