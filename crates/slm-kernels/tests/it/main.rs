//! Kernels on `CubeCL`'s CPU runtime, against sums in double precision, and their assembly for NVIDIA's GPUs.

#[cfg(feature = "cube-cpu")]
mod concat;
#[cfg(feature = "cube-cpu")]
mod cross_entropy;
#[cfg(feature = "cube-cpu")]
mod dropout;
#[cfg(feature = "cube-cpu")]
mod flash;
#[cfg(feature = "cube-cpu")]
mod matmul;
#[cfg(feature = "cube-cpu")]
mod norm;
#[cfg(feature = "ptx")]
mod ptx;
#[cfg(feature = "cube-cpu")]
mod rotary;
#[cfg(feature = "cube-cpu")]
mod sum;
#[cfg(feature = "cube-cpu")]
mod support;
#[cfg(feature = "cube-cpu")]
mod swiglu;
