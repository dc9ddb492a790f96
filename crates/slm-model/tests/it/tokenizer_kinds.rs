//! `SentencePiece` tokenizers in the forms of `tokenizer.json`, compared with tokenizers and transformers.

use std::collections::BTreeMap;

use serde_json::Value;
use slm_model::{ChatTemplate, Message, Role, TokenOwner, Tokenizer};

use crate::support::golden;

/// Those with the vocabulary of `sentence-piece.json`, and the one with a Unigram model.
const KINDS: [&str; 6] = [
    "metaspace-first",
    "metaspace-always",
    "metaspace-never",
    "prepend",
    "no-prefix",
    "unigram",
];

pub(crate) fn read_json(name: &str) -> Value {
    let path = golden(&format!("tokenizer-kinds/{name}.json"));
    let text = std::fs::read_to_string(path).expect("a golden file");
    serde_json::from_str(&text).expect("valid JSON")
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("ids")
}

/// A kind's record, and its tokenizer.
pub(crate) fn kind(name: &str) -> (Value, Tokenizer) {
    let record = read_json(name);
    let mut state = read_json(text(&record["file"]));
    for (part, value) in record["parts"].as_object().expect("parts") {
        state[part] = value.clone();
    }
    let json = serde_json::to_vec(&state).expect("JSON");
    (
        record,
        Tokenizer::from_json(&json, &[]).expect("a tokenizer"),
    )
}

fn messages(value: &Value) -> Vec<Message> {
    let role = |name: &str| match name {
        "system" => Role::System,
        "user" => Role::User,
        _ => Role::Assistant,
    };
    let message = |m: &Value| Message::new(role(text(&m["role"])), text(&m["content"]));
    list(value).iter().map(message).collect()
}

/// The text that a stream of ids adds to a prompt.
fn streamed(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32]) -> String {
    let mut stream = tokenizer.decode_stream(prompt);
    let pieces: Vec<String> = ids
        .iter()
        .map(|&id| stream.push(id).expect("decodes"))
        .collect();
    pieces.concat() + &stream.finish().expect("decodes")
}

#[test]
fn ids_and_texts_of_every_kind_are_those_of_tokenizers() {
    let inputs = read_json("inputs");
    for name in KINDS {
        let (record, tokenizer) = kind(name);
        for (input, case) in list(&inputs["texts"]).iter().zip(list(&record["texts"])) {
            let (input, expected) = (text(input), ids(&case["ids"]));
            assert_eq!(
                tokenizer.encode(input).expect("ids"),
                expected,
                "{name}: {input:?}"
            );
            let decoded = tokenizer.decode(&expected, false).expect("text");
            assert_eq!(decoded, text(&case["decoded"]), "{name}: {input:?}");
        }
    }
}

