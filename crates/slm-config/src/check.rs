//! The range of every value. Nothing here stops at the first mistake.

mod data;
mod endpoint;
mod experiment;

use std::fmt::{Debug, Display};
use std::ops::{Bound, RangeBounds, RangeInclusive};

use crate::node::KeyPath;
use crate::recipe::{Evaluate, InitLoraWeights, Lora, Model, Output, Recipe, Sampling, Train};
use crate::target_modules::TargetModules;
use crate::workflow::{AdapterRoles, Budget};
use crate::workflow_table::Workflow;

/// Largest seed: every JSON reader takes whole numbers up to here.
const MAX_SEED: u64 = 1 << 53;

/// Whether a command reads the recipe's data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// At least one has to be named.
    Data,
    /// None has to be.
    NoData,
}

/// A value outside its range; `found` is the value in the struct, which a default may have put there.
pub(crate) struct Finding {
    pub(crate) path: KeyPath,
    pub(crate) found: String,
    pub(crate) allowed: String,
    /// Whether the value may be a secret, so that neither it nor the argument that holds it is shown.
    pub(crate) hidden: bool,
}

/// All values of `recipe` that are outside their ranges, in reading order.
pub(crate) fn findings(recipe: &Recipe, needs: Needs) -> Vec<Finding> {
    let Recipe {
        name,
        model,
        lora,
        data,
        train,
        output,
        evaluate,
    } = recipe;
    let mut check = Check::default();
    check.that(
        is_file_name(name),
        "name",
        name,
        "letters, digits, `.`, `-` and `_`, no leading dot",
    );
    check.model(model);
    check.lora(lora);
    check.data(data, needs);
    check.train(train);
    check.output(output);
    check.evaluate(evaluate);
    check.0
}

#[derive(Default)]
struct Check(Vec<Finding>);

impl Check {
    fn that(&mut self, holds: bool, key: &str, found: impl Debug, allowed: impl Into<String>) {
        if !holds {
            self.find(key, format!("{found:?}"), allowed.into());
        }
    }

    fn missing(&mut self, key: &str, allowed: &str) {
        self.find(key, "missing".to_owned(), allowed.to_owned());
    }

    fn find(&mut self, key: &str, found: String, allowed: String) {
        let path = KeyPath::parse(key).expect("the keys in this file have no empty step");
        self.0.push(Finding {
            path,
            found,
            allowed,
            hidden: false,
        });
    }

    /// A mistake whose value may be a secret.
    fn find_hidden(&mut self, key: &str, allowed: &str) {
        self.find(key, "something else".to_owned(), allowed.to_owned());
        if let Some(finding) = self.0.last_mut() {
            finding.hidden = true;
        }
    }

    fn whole<N: PartialOrd + Debug + Display>(
        &mut self,
        key: &str,
        value: N,
        range: RangeInclusive<N>,
    ) {
        let allowed = format!("{} to {}", range.start(), range.end());
        self.that(range.contains(&value), key, &value, allowed);
    }

    /// Like [`Self::whole`]; not-a-number is in no range.
    fn real(&mut self, key: &str, value: f64, range: impl RangeBounds<f64>) {
        let low = match range.start_bound() {
            Bound::Included(low) => format!("{low} or more"),
            Bound::Excluded(low) => format!("above {low}"),
            Bound::Unbounded => "any number".to_owned(),
        };
        let high = match range.end_bound() {
            Bound::Included(high) => format!(", at most {high}"),
            Bound::Excluded(high) => format!(", below {high}"),
            Bound::Unbounded => String::new(),
        };
        self.that(
            range.contains(&value) && value.is_finite(),
            key,
            value,
            low + &high,
        );
    }

    fn sha256(&mut self, key: &str, value: Option<&String>) {
        let Some(text) = value else { return };
        let holds = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.that(holds, key, text, "64 hexadecimal digits");
    }

    fn not_blank(&mut self, key: &str, value: &str, allowed: &str) {
        self.that(!value.trim().is_empty(), key, value, allowed);
    }

    /// A list with at least one item, none of them twice.
    fn choice<T: PartialEq + Debug>(&mut self, key: &str, items: &[T], of: &str) {
        self.that(!items.is_empty(), key, items, format!("at least one {of}"));
        for (index, item) in items.iter().enumerate() {
            let once = !items[..index].contains(item);
            self.that(
                once,
                &format!("{key}[{index}]"),
                item,
                format!("each {of} once"),
            );
        }
    }

