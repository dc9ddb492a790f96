//! What a page shows of hostile, many, or no answers; in dark and light, on a phone, and without a script.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::browser::{Browser, ENTER};
use crate::endpoint::{json_of, lines};
use crate::support::Project;
use crate::view::{count, example, page_of, passes, rows, run_with, singles, view};

/// What no page may run or show as markup.
const HOSTILE: &str = "</script><script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 1\"><!-- ]]> ${1} `x` \u{202e}";

fn event(record: &Value, step: u32, parent: Option<u32>, what: &Value) -> Value {
    json!({
        "version": 2, "run": "r", "config_sha256": "c",
        "trajectory": {
            "arm": record["arm"], "workflow": record["workflow"], "task_id": record["task_id"],
            "sample": record["sample"], "decoding": record["decoding"],
        },
        "step": step, "round": 0, "parent": parent, "what": what,
    })
}

fn call(content: &str, text: &str) -> Value {
    json!({"call": {
        "role": "coder", "expects": "program", "messages": [{"role": "user", "content": content}],
        "begun": "", "messages_sha256": "m", "temperature": 0.0, "top_p": 1.0, "top_k": null,
        "max_new_tokens": 64, "seed": 1, "model_sha256": "b", "adapter_sha256": null, "prompt_tokens": 9,
        "completion_tokens": 5, "finish_reason": "stop", "text": text, "code_sha256": "p",
        "format_failure": null, "measured": {"wall_s": 0.25},
    }})
}

fn run_of_tests(test: &str, message: &str) -> Value {
    json!({"execution": {
        "code_sha256": "p", "public": 1, "verdict": "failed", "detail": "", "sandbox": "A",
        "tests": [{"test": test, "passed": false, "message": message}],
        "measured": {"cpu_s": 0.05, "wall_s": 0.06, "peak_memory_bytes": 1},
    }})
}

#[test]
fn hostile_texts_are_shown_as_texts_and_run_nothing() {
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    let project = Project::new();
    let mut records = singles();
    records.truncate(30);
    let task = records[0]["task_id"].clone();
    for record in records.iter_mut().filter(|of| of["task_id"] == task) {
        for key in ["program", "completion", "detail"] {
            record[key] = HOSTILE.into();
        }
        record["task_id"] = HOSTILE.into();
        record["verdict"] = "failed".into();
    }
    let hostile = records
        .iter()
        .find(|of| of["task_id"] == HOSTILE)
        .expect("one")
        .clone();
    let events = [
        event(&hostile, 0, None, &call(HOSTILE, HOSTILE)),
        event(&hostile, 1, Some(0), &run_of_tests(HOSTILE, HOSTILE)),
    ];
    let folder = run_with(&project, &records, &events);
    let mut info = json_of(&folder.join("run.json"));
    for key in ["name", "command"] {
        info[key] = HOSTILE.into();
    }
    info["base_model"]["name"] = HOSTILE.into();
    project.write("run/run.json", info.to_string());
    let page = page_of(&project, &folder);
    browser.open_page(&page, "");
    let row = "[...document.querySelectorAll('#rows tr')].find((row) => row.textContent.includes('hacked'))";
    browser.value(&format!("({row}.click(), 1)"));
    browser.wait("document.getElementById('detail').dataset.ready !== undefined");
    browser.value("([...document.querySelectorAll('#detail details')].forEach((of) => { of.open = true; }), 1)");
    let text = browser.text("document.getElementById('detail').textContent");
    // Title, two failures, two programs, request, call, test and answers.
    assert!(
        text.matches(HOSTILE).count() >= 8,
        "{}",
        text.matches(HOSTILE).count()
    );
    assert_eq!(browser.value("typeof window.hacked"), json!("undefined"));
    assert_eq!(
        browser.value("document.querySelectorAll('img, script:not([type]) ~ script').length"),
        json!(0)
    );
    assert_eq!(
        browser.text("document.querySelector('h1').textContent"),
        format!("Evaluation {HOSTILE}")
    );
    assert_eq!(browser.console(), Vec::<String>::new());
    assert_eq!(browser.requests(), Vec::<String>::new());
}

