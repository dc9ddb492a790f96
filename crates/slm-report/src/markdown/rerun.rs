//! What is needed to make the run again.

use crate::record::RunInfo;

use super::super::number::{count, number, seconds};
use super::text::{details, name, table, whole_code_block};

/// Command, versions, hashes, seeds, device, timings and the recipe.
pub(super) fn section(run: &RunInfo) -> String {
    [
        whole_code_block("sh", &run.command),
        table(&["item", "value"], 2, &facts(run)),
        "Wall time by phase:\n".to_owned(),
        timings(run),
        details(
            &format!("The resolved recipe (sha256 {})", short(&run.recipe.sha256)),
            &whole_code_block("yaml", &run.recipe.yaml),
        ),
    ]
    .join("\n")
}

fn facts(run: &RunInfo) -> Vec<Vec<String>> {
    let sampling = &run.sampling;
    let limit = |value: Option<String>| value.unwrap_or_else(|| "off".to_owned());
    let mut facts = vec![
        ("Run", name(&run.name)),
        ("Begun", name(&run.created)),
        ("Project version", name(&run.project_version)),
        ("Base model", name(&run.base_model.name)),
        (
            if run.endpoint.is_some() {
                "Base model as served, sha256 of what is known of it"
            } else {
                "Base model, sha256"
            },
            name(&run.base_model.sha256),
        ),
    ];
    for served in run.endpoint.iter().flat_map(|endpoint| &endpoint.models) {
        let told = served.told.as_ref().map_or_else(String::new, |told| {
            format!(", of which the server says {}", name(&told.to_string()))
        });
        let text = format!("{} as {}{told}", name(&served.arm), name(&served.model));
        facts.push(("Served", text));
    }
    for adapter in &run.adapters {
        facts.push((
            "Adapter",
            format!("{} from {}", name(&adapter.name), name(&adapter.path)),
        ));
        facts.push(("Adapter, sha256", name(&adapter.sha256)));
        if let Some(training) = &adapter.training {
            facts.push((
                "Adapter, training",
                format!(
                    "{} steps on {} examples, final loss {} nats per token, {}",
                    training.steps,
                    training.examples,
                    number(training.final_loss, 3),
                    seconds(training.seconds),
                ),
            ));
        }
    }
    let seeds: Vec<String> = run
        .seeds
        .iter()
        .map(|seed| format!("{} {}", name(&seed.name), seed.seed))
        .collect();
    for benchmark in &run.benchmarks {
        let text = format!("{}, {} tasks", name(&benchmark.name), benchmark.tasks);
        facts.push(("Benchmark", text));
        facts.push(("Benchmark, sha256", name(&benchmark.sha256)));
    }
    for source in &run.sources {
        let text = format!(
            "{} at commit {}, {}",
            name(&source.repository),
            name(&source.commit),
            count(source.files.len(), "file")
        );
        facts.push(("From the hub", text));
    }
    facts.extend([
        (
            "Sampling",
            format!(
                "temperature {}, top-p {}, top-k {}, at most {} tokens, {} a task",
                sampling.temperature,
                limit(sampling.top_p.map(|p| p.to_string())),
                limit(sampling.top_k.map(|k| k.to_string())),
                sampling.max_new_tokens,
                count(sampling.samples_per_task as usize, "sample"),
            ),
        ),
        ("Seeds", seeds.join(", ")),
        ("Device", device(run)),
        ("Python", name(&run.python_version)),
        ("Sandbox", name(&run.sandbox.level)),
    ]);
    facts
        .into_iter()
        .map(|(label, fact)| vec![label.to_owned(), fact])
        .collect()
}

fn device(run: &RunInfo) -> String {
    match &run.endpoint {
        None => format!("{}, {} threads", name(&run.device), run.threads),
        Some(endpoint) => format!(
            "server {} by {}, up to {} at once",
            name(&endpoint.url),
            name(&endpoint.api),
            count(endpoint.concurrency, "request"),
        ),
    }
}

fn timings(run: &RunInfo) -> String {
    let total: f64 = run.timings.iter().map(|timing| timing.seconds).sum();
    let rows: Vec<Vec<String>> = run
        .timings
        .iter()
        .map(|timing| vec![name(&timing.phase), seconds(timing.seconds)])
        .chain([vec!["total".to_owned(), seconds(total)]])
        .collect();
    table(&["phase", "wall time"], 1, &rows)
}

/// Enough of a hash to recognise it.
fn short(sha256: &str) -> String {
    super::text::html_name(&sha256.chars().take(12).collect::<String>())
}
