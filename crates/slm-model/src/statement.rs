//! Where a statement of a function's body ends, in text that is being generated.

/// Words that begin a line which belongs to the statement before it.
const CONTINUING: [&str; 4] = ["else", "elif", "except", "finally"];

/// Returns where a text is cut that should hold only one statement of a body whose statements begin after `indent`
/// characters: in bytes, and `None` if it may still belong to the first statement.
///
/// Before a second statement the text keeps its last line end. Before a line with less indentation, which ends the
/// function, it does not, so that a text without a line end at its end is the last one.
pub(crate) fn end_of_statement(text: &str, indent: usize) -> Option<usize> {
    let (mut start, mut has_text, mut is_decorated) = (0, false, false);
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        if !content.is_empty() {
            let depth = line.chars().count() - content.chars().count();
            if has_text && depth < indent {
                return Some(text[..start].trim_end().len());
            }
            if has_text && depth == indent && !is_decorated {
                match begins_statement(content) {
                    Some(true) => return Some(start),
                    Some(false) => {}
                    None => return None,
                }
            }
            is_decorated = depth == indent && content.starts_with('@');
            has_text = true;
        }
        start += line.len();
    }
    None
}

/// Whether a line begins a statement; `None` if that depends on what follows.
fn begins_statement(content: &str) -> Option<bool> {
    let first = content.chars().next()?;
    if first == '@' {
        return Some(true);
    }
    if !(first.is_alphabetic() || first == '_') {
        // A closing bracket, a comment, or the inside of a string or of brackets.
        return Some(false);
    }
    let end = content.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    Some(!CONTINUING.contains(&&content[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a text as soon as its beginning can be cut, as a text that grows by one character at a time.
    fn cut(text: &str, indent: usize) -> Option<&str> {
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
        let mut found = ends.filter_map(|end| end_of_statement(&text[..end], indent));
        found.next().map(|end| &text[..end])
    }

    #[test]
    fn a_second_statement_ends_the_text_before_it() {
        for (text, expected) in [
            ("    x = 1\n    y = 2\n", "    x = 1\n"),
            ("\n    x = 1\n\n    y = 2\n", "\n    x = 1\n\n"),
            (
                "    for a in b:\n        c(a)\n    return 1\n",
                "    for a in b:\n        c(a)\n",
            ),
            (
                "    if a:\n        b()\n    elif c:\n        d()\n    else:\n        e()\n    elsewhere = 1\n",
                "    if a:\n        b()\n    elif c:\n        d()\n    else:\n        e()\n",
            ),
            (
                "    try:\n        a()\n    except E:\n        b()\n    finally:\n        c()\n    return 1\n",
                "    try:\n        a()\n    except E:\n        b()\n    finally:\n        c()\n",
            ),
            (
                "    x = f(\n        1,\n    )\n    # done\n    return x\n",
                "    x = f(\n        1,\n    )\n    # done\n",
            ),
            (
                "    @cache\n    def g():\n        return 1\n    return g()\n",
                "    @cache\n    def g():\n        return 1\n",
            ),
        ] {
            assert_eq!(cut(text, 4), Some(expected), "{text:?}");
        }
        assert_eq!(cut("\tx = 1\n\ty = 2\n", 1), Some("\tx = 1\n"));
    }

    #[test]
    fn a_line_with_less_indentation_ends_the_function() {
        for (text, expected) in [
            ("    return 1\n```\nDone.", "    return 1"),
            ("    return 1\n\n\ndef g():\n    pass\n", "    return 1"),
        ] {
            assert_eq!(cut(text, 4), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn one_statement_is_not_cut() {
        for text in [
            "    return 1",
            "    return 1\n",
            "    return 1\n    el",
            "    if a:\n        return 1\n    else",
            "",
            "\n",
        ] {
            assert_eq!(end_of_statement(text, 4), None, "{text:?}");
        }
    }
}
