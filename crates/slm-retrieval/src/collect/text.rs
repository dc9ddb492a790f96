//! The bytes of files as text with `\n` line ends.

use slm_metrics::decode_python;

/// Decodes a document: UTF-8, with or without a byte order mark. `None` for other bytes and for binary files.
pub(super) fn document(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    (!text.contains('\0')).then(|| universal_newlines(text))
}

/// Decodes a Python file as Python does. `None` if its bytes are invalid in its encoding.
pub(super) fn python(bytes: &[u8]) -> Option<String> {
    let text = decode_python(bytes).ok()?;
    Some(universal_newlines(&text))
}

fn universal_newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