/// A completion has the ids of the whole text: no `▁` is added where it starts. Generated, it has the same text.
#[test]
fn a_completion_continues_its_prompt() {
    let inputs = read_json("inputs");
    let mut n_checked = 0;
    for name in KINDS {
        let (record, tokenizer) = kind(name);
        for (input, case) in list(&inputs["texts"]).iter().zip(list(&record["texts"])) {
            let (input, whole) = (text(input), ids(&case["ids"]));
            // No token of these vocabularies spans the end of a line or a special token.
            let ends = ["\n", "</s>"].into_iter();
            let ends = ends.flat_map(|end| input.match_indices(end));
            for at in ends
                .map(|(at, end)| at + end.len())
                .filter(|at| *at < input.len())
            {
                let (prompt, completion) = input.split_at(at);
                let prompt = tokenizer.encode(prompt).expect("ids");
                if !whole.starts_with(&prompt) {
                    // "always" marks the start of every piece: the prompt is tokenized with the text after it.
                    continue;
                }
                let expected = &whole[prompt.len()..];
                let found = if input[..at].ends_with("</s>") {
                    // Each added token starts a piece, as in the whole text.
                    let last = *prompt.last().expect("the token");
                    let end = tokenizer.token_to_id("</s>").expect("a token");
                    assert_eq!(last, end, "{name}: {input:?}");
                    tokenizer.encode(input).expect("ids")[prompt.len()..].to_vec()
                } else {
                    tokenizer.encode_continuation(completion).expect("ids")
                };
                assert_eq!(found, expected, "{name}: {input:?} at {at}");
                if input[..at].ends_with("</s>") {
                    // The whole text has a space there if the tokenizer puts one.
                    continue;
                }
                let before = tokenizer.decode(&prompt, true).expect("text");
                let both = tokenizer.decode(&whole, true).expect("text");
                assert_eq!(
                    before + &streamed(&tokenizer, &prompt, expected),
                    both,
                    "{name}: {input:?}"
                );
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 150, "{n_checked}");
}

#[test]
fn chats_of_every_kind_have_transformers_ids_and_their_answers_are_learned() {
    let inputs = read_json("inputs");
    let special = |token: &str| token.to_owned();
    let tokens = BTreeMap::from([
        ("bos_token".to_owned(), special("<s>")),
        ("eos_token".to_owned(), special("</s>")),
    ]);
    for name in KINDS {
        let (record, tokenizer) = kind(name);
        let chats = list(&inputs["chats"]);
        for (chat, case) in chats.iter().cycle().zip(list(&record["chats"])) {
            let source = text(&inputs["templates"][text(&case["template"])]);
            let template = ChatTemplate::new(source, tokens.clone()).expect("a template");
            let messages = messages(chat);
            let turns = template.encode_turns(&tokenizer, &messages).expect("turns");
            assert_eq!(turns.ids, ids(&case["ids"]), "{name}: {chat}");
            let last = TokenOwner::Answer(turns.n_answers() - 1);
            let learned = turns.ids.iter().zip(&turns.owners);
            let learned: Vec<u32> = learned
                .filter(|(_, o)| **o == last)
                .map(|(id, _)| *id)
                .collect();
            assert_eq!(learned, ids(&case["answer"]), "{name}: {chat}");
        }
    }
}

/// Arbitrary ids split characters everywhere, between byte tokens too.
#[test]
fn a_stream_of_arbitrary_ids_is_the_text_that_they_add() {
    let mut state = 1_u32;
    for name in KINDS {
        let (_, tokenizer) = kind(name);
        let anchor = tokenizer.encode("a").expect("ids");
        let before = tokenizer.decode(&anchor, true).expect("text");
        for len in 0..300 {
            let ids: Vec<u32> = (0..len % 30)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Mostly byte tokens.
                    if state & 0x8000 == 0 {
                        (state >> 16) % 740
                    } else {
                        3 + (state >> 16) % 256
                    }
                })
                .collect();
            let all = [&anchor[..], &ids].concat();
            let whole = tokenizer.decode(&all, true).expect("text");
            assert_eq!(
                before.clone() + &streamed(&tokenizer, &anchor, &ids),
                whole,
                "{name}: {ids:?}"
            );
        }
    }
}

#[test]
fn characters_of_byte_tokens_are_shown_one_by_one() {
    let (_, tokenizer) = kind("metaspace-first");
    let token = |byte: u8| {
        tokenizer
            .token_to_id(&format!("<0x{byte:02X}>"))
            .expect("a byte")
    };
    let ids: Vec<u32> = "你好"
        .bytes()
        .map(token)
        .chain([token(0xFF), token(b'!')])
        .collect();
    let mut stream = tokenizer.decode_stream(&[]);
    let pieces: Vec<String> = ids
        .iter()
        .map(|&id| stream.push(id).expect("decodes"))
        .collect();
    assert_eq!(pieces, ["", "", "你", "", "", "好", "", "\u{fffd}!"]);
    // An invalid byte does not take the characters before it.
    assert_eq!(tokenizer.decode(&ids, true).expect("text"), "你好\u{fffd}!");
}

/// After text a space is the model's own; after an added token a tokenizer may put one there itself.
#[test]
fn a_generated_text_keeps_the_spaces_that_the_model_wrote() {
    for (name, puts_space_after_token) in [
        ("metaspace-first", false),
        ("metaspace-always", true),
        ("metaspace-never", false),
        ("prepend", true),
        ("no-prefix", false),
        ("unigram", false),
    ] {
        let (_, tokenizer) = kind(name);
        let prompt = tokenizer.encode("def f():\n").expect("ids");
        let ids = tokenizer.encode_continuation("    return").expect("ids");
        assert_eq!(streamed(&tokenizer, &prompt, &ids), "    return", "{name}");
        let prompt = tokenizer.encode("</s>").expect("ids");
        let ids = tokenizer.encode("</s>Yes").expect("ids");
        assert_eq!(streamed(&tokenizer, &prompt, &ids[1..]), "Yes", "{name}");
        let has_mark = ids[1..] != tokenizer.encode_continuation("Yes").expect("ids");
        assert_eq!(has_mark, puts_space_after_token, "{name}");
    }
}

