//! The speakers of roles besides the models of the arms: adapters of the same base model, and a teacher.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_artifacts::{CHECKPOINTS, adapter_by_name, sha256_of_texts};
use slm_cli::UserMistake;
use slm_config::{Evaluate, Recipe, Role, RoleSpeaker, Workflow};
use slm_report::{EndpointInfo, SpeakerInfo};

use super::adapters::NamedAdapter;
use super::answering::Answering;
use crate::backend::endpoint::Endpoint;
use crate::workflow::scores::Scores;
use crate::workflow::trajectory::SpeakingAdapter;

/// Returns the adapters of `evaluate.speakers`, each once, under the names that the recipe gives them. A role that no workflow
/// of the run calls is noted, and its speaker not opened.
///
/// # Errors
/// A name is neither a folder with an adapter nor that of a finished training.
pub(super) fn adapters(
    recipe: &Recipe,
    workflows: &[Workflow],
) -> Result<Vec<NamedAdapter>, UserMistake> {
    let called: BTreeSet<Role> = workflows
        .iter()
        .flat_map(|of| recipe.roles_of(*of))
        .collect();
    let mut found: Vec<NamedAdapter> = Vec::new();
    for (role, speaker) in &recipe.evaluate.speakers {
        if !called.contains(role) {
            slm_cli::note(&format!(
                "`evaluate.speakers.{role}` has no effect: no workflow of the run calls this role"
            ));
            continue;
        }
        let RoleSpeaker::Adapter(name) = speaker else {
            continue;
        };
        if found.iter().any(|of| of.name == *name) {
            continue;
        }
        let folder = adapter_by_name(&PathBuf::from(name), Path::new(CHECKPOINTS));
        let folder =
            folder.map_err(|error| UserMistake(format!("`evaluate.speakers.{role}`: {error}")))?;
        found.push(NamedAdapter {
            folder,
            name: name.clone(),
        });
    }
    Ok(found)
}

/// The server of `evaluate.teacher`.
pub(super) struct TeacherServer {
    pub(super) endpoint: Endpoint,
    /// Hash of its address and of what it reports about the model.
    pub(super) sha256: String,
}

/// Opens the server of `evaluate.teacher`, if it answers in a workflow of the run.
///
/// # Errors
/// The server cannot be reached, or does not serve the model.
pub(super) fn teacher(recipe: &Recipe, workflows: &[Workflow]) -> Result<Option<TeacherServer>> {
    let Some(teacher) = &recipe.evaluate.teacher else {
        return Ok(None);
    };
    if assisted(recipe, workflows).is_empty() {
        return Ok(None);
    }
    let endpoint = Endpoint::open(&teacher.endpoint(), &teacher.model, &[], None)?;
    let EndpointInfo { url, models, .. } = endpoint.info();
    let mut identity = vec![url];
    for served in models {
        let reported = served.told.map(|told| told.to_string());
        identity.extend([served.model, reported.unwrap_or_default()]);
    }
    let sha256 = sha256_of_texts(identity.iter().map(String::as_str));
    Ok(Some(TeacherServer { endpoint, sha256 }))
}

/// Describes the speakers of roles, for the run's description; roles that the arm answers for are omitted.
///
/// # Errors
/// An adapter's weights cannot be read.
pub(super) fn describe(
    evaluate: &Evaluate,
    adapters: &[NamedAdapter],
    learned: &[Vec<String>],
    teacher: Option<&TeacherServer>,
) -> Result<Vec<SpeakerInfo>> {
    let (mut hashes, mut tasks) = (BTreeMap::new(), BTreeMap::new());
    for (adapter, learned) in adapters.iter().zip(learned) {
        let described = super::describe::adapter(&adapter.folder, &adapter.name)?;
        hashes.insert(adapter.name.as_str(), (described.path, described.sha256));
        tasks.insert(adapter.name.as_str(), learned.clone());
    }
    let named = evaluate.speakers.iter();
    let is_opened = |speaker: &RoleSpeaker| match speaker {
        RoleSpeaker::Arm => false,
        RoleSpeaker::Base => true,
        RoleSpeaker::Adapter(name) => hashes.contains_key(name.as_str()),
        RoleSpeaker::Teacher => teacher.is_some(),
    };
    let named = named.filter(|(_, speaker)| is_opened(speaker));
    Ok(named
        .map(|(role, speaker)| {
            let (source, sha256) = match speaker {
                RoleSpeaker::Arm | RoleSpeaker::Base => (None, None),
                RoleSpeaker::Adapter(name) => hashes.get(name.as_str()).cloned().unzip(),
                RoleSpeaker::Teacher => teacher.map(TeacherServer::identity).unzip(),
            };
            let name = String::from(speaker.clone());
            SpeakerInfo {
                role: role.name().to_owned(),
                learned_tasks: tasks.get(name.as_str()).cloned().unwrap_or_default(),
                speaker: name,
                source,
                sha256,
            }
        })
        .collect())
}

