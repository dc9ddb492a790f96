use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{error, parse};

/// No text of at most a mebibyte may take longer; the slowest takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Expects an error that holds `part`, soon.
fn check(what: &str, text: &str, part: &str) {
    let begun = Instant::now();
    let message = error(text, &[]);
    assert!(message.contains(part), "{what}: {message}");
    assert!(
        begun.elapsed() < PATIENCE,
        "{what} took {:?}",
        begun.elapsed()
    );
    assert!(
        message.len() < 500,
        "{what}: an error of {} bytes",
        message.len()
    );
}

#[test]
fn deep_nesting_is_refused_quickly() {
    let deep = |piece: &str, times: usize| format!("model: {}", piece.repeat(times));
    check("brackets", &deep("[", 1_000_000), "opening brackets");
    check("braces", &deep("{a: ", 250_000), "opening brackets");
    check("few brackets", &deep("[", 4000), "levels deep");
    check("few braces", &deep("{a: ", 4000), "levels deep");
    check("dashes", &"- ".repeat(500_000), "levels deep");
    check("complex keys", &"? ".repeat(500_000), "not valid YAML");
    let stairs = (0..1000).fold(String::new(), |mut text, depth| {
        writeln!(text, "{}a:", " ".repeat(depth)).unwrap();
        text
    });
    check("indentation", &stairs, "levels deep");
}

#[test]
fn aliases_that_multiply_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(8);
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    check("bomb", &bomb, "more than 10000 values");
    check("loop", "model: &a [*a]\n", "levels deep");
    check("no anchor", "model: *nowhere\n", "unknown anchor");
}

#[test]
fn masses_of_anything_are_refused_quickly() {
    let numbered = |format: fn(usize) -> String| (0..60_000).map(format).collect::<String>();
    check(
        "keys",
        &numbered(|n| format!("k{n}: 1\n")),
        "more than 10000 values",
    );
    check(
        "anchors",
        &numbered(|n| format!("k{n}: &a{n} 1\n")),
        "more than 10000 values",
    );
    check("items", &"- \n".repeat(300_000), "more than 10000 values");
    check(
        "directives",
        &numbered(|n| format!("%TAG !a{n}! x\n")),
        "a directive",
    );
    check("quotes", &"'".repeat(1_000_000), "expected sections");
    check("one word", &"x".repeat(1_000_000), "expected sections");
    check(
        "a long key",
        &format!("? {}\n: 1", "x".repeat(1_000_000)),
        "unknown key",
    );
    check(
        "a long number",
        &format!("lora: {{r: {}}}", "9".repeat(1_000_000)),
        "`lora.r`",
    );
}

#[test]
fn strange_characters_are_refused() {
    for (text, part) in [
        ("a: \u{0}", "control characters"),
        ("a: \u{1b}[31m", "control characters"),
        ("? [a, b]\n: 1\n", "expected a plain key"),
        ("1: 2\n", "unknown key `1`"),
        ("~: 2\n", "unknown key `~`"),
        ("<<: {r: 1}\n", "unknown key `<<`"),
        ("\"\": 1\n", "unknown key ``"),
        ("\"\\e[31m\": 1\n", "unknown key `\\u{1b}[31m`"),
        ("\"a.b\": 1\n", "unknown key `a.b`"),
    ] {
        check(text, text, part);
    }
}

/// A small generator of our own, so that a failure names a seed that repeats it anywhere.
struct Random(u64);

impl Random {
    /// A number below `bound`, from a 64-bit linear congruential generator (Knuth's constants).
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// What YAML takes for something else than text.
const PIECES: &[&str] = &[
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!x ",
    "!!int ",
    "|\n",
    ">\n",
    "'",
    "\"",
    "#",
    "\t",
    "\n",
    "\n\n",
    "---\n",
    "...\n",
    "%TAG ! x\n",
    "? ",
    "<<: ",
    "~",
    "1e999",
    "-0",
    ".nan",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    "\r",
    "\\",
    "@",
    "`",
    "9999999999999999999999999999999999999999",
    "  ",
    "null",
    "true",
    "lora:",
    "r: ",
];

#[test]
fn no_mutation_of_a_recipe_panics_or_hangs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/quickstart.yaml");
    let commented = fs::read_to_string(file).unwrap();
    let bare: Vec<_> = commented
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let bare = bare.join(
        "
",
    );
    let (mut read, mut refused) = (0, 0);
    for seed in 0..4000 {
        let mut random = Random(seed);
        let mut text: Vec<char> = bare.chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(6) {
                0 => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].chars())),
                1 => drop(text.drain(at..(at + 1 + random.below(12)).min(text.len()))),
                2 | 3 => text[at] = char::from(b'0' + random.below(10) as u8),
                4 => text[at] = char::from(32 + random.below(95) as u8),
                _ => {
                    let end = (at + random.below(60)).min(text.len());
                    let copied: Vec<char> = text[at..end].to_vec();
                    let to = random.below(text.len());
                    text.splice(to..to, copied);
                }
            }
        }
        let text: String = text.into_iter().collect();
        let begun = Instant::now();
        match parse(&text, &[]) {
            // A recipe that can be read can be written and read back.
            Ok(recipe) => {
                read += 1;
                assert_eq!(
                    parse(&recipe.to_yaml(), &[]).unwrap(),
                    recipe,
                    "seed {seed}:\n{text}"
                );
            }
            Err(error) => {
                refused += 1;
                let message = error.to_string();
                assert!(
                    message.contains("recipes/test.yaml"),
                    "seed {seed}: {message}\n{text}"
                );
            }
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "seed {seed} took {:?}",
            begun.elapsed()
        );
    }
    assert!(
        read > 50 && refused > 1000,
        "{read} read and {refused} refused: mutate otherwise"
    );
}
