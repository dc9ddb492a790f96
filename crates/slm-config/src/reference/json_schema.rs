//! The table of keys as a JSON schema (draft 07, which editors read), so that they complete and check recipes.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::defaults::Defaults;
use crate::load::Names;
use crate::node;
use crate::recipe::Recipe;
use crate::schema::{Key, Kind, Row, joined, one_line};

/// The schema as indented text with a line end.
pub(super) fn text(benchmarks: Names) -> String {
    let writer = Writer {
        benchmarks,
        defaults: Defaults::new(),
    };
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated from the table of keys in crates/slm-config.",
        "title": "slm-lora recipe",
    });
    let object = schema.as_object_mut().expect("it is an object");
    object.extend(writer.section(Recipe::KEYS, ""));
    let text = serde_json::to_string_pretty(&schema).expect("it has text keys");
    text + "\n"
}

struct Writer {
    benchmarks: Names,
    defaults: Defaults,
}

impl Writer {
    fn section(&self, keys: &'static [Key], section: &str) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut required: Vec<Value> = Vec::new();
        for key in keys {
            let row = Row {
                path: joined(section, key.name),
                key,
            };
            if self.defaults.is_required(&row) {
                let names = std::iter::once(&key.name).chain(key.aliases);
                let one_of: Vec<_> = names.map(|name| json!({"required": [name]})).collect();
                required.push(json!({"anyOf": one_of}));
            }
            properties.insert(key.name.to_owned(), self.property(&row));
            for alias in key.aliases {
                let mut other = self.kind(&key.kind, &row.path);
                other.insert("description".to_owned(), format!("`{}`.", row.path).into());
                other.insert("deprecated".to_owned(), true.into());
                properties.insert((*alias).to_owned(), with_null(other, key));
            }
        }
        let mut object = Map::new();
        object.insert("type".to_owned(), "object".into());
        object.insert("properties".to_owned(), properties.into());
        object.insert("additionalProperties".to_owned(), false.into());
        if !required.is_empty() {
            object.insert("allOf".to_owned(), required.into());
        }
        object
    }

    fn property(&self, row: &Row) -> Value {
        let mut schema = self.kind(&row.key.kind, &row.path);
        let mut description = row.sentences();
        if let Some(default) = row.key.absent {
            description = format!("{description} Default: {default}.");
        }
        schema.insert("description".to_owned(), description.into());
        if let Some(default) = self.defaults.value(row) {
            schema.insert("default".to_owned(), to_json(default));
        }
        with_null(schema, row.key)
    }

    fn kind(&self, kind: &Kind, path: &str) -> Map<String, Value> {
        let schema = match kind {
            Kind::Section(keys) => return self.section(keys, path),
            Kind::Sections(keys) => {
                json!({"type": "array", "items": self.section(keys, &format!("{path}[]"))})
            }
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Int(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Float(low, high) => {
                let mut schema = Map::new();
                schema.insert("type".to_owned(), "number".into());
                for (bound, inclusive, exclusive) in [
                    (low, "minimum", "exclusiveMinimum"),
                    (high, "maximum", "exclusiveMaximum"),
                ] {
                    match bound {
                        Bound::Included(value) => {
                            schema.insert(inclusive.to_owned(), (*value).into())
                        }
                        Bound::Excluded(value) => {
                            schema.insert(exclusive.to_owned(), (*value).into())
                        }
                        Bound::Unbounded => None,
                    };
                }
                schema.into()
            }
            Kind::Text(_) => json!({"type": "string", "minLength": 1}),
            Kind::AnyText(_) => json!({"type": "string"}),
            Kind::Sha256 => json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}),
            Kind::Word(words) => {
                let words = words();
                let names = words
                    .iter()
                    .flat_map(|word| std::iter::once(&word.name).chain(word.aliases).copied());
                // A word that is spelled like a truth value need not be in quotes.
                let values: Vec<Value> = names
                    .flat_map(|name| match name {
                        "true" | "false" => vec![json!(name), json!(name == "true")],
                        name => vec![json!(name)],
                    })
                    .collect();
                let docs: Vec<_> = words
                    .iter()
                    .map(|word| format!("{}: {}", word.name, one_line(word.doc)))
                    .collect();
                json!({"enum": values, "$comment": docs.join("\n")})
            }
            Kind::Benchmark => json!({"enum": self.benchmarks}),
            Kind::List {
                of,
                unique,
                least,
                most,
                ..
            } => {
                let mut schema = json!({
                    "type": "array",
                    "items": self.kind(of, &format!("{path}[]")),
                    "uniqueItems": unique,
                });
                if *least > 0 {
                    schema["minItems"] = (*least).into();
                }
                if *most != Kind::ANY {
                    schema["maxItems"] = (*most).into();
                }
                schema
            }
            Kind::Map { to, keys, .. } => {
                let value = self.kind(to, path);
                match keys {
                    None => json!({"type": "object", "additionalProperties": value}),
                    Some(keys) => {
                        let properties: Map<_, _> = keys()
                            .iter()
                            .map(|key| ((*key).to_owned(), nullable(value.clone())))
                            .collect();
                        json!({"type": "object", "properties": properties, "additionalProperties": false})
                    }
                }
            }
            Kind::Either(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(|kind| self.kind(kind, path)).collect();
                json!({"anyOf": kinds})
            }
        };
        match schema {
            Value::Object(object) => object,
            _ => unreachable!("each type is an object above"),
        }
    }
}

/// The schema of a key's value, with `null` where that is a value, too: for a section, all keys of which may be commented
/// out, and for a key that may be unset.
fn with_null(schema: Map<String, Value>, key: &Key) -> Value {
    if key.nullable || matches!(key.kind, Kind::Section(_)) {
        nullable(schema)
    } else {
        schema.into()
    }
}

fn nullable(mut schema: Map<String, Value>) -> Value {
    if let Some(Value::String(name)) = schema.get("type").cloned() {
        schema.insert("type".to_owned(), json!([name, "null"]));
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
    schema.into()
}

fn to_json(value: &node::Value) -> Value {
    match value {
        node::Value::Null | node::Value::Map(_) => Value::Null,
        node::Value::Bool(value) => (*value).into(),
        node::Value::Int(value) => i64::try_from(*value).map_or(Value::Null, Value::from),
        node::Value::Float(value) => (*value).into(),
        node::Value::Text(text) => text.as_str().into(),
        node::Value::List(items) => items.iter().map(|item| to_json(&item.value)).collect(),
    }
}
