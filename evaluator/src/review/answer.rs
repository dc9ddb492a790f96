//! Reads a reviewer's answer: findings as `line: text`, then perhaps a rewritten function.

use slm_artifacts::one_line;
use slm_metrics::syntax::without_reasoning;

use super::left_out::LeftOut;

/// Most findings of an answer.
pub(super) const MOST_FINDINGS: usize = 3;

/// Words that an answer without findings may consist of.
const NOTHING: [&str; 2] = ["none", "approved"];

/// What an answer contains.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ReadAnswer {
    /// Lines of the function, counted from 1, each with the text about it: one line, its control characters escaped.
    pub(super) findings: Vec<(usize, String)>,
    /// The code of the first block, at the left margin.
    pub(super) rewrite: Option<String>,
    pub(super) left_out: Vec<LeftOut>,
}

/// Reads an answer about a function of `n_lines` lines; `is_cut` if the token limit ended it.
pub(super) fn read(answer: &str, is_cut: bool, n_lines: usize) -> ReadAnswer {
    let mut read = ReadAnswer::default();
    let (prose, mut blocks, end) = parts(without_reasoning(answer));
    let cuts_prose = is_cut && end == End::InProse;
    let last = prose.len().saturating_sub(1);
    for (at, line) in prose.iter().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if cuts_prose && at == last {
            read.left_out.push(LeftOut::CutFinding);
            continue;
        }
        match finding(line, n_lines) {
            Ok(None) => {}
            Ok(Some(found)) if read.findings.contains(&found) => {
                read.left_out.push(LeftOut::Repeated);
            }
            Ok(Some(_)) if read.findings.len() == MOST_FINDINGS => {
                read.left_out.push(LeftOut::BeyondThree);
            }
            Ok(Some(found)) => read.findings.push(found),
            Err(reason) => read.left_out.push(reason),
        }
    }
    if end == End::InBlock {
        // A block without an end is whole if the answer is.
        if is_cut && blocks.len() == 1 {
            blocks.clear();
            read.left_out.push(LeftOut::CutRewrite);
        } else if is_cut {
            blocks.pop();
            read.left_out.push(LeftOut::FurtherBlock);
        }
    }
    let mut blocks = blocks.into_iter();
    read.rewrite = blocks.next().map(|block| at_left_margin(&block));
    read.left_out.extend(blocks.map(|_| LeftOut::FurtherBlock));
    read
}

/// Where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Within a line outside of blocks.
    InProse,
    /// In a block without an end.
    InBlock,
    /// After a line, or after a block.
    AfterLine,
}

/// Splits an answer into the lines outside of code blocks and the blocks.
fn parts(answer: &str) -> (Vec<&str>, Vec<String>, End) {
    let (mut prose, mut blocks) = (Vec::new(), Vec::new());
    // The length of the fence that began the open block, and its code.
    let mut open: Option<(usize, String)> = None;
    let mut is_prose_last = false;
    for line in answer.lines() {
        let ticks = line.trim_start().bytes().take_while(|c| *c == b'`').count();
        match &mut open {
            None if ticks >= 3 => open = Some((ticks, String::new())),
            None => {
                prose.push(line);
                is_prose_last = true;
                continue;
            }
            Some((fence, _)) if ticks >= *fence && line.trim().len() == ticks => {
                blocks.extend(open.take().map(|(_, code)| code));
            }
            Some((_, code)) => {
                code.push_str(line);
                code.push('\n');
            }
        }
        is_prose_last = false;
    }
    let end = match open {
        Some(_) => End::InBlock,
        None if is_prose_last && !answer.ends_with('\n') => End::InProse,
        None => End::AfterLine,
    };
    blocks.extend(open.map(|(_, code)| code));
    (prose, blocks, end)
}

/// Reads a line as a finding; `None` for a word that there is none.
fn finding(line: &str, n_lines: usize) -> Result<Option<(usize, String)>, LeftOut> {
    let bare = line.trim_matches(|c: char| !c.is_alphanumeric());
    if NOTHING.contains(&bare.to_lowercase().as_str()) {
        return Ok(None);
    }
    let rest = line.trim_start_matches(['-', '*', '`', ' ']);
    // A minus sign before the number is no bullet.
    let is_negative = line.starts_with('-') && rest.len() + 1 == line.len();
    let word = ["Line ", "line ", "LINE ", "L"];
    let rest = word.iter().find_map(|of| rest.strip_prefix(*of));
    let rest = rest.unwrap_or_else(|| line.trim_start_matches(['-', '*', '`', ' ']));
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = rest.split_at(digits);
    let text = rest.trim_start_matches(['`', '*']).strip_prefix(':');
    let (Some(text), false) = (text, number.is_empty()) else {
        return Err(LeftOut::NotAFinding);
    };
    let number = number.parse::<usize>().ok();
    let Some(number) = number.filter(|of| (1..=n_lines).contains(of) && !is_negative) else {
        return Err(LeftOut::NoSuchLine);
    };
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '*');
    if text.is_empty() {
        return Err(LeftOut::NoText);
    }
    Ok(Some((number, one_line(&slm_cli::printable(text)))))
}

