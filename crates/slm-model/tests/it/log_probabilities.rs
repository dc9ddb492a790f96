//! Log-probabilities of completions compared with transformers, and their independence of how tokens are drawn.

use burn::tensor::Device;
use serde_json::Value;
use slm_model::{
    Adapter, Asked, Completion, Decoder, Engine, EngineAdapter, Finish, Generation,
    GenerationError, GenerationEvent, Request, Runtime, RuntimeAdapter, Sampling, Weights,
};

use crate::support::golden;

/// Both runtimes with a model, each with the adapter `all-linear`.
fn runtimes(model: &str) -> (Weights, [(Runtime, RuntimeAdapter); 2]) {
    let weights = Weights::open(&golden(model)).expect("golden model");
    let path = golden(&model.replace("tiny", "peft")).join("all-linear");
    let adapter = Adapter::load(&path, weights.config(), model, &Device::flex())
        .expect("adapter")
        .adapter;
    let laid_out = EngineAdapter::new(&adapter, &weights).expect("the base model's weights");
    let engine = Engine::load(&weights, |_, _| ()).expect("golden weights");
    let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("golden weights");
    let both = [
        (Runtime::Engine(engine), RuntimeAdapter::Engine(laid_out)),
        (Runtime::Device(decoder), RuntimeAdapter::Device(adapter)),
    ];
    (weights, both)
}

fn completions(
    weights: &Weights,
    (runtime, adapter): &(Runtime, RuntimeAdapter),
    requests: &[Request],
) -> Vec<Completion> {
    let tokenizer = weights.tokenizer().expect("tokenizer");
    let generation = Generation {
        runtime,
        tokenizer: &tokenizer,
        adapters: &[adapter],
        slots: 2,
    };
    let mut found = vec![None; requests.len()];
    generation
        .run::<GenerationError>(requests, &mut |event| {
            if let GenerationEvent::Finished { index, completion } = event {
                found[index] = Some(completion);
            }
            Ok(())
        })
        .expect("generation");
    let found = found.into_iter();
    found
        .map(|completion| completion.expect("answered"))
        .collect()
}

fn ids(of: &Value) -> Vec<u32> {
    serde_json::from_value(of.clone()).expect("token ids")
}

fn floats(of: &Value) -> Vec<f64> {
    serde_json::from_value(of.clone()).expect("numbers")
}

#[test]
fn log_probabilities_equal_those_of_transformers_with_the_adapter_and_without() {
    let json = std::fs::read(golden("log-probabilities/expected.json")).expect("golden file");
    let expected: Value = serde_json::from_slice(&json).expect("JSON");
    let most = expected["max_new_tokens"].as_u64().expect("a number") as usize;
    let mut ended = 0;
    for of in expected["models"].as_array().expect("models") {
        let model = of["model"].as_str().expect("a name");
        let (weights, runtimes) = runtimes(model);
        let recorded = of["completions"].as_array().expect("completions");
        let ends = ids(&of["ends"]);
        let requests: Vec<Request> = recorded
            .iter()
            .map(|recorded| Request {
                prompt: ids(&recorded["prompt"]),
                max_new_tokens: most,
                sampling: Sampling::GREEDY,
                seed: 0,
                stop: Vec::new(),
                adapter: of["adapter"].as_bool().expect("a flag").then_some(0),
                asked: Asked {
                    completion: true,
                    first: ids(&expected["choices"]),
                },
                one_statement: None,
            })
            .collect();
        for runtime in &runtimes {
            for (found, recorded) in completions(&weights, runtime, &requests)
                .iter()
                .zip(recorded)
            {
                let mut tokens = ids(&recorded["tokens"]);
                let log_probability = found.log_probability.expect("it was asked for");
                assert_eq!(log_probability.tokens, tokens.len(), "{model}");
                if found.finish == Finish::Stop {
                    let end = tokens.pop().expect("an end token");
                    assert!(ends.contains(&end), "{model}");
                    ended += 1;
                }
                assert_eq!(found.tokens, tokens, "{model}");
                let sum = recorded["sum"].as_f64().expect("a number");
                let difference = (log_probability.sum - sum).abs();
                assert!(difference < 1e-4, "{model}: {difference}");
                for (found, first) in found.first.iter().zip(floats(&recorded["first"])) {
                    assert!((found - first).abs() < 1e-4, "{model}: {found} for {first}");
                }
                assert_eq!(found.first.len(), 4);
            }
        }
    }
    assert_eq!(
        ended, 8,
        "one completion of each model ends, in each runtime"
    );
}

