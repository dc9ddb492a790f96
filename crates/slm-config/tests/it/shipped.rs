use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use slm_config::{Recipe, ShippedRecipe};

use crate::recipes::BENCHMARKS;

/// The files below a folder, except those for git.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.file_name().is_some_and(|name| name != ".gitignore") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_file_of_the_folder_recipes_is_shipped_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let relative = |path: &PathBuf| path.strip_prefix(&folder).unwrap().to_owned();
    // What Python and pip leave there is not part of the repository.
    let is_ours = |path: &PathBuf| {
        let text = path.to_str().unwrap();
        !["__pycache__", ".egg-info", "/build/"]
            .iter()
            .any(|part| text.contains(part))
    };
    let there: BTreeSet<PathBuf> = files_below(&folder)
        .iter()
        .filter(|path| is_ours(path))
        .map(relative)
        .collect();
    let mut shipped = BTreeSet::new();
    for recipe in ShippedRecipe::all() {
        let file = PathBuf::from(format!("{}.yaml", recipe.name));
        for (path, content) in recipe.files_at(&file) {
            let original = fs::read_to_string(folder.join(&path)).expect("a file of a recipe");
            assert_eq!(content, original, "{}", path.display());
            shipped.insert(path);
        }
        assert!(shipped.insert(file), "{} twice", recipe.name);
    }
    assert_eq!(shipped, there, "the table in src/shipped.rs, and recipes/");
}

#[test]
fn a_written_recipe_means_the_same_and_needs_nothing_of_the_repository() {
    for recipe in ShippedRecipe::all() {
        let file = format!("{}.yaml", recipe.name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let original = Recipe::load_without_data(&folder.join(&file), &[], BENCHMARKS).unwrap();
        for output in [&file, "a/b.yaml", "/tmp/recipes/c.yaml"] {
            let text = recipe.text_at(Path::new(output));
            let read = Recipe::parse_without_data(&text, Path::new(&file), &[], BENCHMARKS);
            assert_eq!(read.unwrap(), original, "{output}");
            let first = text.lines().next().unwrap();
            assert!(first.contains(&format!(" {output} ")), "{first}");
            for of_the_repository in ["../docs", " recipes/", "./recipes/"] {
                assert!(
                    !text.contains(of_the_repository),
                    "{file}: {of_the_repository}"
                );
            }
            // Paths to own data are for the user to replace; others are written beside the recipe.
            for dataset in &original.data.datasets {
                let path = dataset.path.as_str();
                let is_elsewhere = path.contains(':') || path == "pairs" || path.starts_with("../");
                let files = recipe.files_at(Path::new(&file));
                let is_written = files.iter().any(|(written, _)| written.starts_with(path));
                assert!(is_elsewhere || is_written, "{file}: {path}");
            }
        }
    }
}

#[test]
fn commands_in_comments_name_the_written_file() {
    let library = ShippedRecipe::by_name("own-library.yaml").unwrap();
    for (output, install, evaluate) in [
        (
            "own-library.yaml",
            "pip install ./own-library\n",
            "--recipe own-library.yaml\n",
        ),
        (
            "a/mine.yaml",
            "pip install ./a/own-library\n",
            "--recipe a/mine.yaml\n",
        ),
        (
            "/x/recipes/mine.yaml",
            "pip install /x/recipes/own-library\n",
            "--recipe /x/recipes/mine.yaml\n",
        ),
        // A path that needs quotes: the commands are for the file's folder.
        (
            "my recipes/mine.yaml",
            "pip install ./own-library\n",
            "--recipe own-library.yaml\n",
        ),
        (
            "a\nb.yaml",
            "pip install ./own-library\n",
            "--recipe own-library.yaml\n",
        ),
    ] {
        let text = library.text_at(Path::new(output));
        assert!(text.contains(install), "{output}: {text}");
        assert!(text.contains(evaluate), "{output}: {text}");
    }
    let dpo = ShippedRecipe::by_name("dpo").unwrap();
    let text = dpo.text_at(Path::new("mine.yaml"));
    assert!(text.contains("--recipe improve-mbpp.yaml "), "{text}");
}

#[test]
fn a_summary_is_one_sentence() {
    let summary = |name| ShippedRecipe::by_name(name).unwrap().summary();
    assert_eq!(
        summary("own-library"),
        "Does retrieval help a model that has never seen a library?"
    );
    assert_eq!(
        summary("qwen-coder-1.5b"),
        "A coding model of 1.5 billion parameters is trained on public instructions with solutions in Python, or on \
         your own code."
    );
    for recipe in ShippedRecipe::all() {
        let text = recipe.summary();
        let words = text.split(' ').count();
        assert!((8..50).contains(&words), "{}: {text}", recipe.name);
        assert!(text.ends_with(['.', '?']), "{}: {text}", recipe.name);
    }
}

#[test]
fn a_missing_file_with_the_name_of_a_shipped_recipe_has_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let hint = |name: &str| {
        let path = folder.path().join(name);
        let error = Recipe::load(&path, &[], BENCHMARKS).expect_err("no file");
        let text = error.to_string();
        text.split_once("\nhint: ")
            .map_or(String::new(), |(_, hint)| {
                hint.replace(folder.path().to_str().unwrap(), "D")
            })
    };
    assert_eq!(
        hint("quickstart"),
        "`trainer recipes quickstart -o quickstart.yaml` writes the recipe of this name"
    );
    assert_eq!(
        hint("recipes/dpo.yaml"),
        "`trainer recipes dpo -o D/recipes/dpo.yaml` writes the recipe of this name"
    );
    assert_eq!(hint("mine.yaml"), "");
    // A file that is there comes first.
    fs::write(folder.path().join("quickstart.yaml"), "").unwrap();
    assert_eq!(hint("quickstart"), "did you mean D/quickstart.yaml?");
}

#[test]
fn an_unknown_name_of_a_recipe_has_a_hint() {
    let error = |name| {
        ShippedRecipe::by_name(name)
            .expect_err("unknown")
            .to_string()
    };
    assert_eq!(
        error("quikstart"),
        "no shipped recipe has the name `quikstart`\nhint: did you mean `quickstart`?"
    );
    assert_eq!(
        error("\u{1b}[31m"),
        "no shipped recipe has the name `\\u{1b}[31m`\nhint: `trainer recipes` lists them"
    );
}