/// As transformers 5 does: the file's own template decides.
#[test]
fn begin_and_end_tokens_are_those_of_the_tokenizers_own_template() {
    for case in list(&read_json("inputs")["configured"]) {
        let mut state = read_json("sentence-piece");
        if case["has_template"] == true {
            let piece = |id: &str| serde_json::json!({"SpecialToken": {"id": id, "type_id": 0}});
            let sequence = serde_json::json!({"Sequence": {"id": "A", "type_id": 0}});
            let named =
                |id: &str, n: u32| serde_json::json!({"id": id, "ids": [n], "tokens": [id]});
            state["post_processor"] = serde_json::json!({
                "type": "TemplateProcessing",
                "single": [piece("<s>"), sequence, piece("</s>")],
                "pair": [sequence, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": named("<s>", 1), "</s>": named("</s>", 2)},
            });
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, value: &Value| {
            std::fs::write(folder.path().join(name), value.to_string()).expect("writable");
        };
        std::fs::copy(
            golden("tiny-llama/config.json"),
            folder.path().join("config.json"),
        )
        .expect("writable");
        write("tokenizer.json", &state);
        write("tokenizer_config.json", &case["config"]);
        let weights = slm_model::Weights::open_without_weights(folder.path()).expect("opens");
        let tokenizer = weights.tokenizer().expect("a tokenizer");
        let mut found = tokenizer.text_start().expect("ids");
        found.extend(tokenizer.encode("Yes").expect("ids"));
        if case["has_template"] == true {
            found.extend(tokenizer.text_end());
        }
        assert_eq!(found, ids(&case["ids"]), "{case}");
    }
}

#[test]
fn tokens_shown_one_by_one_keep_their_spaces() {
    for name in KINDS {
        let (_, tokenizer) = kind(name);
        let ids = tokenizer
            .encode_text_continuation(" the number of the list")
            .expect("ids");
        let shown = ids
            .iter()
            .map(|&id| tokenizer.decode_continuation(&[id]).expect("text"));
        assert_eq!(
            shown.collect::<String>(),
            " the number of the list",
            "{name}"
        );
        let whole = tokenizer.decode_continuation(&ids).expect("text");
        assert_eq!(whole, " the number of the list", "{name}");
    }
    let (_, tokenizer) = kind("prepend");
    let end = tokenizer.token_to_id("</s>").expect("a token");
    assert_eq!(tokenizer.decode_continuation(&[end]).expect("text"), "</s>");
}

/// Tags of HTML are tokens of Gemma's vocabularies wherever they occur, and end nothing.
#[test]
fn html_is_text_and_other_tags_are_not() {
    let (_, tokenizer) = kind("no-prefix");
    let table = tokenizer.token_to_id("<table>").expect("a token");
    let think = tokenizer.token_to_id("<think>").expect("a token");
    let ids = tokenizer.encode_text("<table><think>").expect("ids");
    assert!(ids.contains(&table), "{ids:?}");
    assert!(!ids.contains(&think), "{ids:?}");
    let ids = tokenizer.encode("<table><think>").expect("ids");
    assert_eq!(ids, [table, think]);
}

#[test]
fn end_tokens_are_known_by_name() {
    let (_, tokenizer) = kind("prepend");
    let id = |token: &str| tokenizer.token_to_id(token).expect("a token");
    let mut expected = ["</s>", "<|end|>", "<|endoftext|>"].map(id);
    expected.sort_unstable();
    let mut found = tokenizer.eos_ids().to_vec();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(tokenizer.text_end(), Some(id("<|endoftext|>")));
}

#[test]
fn unknown_parts_of_a_tokenizer_are_named() {
    for (part, value) in [
        ("model", r#"{"type": "Bytes", "vocab": {}}"#),
        ("normalizer", r#"{"type": "Nmt2"}"#),
        (
            "normalizer",
            r#"{"type": "Sequence", "normalizers": [{"type": "Nmt2"}]}"#,
        ),
        (
            "pre_tokenizer",
            r#"{"type": "Metaspaces", "replacement": "_"}"#,
        ),
        (
            "pre_tokenizer",
            r#"{"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}"#,
        ),
        ("post_processor", r#"{"type": "Template"}"#),
        ("decoder", r#"{"type": "ByteFallbacks"}"#),
    ] {
        let mut state = read_json("sentence-piece");
        state[part] = serde_json::from_str(value).expect("JSON");
        let error = Tokenizer::from_json(state.to_string().as_bytes(), &[]).expect_err(part);
        assert!(
            error.to_string().contains(&format!("`{part}`")),
            "{part}: {error}"
        );
    }
}

/// As `SentencePiece`'s own programs write it.
#[test]
fn a_folder_with_sentence_pieces_model_alone_is_refused_with_the_command_that_converts_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(golden("tiny-llama/config.json"), path("config.json")).expect("writable");
    std::fs::write(path("tokenizer.model"), b"\x0a\x0e").expect("writable");
    let weights = slm_model::Weights::open_without_weights(folder.path()).expect("opens");
    let error = weights
        .tokenizer()
        .expect_err("no tokenizer.json")
        .to_string();
    assert!(
        error.contains("tokenizer.json: found tokenizer.model"),
        "{error}"
    );
    assert!(error.contains("save_pretrained"), "{error}");
}
