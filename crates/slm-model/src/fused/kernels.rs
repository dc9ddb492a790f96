//! The names of the kernels, and which of them a decoder uses.

use std::sync::Arc;

/// A group of kernels that is switched on or off as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// `RMSNorm`, alone or after the sum with a block's output, and its gradient.
    Norm,
    /// Rotary position embedding of queries and keys.
    Rotary,
    /// `SwiGLU` and its gradient.
    Swiglu,
    /// Scaled sums of several products, with the bias and the residual stream.
    Sum,
    /// Matrix products with a result of any dtype, such as single precision from bf16 operands.
    Matmul,
    /// Flash attention and its gradient.
    Attention,
    /// Cross-entropy of logits and its gradient.
    CrossEntropy,
    /// Dropout masks.
    Dropout,
}

impl Kernel {
    /// All kernels, in the order of a training step.
    pub const ALL: [Self; 8] = [
        Self::Norm,
        Self::Rotary,
        Self::Swiglu,
        Self::Sum,
        Self::Matmul,
        Self::Attention,
        Self::CrossEntropy,
        Self::Dropout,
    ];

    /// The name in messages, such as `cross-entropy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Norm => "norm",
            Self::Rotary => "rotary",
            Self::Swiglu => "swiglu",
            Self::Sum => "sum",
            Self::Matmul => "matmul",
            Self::Attention => "attention",
            Self::CrossEntropy => "cross-entropy",
            Self::Dropout => "dropout",
        }
    }

    /// Returns the kernel with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == name)
    }
}

#[cfg(feature = "cube-cpu")]
impl Kernel {
    /// The names of what its functions return, which tests of the check make wrong one at a time.
    pub(crate) fn results(self) -> &'static [&'static str] {
        match self {
            Self::Norm => &["normed", "inverse_rms", "sum", "backward"],
            Self::Rotary => &["queries", "keys", "rotated"],
            Self::Swiglu => &["forward", "hidden", "of_gate", "of_up"],
            Self::Sum => &["sum", "cast"],
            Self::Matmul => &["product"],
            Self::Attention => &["out", "log_sums", "of_queries", "of_keys", "of_values"],
            // The probabilities are the gradient except at the target.
            Self::CrossEntropy => &["losses", "gradient", "probabilities", "losses_alone"],
            Self::Dropout => &["mask"],
        }
    }
}

/// A kernel and the name of one of its results.
#[cfg(feature = "cube")]
pub(crate) type KernelResult = (Kernel, &'static str);

/// Whether a kernel is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelState {
    /// It agreed with burn's operations on this device.
    On,
    /// burn's operations are used instead, for this reason.
    Off(String),
}

/// The kernels of one device and dtype, each with its state. Clones share it.
///
/// Empty on the CPU, whose fused operations are not kernels of a device.
#[derive(Clone, Debug, Default)]
pub struct Kernels {
    states: Arc<[(Kernel, KernelState)]>,
    /// A result that is made wrong, for tests of the check.
    #[cfg(feature = "cube")]
    broken: Option<KernelResult>,
}

impl Kernels {
    /// Kernels with the given states; those that are not listed are off.
    #[cfg(any(feature = "cube", test))]
    pub(crate) fn new(states: Vec<(Kernel, KernelState)>) -> Self {
        Self {
            states: states.into(),
            #[cfg(feature = "cube")]
            broken: None,
        }
    }

    /// The same, with one result that is made wrong.
    #[cfg(feature = "cube")]
    #[must_use]
    pub(crate) fn with_broken(mut self, broken: Option<KernelResult>) -> Self {
        self.broken = broken;
        self
    }

    /// Whether a result of a kernel is to be made wrong.
    #[cfg(feature = "cube")]
    pub(crate) fn breaks(&self, kernel: Kernel, result: &'static str) -> bool {
        #[cfg(all(test, feature = "cube-cpu"))]
        assert!(
            kernel.results().contains(&result),
            "{kernel:?} does not list {result}"
        );
        self.broken == Some((kernel, result))
    }

    /// Every kernel with its state; empty on the CPU.
    pub fn iter(&self) -> impl Iterator<Item = (Kernel, &KernelState)> {
        self.states.iter().map(|(kernel, state)| (*kernel, state))
    }

    /// The kernels that are off, each with the reason; empty on the CPU.
    pub fn off(&self) -> impl Iterator<Item = (Kernel, &str)> {
        self.iter().filter_map(|(kernel, state)| match state {
            KernelState::On => None,
            KernelState::Off(reason) => Some((kernel, &reason[..])),
        })
    }

    /// Whether a kernel is used.
    pub fn is_on(&self, kernel: Kernel) -> bool {
        self.iter()
            .any(|(listed, state)| listed == kernel && *state == KernelState::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_differ() {
        for kernel in Kernel::ALL {
            assert_eq!(Kernel::from_name(kernel.name()), Some(kernel));
        }
        assert_eq!(Kernel::from_name("softmax"), None);
    }

    #[test]
    fn a_kernel_that_is_not_listed_is_off() {
        let off = KernelState::Off("it differs".to_owned());
        let kernels = Kernels::new(vec![(Kernel::Norm, KernelState::On), (Kernel::Sum, off)]);
        let on = Kernel::ALL.map(|kernel| kernels.is_on(kernel));
        assert_eq!(on.iter().filter(|&&on| on).count(), 1);
        assert!(kernels.is_on(Kernel::Norm));
        assert_eq!(
            kernels.off().collect::<Vec<_>>(),
            [(Kernel::Sum, "it differs")]
        );
        assert_eq!(Kernels::default().iter().count(), 0);
    }
}
