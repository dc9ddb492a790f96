//! The page of `evaluator index`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use slm_retrieval::{Chunk, Hit, tokens};

use super::Indexed;
use slm_artifacts::counted;

/// Most files that are listed.
const MOST_FILES: usize = 30;

/// Most files that are named for one reason to leave them out.
const MOST_NAMED: usize = 3;

/// Most lines of a hit.
const MOST_LINES: usize = 20;

pub(super) fn page(indexed: &Indexed, query: Option<&str>, hits: Option<&[Hit]>) -> String {
    let index = &indexed.index;
    let mut page = format!(
        "index {}: {} from {}\n",
        &index.sha256()[..8],
        counted(index.chunks().len(), "chunk"),
        counted(indexed.files, "file")
    );
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for chunk in index.chunks() {
        *kinds.entry(chunk.kind.as_str()).or_default() += 1;
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    let _ = writeln!(page, "  {}", kinds.join(", "));
    for (reason, files) in &indexed.left_out {
        let named = files.iter().take(MOST_NAMED).map(String::as_str);
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if files.len() > MOST_NAMED {
            ", ..."
        } else {
            ""
        };
        let _ = writeln!(
            page,
            "  left out: {} ({reason}): {named}{more}",
            counted(files.len(), "file")
        );
    }
    match (query, hits) {
        (Some(query), Some(hits)) => page += &found(index.chunks(), query, hits, indexed),
        _ => page += &files(index.chunks()),
    }
    page.trim_end().to_owned()
}

/// Lists the files with their chunks.
fn files(chunks: &[Chunk]) -> String {
    let mut by_file: BTreeMap<&str, usize> = BTreeMap::new();
    for chunk in chunks {
        *by_file.entry(&chunk.source).or_default() += 1;
    }
    let mut text = "\nchunks  file\n".to_owned();
    for (file, n) in by_file.iter().take(MOST_FILES) {
        let _ = writeln!(text, "{n:>6}  {file}");
    }
    if by_file.len() > MOST_FILES {
        let _ = writeln!(text, "        and {} more", by_file.len() - MOST_FILES);
    }
    text
}

fn found(chunks: &[Chunk], query: &str, hits: &[Hit], indexed: &Indexed) -> String {
    let mut text = format!("\nquery: {query}\ntokens: {}\n", tokens(query).join(" "));
    if hits.is_empty() {
        text += "no chunk contains one of these tokens\n";
    }
    for (place, hit) in hits.iter().enumerate() {
        let Chunk {
            source,
            kind,
            name,
            lines: (first, last),
            text: chunk,
            ..
        } = &chunks[hit.chunk];
        let _ = writeln!(
            text,
            "\n{}. {} {name}, {source}:{first}-{last} (score {:.3}, overlap {:.2})",
            place + 1,
            kind.as_str(),
            hit.score,
            indexed.index.coverage(query, hit.chunk)
        );
        let lines: Vec<&str> = chunk.lines().collect();
        for line in lines.iter().take(MOST_LINES) {
            let _ = writeln!(text, "   {line}");
        }
        if lines.len() > MOST_LINES {
            let _ = writeln!(text, "   ... {} more lines", lines.len() - MOST_LINES);
        }
    }
    text
}
