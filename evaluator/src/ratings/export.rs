//! `evaluator ratings export`: the raters' table and its key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use slm_artifacts::{atomic_write, sha256_of_texts};
use slm_cli::UserMistake;
use slm_report::SampleRecord;

use super::key::{COLUMNS, Item, KEY, KEY_VERSION, Key, Side, cell_hash};
use super::spreadsheet::{MOST_CHARS, harmless, write};
use crate::dataset::runs::{self, HarvestedRun};
use crate::ratings_arguments::{ExportArguments, Separator};
use slm_artifacts::counted;

/// The file that raters get.
const TABLE: &str = "ratings.csv";

/// What a row consists of, before it has its place.
struct Rated<'a> {
    task_id: &'a str,
    prompt: &'a str,
    program: &'a str,
    sides: Vec<usize>,
}

/// Draws the programs, writes both files and prints what they contain.
pub(super) fn run(arguments: &ExportArguments) -> Result<()> {
    let folder = &arguments.output;
    if folder.join(KEY).exists() {
        return Err(UserMistake(format!(
            "{}: already holds an export, whose table raters may have\nhint: choose another folder, or move this one away",
            folder.display()
        ))
        .into());
    }
    let runs = open(arguments)?;
    let sides = sides(&runs, arguments)?;
    let (drawn, left_out) = drawn(&runs, &sides, arguments)?;
    let sides: Vec<Side> = sides.into_iter().map(|(_, side)| side).collect();
    let (key, rows) = tabled(drawn, sides, left_out, arguments.seed, arguments.separator);
    let table = write(arguments.separator, &rows)?;
    // The key is last: its presence means that the export is complete.
    atomic_write(&folder.join(TABLE), &table)?;
    let text = serde_json::to_string_pretty(&key)? + "\n";
    atomic_write(&folder.join(KEY), text.as_bytes())?;
    print(&key, arguments);
    Ok(())
}

fn open(arguments: &ExportArguments) -> Result<Vec<HarvestedRun>> {
    let mut opened: Vec<HarvestedRun> = Vec::new();
    for named in &arguments.runs {
        let run = runs::read(crate::runs::folder_of(named, &arguments.reports)?)?;
        if opened.iter().any(|other| other.info.name == run.info.name) {
            return Err(UserMistake(format!(
                "the run {} is named twice\nhint: name every run once",
                run.info.name
            ))
            .into());
        }
        opened.push(run);
    }
    Ok(opened)
}

/// Returns the arms and workflows that are compared, each with the number of its run, in the order of the plans.
fn sides(runs: &[HarvestedRun], arguments: &ExportArguments) -> Result<Vec<(usize, Side)>> {
    let is_wanted =
        |wanted: &[String], name: &str| wanted.is_empty() || wanted.iter().any(|of| of == name);
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let plan = &run.info.plan;
        for cell in plan
            .cells
            .iter()
            .filter(|cell| cell.decoding == plan.reference)
        {
            let workflow = cell.workflow.name();
            known.extend([cell.arm.clone(), workflow.to_owned()]);
            if is_wanted(&arguments.arms, &cell.arm) && is_wanted(&arguments.workflows, workflow) {
                let side = Side {
                    run: run.info.name.clone(),
                    arm: cell.arm.clone(),
                    workflow: workflow.to_owned(),
                };
                found.push((at, side));
            }
        }
    }
    let mut named = arguments.arms.iter().chain(&arguments.workflows);
    if let Some(unknown) = named.find(|name| !known.contains(*name)) {
        let known: Vec<String> = known.into_iter().collect();
        return Err(UserMistake(format!(
            "no run has the arm or workflow `{unknown}`; expected {}\nhint: `evaluator runs` lists the runs",
            known.join(", ")
        ))
        .into());
    }
    if found.len() < 2 {
        return Err(UserMistake(format!(
            "{} to be rated, expected at least 2 arms or workflows to compare\nhint: name further runs, or fewer of --arm and --workflow",
            found.len()
        ))
        .into());
    }
    Ok(found)
}

