//! The speakers of roles: `evaluate.speakers`, and the server of `evaluate.teacher`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::endpoint::{Api, Endpoint, KEY_FORM, URL_FORM};
use crate::schema::{Kind, section};
use crate::workflow::Role;

/// Who answers the calls of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RoleSpeaker {
    /// The model of the arm: the base model, or the base model with the arm's adapter. Written `arm`.
    Arm,
    /// The base model alone, in every arm. Written `base`.
    Base,
    /// The server of `evaluate.teacher`, in every arm. Written `teacher`.
    Teacher,
    /// The base model with this adapter, in every arm: the adapter's folder, or the name of its training.
    Adapter(String),
}

impl RoleSpeaker {
    /// What a speaker may be, in the words of an error message.
    pub(crate) const FORM: &'static str =
        "`arm`, `base`, `teacher`, or an adapter's folder or training";
}

impl From<String> for RoleSpeaker {
    fn from(text: String) -> Self {
        match text.as_str() {
            "arm" => Self::Arm,
            "base" => Self::Base,
            "teacher" => Self::Teacher,
            _ => Self::Adapter(text),
        }
    }
}

impl From<RoleSpeaker> for String {
    fn from(speaker: RoleSpeaker) -> Self {
        match speaker {
            RoleSpeaker::Arm => "arm".to_owned(),
            RoleSpeaker::Base => "base".to_owned(),
            RoleSpeaker::Teacher => "teacher".to_owned(),
            RoleSpeaker::Adapter(name) => name,
        }
    }
}

/// The speakers of the roles that a recipe names.
pub type Speakers = BTreeMap<Role, RoleSpeaker>;

/// The names of all roles.
pub(crate) fn roles() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| Role::words().iter().map(|word| word.name).collect());
    &NAMES
}

section! {
/// The server of the speaker `teacher`: `evaluate.teacher`. It renders conversations itself (`/v1/chat/completions`), since its
/// tokenizer is another model's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Teacher {
    /// Address up to `/v1`, without user, password and query.
    url: String = String::new() => Kind::Text(URL_FORM);
    /// The server's name of the model.
    model: String = String::new() => Kind::Text("the server's name of the model");
    /// Requests in flight at once.
    concurrency: usize = 16 => Kind::Int(1, 1024);
    /// Seconds after which a request is abandoned and repeated.
    timeout_s: f64 = 600.0 => Kind::above(0.0, 86_400.0);
    /// Most repetitions of a failed request.
    max_retries: usize = 8 => Kind::Int(0, 100);
    /// Name of the environment variable that holds the server's API key, in capitals.
    api_key_env: Option<String> = None => Kind::Text(KEY_FORM), absent "no key is sent";
}
}

impl Teacher {
    /// Returns the server as an endpoint.
    pub fn endpoint(&self) -> Endpoint {
        let Self {
            url,
            model,
            concurrency,
            timeout_s,
            max_retries,
            api_key_env,
        } = self.clone();
        Endpoint {
            url,
            model: Some(model),
            adapters: BTreeMap::new(),
            api: Api::Chat,
            concurrency,
            timeout_s,
            max_retries,
            api_key_env,
        }
    }
}
