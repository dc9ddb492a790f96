//! The decoder of the Llama and Qwen2 families.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::attention::{Attention, DecodeStep, Heads, Span, causal_mask, packed_mask};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::ModelConfig;
use crate::feed_forward::FeedForward;
use crate::kv_cache::{KvCache, LayerCache};
use crate::linear::{FrozenLinear, product};
use crate::lora::{Adapter, LayerAdapter, WholeModule};
use crate::rotary::Rotary;
use crate::target::Target;

/// Tokens that a prefill handles at a time; bounds the memory of its attention scores.
const PREFILL_CHUNK: usize = 256;
/// A chunk is filled up to a multiple of this, so that a device sees few shapes.
const PREFILL_STEP: usize = 64;

/// `x / rms(x) * weight` over each row.
///
/// # Source
/// Zhang and Sennrich 2019, arXiv:1910.07467.
fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    x * (mean_square + eps).sqrt().recip() * weight.clone().unsqueeze()
}

#[derive(Clone, Debug)]
struct Layer {
    input_norm: Tensor<1>,
    attention: Attention,
    post_attention_norm: Tensor<1>,
    feed_forward: FeedForward,
}

impl Layer {
    fn forward(
        &self,
        x: Tensor<2>,
        eps: f64,
        rotary: &Rotary,
        span: &Span,
        cache: Option<&mut LayerCache>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let normed = rms_norm(x.clone(), &self.input_norm, eps);
        let x = x + self.attention.forward(normed, rotary, span, cache, adapter);
        let normed = rms_norm(x.clone(), &self.post_attention_norm, eps);
        x + self.feed_forward.forward(normed, adapter)
    }
}

/// A frozen causal language model on one device.
///
/// Its weights take no part in autodiff; what is trained comes in as an [`Adapter`] with each call,
/// so that base model and adapters share one copy of the weights.
#[derive(Clone, Debug)]
pub struct Decoder {
    config: ModelConfig,
    /// `[vocab_size, hidden_size]`
    embedding: Tensor<2>,
    layers: Vec<Layer>,
    norm: Tensor<1>,
    /// `[vocab_size, hidden_size]`; the embedding itself where the two are tied.
    head: Tensor<2>,
    device: Device,
}

impl Decoder {
    /// Brings a checkpoint's weights onto `device`, in f32; `progress` hears of each layer done, as
    /// `(done, total)`.
    ///
    /// # Errors
    /// What [`Checkpoint::tensor`] says: missing, truncated, or of a shape that the config contradicts.
    pub fn load(
        checkpoint: &Checkpoint,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, CheckpointError> {
        let config = checkpoint.config().clone();
        let matrix = |name: &str| -> Result<Tensor<2>, CheckpointError> {
            let tensor = checkpoint.tensor(name)?;
            Ok(Tensor::from_data(
                TensorData::new(tensor.values, tensor.shape),
                device,
            ))
        };
        let vector = |name: &str| -> Result<Tensor<1>, CheckpointError> {
            let tensor = checkpoint.tensor(name)?;
            Ok(Tensor::from_data(
                TensorData::new(tensor.values, tensor.shape),
                device,
            ))
        };
        let embedding = matrix("model.embed_tokens.weight")?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            let linear = |target: Target| -> Result<FrozenLinear, CheckpointError> {
                let module = format!("model.{}", target.module_path(index));
                let has_bias = config.qkv_bias
                    && matches!(target, Target::QProj | Target::KProj | Target::VProj);
                Ok(FrozenLinear {
                    weight: matrix(&format!("{module}.weight"))?,
                    bias: if has_bias {
                        Some(vector(&format!("{module}.bias"))?)
                    } else {
                        None
                    },
                })
            };
            let norm = |name: &str| vector(&format!("model.layers.{index}.{name}.weight"));
            layers.push(Layer {
                input_norm: norm("input_layernorm")?,
                attention: Attention {
                    q_proj: linear(Target::QProj)?,
                    k_proj: linear(Target::KProj)?,
                    v_proj: linear(Target::VProj)?,
                    o_proj: linear(Target::OProj)?,
                    heads: Heads::of(&config),
                },
                post_attention_norm: norm("post_attention_layernorm")?,
                feed_forward: FeedForward {
                    gate_proj: linear(Target::GateProj)?,
                    up_proj: linear(Target::UpProj)?,
                    down_proj: linear(Target::DownProj)?,
                },
            });
            progress(index + 1, config.num_hidden_layers);
        }
        let norm = vector("model.norm.weight")?;
        let head = if config.tie_word_embeddings {
            embedding.clone()
        } else {
            matrix("lm_head.weight")?
        };
        Ok(Self {
            config,
            embedding,
            layers,
            norm,
            head,
            device: device.clone(),
        })
    }

