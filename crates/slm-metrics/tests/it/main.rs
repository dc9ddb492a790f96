//! Integration tests of the metrics crate.

mod bandit;
mod bleu;
mod cognitive;
mod extraction;
mod functions;
mod hostile;
mod known_issues;
mod mutants;
mod normalised;
mod parity;
mod published_package;
mod rules;
mod similarity;
