//! JSON rows: one object per line, an array of objects, an object of columns, or consecutive objects.
//!
//! The layout is detected from the first line, because the ending of the name is unreliable: `.jsonl` files contain
//! arrays, and `.json` files contain lines.

use std::io;
use std::path::Path;
use std::sync::Arc;

use memchr::memchr_iter;
use serde_json::{Map, Value};

use crate::error::quoted;
use crate::line::LineRead;
use crate::parser::{Parser, Problem, ProblemKind, Tree};
use crate::reading::{Reading, Text};
use crate::scan::{Extent, Scanner};
use crate::{Place, Row, RowFault, TableError};

/// Maximum number of values built for one row: `[0,0,0,...]` takes thirty times its length in memory.
const MAX_VALUES: usize = 1 << 20;

impl Tree for Value {
    fn null() -> Self {
        Self::Null
    }

    fn boolean(value: bool) -> Self {
        Self::Bool(value)
    }

    /// Numbers that are not finite doubles become null.
    fn number(text: &str) -> Self {
        serde_json::from_str(text).map_or(Self::Null, Self::Number)
    }

    fn text(text: String) -> Self {
        Self::String(text)
    }

    fn array(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn object(fields: Vec<(String, Self)>) -> Self {
        Self::Object(fields.into_iter().collect())
    }
}

/// Iterator over the rows of a text.
pub(crate) struct JsonRows {
    file: Arc<Path>,
    reading: Reading,
    /// Whether the file's name declares a single document, in which one object may be columns.
    is_document: bool,
    text: Scanner,
    state: State,
    /// Parsed rows that are not returned yet.
    ready: std::vec::IntoIter<Row>,
    /// The bytes of the current row.
    line: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing is read yet.
    Start,
    /// One object per line.
    Lines,
    /// Inside an array; `true` before its first element.
    Array(bool),
    /// Consecutive objects, each of any number of lines.
    Objects,
    End,
}

impl Iterator for JsonRows {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl JsonRows {
    pub(crate) fn new(file: &Arc<Path>, text: Text, reading: Reading, is_document: bool) -> Self {
        Self {
            file: Arc::clone(file),
            reading,
            is_document,
            text: Scanner::new(text),
            state: State::Start,
            ready: Vec::new().into_iter(),
            line: Vec::new(),
        }
    }

    fn advance(&mut self) -> Result<Option<Row>, TableError> {
        loop {
            if let Some(row) = self.ready.next() {
                return Ok(Some(row));
            }
            match self.state {
                State::Start => self.start()?,
                State::Lines => {
                    let number = self.text.line;
                    match self.next_line()? {
                        LineRead::End => return Ok(None),
                        LineRead::Whole if self.line.trim_ascii().is_empty() => {}
                        LineRead::Whole => return self.row(&self.line, number).map(Some),
                        LineRead::TooLong { bytes } => return Err(self.too_long(number, bytes)),
                    }
                }
                State::Array(_) | State::Objects => {
                    if self.has_element()? {
                        return self.element().map(Some);
                    }
                }
                State::End => match self.peek()? {
                    None => return Ok(None),
                    Some(_) => return Err(self.malformed("something follows the end of the array")),
                },
            }
        }
    }

    /// Detects the layout from the first line.
    fn start(&mut self) -> Result<(), TableError> {
        match self.peek()? {
            None => self.state = State::End,
            Some(b'[') => {
                self.text.skip();
                self.state = State::Array(true);
            }
            Some(byte) if byte != b'{' && self.is_document => {
                return Err(self.malformed("not JSON rows: expected `[` or `{`"));
            }
            Some(_) => return self.first_line(),
        }
        Ok(())
    }

    fn first_line(&mut self) -> Result<(), TableError> {
        self.state = State::Lines;
        let number = self.text.line;
        if let LineRead::TooLong { bytes } = self.next_line()? {
            return Err(self.too_long(number, bytes));
        }
        let mut first = std::mem::take(&mut self.line);
        match self.parsed(&first, number) {
            Ok(row) => return self.put_first(row),
            // Either the line is truncated, or the object spans several lines; in the latter case the second line does
            // not begin an object.
            Err(problem) if problem.kind == ProblemKind::CutOff => {
                let second = self.text.line;
                let read = self.next_line()?;
                let begins_object = self.line.trim_ascii_start().starts_with(b"{");
                if read == LineRead::Whole && !begins_object {
                    first.append(&mut self.line);
                } else {
                    self.text.unread(std::mem::take(&mut self.line), second);
                    return Err(self.bad_row(&first, number, problem));
                }
            }
            // Several objects on one line.
            Err(problem) if problem.kind == ProblemKind::Trailing && self.is_document => {}
            Err(problem) => return Err(self.bad_row(&first, number, problem)),
        }
        self.text.unread(first, number);
        self.state = State::Objects;
        let row = self.element()?;
        self.put_first(row)
    }