    /// Shape of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The (plain) device that holds the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The output projection, `[vocab_size, hidden_size]`: the adapter's where it has one of its own.
    pub fn head(&self, adapter: Option<&Adapter>) -> Tensor<2> {
        let own = adapter.and_then(|adapter| adapter.whole_module(WholeModule::LmHead));
        own.unwrap_or_else(|| self.head.clone())
    }

    /// The frozen weight of a module that an adapter may train as a whole.
    pub(crate) fn whole_module(&self, module: WholeModule) -> &Tensor<2> {
        match module {
            WholeModule::EmbedTokens => &self.embedding,
            WholeModule::LmHead => &self.head,
        }
    }

    /// The frozen weight of a linear layer, `[out, in]`.
    pub(crate) fn weight(&self, layer: usize, target: Target) -> &Tensor<2> {
        let Layer {
            attention,
            feed_forward,
            ..
        } = &self.layers[layer];
        let linear = match target {
            Target::QProj => &attention.q_proj,
            Target::KProj => &attention.k_proj,
            Target::VProj => &attention.v_proj,
            Target::OProj => &attention.o_proj,
            Target::GateProj => &feed_forward.gate_proj,
            Target::UpProj => &feed_forward.up_proj,
            Target::DownProj => &feed_forward.down_proj,
        };
        &linear.weight
    }

    /// States after the final norm for whole sequences, without a cache: the training path.
    ///
    /// Padding stands at the end of a sequence, where causal attention keeps it out of every
    /// real token's sight.
    ///
    /// # Shapes
    /// `tokens`: `batch` sequences of equal length, one after the other; returns
    /// `[batch * length, hidden_size]`, tracked if the adapter is
    pub fn hidden_states(
        &self,
        tokens: &[u32],
        batch: usize,
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let length = tokens.len() / batch;
        assert_eq!(tokens.len(), batch * length, "sequences of unequal length");
        let positions: Vec<usize> = (0..length).collect();
        let mask = causal_mask(length, 0, &self.device);
        self.forward(
            tokens,
            &positions,
            &Span::Full { batch, mask: &mask },
            None,
            adapter,
        )
    }

    /// As [`Self::hidden_states`], for sequences that are made of several texts.
    ///
    /// Every text counts its positions from 0 and sees itself alone, so that its states are those it has in a
    /// sequence of its own.
    ///
    /// # Shapes
    /// `tokens` as in [`Self::hidden_states`]; `texts`: for each sequence the lengths of its texts, in order, whose sum
    /// may fall short of the sequence's length by its padding
    pub fn packed_hidden_states(
        &self,
        tokens: &[u32],
        texts: &[Vec<usize>],
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let batch = texts.len();
        let length = tokens.len() / batch;
        assert_eq!(tokens.len(), batch * length, "sequences of unequal length");
        let mut positions = Vec::with_capacity(tokens.len());
        for lengths in texts {
            let padding = length - lengths.iter().sum::<usize>();
            for &length in lengths.iter().chain([&padding]) {
                positions.extend(0..length);
            }
        }
        let mask = packed_mask(texts, length, &self.device);
        let span = Span::Full { batch, mask: &mask };
        self.forward(tokens, &positions, &span, None, adapter)
    }

