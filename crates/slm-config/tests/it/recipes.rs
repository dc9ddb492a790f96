use std::fs;
use std::path::{Path, PathBuf};

use slm_config::{
    Benchmark, Dtype, Evaluate, GradientCheckpointing, InitLoraWeights, Lora, LrSchedulerType,
    Objective, Output, Overlength, ParsonsIndent, Quantization, Recipe, RecipeError, TargetModule,
    TargetModules, Train,
};

use crate::{SMALLEST, parse};

/// The benchmarks that the recipes name, and others.
pub(crate) const BENCHMARKS: slm_config::Names = &[
    "embedded",
    "humaneval",
    "humaneval+",
    "mbpp",
    "mbpp-sanitized",
    "mbpp+",
    "custom",
    "repository",
];

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the recipes are beside this crate")
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

/// Whether a recipe is for `trainer improve`, whose rounds make its data.
fn is_for_rounds(file: &Path) -> bool {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    stem.starts_with("improve-")
}

fn load(file: &Path, sets: &[String]) -> Result<Recipe, RecipeError> {
    if is_for_rounds(file) {
        Recipe::load_without_data(file, sets, BENCHMARKS)
    } else {
        Recipe::load(file, sets, BENCHMARKS)
    }
}

#[test]
fn recipes_of_coding_models_evaluate_on_published_tasks_of_the_hub() {
    let files = shipped();
    let of_models = files.iter().filter(|file| {
        let stem = file.file_stem().expect("a name").to_string_lossy();
        stem.starts_with("qwen-coder-")
    });
    let mut found = 0;
    for file in of_models {
        let recipe = load(file, &[]).expect("a recipe");
        let named: Vec<(&str, Option<&str>)> = recipe
            .evaluate
            .benchmarks
            .iter()
            .map(|of| (of.name.as_str(), of.path.as_deref().and_then(Path::to_str)))
            .collect();
        let expected = [
            ("embedded", None),
            ("humaneval+", Some("hf:evalplus/humanevalplus")),
            ("mbpp+", Some("hf:evalplus/mbppplus")),
        ];
        assert_eq!(named, expected, "{}", file.display());
        found += 1;
    }
    assert_eq!(found, 4);
}

#[test]
fn every_recipe_parses() {
    let files = shipped();
    for name in [
        "quickstart",
        "qwen-coder-0.5b",
        "qwen-coder-0.5b-fim",
        "qwen-coder-1.5b",
        "smollm2-135m",
        "own-codebase",
    ] {
        let is_it = |file: &PathBuf| file.file_stem().unwrap() == name;
        assert!(files.iter().any(is_it), "no {name} in {files:?}");
    }
    for file in files {
        let recipe = load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(recipe.name(), file.file_stem().unwrap().to_str().unwrap());
    }
}

