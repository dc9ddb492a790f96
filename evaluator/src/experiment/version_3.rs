//! Runs of record version 3 and log version 2 stay readable: see `tests/golden/run-version-3/README.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use slm_benchmarks::{LeftOut, ScoringPhase, TaskView};
use slm_config::Recipe;
use slm_model::DeviceChoice;
use slm_report::{
    AdapterInfo, BaseModelInfo, Experiment, Plan, RECORD_VERSION, RunInfo, SampleRecord,
};
use slm_sandbox::{Interpreter, LevelChoice, Limits, Sandbox};
use slm_scoring::{ExpectedOutputCache, Scorer, TreePools};

use super::answering::Answerer;
use super::arm::{self, AnsweringArm};
use super::score_trajectories::score_trajectories;
use super::tasks::RunTask;
use super::{Request, describe, evaluate_as};
use crate::arguments::CommonArguments;
use crate::backend::scripted::{Line, Scripted};
use crate::backend::{Query, Speaker};
use crate::knowledge::Knowledge;
use crate::run_folder::RunFolder;
use crate::sandboxing::SandboxChoice;
use crate::workflow::agent::{Grading, Settings};
use crate::workflow::event::LOG_VERSION;
use crate::workflow::prompt::Templates;
use crate::workflow::runner::SandboxRunner;
use crate::workflow::trajectory::Identity;
use slm_artifacts::{BASE_ARM, Verdict};

const RECIPE: &str = "\
name: scripted
model: {name_or_path: scripted.gguf}
data: {datasets: [{path: src, format: python_source}]}
evaluate: {workflows: [single, reflection], rounds: 1, batch_size: 2}
";

const ADAPTER: &str = "tuned";

fn recipe() -> Recipe {
    Recipe::parse(
        RECIPE,
        Path::new("scripted.yaml"),
        &[],
        slm_benchmarks::NAMES,
    )
    .expect("a recipe")
}

fn tasks() -> Vec<RunTask> {
    let set = slm_benchmarks::load("embedded", None).expect("embedded tasks");
    let tasks = set.tasks.into_iter().take(4).map(|task| RunTask {
        benchmark: "embedded".to_owned(),
        view: task.view().clone(),
        task,
    });
    tasks.collect()
}

/// The base model solves the first two tasks and writes no program for the last; the adapter adds comments.
fn script(tasks: &[RunTask]) -> impl Fn(&Query) -> Line {
    let scoring = ScoringPhase::begin();
    let solutions: Vec<(String, String)> = tasks
        .iter()
        .map(|task| {
            let solution = task.task.canonical_solution(&scoring);
            (task.view.entry_point.clone(), solution.to_owned())
        })
        .collect();
    move |query| {
        let text = &query.messages.last().expect("a message").content;
        let (at, (name, solution)) = (0..)
            .zip(&solutions)
            .find(|(_, (name, _))| text.contains(&format!("def {name}(")))
            .expect("a task");
        if text.contains("Write at most") {
            return Line::from(format!("(0) is None\nassert {name} is not None\n"));
        }
        if text.contains("APPROVED") {
            return Line::from("Return something else.");
        }
        match (at, query.speaker == Speaker::Arm) {
            (3, false) => Line::from("    return ("),
            (2, false) => Line::from("    return None\n"),
            (2 | 3, true) => Line::from(format!("    # As the task says.\n{solution}")),
            _ => Line::from(solution.as_str()),
        }
    }
}

fn sandbox() -> Sandbox {
    let python = Interpreter::resolve(None).expect("python3");
    // These programs are trusted, and the test's process cannot act as the sandbox's helper.
    Sandbox::with_level(
        python,
        Limits::default(),
        LevelChoice::Exactly(slm_sandbox::Level::C),
    )
    .expect("a sandbox")
}