    /// Logits of every position of whole sequences, without a cache.
    ///
    /// # Shapes
    /// `tokens` as in [`Self::hidden_states`]; returns `[batch * length, vocab_size]`
    pub fn logits(&self, tokens: &[u32], batch: usize, adapter: Option<&Adapter>) -> Tensor<2> {
        let states = self.hidden_states(tokens, batch, adapter);
        product(states, &self.head(adapter))
    }

    /// Reads a prompt into a slot of the cache and gives the logits after its last token.
    ///
    /// # Shapes
    /// `prompt`: at least one token; returns `[1, vocab_size]`
    pub fn prefill(
        &self,
        cache: &mut KvCache,
        slot: usize,
        prompt: &[u32],
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        assert!(!prompt.is_empty(), "a prompt has at least one token");
        assert!(
            prompt.len() <= cache.capacity(),
            "prompt longer than the cache"
        );
        let mut last = None;
        for (index, chunk) in prompt.chunks(PREFILL_CHUNK).enumerate() {
            let start = index * PREFILL_CHUNK;
            let room = cache.capacity() - start;
            // What is filled in comes after all real tokens, which therefore do not see it, and is written over before
            // any later one does.
            let n = chunk.len().next_multiple_of(PREFILL_STEP).min(room);
            let mut filled = chunk.to_vec();
            filled.resize(n, 0);
            let positions: Vec<usize> = (start..start + n).collect();
            let mask = causal_mask(n, start, &self.device);
            let span = Span::Prefill {
                slot,
                start,
                mask: &mask,
            };
            let states = self.forward(&filled, &positions, &span, Some(cache), adapter);
            last = Some(states.narrow(0, chunk.len() - 1, 1));
        }
        match last {
            Some(state) => product(state, &self.head(adapter)),
            None => unreachable!("a prompt has at least one chunk"),
        }
    }

    /// Adds one token to each of some sequences and gives the logits after it.
    ///
    /// # Shapes
    /// `tokens`: one for each entry of `at`, which names its slot and position, no slot twice; returns `[n, vocab_size]`
    pub fn decode(
        &self,
        cache: &mut KvCache,
        tokens: &[u32],
        at: &[(usize, usize)],
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let (slots, capacity) = (cache.slots(), cache.capacity());
        let heads = self.config.num_key_value_heads;
        let step = DecodeStep::new(at, slots, capacity, heads, &self.device);
        let mut of_rows = vec![0; step.positions.len()];
        for (&token, &(slot, _)) in tokens.iter().zip(at) {
            of_rows[slot] = token;
        }
        let span = Span::Decode(&step);
        let states = self.forward(&of_rows, &step.positions, &span, Some(cache), adapter);
        step.named_rows(product(states, &self.head(adapter)))
    }

    fn forward(
        &self,
        tokens: &[u32],
        positions: &[usize],
        span: &Span,
        mut cache: Option<&mut KvCache>,
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let ids: Vec<i64> = tokens.iter().map(|&id| i64::from(id)).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens.len()]), &self.device);
        let rotary = Rotary::new(&self.config, positions, &self.device);
        let own = adapter.and_then(|adapter| adapter.whole_module(WholeModule::EmbedTokens));
        let embedding = own.unwrap_or_else(|| self.embedding.clone());
        let mut x = embedding.select(0, ids);
        if let (Some(noise), Span::Full { batch, .. }) = (adapter.and_then(|a| a.noise), span) {
            let length = tokens.len() / batch;
            let shape = [tokens.len(), self.config.hidden_size];
            if let Some(noise) = noise.of_embeddings(shape, length, &self.device) {
                x = x + noise;
            }
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_mut().map(|cache| &mut cache.layers[index]);
            let adapter = adapter.map(|adapter| adapter.layer(index));
            x = layer.forward(x, self.config.rms_norm_eps, &rotary, span, cache, adapter);
        }
        rms_norm(x, &self.norm, self.config.rms_norm_eps)
    }
}
