//! `trainer init`: writes a first recipe for a tree of Python files or a data file, fitted to this machine.

mod choice;
mod dataset_yaml;
mod model;
mod recipe_text;
mod survey;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::counted;
use slm_cli::{Failure, UserMistake, bytes_text, duration_text};
use slm_config::{Overlength, Recipe};
use slm_model::DeviceChoice;

use crate::arguments::InitArguments;
use crate::available::available_bytes;
use choice::{Choice, Machine};
use model::Model;
use survey::Survey;

/// Memory assumed for a device that does not report what it has left.
const ASSUMED_BYTES: u64 = 8 << 30;

/// Writes the recipe and prints what it is based on.
pub(crate) fn run(arguments: &InitArguments) -> Result<(), Failure> {
    Ok(init(arguments)?)
}

fn init(arguments: &InitArguments) -> Result<()> {
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => default_output(&arguments.path)?,
    };
    refuse_existing(&output)?;
    let mut survey = Survey::of(&data_path(&arguments.path, &output)?)?;
    let machine = machine(arguments)?;
    let models = Model::all(arguments.model.as_deref(), &mut survey)?;
    let choice = Choice::new(models, &survey, &machine, arguments.model.is_some())?;
    let text = recipe_text::text(&survey, &choice, &output);
    check_text(&text, &survey)?;
    write_new(&output, &text)?;
    slm_cli::result(&summary(&survey, &choice, &machine, &output));
    Ok(())
}

/// The device and its memory.
fn machine(arguments: &InitArguments) -> Result<Machine> {
    let (device, opened) = arguments
        .device
        .device
        .open()
        .map_err(|error| UserMistake(error.to_string()))?;
    let on_cpu = device == DeviceChoice::Cpu;
    let bytes = match (arguments.memory, on_cpu) {
        (Some(gigabytes), _) if gigabytes.is_finite() && gigabytes > 0.0 => {
            (gigabytes * 1e9) as u64
        }
        (Some(gigabytes), _) => {
            let text = format!("--memory is {gigabytes}, allowed: a number of gigabytes above 0");
            return Err(UserMistake(text).into());
        }
        (None, _) => free_bytes(device).unwrap_or_else(|| {
            slm_cli::note(&format!(
                "note: this device does not report its memory; {} are assumed\nhint: --memory GIGABYTES sets it",
                bytes_text(ASSUMED_BYTES)
            ));
            ASSUMED_BYTES
        }),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Machine {
        device,
        opened,
        bytes,
        cpu_cores: on_cpu.then_some(cores),
    })
}

/// Returns the free memory of a device, if it reports it.
fn free_bytes(device: DeviceChoice) -> Option<u64> {
    match device {
        DeviceChoice::Cpu => available_bytes(),
        device => slm_model::device_memory(&device).map(|memory| memory.free),
    }
}

/// `src.yaml` for `../project/src` and for `data/src.jsonl.gz`, in the working directory.
fn default_output(path: &Path) -> Result<PathBuf> {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = full.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_start_matches('.').split('.').next().unwrap_or("");
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let stem: String = stem
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    let stem = stem.trim_matches('-');
    if stem.is_empty() {
        let text = format!(
            "{} gives no name for a recipe\nhint: --output names its file",
            path.display()
        );
        return Err(UserMistake(text).into());
    }
    Ok(PathBuf::from(format!("{stem}.yaml")))
}

/// The path of the data as the recipe names it: as given if the recipe is written to the working directory, else absolute,
/// because a relative path counts from the recipe's folder first.
fn data_path(path: &Path, output: &Path) -> Result<PathBuf> {
    let folder = output.parent().unwrap_or(Path::new(""));
    let is_here = folder.as_os_str().is_empty() || folder == Path::new(".");
    let path = if is_here {
        path.to_owned()
    } else {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    };
    if path.to_str().is_none() {
        let text = format!(
            "{} is not UTF-8, so a recipe cannot name it\nhint: rename it",
            path.display()
        );
        return Err(UserMistake(text).into());
    }
    Ok(path)
}

