//! What became of the answers, as text.

use std::path::Path;

use serde_json::Value;
use slm_artifacts::{DatasetInfo, DatasetKind};
use slm_cli::text_table;

use slm_artifacts::counted;

/// Returns tables of the rows' sides and of the answers left out.
pub(super) fn page(info: &DatasetInfo, folder: &Path) -> String {
    // The sides of these kinds are no programs.
    let has_programs = !matches!(info.kind, DatasetKind::Routes | DatasetKind::Decompositions);
    let sides = info.lengths.iter().map(|(side, of)| {
        let mut row = vec![
            side.clone(),
            format!("{:.0}", of.mean_characters),
            format!("{:.0}", of.median_characters),
            of.max_characters.to_string(),
        ];
        row.extend(has_programs.then(|| format!("{:.1}", of.mean_lloc)));
        row
    });
    let mut header = vec!["side", "mean characters", "median", "most"];
    header.extend(has_programs.then_some("mean LLOC"));
    let what = match info.kind {
        DatasetKind::Sketches => "functions",
        _ => "answers",
    };
    let from = match (info.kind, info.runs.len()) {
        (DatasetKind::Sketches, _) => "documented functions".to_owned(),
        (_, runs) => format!("answers of {}", counted(runs, "run")),
    };
    let mut parts = vec![
        format!(
            "{} of {}, from {} {from}\n",
            counted(info.rows, "row"),
            counted(n_tasks(info), "task"),
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
    if let Some(held_out) = info.rules.get("held_out") {
        parts.push(separation(held_out));
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

/// Returns how well each score separates the answers to held-out tasks.
fn separation(held_out: &Value) -> String {
    let count = |of: &Value| of.as_u64().unwrap_or(0);
    let answers = &held_out["answers"];
    let scores = [
        ("visible tests", &held_out["auc"]["visible_tests"]),
        ("log-probability", &held_out["auc"]["log_probability"]),
        ("verifier", &held_out["auc"]["verifier"]),
    ];
    let rows = scores.iter().filter(|(_, of)| of.is_object());
    let rows: Vec<Vec<String>> = rows
        .map(|(name, of)| {
            let auc = of["auc"].as_f64().map(|auc| format!("{auc:.3}"));
            let named = of["name"]
                .as_str()
                .map(|adapter| format!("{name} ({adapter})"));
            vec![
                named.unwrap_or_else(|| (*name).to_owned()),
                auc.unwrap_or_else(|| "-".to_owned()),
                count(&of["answers"]).to_string(),
            ]
        })
        .collect();
    let tasks = held_out["tasks"].as_array().map_or(0, Vec::len);
    format!(
        "{} held out, with {} passing and {} failing answers; area under the ROC curve (AUC) of what could separate them:\n{}\n",
        counted(tasks, "task"),
        count(&answers["yes"]),
        count(&answers["no"]),
        text_table(&["score", "AUC", "answers"], &rows),
    )
}

/// Counts the tasks; one of several benchmarks may have several fingerprints.
fn n_tasks(info: &DatasetInfo) -> usize {
    let ids = info.tasks.iter().map(|task| task.task_id.as_str());
    ids.collect::<std::collections::BTreeSet<_>>().len()
}
