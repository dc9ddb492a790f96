//! The requests and answers of the two routes, as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use slm_config::Api;
use slm_model::Message;

use crate::backend::Query;

/// The prompt of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Prompt {
    /// Token ids, for `completions`.
    Ids(Vec<u32>),
    /// The same prompt as text, for servers that accept no ids.
    Text(String),
    /// A conversation, for `chat/completions`.
    Messages(Vec<Message>),
}

/// The route of an API.
pub(super) fn route(api: Api) -> &'static str {
    match api {
        Api::Completions => "/completions",
        Api::Chat => "/chat/completions",
    }
}

/// Returns the body of a request for at most `max_tokens` tokens that end before these stop strings. It disables the
/// servers' own defaults: penalties and, with `extras`, limits on the likeliest tokens (top-k, min-p).
pub(super) fn body(
    model: &str,
    prompt: &Prompt,
    query: &Query,
    stops: &[&str],
    max_tokens: usize,
    extras: bool,
) -> Value {
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
    put("model", json!(model));
    let mut stop = stops;
    match prompt {
        Prompt::Ids(ids) => put("prompt", json!(ids)),
        Prompt::Text(text) => put("prompt", json!(text)),
        Prompt::Messages(messages) => {
            let messages = messages
                .iter()
                .map(|message| json!({"role": message.role.name(), "content": message.content}));
            put("messages", messages.collect());
            if !query.begun.is_empty() {
                // They are meant for the continuation of a prefill; here the server writes the whole answer.
                stop = &[];
            }
        }
    }
    put("max_tokens", json!(max_tokens));
    put("temperature", json!(query.sampling.temperature));
    put("top_p", json!(query.sampling.top_p));
    put("seed", json!(seed(query.seed)));
    // vLLM takes them from the model's generation_config.json otherwise.
    put("presence_penalty", json!(0.0));
    put("frequency_penalty", json!(0.0));
    put("n", json!(1));
    put("stream", json!(false));
    if !stop.is_empty() {
        put("stop", json!(stop));
    }
    if query.wanted.log_probability || query.wanted.judgement {
        // OpenAI allows 5 and 20.
        match prompt {
            Prompt::Ids(_) | Prompt::Text(_) => put("logprobs", json!(5)),
            Prompt::Messages(_) => {
                put("logprobs", json!(true));
                put("top_logprobs", json!(20));
            }
        }
    }
    if extras {
        // For vLLM, llama.cpp and Ollama, 0 means no limit.
        put("top_k", json!(query.sampling.top_k.unwrap_or(0)));
        put("min_p", json!(0.0));
        put("repetition_penalty", json!(1.0));
        put("repeat_penalty", json!(1.0));
    } else if let Some(k) = query.sampling.top_k {
        put("top_k", json!(k));
    }
    Value::Object(body)
}

/// Adds the variables of the chat template to a request, if there are any.
pub(super) fn with_template_kwargs<'a>(
    body: &'a Value,
    kwargs: &BTreeMap<String, Value>,
) -> Cow<'a, Value> {
    if kwargs.is_empty() {
        return Cow::Borrowed(body);
    }
    let mut body = body.clone();
    body["chat_template_kwargs"] = json!(kwargs);
    Cow::Owned(body)
}

/// Folds a call's seed into the 31 bits that every server accepts.
fn seed(seed: u64) -> u64 {
    (seed ^ (seed >> 33)) & 0x7fff_ffff
}

/// A server's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ServerAnswer {
    pub(super) text: String,
    /// The server's finish reason.
    pub(super) finish: Option<String>,
    /// The server's counts of tokens, which some servers do not report.
    pub(super) prompt_tokens: Option<usize>,
    pub(super) completion_tokens: Option<usize>,
    /// The log-probability of each token, which a server returns only on request, and not every server.
    pub(super) log_probabilities: Option<Vec<f64>>,
    /// The likeliest first tokens with their log-probabilities.
    pub(super) likeliest: Option<Vec<(String, f64)>>,
}