    /// Queues the first object. If it is the whole document, it may be an object of columns.
    fn put_first(&mut self, row: Row) -> Result<(), TableError> {
        let rows = if self.is_document && self.peek()?.is_none() {
            columns(row)?
        } else {
            vec![row]
        };
        self.ready = rows.into_iter();
        Ok(())
    }

    /// Advances to the next element of an array, or to the next of several objects; returns whether there is one.
    fn has_element(&mut self) -> Result<bool, TableError> {
        let byte = self.peek()?;
        match (self.state, byte) {
            (State::Array(_), Some(b']')) => {
                self.text.skip();
                self.state = State::End;
                Ok(false)
            }
            (State::Array(_), None) => Err(self.malformed("the array is cut off")),
            (State::Array(true), Some(_)) => {
                self.state = State::Array(false);
                Ok(true)
            }
            (State::Array(false), Some(b',')) => {
                self.text.skip();
                match self.peek()? {
                    None => Err(self.malformed("the array is cut off")),
                    Some(b']' | b',') => Err(self.malformed("expected an object")),
                    Some(_) => Ok(true),
                }
            }
            (State::Array(false), Some(_)) => {
                Err(self.malformed("expected `,` or `]` after an element"))
            }
            (_, None) => {
                self.state = State::End;
                Ok(false)
            }
            (_, Some(b'{')) => Ok(true),
            (_, Some(_)) => Err(self.malformed("expected an object")),
        }
    }

    /// Reads one value, and no byte after it.
    fn element(&mut self) -> Result<Row, TableError> {
        let number = self.text.line;
        let extent = self.text.value(self.reading.max_row_bytes, &mut self.line);
        match extent.map_err(|source| self.unreadable(number, source))? {
            Extent::Whole => self.row(&self.line, number),
            Extent::TooLong { bytes } => Err(self.too_long(number, bytes)),
            Extent::CutOff => {
                let what = match self.state {
                    State::Array(_) => "the array is cut off",
                    _ => "the object is cut off",
                };
                Err(self.malformed(what))
            }
            Extent::LineBreak => Err(self.malformed("an unterminated string")),
        }
    }

    /// Reads a line, with its line break.
    fn next_line(&mut self) -> Result<LineRead, TableError> {
        let number = self.text.line;
        let read = self.text.line(self.reading.max_row_bytes, &mut self.line);
        read.map_err(|source| self.unreadable(number, source))
    }

    /// Returns the next byte that is not white space, without consuming it.
    fn peek(&mut self) -> Result<Option<u8>, TableError> {
        let byte = self.text.peek();
        byte.map_err(|source| TableError::reading(&self.file, source))
    }

    fn row(&self, bytes: &[u8], number: usize) -> Result<Row, TableError> {
        let row = self.parsed(bytes, number);
        row.map_err(|problem| self.bad_row(bytes, number, problem))
    }

    /// Parses the row that begins on line `number`.
    fn parsed(&self, bytes: &[u8], number: usize) -> Result<Row, Problem> {
        let shape = |what: String| Problem {
            what,
            at: 0,
            kind: ProblemKind::Shape,
        };
        let mut parser = Parser::new(bytes.trim_ascii_end(), MAX_VALUES);
        parser.space();
        if parser.peek() != Some(b'{') {
            let kind = kind(parser.peek());
            parser.skip()?;
            parser.end()?;
            return Err(shape(format!("{kind}, expected an object")));
        }
        let mut row = Row::new(Place::line(&self.file, number), Map::new());
        let mut columns = Vec::new();
        let mut twice = None;
        parser.fields(|parser, name| {
            if !self.reading.wants(&name) {
                columns.push(name);
                return parser.skip();
            }
            columns.push(name.clone());
            let lone_before = parser.lone_surrogate.take();
            let value = parser.value(1)?;
            if parser.lone_surrogate.is_some() && row.lone_surrogate.is_none() {
                row.lone_surrogate = Some(name.clone());
            }
            parser.lone_surrogate = parser.lone_surrogate.or(lone_before);
            if row.fields.contains_key(&name) {
                twice.get_or_insert_with(|| name.clone());
            }
            row.fields.insert(name, value);
            Ok(())
        })?;
        parser.end()?;
        if let Some(name) = twice {
            return Err(shape(format!("two fields are called {}", quoted(&name))));
        }
        row.columns = columns.into();
        Ok(row)
    }

