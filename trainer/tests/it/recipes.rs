//! `trainer recipes`: what a user without the repository starts from.

use slm_config::ShippedRecipe;

use crate::run;
use crate::support::{Project, says};

#[test]
fn all_recipes_are_listed_with_model_and_purpose() {
    let project = Project::new();
    let text = run(&project, &["recipes"]).result();
    for recipe in ShippedRecipe::all() {
        says(&text, &[&format!("{}: ", recipe.name), &recipe.summary()]);
    }
    says(
        &text,
        &["quickstart: HuggingFaceTB/SmolLM2-135M-Instruct (2 GB; 5 minutes on two cores)"],
    );
    let json: serde_json::Value =
        serde_json::from_str(&run(&project, &["recipes", "--json"]).result()).expect("JSON");
    let listed = json.as_array().expect("a list");
    assert_eq!(listed.len(), ShippedRecipe::all().len());
    assert_eq!(listed[0]["name"], "quickstart");
    assert_eq!(listed[1].get("needs"), None, "{}", listed[1]);
}

#[test]
fn a_printed_recipe_is_the_written_one() {
    let project = Project::new();
    let printed = run(&project, &["recipes", "quickstart"]).result();
    let words = ["recipes", "quickstart", "-o", "quickstart.yaml"];
    let written = run(&project, &words).result();
    says(
        &written,
        &[
            "recipe       quickstart.yaml",
            "next         trainer fit quickstart.yaml && evaluator compare",
        ],
    );
    assert_eq!(project.read("quickstart.yaml").trim(), printed.trim());
    let again = run(&project, &words).error(2);
    says(&again, &["quickstart.yaml already exists", "hint: -o"]);
}

#[test]
fn what_a_recipe_reads_is_written_beside_it_and_found_there() {
    let project = Project::new();
    let printed = run(&project, &["recipes", "own-library"]);
    says(
        &printed.stderr,
        &["note: this recipe reads", "-o own-library.yaml"],
    );
    let words = ["recipes", "own-library", "-o", "new/mine.yaml"];
    says(
        &run(&project, &words).result(),
        &["files beside it", "next         trainer fit new/mine.yaml"],
    );
    // The data set is found, and the next thing that is missing is the model, which only a network has.
    let words = ["data", "new/mine.yaml", "--set", "model.name_or_path=none"];
    let error = run(&project, &words).error(2);
    says(&error, &["none"]);
    assert!(!error.contains("skerrow"), "{error}");
    assert!(project.read("new/own-library/tasks.jsonl").lines().count() == 20);

    // The same files may stay; one that the user changed is not overwritten.
    run(
        &project,
        &["recipes", "own-library", "-o", "new/second.yaml"],
    )
    .result();
    project.write("new/own-library/docs/dues.md", "changed");
    let words = ["recipes", "own-library", "-o", "new/third.yaml"];
    says(
        &run(&project, &words).error(2),
        &[
            "new/own-library/docs/dues.md already exists",
            "another folder",
        ],
    );
    assert!(!project.path("new/third.yaml").exists());
}

#[test]
fn a_wrong_name_or_file_is_refused() {
    let project = Project::new();
    let error = |words: &[&str]| run(&project, words).error(2);
    says(
        &error(&["recipes", "quikstart"]),
        &["`quikstart`", "did you mean `quickstart`?"],
    );
    says(&error(&["recipes", "quickstart", "-o", ".."]), &[".. "]);
    says(&error(&["recipes", "-o", "a.yaml"]), &["NAME"]);
    says(
        &error(&["fit", "quickstart"]),
        &["hint: `trainer recipes quickstart -o quickstart.yaml` writes the recipe of this name"],
    );
}
