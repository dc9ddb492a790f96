//! Rules of `evaluate.endpoint` and `evaluate.teacher`. A value that may hold a password or a key is never shown.

use std::collections::BTreeSet;

use super::Check;
use crate::endpoint::{Api, Endpoint, KEY_FORM, URL_FORM};
use crate::recipe::Evaluate;
use crate::speakers::RoleSpeaker;
use crate::workflow::{AdapterRoles, Prompting, Role};

impl Check {
    /// Checks what may be a secret in a server's keys; `section` is `evaluate.endpoint` or `evaluate.teacher`.
    pub(super) fn secrets_of_server(
        &mut self,
        section: &str,
        url: &str,
        api_key_env: Option<&str>,
    ) {
        let key = format!("{section}.url");
        if url.contains(['@', '?', '#']) {
            self.report_hidden(&key, URL_FORM);
        }
        if api_key_env.is_some_and(|name| !is_variable(name)) {
            self.report_hidden(&format!("{section}.api_key_env"), KEY_FORM);
        }
        if url.is_empty() {
            self.missing(&key, URL_FORM);
        }
    }

    pub(super) fn endpoint(&mut self, endpoint: &Endpoint, prompting: Prompting) {
        let key = "evaluate.endpoint.url";
        self.require(is_address(&endpoint.url), key, &endpoint.url, URL_FORM);
        if endpoint.api == Api::Chat && matches!(prompting, Prompting::Base | Prompting::FewShot) {
            let allowed = "completions, since evaluate.prompting continues a plain text";
            let api = endpoint.api.name();
            self.require(false, "evaluate.endpoint.api", api, allowed);
        }
    }

    /// Checks `evaluate.speakers` and `evaluate.teacher` against each other and against `evaluate.adapter_roles`.
    pub(super) fn speakers(&mut self, evaluate: &Evaluate) {
        let speakers = &evaluate.speakers;
        let taught = |(_, speaker): &(&Role, &RoleSpeaker)| **speaker == RoleSpeaker::Teacher;
        let first = speakers.iter().find(taught).map(|(role, _)| *role);
        match (&evaluate.teacher, first) {
            (None, Some(role)) => {
                let allowed = format!(
                    "url and model of the server that answers as {}",
                    role.name()
                );
                self.missing("evaluate.teacher", &allowed);
            }
            (Some(teacher), None) => {
                let allowed =
                    "absent, since no role of evaluate.speakers has the speaker `teacher`";
                self.require(false, "evaluate.teacher", &teacher.model, allowed);
            }
            _ => {}
        }
        if let Some(teacher) = &evaluate.teacher {
            let key = "evaluate.teacher.url";
            self.require(is_address(&teacher.url), key, &teacher.url, URL_FORM);
            if teacher.model.trim().is_empty() {
                self.missing("evaluate.teacher.model", "the server's name of the model");
            }
        }
        let coder = speakers.get(&Role::Coder);
        if coder == Some(&RoleSpeaker::Teacher)
            && matches!(evaluate.prompting, Prompting::Base | Prompting::FewShot)
        {
            let allowed = "another speaker, since evaluate.prompting continues a plain text";
            self.require(false, "evaluate.speakers.coder", "teacher", allowed);
        }
        let adapters: BTreeSet<&String> = speakers
            .values()
            .filter_map(|speaker| match speaker {
                RoleSpeaker::Adapter(name) => Some(name),
                _ => None,
            })
            .collect();
        if adapters.len() > MOST_ADAPTERS {
            let allowed = format!("at most {MOST_ADAPTERS} different adapters");
            self.require(false, "evaluate.speakers", adapters, allowed);
        }
        if !speakers.is_empty() && evaluate.adapter_roles != AdapterRoles::All {
            let allowed = "all, since evaluate.speakers names the speakers of roles";
            let found = &evaluate.adapter_roles;
            self.require(false, "evaluate.adapter_roles", found, allowed);
        }
    }
}

/// Most adapters besides those of the arms: each is held in memory.
const MOST_ADAPTERS: usize = 3;

/// Whether a text has the form of an address.
fn is_address(url: &str) -> bool {
    let host = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .map(|rest| rest.split('/').next().unwrap_or(""));
    let plain = url.chars().all(|c| c.is_ascii_graphic());
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(':')) && plain
}

fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}
