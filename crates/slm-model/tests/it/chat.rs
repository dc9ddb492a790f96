//! Conversations and texts compared with transformers: ids of the whole rendering, and which of them are supervised.

use std::collections::BTreeMap;

use serde_json::Value;
use slm_model::{ChatError, ChatTemplate, Message, Role, TokenOwner, Tokenizer, Weights};

use crate::support::golden;

fn expected() -> Value {
    let text = std::fs::read_to_string(golden("chat/expected.json")).expect("a golden file");
    serde_json::from_str(&text).expect("valid JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("ids")
}

fn tokenizer(name: &str) -> Tokenizer {
    let path = match name {
        "qwen2" => "tokenizer/qwen2/tokenizer.json".to_owned(),
        name => format!("chat/{name}.json"),
    };
    let json = std::fs::read(golden(&path)).expect("a golden file");
    Tokenizer::from_json(&json, &[]).expect("a tokenizer")
}

fn template(source: &str) -> ChatTemplate {
    let tokens = BTreeMap::from([("eos_token".to_owned(), "<|im_end|>".to_owned())]);
    ChatTemplate::new(source, tokens).expect("a valid template")
}

fn messages(value: &Value) -> Vec<Message> {
    let message = |value: &Value| {
        let role = match text(&value["role"]) {
            "system" => Role::System,
            "user" => Role::User,
            _ => Role::Assistant,
        };
        Message::new(role, text(&value["content"]))
    };
    list(value).iter().map(message).collect()
}

fn turns(answer: &str) -> [Message; 2] {
    [
        Message::new(Role::User, "q"),
        Message::new(Role::Assistant, answer),
    ]
}

#[test]
fn templates_that_strip_split_or_print_spaces_give_transformers_ids_and_their_answers_are_learned()
{
    for case in list(&expected()["cases"]) {
        let name = text(&case["name"]);
        let (tokenizer, template) = (
            tokenizer(text(&case["tokenizer"])),
            template(text(&case["template"])),
        );
        let messages = messages(&case["messages"]);
        let rendered = template.render(&messages, false).expect("renders");
        assert_eq!(rendered, text(&case["rendered"]), "{name}");
        let found = template.encode(&tokenizer, &messages, false).expect("ids");
        assert_eq!(found, ids(&case["ids"]), "{name}");
        let turns = template.encode_turns(&tokenizer, &messages).expect("turns");
        assert_eq!(turns.ids, ids(&case["ids"]), "{name}");
        let learned = turns.ids.iter().zip(&turns.owners);
        let learned = learned.filter(|(_, part)| **part == TokenOwner::Answer(0));
        let learned: Vec<u32> = learned.map(|(id, _)| *id).collect();
        assert_eq!(learned, ids(&case["answer"]), "{name}");
    }
}

#[test]
fn texts_without_turns_have_transformers_ids_with_added_tokens_recognised() {
    for case in list(&expected()["texts"]) {
        let (name, input) = (text(&case["tokenizer"]), text(&case["text"]));
        let tokenizer = tokenizer(name);
        let found = tokenizer.encode(input).expect("ids");
        assert_eq!(found, ids(&case["ids"]), "{name}: {input:?}");
    }
}

/// A prompt and its completion are one text: the prefix that a tokenizer adds to a text is not added between them.
#[test]
fn a_completion_goes_on_from_its_prompt() {
    for name in ["metaspace-first", "metaspace-prepend"] {
        let tokenizer = tokenizer(name);
        let whole = tokenizer.encode("Hi\nYes</s>No").expect("ids");
        let prompt = tokenizer.encode("Hi\n").expect("ids");
        let completion = tokenizer.encode_continuation("Yes</s>No").expect("ids");
        assert_eq!([prompt, completion].concat(), whole, "{name}");
    }
}

/// The tokenizer of a folder with these files and without weights.
fn tokenizer_of(config: &str, tokenizer: &str, tokenizer_config: &str) -> Tokenizer {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(golden(config), path("config.json")).expect("writable");
    std::fs::copy(golden(tokenizer), path("tokenizer.json")).expect("writable");
    std::fs::write(path("tokenizer_config.json"), tokenizer_config).expect("writable");
    let weights = Weights::open_without_weights(folder.path()).expect("opens");
    weights.tokenizer().expect("a tokenizer")
}

#[test]
fn a_space_before_each_text_is_put_where_transformers_puts_it() {
    for case in list(&expected()["prefix_space"]) {
        let tokenizer = tokenizer_of(
            "tiny-qwen2/config.json",
            "tiny-qwen2/tokenizer.json",
            &format!("{{\"add_prefix_space\": {}}}", case["add"]),
        );
        let found = tokenizer.encode(text(&case["text"])).expect("ids");
        assert_eq!(found, ids(&case["ids"]), "{case}");
    }
}

#[test]
fn a_begin_token_that_only_the_configuration_asks_for_is_put_where_transformers_puts_it() {
    for case in list(&expected()["begin"]) {
        let tokenizer = tokenizer_of(
            "tiny-llama/config.json",
            "chat/metaspace-first.json",
            &format!(
                "{{\"tokenizer_class\": \"LlamaTokenizerFast\", \"bos_token\": \"<s>\", \"add_bos_token\": {}}}",
                case["add"]
            ),
        );
        let start = tokenizer.text_start().expect("ids");
        let found = [start, tokenizer.encode(text(&case["text"])).expect("ids")].concat();
        assert_eq!(found, ids(&case["ids"]), "{case}");
    }
}

#[test]
fn dates_are_pythons_for_a_fixed_moment() {
    let messages = [Message::new(Role::User, "q")];
    for case in list(&expected()["dates"]) {
        let format = text(&case["format"]);
        let source = format!("{{{{ strftime_now('{format}') }}}}");
        let found = template(&source).render(&messages, false).expect("renders");
        assert_eq!(found, text(&case["text"]), "{format}");
    }
    let unknown = template("{{ strftime_now('%Q') }}").render(&messages, false);
    let error = unknown.expect_err("no directive").to_string();
    assert!(error.contains("`%Q` is not supported"), "{error}");
}

/// The mechanism of `DeepSeek-R1`'s template, rewritten.
#[test]
fn a_template_that_leaves_out_thoughts_prompts_with_them_and_does_not_train_on_them() {
    let source = "{% for m in messages %}{% if m.role == 'user' %}U:{{ m.content }}{% else %}\
        {% set c = m.content %}{% if '</think>' in c %}{% set c = c.split('</think>') | last %}{% endif %}\
        A:{{ c }}<|im_end|>{% endif %}{% endfor %}";
    let (tokenizer, template) = (tokenizer("qwen2"), template(source));
    let plain = turns("42");
    assert!(template.encode_turns(&tokenizer, &plain).is_ok());
    let thoughtful = turns("<think>\nhm\n</think>\n\n42");
    let text = template.render(&thoughtful, false).expect("renders");
    assert_eq!(text, "U:qA:\n\n42<|im_end|>");
    let prompt = template
        .encode(&tokenizer, &thoughtful, false)
        .expect("ids");
    assert_eq!(prompt, tokenizer.encode(&text).expect("ids"));
    let error = template
        .encode_turns(&tokenizer, &thoughtful)
        .expect_err("its thought would be lost");
    assert!(
        matches!(error, ChatError::Incomplete { message: 2, .. }),
        "{error:?}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("`<think>`")));
}

#[test]
fn templates_that_change_words_are_refused_with_what_to_do() {
    let tokenizer = tokenizer("qwen2");
    for change in [
        "m.content | upper",
        "m.content | indent(2)",
        "m.content.replace('a', 'b')",
        "m.content | length",
    ] {
        let source = format!("{{% for m in messages %}}{{{{ {change} }}}}{{% endfor %}}");
        let error = template(&source)
            .encode(&tokenizer, &turns("a\nb"), false)
            .expect_err(change);
        assert!(
            matches!(error, ChatError::Rewritten { .. }),
            "{change}: {error:?}"
        );
        assert!(error.hint().is_some(), "{error}");
    }
}

/// A tag that the template handles is markup in the assistant's messages; a special token is never.
#[test]
fn tags_of_the_template_are_tokens_in_answers_and_text_elsewhere() {
    let tokenizer = tokenizer("qwen2");
    let source = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if '<tool_call>' in m.content %}{% endif %}\
        {{ m.content }}<|im_end|>\n{% endfor %}";
    let template = template(source);
    let call = tokenizer.token_to_id("<tool_call>").expect("a token");
    let end = tokenizer.token_to_id("<|im_end|>").expect("a token");
    for (role, said, calls) in [
        (Role::User, "<tool_call>x</tool_call><|im_end|>", 0),
        (Role::System, "<tool_call>x</tool_call><|im_end|>", 0),
        (Role::Assistant, "<tool_call>x</tool_call><|im_end|>", 1),
        (Role::User, "a <tool_call>\n\n</tool_call> b", 0),
        (Role::User, " <tool_call> ", 0),
        (Role::User, "</tool_call>", 0),
    ] {
        let messages = [Message::new(role, said)];
        let ids = template.encode(&tokenizer, &messages, false).expect("ids");
        let count = |token| ids.iter().filter(|id| **id == token).count();
        assert_eq!((count(call), count(end)), (calls, 1), "{role:?}: {said}");
        let text = tokenizer.decode(&ids, false).expect("text");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn an_answer_that_is_not_to_be_learned_is_context_whose_end_is_not_learned_either() {
    let tokenizer = tokenizer("qwen2");
    let template = ChatTemplate::chatml();
    let [question, bad] = turns("bad");
    let messages = [question.clone(), bad.clone().not_learned(), question, bad];
    let turns = template.encode_turns(&tokenizer, &messages).expect("turns");
    let of = |part| {
        let ids = turns
            .ids
            .iter()
            .zip(&turns.owners)
            .filter(|(_, p)| **p == part);
        let ids: Vec<u32> = ids.map(|(id, _)| *id).collect();
        tokenizer.decode(&ids, false).expect("text")
    };
    assert_eq!(of(TokenOwner::NotLearned(0)), "bad<|im_end|>");
    assert_eq!(of(TokenOwner::Answer(0)) + &of(TokenOwner::End(0)), "");
    assert_eq!(
        of(TokenOwner::Answer(1)) + &of(TokenOwner::End(1)),
        "bad<|im_end|>"
    );
    assert_eq!(turns.n_answers(), 2);
}

/// As in base Llamas: no template, and a vocabulary without the tokens of `ChatML`.
#[test]
fn a_model_without_chat_template_and_without_chatmls_tokens_has_none() {
    let (qwen, llama) = (tokenizer("qwen2"), tokenizer("metaspace-first"));
    assert!(!ChatTemplate::for_vocabulary(&qwen).is_missing());
    let missing = ChatTemplate::for_vocabulary(&llama);
    assert!(missing.is_missing());
    for error in [
        missing.render(&turns("a"), false).map(|_| ()),
        missing.encode_turns(&llama, &turns("a")).map(|_| ()),
        missing.end_of_turn().map(|_| ()),
    ] {
        let error = error.expect_err("no template");
        assert!(matches!(error, ChatError::Missing), "{error:?}");
        assert!(
            error.to_string().contains("no chat template is set"),
            "{error}"
        );
        assert!(error.to_string().contains("chat_template.jinja"), "{error}");
    }
}
