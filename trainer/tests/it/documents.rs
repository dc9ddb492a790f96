//! The documents that are generated from the recipe's keys and from the command line.

use std::path::Path;

use slm_config::{Recipe, Reference};

use crate::run;
use crate::support::Project;
use crate::support::documents::{Documented, check_document, check_part, documented_commands};

#[test]
fn the_reference_of_recipe_keys_is_that_of_the_code() {
    let reference = Reference::new(slm_benchmarks::NAMES);
    check_document("docs/reference/recipe.md", &reference.page());
}

#[test]
fn the_schema_of_recipes_is_that_of_the_code() {
    let reference = Reference::new(slm_benchmarks::NAMES);
    check_document("docs/recipe.schema.json", &reference.json_schema());
}

#[test]
fn the_reference_of_commands_is_that_of_the_code() {
    let reference = slm_cli::reference(trainer::command());
    check_part("docs/reference/cli.md", "trainer", &reference);
}

#[test]
fn documented_commands_are_understood() {
    let documented = documented_commands("trainer");
    assert!(documented.len() > 20, "{documented:?}");
    for Documented { place, words } in documented {
        if let Err(error) = trainer::command().try_get_matches_from(&words) {
            panic!("{place}: {words:?}: {error}");
        }
        let recipes = words.iter().filter(|word| word.starts_with("recipes/"));
        for recipe in recipes {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("..")
                .join(recipe);
            let sets = words.windows(2).filter(|pair| pair[0] == "--set");
            let sets: Vec<_> = sets.map(|pair| pair[1].clone()).collect();
            // The rounds of `trainer improve` make its data.
            let load = if words.iter().any(|word| word == "improve") || recipe.contains("improve-")
            {
                Recipe::load_without_data
            } else {
                Recipe::load
            };
            if let Err(error) = load(&path, &sets, slm_benchmarks::NAMES) {
                panic!("{place}: {words:?}: {error}");
            }
        }
    }
}

/// Words in commands that need another machine, a GPU, the hub or much time.
const ELSEWHERE: [&str; 7] = [
    "cuda", "qwen", "--shape", "RECIPE", "smollm2", "src.yaml", "improve",
];

/// The commands of the guides with a small model in place of the quickstart's: each ends well, in the order of the guide.
#[test]
fn documented_commands_work() {
    let project = Project::new();
    let recipe = project.read("tiny.yaml");
    project.write(
        "tiny.yaml",
        recipe.replace("data:\n", "data:\n  val_size: 0.2\n"),
    );
    let small = |word: &str| match word {
        // The one that `trainer recipes` writes.
        "quickstart.yaml" => "tiny.yaml".to_owned(),
        _ => word
            .replace("recipes/quickstart.yaml", "tiny.yaml")
            .replace("checkpoints/quickstart", "checkpoints/tiny"),
    };
    let mut ran = 0;
    let mut commands = documented_commands("trainer");
    // An adapter comes before the commands that need one.
    commands.sort_by_key(|command| command.words.get(1).is_none_or(|word| word != "fit"));
    let mut done = std::collections::HashSet::new();
    for Documented { place, words } in commands {
        if place.starts_with("recipes/")
            || words.len() < 2
            || !done.insert(words.clone())
            || words
                .iter()
                .any(|word| ELSEWHERE.iter().any(|part| word.contains(part)))
        {
            continue;
        }
        let is_written = words[1] == "recipes";
        let mut words: Vec<String> = words[1..]
            .iter()
            .map(|word| {
                if is_written {
                    word.clone()
                } else {
                    small(word)
                }
            })
            .collect();
        let takes_device = ["fit", "plan", "validate", "generate", "init"];
        if takes_device.contains(&words[0].as_str()) {
            words.extend(["--device".to_owned(), "cpu".to_owned()]);
        }
        if words[0] == "generate" {
            words.extend(["--max-new-tokens".to_owned(), "4".to_owned()]);
        }
        // A GGUF file of the tiny model has other files beside it in its tests.
        if words.iter().any(|word| word == "merged-gguf")
            || words.iter().any(|word| word == "src.yaml")
        {
            continue;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let finished = run(&project, &words);
        assert_eq!(
            finished.code,
            Some(0),
            "{place}: {words:?}: {}",
            finished.stderr
        );
        ran += 1;
    }
    assert!(ran >= 12, "{ran}");
}
