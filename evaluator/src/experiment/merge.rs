//! Merges the shards of a run into the run that the same command without `--shard` makes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_report::{InterimInfo, PhaseTiming, RunInfo, SampleRecord, ShardInfo};

use crate::order;
use crate::recorded;
use crate::run_folder::RunFolder;
use crate::shard::Shard;
use crate::workflow::event::{Event, What};

/// Differences between two recipes that an error lists at most.
const MOST_DIFFERENCES: usize = 5;

/// A shard on disk.
struct Part {
    folder: PathBuf,
    info: RunInfo,
    shard: ShardInfo,
}

/// Reads and merges shards, and writes the merged run's folder under `reports`. With `interim`, some may be missing.
///
/// # Errors
/// The folders are not all shards of one run, or with `interim` some of them, each once; or the merged run's folder holds a run that was not merged.
pub(super) fn merge(
    folders: &[PathBuf],
    reports: &std::path::Path,
    interim: bool,
) -> Result<(RunInfo, RunFolder)> {
    let parts = sorted(read(folders)?, interim)?;
    let (mut records, mut events): (Vec<SampleRecord>, Vec<Event>) = (Vec::new(), Vec::new());
    let mut unfinished = false;
    for part in &parts {
        let (own_records, own_events) = recorded::read_with_steps(&part.folder, &part.info)?;
        let expected = part.info.n_answers();
        if own_records.len() < expected {
            slm_cli::note(&format!(
                "{}: {} of {expected} answers are recorded: the report is of an unfinished run",
                part.folder.display(),
                own_records.len()
            ));
        }
        // An answer that could not be scored is finished, too.
        let is_decision = |event: &&Event| matches!(event.what, What::Decision(_));
        let decided = own_events.iter().filter(is_decision).count();
        unfinished |= own_records.len().max(decided) < part.info.n_answers();
        records.extend(own_records);
        events.extend(own_events);
    }
    let info = described(&parts, unfinished);
    let records = order::sorted(&info, &records);
    events.sort_by(|a, b| {
        let tasks = order::by_name(&a.trajectory.task_id, &b.trajectory.task_id);
        tasks.then_with(|| (&a.trajectory, a.step).cmp(&(&b.trajectory, b.step)))
    });
    for event in &mut events {
        event.run.clone_from(&info.name);
    }
    // The name is from a file, and decides where the merged run is written.
    if !slm_artifacts::is_bare_name(std::path::Path::new(&info.name)) {
        return Err(mistake(format!(
            "{}: the run's name `{}` is not the name of a folder\nhint: the file was changed: take it from where the run was made",
            parts[0].folder.join("run.json").display(),
            info.name
        )));
    }
    let run = RunFolder::write_merged(reports.join(&info.name), &info, &records, &events)?;
    Ok((info, run))
}

fn read(folders: &[PathBuf]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for folder in folders {
        let info = RunFolder::read_info(folder)?;
        let Some(shard) = info.shard.clone() else {
            return Err(mistake(format!(
                "{}: a whole run, not a shard\n\
                 hint: only the shards of one run can be merged; to rebuild the report of a whole run, name that run alone \
                 and without --interim",
                folder.display()
            )));
        };
        parts.push(Part {
            folder: folder.clone(),
            info,
            shard,
        });
    }
    Ok(parts)
}

