//! Cuts, tokens and encoding of fill-in-the-middle.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use slm_config::{Dataset, FimTokenNames, Recipe};
use slm_model::{TokenOwner, Tokenizer};

use super::cut::{Cut, Cutter, Document, Order, Uncut};
use super::encode::{Gap, encode, encode_prompt};
use super::tokens::FimTokens;
use crate::piece::Piece;

fn read(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}

/// The tokenizer of the tiny golden model with more added tokens, ordinary ones as in Qwen2.5-Coder.
fn tokenizer(more: &[&str]) -> Tokenizer {
    let mut json = read("../crates/slm-model/tests/it/golden/tiny-qwen2/tokenizer.json");
    let added = json["added_tokens"].as_array_mut().expect("tokens");
    for name in more {
        let mut token = added.last().expect("a token").clone();
        token["id"] = json!(token["id"].as_u64().expect("an id") + 1);
        token["content"] = json!(name);
        added.push(token);
    }
    let end = 342;
    Tokenizer::from_json(json.to_string().as_bytes(), &[end]).expect("a tokenizer")
}

const QWEN: [&str; 3] = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];

fn qwen() -> (Tokenizer, FimTokens) {
    let tokenizer = tokenizer(&QWEN);
    let tokens = FimTokens::of(&tokenizer, None, "x").expect("tokens");
    (tokenizer, tokens)
}

fn dataset(keys: &str) -> Dataset {
    let text = format!(
        "model: {{name_or_path: x.gguf}}\ndata: {{datasets: [{{path: a, format: fim, {keys}}}]}}"
    );
    let recipe = Recipe::parse(&text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES);
    recipe.expect("a recipe").data.datasets.remove(0)
}

fn cutter(keys: &str, seed: u64) -> Cutter {
    static TOKENS: LazyLock<FimTokens> = LazyLock::new(|| qwen().1);
    Cutter::new(&dataset(keys), TOKENS.clone(), seed)
}

/// A document that is one piece, with its middle at a place.
fn cut_at(text: &str, middle: Range<usize>, order: Order, tokens: &Arc<FimTokens>) -> Document {
    let whole: Arc<str> = text.into();
    Document {
        text: Arc::clone(&whole),
        whole,
        is_last: true,
        cut: Some(Cut { middle, order }),
        tokens: Arc::clone(tokens),
    }
}

/// Cuts a document that is one piece.
fn documents_of(cutter: &Cutter, text: &str) -> Result<(Vec<Document>, bool), Uncut> {
    cutter.documents(&Piece::all_of(text), &cutter.bodies(text))
}

/// Returns the middles of a document.
fn middles<'a>(cutter: &Cutter, text: &'a str) -> Vec<&'a str> {
    let (documents, _) = documents_of(cutter, text).expect("a document");
    let cut = |document: Document| Some(&text[document.cut?.middle]);
    documents.into_iter().filter_map(cut).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("ids")
}

