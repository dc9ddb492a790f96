//! The plan as text.

use std::time::Duration;

use slm_artifacts::counted;
use slm_cli::{bytes_text, duration_text};

use super::{Measured, Plan};
use crate::budget::Budget;
use crate::memory::Memory;

/// Describes the plan for people, one item a line; `start` is the adapter that the training starts from, `currency` that of
/// prices.
pub(super) fn text(
    plan: &Plan,
    (start, currency): (Option<&str>, Option<&str>),
    budget: &Budget,
) -> String {
    let share = 100.0 * plan.trainable_parameters as f64 / plan.parameters as f64;
    let start = start.map(|start| format!("init_from    {start}"));
    let mut lines: Vec<String> = start.into_iter().collect();
    lines.extend([
        format!(
            "parameters   {:.1} M, {:.2} M ({share:.2} %) of them trained",
            plan.parameters as f64 / 1e6,
            plan.trainable_parameters as f64 / 1e6
        ),
        format!(
            "steps        {} over {}",
            plan.steps,
            counted(plan.examples, "example")
        ),
        format!(
            "tokens       {} per epoch, longest example {}",
            plan.tokens_per_epoch, plan.longest_example
        ),
        format!(
            "memory       about {}, of which",
            bytes_text(plan.total_bytes)
        ),
    ]);
    lines.extend(memory_lines(plan.memory));
    lines.push(format!("layers       {}", budget.layers_text()));
    lines.push(fits_line(plan));
    if let Some(estimate) = &plan.estimate {
        lines.extend(estimate.lines());
    }
    if let Some(measured) = plan.measured {
        lines.extend(measured_lines(measured));
    }
    if let Some(price) = plan.price_of_hours {
        let currency = currency.map_or_else(String::new, |of| format!(" {of}"));
        lines.push(format!(
            "price        about {price:.2}{currency} for the hours, without that of the energy"
        ));
    }
    lines.join("\n")
}

/// The parts of the memory that are not empty.
fn memory_lines(memory: Memory) -> Vec<String> {
    let Memory {
        weights_bytes,
        adapter_bytes,
        optimizer_bytes,
        activations_bytes,
        backward_bytes,
        logits_bytes,
        update_bytes,
        pool_bytes,
        program_bytes,
    } = memory;
    let on_gpu = backward_bytes > 0;
    let mut lines = Vec::new();
    for (name, bytes) in [
        ("weights", weights_bytes),
        ("adapter and its gradients", adapter_bytes),
        ("state of the optimizer", optimizer_bytes),
        ("activations of a micro-batch", activations_bytes),
        ("backward pass of a layer", backward_bytes),
        ("a chunk of logits", logits_bytes),
        ("an update of the adapter", update_bytes),
        ("unused pages of the pool", pool_bytes),
        (if on_gpu { "context" } else { "program" }, program_bytes),
    ] {
        if bytes > 0 {
            lines.push(format!("  {name:29} {:>9}", bytes_text(bytes)));
        }
    }
    if on_gpu {
        lines.push(
            "  (of the backward pass and the logits the larger counts, and an update instead of the micro-batch if it is \
             larger; computed, not measured)"
                .to_owned(),
        );
    }
    lines
}

/// Whether the training fits into the free memory.
fn fits_line(plan: &Plan) -> String {
    match (plan.available_bytes, plan.largest_micro_batch_size) {
        (None, _) => "fits         unknown: this device does not report its free memory".to_owned(),
        (Some(available), _) if plan.fits == Some(true) => {
            format!("fits         yes, {} is available", bytes_text(available))
        }
        (Some(available), Some(n @ 1..)) => format!(
            "fits         no, {} is available; with train.micro_batch_size {n} it would",
            bytes_text(available)
        ),
        (Some(available), _) => {
            format!("fits         no, {} is available", bytes_text(available))
        }
    }
}

/// The measured steps.
fn measured_lines(measured: Measured) -> Vec<String> {
    let mut lines = Vec::new();
    let duration = |seconds| duration_text(Duration::from_secs_f64(seconds));
    let peak = measured
        .peak_bytes
        .map_or_else(|| "unknown".to_owned(), bytes_text);
    lines.push(format!(
            "measured     {} per step over {} steps after a first one of {}, {:.0} tokens/s, peak memory {peak}",
            duration(measured.seconds_per_step),
            measured.steps,
            duration(measured.first_step_seconds),
            measured.tokens_per_second,
        ));
    let share = measured.model_flops_utilisation;
    lines.push(format!(
        "arithmetic   {:.2} model TFLOP/s{}; loss {:.3}, gradient norm {:.3}",
        measured.teraflops,
        share.map_or_else(String::new, |share| format!(
            ", {:.1} % of the device's peak",
            100.0 * share
        )),
        measured.loss,
        measured.grad_norm,
    ));
    lines.push(format!(
        "whole run    about {}{}",
        duration(measured.whole_run_seconds),
        measured
            .reference_seconds
            .map_or_else(String::new, |seconds| format!(
                ", of which the base model's log-probabilities take {}",
                duration(seconds)
            ))
    ));
    lines
}
