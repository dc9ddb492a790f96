//! FP8 weights (E4M3) with their scales, dequantised when they are read.
//!
//! A value is its code times the scale of its tensor, row or block, in single precision: the arithmetic of torch's
//! `weight.float() * scale.float()`. Both published names of scales are factors, `weight_scale_inv` too.
//!
//! # Source
//! The codes: Micikevicius et al. 2022, arXiv:2209.05433, table 1. The scales: `Fp8Dequantize` of
//! <https://github.com/huggingface/transformers>, and <https://github.com/vllm-project/compressed-tensors>.

use std::sync::LazyLock;

use ::safetensors::Dtype;
use rayon::prelude::*;

use super::{SafetensorsError, SafetensorsFile, SafetensorsFolder};
use crate::config::{FP8_SCALES, Fp8};
use crate::weight_file::HostTensor;

/// The values of all codes.
static VALUES: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|code| value_of(code as u8)));

/// The value of a code: a sign, four bits of exponent with a bias of 7, three bits of mantissa. There are no
/// infinities; codes with all bits set but the sign are NaN.
fn value_of(code: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(code >> 3 & 0x0f), f32::from(code & 0x07));
    let size = match (exponent, code & 0x07) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 8.0 * 2_f32.powi(-6),
        _ => (1.0 + mantissa / 8.0) * 2_f32.powi(exponent - 7),
    };
    if code & 0x80 == 0 { size } else { -size }
}

/// The part of a matrix that shares a scale.
struct Scales {
    rows_per_scale: usize,
    columns_per_scale: usize,
    /// Scales in a row of scales.
    width: usize,
}

impl SafetensorsFolder {
    /// Sets how FP8 weights are dequantised; without settings they are of an unsupported type.
    pub(crate) fn with_fp8(self, fp8: Option<Fp8>) -> Self {
        let mut folder = self;
        folder.fp8 = fp8;
        folder
    }

    /// Returns the settings if the tensor called `name` has FP8 codes.
    ///
    /// # Errors
    /// The tensor is missing, or it has scales and no codes.
    pub(super) fn fp8_of(&self, name: &str) -> Result<Option<Fp8>, SafetensorsError> {
        let Some(fp8) = self.fp8 else {
            return Ok(None);
        };
        let file = self.home(name)?;
        if file.dtype(name) == Some(Dtype::F8_E4M3) {
            return Ok(Some(fp8));
        }
        match self.scale_name(name) {
            None => Ok(None),
            Some(scale) => Err(SafetensorsError::Corrupt {
                path: file.path().to_owned(),
                what: format!("`{scale}` exists, but `{name}` is not of type F8_E4M3"),
            }),
        }
    }

    /// Returns the name of the tensor with the scales of `name`.
    fn scale_name(&self, name: &str) -> Option<String> {
        let module = name.strip_suffix(".weight")?;
        let mut names = FP8_SCALES.iter().map(|end| format!("{module}{end}"));
        names.find(|name| self.shape(name).is_some())
    }

    /// Checks the codes and scales of a tensor by their headers; returns the tensor's shape, the file with its codes,
    /// and its scales with their name.
    fn fp8_parts(
        &self,
        name: &str,
        fp8: Fp8,
    ) -> Result<(&[usize], &SafetensorsFile, Scales, String), SafetensorsError> {
        let file = self.home(name)?;
        let corrupt = |what| SafetensorsError::Corrupt {
            path: file.path().to_owned(),
            what,
        };
        let scale_name = self.scale_name(name).ok_or_else(|| {
            let module = name.strip_suffix(".weight").unwrap_or(name);
            let [inverse, plain] = FP8_SCALES.map(|end| format!("`{module}{end}`"));
            corrupt(format!(
                "`{name}` is of type F8_E4M3, but neither {inverse} nor {plain} exists"
            ))
        })?;
        let shape = self.shape(name).unwrap_or_default();
        let &[rows, columns] = shape else {
            return Err(corrupt(format!(
                "`{name}` is of type F8_E4M3 and of shape {shape:?}, expected a matrix"
            )));
        };
        let of_scales = self.home(&scale_name)?.readable_shape(&scale_name)?;
        let scales = match (of_scales, fp8.block) {
            ([] | [1] | [1, 1], _) => Scales {
                rows_per_scale: rows,
                columns_per_scale: columns,
                width: 1,
            },
            ([found] | [found, 1], _) if *found == rows => Scales {
                rows_per_scale: 1,
                columns_per_scale: columns,
                width: 1,
            },
            ([down, across], Some([height, width]))
                if *down == rows.div_ceil(height) && *across == columns.div_ceil(width) =>
            {
                Scales {
                    rows_per_scale: height,
                    columns_per_scale: width,
                    width: *across,
                }
            }
            _ => {
                let blocks = fp8.block.map_or_else(String::new, |[height, width]| {
                    let grid = [rows.div_ceil(height), columns.div_ceil(width)];
                    format!(", or {grid:?} for blocks of {height} x {width}")
                });
                return Err(corrupt(format!(
                    "`{scale_name}` is of shape {of_scales:?}, expected one scale, {:?}{blocks}",
                    [rows, 1]
                )));
            }
        };
        Ok((shape, file, scales, scale_name))
    }

