//! The page of a training, in a real browser.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::fit::log;
use crate::support::{Project, finish};
use crate::{fit, run};

#[test]
fn the_page_of_a_training_has_its_curves_examples_and_recipe() {
    let project = Project::new();
    let steps = [
        "--set",
        "output.logging_steps=1",
        "--set",
        "data.val_size=0.4",
    ];
    fit(&project, &steps).result();
    let folder = project.path("checkpoints/tiny");
    let beside = fs::read_to_string(folder.join("training-report.html")).expect("a page");
    let again = run(&project, &["view", "latest", "-o", "page.html"]).result();
    assert_eq!(again, "page: page.html\n");
    assert_eq!(project.read("page.html"), beside);
    // The adapter's folder and the name mean the same training.
    for name in ["tiny", "checkpoints/tiny/adapter", "checkpoints/tiny"] {
        run(&project, &["view", name]).result();
    }

    let lines = log(&project);
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    browser.open_page(&project.path("page.html"), "");
    let titles =
        browser.value("[...document.querySelectorAll('figcaption')].map((of) => of.textContent)");
    let titles: BTreeSet<String> = serde_json::from_value(titles).expect("titles");
    let expected = [
        "Learning rate",
        "Loss",
        "Norm of the gradients, before clipping",
        "Speed",
    ];
    assert_eq!(titles, expected.map(str::to_owned).into());
    let of =
        |key: &str| -> Vec<f64> { lines.iter().filter_map(|line| line[key].as_f64()).collect() };
    let marks = |title: &str| {
        browser.value(&format!(
            "[...[...document.querySelectorAll('figure')].find((of) => of.querySelector('figcaption').textContent === {title:?}).querySelectorAll('circle')].map((of) => of.dataset.tip)"
        ))
    };
    let expected: Vec<String> = of("loss")
        .iter()
        .map(|loss| format!("training {loss:.4}"))
        .chain(
            of("validation_loss")
                .iter()
                .map(|loss| format!("validation {loss:.4}")),
        )
        .collect();
    let shown: Vec<String> = serde_json::from_value(marks("Loss")).expect("texts");
    let shown: Vec<String> = shown
        .iter()
        .map(|text| {
            let (name, rest) = text.split_once('\n').expect("two lines");
            let value = rest
                .split(": ")
                .nth(1)
                .and_then(|of| of.split(' ').next())
                .unwrap_or_default();
            format!("{name} {value}")
        })
        .collect();
    assert_eq!(shown, expected);
    assert_eq!(
        marks("Speed").as_array().map(Vec::len),
        Some(of("learning_rate").len())
    );
    // The marked text is what `trainer data` calls supervised.
    let words = [&["data", "tiny.yaml", "--json"][..], &steps].concat();
    let data: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
    let tokens = data["examples"][0]["tokens"].as_array().expect("tokens");
    let supervised = tokens.iter().filter(|token| token["supervised"] == true);
    let supervised: String = supervised
        .filter_map(|token| token["text"].as_str())
        .collect();
    let marked = browser.text("[...document.querySelector('main details').querySelectorAll('.hl')].map((of) => of.textContent).join('')");
    assert_eq!(marked, supervised);
    assert!(
        browser
            .text("document.querySelector('main').textContent")
            .contains("name_or_path")
    );
    assert_eq!(browser.console(), Vec::<String>::new());
    assert_eq!(browser.requests(), Vec::<String>::new());
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        &json!({"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
    );
    assert!(browser.number("document.documentElement.scrollWidth - innerWidth") <= 0.0);
}

#[test]
fn an_unfinished_training_has_a_page_and_mistakes_are_named() {
    let project = Project::new();
    let none = finish(&mut project.command(env!("CARGO_BIN_EXE_trainer"), &["view"]));
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr.contains("no training under checkpoints"),
        "{}",
        none.stderr
    );
    // A training that is running: half a line, no adapter, hostile names.
    project.write(
        "checkpoints/x<b>/log.jsonl",
        "{\"step\":1,\"epoch\":0.5,\"loss\":2.0,\"learning_rate\":0.1,\"grad_norm\":1.0,\"tokens\":9}\n{\"step\":2,",
    );
    let finished = run(&project, &["view", "x<b>", "-o", "page.html"]);
    assert!(
        finished.stderr.contains("the training is not finished"),
        "{}",
        finished.stderr
    );
    finished.result();
    let page = project.read("page.html");
    assert!(
        page.contains("<h1>Training x&lt;b&gt;</h1>") && page.contains("not finished"),
        "{page}"
    );
    project.write("reports/r/run.json", "{}");
    let run_folder = run(&project, &["view", "reports/r"]);
    assert_eq!(run_folder.code, Some(2));
    assert!(
        run_folder.stderr.contains("hint: evaluator view reports/r"),
        "{}",
        run_folder.stderr
    );
}
