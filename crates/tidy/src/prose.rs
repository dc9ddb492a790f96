//! What people read in the sources: comments and string literals, with their lines.

/// A line of a comment or of a string literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prose {
    /// The line in the file, from 1.
    pub line: usize,
    /// Its text, without the marks of the comment.
    pub text: String,
}

/// The comments and string literals of Rust code, line by line.
pub fn prose_of_rust(code: &str) -> Vec<Prose> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let is_after_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (length, text) = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            (length, Some(&rest[..length]))
        } else if rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            (length, Some(&rest[..length]))
        } else if let Some(hashes) = raw_string(rest).filter(|_| !is_after_word) {
            let open = rest.find('"').unwrap_or(0) + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            let end = rest[open..]
                .find(&close)
                .map_or(rest.len(), |end| open + end);
            (end + close.len(), Some(&rest[open..end]))
        } else if first == '"' {
            let end = end_of_string(rest);
            (end + 1, Some(&rest[1..end]))
        } else if first == '\'' {
            (length_of_quote(rest), None)
        } else {
            (first.len_utf8(), None)
        };
        let length = length.min(rest.len());
        if let Some(text) = text {
            for (offset, text) in text.lines().enumerate() {
                found.push(Prose {
                    line: line + offset,
                    text: text.to_owned(),
                });
            }
        }
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// The number of `#` of a raw string that starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix('b').unwrap_or(rest);
    let rest = rest.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// Where the quote that closes a string is.
fn end_of_string(rest: &str) -> usize {
    let mut is_escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return offset,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal, or of the mark of a lifetime.
fn length_of_quote(rest: &str) -> usize {
    let inside = &rest[1..];
    let Some(first) = inside.chars().next() else {
        return 1;
    };
    if first == '\\' {
        // At least one character is escaped, perhaps a quote.
        let rest = inside.get(2..).unwrap_or("");
        return rest.find('\'').map_or(1, |end| end + 4);
    }
    let after = 1 + first.len_utf8();
    if rest[after..].starts_with('\'') {
        after + 1
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(code: &str) -> Vec<(usize, String)> {
        let prose = prose_of_rust(code).into_iter();
        prose.map(|prose| (prose.line, prose.text)).collect()
    }

    #[test]
    fn comments_and_strings_are_found_and_code_is_not() {
        let code = "let told = 'a'; // one\nlet b = \"two \\\" more\";\nlet c: &'static str = r#\"three \"x\"\"#;\n/// four\n";
        let expected = [
            (1, "// one"),
            (2, "two \\\" more"),
            (3, "three \"x\""),
            (4, "/// four"),
        ];
        assert_eq!(
            texts(code),
            expected.map(|(line, text)| (line, text.to_owned()))
        );
    }

    #[test]
    fn quotes_and_escapes_of_characters_open_no_string() {
        let code = "let a = ['\"', '\\'', '\\\\', '\\u{1b}']; let b = b'\"';\n\"text\"\n";
        assert_eq!(texts(code), [(2, "text".to_owned())]);
    }

    #[test]
    fn a_string_of_several_lines_gives_each_its_number() {
        let code = "f(\"a\n b\");\n// c\n";
        let expected = [(1, "a"), (2, " b"), (3, "// c")];
        assert_eq!(
            texts(code),
            expected.map(|(line, text)| (line, text.to_owned()))
        );
    }
}
