//! Decoding with the cache: equal to decoding without one, and independent of the batch.

use burn::tensor::{Device, Tensor, TensorData};
use slm_model::{
    Adapter, Asked, Client, Completion, Decoder, Engine, EngineAdapter, Finish, Generation,
    GenerationError, GenerationEvent, KvCache, Request, Runtime, RuntimeAdapter, Sampling, Weights,
};

use crate::support::{golden, max_difference, tiny};

/// Prompts of many lengths.
fn prompts(n: usize) -> Vec<Vec<u32>> {
    let lengths = [1, 2, 7, 17, 31, 63, 64, 65, 90];
    (0..n)
        .map(|i| {
            (0..lengths[i % lengths.len()])
                .map(|t| ((i * 31 + t * 7) % 340 + 3) as u32)
                .collect()
        })
        .collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|value| value.to_bits()).collect()
}

/// The engine for a golden model.
fn engine(path: &str) -> (Weights, Engine) {
    let weights = Weights::open(&golden(path)).expect("golden model");
    let engine = Engine::load(&weights, |_, _| ()).expect("golden weights");
    (weights, engine)
}

/// The same adapter for the decoder and for the engine.
fn adapters(path: &str, model: &str, weights: &Weights) -> (Adapter, EngineAdapter) {
    let config = weights.config();
    let adapter = Adapter::load(&golden(path), config, model, &Device::flex())
        .expect("adapter")
        .adapter;
    let laid_out = EngineAdapter::new(&adapter, weights).expect("the base model's weights");
    (adapter, laid_out)
}

/// Logits of three steps for some prompts decoded in a batch, as bits.
fn decode(engine: &Engine, adapter: Option<&EngineAdapter>, prompts: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut cache = engine.cache(prompts.len());
    let mut found: Vec<Vec<u32>> = prompts
        .iter()
        .enumerate()
        .map(|(slot, prompt)| bits(&engine.prefill(&mut cache, slot, 0, prompt, adapter)))
        .collect();
    for step in 0..3 {
        let tokens: Vec<u32> = (0..prompts.len())
            .map(|i| (prompts[i][0] + step) % 340)
            .collect();
        let at: Vec<_> = prompts
            .iter()
            .enumerate()
            .map(|(slot, p)| (slot, p.len() + step as usize))
            .collect();
        let logits = engine.decode(&mut cache, &tokens, &at, adapter);
        let rows = logits.chunks_exact(engine.config().vocab_size);
        for (found, row) in found.iter_mut().zip(rows) {
            found.extend(bits(row));
        }
    }
    found
}

