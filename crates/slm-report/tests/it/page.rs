//! The page as a whole: a snapshot, degenerate runs and hostile texts.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use slm_artifacts::{ContaminationSearch, Verdict};
use slm_report::{ProgramMetrics, Report, RunInfo, SampleRecord, build};

use crate::synthetic::{self, metrics, records, run, sample, solved, unparsable};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/report");

/// Builds a report and checks the invariants of every report.
pub(crate) fn check(records: &[SampleRecord], run: &RunInfo) -> Report {
    let report = build(run, records);
    for word in ["NaN", "inf", "Infinity", "null "] {
        assert!(
            !report.markdown.contains(word),
            "`{word}` in:\n{}",
            report.markdown
        );
    }
    assert!(!report.summary.to_string().contains("NaN"));
    let options = Options::ENABLE_TABLES;
    for event in Parser::new_ext(&report.markdown, options) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => check_tags(&html),
            Event::Start(Tag::Link { dest_url, .. }) => {
                assert!(dest_url.starts_with('#'), "a link to {dest_url}");
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let linked = report.pictures.iter().any(|(path, _)| **path == *dest_url);
                assert!(linked, "{dest_url}");
            }
            _ => {}
        }
    }
    for (name, _) in &report.pictures {
        assert!(
            report.markdown.contains(name.as_str()),
            "{name} is not shown"
        );
    }
    check_sections(&report.markdown);
    for (name, svg) in &report.pictures {
        let picture =
            roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(picture.root_element().tag_name().name(), "svg");
        let drawn = [
            "svg", "style", "text", "rect", "circle", "line", "polyline", "polygon",
        ];
        check_colours(name, &picture);
        for node in picture
            .root_element()
            .descendants()
            .filter(roxmltree::Node::is_element)
        {
            assert!(
                drawn.contains(&node.tag_name().name()),
                "{name} holds {:?}",
                node.tag_name()
            );
        }
        assert!(!svg.contains("NaN"), "{name}");
    }
    let lines: Vec<&str> = report.markdown.lines().collect();
    for rows in lines.windows(4) {
        let is_head = |line: &str| line.starts_with("| --- |");
        let is_apart = is_head(rows[0]) && rows[1].is_empty() && rows[2].starts_with('|');
        assert!(
            !is_apart || is_head(rows[3]),
            "apart from its table: {}",
            rows[2]
        );
    }
    report
}

/// The text of an event in a heading.
fn heading_text(event: &Event) -> String {
    match event {
        Event::Text(text) | Event::Code(text) => text.to_string(),
        _ => String::new(),
    }
}

/// Asserts that the contents list names every section in its order, with its anchor on GitHub, that no section is
/// empty, and that its pictures precede its tables.
fn check_sections(markdown: &str) {
    let events: Vec<Event> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let mut links = Vec::new();
    let mut anchors: Vec<String> = Vec::new();
    let (mut content, mut has_table) = (true, false);
    let mut level_before = HeadingLevel::H1;
    let mut events = events.iter();
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let inside = events.by_ref();
                let text: String = inside
                    .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
                    .map(heading_text)
                    .collect();
                // A section may consist of subsections.
                assert!(content || *level > level_before, "nothing before `{text}`");
                (content, has_table, level_before) = (false, false, *level);
                if *level > HeadingLevel::H1 {
                    let kept = text
                        .chars()
                        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
                    let anchor: String = kept.collect();
                    anchors.push(anchor.to_lowercase().replace(' ', "-"));
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                links.push(dest_url.trim_start_matches('#').to_owned());
                content = true;
            }
            Event::Start(Tag::Table(_)) => (content, has_table) = (true, true),
            Event::Start(Tag::Image { dest_url, .. }) => {
                assert!(!has_table, "{dest_url} is below a table of its section");
                content = true;
            }
            _ => content = true,
        }
    }
    assert!(content, "nothing in the last section");
    assert_eq!(links, anchors);
}

/// Asserts that every colour of a picture is another one where dark is preferred, the card's too.
fn check_colours(name: &str, picture: &roxmltree::Document) {
    let style = picture
        .descendants()
        .find(|node| node.has_tag_name("style"))
        .unwrap_or_else(|| panic!("{name} has no style"));
    let style = style.text().unwrap_or_default();
    assert!(
        style.contains("@media (prefers-color-scheme: dark)"),
        "{name}: {style}"
    );
    for node in picture.descendants() {
        for attribute in ["fill", "stroke"] {
            let Some(color) = node.attribute(attribute).filter(|of| *of != "none") else {
                continue;
            };
            let rule = format!("[{attribute}=\"{color}\"] {{ {attribute}: #");
            let (_, dark) = style
                .split_once(&rule)
                .unwrap_or_else(|| panic!("{name}: {color} has no dark counterpart in {style}"));
            assert_ne!(
                &dark[..6],
                &color[1..],
                "{name}: {color} is the same on both"
            );
        }
    }
    let card = picture
        .descendants()
        .find(|node| node.has_tag_name("rect"))
        .and_then(|card| card.attribute("fill"));
    assert_eq!(card, Some("#FFFFFF"), "{name}");
    assert!(
        style.contains("[fill=\"#FFFFFF\"] { fill: #0D1117 }"),
        "{name}: a white card"
    );
}

