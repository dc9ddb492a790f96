//! The context of the page's templates: the findings, and data of the run and of its records.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_artifacts::{StopReason, Verdict};
use slm_statistics::{POWER, RESAMPLES};

use crate::charts;
use crate::drafts::Drafts;
use crate::examples::{Example, Unparsed, examples};
use crate::findings::Findings;
use crate::findings::arms::{ArmSamples, Arms};
use crate::findings::cell_summary::CellSummary;
use crate::findings::claim::Claim;
use crate::findings::conclusion::MIN_PAIRS;
use crate::markdown;
use crate::published::Published;
use crate::record::{RunInfo, SampleRecord};
use crate::record_counts::RecordCounts;
use crate::run_cost::{COST_PHRASES, RunCost};
use crate::sample_metric::{MI, MI_CODE, SampleMetric, by_task};

/// The page and its sections.
const TEMPLATES: [(&str, &str); 17] = [
    ("report", include_str!("templates/report.md.jinja")),
    ("headline", include_str!("templates/headline.md.jinja")),
    ("own_code", include_str!("templates/own_code.md.jinja")),
    ("h1", include_str!("templates/h1.md.jinja")),
    ("h2", include_str!("templates/h2.md.jinja")),
    ("h3", include_str!("templates/h3.md.jinja")),
    ("lookups", include_str!("templates/lookups.md.jinja")),
    ("workflows", include_str!("templates/workflows.md.jinja")),
    ("routers", include_str!("templates/routers.md.jinja")),
    ("bodies", include_str!("templates/bodies.md.jinja")),
    ("parsons", include_str!("templates/parsons.md.jinja")),
    ("cells", include_str!("templates/cells.md.jinja")),
    (
        "what_it_cost",
        include_str!("templates/what_it_cost.md.jinja"),
    ),
    COST_PHRASES,
    ("threats", include_str!("templates/threats.md.jinja")),
    ("rerun", include_str!("templates/rerun.md.jinja")),
    ("phrases", include_str!("templates/phrases.md.jinja")),
];

/// With fewer pairs than this, an interval is only approximate.
const FEW_PAIRS: usize = 20;

/// Renders the whole page as GitHub Markdown.
pub(crate) fn render(
    (run, cost): (&RunInfo, Option<&RunCost>),
    records: &[SampleRecord],
    arms: &Arms,
    findings: &Findings,
    cells: &[CellSummary],
) -> String {
    markdown::render(
        &TEMPLATES,
        &Page::new((run, cost), records, arms, findings, cells),
    )
}

/// The context of the templates.
#[derive(Serialize)]
struct Page<'a> {
    run: &'a RunInfo,
    /// `None` before the run's times are recorded.
    cost: Option<&'a RunCost>,
    /// Number of answers of the finished run.
    n_answers: usize,
    n_tasks: usize,
    statistics_seed: u64,
    /// The metrics, by the keys that contrasts and claims use.
    metrics: BTreeMap<&'static str, SampleMetric>,
    claims: Vec<&'a Claim>,
    /// Whether a hypothesis has several claims about one contrast.
    several_claims: bool,
    #[serde(flatten)]
    findings: &'a Findings,
    /// One entry per adapter of H1, in its order.
    adapters: Vec<AdapterTasks<'a>>,
    /// The keys of the metrics of H1 with a chart, in the charts' order.
    charts_of_h1: Vec<&'static str>,
    /// The tasks of a run without an adapter.
    base_tasks: Vec<TaskRow<'a>>,
    /// The keys of the metrics in [`TaskRow::values`].
    task_metrics: Vec<&'static str>,
    detectable_rate_difference: Option<f64>,
    cells: Vec<CellRow<'a>>,
    /// `None` if no workflow drew several drafts.
    drafts: Option<Drafts>,
    published: Option<Published>,
    records: RecordCounts,
    /// Whether the run measured publishers' own solutions.
    has_human: bool,
    min_pairs: usize,
    few_pairs: usize,
    power: f64,
    resamples: usize,
}

