//! The workspace's conventions as tests: what is written in the README and the manifests, and nobody would notice broken.

mod boundaries;
mod files;
mod source;
