//! What an adapter changes in the embedding and the head besides training them in full: low-rank pairs, rows of single
//! tokens (PEFT's `trainable_token_indices`), and frozen weights that were saved beside the adapter.

use std::sync::{Arc, OnceLock};

use burn::module::{Module, Param};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};

use super::modules_to_save::SavedModule;
use super::pair::on_host;
use crate::weight_file::HostTensor;

/// The low-rank pair of the embedding or the head, in PEFT's layout.
///
/// Of the head, A is `[r, hidden_size]` and B `[vocab_size, r]`. Of the embedding, A is `[r, vocab_size]` and B
/// `[hidden_size, r]` (`lora_embedding_A`, `lora_embedding_B`): the update of its weight is `scale (B A)ᵀ`.
#[derive(Module, Debug)]
pub(crate) struct VocabularyPair {
    pub(crate) lora_a: Param<Tensor<2>>,
    pub(crate) lora_b: Param<Tensor<2>>,
    #[module(skip)]
    pub(crate) scale: f64,
}

/// Trained rows of single tokens, which replace those of the weight.
#[derive(Module, Debug)]
pub(crate) struct TokenRows {
    /// `[n, hidden_size]`
    pub(crate) rows: Param<Tensor<2>>,
    /// The tokens of the rows, `[n]`, each once.
    #[module(skip)]
    pub(crate) tokens: Arc<Vec<usize>>,
}

/// The changes of the embedding or the head.
#[derive(Module, Debug)]
pub(crate) struct VocabularyUpdate {
    pub(crate) pair: Option<VocabularyPair>,
    pub(crate) token_rows: Option<TokenRows>,
    /// A frozen weight in place of the base model's, `[vocab_size, hidden_size]`.
    #[module(skip)]
    pub(crate) frozen: Option<Tensor<2>>,
    #[module(skip)]
    pub(crate) module: SavedModule,
    /// The whole weight of an adapter in inference: decoding needs it for each token.
    #[module(skip)]
    dense: OnceLock<Tensor<2>>,
}

/// The changes of both.
#[derive(Module, Debug)]
pub(crate) struct Vocabulary {
    embed_tokens: VocabularyUpdate,
    lm_head: VocabularyUpdate,
    /// Whether the trained rows of the embedding are those of the head, too: the two are one matrix.
    #[module(skip)]
    shares_rows: bool,
}

/// Token ids on a device.
fn ids_on(ids: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = ids.map(|id| id as i64).collect();
    let n = ids.len();
    Tensor::from_data(TensorData::new(ids, [n]), device)
}

impl VocabularyPair {
    /// The update of the weight, `[vocab_size, hidden_size]`.
    fn dense(&self, module: SavedModule) -> Tensor<2> {
        let (a, b) = (self.lora_a.val(), self.lora_b.val());
        let product = match module {
            SavedModule::LmHead => b.matmul(a),
            SavedModule::EmbedTokens => a.transpose().matmul(b.transpose()),
        };
        product.mul_scalar(self.scale)
    }

    /// The rows of the update for some tokens, `[n, hidden_size]`.
    fn rows(&self, module: SavedModule, ids: Tensor<1, Int>) -> Tensor<2> {
        let (a, b) = (self.lora_a.val(), self.lora_b.val());
        let product = match module {
            SavedModule::LmHead => b.select(0, ids).matmul(a),
            SavedModule::EmbedTokens => a.select(1, ids).transpose().matmul(b.transpose()),
        };
        product.mul_scalar(self.scale)
    }
}

impl TokenRows {
    /// Puts the trained rows in place of the rows `at` of a matrix, of which the `n`-th belongs to the trained row `of[n]`.
    fn replace(&self, matrix: Tensor<2>, of: &[usize], at: &[usize]) -> Tensor<2> {
        if at.is_empty() {
            return matrix;
        }
        let device = matrix.device().inner();
        let at = ids_on(at.iter().copied(), &device);
        let trained = self
            .rows
            .val()
            .select(0, ids_on(of.iter().copied(), &device));
        let added = trained - matrix.clone().select(0, at.clone());
        matrix.select_assign(0, at, added, IndexingUpdateOp::Add)
    }
}

