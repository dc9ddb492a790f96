//! The parts of a chunk that are kept or removed one by one.
//!
//! # Source
//! Yan et al. 2024, "Corrective Retrieval Augmented Generation", arXiv:2401.15884, knowledge refinement.

use slm_metrics::syntax::definitions_of_stub;

use crate::chunk::{Chunk, ChunkKind};

/// Returns the strips of a chunk, in order: of code the signature, the docstring and each statement of the body; of
/// prose each sentence, each line of a list or table, and each block of code as a whole. None is blank.
pub fn strips(chunk: &Chunk) -> Vec<String> {
    let mut strips = match chunk.kind {
        ChunkKind::Function | ChunkKind::Class => statements(&chunk.text),
        ChunkKind::Section | ChunkKind::Object => sentences(&chunk.text),
    };
    strips.retain(|strip| !strip.trim().is_empty());
    strips
}

/// Returns the lines of a definition in groups: each part starts a group and has the lines up to the next part, so that
/// comments stay with what precedes them and no line is lost.
fn statements(text: &str) -> Vec<String> {
    let found = definitions_of_stub(text);
    let Some(definition) = found.first() else {
        return sentences(text);
    };
    let parts = definition
        .docstring_lines
        .iter()
        .chain(&definition.statements);
    let mut starts: Vec<usize> = parts.map(|lines| lines.0).collect();
    // Decorators belong to the signature, and a body on its line as well.
    starts.retain(|line| *line > definition.signature_last_line);
    starts.dedup();
    let lines: Vec<&str> = text.lines().collect();
    let ends = starts.iter().map(|line| line - 1).chain([lines.len()]);
    let mut from = 1;
    let mut strips = Vec::new();
    for end in ends {
        let end = end.min(lines.len());
        if from <= end {
            strips.push(lines[from - 1..end].join("\n"));
            from = end + 1;
        }
    }
    strips
}

fn sentences(text: &str) -> Vec<String> {
    let mut strips = Vec::new();
    let mut paragraph = String::new();
    let mut code: Vec<&str> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark));
        let is_code = fence.is_some() || mark.is_some();
        let is_item = trimmed.starts_with(['-', '*', '+', '|', '#', '>', ':']);
        let is_indented = line.starts_with("    ") || line.starts_with('\t');
        if !is_code && !is_indented && !trimmed.is_empty() {
            end_code(&mut code, &mut strips);
        }
        if is_code || is_indented || is_item || trimmed.is_empty() {
            split(&paragraph, &mut strips);
            paragraph.clear();
        }
        if is_code {
            code.push(line);
            match fence {
                None => fence = mark,
                Some(open) if trimmed.starts_with(open) => {
                    fence = None;
                    end_code(&mut code, &mut strips);
                }
                Some(_) => {}
            }
        } else if is_indented {
            code.push(line);
        } else if trimmed.is_empty() {
            if !code.is_empty() {
                code.push(line);
            }
        } else if is_item {
            strips.push(trimmed.to_owned());
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(trimmed);
        }
    }
    split(&paragraph, &mut strips);
    end_code(&mut code, &mut strips);
    strips
}

fn end_code(code: &mut Vec<&str>, strips: &mut Vec<String>) {
    let text = code.join("\n");
    strips.push(text.trim_end().to_owned());
    code.clear();
}

/// Splits a paragraph after full stops, question and exclamation marks that white space follows.
fn split(paragraph: &str, strips: &mut Vec<String>) {
    let mut rest = paragraph;
    while let Some(end) = [". ", "? ", "! "]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min()
    {
        let (sentence, after) = rest.split_at(end + 1);
        strips.push(sentence.trim().to_owned());
        rest = after;
    }
    strips.push(rest.trim().to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ChunkKind, text: &str) -> Vec<String> {
        strips(&Chunk::new("a", kind, "n", (1, 1), text))
    }

    #[test]
    fn code_has_its_signature_docstring_and_statements() {
        let text = "@d\ndef f(a,\n      b):\n    \"\"\"Doc.\n\n    More.\"\"\"\n    # first\n    x = a\n    if x:\n        x += b\n\n    return x\n";
        assert_eq!(
            of(ChunkKind::Function, text),
            [
                "@d\ndef f(a,\n      b):",
                "    \"\"\"Doc.\n\n    More.\"\"\"\n    # first",
                "    x = a",
                "    if x:\n        x += b\n",
                "    return x",
            ]
        );
        assert_eq!(
            of(
                ChunkKind::Class,
                "class A:\n    x = 1\n    def f(self): ...\n"
            ),
            ["class A:", "    x = 1", "    def f(self): ..."]
        );
        assert_eq!(
            of(ChunkKind::Function, "def f(): return 1\n"),
            ["def f(): return 1"]
        );
    }

    #[test]
    fn prose_has_sentences_lines_of_lists_and_blocks_of_code() {
        let text = "# Title\n\nOne is\nhere. Two? Yes, e.g. this\n- item one. Still\n- item\n\n```python\na = 1\n\nb = 2\n```\nEnd.\n\n    code\n\n    more\n";
        assert_eq!(
            of(ChunkKind::Section, text),
            [
                "# Title",
                "One is here.",
                "Two?",
                "Yes, e.g.",
                "this",
                "- item one. Still",
                "- item",
                "```python\na = 1\n\nb = 2\n```",
                "End.",
                "    code\n\n    more",
            ]
        );
        assert_eq!(of(ChunkKind::Section, ""), [] as [&str; 0]);
    }
}
