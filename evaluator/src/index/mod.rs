//! `evaluator index`: what retrieval has indexed, and what a query finds.

mod page;
mod subjects;

use anyhow::Result;
use serde_json::{Value, json};
use slm_cli::{Failure, UserMistake};
use slm_retrieval::{Collected, Corpus, Hit, Index, Mask, tokens};
use slm_sandbox::Interpreter;

use crate::index_arguments::IndexArguments;
use crate::knowledge::collect_sources;
use subjects::Subjects;

/// An index, with what was left out of it.
struct Indexed {
    index: Index,
    files: usize,
    /// For each reason, the files.
    left_out: Vec<(&'static str, Vec<String>)>,
}

/// Builds an index, and prints its contents or what a query finds.
pub(crate) fn run(arguments: &IndexArguments) -> Result<(), Failure> {
    Ok(index(arguments)?)
}

fn index(arguments: &IndexArguments) -> Result<()> {
    let mut top_k = slm_config::Knowledge::default().top_k;
    let Subjects { sources, query } = match &arguments.recipe {
        Some(path) => {
            let overrides = &arguments.overrides;
            let names = slm_benchmarks::NAMES;
            let recipe = slm_cli::load_recipe_without_data(path, overrides, names)?;
            top_k = recipe.knowledge.top_k;
            subjects::of_recipe(&recipe, &arguments.subjects)?
        }
        None => subjects::named(&arguments.subjects)?,
    };
    if let Some(query) = query.as_deref().filter(|query| tokens(query).is_empty()) {
        return Err(UserMistake(format!(
            "the query `{query}` has no words\nhint: name words of the documentation, or no query to list the index"
        ))
        .into());
    }
    let python = Interpreter::resolve(arguments.python.as_deref())
        .map_err(|error| UserMistake(error.to_string()))?;
    let collected = collect_sources(&sources, &python)?;
    let indexed = Indexed {
        files: collected.files.len(),
        left_out: files_left_out(&collected),
        index: Index::new(collected).map_err(|error| UserMistake(error.to_string()))?,
    };
    let top_k = arguments.top_k.map_or(top_k, usize::from);
    let hits = query.as_deref().map(|query| {
        let nothing = Mask::none();
        indexed.index.search(query, Corpus::All, &nothing, top_k)
    });
    if arguments.json {
        let document = document(&indexed, query.as_deref(), hits.as_deref());
        slm_cli::document(&serde_json::to_string_pretty(&document)?);
    } else {
        slm_cli::result(&page::page(&indexed, query.as_deref(), hits.as_deref()));
    }
    Ok(())
}

fn files_left_out(collected: &Collected) -> Vec<(&'static str, Vec<String>)> {
    let reasons = collected.left_out.iter();
    reasons
        .map(|(reason, files)| (reason.phrase(), files.clone()))
        .collect()
}

fn document(indexed: &Indexed, query: Option<&str>, hits: Option<&[Hit]>) -> Value {
    let Indexed {
        index,
        files,
        left_out,
    } = indexed;
    let chunk = |at: usize| {
        let of = &index.chunks()[at];
        json!({
            "chunk": at, "kind": of.kind.as_str(), "name": of.name, "source": of.source, "lines": of.lines,
            "sha256": of.sha256,
        })
    };
    let mut document = json!({
        "index_sha256": index.sha256(),
        "files": files,
        "left_out": left_out.iter().map(|(reason, files)| json!({"reason": reason, "files": files})).collect::<Vec<_>>(),
    });
    match (query, hits) {
        (Some(query), Some(hits)) => {
            let hits = hits.iter().map(|hit| {
                let mut of = chunk(hit.chunk);
                of["score"] = json!(hit.score);
                of["overlap"] = json!(index.coverage(query, hit.chunk));
                of["text"] = json!(index.chunks()[hit.chunk].text);
                of
            });
            document["chunks"] = json!(index.chunks().len());
            document["query"] = json!(query);
            document["tokens"] = json!(tokens(query));
            document["hits"] = hits.collect();
        }
        _ => document["chunks"] = (0..index.chunks().len()).map(chunk).collect(),
    }
    document
}