impl<'a> Page<'a> {
    fn new(
        (run, cost): (&'a RunInfo, Option<&'a RunCost>),
        records: &'a [SampleRecord],
        arms: &'a Arms,
        findings: &'a Findings,
        cells: &'a [CellSummary],
    ) -> Self {
        let claims: Vec<&Claim> = findings.claims().collect();
        let same = |a: &Claim, b: &Claim| a.hypothesis == b.hypothesis && a.contrast == b.contrast;
        let mut earlier = claims.iter().enumerate();
        let drafts = Drafts::new(run, records);
        Self {
            run,
            cost,
            n_answers: run.n_answers(),
            n_tasks: run.n_tasks(),
            statistics_seed: run.statistics_seed(),
            metrics: SampleMetric::all()
                .map(|metric| (metric.key, metric))
                .collect(),
            several_claims: earlier
                .any(|(at, claim)| claims[..at].iter().any(|other| same(claim, other))),
            claims,
            findings,
            adapters: arms
                .adapters
                .iter()
                .map(|adapter| AdapterTasks::new(arms, adapter))
                .collect(),
            charts_of_h1: findings
                .comparison
                .iter()
                .flat_map(charts::metrics_of_h1)
                .map(|metric| metric.key)
                .collect(),
            base_tasks: arms
                .tasks
                .iter()
                .filter(|_| arms.adapters.is_empty())
                .map(|task| TaskRow::new(task, &arms.base, &arms.base))
                .collect(),
            task_metrics: by_task().iter().map(|metric| metric.key).collect(),
            detectable_rate_difference: findings
                .collaboration
                .as_ref()
                .and_then(|found| found.contrasts.first()?.solved.detectable_difference()),
            cells: cells
                .iter()
                .map(|cell| CellRow::new(cell, drafts.as_ref()))
                .collect(),
            drafts,
            published: Published::new(run, records),
            records: RecordCounts::new(records),
            has_human: !run.human.is_empty(),
            min_pairs: MIN_PAIRS,
            few_pairs: FEW_PAIRS,
            power: POWER,
            resamples: RESAMPLES,
        }
    }
}

/// One adapter and the base model, task by task.
#[derive(Serialize)]
struct AdapterTasks<'a> {
    name: &'a str,
    examples: Vec<Example<'a>>,
    /// Any task that both answered, shown if there is no example.
    unparsed: Option<Unparsed<'a>>,
    tasks: Vec<TaskRow<'a>>,
}

impl<'a> AdapterTasks<'a> {
    fn new(arms: &'a Arms, adapter: &'a ArmSamples) -> Self {
        let first = |task: &&str| {
            let base = *arms.base.of_task(task).first()?;
            Some((base, *adapter.of_task(task).first()?))
        };
        Self {
            name: adapter.name,
            examples: examples(arms.tasks.iter().filter_map(first)),
            unparsed: (arms.tasks.iter().find_map(first))
                .map(|(base, adapter)| Unparsed::new(base, adapter)),
            tasks: arms
                .tasks
                .iter()
                .map(|task| TaskRow::new(task, &arms.base, adapter))
                .collect(),
        }
    }
}

/// A task in the table of all tasks.
#[derive(Serialize)]
struct TaskRow<'a> {
    task: &'a str,
    base: Answers,
    adapter: Answers,
    /// One entry per metric of [`by_task`].
    values: Vec<TaskValues>,
}

/// The results of one arm's samples of a task.
#[derive(Serialize)]
struct Answers {
    samples: usize,
    passed: usize,
    /// The verdict and the following two fields are those of the first sample.
    verdict: Option<Verdict>,
    tests_passed: usize,
    tests_total: usize,
}

/// A metric of a task.
#[derive(Serialize)]
struct TaskValues {
    base: Shown,
    adapter: Shown,
    difference: Shown,
}

/// A value with the number of decimals to display.
#[derive(Serialize)]
struct Shown {
    value: Option<f64>,
    digits: usize,
}