#[test]
fn dark_and_light_and_a_phone_are_readable() {
    let Some(browser) = Browser::start(390, true) else {
        return;
    };
    let project = Project::new();
    let page = page_of(&project, &example());
    browser.open_page(&page, "");
    // Luminance by WCAG 2, of computed colours.
    let contrast = "(() => { \
        const parts = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number); \
        const light = (text) => { const [r, g, b] = parts(text).map((of) => { const c = of / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; }; \
        const back = (of) => { for (let at = of; at; at = at.parentElement) { const c = getComputedStyle(at).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; }; \
        const texts = [...document.querySelectorAll('h1, h2, h3, p, li, td, th, dt, dd, .chip, .verdict, figcaption, svg text, button, select')].filter((of) => of.textContent.trim() && of.getClientRects().length > 0); \
        let worst = [99, '']; \
        for (const of of texts) { const style = getComputedStyle(of); const [a, b] = [light(of instanceof SVGElement ? style.fill : style.color), light(back(of))].sort((x, y) => y - x); const ratio = (a + 0.05) / (b + 0.05); if (ratio < worst[0]) worst = [ratio, of.textContent.slice(0, 40)]; } \
        return worst; })()";
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        browser.scheme(scheme);
        let back = browser.text("getComputedStyle(document.body).backgroundColor");
        assert_eq!(back != "rgb(255, 255, 255)", is_dark, "{scheme}: {back}");
        let worst = browser.value(contrast);
        assert!(worst[0].as_f64() > Some(4.5), "{scheme}: {worst}");
    }
    // The button goes from the system's scheme to light and dark.
    let back = || browser.text("getComputedStyle(document.body).backgroundColor");
    browser.value("(document.getElementById('theme').click(), 1)");
    assert_eq!(back(), "rgb(255, 255, 255)");
    browser.value("(document.getElementById('theme').click(), 1)");
    assert_ne!(back(), "rgb(255, 255, 255)");
    let wide = browser.number("document.documentElement.scrollWidth - innerWidth");
    assert!(
        wide <= 0.0,
        "the page is {wide} pixels too wide for a phone"
    );
    browser.value("(document.querySelector('#rows tr').click(), 1)");
    browser.wait("document.getElementById('detail').dataset.ready !== undefined");
    let left = browser.number("document.getElementById('detail').getBoundingClientRect().left");
    assert!(left >= 0.0, "{left} pixels of a task are cut off");
    let wide = browser.number("document.getElementById('detail').scrollWidth - innerWidth");
    assert!(wide <= 0.0, "a task is {wide} pixels too wide for a phone");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn the_summary_reads_without_javascript() {
    let Some(browser) = Browser::start(1280, false) else {
        return;
    };
    let project = Project::new();
    browser.open(&page_of(&project, &example()), "");
    // WebDriver's own scripts run even so; the page's do not.
    assert_eq!(
        browser.value("document.documentElement.dataset.ready ?? null"),
        Value::Null
    );
    let text = browser.text("document.querySelector('main').innerText");
    for part in [
        "H1: Is the adapter's code more maintainable?",
        "Inconclusive",
        "multi_agent less reflection",
        "All contrasts as tables",
        "need JavaScript",
        "evaluator hypotheses",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert!(!text.contains("Search"), "{text}");
}

#[test]
fn charts_answer_hover_and_keyboard_and_open_their_task() {
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    let project = Project::new();
    browser.open_page(&page_of(&project, &example()), "");
    let kinds =
        browser.value("[...document.querySelectorAll('figure')].map((of) => of.dataset.kind)");
    let kinds: BTreeSet<String> = serde_json::from_value(kinds).expect("words");
    assert_eq!(
        kinds,
        ["bars", "dots", "forest", "grid", "scatter"]
            .map(str::to_owned)
            .into()
    );
    // Every claim of the summary is a row in colour with its numbers.
    let claims = json_of(&example().join("summary.json"))["claims"].clone();
    let claims = claims.as_array().expect("claims").iter();
    let required = claims.filter(|claim| !claim["estimate"].is_null()).count();
    assert_eq!(
        browser.number("document.querySelectorAll('figure[data-kind=forest] .need').length")
            as usize,
        required
    );
    browser.value("(document.querySelector('figure[data-kind=forest] circle').focus(), 1)");
    let tip = browser.text("document.getElementById('tip').textContent");
    assert!(
        tip.contains("smollm2-135m-hypotheses less base") && tip.contains("95 % interval"),
        "{tip}"
    );
    assert_eq!(
        browser.value("document.getElementById('tip').hidden"),
        json!(false)
    );
    browser
        .value("(document.querySelector('figure[data-kind=dots] circle[data-task]').focus(), 1)");
    let task = browser.text("document.activeElement.dataset.task");
    browser.press(ENTER);
    browser.wait("document.getElementById('detail').dataset.ready !== undefined");
    assert_eq!(
        browser.text("document.getElementById('detail-title').textContent"),
        task
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn ten_thousand_answers_are_one_file_of_at_most_15_megabytes() {
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    let project = Project::new();
    let all = lines(&example().join("records.jsonl"));
    let mut records = Vec::new();
    let mut events = Vec::new();
    'all: for copy in 0.. {
        for record in &all {
            let mut record = record.clone();
            let task = format!("{}/{copy}", record["task_id"].as_str().unwrap_or_default());
            // Programs of a large run differ from each other.
            let own = format!("# {task} {}\n", record["seed"]);
            record["program"] =
                format!("{own}{}", record["program"].as_str().unwrap_or_default()).into();
            record["task_id"] = task.into();
            let program = record["program"].as_str().unwrap_or_default().to_owned();
            let request = format!("Complete the function.\n\n{program}");
            events.push(event(&record, 0, None, &call(&request, &program)));
            events.push(event(
                &record,
                1,
                Some(0),
                &run_of_tests("assert f(1) == 2", "AssertionError"),
            ));
            records.push(record);
            if records.len() == 10_000 {
                break 'all;
            }
        }
    }
    let page = page_of(&project, &run_with(&project, &records, &events));
    let size = fs::metadata(&page).expect("a file").len();
    assert!(size <= 15_000_000, "{size} bytes");
    browser.open_page(&page, "");
    let grouped = rows(&records);
    assert_eq!(count(&browser), (grouped.len(), 10_000));
    browser.choose("filter-state", "passed");
    let kept: Vec<_> = grouped
        .iter()
        .filter(|row| row.iter().all(|of| passes(of)))
        .collect();
    assert_eq!(
        count(&browser),
        (kept.len(), kept.iter().map(|row| row.len()).sum())
    );
    browser.value("(document.querySelector('#rows tr').click(), 1)");
    browser.wait("document.getElementById('detail').dataset.ready !== undefined");
    assert!(
        browser
            .text("document.getElementById('detail').textContent")
            .contains("Complete the function.")
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_run_without_answers_or_with_too_many_steps_gives_a_page_that_says_so() {
    let project = Project::new();
    let empty = run_with(&project, &[], &[]);
    let page = fs::read_to_string(page_of(&project, &empty)).expect("a page");
    assert!(page.contains("The run has no answers yet."));
    // Texts that cannot be compressed exceed the smallest limit.
    let mut state = 1_u64;
    let noise: String = (0..1_600_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'!' + ((state >> 33) % 90) as u8)
        })
        .collect();
    let records = &singles()[..1];
    let events = [event(&records[0], 0, None, &call(&noise, "x"))];
    let large = run_with(&project, records, &events);
    let words = ["run", "-o", "small.html", "--limit-mb", "1"];
    let finished = view(&project, &words);
    assert!(
        finished
            .stderr
            .contains("the trajectories of 1 answers are left out"),
        "{}",
        finished.stderr
    );
    let size = fs::metadata(project.path("small.html"))
        .expect("a file")
        .len();
    assert!(size < 1_000_000, "{size}");
    let whole = page_of(&project, &large);
    assert!(fs::metadata(whole).expect("a file").len() > 1_000_000);
}

#[test]
fn mistakes_are_named_with_a_hint() {
    let project = Project::new();
    let of = |words: &[&str]| {
        let finished = view(&project, words);
        assert_eq!(finished.code, Some(2), "{words:?}: {}", finished.stderr);
        finished.stderr
    };
    assert!(of(&["no-such-run"]).contains("no-such-run"));
    project.write("night/adapter/training.json", "{}");
    assert!(of(&["night"]).contains("hint: trainer view night"));
    let example = example().display().to_string();
    assert!(of(&[&example, &example]).contains("hint: name it with -o"));
    let finished = view(&project, &[&example, "-o", "tiny.yaml/page.html"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains("hint: choose another file with -o"),
        "{}",
        finished.stderr
    );
    // Neither a run's own files nor another file is replaced.
    let run = run_with(&project, &singles()[..2], &[]);
    for file in ["run/records.jsonl", "tiny.yaml", "run"] {
        let before = fs::read(project.path(file)).unwrap_or_default();
        let error = of(&[&run.display().to_string(), "-o", file]);
        assert!(error.contains("is not replaced by a page"), "{error}");
        assert_eq!(fs::read(project.path(file)).unwrap_or_default(), before);
    }
    // Numbers that no program has are named with their line.
    for (key, value, named) in [
        (
            "completion_tokens",
            json!(u64::MAX / 2),
            "`completion_tokens` is 9.22",
        ),
        ("tests_passed", json!(99), "99 tests passed of "),
        ("metrics", json!(1e308), "`halstead_volume` is 1e308"),
    ] {
        let mut records = singles();
        let record = records
            .iter_mut()
            .find(|of| of["metrics"].is_object())
            .expect("one");
        if key == "metrics" {
            record["metrics"]["halstead_volume"] = value;
        } else {
            record[key] = value;
        }
        let run = run_with(&project, &records, &[]);
        let finished = view(&project, &[&run.display().to_string()]);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains(named), "{}", finished.stderr);
        assert!(
            finished.stderr.contains("records.jsonl:"),
            "{}",
            finished.stderr
        );
    }
    // Several runs share a page; the same answers twice are two rows each.
    view(&project, &[&example, &example, "-o", "two.html"]).result();
    assert!(
        project
            .read("two.html")
            .contains("<title>2 evaluations</title>")
    );
}
