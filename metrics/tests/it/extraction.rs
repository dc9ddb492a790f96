//! The program in a model's answer.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use metrics::syntax::{Reason, extract_program, parses};

fn check(text: &str, expected: &str) {
    let extraction = extract_program(text, "f");
    assert_eq!(extraction.program, expected, "{text}");
    assert!(extraction.complete && extraction.reason == Reason::Complete);
}

fn check_incomplete(text: &str, reason: Reason) {
    let extraction = extract_program(text, "f");
    assert_eq!(
        (extraction.complete, extraction.reason),
        (false, reason),
        "{text}"
    );
    assert_eq!(extraction.program, text);
}

#[test]
fn a_bare_program_stays() {
    check("def f(x):\n    return x\n", "def f(x):\n    return x\n");
    check("\n\ndef f(x):\n    return x", "def f(x):\n    return x\n");
    check("class f:\n    pass\n", "class f:\n    pass\n");
    check("f = lambda x: x\n", "f = lambda x: x\n");
}

#[test]
fn a_fenced_block_is_taken_out_of_its_prose() {
    let program = "def f(x):\n    return x\n";
    check(
        &format!("Here it's:\n\n```python\n{program}```\n\nIt doesn't (fail.\n"),
        program,
    );
    check(&format!("```\n{program}"), program);
    check(
        &format!("{program}```\nExplanation: it's simple.\n"),
        program,
    );
    check(&format!("~~~py\n{program}~~~\n"), program);
    check(&format!("````python\n{program}````\n"), program);
    check(
        &format!("```bash\npip install x\n```\nand\n```python\n{program}```\n"),
        program,
    );
    check(
        &format!("```python\n{program}```\n```python\nassert f(1) == 1\n```\n"),
        program,
    );
}

#[test]
fn a_fence_inside_of_a_docstring_is_none() {
    let program =
        "def f(x):\n    \"\"\"Doc.\n\n    ```\n    f(1)\n    ```\n    \"\"\"\n    return x\n";
    check(program, program);
    check(&format!("```python\n{program}```\n"), program);
}

#[test]
fn prose_without_a_fence_is_dropped() {
    check(
        "Sure! Here's the code:\n\ndef f(x):\n    return x\n\nThis function returns x.\n",
        "def f(x):\n    return x\n",
    );
    check(
        "import math\nThe function:\ndef f(x):\n    return math.pi\n",
        "import math\ndef f(x):\n    return math.pi\n",
    );
}

#[test]
fn what_the_entry_point_needs_stays() {
    let program = "import os\n\ntry:\n    import numpy as np\nexcept ImportError:\n    np = None\n\nLIMIT = 3\ntable = {}\ntable[0] = LIMIT\nfor i in range(3):\n    table.update({i: i})\n\n\n@cache\ndef helper(x):\n    return table[x]\n\n\n# The answer.\n@decorate\ndef f(x):\n    global count\n    return helper(x)\n";
    check(program, program);
    check(
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(x):\n    return x\n",
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(x):\n    return x\n",
    );
    check(
        "count = 0\ndef f():\n    global count\n    count = 1\n",
        "count = 0\ndef f():\n    global count\n    count = 1\n",
    );
    check(
        "def f(x):\n    return x\nf.cache = {}\n",
        "def f(x):\n    return x\nf.cache = {}\n",
    );
    check(
        "class A:\n    pass\ndef f(x: A = A()) -> A:\n    return x\n",
        "class A:\n    pass\ndef f(x: A = A()) -> A:\n    return x\n",
    );
}

#[test]
fn the_docstring_of_the_module_stays() {
    check(
        "\"\"\"Doc.\"\"\"\n\"a string\"\n\ndef f(x):\n    return x\n",
        "\"\"\"Doc.\"\"\"\n\ndef f(x):\n    return x\n",
    );
}

#[test]
fn what_it_does_not_need_goes() {
    let program = "def f(x):\n    i = x\n    return [y for y in i]\n";
    check(
        &format!("def unrelated():\n    pass\n\n{program}\n\nprint(f(1))\nassert f(2)\n"),
        program,
    );
    check(
        &format!("{program}\nif __name__ == \"__main__\":\n    f(1)\n"),
        program,
    );
    check(
        &format!("{program}\nfor i in range(3):\n    print(f(i))\n"),
        program,
    );
    check(
        &format!("{program}\nresult = f(1)\nresults.append(f(2))\n"),
        program,
    );
    check(
        &format!("{program}\ndef test_f():\n    assert f(1)\n\ntest_f()\n"),
        program,
    );
    check(&format!("{program}\nx = 5; print(f(x))\n"), program);
    check(
        &format!("import unittest\n{program}\nunittest.main()\n"),
        &format!("import unittest\n{program}"),
    );
    let uses_sys = "import sys\n\ndef f(x):\n    return sys.maxsize\n";
    check(&format!("{uses_sys}\nsys.stdout.write(f(1))\n"), uses_sys);
}