#[test]
fn every_recipe_opens_with_its_launch_command() {
    for file in shipped() {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let verb = if is_for_rounds(&file) {
            "improve"
        } else {
            "fit"
        };
        let command = format!("# trainer {verb} recipes/{name}");
        assert!(
            text.starts_with(&command),
            "{name} does not start with {command}"
        );
        // The rest of the line is a command that can be pasted, not prose.
        let line = text.lines().next().unwrap();
        let rest = line.strip_prefix(&command).unwrap();
        let (settings, judged) = rest.split_once(" && ").expect("what judges the adapter");
        assert!(judged.starts_with("evaluator "), "{name}: {line}");
        for words in settings.trim().split(" --set ").filter(|w| !w.is_empty()) {
            let set = words.trim_start_matches("--set ").to_owned();
            load(&file, &[set]).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// The keys of a recipe without a comment behind them or right above, with their lines.
fn uncommented(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut above = "";
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        // Sections are explained by their names, and `datasets` by its items.
        let key = trimmed.trim_start_matches("- ").split_once(':');
        let key = key.filter(|_| !trimmed.starts_with('#') && !trimmed.starts_with("- {"));
        let is_section = !line.starts_with(' ') || trimmed == "datasets:";
        let is_commented = above.starts_with('#') || trimmed.contains(" # ");
        if let Some((key, _)) = key.filter(|_| !is_section && !is_commented) {
            found.push(format!("{number}: {key}"));
        }
        above = trimmed;
    }
    found
}

#[test]
fn every_recipe_comments_every_key() {
    for file in shipped() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let found = uncommented(&text);
        assert!(found.is_empty(), "{name}: no comment on {found:?}");
    }
}

#[test]
fn a_comment_is_right_above_its_key_or_behind_it() {
    let text = "model:\n  # Where from.\n  name_or_path: a#b\n  sha256: x\ndata:\n  datasets:\n    # Yours.\n    - path: a\n      \
                format: text # as it is\n      weight: 2\n";
    assert_eq!(uncommented(text), ["4: sha256", "10: weight"]);
}

/// A base model never learnt the token that ends an answer, and its head is frozen: an adapter of it would not stop.
#[test]
fn every_recipe_trains_a_model_that_can_end_its_answers() {
    for file in shipped() {
        let recipe = load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        let name = recipe.model.base_model_name();
        // A middle ends with the token that ends a text, which base models know.
        let mut datasets = recipe.data.datasets.iter();
        let is_fim = !recipe.data.datasets.is_empty() && datasets.all(|d| d.format.is_fim());
        let can_end = is_fim || name.contains("Instruct");
        assert!(can_end, "{}: {name}", file.display());
    }
}

#[test]
fn the_resolved_copy_reads_back_as_the_same_recipe() {
    let overrides = [
        "lora.target_modules=[q_proj, v_proj]",
        "lora.init_lora_weights=true",
        "train.neftune_noise_alpha=5",
        "train.max_grad_norm=null",
        "train.adam_epsilon=1e-9",
        "train.learning_rate=0.1",
        "evaluate.sampling.top_k=40",
        "evaluate.endpoint={url: 'http://h:8000', adapters: {checkpoints/a/adapter: a}, api_key_env: KEY}",
        "model.hub_name=some/model",
        "model.dtype=bf16",
        "model.quantization=none",
        "train.gradient_checkpointing=none",
    ]
    .map(str::to_owned);
    for file in shipped() {
        let is_sft = load(&file, &[]).unwrap().train.objective == Objective::Sft;
        // Noise is only for answers.
        let suits = |set: &&String| is_sft || !set.contains("neftune");
        let overrides: Vec<String> = overrides.iter().filter(suits).cloned().collect();
        let recipe = load(&file, &overrides).unwrap();
        let copy = recipe.to_yaml();
        let again =
            Recipe::parse_without_data(&copy, Path::new("adapter/recipe.yaml"), &[], BENCHMARKS)
                .unwrap_or_else(|error| panic!("{error}\n{copy}"));
        assert_eq!(again, recipe, "{copy}");
        assert_eq!(again.output_dir(), recipe.output_dir());
    }
}

#[test]
fn adam_settings_are_those_of_the_optimizer_or_refused() {
    let adam = |set: &[&str]| {
        parse(SMALLEST, set).map(|recipe| {
            let adam = recipe.train.adam();
            [adam.beta1, adam.beta2, adam.epsilon]
        })
    };
    let defaults = |optim: &str| adam(&[&format!("train.optim={optim}")]).unwrap();
    assert_eq!(defaults("adamw"), [Some(0.9), Some(0.999), Some(1e-8)]);
    assert_eq!(defaults("lion"), [Some(0.9), Some(0.99), None]);
    assert_eq!(defaults("muon"), [None; 3]);
    assert_eq!(defaults("adafactor"), [None; 3]);
    let lion = ["train.optim=lion", "train.adam_beta2=0.95"];
    assert_eq!(adam(&lion).unwrap(), [Some(0.9), Some(0.95), None]);
    for (optim, key) in [
        ("lion", "adam_epsilon"),
        ("muon", "adam_beta1"),
        ("muon", "adam_epsilon"),
        ("adafactor", "adam_beta2"),
    ] {
        let set = [format!("train.optim={optim}"), format!("train.{key}=0.05")];
        let error = adam(&[&set[0], &set[1]]).unwrap_err().to_string();
        let said = format!(
            "`train.{key}` is 0.05, allowed: nothing, since train.optim {optim} has no such setting"
        );
        assert!(error.contains(&said), "{error}");
    }
    // Earlier versions wrote these three into the copy of every recipe.
    let copy = [
        "train.optim=lion",
        "train.adam_beta1=0.9",
        "train.adam_beta2=0.999",
        "train.adam_epsilon=1e-8",
    ];
    assert_eq!(adam(&copy).unwrap(), defaults("lion"));
}

#[test]
fn what_is_left_out_has_its_default() {
    let recipe = parse(SMALLEST, &[]).unwrap();
    assert_eq!(recipe.lora, Lora::default());
    assert_eq!(recipe.train, Train::default());
    assert_eq!(recipe.output, Output::default());
    assert_eq!(recipe.evaluate, Evaluate::default());
    assert_eq!(recipe.data.max_seq_length, 512);
    assert_eq!(recipe.data.overlength, Overlength::Drop);
    assert_eq!(recipe.model.base_model_name(), "base.gguf");
    assert_eq!(recipe.model.dtype, Dtype::Auto);
    assert_eq!(recipe.model.quantization, Quantization::None);
    assert_eq!(recipe.output_dir(), Path::new("checkpoints/test"));
    assert_eq!(recipe.adapter_dir(), Path::new("checkpoints/test/adapter"));
    assert_eq!(recipe.evaluate.python(), Path::new("python3"));
}

#[test]
fn the_base_models_name_is_that_of_its_repository() {
    let name = |set: &str| {
        let recipe = parse(SMALLEST, &[set]).unwrap();
        recipe.model.base_model_name().to_owned()
    };
    assert_eq!(name("model.name_or_path=hf:a/b"), "a/b");
    assert_eq!(name("model.name_or_path=hf:a/b@main#x.gguf"), "a/b");
    assert_eq!(name("model={name_or_path: 'hf:a/b', hub_name: c/d}"), "c/d");
}

#[test]
fn a_pinned_model_is_named_by_its_commit() {
    for (name, expected) in [
        ("a/b", "a/b"),
        ("hf:a/b", "hf:a/b"),
        ("hf:a/b@main", "hf:a/b"),
        ("hf:a/b@v1#x.gguf", "hf:a/b#x.gguf"),
    ] {
        let mut recipe = parse(SMALLEST, &[&format!("model.name_or_path={name}")]).unwrap();
        recipe.model.pin("c0ffee");
        assert_eq!(recipe.model.name_or_path, expected);
        assert_eq!(recipe.model.revision.as_deref(), Some("c0ffee"));
        Recipe::parse(&recipe.to_yaml(), Path::new("test.yaml"), &[], BENCHMARKS).unwrap();
    }
}

#[test]
fn wanted_rows_are_one_value_or_several() {
    let set = "data.datasets=[{path: a, format: text, where: {lang: python, 'a.b': [x, '5']}}]";
    let recipe = parse(SMALLEST, &[set]).unwrap();
    let only = &recipe.data.datasets[0].only;
    assert_eq!(only["lang"].0, ["python"]);
    assert_eq!(only["a.b"].0, ["x", "5"]);
    let again = Recipe::parse(&recipe.to_yaml(), Path::new("test.yaml"), &[], BENCHMARKS).unwrap();
    assert_eq!(again, recipe);
}

#[test]
fn a_section_with_all_keys_commented_out_has_its_defaults() {
    let recipe = parse(&format!("{SMALLEST}lora:\n#  r: 4\n"), &[]).unwrap();
    assert_eq!(recipe.lora, Lora::default());
}

#[test]
fn memory_keys_are_understood_in_the_spellings_of_other_tools() {
    let set = [
        "model.torch_dtype=bfloat16",
        "train.gradient_checkpointing=true",
    ];
    let recipe = parse(SMALLEST, &set).unwrap();
    assert_eq!(recipe.model.dtype, Dtype::Bf16);
    let checkpointing = recipe.train.gradient_checkpointing;
    assert_eq!(checkpointing, GradientCheckpointing::Layer);
    let set = ["model.dtype=float32", "train.gradient_checkpointing=false"];
    let recipe = parse(SMALLEST, &set).unwrap();
    assert_eq!(recipe.model.dtype, Dtype::F32);
    let checkpointing = recipe.train.gradient_checkpointing;
    assert_eq!(checkpointing, GradientCheckpointing::None);
    let error = parse(SMALLEST, &["model.quantization=nf4"]).unwrap_err();
    assert!(error.to_string().contains("q4"), "{error}");
}

#[test]
fn the_scale_divides_by_r_or_by_its_root() {
    let scale = |set: &str| {
        parse(SMALLEST, &["lora.r=16", "lora.lora_alpha=32", set])
            .unwrap()
            .lora
            .scale()
    };
    assert!((scale("lora.use_rslora=false") - 2.0).abs() < 1e-12);
    assert!((scale("lora.use_rslora=true") - 8.0).abs() < 1e-12);
}

#[test]
fn numbers_parse_in_every_usual_form() {
    for (text, expected) in [
        ("1e-5", 1e-5_f64),
        ("1E-5", 1e-5),
        ("1.0e-5", 1e-5),
        ("1", 1.0),
        (".5", 0.5),
        ("2.e-4", 2e-4),
    ] {
        let recipe = parse(&format!("{SMALLEST}train:\n  learning_rate: {text}\n"), &[]).unwrap();
        assert_eq!(
            recipe.train.learning_rate.to_bits(),
            expected.to_bits(),
            "{text}"
        );
    }
    assert_eq!(
        parse(SMALLEST, &["train.max_steps=1e3"])
            .unwrap()
            .train
            .max_steps,
        Some(1000)
    );
}

#[test]
fn spellings_from_elsewhere_mean_the_same_keys() {
    let text = format!(
        "{SMALLEST}  cutoff_len: 100\nlora:\n  lora_rank: 4\ntrain:\n  epochs: 3\n  \
         per_device_train_batch_size: 2\n  lr_scheduler_type: linear\n"
    );
    let recipe = parse(&text, &[]).unwrap();
    assert_eq!(recipe.data.max_seq_length, 100);
    assert_eq!(recipe.lora.r, 4);
    assert_eq!(recipe.train.num_train_epochs, 3);
    assert_eq!(recipe.train.micro_batch_size, 2);
    assert_eq!(recipe.train.lr_scheduler_type, LrSchedulerType::Linear);
}

#[test]
fn target_modules_are_a_word_names_or_a_regular_expression() {
    let modules = |text: &str| {
        let set = format!("lora.target_modules={text}");
        parse(SMALLEST, &[&set]).unwrap().lora.target_modules
    };
    assert_eq!(modules("all-linear"), TargetModules::AllLinear);
    let TargetModules::Listed(names) = modules("[down_proj, layers.0.self_attn.q_proj]") else {
        panic!("a list")
    };
    let names: Vec<_> = names.iter().map(TargetModule::as_str).collect();
    assert_eq!(names, ["down_proj", "layers.0.self_attn.q_proj"]);
    let pattern = r".*\.(q|v)_proj";
    assert_eq!(
        modules(pattern),
        TargetModules::Matching(pattern.to_owned())
    );
}

#[test]
fn pefts_word_for_the_usual_start_needs_no_quotes() {
    for text in ["true", "'true'", "\"true\""] {
        let set = format!("lora.init_lora_weights={text}");
        let recipe = parse(SMALLEST, &[&set]).unwrap();
        assert_eq!(recipe.lora.init_lora_weights, InitLoraWeights::Default);
    }
    let recipe = parse(SMALLEST, &["lora.init_lora_weights=pissa"]).unwrap();
    assert_eq!(recipe.lora.init_lora_weights, InitLoraWeights::Pissa);
}

#[test]
fn a_file_name_that_is_no_run_name_becomes_one() {
    for (file, name) in [
        ("my first run.yaml", "my-first-run"),
        (".yaml", "yaml"),
        ("ü.yml", "ü"),
    ] {
        assert_eq!(
            Recipe::parse(SMALLEST, Path::new(file), &[], BENCHMARKS)
                .unwrap()
                .name(),
            name
        );
    }
}

#[test]
fn benchmarks_are_named_with_or_without_their_file() {
    let all = format!("evaluate.benchmarks=[{}]", crate::BENCHMARKS.join(", "));
    let file = "evaluate.benchmarks=[embedded, {name: mbpp+, path: data/x.jsonl.gz}]".to_owned();
    let benchmarks = |set: &String| {
        let recipe = parse(SMALLEST, &[set.as_str()]).unwrap();
        let copy = recipe.to_yaml();
        assert_eq!(parse(&copy, &[]).unwrap(), recipe, "{copy}");
        recipe.evaluate.benchmarks
    };
    let expected: Vec<Benchmark> = crate::BENCHMARKS
        .iter()
        .copied()
        .map(Benchmark::named)
        .collect();
    assert_eq!(benchmarks(&all), expected);
    let expected = Benchmark {
        path: Some(PathBuf::from("data/x.jsonl.gz")),
        ..Benchmark::named("mbpp+")
    };
    assert_eq!(benchmarks(&file)[1], expected);
}

#[test]
fn a_variant_of_a_benchmark_is_a_second_item_with_its_own_keys() {
    let set = "evaluate.benchmarks=[humaneval, {name: humaneval, variant: parsons, distractors: 3, indent: kept, wording: 2}]";
    let recipe = parse(SMALLEST, &[set]).unwrap();
    let [free, parsons] = &recipe.evaluate.benchmarks[..] else {
        panic!("two items");
    };
    assert_eq!(free.parsons(), None);
    assert_eq!(parsons.parsons(), Some((3, ParsonsIndent::Kept, 2)));
    assert_eq!(parse(&recipe.to_yaml(), &[]).unwrap(), recipe);
    let set = "evaluate.benchmarks=[{name: humaneval, variant: parsons}]";
    let recipe = parse(SMALLEST, &[set]).unwrap();
    let expected = Some((2, ParsonsIndent::Lost, 1));
    assert_eq!(recipe.evaluate.benchmarks[0].parsons(), expected);
    for (set, problem) in [
        (
            "evaluate.benchmarks=[{name: humaneval, distractors: 2}]",
            "only beside `variant: parsons`",
        ),
        (
            "evaluate.benchmarks=[{name: humaneval, variant: parsons, wording: 4}]",
            "1 to 3",
        ),
        (
            "evaluate.benchmarks=[{name: humaneval, variant: parson}]",
            "parsons",
        ),
        (
            "improve.tasks=[{name: humaneval, variant: parsons}]",
            "rounds learn from the tasks as published",
        ),
        (
            "evaluate={benchmarks: [{name: humaneval, variant: parsons}], prompting: few_shot}",
            "does not show its lines",
        ),
    ] {
        let error = crate::error(SMALLEST, &[set]);
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_servers_address_may_end_in_v1_or_before_it() {
    let base = |url: &str| {
        let set = format!("evaluate.endpoint.url={url}");
        let recipe = parse(SMALLEST, &[&set]).unwrap();
        recipe.evaluate.endpoint.unwrap().base_url()
    };
    for url in [
        "http://h:1",
        "http://h:1/",
        "http://h:1/v1",
        "http://h:1/v1/",
    ] {
        assert_eq!(base(url), "http://h:1/v1");
    }
    assert_eq!(base("https://h/llm/v1"), "https://h/llm/v1");
}
