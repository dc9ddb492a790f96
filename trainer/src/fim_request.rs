//! The request of `trainer generate --fim`: a prefix and a suffix, and their prompt.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result};
use slm_cli::UserMistake;
use slm_model::Tokenizer;

use crate::fim::{FimTokens, Gap, Order, encode_prompt, room};
use crate::fim_arguments::{FimArguments, FimOrder};
use crate::setup::Setup;

/// The texts around a gap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FimRequest {
    prefix: String,
    suffix: String,
}

/// Reads the request; `None` without `--fim`.
///
/// # Errors
/// A file cannot be read or is not UTF-8, the marker does not occur exactly once, or there is no text at all.
pub(crate) fn read(arguments: &FimArguments, prompt: Option<&str>) -> Result<Option<FimRequest>> {
    let FimArguments {
        fim,
        file,
        marker,
        prefix_file,
        suffix_file,
        order: _,
    } = arguments;
    if !fim {
        return Ok(None);
    }
    let request = if let Some(prefix_file) = prefix_file {
        let suffix = suffix_file.as_deref().map(text_of).transpose()?;
        FimRequest {
            prefix: text_of(prefix_file)?,
            suffix: suffix.unwrap_or_default(),
        }
    } else if let Some(prompt) = prompt {
        divided(prompt, marker, "--prompt")?
    } else if let Some(file) = file {
        divided(&text_of(file)?, marker, &file.display().to_string())?
    } else {
        let mut stdin = std::io::stdin();
        if stdin.is_terminal() {
            slm_cli::note(&format!(
                "The text ends with Ctrl-D and has {marker} at the gap."
            ));
        }
        let mut bytes = Vec::new();
        let unreadable = "cannot read the standard input";
        stdin.read_to_end(&mut bytes).context(unreadable)?;
        divided(
            &utf8(bytes, "the standard input")?,
            marker,
            "the standard input",
        )?
    };
    if request.prefix.is_empty() && request.suffix.is_empty() {
        let text =
            "there is no text before or after the gap\nhint: give the model some code to complete";
        return Err(UserMistake(text.to_owned()).into());
    }
    Ok(Some(request))
}

fn text_of(path: &Path) -> Result<String> {
    let bytes =
        std::fs::read(path).map_err(|error| UserMistake(format!("{}: {error}", path.display())))?;
    Ok(utf8(bytes, &path.display().to_string())?)
}

fn utf8(bytes: Vec<u8>, place: &str) -> Result<String, UserMistake> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        UserMistake(format!(
            "{place}: not UTF-8 at byte {at}\nhint: convert the file, for example with iconv"
        ))
    })
}

/// Divides a text at its only marker.
fn divided(text: &str, marker: &str, place: &str) -> Result<FimRequest, UserMistake> {
    if marker.is_empty() {
        return Err(UserMistake("--marker is empty".to_owned()));
    }
    let found = text.matches(marker).count();
    match text.split_once(marker) {
        Some((prefix, suffix)) if found == 1 => Ok(FimRequest {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        }),
        _ => Err(UserMistake(format!(
            "{place}: found the marker {marker} {found} times, expected once\n\
             hint: put it at the gap to fill, or choose another one with --marker"
        ))),
    }
}

/// A request with what its prompt needs.
#[derive(Debug)]
pub(crate) struct FimPrompts {
    request: FimRequest,
    tokens: FimTokens,
    order: Order,
}

impl FimPrompts {
    /// Takes tokens and order from the recipe's first data set of format `fim`, if it has one, else from the model's
    /// tokenizer.
    ///
    /// # Errors
    /// The tokenizer has no tokens for fill-in-the-middle.
    pub(crate) fn new(
        request: FimRequest,
        setup: &Setup,
        arguments: &FimArguments,
    ) -> Result<Self> {
        let mut datasets = setup.recipe.data.datasets.iter();
        let dataset = datasets.find(|dataset| dataset.format.is_fim());
        let given = dataset.and_then(|dataset| dataset.fim_tokens.as_ref());
        let layout = dataset.and_then(|dataset| dataset.spm_layout);
        let order = match arguments.order {
            Some(FimOrder::Psm) => Order::Psm,
            Some(FimOrder::Spm) => Order::suffix_first(layout.unwrap_or_default()),
            None => Order::usual(dataset),
        };
        Ok(Self {
            request,
            tokens: FimTokens::of(&setup.tokenizer, given, "--fim")?,
            order,
        })
    }

    /// Encodes the prompt. Texts around the gap that leave no room for `max_new_tokens` in the model's positions are
    /// shortened, with a note.
    ///
    /// # Errors
    /// `max_new_tokens` leaves no room for a prompt, or the tokenizer fails.
    pub(crate) fn encode(
        &self,
        tokenizer: &Tokenizer,
        positions: usize,
        max_new_tokens: usize,
    ) -> Result<Vec<u32>> {
        let Self {
            request: FimRequest { prefix, suffix },
            tokens,
            order,
        } = self;
        let room = room(tokenizer, positions)?.saturating_sub(max_new_tokens);
        if room == 0 {
            let text = format!(
                "--max-new-tokens is {max_new_tokens}, which leaves no room for a prompt in the model's {positions} \
                 positions"
            );
            return Err(UserMistake(text).into());
        }
        let gap = Gap::of(tokenizer, prefix, suffix, room)?;
        if gap.is_cut {
            slm_cli::note(&format!(
                "note: of prefix and suffix, the {} tokens nearest to the gap are used; the model has {positions} \
                 positions, {max_new_tokens} of them for the answer",
                gap.n_tokens()
            ));
        }
        Ok(encode_prompt(tokenizer, tokens, gap, *order)?)
    }

    /// Whether the completion ends before this token.
    pub(crate) fn stops_at(&self, id: u32) -> bool {
        self.tokens.stops_at(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_divided_at_its_only_marker() {
        let request = divided("a<FILL>b", "<FILL>", "x").expect("one marker");
        assert_eq!(
            (request.prefix.as_str(), request.suffix.as_str()),
            ("a", "b")
        );
        let request = divided("a\n#here", "#here", "x").expect("one marker");
        assert_eq!(
            (request.prefix.as_str(), request.suffix.as_str()),
            ("a\n", "")
        );
        for (text, found) in [("ab", 0), ("<FILL><FILL>", 2), ("", 0)] {
            let error = divided(text, "<FILL>", "f.py").expect_err("no single marker");
            let expected = format!("f.py: found the marker <FILL> {found} times, expected once");
            assert!(error.0.starts_with(&expected), "{}", error.0);
        }
        assert!(divided("a", "", "x").is_err());
    }
}
