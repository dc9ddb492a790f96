//! The fixed date and time of all template renderings.
//!
//! A prompt must not change from one day to the next, or training and evaluation on different days would see
//! different prompts. The time is 26 July 2024, 00:00:00, without a time zone: the default date of Llama 3.1's own
//! template.

use minijinja::{Error, ErrorKind};

/// A directive, its text, and width and padding of a number.
type Directive = (char, &'static str, Option<(usize, char)>);

/// The output of each directive of Python's `strftime` for that time, in the C locale, with the width and padding that
/// flags can change (`None` for text that is never padded).
const DIRECTIVES: [Directive; 39] = [
    ('a', "Fri", None),
    ('A', "Friday", None),
    ('b', "Jul", None),
    ('B', "July", None),
    ('c', "Fri Jul 26 00:00:00 2024", None),
    ('C', "20", Some((2, '0'))),
    ('d', "26", Some((2, '0'))),
    ('D', "07/26/24", None),
    ('e', "26", Some((2, ' '))),
    ('f', "000000", None),
    ('F', "2024-07-26", None),
    ('g', "24", Some((2, '0'))),
    ('G', "2024", Some((4, '0'))),
    ('h', "Jul", None),
    ('H', "0", Some((2, '0'))),
    ('I', "12", Some((2, '0'))),
    ('j', "208", Some((3, '0'))),
    ('k', "0", Some((2, ' '))),
    ('l', "12", Some((2, ' '))),
    ('m', "7", Some((2, '0'))),
    ('M', "0", Some((2, '0'))),
    ('n', "\n", None),
    ('p', "AM", None),
    ('P', "am", None),
    ('r', "12:00:00 AM", None),
    ('R', "00:00", None),
    ('S', "0", Some((2, '0'))),
    ('t', "\t", None),
    ('T', "00:00:00", None),
    ('u', "5", Some((1, '0'))),
    ('U', "29", Some((2, '0'))),
    ('V', "30", Some((2, '0'))),
    ('w', "5", Some((1, '0'))),
    ('W', "30", Some((2, '0'))),
    ('x', "07/26/24", None),
    ('X', "00:00:00", None),
    ('y', "24", Some((2, '0'))),
    ('Y', "2024", Some((4, '0'))),
    ('%', "%", None),
];

/// Returns `datetime.now().strftime(format)` at the fixed time.
///
/// # Errors
/// A directive that Python does not have.
pub(super) fn strftime(format: &str) -> Result<String, Error> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let directive = &rest[at + 1..];
        // glibc's flags: no padding, spaces, zeros, upper case, swapped case.
        let flags = directive
            .find(|c: char| !matches!(c, '-' | '_' | '0' | '^' | '#'))
            .unwrap_or(directive.len());
        let (flags, directive) = directive.split_at(flags);
        // Modifiers have no effect in the C locale.
        let directive = directive.strip_prefix(['E', 'O']).unwrap_or(directive);
        let mut characters = directive.chars();
        out += &expand(characters.next(), flags)?;
        rest = characters.as_str();
    }
    out.push_str(rest);
    Ok(out)
}

/// Expands one directive with its flags.
fn expand(directive: Option<char>, flags: &str) -> Result<String, Error> {
    // The time has no time zone, so its name and offset are empty.
    if matches!(directive, Some('z' | 'Z')) {
        return Ok(String::new());
    }
    let (_, text, padding) = DIRECTIVES
        .iter()
        .find(|(known, _, _)| Some(*known) == directive)
        .ok_or_else(|| {
            let found = directive.map(String::from).unwrap_or_default();
            let reason = format!("strftime_now: `%{found}` is not supported");
            Error::new(ErrorKind::InvalidOperation, reason)
        })?;
    let mut text = (*text).to_owned();
    if let Some((width, fill)) = *padding {
        let fill = match flags.chars().rfind(|flag| matches!(flag, '-' | '_' | '0')) {
            Some('-') => None,
            Some('_') => Some(' '),
            Some(_) => Some('0'),
            None => Some(fill),
        };
        if let Some(fill) = fill {
            let missing = width.saturating_sub(text.len());
            text = fill.to_string().repeat(missing) + &text;
        }
    }
    if flags.contains('^') && directive != Some('P') {
        text = text.to_uppercase();
    } else if flags.contains('#') {
        match directive {
            Some('a' | 'A' | 'b' | 'B' | 'h') => text = text.to_uppercase(),
            Some('p') => text = text.to_lowercase(),
            _ => {}
        }
    }
    Ok(text)
}
