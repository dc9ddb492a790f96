//! Equality of programs up to layout, comments and docstrings.

use slm_metrics::syntax::{adds_nothing, definition_hashes, normalised_hash};

fn check(left: &str, right: &str, same: bool) {
    let hashes = [left, right].map(normalised_hash);
    assert!(hashes.iter().all(Option::is_some), "both parse");
    assert_eq!(hashes[0] == hashes[1], same, "{left:?} and {right:?}");
}

#[test]
fn layout_comments_and_spelling_do_not_matter() {
    check("x = (1 + 2)  # c\n", "\n\nx=1+2", true);
    check("if x: y\n", "if x:\n        y\n", true);
    check("x = 'a'\n", "x = \"\"\"a\"\"\"\n", true);
    check("x = 0x10\n", "x = 16\n", true);
    check("x = 1\r\ny = 2\r\n", "x = 1; y = 2", true);
}

#[test]
fn docstrings_do_not_matter_at_any_depth() {
    check(
        "'''m'''\nclass A:\n    '''c'''\n    def f(self):\n        '''f'''\n        return 1\n",
        "class A:\n    def f(self):\n        return 1\n",
        true,
    );
    check(
        "def f():\n    if x:\n        def g():\n            'g'\n            return 1\n",
        "def f():\n    if x:\n        def g():\n            return 1\n",
        true,
    );
}

#[test]
fn names_values_and_order_matter() {
    check("x = 1\n", "y = 1\n", false);
    check("x = 1\n", "x = 2\n", false);
    check("x = 1\ny = 2\n", "y = 2\nx = 1\n", false);
    check("x = 'doc'\n", "x = ''\n", false);
    check("f()\n", "await_()\n", false);
}

#[test]
fn what_does_not_parse_has_no_hash() {
    assert_eq!(normalised_hash("def f(:"), None);
}

#[test]
fn each_definition_of_a_source_has_the_hash_that_it_has_alone() {
    let function = "def f(x):\n    return x + 1\n";
    let class = "class C:\n    def g(self):\n        pass\n";
    let alone = [function, class].map(|source| normalised_hash(source).expect("Python"));
    let source = format!(
        "import os\n\n{class}\nx = 1\n# A comment.\n{}",
        function.replace(":\n", ":\n    \"\"\"Documented.\"\"\"\n")
    );
    let found = definition_hashes(&source).expect("Python");
    assert_eq!(found, [alone[1], alone[0]]);
    assert_eq!(definition_hashes("def f(:"), None);
    assert_eq!(definition_hashes("x = 1\n"), Some(Vec::new()));
}

#[test]
fn an_answer_of_comments_docstrings_and_signatures_adds_nothing_to_its_prompt() {
    let prompt =
        "from typing import List\n\n\ndef f(xs: List[int]) -> int:\n    \"\"\"Sum.\"\"\"\n";
    let check = |program: &str, expected: bool| {
        assert_eq!(adds_nothing(program, prompt), expected, "{program:?}");
    };
    for program in [
        "",
        "# later\n",
        "\"\"\"Words.\"\"\"\n",
        prompt,
        &format!("{prompt}    # to be done\n"),
        // The signature may be spelled differently, or repeated.
        "def f(xs):\n    \"\"\"Another docstring.\"\"\"\n",
        &format!("{prompt}\n{prompt}"),
    ] {
        check(program, true);
    }
    for program in [
        &format!("{prompt}    pass\n"),
        &format!("{prompt}    return 0\n"),
        "import math\n",
        "def g():\n    return 1\n",
        "@cache\ndef f(xs):\n    \"\"\"Sum.\"\"\"\n",
        "class Missing(Exception):\n    \"\"\"Raised.\"\"\"\n",
        "def f(",
    ] {
        check(program, false);
    }
    let class = "class A:\n    \"\"\"Doc.\"\"\"\n\n    def g(self):\n        \"\"\"Doc.\"\"\"\n";
    assert!(adds_nothing(class, ""));
    assert!(!adds_nothing(&format!("{class}        return 1\n"), class));
    // Code from the prompt is not an answer; neither is half of it.
    let given = "def helper():\n    return 1\n\ndef f():\n    \"\"\"Doc.\"\"\"\n";
    assert!(adds_nothing("def helper():\n    return 1\n", given));
    assert!(!adds_nothing("def helper():\n    return 2\n", given));
    // A prompt that does not parse by itself.
    assert!(adds_nothing("import re\n", "import re\ndef f(x):\n"));
}
