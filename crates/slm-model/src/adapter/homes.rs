//! Which tensor of an adapter's file belongs to which module of the model.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor};

use super::AdapterError;
use super::file::AdapterFile;
use crate::lora::parameter;

/// Assigns tensors of a file to the modules of the model.
pub(super) struct Homes<'a> {
    pub(super) file: AdapterFile,
    /// One line for each missing or misshapen tensor.
    pub(super) mismatches: Vec<String>,
    pub(super) device: &'a Device,
}

impl Homes<'_> {
    /// Returns the parameter at a place, a vector as a row; `None`, with a mismatch line, if it does not fit.
    pub(super) fn fill(
        &mut self,
        place: &str,
        expected: &[usize],
        id: ParamId,
    ) -> Result<Option<Param<Tensor<2>>>, AdapterError> {
        let found = self.file.shape(place).map(<[usize]>::to_vec);
        let line = match found {
            None => format!("  {place}: missing, expected {expected:?}"),
            Some(found) if found != expected => {
                self.file.discard(place);
                format!("  {place}: found {found:?}, expected {expected:?}")
            }
            Some(_) => {
                let values = self.file.take(place)?;
                let parameter = values
                    .zip(expected.split_last())
                    .map(|(values, (width, rows))| {
                        let shape = [rows.iter().product(), *width];
                        parameter(values, shape, id, self.device)
                    });
                return Ok(parameter);
            }
        };
        self.mismatches.push(line);
        Ok(None)
    }

    /// Returns all mismatches, including tensors without a module.
    pub(super) fn mismatches(mut self) -> Vec<String> {
        let left = self.file.places();
        let left = left.map(|(place, _)| format!("  {place}: not part of this model"));
        self.mismatches.extend(left);
        self.mismatches
    }
}
