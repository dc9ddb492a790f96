//! `evaluator view`: the page in a real browser, beside the records and `difflib`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, RIGHT};
use crate::endpoint::{json_of, lines};
use crate::support::{Finished, Project, finish};

pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/example")
}

pub(crate) fn view(project: &Project, words: &[&str]) -> Finished {
    let words = [&["view"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

/// Writes the page of a folder, and returns its path.
pub(crate) fn page_of(project: &Project, folder: &Path) -> PathBuf {
    let name = "page.html";
    view(project, &[&folder.display().to_string(), "-o", name]).result();
    project.path(name)
}

/// Writes a run like the example with these records and steps.
pub(crate) fn run_with(project: &Project, records: &[Value], events: &[Value]) -> PathBuf {
    let mut info = json_of(&example().join("run.json"));
    let mut tasks: Vec<&str> = records
        .iter()
        .filter_map(|of| of["task_id"].as_str())
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    info["benchmarks"][0]["tasks"] = tasks.len().into();
    project.write("run/run.json", info.to_string());
    let text = |lines: &[Value]| -> String {
        let lines = lines.iter().map(|line| {
            format!(
                "{line}
"
            )
        });
        lines.collect()
    };
    project.write("run/records.jsonl", text(records));
    if !events.is_empty() {
        project.write("run/trajectory.jsonl", text(events));
    }
    project.path("run")
}

/// The first records of the example: the base model's and the adapter's single answers.
pub(crate) fn singles() -> Vec<Value> {
    let all = lines(&example().join("records.jsonl")).into_iter();
    let is_single =
        |record: &Value| record["workflow"] == "single" && record["decoding"]["temperature"] == 0.0;
    all.filter(is_single).collect()
}

pub(crate) fn count(browser: &Browser) -> (usize, usize) {
    let of = |key: &str| browser.text(&format!("document.getElementById('count').dataset.{key}"));
    (
        of("rows").parse().expect("a number"),
        of("answers").parse().expect("a number"),
    )
}

/// Groups records as the table does: by task, workflow, sampling and sample.
pub(crate) fn rows(records: &[Value]) -> Vec<Vec<&Value>> {
    let mut rows: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for record in records {
        let key = ["task_id", "workflow", "decoding", "sample"].map(|key| record[key].to_string());
        rows.entry(key.join(" ")).or_default().push(record);
    }
    rows.into_values().collect()
}

pub(crate) fn passes(record: &Value) -> bool {
    record["verdict"] == "passed" && record["tests_total"].as_u64() > Some(0)
}

/// Whether a filter keeps a row.
type Keeps<'a> = Box<dyn Fn(&[&Value]) -> bool + 'a>;

#[test]
#[expect(clippy::too_many_lines, reason = "each filter in one browser")]
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
    browser.wait("location.hash === '#q=halvings'");
    // Back closes a task, and Forward opens it again.
    browser.value("(document.querySelector('#rows tr').click(), 1)");
    browser.wait("document.getElementById('detail').open");
    browser.value("(history.back(), 1)");
    browser.wait("!document.getElementById('detail').open && location.hash === '#q=halvings'");
    browser.value("(history.forward(), 1)");
    browser.wait("document.getElementById('detail').open");
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
