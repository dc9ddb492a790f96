//! The reference of recipe keys, made from the table of keys: as a page, as text for a terminal, and as a JSON schema.

mod defaults;
mod explain;
mod json_schema;
mod page;
#[cfg(test)]
mod tests;
mod type_name;

pub use explain::UnknownName;

use crate::load::Names;

/// The reference of all keys of a recipe.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    benchmarks: Names,
}

impl Reference {
    /// The reference for a program that knows the benchmarks with these names.
    pub fn new(benchmarks: Names) -> Self {
        Self { benchmarks }
    }

    /// The Markdown page docs/reference/recipe.md.
    pub fn page(&self) -> String {
        page::page(self.benchmarks)
    }

    /// The JSON schema docs/recipe.schema.json, indented, for editors.
    pub fn json_schema(&self) -> String {
        json_schema::text(self.benchmarks)
    }

    /// All sections and keys, a line each.
    pub fn overview(&self) -> String {
        explain::overview()
    }

    /// The keys that `name` means, each with type, default, aliases and sentence: a path (`lora.r`), a section (`lora`),
    /// an alias (`lora_rank`) or a key without its section (`r`).
    ///
    /// # Errors
    /// There is no such key; the error suggests the nearest.
    pub fn explain(&self, name: &str) -> Result<String, UnknownName> {
        explain::explain(name, self.benchmarks)
    }
}
