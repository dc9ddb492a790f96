//! Tool calls and definitions of tools, in the spellings of OpenAI, LLaMA-Factory and others, as OpenAI's objects.

use serde_json::{Map, Value, json};

/// Most definitions of tools, or calls of one message.
const MOST: usize = 1024;

/// Reads the tool calls of a message: `tool_calls`, or the older `function_call`.
///
/// # Errors
/// The key, and why its value is not a list of calls.
pub(super) fn of_message(
    fields: &Map<String, Value>,
) -> Result<Vec<Value>, (&'static str, String)> {
    for key in ["tool_calls", "function_call"] {
        match fields.get(key) {
            None | Some(Value::Null) => {}
            Some(value) => return calls(value).map_err(|problem| (key, problem)),
        }
    }
    Ok(Vec::new())
}

/// Reads tool calls: a list of calls, one call, or either as JSON text.
///
/// # Errors
/// Why it is none.
pub(super) fn calls(value: &Value) -> Result<Vec<Value>, String> {
    list(value)?
        .into_iter()
        .map(|call| {
            let call = parsed(call)?;
            let is_wrapped = call.get("function").is_some_and(Value::is_object);
            let function = if is_wrapped { &call["function"] } else { &call };
            let name = name_of(function)?;
            let arguments = match function.get("arguments").or(function.get("parameters")) {
                None | Some(Value::Null) => json!({}),
                Some(given @ (Value::Object(_) | Value::String(_))) => given.clone(),
                Some(_) => return Err(format!("calls {name} with arguments that are no object")),
            };
            let mut whole = Map::new();
            if let Some(id) = call.get("id").filter(|id| id.is_string()) {
                whole.insert("id".to_owned(), id.clone());
            }
            whole.insert("type".to_owned(), json!("function"));
            let function = json!({"name": name, "arguments": arguments});
            whole.insert("function".to_owned(), function);
            Ok(Value::Object(whole))
        })
        .collect()
}

/// Reads definitions of tools: a list of OpenAI's objects or of their `function` alone, or such a list as JSON text. `None`
/// if there are none.
///
/// # Errors
/// Why it is none.
pub(super) fn tools(value: &Value) -> Result<Option<Value>, String> {
    let tools = list(value)?
        .into_iter()
        .map(|tool| {
            let tool = parsed(tool)?;
            if tool.get("function").is_some_and(Value::is_object) {
                name_of(&tool["function"])?;
                return Ok(tool);
            }
            name_of(&tool)?;
            Ok(json!({"type": "function", "function": tool}))
        })
        .collect::<Result<Vec<Value>, String>>()?;
    Ok((!tools.is_empty()).then_some(Value::Array(tools)))
}

/// The items of a list, of a single object, or of either as JSON text.
fn list(value: &Value) -> Result<Vec<Value>, String> {
    let value = parsed(value.clone())?;
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.trim().is_empty() => Ok(Vec::new()),
        Value::Array(items) if items.len() > MOST => Err(format!(
            "has {} items, expected at most {MOST}",
            items.len()
        )),
        Value::Array(items) => Ok(items),
        object @ Value::Object(_) => Ok(vec![object]),
        _ => Err("is no list of objects".to_owned()),
    }
}

/// Parses a text that holds JSON.
fn parsed(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => serde_json::from_str(&text)
            .ok()
            .filter(|value: &Value| value.is_object() || value.is_array())
            .ok_or_else(|| "is text, but no JSON".to_owned()),
        other => Ok(other),
    }
}

fn name_of(function: &Value) -> Result<&str, String> {
    let name = function.get("name").and_then(Value::as_str);
    name.filter(|name| !name.trim().is_empty())
        .ok_or_else(|| "has an item without the name of a function".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_call_becomes_openais_object() {
        let expected = vec![json!({
            "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}
        })];
        for given in [
            json!([{"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}]),
            json!({"name": "f", "arguments": {"b": 1, "a": 2}}),
            json!("{\"name\": \"f\", \"arguments\": {\"b\": 1, \"a\": 2}}"),
            json!(["{\"name\": \"f\", \"parameters\": {\"b\": 1, \"a\": 2}}"]),
        ] {
            assert_eq!(calls(&given), Ok(expected.clone()), "{given}");
        }
        // The arguments stay as they are written: the template decides their form.
        let text = json!([{"id": "1", "function": {"name": "f", "arguments": "{}"}}]);
        assert_eq!(
            calls(&text).expect("calls")[0]["function"]["arguments"],
            "{}"
        );
        assert_eq!(calls(&text).expect("calls")[0]["id"], "1");
        assert_eq!(
            calls(&json!([{"name": "f"}])).expect("a call")[0]["function"]["arguments"],
            json!({})
        );
    }

    #[test]
    fn what_is_no_call_is_refused_with_the_reason() {
        for (given, problem) in [
            (json!("call f"), "is text, but no JSON"),
            (json!("5"), "is text, but no JSON"),
            (json!(7), "is no list of objects"),
            (json!([7]), "has an item without the name of a function"),
            (
                json!([{"name": ""}]),
                "has an item without the name of a function",
            ),
            (
                json!([{"name": "f", "arguments": [1]}]),
                "calls f with arguments that are no object",
            ),
            (
                json!(vec![0; MOST + 1]),
                "has 1025 items, expected at most 1024",
            ),
        ] {
            assert_eq!(calls(&given), Err(problem.to_owned()), "{given}");
        }
    }

    #[test]
    fn definitions_of_tools_are_wrapped_if_they_are_not() {
        let bare = json!({"name": "f", "description": "d", "parameters": {}});
        let whole = json!([{"type": "function", "function": bare}]);
        for given in [
            whole.clone(),
            json!([bare]),
            json!(whole.to_string()),
            json!([bare.to_string()]),
        ] {
            assert_eq!(tools(&given), Ok(Some(whole.clone())), "{given}");
        }
        for none in [json!([]), json!(""), json!("[]"), Value::Null] {
            assert_eq!(tools(&none), Ok(None), "{none}");
        }
        assert!(tools(&json!([{"description": "d"}])).is_err());
    }
}