#[test]
fn a_sequence_decodes_to_the_same_bits_in_a_batch_of_1_3_8_and_32() {
    for (model, adapter) in [
        ("tiny-qwen2", "peft-qwen2/all-linear"),
        ("tiny-llama", "peft-llama/all-linear"),
    ] {
        let (weights, engine) = engine(model);
        let (_, adapter) = adapters(adapter, model, &weights);
        let prompts = prompts(32);
        for adapter in [None, Some(&adapter)] {
            let alone: Vec<_> = prompts
                .iter()
                .map(|p| decode(&engine, adapter, std::slice::from_ref(p)).remove(0))
                .collect();
            for batch in [3, 8, 32] {
                for (start, chunk) in prompts.chunks(batch).enumerate() {
                    let together = decode(&engine, adapter, chunk);
                    for (i, found) in together.iter().enumerate() {
                        assert_eq!(
                            found,
                            &alone[start * batch + i],
                            "{model}, batch {batch}, sequence {i}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_engine_computes_what_the_decoder_computes_without_a_cache() {
    for (model, paths) in [
        (
            "tiny-llama",
            [
                "peft-llama/all-linear",
                "peft-variants/dora-rslora-patterns",
            ],
        ),
        (
            "tiny-qwen2",
            ["peft-qwen2/all-linear", "peft-qwen2/all-linear"],
        ),
    ] {
        let (_, decoder) = tiny(model);
        let (weights, engine) = engine(model);
        let [first, second] = paths.map(|path| adapters(path, model, &weights));
        let tokens: Vec<u32> = (0..300).map(|t| (t * 11 % 340 + 3) as u32).collect();
        // A prompt is processed in chunks of 256 tokens: shorter, longer, and at the boundary.
        for n_prompt in [1, 64, 255, 256, 257] {
            for adapter in [None, Some(&first), Some(&second)] {
                let (plain, laid_out) = adapter.map(|(a, b)| (a, b)).unzip();
                let mut cache = engine.cache(1);
                let mut rows = engine.prefill(&mut cache, 0, 0, &tokens[..n_prompt], laid_out);
                for position in n_prompt..n_prompt + 10 {
                    let token = &tokens[position..=position];
                    rows.extend(engine.decode(&mut cache, token, &[(0, position)], laid_out));
                }
                let whole =
                    decoder
                        .logits(&tokens[..n_prompt + 10], 1, plain)
                        .narrow(0, n_prompt - 1, 11);
                let rows = Tensor::from_data(TensorData::new(rows, whole.dims()), &Device::flex());
                let difference = max_difference(&rows, &whole);
                assert!(
                    difference < 1e-4,
                    "{model}, prompt of {n_prompt}: {difference}"
                );
            }
        }
    }
}

#[test]
fn a_prompt_that_goes_on_from_tokens_read_before_gives_the_same_bits() {
    let (weights, engine) = engine("tiny-llama");
    let (_, adapter) = adapters("peft-llama/all-linear", "tiny-llama", &weights);
    let tokens: Vec<u32> = (0..280).map(|t| (t * 13 % 340 + 3) as u32).collect();
    let other: Vec<u32> = (0..280).map(|t| (t * 17 % 340 + 3) as u32).collect();
    for adapter in [None, Some(&adapter)] {
        let mut cache = engine.cache(2);
        let whole = engine.prefill(&mut cache, 0, 0, &tokens, adapter);
        for kept in [1, 31, 32, 33, 255, 256, 279] {
            let before = [&tokens[..kept], &other[kept..]].concat();
            engine.prefill(&mut cache, 1, 0, &before, adapter);
            let rest = engine.prefill(&mut cache, 1, kept, &tokens[kept..], adapter);
            assert_eq!(bits(&rest), bits(&whole), "{kept} tokens kept");
        }
    }
}

fn generate(requests: &[Request], slots: usize) -> Vec<Completion> {
    let (weights, engine) = engine("tiny-qwen2");
    let runtime = Runtime::Engine(engine);
    let tokenizer = weights.tokenizer().expect("tokenizer");
    let generation = Generation {
        runtime: &runtime,
        tokenizer: &tokenizer,
        adapters: &[],
        slots,
    };
    let mut completions = vec![None; requests.len()];
    generation
        .run::<GenerationError>(requests, &mut |event| {
            if let GenerationEvent::Finished { index, completion } = event {
                assert!(
                    completions[index].replace(completion).is_none(),
                    "request {index} was answered twice"
                );
            }
            Ok(())
        })
        .expect("generation");
    completions
        .into_iter()
        .map(|c| c.expect("answered"))
        .collect()
}

fn request(prompt: Vec<u32>, seed: u64, sampling: Sampling) -> Request {
    Request {
        prompt,
        max_new_tokens: 12 + seed as usize % 5,
        sampling,
        seed,
        stop: Vec::new(),
        adapter: None,
        asked: Asked::default(),
        one_statement: None,
    }
}

#[test]
fn completions_do_not_depend_on_the_number_of_slots() {
    let sampled = Sampling {
        temperature: 0.9,
        top_p: 0.95,
        top_k: Some(50),
    };
    let requests: Vec<Request> = prompts(11)
        .into_iter()
        .enumerate()
        .map(|(i, prompt)| {
            request(
                prompt,
                i as u64,
                if i % 2 == 0 {
                    sampled
                } else {
                    Sampling::GREEDY
                },
            )
        })
        .collect();
    let text = |completions: Vec<Completion>| {
        completions
            .into_iter()
            .map(|c| (c.tokens, c.text, c.finish))
            .collect::<Vec<_>>()
    };
    let alone = text(generate(&requests, 1));
    assert_eq!(text(generate(&requests, 4)), alone);
    assert_eq!(text(generate(&requests, 100)), alone);
}

/// A client that sends the next request only after a number of answers, so that requests arrive while others run.
struct Hesitant {
    waiting: std::vec::IntoIter<Request>,
    /// Maximum number of running requests.
    at_once: usize,
    asked: usize,
    completions: Vec<(usize, Completion)>,
}

impl Client for Hesitant {
    type Error = GenerationError;

    fn next(&mut self, idle: bool) -> Result<Option<Request>, GenerationError> {
        let under_way = self.asked - self.completions.len();
        assert_eq!(idle, under_way == 0);
        if under_way >= self.at_once {
            return Ok(None);
        }
        let request = self.waiting.next();
        self.asked += usize::from(request.is_some());
        Ok(request)
    }

    fn receive(&mut self, event: GenerationEvent) -> Result<(), GenerationError> {
        if let GenerationEvent::Finished { index, completion } = event {
            self.completions.push((index, completion));
        }
        Ok(())
    }
}

/// Returns the completions of requests that arrive one by one, in the order of the requests.
fn serve(
    requests: &[Request],
    adapters: &[&RuntimeAdapter],
    at_once: usize,
) -> Vec<(Vec<u32>, String)> {
    let (weights, engine) = engine("tiny-qwen2");
    let runtime = Runtime::Engine(engine);
    let tokenizer = weights.tokenizer().expect("tokenizer");
    let generation = Generation {
        runtime: &runtime,
        tokenizer: &tokenizer,
        adapters,
        slots: 3,
    };
    let mut client = Hesitant {
        waiting: Vec::from(requests).into_iter(),
        at_once,
        asked: 0,
        completions: Vec::new(),
    };
    generation.serve(&mut client).expect("generation");
    client.completions.sort_by_key(|(index, _)| *index);
    let indices: Vec<usize> = client.completions.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, (0..requests.len()).collect::<Vec<_>>());
    client
        .completions
        .into_iter()
        .map(|(_, completion)| (completion.tokens, completion.text))
        .collect()
}

#[test]
fn requests_that_come_while_others_run_are_answered_as_if_they_were_alone() {
    // The cache must grow while it is in use: the capacity for the first prompts is too small for a later one.
    let mut requests: Vec<Request> = prompts(9)
        .into_iter()
        .enumerate()
        .map(|(i, prompt)| request(prompt, i as u64, Sampling::GREEDY))
        .collect();
    requests[4].prompt = requests[8]
        .prompt
        .iter()
        .cycle()
        .take(230)
        .copied()
        .collect();
    let alone = serve(&requests, &[], 1);
    assert_eq!(serve(&requests, &[], 2), alone);
    assert_eq!(serve(&requests, &[], 3), alone);
    let listed: Vec<_> = generate(&requests, 3)
        .into_iter()
        .map(|completion| (completion.tokens, completion.text))
        .collect();
    assert_eq!(listed, alone);
}

#[test]
fn requests_with_several_adapters_and_without_one_share_a_batch() {
    let (weights, _) = engine("tiny-qwen2");
    let load = |path| RuntimeAdapter::Engine(adapters(path, "tiny-qwen2", &weights).1);
    let (first, second) = (load("peft-qwen2/all-linear"), load("peft-qwen2/subset"));
    let loaded = [&first, &second];
    let requests = |adapter: fn(usize) -> Option<usize>| -> Vec<Request> {
        prompts(9)
            .into_iter()
            .enumerate()
            .map(|(i, prompt)| Request {
                adapter: adapter(i),
                ..request(prompt, i as u64, Sampling::GREEDY)
            })
            .collect()
    };
    let base = serve(&requests(|_| None), &loaded, 3);
    assert_eq!(base, serve(&requests(|_| None), &[], 3));
    let with_first = serve(&requests(|_| Some(0)), &loaded, 3);
    assert_eq!(with_first, serve(&requests(|_| Some(0)), &[&first], 3));
    let with_second = serve(&requests(|_| Some(1)), &loaded, 3);
    assert!(base != with_first && base != with_second && with_first != with_second);
    let mixed = serve(&requests(|i| [None, Some(0), Some(1)][i % 3]), &loaded, 3);
    for (i, found) in mixed.iter().enumerate() {
        let expected = [&base, &with_first, &with_second][i % 3];
        assert_eq!(found, &expected[i], "request {i}");
    }
}

#[test]
fn prompts_that_share_a_beginning_are_answered_as_if_they_were_alone() {
    // Slots are freed one by one, with another request's tokens in them.
    let shared: Vec<u32> = (0..70).map(|t| t * 3 % 340 + 3).collect();
    let requests: Vec<Request> = (0..9)
        .map(|i| {
            let prompt = [&shared[..70 - i * 7], &[5 + i as u32]].concat();
            request(prompt, i as u64, Sampling::GREEDY)
        })
        .collect();
    let alone: Vec<_> = requests
        .iter()
        .map(|request| serve(std::slice::from_ref(request), &[], 1).remove(0))
        .collect();
    assert_eq!(serve(&requests, &[], 1), alone);
    assert_eq!(serve(&requests, &[], 3), alone);
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let plain = generate(&[request(vec![5, 6, 7], 0, Sampling::GREEDY)], 1).remove(0);
    assert_eq!(plain.finish, Finish::Length);
    let middle = plain
        .text
        .char_indices()
        .nth(plain.text.chars().count() / 2)
        .expect("some text")
        .0;
    let stop = plain.text[middle..].to_owned();
    let mut request = request(vec![5, 6, 7], 0, Sampling::GREEDY);
    request.stop = vec!["no such text".to_owned(), stop.clone()];
    let stopped = generate(&[request], 1).remove(0);
    assert_eq!(stopped.finish, Finish::Stop);
    assert_eq!(
        stopped.text,
        plain.text[..plain.text.find(&stop).expect("the stop string is there")]
    );
}

#[test]
fn impossible_requests_are_errors_before_anything_is_computed() {
    let (weights, engine) = engine("tiny-qwen2");
    let runtime = Runtime::Engine(engine);
    let tokenizer = weights.tokenizer().expect("tokenizer");
    let generation = Generation {
        runtime: &runtime,
        tokenizer: &tokenizer,
        adapters: &[],
        slots: 2,
    };
    let run = |request: Request| {
        generation.run::<GenerationError>(&[request], &mut |_| panic!("nothing is made"))
    };
    assert!(matches!(
        run(request(Vec::new(), 0, Sampling::GREEDY)),
        Err(GenerationError::EmptyPrompt(0))
    ));
    let mut long = request(vec![1], 0, Sampling::GREEDY);
    long.max_new_tokens = runtime.config().max_position_embeddings;
    assert!(matches!(
        run(long),
        Err(GenerationError::TooLong { index: 0, .. })
    ));
    let none: Result<(), GenerationError> = generation.run(&[], &mut |_| Ok(()));
    none.expect("no request is no error");
}

#[test]
fn the_decoder_decodes_slots_of_several_lengths_together_as_it_reads_each_alone() {
    for (model, path) in [
        ("tiny-qwen2", "peft-qwen2/all-linear"),
        ("tiny-llama", "peft-llama/all-linear"),
    ] {
        let (weights, decoder) = tiny(model);
        let (adapter, _) = adapters(path, model, &weights);
        let mut sequences = prompts(9);
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
        for adapter in [None, Some(&adapter)] {
            let mut cache = KvCache::new(decoder.config(), 9, longest + 40, decoder.device());
            // The remains of an earlier sequence in a slot must be invisible.
            for slot in 0..9 {
                let earlier: Vec<u32> = (0..longest as u32 + 20).map(|t| t % 340).collect();
                decoder.prefill(&mut cache, slot, &earlier, adapter);
            }
            for (slot, prompt) in sequences.iter().enumerate() {
                let found = decoder.prefill(&mut cache, slot, prompt, adapter);
                assert_last_row(&decoder, prompt, adapter, &found);
            }
            let chosen = [
                vec![0, 1, 2, 3, 4, 5, 6, 7, 8],
                vec![7, 2],
                vec![8],
                vec![0],
                vec![5, 3, 0, 1],
                vec![8, 7, 6, 5, 4, 3, 2, 1, 0],
            ];
            for (step, slots) in chosen.iter().enumerate() {
                let tokens: Vec<u32> = slots
                    .iter()
                    .map(|&slot| (slot * 29 + step * 5 + 3) as u32)
                    .collect();
                let at: Vec<_> = slots
                    .iter()
                    .map(|&slot| (slot, sequences[slot].len()))
                    .collect();
                let found = decoder.decode(&mut cache, &tokens, &at, adapter);
                for (row, (&slot, &token)) in slots.iter().zip(&tokens).enumerate() {
                    sequences[slot].push(token);
                    let found = found.clone().narrow(0, row, 1);
                    assert_last_row(&decoder, &sequences[slot], adapter, &found);
                }
            }
        }
    }
}

/// Compares logits with those of the whole sequence without a cache, relative to the largest.
fn assert_last_row(
    decoder: &Decoder,
    tokens: &[u32],
    adapter: Option<&Adapter>,
    found: &Tensor<2>,
) {
    let all = decoder.logits(tokens, 1, adapter);
    let expected = all.narrow(0, tokens.len() - 1, 1);
    let largest = expected.clone().abs().max().into_scalar::<f32>();
    let difference = max_difference(found, &expected) / largest;
    assert!(difference < 1e-5, "{} tokens: {difference}", tokens.len());
}

#[test]
fn a_prefix_that_is_copied_from_another_slot_changes_no_bit() {
    let (weights, engine) = engine("tiny-qwen2");
    let (_, adapter) = adapters("peft-qwen2/all-linear", "tiny-qwen2", &weights);
    // Around the panels of the cache, and around its chunks of a prompt.
    let long: Vec<u32> = (0..600).map(|t| (t * 7 % 340 + 3) as u32).collect();
    let other: Vec<u32> = (0..90).map(|t| (t * 5 % 340 + 3) as u32).collect();
    for adapter in [None, Some(&adapter)] {
        for shared in [1, 7, 8, 15, 16, 17, 255, 256, 257] {
            let prompt = &long[..shared + 9];
            let mut cache = engine.cache(3);
            let alone = engine.prefill(&mut cache, 0, 0, prompt, adapter);
            // The donor has decoded beyond the prefix, and the slot had longer content.
            engine.prefill(&mut cache, 1, 0, &long[..shared + 30], adapter);
            engine.prefill(&mut cache, 2, 0, &other, adapter);
            engine.copy_prefix(&mut cache, 1, 2, shared);
            let copied = engine.prefill(&mut cache, 2, shared, &prompt[shared..], adapter);
            assert_eq!(bits(&copied), bits(&alone), "{shared} positions");
            // The donor is unchanged.
            let donor = engine.decode(&mut cache, &[5], &[(1, shared + 30)], adapter);
            let mut fresh = engine.cache(1);
            engine.prefill(&mut fresh, 0, 0, &long[..shared + 30], adapter);
            let expected = engine.decode(&mut fresh, &[5], &[(0, shared + 30)], adapter);
            assert_eq!(bits(&donor), bits(&expected), "{shared} positions");
        }
    }
}
