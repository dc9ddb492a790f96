//! The real SmolLM2-135M-Instruct file compared with transformers and llama.cpp.

use burn::tensor::Device;
use serde_json::Value;
use slm_model::{
    Asked, Generation, GenerationError, GenerationEvent, Request, Runtime, Sampling, Weights,
};

use crate::support::{golden, real_model};

#[test]
fn greedy_text_equals_transformers_and_llama_cpp_up_to_near_ties() {
    let Some(path) = real_model() else { return };
    let weights = Weights::open(&path).expect("model");
    let runtime = Runtime::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
    let tokenizer = weights.tokenizer().expect("tokenizer");
    let text = std::fs::read_to_string(golden("smollm2-greedy/expected.json")).expect("golden");
    let golden: Value = serde_json::from_str(&text).expect("JSON");
    let ids = |value: &Value| -> Vec<u32> {
        value
            .as_array()
            .expect("ids")
            .iter()
            .map(|id| id.as_u64().expect("id") as u32)
            .collect()
    };
    let prompts = golden["prompts"].as_array().expect("prompts");
    assert_eq!(prompts.len(), 3);
    let requests: Vec<Request> = prompts
        .iter()
        .map(|prompt| Request {
            prompt: ids(&prompt["prompt_ids"]),
            max_new_tokens: 32,
            sampling: Sampling::GREEDY,
            seed: 0,
            stop: Vec::new(),
            adapter: None,
            asked: Asked::default(),
            one_statement: None,
        })
        .collect();
    let generation = Generation {
        runtime: &runtime,
        tokenizer: &tokenizer,
        adapters: &[],
        slots: 3,
    };
    let mut compared = 0;
    generation
        .run::<GenerationError>(&requests, &mut |event| {
            let GenerationEvent::Finished { index, completion } = event else {
                return Ok(());
            };
            let prompt = &prompts[index];
            let without_end = |name: &str| -> Vec<u32> {
                let ids = ids(&prompt[name]["tokens"]);
                let end = ids
                    .iter()
                    .position(|id| tokenizer.eos_ids().contains(id))
                    .unwrap_or(ids.len());
                ids[..end].to_vec()
            };
            // transformers computes in f32 on the same dequantised weights: all tokens are equal.
            assert_eq!(
                completion.tokens,
                without_end("transformers"),
                "{}",
                prompt["name"]
            );
            // llama.cpp rounds activations to 8 bits, and differs only where the golden records a near-tie.
            let theirs = without_end("llama_cpp");
            let differs = (0..theirs.len().max(completion.tokens.len()))
                .find(|&i| theirs.get(i) != completion.tokens.get(i));
            assert_eq!(
                differs.map(|at| at as u64),
                prompt["first_difference"].as_u64(),
                "{}",
                prompt["name"]
            );
            if let Some(at) = differs {
                let gap = |name: &str| {
                    let top2 = &prompt[name]["top2"][at];
                    top2[0][1].as_f64().expect("value") - top2[1][1].as_f64().expect("value")
                };
                assert!(
                    gap("transformers") < 0.1,
                    "{}: no near-tie at {at}: {}",
                    prompt["name"],
                    gap("transformers")
                );
            }
            compared += 1;
            Ok(())
        })
        .expect("generation");
    assert_eq!(compared, 3);
}
