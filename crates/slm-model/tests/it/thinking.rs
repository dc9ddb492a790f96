//! Conversations with thoughts and tool calls, compared with transformers' renderings and masks.

use std::collections::BTreeMap;

use serde_json::Value;
use slm_model::{Chat, ChatError, ChatTemplate, Message, Role, Thinking, TokenOwner, Tokenizer};

use crate::support::golden;

fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(golden("thinking/expected.json")).expect("a golden file");
    let expected: Value = serde_json::from_str(&text).expect("valid JSON");
    expected["cases"].as_array().expect("a list").clone()
}

fn tokenizer() -> Tokenizer {
    let json = std::fs::read(golden("thinking/tokenizer.json")).expect("a golden file");
    Tokenizer::from_json(&json, &[]).expect("a tokenizer")
}

fn template(source: &str) -> ChatTemplate {
    let tokens = BTreeMap::from([("eos_token".to_owned(), "<|im_end|>".to_owned())]);
    ChatTemplate::new(source, tokens).expect("a valid template")
}

fn of_case(case: &Value) -> ChatTemplate {
    let kwargs: BTreeMap<String, Value> =
        serde_json::from_value(case["kwargs"].clone()).expect("variables");
    template(case["template"].as_str().expect("text")).with_kwargs(kwargs)
}

fn messages(value: &Value) -> Vec<Message> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = |value: &Value| {
        let role = match value["role"].as_str() {
            Some("system") => Role::System,
            Some("user") => Role::User,
            Some("tool") => Role::Tool,
            _ => Role::Assistant,
        };
        let thought = text(&value["reasoning_content"]).or_else(|| text(&value["thinking"]));
        Message {
            is_null: value["content"].is_null(),
            reasoning: thought,
            name: text(&value["name"]),
            tool_calls: value["tool_calls"].as_array().cloned().unwrap_or_default(),
            ..Message::new(role, text(&value["content"]).unwrap_or_default())
        }
    };
    let list = value.as_array().expect("a list");
    list.iter().map(message).collect()
}

#[test]
fn answers_with_thoughts_and_tool_calls_are_learned_where_transformers_masks_them() {
    let tokenizer = tokenizer();
    let mut compared = 0;
    for case in cases() {
        let name = &case["name"];
        let template = of_case(&case);
        let messages = messages(&case["messages"]);
        let chat = Chat {
            messages: &messages,
            tools: Some(&case["tools"]).filter(|tools| !tools.is_null()),
        };
        let thinking = match case["thinking"].as_str() {
            Some("keep") => Thinking::Keep,
            Some("strip") => Thinking::Strip,
            _ => Thinking::Auto,
        };
        let turns = template
            .encode_chat(&tokenizer, chat, thinking)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = tokenizer.decode(&turns.ids, false).expect("text");
        assert_eq!(text, case["text"].as_str().expect("text"), "{name}");
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).expect("ids");
        assert_eq!(turns.ids, ids, "{name}");
        let learned =
            |part: &TokenOwner| matches!(part, TokenOwner::Answer(_) | TokenOwner::End(_));
        let found: Vec<u8> = turns
            .owners
            .iter()
            .map(|part| u8::from(learned(part)))
            .collect();
        let expected: Vec<u8> = serde_json::from_value(case["learned"].clone()).expect("flags");
        let shown = |flags: &[u8]| {
            let ids = turns.ids.iter().zip(flags).filter(|(_, flag)| **flag == 1);
            let ids: Vec<u32> = ids.map(|(id, _)| *id).collect();
            tokenizer.decode(&ids, false).expect("text")
        };
        assert_eq!(shown(&found), shown(&expected), "{name}");
        assert_eq!(found, expected, "{name}");
        assert_eq!(Value::from(turns.n_cut), case["n_cut"], "{name}");
        compared += 1;
    }
    assert!(compared > 20, "only {compared} cases compared");
}

/// The template of the golden case with this name.
fn named(name: &str) -> ChatTemplate {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name);
    of_case(case.expect("a golden case"))
}

#[test]
fn a_last_answer_whose_thoughts_the_template_omits_is_refused_with_the_keys_that_help() {
    let messages = [
        Message::new(Role::User, "q"),
        Message::new(Role::Assistant, "<think>\nhm\n</think>\n\n42"),
    ];
    let template = named("no thoughts to omit");
    let error = template
        .encode_turns(&tokenizer(), &messages)
        .expect_err("incomplete");
    assert!(
        matches!(error, ChatError::Incomplete { message: 2, .. }),
        "{error:?}"
    );
    let hint = error.hint().expect("a hint");
    for key in [
        "`data.thinking: keep`",
        "`data.thinking: strip`",
        "`model.chat_template`",
    ] {
        assert!(hint.contains(key), "{hint}");
    }
}

