//! Rules of `evaluate.endpoint`. A value that may hold a password or a key is never shown.

use super::Check;
use crate::endpoint::{Api, Endpoint, KEY_FORM, URL_FORM};
use crate::workflow::Prompting;

const URL: &str = "evaluate.endpoint.url";

impl Check {
    pub(super) fn secrets_of_endpoint(&mut self, endpoint: &Endpoint) {
        if endpoint.url.contains(['@', '?', '#']) {
            self.report_hidden(URL, URL_FORM);
        }
        if let Some(name) = &endpoint.api_key_env
            && !is_variable(name)
        {
            self.report_hidden("evaluate.endpoint.api_key_env", KEY_FORM);
        }
        if endpoint.url.is_empty() {
            self.missing(URL, URL_FORM);
        }
    }

    pub(super) fn endpoint(&mut self, endpoint: &Endpoint, prompting: Prompting) {
        self.require(is_address(&endpoint.url), URL, &endpoint.url, URL_FORM);
        if endpoint.api == Api::Chat && matches!(prompting, Prompting::Base | Prompting::FewShot) {
            let allowed = "completions, since evaluate.prompting continues a plain text";
            let api = endpoint.api.name();
            self.require(false, "evaluate.endpoint.api", api, allowed);
        }
    }
}

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
