//! Texts without chat template that are conversations already rendered in one.

use slm_artifacts::counted;
use slm_config::SpecialTokens;
use slm_model::Tokenizer;

use super::content::Content;
use super::counts::shown;

/// What begins a turn of the user and one of the assistant in common chat templates: the token, then the role.
const TURNS: [[(&str, &str); 2]; 8] = [
    [("<|im_start|>", "user"), ("<|im_start|>", "assistant")],
    [
        ("<|start_header_id|>", "user"),
        ("<|start_header_id|>", "assistant"),
    ],
    [("<start_of_turn>", "user"), ("<start_of_turn>", "model")],
    [
        ("<|start_of_role|>", "user"),
        ("<|start_of_role|>", "assistant"),
    ],
    [("<|user|>", ""), ("<|assistant|>", "")],
    [("<|user_start|>", ""), ("<|assistant_start|>", "")],
    [("<｜User｜>", ""), ("<｜Assistant｜>", "")],
    [("[INST]", ""), ("[/INST]", "")],
];

/// Returns the token that begins a turn in a rendered conversation; `None` for other text.
pub(super) fn turn_token(content: &Content) -> Option<&'static str> {
    let (prompt, completion) = match content {
        Content::Plain { prompt, completion } => (prompt.as_str(), completion.as_str()),
        Content::Piece(piece) => ("", piece.text()),
        Content::Pair(_) | Content::Labelled(..) => {
            return content.parts().iter().find_map(turn_token);
        }
        _ => return None,
    };
    // The prompt alone holds both turns of a conversation whose completion is the answer.
    let holds = |(token, role): &(&str, &str)| {
        let mut places = [prompt, completion]
            .into_iter()
            .flat_map(|text| text.match_indices(token).map(move |(at, _)| &text[at..]));
        places.any(|text| text[token.len()..].trim_start().starts_with(role))
    };
    let turns = TURNS.iter().find(|turns| turns.iter().all(holds))?;
    Some(turns[0].0)
}

/// The rendered conversations of a data set.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// Those whose special tokens are recognised, with the token of the first.
    parsed: Option<(usize, &'static str)>,
    /// Those whose special tokens are letters, with the token of the first.
    letters: Option<(usize, &'static str)>,
}

impl Rendered {
    /// Counts a row that is kept.
    pub(super) fn count(
        &mut self,
        token: &'static str,
        special_tokens: SpecialTokens,
        tokenizer: &Tokenizer,
    ) {
        let is_parsed = special_tokens == SpecialTokens::Auto && is_one_token(tokenizer, token);
        let count = if is_parsed {
            &mut self.parsed
        } else {
            &mut self.letters
        };
        count.get_or_insert((0, token)).0 += 1;
    }

    /// The number of rows, and of those among them whose special tokens are letters.
    pub(super) fn counts(&self) -> (usize, usize) {
        let of = |count: Option<(usize, &str)>| count.map_or(0, |(n, _)| n);
        (of(self.parsed) + of(self.letters), of(self.letters))
    }

    /// Describes the rows for a terminal: one note for each kind. `learns_all` means that the format has no prompt.
    pub(super) fn notes(
        &self,
        path: &str,
        special_tokens: SpecialTokens,
        learns_all: bool,
    ) -> Vec<String> {
        let path = shown(path);
        let mut notes = Vec::new();
        if let Some((n, token)) = self.parsed {
            let rule = if learns_all {
                "Every token is supervised, also the user's turns; the format messages supervises the answers alone."
            } else {
                "The completion is supervised, the prompt is not."
            };
            notes.push(format!(
                "note: {path} holds {}; special tokens, such as {token}, are parsed. {rule}",
                counted(n, "rendered conversation")
            ));
        }
        if let Some((n, token)) = self.letters {
            let cause = match special_tokens {
                SpecialTokens::Auto => {
                    "which is no token of this model: its letters are learned. Render them in this model's \
                     template, or use the format messages."
                }
                SpecialTokens::Literal => {
                    "whose letters are learned, because `special_tokens` is literal."
                }
            };
            notes.push(format!(
                "warning: {path} holds {} with {token}, {cause}",
                counted(n, "rendered conversation")
            ));
        }
        notes
    }
}

/// Whether the tokenizer has a token of this spelling.
fn is_one_token(tokenizer: &Tokenizer, token: &str) -> bool {
    matches!(tokenizer.encode(token), Ok(ids) if ids.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prompt: &str, completion: &str, expected: Option<&str>) {
        let content = Content::Plain {
            prompt: prompt.to_owned(),
            completion: completion.to_owned(),
        };
        assert_eq!(turn_token(&content), expected, "{prompt:?} {completion:?}");
    }

    #[test]
    fn a_conversation_in_a_common_template_is_recognised() {
        let chatml = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
        check(
            "",
            &format!("{chatml}hello<|im_end|>\n"),
            Some("<|im_start|>"),
        );
        check(chatml, "hello<|im_end|>", Some("<|im_start|>"));
        check("[INST] hi [/INST]", "hello", Some("[INST]"));
        check(
            "",
            "<start_of_turn>user\nhi<start_of_turn>model\n",
            Some("<start_of_turn>"),
        );
        check("", "<|user|>\nhi<|assistant|>\nhello", Some("<|user|>"));
        check("", "<｜User｜>hi<｜Assistant｜>hello", Some("<｜User｜>"));
    }

    #[test]
    fn text_that_only_mentions_markup_is_no_conversation() {
        check("", "x = '<|im_start|>'", None);
        check("", "<|im_start|>system\nBe brief.", None);
        check(
            "",
            "half a tag: <|im_start|user and <|im_start|>assistant",
            None,
        );
        check("", "[INST] alone", None);
        check("", "", None);
    }
}
