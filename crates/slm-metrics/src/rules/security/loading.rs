//! Data and text that may execute code when they are loaded.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::Call;
use super::rule::rule;

static EXEC: Rule = rule(
    "exec-used",
    "bandit B102",
    "`exec` executes a text as code",
    30.0,
);
static YAML_LOAD: Rule = rule(
    "yaml-load",
    "bandit B506",
    "`yaml.load` without a safe loader creates arbitrary objects",
    5.0,
);
static LOGGING_LISTEN: Rule = rule(
    "logging-listen",
    "bandit B612",
    "`logging.config.listen` executes configurations that it receives",
    20.0,
);
static TORCH_LOAD: Rule = rule(
    "torch-load",
    "bandit B614",
    "`torch.load` without `weights_only=True` executes code of the file",
    10.0,
);

pub(super) static RULES: [&Rule; 4] = [&EXEC, &YAML_LOAD, &LOGGING_LISTEN, &TORCH_LOAD];

/// Reports a call that may execute what it loads.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    if call.name.is("exec") {
        report.add(
            &EXEC,
            Severity::Medium,
            call.range(),
            "`exec` executes a text as code",
        );
    }
    if call.name.has_part("yaml")
        && call.name.last() == "load"
        && call.imports.has_exact("yaml")
        && ![call.value("Loader"), call.value_at(1)]
            .iter()
            .any(|loader| loader.is("SafeLoader") || loader.is("CSafeLoader"))
    {
        let message = "`yaml.load` creates arbitrary objects; `yaml.safe_load` does not";
        report.add(&YAML_LOAD, Severity::Medium, call.range(), message);
    }
    if call.name.is("logging.config.listen") && call.keyword("verify").is_none() {
        let message = "received configurations are not verified";
        report.add(&LOGGING_LISTEN, Severity::Medium, call.range(), message);
    }
    if call
        .name
        .is_any(&["torch.load", "torch.serialization.load"])
        && call.imports.has_exact("torch")
        && !call.value("weights_only").is("True")
    {
        let message = "the file may execute code; pass `weights_only=True`";
        report.add(
            &TORCH_LOAD,
            Severity::Medium,
            call.range_at("load"),
            message,
        );
    }
}
