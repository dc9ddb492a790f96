//! The description of a run (request, models, data, environment), and the name that is derived from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::{AdapterFolder, sha256_of_texts};
use slm_benchmarks::{LeftOut, Task};
use slm_cli::Provenance;
use slm_config::{Objective, Recipe, Workflow, without_costs};
use slm_report::{
    AdapterInfo, BenchmarkInfo, Experiment, NamedSeed, Plan, RECORD_VERSION, RecipeInfo, RunInfo,
    STATISTICS, SamplingInfo, SandboxInfo, SandboxProperty, SpeakerInfo, Spending, TrainingSummary,
};
use slm_sandbox::Sandbox;

use super::Request;
use super::answering::Answerer;
use super::declaration;
use crate::knowledge::Knowledge;
use crate::routing::Routing;
use crate::run_folder::{RUN, RunFolder};
use crate::workflow::prompt::Templates;
use crate::workflow::scores::Scores;

/// Describes an adapter, with its training if its folder records it.
pub(crate) fn adapter(folder: &Path, name: &str) -> Result<AdapterInfo> {
    let summary = AdapterFolder(folder).read_training();
    let recipe = AdapterFolder(folder).recipe();
    let trained_by = Recipe::load(&recipe, &[], slm_benchmarks::NAMES).ok();
    let objective = trained_by.as_ref().map(|recipe| recipe.train.objective);
    let objective = objective.filter(|objective| *objective != Objective::Sft);
    let training = summary.as_ref().map(|summary| TrainingSummary {
        steps: summary.steps,
        examples: summary.examples,
        final_loss: summary.final_loss,
        seconds: summary.seconds,
        objective: objective.map(|objective| objective.name().to_owned()),
        energy: summary.energy.clone(),
    });
    let sha256 = slm_model::Adapter::sha256(folder)
        .with_context(|| format!("cannot read the adapter {}", folder.display()))?;
    Ok(AdapterInfo {
        name: name.to_owned(),
        path: folder.display().to_string(),
        sha256,
        training,
        decontaminated: decontaminated(
            trained_by.map(|recipe| recipe.data.decontaminate),
            summary.as_ref(),
        ),
        search: summary.and_then(|summary| summary.search()),
        learned_tasks: Vec::new(),
    })
}

/// Whether the data of all trainings of an adapter were decontaminated, of which the last one's `own` is known from its
/// recipe; `None` if that is not known of one of them.
fn decontaminated(
    own: Option<bool>,
    summary: Option<&slm_artifacts::TrainingSummary>,
) -> Option<bool> {
    let Some(summary) = summary.filter(|summary| summary.init_from.is_some()) else {
        return own;
    };
    let mut earlier = summary.generations().skip(1);
    let searched = own? && earlier.all(|one| one.decontamination.is_some());
    (!searched || !summary.starts_from_unknown()).then_some(searched)
}

/// Describes a benchmark, with a hash over everything in it that affects a sample.
pub(crate) fn benchmark(name: &str, tasks: &[Task], left_out: &LeftOut) -> BenchmarkInfo {
    let hidden: Vec<String> = tasks.iter().map(|task| task.hidden().sha256()).collect();
    // References decide the prompts of `rag_oracle`, and the recall of all lookups.
    let references: Vec<String> = tasks
        .iter()
        .flat_map(Task::references)
        .flat_map(|reference| [reference.source.clone(), reference.name.clone()])
        .collect();
    let sha256 = sha256_of_texts(
        tasks
            .iter()
            .zip(&hidden)
            .flat_map(|(task, hidden)| {
                let view = task.view();
                [
                    view.task_id.as_str(),
                    &view.prompt,
                    &view.entry_point,
                    hidden,
                ]
            })
            .chain(references.iter().map(String::as_str)),
    );
    BenchmarkInfo {
        name: name.to_owned(),
        tasks: tasks.len(),
        sha256,
        left_out: left_out
            .iter()
            .map(|(reason, n)| ((*reason).to_owned(), *n))
            .collect(),
    }
}

