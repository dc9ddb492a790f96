//! Why a program cannot be put into its file.

/// Why a program cannot be put into its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpliceFault {
    /// The program does not parse.
    #[error("the program does not parse")]
    Unparsable,
    /// The program does not define the function.
    #[error("nothing defines the function")]
    NoDefinition,
    /// The file with the program's definition does not parse.
    #[error("the file with the definition does not parse")]
    DoesNotFit,
}
