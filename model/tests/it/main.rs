//! The model against transformers, PEFT, llama.cpp and gguf-py: goldens and their scripts lie in `golden/`.

mod adapter;
mod checkpoint;
mod foreign_adapters;
mod generation;
mod logits;
mod merge;
mod real_model;
mod support;
mod tokenizer;
mod training;
