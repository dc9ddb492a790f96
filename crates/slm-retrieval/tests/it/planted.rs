//! A solution that is planted in a corpus, under any name and in any place, is in no text that the index returns.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use slm_metrics::syntax::{
    CodeTokenKind, OutlineKind, code_tokens, definitions, is_builtin_name, outline,
};
use slm_retrieval::{Corpus, Index, Mask, Secret};

use crate::index_of;
use crate::sketches::solutions;

/// Words in a row that no text may share with the planted one.
const WORDS: usize = 13;

/// Returns all runs of words, by another way than the index compares them.
fn runs(text: &str) -> HashSet<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(WORDS).map(|run| run.join(" ")).collect()
}

/// Renames the functions, parameters and local variables of a program.
fn renamed(program: &str) -> String {
    let tokens = code_tokens(program).unwrap();
    let all = definitions(program).unwrap();
    let functions = all.iter().filter(|of| of.kind.is_function());
    let mut bound: BTreeSet<String> = functions.clone().map(|of| of.name.clone()).collect();
    for function in functions {
        bound.extend(parameters(&function.signature));
    }
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let is_name = |at: usize| tokens[at].kind == CodeTokenKind::Name;
    let mut depth = 0_i32;
    let mut is_loop = false;
    for at in 0..tokens.len() {
        match texts[at] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "for" => is_loop = true,
            "in" => is_loop = false,
            _ => {}
        }
        let next = texts.get(at + 1).copied().unwrap_or_default();
        let before = at.checked_sub(1).map_or("", |at| texts[at]);
        let is_assigned =
            depth == 0 && matches!(next, "=" | "," | ":") && before != "." || before == "as";
        if is_name(at) && (is_loop || is_assigned || next == ":=") {
            bound.insert(texts[at].to_owned());
        }
    }
    // Methods are reached through attributes, which are not renamed here.
    let methods = all
        .iter()
        .filter(|of| of.parent.is_some_and(|at| !all[at].kind.is_function()));
    for method in methods {
        bound.remove(&method.name);
    }
    for class in all.iter().filter(|of| !of.kind.is_function()) {
        bound.remove(&class.name);
    }
    bound.retain(|name| !is_builtin_name(name) && name != "self" && !name.starts_with("__"));
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (number, name) in bound.iter().enumerate() {
        names.insert(name.clone(), format!("renamed{number}"));
    }
    let mut text = String::new();
    let mut end = 0;
    let mut depth = 0_i32;
    for at in 0..tokens.len() {
        match texts[at] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        let before = at.checked_sub(1).map_or("", |at| texts[at]);
        let next = texts.get(at + 1).copied().unwrap_or_default();
        // Only a call of another function keeps its keyword arguments.
        let is_keyword =
            depth > 0 && next == "=" && matches!(before, "(" | ",") && !in_signature(&tokens, at);
        let new = names
            .get(texts[at])
            .filter(|_| is_name(at) && before != "." && !is_keyword);
        text.push_str(&program[end..tokens[at].start]);
        text.push_str(new.map_or(texts[at], String::as_str));
        end = tokens[at].start + texts[at].len();
    }
    text.push_str(&program[end..]);
    text
}

/// Whether a token is in the line of a `def`.
fn in_signature(tokens: &[slm_metrics::syntax::CodeToken], at: usize) -> bool {
    let before = tokens[..at].iter().rev();
    let mut line = before.take_while(|token| token.kind != CodeTokenKind::LineEnd);
    line.any(|token| token.text == "def")
}

/// Returns the names of parameters, without annotations.
fn parameters(signature: &str) -> Vec<String> {
    let tokens = code_tokens(&format!("{signature} ...\n")).unwrap();
    let mut names = Vec::new();
    let mut depth = 0;
    for pair in tokens.windows(2) {
        match &*pair[0].text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        let starts = matches!(&*pair[0].text, "(" | "," | "*" | "**");
        if depth == 1 && starts && pair[1].kind == CodeTokenKind::Name {
            names.push(pair[1].text.clone());
        }
    }
    names
}