fn describe(recipe: &Recipe, tasks: &[RunTask], sandbox: &Sandbox) -> RunInfo {
    let common = CommonArguments {
        recipe: None,
        overrides: Vec::new(),
        device: DeviceChoice::Auto,
        endpoint: None,
        shard: None,
        reports: PathBuf::from("reports"),
        allow_learned_tasks: false,
        sandbox: SandboxChoice {
            unsafe_execution: true,
        },
        json: false,
    };
    let own: Vec<slm_benchmarks::Task> = tasks.iter().map(|task| task.task.clone()).collect();
    let hash = |digit: &str| digit.repeat(64);
    let routing = crate::routing::Routing::by_model(Vec::new());
    describe::run(describe::Parts {
        routing: &routing,
        recipe,
        answerer: Answerer {
            base_model: BaseModelInfo {
                name: "scripted.gguf".to_owned(),
                sha256: hash("b"),
            },
            provenance: None,
            device: "script".to_owned(),
            threads: 1,
            endpoint: None,
        },
        speakers: Vec::new(),
        assisted: Vec::new(),
        adapters: vec![AdapterInfo {
            name: ADAPTER.to_owned(),
            path: "checkpoints/scripted/adapter".to_owned(),
            sha256: hash("a"),
            training: None,
            decontaminated: None,
            search: None,
            learned_tasks: Vec::new(),
        }],
        benchmarks: vec![describe::benchmark("embedded", &own, &LeftOut::new())],
        sources: Vec::new(),
        plan: Plan::new(Experiment::Compare, &recipe.evaluate, &[ADAPTER]).expect("a plan"),
        templates: &Templates::load(&recipe.evaluate.prompts).expect("templates"),
        sandbox,
        knowledge: &Knowledge::none(),
        request: &Request {
            experiment: Experiment::Compare,
            adapters: &[],
            newest_if_none: false,
            common: &common,
        },
    })
    .expect("a description")
}

/// Generates and scores what the folder lacks, as `experiment::experiment` does.
fn complete(
    info: &RunInfo,
    recipe: &Recipe,
    tasks: &[RunTask],
    sandbox: &Sandbox,
    run: &mut RunFolder,
) {
    let views: Vec<&TaskView> = tasks.iter().map(|task| &task.view).collect();
    let model = Scripted::new(script(tasks)).with_batch_size(2);
    let mut finished = Vec::new();
    let trees = TreePools::new();
    let runner = SandboxRunner {
        sandbox,
        trees: &trees,
    };
    for cell in &info.plan.cells {
        let adapter = info.adapters.iter().find(|of| of.name == cell.arm);
        let settings = Rc::new(Settings {
            evaluate: evaluate_as(cell, &recipe.evaluate),
            templates: Templates::load(&recipe.evaluate.prompts).expect("templates"),
            knowledge: Rc::new(Knowledge::none()),
            routing: Rc::new(crate::routing::Routing::by_model(Vec::new())),
            grading: Grading::from(&recipe.knowledge),
        });
        let arm = AnsweringArm {
            name: adapter.map_or(BASE_ARM, |of| &of.name),
            model: &model,
            identity: Rc::new(Identity {
                run: info.name.clone(),
                config_sha256: info.config_sha256.clone(),
                model_sha256: info.base_model.sha256.clone(),
                adapter_sha256: adapter.map(|of| of.sha256.clone()),
                ..Identity::default()
            }),
        };
        let label = cell.label(info.plan.reference);
        let done = arm::complete(&arm, cell.workflow, &label, &views, &settings, &runner, run);
        finished.extend(done.expect("answers"));
    }
    let cache = tempfile::tempdir().expect("a folder");
    let scorer = Scorer {
        sandbox,
        expected_outputs: &ExpectedOutputCache::new(cache.path().to_owned(), |_| ()),
        phase: &ScoringPhase::begin(),
        trees: &trees,
    };
    let unscored = score_trajectories(&finished, tasks, &super::human::Losses::new(), &scorer, run)
        .expect("records");
    assert_eq!(unscored, Vec::<String>::new());
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/run-version-3/scripted-a7a42c6a")
}

/// Copies the golden run into a folder under `reports`.
fn copy(reports: &Path) -> PathBuf {
    let folder = reports.join("scripted-a7a42c6a");
    fs::create_dir_all(&folder).expect("a folder");
    for file in ["run.json", "records.jsonl", "trajectory.jsonl"] {
        fs::copy(golden().join(file), folder.join(file)).expect("a copy");
    }
    folder
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a file");
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Returns the lines without the values that a machine measures, and without those that later versions add.
fn timeless(lines: &[String]) -> Vec<String> {
    fn forget(value: &mut Value) {
        let Value::Object(fields) = value else {
            return;
        };
        let later = [
            "version",
            "measured",
            "generation_s",
            "cpu_s",
            "lloc_code",
            "cognitive_complexity",
            "security_findings",
            "security_high",
            "security_medium",
            "security_low",
            "reliability_findings",
            "smells",
            "debt_minutes",
            "given_comments",
            "given_multi",
            "given_docstrings",
            "sandbox",
            "lookups",
            "bleu",
            "attempts",
            "tokens_to_program",
            "seconds_to_program",
            "executable",
        ];
        // `remove` would move the last field into the gap.
        fields.retain(|key, _| !later.contains(&key.as_str()));
        fields.values_mut().for_each(forget);
    }
    let mut all: Vec<String> = lines
        .iter()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).expect("a line of JSON");
            forget(&mut value);
            value.to_string()
        })
        .collect();
    all.sort();
    all
}

