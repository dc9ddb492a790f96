//! The only user of `serde_yaml`: text to tree, position of a key, struct to text.
//!
//! `serde_yaml` is archived, so hostile text is kept away from its slow paths: text is limited in
//! size before it gets here, brackets in number (its scanner takes time quadratic in the depth of
//! open brackets), directives altogether (quadratic in their number), and the tree in depth and in
//! size (aliases multiply).

use serde::Serialize;

use crate::node::{Entry, Node, Origin, Step, Value};
use crate::{probe, tree};

/// Most `[` and `{` in a text. Scanning this many open brackets takes a tenth of a second.
const MAX_BRACKETS: usize = 4096;

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Why a text is no YAML that a recipe can use.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) position: Option<Position>,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl SyntaxError {
    fn refusal(position: Option<Position>, message: String) -> Self {
        Self {
            position,
            message,
            hint: None,
        }
    }
}

/// Reads one YAML document; every node gets `origin`.
pub(crate) fn parse(text: &str, origin: Origin) -> Result<Node, SyntaxError> {
    let is_bracket = |byte: &u8| matches!(byte, b'[' | b'{');
    if text.bytes().filter(is_bracket).count() > MAX_BRACKETS {
        let message = format!("more than {MAX_BRACKETS} opening brackets");
        return Err(SyntaxError::refusal(None, message));
    }
    if let Some(line) = text.lines().position(|line| line.starts_with('%')) {
        let position = Some(Position {
            line: line + 1,
            column: 1,
        });
        let message = "a directive (`%`) has no meaning in a recipe".to_owned();
        return Err(SyntaxError::refusal(position, message));
    }
    tree::read(serde_yaml::Deserializer::from_str(text), origin)
        .map_err(|(error, refusal)| syntax_error(text, &error, refusal))
}

/// Position of the last step of `path`, a path in the file's own spelling: of a key, or of a list's
/// item.
pub(crate) fn locate(text: &str, path: &[Step]) -> Option<Position> {
    position(&probe::fail_at(
        serde_yaml::Deserializer::from_str(text),
        path,
    )?)
}

/// Writes a struct as YAML without some keys, each given with its section.
pub(crate) fn to_text(value: &impl Serialize, left_out: &[(&str, &str)]) -> String {
    let mut value = serde_yaml::to_value(value).expect("a recipe has text keys and plain values");
    for (section, key) in left_out {
        let section = value.get_mut(section);
        if let Some(section) = section.and_then(serde_yaml::Value::as_mapping_mut) {
            section.shift_remove(key);
        }
    }
    serde_yaml::to_string(&value).expect("a recipe has text keys and plain values")
}

/// A struct as a tree. It may be larger than a text that [`parse`] accepts: it has the defaults, too.
pub(crate) fn to_node(value: &impl Serialize) -> Node {
    node(serde_yaml::to_value(value).expect("a recipe has text keys and plain values"))
}

fn node(value: serde_yaml::Value) -> Node {
    use serde_yaml::Value as Yaml;
    let value = match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => Value::Int(whole.into()),
            (None, Some(whole)) => Value::Int(whole.into()),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Yaml::String(text) => Value::Text(text),
        Yaml::Sequence(items) => Value::List(items.into_iter().map(node).collect()),
        Yaml::Mapping(entries) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let key = key.as_str().unwrap_or_default().to_owned();
                Entry {
                    spelled: key.clone(),
                    key,
                    value: node(value),
                }
            });
            Value::Map(entries.collect())
        }
        Yaml::Tagged(tagged) => node(tagged.value).value,
    };
    Node {
        value,
        origin: Origin::File,
    }
}

fn position(error: &serde_yaml::Error) -> Option<Position> {
    error.location().map(|at| Position {
        line: at.line(),
        column: at.column(),
    })
}

fn syntax_error(text: &str, error: &serde_yaml::Error, refused: Option<String>) -> SyntaxError {
    let position = position(error);
    if let Some(message) = refused {
        return SyntaxError::refusal(position, message);
    }
    let mut message = error.to_string();
    if let Some(Position { line, column }) = position {
        message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
    }
    let line = position
        .and_then(|at| text.lines().nth(at.line.saturating_sub(1)))
        .unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    if indent.contains('\t') {
        let hint = Some("YAML is indented with spaces");
        return SyntaxError {
            position,
            message: "a tab in the indentation".to_owned(),
            hint,
        };
    }
    let hint = if message.contains("more than one document") {
        Some("a recipe is one document: remove the line `---` inside it")
    } else if message.contains("mapping values are not allowed") {
        Some("put a value that ends with `:` or holds `: ` in quotes, as in path: \"stdlib:\"")
    } else if message.contains("limit exceeded") {
        Some("write aliases (`*name`) out")
    } else {
        None
    };
    SyntaxError {
        position,
        message: format!("not valid YAML: {message}"),
        hint,
    }
}
