//! Compares the model with transformers, PEFT, llama.cpp and gguf-py; goldens and their scripts are in `golden/`.

mod adapter;
mod chat;
mod families;
mod foreign_adapters;
mod fp8;
mod generation;
mod gguf_vocabularies;
mod hostile_files;
mod log_probabilities;
mod logits;
mod merge;
mod real_model;
mod support;
mod thinking;
mod tokenizer;
mod tokenizer_kinds;
mod training;
mod vocabulary_file;
mod weights;
