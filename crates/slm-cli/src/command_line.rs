//! What is made from the definition of a command line: shell completions, man pages, and the reference page.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Arg, Args, Command};
use clap_complete::Shell;

use crate::exit::Failure;
use crate::output::note;

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The folder to write, made if it is missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// The completion script of `command` for a shell.
pub fn completions(mut command: Command, shell: Shell) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes the man pages of `command` and of each of its commands into `folder`.
///
/// # Errors
/// The folder cannot be made or written.
pub fn man(command: Command, folder: &Path) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command.disable_help_subcommand(true), folder))
        .with_context(|| format!("cannot write man pages to {}", folder.display()))?;
    note(&format!("wrote {}", folder.join(name + ".1").display()));
    Ok(())
}

/// The reference of `command` as Markdown: usage, arguments and options of each of its commands.
pub fn reference(command: Command) -> String {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut page = String::new();
    let name = command.get_name().to_owned();
    let _ = writeln!(page, "## {name}\n");
    if let Some(about) = command.get_about() {
        let _ = writeln!(page, "{about}\n");
    }
    for command in command.get_subcommands_mut() {
        if command.is_hide_set() {
            continue;
        }
        let _ = writeln!(page, "### {name} {}\n", command.get_name());
        if let Some(about) = command.get_about() {
            let _ = writeln!(page, "{about}.\n");
        }
        let usage = command.render_usage().to_string();
        let _ = writeln!(
            page,
            "```text\n{}\n```\n",
            usage.trim_start_matches("Usage: ")
        );
        table_of_arguments(&mut page, command);
        if let Some(text) = command.get_after_long_help() {
            let _ = writeln!(page, "```text\n{}\n```\n", text.to_string().trim());
        }
    }
    page.trim_end().to_owned() + "\n"
}

fn table_of_arguments(page: &mut String, command: &Command) {
    let shown: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && argument.get_id() != "help")
        .collect();
    if shown.is_empty() {
        return;
    }
    page.push_str("| argument | | default |\n|---|---|---|\n");
    for argument in shown {
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let is_switch = !argument.get_action().takes_values();
        let default = match &defaults[..] {
            [] => String::new(),
            _ if is_switch => String::new(),
            values => format!("`{}`", values.join(" ")),
        };
        let possible: Vec<_> = argument
            .get_possible_values()
            .iter()
            .filter(|_| !is_switch)
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let possible = match &possible[..] {
            [] => String::new(),
            names => format!(": {}", names.join(", ")),
        };
        let name = argument.to_string();
        let _ = writeln!(
            page,
            "| `{}` | {}{} | {} |",
            name.replace('|', "\\|"),
            help.replace('|', "\\|").replace('\n', " "),
            possible.replace('|', "\\|"),
            default.replace('|', "\\|"),
        );
    }
    page.push('\n');
}

/// The arguments of the program, with `help --help`, which clap does not know, as `--help`.
pub fn arguments() -> Vec<OsString> {
    without_help_of_help(std::env::args_os().collect())
}

fn without_help_of_help(mut words: Vec<OsString>) -> Vec<OsString> {
    let is = |at: usize, known: &[&str]| {
        words
            .get(at)
            .is_some_and(|word| known.iter().any(|known| word == known))
    };
    if words.len() == 3 && is(1, &["help"]) && is(2, &["--help", "-h", "help"]) {
        words.remove(1);
        words[1] = "--help".into();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_help_is_help() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let changed = |text: &str| without_help_of_help(words(text));
        assert_eq!(changed("trainer help --help"), words("trainer --help"));
        assert_eq!(changed("trainer help fit"), words("trainer help fit"));
        assert_eq!(changed("trainer fit --help"), words("trainer fit --help"));
    }
}
