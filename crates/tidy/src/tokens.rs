//! Splits code into tokens, removes test-only items, and extracts paths.

/// A path as written, such as `super::a::B`, with its local name if a `use` imports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    /// The local name from a `use`; `*` for a glob.
    pub(crate) import: Option<String>,
}

/// Returns names, `::` and single characters. White space is skipped.
pub(crate) fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let length = match first {
            _ if word > 0 => word,
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    found
}

/// Returns the tokens without the items under `#[cfg(test)]`.
pub(crate) fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&CFG_TEST) {
            at = end_of_item(tokens, at + CFG_TEST.len());
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// Returns the end of the item that begins at `at`: after its `;`, or after its closing brace.
fn end_of_item(tokens: &[&str], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut is_use = false;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match *token {
            "use" if depth == 0 => is_use = true,
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && !is_use {
                    return at + offset + 1;
                }
            }
            ";" | "," if depth == 0 => return at + offset + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Returns the modules that the tokens declare in separate files: `mod name;`.
pub(crate) fn declared_modules(tokens: &[&str]) -> Vec<String> {
    let declares = |window: &&[&str]| window[0] == "mod" && window[2] == ";";
    tokens
        .windows(3)
        .filter(declares)
        .map(|window| window[1].to_owned())
        .collect()
}

/// Returns the names of the items that the tokens define.
pub(crate) fn defined_names(tokens: &[&str]) -> Vec<String> {
    const KEYWORDS: [&str; 9] = [
        "fn",
        "struct",
        "enum",
        "trait",
        "const",
        "static",
        "type",
        "union",
        "macro_rules",
    ];
    tokens
        .windows(2)
        .filter(|window| KEYWORDS.contains(&window[0]))
        .map(|window| window[1].to_owned())
        .collect()
}

/// Returns every path of two segments or more, and everything that a `use` imports.
pub(crate) fn paths(tokens: &[&str]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = use_tree(tokens, at + 1, &[], &mut found);
        } else if is_name(tokens[at]) {
            let mut segments = vec![tokens[at].to_owned()];
            at += 1;
            while tokens.get(at) == Some(&"::") && tokens.get(at + 1).is_some_and(|t| is_name(t)) {
                segments.push(tokens[at + 1].to_owned());
                at += 2;
            }
            if segments.len() > 1 {
                found.push(Path {
                    segments,
                    import: None,
                });
            }
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the tree of a `use` from `at`, below `prefix`, and returns its end.
fn use_tree(tokens: &[&str], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(&token) = tokens.get(at) {
        match token {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = use_tree(tokens, at, &segments, found);
                    if tokens.get(at) == Some(&",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "*" => {
                found.push(Path {
                    segments,
                    import: Some("*".to_owned()),
                });
                return at + 1;
            }
            name if is_name(name) => {
                at += 1;
                // `{self, ...}` refers to the module before the braces.
                if name != "self" || segments.is_empty() {
                    segments.push(name.to_owned());
                }
                if tokens.get(at) == Some(&"::") {
                    continue;
                }
                let mut import = segments.last().cloned();
                if tokens.get(at) == Some(&"as") {
                    import = tokens.get(at + 1).map(|name| (*name).to_owned());
                    at += 2;
                }
                found.push(Path { segments, import });
                return at;
            }
            _ => return at + 1,
        }
    }
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{declared_modules, paths, tokens, without_tests};

    fn written(code: &str) -> Vec<String> {
        paths(&tokens(code))
            .iter()
            .map(|path| {
                let path_text = path.segments.join("::");
                match &path.import {
                    Some(name) => format!("{path_text} as {name}"),
                    None => path_text,
                }
            })
            .collect()
    }

    #[test]
    fn trees_of_imports_are_taken_apart() {
        let code = "use crate::a::{self, b::{C, D as E}, f::*}; use std::fmt; x::y(super::z::W);";
        let expected = [
            "crate::a as a",
            "crate::a::b::C as C",
            "crate::a::b::D as E",
            "crate::a::f as *",
            "std::fmt as fmt",
            "x::y",
            "super::z::W",
        ];
        assert_eq!(written(code), expected);
    }

    #[test]
    fn what_is_compiled_for_tests_alone_is_left_out() {
        let code = "mod a; #[cfg(test)] mod t; #[cfg(test)] use a::{B, C}; #[cfg(test)] mod tests { fn f() { {} } } mod b;";
        let tokens = tokens(code);
        let kept = without_tests(&tokens);
        assert_eq!(kept.join(" "), "mod a ; mod b ;");
        assert_eq!(declared_modules(&kept), ["a", "b"]);
    }
}
