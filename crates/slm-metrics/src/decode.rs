//! Decodes the bytes of a Python file.

use crate::SyntaxError;
use crate::codecs::{self, Codec};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Ascii,
    Latin1,
    Other(Codec),
}

/// Decodes a Python file: UTF-8 unless its first two lines declare another encoding. A byte order mark is removed.
///
/// Supports Python's codecs that are supersets of ASCII, except rare ones (some of DOS and of the Macintosh, EBCDIC).
///
/// # Errors
/// [`SyntaxError`], as in Python itself, if an unknown encoding is declared or a byte is invalid.
///
/// # Source
/// PEP 263, Defining Python Source Code Encodings.
pub fn decode_python(bytes: &[u8]) -> Result<String, SyntaxError> {
    let (body, has_mark) = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => (body, true),
        None => (bytes, false),
    };
    let encoding = match declared(body) {
        None => Encoding::Utf8,
        Some((line, name)) => {
            let refuse = |message| SyntaxError {
                message,
                line,
                column: 1,
            };
            let encoding = by_name(&name).ok_or_else(|| {
                refuse(format!(
                    "unsupported encoding `{name}`, expected a common one of Python's such as utf-8, latin-1 or cp1252"
                ))
            })?;
            if has_mark && encoding != Encoding::Utf8 {
                return Err(refuse(format!(
                    "encoding `{name}` is declared in a file with a UTF-8 byte order mark"
                )));
            }
            encoding
        }
    };
    let (name, fits) = match encoding {
        Encoding::Latin1 => return Ok(body.iter().copied().map(char::from).collect()),
        Encoding::Other(codec) => {
            return codec.decode(body).map_err(|line| SyntaxError {
                message: "bytes are invalid in the declared encoding of this file".to_owned(),
                line,
                column: 1,
            });
        }
        Encoding::Ascii => (
            "ASCII",
            body.iter()
                .position(|byte| !byte.is_ascii())
                .unwrap_or(body.len()),
        ),
        Encoding::Utf8 => (
            "UTF-8",
            std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), str::len),
        ),
    };
    let text = String::from_utf8_lossy(&body[..fits]);
    let Some(byte) = body.get(fits) else {
        return Ok(text.into_owned());
    };
    // `\r\n` is one line end, and so is a lone `\r`.
    let before = text.replace("\r\n", "\n").replace('\r', "\n");
    Err(SyntaxError {
        message: format!("byte 0x{byte:02x} is not {name}, the encoding of this file"),
        line: before.matches('\n').count() + 1,
        column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
    })
}

/// Returns the line number and name of an encoding declared by a comment on the first or second line.
fn declared(body: &[u8]) -> Option<(usize, String)> {
    let mut rest = body;
    for number in 1..=2 {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        match line.trim_ascii_start() {
            [] => {}
            [b'#', comment @ ..] => {
                if let Some(name) = name_in(&String::from_utf8_lossy(comment)) {
                    return Some((number, name));
                }
            }
            // After code on the first line, the second line cannot declare an encoding.
            _ => return None,
        }
        let after_one = || after.get(1..).unwrap_or_default();
        rest = after.strip_prefix(b"\r\n").unwrap_or_else(after_one);
    }
    None
}

/// Returns the name after the first `coding:` or `coding=` that is followed by one.
fn name_in(comment: &str) -> Option<String> {
    comment.match_indices("coding").find_map(|(at, word)| {
        let rest = comment[at + word.len()..].strip_prefix([':', '='])?;
        let name: String = rest
            .trim_start_matches([' ', '\t'])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            .collect();
        (!name.is_empty()).then_some(name)
    })
}

/// Returns the encoding for a name in any common spelling; editors add suffixes such as `-unix`.
fn by_name(name: &str) -> Option<Encoding> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let name = ["-unix", "-dos", "-mac"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    match name {
        "utf-8" | "utf8" | "u8" | "utf" | "utf-8-sig" => Some(Encoding::Utf8),
        "ascii" | "us-ascii" | "646" => Some(Encoding::Ascii),
        "latin-1" | "latin1" | "latin" | "l1" | "iso-8859-1" | "iso8859-1" | "iso-latin-1"
        | "8859" | "cp819" => Some(Encoding::Latin1),
        other => codecs::by_name(other).map(Encoding::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<&str, &str>) {
        let found = decode_python(bytes)
            .map_err(|error| format!("{}:{}: {}", error.line, error.column, error.message));
        let found = found.as_deref().map_err(String::as_str);
        assert_eq!(found, expected);
    }

    #[test]
    fn files_are_utf_8_and_lose_their_byte_order_mark() {
        check("é = 1\r\n".as_bytes(), Ok("é = 1\r\n"));
        check(b"\xef\xbb\xbfx = 1\n", Ok("x = 1\n"));
        check(b"", Ok(""));
        check(
            b"x = 1\r\n'\xc3\xa9\xe9'\n",
            Err("2:3: byte 0xe9 is not UTF-8, the encoding of this file"),
        );
    }

    #[test]
    fn a_declared_encoding_is_honoured() {
        check(b"# coding: latin-1\n'\xe9'", Ok("# coding: latin-1\n'é'"));
        let emacs = "#!/usr/bin/python\r\n# -*- coding: ISO_8859-1-unix -*-\r\n";
        let bytes = [emacs.as_bytes(), b"'\xe9'"].concat();
        check(&bytes, Ok(&format!("{emacs}'é'")));
        check(
            b"\n# vim: fileencoding=utf-8 :\n",
            Ok("\n# vim: fileencoding=utf-8 :\n"),
        );
        check(
            b"#coding=ascii\n\xe9\n",
            Err("2:1: byte 0xe9 is not ASCII, the encoding of this file"),
        );
    }

    #[test]
    fn pythons_common_codecs_are_read() {
        check(
            b"# coding: cp1252\nx = '\x80'\n",
            Ok("# coding: cp1252\nx = '€'\n"),
        );
        check(
            b"# coding: Windows-1251-unix\n\xff\n",
            Ok("# coding: Windows-1251-unix\nя\n"),
        );
        check(b"# coding: gbk\n# \xd6\xd0\n", Ok("# coding: gbk\n# 中\n"));
        // Python rejects this byte, too.
        check(
            b"# coding: cp1252\n\nx = '\x81'\n",
            Err("3:1: bytes are invalid in the declared encoding of this file"),
        );
        check(
            b"\xef\xbb\xbf# coding: cp1252\n",
            Err("1:1: encoding `cp1252` is declared in a file with a UTF-8 byte order mark"),
        );
    }

    #[test]
    fn a_declaration_after_code_or_too_late_is_a_comment() {
        for text in [
            "x = 1\n# coding: koi8-r\n",
            "\n\n# coding: koi8-r\n",
            "\r\n\r\n# coding: koi8-r\n",
            "# encoding\n# coding later\n",
        ] {
            check(text.as_bytes(), Ok(text));
        }
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        check(
            b"#!/usr/bin/python\n# coding: rot13\n",
            Err(
                "2:1: unsupported encoding `rot13`, expected a common one of Python's such as utf-8, latin-1 or cp1252",
            ),
        );
        check(
            b"\xef\xbb\xbf# coding: latin-1\n",
            Err("1:1: encoding `latin-1` is declared in a file with a UTF-8 byte order mark"),
        );
    }
}