    fn model(&mut self, model: &Model) {
        let Model {
            name_or_path,
            sha256,
            wheel_sha256,
            hub_name,
            revision,
            dtype: _,
            quantization: _,
        } = model;
        let forms = "hf:OWNER/NAME, a folder, a .gguf file or pip:PACKAGE==VERSION#file/in/wheel";
        self.not_blank("model.name_or_path", name_or_path, forms);
        self.sha256("model.sha256", sha256.as_ref());
        self.sha256("model.wheel_sha256", wheel_sha256.as_ref());
        if let Some(package) = name_or_path.strip_prefix("pip:") {
            let holds = package.split_once("==").is_some_and(|(name, rest)| {
                let (version, file) = rest.split_once('#').unwrap_or_default();
                !name.is_empty() && !version.is_empty() && !file.is_empty()
            });
            let form = "pip:PACKAGE==VERSION#file/in/wheel";
            self.that(holds, "model.name_or_path", name_or_path, form);
            if wheel_sha256.is_none() {
                let allowed = "the wheel's SHA-256, since name_or_path starts with pip:";
                self.missing("model.wheel_sha256", allowed);
            }
        } else {
            let allowed = "nothing, since name_or_path does not start with pip:";
            self.that(
                wheel_sha256.is_none(),
                "model.wheel_sha256",
                wheel_sha256,
                allowed,
            );
        }
        if let Some(name) = name_or_path.strip_prefix("hf:") {
            let (repository, rest) = name.split_at(name.find(['@', '#']).unwrap_or(name.len()));
            let holds = repository
                .split('/')
                .filter(|part| is_file_name(part))
                .count()
                == 2
                && repository.matches('/').count() == 1;
            let form = "hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME#FILE.gguf";
            self.that(holds, "model.name_or_path", name_or_path, form);
            let allowed = "nothing, since name_or_path names one after @";
            let once = !rest.starts_with('@') || revision.is_none();
            self.that(once, "model.revision", revision, allowed);
        }
        if let Some(name) = hub_name {
            let parts: Vec<_> = name.split('/').collect();
            let holds = parts.len() == 2 && parts.into_iter().all(is_file_name);
            self.that(holds, "model.hub_name", name, "OWNER/NAME");
        }
        if let Some(revision) = revision {
            self.not_blank("model.revision", revision, "a branch, a tag or a commit");
        }
    }

    fn lora(&mut self, lora: &Lora) {
        let Lora {
            r,
            lora_alpha,
            lora_dropout,
            target_modules,
            use_rslora: _,
            use_dora,
            init_lora_weights,
            modules_to_save,
            rank_pattern,
            alpha_pattern,
            loraplus_lr_ratio,
        } = lora;
        self.whole("lora.r", *r, 1..=1024);
        self.whole("lora.lora_alpha", *lora_alpha, 1..=65_536);
        self.real("lora.lora_dropout", *lora_dropout, 0.0..1.0);
        let apart = !*use_dora || *init_lora_weights == InitLoraWeights::Default;
        let allowed = "true, since lora.use_dora trains lengths that pissa leaves no room for";
        self.that(apart, "lora.init_lora_weights", "pissa", allowed);
        if let TargetModules::Listed(modules) = target_modules {
            self.choice("lora.target_modules", modules, "layer");
        }
        for (index, module) in modules_to_save.iter().enumerate() {
            let once = !modules_to_save[..index].contains(module);
            let key = format!("lora.modules_to_save[{index}]");
            self.that(once, &key, module, "each module once");
        }
        let patterns = [
            ("rank_pattern", rank_pattern, 1024),
            ("alpha_pattern", alpha_pattern, 65_536),
        ];
        for (name, pattern, most) in patterns {
            for (_, &value) in pattern
                .iter()
                .filter(|(_, value)| !(1..=most).contains(*value))
            {
                let allowed = format!("1 to {most} for each layer");
                self.that(false, &format!("lora.{name}"), value, allowed);
            }
        }
        let key = "lora.loraplus_lr_ratio";
        self.real(key, *loraplus_lr_ratio, 0.01..=1000.0);
    }