impl VocabularyUpdate {
    /// Creates an update from its parts.
    pub(crate) fn new(
        module: SavedModule,
        pair: Option<VocabularyPair>,
        token_rows: Option<TokenRows>,
        frozen: Option<Tensor<2>>,
    ) -> Self {
        Self {
            pair,
            token_rows,
            frozen,
            module,
            dense: OnceLock::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.pair.is_none() && self.token_rows.is_none() && self.frozen.is_none()
    }

    /// The parameters: A, B and the rows of tokens, where they exist.
    fn parameters(&self) -> impl Iterator<Item = &Param<Tensor<2>>> {
        let pair = self
            .pair
            .iter()
            .flat_map(|pair| [&pair.lora_a, &pair.lora_b]);
        pair.chain(self.token_rows.iter().map(|rows| &rows.rows))
    }

    /// Computes the changed weight, `[vocab_size, hidden_size]`, in single precision.
    fn compute(&self, rows: Option<&TokenRows>, base: impl FnOnce() -> Tensor<2>) -> Tensor<2> {
        let mut weight = self.frozen.clone().unwrap_or_else(base);
        if let Some(pair) = &self.pair {
            weight = weight + pair.dense(self.module);
        }
        if let Some(rows) = rows {
            let of: Vec<usize> = (0..rows.tokens.len()).collect();
            weight = rows.replace(weight, &of, &rows.tokens);
        }
        weight
    }

    /// As [`Self::compute`]; the result is kept if nothing in it is trained.
    fn weight(&self, rows: Option<&TokenRows>, base: impl FnOnce() -> Tensor<2>) -> Tensor<2> {
        let mut parameters = self.parameters().chain(rows.map(|rows| &rows.rows));
        if parameters.any(|parameter| parameter.val().is_autodiff()) {
            return self.compute(rows, base);
        }
        self.dense.get_or_init(|| self.compute(rows, base)).clone()
    }
}

impl Vocabulary {
    /// Combines the changes of embedding and head. With `shares_rows`, the trained rows of the embedding are those of the
    /// head, too.
    pub(crate) fn new(
        embed_tokens: VocabularyUpdate,
        lm_head: VocabularyUpdate,
        shares_rows: bool,
    ) -> Self {
        Self {
            embed_tokens,
            lm_head,
            shares_rows,
        }
    }

    /// No changes.
    pub(crate) fn none() -> Self {
        let none = |module| VocabularyUpdate::new(module, None, None, None);
        Self::new(
            none(SavedModule::EmbedTokens),
            none(SavedModule::LmHead),
            false,
        )
    }

    /// The changes of a module.
    pub(crate) fn of(&self, module: SavedModule) -> &VocabularyUpdate {
        match module {
            SavedModule::EmbedTokens => &self.embed_tokens,
            SavedModule::LmHead => &self.lm_head,
        }
    }

    /// The trained rows of a module.
    fn rows_of(&self, module: SavedModule) -> Option<&TokenRows> {
        let own = self.of(module).token_rows.as_ref();
        let shared = self.embed_tokens.token_rows.as_ref();
        own.or(shared.filter(|_| self.shares_rows))
    }

    /// Whether a module differs from the base model's.
    pub(crate) fn changes(&self, module: SavedModule) -> bool {
        !self.of(module).is_empty() || self.rows_of(module).is_some()
    }

    /// Whether the changed embedding and head, which the base model has as one matrix, differ from each other.
    pub(crate) fn unties(&self) -> bool {
        let has_pair = |module| self.of(module).pair.is_some();
        SavedModule::ALL.into_iter().any(has_pair)
            || (self.embed_tokens.token_rows.is_some() && !self.shares_rows)
            || self.lm_head.token_rows.is_some()
    }

    /// All parameters, those of the embedding first.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &Param<Tensor<2>>> {
        let head = self.lm_head.parameters();
        self.embed_tokens.parameters().chain(head)
    }

    /// Returns the changed weight of a module, `[vocab_size, hidden_size]`, tracked if a part of it is trained; `None` if
    /// it is the base model's, which `base` returns.
    pub(crate) fn weight(
        &self,
        module: SavedModule,
        base: impl FnOnce() -> Tensor<2>,
    ) -> Option<Tensor<2>> {
        let rows = self.rows_of(module);
        self.changes(module)
            .then(|| self.of(module).weight(rows, base))
    }

    /// Returns the embeddings of tokens, `[n, hidden_size]`, in single precision; `None` if they are the base model's,
    /// which `base` returns.
    pub(crate) fn embedded(
        &self,
        tokens: &[u32],
        device: &Device,
        base: impl FnOnce() -> Tensor<2>,
    ) -> Option<Tensor<2>> {
        let module = SavedModule::EmbedTokens;
        if !self.changes(module) {
            return None;
        }
        let ids = ids_on(tokens.iter().map(|&token| token as usize), device);
        let mut x = match &self.embed_tokens.frozen {
            Some(weight) => weight.clone().select(0, ids.clone()),
            None => base(),
        };
        if let Some(pair) = &self.embed_tokens.pair {
            x = x + pair.rows(module, ids);
        }
        if let Some(rows) = self.rows_of(module) {
            let of = |token: &u32| rows.tokens.iter().position(|own| *own == *token as usize);
            let found = tokens.iter().enumerate();
            let found = found.filter_map(|(at, token)| Some((of(token)?, at)));
            let (of, at): (Vec<usize>, Vec<usize>) = found.unzip();
            x = rows.replace(x, &of, &at);
        }
        Some(x)
    }

    /// Copies the changed weight of a module to the host; `None` if it is the base model's, which `base` holds.
    pub(crate) fn host<E>(
        &self,
        module: SavedModule,
        base: impl FnOnce() -> Result<HostTensor, E>,
    ) -> Result<Option<HostTensor>, E> {
        if !self.changes(module) {
            return Ok(None);
        }
        let device = Device::flex();
        let base = match &self.of(module).frozen {
            Some(_) => None,
            None => Some(base()?),
        };
        let on_device = || match base {
            Some(HostTensor { shape, values }) => {
                Tensor::from_data(TensorData::new(values, shape), &device)
            }
            None => unreachable!("the frozen weight takes its place"),
        };
        let update = self.of(module);
        Ok(Some(on_host(
            update.compute(self.rows_of(module), on_device),
        )))
    }
}
