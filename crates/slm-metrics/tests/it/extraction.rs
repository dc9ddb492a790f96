//! Extracting the program from a model's answer.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use slm_metrics::syntax::{Extraction, Form, Reason, Wanted, extract_program, parses};

/// Extracts the program that defines `f` from a whole answer.
fn extract(text: &str) -> Extraction {
    extract_program(text, Form::Whole, &Wanted::entry_point("f"))
}

fn check(text: &str, expected: &str) {
    let extraction = extract(text);
    assert_eq!(extraction.program, expected, "{text}");
    assert!(extraction.complete && extraction.reason == Reason::Complete);
}

fn check_incomplete(text: &str, reason: Reason) {
    let extraction = extract(text);
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
        // A repeated stub of the prompt is not an answer.
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
            let extraction = extract(text);
            if extraction.complete {
                assert!(parses(&extraction.program), "{}", extraction.program);
                assert_eq!(extract(&extraction.program).program, extraction.program);
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
        let _ = extract(&answer);
        // More than ten times the optimised time; quadratic behaviour takes seconds.
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
    }
}

/// Returns an answer with the program in a fenced block.
fn fenced(program: &str) -> String {
    format!("```python\n{program}```\n")
}

fn indented(text: &str, margin: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.flat_map(|line| [margin, line]).collect()
}

const DRAFT: &str = "def f(x):\n    return x + 1\n";
const GOOD: &str = "def f(x):\n    return x + 2\n";

#[test]
fn a_draft_in_the_reasoning_is_no_answer() {
    let (draft, good) = (fenced(DRAFT), fenced(GOOD));
    for text in [
        format!("<think>\nTry:\n{draft}No, off by one.\n</think>\n\n{good}"),
        format!("Try:\n{draft}wrong.\n</think>\n{good}"),
        // A draft with an unclosed fence.
        format!("<think>\n```python\n{DRAFT}\n</think>\n{good}"),
        format!("<think>\n{draft}\n</think>{GOOD}"),
        format!("[THINK]{draft}[/THINK]{good}"),
        format!(
            "<|channel|>analysis<|message|>{draft}<|end|><|start|>assistant<|channel|>final<|message|>{good}<|return|>"
        ),
        format!("analysis{draft}assistantfinal{good}"),
    ] {
        check(&text, GOOD);
    }
}

#[test]
fn reasoning_that_was_cut_off_holds_no_answer() {
    for text in [
        format!("<think>\n{}", fenced(DRAFT)),
        format!("<|channel|>analysis<|message|>{}", fenced(DRAFT)),
    ] {
        let found = extract(&text);
        assert_eq!(
            (found.complete, found.program.as_str()),
            (false, ""),
            "{text}"
        );
    }
}

#[test]
fn a_mark_of_reasoning_in_a_program_is_none() {
    let program = "def f(x):\n    \"\"\"Drop all up to </think> in x.\"\"\"\n    return x.split(\"</think>\")[-1]\n";
    check(program, program);
    check(&fenced(program), program);
}

#[test]
fn a_fence_may_be_indented_quoted_glued_or_on_one_line() {
    for margin in ["  ", "   ", "    ", "\t"] {
        check(
            &format!(
                "1. The code:\n\n{}\n2. Done.\n",
                indented(&fenced(GOOD), margin)
            ),
            GOOD,
        );
    }
    check(
        &format!("So:\n\n{}\nDone.\n", indented(&fenced(GOOD), "> ")),
        GOOD,
    );
    check(&format!("\u{feff}{}", fenced(GOOD)), GOOD);
    check(&format!("\u{feff}{GOOD}"), GOOD);
    let line = "def f(x): return x + 2";
    for text in [
        format!("```python {line}```"),
        format!("```{line}```"),
        format!("Use ```python {line}``` here."),
        format!("```python {line}\n```\n"),
        format!("```python{line}\n```\n"),
        format!("```python\n{line}```\nDone."),
        format!("Here:```python\n{line}\n```"),
        format!("~~~\n{line}\n~~~"),
        format!("```python\r\n{line}\r\n```\r\n"),
        format!("```{{.python .code}}\n{line}\n```\n"),
        format!("- ```python\n  {line}\n  ```\n"),
    ] {
        check(&text, &format!("{line}\n"));
    }
    check(
        &format!("As asked:\n\n{}\nThat is it.\n", indented(GOOD, "    ")),
        GOOD,
    );
}