/// Everything that a run's description contains.
pub(crate) struct Parts<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) answerer: Answerer,
    pub(crate) adapters: Vec<AdapterInfo>,
    pub(crate) speakers: Vec<SpeakerInfo>,
    /// The workflows in which a teacher answers.
    pub(crate) assisted: Vec<String>,
    pub(crate) benchmarks: Vec<BenchmarkInfo>,
    /// The hub's record of the benchmarks that came from there.
    pub(crate) sources: Vec<Provenance>,
    pub(crate) plan: Plan,
    pub(crate) templates: &'a Templates,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) request: &'a Request<'a>,
    pub(crate) knowledge: &'a Knowledge,
    pub(crate) routing: &'a Routing,
}

/// Describes a run. Its name contains a hash of everything that affects a sample, so that the same experiment has the
/// same name.
pub(crate) fn run(parts: Parts) -> Result<RunInfo> {
    let Parts {
        recipe,
        answerer,
        adapters,
        speakers,
        assisted,
        benchmarks,
        sources,
        plan,
        templates,
        sandbox,
        request,
        knowledge,
        routing,
    } = parts;
    let yaml = recipe.to_yaml();
    let evaluate = &recipe.evaluate;
    let Answerer {
        base_model,
        provenance,
        device,
        threads,
        endpoint,
    } = answerer;
    let python = &sandbox.interpreter().version;
    let description = sandbox.self_test()?;
    let mut info = RunInfo {
        version: RECORD_VERSION,
        name: String::new(),
        created: slm_cli::now(),
        project_version: env!("CARGO_PKG_VERSION").to_owned(),
        config_sha256: String::new(),
        command: command_line(&adapters, request),
        base_model,
        adapters,
        speakers,
        recipe: RecipeInfo {
            sha256: sha256_of_texts([yaml.as_str()]),
            yaml,
            declared: match &request.common.recipe {
                Some(path) => Some(declaration::of_file(path, &request.common.overrides)?),
                None => None,
            },
        },
        benchmarks,
        sources: provenance.into_iter().chain(sources).collect(),
        device,
        threads,
        python_version: python.clone(),
        sandbox: SandboxInfo {
            level: description.level,
            properties: description
                .properties
                .into_iter()
                .map(|property| SandboxProperty {
                    name: property.name,
                    enforced: property.enforced,
                })
                .collect(),
        },
        seeds: vec![
            NamedSeed {
                name: "training".to_owned(),
                seed: recipe.train.seed,
            },
            NamedSeed {
                name: "sampling".to_owned(),
                seed: evaluate.sampling.seed,
            },
            NamedSeed {
                name: STATISTICS.to_owned(),
                seed: evaluate.statistics_seed,
            },
        ],
        sampling: SamplingInfo {
            temperature: evaluate.sampling.temperature,
            top_p: Some(evaluate.sampling.top_p),
            top_k: evaluate.sampling.top_k,
            max_new_tokens: evaluate.max_new_tokens,
            samples_per_task: evaluate.samples_per_task as u32,
        },
        plan,
        budget: Spending::from(&evaluate.budget),
        timings: Vec::new(),
        knowledge: knowledge.info().cloned(),
        offline: [&knowledge.offline(), routing.offline()].concat(),
        routes: routing.info().cloned(),
        short_budgets: Vec::new(),
        assisted,
        endpoint,
        shard: None,
        merged_from: Vec::new(),
        interim: None,
        prices: recipe.costs.has_price().then(|| recipe.costs.clone()),
        canonical_cpu_s: BTreeMap::new(),
        human: BTreeMap::new(),
    };
    let hash = config_sha256(&info, &info.recipe.yaml, recipe, templates);
    name_by(&mut info, recipe, hash);
    Ok(info)
}

/// Returns the SHA-256 (hex) of everything that affects a sample of a run whose resolved recipe is `yaml`.
fn config_sha256(info: &RunInfo, yaml: &str, recipe: &Recipe, templates: &Templates) -> String {
    let yaml = without_costs(yaml);
    let settings = [
        info.project_version.as_str(),
        &yaml,
        &info.base_model.sha256,
        info.plan.experiment.command(),
        &info.device,
        &info.python_version,
    ];
    let adapters = info.adapters.iter().map(|adapter| adapter.sha256.as_str());
    let benchmarks = info.benchmarks.iter().map(|of| of.sha256.as_str());
    let speakers = info.speakers.iter().filter_map(|of| of.sha256.as_deref());
    let own = settings
        .into_iter()
        .chain(adapters)
        .chain(speakers)
        .chain(benchmarks);
    let cells = info.plan.cells.iter();
    let workflows: Vec<Workflow> = cells.map(|cell| cell.workflow).collect();
    let mut solving = workflows.iter().flat_map(|of| recipe.solved_by(*of));
    let verifies = solving.any(|of| Scores::of(of, &recipe.evaluate).verifier);
    let knowledge = info.knowledge.iter().flat_map(|of| {
        let hashes = [&of.index_sha256, &of.memory_sha256];
        hashes.into_iter().flatten().map(String::as_str)
    });
    let routes = info.routes.iter().map(|of| of.sha256.as_str());
    let templates = templates.texts(&workflows, verifies);
    sha256_of_texts(own.chain(templates).chain(knowledge).chain(routes))
}