    fn train(&mut self, train: &Train) {
        let Train {
            num_train_epochs,
            max_steps,
            micro_batch_size,
            gradient_accumulation_steps,
            optim,
            learning_rate,
            lr_scheduler_type: _,
            warmup_ratio,
            weight_decay,
            max_grad_norm,
            adam_beta1,
            adam_beta2,
            adam_epsilon,
            neftune_noise_alpha,
            gradient_checkpointing: _,
            loss_chunk_size,
            seed,
            eval_steps,
            early_stopping_patience,
            load_best_model_at_end: _,
            loss_watchdog_threshold,
            loss_watchdog_patience,
        } = train;
        let above_0 = Bound::Excluded(0.0);
        self.whole("train.num_train_epochs", *num_train_epochs, 1..=10_000);
        if let Some(steps) = *max_steps {
            self.whole("train.max_steps", steps, 1..=1_000_000_000);
        }
        self.whole("train.micro_batch_size", *micro_batch_size, 1..=4096);
        self.whole(
            "train.gradient_accumulation_steps",
            *gradient_accumulation_steps,
            1..=65_536,
        );
        self.real(
            "train.learning_rate",
            *learning_rate,
            (above_0, Bound::Included(1.0)),
        );
        self.real("train.warmup_ratio", *warmup_ratio, 0.0..1.0);
        self.real("train.weight_decay", *weight_decay, 0.0..=1.0);
        if let Some(norm) = *max_grad_norm {
            self.real("train.max_grad_norm", norm, (above_0, Bound::Unbounded));
        }
        let has = optim.adam_defaults();
        let below_1 = (Bound::Included(0.0), Bound::Excluded(1.0));
        for (key, value, default, range) in [
            ("adam_beta1", adam_beta1, has.beta1, below_1),
            ("adam_beta2", adam_beta2, has.beta2, below_1),
            (
                "adam_epsilon",
                adam_epsilon,
                has.epsilon,
                (above_0, Bound::Included(0.1)),
            ),
        ] {
            let key = format!("train.{key}");
            match (*value, default) {
                (Some(value), Some(_)) => self.real(&key, value, range),
                (Some(value), None) => {
                    let optim = optim.name();
                    let allowed = format!("nothing, since train.optim {optim} has no such setting");
                    self.that(false, &key, value, allowed);
                }
                (None, _) => {}
            }
        }
        if let Some(alpha) = *neftune_noise_alpha {
            let range = (above_0, Bound::Included(1000.0));
            self.real("train.neftune_noise_alpha", alpha, range);
        }
        self.whole("train.loss_chunk_size", *loss_chunk_size, 1..=65_536);
        self.whole("train.seed", *seed, 0..=MAX_SEED);
        if let Some(steps) = *eval_steps {
            self.whole("train.eval_steps", steps, 1..=1_000_000);
        }
        if let Some(patience) = *early_stopping_patience {
            self.whole("train.early_stopping_patience", patience, 1..=1000);
        }
        if let Some(loss) = *loss_watchdog_threshold {
            let key = "train.loss_watchdog_threshold";
            self.real(key, loss, (above_0, Bound::Unbounded));
        }
        let key = "train.loss_watchdog_patience";
        self.whole(key, *loss_watchdog_patience, 1..=1_000_000);
    }

    fn output(&mut self, output: &Output) {
        let Output {
            output_dir,
            logging_steps,
            save_steps,
            save_total_limit,
        } = output;
        if let Some(folder) = output_dir {
            let text = folder.to_string_lossy();
            self.not_blank("output.output_dir", &text, "a folder");
        }
        self.whole("output.logging_steps", *logging_steps, 1..=1_000_000);
        self.whole("output.save_steps", *save_steps, 1..=1_000_000);
        self.whole("output.save_total_limit", *save_total_limit, 1..=1000);
    }