#[test]
fn of_two_programs_the_first_counts_unless_it_is_a_stub() {
    // As in EvalPlus and LiveCodeBench.
    check(
        &format!("Draft:\n{}Better:\n{}", fenced(DRAFT), fenced(GOOD)),
        DRAFT,
    );
    for stub in [
        "def f(x):\n    pass\n",
        "def f(x):\n    ...\n",
        "def f(x):\n    \"\"\"Doc.\"\"\"\n",
        "def f(x):\n    raise NotImplementedError(\"later\")\n",
    ] {
        check(
            &format!("Fill in:\n{}So:\n{}", fenced(stub), fenced(GOOD)),
            GOOD,
        );
        check(&fenced(stub), stub);
    }
    // An unclosed block ends where the next one begins.
    check(&format!("```python\nx = (\n{}", fenced(GOOD)), GOOD);
}

#[test]
fn a_program_takes_what_it_lacks_from_other_blocks() {
    let uses = "def f(x):\n    return helper(x) + K\n";
    let text = format!(
        "{}{}{}{}",
        fenced("import math\nK = 5\nprint(K)\n"),
        fenced("unrelated = 1\n"),
        fenced(uses),
        fenced("def helper(x):\n    return math.sqrt(x)\n"),
    );
    check(
        &text,
        "import math\n\n\ndef helper(x):\n    return math.sqrt(x)\n\n\nK = 5\n\n\ndef f(x):\n    return helper(x) + K\n",
    );
    // Python's builtin names do not count as missing.
    check(
        &format!(
            "{}{}",
            fenced("max = 3\n"),
            fenced("def f(x):\n    return max(x)\n")
        ),
        "def f(x):\n    return max(x)\n",
    );
}

#[test]
fn an_answer_to_a_stub_takes_what_it_lacks_from_it() {
    let prompt = "from __future__ import annotations\nfrom typing import List\nimport os.path\n\nLIMIT = 3\n\ndef helper(x):\n    return x\n\ndef f(xs: List[int]) -> int:\n    \"\"\"Sum.\"\"\"\n";
    let wanted = Wanted {
        entry_point: "f",
        method: None,
        prompt,
    };
    let check = |answer: &str, form: Form<'_>, expected: &str| {
        let found = extract_program(answer, form, &wanted);
        assert_eq!(found.program, expected, "{form:?} {answer}");
        assert!(found.complete);
    };
    let answer = "def f(xs: List[int]) -> int:\n    return sum(xs)\n";
    let imports = "from __future__ import annotations\nfrom typing import List\nimport os.path\n";
    let helpers = "\nLIMIT = 3\n\ndef helper(x):\n    return x\n";
    for form in [
        Form::Whole,
        Form::RestOf(prompt),
        Form::WholeOrRestOf(prompt),
    ] {
        // All definitions are kept, since tests may use what the entry point does not.
        check(
            &fenced(answer),
            form,
            &format!("{imports}{helpers}\n\n{answer}"),
        );
        let head = "\"\"\"Doc.\"\"\"\nfrom __future__ import annotations\n";
        check(
            &fenced(&format!("{head}import os\n{answer}")),
            form,
            &format!("{head}from typing import List\n{helpers}\n\nimport os\n{answer}"),
        );
        let own = "LIMIT = 4\n\ndef helper(x):\n    return 2 * x\n\ndef f(xs):\n    return xs\n";
        check(&fenced(own), form, &format!("{imports}\n\n{own}"));
    }
    // The rest of the prompt, with or without a fence.
    let body = "    return len(xs)\n";
    for answer in [body.to_owned(), fenced(body), format!("{body}```\nDone.")] {
        for form in [Form::RestOf(prompt), Form::WholeOrRestOf(prompt)] {
            check(&answer, form, &format!("{prompt}{body}"));
        }
    }
    // A prompt without a stub supplies nothing: its names exist when the program runs.
    let words = Wanted {
        prompt: "import re\n\"\"\"Sum.\"\"\"\n",
        ..wanted
    };
    let found = extract_program(&fenced(GOOD), Form::Whole, &words);
    assert_eq!(found.program, GOOD);
}