#[test]
fn temperature_and_nucleus_change_what_is_drawn_and_not_how_likely_it_is() {
    let (weights, runtimes) = runtimes("tiny-qwen2");
    let prompt = vec![40, 41, 42, 99];
    let requests: Vec<Request> = [(0.3, 1.0, None), (1.7, 1.0, None), (1.0, 0.6, Some(40))]
        .into_iter()
        .flat_map(|(temperature, top_p, top_k)| {
            let prompt = prompt.clone();
            [false, true].map(|completion| Request {
                prompt: prompt.clone(),
                max_new_tokens: 9,
                sampling: Sampling {
                    temperature,
                    top_p,
                    top_k,
                },
                seed: 3,
                stop: Vec::new(),
                adapter: Some(0),
                asked: Asked {
                    completion,
                    first: Vec::new(),
                },
                one_statement: None,
            })
        })
        .collect();
    for runtime in &runtimes {
        let found = completions(&weights, runtime, &requests);
        for pair in found.chunks_exact(2) {
            // Asking does not change what is drawn.
            assert_eq!(pair[0].tokens, pair[1].tokens);
            assert_eq!(pair[0].log_probability, None);
            assert_eq!(pair[1].finish, Finish::Length);
            let losses = runtime
                .0
                .answer_losses(&prompt, &pair[1].tokens, Some(&runtime.1));
            let expected: f64 = losses.iter().map(|&loss| -f64::from(loss)).sum();
            let log_probability = pair[1].log_probability.expect("it was asked for");
            assert_eq!(log_probability.tokens, 9);
            let difference = (log_probability.sum - expected).abs();
            assert!(difference < 1e-3, "{difference}");
        }
    }
}

#[test]
fn the_log_probability_of_a_statement_is_that_of_its_tokens_alone() {
    let (weights, runtimes) = runtimes("tiny-qwen2");
    let tokenizer = weights.tokenizer().expect("tokenizer");
    let prompt = tokenizer.encode("def f(x):\n").expect("ids");
    let requests: Vec<Request> = (0..200)
        .map(|seed| Request {
            prompt: prompt.clone(),
            max_new_tokens: 24,
            sampling: Sampling {
                temperature: 1.0,
                top_p: 1.0,
                top_k: None,
            },
            seed,
            stop: Vec::new(),
            adapter: (seed % 2 == 0).then_some(0),
            asked: Asked {
                completion: true,
                first: Vec::new(),
            },
            one_statement: Some(4),
        })
        .collect();
    let mut cut = 0;
    for runtime in &runtimes {
        let found = completions(&weights, runtime, &requests);
        for (request, found) in requests.iter().zip(&found) {
            let log_probability = found.log_probability.expect("it was asked for");
            let kept = log_probability.tokens;
            let text = |n: usize| tokenizer.decode(&found.tokens[..n], true).expect("text");
            if found.finish != Finish::Stop
                || kept == 0
                || text(found.tokens.len()).len() == found.text.len()
            {
                continue;
            }
            // The statement ended before the last token: only the tokens that reach into it count.
            cut += 1;
            assert!(text(kept).len() >= found.text.len(), "{found:?}");
            assert!(text(kept - 1).len() < found.text.len(), "{found:?}");
            let adapter = request.adapter.map(|_| &runtime.1);
            let losses = runtime
                .0
                .answer_losses(&prompt, &found.tokens[..kept], adapter);
            let sum: f64 = losses.iter().map(|&loss| -f64::from(loss)).sum();
            let difference = (log_probability.sum - sum).abs();
            assert!(difference < 1e-3, "{difference}: {found:?}");
        }
    }
    assert!(cut >= 20, "few statements ended: {cut}");
}
