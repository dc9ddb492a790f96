//! The rules on answers of a scripted model, whose distribution predicts the counts.

mod answers;
mod counts;
mod decompositions;
mod memory;
mod python;
mod reasons;
mod routes;