/// Removes the indentation of the first line from all lines.
fn at_left_margin(code: &str) -> String {
    let first = code.lines().find(|line| !line.trim().is_empty());
    let first = first.unwrap_or_default();
    let indent = &first[..first.len() - first.trim_start().len()];
    let lines = code.trim_end().lines();
    let moved = lines.map(|line| line.strip_prefix(indent).unwrap_or(line));
    let moved: Vec<&str> = moved.collect();
    moved.join("\n").trim_start_matches('\n').to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, is_cut: bool, findings: &[(usize, &str)], left_out: &[LeftOut]) {
        let found = read(answer, is_cut, 9);
        let expected: Vec<(usize, String)> = findings
            .iter()
            .map(|(line, text)| (*line, (*text).to_owned()))
            .collect();
        assert_eq!(found.findings, expected, "{answer}");
        assert_eq!(found.left_out, left_out, "{answer}");
    }

    #[test]
    fn findings_are_read_with_the_usual_decoration() {
        check("3: wrong", false, &[(3, "wrong")], &[]);
        check(
            "- 3: wrong\n* Line 4: worse\n**5**: bad",
            false,
            &[(3, "wrong"), (4, "worse"), (5, "bad")],
            &[],
        );
        check("<think>1: no</think>\nNONE", false, &[], &[]);
        check("**None.**", false, &[], &[]);
        check("", false, &[], &[]);
    }

    #[test]
    fn lines_that_do_not_exist_are_counted() {
        for line in ["0", "10", "-3", "1000000000000000000000000000000"] {
            let answer = format!("{line}: wrong");
            check(&answer, false, &[], &[LeftOut::NoSuchLine]);
        }
        check("3.5: wrong", false, &[], &[LeftOut::NotAFinding]);
    }

    #[test]
    fn other_lines_are_counted() {
        check(
            "The code is fine.\n3:\n3: a\n3: a",
            false,
            &[(3, "a")],
            &[LeftOut::NotAFinding, LeftOut::NoText, LeftOut::Repeated],
        );
        check(
            "1: a\n2: b\n3: c\n4: d",
            false,
            &[(1, "a"), (2, "b"), (3, "c")],
            &[LeftOut::BeyondThree],
        );
    }

    #[test]
    fn text_cannot_steer_a_terminal() {
        check(
            "3: a\u{1b}[2Jb\u{202e}c\u{7}",
            false,
            &[(3, "a\\u{1b}[2Jb\\u{202e}c\\u{7}")],
            &[],
        );
        let found = read(&format!("3: {}", "x".repeat(9_000)), false, 9);
        assert_eq!(found.findings[0].1.len(), 303);
    }

    #[test]
    fn what_the_limit_cuts_is_not_shown() {
        check("1: a\n2: wro", true, &[(1, "a")], &[LeftOut::CutFinding]);
        let answer = "1: a\n```python\ndef f():\n    retu";
        check(answer, true, &[(1, "a")], &[LeftOut::CutRewrite]);
        assert_eq!(read(answer, true, 9).rewrite, None);
        let whole = read(answer, false, 9).rewrite;
        assert_eq!(whole.as_deref(), Some("def f():\n    retu\n"));
        let closed = "1: a\n```python\ndef f(): pass\n```\n2: b";
        check(closed, true, &[(1, "a")], &[LeftOut::CutFinding]);
        let rewrite = read(closed, true, 9).rewrite;
        assert_eq!(rewrite.as_deref(), Some("def f(): pass\n"));
        check("1: a\n", true, &[(1, "a")], &[]);
        check("1: a\n```\nx\n```", true, &[(1, "a")], &[]);
    }

    #[test]
    fn the_first_block_is_the_rewritten_function() {
        let answer = "```\n    def f():\n        return 1\n```\n1: a\n~~~\n```py\nx\n```\n";
        let found = read(answer, false, 9);
        assert_eq!(found.rewrite.as_deref(), Some("def f():\n    return 1\n"));
        assert_eq!(
            found.left_out,
            [LeftOut::NotAFinding, LeftOut::FurtherBlock]
        );
        assert_eq!(found.findings, [(1, "a".to_owned())]);
    }
}