#[test]
fn a_class_is_wanted_with_its_method() {
    let wanted = Wanted {
        method: Some("twice"),
        ..Wanted::entry_point("Solution")
    };
    let check = |answer: &str, expected: &str| {
        let found = extract_program(answer, Form::Whole, &wanted);
        assert_eq!(
            (found.program.as_str(), found.complete),
            (expected, true),
            "{answer}"
        );
    };
    let lacking = "class Solution:\n    def helper(self, x):\n        return x\n";
    let good = "class Solution:\n    def twice(self, x):\n        return 2 * x\n";
    check(&format!("{}{}", fenced(lacking), fenced(good)), good);
    check(&format!("{}{}", fenced(good), fenced(lacking)), good);
    check(&fenced(&format!("{lacking}\n{good}")), good);
    check(&fenced(&format!("{good}\n{lacking}")), good);
    check(&fenced(lacking), lacking);
    let derived = "class Base:\n    def twice(self, x):\n        return 2 * x\n\nclass Solution(Base):\n    pass\n";
    check(&fenced(derived), derived);
    // Contest judges accept a function in place of the class.
    let function = "def twice(x):\n    return 2 * x\n";
    check(&format!("So:\n{}", fenced(function)), function);
}

/// Checks the extraction of a program that reads and prints.
fn check_script(answer: &str, expected: Option<&str>) {
    for form in [Form::Whole, Form::RestOf("\"\"\"Task.\"\"\"\n")] {
        let found = extract_program(answer, form, &Wanted::entry_point(""));
        match expected {
            Some(expected) => {
                let continued = format!("\"\"\"Task.\"\"\"\n{expected}");
                let whole = found.program == expected || found.program == continued;
                assert!(whole && found.complete, "{answer}\n{found:?}");
            }
            None => assert_eq!(
                (found.complete, found.reason),
                (false, Reason::NoScript),
                "{answer}"
            ),
        }
    }
}

#[test]
fn a_program_that_reads_and_prints_is_found_without_an_entry_point() {
    let program = "import sys\n\nn = int(input())\nprint(n)\n";
    check_script(program, Some(program));
    for text in [
        fenced(program),
        format!(
            "Example:\n```\n5000\n```\nThe code:\n{}Run it:\n```bash\npython a.py\n```\n",
            fenced(program)
        ),
        format!(
            "<think>\n{}</think>\n{}",
            fenced("print(1)\n"),
            fenced(program)
        ),
        format!("> ```\n{}> ```\n", indented(program, "> ")),
        format!("Sure! Here it is:\n\n{program}\nIt reads n (a number).\n"),
        format!("{program}```\nDone."),
    ] {
        check_script(&text, Some(program));
    }
    check_script(
        "```python print(int(input()))```",
        Some("print(int(input()))\n"),
    );
    // Definitions in one block, the call in the next.
    check_script(
        &format!(
            "{}{}",
            fenced("def main():\n    print(input())\n"),
            fenced("main()\n")
        ),
        Some("def main():\n    print(input())\n\n\nmain()\n"),
    );
    let guarded = "def main():\n    print(1)\n\nif __name__ == \"__main__\":\n    main()\n";
    check_script(&fenced(guarded), Some(guarded));
    for text in [
        "I cannot do that.",
        "5000",
        "```\n5000\n```\n",
        "```python\nprint((\n```\n",
        "n = int(input()\nprint(n)\n",
        "",
    ] {
        check_script(text, None);
    }
}

#[test]
fn hostile_answers_neither_crash_nor_hang() {
    let deep = "(".repeat(100_000);
    for text in [
        "`".repeat(1 << 20),
        "```\n".repeat(1 << 15),
        "```f\n".repeat(1 << 15),
        "``` f ".repeat(1 << 15),
        "    ```\n f\n".repeat(1 << 14),
        format!("{}f", "> ".repeat(1 << 18)),
        "<think>".repeat(1 << 15),
        "</think>".repeat(1 << 15),
        "<|channel|>final<|message|>".repeat(1 << 14),
        format!("```python\n{deep}def f(): pass\n```\n"),
        format!("def f():\n    return {deep}"),
        "\u{feff}".repeat(1 << 18),
        "```\ndef g(): return f\n```\n".repeat(1 << 11),
        "```\n    return f\n```\n".repeat(1 << 11),
        "f\0".repeat(1 << 12),
    ] {
        let wanted = Wanted {
            prompt: "def f(x):\n    \"\"\"Doc.\"\"\"\n",
            ..Wanted::entry_point("f")
        };
        let start = Instant::now();
        let _ = extract_program(&text, Form::RestOf(wanted.prompt), &wanted);
        let _ = extract_program(&text, Form::Whole, &Wanted::entry_point(""));
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(5), "{taken:?} for {text:.40}");
    }
}