/// Asserts that HTML consists only of the templates' own tags.
fn check_tags(html: &str) {
    let ours = [
        "details", "/details", "summary", "/summary", "code", "/code",
    ];
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        assert!(ours.contains(&tag), "foreign tag <{tag}> in {html}");
    }
}

/// Returns the number of cells of every row of every Markdown table.
pub(crate) fn row_widths(markdown: &str) -> Vec<Vec<usize>> {
    let mut tables: Vec<Vec<usize>> = Vec::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Table(_)) => tables.push(Vec::new()),
            Event::Start(Tag::TableHead | Tag::TableRow) => {
                tables.last_mut().expect("a table").push(0);
            }
            Event::Start(Tag::TableCell) => {
                *tables
                    .last_mut()
                    .and_then(|rows| rows.last_mut())
                    .expect("a row") += 1;
            }
            _ => {}
        }
    }
    tables
}

#[test]
fn the_page_reads_as_the_snapshot() {
    let report = check(&records(&["adapter"], 40), &run(&["adapter"]));
    check_snapshot("synthetic.md", &report);
}

/// Asserts that a page equals its reviewed golden.
pub(crate) fn check_snapshot(file: &str, report: &Report) {
    let golden = format!("{GOLDEN}/{file}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &report.markdown).expect("the snapshot is writable");
    }
    let expected = std::fs::read_to_string(&golden).expect("the snapshot exists");
    assert!(
        report.markdown == expected,
        "the report differs from {golden}; if this is intended, rerun the test with UPDATE_GOLDEN=1 and review the diff"
    );
}

#[test]
fn a_report_made_twice_is_the_same() {
    let (records, run) = (records(&["adapter"], 12), run(&["adapter"]));
    assert_eq!(check(&records, &run), check(&records, &run));
}

#[test]
fn two_adapters_are_each_compared_with_the_base_model() {
    let names = ["short", "long"];
    let report = check(&records(&names, 30), &run(&names));
    assert_eq!(report.markdown.matches("With adapter `").count(), 2);
    let adapters = report.summary["findings"]["h1"]["adapters"]
        .as_array()
        .expect("a list");
    assert_eq!(adapters.len(), 2);
    // Holm's correction covers both adapters' claims: four contrasts.
    let raw = adapters[0]["claims"][0]["p"].as_f64().expect("p");
    let adjusted = adapters[0]["claims"][0]["holm_p"]
        .as_f64()
        .expect("adjusted p");
    assert!(adjusted >= raw);
}

#[test]
fn no_records_give_a_page_that_concludes_nothing() {
    let report = check(&[], &run(&["adapter"]));
    assert!(report.markdown.contains("**H1 inconclusive.**"));
    let alone = check(&[], &run(&[]));
    assert!(alone.markdown.contains("nothing to compare"));
}

#[test]
fn one_task_gives_a_difference_without_an_interval() {
    let mut tuned = sample("adapter", 1);
    tuned.metrics = Some(metrics(90.0, 80.0));
    let report = check(&[sample("base", 1), tuned], &run(&["adapter"]));
    assert!(
        report.markdown.contains("MI rose by 20.0 points"),
        "{}",
        report.markdown
    );
    assert!(report.markdown.contains("too few tasks for an interval"));
    assert!(report.markdown.contains("**H1 inconclusive.**"));
}

#[test]
fn programs_that_never_parse_have_no_mi_and_are_not_imputed() {
    let records: Vec<_> = ["base", "adapter"]
        .iter()
        .flat_map(|arm| (0..5).map(|task| unparsable(sample(arm, task))))
        .collect();
    let report = check(&records, &run(&["adapter"]));
    assert!(report.markdown.contains("MI cannot be compared"));
    assert!(
        report.markdown.contains("| MI, mean | – | – |"),
        "{}",
        report.markdown
    );
    assert!(
        report
            .markdown
            .contains("No task has programs with an MI from both")
    );
}