/// Checks that these are all shards of one run, or with `interim` some, each once, and sorts them.
fn sorted(mut parts: Vec<Part>, interim: bool) -> Result<Vec<Part>> {
    let Some(first) = parts.first() else {
        return Err(mistake("no shard to merge".to_owned()));
    };
    if let Some(other) = parts
        .iter()
        .find(|part| part.info.config_sha256 != first.info.config_sha256)
    {
        return Err(mistake(foreign(first, other)));
    }
    let of = first.shard.of;
    if let Some(other) = parts.iter().find(|part| part.shard.of != of) {
        return Err(mistake(format!(
            "{} is one of {of} shards, but {} is one of {}\nhint: merge shards with the same N in --shard I/N",
            first.folder.display(),
            other.folder.display(),
            other.shard.of
        )));
    }
    parts.sort_by_key(|part| part.shard.index);
    for pair in parts.windows(2) {
        if pair[0].shard.index == pair[1].shard.index {
            return Err(mistake(format!(
                "shard {}/{of} is given twice: {} and {}\nhint: name each shard once",
                pair[0].shard.index,
                pair[0].folder.display(),
                pair[1].folder.display()
            )));
        }
    }
    let there: BTreeSet<usize> = parts.iter().map(|part| part.shard.index).collect();
    let missing: Vec<String> = (1..=of)
        .filter(|index| !there.contains(index))
        .map(|index| Shard { index, of }.to_string())
        .collect();
    if !missing.is_empty() && !interim {
        let (noun, verb) = match missing.len() {
            1 => ("shard", "is"),
            _ => ("shards", "are"),
        };
        return Err(mistake(format!(
            "{noun} {} {verb} missing\nhint: {} --shard {} runs it; --interim merges the others",
            missing.join(", "),
            unsharded(&parts[0].info),
            missing[0]
        )));
    }
    let tasks: Vec<&String> = parts.iter().flat_map(|part| &part.shard.tasks).collect();
    let distinct: BTreeSet<&String> = tasks.iter().copied().collect();
    let expected = parts[0].info.n_tasks_of_benchmarks();
    let is_complete = missing.is_empty();
    if distinct.len() != tasks.len() || is_complete && tasks.len() != expected {
        return Err(anyhow::anyhow!(
            "the run.json of the shards name {} tasks, {} of them distinct, but the run has {expected}\n\
             hint: run the shards again",
            tasks.len(),
            distinct.len()
        ));
    }
    Ok(parts)
}

/// Explains why two shards belong to different runs, with the keys of the recipe that differ.
fn foreign(first: &Part, other: &Part) -> String {
    let recipe = |part: &Part| {
        Recipe::parse_without_data(
            &part.info.recipe.yaml,
            &part.folder,
            &[],
            slm_benchmarks::NAMES,
        )
        .ok()
    };
    let mut lines = vec![format!(
        "{} and {} are shards of different runs",
        first.folder.display(),
        other.folder.display()
    )];
    if let Some((first, other)) = recipe(first).zip(recipe(other)) {
        let differences = first.differences(&other);
        let shown = differences.iter().take(MOST_DIFFERENCES);
        lines.extend(
            shown.map(|found| format!("  {}: {} and {}", found.key, found.first, found.second)),
        );
        if differences.is_empty() {
            lines.push(
                "  same recipe, but another model, benchmark, device, server or Python".to_owned(),
            );
        }
    }
    lines.push("hint: the name of a run's folder contains a hash of its settings: those of one run's shards differ only in the shard".to_owned());
    lines.join("\n")
}

