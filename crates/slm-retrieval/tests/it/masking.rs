//! What is hidden for a task, rule by rule.

use slm_retrieval::{Chunk, ChunkKind, Index, Mask, Secret};

use crate::{index_of, index_of_chunks};

const SOLUTION: &str = "def running_max(values):\n    best = None\n    out = []\n    for value in values:\n        if best is None or value > best:\n            best = value\n        out.append(best)\n    return out\n";
const RENAMED: &str = "def peaks(xs):\n    \"\"\"Other words.\"\"\"\n    top = None\n    res = []\n    for x in xs:  # each\n        if top is None or x > top:\n            top = x\n        res.append(top)\n    return res\n";

fn mask_of(index: &Index, solution: &str) -> Mask {
    index.mask(&Secret {
        solutions: &[solution],
        ..Secret::default()
    })
}

fn hidden(index: &Index, mask: &Mask) -> Vec<String> {
    let hidden = (0..index.chunks().len()).filter(|chunk| mask.hides(*chunk));
    hidden
        .map(|chunk| index.chunks()[chunk].name.clone())
        .collect()
}

fn indented(text: &str, by: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{by}{line}\n")).collect();
    lines.concat()
}

#[test]
fn a_copy_a_renamed_copy_and_a_method_are_hidden_and_other_functions_are_not() {
    let other = "def total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result\n";
    let code = format!(
        "{SOLUTION}\n{other}\n{RENAMED}\nclass Series:\n    \"\"\"A series.\"\"\"\n\n{}",
        indented(&RENAMED.replace("(xs", "(self, xs"), "    ")
    );
    let index = index_of(&[("a.py", &code)]);
    let mask = mask_of(&index, SOLUTION);
    assert_eq!(
        hidden(&index, &mask),
        ["running_max", "peaks", "Series.peaks"]
    );
    let shown = index.read("a.py", 1, 99, &mask).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "# hidden for this task");
    assert!(
        shown.contains("result += value") && shown.contains("A series."),
        "{shown}"
    );
    assert!(!shown.contains("append"), "{shown}");
    assert_eq!(
        shown.matches("# hidden for this task").count(),
        3,
        "{shown}"
    );
}

#[test]
fn a_body_is_hidden_in_documents_strings_and_comments() {
    let body = indented(RENAMED.split_once("\"\"\"\n").unwrap().1, "");
    let bare: Vec<&str> = body.lines().map(|line| &line[4..]).collect();
    let bare = bare.join("\n") + "\n";
    let fence = format!("# A\n\nText.\n\n```python\n{bare}```\n\n# B\n\nKeep this.\n");
    let rst = format!(
        "A\n=\n\nLike this::\n\n{}\nB\n=\n\nKeep this.\n",
        indented(&bare, "   ")
    );
    let quoted = format!(
        "# A\n\n{}\n# B\n\nKeep this.\n",
        indented(&format!("```\n{bare}```\n"), "> ")
    );
    let example = bare.lines().map(|line| {
        let mark = if line.starts_with(' ') { "..." } else { ">>>" };
        format!("    {mark} {line}")
    });
    let example = example.collect::<Vec<_>>().join("\n") + "\n";
    let docstring = format!(
        "def A():\n    \"\"\"Example.\n\n{example}    \"\"\"\n    return 1\n\ndef B():\n    return 2\n"
    );
    let comments = format!(
        "def A():\n{}    return 1\n\ndef B():\n    return 2\n",
        indented(&bare, "    # ")
    );
    for (name, text) in [
        ("a.md", &fence),
        ("a.rst", &rst),
        ("b.md", &quoted),
        ("a.py", &docstring),
        ("b.py", &comments),
    ] {
        let index = index_of(&[(name, text)]);
        // Of the solution only its body, as some benchmarks have it.
        let mask = mask_of(&index, SOLUTION.split_once(":\n").unwrap().1);
        assert_eq!(hidden(&index, &mask), ["A"], "{name}\n{text}");
        assert!(!mask.permits(text), "{name}");
    }
}

#[test]
fn a_snippet_outside_of_functions_is_hidden_from_reading_and_uses() {
    let bare = "top = None\nres = []\nfor x in data:\n    # keep the largest\n    if top is None or x > top:\n        top = x\n    res.append(top)\n";
    let code = format!("data = [1]\n# first\n{bare}print(res)\n\ndef f():\n    pass\n");
    let index = index_of(&[("a.py", &code)]);
    let mask = mask_of(&index, SOLUTION);
    assert_eq!(
        index.read("a.py", 1, 99, &mask).unwrap(),
        "data = [1]\n# hidden for this task\nprint(res)\n\ndef f():\n    pass\n"
    );
    assert_eq!(
        index.read("a.py", 4, 5, &mask).unwrap(),
        "# hidden for this task\n"
    );
    let symbol = index.symbol("res", &mask).unwrap();
    let lines: Vec<usize> = symbol.uses.iter().map(|of| of.line).collect();
    assert_eq!(lines, [10]);
    assert_eq!(symbol.definitions, []);
    assert_eq!(index.symbol("top", &mask), None);
}