impl Shown {
    /// Gives an index one decimal, and a count one only if it is an average.
    fn new(metric: &SampleMetric, value: Option<f64>) -> Self {
        let is_index = [MI.key, MI_CODE.key].contains(&metric.key);
        let digits = usize::from(is_index || value.is_some_and(|value| value.fract() != 0.0));
        Self { value, digits }
    }
}

impl<'a> TaskRow<'a> {
    fn new(task: &'a str, base: &ArmSamples, adapter: &ArmSamples) -> Self {
        let metrics = by_task();
        let values = metrics.iter().map(|metric| {
            let [base, adapter] = [base, adapter].map(|arm| arm.task_value(task, metric));
            let difference = base.zip(adapter).map(|(base, adapter)| adapter - base);
            TaskValues {
                base: Shown::new(metric, base),
                adapter: Shown::new(metric, adapter),
                difference: Shown::new(metric, difference),
            }
        });
        Self {
            task,
            values: values.collect(),
            base: Answers::new(base.of_task(task)),
            adapter: Answers::new(adapter.of_task(task)),
        }
    }
}

impl Answers {
    fn new(samples: &[&SampleRecord]) -> Self {
        let first = samples.first();
        Self {
            samples: samples.len(),
            passed: samples.iter().filter(|sample| sample.passed()).count(),
            verdict: first.map(|sample| sample.verdict),
            tests_passed: first.map_or(0, |sample| sample.tests_passed),
            tests_total: first.map_or(0, |sample| sample.tests_total),
        }
    }
}

/// A cell, and why its workflow ended as text.
#[derive(Serialize)]
struct CellRow<'a> {
    #[serde(flatten)]
    summary: &'a CellSummary,
    ended: Vec<(&'static str, usize)>,
    /// Whether only the first of its drafts has the sampling of the cell.
    has_other_drafts: bool,
}

