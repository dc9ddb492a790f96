//! What a program contains beside the definition of a function: which statements are kept, and where they belong.

use std::collections::HashSet;
use std::fmt::Write as _;

use slm_metrics::syntax::{
    OutlineItem, OutlineKind, code_words, moved_definition, normalised_hash, outline,
};

use crate::fault::SpliceFault;

/// Statements of a program that are named as left out.
const MOST_NAMED: usize = 5;
/// Characters of a statement that are shown.
const SHOWN_CHARACTERS: usize = 60;

/// The statements that a program adds to a file, as text.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    /// Imports of `__future__`, for the top of the file.
    pub(crate) futures: String,
    /// Statements that precede the top-level statement with the function.
    pub(crate) before: String,
    /// Members that precede a method in its class.
    pub(crate) members: String,
    /// Assignments that use the function, for the end of the file.
    pub(crate) at_end: String,
    pub(crate) left_out: LeftOut,
}

/// The statements of a program that are not part of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// The beginnings of the first ones.
    first: Vec<String>,
    /// Number of all.
    n: usize,
}

impl LeftOut {
    fn add(&mut self, item: &OutlineItem) {
        self.n += 1;
        if self.first.len() < MOST_NAMED {
            let line = item.text.lines().next().unwrap_or_default();
            let mut shown: String = line.chars().take(SHOWN_CHARACTERS).collect();
            if shown.len() < item.text.len() {
                shown.push_str("...");
            }
            self.first.push(shown);
        }
    }

    /// Adds to the reason of a verdict what was left out of the program, if there is something.
    pub(crate) fn explain(&self, detail: &str) -> String {
        if self.n == 0 {
            return detail.to_owned();
        }
        let mut text = format!("left out of the program: {}", self.first.join("; "));
        if self.n > self.first.len() {
            let _ = write!(text, "; and {} more", self.n - self.first.len());
        }
        if detail.is_empty() {
            text
        } else {
            format!("{detail}; {text}")
        }
    }
}

/// Statements that a program may repeat: those of its prompt and of the file.
struct Given<'a> {
    hashes: HashSet<u64>,
    /// Statements of the file, hashed for the first statement that is not in the prompt.
    file: Option<&'a [OutlineItem]>,
}

impl<'a> Given<'a> {
    fn new<'p>(prompt: impl Iterator<Item = &'p OutlineItem>, file: &'a [OutlineItem]) -> Self {
        Self {
            hashes: prompt.filter_map(hash_of).collect(),
            file: Some(file),
        }
    }

    fn has(&mut self, item: &OutlineItem) -> bool {
        let Some(hash) = hash_of(item) else {
            return false;
        };
        if !self.hashes.contains(&hash)
            && let Some(file) = self.file.take()
        {
            self.hashes.extend(file.iter().filter_map(hash_of));
        }
        self.hashes.contains(&hash)
    }
}

/// The place of a definition in a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition<'a> {
    /// The top-level statement that contains it: itself, or the class of a method.
    pub(crate) container: &'a OutlineItem,
    pub(crate) item: &'a OutlineItem,
}

/// Collects what the program `written` adds to its prompt and to a file, whose statements are `file`; `original` is the
/// place of the function in it.
///
/// A function, class or assignment whose name the file binds elsewhere to something else is added nevertheless: before
/// the definition, it replaces an earlier one for the rest of the file, and a later one replaces it.
pub(crate) fn additions(
    written: &[OutlineItem],
    definition: Definition<'_>,
    prompt: &str,
    file: &[OutlineItem],
    original: Definition<'_>,
) -> Result<Additions, SpliceFault> {
    let prompt = outline(prompt).unwrap_or_default();
    let mut given = Given::new(prompt.iter(), file);
    let mut added = Additions::default();
    let (mut is_after, mut is_late) = (false, false);
    for item in written {
        if std::ptr::eq(item, definition.container) {
            is_after = true;
            continue;
        }
        if is_text(&item.text) || given.has(item) {
            continue;
        }
        let to = match item.kind {
            OutlineKind::Future => &mut added.futures,
            OutlineKind::Import | OutlineKind::Function | OutlineKind::Class => &mut added.before,
            OutlineKind::Other if !(is_augmented(&item.text) || only_declares(&item.text)) => {
                added.left_out.add(item);
                continue;
            }
            OutlineKind::Assignment | OutlineKind::Other => {
                // `x = f(1)` needs the definition, and what follows it may need `x`.
                is_late = is_late || is_after && uses(&item.text, definition.container);
                if is_late {
                    &mut added.at_end
                } else {
                    &mut added.before
                }
            }
        };
        to.push_str(&item.text);
        to.push('\n');
    }
    let members = &original.container.members;
    let prompt = prompt.iter().flat_map(|item| &item.members);
    let mut given = Given::new(prompt, members);
    let known: HashSet<&str> = members.iter().filter_map(bound_name).collect();
    for member in &definition.container.members {
        if std::ptr::eq(member, definition.item) || is_text(&member.text) || given.has(member) {
            continue;
        }
        let is_new = bound_name(member).is_some_and(|name| !known.contains(name));
        if is_new {
            let text = member_text(member, &original.item.indent);
            added
                .members
                .push_str(&text.ok_or(SpliceFault::DoesNotFit)?);
        } else {
            added.left_out.add(member);
        }
    }
    Ok(added)
}

/// Returns the definition without decorators, moved to `indent`.
pub(crate) fn moved(item: &OutlineItem, indent: &str) -> Option<String> {
    let (text, before) = alone(item);
    moved_definition(
        &text,
        before + item.keyword_line - item.first_line + 1,
        indent,
    )
}

