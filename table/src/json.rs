//! JSON: an object a line, an array of objects, or an object of columns.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::rows::Text;
use crate::{Exact, Place, Row, TableError};

/// The rows of a file with an object on each line; blank lines are left out.
pub(crate) fn lines(
    file: &Arc<Path>,
    text: Text,
) -> impl Iterator<Item = Result<Row, TableError>> + Send + use<> {
    raw_lines(file, text).map(|line| {
        let (place, bytes) = line?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => object(place, value),
            Err(error) => match std::str::from_utf8(&bytes).map(Exact::parse) {
                Ok(Ok(value)) => object(place, value.into_value()),
                _ => Err(TableError::Malformed {
                    place,
                    problem: format!("not JSON: {}", without_line(&error)),
                }),
            },
        }
    })
}

/// The lines that hold more than white space.
pub(crate) fn raw_lines(
    file: &Arc<Path>,
    mut text: Text,
) -> impl Iterator<Item = Result<(Place, Vec<u8>), TableError>> + Send + use<> {
    let (file, mut number) = (Arc::clone(file), 0);
    std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            number += 1;
            match text.read_until(b'\n', &mut line) {
                Err(source) => return Some(Err(TableError::reading(&file, source))),
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok((Place::line(&file, number), line))),
            }
        }
    })
}

fn object(place: Place, value: Value) -> Result<Row, TableError> {
    match value {
        Value::Object(fields) => Ok(Row { place, fields }),
        other => Err(TableError::Malformed {
            place,
            problem: format!("{}, expected an object", kind(&other)),
        }),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What the parser says, less its own line number, which counts from where it began.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => format!("{}, column {}", &text[..end], error.column()),
        None => text,
    }
}

/// The rows of a JSON document: an array of objects, an object of columns, or objects one after another.
pub(crate) fn document(
    file: &Arc<Path>,
    text: Text,
) -> impl Iterator<Item = Result<Row, TableError>> + Send + use<> {
    Document {
        file: Arc::clone(file),
        text: Numbered { text, line: 1 },
        state: State::Start,
    }
}

struct Document {
    file: Arc<Path>,
    text: Numbered,
    state: State,
}

enum State {
    /// Nothing is read yet.
    Start,
    /// Inside an array; true before its first element.
    Array(bool),
    /// Among objects that follow each other without an array around them.
    Objects,
    /// The rows of an object of columns, of which the file held no more; they all stand on its first line.
    Columns(usize, std::vec::IntoIter<Map<String, Value>>),
    End,
}

impl Iterator for Document {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Document {
    fn advance(&mut self) -> Result<Option<Row>, TableError> {
        loop {
            if let State::Columns(line, rows) = &mut self.state {
                let place = Place::line(&self.file, *line);
                return Ok(rows.next().map(|fields| Row { place, fields }));
            }
            let byte = self.peek()?;
            match (&self.state, byte) {
                (State::Start, Some(b'[')) => {
                    self.text.skip();
                    self.state = State::Array(true);
                }
                (State::Start, Some(b'{')) => {
                    let first = self.value()?;
                    if self.peek()?.is_some() {
                        self.state = State::Objects;
                        return Ok(Some(first));
                    }
                    let line = first.place.number();
                    let rows = columns(first)?;
                    self.state = State::Columns(line, rows.into_iter());
                }
                (State::Start | State::Objects | State::End, None) => {
                    return Ok(None);
                }
                (State::Start, Some(_)) => {
                    return Err(self.malformed("not JSON rows: expected `[` or `{`"));
                }
                (State::Array(_), Some(b']')) => {
                    self.text.skip();
                    self.state = State::End;
                }
                (State::Array(true), Some(_)) => {
                    self.state = State::Array(false);
                    return self.value().map(Some);
                }
                (State::Array(false), Some(b',')) => {
                    self.text.skip();
                    return self.value().map(Some);
                }
                (State::Array(_), None) => {
                    return Err(self.malformed("the array is cut off"));
                }
                (State::Array(false), Some(_)) => {
                    return Err(self.malformed("expected `,` or `]` after an element"));
                }
                (State::Objects, Some(_)) => return self.value().map(Some),
                (State::End, Some(_)) => {
                    return Err(self.malformed("something follows the end of the array"));
                }
                (State::Columns(..), _) => unreachable!("handled above"),
            }
        }
    }

    /// The next byte that is no white space, left where it is.
    fn peek(&mut self) -> Result<Option<u8>, TableError> {
        self.text
            .peek()
            .map_err(|source| TableError::reading(&self.file, source))
    }

    /// Reads one object, and no byte after it.
    fn value(&mut self) -> Result<Row, TableError> {
        // A number would need the byte after it to end, so nothing but an object may be begun here.
        match self.peek()? {
            Some(b'{') => {}
            Some(_) => return Err(self.malformed("expected an object")),
            None => return Err(self.malformed("the array is cut off")),
        }
        let line = self.text.line;
        let mut parser = serde_json::Deserializer::from_reader(&mut self.text);
        let parsed = Value::deserialize(&mut parser);
        match parsed {
            Ok(value) => object(Place::line(&self.file, line), value),
            Err(error) if error.is_io() => Err(TableError::reading(&self.file, error.into())),
            Err(error) => Err(TableError::Malformed {
                place: Place::line(&self.file, line + error.line().saturating_sub(1)),
                problem: format!("not JSON: {}", without_line(&error)),
            }),
        }
    }

    fn malformed(&self, problem: &str) -> TableError {
        TableError::Malformed {
            place: Place::line(&self.file, self.text.line),
            problem: problem.to_owned(),
        }
    }
}

/// Turns columns of equal length into rows. A column is an array, or an object from row to value as pandas writes it.
fn columns(object: Row) -> Result<Vec<Map<String, Value>>, TableError> {
    let Row { place, fields } = object;
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for (column, (name, values)) in fields.into_iter().enumerate() {
        let values: Vec<Value> = match values {
            Value::Array(values) => values,
            Value::Object(values) => values.into_iter().map(|(_, value)| value).collect(),
            other => {
                return Err(TableError::Malformed {
                    place,
                    problem: format!(
                        "one object whose `{name}` is {}, expected an array of objects, or columns that are arrays",
                        kind(&other)
                    ),
                });
            }
        };
        if column == 0 {
            rows.resize_with(values.len(), Map::new);
        }
        if values.len() != rows.len() {
            return Err(TableError::Malformed {
                place,
                problem: format!(
                    "column `{name}` has {} values, the first column has {}",
                    values.len(),
                    rows.len()
                ),
            });
        }
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(name.clone(), value);
        }
    }
    Ok(rows)
}

/// A text that knows the number of its line, counted from 1.
struct Numbered {
    text: Text,
    line: usize,
}

impl Numbered {
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.text.fill_buf()?;
            match buffer.first() {
                Some(byte) if byte.is_ascii_whitespace() => self.skip(),
                first => return Ok(first.copied()),
            }
        }
    }

    /// Passes over the byte that `peek` has seen.
    fn skip(&mut self) {
        let newline = matches!(self.text.fill_buf(), Ok([b'\n', ..]));
        self.line += usize::from(newline);
        self.text.consume(1);
    }
}

impl Read for Numbered {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.text.read(into)?;
        self.line += into[..n].split(|&byte| byte == b'\n').count() - 1;
        Ok(n)
    }
}
