//! Spellings of keys in other trainers, and the search for the key that was meant.

use crate::node::{KeyPath, Node, Step, Value};
use crate::recipe::Recipe;
use crate::schema::{Key, Kind, Row, joined, rows};

/// Keys of other trainers that are no other spelling of one key here, with the keys that do the same.
///
/// PEFT, TRL and Hugging Face's trainer, LLaMA-Factory, axolotl and unsloth.
const FOREIGN: &[(&str, &str)] = &[
    ("additional_target", "`lora.modules_to_save` (a list)"),
    ("adapter", "`lora` (every recipe trains a LoRA adapter)"),
    ("base_model_config", "`model.name_or_path`"),
    ("bf16", "`model.dtype: bf16`"),
    ("bits", "`model.quantization`"),
    ("conversation", "`data.datasets[].format`"),
    ("dataset", "`data.datasets`"),
    ("dataset_dir", "`data.datasets[].path`"),
    ("dataset_name", "`data.datasets[].path`"),
    ("do_train", "`trainer fit RECIPE`"),
    ("ds_type", "`data.datasets[].format`"),
    (
        "eval_batch_size",
        "`train.micro_batch_size` (for validation, too)",
    ),
    ("evals_per_epoch", "`train.eval_steps`"),
    ("evaluation_strategy", "`train.eval_steps`"),
    ("field_input", "`data.datasets[].columns`"),
    ("field_instruction", "`data.datasets[].columns`"),
    ("field_output", "`data.datasets[].columns`"),
    (
        "finetuning_type",
        "`lora` (every recipe trains a LoRA adapter)",
    ),
    ("fp16", "`model.dtype: bf16`"),
    ("load_in_4bit", "`model.quantization: q4`"),
    (
        "lora_target",
        "`lora.target_modules` (`all-linear` or a list)",
    ),
    ("load_in_8bit", "`model.quantization: q8`"),
    (
        "per_device_eval_batch_size",
        "`train.micro_batch_size` (for validation, too)",
    ),
    ("quantization_bit", "`model.quantization`"),
    ("save_strategy", "`output.save_steps`"),
    ("saves_per_epoch", "`output.save_steps`"),
    ("save_total", "`output.save_total_limit`"),
    ("stage", "`trainer fit RECIPE` (supervised fine-tuning)"),
    (
        "task_type",
        "`model.name_or_path` (every recipe trains a causal language model)",
    ),
    ("enable_thinking", "`model.chat_template_kwargs`"),
    ("template", "`model.chat_template` (a file)"),
    ("train_on_inputs", "`data.train_on: all`"),
    ("train_on_prompt", "`data.train_on: all`"),
    ("type", "`format`"),
    ("warmup_steps", "`train.warmup_ratio`"),
];

/// The keys of the section, or of the items of the list, at a path of our names.
fn keys_at(path: &KeyPath) -> &'static [Key] {
    let below = |keys: &'static [Key], step: &Step| match step {
        Step::Index(_) => keys,
        Step::Key(name) => {
            let key = keys.iter().find(|key| key.name == name);
            key.map_or(&[][..], |key| key.kind.keys_below())
        }
    };
    path.0.iter().fold(Recipe::KEYS, below)
}

/// Our names of the keys of a path. Aliases are no serde attributes because a `--set lora.r=16` must replace a `lora_rank`
/// in the file, which a struct sees too late.
pub(crate) fn canonical(path: &mut KeyPath) {
    let mut before = KeyPath::default();
    for step in &mut path.0 {
        if let Step::Key(name) = step {
            let is_alias = |key: &&Key| key.aliases.contains(&name.as_str());
            if let Some(key) = keys_at(&before).iter().find(is_alias) {
                key.name.clone_into(name);
            }
        }
        before.0.push(step.clone());
    }
}

/// A key that occurs twice in a section, in two spellings.
pub(crate) struct Twice {
    pub(crate) section: String,
    pub(crate) first: String,
    pub(crate) second: String,
}

/// Gives every key of every section and item our name.
pub(crate) fn canonicalise(root: &mut Node) -> Result<(), Twice> {
    rename(root, Recipe::KEYS, "")
}

fn rename(node: &mut Node, keys: &'static [Key], section: &str) -> Result<(), Twice> {
    let Value::Map(entries) = &mut node.value else {
        return Ok(());
    };
    let known = |name: &str| {
        let is_it = |key: &&Key| key.name == name || key.aliases.contains(&name);
        keys.iter().find(is_it)
    };
    let ours: Vec<_> = entries
        .iter()
        .map(|entry| known(&entry.key).map_or(entry.key.clone(), |key| key.name.to_owned()))
        .collect();
    for (index, key) in ours.iter().enumerate() {
        if let Some(first) = ours[..index].iter().position(|before| before == key) {
            return Err(Twice {
                section: section.to_owned(),
                first: entries[first].spelled.clone(),
                second: entries[index].spelled.clone(),
            });
        }
    }
    for (entry, name) in entries.iter_mut().zip(ours) {
        let path = joined(section, &name);
        let kind = known(&name).map(|key| &key.kind);
        entry.key = name;
        if let Some(Kind::Section(keys)) = kind {
            rename(&mut entry.value, keys, &path)?;
        } else if let Some(keys) = kind.and_then(Kind::item_keys)
            && let Value::List(items) = &mut entry.value.value
        {
            for (index, item) in items.iter_mut().enumerate() {
                rename(item, keys, &format!("{path}[{index}]"))?;
            }
        }
    }
    Ok(())
}

/// The candidate that `word` most likely means, if one is near enough to be a slip of the hand.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // No candidate is nearly as long, and the distance takes memory with the length.
    if word.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= (word.chars().count().max(candidate.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What does the same here as a key of another trainer.
pub(crate) fn foreign(key: &str) -> Option<&'static str> {
    FOREIGN
        .iter()
        .find(|(foreign, _)| *foreign == key)
        .map(|(_, ours)| *ours)
}

/// Help for the unknown key at `path`, whose section has the keys `known`.
pub(crate) fn hint_for_key(path: &KeyPath, key: &str, known: &[&str]) -> Option<String> {
    let meant = |key: &str| Some(format!("did you mean `{key}`?"));
    let in_list = |row: &Row| row.path.contains("[]");
    let is_section = Recipe::KEYS.iter().any(|section| section.name == key);
    let elsewhere = rows(Recipe::KEYS)
        .into_iter()
        .filter(|row| !in_list(row) && !row.section().is_empty() && !is_section)
        .find(|row| row.key.name == key || row.key.aliases.contains(&key));
    if let Some(row) = elsewhere {
        return meant(&row.path);
    }
    if let Some(ours) = foreign(key) {
        return Some(format!("the key for this is {ours}"));
    }
    // The aliases of this section can be mistyped, too.
    let section = KeyPath(path.0[..path.0.len().saturating_sub(1)].to_vec());
    let aliases = keys_at(&section)
        .iter()
        .flat_map(|key| key.aliases.iter().copied());
    match nearest(key, known.iter().copied().chain(aliases)) {
        Some(key) => meant(key),
        None if known.is_empty() => None,
        None => Some(format!("known keys here: {}", quoted(known))),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
