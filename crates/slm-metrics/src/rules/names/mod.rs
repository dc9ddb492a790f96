//! The names of a module: where they are bound, which bindings are used, and which uses have no binding.
//!
//! As in Python, the bodies of functions are visited after the module, so that they see all its names.

mod annotations;
mod build;
mod model;

pub(super) use build::names;
pub(super) use model::{Binding, BindingKind, Names, ScopeKind};
