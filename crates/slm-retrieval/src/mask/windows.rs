//! Windows of tokens that are equal up to names.

use std::collections::{HashMap, HashSet};

use slm_metrics::syntax::{CodeToken, CodeTokenKind};

/// Tokens of a window. Unrelated programs rarely share a run of this length, with all names replaced.
const WINDOW_TOKENS: usize = 25;
/// Fewest tokens of a shorter body that is one window as a whole.
const FEWEST_TOKENS: usize = 12;
/// Tokens of a window that are neither names nor commas and dots: a list of names is no window.
const FEWEST_MARKS: usize = 4;

/// The tokens of code that can be compared.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream(Vec<Token>);

#[derive(Debug, Clone, Copy)]
struct Token {
    /// Hash of the text, the same for all names.
    shape: u64,
    /// Hash of the text of a name; 0 of other tokens.
    name: u64,
    /// Whether it is neither a name nor a comma or dot.
    is_mark: bool,
    /// First and last line of the statement.
    lines: (u32, u32),
}

/// An odd number with well distributed bits.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
/// The shape of every name.
const NAME: u64 = 0x517c_c1b7_2722_0a95;

impl Stream {
    /// Takes the tokens that count: without comments, docstrings and imports. `line` maps a line of the tokens to one of
    /// the file.
    pub(super) fn of(tokens: &[CodeToken], line: impl Fn(usize) -> usize) -> Self {
        let mut stream = Vec::new();
        for statement in tokens.split(|token| token.kind == CodeTokenKind::LineEnd) {
            let mut code = statement.iter().filter(|token| token.kind.is_code());
            let Some(first) = code.clone().next() else {
                continue;
            };
            let is_import = matches!(&*first.text, "import" | "from");
            if is_import && first.kind == CodeTokenKind::Keyword {
                continue;
            }
            let last = code.clone().map(|token| token.lines.1).max();
            let last = last.unwrap_or(first.lines.1);
            let lines = (line(first.lines.0) as u32, line(last) as u32);
            stream.extend(code.by_ref().filter(|t| t.text != ";").map(|token| {
                let is_name = token.kind == CodeTokenKind::Name;
                Token {
                    shape: if is_name { NAME } else { shape(token) },
                    name: if is_name { hash(&token.text) | 1 } else { 0 },
                    is_mark: !is_name && !matches!(&*token.text, "," | "."),
                    lines,
                }
            }));
        }
        Self(stream)
    }
}

/// Returns the hash of a token that is no name. The quotes of a string do not count.
fn shape(token: &CodeToken) -> u64 {
    let text = match token.kind {
        CodeTokenKind::Text => token.text.trim_matches(['"', '\'']),
        _ => &token.text,
    };
    hash(text)
}

/// FNV-1a with a final mix.
fn hash(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// The windows of a secret, by their number of tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows(Vec<(usize, Hashes)>);

#[derive(Debug, Clone, Default)]
struct Hashes {
    /// With all names equal: fast to compare.
    shapes: HashSet<u64>,
    /// With each name replaced by the place of its first occurrence.
    exact: HashSet<u64>,
}

impl Windows {
    /// Adds all windows of a program.
    pub(super) fn add_program(&mut self, stream: &Stream) {
        for window in stream.0.windows(WINDOW_TOKENS) {
            self.add(window);
        }
    }

    /// Adds a short body as one window, if it has enough tokens or words to be recognised by.
    pub(super) fn add_body(&mut self, stream: &Stream, has_words: bool) {
        let n_tokens = stream.0.len();
        if n_tokens < WINDOW_TOKENS && n_tokens > 0 && (n_tokens >= FEWEST_TOKENS || has_words) {
            self.add(&stream.0);
        }
    }

    fn add(&mut self, window: &[Token]) {
        let n_marks = window.iter().filter(|token| token.is_mark).count();
        if n_marks < FEWEST_MARKS.min(window.len() / 3) {
            return;
        }
        let place = self
            .0
            .iter()
            .position(|(length, _)| *length == window.len());
        let place = place.unwrap_or_else(|| {
            self.0.push((window.len(), Hashes::default()));
            self.0.len() - 1
        });
        let hashes = &mut self.0[place].1;
        let shapes = window
            .iter()
            .fold(0_u64, |hash, token| rolled(hash, token.shape));
        hashes.shapes.insert(shapes);
        hashes.exact.insert(exact(window));
    }

    /// Returns the lines of all windows of the secret in a stream.
    pub(super) fn find(&self, stream: &Stream) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (length, hashes) in &self.0 {
            let leaving = BASE.wrapping_pow(*length as u32);
            let mut hash = 0_u64;
            for (at, token) in stream.0.iter().enumerate() {
                hash = rolled(hash, token.shape);
                if at >= *length {
                    let left = stream.0[at - length].shape;
                    hash = hash.wrapping_sub(left.wrapping_mul(leaving));
                }
                if at + 1 >= *length && hashes.shapes.contains(&hash) {
                    let window = &stream.0[at + 1 - length..=at];
                    if hashes.exact.contains(&exact(window)) {
                        let first = window.iter().map(|token| token.lines.0).min();
                        let last = window.iter().map(|token| token.lines.1).max();
                        let of = |line: Option<u32>| line.unwrap_or(1) as usize;
                        found.push((of(first), of(last)));
                    }
                }
            }
        }
        found
    }
}

