//! SQL statements built from strings.
//!
//! bandit joins the strings of a chain of operators: first the string that it looks at, then all others except those
//! below the same operator. It does so for each string of the chain, which takes quadratic time. Here each string is
//! reduced to the words that matter, and reduced strings are joined in constant time.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::folded::folded;
use super::rule::rule;
use crate::ast::{self, Expr, Ranged, TextRange};

static SQL: Rule = rule(
    "sql-from-strings",
    "bandit B608",
    "An SQL statement is built from strings",
    30.0,
);

pub(super) static RULES: [&Rule; 1] = [&SQL];

/// A word of SQL, or two with white space between them; a bit of a set.
struct Word {
    bit: u8,
    first: &'static [u8],
    second: &'static [u8],
    /// Whether an opening parenthesis may follow instead of white space.
    may_open: bool,
}

const fn word(bit: u8, first: &'static [u8], second: &'static [u8]) -> Word {
    Word {
        bit,
        first,
        second,
        may_open: bit == VALUES,
    }
}

const SELECT: u8 = 1;
const FROM: u8 = 1 << 1;
const INSERT_INTO: u8 = 1 << 2;
const VALUES: u8 = 1 << 3;
const UPDATE: u8 = 1 << 4;
const SET: u8 = 1 << 5;
const DELETE_FROM: u8 = 1 << 6;

static WORDS: [Word; 7] = [
    word(SELECT, b"select", b""),
    word(FROM, b"from", b""),
    word(INSERT_INTO, b"insert", b"into"),
    word(VALUES, b"values", b""),
    word(UPDATE, b"update", b""),
    word(SET, b"set", b""),
    word(DELETE_FROM, b"delete", b"from"),
];

/// Words that make a statement if the second follows the first.
const PAIRS: [(u8, u8); 3] = [(SELECT, FROM), (INSERT_INTO, VALUES), (UPDATE, SET)];

/// What matters of a text for whether it is, or becomes with others, an SQL statement. All sets are of words.
#[derive(Debug, Clone, Copy, Default)]
struct Summary {
    is_sql: bool,
    is_blank: bool,
    /// Words followed by white space.
    has: u8,
    /// Words at the very end.
    ends: u8,
    /// Words of two parts whose first is at the end, with or without white space after it.
    begun: u8,
    /// Words of two parts whose second is at the start, followed by white space.
    heads: u8,
    /// Words of two parts whose second is the whole text, except white space before it.
    whole: u8,
}

impl Summary {
    fn of(text: &str) -> Self {
        let text = folded(text);
        let blank = |rest: &[u8]| rest.iter().take_while(|byte| **byte == b' ').count();
        let indent = blank(&text);
        let mut summary = Self {
            is_blank: indent == text.len(),
            ..Self::default()
        };
        for at in 0..text.len() {
            for word in &WORDS {
                let Some(mut rest) = text[at..].strip_prefix(word.first) else {
                    continue;
                };
                if !word.second.is_empty() {
                    let gap = blank(rest);
                    if gap == rest.len() {
                        summary.begun |= word.bit;
                    }
                    match rest[gap..].strip_prefix(word.second) {
                        Some(after) if gap > 0 => rest = after,
                        _ => continue,
                    }
                }
                match rest.first() {
                    None => summary.ends |= word.bit,
                    Some(b' ') => summary.add(word.bit),
                    Some(b'(') if word.may_open => summary.add(word.bit),
                    Some(_) => {}
                }
            }
        }
        for word in WORDS.iter().filter(|word| !word.second.is_empty()) {
            match text[indent..].strip_prefix(word.second) {
                Some([]) => summary.whole |= word.bit,
                Some([b' ', ..]) => summary.heads |= word.bit,
                _ => {}
            }
        }
        summary
    }

    /// Adds a word behind all others.
    fn add(&mut self, bit: u8) {
        let completes = |(first, second)| bit == second && self.has & first != 0;
        self.is_sql |= bit == DELETE_FROM || PAIRS.into_iter().any(completes);
        self.has |= bit;
    }

    /// Returns the summary of the two texts with a space between them.
    fn join(self, next: Self) -> Self {
        let across = self.begun & next.heads;
        let before = self.has | self.ends | across;
        // The space ends a word at the end of the first text.
        let completes = |(first, second)| {
            before & first != 0 && next.has & second != 0
                || self.has & first != 0 && self.ends & second != 0
        };
        Self {
            is_sql: self.is_sql
                || next.is_sql
                || (before | next.has) & DELETE_FROM != 0
                || PAIRS.into_iter().any(completes),
            is_blank: self.is_blank && next.is_blank,
            has: before | next.has,
            ends: next.ends | (self.begun & next.whole),
            begun: next.begun | if next.is_blank { self.begun } else { 0 },
            heads: self.heads | self.whole | if self.is_blank { next.heads } else { 0 },
            whole: if self.is_blank { next.whole } else { 0 },
        }
    }
}

