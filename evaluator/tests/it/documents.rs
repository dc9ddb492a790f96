//! The document that is generated from the command line.

#[cfg(unix)]
use std::path::Path;

use crate::support::documents::{
    Documented, check_document, check_part, documented_commands, documented_lines,
};
use crate::support::{copy_folder, finish};
use crate::trained_project;

#[test]
fn the_reference_of_commands_is_that_of_the_code() {
    let reference = slm_cli::reference(evaluator::command());
    check_part("docs/reference/cli.md", "evaluator", &reference);
}

#[test]
fn documented_commands_are_understood() {
    let documented = documented_commands("evaluator");
    assert!(documented.len() > 15, "{documented:?}");
    for Documented { place, words } in documented {
        if let Err(error) = evaluator::command().try_get_matches_from(&words) {
            panic!("{place}: {words:?}: {error}");
        }
    }
}

/// Words in commands that need another machine, a GPU, a server, the hub, much time or a recipe of the user.
const ELSEWHERE: [&str; 9] = [
    "cuda",
    "qwen",
    "--shape",
    "http:",
    "smollm2",
    ".venv",
    "improve-mbpp",
    "sample.yaml",
    "judge.yaml",
];

/// The commands of the guides with a small model in place of the quickstart's: each ends well, in the order of the guide.
#[cfg(unix)]
#[test]
fn documented_commands_work() {
    let program = Path::new(env!("CARGO_BIN_EXE_evaluator"));
    let search_path = format!(
        "{}:{}",
        program.parent().expect("a folder").display(),
        std::env::var("PATH").expect("a search path")
    );
    let project = trained_project();
    for path in ["tiny.yaml", "checkpoints/tiny/adapter/recipe.yaml"] {
        let recipe = project.read(path);
        // Nothing that a model of this size writes is worth more tokens.
        project.write(
            path,
            recipe.replace("max_new_tokens: 64", "max_new_tokens: 8"),
        );
    }
    // A run in the repository that guides open.
    copy_folder(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/example"),
        &project.path("reports/example"),
    );
    let mut ran = 0;
    for (place, line) in documented_lines() {
        let is_ours = line.starts_with("evaluator ") || line.starts_with("printf ");
        let elsewhere = ELSEWHERE.iter().any(|part| line.contains(part));
        if !is_ours || elsewhere || !place.starts_with("docs/guide/") {
            continue;
        }
        let line = line
            .replace("recipes/quickstart.yaml", "tiny.yaml")
            .replace("checkpoints/quickstart", "checkpoints/tiny")
            .replace("reports/sharded/quickstart", "reports/sharded/tiny")
            .replace(" benches", " src");
        let mut command = project.command("sh", &["-c", &line]);
        let finished = finish(command.env("PATH", &search_path));
        assert_eq!(
            finished.code,
            Some(0),
            "{place}: {line}: {}",
            finished.stderr
        );
        ran += 1;
    }
    assert!(ran >= 14, "{ran}");
}

/// Returns the page of all static rules.
fn rules_page() -> String {
    use std::fmt::Write as _;

    use slm_metrics::rules::{self, Category};

    let mut page = "# Static rules\n\nGenerated from the code: `evaluator quality` searches Python files and the programs \
                    of a run for these. The security rules report what bandit reports, line by line; `# nosec` comments \
                    are ignored. Minutes are this project's own estimates of the time to repair one finding.\n"
        .to_owned();
    for (category, title) in [
        (Category::Security, "Security"),
        (Category::Reliability, "Reliability"),
        (Category::Smell, "Smells"),
    ] {
        let _ = writeln!(
            page,
            "\n## {title}\n\n| rule | reports | known as | minutes |\n|---|---|---|---|"
        );
        for rule in rules::all().filter(|rule| rule.category == category) {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                rule.id, rule.title, rule.known_as, rule.minutes
            );
        }
    }
    page
}

#[test]
fn the_reference_of_static_rules_is_that_of_the_code() {
    check_document("docs/reference/rules.md", &rules_page());
}
