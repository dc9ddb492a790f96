//! Tests of the formats against the documentation and other programs.

mod formats;
