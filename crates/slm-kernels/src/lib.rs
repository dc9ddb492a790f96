//! Fused operations of training on GPUs, forward and backward, as `CubeCL` kernels on burn's `CubeTensor`.
//!
//! Each kernel runs on every runtime of `CubeCL`: CUDA, wgpu, and the CPU runtime, which the tests use. All of them are
//! generic over the float type; sums are in single precision and in a fixed order, without atomic operations, so that
//! equal inputs give equal bits. Matrix products do so for one tuning result: `matmul` races candidates by time, and these
//! sum in different orders.
//!
//! `slm-model` compares every kernel with plain operations on the device when a model is loaded. Of `matmul`, whose
//! kernels depend on the shape, it compares products of few rows and one of 2048 rows; products of other shapes are
//! unchecked.
//!
//! Without the feature `cube` the crate is empty.

#![allow(
    clippy::used_underscore_binding,
    reason = "a kernel's `_kind` chooses its number format in the code that `#[cube]` writes"
)]

#[cfg(feature = "cube")]
mod reduce;
#[cfg(feature = "cube")]
mod tensors;

#[cfg(feature = "cube")]
pub mod concat;
#[cfg(feature = "cube")]
pub mod cross_entropy;
#[cfg(feature = "cube")]
pub mod dropout;
#[cfg(feature = "cube")]
pub mod flash;
#[cfg(feature = "ptx")]
pub mod inventory;
#[cfg(feature = "cube")]
pub mod matmul;
#[cfg(feature = "cube")]
pub mod norm;
#[cfg(feature = "ptx")]
pub mod offline;
#[cfg(feature = "cube")]
pub mod rotary;
#[cfg(feature = "cube")]
pub mod sum;
#[cfg(feature = "cube")]
pub mod swiglu;
