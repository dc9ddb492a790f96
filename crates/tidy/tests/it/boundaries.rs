//! Allowed dependencies between crates, and operations allowed only in some files.

use tidy::{crates, manifest_keys, mentions, names_crate, shipped, sources};

/// The workspace crates that each crate may use. The design is in what is missing: `trainer` and `evaluator`
/// are connected only through the adapter's folder, libraries depend on each other only where listed, and only
/// `slm-repository`, `slm-scoring` and `evaluator` run programs. `slm-artifacts` is a leaf that every crate may use.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("tidy", &[]),
    ("slm-artifacts", &[]),
    ("slm-config", &[]),
    ("slm-hub", &["slm-artifacts"]),
    ("slm-kernels", &[]),
    ("slm-model", &["slm-artifacts", "slm-kernels"]),
    ("slm-metrics", &["slm-artifacts"]),
    ("slm-sandbox", &[]),
    ("slm-table", &["slm-artifacts"]),
    ("slm-statistics", &[]),
    (
        "slm-benchmarks",
        &["slm-artifacts", "slm-metrics", "slm-table"],
    ),
    (
        "slm-scoring",
        &[
            "slm-artifacts",
            "slm-benchmarks",
            "slm-metrics",
            "slm-repository",
            "slm-sandbox",
            "slm-table",
        ],
    ),
    (
        "slm-repository",
        &[
            "slm-artifacts",
            "slm-benchmarks",
            "slm-metrics",
            "slm-sandbox",
        ],
    ),
    (
        "slm-retrieval",
        &["slm-artifacts", "slm-benchmarks", "slm-metrics"],
    ),
    (
        "slm-cli",
        &["slm-artifacts", "slm-config", "slm-hub", "slm-model"],
    ),
    (
        "slm-report",
        &[
            "slm-artifacts",
            "slm-config",
            "slm-hub",
            "slm-metrics",
            "slm-statistics",
        ],
    ),
    (
        "slm-harvest",
        &[
            "slm-artifacts",
            "slm-benchmarks",
            "slm-metrics",
            "slm-report",
        ],
    ),
    (
        "trainer",
        &[
            "slm-artifacts",
            "slm-benchmarks",
            "slm-cli",
            "slm-config",
            "slm-metrics",
            "slm-model",
            "slm-report",
            "slm-statistics",
            "slm-table",
        ],
    ),
    (
        "evaluator",
        &[
            "slm-artifacts",
            "slm-benchmarks",
            "slm-cli",
            "slm-config",
            "slm-harvest",
            "slm-metrics",
            "slm-model",
            "slm-report",
            "slm-repository",
            "slm-retrieval",
            "slm-sandbox",
            "slm-scoring",
            "slm-statistics",
            "slm-table",
        ],
    ),
];

/// Additional crates for tests: the benchmark's own solutions are run in the sandbox, and a hub on loopback
/// hashes files like the real one.
const TESTS_MAY_USE: [(&str, &[&str]); 3] = [
    ("slm-benchmarks", &["slm-sandbox"]),
    ("evaluator", &["slm-hub"]),
    ("trainer", &["slm-hub"]),
];

/// Crates that may use tensors.
const MAY_USE_BURN: [&str; 4] = ["slm-cli", "slm-kernels", "slm-model", "trainer"];

