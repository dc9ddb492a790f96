//! Cognitive complexity: published examples, small programs with the numbers of two other tools, and optionally whole
//! source trees.

use std::fmt::Write as _;

use serde_json::Value;
use slm_metrics::{analyze, cognitive_by_function};

/// Programs on which this crate differs from at least one of the tools, with its number; reasons are in the README.
const DIFFERENCES: [(&str, usize); 24] = [
    ("switch", 1),
    ("if in else", 4),
    ("nested ifs", 7),
    ("for else", 4),
    ("while else", 4),
    ("alternating operators", 3),
    ("operators in brackets", 1),
    ("operators in an f-string", 1),
    ("operators in yield", 1),
    ("recursion of a method", 1),
    ("recursion from inside", 1),
    ("a method calls a function of its name", 0),
    ("conditional in a condition", 2),
    ("conditional in a header", 2),
    ("lambda in a loop", 4),
    ("function in an if", 4),
    ("decorator with docstring", 1),
    ("comprehension", 0),
    ("nested comprehension", 1),
    ("match", 3),
    ("guard", 2),
    ("async", 1),
    ("class in a function", 2),
    ("code of a module", 5),
];
/// The same for programs whose code outside functions one tool or both ignore.
const OUTSIDE_FUNCTIONS: [(&str, usize); 2] =
    [("code of a class", 1), ("default and decorator", 2)];

fn total(source: &str) -> usize {
    analyze(source).expect("valid Python").cognitive_complexity
}

#[test]
fn small_programs_agree_with_the_definition_and_the_tools() {
    let mut failures = String::new();
    let mut published = 0;
    let mut explained = 0;
    for line in include_str!("golden/cognitive/cognitive.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let name = case["name"].as_str().expect("a name");
        let number = |key: &str| case[key].as_u64().map(|number| number as usize);
        let tools =
            ["complexipy", "cognitive_complexity"].map(|key| number(key).expect("a number"));
        let known = DIFFERENCES.iter().chain(&OUTSIDE_FUNCTIONS);
        let own = known.copied().find(|(program, _)| *program == name);
        let expected = own.map_or(tools[0], |(_, own)| own);
        if own.is_some() {
            assert!(tools != [expected; 2], "{name}: no difference");
            explained += 1;
        } else {
            assert_eq!(tools[0], tools[1], "{name}: the tools differ");
        }
        if let Some(score) = number("published") {
            assert_eq!(score, expected, "{name}: the published score");
            published += 1;
        }
        let found = total(case["source"].as_str().expect("a source"));
        if found != expected {
            writeln!(failures, "{name}: expected {expected}, found {found}").expect("a string");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(published, 9);
    assert_eq!(explained, DIFFERENCES.len() + OUTSIDE_FUNCTIONS.len());
}

#[test]
fn functions_are_listed_with_the_classes_around_them() {
    let source = "\
if x:
    def f(a):
        def inner():
            if a:
                pass
        inner()

class A:
    @decorated
    async def m(self):
        for x in self:
            self.m()
    class B:
        @staticmethod
        def n(x): x.n()

for x in y: pass
";
    let found = cognitive_by_function(source).expect("valid Python");
    let found: Vec<_> = found
        .iter()
        .map(|function| (function.name.as_str(), function.line, function.complexity))
        .collect();
    assert_eq!(found, [("f", 2, 2), ("A.m", 10, 2), ("A.B.n", 15, 0)]);
    // Two more for the code outside functions.
    assert_eq!(total(source), 6);
}

/// `COGNITIVE_ORACLE=FILE` names the lines that `golden/cognitive/tree.py` writes. Prints the shares of equal functions.
#[test]
#[expect(
    clippy::print_stderr,
    reason = "the shares are what a user runs it for"
)]
fn most_functions_of_source_trees_agree_where_an_oracle_is_given() {
    let Some(oracle) = std::env::var_os("COGNITIVE_ORACLE") else {
        return;
    };
    let oracle = std::fs::read_to_string(oracle).expect("COGNITIVE_ORACLE is a readable file");
    let (mut compared, mut both, mut one, mut equal) = (0, 0, 0, [0, 0]);
    let mut neither = Vec::new();
    for line in oracle.lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let path = case["path"].as_str().expect("a path");
        let Some(functions) = std::fs::read_to_string(path)
            .ok()
            .and_then(|source| cognitive_by_function(&source).ok())
        else {
            continue;
        };
        for row in case["functions"].as_array().expect("functions") {
            let (name, line) = (row[0].as_str().expect("a name"), row[1].as_u64());
            let own = functions
                .iter()
                .find(|function| function.name == name && Some(function.line as u64) == line);
            let own = own
                .unwrap_or_else(|| panic!("{path}: {name} is missing"))
                .complexity as u64;
            let [Some(first), Some(second)] = [row[2].as_u64(), row[3].as_u64()] else {
                continue;
            };
            compared += 1;
            let same = [first == own, second == own];
            equal[0] += usize::from(same[0]);
            equal[1] += usize::from(same[1]);
            both += usize::from(same == [true, true]);
            one += usize::from(same != [false, false]);
            if same == [false, false] {
                neither.push(format!("{path}:{row}: {own}"));
            }
        }
    }
    eprintln!(
        "{compared} functions; equal to complexipy {}, to cognitive_complexity {}, to both {both}, to either {one}",
        equal[0], equal[1]
    );
    for place in neither.iter().step_by(neither.len() / 40 + 1) {
        eprintln!("{place}");
    }
    assert!(compared > 0, "no function of the oracle was found");
    assert!(
        one * 100 > compared * 95,
        "only {one} of {compared} equal either tool"
    );
}