#[test]
fn thirteen_words_of_a_hidden_test_are_hidden_and_twelve_are_not() {
    let test = "assert f('one two three four five six seven eight nine ten eleven') == 12";
    let index = index_of(&[(
        "a.md",
        "# A\n\none two three four five six seven eight nine ten eleven 12 x\n\n# B\n\nf one two three four five six seven eight nine ten\neleven *12*\n",
    )]);
    let mask = index.mask(&Secret {
        tests: &[test],
        ..Secret::default()
    });
    assert_eq!(hidden(&index, &mask), ["B"]);
    assert!(mask.permits("one two three four five six seven eight nine ten eleven 12 x"));
    assert!(!mask.permits("ASSERT f one two three four five six seven eight nine ten eleven"));
}

#[test]
fn a_short_function_is_hidden_if_it_is_equal_up_to_names() {
    let code = "def area(w, h):\n    return w * h\n\ndef size(a, b):\n    return a * b\n\ndef sum(a, b):\n    return a + b\n\ndef todo(a, b):\n    raise NotImplementedError\n\ndef idle(a, b):\n    pass\n";
    let index = index_of(&[("a.py", code)]);
    let mask = mask_of(
        &index,
        "def f(x, y):\n    return x * y\n\ndef g(x, y):\n    pass\n",
    );
    assert_eq!(hidden(&index, &mask), ["area", "size"]);
}

#[test]
fn the_target_itself_is_hidden_and_its_class_is_not() {
    let code = "class A:\n    \"\"\"About A.\"\"\"\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\ndef f():\n    return 3\n";
    let index = index_of(&[("src/pkg/a.py", code), ("src/b.py", code)]);
    for file in ["pkg/a.py", "./src/pkg/a.py", "repo/src/pkg/a.py"] {
        let mask = index.mask(&Secret {
            target: Some((file, "A.f")),
            ..Secret::default()
        });
        assert_eq!(mask.n_hidden(), 1, "{file}");
        let place = index
            .chunks()
            .iter()
            .position(|c| c.name == "A.f" && c.source == "src/pkg/a.py");
        assert!(mask.hides(place.unwrap()));
        let symbol = index.symbol("A", &mask).unwrap();
        assert_eq!(
            symbol.definitions[1].text,
            "class A:\n    \"\"\"About A.\"\"\"\n\n# hidden for this task\n\n    def g(self):\n        return 2\n"
        );
        assert!(symbol.definitions[0].text.contains("return 1"));
        let of_f = index.symbol("A.f", &mask).unwrap();
        assert_eq!(of_f.definitions.len(), 1);
        assert_eq!(of_f.definitions[0].source, "src/b.py");
    }
}

#[test]
fn a_section_in_two_chunks_is_hidden_in_both_where_the_code_is() {
    let filler = "word ".repeat(190);
    let text = format!("# A\n\n{filler}\n\n```python\n{SOLUTION}```\n\n{filler}\n\n# B\n\nKeep.\n");
    let index = index_of(&[("a.md", &text)]);
    assert_eq!(index.chunks().len(), 4);
    let mask = mask_of(&index, RENAMED);
    let hides: Vec<bool> = (0..4).map(|chunk| mask.hides(chunk)).collect();
    assert_eq!(hides, [false, true, false, false]);
}

#[test]
fn a_chunk_without_a_file_is_hidden_by_its_text() {
    let chunk = |text: &str| Chunk::new("x.py", ChunkKind::Function, "f", (1, 9), text);
    let index = index_of_chunks(vec![chunk("def f(): return 1\n"), chunk(RENAMED)]);
    let mask = mask_of(&index, SOLUTION);
    assert!(!mask.hides(0) && mask.hides(1));
}

#[test]
fn no_secret_hides_nothing() {
    let index = index_of(&[("a.py", SOLUTION)]);
    for mask in [
        Mask::none(),
        index.mask(&Secret::default()),
        mask_of(&index, ""),
    ] {
        assert_eq!(mask.n_hidden(), 0);
        assert!(mask.permits(SOLUTION));
        assert_eq!(index.read("a.py", 1, 99, &mask).unwrap(), SOLUTION);
    }
}

#[test]
fn a_target_is_hidden_in_the_documentation_of_its_package_too() {
    let object = |name: &str| {
        let text = format!("def {name}(self)\nShort.\n");
        let full = format!("lib.mod.C.{name}");
        Chunk::new("pip:lib/mod.py", ChunkKind::Object, full, (1, 2), text)
    };
    let index = index_of_chunks(vec![object("f"), object("g")]);
    for file in ["lib/mod.py", "src/lib/mod.py"] {
        let mask = index.mask(&Secret {
            target: Some((file, "C.f")),
            ..Secret::default()
        });
        assert_eq!(hidden(&index, &mask), ["lib.mod.C.f"], "{file}");
    }
}

#[test]
fn a_text_from_elsewhere_is_guarded_without_an_index() {
    let guard = Mask::guarding(&Secret {
        solutions: &[SOLUTION],
        ..Secret::default()
    });
    assert!(!guard.permits(RENAMED) && !guard.permits(SOLUTION));
    assert!(guard.permits("def f(x):\n    return x\n"));
    assert_eq!(guard.n_hidden(), 0);
}
