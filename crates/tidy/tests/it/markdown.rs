//! Pages are written in templates: no Rust source of a report contains Markdown.

use tidy::shipped;

/// Sources that write reports.
const REPORTS: [&str; 2] = ["crates/slm-report/src/", "trainer/src/report/"];

/// Calls that assemble text.
const CALLS: [&str; 4] = ["format!(", "write!(", "writeln!(", "push_str("];

/// Returns the strings with table or heading syntax among the arguments of [`CALLS`].
fn markdown_in(source: &str) -> Vec<String> {
    let calls = CALLS.iter().flat_map(|call| source.match_indices(call));
    let strings = calls.flat_map(|(at, call)| strings_of_call(&source[at + call.len()..]));
    strings.filter(|string| is_markdown(string)).collect()
}

/// Returns the string literals up to the closing parenthesis of a call.
fn strings_of_call(arguments: &str) -> Vec<String> {
    let (mut strings, mut depth, mut rest) = (Vec::new(), 1, arguments);
    while let Some(at) = rest.find(['(', ')', '"', '\'']) {
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match found {
            b'(' => depth += 1,
            b')' if depth == 1 => break,
            b')' => depth -= 1,
            // A character such as '"'.
            b'\'' if rest.as_bytes().get(1) == Some(&b'\'') => rest = &rest[2..],
            b'\'' => {}
            _ => {
                let mut escaped = false;
                let end = rest.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let end = end.unwrap_or(rest.len());
                strings.push(rest[..end].to_owned());
                rest = rest.get(end + 1..).unwrap_or_default();
            }
        }
    }
    strings
}

fn is_markdown(string: &str) -> bool {
    let mut lines = string
        .split("\\n")
        .flat_map(str::lines)
        .map(str::trim_start);
    string.contains('|')
        || lines.any(|line| line.starts_with('#') && line.trim_start_matches('#').starts_with(' '))
}

#[test]
fn no_source_of_a_report_puts_markdown_together() {
    let mut seen = 0;
    for source in shipped().filter(|of| REPORTS.iter().any(|place| of.path.starts_with(place))) {
        // Unit tests are at the end of a file.
        let code = source.text.split("#[cfg(test)]\nmod tests {").next();
        let found = markdown_in(code.unwrap_or_default());
        assert!(found.is_empty(), "{}: Markdown in {found:?}", source.path);
        seen += 1;
    }
    assert!(seen > 20, "{seen} files");
}

#[test]
fn tables_and_headings_in_rust_are_found() {
    for line in [
        r##"let page = format!("# {title}: {}\n\n", name(&run.name));"##,
        r#"page.push_str("\n## Outcome\n");"#,
        r#"let _ = writeln!(table, "| {name} | {value} |");"#,
        r#"write!(page, "{}", format!("{} |", row.join(" | ")))"#,
    ] {
        assert!(!markdown_in(line).is_empty(), "{line}");
    }
    for line in [
        r#"let _ = write!(text, "&#{};", u32::from(c));"#,
        r#"let shown = line(text).replace('|', "\\|");"#,
        r#"format!("{error:#}"), "a | b""#,
    ] {
        assert_eq!(markdown_in(line), Vec::<String>::new(), "{line}");
    }
}
