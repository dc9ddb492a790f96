//! What became of the answers, as text.

use std::path::Path;

use slm_artifacts::{DatasetInfo, DatasetKind};
use slm_cli::text_table;

/// Returns tables of the rows' sides and of the answers left out.
pub(super) fn page(info: &DatasetInfo, folder: &Path) -> String {
    let sides = info.lengths.iter().map(|(side, of)| {
        vec![
            side.clone(),
            format!("{:.0}", of.mean_characters),
            format!("{:.0}", of.median_characters),
            of.max_characters.to_string(),
            format!("{:.1}", of.mean_lloc),
        ]
    });
    let header = ["side", "mean characters", "median", "most", "mean LLOC"];
    let what = match info.kind {
        DatasetKind::Sketches => "functions",
        _ => "answers",
    };
    let from = match (info.kind, info.runs.len()) {
        (DatasetKind::Sketches, _) => "documented functions".to_owned(),
        (_, 1) => "answers of 1 run".to_owned(),
        (_, n) => format!("answers of {n} runs"),
    };
    let mut parts = vec![
        format!(
            "{} rows of {} tasks, from {} {from}\n",
            info.rows,
            n_tasks(info),
            info.answers,
        ),
        text_table(&header, &sides.collect::<Vec<_>>()) + "\n",
    ];
    if let (Some(calls), Some(tokens)) =
        (info.rules.get("plan_calls"), info.rules.get("plan_tokens"))
    {
        parts.push(format!(
            "plans cost {calls} calls and {tokens} generated tokens\n"
        ));
    }
    if let Some(share) = info.mi_code_explained_by_lloc {
        parts.push(format!(
            "differences in length explain {:.0} % of the variance of the differences in mi_code (R²)\n",
            share * 100.0
        ));
    }
    if !info.left_out.is_empty() {
        let left_out = info.left_out.iter();
        let rows: Vec<Vec<String>> = left_out
            .map(|(reason, count)| vec![reason.clone(), count.to_string()])
            .collect();
        parts.push(text_table(&["left out", what], &rows) + "\n");
    }
    parts.push(format!("data set written to {}", folder.display()));
    parts.join("\n")
}

/// Counts the tasks; one of several benchmarks may have several fingerprints.
fn n_tasks(info: &DatasetInfo) -> usize {
    let ids = info.tasks.iter().map(|task| task.task_id.as_str());
    ids.collect::<std::collections::BTreeSet<_>>().len()
}
