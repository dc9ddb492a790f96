//! The terms of texts and queries.

use std::collections::BTreeSet;

use slm_metrics::syntax::definitions_of_stub;

/// Returns the terms of a text, in order and repeated as they occur, in lower case.
///
/// A term is a word of letters, digits and `_`. One with several parts, separated by `_` or by a change of case, has
/// each part and then the whole: `parse_HTTPReply2` has `parse`, `http`, `reply2` and `parse_httpreply2`. Nothing is
/// stemmed and no word is left out.
pub fn tokens(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    for word in text.split(|c| !is_part(c)) {
        let n_before = terms.len();
        for part in word.split('_') {
            push_parts(part, &mut terms);
        }
        let whole = word.to_lowercase();
        let is_one_part = terms[n_before..] == [whole.as_str()];
        if !is_one_part && terms.len() > n_before {
            terms.push(whole);
        }
    }
    terms
}

/// Splits a word at its changes of case: `HTTPReply` into `http` and `reply`.
fn push_parts(word: &str, terms: &mut Vec<String>) {
    let chars: Vec<char> = word.chars().collect();
    let mut start = 0;
    for at in 1..chars.len() {
        let is_upper = chars[at].is_uppercase();
        let after_lower = !chars[at - 1].is_uppercase();
        let before_lower = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if is_upper && (after_lower || before_lower) {
            terms.push(lower(&chars[start..at]));
            start = at;
        }
    }
    if start < chars.len() {
        terms.push(lower(&chars[start..]));
    }
}

fn lower(chars: &[char]) -> String {
    chars.iter().flat_map(|c| c.to_lowercase()).collect()
}

/// Returns the query for a task: the words of its docstring before the examples, and the names of its signature.
///
/// `entry_point` is the name of the function or class, also of a method, that the stub `prompt` declares. The names are
/// those of the function, its parameters and annotations; of a class, those of its methods. If the prompt is no stub of
/// it, the query is the prompt's own words.
pub fn query_of(prompt: &str, entry_point: &str) -> String {
    let all = definitions_of_stub(prompt);
    let last_part = entry_point.rsplit('.').next().unwrap_or(entry_point);
    let found = all
        .iter()
        .rposition(|d| d.qualified_name == entry_point)
        .or_else(|| all.iter().rposition(|d| d.name == last_part));
    let Some(found) = found else {
        return words(prompt);
    };
    let own = |at: usize| at == found || all[at].parent == Some(found);
    let mut names = BTreeSet::new();
    let mut query = String::new();
    let mut add = |text: &str| {
        if !text.is_empty() {
            if !query.is_empty() {
                query.push(' ');
            }
            query.push_str(text);
        }
    };
    for definition in (0..all.len()).filter(|&at| own(at)).map(|at| &all[at]) {
        add(&words(&before_examples(
            definition.docstring.as_deref().unwrap_or_default(),
        )));
    }
    for definition in (0..all.len()).filter(|&at| own(at)).map(|at| &all[at]) {
        for name in std::iter::once(&definition.name).chain(&definition.signature_names) {
            let is_noise = name == "self" || name == "cls" || name.starts_with("__");
            if !is_noise && names.insert(name.clone()) {
                add(name);
            }
        }
    }
    query
}

/// Returns a docstring without its interactive examples and their outputs.
fn before_examples(docstring: &str) -> String {
    let mut kept = String::new();
    let mut in_example = false;
    for line in docstring.lines() {
        let text = line.trim_start();
        in_example = text.starts_with(">>>") || in_example && !text.is_empty();
        if !in_example {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn words(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = text
        .split(|c| !is_part(c))
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(tokens(text), expected, "{text}");
    }

    #[test]
    fn identifiers_have_their_parts_and_the_whole() {
        check(
            "parse_HTTPReply2",
            &["parse", "http", "reply2", "parse_httpreply2"],
        );
        check("camelCase", &["camel", "case", "camelcase"]);
        check("_private", &["private", "_private"]);
        check("__init__", &["init", "__init__"]);
        check("HTTP", &["http"]);
        check("Word, word. WORDS", &["word", "word", "words"]);
        check("x1 2y 3.5", &["x1", "2y", "3", "5"]);
        check("utf8Text", &["utf8", "text", "utf8text"]);
        check("größeÄndern", &["größe", "ändern", "größeändern"]);
        check("_ __ -- ''", &[]);
        check("", &[]);
    }

    #[test]
    fn a_query_has_the_docstring_and_the_names_of_the_signature() {
        let prompt = "import os\n\ndef helper(a): pass\n\ndef longest_run(values: list[int], limit: Optional[int] = None) -> int:\n    \"\"\"Return the longest run.\n\n    >>> longest_run([1])\n    1\n\n    Raise nothing.\n    \"\"\"\n";
        assert_eq!(
            query_of(prompt, "longest_run"),
            "Return the longest run Raise nothing longest_run values list int limit Optional"
        );
    }

    #[test]
    fn a_prompt_without_a_stub_is_its_own_query() {
        assert_eq!(query_of("Write `f(x)`, quickly.", "f"), "Write f x quickly");
        assert_eq!(query_of("def f(", "g"), "def f");
        assert_eq!(query_of("", "f"), "");
    }

    #[test]
    fn the_query_of_a_class_has_its_methods() {
        let prompt = "class Stack:\n    \"\"\"A stack.\"\"\"\n\n    def __init__(self, size): ...\n\n    def push(self, item):\n        \"\"\"Add.\"\"\"\n";
        assert_eq!(
            query_of(prompt, "Stack"),
            "A stack Add Stack size push item"
        );
        assert_eq!(query_of(prompt, "Stack.push"), "Add push item");
    }
}
