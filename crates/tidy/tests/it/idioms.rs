//! Plain English in the field's words: idioms at which a reader stumbles are at zero in comments, docstrings, messages,
//! templates, recipes and documents.

use std::path::Path;
use std::process::Command;

use tidy::{Prose, prose_of_rust, read, root, sources};

/// Words and phrases that have a plain word in their place.
const IDIOMS: [&str; 72] = [
    "told",
    "tell",
    "tells",
    "telling",
    "anew",
    "afresh",
    "alike",
    "so many",
    "go on",
    "goes on",
    "went on",
    "going on",
    "gone on",
    "of ours",
    "of theirs",
    "of yours",
    "stand",
    "stands",
    "stood",
    "standing",
    "bring",
    "brings",
    "bringing",
    "brought",
    "hear",
    "hears",
    "heard",
    "hearing",
    "at hand",
    "come again",
    "comes again",
    "came again",
    "lies",
    "lie",
    "lain",
    "lying",
    "whoever",
    "whatever",
    "whichever",
    "once more",
    "in one piece",
    "aloud",
    "to be had",
    "nothing else",
    "as good as",
    "drawn weights",
    "says",
    "said",
    "say",
    "saying",
    "speak",
    "speaks",
    "spoke",
    "spoken",
    "good-bye",
    "what is left",
    "hence",
    "thus",
    "lest",
    "beforehand",
    "of its own",
    "of their own",
    "so far",
    "bear",
    "bears",
    "borne",
    "held against",
    "under way",
    "by heart",
    "in vain",
    "makes none",
    "by and by",
];

/// Uses that stay: names in code and in files, prompts for models, and texts of test data. The file, and the words around.
const LEGITIMATE: &[(&str, &str)] = &[
    (
        "crates/slm-benchmarks/src/docstring.rs",
        "And nothing else.",
    ),
    ("crates/slm-hub/tests/support/mod.rs", "Whatever"),
    (
        "crates/slm-metrics/src/extraction/reasoning.rs",
        "say `</think>` to end",
    ),
    ("crates/slm-model/tests/it/chat.rs", "{said}"),
    (
        "crates/slm-sandbox/tests/it/hostile/values.rs",
        "def hear(self, x)",
    ),
    (
        "evaluator/src/experiment/version_3.rs",
        "# As the task says.",
    ),
    ("evaluator/tests/it/endpoint.rs", "told"),
    ("evaluator/tests/it/formats.rs", "told"),
    ("trainer/src/dataset/decontamination.rs", "# go on"),
    (
        "trainer/src/dataset/decontamination.rs",
        "a class of its own",
    ),
    ("trainer/tests/it/bad_rows.rs", "Say {i}."),
    ("trainer/tests/it/tools.rs", "Say it."),
    ("trainer/tests/it/traps.rs", "Say it."),
    ("trainer/tests/it/traps.rs", "It is said."),
    ("trainer/tests/it/traps.rs", "Said."),
    ("trainer/tests/it/traps.rs", "Say more."),
    ("trainer/tests/it/traps.rs", "Say {sign}."),
    ("trainer/tests/it/traps.rs", "too few examples to tell"),
    (
        "crates/slm-report/src/templates/rerun.md.jinja",
        "served.told",
    ),
    ("docs/reference/formats.md", "`told`"),
    ("evaluator/src/workflow/prompts/coder.md", "nothing else"),
    (
        "evaluator/src/workflow/prompts/coder_revision.md",
        "nothing else",
    ),
    (
        "evaluator/src/workflow/prompts/critique.md",
        "Say in at most",
    ),
    (
        "evaluator/src/workflow/prompts/planner.md",
        "Say in at most",
    ),
    (
        "evaluator/src/workflow/prompts/reviewer.md",
        "Say in at most",
    ),
    ("evaluator/src/workflow/prompts/tester.md", "nothing else"),
];

/// Folders and files that hold texts of models, recorded output, or the licence.
const NOT_OURS: [&str; 7] = [
    "LICENSE-",
    "tests/golden/",
    "tests/it/golden/",
    "/golden/",
    "reports/example/",
    "crates/tidy/tests/it/idioms.rs",
    "crates/tidy/src/prose.rs",
];

/// Files of the repository, by their endings, that are prose as a whole.
fn documents() -> Vec<String> {
    let endings = [".md", ".jinja", ".yaml", ".yml", ".sh"];
    let listed = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output();
    let Ok(listed) = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    else {
        return Vec::new();
    };
    listed
        .lines()
        .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
        .map(str::to_owned)
        .collect()
}

/// The idioms in a line, each as often as it occurs.
fn idioms(line: &str) -> Vec<&'static str> {
    let line = line.to_lowercase();
    let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let occurs = |idiom: &&str| {
        let places = line.match_indices(*idiom);
        places
            .filter(|(at, _)| {
                let before = line[..*at].chars().next_back();
                let after = line[at + idiom.len()..].chars().next();
                !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
            })
            .count()
            > 0
    };
    IDIOMS.into_iter().filter(|idiom| occurs(idiom)).collect()
}

#[test]
fn comments_messages_and_documents_are_in_plain_words() {
    let mut found = Vec::new();
    let mut used = vec![false; LEGITIMATE.len()];
    let mut check = |path: &str, Prose { line, text }: Prose| {
        for idiom in idioms(&text) {
            let places: Vec<_> = (0..LEGITIMATE.len())
                .filter(|&at| LEGITIMATE[at].0 == path && text.contains(LEGITIMATE[at].1))
                .collect();
            match places.first() {
                Some(_) => places.iter().for_each(|&place| used[place] = true),
                None => found.push(format!("{path}:{line}: `{idiom}`: {}", text.trim())),
            }
        }
    };
    let is_ours = |path: &str| !NOT_OURS.iter().any(|part| path.contains(part));
    for source in sources().into_iter().filter(|source| is_ours(&source.path)) {
        for prose in prose_of_rust(&source.text) {
            check(&source.path, prose);
        }
    }
    for path in documents().into_iter().filter(|path| is_ours(path)) {
        for (line, text) in (1..).zip(read(&path).lines()) {
            check(
                &path,
                Prose {
                    line,
                    text: text.to_owned(),
                },
            );
        }
    }
    assert!(
        found.is_empty(),
        "{} idioms:\n{}",
        found.len(),
        found.join("\n")
    );
    let stale: Vec<_> = LEGITIMATE
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .map(|(entry, _)| entry)
        .collect();
    assert!(stale.is_empty(), "remove from the list: {stale:?}");
}

#[test]
fn an_idiom_is_found_as_a_word_and_not_inside_of_one() {
    assert_eq!(idioms("the user is told of it"), ["told"]);
    assert_eq!(idioms("Two so  many; so many"), ["so many"]);
    assert_eq!(
        idioms("standard, stand-in, understands, untold"),
        Vec::<&str>::new()
    );
    assert!(Path::new(&root()).is_dir());
}
