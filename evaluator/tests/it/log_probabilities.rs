//! Log-probabilities from a server: asked for where the recipe needs them, and refused before the run where there are none.

use serde_json::{Value, json};

use crate::endpoint::{ask, lines, project, records, run_of, server};
use crate::fake_server::{Asked, FakeServer, Say, completion, solution, text_only};
use crate::support::says;

/// Whether a request is the verifier's question.
fn is_question(asked: &Asked) -> bool {
    asked.prompt.contains("Reply with one word: yes or no")
}

/// The answer to a request: the first program of a task is wrong, the second right, and the verifier finds that out.
fn answer(asked: &Asked) -> Value {
    if is_question(asked) {
        return completion(asked, "yes", "length");
    }
    match asked.before % 2 {
        0 => completion(asked, "    return x - 100", "stop"),
        _ => completion(asked, &solution(asked), "stop"),
    }
}

/// The same with log-probabilities in the form of `completions`: of each of its words, and of yes and no.
fn with_log_probabilities(asked: &Asked) -> Say {
    let mut answer = answer(asked);
    let is_right = is_question(asked) && asked.prompt.contains("return x + ");
    let yes: f64 = if is_right { 0.6 } else { 0.1 };
    let first =
        json!({"yes": yes.ln(), " Yes": (yes / 2.0).ln(), "no": 0.05_f64.ln(), "well": -9.0});
    let text = answer["choices"][0]["text"].as_str().expect("a text");
    let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    let logs = vec![if text.contains('+') { -0.1 } else { -0.7 }; words.len()];
    answer["choices"][0]["logprobs"] = json!({
        "tokens": words, "token_logprobs": logs, "top_logprobs": vec![first; words.len()],
    });
    Say::Json(200, answer)
}

fn without_log_probabilities(asked: &Asked) -> Say {
    text_only(asked).unwrap_or_else(|| Say::Json(200, answer(asked)))
}

fn selecting() -> FakeServer {
    server(|asked| {
        text_only(asked).unwrap_or_else(|| {
            if asked.body.get("logprobs").is_some() {
                with_log_probabilities(asked)
            } else {
                Say::Json(200, answer(asked))
            }
        })
    })
}

const BEST_OF_2: [&str; 6] = [
    "--set",
    "evaluate.workflows=[best_of_n]",
    "--set",
    "evaluate.samples=2",
    "--set",
    "evaluate.endpoint.concurrency=1",
];

fn calls(lines: &[Value]) -> Vec<&Value> {
    let calls = lines.iter().filter_map(|line| line["what"].get("call"));
    calls.collect()
}

#[test]
fn a_server_without_log_probabilities_is_refused_before_the_run() {
    for (select, named) in [
        ("verifier", "`evaluate.samples_select: verifier`"),
        ("weighted", "`evaluate.samples_select: weighted`"),
        ("likelihood", "`evaluate.samples_select: likelihood`"),
    ] {
        let (project, server) = (project(2), server(without_log_probabilities));
        let select = format!("evaluate.samples_select={select}");
        let words = [&BEST_OF_2[..], &["--set", &select]].concat();
        let finished = ask(&project, &server, &words);
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        let expected = ["`tiny/qwen2` returns no log-probabilities", named, "hint: "];
        says(&finished.stderr, &expected);
        assert_eq!(server.asked().len(), 0, "nothing was sampled");
    }
}

#[test]
fn a_server_without_log_probabilities_serves_a_recipe_that_needs_none() {
    let (project, server) = (project(2), server(without_log_probabilities));
    let run = run_of(&project, &ask(&project, &server, &BEST_OF_2).result());
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert!(
        asked
            .iter()
            .all(|asked| asked.body.get("logprobs").is_none())
    );
    let lines = lines(&run.join("trajectory.jsonl"));
    assert!(
        calls(&lines)
            .iter()
            .all(|call| call.get("log_probability").is_none())
    );
}

#[test]
fn the_verifier_and_the_likelihood_choose_the_program_of_a_server() {
    for select in ["verifier", "likelihood"] {
        let (project, server) = (project(2), selecting());
        let select_key = format!("evaluate.samples_select={select}");
        let words = [&BEST_OF_2[..], &["--set", &select_key]].concat();
        let run = run_of(&project, &ask(&project, &server, &words).result());
        for record in records(&run).values() {
            assert_eq!(record["verdict"], "passed", "{select}");
        }
        let lines = lines(&run.join("trajectory.jsonl"));
        for call in calls(&lines) {
            let is_judgement = call["expects"] == "judgement";
            assert_eq!(call.get("p_yes").is_some(), is_judgement);
            let has_log_probability = call.get("log_probability").is_some();
            assert_eq!(has_log_probability, select == "likelihood");
            if is_judgement {
                assert_eq!(call["role"], "verifier");
                let sum = call["p_yes"].as_f64().expect("a number");
                let is_right = call["messages"].to_string().contains("return x + ");
                let expected = if is_right { 0.9 } else { 0.15 };
                assert!((sum - expected).abs() < 1e-9, "both spellings count: {sum}");
            }
        }
    }
}