fn rolled(hash: u64, shape: u64) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(shape)
}

/// Returns the hash of a window with each name replaced by the place of its first occurrence.
fn exact(window: &[Token]) -> u64 {
    let mut places: HashMap<u64, u64> = HashMap::with_capacity(window.len());
    window.iter().fold(0, |hash, token| {
        let part = if token.name == 0 {
            token.shape
        } else {
            let next = places.len() as u64;
            let place = *places.entry(token.name).or_insert(next);
            NAME.wrapping_add((place + 1).wrapping_mul(0xd6e8_feb8_6659_fd93))
        };
        rolled(hash, part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_metrics::syntax::code_tokens;

    fn stream(text: &str) -> Stream {
        Stream::of(&code_tokens(text).expect("tokens"), |line| line)
    }

    const BODY: &str = "total = 0\nfor item in items:\n    if item > limit:\n        total += item * 2\n    else:\n        total -= 1\nreturn total\n";

    #[track_caller]
    fn check(text: &str, is_found: bool) {
        let mut windows = Windows::default();
        windows.add_program(&stream(BODY));
        assert_eq!(!windows.find(&stream(text)).is_empty(), is_found, "{text}");
    }

    #[test]
    fn renamed_and_laid_out_code_is_found() {
        check(BODY, true);
        let renamed = BODY
            .replace("total", "s")
            .replace("item", "x")
            .replace("limit", "m");
        check(&renamed, true);
        let tabs = format!(
            "import a\nclass C:\n\tdef f(self):\n\t\t{}",
            renamed.replace("    ", "\t").replace('\n', "\n\t\t")
        );
        check(&tabs, true);
        check(
            &renamed.replace("s = 0", "s = 0  # start\n'''Doc.'''\nimport os"),
            true,
        );
    }

    #[test]
    fn other_code_is_not_found() {
        check(&BODY.replace('2', "3").replace("+=", "-="), false);
        // One name where the secret has two.
        check(
            &BODY.replace("limit", "item").replace("total", "item"),
            false,
        );
        check("a, b, c, d, e, f, g, h, i, j, k, l, m, n = x\n", false);
    }

    #[test]
    fn lines_are_those_of_whole_statements() {
        let mut windows = Windows::default();
        windows.add_program(&stream(BODY));
        windows.add_program(&stream(BODY));
        let text = format!(
            "x = 1\n{}",
            BODY.replace("+= item", "+= \\\n            item")
        );
        let lines = windows.find(&stream(&text));
        let first = lines.iter().map(|of| of.0).min();
        let last = lines.iter().map(|of| of.1).max();
        assert_eq!((first, last), (Some(2), Some(9)));
    }

    #[test]
    fn a_short_body_is_one_window() {
        let body = stream("return sorted(x)[len(x) // 2]\n");
        let mut windows = Windows::default();
        windows.add_body(&body, false);
        assert_eq!(
            windows.find(&stream("y = 1\nreturn sorted(v)[len(v) // 2]\n")),
            [(2, 2)]
        );
        let mut none = Windows::default();
        none.add_body(&stream("return max(x)\n"), false);
        assert_eq!(none.find(&stream("return max(x)\n")), []);
        none.add_body(&stream("return max(x)\n"), true);
        assert_eq!(none.find(&stream("return min(y)\n")), [(1, 1)]);
    }
}
