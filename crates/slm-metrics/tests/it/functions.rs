//! Documented functions, split into a stub and a body.

use slm_metrics::syntax::{
    FunctionSource, Uncut, documented_functions, normalised_hash, survey_functions,
};

fn cut(source: &str) -> Vec<FunctionSource> {
    documented_functions(source).expect("valid Python")
}

fn only(source: &str) -> FunctionSource {
    let mut found = cut(source);
    assert_eq!(found.len(), 1, "{source}");
    found.remove(0)
}

#[test]
fn a_function_is_cut_after_its_docstring() {
    let function = only(
        "import os\n\n\ndef f(a, b=1):\n    \"\"\"Adds.\"\"\"\n    # how\n    c = a + b\n    if c:\n        return c  # done\n\n\nx = 1\n",
    );
    assert_eq!(function.stub, "def f(a, b=1):\n    \"\"\"Adds.\"\"\"\n");
    assert_eq!(
        function.body,
        "    # how\n    c = a + b\n    if c:\n        return c  # done\n"
    );
    assert_eq!(
        (function.name.as_str(), function.class_name, function.lineno),
        ("f", None, 4)
    );
    assert_eq!(
        (function.docstring.as_str(), function.n_statements),
        ("Adds.", 3)
    );
    assert!(!function.is_async && !function.has_decorators);
}

#[test]
fn a_method_stays_in_its_class_and_its_definition_moves_to_the_left_without_decorators() {
    let function = only(
        "class A:\n    @b(\n        c\n    )\n    # why\n    async def f(\n        self,\n    ):\n        '''Doc\n\n        more.\n        '''\n\n        return 1\n",
    );
    assert_eq!(function.context, "class A:\n");
    assert_eq!(
        function.stub,
        "    @b(\n        c\n    )\n    # why\n    async def f(\n        self,\n    ):\n        '''Doc\n\n        more.\n        '''\n"
    );
    assert_eq!(function.body, "\n        return 1\n");
    assert_eq!(
        function.source,
        "async def f(\n    self,\n):\n    '''Doc\n\n    more.\n    '''\n\n    return 1\n"
    );
    assert_eq!(
        (
            function.first_line,
            function.lineno,
            function.body_first_line,
            function.last_line
        ),
        (2, 6, 13, 14)
    );
    assert_eq!(function.qualified_name(), "A.f");
    assert_eq!(function.class_name.as_deref(), Some("A"));
    assert!(function.is_async && function.has_decorators);
    assert_eq!(function.docstring, "Doc\n\n        more.\n        ");
}

#[test]
fn strings_over_lines_keep_their_indentation() {
    let function = only(
        "class A:\n    def f(self):\n        'Doc'\n        return \"\"\"a\n        b\n    c\"\"\", f\"\"\"{x\n        + y}\n        d\"\"\"\n",
    );
    assert_eq!(
        function.source,
        "def f(self):\n    'Doc'\n    return \"\"\"a\n        b\n    c\"\"\", f\"\"\"{x\n        + y}\n        d\"\"\"\n"
    );
}

#[test]
fn tabs_continuations_and_shallow_comments_survive() {
    let tabs = only("class A:\n\tdef f(self):\n\t\t'Doc'\n\t\treturn 1 + \\\n\t\t\t2\n");
    assert_eq!(
        tabs.source,
        "def f(self):\n\t'Doc'\n\treturn 1 + \\\n\t\t2\n"
    );
    let shallow = only(
        "class A:\n    def f(self):\n        'Doc'\n        x = [\n  1,\n]\n# far left\n        return x\n",
    );
    assert_eq!(
        shallow.source,
        "def f(self):\n    'Doc'\n    x = [\n1,\n]\n# far left\n    return x\n"
    );
}

#[test]
fn line_ends_become_plain() {
    let function = only("def f():\r\n    'Doc'\r\n    return 1\r\n");
    assert_eq!(
        (function.stub.as_str(), function.body.as_str()),
        ("def f():\n    'Doc'\n", "    return 1\n")
    );
}