/// Dependencies that a version change could break, with the only place in a binary that uses each.
const ONE_PLACE: [(&str, &str); 29] = [
    (
        "base64",
        "crates/slm-benchmarks/src/registry/livecodebench.rs",
    ),
    ("bm25", "crates/slm-retrieval/src/ranking.rs"),
    ("clap_complete", "crates/slm-cli/src/command_line.rs"),
    ("clap_mangen", "crates/slm-cli/src/command_line.rs"),
    ("crc32c", "trainer/src/log/events.rs"),
    ("hf_hub", "crates/slm-hub/src/"),
    ("indicatif", "crates/slm-cli/src/progress.rs"),
    ("jiff", "crates/slm-cli/src/clock.rs"),
    ("libc", "crates/slm-sandbox/src/"),
    ("libc", "crates/slm-model/src/kernel/memory.rs"),
    ("minijinja", "crates/slm-model/src/chat/"),
    ("minijinja", "crates/slm-report/src/markdown/"),
    ("minijinja_contrib", "crates/slm-model/src/chat/"),
    ("plotters", "crates/slm-report/src/charts/"),
    (
        "pulldown_cmark",
        "crates/slm-retrieval/src/sections/markdown.rs",
    ),
    // Its tests parse the pages.
    ("pulldown_cmark", "crates/slm-report/src/page.rs"),
    ("ruff_python_ast", "crates/slm-metrics/src/ast.rs"),
    ("ruff_python_parser", "crates/slm-metrics/src/parser.rs"),
    ("ruff_text_size", "crates/slm-metrics/src/ast.rs"),
    ("rustix", "crates/slm-sandbox/src/"),
    ("sha2", "crates/slm-artifacts/src/sha256.rs"),
    ("serde_yaml", "crates/slm-config/src/yaml.rs"),
    ("csv", "evaluator/src/ratings/spreadsheet.rs"),
    // Its own module of this name.
    ("csv", "crates/slm-table/src/rows.rs"),
    ("similar", "crates/slm-report/src/diff.rs"),
    ("signal_hook", "crates/slm-cli/src/interrupt.rs"),
    ("statrs", "crates/slm-statistics/src/distribution.rs"),
    ("zip", "crates/slm-model/src/source"),
];

/// Where `unsafe` is allowed.
const UNSAFE: [&str; 3] = [
    "crates/slm-sandbox/src/",
    "crates/slm-model/src/kernel/",
    "crates/slm-model/src/simd",
];

/// Where printing, exiting, and reading arguments and environment is allowed: the binaries, and the crate for
/// their command line.
// The sandbox's helper is a separate program with arguments, whose only way to report a failure is stderr.
const TALKS: [&str; 5] = [
    "crates/slm-cli/",
    "trainer/",
    "evaluator/",
    "crates/slm-sandbox/src/helper/",
    "crates/slm-sandbox/src/bin/",
];

fn allowed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> &'a [&'a str] {
    table
        .iter()
        .find(|(of, _)| *of == name)
        .map_or(&[], |(_, names)| names)
}

#[test]
fn crates_use_only_the_crates_that_they_may() {
    let members = crates();
    let mut known: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, known, "MAY_USE and the workspace's members");
    for (name, folder) in &members {
        assert!(
            folder.ends_with(name),
            "{folder}: its package is named {name}, expected the folder's name"
        );
        let may = allowed(&MAY_USE, name);
        let tests_may = allowed(&TESTS_MAY_USE, name);
        for (section, also) in [
            ("dependencies", &[][..]),
            ("build-dependencies", &[]),
            ("dev-dependencies", tests_may),
        ] {
            for used in manifest_keys(folder, section) {
                let is_ours = names.contains(&used.as_str());
                let is_allowed = may.contains(&used.as_str()) || also.contains(&used.as_str());
                assert!(
                    !is_ours || is_allowed,
                    "{name} must not depend on {used} ({section})"
                );
                let is_burn = used.starts_with("burn");
                assert!(
                    !is_burn || MAY_USE_BURN.contains(&name.as_str()),
                    "{name} must not depend on {used}"
                );
            }
        }
    }
}

#[test]
fn rounds_of_improvement_neither_compute_nor_run_programs_themselves() {
    let mut files = 0;
    for source in shipped().filter(|source| source.path.starts_with("trainer/src/improve/")) {
        files += 1;
        for name in ["slm_model", "burn", "slm_sandbox"] {
            assert!(
                !names_crate(&source.code(), name),
                "{}: {name}",
                source.path
            );
        }
    }
    assert!(files > 5, "{files} files");
}