fn indented(text: &str, by: &str) -> String {
    let line = |line: &str| {
        if line.trim().is_empty() {
            "\n".to_owned()
        } else {
            format!("{by}{line}\n")
        }
    };
    text.lines().map(line).collect()
}

/// Returns the definitions of a program, without its imports and the like.
fn definitions_only(program: &str) -> String {
    let items = outline(program).unwrap();
    let own = items.iter().filter(|item| {
        matches!(
            item.kind,
            OutlineKind::Function | OutlineKind::Class | OutlineKind::Assignment
        )
    });
    let texts: Vec<&str> = own.map(|item| item.text.as_str()).collect();
    texts.join("\n") + "\n"
}

/// Returns the body of the last function at the top level, without docstring and indentation; `None` without one.
fn body(program: &str) -> Option<String> {
    let all = definitions(program).unwrap();
    let function = all
        .iter()
        .rev()
        .find(|of| of.parent.is_none() && of.kind.is_function())?;
    let (first, last) = (
        function.statements.first()?.0,
        function.statements.last()?.1,
    );
    let lines: Vec<&str> = program.lines().collect();
    let body = &lines[first - 1..last];
    let indent = body[0].len() - body[0].trim_start().len();
    let line = |line: &&str| format!("{}\n", line.get(indent..).unwrap_or_default());
    Some(body.iter().map(line).collect())
}

/// The places in which code is planted.
const PLACES: [&str; 10] = [
    "module",
    "class",
    "snippet",
    "tabs",
    "fence",
    "list",
    "literal",
    "docstring",
    "example",
    "comment",
];

/// Returns the file with the planted code, and the planted text as it is there; `None` if the code does not fit.
fn planted(program: &str, place: &str) -> Option<(&'static str, String, String)> {
    let before = "def before(x):\n    \"\"\"Stay visible.\"\"\"\n    return -x\n\n\n";
    let after = "\n\ndef after(x):\n    \"\"\"Stay visible too.\"\"\"\n    return ~x\n";
    let code = definitions_only(program);
    let within = |start: &str, text: &str, end: &str| {
        let whole = format!("{before}{start}{text}{end}{after}");
        Some(("lib/planted.py", whole, text.to_owned()))
    };
    let python = |text: &str| within("", text, "");
    let in_docstring = |text: &str| {
        // A docstring cannot contain another one as it is.
        let text = text.replace("\"\"\"", "'''");
        let start = "def example():\n    r\"\"\"Show.\n\n";
        within(start, &text, "    \"\"\"\n    return 1\n")
    };
    let document = |text: &str| {
        let whole = format!(
            "# Before\n\nStay visible.\n\n# Middle\n\nSee:\n\n{text}\n# After\n\nStay visible too.\n"
        );
        Some(("docs/planted.md", whole, text.to_owned()))
    };
    match place {
        "module" => python(&code),
        "class" => within(
            "class Holder:\n    \"\"\"Holds it.\"\"\"\n\n",
            &indented(&code, "    "),
            "",
        ),
        "snippet" => python(&body(program)?),
        "tabs" => within(
            "if True:\n",
            &indented(&code.replace("    ", "\t"), "\t"),
            "",
        ),
        "fence" => document(&format!("```python\n{code}```\n")),
        "list" => document(&format!(
            "- An item:\n\n{}",
            indented(&format!("```python\n{code}```\n"), "  ")
        )),
        "literal" => {
            let text = indented(&body(program)?, "   ");
            let whole = format!(
                "Before\n======\n\nStay visible.\n\nMiddle\n======\n\nSee::\n\n{text}\nAfter\n=====\n\nStay visible too.\n"
            );
            Some(("docs/planted.rst", whole, text))
        }
        "docstring" => in_docstring(&indented(&code, "        ")),
        "example" => {
            let line = |line: &str| {
                let mark = if line.starts_with([' ', ')', ']', '}']) {
                    "..."
                } else {
                    ">>>"
                };
                format!("    {mark} {line}\n")
            };
            let text: String = body(program)?.lines().map(line).collect();
            in_docstring(&text)
        }
        _ => python(&indented(&body(program)?, "# ")),
    }
}

