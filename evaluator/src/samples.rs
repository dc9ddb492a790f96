//! The samples of a run as flat rows, for tools that read tables.

use serde_json::{Map, Value, json};
use slm_artifacts::Phase;
use slm_metrics::syntax::BleuCounts;
use slm_report::code_metric::{CODE_METRICS, CodeMetric};
use slm_report::{ProgramMetrics, RunInfo, SampleRecord, Spending};

/// Returns one row per record, with one type per column; `canonical_cpu_s` is the task's.
pub(crate) fn rows(run: &RunInfo, records: &[SampleRecord]) -> Vec<Map<String, Value>> {
    records.iter().map(|record| row(run, record)).collect()
}

#[expect(clippy::too_many_lines, reason = "one column after the other")]
fn row(run: &RunInfo, record: &SampleRecord) -> Map<String, Value> {
    let SampleRecord {
        version: _,
        arm,
        workflow,
        decoding,
        benchmark,
        task_id,
        sample,
        seed,
        prompt_tokens,
        completion_tokens,
        calls,
        executions,
        lookups,
        masked,
        recall,
        copied,
        sketch_kept,
        rounds,
        attempts,
        tokens_to_program,
        seconds_to_program,
        stop,
        phase,
        phases,
        complete,
        routed_to,
        format_failures,
        unspent:
            Spending {
                completion_tokens: unspent_completion_tokens,
                calls: unspent_calls,
                executions: unspent_executions,
                lookups: unspent_lookups,
            },
        finish_reason,
        generation_s,
        reused_s,
        retries,
        tokens_estimated,
        completion,
        program,
        parsable,
        metrics,
        verdict,
        tests_passed,
        tests_total,
        executable,
        detail,
        cpu_s,
        same_signature,
        similarity,
        reference_loss,
        bleu,
        line_use,
    } = record;
    let bleu = bleu.as_ref();
    let lines = line_use.as_ref();
    let columns = [
        ("run", json!(run.name)),
        ("arm", json!(arm)),
        ("workflow", json!(workflow)),
        ("temperature", json!(decoding.temperature)),
        ("top_p", json!(decoding.top_p)),
        ("benchmark", json!(benchmark)),
        ("task_id", json!(task_id)),
        ("sample", json!(sample)),
        // As text: integer columns of a table are signed, and a seed needs all 64 bits.
        ("seed", json!(seed.to_string())),
        ("verdict", json!(verdict)),
        ("passed", json!(record.passed())),
        ("tests_passed", json!(tests_passed)),
        ("tests_total", json!(tests_total)),
        ("parsable", json!(parsable)),
        ("executable", json!(executable)),
    ];
    let further = [
        ("prompt_tokens", json!(prompt_tokens)),
        ("completion_tokens", json!(completion_tokens)),
        ("calls", json!(calls)),
        ("executions", json!(executions)),
        ("lookups", json!(lookups)),
        ("masked", json!(masked)),
        ("recall", json!(recall)),
        ("copied", json!(copied)),
        ("sketch_kept", json!(sketch_kept)),
        ("rounds", json!(rounds)),
        ("attempts", json!(attempts)),
        ("tokens_to_program", json!(tokens_to_program)),
        ("seconds_to_program", json!(seconds_to_program)),
        // As text: columns of the table have plain types. No phase's name contains a space.
        ("format_failures", json!(format_failures)),
        ("stop", json!(stop)),
        ("phase", json!(phase)),
        ("phases", json!(phases_in_words(phases))),
        ("complete", json!(complete)),
        ("routed_to", json!(routed_to)),
        ("finish_reason", json!(finish_reason)),
        (
            "unspent_completion_tokens",
            json!(unspent_completion_tokens),
        ),
        ("unspent_calls", json!(unspent_calls)),
        ("unspent_executions", json!(unspent_executions)),
        ("unspent_lookups", json!(unspent_lookups)),
        ("generation_s", json!(generation_s)),
        ("reused_s", json!(reused_s)),
        ("retries", json!(retries)),
        ("tokens_estimated", json!(tokens_estimated)),
        ("cpu_s", json!(cpu_s)),
        ("canonical_cpu_s", json!(run.canonical_cpu_s.get(task_id))),
        ("same_signature", json!(same_signature)),
        ("similarity", json!(similarity)),
        ("reference_loss", json!(reference_loss)),
        ("bleu", json!(bleu.map(BleuCounts::bleu))),
        ("lines_given", json!(lines.map(|of| of.given))),
        ("lines_used", json!(lines.map(|of| of.used))),
        ("lines_altered", json!(lines.map(|of| of.altered))),
        ("lines_added", json!(lines.map(|of| of.added))),
        ("lines_unused", json!(lines.map(|of| of.unused))),
        (
            "distractors_used",
            json!(lines.map(|of| of.distractors_used)),
        ),
        ("detail", json!(detail)),
        ("completion", json!(completion)),
        ("program", json!(program)),
    ];
    let of_code = code_columns(metrics.as_ref());
    let columns = columns.into_iter().chain(of_code).chain(further);
    columns
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns the phases in one column; null without any.
fn phases_in_words(phases: &[Phase]) -> Option<String> {
    let names: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// Returns the metrics of a program, in the order of the columns; null without metrics.
fn code_columns(metrics: Option<&ProgramMetrics>) -> Vec<(&'static str, Value)> {
    let mut all: Vec<_> = CODE_METRICS.iter().collect();
    all.sort_by_key(|metric| metric.shown.column);
    let column = |metric: &CodeMetric| {
        let value = metrics.map_or(Value::Null, metric.json);
        (metric.key, value)
    };
    all.into_iter().map(column).collect()
}
