//! Tests of the source tree: crate boundaries, import cycles between modules, files, and the map of folders.

mod boundaries;
mod files;
mod idioms;
mod knots;
mod markdown;