fn name_by(info: &mut RunInfo, recipe: &Recipe, hash: String) {
    info.name = format!("{}-{}", recipe.name(), &hash[..8]);
    info.config_sha256 = hash;
}

/// Gives a run the identity under which an earlier version of this program started it, if a folder under `reports`
/// holds the same run or a shard of it.
///
/// A resolved recipe gets a line for each key that a later version adds, and with it another hash, although the run
/// is the same. A folder therefore holds the same run if its resolved recipe, parsed by this version, equals this
/// one, and its hash equals that of this run computed with the folder's recipe text.
pub(crate) fn adopt_earlier_identity(
    info: &mut RunInfo,
    recipe: &Recipe,
    templates: &Templates,
    reports: &Path,
) {
    let mut folders: Vec<PathBuf> = fs::read_dir(reports)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join(RUN).is_file())
        .collect();
    folders.sort();
    let earlier = || {
        folders
            .iter()
            .filter_map(|folder| RunFolder::read_info(folder).ok())
    };
    if earlier().any(|earlier| earlier.config_sha256 == info.config_sha256) {
        return;
    }
    let is_same = |earlier: &RunInfo| {
        is_same_recipe(earlier, recipe)
            && config_sha256(info, &earlier.recipe.yaml, recipe, templates) == earlier.config_sha256
    };
    let Some(earlier) = earlier().find(is_same) else {
        return;
    };
    // The folder records the hypotheses as the run declared them.
    info.plan.hypotheses = earlier.plan.hypotheses;
    info.recipe = earlier.recipe;
    name_by(info, recipe, earlier.config_sha256);
    slm_cli::note(&format!(
        "continuing {}, which an earlier version of this program began",
        info.name
    ));
}

/// Whether an earlier resolved recipe equals this one, apart from prices; an effect of unrecorded origin matches either
/// origin.
fn is_same_recipe(earlier: &RunInfo, recipe: &Recipe) -> bool {
    let Ok(mut found) = Recipe::parse_without_data(
        &earlier.recipe.yaml,
        Path::new(RUN),
        &[],
        slm_benchmarks::NAMES,
    ) else {
        return false;
    };
    let rows = found.evaluate.hypotheses.iter_mut();
    for (row, own) in rows.zip(&recipe.evaluate.hypotheses) {
        row.declared = row.declared.or(own.declared);
    }
    found.costs = recipe.costs.clone();
    found == *recipe
}

/// Returns the command that repeats the run.
fn command_line(adapters: &[AdapterInfo], request: &Request) -> String {
    let command = request.experiment.command();
    let mut words = vec!["evaluator".to_owned(), command.to_owned()];
    if request.experiment == Experiment::Compare && adapters.is_empty() {
        words.push("--base-only".to_owned());
    }
    words.extend(
        adapters
            .iter()
            .map(|adapter| slm_cli::shell_word(&adapter.path)),
    );
    if let Some(recipe) = &request.common.recipe {
        words.extend([
            "--recipe".to_owned(),
            slm_cli::shell_word(&recipe.to_string_lossy()),
        ]);
    }
    for set in &request.common.overrides {
        words.extend(["--set".to_owned(), slm_cli::shell_word(set)]);
    }
    if let Some(url) = &request.common.endpoint {
        words.extend(["--endpoint".to_owned(), slm_cli::shell_word(url)]);
    }
    if request.common.allow_learned_tasks {
        words.push("--allow-learned-tasks".to_owned());
    }
    // Last, so that it can be removed to get the command of the unsharded run.
    if let Some(shard) = request.common.shard {
        words.extend(["--shard".to_owned(), shard.to_string()]);
    }
    words.join(" ")
}
