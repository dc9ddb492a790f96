//! The user's choice of sandbox, and `evaluator sandbox`, which attacks it and prints what it blocks.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use slm_cli::Failure;
use slm_sandbox::{Description, Interpreter, LevelChoice, Limits, Sandbox};

pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator sandbox
  evaluator sandbox --python .venv/bin/python --json

Real attacks run in the sandbox like any generated program: reading and writing outside of it, network connections, \
signals, exhausting memory, processes, time and disk, and forging the verdict of a wrong program. Level A needs \
bubblewrap; level B is used where bubblewrap is missing or forbidden. Both are Linux only.

Environment: PYTHON sets the Python interpreter.";

/// Readable by every user, as level B requires.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// The sandbox options of every command that runs generated programs.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SandboxChoice {
    /// Without a working sandbox, run generated programs with resource limits only: they can do everything that you
    /// can
    #[arg(long)]
    pub(crate) unsafe_execution: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// Python interpreter for the programs; may be one of a virtual environment [default: python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) choice: SandboxChoice,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl SandboxChoice {
    /// Opens the strongest sandbox that works on this machine, with a warning if that is not level A.
    ///
    /// Programs run on `python`, else on `PYTHON`, else on the first `python3`; if the sandbox cannot use that
    /// default, on the system's own, with a warning.
    pub(crate) fn open(self, python: Option<&Path>, limits: Limits) -> Result<Sandbox> {
        let named = python.map(Path::to_owned).or_else(slm_cli::named_python);
        let first = named.clone().unwrap_or_else(|| "python3".into());
        let sandbox = match self.open_on(&first, &limits) {
            Err(error) if named.is_none() => {
                match self.open_on(Path::new(SYSTEM_PYTHON), &limits) {
                    Ok(sandbox) => {
                        let version = &sandbox.interpreter().version;
                        slm_cli::note(&format!(
                            "warning: programs run on {SYSTEM_PYTHON} ({version}), because the first python3 cannot be used: {error:#}"
                        ));
                        sandbox
                    }
                    Err(_) => return Err(error),
                }
            }
            other => other?,
        };
        if let Some(reason) = sandbox.weaker_because() {
            let level = sandbox.level();
            slm_cli::note(&format!(
                "warning: the sandbox has level {level} only ({}), because {reason}",
                level.summary()
            ));
        }
        Ok(sandbox)
    }

    fn open_on(self, python: &Path, limits: &Limits) -> Result<Sandbox> {
        let interpreter =
            Interpreter::resolve(Some(python)).context("no Python to run programs with")?;
        let level = if self.unsafe_execution {
            LevelChoice::StrongestOrUnsafe
        } else {
            LevelChoice::Strongest
        };
        Ok(Sandbox::with_level(interpreter, limits.clone(), level)?)
    }
}

/// `evaluator sandbox`.
pub(crate) fn run(arguments: &SandboxArguments) -> Result<(), Failure> {
    Ok(show(arguments)?)
}

fn show(arguments: &SandboxArguments) -> Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        python: &'a Interpreter,
        #[serde(flatten)]
        description: &'a Description,
    }
    let sandbox = arguments
        .choice
        .open(arguments.python.as_deref(), Limits::default())?;
    let description = sandbox.self_test()?;
    let interpreter = sandbox.interpreter();
    if arguments.json {
        let document = Document {
            python: interpreter,
            description: &description,
        };
        slm_cli::document(&serde_json::to_string_pretty(&document)?);
    } else {
        slm_cli::painted_result(&table(interpreter, &description));
    }
    Ok(())
}

fn table(interpreter: &Interpreter, description: &Description) -> String {
    let emphasis = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut lines = vec![
        format!("level     {}", description.level),
        format!(
            "python    {} ({})",
            slm_cli::printable(&interpreter.version),
            slm_cli::printable(&interpreter.executable.display().to_string())
        ),
        String::new(),
    ];
    lines.extend(description.properties.iter().map(|property| {
        match (property.enforced, emphasis) {
            (true, _) => format!("enforced  {}", property.name),
            (false, false) => format!("NOT       {}", property.name),
            (false, true) => format!("\u{1b}[1;31mNOT       {}\u{1b}[0m", property.name),
        }
    }));
    lines.join("\n")
}