impl TeacherServer {
    /// Returns the name and address of the model, and the hash of what identifies it.
    fn identity(&self) -> (String, String) {
        let info = self.endpoint.info();
        let models: Vec<&str> = info.models.iter().map(|of| of.model.as_str()).collect();
        let source = format!("{} at {}", models.join(", "), info.url);
        (source, self.sha256.clone())
    }
}

/// Returns the described adapters as trajectories name them.
pub(super) fn speaking(
    adapters: &[NamedAdapter],
    described: &[SpeakerInfo],
) -> Vec<SpeakingAdapter> {
    let sha256 = |name: &str| {
        let found = described.iter().find(|of| of.speaker == name);
        found.and_then(|of| of.sha256.clone()).unwrap_or_default()
    };
    adapters
        .iter()
        .map(|adapter| SpeakingAdapter {
            name: adapter.name.clone(),
            sha256: sha256(&adapter.name),
        })
        .collect()
}

/// Returns the names of the workflows in which the teacher answers, each once.
pub(super) fn assisted(recipe: &Recipe, workflows: &[Workflow]) -> Vec<String> {
    let is_taught = |workflow: &&Workflow| {
        let mut roles = recipe.roles_of(**workflow).into_iter();
        roles.any(|role| recipe.evaluate.speaker(role) == RoleSpeaker::Teacher)
    };
    let taught: BTreeSet<&Workflow> = workflows.iter().filter(is_taught).collect();
    taught.into_iter().map(|of| of.name().to_owned()).collect()
}

/// Refuses a comparison of adapters in a workflow none of whose roles has the arm as its speaker: its answers would not differ.
pub(super) fn check_arms(recipe: &Recipe, workflows: &[Workflow]) -> Result<(), UserMistake> {
    let is_silent = |workflow: &&Workflow| {
        let mut roles = recipe.roles_of(**workflow).into_iter();
        roles.all(|role| recipe.evaluate.speaker(role) != RoleSpeaker::Arm)
    };
    let Some(workflow) = workflows.iter().find(is_silent) else {
        return Ok(());
    };
    let roles: Vec<&str> = recipe
        .roles_of(*workflow)
        .into_iter()
        .map(Role::name)
        .collect();
    Err(UserMistake(format!(
        "the adapters answer no call of `{workflow}`: evaluate.speakers or evaluate.adapter_roles gives all its roles ({}) to \
         other speakers\nhint: leave a role to `arm`",
        roles.join(", ")
    )))
}

/// Names the setting of a workflow that needs log-probabilities.
fn needed_by(workflow: Workflow, evaluate: &Evaluate) -> String {
    match workflow {
        Workflow::BestOfN => format!(
            "`evaluate.samples_select: {}`",
            evaluate.samples_select.name()
        ),
        of => format!("the workflow `{of}`"),
    }
}

/// Checks that the speakers of roles whose probabilities are compared return them.
///
/// # Errors
/// A server returns none.
pub(super) fn check_probabilities(
    recipe: &Recipe,
    workflows: &[Workflow],
    answering: &Answering,
    teacher: Option<&TeacherServer>,
) -> Result<()> {
    let evaluate = &recipe.evaluate;
    for workflow in workflows.iter().flat_map(|of| recipe.solved_by(*of)) {
        let scores = Scores::of(workflow, evaluate);
        let needed = [
            (Role::Coder, scores.likelihood),
            (Role::Verifier, scores.verifier),
        ];
        for (role, _) in needed.into_iter().filter(|(_, is_needed)| *is_needed) {
            let needed_by = needed_by(workflow, evaluate);
            match (evaluate.speaker(role), teacher) {
                (RoleSpeaker::Teacher, Some(teacher)) => {
                    teacher.endpoint.require_log_probabilities(&needed_by)?;
                }
                _ => answering.require_log_probabilities(&needed_by)?,
            }
        }
    }
    Ok(())
}

/// Notes a decomposer without another speaker than the coder's: `decompose` is then its own control.
pub(super) fn note_same_decomposer(evaluate: &Evaluate, workflows: &[Workflow]) {
    let both = [Workflow::Decompose, Workflow::DecomposeSelf];
    let speaker = |role| evaluate.speaker(role);
    let is_same = speaker(Role::Decomposer) == speaker(Role::Coder);
    if is_same && both.iter().all(|workflow| workflows.contains(workflow)) {
        slm_cli::note(
            "decompose and decompose_self give the same answers: evaluate.speakers.decomposer names no other speaker than the \
             coder's",
        );
    }
}