/// Describes the run that these shards add up to.
fn described(parts: &[Part], unfinished: bool) -> RunInfo {
    let mut info = parts[0].info.clone();
    let shard = Shard {
        index: parts[0].shard.index,
        of: parts[0].shard.of,
    };
    let suffix = shard.name("");
    if info.name.ends_with(&suffix) {
        info.name.truncate(info.name.len() - suffix.len());
    }
    info.command = unsharded(&parts[0].info);
    info.shard = None;
    let shards: Vec<usize> = parts.iter().map(|part| part.shard.index).collect();
    info.interim = (unfinished || shards.len() < shard.of).then(|| InterimInfo {
        tasks: parts.iter().map(|part| part.shard.tasks.len()).sum(),
        of: shard.of,
        shards,
    });
    let declared = |part: &Part| {
        let of = part.info.recipe.declared.as_ref()?;
        Some((of.sha256.clone(), of.commit.clone(), of.overrides.clone()))
    };
    if let Some(other) = (parts.iter()).find(|part| declared(part) != declared(&parts[0])) {
        slm_cli::note(&format!(
            "warning: {} was started with another file of the recipe, or from another commit: the report names none",
            other.folder.display()
        ));
        info.recipe.declared = None;
    }
    info.merged_from = parts.iter().map(|part| part.info.name.clone()).collect();
    let mut levels: Vec<String> = Vec::new();
    let mut timings: Vec<PhaseTiming> = Vec::new();
    for Part { info: own, .. } in parts {
        info.created = info.created.min(own.created.clone());
        info.threads = info.threads.max(own.threads);
        info.canonical_cpu_s.extend(own.canonical_cpu_s.clone());
        info.human.extend(own.human.clone());
        for timing in &own.timings {
            let known = timings.iter_mut().find(|known| known.phase == timing.phase);
            match known {
                Some(known) => known.add(timing),
                None => timings.push(timing.clone()),
            }
        }
        if !levels.contains(&own.sandbox.level) {
            levels.push(own.sandbox.level.clone());
        }
        // A property holds for the run only if the sandboxes of all machines enforce it.
        for property in &mut info.sandbox.properties {
            let there = own
                .sandbox
                .properties
                .iter()
                .find(|other| other.name == property.name);
            property.enforced &= there.is_some_and(|other| other.enforced);
        }
    }
    info.sandbox.level = levels.join("; on another machine ");
    info.timings = timings;
    info
}

/// Returns the command of a shard without `--shard`.
fn unsharded(info: &RunInfo) -> String {
    let shard = info
        .shard
        .as_ref()
        .map(|shard| format!(" --shard {}/{}", shard.index, shard.of));
    let command = shard.and_then(|words| info.command.strip_suffix(&words));
    command.unwrap_or(&info.command).to_owned()
}

fn mistake(text: String) -> anyhow::Error {
    UserMistake(text).into()
}

#[cfg(test)]
mod tests {
    use slm_artifacts::{Energy, EnergyPart, MeasuredEnergy};
    use slm_report::Experiment;

    use super::*;
    use crate::synthetic;

    fn energy(joules: f64, seconds: f64) -> Energy {
        let mut part = MeasuredEnergy::default();
        part.gain(joules);
        part.seconds = seconds;
        Energy([(EnergyPart::Processors, part)].into())
    }

    /// Returns an unsharded run, and the folders of its shards.
    fn split(of: usize, reports: &std::path::Path) -> (RunInfo, Vec<SampleRecord>, Vec<PathBuf>) {
        let mut whole = synthetic::run_of(Experiment::Compare, &["tuned"]);
        whole.timings[0].energy = Some(energy(640.0, whole.timings[0].seconds));
        let records = synthetic::records(&["tuned"], whole.n_tasks());
        let mut names: Vec<String> = records
            .iter()
            .map(|record| record.task_id.clone())
            .collect();
        names.sort();
        names.dedup();
        let folders = (1..=of).map(|index| {
            let shard = Shard { index, of };
            let mut info = whole.clone();
            info.name = shard.name(&whole.name);
            info.command = format!("{} --shard {shard}", info.command);
            let dealt = names.iter().enumerate();
            let tasks: Vec<String> = dealt
                .filter(|(at, _)| at % of == index - 1)
                .map(|(_, name)| name.clone())
                .collect();
            let own = records
                .iter()
                .filter(|record| tasks.contains(&record.task_id));
            let own: Vec<SampleRecord> = own.cloned().collect();
            info.canonical_cpu_s.retain(|task, _| tasks.contains(task));
            info.human.retain(|task, _| tasks.contains(task));
            for timing in &mut info.timings {
                timing.seconds /= of as f64;
                let joules = 640.0 / of as f64;
                let is_measured = timing.energy.is_some();
                timing.energy = is_measured.then(|| energy(joules, timing.seconds));
            }
            info.shard = Some(ShardInfo { index, of, tasks });
            let folder = reports.join(&info.name);
            let mut run = RunFolder::open_alone(folder.clone()).expect("a folder");
            run.write_info(&info).expect("written");
            for record in own {
                run.append(record).expect("written");
            }
            folder
        });
        let folders = folders.collect();
        (whole, records, folders)
    }

