//! The data set's folder: `rows.jsonl` in TRL's columns, `sources.jsonl`, `dataset.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use slm_artifacts::{
    DatasetFolder, DatasetInfo, ROUTES_FILE, RowSource, SourceRun, TaskFingerprint, atomic_folder,
    sha256,
};
use slm_cli::UserMistake;
use slm_harvest::{Asks, Harvest, Kind, Row, Settings, describe};
use slm_model::CodeRequest;

use super::{decompositions, plans, routes, sketches, verifier};

/// What a folder is written from.
pub(super) struct Parts<'a> {
    pub(super) harvest: &'a Harvest,
    pub(super) settings: &'a Settings,
    pub(super) runs: Vec<SourceRun>,
    /// The fingerprints of the rows' tasks.
    pub(super) tasks: Vec<TaskFingerprint>,
    /// Rules beside the settings, and what they cost.
    pub(super) more: BTreeMap<String, Value>,
    /// A file beside the rows, by its name, with its text.
    pub(super) beside: Option<(&'static str, String)>,
}

/// Refuses to replace a folder that this command has not written.
///
/// # Errors
/// The path is a file, or a folder with anything but a data set.
pub(super) fn check(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let refuse = |what: &str| {
        UserMistake(format!(
            "{}: {what}\nhint: choose another folder with --output",
            folder.display()
        ))
    };
    if !folder.is_dir() {
        return Err(refuse("not a folder").into());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name());
    }
    let own = [
        DatasetFolder::INFO,
        DatasetFolder::ROWS,
        DatasetFolder::SOURCES,
        ROUTES_FILE,
    ];
    let is_own = |name: &std::ffi::OsString| own.iter().any(|own| name == own);
    if names.is_empty() {
        return Ok(());
    }
    if let Some(foreign) = names.iter().find(|name| !is_own(name)) {
        let what = format!(
            "the folder exists and is no data set: it holds {}",
            foreign.to_string_lossy()
        );
        return Err(refuse(&what).into());
    }
    match DatasetFolder(folder).read_info() {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            Err(refuse("the folder exists and is no data set: it holds no dataset.json").into())
        }
        Err(error) => Err(refuse(&format!(
            "the folder exists, and its dataset.json is not of this program: {error}"
        ))
        .into()),
    }
}

/// Writes the folder, and returns its description. Equal input gives equal bytes.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write(folder: &Path, parts: Parts) -> Result<DatasetInfo> {
    let rows = parts.harvest.rows.iter();
    let rows: Vec<Value> = rows
        .map(|row| rendered(row, parts.settings))
        .collect::<Result<_>>()?;
    let rows = lines(rows.into_iter())?;
    let sources = lines(sources(&parts.harvest.rows))?;
    let info = describe(
        parts.harvest,
        parts.settings,
        parts.runs,
        &parts.tasks,
        parts.more,
        (sha256(&rows), sha256(&sources)),
    );
    let description = serde_json::to_string_pretty(&info)? + "\n";
    let written = atomic_folder::<std::io::Error>(folder, |part| {
        fs::write(part.join(DatasetFolder::ROWS), &rows)?;
        fs::write(part.join(DatasetFolder::SOURCES), &sources)?;
        if let Some((name, text)) = &parts.beside {
            fs::write(part.join(name), text)?;
        }
        fs::write(part.join(DatasetFolder::INFO), &description)
    });
    written.with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(info)
}

/// Serializes values as JSON Lines.
fn lines<T: serde::Serialize>(values: impl Iterator<Item = T>) -> Result<String> {
    let mut text = String::new();
    for value in values {
        text += &serde_json::to_string(&value)?;
        text.push('\n');
    }
    Ok(text)
}

/// Returns the origin of each side of each row.
fn sources(rows: &[Row]) -> impl Iterator<Item = RowSource> + '_ {
    rows.iter().enumerate().flat_map(|(number, row)| {
        row.sides.iter().map(move |side| RowSource {
            row: number,
            ..side.source.clone()
        })
    })
}

/// Renders a row as the toolkit's own request and its answer.
///
/// # Errors
/// None for the built-in templates.
fn rendered(row: &Row, settings: &Settings) -> Result<Value> {
    let request = CodeRequest { stub: &row.stub };
    let (messages, begun) = match &row.asks {
        Asks::Program => (request.messages().into(), request.begun()),
        Asks::ProgramByPlan(plan) => (plans::by_plan(&row.stub, plan), request.begun()),
        Asks::ProgramBySketch(before) => sketches::asking(row, before),
        Asks::Plan => (
            plans::asking_for_plan(&row.stub, &row.entry_point)?,
            String::new(),
        ),
        Asks::Route(listed) => (
            routes::asking_for_route(&row.stub, &row.entry_point, listed)?,
            String::new(),
        ),
        Asks::Messages(messages) => (decompositions::conversation(messages), String::new()),
        Asks::Judgement => (verifier::asking(row)?, String::new()),
    };
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| json!({"role": message.role.name(), "content": message.content}))
        .collect();
    let mut line = serde_json::Map::new();
    line.insert("prompt".to_owned(), messages.into());
    for side in &row.sides {
        let body = side.body.trim_end();
        let (column, answer) = match row.asks {
            Asks::Plan | Asks::Route(_) | Asks::Messages(_) => ("completion", body.to_owned()),
            Asks::Judgement => ("completion", verifier::answer(row).to_owned()),
            _ => (side.source.side.as_str(), format!("{begun}{body}\n```")),
        };
        let turn = json!([{"role": "assistant", "content": answer}]);
        line.insert(column.to_owned(), turn);
    }
    if let Some(label) = row.label.filter(|_| row.asks != Asks::Judgement) {
        line.insert("label".to_owned(), label.into());
    }
    line.insert("prefill".to_owned(), begun.into());
    if let Kind::Pairs(rule) = settings.kind {
        line.insert("rule".to_owned(), rule.name().into());
    }
    line.insert("task_id".to_owned(), row.task_id.clone().into());
    Ok(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_sets_of_this_program_and_empty_folders_are_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("set");
        assert!(check(&path).is_ok());
        fs::create_dir(&path).expect("a folder");
        assert!(check(&path).is_ok());
        let refusal = |name: &str, text: &str| {
            fs::write(path.join(name), text).expect("a file");
            check(&path).expect_err("a refusal").to_string()
        };
        assert!(refusal("rows.jsonl", "{}\n").contains("holds no dataset.json"));
        assert!(refusal("dataset.json", "{}").contains("not of this program"));
        assert!(refusal("run.json", "{}").contains("holds run.json"));
        let file = folder.path().join("file");
        fs::write(&file, "").expect("a file");
        assert!(check(&file).is_err());
    }
}
