//! Integration tests of the metrics crate.

mod extraction;
mod functions;
mod hostile;
mod known_issues;
mod normalised;
mod parity;
