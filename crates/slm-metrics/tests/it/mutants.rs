//! Mutants: what is edited, what is not, and that each is another program.

use std::collections::HashSet;

use serde_json::Value;
use slm_metrics::syntax::{Mutant, MutationKind, choose, mutants, mutants_of, normalised_hash};

/// Returns the kinds and edited lines of all mutants of a text.
fn edited(source: &str) -> Vec<(MutationKind, String)> {
    let found = mutants(source, 1, source.lines().count()).expect("Python");
    let line = |mutant: &Mutant| {
        mutant
            .text
            .lines()
            .nth(mutant.line - 1)
            .expect("a line")
            .trim()
            .to_owned()
    };
    found
        .iter()
        .map(|mutant| (mutant.kind, line(mutant)))
        .collect()
}

#[track_caller]
fn check(source: &str, expected: &[(&str, &str)]) {
    let found = edited(source);
    let found: Vec<_> = found
        .iter()
        .map(|(kind, line)| (kind.name(), line.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn comparisons_are_flipped() {
    check("x < y\n", &[("comparison_flip", "x >= y")]);
    check(
        "x == y != z\n",
        &[
            ("comparison_flip", "x != y != z"),
            ("comparison_flip", "x == y == z"),
        ],
    );
    check("x not in y\n", &[("comparison_flip", "x in y")]);
    check("x is not y\n", &[("comparison_flip", "x is y")]);
    check("(x)in(y)\n", &[("comparison_flip", "(x)not in(y)")]);
    check("x is y\n", &[("comparison_flip", "x is not y")]);
}

#[test]
fn numbers_operators_and_constants_are_changed() {
    check("x = 0x10\n", &[("off_by_one", "x = 17")]);
    check("x += y\n", &[("arithmetic_swap", "x -= y")]);
    check(
        "x * y // z\n",
        &[
            ("arithmetic_swap", "x / y // z"),
            ("arithmetic_swap", "x * y * z"),
        ],
    );
    check(
        "a and b or c\n",
        &[
            ("boolean_swap", "a or b or c"),
            ("boolean_swap", "a and b and c"),
        ],
    );
    check("x = True\n", &[("true_false", "x = False")]);
    check("x = f'{y - z}'\n", &[("arithmetic_swap", "x = f'{y + z}'")]);
}

#[test]
fn conditions_are_negated_unless_a_flip_does_so() {
    check(
        "if x: y = z\n",
        &[("negated_condition", "if not (x): y = z")],
    );
    check(
        "if not x: y = z\n",
        &[("negated_condition", "if (x): y = z")],
    );
    check(
        "while(x): y = z\n",
        &[("negated_condition", "while(not (x)): y = z")],
    );
    check(
        "if'a': y = z\n",
        &[("negated_condition", "if not ('a'): y = z")],
    );
    check(
        "if x < y: z = x\n",
        &[("comparison_flip", "if x >= y: z = x")],
    );
    check(
        "while True: z = x\n",
        &[("true_false", "while False: z = x")],
    );
}

#[test]
fn returns_and_calls_are_removed() {
    check(
        "def f(x):\n    return x\n",
        &[("return_none", "return None")],
    );
    check("def f(x):\n    return None\n", &[]);
    check("def f(x):\n    return\n", &[]);
    check(
        "def f(x):\n    return 'a' 'b'\n",
        &[
            ("return_none", "return None"),
            ("empty_string", "return \"\""),
        ],
    );
    check(
        "def f(x):\n    return ''\n",
        &[("return_none", "return None")],
    );
    check("f(x)\n", &[("removed_call", "pass")]);
    check(
        "async def f(x):\n    await f(x)\n",
        &[("removed_call", "pass")],
    );
}

#[test]
fn faults_of_a_review_are_edited_at_their_line() {
    let edited = |source: &str, kind: MutationKind| -> Vec<(usize, String)> {
        let found = mutants_of(source, 1, source.lines().count(), &[kind]).expect("Python");
        assert!(found.iter().all(|of| of.kind == kind));
        let line = |of: &Mutant| of.text.lines().nth(of.line - 1).expect("a line").to_owned();
        found.iter().map(|of| (of.line, line(of))).collect()
    };
    let check = |source: &str, kind, expected: &[(usize, &str)]| {
        let expected = expected.iter().map(|(at, of)| (*at, (*of).to_owned()));
        assert_eq!(
            edited(source, kind),
            expected.collect::<Vec<_>>(),
            "{source}"
        );
    };
    check(
        "def f(x):\n    if x: return\n    return(x)\n",
        MutationKind::DroppedReturn,
        &[(3, "    (x)")],
    );
    check(
        "def f(x):\n    return None\n",
        MutationKind::DroppedReturn,
        &[],
    );
    check(
        "def f(a, b):\n    c = a\n    for i in b: c += i\n    return [x for x in c]\n",
        MutationKind::WrongVariable,
        &[
            (2, "    c = b"),
            (3, "    for i in c: c += i"),
            (3, "    for i in b: c += a"),
            (4, "    return [x for x in i]"),
        ],
    );
    check("def f(a): return a\n", MutationKind::WrongVariable, &[]);
    check(
        "def f(a):\n    try: g()\n    except E:\n        log()\n        raise\n    except F: pass\n    raise F(a)\n",
        MutationKind::SwallowedException,
        &[(4, "        pass"), (5, "        pass"), (7, "    pass")],
    );
    let source = "def f(a, b):\n    if a < 1: raise E\n    return b\n";
    let of_review = mutants_of(source, 1, 3, &MutationKind::REVIEW).expect("Python");
    let kinds: HashSet<_> = of_review.iter().map(|of| of.kind).collect();
    assert_eq!(kinds, MutationKind::REVIEW.into_iter().collect());
    let proving = mutants(source, 1, 3).expect("Python");
    assert!(
        proving
            .iter()
            .all(|of| MutationKind::ALL.contains(&of.kind))
    );
}

#[test]
fn annotations_decorators_and_docstrings_are_left_unchanged() {
    check(
        "\"\"\"Doc: 1.\"\"\"\n@d(1)\ndef f(x: A[1]) -> B[2]:\n    \"\"\"1\"\"\"\n    y: C[3]\n",
        &[],
    );
    check("@d(1)\nclass A:\n    \"\"\"1\"\"\"\n    x: B[1] = y\n", &[]);
    check("def f(x=1): pass\n", &[("off_by_one", "def f(x=2): pass")]);
    check("type A = B[1]\n", &[]);
}

#[test]
fn only_the_lines_asked_for_are_edited() {
    let source = "x = 1\ny = 2\nz = 3\n";
    let found = mutants(source, 2, 2).expect("Python");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].line, found[0].text.as_str()),
        (2, "x = 1\ny = 3\nz = 3\n")
    );
    assert!(mutants("def f(:", 1, 1).is_err());
    // An edit of several lines must be inside.
    assert!(
        mutants("if (a and\n    b): c = d\n", 2, 2)
            .expect("Python")
            .is_empty()
    );
}

