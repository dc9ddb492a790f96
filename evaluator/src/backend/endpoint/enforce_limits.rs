//! Makes a server's answer obey the query even if the server did not: applies the stop strings and the token limit,
//! and counts every token.

use anyhow::Result;
use slm_model::Tokenizer;

use super::wire::ServerAnswer;
use slm_artifacts::FinishReason;

/// Characters per token, if there is no tokenizer to count with: code has between 3 and 4.
const CHARS_PER_TOKEN: usize = 3;

/// An answer within its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LimitedAnswer {
    pub(super) text: String,
    pub(super) completion_tokens: usize,
    /// Whether the tokens were counted locally, not by the server.
    pub(super) estimated: bool,
    pub(super) finish_reason: FinishReason,
}

/// Cuts a text at the first stop string and at the limit. The number of tokens is the server's, unless the server
/// generated past that point.
pub(super) fn enforce_limits(
    answer: &ServerAnswer,
    stop: &[&str],
    max_new_tokens: usize,
    tokenizer: Option<&Tokenizer>,
) -> Result<LimitedAnswer> {
    let stopped = first_stop(&answer.text, stop);
    // The built-in model counts the tokens of a stop string, too.
    let kept = stopped.map_or(answer.text.as_str(), |(_, end)| &answer.text[..end]);
    let (mut tokens, mut estimated) = match (answer.completion_tokens, stopped) {
        (Some(reported), None) => (reported, false),
        (reported, _) => {
            let counted = count(kept, tokenizer)?;
            (reported.map_or(counted, |all| all.min(counted)), true)
        }
    };
    let text = stopped.map_or(answer.text.as_str(), |(start, _)| &answer.text[..start]);
    if tokens <= max_new_tokens {
        let finish_reason = match (stopped, answer.finish.as_deref()) {
            (None, Some("length" | "max_tokens")) => FinishReason::Length,
            (None, None) if tokens == max_new_tokens => FinishReason::Length,
            (None | Some(_), _) => FinishReason::Stop,
        };
        return Ok(LimitedAnswer {
            text: text.to_owned(),
            completion_tokens: tokens,
            estimated,
            finish_reason,
        });
    }
    // The server exceeded the limit: tokens past it are neither kept nor counted.
    let mut within = first_tokens(kept, max_new_tokens, tokenizer)?;
    within.truncate(within.len().min(text.len()));
    tokens = max_new_tokens;
    estimated = true;
    Ok(LimitedAnswer {
        text: within,
        completion_tokens: tokens,
        estimated,
        finish_reason: FinishReason::Length,
    })
}

/// Returns the start and end of the earliest stop string.
fn first_stop(text: &str, stop: &[&str]) -> Option<(usize, usize)> {
    let found = stop
        .iter()
        .filter_map(|stop| Some((text.find(stop)?, stop.len())));
    found.min().map(|(start, length)| (start, start + length))
}

fn count(text: &str, tokenizer: Option<&Tokenizer>) -> Result<usize> {
    Ok(match tokenizer {
        Some(tokenizer) => tokenizer.encode_text(text)?.len(),
        None => text.chars().count().div_ceil(CHARS_PER_TOKEN),
    })
}

/// Returns the text of the first `n` tokens.
fn first_tokens(text: &str, n: usize, tokenizer: Option<&Tokenizer>) -> Result<String> {
    let Some(tokenizer) = tokenizer else {
        return Ok(text.chars().take(n * CHARS_PER_TOKEN).collect());
    };
    let mut ids = tokenizer.encode_text_continuation(text)?;
    ids.truncate(n);
    let decoded = tokenizer.decode_continuation(&ids)?;
    // A token may end within a character.
    let same = |(own, found): &(char, char)| own == found;
    let common = text.chars().zip(decoded.chars()).take_while(same);
    Ok(common.map(|(c, _)| c).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, finish: Option<&str>, completion_tokens: Option<usize>) -> ServerAnswer {
        ServerAnswer {
            text: text.to_owned(),
            finish: finish.map(str::to_owned),
            prompt_tokens: None,
            completion_tokens,
            log_probabilities: None,
            likeliest: None,
        }
    }

    fn check(answer: &ServerAnswer, max: usize, expected: (&str, usize, bool, FinishReason)) {
        let limited = enforce_limits(answer, &["\n```", "\ndef "], max, None).expect("limited");
        let found = (
            limited.text.as_str(),
            limited.completion_tokens,
            limited.estimated,
            limited.finish_reason,
        );
        assert_eq!(found, expected, "{answer:?}");
    }

    #[test]
    fn what_keeps_to_the_query_is_taken_as_the_server_counts_it() {
        let (stop, length) = (FinishReason::Stop, FinishReason::Length);
        check(
            &answer("a b", Some("stop"), Some(2)),
            9,
            ("a b", 2, false, stop),
        );
        check(
            &answer("a b", Some("length"), Some(9)),
            9,
            ("a b", 9, false, length),
        );
        check(&answer("a b", None, Some(9)), 9, ("a b", 9, false, length));
        check(&answer("", Some("stop"), Some(0)), 9, ("", 0, false, stop));
    }

    #[test]
    fn without_a_count_tokens_are_counted_here_and_marked() {
        let stop = FinishReason::Stop;
        check(
            &answer("123456", Some("stop"), None),
            9,
            ("123456", 2, true, stop),
        );
    }

    #[test]
    fn the_earliest_stop_string_ends_an_answer_that_ignored_it() {
        let over = "abcd\ndef x\n```\nmore and more";
        let stop = FinishReason::Stop;
        // "abcd\ndef " has 9 characters.
        check(
            &answer(over, Some("length"), Some(99)),
            99,
            ("abcd", 3, true, stop),
        );
        check(
            &answer(over, Some("stop"), Some(2)),
            99,
            ("abcd", 2, true, stop),
        );
    }

    #[test]
    fn what_goes_beyond_the_limit_is_cut_off() {
        let length = FinishReason::Length;
        check(
            &answer("123456789", Some("stop"), Some(50)),
            2,
            ("123456", 2, true, length),
        );
        check(
            &answer("123456789", Some("stop"), None),
            2,
            ("123456", 2, true, length),
        );
        // The stop string begins within the limit and ends beyond it.
        check(
            &answer("12345\ndef x", None, Some(9)),
            2,
            ("12345", 2, true, length),
        );
    }

    #[test]
    fn tokens_are_cut_between_characters() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../crates/slm-model/tests/it/golden/tiny-qwen2/tokenizer.json"
        );
        let json = std::fs::read(path).expect("the golden's tokenizer");
        let tokenizer = Tokenizer::from_json(&json, &[]).expect("a tokenizer");
        let text = "def größe(x):\n    return x";
        let all = tokenizer.encode_text(text).expect("ids").len();
        let mut before = 0;
        for n in 0..=all {
            let first = first_tokens(text, n, Some(&tokenizer)).expect("a text");
            assert!(
                text.starts_with(&first) && first.len() >= before,
                "{n}: {first:?}"
            );
            before = first.len();
        }
        assert_eq!(before, text.len());
    }
}
