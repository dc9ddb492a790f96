//! `--set section.key=value`: an override goes into the tree, and from there the way of the file.

use crate::error::{Location, RecipeError};
use crate::node::{Entry, KeyPath, Node, Origin, Step, Value};
use crate::{spelling, yaml};

/// Puts the override `argument`, the `index`-th, into the tree.
pub(crate) fn apply(root: &mut Node, index: usize, argument: &str) -> Result<(), RecipeError> {
    let place = || Location::Override {
        argument: argument.to_owned(),
    };
    let bad = |message: String, hint: Option<String>| RecipeError::BadOverride {
        place: place(),
        message,
        hint,
    };
    let form = || Some("write --set section.key=value, as in --set lora.r=16".to_owned());

    let Some((key, text)) = argument.split_once('=') else {
        return Err(bad("no `=` between key and value".to_owned(), form()));
    };
    let Some(mut path) = KeyPath::parse(key.trim()) else {
        return Err(bad(format!("`{key}` is no key of a recipe"), form()));
    };
    spelling::canonical(&mut path);
    let value = value(text, index).map_err(|error| RecipeError::Syntax {
        place: place(),
        message: error.message,
        hint: error.hint.map(str::to_owned),
    })?;
    put(root, &path, value).map_err(|message| bad(message, None))
}

/// The value as YAML, but for text that ends with a colon: YAML would read `stdlib:` as a key
/// without a value, which nobody means here.
fn value(text: &str, index: usize) -> Result<Node, yaml::SyntaxError> {
    let origin = Origin::Override(index);
    let text = text.trim();
    if text.ends_with(':') && !text.contains(['\n', '"', '\'', ' ', '{', '[']) {
        return Ok(Node {
            value: Value::Text(text.to_owned()),
            origin,
        });
    }
    yaml::parse(text, origin)
}

/// Sets the value at `path`, with mappings on the way where there are none.
fn put(root: &mut Node, path: &KeyPath, value: Node) -> Result<(), String> {
    let origin = value.origin;
    let mut node = root;
    for (depth, step) in path.0.iter().enumerate() {
        let here = KeyPath(path.0[..depth].to_vec());
        // `lora:` with all its keys commented out is a section too.
        if node.value == Value::Null {
            node.value = Value::Map(Vec::new());
        }
        node = match (&mut node.value, step) {
            (Value::Map(entries), Step::Key(key)) => {
                let found = entries.iter().position(|entry| entry.key == *key);
                let position = found.unwrap_or_else(|| {
                    let value = Node {
                        value: Value::Null,
                        origin,
                    };
                    entries.push(Entry {
                        key: key.clone(),
                        spelled: key.clone(),
                        value,
                    });
                    entries.len() - 1
                });
                &mut entries[position].value
            }
            (Value::List(items), Step::Index(index)) => {
                let length = items.len();
                items.get_mut(*index).ok_or_else(|| {
                    format!("`{here}` has {length} items, the first is `{here}.0`")
                })?
            }
            (Value::List(_), Step::Key(_)) => {
                return Err(format!(
                    "`{here}` is a list: name an item, as in `{here}.0`"
                ));
            }
            _ => return Err(format!("`{here}` has no keys")),
        };
    }
    *node = value;
    Ok(())
}