/// Refuses a text that would not be read back as it was meant, before it is written.
fn check_text(text: &str, survey: &Survey) -> Result<()> {
    let path = Path::new("init.yaml");
    let recipe = Recipe::parse(text, path, &[], slm_benchmarks::NAMES)
        .context("the recipe for this data cannot be written")?;
    if Path::new(&recipe.data.datasets[0].path) != survey.path {
        anyhow::bail!(
            "{} cannot be named in a recipe\nhint: rename it",
            survey.path.display()
        );
    }
    Ok(())
}

fn refuse_existing(output: &Path) -> Result<()> {
    if output.symlink_metadata().is_ok() {
        let text = format!(
            "{} already exists, and `trainer init` overwrites nothing\n\
             hint: --output names another file, or remove this one",
            output.display()
        );
        return Err(UserMistake(text).into());
    }
    Ok(())
}

/// Writes a file that must not exist, so that nothing written meanwhile is lost.
fn write_new(output: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", output.display());
    let file = OpenOptions::new().write(true).create_new(true).open(output);
    let mut file = match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            refuse_existing(output)?;
            return Err(error).with_context(cannot);
        }
        file => file.with_context(cannot)?,
    };
    file.write_all(text.as_bytes()).with_context(cannot)
}

fn summary(survey: &Survey, choice: &Choice, machine: &Machine, output: &Path) -> String {
    let file = slm_cli::shell_word(&output.display().to_string());
    let mut lines = vec![format!("found        {}", survey.found())];
    if let Some(left_out) = survey.left_out() {
        lines.push(format!("left out     {left_out}"));
    }
    lines.extend([
        format!(
            "lengths      median {} tokens, 95 % up to {}, longest {}{}",
            survey.quantile(0.5),
            survey.quantile(0.95),
            survey.quantile(1.0),
            if survey.is_exact {
                ""
            } else {
                " (estimated from bytes)"
            }
        ),
        format!(
            "model        {}, about {} of {} memory",
            choice.model_title,
            bytes_text(choice.needed_bytes),
            bytes_text(machine.bytes)
        ),
        format!(
            "training     {} examples, {} per step, sequences of up to {} tokens, {}",
            choice.examples,
            choice.micro_batch_size * choice.gradient_accumulation_steps,
            choice.max_seq_length,
            if choice.epochs == 1 {
                "1 epoch".to_owned()
            } else {
                format!("{} epochs", choice.epochs)
            }
        ),
    ]);
    if choice.too_long > 0 {
        lines.push(format!(
            "{:<13}{} longer than that",
            match choice.overlength {
                Overlength::Split => "split",
                Overlength::Truncate => "cut",
                Overlength::Drop | Overlength::Error => "too long",
            },
            counted(choice.too_long, "example")
        ));
    }
    if let Some(seconds) = choice.seconds {
        let time = duration_text(std::time::Duration::from_secs_f64(seconds));
        lines.push(format!(
            "time         about {time} on this CPU (rough; `trainer plan {file} --measure` measures it)"
        ));
    }
    lines.push(format!("wrote        {file}"));
    lines.push(String::new());
    lines.push("Next:".to_owned());
    lines.push(format!("  trainer data {file}"));
    lines.push(format!("  trainer fit {file} && evaluator compare"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_named_after_its_data() {
        let name =
            |path: &str| default_output(Path::new(path)).map(|output| output.display().to_string());
        assert_eq!(name("no/such/src").expect("a name"), "src.yaml");
        assert_eq!(name("data/rows.jsonl.gz").expect("a name"), "rows.yaml");
        assert_eq!(name("a b").expect("a name"), "a-b.yaml");
        assert_eq!(name("(old) src").expect("a name"), "old--src.yaml");
        assert_eq!(name(".hidden").expect("a name"), "hidden.yaml");
        let error = name("/").expect_err("the root has no name").to_string();
        assert!(error.contains("--output"), "{error}");
    }
}
