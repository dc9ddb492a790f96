//! The logical lines of a program, and how an answer uses given ones.

use serde::{Deserialize, Serialize};

use crate::code_tokens::{CodeToken, CodeTokenKind, code_tokens};
use crate::similarity::lcs_length;

/// A line that is not given is an altered one if it is at least this similar to a given one that is left.
const LEAST_SIMILARITY: f64 = 0.5;

/// A logical line: a statement, or the header of a compound statement, on one line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogicalLine {
    /// The white space before it.
    pub indent: String,
    /// The line without indentation and comment; line breaks inside brackets are joined.
    pub text: String,
    /// The texts of its tokens, by which lines are compared.
    pub tokens: Vec<String>,
}

/// Returns the logical lines of a program or of a part of one, without comments and without strings that are
/// statements by themselves, such as docstrings. `None` if the text is not tokenized or a string of a line spans
/// several lines.
pub fn logical_lines(source: &str) -> Option<Vec<LogicalLine>> {
    let source = source.replace("\r\n", "\n");
    let tokens = code_tokens(&source).ok()?;
    let lines = tokens.split(|token| token.kind == CodeTokenKind::LineEnd);
    lines
        .map(|line| -> Vec<&CodeToken> { line.iter().filter(|of| is_of_line(of)).collect() })
        .filter(|line| !line.is_empty())
        .map(|line| logical_line(&source, &line))
        .collect()
}

fn is_of_line(token: &CodeToken) -> bool {
    !matches!(token.kind, CodeTokenKind::Comment | CodeTokenKind::BareText)
}

fn logical_line(source: &str, tokens: &[&CodeToken]) -> Option<LogicalLine> {
    let start = tokens.first()?.start;
    let before = source.get(..start)?;
    let indent = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    let (mut text, mut end) = (String::new(), start);
    for token in tokens {
        if token.text.contains('\n') {
            return None;
        }
        let gap = source.get(end..token.start)?;
        if !gap.contains('\n') {
            text.push_str(gap);
        } else if !text.ends_with(['(', '[', '{']) && !token.text.starts_with([')', ']', '}']) {
            text.push(' ');
        }
        text.push_str(&token.text);
        end = token.start + token.text.len();
    }
    Some(LogicalLine {
        indent: indent.trim_start_matches('\u{feff}').to_owned(),
        text,
        tokens: tokens.iter().map(|token| token.text.clone()).collect(),
    })
}

/// How an answer uses the lines that its task shows.
///
/// Lines are multisets: a line that is given twice can be used twice. Each line of the answer is used, altered, added or
/// a distractor; each given line that belongs to the solution is used, altered or unused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineUse {
    /// Lines of the solution.
    pub given: usize,
    /// Lines of the solution in the answer.
    pub used: usize,
    /// Other lines of the answer, each similar to another line of the solution that the answer lacks.
    pub altered: usize,
    /// Lines of the answer that are like none that is left.
    pub added: usize,
    /// Lines of the solution that the answer neither has nor alters.
    pub unused: usize,
    /// Distractors in the answer.
    pub distractors_used: usize,
}

/// Compares the lines of an answer with those of the solution and with the distractors, all as tokens.
pub fn line_use(
    answer: &[Vec<String>],
    solution: &[Vec<String>],
    distractors: &[Vec<String>],
) -> LineUse {
    let (mut left, mut wrong) = (solution.to_vec(), distractors.to_vec());
    let mut others: Vec<&Vec<String>> = answer
        .iter()
        .filter(|line| !take(&mut left, line))
        .collect();
    let used = answer.len() - others.len();
    let before = others.len();
    others.retain(|line| !take(&mut wrong, line));
    let altered = most_pairs(&others, &left);
    LineUse {
        given: solution.len(),
        used,
        altered,
        added: others.len() - altered,
        unused: left.len() - altered,
        distractors_used: before - others.len(),
    }
}

/// Takes one item out of a multiset; whether it was there.
fn take(left: &mut Vec<Vec<String>>, item: &[String]) -> bool {
    let found = left.iter().position(|of| of == item);
    found.map(|at| left.swap_remove(at)).is_some()
}

/// Returns the largest number of pairs of similar lines in which no line occurs twice.
///
/// # Source
/// Kuhn 1955, "The Hungarian method for the assignment problem", for weights of 0 and 1: augmenting paths.
fn most_pairs(lines: &[&Vec<String>], given: &[Vec<String>]) -> usize {
    let is_similar = |line: &[String], given: &[String]| {
        let all = (line.len() + given.len()) as f64;
        2.0 * lcs_length(line, given) as f64 >= LEAST_SIMILARITY * all
    };
    let similar: Vec<Vec<usize>> = lines
        .iter()
        .map(|line| {
            (0..given.len())
                .filter(|&of| is_similar(line, &given[of]))
                .collect()
        })
        .collect();
    let mut partner = vec![None; given.len()];
    let lines = 0..lines.len();
    lines
        .filter(|&line| augment(line, &similar, &mut partner, &mut vec![false; given.len()]))
        .count()
}

