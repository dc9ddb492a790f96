//! Stop strings within a server's limit. OpenAI allows 4, and vLLM by default, too. What is not sent is applied to the text
//! afterwards, like all stop strings.

use anyhow::Result;

use super::Endpoint;
use super::capabilities::{conversation, query};
use super::wire::Prompt;
use crate::backend::Query;

/// Stop strings that every server accepts.
const ALWAYS: usize = 4;

/// Stop strings of the probe, of which none occurs in a text.
const PROBED: [&str; 16] = [
    "\u{1}0", "\u{1}1", "\u{1}2", "\u{1}3", "\u{1}4", "\u{1}5", "\u{1}6", "\u{1}7", "\u{1}8",
    "\u{1}9", "\u{1}a", "\u{1}b", "\u{1}c", "\u{1}d", "\u{1}e", "\u{1}f",
];

impl Endpoint {
    /// Returns the stop strings to send: all if the server accepts that many.
    pub(super) fn sent_stops(&self, stops: &[&'static str]) -> Result<Vec<&'static str>> {
        if stops.len() <= ALWAYS {
            return Ok(stops.to_vec());
        }
        let accepts_many = if let Some(known) = self.accepts_many_stops.get() {
            *known
        } else {
            let found = self.probe_stops()?;
            *self.accepts_many_stops.get_or_init(|| found)
        };
        if accepts_many {
            return Ok(stops.to_vec());
        }
        Ok(chosen(stops, ALWAYS))
    }

    /// Whether the server accepts as many stop strings as a request may need.
    fn probe_stops(&self) -> Result<bool> {
        let capabilities = self.capabilities()?;
        let probe = Query {
            stop: PROBED.to_vec(),
            ..query(conversation())
        };
        let prompt = match &self.texts {
            None => Prompt::Messages(probe.messages.clone()),
            Some(texts) if capabilities.ids => Prompt::Ids(texts.ids(&probe)?),
            Some(texts) => Prompt::Text(texts.text(&probe, capabilities)?),
        };
        let model = &self.served[0].model;
        let body = super::wire::body(model, &prompt, &probe, &probe.stop, 1, capabilities.extras);
        Ok(self.answered_once(&body)?.is_some())
    }
}

/// Chooses the stop strings that end most: of two of which one contains the other the contained one, names of special
/// tokens last, since these end an answer anyway, and the shortest first.
fn chosen(stops: &[&'static str], limit: usize) -> Vec<&'static str> {
    let is_covered = |stop: &str| {
        let mut others = stops.iter().filter(|other| **other != stop);
        others.any(|other| stop.contains(other))
    };
    let mut kept: Vec<&str> = stops
        .iter()
        .copied()
        .filter(|stop| !is_covered(stop))
        .collect();
    let is_special = |stop: &str| stop.starts_with('<') && stop.ends_with('>');
    kept.sort_by_key(|stop| (is_special(stop), stop.len()));
    kept.truncate(limit);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_strings_that_end_most_are_sent() {
        let stops = [
            "<|endoftext|>",
            "</s>",
            "\nif __name__",
            "\ndef main(",
            "\nprint(",
            "\ndef ",
            "\nclass ",
            "\n```\n",
            "```",
        ];
        assert_eq!(chosen(&stops, 4), ["```", "\ndef ", "\nprint(", "\nclass "]);
        assert_eq!(chosen(&["a", "b"], 4), ["a", "b"]);
    }
}