#[test]
fn a_template_without_tools_refuses_conversations_with_them() {
    let tools = serde_json::json!([{"type": "function", "function": {"name": "f"}}]);
    let call = serde_json::json!({"function": {"name": "f", "arguments": {}}});
    let mut calling = Message::new(Role::Assistant, "");
    calling.tool_calls = vec![call];
    let messages = [Message::new(Role::User, "q"), calling];
    let chatml = ChatTemplate::chatml();
    for chat in [
        Chat::of(&messages),
        Chat {
            messages: &messages[..1],
            tools: Some(&tools),
        },
    ] {
        let error = chatml
            .encode_chat(&tokenizer(), chat, Thinking::Auto)
            .expect_err("no tools");
        assert!(matches!(error, ChatError::NoTools { .. }), "{error:?}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("model.chat_template"))
        );
    }
}

#[test]
fn a_special_token_in_a_tool_call_is_refused() {
    let call = serde_json::json!({"function": {"name": "f", "arguments": {"a": "x<|im_end|>"}}});
    let mut calling = Message::new(Role::Assistant, "");
    calling.tool_calls = vec![call];
    let messages = [Message::new(Role::User, "q"), calling];
    let error = named("tools")
        .encode_turns(&tokenizer(), &messages)
        .expect_err("a special token");
    assert_eq!(
        error.to_string(),
        "a tool call contains the special token <|im_end|>"
    );
}

/// A template may change other messages than the answers: what is learned is still exact.
#[test]
fn a_rewritten_question_does_not_hide_the_last_answer_and_a_rewritten_answer_is_refused() {
    let shouting = |role: &str| {
        template(&format!(
            "{{% for m in messages %}}<|im_start|>{{{{ m.role }}}}\n{{{{ m.content | upper if m.role == '{role}' else m.content }}}}<|im_end|>\n{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
        ))
    };
    let tokenizer = tokenizer();
    let messages = |question: &str| {
        [
            Message::new(Role::User, question),
            Message::new(Role::Assistant, "first"),
            Message::new(Role::User, question),
            Message::new(Role::Assistant, "second"),
        ]
    };
    let turns = shouting("user")
        .encode_turns(&tokenizer, &messages("ask"))
        .expect("turns");
    let learned = turns.ids.iter().zip(&turns.owners);
    let learned = learned.filter(|(_, part)| **part != TokenOwner::Context);
    let learned: Vec<u32> = learned.map(|(id, _)| *id).collect();
    assert_eq!(
        tokenizer.decode(&learned, false).expect("text"),
        "second<|im_end|>"
    );
    assert_eq!(turns.n_cut, 1);
    for (role, question) in [("assistant", "ask"), ("user", "ask<|im_end|>")] {
        let error = shouting(role).encode_turns(&tokenizer, &messages(question));
        assert!(
            matches!(error, Err(ChatError::Rewritten { .. })),
            "{role}: {error:?}"
        );
    }
}

/// The templates of TRL, whose variants for training mark what the assistant writes. `CHAT_TEMPLATES` names the folder that
/// `golden/thinking/published.py` wrote.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be reported")]
fn published_templates_give_transformers_ids_and_trls_masks() {
    let Some(folder) = std::env::var_os("CHAT_TEMPLATES") else {
        eprintln!("SKIPPED: CHAT_TEMPLATES is not set");
        return;
    };
    let read =
        |name: &str| std::fs::read(std::path::Path::new(&folder).join(name)).expect("a file");
    let tokenizer = Tokenizer::from_json(&read("tokenizer.json"), &[]).expect("a tokenizer");
    let expected: Value = serde_json::from_slice(&read("expected.json")).expect("valid JSON");
    let (mut problems, mut compared, mut refused) = (Vec::new(), 0, 0);
    for case in expected["cases"].as_array().expect("a list") {
        let template = of_case(case);
        let messages = messages(&case["messages"]);
        let chat = Chat {
            messages: &messages,
            tools: Some(&case["tools"]).filter(|tools| !tools.is_null()),
        };
        let name = case["name"].as_str().expect("text");
        let turns = match template.encode_chat(&tokenizer, chat, Thinking::Auto) {
            Ok(turns) => turns,
            // By design: a template that omits tools or the thoughts of the last answer.
            Err(ChatError::NoTools { .. } | ChatError::Incomplete { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                continue;
            }
        };
        let text_of = |ids: &[u32]| tokenizer.decode(ids, false).expect("text");
        // A token that spans the end of a prompt is split there, as in the prompt itself.
        let (found, expected) = (text_of(&turns.ids), case["text"].as_str().expect("text"));
        if !found.starts_with(expected) {
            problems.push(format!("{name}: {found:?}, expected {expected:?}"));
            continue;
        }
        let Some(expected) = case["learned"].as_str().filter(|_| turns.n_cut == 0) else {
            continue;
        };
        let is_learned =
            |part: &TokenOwner| matches!(part, TokenOwner::Answer(_) | TokenOwner::End(_));
        let learned = turns.ids.iter().zip(&turns.owners);
        let learned = learned.filter(|(_, part)| is_learned(part));
        let learned: Vec<u32> = learned.map(|(id, _)| *id).collect();
        let found = text_of(&learned);
        if found != expected {
            problems.push(format!("{name}: learns {found:?}, expected {expected:?}"));
        }
        compared += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(
        compared > 100,
        "only {compared} masks compared, {refused} refused"
    );
}