#[test]
fn the_last_definition_of_a_name_wins() {
    check(
        "def f(x):\n    return 1\n\ndef f(x):\n    return 2\n",
        "def f(x):\n    return 2\n",
    );
    check(
        "def g():\n    return 1\ndef f(x):\n    return g()\ndef g():\n    return 2\n",
        "def f(x):\n    return g()\ndef g():\n    return 2\n",
    );
}

#[test]
fn a_registered_implementation_stays_with_its_function() {
    let program = "from functools import singledispatch\n\n@singledispatch\ndef f(x):\n    return x\n\n@f.register\ndef _(x: int):\n    return -x\n";
    check(program, program);
}

#[test]
fn later_rubbish_does_not_spoil_the_entry_point() {
    check(
        "def f(x):\n    return x\n\ndef main():\n    print(f(",
        "def f(x):\n    return x\n",
    );
    check(
        "def f(x):\n    return x\n\nclass Test(",
        "def f(x):\n    return x\n",
    );
}

#[test]
fn a_definition_that_is_cut_off_is_not_mended() {
    for text in [
        "def f(x):\n",
        "def f(x):\n    y = 1\n    return (y +",
        "def f(x):\n    y = 1\n    if y >",
        "def f(x):\n    \"\"\"Doc.\n",
        "def f(x):\n    y = [\n        1,\n",
        "def f(x):\n    return 'abc",
        "```python\ndef f(x):\n    while True:\n",
        "```python\ndef f(x):\n    return (1 +\n```\n",
        "def f(x):\n    return (1 +\n\nThis is prose.\n",
        "@decorate(\ndef f(x):\n    return 1\n",
        "def f(x):\n  y = 1\n    return y\n",
        "def f(x)\n    return x\n",
        // The stub of the prompt is no answer.
        "def f(x):\n    \"\"\"Doc.\"\"\"\n\ndef f(x):\n    \"\"\"Doc.\"\"\"\n    return x +",
    ] {
        check_incomplete(text, Reason::BrokenEntryPoint);
    }
    check(
        "def f(x):\n    return x\n\ndef f(x):\n    return x +",
        "def f(x):\n    return x\n",
    );
}

#[test]
fn a_missing_entry_point_is_reported() {
    check_incomplete("def g(x):\n    return x\n", Reason::NoEntryPoint);
    check_incomplete("I can't help with that.\n", Reason::NoEntryPoint);
    check_incomplete("", Reason::NoEntryPoint);
    check_incomplete("f(1)\n", Reason::NoEntryPoint);
    check_incomplete(
        "class A:\n    def f(self):\n        pass\n",
        Reason::NoEntryPoint,
    );
    check_incomplete(
        "if __name__ == '__main__':\n    def f(): pass\n",
        Reason::NoEntryPoint,
    );
}

#[test]
fn a_complete_program_parses() {
    for line in include_str!("golden/radon/pep701.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let source = case["source"].as_str().expect("a source");
        let answer = format!("It's here:\n```python\n{source}\n```\n");
        for text in [source, answer.as_str()] {
            let extraction = extract_program(text, "f");
            if extraction.complete {
                assert!(parses(&extraction.program), "{}", extraction.program);
                assert_eq!(
                    extract_program(&extraction.program, "f").program,
                    extraction.program
                );
            }
        }
    }
}

#[test]
fn long_answers_take_linear_time() {
    let function = "def f(x):\n    return x\n";
    let mut chain = "def f(): return g0()\n".to_owned();
    for i in 0..4000 {
        writeln!(chain, "def g{i}(): return g{}()", i + 1).expect("a string");
    }
    let answers = [
        format!("{}{function}", "This isn't code (at all.\n".repeat(4000)),
        format!("{function}{}", "x = f(1)\n".repeat(4000)),
        format!("{}{function}", "```python\nx = (\n```\n".repeat(1500)),
        chain,
        "def f(x):\n    return (\n".repeat(4000),
        format!("{}{function}", "a[0] = 1\n".repeat(4000)),
        format!(
            "{}def f(x):\n    return a\n",
            "a[0] = a[1]\n".repeat(20_000)
        ),
    ];
    for answer in answers {
        let start = Instant::now();
        let _ = extract_program(&answer, "f");
        // Ten times the optimised time and more; quadratic behaviour takes seconds.
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
    }
}
