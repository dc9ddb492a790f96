//! Texts prepared for case-insensitive search, by the rules of Python's `re.IGNORECASE` on `str`.

/// Returns a character in lower case if it equals an ASCII letter but for its case, a space for white space, and
/// another ASCII character unchanged; all others become `.`, which no rule searches for.
fn fold(character: char) -> u8 {
    match character {
        '\u{130}' | '\u{131}' => b'i',
        '\u{17f}' => b's',
        '\u{212a}' => b'k',
        // Python's white space has four separators that Unicode's property lacks.
        '\u{1c}'..='\u{1f}' => b' ',
        _ if character.is_whitespace() => b' ',
        _ if character.is_ascii() => (character as u8).to_ascii_lowercase(),
        _ => b'.',
    }
}

/// Returns `text` with each character replaced by one byte for case-insensitive search.
pub(super) fn folded(text: &str) -> Vec<u8> {
    text.chars().map(fold).collect()
}
