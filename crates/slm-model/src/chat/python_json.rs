//! The filter `tojson` of chat templates: Python's `json.dumps`.
//!
//! # Source
//! `tojson` in `utils/chat_template_utils.py` of <https://github.com/huggingface/transformers>: no HTML escapes, and other
//! characters than ASCII as they are by default.

use std::io::{self, Write};

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::program::MAX_VALUE_BYTES;

/// Most spaces of indentation per level.
const MAX_INDENT: usize = 16;

/// Python's `json.dumps(value, ensure_ascii=False)`, with its keyword arguments.
pub(super) fn to_json(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let ensure_ascii: Option<bool> = kwargs.get("ensure_ascii")?;
    let sort_keys: Option<bool> = kwargs.get("sort_keys")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    kwargs.assert_all_used()?;
    let mut style = Style::python(indent.map(|indent| indent.min(MAX_INDENT)));
    style.ensure_ascii = ensure_ascii.unwrap_or(false);
    match separators.as_deref() {
        None => {}
        Some([item, key]) => (style.item, style.key) = (item.clone(), key.clone()),
        Some(_) => {
            let reason = "`separators` of `tojson` must be two texts";
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
    }
    let failed =
        |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let mut bytes = Bounded(Vec::new());
    let mut serializer = Serializer::with_formatter(&mut bytes, style);
    if sort_keys.unwrap_or(false) {
        let mut value = serde_json::to_value(value).map_err(failed)?;
        value.sort_all_objects();
        value.serialize(&mut serializer).map_err(failed)?;
    } else {
        value.serialize(&mut serializer).map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&bytes.0).into_owned())
}

/// Python's `json.dumps(value, ensure_ascii=False)`.
pub(super) fn python_json(value: &serde_json::Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Style::python(None));
    // Writing to memory cannot fail, and every key is text.
    let _ = value.serialize(&mut serializer);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A writer limited to the maximum size of a value.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > MAX_VALUE_BYTES {
            let reason = format!("more than {MAX_VALUE_BYTES} bytes of JSON");
            return Err(io::Error::other(reason));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How Python writes JSON.
struct Style {
    /// Spaces per level; `None` writes one line.
    indent: Option<usize>,
    level: usize,
    has_items: bool,
    item: String,
    key: String,
    ensure_ascii: bool,
}

impl Style {
    fn python(indent: Option<usize>) -> Self {
        let item = if indent.is_some() { "," } else { ", " };
        Self {
            indent,
            level: 0,
            has_items: false,
            item: item.to_owned(),
            key: ": ".to_owned(),
            ensure_ascii: false,
        }
    }

    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        match self.indent {
            Some(indent) => write!(writer, "\n{:1$}", "", indent * self.level),
            None => Ok(()),
        }
    }

    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.level += 1;
        self.has_items = false;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.level -= 1;
        if self.has_items {
            self.new_line(writer)?;
        }
        self.has_items = true;
        writer.write_all(bracket)
    }

    fn next<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.item.as_bytes())?;
        }
        self.new_line(writer)
    }
}

impl Formatter for Style {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_items = true;
        Ok(())
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_items = true;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.ensure_ascii {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for c in fragment.chars() {
            if c.is_ascii() {
                writer.write_all(&[c as u8])?;
                continue;
            }
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