    #[test]
    fn the_report_of_merged_shards_is_that_of_the_whole_run_to_the_last_byte() {
        for of in [2, 4] {
            let reports = tempfile::tempdir().expect("a folder");
            let (whole, records, mut folders) = split(of, reports.path());
            folders.rotate_left(1);
            let (merged, run) = merge(&folders, reports.path(), false).expect("merged");
            assert_eq!(merged.merged_from.len(), of);
            let unmerged = RunInfo {
                merged_from: Vec::new(),
                ..merged.clone()
            };
            assert_eq!(unmerged, whole);
            let of_merged = slm_report::build(&merged, run.records()).markdown;
            assert!(of_merged.contains("energies of all shards are added up"));
            let found = order::sorted(&merged, run.records());
            let expected = order::sorted(&whole, &records);
            assert_eq!(found, expected);
            assert_eq!(
                slm_report::build(&unmerged, &found),
                slm_report::build(&whole, &expected)
            );
        }
    }

    #[test]
    fn an_interim_report_has_the_shards_that_are_there_and_no_verdict() {
        let reports = tempfile::tempdir().expect("a folder");
        let (whole, _, mut folders) = split(4, reports.path());
        folders.remove(1);
        let refused = merge(&folders, reports.path(), false).err();
        let refused = refused.expect("incomplete").to_string();
        assert!(refused.contains("shard 2/4 is missing"), "{refused}");
        let (merged, run) = merge(&folders, reports.path(), true).expect("merged");
        let interim = merged.interim.clone().expect("incomplete");
        assert_eq!((interim.shards, interim.of), (vec![1, 3, 4], 4));
        assert_eq!(merged.n_tasks(), interim.tasks);
        assert!(merged.n_tasks() < whole.n_tasks());
        assert_eq!(run.records().len(), merged.n_answers());
        let report = slm_report::build(&merged, run.records());
        assert!(
            report
                .markdown
                .contains("**Interim report.** It has 3 of the run's 4 shards")
        );
        assert!(report.markdown.contains("> **H1 withheld.**"));
        // A shard whose last answer is missing is no complete one.
        let (_, records, all) = split(2, &reports.path().join("unfinished"));
        let log = all[1].join(crate::run_folder::RECORDS);
        let text = std::fs::read_to_string(&log).expect("records");
        let kept: Vec<&str> = text.lines().skip(1).collect();
        std::fs::write(&log, kept.join("\n") + "\n").expect("written");
        let (merged, run) = merge(&all, &reports.path().join("unfinished"), true).expect("merged");
        assert_eq!(run.records().len(), records.len() - 1);
        assert_eq!(merged.interim.map(|of| of.shards), Some(vec![1, 2]));
        // The last shard completes it.
        let (whole, _, all) = split(4, &reports.path().join("complete"));
        let (merged, _) = merge(&all, &reports.path().join("complete"), true).expect("merged");
        assert_eq!((merged.interim, merged.name), (None, whole.name));
    }

    #[test]
    fn records_of_another_shard_are_found() {
        let reports = tempfile::tempdir().expect("a folder");
        let (_, records, folders) = split(2, reports.path());
        let foreign = records.iter().find(|record| record.task_id.ends_with("01"));
        let mut run = RunFolder::open(folders[0].clone()).expect("a folder");
        run.append(foreign.expect("a record").clone())
            .expect("written");
        let error = merge(&folders, reports.path(), false)
            .err()
            .expect("refused")
            .to_string();
        assert!(
            error.contains("the record of starter/01")
                && error.contains("that the run does not have"),
            "{error}"
        );
    }
}