impl<'a> CellRow<'a> {
    fn new(summary: &'a CellSummary, drafts: Option<&Drafts>) -> Self {
        let in_words = |(reason, &count): (&StopReason, &usize)| (reason.text(), count);
        Self {
            ended: summary.stops.iter().map(in_words).collect(),
            has_other_drafts: drafts
                .is_some_and(|of| of.workflows.contains(&summary.workflow.as_str())),
            summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser};
    use serde_json::Value;
    use slm_artifacts::{ContaminationSearch, Verdict};
    use slm_config::{Evaluate, HypothesisMetric, Workflow};
    use slm_hub::{Kind, Provenance};
    use slm_metrics::syntax::{BleuCounts, LineUse};

    use super::{Page, TEMPLATES};
    use crate::findings::Findings;
    use crate::findings::arms::Arms;
    use crate::synthetic::{records_of_cells, run_of, sample, unparsable};
    use crate::{
        EndpointInfo, Experiment, KnowledgeInfo, OfflineCost, Plan, ProgramMetrics, RunInfo,
        SampleRecord, ServedModel, ShardInfo, ShortBudget, SpeakerInfo, markdown,
    };

    /// Every special character of Markdown, in a heading, a list, a link, and after a line break.
    const HOSTILE: &str = "# a|b `c`\n# <d> *e* _f_ [g](h) - i";

    /// Fields that templates use as keys, and do not print.
    const KEYS: [&str; 5] = [
        "metric",
        "subset",
        "experiment",
        "task_metrics",
        "charts_of_h1",
    ];

    /// Renders the page with `text` in place of every string.
    fn page(run: &RunInfo, records: &[SampleRecord], text: &str) -> String {
        let compared: Vec<&SampleRecord> = records.iter().collect();
        let arms = Arms::new(&compared, run);
        let others = [(Workflow::Codet, Arms::new(&compared, run))];
        let findings = Findings::new(run, records, &arms, &others);
        let cells = crate::findings::cell_summary::summaries(records, run);
        let cost = crate::RunCost::of(run, records);
        let page = Page::new((run, cost.as_ref()), records, &arms, &findings, &cells);
        let mut context = serde_json::to_value(&page).expect("a context");
        replace(&mut context, text);
        markdown::render(&TEMPLATES, &context)
    }

    fn replace(value: &mut Value, text: &str) {
        match value {
            Value::String(string) => text.clone_into(string),
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, text)),
            Value::Object(fields) => {
                let fields = fields.iter_mut();
                fields
                    .filter(|(key, _)| !KEYS.contains(&key.as_str()))
                    .for_each(|(_, field)| replace(field, text));
            }
            _ => {}
        }
    }

    /// Returns the structure of a page without its words; code counts as code, as Markdown or as HTML.
    fn skeleton(page: &str) -> Vec<String> {
        let tags = |html: &str| -> Vec<String> {
            let tags = html
                .split('<')
                .skip(1)
                .filter_map(|tag| tag.split_once('>'));
            let tags = tags.map(|(tag, _)| tag.to_owned());
            tags.filter(|tag| tag != "/code").collect()
        };
        let parts = Parser::new_ext(page, Options::ENABLE_TABLES).map(|event| match event {
            Event::Start(tag) => vec![format!("{tag:?}")],
            Event::End(tag) => vec![format!("{tag:?}")],
            Event::Code(_) => vec!["code".to_owned()],
            Event::Html(html) | Event::InlineHtml(html) => tags(&html),
            Event::Text(_) => Vec::new(),
            event => vec![format!("{event:?}")],
        });
        parts.flatten().collect()
    }

    /// Returns the number of column marks in each row of each table.
    fn columns(page: &str) -> Vec<usize> {
        let mut fenced = false;
        let rows = page.lines().filter(|line| {
            fenced ^= line.starts_with("```");
            !fenced && line.starts_with('|')
        });
        rows.map(|row| row.matches('|').count()).collect()
    }

    fn check(run: &RunInfo, records: &[SampleRecord]) {
        let (plain, hostile) = (page(run, records, "plain"), page(run, records, HOSTILE));
        assert_eq!(skeleton(&hostile), skeleton(&plain), "{hostile}");
        assert_eq!(columns(&hostile), columns(&plain), "{hostile}");
        let name = "<code>&#35; a&#124;b &#96;c&#96;\u{fffd}&#35; &#60;d&#62; &#42;e&#42; &#95;f&#95; &#91;g&#93;";
        assert!(hostile.contains(name), "{hostile}");
    }

    #[test]
    fn every_string_of_a_page_is_escaped() {
        let mut run = run_of(Experiment::Hypotheses, &["adapter", "other"]);
        run.benchmarks[0].name = "humaneval+".to_owned();
        run.adapters[0].search = Some(ContaminationSearch {
            benchmarks: vec!["starter".to_owned()],
            left_out: 3,
        });
        run.endpoint = Some(EndpointInfo {
            url: "http://127.0.0.1".to_owned(),
            api: "chat".to_owned(),
            models: vec![ServedModel {
                arm: "base".to_owned(),
                model: "m".to_owned(),
                told: Some(serde_json::json!({"id": "m"})),
            }],
            prompts: Some("conversations".to_owned()),
            concurrency: 4,
        });
        run.shard = Some(ShardInfo {
            index: 1,
            of: 2,
            tasks: vec!["starter/00".to_owned()],
        });
        run.plan.hypotheses[0].pass_rate_margin = Some(2.0);
        run.plan.hypotheses[1].metric = HypothesisMetric::PassRate;
        let human = ProgramMetrics::measure("x = 1\n", "");
        run.human
            .extend(human.map(|of| ("starter/00".to_owned(), of)));
        run.sources = vec![Provenance {
            kind: Kind::Model,
            repository: "a/b".to_owned(),
            revision: "main".to_owned(),
            commit: "c".repeat(40),
            files: Vec::new(),
        }];
        let mut records = records_of_cells(&run, 12, |cell, task| {
            let solved = (task + cell.arm.len()) % 3 != 0;
            (solved, 3.0 + (task % 4) as f64)
        });
        for (at, record) in records.iter_mut().enumerate() {
            if let Some(metrics) = record.metrics.as_mut().filter(|_| record.arm != "base") {
                metrics.maintainability_index += (at % 7) as f64 - 3.0;
            }
            record.version = 3;
        }
        (records[0].verdict, records[0].tests_passed) = (Verdict::OutputLimit, 1);
        "repository".clone_into(&mut records[0].benchmark);
        run.benchmarks[0].left_out = [("that do not parse".to_owned(), 2)].into();
        for record in &mut records {
            record.bleu = BleuCounts::of_bodies(&record.program, &record.program, "task_3");
        }
        let own = records[2].clone();
        records.push(SampleRecord {
            benchmark: "starter/parsons".to_owned(),
            task_id: format!("{}/parsons", own.task_id),
            line_use: Some(LineUse::default()),
            ..own
        });
        records[1].tests_total = 0;
        let speaker = SpeakerInfo {
            role: "reviewer".to_owned(),
            speaker: "other".to_owned(),
            source: Some("checkpoints/other".to_owned()),
            sha256: None,
            learned_tasks: vec!["starter/01".to_owned()],
        };
        run.speakers = vec![speaker.clone(), speaker];
        check(&run, &records);
    }

    #[test]
    fn every_string_of_a_page_on_lookups_is_escaped() {
        let mut run = run_of(Experiment::Compare, &["adapter"]);
        let evaluate = Evaluate {
            workflows: vec![
                Workflow::Single,
                Workflow::Rag,
                Workflow::RagPlacebo,
                Workflow::Tools,
            ],
            ..Evaluate::default()
        };
        run.plan = Plan::new(Experiment::Compare, &evaluate, &["adapter"]).expect("a plan");
        run.knowledge = Some(KnowledgeInfo {
            index_sha256: Some("a1".repeat(32)),
            chunks: 7,
            files: 2,
            left_out: [("a test file".to_owned(), 1)].into(),
            masked: 1,
            memory_sha256: Some("b2".repeat(32)),
            entries: 1,
            top_k: 3,
        });
        run.offline = vec![OfflineCost {
            what: "memory".to_owned(),
            completion_tokens: 90,
            calls: 1,
            executions: 1,
        }];
        run.short_budgets = vec![ShortBudget {
            workflow: "tools".to_owned(),
            resource: "calls".to_owned(),
            most: 12,
            budget: 10,
        }];
        check(&run, &[]);
        let mut records = records_of_cells(&run, 12, |cell, task| {
            let solved = (task + cell.workflow as usize).is_multiple_of(3);
            (solved, 3.0)
        });
        for record in records.iter_mut().filter(|of| of.workflow != "single") {
            (record.prompt_tokens, record.masked, record.recall) = (500, 1, Some(0.5));
        }
        check(&run, &records);
    }

    #[test]
    fn every_string_of_a_page_on_routers_and_drafts_is_escaped() {
        let mut run = run_of(Experiment::Compare, &[]);
        let workflows = [
            Workflow::Single,
            Workflow::BestOfN,
            Workflow::Adaptive,
            Workflow::AdaptiveRandom,
        ];
        let evaluate = Evaluate {
            workflows: workflows.to_vec(),
            hypotheses: Vec::new(),
            ..Evaluate::default()
        };
        run.plan = Plan::new(Experiment::Workflows, &evaluate, &[]).expect("a plan");
        run.offline = vec![OfflineCost {
            what: "routes".to_owned(),
            completion_tokens: 90,
            calls: 1,
            executions: 1,
        }];
        let mut records = records_of_cells(&run, 12, |cell, task| {
            ((task + cell.workflow as usize).is_multiple_of(3), 3.0)
        });
        for record in records.iter_mut().filter(|of| of.workflow == "adaptive") {
            record.routed_to = Some("best_of_n".to_owned());
        }
        check(&run, &records);
        check(&run, &[]);
    }

    #[test]
    fn every_string_of_a_page_without_results_is_escaped() {
        let run = run_of(Experiment::Compare, &["adapter"]);
        check(&run, &[]);
        check(&run, &[sample("base", 1)]);
        let both = ["base", "adapter"].map(|arm| unparsable(sample(arm, 1)));
        check(&run, &both);
        check(&run_of(Experiment::Sweep, &[]), &[]);
        check(&run_of(Experiment::Workflows, &[]), &[]);
    }
}
