//! The tiny golden model with its golden adapter, on any device.

use burn::tensor::{Device, Tensor};
use slm_model::{Adapter, Decoder, Weights};
use trainer::batch::Example;

use crate::support::golden;

/// Loads the decoder and the adapter, which can be trained.
pub(crate) fn load(device: &Device) -> (Decoder, Adapter) {
    let weights = Weights::open(&golden("tiny-qwen2")).expect("golden checkpoint");
    let decoder = Decoder::load(&weights, device, |_, _| ()).expect("golden weights");
    let folder = golden("peft-qwen2/all-linear");
    let trainable = device.clone().autodiff();
    let adapter = Adapter::load(&folder, decoder.config(), "tiny-qwen2", &trainable);
    (decoder, adapter.expect("golden adapter").adapter)
}

/// Returns an example of `n` tokens whose first third is a prompt.
pub(crate) fn example(first: usize, n: usize) -> Example {
    let tokens = (0..n).map(|i| ((first + 7 * i) % 200) as u32);
    Example::new(tokens.collect(), (0..n).map(|i| i >= n / 3).collect())
}

/// The values of a matrix on the host.
pub(crate) fn host(matrix: Tensor<2>) -> Vec<f32> {
    let data = matrix.inner().into_data();
    data.try_into_vec().expect("f32")
}