/// Joins texts of which some may not exist.
fn join_all(texts: impl IntoIterator<Item = Option<Summary>>) -> Option<Summary> {
    texts.into_iter().flatten().reduce(Summary::join)
}

fn report_sql(range: TextRange, report: &mut Report<'_>) {
    let message = "the string looks like part of an SQL statement built from strings";
    report.add(&SQL, Severity::Medium, range, message);
}

/// A string in a chain of operators.
struct Leaf {
    range: TextRange,
    summary: Summary,
    /// The strings below the operator that the string is an operand of.
    siblings: std::ops::Range<usize>,
}

/// The operands of nested binary operators, in the order of the text.
#[derive(Default)]
pub(super) struct Chain<'a> {
    pub(super) operands: Vec<&'a Expr>,
    strings: Vec<Leaf>,
}

impl<'a> Chain<'a> {
    /// Takes the operands of `operator` and of the operators directly below it.
    pub(super) fn add(&mut self, operator: &'a ast::ExprBinOp) {
        let first = self.strings.len();
        let mut own = Vec::new();
        for operand in [&*operator.left, &*operator.right] {
            match operand {
                Expr::BinOp(inner) => self.add(inner),
                Expr::StringLiteral(string) => {
                    own.push(self.strings.len());
                    self.strings.push(Leaf {
                        range: string.range(),
                        summary: Summary::of(string.value.to_str()),
                        siblings: 0..0,
                    });
                    self.operands.push(operand);
                }
                _ => self.operands.push(operand),
            }
        }
        let end = self.strings.len();
        for index in own {
            self.strings[index].siblings = first..end;
        }
    }

    /// Reports each string that makes an SQL statement with the others.
    pub(super) fn check(&self, report: &mut Report<'_>) {
        let n = self.strings.len();
        // The joined strings before and from each index.
        let mut before = vec![None; n + 1];
        let mut from = vec![None; n + 1];
        for (index, leaf) in self.strings.iter().enumerate() {
            before[index + 1] = join_all([before[index], Some(leaf.summary)]);
        }
        for (index, leaf) in self.strings.iter().enumerate().rev() {
            from[index] = join_all([Some(leaf.summary), from[index + 1]]);
        }
        for leaf in &self.strings {
            let others = [before[leaf.siblings.start], from[leaf.siblings.end]];
            let statement = join_all([Some(leaf.summary), others[0], others[1]]);
            if statement.is_some_and(|statement| statement.is_sql) {
                report_sql(leaf.range, report);
            }
        }
    }
}

/// Reports a string whose method `format` or `replace` makes an SQL statement.
pub(super) fn check_attribute(attribute: &ast::ExprAttribute, report: &mut Report<'_>) {
    if let Expr::StringLiteral(string) = &*attribute.value
        && matches!(attribute.attr.as_str(), "format" | "replace")
    {
        check_text(string.value.to_str(), string.range(), report);
    }
}

/// Reports `text` at `range` if it is an SQL statement.
pub(super) fn check_text(text: &str, range: TextRange, report: &mut Report<'_>) {
    if Summary::of(text).is_sql {
        report_sql(range, report);
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn joined_summaries_equal_the_summary_of_the_joined_text() {
        let texts = [
            "",
            " ",
            "x",
            "select",
            "select ",
            " from",
            "from ",
            "from",
            "xfrom ",
            "insert",
            "insert  ",
            " into",
            "into ",
            "insert into",
            "values",
            "values(",
            "values ",
            "update",
            "set ",
            "update set",
            "delete",
            "delete from",
            "delete  ",
            "a select b",
            "from x",
            "insertinto ",
            "into values (",
        ];
        for first in texts {
            for second in texts {
                for third in texts {
                    let [a, b, c] = [first, second, third].map(Summary::of);
                    let whole = Summary::of(&format!("{first} {second} {third}"));
                    let joined = a.join(b).join(c);
                    assert_eq!(
                        whole.is_sql, joined.is_sql,
                        "{first:?} {second:?} {third:?}"
                    );
                    assert_eq!(
                        whole.is_sql,
                        a.join(b.join(c)).is_sql,
                        "{first:?} {second:?} {third:?}"
                    );
                }
            }
        }
    }
}
