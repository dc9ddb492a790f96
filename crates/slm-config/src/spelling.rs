//! Other spellings of keys, and the search for the key that was meant.

use crate::node::{Entry, KeyPath, Node, Value};

/// Section, spelling in use elsewhere, our key.
///
/// PEFT and LLaMA-Factory say `lora_rank` and `cutoff_len`, axolotl `lora_r` and `sequence_len`,
/// TRL `max_length`, Hugging Face's trainer `per_device_train_batch_size`. They are a table and not
/// serde attributes because a `--set lora.r=16` must replace a `lora_rank` in the file, which a
/// struct sees too late.
const ALIASES: &[(&str, &str, &str)] = &[
    ("model", "torch_dtype", "dtype"),
    ("lora", "lora_r", "r"),
    ("lora", "lora_rank", "r"),
    ("lora", "rank", "r"),
    ("lora", "alpha", "lora_alpha"),
    ("lora", "dropout", "lora_dropout"),
    ("lora", "lora_target_modules", "target_modules"),
    ("data", "cutoff_len", "max_seq_length"),
    ("data", "sequence_len", "max_seq_length"),
    ("data", "max_length", "max_seq_length"),
    ("data", "sample_packing", "packing"),
    ("data", "val_set_size", "val_size"),
    ("train", "num_epochs", "num_train_epochs"),
    ("train", "epochs", "num_train_epochs"),
    ("train", "per_device_train_batch_size", "micro_batch_size"),
    ("train", "batch_size", "micro_batch_size"),
    ("train", "lr", "learning_rate"),
    ("train", "lr_scheduler", "lr_scheduler_type"),
];

/// Our name of `section.key`.
pub(crate) fn canonical<'k>(section: &str, key: &'k str) -> &'k str {
    ALIASES
        .iter()
        .find(|(of, alias, _)| *of == section && *alias == key)
        .map_or(key, |(_, _, ours)| ours)
}

/// A key that stands twice in a section, in two spellings.
pub(crate) struct Twice {
    pub(crate) section: String,
    pub(crate) first: String,
    pub(crate) second: String,
}

/// Gives every key of every section our name.
pub(crate) fn canonicalise(root: &mut Node) -> Result<(), Twice> {
    let Value::Map(sections) = &mut root.value else {
        return Ok(());
    };
    for Entry {
        key: section,
        value,
        ..
    } in sections
    {
        let Value::Map(entries) = &mut value.value else {
            continue;
        };
        let ours: Vec<_> = entries
            .iter()
            .map(|entry| canonical(section, &entry.key).to_owned())
            .collect();
        for (index, key) in ours.iter().enumerate() {
            if let Some(first) = ours[..index].iter().position(|before| before == key) {
                return Err(Twice {
                    section: section.clone(),
                    first: entries[first].spelled.clone(),
                    second: entries[index].spelled.clone(),
                });
            }
        }
        for (entry, key) in entries.iter_mut().zip(ours) {
            entry.key = key;
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

/// Help for the unknown key at `path`, whose section has the keys `known`; `elsewhere` are the paths
/// of all keys of a recipe.
pub(crate) fn hint_for_key(
    path: &KeyPath,
    key: &str,
    known: &[&str],
    elsewhere: &[String],
) -> Option<String> {
    let moved = elsewhere.iter().find(|there| {
        there
            .rsplit_once('.')
            .is_some_and(|(section, leaf)| leaf == canonical(section, key))
    });
    if let Some(there) = moved {
        return Some(format!("did you mean `{there}`?"));
    }
    // The aliases of this section can be mistyped like our own keys.
    let section = path.0.first().map(|_| path.to_string());
    let section = section
        .as_deref()
        .and_then(|text| text.rsplit_once('.'))
        .map_or("", |(s, _)| s);
    let aliases = ALIASES
        .iter()
        .filter(|(of, ..)| *of == section)
        .map(|(_, alias, _)| *alias);
    match nearest(key, known.iter().copied().chain(aliases)) {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
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