    /// Makes the error for a problem in the bytes that begin on line `number`.
    fn bad_row(&self, bytes: &[u8], number: usize, problem: Problem) -> TableError {
        let Problem { what, at, kind } = problem;
        let before = &bytes[..at.min(bytes.len())];
        let line = number + memchr_iter(b'\n', before).count();
        let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
        let place = Place::line(&self.file, line);
        let (fault, text) = match kind {
            ProblemKind::Shape => (RowFault::Broken, what),
            ProblemKind::TooMany => (
                RowFault::TooLarge,
                format!("{what}: at most {MAX_VALUES} are read"),
            ),
            ProblemKind::NotUtf8 => (RowFault::NotUtf8, format!("{what}, column {column}")),
            ProblemKind::CutOff => (
                RowFault::Broken,
                format!("not JSON: the line is cut off: {what}, column {column}"),
            ),
            ProblemKind::Syntax | ProblemKind::Trailing => (
                RowFault::Broken,
                format!("not JSON: {what}, column {column}"),
            ),
        };
        TableError::bad_row(place, fault, text)
    }

    fn too_long(&self, number: usize, bytes: u64) -> TableError {
        let place = Place::line(&self.file, number);
        TableError::too_long(place, bytes, self.reading.max_row_bytes)
    }

    fn unreadable(&self, number: usize, source: io::Error) -> TableError {
        TableError::reading_row(Place::line(&self.file, number), source)
    }

    fn malformed(&self, problem: &str) -> TableError {
        TableError::Malformed {
            place: Place::line(&self.file, self.text.line),
            problem: problem.to_owned(),
        }
    }
}

/// Names the type of a value, by its first byte.
fn kind(first: Option<u8>) -> &'static str {
    match first {
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Converts a document of a single object into rows: columns of equal length, or else a single row.
///
/// A column is an array, or an object from row to value as pandas writes it. An array of objects is not a column but a
/// list of messages, which a row may have.
fn columns(document: Row) -> Result<Vec<Row>, TableError> {
    let is_column = |value: &Value| value.is_array() || value.is_object();
    let is_list = |value: &Value| match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        _ => false,
    };
    let values = || document.fields.values();
    if !values().all(is_column) || values().all(is_list) {
        return Ok(vec![document]);
    }
    let Row {
        place,
        fields,
        columns,
        lone_surrogate,
    } = document;
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for (column, (name, values)) in fields.into_iter().enumerate() {
        let values: Vec<Value> = match values {
            Value::Array(values) => values,
            Value::Object(values) => values.into_iter().map(|(_, value)| value).collect(),
            other => vec![other],
        };
        if column == 0 {
            rows.resize_with(values.len(), Map::new);
        }
        if values.len() != rows.len() {
            return Err(TableError::Malformed {
                place,
                problem: format!(
                    "column {} has {} values, the first column has {}",
                    quoted(&name),
                    values.len(),
                    rows.len()
                ),
            });
        }
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(name.clone(), value);
        }
    }
    let row = |fields: Map<String, Value>| Row {
        place: place.clone(),
        columns: Arc::clone(&columns),
        // The affected row contains the replacement character.
        lone_surrogate: lone_surrogate.as_ref().and_then(|_| {
            let replaced = fields.iter().find(|(_, value)| holds_replacement(value));
            replaced.map(|(name, _)| name.clone())
        }),
        fields,
    };
    Ok(rows.into_iter().map(row).collect())
}

fn holds_replacement(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(char::REPLACEMENT_CHARACTER),
        Value::Array(items) => items.iter().any(holds_replacement),
        Value::Object(fields) => fields.values().any(holds_replacement),
        _ => false,
    }
}
