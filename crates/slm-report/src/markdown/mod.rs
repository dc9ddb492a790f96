//! Renders pages of GitHub Markdown from templates.
//!
//! A template is a `.md.jinja` file with a typed context. Everything that it prints is escaped: a string as text,
//! unless a filter declares it a name, code or a number. No filter accepts Markdown from the context.
//!
//! | filter | output |
//! |---|---|
//! | `name`, `html_name` | a name as inline code, in Markdown and in HTML |
//! | `code` | a path or a command as inline code |
//! | `prose` | trusted text, whose words in backticks are code |
//! | `line` | one line of an indented code block |
//! | `code_block(LANGUAGE)`, `whole_code_block(LANGUAGE)` | a fenced block, cut to a readable size or whole |
//! | `number(DIGITS)`, `signed(DIGITS)` | a number; a difference |
//! | `interval(DIGITS)`, `signed_interval(DIGITS)` | both ends of an interval, or of one of differences |
//! | `percent`, `p_value`, `seconds`, `milliseconds`, `grouped` | a share, a p-value, a duration, a count |
//! | `count(NOUN)`, `change(DIGITS, UNIT)` | `3 tasks`; `rose by 3.0 points` |
//! | `shortest`, `scientific` | a number as in a recipe; a learning rate |
//! | `times(FACTOR)`, `per(N)`, `exp` | the number times a factor, divided by a count, exponentiated; `None` stays
//! `None` |
//! | `words`, `capitalised` | `not supported` for `not_supported`; an upper-case beginning |
//! | `compact_json` | any value as JSON |
//! | `paragraph` | the lines of a block as one |
//! | `contents` | links to the sections of a rendered page |

mod contents;
mod escape;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;
use slm_statistics::Interval;

use crate::number;

/// Renders the first of `templates` (name, source), which may include and import the others, as a page.
///
/// # Panics
/// A template is invalid, or prints a value that the context lacks: both are faults of this program.
pub fn render(templates: &[(&str, &str)], context: &impl Serialize) -> String {
    let rendered = || {
        let mut environment = environment();
        for &(name, source) in templates {
            environment.add_template_owned(name.to_owned(), source.to_owned())?;
        }
        let (main, _) = templates[0];
        environment
            .get_template(main)?
            .render(Value::from(Serde(context)))
    };
    rendered().unwrap_or_else(|error: Error| panic!("{error:#}"))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the delimiters are Jinja's own"));
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    environment.set_formatter(write_value);
    // No value may be declared safe by a template.
    environment.remove_filter("safe");
    environment.add_global("nbsp", shown("\u{a0}".to_owned()));
    add_text_filters(&mut environment);
    add_number_filters(&mut environment);
    environment
}

fn add_text_filters(environment: &mut Environment) {
    let mut of_text = |name: &'static str, show: fn(&str) -> String| {
        environment.add_filter(name, move |text: String| shown(show(&text)));
    };
    of_text("name", escape::name);
    of_text("html_name", escape::html_name);
    of_text("code", escape::code);
    of_text("line", escape::line);
    of_text("prose", escape::prose);
    let mut of_block = |name: &'static str, show: fn(&str, &str) -> String| {
        environment.add_filter(name, move |text: String, language: String| {
            shown(show(&language, &text))
        });
    };
    of_block("code_block", escape::code_block);
    of_block("whole_code_block", escape::whole_code_block);
    environment.add_filter("words", |text: String| text.replace('_', " "));
    environment.add_filter("capitalised", |value: Value| {
        let mut letters = value.as_str().unwrap_or_default().chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        like(&value, first.into_iter().chain(letters).collect())
    });
    environment.add_filter("paragraph", |value: Value| {
        let lines = value.as_str().unwrap_or_default().lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        like(&value, lines.join(" ") + "\n")
    });
    environment.add_filter("contents", |value: Value| {
        let page = value.as_str().unwrap_or_default();
        like(&value, contents::contents(page))
    });
    environment.add_filter("compact_json", |value: Value| {
        serde_json::to_string(&value).map_err(|error| mistake(&error.to_string()))
    });
}