#[test]
fn each_mutant_parses_and_differs_from_the_program_and_the_others() {
    let mut n_mutants = 0;
    let mut kinds = HashSet::new();
    for line in include_str!("golden/radon/pep701.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let source = case["source"].as_str().expect("a source");
        // Each mutant is a copy of its source, so long ones take most of the time and show nothing new.
        if source.len() > 4_000 {
            continue;
        }
        let Ok(found) = mutants(source, 1, usize::MAX) else {
            continue;
        };
        let mut hashes: HashSet<_> = normalised_hash(source).into_iter().collect();
        for mutant in found {
            let hash = normalised_hash(&mutant.text).expect("a mutant parses");
            assert!(
                hashes.insert(hash),
                "{}: {}",
                mutant.kind.name(),
                mutant.text
            );
            kinds.insert(mutant.kind);
            n_mutants += 1;
        }
    }
    assert!(n_mutants > 1_000, "{n_mutants}");
    assert_eq!(kinds.len(), MutationKind::ALL.len());
}

#[test]
fn a_choice_is_repeatable_and_spread_over_kinds_and_lines() {
    let source = "def f(x):\n    a = 1 + 2 + 3 + 4\n    b = 5\n    g(x)\n    if x < 6: c = True\n    return 'a'\n";
    let all = mutants(source, 1, 10).expect("Python");
    let chosen = choose(all.clone(), 6, 3);
    assert_eq!(chosen, choose(all.clone(), 6, 3));
    assert!(chosen.iter().all(|mutant| all.contains(mutant)));
    assert!(chosen.is_sorted_by_key(|mutant| mutant.line));
    let kinds: HashSet<_> = chosen.iter().map(|mutant| mutant.kind).collect();
    assert_eq!((chosen.len(), kinds.len()), (6, 6));
    let lines: HashSet<_> = chosen.iter().map(|mutant| mutant.line).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    let differs = (0..20).any(|seed| choose(all.clone(), 6, seed) != chosen);
    assert!(differs, "the seed has no effect");
    assert_eq!(choose(all.clone(), 1_000, 1), all);
    assert!(choose(all, 0, 1).is_empty());
}
