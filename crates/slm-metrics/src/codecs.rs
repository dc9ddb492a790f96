//! Python's codecs for source files that declare one, by the names and aliases of the module `encodings`.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_8859_2, ISO_8859_3, ISO_8859_4,
    ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14,
    ISO_8859_15, ISO_8859_16, KOI8_R, KOI8_U, MACINTOSH, SHIFT_JIS, WINDOWS_874, WINDOWS_1250,
    WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256,
    WINDOWS_1257, WINDOWS_1258, X_MAC_CYRILLIC,
};

/// Treatment of the bytes 0x80 to 0x9f that the encoding does not assign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controls {
    /// Errors in Python, although the WHATWG encoding standard accepts them.
    Refused,
    /// Control characters, even where the encoding here assigns other characters.
    Kept,
}
use Controls::{Kept, Refused};

/// A codec that is a superset of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codec {
    encoding: &'static Encoding,
    controls: Controls,
}

/// Names without separators, in lower case, of an encoding that `encoding_rs` decodes as Python does.
type Row = (&'static [&'static str], &'static Encoding, Controls);

const CODECS: [Row; 36] = [
    (&["cp1250", "1250", "windows1250"], WINDOWS_1250, Refused),
    (&["cp1251", "1251", "windows1251"], WINDOWS_1251, Refused),
    (&["cp1252", "1252", "windows1252"], WINDOWS_1252, Refused),
    (&["cp1253", "1253", "windows1253"], WINDOWS_1253, Refused),
    (&["cp1254", "1254", "windows1254"], WINDOWS_1254, Refused),
    (&["cp1255", "1255", "windows1255"], WINDOWS_1255, Refused),
    (&["cp1256", "1256", "windows1256"], WINDOWS_1256, Refused),
    (&["cp1257", "1257", "windows1257"], WINDOWS_1257, Refused),
    (&["cp1258", "1258", "windows1258"], WINDOWS_1258, Refused),
    (&["cp874"], WINDOWS_874, Refused),
    (&["cp866", "866", "ibm866"], IBM866, Kept),
    (&["iso88592", "latin2", "l2"], ISO_8859_2, Kept),
    (&["iso88593", "latin3", "l3"], ISO_8859_3, Kept),
    (&["iso88594", "latin4", "l4"], ISO_8859_4, Kept),
    (&["iso88595", "cyrillic"], ISO_8859_5, Kept),
    (&["iso88596", "arabic"], ISO_8859_6, Kept),
    (&["iso88597", "greek", "greek8"], ISO_8859_7, Kept),
    (&["iso88598", "hebrew"], ISO_8859_8, Kept),
    (&["iso88599", "latin5", "l5"], WINDOWS_1254, Kept),
    (&["iso885910", "latin6", "l6"], ISO_8859_10, Kept),
    (&["iso885911", "thai"], WINDOWS_874, Kept),
    (&["iso885913", "latin7", "l7"], ISO_8859_13, Kept),
    (&["iso885914", "latin8", "l8"], ISO_8859_14, Kept),
    (&["iso885915", "latin9", "l9"], ISO_8859_15, Kept),
    (&["iso885916", "latin10", "l10"], ISO_8859_16, Kept),
    (&["koi8r", "cskoi8r"], KOI8_R, Kept),
    (&["koi8u"], KOI8_U, Kept),
    (&["macroman", "macintosh"], MACINTOSH, Kept),
    (&["maccyrillic"], X_MAC_CYRILLIC, Kept),
    (&["gbk", "936", "cp936", "ms936"], GBK, Kept),
    (&["gb2312", "chinese", "euccn", "eucgb2312cn"], GBK, Kept),
    (&["gb18030", "gb180302000"], GB18030, Kept),
    (
        &["big5", "big5tw", "csbig5", "cp950", "950", "ms950"],
        BIG5,
        Kept,
    ),
    (
        &[
            "shiftjis",
            "sjis",
            "csshiftjis",
            "cp932",
            "932",
            "ms932",
            "mskanji",
        ],
        SHIFT_JIS,
        Kept,
    ),
    (&["eucjp", "ujis"], EUC_JP, Kept),
    (
        &["euckr", "korean", "ksc5601", "cp949", "949", "ms949", "uhc"],
        EUC_KR,
        Kept,
    ),
];