#[test]
fn manifests_are_read_as_they_are_written() {
    assert!(manifest_keys("evaluator", "dependencies").contains(&"slm-sandbox".to_owned()));
    assert!(manifest_keys("crates/slm-cli", "dependencies").contains(&"jiff".to_owned()));
    assert!(
        manifest_keys("crates/slm-benchmarks", "dev-dependencies")
            .contains(&"slm-sandbox".to_owned())
    );
    assert!(
        !manifest_keys("crates/slm-benchmarks", "dependencies").contains(&"slm-sandbox".to_owned())
    );
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    for (name, folder) in crates() {
        assert_eq!(manifest_keys(&folder, "lints"), ["workspace"], "{name}");
    }
}

#[test]
fn a_fragile_dependency_is_named_in_one_place() {
    for (name, place) in ONE_PLACE {
        let places = || ONE_PLACE.iter().filter(|(of, _)| *of == name);
        let mut found = false;
        for source in shipped() {
            if names_crate(&source.code(), name) {
                assert!(
                    places().any(|(_, place)| source.path.starts_with(place)),
                    "{}: {name} is allowed only in {place}",
                    source.path
                );
                found |= source.path.starts_with(place);
            }
        }
        assert!(
            found,
            "{place} does not use {name}: remove it from the list"
        );
    }
}

#[test]
fn unsafe_code_stands_in_few_places_and_says_why_it_is_sound() {
    for source in sources() {
        let code = source.code();
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, _) in code
            .lines()
            .enumerate()
            .filter(|(_, line)| mentions(line, "unsafe"))
        {
            assert!(
                UNSAFE.iter().any(|place| source.path.starts_with(place)),
                "{}:{}: unsafe",
                source.path,
                at + 1
            );
            let above = &lines[at.saturating_sub(12)..=at];
            let argued = above
                .iter()
                .any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
            assert!(
                argued,
                "{}:{}: unsafe without a SAFETY comment",
                source.path,
                at + 1
            );
        }
    }
}

#[test]
fn libraries_neither_print_nor_exit_nor_read_arguments_and_environment() {
    let talk = [
        "print",
        "println",
        "eprint",
        "eprintln",
        "stdout",
        "stderr",
        "process::exit",
        "env::var",
        "env::var_os",
        "env::vars",
        "env::args",
    ];
    for source in
        shipped().filter(|source| !TALKS.iter().any(|place| source.path.starts_with(place)))
    {
        // Unit tests are at the end of a file.
        let code = source.code();
        let code = code
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or(&code);
        for (at, line) in code.lines().enumerate() {
            let calls = |word: &&str| {
                mentions(line, word)
                    && (line.contains(&format!("{word}!")) || line.contains(&format!("{word}(")))
            };
            // A child's pipes are not output to the user: `.stdout(Stdio::piped())`.
            let spoken = talk
                .iter()
                .find(|word| calls(word) && !line.contains(&format!(".{word}(")));
            assert!(
                spoken.is_none(),
                "{}:{}: {}",
                source.path,
                at + 1,
                spoken.unwrap_or(&"")
            );
        }
    }
}

#[test]
fn statistics_and_report_do_no_input_or_output() {
    let pure = [
        "crates/slm-statistics/src/",
        "crates/slm-report/src/",
        "crates/slm-harvest/src/",
    ];
    for source in shipped().filter(|source| pure.iter().any(|place| source.path.starts_with(place)))
    {
        for name in [
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "io::stdin",
            "io::stdout",
            "io::stderr",
        ] {
            assert!(!mentions(&source.code(), name), "{}: {name}", source.path);
        }
    }
}

#[test]
fn no_test_is_ignored() {
    for source in sources() {
        assert!(
            !source.code().contains("#[ignore"),
            "{}: an ignored test is never run",
            source.path
        );
    }
}