    /// Checks that a tensor has codes and scales, and returns its shape.
    pub(super) fn fp8_shape(&self, name: &str, fp8: Fp8) -> Result<&[usize], SafetensorsError> {
        Ok(self.fp8_parts(name, fp8)?.0)
    }

    /// Reads a tensor and dequantises it; codes for NaN stay NaN.
    pub(super) fn fp8_tensor(&self, name: &str, fp8: Fp8) -> Result<HostTensor, SafetensorsError> {
        let (shape, file, scales, scale_name) = self.fp8_parts(name, fp8)?;
        let factors = self.home(&scale_name)?.tensor(&scale_name)?.values;
        let columns = shape[1].max(1);
        let mut values = vec![0.0; shape.iter().product()];
        values
            .par_chunks_mut(columns)
            .enumerate()
            .try_for_each_init(Vec::new, |codes, (row, values)| {
                file.read_codes(name, row * columns, codes, values.len())?;
                let factors = &factors[row / scales.rows_per_scale * scales.width..];
                let parts = values
                    .chunks_mut(scales.columns_per_scale)
                    .zip(codes.chunks(scales.columns_per_scale));
                for ((values, codes), factor) in parts.zip(factors) {
                    for (value, &code) in values.iter_mut().zip(codes) {
                        *value = VALUES[usize::from(code)] * factor;
                    }
                }
                Ok(())
            })?;
        Ok(HostTensor {
            shape: shape.to_vec(),
            values,
        })
    }
}

impl SafetensorsFile {
    /// Returns the type of the tensor called `name`.
    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.header.info(name).map(|info| info.dtype)
    }

    /// Reads `len` bytes of a tensor of codes, starting at index `first`.
    fn read_codes(
        &self,
        name: &str,
        first: usize,
        codes: &mut Vec<u8>,
        len: usize,
    ) -> Result<(), SafetensorsError> {
        let start = self.header.info(name).map_or(0, |info| info.data_offsets.0);
        codes.resize(len, 0);
        let read = self
            .file
            .read_exact_at(codes, self.data_start + (start + first) as u64);
        read.map_err(|source| SafetensorsError::Io {
            path: self.path().to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_values_of_the_paper() {
        for (code, value) in [
            (0x00, 0.0),
            (0x01, 2_f32.powi(-9)),
            (0x07, 0.875 * 2_f32.powi(-6)),
            (0x08, 2_f32.powi(-6)),
            (0x38, 1.0),
            (0x7e, 448.0),
            (0xfe, -448.0),
            (0xc1, -2.25),
        ] {
            assert_eq!(VALUES[code].to_bits(), value.to_bits(), "{code:#x}");
        }
        assert!(VALUES[0x80].to_bits() == (-0.0_f32).to_bits());
        let nan = (0..256).filter(|&code: &usize| VALUES[code].is_nan());
        assert_eq!(nan.collect::<Vec<_>>(), [0x7f, 0xff]);
        assert!(VALUES.iter().all(|value| !value.is_infinite()));
    }

    fn golden(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/golden/fp8")
            .join(name)
    }

    /// `golden/fp8/make.py` computes the values with torch.
    #[test]
    fn weights_with_each_kind_of_scale_have_torchs_bits() {
        let expected = SafetensorsFile::open(&golden("expected.safetensors")).expect("golden");
        let block = Some([128, 128]);
        let folder = SafetensorsFolder::open(&golden("")).expect("golden");
        let folder = folder.with_fp8(Some(Fp8 { block }));
        let bits = |tensor: HostTensor| tensor.values.iter().map(|v| v.to_bits()).collect();
        for name in expected.names() {
            let found: Vec<u32> = bits(folder.tensor(&name).expect("FP8"));
            let expected: Vec<u32> = bits(expected.tensor(&name).expect("golden"));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn scales_that_do_not_fit_their_weight_are_refused_by_name() {
        let folder = |block| {
            let folder = SafetensorsFolder::open(&golden("")).expect("golden");
            folder.with_fp8(block)
        };
        let refusal = |folder: &SafetensorsFolder, name: &str| {
            let name = format!("model.layers.0.{name}.weight");
            let error = folder.readable_shape(&name).expect_err("refused");
            error.to_string()
        };
        let unset = refusal(&folder(None), "block");
        assert!(
            unset.contains("of type F8_E4M3") && unset.contains("hint"),
            "{unset}"
        );
        for (block, expected) in [
            (None, "of shape [2, 2], expected one scale, [130, 1]"),
            (Some([64, 128]), "or [3, 2] for blocks of 64 x 128"),
        ] {
            let found = refusal(&folder(Some(Fp8 { block })), "block");
            assert!(found.contains(expected), "{found}");
        }
        let plain = folder(Some(Fp8 { block: None }));
        assert!(plain.readable_shape("model.layers.0.plain.weight").is_ok());
    }
}
