//! Values on the device of the tests, and bounds of comparisons.

use burn_backend::ops::{FloatTensorOps, IntTensorOps};
use burn_backend::{DType, TensorData, TensorMetadata};
use burn_cubecl::ops::into_data_sync;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{Cube, CubeDevice};
use half::{bf16, f16};

/// Widths of rows that the tests cover: of one value, odd, a power of two, one more, and those of a model.
pub(crate) const WIDTHS: [usize; 6] = [1, 7, 64, 65, 1536, 8960];

/// The device of the tests: the CPU runtime, or wgpu with `SLM_TEST_DEVICE=wgpu`, on which cubes have many units.
pub(crate) fn device() -> CubeDevice {
    #[cfg(feature = "wgpu")]
    if on_wgpu() {
        return CubeDevice::Wgpu(cubecl::device::WgpuDevice::default());
    }
    CubeDevice::Cpu(cubecl::device::CpuDevice)
}

/// The narrow number format of the tests: bf16, or f32 on wgpu, which has no other.
pub(crate) fn narrow_format() -> DType {
    if on_wgpu() { DType::F32 } else { DType::BF16 }
}

fn on_wgpu() -> bool {
    cfg!(feature = "wgpu") && std::env::var("SLM_TEST_DEVICE").is_ok_and(|name| name == "wgpu")
}

/// A tensor of a number format, with the values that the device holds.
pub(crate) struct Given {
    pub(crate) tensor: CubeTensor,
    pub(crate) values: Vec<f64>,
}

/// Uploads values, rounded to the number format.
pub(crate) fn given<const D: usize>(values: &[f64], shape: [usize; D], dtype: DType) -> Given {
    let data = match dtype {
        DType::F32 => {
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            TensorData::new(values, shape)
        }
        DType::BF16 => {
            let values: Vec<bf16> = values.iter().map(|&value| bf16::from_f64(value)).collect();
            TensorData::new(values, shape)
        }
        DType::F16 => {
            let values: Vec<f16> = values.iter().map(|&value| f16::from_f64(value)).collect();
            TensorData::new(values, shape)
        }
        DType::U32 => {
            let values: Vec<u32> = values.iter().map(|&value| value as u32).collect();
            TensorData::new(values, shape)
        }
        DType::I32 => {
            let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
            TensorData::new(values, shape)
        }
        other => panic!("no test needs {other:?}"),
    };
    let values = data.iter::<f64>().collect();
    let tensor = match dtype {
        DType::I32 | DType::U32 => Cube::int_from_data(data, &device()),
        _ => Cube::float_from_data(data, &device()),
    };
    Given { tensor, values }
}

/// Uploads pseudo-random values between minus and plus `scale`.
pub(crate) fn random<const D: usize>(
    seed: u64,
    scale: f64,
    shape: [usize; D],
    dtype: DType,
) -> Given {
    let n = shape.iter().product();
    given(&uniform(seed, n, scale), shape, dtype)
}

/// Draws pseudo-random values between minus and plus `scale` (`SplitMix64`).
pub(crate) fn uniform(seed: u64, n: usize, scale: f64) -> Vec<f64> {
    let draw = |i: usize| {
        let mut z = (seed << 32 | i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        (2.0 * unit - 1.0) * scale
    };
    (0..n).map(draw).collect()
}

/// Reads a tensor back.
pub(crate) fn read(tensor: &CubeTensor) -> Vec<f64> {
    into_data_sync(tensor.clone()).iter::<f64>().collect()
}

/// Checks a result of a kernel: f32 within 2e-6 of the largest value, narrow formats within two units in
/// the last place besides.
pub(crate) fn assert_close(what: &str, actual: &CubeTensor, expected: &[f64]) {
    assert_close_to(what, actual, expected, expected);
}

/// [`assert_close`], relative to the largest of `terms`, whose differences the results are.
pub(crate) fn assert_close_to(what: &str, actual: &CubeTensor, expected: &[f64], terms: &[f64]) {
    let values = read(actual);
    assert_eq!(values.len(), expected.len(), "{what}: number of values");
    let largest = terms
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()));
    let bound = |value: f64| match actual.dtype() {
        DType::F32 => 2e-6 * largest,
        DType::BF16 => 2.0 * ulp(value, 7) + 2e-6 * largest,
        DType::F16 => 2.0 * ulp(value, 10) + 2e-6 * largest,
        other => panic!("{what}: no bound for {other:?}"),
    };
    for (i, (&value, &expected)) in values.iter().zip(expected).enumerate() {
        let bound = bound(expected);
        assert!(
            (value - expected).abs() <= bound,
            "{what}: at {i} of {}, found {value}, expected {expected} within {bound}",
            values.len()
        );
    }
}

/// The distance of numbers with `bits` bits of mantissa near a value.
fn ulp(value: f64, bits: i32) -> f64 {
    let exponent = value.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
    (exponent - f64::from(bits)).exp2()
}
