//! Inputs that attempt to crash the parser, the visitors or their stack.

use slm_metrics::syntax::{Form, Wanted, documented_functions, extract_program, normalised_hash};
use slm_metrics::{Fstrings, Options, SyntaxError, analyze, analyze_with};

/// Calls every public function on an arbitrary source.
fn use_everything(source: &str) {
    let _ = analyze(source);
    let _ = analyze_with(
        source,
        Options {
            fstrings: Fstrings::Legacy,
        },
    );
    let _ = documented_functions(source);
    let _ = extract_program(source, Form::Whole, &Wanted::entry_point("f"));
    let _ = normalised_hash(source);
}

fn message(result: Result<slm_metrics::FileMetrics, SyntaxError>) -> String {
    result.expect_err("refused").message
}

#[test]
fn deep_nesting_is_an_error_as_in_python() {
    let parentheses = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(
        message(analyze(&parentheses)),
        "too many nested parentheses"
    );
    assert!(analyze(&format!("{}1{}", "(".repeat(200), ")".repeat(200))).is_ok());

    let nested = |levels: usize| {
        let mut program = String::new();
        for level in 0..levels {
            program += &" ".repeat(level);
            program += "if x:\n";
        }
        program + &" ".repeat(levels) + "y\n"
    };
    assert_eq!(
        message(analyze(&nested(5_000))),
        "too many levels of indentation"
    );
    assert_eq!(
        message(analyze(&nested(100))),
        "too many levels of indentation"
    );
    assert!(analyze(&nested(99)).is_ok());
}

/// Returns programs whose tree is `n` levels deep, with few brackets and little indentation.
fn chains(n: usize) -> Vec<String> {
    let repeat = |text: &str| text.repeat(n);
    vec![
        format!("x = {}a\n", repeat("a + ")),
        format!("x = {}a\n", repeat("a ** ")),
        format!("x = {}a\n", repeat("not ")),
        format!("x = {}a\n", repeat("-")),
        format!("x = {}a\n", repeat("lambda: ")),
        format!("x = {}a\n", repeat("lambda a, b: ")),
        format!("x = {}a\n", repeat("a if b else ")),
        format!("x = a{}\n", repeat(".b")),
        format!("x = a{}\n", repeat("()")),
        format!("x = a{}\n", repeat("[0]")),
        format!("async def f():\n    {}a\n", repeat("await ")),
        format!("{}a\n", repeat("x = ")),
        format!("{}a\n", repeat("if x: ")),
        format!("{}a\n", repeat("if x, y: ")),
        format!("x = {}", repeat("f'{")),
        format!("x = {}", repeat("f\"{x:{y:")),
        format!("match x:\n    case {}a: pass\n", repeat("a.")),
        format!("match x:\n    case {}", repeat("[")),
        format!("x = {}", repeat("(]")),
        format!("x = {}", repeat("{a:")),
        format!("x = {}", repeat("(a,")),
        format!("x = {}", repeat("[a for b in ")),
        format!("x = {}a\n", repeat("yield ")),
        format!("x = {}", repeat("a[b:")),
        format!("x = {}", repeat("*")),
        repeat("@a\n"),
        repeat("class A: "),
        repeat("else: "),
        repeat("try: "),
        repeat("def f(x="),
        repeat("(\ndef f():\n"),
    ]
}

#[test]
fn chains_of_any_length_neither_crash_nor_hang() {
    for n in [50, 500, 3_000, 100_000] {
        for source in chains(n) {
            use_everything(&source);
        }
    }
}

#[test]
fn chains_that_radon_can_count_are_counted() {
    let [sum, ..] = &chains(1_000)[..] else {
        unreachable!("several chains");
    };
    assert_eq!(
        analyze(sum).expect("valid Python").halstead.total.n1_total,
        1_000
    );
}

#[test]
fn flat_programs_of_any_length_are_counted() {
    let elif = format!("if a: b\n{}", "elif c: d\n".repeat(20_000));
    assert_eq!(
        analyze(&elif).expect("valid Python").cyclomatic_complexity,
        20_002
    );
    let table = format!("x = {{{}}}\n", "1: [2, -3], ".repeat(20_000));
    assert_eq!(
        analyze(&table)
            .expect("valid Python")
            .halstead
            .total
            .n1_total,
        20_000
    );
    let lines = "x = f(a, b)[0].c + 1\n".repeat(20_000);
    assert_eq!(analyze(&lines).expect("valid Python").raw.lloc, 20_000);
}

