//! `evaluator view`: the page in a real browser, beside the records and `difflib`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, RIGHT};
use crate::endpoint::{json_of, lines};
use crate::support::{Finished, Project, finish};

/// What no page may run or show as markup.
const HOSTILE: &str = "</script><script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 1\"><!-- ]]> ${1} `x` \u{202e}";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/example")
}

fn view(project: &Project, words: &[&str]) -> Finished {
    let words = [&["view"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

/// Writes the page of a folder, and returns its path.
fn page_of(project: &Project, folder: &Path) -> PathBuf {
    let name = "page.html";
    view(project, &[&folder.display().to_string(), "-o", name]).result();
    project.path(name)
}

/// Writes a run like the example with these records and steps.
fn run_with(project: &Project, records: &[Value], events: &[Value]) -> PathBuf {
    let mut info = json_of(&example().join("run.json"));
    let mut tasks: Vec<&str> = records
        .iter()
        .filter_map(|of| of["task_id"].as_str())
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    info["benchmarks"][0]["tasks"] = tasks.len().into();
    project.write("run/run.json", info.to_string());
    let text =
        |lines: &[Value]| -> String { lines.iter().map(|line| format!("{line}\n")).collect() };
    project.write("run/records.jsonl", text(records));
    if !events.is_empty() {
        project.write("run/trajectory.jsonl", text(events));
    }
    project.path("run")
}

/// The first records of the example: the base model's and the adapter's single answers.
fn singles() -> Vec<Value> {
    let all = lines(&example().join("records.jsonl")).into_iter();
    let is_single =
        |record: &Value| record["workflow"] == "single" && record["decoding"]["temperature"] == 0.0;
    all.filter(is_single).collect()
}

fn count(browser: &Browser) -> (usize, usize) {
    let of = |key: &str| browser.text(&format!("document.getElementById('count').dataset.{key}"));
    (
        of("rows").parse().expect("a number"),
        of("answers").parse().expect("a number"),
    )
}

/// Groups records as the table does: by task, workflow, sampling and sample.
fn rows(records: &[Value]) -> Vec<Vec<&Value>> {
    let mut rows: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for record in records {
        let key = ["task_id", "workflow", "decoding", "sample"].map(|key| record[key].to_string());
        rows.entry(key.join(" ")).or_default().push(record);
    }
    rows.into_values().collect()
}

fn passes(record: &Value) -> bool {
    record["verdict"] == "passed" && record["tests_total"].as_u64() > Some(0)
}

#[test]
fn filters_and_search_count_what_the_records_hold() {
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    let project = Project::new();
    let records = lines(&example().join("records.jsonl"));
    browser.open_page(&page_of(&project, &example()), "");
    let rows = rows(&records);
    let expect = |name: &str, keeps: &dyn Fn(&[&Value]) -> bool| {
        let kept: Vec<_> = rows.iter().filter(|row| keeps(row)).collect();
        let answers = kept.iter().map(|row| row.len()).sum();
        assert_eq!(count(&browser), (kept.len(), answers), "{name}");
        kept.len()
    };
    expect("all", &|_| true);
    let clear = || {
        browser.value(
            "(document.activeElement.blur(), document.querySelector('#filters button').click(), 1)",
        )
    };
    let base = |row: &[&Value]| {
        row.iter()
            .find(|of| of["arm"] == "base")
            .map(|of| (*of).clone())
    };
    let other = |row: &[&Value]| {
        row.iter()
            .find(|of| of["arm"] != "base")
            .map(|of| (*of).clone())
    };
    let both = |row: &[&Value]| base(row).zip(other(row));
    let mi = |record: &Value| record["metrics"]["maintainability_index"].as_f64();
    type Keeps<'a> = Box<dyn Fn(&[&Value]) -> bool + 'a>;
    let states: Vec<(&str, Keeps)> = vec![
        ("failed", Box::new(|row| row.iter().any(|of| !passes(of)))),
        ("passed", Box::new(|row| row.iter().all(|of| passes(of)))),
        (
            "changed",
            Box::new(move |row| both(row).is_some_and(|(a, b)| passes(&a) != passes(&b))),
        ),
        (
            "improved",
            Box::new(move |row| both(row).is_some_and(|(a, b)| !passes(&a) && passes(&b))),
        ),
        (
            "worse",
            Box::new(move |row| both(row).is_some_and(|(a, b)| passes(&a) && !passes(&b))),
        ),
        (
            "mi_up",
            Box::new(move |row| {
                both(row).is_some_and(|(a, b)| mi(&a).zip(mi(&b)).is_some_and(|(a, b)| b > a))
            }),
        ),
    ];
    let mut found = 0;
    for (state, keeps) in &states {
        browser.choose("filter-state", state);
        found += expect(state, keeps);
        clear();
    }
    assert!(found > 0, "no filter keeps anything");
    for (id, value, key) in [
        ("filter-workflow", "reflection", "workflow"),
        ("filter-verdict", "error", "verdict"),
        ("filter-arm", "smollm2-135m-hypotheses", "arm"),
    ] {
        browser.choose(id, value);
        assert!(
            expect(id, &|row| row.iter().any(|of| of[key] == value)) > 0,
            "{id}"
        );
        clear();
    }
    // Filters hold together, and for one and the same answer.
    browser.choose("filter-workflow", "multi_agent");
    browser.choose("filter-verdict", "failed");
    expect("two filters", &|row| {
        row.iter()
            .any(|of| of["workflow"] == "multi_agent" && of["verdict"] == "failed")
    });
    clear();
    // By keyboard: a part of an id, then of an error, which no id has.
    browser.press("/");
    browser.press("halv");
    expect("search", &|row| {
        row.iter()
            .any(|of| of["task_id"].as_str().is_some_and(|id| id.contains("halv")))
    });
    clear();
    browser.press("/");
    browser.press("NameError");
    let in_detail = |of: &Value, words: &str| {
        of["detail"]
            .as_str()
            .is_some_and(|detail| detail.to_lowercase().contains(words))
    };
    expect("error", &|row| {
        row.iter().any(|of| in_detail(of, "nameerror"))
    });
    clear();
    // In programs too.
    browser.value("(document.getElementById('deep').click(), 1)");
    browser.press("/");
    browser.press("range(");
    browser.wait("document.getElementById('count').textContent.includes('answer')");
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_lowercase();
    let n = expect("programs", &|row| {
        row.iter().any(|of| {
            let here = format!("{}\n{}", text(of, "program"), text(of, "completion"));
            here.contains("range(")
                || in_detail(of, "range(")
                || text(of, "task_id").contains("range(")
        })
    });
    assert!(n > 0, "no program has a range");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_task_opens_by_keyboard_and_by_link_and_the_page_asks_for_nothing() {
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    let project = Project::new();
    let page = page_of(&project, &example());
    browser.open_page(&page, "");
    browser.press("/");
    browser.press("halvings");
    browser.value("(document.querySelector('#rows tr').focus(), 1)");
    let focused = || browser.text("document.activeElement.getAttribute('aria-label')");
    let first = focused();
    browser.press(DOWN);
    assert_ne!(focused(), first, "the arrow moves to the next row");
    browser.press(ENTER);
    browser.wait("document.getElementById('detail').dataset.ready !== undefined");
    assert_eq!(
        browser.value("document.getElementById('detail').open"),
        json!(true)
    );
    let title = || browser.text("document.getElementById('detail-title').textContent");
    assert_eq!(title(), "embedded/halvings");
    let address = browser.text("location.hash");
    assert!(
        address.contains("task=embedded%2Fhalvings") && address.contains("q=halvings"),
        "{address}"
    );
    let left = || {
        browser.text("document.getElementById('side-left').value + document.getElementById('side-right').value")
    };
    let shown = left();
    browser.press(RIGHT);
    browser.wait("document.getElementById('detail').open");
    let next = browser.text("location.hash");
    assert_ne!(next, address, "the arrow opens the next row");
    browser.press(ESCAPE);
    browser.wait("!document.getElementById('detail').open");
    // The link shows the same.
    browser.open_page(&page, &address);
    browser.wait("document.getElementById('detail').dataset.ready !== undefined");
    assert_eq!((title(), left()), ("embedded/halvings".to_owned(), shown));
    assert_eq!(
        browser.text("document.getElementById('search').value"),
        "halvings"
    );
    // A link to nothing opens nothing, and is no error.
    browser.open_page(&page, "#task=no%2Fsuch&workflow=none&verdict=%3Cb%3E");
    assert_eq!(
        browser.value("document.getElementById('detail').open"),
        json!(false)
    );
    assert!(
        browser
            .text("document.getElementById('count').textContent")
            .contains("no answer to the task no/such")
    );
    assert_eq!(browser.console(), Vec::<String>::new());
    assert_eq!(browser.requests(), Vec::<String>::new());
    // The policy would not allow a request, were there one.
    let refused = browser.value("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)");
    assert_eq!(refused, json!(0));
    assert!(
        browser
            .console()
            .iter()
            .any(|line| line.contains("Content Security Policy"))
    );
}

/// Reads how `difflib` compares two programs of each pair, with 3 lines of context and with all.
fn difflib(pairs: &[(String, String)]) -> Vec<[Vec<String>; 2]> {
    let script = "import difflib, json, sys\n\
        def lines(text):\n    found = text.split('\\n')\n    return found[:-1] if found[-1] == '' else found\n\
        def unified(a, b, n):\n    return [line for line in difflib.unified_diff(lines(a), lines(b), n=n, lineterm='')][2:]\n\
        print(json.dumps([[unified(a, b, 3), unified(a, b, 10 ** 6)] for a, b in json.load(sys.stdin)]))\n";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    let input = serde_json::to_string(pairs).expect("JSON");
    let mut pipe = python.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut pipe, input.as_bytes()));
    let output = python.wait_with_output().expect("an output");
    writer.join().expect("a thread").expect("written");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Programs with changed, moved and repeated lines, some longer than the length at which frequent lines are ignored.
fn pairs() -> Vec<(String, String)> {
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let mut pairs = vec![
        ("a = 1\n".to_owned(), String::new()),
        (String::new(), "a = 1\nb = 2".to_owned()),
        ("same\n".to_owned(), "same\n".to_owned()),
    ];
    for n in [3, 12, 40, 230, 450] {
        for words in [2, 9, 60] {
            let before: Vec<String> = (0..n).map(|_| format!("line {}", random(words))).collect();
            let mut after = before.clone();
            for _ in 0..=n / 8 {
                let at = random(after.len() as u64) as usize;
                match random(3) {
                    0 => after.insert(at, format!("line {}", random(words))),
                    1 if after.len() > 1 => drop(after.remove(at)),
                    _ => after[at] = format!("new {}", random(words)),
                }
            }
            pairs.push((before.join("\n") + "\n", after.join("\n")));
        }
    }
    pairs
}

#[test]
fn lines_of_a_difference_equal_those_of_difflib() {
    let Some(browser) = Browser::start(1280, true) else {
        return;
    };
    let project = Project::new();
    let pairs = pairs();
    let sample = singles();
    let of_arm = |arm: &str| {
        sample
            .iter()
            .find(|of| (of["arm"] == "base") == (arm == "base"))
            .expect("one")
            .clone()
    };
    let mut records = Vec::new();
    for (at, (before, after)) in pairs.iter().enumerate() {
        for (arm, program) in [("base", before), ("adapter", after)] {
            let mut record = of_arm(arm);
            record["task_id"] = format!("pairs/{at}").into();
            record["program"] = program.as_str().into();
            records.push(record);
        }
    }
    let page = page_of(&project, &run_with(&project, &records, &[]));
    let shown = "[...document.querySelectorAll('#detail .diff tr')].map((row) => row.dataset.line ?? row.textContent)";
    for (at, (expected, (_, after))) in difflib(&pairs).iter().zip(&pairs).enumerate() {
        browser.open_page(&page, &format!("#task=pairs%2F{at}"));
        browser.wait("document.getElementById('detail').dataset.ready !== undefined");
        for (whole, expected) in expected.iter().enumerate() {
            if whole == 1 {
                browser.value("(delete document.getElementById('detail').dataset.ready, document.getElementById('whole').click(), 1)");
                browser.wait("document.getElementById('detail').dataset.ready !== undefined");
            }
            // Where nothing differs, the one program is shown.
            let same: Vec<String> = after.lines().map(|line| format!(" {line}")).collect();
            let expected = if expected.is_empty() { &same } else { expected };
            assert_eq!(&browser.value(shown), &json!(expected), "pair {at}");
        }
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}

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
        browser.number("document.querySelectorAll('img, script:not([type]) ~ script').length"),
        0.0
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
fn a_run_without_records_or_with_too_many_steps_gives_a_page_that_says_so() {
    let project = Project::new();
    let empty = run_with(&project, &[], &[]);
    let page = fs::read_to_string(page_of(&project, &empty)).expect("a page");
    assert!(page.contains("The run has no answers yet."));
    fs::remove_file(empty.join("records.jsonl")).expect("a file");
    page_of(&project, &empty);
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
    // Several runs share a page; the same answers twice are two rows each.
    view(&project, &[&example, &example, "-o", "two.html"]).result();
    assert!(
        project
            .read("two.html")
            .contains("<title>2 evaluations</title>")
    );
}
