//! `trainer init`: from a folder or a data file to a recipe that works unedited.

use std::fmt::Write as _;
use std::fs;

use slm_config::Recipe;

use crate::bad_rows::gzipped;
use crate::run;
use crate::support::{Project, says};

/// Writes `count` documented functions, those of some files longer by `lines`.
fn write_functions(project: &Project, folder: &str, count: usize, lines: usize) {
    for file in 0..count.div_ceil(25) {
        let mut text = String::new();
        for n in (file * 25)..count.min(file * 25 + 25) {
            let more = if file % 3 == 0 { lines } else { n % 3 };
            let body = (0..=more).fold(String::new(), |mut body, line| {
                let _ = writeln!(body, "    x = x + {line} * {n}");
                body
            });
            let _ = write!(
                text,
                "def f{n}(x):\n    \"\"\"Add {n} in {more} steps.\"\"\"\n{body}    return x\n\n\n"
            );
        }
        project.write(&format!("{folder}/m{file}.py"), text);
    }
}

fn recipe(project: &Project, name: &str) -> Recipe {
    Recipe::load(&project.path(name), &[], slm_benchmarks::NAMES).expect("a recipe")
}

#[test]
fn trees_of_all_sizes_get_recipes_that_plan_and_fit_accept() {
    let project = Project::new();
    let mut shapes = Vec::new();
    for (count, lines, gigabytes) in [(50, 4, "24"), (500, 12, "6"), (5000, 24, "3")] {
        let folder = format!("tree{count}");
        write_functions(&project, &folder, count, lines);
        let words = [
            "init", &folder, "--model", "model", "--memory", gigabytes, "--device", "cpu",
        ];
        let shown = run(&project, &words).result();
        says(
            &shown,
            &["functions to learn from", "wrote ", "trainer fit "],
        );
        let file = format!("{folder}.yaml");
        let text = project.read(&file);
        assert!(
            text.starts_with(&format!("# trainer fit {file} && evaluator compare\n")),
            "{text}"
        );
        let recipe = recipe(&project, &file);
        shapes.push((recipe.data.max_seq_length, recipe.train.examples_per_step()));
        let plan = run(&project, &["plan", &file, "--device", "cpu"]).result();
        says(&plan, &["fits         yes"]);
        let steps = [
            "fit",
            &file,
            "--device",
            "cpu",
            "--set",
            "train.max_steps=2",
        ];
        run(&project, &steps).result();
        assert!(
            project
                .path(&format!("checkpoints/{folder}/adapter"))
                .is_dir()
        );
    }
    assert!(
        shapes
            .windows(2)
            .all(|pair| pair[0].0 != pair[1].0 && pair[0].1 != pair[1].1),
        "{shapes:?}"
    );
}

#[test]
fn a_data_file_gets_its_format_and_columns() {
    let project = Project::new();
    let row =
        |n: usize| format!("{{\"question\": \"What is {n}?\", \"answer\": \"It is {n}.\"}}\n");
    project.write("rows.jsonl", (0..40).map(row).collect::<String>());
    run(
        &project,
        &["init", "rows.jsonl", "--model", "model", "--device", "cpu"],
    )
    .result();
    let recipe = recipe(&project, "rows.yaml");
    let dataset = &recipe.data.datasets[0];
    assert_eq!(dataset.format.name(), "prompt_completion");
    assert_eq!(dataset.columns.name_of("prompt"), "question");
    let steps = [
        "fit",
        "rows.yaml",
        "--device",
        "cpu",
        "--set",
        "train.max_steps=1",
    ];
    run(&project, &steps).result();
}

#[test]
fn a_long_text_is_split_and_a_row_that_cannot_be_read_is_named() {
    let project = Project::new();
    let long = "x = 1\n".repeat(2000);
    let row = |text: &str| serde_json::json!({"text": text}).to_string() + "\n";
    project.write(
        "texts.jsonl",
        row("y = 2") + "{\"text\": 1 2}\n" + &row(&long),
    );
    let init = |file: &str| {
        run(
            &project,
            &["init", file, "--model", "model", "--device", "cpu"],
        )
    };
    says(
        &init("texts.jsonl").result(),
        &[
            "1 unreadable row, first texts.jsonl:2",
            "1 example longer than that",
        ],
    );
    says(&project.read("texts.yaml"), &["overlength: split"]);
    let shown = run(&project, &["data", "texts.yaml"]).result();
    says(&shown, &["1 broken, 1 split at max_seq_length"]);
    // Of a file that ends too early, nobody knows how many rows it had.
    let whole = gzipped(row("y = 2").repeat(9).as_bytes());
    project.write("cut.jsonl.gz", &whole[..whole.len() / 2]);
    says(
        &init("cut.jsonl.gz").error(2),
        &["cut.jsonl.gz: cannot read"],
    );
}

#[test]
fn nothing_is_overwritten() {
    let project = Project::new();
    project.write("src.yaml", "mine");
    let error = run(&project, &["init", "src", "--device", "cpu"]).error(2);
    says(&error, &["src.yaml already exists", "hint: --output"]);
    assert_eq!(project.read("src.yaml"), "mine");
    let words = [
        "init",
        "src",
        "--output",
        "other.yaml",
        "--model",
        "model",
        "--device",
        "cpu",
    ];
    run(&project, &words).result();
    assert!(project.path("other.yaml").is_file());
}

#[test]
fn what_gives_no_recipe_is_a_clear_error() {
    let project = Project::new();
    fs::create_dir(project.path("empty")).expect("a folder");
    project.write("data/rows.jsonl", "{\"text\": \"a\"}\n");
    project.write("plain/a.py", "x = 1\n");
    project.write("odd.csv", "a,b\n1,2\n");
    for (words, parts) in [
        (
            &["init", "nowhere"][..],
            &["nowhere does not exist", "hint: "][..],
        ),
        (
            &["init", "empty"],
            &["empty: no Python file in this folder"],
        ),
        (
            &["init", "data"],
            &[
                "no Python file",
                "hint: for the data file there: trainer init data/rows.jsonl",
            ],
        ),
        (&["init", "plain"], &["no documented function", "hint: "]),
        (
            &["init", "odd.csv"],
            &["those of no known format: a, b", "hint: known formats: "],
        ),
        (
            &["init", "plain/a.py"],
            &["a single Python file", "hint: name the folder"],
        ),
        (
            &["init", "src", "--memory", "0.01"],
            &["no training fits into 10.0 MB", "hint: "],
        ),
        (
            &["init", "src", "--memory", "-1"],
            &["--memory is -1", "above 0"],
        ),
    ] {
        let error = run(&project, &[words, &["--device", "cpu"]].concat()).error(2);
        says(&error, parts);
    }
    let yaml = fs::read_dir(project.path(""))
        .expect("a folder")
        .filter(|entry| {
            entry
                .as_ref()
                .is_ok_and(|e| e.path().extension().is_some_and(|x| x == "yaml"))
        })
        .count();
    assert_eq!(yaml, 1, "only the project's own recipe is there");
}
