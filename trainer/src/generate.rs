//! `trainer generate`: answers in the terminal, streamed token by token.

use std::cell::Cell;
use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use slm_cli::{Failure, UserMistake};
use slm_model::{ChatTemplate, Message, Role, Runtime, RuntimeAdapter, Sampling, Tokenizer};

use crate::arguments::GenerateArguments;
use crate::fim_request::{self, FimPrompts};
use crate::setup::{Setup, adapter_folder};

/// Answers one request, or each request from the standard input.
pub(crate) fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    Ok(generate(arguments)?)
}

fn generate(arguments: &GenerateArguments) -> Result<()> {
    let sampling = sampling(arguments)?;
    let (_, device) = slm_cli::open_device(arguments.device.device)?;
    // Before anything is fetched or loaded.
    let folder = arguments
        .adapter
        .as_deref()
        .map(adapter_folder)
        .transpose()?;
    let request = fim_request::read(&arguments.fim, arguments.prompt.as_deref())?;
    let setup = Setup::open_without_data(&arguments.recipe)?;
    let request = request
        .map(|request| FimPrompts::new(request, &setup, &arguments.fim))
        .transpose()?;
    let runtime = setup.base.load_runtime(&device)?;
    let name = setup.recipe.model.base_model_name();
    let adapter = folder
        .as_ref()
        .map(|folder| setup.base.load_adapter(folder, name, &runtime, &device))
        .transpose()
        .context("cannot read the adapter")?;
    if let Some(folder) = folder.as_ref().filter(|_| !arguments.raw) {
        slm_cli::note_other_template(folder, &setup.template);
    }
    let speaker = Speaker {
        runtime: &runtime,
        tokenizer: &setup.tokenizer,
        form: match arguments {
            GenerateArguments { literal: true, .. } => Form::Literal,
            GenerateArguments { raw: true, .. } => Form::Raw,
            _ => Form::Chat(&setup.template),
        },
        adapter: adapter.as_ref(),
        sampling,
        max_new_tokens: arguments.max_new_tokens,
        seed: arguments.seed,
    };
    if let Some(prompts) = request {
        let positions = runtime.config().context_length();
        let prompt = prompts.encode(&setup.tokenizer, positions, arguments.max_new_tokens)?;
        let stops = |id| prompts.stops_at(id);
        return speaker.complete(&prompt, Ending::AsIs, stops);
    }
    if let Some(prompt) = &arguments.prompt {
        return speaker.answer(prompt);
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        slm_cli::note("A request ends with an empty line; Ctrl-D ends the program.");
    }
    let mut request = String::new();
    for line in stdin.lock().lines() {
        let line = line.context("cannot read the standard input")?;
        if line.is_empty() && !request.is_empty() {
            speaker.answer(request.trim_end())?;
            request.clear();
        } else {
            request.push_str(&line);
            request.push('\n');
        }
    }
    if request.trim().is_empty() {
        return Ok(());
    }
    speaker.answer(request.trim_end())
}

fn sampling(arguments: &GenerateArguments) -> Result<Sampling, UserMistake> {
    let GenerateArguments {
        temperature,
        top_p,
        top_k,
        ..
    } = *arguments;
    let refuse = |text: String| Err(UserMistake(text));
    if !(0.0..=10.0).contains(&temperature) {
        return refuse(format!("--temperature is {temperature}, allowed: 0 to 10"));
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        return refuse(format!("--top-p is {top_p}, allowed: above 0, at most 1"));
    }
    if top_k == Some(0) {
        return refuse("--top-k is 0, allowed: 1 or more".to_owned());
    }
    Ok(Sampling {
        temperature,
        top_p,
        top_k,
    })
}

/// How a request becomes a prompt.
enum Form<'a> {
    /// The user's message in a chat template.
    Chat(&'a ChatTemplate),
    /// A text whose special tokens are recognised.
    Raw,
    /// A text whose special tokens are letters.
    Literal,
}

/// What follows the last token in the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// A line break, if the answer has none at its end.
    LineBreak,
    /// Nothing: the text is part of a file. On a terminal a line break.
    AsIs,
}

/// A model with the settings of its generation.
struct Speaker<'a> {
    runtime: &'a Runtime,
    tokenizer: &'a Tokenizer,
    form: Form<'a>,
    adapter: Option<&'a RuntimeAdapter>,
    sampling: Sampling,
    max_new_tokens: usize,
    seed: u64,
}

impl Speaker<'_> {
    /// Streams the answer to one request to the standard output.
    fn answer(&self, request: &str) -> Result<()> {
        let tokenizer = self.tokenizer;
        let prompt = match self.form {
            Form::Chat(template) => {
                template.encode(tokenizer, &[Message::new(Role::User, request)], true)?
            }
            // As transformers encodes a prompt: special tokens spelled out in it are recognised.
            Form::Raw => {
                let (start, ids) = (tokenizer.text_start()?, tokenizer.encode(request)?);
                // A text that spells out its begin token gets no second one.
                if ids.starts_with(&start) {
                    ids
                } else {
                    [start, ids].concat()
                }
            }
            Form::Literal => [tokenizer.text_start()?, tokenizer.encode_text(request)?].concat(),
        };
        self.complete(&prompt, Ending::LineBreak, |id| {
            tokenizer.eos_ids().contains(&id)
        })
    }

    /// Streams the continuation of a prompt to the standard output, up to a token at which it `stops`.
    fn complete(&self, prompt: &[u32], ending: Ending, stops: impl Fn(u32) -> bool) -> Result<()> {
        let positions = self.runtime.config().context_length();
        if prompt.is_empty() || prompt.len() >= positions {
            let text = format!(
                "the request has {} tokens, the model takes 1 to {}",
                prompt.len(),
                positions - 1
            );
            return Err(UserMistake(text).into());
        }
        let room = self.max_new_tokens.min(positions - prompt.len());
        let mut cache = self.runtime.cache(1, prompt.len() + room);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut stream = self.tokenizer.decode_stream(prompt);
        let mut logits = self.runtime.prefill(&mut cache, 0, 0, prompt, self.adapter);
        let mut out = std::io::stdout();
        let is_terminal = out.is_terminal();
        let ended_line = Cell::new(true);
        let mut show = |text: &str| {
            if !text.is_empty() {
                ended_line.set(text.ends_with('\n'));
            }
            // A file gets the raw answer; a terminal gets it without control sequences.
            let text = if is_terminal {
                slm_cli::printable(text)
            } else {
                text.into()
            };
            // A closed pipe is no failure.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        for made in 0..room {
            let token = self.sampling.draw(&logits, &mut rng);
            if stops(token) {
                break;
            }
            show(&stream.push(token)?);
            if made + 1 == room {
                break;
            }
            let at = [(0, prompt.len() + made)];
            logits = self.runtime.decode(&mut cache, &[token], &at, self.adapter);
        }
        show(&stream.finish()?);
        if !ended_line.get() && (ending == Ending::LineBreak || is_terminal) {
            show("\n");
        }
        Ok(())
    }
}
