//! The models of an experiment: in this process, or behind a server.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use slm_artifacts::sha256_of_texts;
use slm_cli::{BaseModel, Provenance, UserMistake};
use slm_config::{Api, Recipe};
use slm_model::{
    ChatTemplate, CodeRequest, DeviceChoice, Message, Role, Runtime, RuntimeAdapter, Tokenizer,
};
use slm_report::{BaseModelInfo, EndpointInfo};

use super::adapters::NamedAdapter;
use super::timings::Timings;
use crate::backend::endpoint::{Endpoint, Texts};
use crate::backend::{Backend, GivenAnswers, LocalModel};
use crate::knowledge::CountTokens;

/// The base model and its adapters, ready to generate.
pub(crate) enum Answering {
    Local(Box<Local>),
    Served(Box<Served>),
}

/// Models in this process.
pub(crate) struct Local {
    base: BaseModel,
    runtime: Runtime,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    /// In the order of the run's adapters.
    adapters: Vec<RuntimeAdapter>,
    /// Those of `evaluate.speakers`.
    speakers: Vec<RuntimeAdapter>,
    device: String,
    given: GivenAnswers,
}

impl Local {
    /// The SHA-256 of the model's files, and of the chat template if the recipe names one.
    fn sha256(&self, recipe: &Recipe) -> Result<String> {
        let files = self.base.sha256()?;
        Ok(match recipe.model.chat_template {
            Some(_) => sha256_of_texts([files.as_str(), self.template.sha256()]),
            None => files,
        })
    }
}

/// Models behind a server.
pub(crate) struct Served {
    endpoint: Endpoint,
    /// Number of the run's adapters; the server's others are those of `evaluate.speakers`.
    adapters: usize,
    /// Hash over the server's and the local files' description of the models.
    sha256: String,
    /// The hub's record of the local files, if they came from there.
    provenance: Option<Provenance>,
}

/// The model that answers, for the run's description.
pub(crate) struct Answerer {
    pub(crate) base_model: BaseModelInfo,
    /// The hub's record of the model's files, if they came from there.
    pub(crate) provenance: Option<Provenance>,
    /// A name for reports.
    pub(crate) device: String,
    pub(crate) threads: usize,
    pub(crate) endpoint: Option<EndpointInfo>,
}

impl Answering {
    /// Loads the models, or checks that the recipe's server serves them: the run's adapters, and those of
    /// `evaluate.speakers`.
    ///
    /// # Errors
    /// A device, a model or an adapter is missing, or the server does not respond or does not serve the models.
    pub(crate) fn open(
        recipe: &Recipe,
        adapters: &[NamedAdapter],
        speakers: &[NamedAdapter],
        device: DeviceChoice,
        timings: &mut Timings,
    ) -> Result<Self> {
        if let Some(settings) = &recipe.evaluate.endpoint {
            timings.measure(None);
            let served =
                timings.phase("ask server", || serve(recipe, settings, adapters, speakers))?;
            return Ok(Self::Served(Box::new(served)));
        }
        let (choice, device) = slm_cli::open_device(device)?;
        timings.measure(Some(choice));
        let local = timings.phase("load model", || {
            let base = BaseModel::open(&recipe.model)?;
            let runtime = base.load_runtime(&device)?;
            let name = recipe.model.base_model_name();
            let given = adapters.iter().chain(speakers);
            let load = |adapters: &[NamedAdapter]| -> Result<Vec<RuntimeAdapter>> {
                let adapters = adapters.iter();
                adapters
                    .map(|adapter| base.load_adapter(&adapter.folder, name, &runtime, &device))
                    .collect()
            };
            let (loaded, spoken) = (load(adapters)?, load(speakers)?);
            // After the shapes, whose mismatch is the better message.
            for adapter in given.clone() {
                adapter.check_base(name, Some(&base))?;
            }
            let tokenizer = Arc::new(base.tokenizer()?);
            let template = base.chat_template(&tokenizer)?;
            for adapter in given {
                slm_cli::note_other_template(&adapter.folder, &template);
            }
            Ok(Local {
                template,
                tokenizer,
                base,
                runtime,
                adapters: loaded,
                speakers: spoken,
                device: choice.to_string(),
                given: GivenAnswers::default(),
            })
        })?;
        Ok(Self::Local(Box::new(local)))
    }

    /// Describes the model that answers.
    ///
    /// # Errors
    /// The model's files cannot be read.
    pub(crate) fn answerer(&self, recipe: &Recipe) -> Result<Answerer> {
        let name = recipe.model.base_model_name().to_owned();
        Ok(match self {
            Self::Local(local) => Answerer {
                base_model: BaseModelInfo {
                    name,
                    sha256: local.sha256(recipe)?,
                },
                provenance: local.base.provenance().cloned(),
                device: local.device.clone(),
                threads: rayon::current_num_threads(),
                endpoint: None,
            },
            Self::Served(served) => Answerer {
                base_model: BaseModelInfo {
                    name,
                    sha256: served.sha256.clone(),
                },
                provenance: served.provenance.clone(),
                device: "a server".to_owned(),
                threads: 0,
                endpoint: Some(served.endpoint.info()),
            },
        })
    }

    /// Describes the server, with the capabilities that were found; `None` for models in this process.
    pub(super) fn endpoint(&self) -> Option<EndpointInfo> {
        match self {
            Self::Local(_) => None,
            Self::Served(served) => Some(served.endpoint.info()),
        }
    }