/// Returns whether a statement is only a string, such as a docstring.
pub(crate) fn is_text(statement: &str) -> bool {
    let words = code_words(statement);
    words.is_ok_and(|words| words.names.is_empty() && words.strings.contains(statement))
}

/// Returns a statement as a program, and the number of lines before it: one of a class that gives it its indentation.
fn alone(item: &OutlineItem) -> (String, usize) {
    // Python counts the columns of a line from its last form feed.
    let indent = item.indent.rsplit('\x0c').next().unwrap_or_default();
    if indent.is_empty() {
        (format!("{}\n", item.text), 0)
    } else {
        (format!("class _:\n{indent}{}\n", item.text), 1)
    }
}

fn hash_of(item: &OutlineItem) -> Option<u64> {
    normalised_hash(&alone(item).0)
}

/// Returns the name of a member of a class: of a definition, or the first name of an assignment.
fn bound_name(item: &OutlineItem) -> Option<&str> {
    match item.kind {
        OutlineKind::Assignment => {
            let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
            let end = item.text.find(|c| !is_of_name(c))?;
            (end > 0).then(|| &item.text[..end])
        }
        _ => item.name.as_deref(),
    }
}

/// Returns a member of a class as lines with this indentation.
fn member_text(item: &OutlineItem, indent: &str) -> Option<String> {
    let mut text = String::new();
    if item.kind == OutlineKind::Assignment {
        // The indentation of its other lines has no meaning.
        text.push_str(indent);
        text.push_str(&item.text);
    } else {
        let lines = item.keyword_line - item.first_line;
        for line in item.text.lines().take(lines) {
            text.push_str(indent);
            text.push_str(line.trim_start());
            text.push('\n');
        }
        text.push_str(&moved(item, indent)?);
    }
    text.push('\n');
    Some(text)
}

/// Returns whether a statement names a definition.
fn uses(statement: &str, definition: &OutlineItem) -> bool {
    let is_it = |name: &String| name.split('.').next() == definition.name.as_deref();
    code_words(statement).is_ok_and(|words| words.names.iter().any(is_it))
}

/// Returns whether a statement is an augmented assignment, such as `x += 1`: one that is an assignment without the
/// operator before its `=`.
fn is_augmented(statement: &str) -> bool {
    let Some((target, value)) = statement.split_once('=') else {
        return false;
    };
    let operators = ['+', '-', '*', '/', '%', '@', '&', '|', '^', '<', '>'];
    let bare = target.trim_end_matches(operators);
    let is_assignment = |items: Vec<OutlineItem>| matches!(&items[..], [item] if item.kind == OutlineKind::Assignment);
    // `x <= y` and `x >= y` are comparisons.
    !matches!(&target[bare.len()..], "" | "<" | ">")
        && outline(&format!("{bare}={value}")).is_ok_and(is_assignment)
}

/// Returns whether a statement is a `try` or `if` whose blocks contain only imports and assignments, or `pass`.
///
/// To find its blocks, each line that begins one is read as the beginning of a class. A block on the line of its `if`
/// is not found.
fn only_declares(statement: &str) -> bool {
    let mut classes = String::with_capacity(statement.len());
    for line in statement.lines() {
        let is_inner = line.is_empty() || line.starts_with([' ', '\t', '#']);
        if is_inner {
            classes.push_str(line);
        } else if is_clause(line) {
            classes.push_str("class _:");
        } else {
            return false;
        }
        classes.push('\n');
    }
    let declares = |item: &OutlineItem| match item.kind {
        OutlineKind::Import | OutlineKind::Assignment => true,
        OutlineKind::Other => item.text == "pass" || is_augmented(&item.text),
        _ => false,
    };
    outline(&classes).is_ok_and(|items| {
        let mut items = items.iter();
        items.all(|item| item.kind == OutlineKind::Class && item.members.iter().all(declares))
    })
}

/// Returns whether a line is the whole beginning of a block of `try` or `if`.
fn is_clause(line: &str) -> bool {
    let code = line.split('#').next().unwrap_or_default().trim_end();
    let Some(head) = code.strip_suffix(':') else {
        return false;
    };
    let word = head.split(|c: char| !c.is_alphanumeric()).next();
    matches!(
        word,
        Some("try" | "except" | "else" | "finally" | "if" | "elif")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_only_declare_are_known() {
        for (text, expected) in [
            (
                "try:\n    import a\nexcept (A, B):  # no a\n    a = None\nelse:\n    b = [\n        1]\nfinally:\n    pass",
                true,
            ),
            (
                "if x:\n\timport a\nelif(y):\n\n\tb: int = 1\n# c\nelse:\n\tc = 1",
                true,
            ),
            ("if x:\n    print(x)", false),
            ("if x:\n    if y:\n        z = 1", false),
            ("for x in y:\n    z = 1", false),
            ("with x:\n    z = 1", false),
            ("try:\n    def f(): pass\nexcept A:\n    f = 1", false),
            ("print(1)", false),
            ("if x:\n    y <<= 1", true),
            ("if x:\n    y <= 1", false),
            ("if x:\n    y == 1", false),
        ] {
            assert_eq!(only_declares(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_named_and_counted() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.explain("failed"), "failed");
        let program = (0..7).fold(String::new(), |text, i| text + &format!("print({i})\n"));
        for item in outline(&format!("{program}for x in y:\n    z")).expect("Python") {
            left_out.add(&item);
        }
        assert_eq!(
            left_out.explain("failed"),
            "failed; left out of the program: print(0); print(1); print(2); print(3); print(4); and 3 more"
        );
    }
}