/// Returns every text that the index returns about a planted file, with what produced it.
fn returned(index: &Index, mask: &Mask, source: &str, names: &[String]) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for corpus in [Corpus::All, Corpus::Docs, Corpus::Code, Corpus::Functions] {
        let query = names.join(" ") + " see show example stay visible return";
        for hit in index.search(&query, corpus, mask, usize::MAX) {
            let chunk = &index.chunks()[hit.chunk];
            texts.push((format!("search {}", chunk.name), chunk.text.clone()));
        }
    }
    for name in names {
        let symbol = index.symbol(name, mask).unwrap_or_default();
        let mut whole = String::new();
        for of in symbol.definitions {
            whole.push_str(&of.text);
            texts.push((format!("definition {name}"), of.text));
        }
        for of in symbol.uses {
            whole.push_str(&of.text);
            whole.push('\n');
            texts.push((format!("use {name}"), of.text));
        }
        texts.push((format!("symbol {name}"), whole));
    }
    let all = index.read(source, 1, usize::MAX, mask).unwrap();
    texts.push(("read all".to_owned(), all));
    let mut from = 1;
    while let Ok(text) = index.read(source, from, from + 7, mask) {
        texts.push((format!("read {from}"), text));
        from += 3;
    }
    texts
}

#[test]
fn no_returned_text_has_thirteen_words_of_a_planted_solution() {
    let programs = solutions();
    let (mut n_pairs, mut n_leaks, mut n_hidden) = (0, 0, 0);
    for (at, program) in programs.iter().enumerate() {
        for (number, place) in PLACES.iter().enumerate() {
            // Each task is in half of the places, renamed in all of them and as it is in half of them.
            let variants = match (at + number) % 4 {
                0 => vec![program.clone(), renamed(program)],
                2 => vec![renamed(program)],
                _ => continue,
            };
            for variant in variants {
                let Some((source, file, text)) = planted(&variant, place) else {
                    continue;
                };
                let secret = runs(&text);
                if secret.is_empty() {
                    continue;
                }
                let other = &programs[(at + 1) % programs.len()];
                let index = index_of(&[(source, &file), ("lib/other.py", other)]);
                let mask = index.mask(&Secret {
                    solutions: &[program],
                    ..Secret::default()
                });
                let tokens = code_tokens(&variant).unwrap();
                let names: BTreeSet<String> = tokens
                    .into_iter()
                    .filter(|token| token.kind == CodeTokenKind::Name)
                    .map(|token| token.text)
                    .chain(["before", "after", "Holder", "example"].map(str::to_owned))
                    .collect();
                let names: Vec<String> = names.into_iter().collect();
                for (how, shown) in returned(&index, &mask, source, &names) {
                    if !mask.permits(&shown) {
                        continue;
                    }
                    let shared = runs(&shown).into_iter().find(|run| secret.contains(run));
                    assert_eq!(
                        shared, None,
                        "{how} of a {place}:\n{file}\n--- shown:\n{shown}"
                    );
                }
                let whole = index.read(source, 1, usize::MAX, &mask).unwrap();
                assert!(
                    whole.to_lowercase().contains("stay visible too"),
                    "{place}: {whole}"
                );
                // Without the mask the text is returned, so the test can fail.
                let open = index.read(source, 1, usize::MAX, &Mask::none()).unwrap();
                n_leaks += usize::from(!runs(&open).is_disjoint(&secret));
                n_hidden += usize::from(mask.n_hidden() > 0);
                n_pairs += 1;
            }
        }
    }
    assert!(n_pairs >= 200, "{n_pairs} pairs");
    assert_eq!(n_leaks, n_pairs);
    assert!(n_hidden * 2 > n_pairs, "{n_hidden} of {n_pairs}");
}

#[test]
fn the_solutions_are_renamed_and_keep_their_structure() {
    let programs = solutions();
    let mut n_changed = 0;
    for program in &programs {
        let other = renamed(program);
        assert!(definitions(&other).is_ok(), "{other}");
        assert_eq!(
            code_tokens(program).unwrap().len(),
            code_tokens(&other).unwrap().len()
        );
        n_changed += usize::from(other.matches("renamed").count() > 2);
    }
    assert!(n_changed * 10 > programs.len() * 8, "{n_changed}");
}
