//! Fused operations of a decoder on plain tensors, forward and backward, outside autodiff.
//!
//! Each operation exists twice: as a `CubeCL` kernel of `slm-kernels` (`cube`), and in burn's operations on any device
//! ([`plain`]). [`Kernels`] selects the kernel only after it agreed with the plain form on the very device, see
//! [`crate::kernel_check`]; the CPU has its own fused operations in [`crate::kernel`].

#[cfg(feature = "cube")]
pub(crate) mod cube;
pub(crate) mod functions;
mod kernels;
mod operations;
pub(crate) mod plain;

#[cfg(feature = "cube")]
pub(crate) use kernels::KernelResult;
pub use kernels::{Kernel, KernelState, Kernels};
pub(crate) use plain::{Direction, SwigluGradients};