#[test]
fn prompts_and_examples_have_the_ids_of_transformers_in_every_family_and_order() {
    let golden = read("tests/it/golden/fim/cases.json");
    let families = golden["families"].as_object().expect("families");
    let mut compared = 0;
    for family in families.values() {
        let names: Vec<&str> = family["tokens"]
            .as_array()
            .expect("names")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let tokenizer = tokenizer(&names);
        let tokens = Arc::new(FimTokens::of(&tokenizer, None, "x").expect("tokens"));
        for case in family["cuts"].as_array().expect("cuts") {
            let part = |name: &str| case[name].as_str().expect("a text");
            let (prefix, middle, suffix) = (part("prefix"), part("middle"), part("suffix"));
            for (order, name) in [
                (Order::Psm, "psm"),
                (Order::SpmJoined, "spm_joined"),
                (Order::SpmSeparate, "spm_separate"),
            ] {
                let gap = Gap::of(&tokenizer, prefix, suffix, usize::MAX).expect("ids");
                let prompt = encode_prompt(&tokenizer, &tokens, gap, order).expect("ids");
                assert_eq!(prompt, ids(&case[name]), "{case}");
                let text = format!("{prefix}{middle}{suffix}");
                let place = prefix.len()..prefix.len() + middle.len();
                let document = cut_at(&text, place, order, &tokens);
                let (turns, is_cut) = encode(&tokenizer, &document, usize::MAX)
                    .expect("ids")
                    .expect("a middle that fits");
                let learned: Vec<u32> = turns.ids[prompt.len()..].to_vec();
                let expected = [ids(&case["middle_ids"]), vec![tokens.end]].concat();
                assert_eq!((learned, is_cut), (expected, false), "{case}");
                assert_eq!(turns.ids[..prompt.len()], prompt);
                let owners = turns.owners.iter();
                let n_context = owners.take_while(|owner| **owner == TokenOwner::Context);
                assert_eq!(n_context.count(), prompt.len());
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * 5 * 3);
}

#[test]
fn tokens_are_those_of_the_family_or_the_recipe_and_missing_ones_are_named() {
    let check = |more: &[&str], given: Option<&FimTokenNames>| {
        FimTokens::of(&tokenizer(more), given, "data set a").map_err(|error| error.0)
    };
    let deepseek = [
        "<｜fim▁begin｜>",
        "<｜fim▁hole｜>",
        "<｜fim▁end｜>",
        "<｜end▁of▁sentence｜>",
    ];
    let tokens = check(&deepseek, None).expect("tokens");
    let found = [tokens.prefix, tokens.suffix, tokens.middle, tokens.end];
    assert_eq!(found, [347, 348, 349, 350]);
    let llama = ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"];
    assert_eq!(check(&llama, None).expect("tokens").end, 350);
    // In a family without an end token, a middle ends as a text does.
    assert_eq!(check(&QWEN, None).expect("tokens").end, 342);

    let error = check(&["<fim_prefix>"], None).expect_err("two are missing");
    for part in [
        "data set a: the model's tokenizer has no tokens for fill-in-the-middle; looked for",
        "<|fim_prefix|> <|fim_suffix|> <|fim_middle|> (Qwen2.5-Coder",
        "(StarCoder, Granite 3, Mellum): only <fim_prefix> found",
        "hint: ",
    ] {
        assert!(error.contains(part), "{error}");
    }

    let names = |middle: &str, end: Option<&str>| FimTokenNames {
        prefix: "<a>".to_owned(),
        suffix: "<b>".to_owned(),
        middle: middle.to_owned(),
        end: end.map(str::to_owned),
    };
    let own = ["<a>", "<b>", "<c>", "<d>"];
    let tokens = check(&own, Some(&names("<c>", Some("<d>")))).expect("tokens");
    assert_eq!((tokens.middle, tokens.end), (349, 350));
    for stop in [347, 348, 349, 350, 342] {
        assert!(tokens.stops_at(stop), "{stop}");
    }
    assert!(!tokens.stops_at(65));
    let error = check(&own, Some(&names("<x>", None))).expect_err("no such token");
    assert!(error.contains("`fim_tokens.middle` is \"<x>\""), "{error}");
    let error = check(&own, Some(&names("<b>", None))).expect_err("twice");
    assert!(error.contains("names one token twice"), "{error}");
}

#[test]
fn cuts_depend_on_the_seed_and_the_text_alone() {
    let text = "import os\n\n\ndef f(x):\n    return os.path.join(x, 'é')\n";
    let cut = |keys: &str, seed| middles(&cutter(keys, seed), text);
    let random = cut("fim_rate: 1", 42);
    assert_eq!(random, cut("fim_rate: 1", 42));
    // Recorded: the same on every machine, and in every later version.
    assert_eq!(random, [RANDOM_42]);
    assert_eq!(cut("fim_rate: 1, fim_cut: lines", 42), [LINES_42]);
    let seeds: std::collections::BTreeSet<_> =
        (0..30).map(|seed| cut("fim_rate: 1", seed)).collect();
    assert!(seeds.len() > 25, "{}", seeds.len());
}

const RANDOM_42: &str = " return os.path.join(x, 'é')\n";
const LINES_42: &str = "\ndef f(x):\n    return os.path.join(x, 'é')\n";

#[test]
fn rates_are_those_of_the_recipe() {
    let cutter = cutter("fim_rate: 0.3, spm_rate: 0.6, spm_layout: separate", 1);
    let (mut n_cut, mut n_spm) = (0, 0);
    for number in 0..2000 {
        let (documents, _) = documents_of(&cutter, &format!("x = {number}\n")).expect("a document");
        let [document] = &documents[..] else {
            panic!("{documents:?}")
        };
        if let Some(cut) = &document.cut {
            n_cut += 1;
            n_spm += usize::from(cut.order == Order::SpmSeparate);
        }
    }
    // Five standard deviations around 600 and around 0.6 of those.
    assert!((500..700).contains(&n_cut), "{n_cut}");
    assert!((300..420).contains(&n_spm), "{n_spm}");
    for (rate, expected) in [("0", 0), ("1", 1)] {
        let always = self::cutter(&format!("fim_rate: {rate}"), 1);
        assert_eq!(middles(&always, "a = 1\n").len(), expected, "{rate}");
    }
}

/// Both ends of a random middle are uniform, so that its mean length is a third of the text.
#[test]
fn a_random_middle_begins_and_ends_between_any_characters() {
    let text = "é1🙂456789";
    let mut seen = std::collections::BTreeSet::new();
    let mut characters = 0;
    for seed in 0..3000 {
        let middle = middles(&cutter("fim_rate: 1", seed), text)[0];
        characters += middle.chars().count();
        seen.insert(middle.as_ptr() as usize - text.as_ptr() as usize);
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
    // The mean of |a - b| for a and b of 0..=9 is 3.3; its standard deviation here is 0.04.
    let mean = f64::from(characters as u32) / 3000.0;
    assert!((mean - 3.3).abs() < 0.2, "{mean}");
}

#[test]
fn a_middle_of_lines_has_at_least_one_and_only_whole_ones() {
    let text = "a\nbb\n\nccc";
    for seed in 0..200 {
        let middle = middles(&cutter("fim_rate: 1, fim_cut: lines", seed), text)[0];
        assert!(!middle.is_empty());
        let at = middle.as_ptr() as usize - text.as_ptr() as usize;
        let begins = at == 0 || text[..at].ends_with('\n');
        let ends = middle.ends_with('\n') || at + middle.len() == text.len();
        assert!(begins && ends, "{middle:?}");
    }
    assert_eq!(
        middles(&cutter("fim_rate: 1, fim_cut: lines", 3), "x"),
        ["x"]
    );
}

#[test]
fn each_function_body_is_the_middle_of_an_example_and_other_documents_are_cut_at_lines() {
    let cutter = cutter("fim_rate: 1, fim_cut: block", 42);
    let text = "def f():\n    \"\"\"Doc.\"\"\"\n    return 1\n\n\nclass A:\n    def g(self):\n        return 2\n";
    assert_eq!(middles(&cutter, text), ["    return 1", "        return 2"]);
    assert!(!documents_of(&cutter, text).expect("a document").1);
    for text in ["x = 1\ny = 2\n", "def f(:\n    this is no Python\n"] {
        let (documents, lacks_body) = documents_of(&cutter, text).expect("a document");
        assert!(lacks_body && documents.len() == 1, "{text}");
        assert!(documents[0].cut.is_some());
    }
}

#[test]
fn an_empty_document_and_one_that_is_cut_already_give_no_example() {
    let cutter = cutter("fim_rate: 1", 42);
    for text in ["", " \n\t"] {
        assert_eq!(cutter.check(text), Err(Uncut::Empty));
    }
    let already = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c";
    assert_eq!(cutter.check(already), Err(Uncut::AlreadyCut));
    // Code about one of the tokens is code.
    assert!(cutter.check("END = '<|fim_middle|>'\n").is_ok());
}

#[test]
fn texts_around_a_middle_are_shortened_to_whole_lines_near_it() {
    let (tokenizer, tokens) = qwen();
    let tokens = Arc::new(tokens);
    let lines: Vec<String> = (0..200).map(|n| format!("value_{n} = {n}\n")).collect();
    let lines = lines.concat();
    let at = lines.find("value_100").expect("a line");
    let length = "value_100 = 100\n".len();
    let document = |middle| cut_at(&lines, middle, Order::Psm, &tokens);
    let of = |middle, limit| encode(&tokenizer, &document(middle), limit).expect("ids");
    for limit in [60, 100, 200, 1000] {
        let (turns, is_cut) = of(at..at + length, limit).expect("a middle that fits");
        assert!(is_cut && turns.ids.len() <= limit, "{limit}");
        assert!(turns.ids.len() + 40 > limit, "{limit}: {}", turns.ids.len());
        let text = tokenizer.decode(&turns.ids, false).expect("text");
        let (prefix, rest) = text.split_once("<|fim_suffix|>").expect("a suffix");
        let (suffix, middle) = rest.split_once("<|fim_middle|>").expect("a middle");
        let prefix = prefix.strip_prefix("<|fim_prefix|>").expect("a prefix");
        assert!(
            lines[..at].ends_with(prefix) && prefix.starts_with("value"),
            "{prefix}"
        );
        assert!(
            lines[at + length..].starts_with(suffix) && suffix.ends_with('\n'),
            "{suffix}"
        );
        assert_eq!(middle, "value_100 = 100\n<|endoftext|>");
    }
    // At the start of the document the suffix takes the room that the prefix does not need.
    let (turns, is_cut) = of(0..length, 200).expect("a middle that fits");
    assert!(is_cut && turns.ids.len() > 160, "{}", turns.ids.len());
    assert_eq!(of(at..at + length, 10), None);
    assert_eq!(of(0..lines.len(), 1000), None);
}

#[test]
fn one_endless_line_around_a_gap_is_shortened_within() {
    let (tokenizer, _) = qwen();
    let line = "é0".repeat(20_000);
    for room in [0, 1, 7, 50] {
        let gap = Gap::of(&tokenizer, &line, &line, room).expect("ids");
        assert!(gap.is_cut && gap.n_tokens() <= room, "{room}");
        assert!(gap.n_tokens() + 8 >= room, "{room}: {}", gap.n_tokens());
    }
}

/// As Code Llama's own code does: only the prefix is the start of a text.
#[test]
fn a_space_that_begins_texts_is_put_before_the_prefix_alone() {
    let mut json = read("../crates/slm-model/tests/it/golden/tiny-llama/tokenizer.json");
    json["pre_tokenizer"] =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true});
    json["model"] = json!({"type": "BPE", "unk_token": "a", "merges": [],
        "vocab": {"▁": 0, "a": 1, "b": 2, "c": 3, "x": 4}});
    let token = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    json["added_tokens"] = json!([
        token(5, "▁<PRE>"),
        token(6, "▁<SUF>"),
        token(7, "▁<MID>"),
        token(8, "▁<EOT>")
    ]);
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes(), &[8]).expect("a tokenizer");
    let tokens = Arc::new(FimTokens::of(&tokenizer, None, "x").expect("tokens"));
    let ids = |order| {
        let document = cut_at("acb", 1..2, order, &tokens);
        let encoded = encode(&tokenizer, &document, 100).expect("ids");
        encoded.expect("a middle that fits").0.ids
    };
    assert_eq!(ids(Order::Psm), [5, 0, 1, 6, 2, 7, 3, 8]);
    assert_eq!(ids(Order::SpmJoined), [5, 6, 2, 7, 0, 1, 3, 8]);
    assert_eq!(ids(Order::SpmSeparate), [6, 2, 5, 0, 1, 7, 3, 8]);
}