/// Parses an answer.
///
/// # Errors
/// The body is not an answer; the reason in words.
pub(super) fn read(api: Api, body: &str) -> Result<ServerAnswer, String> {
    let value: Value =
        serde_json::from_str(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let choice = &value["choices"][0];
    if !choice.is_object() {
        return Err("the answer has no choices".to_owned());
    }
    let text = match api {
        Api::Completions => &choice["text"],
        Api::Chat => &choice["message"]["content"],
    };
    let text = match text {
        Value::String(text) => text.clone(),
        // The model returned no text.
        Value::Null if api == Api::Chat && choice["message"].is_object() => String::new(),
        _ => return Err("the answer has no text".to_owned()),
    };
    let count = |key: &str| value["usage"][key].as_u64().map(|count| count as usize);
    let finish = choice["finish_reason"].as_str().map(str::to_owned);
    if let Some("abort" | "error") = finish.as_deref() {
        return Err("the server aborted the answer".to_owned());
    }
    Ok(ServerAnswer {
        text,
        finish,
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
        log_probabilities: log_probabilities(&choice["logprobs"]),
        likeliest: likeliest(&choice["logprobs"]),
    })
}

/// Returns the log-probability of each token. `chat/completions` lists tokens with theirs under `content`, and llama.cpp on
/// both routes; `completions` lists the numbers alone.
fn log_probabilities(logprobs: &Value) -> Option<Vec<f64>> {
    if let Some(content) = logprobs["content"].as_array() {
        return content.iter().map(|of| of["logprob"].as_f64()).collect();
    }
    let numbers = logprobs["token_logprobs"].as_array()?;
    numbers.iter().map(Value::as_f64).collect()
}

/// Returns the likeliest first tokens with their log-probabilities, in the same two forms.
fn likeliest(logprobs: &Value) -> Option<Vec<(String, f64)>> {
    if let Some(content) = logprobs["content"].as_array() {
        let listed = content.first()?["top_logprobs"].as_array()?;
        let pair = |of: &Value| Some((of["token"].as_str()?.to_owned(), of["logprob"].as_f64()?));
        return listed.iter().map(pair).collect();
    }
    let listed = logprobs["top_logprobs"].as_array()?.first()?.as_object()?;
    let pair = |(token, log): (&String, &Value)| Some((token.clone(), log.as_f64()?));
    listed.iter().map(pair).collect()
}

/// Returns the context size in tokens that a refusal names, if the size is its reason: `Some(None)` without a number.
#[expect(
    clippy::option_option,
    reason = "of three answers the third is a number"
)]
pub(super) fn context_limit(refusal: &str) -> Option<Option<usize>> {
    let text = refusal.to_lowercase();
    let marks = [
        "context length is",
        "context window of",
        "context size is",
        "context length of",
        "context length",
        "context_length",
        "context window",
        "context size",
        "context_size",
        "max_model_len=",
    ];
    // vLLM's answer to a conversation that fills the context: this program never asks for no token.
    if text.contains("max_tokens must be at least 1") {
        return Some(None);
    }
    let at = marks
        .iter()
        .find_map(|mark| Some(text.find(mark)? + mark.len()))?;
    let rest = &text[at..];
    let number: String = rest
        .chars()
        .skip_while(|c| *c == ' ' || *c == '(')
        .take_while(char::is_ascii_digit)
        .collect();
    Some(number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Speaker;

    #[test]
    fn variables_of_the_template_are_a_field_of_the_request() {
        let body = json!({"messages": []});
        assert_eq!(*with_template_kwargs(&body, &BTreeMap::new()), body);
        let kwargs = BTreeMap::from([("enable_thinking".to_owned(), Value::Bool(false))]);
        assert_eq!(
            with_template_kwargs(&body, &kwargs)["chat_template_kwargs"],
            json!({"enable_thinking": false})
        );
    }

    use slm_model::{Role, Sampling};

    use crate::backend::Wanted;

    fn query(begun: &str) -> Query {
        Query {
            messages: vec![Message::new(Role::User, "hi")],
            begun: begun.to_owned(),
            stop: vec!["\n```"],
            sampling: Sampling::GREEDY,
            max_new_tokens: 9,
            seed: (1 << 33) + 1,
            speaker: Speaker::Base,
            wanted: Wanted::default(),
        }
    }

    #[test]
    fn a_request_says_all_that_decides_an_answer() {
        let query = query("");
        let body = body("m", &Prompt::Ids(vec![1, 2]), &query, &query.stop, 7, true);
        let expected = json!({
            "model": "m", "prompt": [1, 2], "max_tokens": 7, "temperature": 0.0, "top_p": 1.0, "seed": 0,
            "n": 1, "stream": false, "stop": ["\n```"], "presence_penalty": 0.0,
            "frequency_penalty": 0.0, "top_k": 0, "min_p": 0.0,
            "repetition_penalty": 1.0, "repeat_penalty": 1.0,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_whole_answer_is_not_stopped_at_the_end_of_a_part() {
        let messages = Prompt::Messages(query("").messages);
        let asked = |begun: &str| body("m", &messages, &query(begun), &["\n```"], 7, false);
        assert_eq!(asked("```python\n").get("stop"), None);
        assert_eq!(asked("")["stop"], json!(["\n```"]));
        assert_eq!(
            asked("")["messages"],
            json!([{"role": "user", "content": "hi"}])
        );
        assert_eq!(asked("").get("top_k"), None);
    }

    #[test]
    fn seeds_fit_31_bits_and_differ() {
        let folded = [0, 1, 1 << 33, u64::MAX, 12_345 << 40].map(seed);
        assert!(folded.iter().all(|seed| *seed < 1 << 31));
        assert_eq!(folded[..2], [0, 1]);
        assert_ne!(folded[3], folded[4]);
    }

    #[test]
    fn answers_of_both_routes_are_read() {
        let completion = r#"{"choices": [{"text": "a", "finish_reason": "length"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}"#;
        let answer = read(Api::Completions, completion).expect("an answer");
        let expected = ServerAnswer {
            text: "a".to_owned(),
            finish: Some("length".to_owned()),
            prompt_tokens: Some(3),
            completion_tokens: Some(1),
            log_probabilities: None,
            likeliest: None,
        };
        assert_eq!(answer, expected);
        let chat = r#"{"choices": [{"message": {"role": "assistant", "content": null}, "finish_reason": null}], "usage": null}"#;
        assert_eq!(read(Api::Chat, chat), Ok(ServerAnswer::default()));
    }

    #[test]
    fn log_probabilities_are_asked_for_by_the_routes_own_keys_and_only_if_wanted() {
        let messages = Prompt::Messages(query("").messages);
        assert_eq!(
            body("m", &messages, &query(""), &[], 7, true).get("logprobs"),
            None
        );
        let wanting = Query {
            wanted: Wanted {
                log_probability: true,
                ..Wanted::default()
            },
            ..query("")
        };
        let chat = body("m", &messages, &wanting, &[], 7, true);
        assert_eq!(
            (&chat["logprobs"], &chat["top_logprobs"]),
            (&json!(true), &json!(20))
        );
        let completion = body("m", &Prompt::Ids(vec![1]), &wanting, &[], 7, true);
        assert_eq!(completion["logprobs"], json!(5));
        assert_eq!(completion.get("top_logprobs"), None);
    }

    #[test]
    fn log_probabilities_are_read_in_both_forms() {
        let lists = json!({"choices": [{"text": "a b", "logprobs": {
            "tokens": ["a", " b"], "token_logprobs": [-0.5, -1.0],
            "top_logprobs": [{"a": -0.5, "c": -2.0}, {" b": -1.0}],
        }}]});
        let objects = json!({"choices": [{"text": "a b", "logprobs": {"content": [
            {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "c", "logprob": -2.0}]},
            {"token": " b", "logprob": -1.0, "top_logprobs": []},
        ]}}]});
        for form in [lists, objects] {
            let answer = read(Api::Completions, &form.to_string()).expect("an answer");
            assert_eq!(answer.log_probabilities, Some(vec![-0.5, -1.0]));
            let likeliest = vec![("a".to_owned(), -0.5), ("c".to_owned(), -2.0)];
            assert_eq!(answer.likeliest, Some(likeliest));
        }
        let without = json!({"choices": [{"text": "a", "logprobs": null}]});
        let answer = read(Api::Completions, &without.to_string()).expect("an answer");
        assert_eq!((answer.log_probabilities, answer.likeliest), (None, None));
    }

    #[test]
    fn what_is_no_answer_is_said_in_words() {
        for (body, expected) in [
            ("<html>", "not JSON"),
            ("{\"choices\": [{\"te", "not JSON"),
            ("{\"choices\": []}", "no choices"),
            ("{}", "no choices"),
            ("{\"choices\": [{\"text\": 3}]}", "no text"),
            (
                "{\"choices\": [{\"text\": \"\", \"finish_reason\": \"abort\"}]}",
                "aborted the answer",
            ),
        ] {
            let error = read(Api::Completions, body).expect_err(body);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_full_context_is_recognised_with_its_limit() {
        for (text, expected) in [
            (
                "This model's maximum context length is 2048 tokens. However, you requested 2100",
                Some(Some(2048)),
            ),
            (
                "Requested tokens (600) exceed context window of 512",
                Some(Some(512)),
            ),
            (
                "the request exceeds the available context size (4096 tokens), try increasing it",
                Some(Some(4096)),
            ),
            ("exceed_context_size_error", Some(None)),
            (
                "max_tokens=100000 cannot be greater than max_model_len=1024. Please request fewer output tokens.",
                Some(Some(1024)),
            ),
            (
                "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)",
                Some(None),
            ),
            ("temperature must be at most 2", None),
        ] {
            assert_eq!(context_limit(text), expected, "{text}");
        }
    }
}
