//! Quirks that users reported in radon's issue tracker: this crate must reproduce them, so each has a test.
//!
//! The numbers are those of its issue tracker, github.com/rubik/radon/issues.

use slm_metrics::{BlockKind, FileMetrics, Fstrings, Options, analyze, analyze_with};

fn metrics(source: &str) -> FileMetrics {
    analyze(source).expect("valid Python")
}

fn complexity_of(metrics: &FileMetrics, name: &str) -> usize {
    let block = metrics.blocks.iter().find(|block| block.name == name);
    block.expect("a block of that name").complexity
}

#[test]
fn issue_201_a_long_docstring_can_lower_the_index() {
    let bare = metrics("def add(a, b):\n    return a + b\n");
    // Eleven comment lines for two lines of code: the sine of the comment term is near its minimum.
    let lines = "    word\n".repeat(9);
    let documented = metrics(&format!(
        "def add(a, b):\n    \"\"\"\n{lines}    \"\"\"\n    return a + b\n"
    ));
    assert_eq!((documented.raw.multi, documented.raw.sloc), (11, 2));
    assert!(documented.maintainability_index < bare.maintainability_index - 30.0);
    assert_eq!(documented.mi_code.to_bits(), bare.mi_code.to_bits());
}

#[test]
fn issue_266_a_program_without_operators_has_no_volume_and_the_best_index() {
    let counted = metrics("class A:\n    a = 1\n    b = 2\n");
    assert_eq!(counted.halstead.total, slm_metrics::Halstead::default());
    assert_eq!(counted.maintainability_index.to_bits(), 100.0_f64.to_bits());
    let compared = metrics("def main():\n    pass\n\nif __name__ == \"__main__\":\n    main()\n");
    assert_eq!(
        compared.halstead.total.volume.to_bits(),
        4.754_887_502_163_469_f64.to_bits()
    );
}

#[test]
fn issue_282_nested_functions_are_closures_and_not_blocks() {
    let counted =
        metrics("def f(x):\n    def g(y):\n        return y if y else x\n    return g(x)\n");
    assert_eq!(counted.blocks.len(), 1);
    assert_eq!(complexity_of(&counted, "f"), 1);
    let closures = counted.blocks[0].closures.as_deref().expect("a function");
    assert_eq!(
        (closures[0].name.as_str(), closures[0].complexity),
        ("g", 2)
    );
}

#[test]
fn issue_235_every_assertion_counts() {
    let assertions = "    assert item[\"key\"] == other or item\n".repeat(7);
    let counted = metrics(&format!("def check(item, other):\n{assertions}"));
    assert_eq!(complexity_of(&counted, "check"), 8);
}

#[test]
fn issue_68_a_lambda_counts_what_it_decides_and_not_itself() {
    let counted = metrics(
        "def f3(var):\n    one = lambda var: var\n    return one(var)\n\n\
         def f4(var):\n    two = lambda var: var if var else str(var)\n    return two(var)\n",
    );
    assert_eq!(complexity_of(&counted, "f3"), 1);
    assert_eq!(complexity_of(&counted, "f4"), 2);
}

#[test]
fn issue_109_lines_are_the_sum_of_their_kinds() {
    let source = "def f():\n    \"\"\"Doc\n\n    more.\"\"\"\n\n    # c\n    x = \"\"\"a\n\n    b\"\"\"  # d\n";
    let raw = metrics(source).raw;
    assert_eq!(raw.loc, source.lines().count());
    assert_eq!(
        raw.loc,
        raw.sloc + raw.multi + raw.single_comments + raw.blank
    );
    assert_eq!(
        (raw.sloc, raw.multi, raw.single_comments, raw.blank),
        (3, 2, 1, 3)
    );
}

#[test]
fn issue_262_a_dictionary_counts_a_second_logical_line() {
    let source = "def f():\n    a = {'user': 'password'}\n    print(a)\n    return a\n";
    assert_eq!(metrics(source).raw.lloc, 5);
}

#[test]
fn issue_211_the_else_of_a_try_counts_once() {
    let source =
        "def f():\n    try: pass\n    except: pass\n    else:\n        pass\n        pass\n";
    assert_eq!(complexity_of(&metrics(source), "f"), 3);
}

#[test]
fn issue_79_inner_classes_are_left_out() {
    let counted = metrics(
        "class A:\n    def a(self): pass\n    class B:\n        def b(self):\n            if x: pass\n",
    );
    let names: Vec<_> = counted
        .blocks
        .iter()
        .map(|block| block.name.as_str())
        .collect();
    assert_eq!(names, ["A", "a"]);
    assert_eq!(counted.cyclomatic_complexity, 2);
}

#[test]
fn issue_70_a_class_is_the_rounded_mean_of_its_methods() {
    let counted = metrics(
        "class A:\n    def f(self): pass\n\nclass B:\n    def f(self): pass\n    def g(self): pass\n",
    );
    let classes = counted
        .blocks
        .iter()
        .filter(|block| block.kind == BlockKind::Class);
    let complexities: Vec<_> = classes
        .map(|class| (class.complexity, class.real_complexity))
        .collect();
    assert_eq!(complexities, [(2, 2), (2, 3)]);
}

#[test]
fn the_with_statement_counts_nothing_whatever_the_documentation_says() {
    assert_eq!(metrics("with a as b:\n    pass\n").cyclomatic_complexity, 1);
}

#[test]
fn a_colon_in_an_fstring_counts_since_python_3_12() {
    let source = "print(f\"{x:.2f}\")\n";
    let legacy = Options {
        fstrings: Fstrings::Legacy,
    };
    assert_eq!(metrics(source).raw.lloc, 2);
    assert_eq!(
        analyze_with(source, legacy).expect("valid Python").raw.lloc,
        1
    );
}