#[test]
fn a_comment_after_the_docstring_and_a_missing_line_end_are_no_obstacle() {
    let function = only("def f():\n    'Doc'  # noqa\n    return 1");
    assert_eq!(
        (function.stub.as_str(), function.body.as_str()),
        ("def f():\n    'Doc'  # noqa\n", "    return 1\n")
    );
}

#[test]
fn functions_that_cannot_be_cut_are_left_out() {
    for source in [
        "def f(): 'doc'; return 1\n",
        "def f():\n    'doc'; return 1\n",
        "def f():\n    'only a docstring'\n",
        "def f():\n    return 'none'\n",
        "def f():\n    b'bytes'\n    return 1\n",
        "def f():\n    f'{x}'\n    return 1\n",
        "if x:\n    def f():\n        'nested'\n        return 1\n",
        "def f():\n    'doc' \\\n    'more'; x = 1\n    return 1\n",
        "x = 1; \\\ndef_ = 2\n",
    ] {
        assert_eq!(cut(source), [], "{source}");
    }
}

/// Python 3.11 counts the same number: `sum(ast.get_docstring(node) is not None for node in ast.walk(tree) if
/// isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))`.
#[test]
fn every_documented_function_is_cut_or_named_with_the_reason() {
    let source = r#"
def whole():
    """Doc."""
    def inner():
        """Doc."""
        return 1
    class Local:
        def method(self):
            """Doc."""
            return 2
    return inner

async def stub():
    """Doc."""

def short(): """Doc."""; return 1

if whole:
    def guarded():
        """Doc."""
        return 1

class Outer:
    def method(self):
        """Doc."""
        return 1
    def abstract(self):
        """Doc."""
    if whole:
        def guarded(self):
            """Doc."""
            return 1
    class Inner:
        def method(self):
            """Doc."""
            return 1
    def bare(self):
        return 1

def bare():
    return 1
"#;
    let survey = survey_functions(source).expect("valid Python");
    let cut: Vec<(&str, Option<&str>)> = survey
        .functions
        .iter()
        .map(|f| (f.name.as_str(), f.class_name.as_deref()))
        .collect();
    assert_eq!(cut, [("whole", None), ("method", Some("Outer"))]);
    let uncut: Vec<_> = survey
        .uncut
        .iter()
        .map(|f| (f.name.as_str(), f.lineno, f.is_method, f.reason))
        .collect();
    assert_eq!(
        uncut,
        [
            ("inner", 4, false, Uncut::Nested),
            ("method", 8, true, Uncut::Nested),
            ("stub", 13, false, Uncut::NoBody),
            ("short", 16, false, Uncut::SharesLine),
            ("guarded", 19, false, Uncut::InBlock),
            ("abstract", 27, true, Uncut::NoBody),
            ("guarded", 30, true, Uncut::Nested),
            ("method", 34, true, Uncut::Nested),
        ]
    );
}

#[test]
fn every_cut_of_the_golden_programs_parses_on_its_own() {
    let mut n_functions = 0;
    for line in include_str!("golden/radon/pep701.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let source = case["source"].as_str().expect("a source");
        for function in documented_functions(source).unwrap_or_default() {
            n_functions += 1;
            assert!(function.stub.ends_with('\n') && function.body.ends_with('\n'));
            let program = format!("{}{}", function.prompt(), function.body);
            assert!(normalised_hash(&program).is_some(), "{program}");
            let again = only(&function.source);
            assert_eq!(again.source, function.source);
            assert_eq!(format!("{}{}", again.stub, again.body), function.source);
        }
    }
    assert!(n_functions >= 20, "only {n_functions} functions");
}

