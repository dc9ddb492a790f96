//! The data set of a survey as a recipe writes it.

use std::fmt::Write as _;

use super::survey::{Source, Survey};

/// The key `datasets` of section `data`.
pub(super) fn datasets(survey: &Survey, max_examples: Option<usize>) -> String {
    let path = quoted(&survey.path.to_string_lossy());
    let mut text = format!(
        "  datasets:\n    # Relative to this file's folder, or to the folder from which the command is run.\n    - path: {path}\n"
    );
    match &survey.source {
        Source::Python { .. } => text.push_str(
            "      # Each documented function: its signature and docstring are the prompt, its body the completion.\n      \
             format: python_source\n",
        ),
        Source::Rows {
            format, columns, ..
        } => {
            let _ = write!(
                text,
                "      # {}\n      format: {}\n",
                format.doc, format.name
            );
            if !columns.is_empty() {
                let names: Vec<_> = columns
                    .iter()
                    .map(|(own, name)| format!("{own}: {}", quoted(name)))
                    .collect();
                let _ = write!(
                    text,
                    "      # The file's names of the format's columns.\n      columns: {{{}}}\n",
                    names.join(", ")
                );
            }
        }
    }
    if let Some(most) = max_examples {
        let _ = write!(
            text,
            "      # As many as this CPU can train on in a night, drawn at random.\n      max_examples: {most}\n"
        );
    }
    text
}

/// A text in a form that YAML reads back as text: in double quotes, unless it is a plain path.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let begins_plainly = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    // A word such as `null` or `no` would be something else than text.
    let is_word = text.len() > 5 || text.contains('/');
    if begins_plainly && is_word && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let json = serde_json::to_string(text).expect("text is JSON");
    // JSON leaves characters as they are that YAML refuses or takes for the end of a line.
    let is_refused = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    json.chars().fold(String::new(), |mut quoted, c| {
        if is_refused(c) {
            let _ = write!(quoted, "\\u{:04x}", u32::from(c));
        } else {
            quoted.push(c);
        }
        quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn paths_survive_yaml() {
        for path in [
            "src",
            "no",
            "1e3",
            ".5",
            "~",
            "a: b",
            "data/x #1.jsonl",
            "../p/src",
            "ü",
            "a\"b",
            "-x",
            "null",
            ".123456",
            "a\u{7f}b\u{85}c\u{2028}d",
        ] {
            let text = format!(
                "model: {{name_or_path: x}}\ndata:\n  datasets:\n    - path: {}\n      format: text\n",
                quoted(path)
            );
            let recipe =
                slm_config::Recipe::parse(&text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES)
                    .unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(recipe.data.datasets[0].path, path);
        }
    }
}
