//! Do intervals cover, and tests err, as often as they promise? Simulated on task values like those of real runs.

mod coverage;
mod false_positives;
mod simulation;