    fn evaluate(&mut self, evaluate: &Evaluate) {
        let Evaluate {
            benchmarks,
            max_tasks,
            workflows,
            python,
            sampling,
            samples_per_task,
            max_new_tokens,
            budget,
            rounds,
            samples,
            samples_temperature,
            adapter_roles,
            prompting,
            prompts,
            batch_size,
            timeout_s,
            endpoint,
            hypotheses,
            sweep,
            statistics_seed,
        } = evaluate;
        let names: Vec<_> = benchmarks.iter().map(|benchmark| benchmark.name).collect();
        self.choice("evaluate.benchmarks", &names, "benchmark");
        if let Some(n) = *max_tasks {
            self.whole("evaluate.max_tasks", n, 1..=1_000_000);
        }
        self.choice("evaluate.workflows", workflows, "workflow");
        if let Some(python) = python {
            self.not_blank("evaluate.python", &python.to_string_lossy(), "a program");
        }
        let Sampling {
            temperature,
            top_p,
            top_k,
            seed,
        } = sampling;
        self.real("evaluate.sampling.temperature", *temperature, 0.0..=10.0);
        let above_0_to_1 = (Bound::Excluded(0.0), Bound::Included(1.0));
        self.real("evaluate.sampling.top_p", *top_p, above_0_to_1);
        if let Some(k) = *top_k {
            self.whole("evaluate.sampling.top_k", k, 1..=1_000_000);
        }
        self.whole("evaluate.sampling.seed", *seed, 0..=MAX_SEED);
        self.whole("evaluate.samples_per_task", *samples_per_task, 1..=1000);
        if (2..=1000).contains(samples_per_task) {
            let allowed =
                "1, since evaluate.sampling.temperature 0 gives the same answer each time";
            let varied = *temperature != 0.0;
            self.that(
                varied,
                "evaluate.samples_per_task",
                samples_per_task,
                allowed,
            );
        }
        self.whole("evaluate.max_new_tokens", *max_new_tokens, 1..=32_768);
        self.budget(budget, *max_new_tokens, workflows);
        self.whole("evaluate.rounds", *rounds, 0..=100);
        self.whole("evaluate.samples", *samples, 1..=100);
        let above_0_to_10 = (Bound::Excluded(0.0), Bound::Included(10.0));
        self.real(
            "evaluate.samples_temperature",
            *samples_temperature,
            above_0_to_10,
        );
        if let AdapterRoles::Listed(roles) = adapter_roles {
            self.choice("evaluate.adapter_roles", roles, "role");
        }
        for (name, path) in prompts.entries() {
            if let Some(path) = path {
                let key = format!("evaluate.prompts.{name}");
                self.not_blank(&key, &path.to_string_lossy(), "a file");
            }
        }
        self.whole("evaluate.batch_size", *batch_size, 1..=1024);
        self.real(
            "evaluate.timeout_s",
            *timeout_s,
            (Bound::Excluded(0.0), Bound::Included(3600.0)),
        );
        if let Some(endpoint) = endpoint {
            self.endpoint(endpoint, *prompting);
        }
        self.hypotheses(hypotheses);
        self.sweep(sweep);
        self.whole("evaluate.statistics_seed", *statistics_seed, 0..=MAX_SEED);
    }

    fn budget(&mut self, budget: &Budget, max_new_tokens: usize, workflows: &[Workflow]) {
        let Budget {
            completion_tokens,
            calls,
            executions,
        } = budget;
        let key = "evaluate.budget.completion_tokens";
        self.whole(key, *completion_tokens, 1..=1_000_000);
        if (1..=1_000_000).contains(completion_tokens) && max_new_tokens <= 32_768 {
            let allowed = format!("{max_new_tokens} or more, one call's evaluate.max_new_tokens");
            let suffices = *completion_tokens >= max_new_tokens;
            self.that(suffices, key, completion_tokens, allowed);
        }
        self.whole("evaluate.budget.calls", *calls, 1..=1000);
        let hungriest = workflows
            .iter()
            .max_by_key(|workflow| workflow.calls_to_first_program());
        if let Some(workflow) = hungriest.filter(|_| *calls >= 1) {
            let least = workflow.calls_to_first_program();
            let allowed =
                format!("{least} or more, since {workflow} has no program after fewer calls");
            self.that(*calls >= least, "evaluate.budget.calls", calls, allowed);
        }
        self.whole("evaluate.budget.executions", *executions, 0..=1000);
    }
}

/// Whether a name can stand as a file's name on every system.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

/// Whether a character means nothing special in a file's name.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}