/// Pairs a line with a given one, moving earlier pairs if necessary; whether that was possible.
fn augment(
    line: usize,
    similar: &[Vec<usize>],
    partner: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    similar[line].iter().any(|&given| {
        if std::mem::replace(&mut seen[given], true) {
            return false;
        }
        let is_free = partner[given].is_none_or(|other| augment(other, similar, partner, seen));
        if is_free {
            partner[given] = Some(line);
        }
        is_free
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Option<Vec<String>> {
        let lines = logical_lines(source)?;
        let text = |line: &LogicalLine| format!("{}{}", line.indent, line.text);
        Some(lines.iter().map(text).collect())
    }

    #[test]
    fn a_line_is_a_statement_without_comments_and_with_joined_brackets() {
        let source = "    \"\"\"Doc.\"\"\"\n    x = f(\n        1,  # one\n        2\n    )  # why\n\n    # alone\n    if x: y = 1; z = 2\n    else:\n        s = f'{x!r} a' + \\\n            'b'\n";
        let expected = [
            "    x = f(1, 2)",
            "    if x: y = 1; z = 2",
            "    else:",
            "        s = f'{x!r} a' + 'b'",
        ];
        assert_eq!(texts(source), Some(expected.map(str::to_owned).into()));
        assert_eq!(
            texts("é = 1\r\nb = 2"),
            Some(vec!["é = 1".into(), "b = 2".into()])
        );
        assert_eq!(texts("x = '''a\nb'''\n"), None);
        assert_eq!(texts(""), Some(Vec::new()));
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn used(answer: &[&str], solution: &[&str], distractors: &[&str]) -> LineUse {
        let [answer, solution, distractors] = [answer, solution, distractors]
            .map(|of| -> Vec<_> { of.iter().map(|l| words(l)).collect() });
        line_use(&answer, &solution, &distractors)
    }

    #[test]
    fn each_line_is_used_altered_added_unused_or_a_distractor() {
        let solution = ["x = 0", "x += 1", "x += 1", "return x"];
        let wrong = ["x -= 1"];
        let of = |answer: &[&str]| {
            let found = used(answer, &solution, &wrong);
            assert_eq!(found.given, 4);
            [
                found.used,
                found.altered,
                found.added,
                found.unused,
                found.distractors_used,
            ]
        };
        assert_eq!(
            of(&["x += 1", "x = 0", "x += 1", "return x"]),
            [4, 0, 0, 0, 0]
        );
        assert_eq!(
            of(&["x = 0", "x += 1", "x -= 1", "return x"]),
            [3, 0, 0, 1, 1]
        );
        assert_eq!(
            of(&["x = 0", "x += 1", "x += 2", "return x"]),
            [3, 1, 0, 0, 0]
        );
        // A third copy, and a second of the distractor, were not given.
        assert_eq!(
            of(&["x = 0", "x += 1", "x += 1", "x += 1", "return x"]),
            [4, 0, 1, 0, 0]
        );
        assert_eq!(of(&["print ( )"]), [0, 0, 1, 4, 0]);
        assert_eq!(of(&[]), [0, 0, 0, 4, 0]);
    }

    /// Returns the largest number of pairs by trying every assignment.
    fn by_brute_force(lines: &[Vec<String>], given: &[Vec<String>], taken: u32) -> usize {
        let Some((line, rest)) = lines.split_first() else {
            return 0;
        };
        let mut best = by_brute_force(rest, given, taken);
        for (at, other) in given.iter().enumerate() {
            let common = 2 * lcs_length(line, other);
            if taken & (1 << at) == 0 && 2 * common >= line.len() + other.len() {
                best = best.max(1 + by_brute_force(rest, given, taken | 1 << at));
            }
        }
        best
    }

    #[test]
    fn the_counts_are_those_of_trying_every_assignment() {
        let alphabet = ["a b", "a b", "a c", "b c", "a b c d", "d", "c d", "e f"];
        let mut state = 1_usize;
        let mut draw = |most: usize| -> Vec<Vec<String>> {
            let mut next = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state >> 33
            };
            let n = next() % (most + 1);
            (0..n)
                .map(|_| words(alphabet[next() % alphabet.len()]))
                .collect()
        };
        let mut several = 0;
        for _ in 0..500 {
            let (answer, solution, wrong) = (draw(6), draw(6), draw(2));
            let found = line_use(&answer, &solution, &wrong);
            let n =
                |of: &[Vec<String>], line: &Vec<String>| of.iter().filter(|it| *it == line).count();
            let mut kinds: Vec<&Vec<String>> =
                answer.iter().chain(&solution).chain(&wrong).collect();
            kinds.sort();
            kinds.dedup();
            let (mut others, mut left) = (Vec::new(), Vec::new());
            let (mut used, mut distractors_used) = (0, 0);
            for kind in kinds {
                let (of_answer, own) = (n(&answer, kind), n(&solution, kind));
                let same = of_answer.min(own);
                let misled = (of_answer - same).min(n(&wrong, kind));
                used += same;
                distractors_used += misled;
                others.extend(vec![kind.clone(); of_answer - same - misled]);
                left.extend(vec![kind.clone(); own - same]);
            }
            let altered = by_brute_force(&others, &left, 0);
            several += usize::from(altered > 1);
            let expected = LineUse {
                given: solution.len(),
                used,
                altered,
                added: others.len() - altered,
                unused: left.len() - altered,
                distractors_used,
            };
            assert_eq!(found, expected, "{answer:?} {solution:?} {wrong:?}");
        }
        assert!(several > 20, "{several}");
    }
}
