//! The symbols that a function's signature names: types and defaults, without its parameters and Python's own names.

use slm_metrics::syntax::definitions_of_stub;

/// Names that need no lookup: keywords of expressions, built-in types, and those of `typing`.
const KNOWN: [&str; 43] = [
    "Any",
    "Callable",
    "Dict",
    "False",
    "FrozenSet",
    "Iterable",
    "Iterator",
    "List",
    "Literal",
    "Mapping",
    "None",
    "Optional",
    "Sequence",
    "Set",
    "True",
    "Tuple",
    "Type",
    "Union",
    "and",
    "bool",
    "bytearray",
    "bytes",
    "class",
    "complex",
    "dict",
    "else",
    "float",
    "for",
    "frozenset",
    "if",
    "in",
    "int",
    "lambda",
    "list",
    "metaclass",
    "not",
    "object",
    "or",
    "range",
    "set",
    "str",
    "tuple",
    "type",
];

/// Modules whose names need no lookup.
const KNOWN_MODULES: [&str; 3] = ["typing.", "collections.", "builtins."];

/// Returns the symbols in the signature that a prompt declares for the entry point, at most `most`, in the order of the
/// text.
pub(super) fn symbols(prompt: &str, entry_point: &str, most: usize) -> Vec<String> {
    let definitions = definitions_of_stub(prompt);
    let of = definitions.iter().rfind(|of| of.name == entry_point);
    let mut found: Vec<String> = Vec::new();
    for name in of.map_or_else(Vec::new, |of| names(&of.signature)) {
        let is_known = KNOWN.contains(&name.as_str())
            || KNOWN_MODULES.iter().any(|module| name.starts_with(module));
        if !is_known && name != entry_point && !found.contains(&name) {
            found.push(name);
        }
    }
    found.truncate(most);
    found
}

/// Returns the dotted names after the declared one which are no parameters. The text of strings is read only where they
/// are annotations.
fn names(signature: &str) -> Vec<String> {
    let Some(open) = signature.find('(') else {
        return Vec::new();
    };
    let is_function = !signature.trim_start().starts_with("class");
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let chars: Vec<char> = signature[open..].chars().collect();
    let mut names = Vec::new();
    let (mut depth, mut at) = (0_usize, 0);
    // The last character that is no white space, and the mark that ends an annotation in quotes.
    let (mut before, mut ends_annotation) = (' ', None);
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        at += 1;
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '#' => at += chars[at..].iter().take_while(|&&c| c != '\n').count(),
            '"' | '\'' if ends_annotation == Some(c) => ends_annotation = None,
            '"' | '\'' if matches!(before, ':' | '>' | '[' | '|') => ends_annotation = Some(c),
            '"' | '\'' => {
                at += chars[at..].iter().take_while(|&&other| other != c).count() + 1;
            }
            _ if is_part(c) => {
                at += chars[at..].iter().take_while(|&&c| is_part(c)).count();
                let is_parameter = is_function && depth == 1 && matches!(before, '(' | ',' | '*');
                let name: String = chars[start..at].iter().collect();
                let name = name.trim_matches('.');
                let is_number = name.starts_with(|c: char| c.is_ascii_digit());
                if !is_parameter && !is_number && !name.is_empty() {
                    names.push(name.to_owned());
                }
            }
            _ => (),
        }
        let is_mark = matches!(c, '"' | '\'');
        if !c.is_whitespace() && !is_mark && c != '#' {
            before = c;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prompt: &str, expected: &[&str]) {
        assert_eq!(symbols(prompt, "f", 3), expected, "{prompt}");
    }

    #[test]
    fn types_and_defaults_are_symbols_and_parameters_are_not() {
        check(
            "import a\n\ndef f(x: Tally, *rest: a.Mark, y=DEPTH) -> list[Sum]:\n    \"\"\"Do.\"\"\"\n",
            &["Tally", "a.Mark", "DEPTH"],
        );
        check("def f(x: int, s: str = 'Word') -> bool:\n", &[]);
        check("def f(x, y):\n", &[]);
        check("def f(x: 'Tally', y: \"list[Sum]\"):\n", &["Tally", "Sum"]);
        check(
            "def f(\n    x: Tally | None,  # a Mark\n    /,\n    *,\n    y: typing.Any = 1.5,\n):\n",
            &["Tally"],
        );
        check(
            "class f(Tally, metaclass=Made):\n    x: Sum\n",
            &["Tally", "Made"],
        );
    }

    #[test]
    fn another_function_of_the_prompt_does_not_count() {
        check("def g(x: Tally): ...\n\ndef f(x: Sum):\n", &["Sum"]);
        check("def g(x: Tally): ...\n", &[]);
        check("Write f(x).", &[]);
    }
}
