//! Programs started by the program, with and without a shell.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::{Call, is_zero};
use super::rule::rule;
use crate::ast::Expr;

static SUBPROCESS_SHELL: Rule = rule(
    "subprocess-with-shell",
    "bandit B602",
    "A function of `subprocess` runs its command in a shell",
    20.0,
);
static SUBPROCESS: Rule = rule(
    "subprocess-without-shell",
    "bandit B603",
    "A function of `subprocess` runs a command; check where it comes from",
    5.0,
);
static CALL_SHELL: Rule = rule(
    "call-with-shell",
    "bandit B604",
    "A function is called with `shell=True`",
    20.0,
);
static PROCESS_SHELL: Rule = rule(
    "process-with-shell",
    "bandit B605",
    "A function that always uses a shell starts a process",
    20.0,
);
static PROCESS: Rule = rule(
    "process-without-shell",
    "bandit B606",
    "A function of `os` starts a process without a shell",
    5.0,
);
static PARTIAL_PATH: Rule = rule(
    "process-with-partial-path",
    "bandit B607",
    "A process is started by a name that the search path resolves",
    5.0,
);

pub(super) static RULES: [&Rule; 6] = [
    &SUBPROCESS_SHELL,
    &SUBPROCESS,
    &CALL_SHELL,
    &PROCESS_SHELL,
    &PROCESS,
    &PARTIAL_PATH,
];

const WITH_SUBPROCESS: [&str; 5] = [
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.run",
];
const WITH_SHELL: [&str; 14] = [
    "os.system",
    "os.popen",
    "os.popen2",
    "os.popen3",
    "os.popen4",
    "popen2.popen2",
    "popen2.popen3",
    "popen2.popen4",
    "popen2.Popen3",
    "popen2.Popen4",
    "commands.getoutput",
    "commands.getstatusoutput",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
];
const WITHOUT_SHELL: [&str; 17] = [
    "os.execl",
    "os.execle",
    "os.execlp",
    "os.execlpe",
    "os.execv",
    "os.execve",
    "os.execvp",
    "os.execvpe",
    "os.spawnl",
    "os.spawnle",
    "os.spawnlp",
    "os.spawnlpe",
    "os.spawnv",
    "os.spawnve",
    "os.spawnvp",
    "os.spawnvpe",
    "os.startfile",
];

/// Reports what a call does with processes.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    let with_subprocess = call.name.is_any(&WITH_SUBPROCESS);
    let with_shell = call.name.is_any(&WITH_SHELL);
    let without_shell = call.name.is_any(&WITHOUT_SHELL);
    let first = call.args().first();
    let has_shell = call.keyword("shell").is_some_and(turns_on);
    let at_shell = call.range_at("shell");
    match (with_subprocess, has_shell) {
        (true, true) => {
            if let Some(command) = first {
                let message = "the command runs in a shell";
                report.add(&SUBPROCESS_SHELL, severity_of(command), at_shell, message);
            }
        }
        (true, false) => {
            let message = "check that the command cannot come from untrusted input";
            report.add(&SUBPROCESS, Severity::Low, at_shell, message);
        }
        (false, true) => {
            let message = "the call has `shell=True`";
            report.add(&CALL_SHELL, Severity::Medium, at_shell, message);
        }
        (false, false) => {}
    }
    if with_shell && let Some(command) = first {
        let message = "the process is started by a shell";
        report.add(&PROCESS_SHELL, severity_of(command), call.range(), message);
    }
    if without_shell {
        let message = "check that the program cannot come from untrusted input";
        report.add(&PROCESS, Severity::Low, call.range(), message);
    }
    if (with_subprocess || with_shell || without_shell) && first.is_some_and(has_partial_path) {
        let message = "the search path decides which program is started";
        report.add(&PARTIAL_PATH, Severity::Low, call.range(), message);
    }
}

/// Returns whether the value of the argument `shell` turns the shell on; an unknown value does.
fn turns_on(value: &Expr) -> bool {
    match value {
        Expr::BooleanLiteral(boolean) => boolean.value,
        Expr::NumberLiteral(number) => !is_zero(&number.value),
        Expr::List(list) => !list.elts.is_empty(),
        Expr::Dict(dict) => !dict.items.is_empty(),
        Expr::StringLiteral(string) => !string.value.is_empty(),
        Expr::BytesLiteral(bytes) => !bytes.value.is_empty(),
        Expr::NoneLiteral(_) => false,
        _ => true,
    }
}

/// A constant command is less serious than a computed one.
fn severity_of(command: &Expr) -> Severity {
    if command.is_string_literal_expr() {
        Severity::Low
    } else {
        Severity::High
    }
}

/// Returns whether a command starts with a name instead of a path.
fn has_partial_path(command: &Expr) -> bool {
    let program = match command {
        Expr::List(list) => list.elts.first(),
        other => Some(other),
    };
    let Some(Expr::StringLiteral(program)) = program else {
        return false;
    };
    !match program.value.to_str().as_bytes() {
        [b'\\' | b'/' | b'.', ..] => true,
        [drive, b':', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}