/// Draws tasks that every side answered with a program, and returns the programs and why other tasks were left out.
fn drawn<'a>(
    runs: &'a [HarvestedRun],
    sides: &[(usize, Side)],
    arguments: &ExportArguments,
) -> Result<(Vec<Rated<'a>>, BTreeMap<String, usize>)> {
    let by_side: Vec<HashMap<&str, &SampleRecord>> = sides
        .iter()
        .map(|(at, side)| {
            let run = &runs[*at];
            let own = run.records.iter().filter(|record| {
                record.sample == 0
                    && record.arm == side.arm
                    && record.workflow == side.workflow
                    && record.decoding == run.info.plan.reference
            });
            own.map(|record| (record.task_id.as_str(), record))
                .collect()
        })
        .collect();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut prompts: BTreeMap<&str, &str> = BTreeMap::new();
    for task in runs.iter().flat_map(|run| &run.tasks) {
        let known = prompts.insert(&task.view.task_id, &task.view.prompt);
        if known.is_some_and(|prompt| prompt != task.view.prompt) {
            return Err(UserMistake(format!(
                "the runs have different tasks of the name {}\nhint: export each run into its own folder",
                task.view.task_id
            ))
            .into());
        }
    }
    let mut tasks: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for (task_id, prompt) in prompts {
        let programs: Option<Vec<&str>> = by_side
            .iter()
            .map(|of| of.get(task_id).map(|record| record.program.as_str()))
            .collect();
        let is_long = |text: &str| harmless(text, arguments.separator).chars().count() > MOST_CHARS;
        match programs {
            None => leave_out(&mut left_out, "not answered by every arm and workflow"),
            Some(all) if all.iter().any(|of| of.trim().is_empty()) => {
                leave_out(&mut left_out, "an answer without a program");
            }
            Some(all) if is_long(prompt) || all.iter().copied().any(is_long) => {
                leave_out(&mut left_out, "too long for a cell of a spreadsheet");
            }
            Some(all) => tasks.push((task_id, prompt, all)),
        }
    }
    if tasks.is_empty() {
        let reasons: Vec<String> = left_out
            .iter()
            .map(|(why, n)| format!("{n} {why}"))
            .collect();
        return Err(UserMistake(format!(
            "no task has a program of every arm and workflow: {}\nhint: choose others with --arm and --workflow",
            reasons.join(", ")
        ))
        .into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
    tasks.shuffle(&mut rng);
    let most = arguments.tasks as usize;
    for _ in most..tasks.len() {
        leave_out(&mut left_out, "not drawn");
    }
    tasks.truncate(most);
    let mut rated: Vec<Rated> = Vec::new();
    for (task_id, prompt, programs) in tasks {
        let first = rated.len();
        for (side, program) in programs.into_iter().enumerate() {
            let same = rated[first..].iter_mut().find(|of| of.program == program);
            match same {
                Some(same) => same.sides.push(side),
                None => rated.push(Rated {
                    task_id,
                    prompt,
                    program,
                    sides: vec![side],
                }),
            }
        }
    }
    rated.shuffle(&mut rng);
    Ok((rated, left_out))
}

/// Counts a task that is not in the export.
fn leave_out(left_out: &mut BTreeMap<String, usize>, reason: &str) {
    *left_out.entry(reason.to_owned()).or_default() += 1;
}

/// Names the rows, and returns the key and the lines of the table.
fn tabled(
    drawn: Vec<Rated>,
    sides: Vec<Side>,
    left_out: BTreeMap<String, usize>,
    seed: u64,
    separator: Separator,
) -> (Key, Vec<Vec<String>>) {
    let seed_text = seed.to_string();
    let contents = drawn
        .iter()
        .flat_map(|of| [of.task_id, of.prompt, of.program]);
    let hash = sha256_of_texts([seed_text.as_str()].into_iter().chain(contents));
    // The letter keeps spreadsheets from taking an item for a number.
    let export = format!("R{}", &hash[..8]);
    let header = ["item", "task", "program"].into_iter().chain(COLUMNS);
    let mut rows: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
    let mut items = Vec::new();
    for (at, of) in drawn.into_iter().enumerate() {
        let item = format!("{export}-{:03}", at + 1);
        let texts = [of.prompt, of.program].map(|text| harmless(text, separator));
        let hashes = texts.each_ref().map(|text| Some(cell_hash(text)));
        let [task_sha256, program_sha256] = hashes;
        let empty = COLUMNS.map(|_| String::new());
        rows.push(
            [item.clone()]
                .into_iter()
                .chain(texts)
                .chain(empty)
                .collect(),
        );
        items.push(Item {
            item,
            task_id: of.task_id.to_owned(),
            sides: of.sides,
            task_sha256,
            program_sha256,
        });
    }
    let key = Key {
        version: KEY_VERSION,
        export,
        seed,
        columns: COLUMNS.map(str::to_owned).to_vec(),
        sides,
        items,
        left_out,
    };
    (key, rows)
}

fn print(key: &Key, arguments: &ExportArguments) {
    let tasks: BTreeSet<&str> = key.items.iter().map(|item| item.task_id.as_str()).collect();
    let folder: &Path = &arguments.output;
    if arguments.json {
        let document = json!({
            "export": key.export,
            "items": key.items.len(),
            "tasks": tasks.len(),
            "sides": key.sides.len(),
            "left_out": key.left_out,
            "table": folder.join(TABLE),
            "key": folder.join(KEY),
        });
        slm_cli::document(&format!("{document:#}"));
        return;
    }
    let mut text = format!(
        "{}: {} of {} for raters, who fill in 1 (worst) to 5 (best); a cell that begins with ' shows text\n\
         {}: the key, which raters must not see",
        folder.join(TABLE).display(),
        counted(key.items.len(), "program"),
        counted(tasks.len(), "task"),
        folder.join(KEY).display(),
    );
    for (reason, count) in &key.left_out {
        text += "\nleft out: ";
        text += &counted(*count, "task");
        text += ", ";
        text += reason;
    }
    slm_cli::result(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(workflow: &str) -> Side {
        Side {
            run: "night".to_owned(),
            arm: "base".to_owned(),
            workflow: workflow.to_owned(),
        }
    }

    #[test]
    fn the_table_names_no_arm_no_workflow_and_no_run() {
        let rated = |task_id, program, sides: &[usize]| Rated {
            task_id,
            prompt: "def f(x):\n",
            program,
            sides: sides.to_vec(),
        };
        let drawn = vec![
            rated("a/1", "=cmd|' /C calc'!A0", &[1]),
            rated("a/2", "def f(x):\n    return x\n", &[0, 1]),
        ];
        let sides = vec![side("reflection"), side("multi_agent")];
        let (key, rows) = tabled(drawn, sides, BTreeMap::new(), 7, Separator::Comma);
        let bytes = write(Separator::Comma, &rows).expect("written");
        let text = String::from_utf8(bytes).expect("UTF-8");
        for secret in ["reflection", "multi_agent", "base", "night", "a/1"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("\"'=cmd|' /C calc'!A0\""), "{text}");
        assert_eq!(rows[0].len(), rows[1].len());
        assert_eq!(rows[1][0], key.items[0].item);
        assert_eq!(key.items[1].sides, [0, 1]);
        assert!(key.items.iter().all(|of| of.item.starts_with(&key.export)));
        let hash = key.items[1].program_sha256.as_deref();
        assert_eq!(hash, Some(&*cell_hash("def f(x):\r\n    return x")));
        assert!(key.has_hashes());
    }
}