/// Returns a line of the log with the request to a tester as it is today: begun without a bracket, which belongs to the
/// answer. A run of that time whose tester was asked is not continued.
fn of_todays_tester(line: String) -> String {
    let mut value: Value = serde_json::from_str(&line).expect("a line of JSON");
    let call = &mut value["what"]["call"];
    if call["role"] != "tester" {
        return line;
    }
    let text = |of: &Value| of.as_str().expect("a text").to_owned();
    let begun = text(&call["begun"]);
    let begun = begun.strip_suffix('(').expect("a bracket");
    let messages = call["messages"].as_array().expect("messages").clone();
    let messages = messages
        .iter()
        .flat_map(|of| [text(&of["role"]), text(&of["content"])]);
    let texts: Vec<String> = messages.chain([begun.to_owned()]).collect();
    call["messages_sha256"] =
        slm_artifacts::sha256_of_texts(texts.iter().map(String::as_str)).into();
    call["text"] = format!("({}", text(&call["text"])).into();
    call["begun"] = begun.into();
    format!("{value}\n")
}

#[test]
fn an_unfinished_run_of_version_3_is_continued_line_by_line() {
    let (recipe, tasks, sandbox) = (recipe(), tasks(), sandbox());
    let whole = ["trajectory.jsonl", "records.jsonl"].map(|file| lines(&golden().join(file)));
    let whole = whole.map(|lines| lines.into_iter().map(of_todays_tester).collect::<Vec<_>>());
    let all = whole[0].len();
    for (kept_steps, kept_records) in [
        (0, 0),
        (all / 3, 0),
        (all - 1, 0),
        (all, 0),
        (all, 9),
        (all, 16),
    ] {
        let reports = tempfile::tempdir().expect("a folder");
        let folder = copy(reports.path());
        // A crash leaves the next line incomplete.
        for ((file, lines), kept) in ["trajectory.jsonl", "records.jsonl"]
            .iter()
            .zip(&whole)
            .zip([kept_steps, kept_records])
        {
            let cut = lines.get(kept).map_or("", |line| &line[..line.len() / 2]);
            fs::write(folder.join(file), lines[..kept].concat() + cut).expect("a cut file");
        }
        let info = RunFolder::read_info(&folder).expect("a description");
        let mut run = RunFolder::open_alone(folder.clone()).expect("a folder");
        complete(&info, &recipe, &tasks, &sandbox, &mut run);
        for ((file, lines_before), kept) in ["trajectory.jsonl", "records.jsonl"]
            .iter()
            .zip(&whole)
            .zip([kept_steps, kept_records])
        {
            let found = lines(&folder.join(file));
            assert_eq!(
                found[..kept],
                lines_before[..kept],
                "{file}: a line was written again"
            );
            let new = if *file == "records.jsonl" {
                RECORD_VERSION
            } else {
                LOG_VERSION
            };
            for line in &found[kept..] {
                assert!(line.starts_with(&format!("{{\"version\":{new},")), "{line}");
            }
            assert_eq!(
                timeless(&found),
                timeless(lines_before),
                "{file} from {kept} lines"
            );
        }
    }
}

#[test]
fn records_of_version_3_are_upgraded_for_the_report() {
    let (info, folder) = (
        RunFolder::read_info(&golden()).expect("a description"),
        golden(),
    );
    assert_eq!(info.version, RECORD_VERSION);
    assert!(
        info.plan
            .hypotheses
            .iter()
            .all(|row| row.declared.is_none())
    );
    let (records, events) = RunFolder::read(&folder).expect("records");
    assert_eq!((records.len(), events.len()), (16, 63));
    let upgraded: Vec<SampleRecord> = records.into_iter().map(SampleRecord::upgraded).collect();
    for record in &upgraded {
        let metrics = record.metrics.map(|metrics| metrics.lloc_code);
        assert!(metrics.is_none_or(|lloc| lloc.is_some_and(|lloc| lloc > 0)));
        assert_eq!(record.metrics.is_some(), record.parsable);
    }
    let page = slm_report::build(&info, &upgraded).markdown;
    for part in [
        "the run did not record whether its recipe declared them",
        "**Earlier version.** 16 of 16 answers",
    ] {
        assert!(page.contains(part), "`{part}` in:\n{page}");
    }
    // Version 3 had no verdict for an answer that adds nothing.
    let mut nothing = upgraded[0].clone();
    nothing.verdict = Verdict::Unparsable;
    (nothing.parsable, nothing.metrics) = (false, None);
    nothing.detail = Some("adds no statement to the prompt".to_owned());
    let nothing = nothing.upgraded();
    assert_eq!((nothing.verdict, nothing.parsable), (Verdict::Empty, true));
}