    /// Checks that the models return log-probabilities; the built-in model always does.
    ///
    /// # Errors
    /// The server does not return them.
    pub(super) fn require_log_probabilities(&self, needed_by: &str) -> Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Served(served) => served.endpoint.require_log_probabilities(needed_by),
        }
    }

    /// Returns what counts the tokens of looked-up text: the models' tokenizer. Of a server that renders conversations
    /// itself, the tokenizer is unknown, and four characters count as a token.
    pub(crate) fn count_tokens(&self) -> CountTokens {
        let tokenizer = match self {
            Self::Local(local) => Some(&local.tokenizer),
            Self::Served(served) => served.endpoint.tokenizer(),
        };
        let tokenizer = tokenizer.map(Arc::clone);
        Rc::new(move |text| {
            let ids = tokenizer.as_ref().and_then(|of| of.encode_text(text).ok());
            ids.map_or(text.chars().count().div_ceil(4), |ids| ids.len())
        })
    }

    /// Returns the loss of a function's body after its prompt, in nats per token, in the format of training: the body,
    /// the closing fence and the end of the turn. `None` for a server, and if the model's context is too short.
    ///
    /// # Errors
    /// The chat template cannot render the request.
    pub(crate) fn body_loss(
        &self,
        adapter: Option<usize>,
        prompt: &str,
        body: &str,
    ) -> Result<Option<f64>> {
        let Self::Local(local) = self else {
            return Ok(None);
        };
        let request = CodeRequest { stub: prompt };
        let prompt = local
            .template
            .encode_code_request(&local.tokenizer, request)?;
        let answer = local
            .template
            .encode_code_completion(&local.tokenizer, body)?;
        if prompt.len() + answer.len() > local.runtime.config().context_length() {
            return Ok(None);
        }
        let adapter = adapter.map(|at| &local.adapters[at]);
        let losses = local.runtime.answer_losses(&prompt, &answer, adapter);
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        Ok(Some(sum / losses.len() as f64))
    }

    /// Returns the base model with the adapter at an index, or without one.
    pub(crate) fn arm(&self, adapter: Option<usize>, batch_size: usize) -> Box<dyn Backend + '_> {
        match self {
            Self::Local(local) => Box::new(LocalModel {
                runtime: &local.runtime,
                tokenizer: &local.tokenizer,
                template: &local.template,
                adapters: &local.adapters,
                arm: adapter,
                speakers: &local.speakers,
                batch_size,
                given: &local.given,
            }),
            Self::Served(served) => Box::new(served.endpoint.arm(adapter, served.adapters)),
        }
    }
}

fn serve(
    recipe: &Recipe,
    settings: &slm_config::Endpoint,
    adapters: &[NamedAdapter],
    speakers: &[NamedAdapter],
) -> Result<Served> {
    let names: Vec<(String, String)> = adapters
        .iter()
        .chain(speakers)
        .map(|adapter| Ok((adapter.name.clone(), served_name(settings, adapter)?)))
        .collect::<Result<_, UserMistake>>()?;
    for adapter in adapters.iter().chain(speakers) {
        adapter.check_base(recipe.model.base_model_name(), None)?;
    }
    let (mut texts, mut files, mut provenance) = (None, String::new(), None);
    if settings.api == Api::Chat && recipe.model.chat_template.is_some() {
        let text = "`evaluate.endpoint.api: chat` uses the server's own chat template, but `model.chat_template` names another\n\
                    hint: use `api: completions`, or start the server with the template (vLLM: --chat-template FILE) and \
                    --set model.chat_template=null";
        return Err(UserMistake(text.to_owned()).into());
    }
    if settings.api == Api::Completions {
        let base = BaseModel::open_without_weights(&recipe.model)?;
        let tokenizer = Arc::new(base.tokenizer()?);
        let template = base.chat_template(&tokenizer)?;
        for adapter in adapters.iter().chain(speakers) {
            slm_cli::note_other_template(&adapter.folder, &template);
        }
        // The template may have a separate file; what it renders from a conversation identifies it.
        let said = [Role::System, Role::User].map(|role| Message::new(role, "text"));
        let rendered = template.render(&said, true).unwrap_or_default();
        files = sha256_of_texts([base.sha256()?.as_str(), &rendered]);
        provenance = base.provenance().cloned();
        texts = Some(Texts {
            tokenizer,
            template,
            positions: base.max_positions(),
        });
    }
    let kwargs = slm_cli::template_kwargs(&recipe.model);
    if settings.api == Api::Chat && !kwargs.is_empty() {
        files = serde_json::to_string(&kwargs).context("cannot write the template's variables")?;
    }
    let endpoint = Endpoint::open(settings, recipe.model.base_model_name(), &names, texts)?;
    let endpoint = endpoint.with_template_kwargs(kwargs);
    let EndpointInfo {
        url, api, models, ..
    } = endpoint.info();
    let mut identity = vec!["endpoint".to_owned(), url, api, files];
    for served in models {
        let told = served.told.map(|told| told.to_string()).unwrap_or_default();
        identity.extend([served.arm, served.model, told]);
    }
    let sha256 = sha256_of_texts(identity.iter().map(String::as_str));
    Ok(Served {
        endpoint,
        adapters: adapters.len(),
        sha256,
        provenance,
    })
}

/// Returns the server's name of an adapter.
fn served_name(
    settings: &slm_config::Endpoint,
    adapter: &NamedAdapter,
) -> Result<String, UserMistake> {
    let folder = adapter.folder.display().to_string();
    let keys = [adapter.name.as_str(), &folder, folder.trim_end_matches('/')];
    let found = keys.iter().find_map(|&key| settings.adapters.get(key));
    found.cloned().ok_or_else(|| {
        UserMistake(format!(
            "`evaluate.endpoint.adapters` has no served name for the adapter `{}` ({folder})\n\
             hint: --set \"evaluate.endpoint.adapters={{{}: NAME}}\"; vLLM serves adapters with --enable-lora \
             --lora-modules NAME=FOLDER",
            adapter.name, adapter.name
        ))
    })
}
