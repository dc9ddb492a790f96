use crate::{SMALLEST, error, parse};

/// Pins the whole text of the error for one override.
fn check(argument: &str, expected: &str) {
    assert_eq!(error(SMALLEST, &[argument]), expected);
}

#[test]
fn an_override_goes_through_the_same_struct() {
    let text = format!("{SMALLEST}lora:\n  lora_rank: 4\n");
    let recipe = parse(
        &text,
        &[
            "lora.r=16",
            "train.lr=3e-4",
            "evaluate.sampling={temperature: 0.8, top_p: 0.9}",
            "data.datasets.0.path=stdlib:",
            "data.datasets[0].max_examples=5",
            "output.output_dir=/tmp/run",
            "name=other",
        ],
    )
    .unwrap();
    assert_eq!(recipe.lora.r, 16);
    assert_eq!(recipe.train.learning_rate.to_bits(), 3e-4_f64.to_bits());
    assert_eq!(recipe.evaluate.sampling.top_p.to_bits(), 0.9_f64.to_bits());
    assert_eq!(recipe.data.datasets[0].path, "stdlib:");
    assert_eq!(recipe.data.datasets[0].max_examples, Some(5));
    assert_eq!(recipe.output_dir().to_str(), Some("/tmp/run"));
    assert_eq!(recipe.name(), "other");
}

#[test]
fn the_last_of_several_overrides_wins() {
    assert_eq!(
        parse(SMALLEST, &["lora.r=1", "lora.lora_r=2"])
            .unwrap()
            .lora
            .r,
        2
    );
    assert_eq!(
        parse(SMALLEST, &["lora={rank: 3}", "lora.r=4"])
            .unwrap()
            .lora
            .r,
        4
    );
}

#[test]
fn an_override_can_take_a_value_back() {
    let text = format!("{SMALLEST}train: {{max_steps: 5, max_grad_norm: 1}}\n");
    let recipe = parse(&text, &["train.max_steps=", "train.max_grad_norm=null"]).unwrap();
    assert_eq!(recipe.train.max_steps, None);
    assert_eq!(recipe.train.max_grad_norm, None);
}

#[test]
fn a_section_that_the_file_leaves_empty_can_be_filled() {
    assert_eq!(
        parse(&format!("{SMALLEST}lora:\n"), &["lora.r=3"])
            .unwrap()
            .lora
            .r,
        3
    );
}

#[test]
fn errors_name_the_argument() {
    check(
        "lora.target_module=all-linear",
        "--set lora.target_module=all-linear: unknown key `lora.target_module`\n\
         hint: did you mean `target_modules`?",
    );
    check(
        "lroa.r=1",
        "--set lroa.r=1: unknown key `lroa`\nhint: did you mean `lora`?",
    );
    check(
        "lora.r=x",
        "--set lora.r=x: `lora.r` is \"x\", expected a whole number",
    );
    check(
        "lora.r=0",
        "--set lora.r=0: `lora.r` is 0, allowed: 1 to 1024",
    );
    check(
        "lora=5",
        "--set lora=5: `lora` is 5, expected keys like `r:`",
    );
    check(
        "lora={r: 1, rank: 2}",
        "--set lora={r: 1, rank: 2}: `lora.rank` and `lora.r` are the same key\n\
         hint: keep one",
    );
    check(
        "train.lr_scheduler_type=linaer",
        "--set train.lr_scheduler_type=linaer: `train.lr_scheduler_type` is \"linaer\", \
         expected `cosine`, `linear`, `constant`\nhint: did you mean `linear`?",
    );
}

#[test]
fn an_argument_that_names_no_value_is_refused() {
    let form = "hint: write --set section.key=value, as in --set lora.r=16";
    check(
        "lora.r",
        &format!("--set lora.r: no `=` between key and value\n{form}"),
    );
    check("=3", &format!("--set =3: `` is no key of a recipe\n{form}"));
    check(
        "lora..r=3",
        &format!("--set lora..r=3: `lora..r` is no key of a recipe\n{form}"),
    );
    check(
        "lora.r.x=3",
        "--set lora.r.x=3: `lora.r` is a mapping, expected a whole number",
    );
    check(
        "data.datasets.path=x",
        "--set data.datasets.path=x: `data.datasets` is a list: name an item, as in `data.datasets.0`",
    );
    check(
        "data.datasets.1.path=x",
        "--set data.datasets.1.path=x: `data.datasets` has 1 items, the first is `data.datasets.0`",
    );
    check(
        "lora.r=[1",
        "--set lora.r=[1: not valid YAML: did not find expected ',' or ']', \
         while parsing a flow sequence",
    );
}
