//! Files and texts that nobody meant to be indexed.

use slm_retrieval::{
    Chunk, ChunkKind, Corpus, Index, LeftOut, Mask, Secret, query_of, sketch, strips, tokens,
};

use crate::{collected, folder_of};

fn hostile_texts() -> Vec<String> {
    vec![
        String::new(),
        "\n\n\n".to_owned(),
        "\0\0".to_owned(),
        "x".repeat(300_000),
        "(".repeat(50_000),
        format!("x = {}1{}\n", "[".repeat(5_000), "]".repeat(5_000)),
        format!("x = {}y\n", "not ".repeat(50_000)),
        "if x:\n ".repeat(2_000),
        "> ".repeat(20_000),
        "- ".repeat(20_000),
        "```".repeat(10_000),
        "\"\"\"".repeat(10_001),
        "def f(x):\r\n    return x\r\n".to_owned(),
        "\u{feff}def f(): pass\n".to_owned(),
        "def größe(ﬁ, 变量):\n    return ﬁ + 变量\n".to_owned(),
        "=\n=\n=\n".repeat(3_000),
        "#".repeat(100_000),
        "# a\n".repeat(50_000),
        "İ".repeat(1_000),
        "\u{2028}a\u{85}b\x0cc\x1cd".to_owned(),
        ">>> (\n... 1\n".repeat(2_000),
        "f'{x!r:{y}}{'".to_owned(),
        "@\nclass\ndef async".to_owned(),
    ]
}

#[test]
fn no_text_makes_an_index_or_its_use_panic() {
    let texts = hostile_texts();
    for kind in ["md", "rst", "txt", "py"] {
        let names: Vec<String> = (0..texts.len()).map(|i| format!("f{i}.{kind}")).collect();
        let mut files: Vec<(&str, &str)> = names
            .iter()
            .zip(&texts)
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        files.push(("end.md", "# End\n\nText of the end.\n"));
        let folder = folder_of(&files);
        let all = collected(folder.path(), &["."], &["."]);
        let n_left_out: usize = all.left_out.values().map(Vec::len).sum();
        assert_eq!(all.files.len() + n_left_out, files.len(), "{kind}");
        let index = Index::new(all).unwrap();
        let secrets: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mask = index.mask(&Secret {
            solutions: &secrets,
            tests: &secrets,
            target: Some(("f12.py", "f")),
        });
        for mask in [&mask, &Mask::none()] {
            for text in ["x", "größe", "def f return", "\0", ""] {
                index.search(text, Corpus::All, mask, 3);
                let _ = index.symbol(text, mask);
            }
            for source in index.sources() {
                let _ = index.read(source, 1, usize::MAX, mask);
            }
        }
    }
}

#[test]
fn no_text_makes_the_functions_on_texts_panic() {
    for text in hostile_texts() {
        tokens(&text);
        query_of(&text, "f");
        query_of(
            "def f(x): pass",
            &text[..text
                .len()
                .min(40)
                .min(text.find(|c: char| !c.is_ascii()).unwrap_or(40))],
        );
        sketch::rule(&text, "x");
        let short: String = text.chars().take(2_000).collect();
        sketch::oracle(&short, &short);
        for kind in [ChunkKind::Function, ChunkKind::Section] {
            let parts = strips(&Chunk::new("a", kind, "n", (1, 1), &*text));
            assert!(parts.iter().all(|part| !part.trim().is_empty()));
        }
    }
}

#[test]
fn files_that_are_not_indexed_are_counted_by_reason() {
    let folder = folder_of(&[
        ("ok.md", "Text.\n"),
        ("broken.py", "def f(:\n"),
        ("null.py", "x = '\0'\n"),
        ("null.md", "a\0b\n"),
        ("test_a.py", "def test_a(): pass\n"),
        ("b_test.py", "x = 1\n"),
        ("conftest.py", "x = 1\n"),
        ("tests/helper.py", "x = 1\n"),
        ("a/test/helper.py", "x = 1\n"),
        ("latest.py", "def latest(): pass\n"),
        ("large.md", &"word ".repeat(300_000)),
    ]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("latin.py", b"# -*- coding: latin-1 -*-\ndef f(): '\xe9'\n");
    write("bad.py", b"x = '\xe9'\n");
    write("bad.md", b"\xff\xfe\x00");
    write("mark.md", b"\xef\xbb\xbf# Mark\r\n\r\nText.\r\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.md")).unwrap();
    let all = collected(folder.path(), &["."], &["."]);
    let of = |reason| -> Vec<&str> {
        let files = all.left_out.get(&reason).into_iter().flatten();
        files.map(String::as_str).collect()
    };
    assert_eq!(of(LeftOut::Unparsable), ["broken.py", "null.py"]);
    assert_eq!(
        of(LeftOut::TestFile),
        [
            "a/test/helper.py",
            "b_test.py",
            "conftest.py",
            "test_a.py",
            "tests/helper.py"
        ]
    );
    assert_eq!(of(LeftOut::TooLarge), ["large.md"]);
    #[cfg(unix)]
    assert_eq!(of(LeftOut::Link), ["link.md"]);
    let names: Vec<&str> = all.chunks.iter().map(|chunk| chunk.name.as_str()).collect();
    assert_eq!(names, ["Mark", "ok.md", "latest", "f"]);
    assert!(
        all.left_out_phrase()
            .contains("2 not valid Python, 5 files of tests")
    );
}
