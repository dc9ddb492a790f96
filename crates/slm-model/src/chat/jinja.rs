//! Jinja with transformers' extensions for chat templates.
//!
//! # Source
//! `utils/chat_template_utils.py` of <https://github.com/huggingface/transformers>: blocks trimmed,
//! Python's string methods, `tojson` without HTML escapes, `raise_exception`, `strftime_now`, loop controls
//! and the `generation` tag.
//!
//! Operations whose output can exceed their input are bounded here; the rest is bounded by `program`.

use std::borrow::Cow;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

use super::clock;
use super::program::{self, MAX_VALUE_BYTES, MAX_VALUES, Size, pay};
use super::python_json::to_json;

/// Fuel of one rendering, against hostile templates: about a million instructions or 64 MB of text.
const FUEL: u64 = 1_000_000;

/// The Jinja syntax of templates.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the delimiters are Jinja's own")
}

/// The environment of templates.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    // Errors would keep the template's values alive.
    environment.set_debug(false);
    environment.remove_global("debug");
    environment.set_unknown_method_callback(method);
    program::add_filters(&mut environment);
    environment.add_filter("tojson", to_json);
    environment.add_filter("format", format_filter);
    environment.add_filter("split", split_filter);
    environment.add_filter("lines", lines_filter);
    environment.add_filter("select", select);
    environment.add_filter("reject", reject);
    environment.add_filter("selectattr", selectattr);
    environment.add_filter("rejectattr", rejectattr);
    environment.add_test("iterable", is_iterable);
    environment.add_function("raise_exception", |reason: String| {
        Err::<Value, _>(Error::new(ErrorKind::InvalidOperation, reason))
    });
    environment.add_function("strftime_now", |format: &str| clock::strftime(format));
    environment
}

/// Python's `iter(value)` without an error: other than in minijinja, none is not iterable.
fn is_iterable(value: &Value) -> bool {
    use minijinja::value::ValueKind::{Bool, None, Number};
    !matches!(value.kind(), None | Bool | Number) && value.try_iter().is_ok()
        || value.as_str().is_some()
}

/// Defines a filter that consumes fuel for its tests of the items, then calls minijinja's filter of the same name.
macro_rules! testing_filter {
    ($name:ident $(, $attribute:ident)?) => {
        fn $name(
            state: &mut State,
            value: Value,
            $($attribute: Cow<'_, str>,)?
            test: Option<Cow<'_, str>>,
            args: Rest<ValueOrKwargs>,
        ) -> Result<Vec<Value>, Error> {
            pay_for_tests(state, &value, &args)?;
            filters::$name(state, value, $($attribute,)? test, args)
        }
    };
}

testing_filter!(select);
testing_filter!(reject);
testing_filter!(selectattr, attribute);
testing_filter!(rejectattr, attribute);

/// Consumes fuel for a test of each item of a value, which may compare it with each argument.
fn pay_for_tests(state: &State, value: &Value, args: &[ValueOrKwargs]) -> Result<(), Error> {
    pay(state, value)?;
    let items = value.len().unwrap_or(0) as u64;
    for arg in args {
        let size = Size::of(arg)?;
        state.consume_fuel(items.saturating_mul(size.values) / program::VALUES_PER_FUEL)?;
    }
    Ok(())
}

/// Returns an error if a result would exceed the limit of a value.
fn ensure(what: &str, count: u64, most: u64) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    let reason = format!("`{what}` would give {count}, at most {most} are allowed");
    Err(Error::new(ErrorKind::InvalidOperation, reason))
}

/// Calls one of Python's methods; those whose output can exceed their input are bounded.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    pay(state, value)?;
    let mut given = Size::default();
    for arg in args {
        let size = Size::of(arg)?;
        state.consume_fuel(size.values / program::VALUES_PER_FUEL)?;
        given.values += size.values;
        given.bytes += size.bytes;
    }
    if let Some(text) = value.as_str() {
        match (name, args) {
            ("join", _) => {
                let joiners = (text.len() as u64).saturating_mul(given.values);
                ensure("join", given.bytes.saturating_add(joiners), MAX_VALUE_BYTES)?;
            }
            ("replace", [old, new, ..]) => {
                let (old, new) = (old.as_str().unwrap_or(""), new.as_str().unwrap_or(""));
                let added = (text.matches(old).count() as u64).saturating_mul(new.len() as u64);
                let bytes = (text.len() as u64).saturating_add(added);
                ensure("replace", bytes, MAX_VALUE_BYTES)?;
            }
            ("split" | "splitlines", _) => ensure_parts(text, args.first())?,
            ("format", _) => ensure_format(text, given)?,
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// Refuses to split a text into more parts than the limit of a value.
fn ensure_parts(text: &str, separator: Option<&Value>) -> Result<(), Error> {
    let parts = match separator.and_then(Value::as_str) {
        Some(separator) => text.matches(separator).count() + 1,
        None => text.split_whitespace().count().max(text.lines().count()),
    };
    ensure("split", parts as u64, MAX_VALUES)
}

/// Refuses a format whose result may exceed the limit of a value: each of its fields may take its width and precision,
/// or all arguments.
fn ensure_format(format: &str, given: Size) -> Result<(), Error> {
    let fields = format.matches(['{', '%']).count() as u64;
    let numbers = format.split(|c: char| !c.is_ascii_digit());
    // A number that does not fit into 64 bits exceeds every limit.
    let widths = numbers
        .filter(|number| !number.is_empty())
        .map(|number| number.parse::<u64>().unwrap_or(u64::MAX));
    let widest = widths.max().unwrap_or(0);
    let field = given.bytes.saturating_add(given.values.saturating_mul(64));
    let bytes = fields.saturating_mul(field.saturating_add(widest));
    ensure(
        "format",
        bytes.saturating_add(format.len() as u64),
        MAX_VALUE_BYTES,
    )
}

fn format_filter(
    state: &mut State,
    format: &Value,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let mut given = Size::default();
    for arg in args.iter() {
        let size = Size::of(arg)?;
        given.values += size.values;
        given.bytes += size.bytes;
    }
    ensure_format(format.as_str().unwrap_or(""), given)?;
    filters::format(state, format, args)
}

fn split_filter(
    value: &Value,
    separator: Option<Value>,
    most: Option<i64>,
) -> Result<Value, Error> {
    ensure_parts(value.as_str().unwrap_or(""), separator.as_ref())?;
    let separator = separator.filter(|separator| !separator.is_none());
    let separator = separator.map(std::sync::Arc::<str>::try_from).transpose()?;
    filters::split(value, separator, most)
}

fn lines_filter(value: &Value) -> Result<Value, Error> {
    ensure_parts(value.as_str().unwrap_or(""), None)?;
    filters::lines(value)
}

/// An engine error with its causes, on one line.
pub(super) fn message(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Normalizes line endings to `\n`, as jinja2 does.
pub(super) fn with_unix_newlines(source: &str) -> String {
    source.replace("\r\n", "\n").replace('\r', "\n")
}

/// Replaces `{% generation %}` blocks, which mark the assistant's text for transformers, by blocks that are always
/// rendered.
pub(super) fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        let Some(end) = tag.find("%}") else { break };
        let (tag, after) = tag.split_at(end);
        out.push_str(before);
        let word = tag[2..].trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace());
        match word {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