/// Bytes outside the control range that Python decodes differently, or rejects.
const OTHERWISE: [(&Encoding, u8, Option<char>); 3] = [
    (WINDOWS_1255, 0xca, None),
    (KOI8_U, 0xae, Some('╝')),
    (KOI8_U, 0xbe, Some('╬')),
];

/// Returns the codec for a name in any of its spellings; `None` if unknown.
pub(crate) fn by_name(name: &str) -> Option<Codec> {
    let separators = ['-', '_', '.', ' '];
    let name = name.to_ascii_lowercase().replace(separators, "");
    let row = CODECS.iter().find(|row| row.0.contains(&&*name))?;
    Some(Codec {
        encoding: row.1,
        controls: row.2,
    })
}

impl Codec {
    /// Decodes the bytes.
    ///
    /// # Errors
    /// The number of the first line, counted from 1, with invalid bytes.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<String, usize> {
        let mut text = String::with_capacity(bytes.len());
        // No multi-byte character contains a line feed.
        for (at, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            self.decode_line(line, &mut text).ok_or(at + 1)?;
        }
        Ok(text)
    }

    fn decode_line(self, line: &[u8], text: &mut String) -> Option<()> {
        let is_control = |byte: u8| (0x80..=0x9f).contains(&byte);
        if !self.encoding.is_single_byte() {
            let decoded = self
                .encoding
                .decode_without_bom_handling_and_without_replacement(line)?;
            text.push_str(&decoded);
            return Some(());
        }
        let by_web = self.encoding == WINDOWS_1254 || self.encoding == WINDOWS_874;
        for &byte in line {
            let otherwise = OTHERWISE
                .iter()
                .find(|row| row.0 == self.encoding && row.1 == byte);
            let c = match (otherwise, self.controls) {
                (Some(row), _) => row.2?,
                (None, Kept) if is_control(byte) && by_web => char::from(byte),
                (None, controls) => {
                    let one = [byte];
                    let decoded = self
                        .encoding
                        .decode_without_bom_handling_and_without_replacement(&one)?;
                    let c = decoded.chars().next()?;
                    let refused = is_control(byte) && c == char::from(byte);
                    Some(c).filter(|_| !(refused && controls == Refused))?
                }
            };
            text.push(c);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Results of Python's codecs.
    #[derive(serde::Deserialize)]
    struct Golden {
        /// Characters of the bytes from 0x80 on, by codec.
        single: BTreeMap<String, Vec<Option<char>>>,
        /// A text and its bytes in hexadecimal, by codec.
        multi: BTreeMap<String, (String, String)>,
    }

    fn golden() -> Golden {
        let text = include_str!("../tests/it/golden/codecs/codecs.json");
        serde_json::from_str(text).expect("the golden file")
    }

    #[test]
    fn single_bytes_are_the_characters_that_python_reads() {
        let mut differing = Vec::new();
        for (name, characters) in golden().single {
            let codec = by_name(&name).unwrap_or_else(|| panic!("{name}"));
            for (byte, expected) in (0x80..=0xff_u8).zip(characters) {
                let found = codec.decode(&[b'x', byte]).ok();
                let expected = expected.map(|c| format!("x{c}"));
                if found != expected {
                    differing.push(format!("{name} 0x{byte:02x}: {found:?}, {expected:?}"));
                }
            }
            assert_eq!(codec.decode(b"x = 1\r\n").as_deref(), Ok("x = 1\r\n"));
        }
        assert_eq!(differing, Vec::<String>::new());
    }

    #[test]
    fn texts_of_several_bytes_a_character_are_those_that_python_reads() {
        for (name, (text, hex)) in golden().multi {
            let codec = by_name(&name).unwrap_or_else(|| panic!("{name}"));
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
                .collect();
            assert_eq!(codec.decode(&bytes), Ok(text), "{name}");
            let mut cut_off = b"x\n".to_vec();
            cut_off.push(bytes[0]);
            assert_eq!(codec.decode(&cut_off), Err(2), "{name}");
        }
    }

    #[test]
    fn names_have_several_spellings() {
        for name in ["cp1252", "CP1252", "windows-1252", "Windows_1252", "1252"] {
            assert!(by_name(name).is_some(), "{name}");
        }
        for name in ["utf-16", "cp037", "rot13", "no-such"] {
            assert!(by_name(name).is_none(), "{name}");
        }
    }
}