#[test]
fn a_null_byte_and_a_byte_order_mark_are_errors_with_a_place() {
    let error = analyze("x = 1\ny = é\0").expect_err("refused");
    assert_eq!((error.line, error.column), (2, 6));
    assert!(analyze("\u{feff}x = 1\n").is_err());
}

#[test]
fn errors_name_their_place() {
    let error = analyze("x = 1\nif é ==:\n    pass\n").expect_err("refused");
    assert_eq!((error.line, error.column), (2, 8));
    assert_eq!(
        error.to_string(),
        format!("invalid syntax at line 2, column 8: {}", error.message)
    );
}

/// A small random number generator (splitmix64), to avoid a dependency.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, options: &[&'a str]) -> &'a str {
        options[self.below(options.len())]
    }
}

/// Returns the number of cases for the random tests, `METRICS_FUZZ_CASES` if set.
fn n_cases() -> usize {
    std::env::var("METRICS_FUZZ_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(3_000)
}

const FRAGMENTS: &[&str] = &[
    "def f(x):",
    "class A:",
    "if x:",
    "elif y:",
    "else:",
    "for x in y:",
    "while x:",
    "try:",
    "except A as b:",
    "except* A:",
    "finally:",
    "with a as b:",
    "match x:",
    "case _:",
    "case [1, *a]:",
    "return",
    "yield",
    "await",
    "async ",
    "lambda x:",
    "import a.b",
    "from . import (",
    "global x",
    "nonlocal x",
    "del x",
    "pass",
    "assert",
    "raise",
    "not ",
    " and ",
    " or ",
    " in ",
    " is ",
    " if ",
    " else ",
    " for ",
    "a",
    "b",
    "f",
    "é",
    "ﬁ",
    "1",
    "0x1f",
    "1e5",
    "1j",
    "0777",
    "'s'",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "f'",
    "f\"\"\"",
    "rb'",
    "{",
    "}",
    "{x!r:>{w}}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    ".",
    "...",
    "=",
    ":=",
    "->",
    "+",
    "-",
    "*",
    "**",
    "@",
    "~",
    "<",
    "==",
    "+=",
    "\\",
    "\\\n",
    "\n",
    "\n    ",
    "\n        ",
    "\n\t",
    "\r\n",
    "\r",
    "# c",
    "\u{c}",
    "\u{b}",
    "\u{1c}",
    "\u{85}",
    "\u{2028}",
    "\u{a0}",
    "\u{feff}",
    "\0",
    " ",
    "\t",
    "```\n",
    "```python\n",
    "~~~\n",
    "😀",
    "$",
    "?",
    "!",
];

#[test]
fn random_tokens_never_crash() {
    let mut random = Random(1);
    for _ in 0..n_cases() {
        let length = 1 + random.below(60);
        let source: String = (0..length).map(|_| random.pick(FRAGMENTS)).collect();
        use_everything(&source);
    }
}

#[test]
fn random_bytes_never_crash() {
    let mut random = Random(2);
    for _ in 0..n_cases() {
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        use_everything(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn mutated_programs_never_crash() {
    let programs: Vec<String> = include_str!("golden/radon/pep701.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|case| case["source"].as_str().map(str::to_owned))
        .filter(|source| source.len() < 2_000)
        .collect();
    let mut random = Random(3);
    for _ in 0..n_cases() {
        let mut source = programs[random.below(programs.len())].clone();
        for _ in 0..=random.below(4) {
            let mut places = source.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
            places.push(source.len());
            let at = random.below(places.len());
            let (start, end) = (places[at], places[(at + 4).min(places.len() - 1)]);
            match random.below(3) {
                0 => source.insert_str(start, random.pick(FRAGMENTS)),
                1 => source.truncate(start),
                _ => source.replace_range(start..end, ""),
            }
        }
        use_everything(&source);
    }
}