#[test]
fn the_bonus_and_its_parts_are_radons() {
    // As `bonus.py` beside the golden run prints them: MI, mi_code, the bonus, the curve, docstrings as logical lines.
    let expected = [
        (
            "reference_mean",
            [
                87.638_152_619_790_18,
                92.371_663_112_367_74,
                -4.733_510_492_577_555_5,
                -2.172_678_230_841_773_6,
                -2.560_832_261_735_775_3,
            ],
        ),
        (
            "mean",
            [
                74.247_909_388_630_52,
                86.797_133_672_154_54,
                -12.549_224_283_524_042,
                -8.707_975_890_920_368,
                -3.841_248_392_603_662_3,
            ],
        ),
    ];
    let info = RunFolder::read_info(&golden()).expect("a description");
    let (records, _) = RunFolder::read(&golden()).expect("records");
    let records: Vec<SampleRecord> = records.into_iter().map(SampleRecord::upgraded).collect();
    let summary = slm_report::build(&info, &records).summary;
    let found = &summary["findings"]["h1"]["adapters"][0];
    let contrasts = [
        &found["paired"][0],
        &found["paired"][1],
        &found["bonus"],
        &found["bonus_parts"][0],
        &found["bonus_parts"][1],
    ];
    for (side, expected) in expected {
        for (contrast, expected) in contrasts.iter().zip(expected) {
            let found = contrast[side].as_f64().expect("a mean");
            assert!(
                (found - expected).abs() < 1e-9,
                "{side} of {}: {found}, expected {expected}",
                contrast["metric"]
            );
        }
    }
}

#[test]
fn a_run_that_an_earlier_version_began_is_found_under_its_name() {
    let (recipe, tasks, sandbox) = (recipe(), tasks(), sandbox());
    let templates = Templates::load(&recipe.evaluate.prompts).expect("templates");
    let reports = tempfile::tempdir().expect("a folder");
    let earlier = RunFolder::read_info(&copy(reports.path())).expect("a description");
    let found = |recipe: &Recipe| {
        let mut info = describe(recipe, &tasks, &sandbox);
        // Another version of Python or of the project makes another run, and the golden run's may not be the local
        // ones.
        info.python_version.clone_from(&earlier.python_version);
        info.project_version.clone_from(&earlier.project_version);
        describe::adopt_earlier_identity(&mut info, recipe, &templates, reports.path());
        info
    };
    let same = found(&recipe);
    assert_eq!(same.name, earlier.name);
    assert_eq!(same.config_sha256, earlier.config_sha256);
    assert_eq!(same.recipe, earlier.recipe);
    assert_eq!(
        same.plan, earlier.plan,
        "nothing is known of who declared it"
    );
    // A shard has the run's hash, but its own name.
    let path = reports.path().join("scripted-a7a42c6a").join("run.json");
    let text = fs::read_to_string(&path).expect("a description");
    let shard = text.replacen("scripted-a7a42c6a", "scripted-a7a42c6a-shard-1-of-2", 1);
    assert_ne!(shard, text);
    fs::write(&path, shard).expect("written");
    assert_eq!(found(&recipe).name, earlier.name);
    let mut priced = recipe.clone();
    priced.costs.price_per_kwh = Some(0.3);
    let with_price = found(&priced);
    assert_eq!(with_price.name, earlier.name, "a price makes no other run");
    assert_eq!(with_price.prices, Some(priced.costs));
    let mut other = recipe.clone();
    other.evaluate.sampling.seed = 7;
    assert_ne!(found(&other).name, earlier.name);
    let mut other = recipe;
    other.evaluate.hypotheses[0].effect = 4.0;
    assert_ne!(found(&other).name, earlier.name);
}