#[test]
fn a_functions_context_is_the_imports_that_it_uses() {
    let source = "from __future__ import annotations\nimport os, re as regex\nimport xml.dom, xml.sax\nfrom typing import (\n    Any,\n    List,\n)\ntry:\n    import fast\nexcept ImportError:\n    import slow as fast\nfrom . import names\nfrom ..pack.deep import thing as it\n\n@it\ndef f(x: Any) -> 'List':\n    \"\"\"Doc.\"\"\"\n    fast(regex.sub, f'{names.a}', xml.sax)\n";
    assert_eq!(
        only(source).context,
        "import re as regex\nimport xml.dom, xml.sax\nfrom typing import Any\nimport fast\nfrom . import names\nfrom ..pack.deep import thing as it\n\n\n"
    );
}

const CLASS: &str = r#"
from abc import ABC
from enum import Enum
from typing import Dict
import unused

@register("a")
class Table(ABC, metaclass=Meta):
    """Text that the prompt does not show."""

    limit: int = 3
    kind = Enum(
        "kind",
        "a b",
        start=1,
    )
    other = 4

    @wrapped
    def __init__(
        self, rows, *, title: Dict = None
    ) -> None:
        self.rows = rows  # all of them
        self.title, self.unread = title, 2
        if rows:
            self.width: int = len(rows)
        def inner(self):
            self.hidden = 1

    def first(self):
        """Doc."""
        self.count += self.rows[self.limit]
        self.written = 1
        return self.width, self.hidden, self.title, self.kind

    @staticmethod
    def second(self):
        """Doc."""
        return self.rows

    @classmethod
    def third(cls):
        """Doc."""
        return cls.limit, cls.rows

    def fourth(self):
        """Doc."""
        return self.other
"#;

#[test]
fn a_methods_context_is_its_class_and_the_attributes_that_it_reads() {
    let functions = cut(CLASS);
    let header = "from abc import ABC\n\n\n@register(\"a\")\nclass Table(ABC, metaclass=Meta):\n";
    let context = |name: &str| {
        let found = functions.iter().find(|function| function.name == name);
        found.expect("a method").context.as_str()
    };
    assert_eq!(
        context("first"),
        "from abc import ABC\nfrom typing import Dict\n\n\n@register(\"a\")\nclass Table(ABC, metaclass=Meta):\n    limit: int = 3\n    kind = ...\n\n    @wrapped\n    def __init__(\n        self, rows, *, title: Dict = None\n    ) -> None:\n        self.rows = rows  # all of them\n        self.title, self.unread = title, 2\n        self.width = ...\n\n"
    );
    assert_eq!(context("second"), header);
    assert_eq!(context("third"), format!("{header}    limit: int = 3\n\n"));
    assert_eq!(context("fourth"), format!("{header}    other = 4\n\n"));
}

#[test]
fn the_own_constructor_is_no_context_of_itself() {
    let function = only(
        "class A:\n    x = 1\n    def __init__(self):\n        \"\"\"Doc.\"\"\"\n        self.y = self.x\n        self.z = self.y\n",
    );
    assert_eq!(
        function.prompt(),
        "class A:\n    x = 1\n\n    def __init__(self):\n        \"\"\"Doc.\"\"\"\n"
    );
}

#[test]
fn an_endless_header_is_shortened_and_attributes_are_limited() {
    let joined = |n: usize, part: fn(usize) -> String| {
        let parts: Vec<String> = (0..n).map(part).collect();
        parts.concat()
    };
    let bases = joined(1_000, |i| format!("B{i}, "));
    let fields = joined(100, |i| format!("    a{i} = {i}\n"));
    let reads = joined(100, |i| format!("self.a{i} + "));
    let function = only(&format!(
        "class A({bases}):\n{fields}    def f(self):\n        'Doc'\n        return {reads}1\n"
    ));
    assert!(function.context.starts_with("class A:\n    a0 = 0\n"));
    assert_eq!(function.context.lines().count(), 1 + 40 + 1);
}
