//! Lookups by name: the definitions and first uses of a symbol, and lines of a file.
//!
//! The text is at most [`MOST_CHARS`] characters long. Its hits are the chunks whose first line it shows.

use slm_retrieval::{ReadError, SymbolDefinition, SymbolUse};

use super::look::{Lookup, MOST_CHARS};
use super::result::LookupResult;

/// Most characters of a use, with its place.
const MOST_USE_CHARS: usize = 100;

/// Returns the parts of `FILE:FROM-TO` or `FILE:LINE`; `None` if it is neither.
pub(crate) fn file_range(query: &str) -> Option<(&str, usize, usize)> {
    let (file, lines) = query.trim().rsplit_once(':')?;
    let (from, to) = lines.split_once(['-', '–']).unwrap_or((lines, lines));
    let file = file.trim();
    let number = |text: &str| text.trim().parse().ok();
    Some((file, number(from)?, number(to)?)).filter(|_| !file.is_empty())
}

/// Lines of a file that a text shows.
struct ShownLines {
    source: String,
    first: usize,
    last: usize,
}

impl Lookup<'_> {
    /// Shows the definitions of a name that fit, the first at least in part, and then its first uses.
    pub(super) fn symbol(&self, found: &mut LookupResult) {
        let name = &self.look.query;
        let Some(symbol) = self.index.symbol(name, self.mask) else {
            found.problem = Some(format!("no definition or use of `{name}`"));
            return;
        };
        let uses = uses(&symbol.uses);
        let mut text = String::new();
        let mut shown = Vec::new();
        for definition in &symbol.definitions {
            let room = MOST_CHARS.saturating_sub(length(&text) + length(&uses));
            let Some((part, lines)) = self.definition(definition, room) else {
                break;
            };
            let is_whole = lines.last >= definition.lines.1;
            if !text.is_empty() && !is_whole {
                break;
            }
            text += &part;
            shown.push(lines);
        }
        self.conclude(found, text + &uses, &shown);
    }

    /// Shows the lines of a file that fit.
    pub(super) fn read(&self, found: &mut LookupResult) {
        let query = &self.look.query;
        let Some((file, from, to)) = file_range(query) else {
            found.problem = Some(format!("`{query}` is no file with a range of lines"));
            return;
        };
        match self.fitting(file, from, to, MOST_CHARS) {
            Ok((text, last)) => {
                let lines = ShownLines {
                    source: self.indexed(file),
                    first: from,
                    last,
                };
                self.conclude(found, text, &[lines]);
            }
            Err(problem) => {
                // The hint, a name that is in the index, is kept.
                found.problem = Some(problem.to_string());
            }
        }
    }

    /// Returns a definition with its place, as far as it fits.
    fn definition(
        &self,
        definition: &SymbolDefinition,
        room: usize,
    ) -> Option<(String, ShownLines)> {
        let SymbolDefinition {
            source,
            name,
            lines: (from, to),
            ..
        } = definition;
        let around = |text: &str| {
            let text = text.trim_end();
            format!("### `{name}` ({source}:{from}-{to})\n\n```python\n{text}\n```\n\n")
        };
        let room = room.checked_sub(length(&around("")))?;
        let (text, last) = self.fitting(source, *from, *to, room).ok()?;
        let shown = ShownLines {
            source: source.clone(),
            first: *from,
            last,
        };
        Some((around(&text), shown)).filter(|_| !text.trim().is_empty())
    }

    /// Returns the lines of a range that fit, from its first line on, and the last of them. A first line that is too long
    /// is cut.
    fn fitting(
        &self,
        file: &str,
        from: usize,
        to: usize,
        room: usize,
    ) -> Result<(String, usize), ReadError> {
        let read = |to| self.index.read(file, from, to, self.mask);
        let whole = read(to)?;
        if length(&whole) <= room {
            return Ok((whole, to));
        }
        let lasts: Vec<usize> = (from..=to.min(from.saturating_add(room))).collect();
        // More lines have a longer text.
        let fits = |&last: &usize| read(last).is_ok_and(|text| length(&text) <= room);
        let n_fitting = lasts.partition_point(fits);
        match n_fitting.checked_sub(1) {
            Some(at) => Ok((read(lasts[at])?, lasts[at])),
            None => Ok((read(from)?.chars().take(room).collect(), from)),
        }
    }

    /// Returns the name in the index of a file that was read by that name or by its end.
    fn indexed(&self, file: &str) -> String {
        let file = file.trim().trim_start_matches("./");
        let is_end = |source: &str| {
            let rest = source.strip_suffix(file);
            rest.is_some_and(|rest| rest.ends_with(['/', ':']))
        };
        let exact = self.index.sources().find(|&source| source == file);
        let found = exact.or_else(|| self.index.sources().find(|source| is_end(source)));
        found.unwrap_or(file).to_owned()
    }

    /// Stores what is shown, unless the mask does not permit it.
    fn conclude(&self, found: &mut LookupResult, text: String, shown: &[ShownLines]) {
        if !self.mask.permits(&text) {
            found.problem = Some("hidden for this task".to_owned());
            return;
        }
        let chunks = self.index.chunks().iter().enumerate();
        let is_shown = |source: &str, first: usize| {
            let holds =
                |of: &ShownLines| of.source == source && (of.first..=of.last).contains(&first);
            shown.iter().any(holds)
        };
        found.hits = chunks
            .filter(|(at, chunk)| !self.mask.hides(*at) && is_shown(&chunk.source, chunk.lines.0))
            .map(|(at, _)| self.hit(at, 0.0, true))
            .collect();
        found.shown = text;
    }
}

/// Lists lines that use a symbol.
fn uses(uses: &[SymbolUse]) -> String {
    if uses.is_empty() {
        return String::new();
    }
    let line = |of: &SymbolUse| {
        let text = format!("{}:{}: {}", of.source, of.line, of.text);
        let text: String = text.chars().take(MOST_USE_CHARS).collect();
        text + "\n"
    };
    let lines: String = uses.iter().map(line).collect();
    format!("Uses:\n{lines}")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_file_and_one_line_or_two() {
        for (query, expected) in [
            ("a/b.py:3-7", Some(("a/b.py", 3, 7))),
            ("pip:a/b.py: 3 - 7 ", Some(("pip:a/b.py", 3, 7))),
            ("b.py:3", Some(("b.py", 3, 3))),
            ("b.py", None),
            (":3-4", None),
            ("b.py:3-x", None),
            ("b.py:-3", None),
            ("b.py:99999999999999999999999-1", None),
            ("", None),
        ] {
            assert_eq!(file_range(query), expected, "{query}");
        }
    }
}