fn add_number_filters(environment: &mut Environment) {
    let mut of_number = |name: &'static str, show: fn(Option<f64>) -> String| {
        environment.add_filter(name, move |value: Value| -> Result<Value, Error> {
            Ok(shown(show(real(&value)?)))
        });
    };
    of_number("percent", number::percent);
    of_number("p_value", number::p_value);
    of_number("seconds", number::seconds);
    of_number("milliseconds", number::milliseconds);
    of_number("shortest", number::shortest);
    of_number("scientific", number::scientific);
    let mut with_digits = |name: &'static str, show: fn(Option<f64>, usize) -> String| {
        let show = move |value: Value, digits: usize| -> Result<Value, Error> {
            Ok(shown(show(real(&value)?, digits)))
        };
        environment.add_filter(name, show);
    };
    with_digits("number", number::number);
    with_digits("signed", number::signed);
    let mut of_interval = |name: &'static str, show: ShowInterval| {
        let show = move |value: Value, digits: usize, scale: Option<f64>| {
            let interval = interval(&value)?;
            Ok::<_, Error>(shown(show(interval, digits, scale.unwrap_or(1.0))))
        };
        environment.add_filter(name, show);
    };
    of_interval("interval", number::interval);
    of_interval("signed_interval", number::signed_interval);
    environment.add_filter("grouped", |n: usize| shown(number::grouped(n)));
    environment.add_filter("count", |n: usize, noun: String| number::count(n, &noun));
    environment.add_filter(
        "change",
        |value: Value, digits: usize, unit: Option<String>| {
            let difference = real(&value)?.ok_or_else(|| mistake("no change of none"))?;
            Ok::<_, Error>(number::change(difference, unit.as_deref(), digits))
        },
    );
    let mut computed = |name: &'static str, of: fn(f64, f64) -> Option<f64>| {
        let filter = move |value: Value, by: Option<f64>| -> Result<Option<f64>, Error> {
            Ok(real(&value)?.and_then(|value| of(value, by.unwrap_or_default())))
        };
        environment.add_filter(name, filter);
    };
    computed("times", |value, factor| Some(value * factor));
    computed("per", |value, n| (n > 0.0).then(|| value / n));
    computed("exp", |value, _| Some(value.exp()));
}

/// Formats an interval with these decimals, times a factor.
type ShowInterval = fn(Option<Interval>, usize, f64) -> String;

/// Prints a value: strings as text, whole numbers as they are. Other numbers need a filter that defines their digits.
fn write_value(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::String if value.is_safe() => out.write_str(value.as_str().unwrap_or_default()),
        ValueKind::String => out.write_str(&escape::text(value.as_str().unwrap_or_default())),
        ValueKind::Number if value.is_integer() => write!(out, "{value}"),
        // The value of an `if` without an `else`.
        ValueKind::Undefined => Ok(()),
        kind => return Err(mistake(&format!("a {kind} is printed without a filter"))),
    };
    written.map_err(|error| mistake(&error.to_string()))
}

fn mistake(text: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, text.to_owned())
}

/// Marks the output of a filter as safe.
fn shown(text: String) -> Value {
    Value::from_safe_string(text)
}

/// Returns a text that is as safe as the value it was made from.
fn like(value: &Value, text: String) -> Value {
    if value.is_safe() {
        Value::from_safe_string(text)
    } else {
        Value::from(text)
    }
}

/// Returns a number of the context; `None` if it has none.
fn real(value: &Value) -> Result<Option<f64>, Error> {
    match value.kind() {
        ValueKind::None => Ok(None),
        ValueKind::Number => f64::try_from(value.clone()).map(Some),
        kind => Err(mistake(&format!("no number, but {kind}"))),
    }
}

/// Returns an interval of the context; `None` if it has none.
fn interval(value: &Value) -> Result<Option<Interval>, Error> {
    if value.is_none() {
        return Ok(None);
    }
    let end = |name: &str| real(&value.get_attr(name)?);
    let ends = end("low")?.zip(end("high")?);
    Ok(ends.map(|(low, high)| Interval { low, high }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    fn check(template: &str, expected: &str) {
        let context = json!({
            "hostile": "a|b # `c`\n<d> *e* _f_ [g] snake_case",
            "third": 1.0 / 3.0,
            "none": null,
        });
        assert_eq!(render(&[("page", template)], &context), expected);
    }

    #[test]
    fn strings_are_text_wherever_they_are_printed() {
        let text = "a&#124;b &#35; &#96;c&#96;\u{fffd}&#60;d> &#42;e&#42; &#95;f&#95; &#91;g&#93; snake_case";
        check("| {{ hostile }} |\n", &format!("| {text} |\n"));
        check("{{ hostile ~ third|number(1) }}", &format!("{text}0.3"));
        check(
            "{% macro m(s) %}{{ s }}{% endmacro %}{{ m(hostile) }}",
            text,
        );
        check(
            "{{ [hostile]|map('capitalised')|join(', ') }}",
            &text.replacen('a', "A", 1),
        );
        check(
            "{% filter paragraph %}\n  {{ hostile }}\n  x\n{% endfilter %}",
            &format!("{text} x\n"),
        );
    }

    #[test]
    fn numbers_are_formatted_by_filters() {
        check("{{ third|number(2) }} {{ none|signed(1) }}", "0.33 –");
        check(
            "{{ third|times(100)|number(0) }} {{ none|per(3)|number(1) }}",
            "33 –",
        );
    }

    #[test]
    #[should_panic(expected = "printed without a filter")]
    fn a_number_without_a_filter_is_refused() {
        check("{{ third }}", "");
    }

    #[test]
    #[should_panic(expected = "undefined")]
    fn a_misspelt_field_is_refused() {
        check("{{ thrid|number(1) }}", "");
    }

    #[test]
    #[should_panic(expected = "unknown filter")]
    fn nothing_is_declared_safe_by_a_template() {
        check("{{ hostile|safe }}", "");
    }
}
