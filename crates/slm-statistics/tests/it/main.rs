//! Simulated coverage of intervals and error rates of tests, on task values like those of real runs.

mod coverage;
mod false_positives;
mod simulation;
