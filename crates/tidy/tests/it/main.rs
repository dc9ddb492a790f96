//! Tests on the tree itself: crate boundaries, knots between modules, files, and the map of folders.

mod boundaries;
mod files;
mod knots;
mod markdown;
