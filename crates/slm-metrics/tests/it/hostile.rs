//! Inputs that attempt to crash the parser, the visitors or their stack.

use slm_metrics::rules::findings;
use slm_metrics::syntax::{
    Form, Wanted, documented_functions, extract_program, mutants, normalised_hash, same_signature,
    similarity,
};
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
    let _ = findings(source);
    let _ = mutants(source, 1, 3);
    let _ = similarity(source, source);
    let _ = same_signature(source, "f", source);
    let _ = slm_metrics::cognitive_by_function(source);
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

/// Each would take minutes if the work for one finding grew with the length of the program.
#[test]
fn findings_in_long_programs_are_counted() {
    let count = |source: &str| {
        let found = slm_metrics::rules::findings(source).expect("valid Python");
        let security = |known_as: &str| known_as.starts_with("bandit");
        found
            .iter()
            .filter(|finding| security(finding.rule.known_as))
            .count()
    };
    let n = 20_000;
    let name = "a".repeat(500_000);
    let alias = format!(
        "from {name}.{name} import {name} as b\n{}",
        "b()\n".repeat(n)
    );
    assert_eq!(count(&alias), 0);
    let line = format!("é = [{}]\n", "eval(x), ".repeat(n));
    assert_eq!(count(&line), n);
    let names = format!("from {name} import {}c\n", "pickle, ".repeat(n));
    assert_eq!(count(&names), 0);
    let compared = format!("password{}\n", " == 'x'".repeat(3_000));
    assert_eq!(count(&compared), 3_000);
    let text = "select from ".repeat(100);
    let sum = format!("x = 'select '{}\n", format!(" + '{text}'").repeat(1_000));
    assert_eq!(count(&sum), 1_001);
    let parts = format!("x = f'select {}from '\n", "{y} ".repeat(3_000));
    assert_eq!(count(&parts), 1);
}

/// Returns the number of findings of the rule `id`.
fn count_of(id: &str, source: &str) -> usize {
    let found = findings(source).expect("valid Python");
    found.iter().filter(|finding| finding.rule.id == id).count()
}

/// Each level doubles the handlers that an exception may reach.
#[test]
fn returns_in_nested_try_statements_are_found() {
    const RAISES: [&str; 3] = ["except E:", " if a: raise E", " else: raise E"];
    let program = |levels: usize, last_handler: &[&str]| {
        let indented = |level: usize, line: &str| format!("{}{line}\n", " ".repeat(level));
        let mut lines = vec![indented(0, "def f():")];
        lines.extend((1..=levels).map(|level| indented(level, "try:")));
        lines.push(indented(levels + 1, "return x"));
        for level in (1..=levels).rev() {
            let handler = if level == 1 { last_handler } else { &RAISES };
            lines.extend(handler.iter().map(|line| indented(level, line)));
        }
        lines.concat()
    };
    // With the function and the lowest block, the deepest that Python allows.
    assert_eq!(count_of("inconsistent-return", &program(97, &RAISES)), 0);
    let continues = program(97, &RAISES[..2]);
    assert_eq!(count_of("inconsistent-return", &continues), 1);
    let refused = findings(&program(200, &RAISES)).expect_err("too deep");
    assert_eq!(refused.message, "too many levels of indentation");
}

/// Each would take minutes or gigabytes if work were repeated for each finding, target or enclosing function.
#[test]
fn long_lines_and_deep_scopes_are_searched_once() {
    let n = 80_000;
    assert_eq!(count_of("is-literal", &"x is 1;".repeat(n)), n);
    let exported = format!("{}[{}]\n", "__all__ = ".repeat(3_500), "'a',".repeat(n));
    assert_eq!(count_of("undefined-name", &exported), 0);
    let nested = |name: &str| {
        let lambdas = "lambda b: ".repeat(1_300);
        format!("a = {lambdas}({})\n", format!("{name},").repeat(n))
    };
    assert_eq!(count_of("undefined-name", &nested("a")), 0);
    assert_eq!(count_of("undefined-name", &nested("c")), n);
}

/// What a lookup finds is kept at some depth, until the name is bound there.
#[test]
fn names_bound_between_two_uses_in_deep_scopes_are_found() {
    for levels in (1..1_800).step_by(37).chain(508..516) {
        let lambdas = "lambda d: ".repeat(levels);
        let used = "[c for e in b]";
        let program = format!("a = b = 1\nx = {lambdas}({used}, (c := a), {used})\n");
        assert_eq!(count_of("undefined-name", &program), 1, "{levels} levels");
    }
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
