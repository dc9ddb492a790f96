//! The changes of the embedding and the head in an adapter's files.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Tensor;

use super::homes::Homes;
use super::settings::PeftSettings;
use super::{AdapterError, PREFIX, WRAPPER};
use crate::config::ModelConfig;
use crate::lora::{
    Adapter, SavedModule, TokenRows, Vocabulary, VocabularyPair, VocabularyUpdate, on_host,
    pair_shapes,
};
use crate::weight_file::HostTensor;

/// Place of the rows of single tokens, below their module.
const TOKEN_ROWS: &str = "token_adapter.trainable_tokens_delta";

/// Reads the changes of the embedding and the head.
pub(super) fn vocabulary(
    settings: &PeftSettings,
    config: &ModelConfig,
    homes: &mut Homes,
) -> Result<Vocabulary, AdapterError> {
    let mut frozen = |module: SavedModule| -> Result<Option<Tensor<2>>, AdapterError> {
        if settings.lora.modules_to_save.contains(&module) {
            return Ok(None);
        }
        // PEFT saves the base model's weight in a wrapper, if the adapter changes the module, or without.
        let name = module.name();
        let places = [format!("{name}.base_layer"), name.to_owned()];
        let Some(place) = places
            .iter()
            .find(|place| homes.file.shape(place).is_some())
        else {
            return Ok(None);
        };
        let id = module.parameter_id();
        let filled = homes.fill(place, &module.shape(config), id)?;
        Ok(filled.map(|weight| weight.val().inner()))
    };
    let (mut embedding, mut head) = (
        frozen(SavedModule::EmbedTokens)?,
        frozen(SavedModule::LmHead)?,
    );
    if config.tie_word_embeddings {
        // They are one matrix, so that either takes the place of both.
        if let (Some(a), Some(b)) = (&embedding, &head)
            && a.to_data() != b.to_data()
        {
            let line =
                "  lm_head: differs from embed_tokens, and they are one matrix in this model";
            homes.mismatches.push(line.to_owned());
        }
        let one = embedding.or(head);
        (embedding, head) = (one.clone(), one);
    }
    let mut update = |module: SavedModule, frozen| -> Result<VocabularyUpdate, AdapterError> {
        let (name, lora) = (module.name(), &settings.lora);
        let pair = if lora.vocabulary_pairs.contains(&module) {
            let (r, scale) = settings.rank_and_scale(module.path());
            let [a, b] = pair_shapes(module, config, r);
            let parts = match module {
                SavedModule::EmbedTokens => ["lora_embedding_A", "lora_embedding_B"],
                SavedModule::LmHead => ["lora_A", "lora_B"],
            };
            let lora_a = homes.fill(&format!("{name}.{}", parts[0]), &a, module.part_id(0))?;
            let lora_b = homes.fill(&format!("{name}.{}", parts[1]), &b, module.part_id(1))?;
            let pair = lora_a.zip(lora_b);
            pair.map(|(lora_a, lora_b)| VocabularyPair {
                lora_a,
                lora_b,
                scale,
            })
        } else {
            None
        };
        let tokens = lora.token_indices.iter().find(|(of, _)| *of == module);
        let token_rows = match tokens {
            Some((_, tokens)) => {
                if let Some(token) = tokens.iter().find(|&&token| token >= config.vocab_size) {
                    homes.mismatches.push(format!(
                        "  trainable_token_indices: token {token} of {name}, this model has {} tokens",
                        config.vocab_size
                    ));
                }
                let shape = [tokens.len(), config.hidden_size];
                let rows =
                    homes.fill(&format!("{name}.{TOKEN_ROWS}"), &shape, module.part_id(2))?;
                let tokens = Arc::new(tokens.clone());
                rows.map(|rows| TokenRows { rows, tokens })
            }
            None => None,
        };
        Ok(VocabularyUpdate::new(module, pair, token_rows, frozen))
    };
    let embedding = update(SavedModule::EmbedTokens, embedding)?;
    let head = update(SavedModule::LmHead, head)?;
    Ok(Vocabulary::new(embedding, head, config.tie_word_embeddings))
}

/// Adds the tensors of the changes to those of an adapter's file, by name, as PEFT names them.
pub(super) fn add_tensors(adapter: &Adapter, tensors: &mut BTreeMap<String, HostTensor>) {
    for module in SavedModule::ALL {
        let update = adapter.vocabulary.of(module);
        let name = match module {
            SavedModule::EmbedTokens => format!("{PREFIX}{}", module.name()),
            SavedModule::LmHead => format!("{WRAPPER}{}", module.name()),
        };
        let parts = match module {
            SavedModule::EmbedTokens => ["lora_embedding_A", "lora_embedding_B"],
            SavedModule::LmHead => ["lora_A.weight", "lora_B.weight"],
        };
        if let Some(pair) = &update.pair {
            for (part, tensor) in parts.iter().zip([&pair.lora_a, &pair.lora_b]) {
                tensors.insert(format!("{name}.{part}"), on_host(tensor.val()));
            }
        }
        if let Some(rows) = &update.token_rows {
            tensors.insert(format!("{name}.{TOKEN_ROWS}"), on_host(rows.rows.val()));
        }
        if let Some(frozen) = &update.frozen {
            let wrapped = if update.pair.is_some() {
                ".base_layer"
            } else {
                ""
            };
            tensors.insert(format!("{name}{wrapped}.weight"), on_host(frozen.clone()));
        }
    }
}
