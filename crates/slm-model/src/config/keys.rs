//! Access to the metadata of a file that is not `config.json`.

use super::ConfigError;

/// The keys of a model's architecture in a GGUF file, without their prefix, and its vectors.
pub(crate) trait ModelKeys {
    /// Returns a non-negative integer; a list with one value for each layer is accepted if all are equal.
    ///
    /// # Errors
    /// Another type, or values that differ between layers.
    fn size(&self, key: &str) -> Result<Option<usize>, ConfigError>;

    /// As [`Self::size`], for a key that must exist.
    ///
    /// # Errors
    /// As [`Self::size`], or the key is missing.
    fn required_size(&self, key: &str) -> Result<usize, ConfigError>;

    /// Returns a number.
    ///
    /// # Errors
    /// Another type.
    fn float(&self, key: &str) -> Result<Option<f64>, ConfigError>;

    /// Returns a boolean.
    ///
    /// # Errors
    /// Another type.
    fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError>;

    /// Reads a tensor by its full name, if the file contains it.
    ///
    /// # Errors
    /// It cannot be read.
    fn optional_vector(&self, name: &str) -> Result<Option<Vec<f32>>, ConfigError>;
}
