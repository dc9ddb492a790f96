//! The models that speak roles besides those of the arms: adapters of the same base model, and a teacher.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_artifacts::{CHECKPOINTS, adapter_by_name, sha256_of_texts};
use slm_cli::UserMistake;
use slm_config::{Evaluate, RoleSpeaker, Workflow};
use slm_report::{EndpointInfo, SpeakerInfo};

use super::adapters::NamedAdapter;
use crate::backend::endpoint::Endpoint;
use crate::workflow::trajectory::SpeakingAdapter;

/// Returns the adapters of `evaluate.speakers`, each once, under the names that the recipe gives them.
///
/// # Errors
/// A name is neither a folder with an adapter nor that of a finished training.
pub(super) fn adapters(evaluate: &Evaluate) -> Result<Vec<NamedAdapter>, UserMistake> {
    let mut found: Vec<NamedAdapter> = Vec::new();
    for (role, speaker) in &evaluate.speakers {
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

/// Opens the server of `evaluate.teacher`, if there is one.
///
/// # Errors
/// The server cannot be reached, or does not serve the model.
pub(super) fn teacher(evaluate: &Evaluate) -> Result<Option<TeacherServer>> {
    let Some(teacher) = &evaluate.teacher else {
        return Ok(None);
    };
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

/// Describes who speaks which role, for the run's description; roles that the arm speaks are omitted.
///
/// # Errors
/// An adapter's weights cannot be read.
pub(super) fn describe(
    evaluate: &Evaluate,
    adapters: &[NamedAdapter],
    teacher: Option<&TeacherServer>,
) -> Result<Vec<SpeakerInfo>> {
    let mut hashes = BTreeMap::new();
    for adapter in adapters {
        let described = super::describe::adapter(&adapter.folder, &adapter.name)?;
        hashes.insert(adapter.name.as_str(), (described.path, described.sha256));
    }
    let named = evaluate.speakers.iter();
    let named = named.filter(|(_, speaker)| **speaker != RoleSpeaker::Arm);
    Ok(named
        .map(|(role, speaker)| {
            let (source, sha256) = match speaker {
                RoleSpeaker::Arm | RoleSpeaker::Base => (None, None),
                RoleSpeaker::Adapter(name) => hashes.get(name.as_str()).cloned().unzip(),
                RoleSpeaker::Teacher => teacher.map(TeacherServer::identity).unzip(),
            };
            SpeakerInfo {
                role: role.name().to_owned(),
                speaker: String::from(speaker.clone()),
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
pub(super) fn assisted(evaluate: &Evaluate, workflows: &[Workflow]) -> Vec<String> {
    let is_taught = |workflow: &&Workflow| {
        let mut roles = workflow.roles().iter();
        roles.any(|role| evaluate.speaker(*role) == RoleSpeaker::Teacher)
    };
    let taught: BTreeSet<&Workflow> = workflows.iter().filter(is_taught).collect();
    taught.into_iter().map(|of| of.name().to_owned()).collect()
}

/// Notes a decomposer that nobody else speaks: `decompose` is then its own control.
pub(super) fn note_same_decomposer(evaluate: &Evaluate, workflows: &[Workflow]) {
    let both = [Workflow::Decompose, Workflow::DecomposeSelf];
    let speaker = |role| evaluate.speaker(role);
    let is_same = speaker(slm_config::Role::Decomposer) == speaker(slm_config::Role::Coder);
    if is_same && both.iter().all(|workflow| workflows.contains(workflow)) {
        slm_cli::note(
            "decompose and decompose_self give the same answers: evaluate.speakers.decomposer names no other speaker than the \
             coder's",
        );
    }
}
