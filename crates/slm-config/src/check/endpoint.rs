//! The ranges of `evaluate.endpoint`. What may hold a password or a key is never shown.

use std::ops::Bound;

use super::Check;
use crate::endpoint::Endpoint;
use crate::workflow::Prompting;

impl Check {
    pub(super) fn endpoint(&mut self, endpoint: &Endpoint, prompting: Prompting) {
        let Endpoint {
            url,
            model,
            adapters,
            api,
            concurrency,
            timeout_s,
            max_retries,
            api_key_env,
        } = endpoint;
        let key = "evaluate.endpoint.url";
        let form = "http://HOST:PORT/v1 or https://..., without user, password and query";
        if url.is_empty() {
            self.missing(key, form);
        } else if url.contains(['@', '?', '#']) {
            self.report_hidden(key, form);
        } else {
            self.require(is_address(url), key, url, form);
        }
        if let Some(model) = model {
            self.not_blank("evaluate.endpoint.model", model, "the server's name of it");
        }
        for (adapter, served) in adapters {
            let holds = !adapter.trim().is_empty() && !served.trim().is_empty();
            let allowed = "ADAPTER: NAME, the server's name of each adapter";
            self.require(holds, "evaluate.endpoint.adapters", served, allowed);
        }
        if *api == crate::Api::Chat && matches!(prompting, Prompting::Base | Prompting::FewShot) {
            let allowed = "completions, since evaluate.prompting goes on from a plain text";
            self.require(false, "evaluate.endpoint.api", api.name(), allowed);
        }
        self.int_in("evaluate.endpoint.concurrency", *concurrency, 1..=1024);
        let day = (Bound::Excluded(0.0), Bound::Included(86_400.0));
        self.float_in("evaluate.endpoint.timeout_s", *timeout_s, day);
        self.int_in("evaluate.endpoint.max_retries", *max_retries, 0..=100);
        if let Some(name) = api_key_env
            && !is_variable(name)
        {
            let allowed = "the name of an environment variable in capitals, never the key itself";
            self.report_hidden("evaluate.endpoint.api_key_env", allowed);
        }
    }
}

/// Whether a text is an address as far as can be told without asking.
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