#[test]
fn an_arm_that_misses_tasks_is_paired_where_it_can_and_the_page_says_so() {
    let mut records: Vec<_> = (0..6).map(|task| sample("base", task)).collect();
    records.extend((0..4).map(|task| solved(sample("adapter", task))));
    let report = check(&records, &run(&["adapter"]));
    assert!(
        report
            .markdown
            .contains("**Unfinished run.** Tasks without any sample: `adapter` 2.")
    );
    assert_eq!(
        report.summary["findings"]["h1"]["adapters"][0]["paired"][0]["n"],
        4
    );
    assert_eq!(
        report.summary["findings"]["h1"]["adapters"][0]["solved"]["tasks"],
        4
    );
}

#[test]
fn an_arm_without_any_sample_still_gives_a_page() {
    let records: Vec<_> = (0..3).map(|task| sample("base", task)).collect();
    let report = check(&records, &run(&["adapter"]));
    assert!(report.markdown.contains("have no task in common"));
}

#[test]
fn records_of_an_arm_the_run_does_not_name_are_shown() {
    let records = [sample("base", 1), sample("stranger", 1)];
    assert!(
        check(&records, &run(&[]))
            .markdown
            .contains("With adapter `stranger`")
    );
}

#[test]
fn several_samples_of_a_task_count_as_one_task() {
    let mut records = Vec::new();
    for task in 0..8 {
        for number in 0..3 {
            let mut base = sample("base", task);
            base.sample = number;
            let mut tuned = sample("adapter", task);
            tuned.sample = number;
            tuned.metrics = Some(metrics(71.0 + f64::from(number), 65.0));
            records.extend([base, if number == 0 { solved(tuned) } else { tuned }]);
        }
    }
    let mut run = run(&["adapter"]);
    run.sampling.samples_per_task = 3;
    run.sampling.temperature = 0.7;
    let report = check(&records, &run);
    let mi = &report.summary["findings"]["h1"]["adapters"][0]["paired"][0];
    assert_eq!(mi["n"], 8);
    assert_eq!(mi["difference"], 2.0);
    let tuned = &report.summary["findings"]["h1"]["arms"][1];
    assert!((tuned["pass_rate"]["share"].as_f64().expect("a rate") - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(tuned["pass_at_k"]["rate"], 1.0);
    assert!(report.markdown.contains("pass@k"));
    assert_eq!(
        report.summary["findings"]["h1"]["adapters"][0]["solved"]["mcnemar_p"],
        serde_json::Value::Null
    );
}

#[test]
fn the_interval_of_a_rate_is_over_tasks_and_not_over_samples() {
    let mut records = Vec::new();
    for task in 0..8 {
        for number in 0..2 {
            let mut base = sample("base", task);
            base.sample = number;
            records.push(if task < 4 && number == 0 {
                solved(base)
            } else {
                base
            });
        }
    }
    let rate = |records: &[SampleRecord]| {
        let found = &check(records, &run(&[])).summary["findings"]["h1"]["arms"][0]["pass_rate"];
        (
            found["share"].as_f64(),
            found["interval"]["high"].as_f64().expect("an interval"),
        )
    };
    // No task passes more than half of its samples, so no resample of tasks does.
    let (share, high) = rate(&records);
    assert_eq!(share, Some(0.25));
    assert!(high > 0.25 && high <= 0.5, "{high}");
    // One sample per task: Wilson's interval of 4 out of 8, as in statsmodels.
    let first: Vec<_> = records.into_iter().step_by(2).collect();
    let (share, high) = rate(&first);
    assert_eq!(share, Some(0.5));
    assert!((high - 0.784_783_937_786).abs() < 1e-9, "{high}");
}

#[test]
fn unparsable_counts_as_zero_in_the_sensitivity_row_alone() {
    let records = [
        sample("base", 1),
        sample("base", 2),
        sample("adapter", 1),
        unparsable(sample("adapter", 2)),
    ];
    let report = check(&records, &run(&["adapter"]));
    let adapter = &report.summary["findings"]["h1"]["adapters"][0];
    assert_eq!(adapter["paired"][0]["n"], 1);
    assert_eq!(adapter["paired"][0]["difference"], 0.0);
    assert_eq!(adapter["subsets"][3]["contrasts"][0]["n"], 2);
    assert_eq!(adapter["subsets"][3]["contrasts"][0]["difference"], -35.0);
}

#[test]
fn a_clear_rise_is_supported_and_a_clear_fall_is_not() {
    let with_rise = |rise: f64| {
        let mut records: Vec<_> = (0..20).map(|task| sample("base", task)).collect();
        records.extend((0..20).map(|task| {
            let mut tuned = sample("adapter", task);
            let own = f64::from((task % 5) as u32);
            tuned.metrics = Some(ProgramMetrics {
                ..metrics(70.0 + rise + own, 65.0 + rise + own)
            });
            tuned
        }));
        check(&records, &run(&["adapter"])).markdown
    };
    assert!(
        with_rise(6.0)
            .contains("> **H1 supported.** With adapter `adapter`, MI rose by 8.0 points")
    );
    assert!(
        with_rise(-9.0)
            .contains("> **H1 not supported.** With adapter `adapter`, MI fell by 7.0 points")
    );
}

#[test]
fn hostile_names_and_programs_stay_text() {
    let hostile = "\u{1b}\u{202d}</code></details><script>alert(1)</script>|`a`|\n\n# Heading [x](http://e.example) \u{202e}\u{0}<img src=x>";
    let program = format!(
        "```\n````\n</td></tr></table></details>\n<script>alert(1)</script>\n{}\n\u{1b}[31m\u{202e}{hostile}\n{}",
        "x".repeat(50_000),
        "pass\n".repeat(5_000)
    );
    let mut records = Vec::new();
    for (arm, mi) in [("base", 50.0), (hostile, 80.0)] {
        for task in 0..3 {
            let mut sample = sample(arm, task);
            sample.task_id = format!("{hostile}{task}");
            sample.benchmark = hostile.to_owned();
            sample.program.clone_from(&program);
            sample.completion.clone_from(&program);
            sample.detail = Some(hostile.to_owned());
            sample.metrics = Some(metrics(mi + task as f64, mi));
            sample.verdict = Verdict::OutputLimit;
            records.push(sample);
        }
    }
    let mut run = run(&[hostile]);
    run.name = hostile.to_owned();
    run.command = program.clone();
    run.recipe.yaml = format!("{program}\n{hostile}");
    run.sandbox.level = hostile.to_owned();
    for property in &mut run.sandbox.properties {
        hostile.clone_into(&mut property.name);
    }
    run.timings[0].phase = hostile.to_owned();
    run.benchmarks[0].name = hostile.to_owned();
    let report = check(&records, &run);

    assert!(
        report
            .markdown
            .lines()
            .filter(|line| !line.contains("xxxx"))
            .all(|line| line.len() < 6_000)
    );
    for hidden in ['\u{202d}', '\u{202e}', '\u{0}', '\u{1b}'] {
        assert!(!report.markdown.contains(hidden), "{hidden:?}");
        assert!(
            report.pictures.iter().all(|(_, svg)| !svg.contains(hidden)),
            "{hidden:?}"
        );
    }
    for rows in row_widths(&report.markdown) {
        assert!(
            rows.iter().all(|width| *width == rows[0]),
            "a row of another width: {rows:?}"
        );
    }
    let headings = Parser::new(&report.markdown)
        .filter(|event| matches!(event, Event::Start(Tag::Heading { .. })))
        .count();
    let plain = check(
        &synthetic::records(&["adapter"], 4),
        &synthetic::run(&["adapter"]),
    );
    let expected = Parser::new(&plain.markdown)
        .filter(|event| matches!(event, Event::Start(Tag::Heading { .. })))
        .count();
    assert_eq!(headings, expected);
    let unfenced = Parser::new(&report.markdown)
        .filter(|event| matches!(event, Event::Start(Tag::CodeBlock(CodeBlockKind::Indented))))
        .count();
    assert_eq!(unfenced, 0);
}

#[test]
fn what_was_searched_for_and_left_out_is_told_and_what_was_not_is_too() {
    let mut run = run(&["adapter"]);
    let mut check = |benchmarks: &[&str], left_out, expected: &str| {
        run.adapters[0].search = Some(ContaminationSearch {
            benchmarks: benchmarks.iter().map(ToString::to_string).collect(),
            left_out,
        });
        let page = build(&run, &[]).markdown;
        assert!(page.contains(expected), "`{expected}` is not in {page}");
    };
    check(
        &["starter", "mbpp+"],
        1,
        "`adapter`: its training left out 1 example that shared text or code with a task of `starter`, `mbpp+`. ",
    );
    check(
        &["humaneval"],
        20,
        "left out 20 examples that shared text or code with a task of `humaneval`; overlap with `starter` was not \
         measured. ",
    );
}

#[test]
fn a_run_of_the_base_model_alone_has_its_tasks_and_no_section_on_adapters() {
    let records: Vec<_> = (0..8).map(|task| sample("base", task)).collect();
    let report = check(&records, &run(&[]));
    check_snapshot("base-only.md", &report);
    for section in ["### Paired differences", "### Examples", "### Does it hold"] {
        assert!(!report.markdown.contains(section), "{section}");
    }
    assert!(report.markdown.contains("\n## Base model\n"));
    assert!(report.markdown.contains("8 tasks: tests, MI"));
    let pictures: Vec<&str> = report.pictures.iter().map(|(name, _)| &**name).collect();
    assert_eq!(pictures, ["pictures/rates.svg", "pictures/shape.svg"]);
}
