//! Compares every hand-written kernel with its baseline: the `gemm` crate, burn-flex's plain operations, or unpacking a
//! quantised matrix before multiplying it.
//!
//! ```sh
//! cargo bench -p slm-model --bench kernels [-- WORD]
//! ```
//!
//! Both are measured alternately in one run; the gain is the median of the rounds' ratios, the times are those of the
//! fastest rounds. WORD selects the rows whose name contains it.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use slm_model::{NamedShape, SyntheticType, bench};

/// Rounds per measurement.
const ROUNDS: usize = 11;
/// Number of weights used in turn, so that no cache holds them.
const WEIGHTS: usize = 8;
/// Rank of an adapter.
const RANK: usize = 16;
/// Sequences and their length.
const BATCHES: [(usize, usize); 2] = [(2, 512), (1, 2048)];
/// Models whose shapes are measured.
const SHAPES: [&str; 2] = ["smollm2-135m", "qwen2.5-0.5b"];

/// Prints one row per comparison whose name contains the word.
struct Table {
    word: Option<String>,
}

impl Table {
    fn is_chosen(&self, name: &str) -> bool {
        self.word.as_ref().is_none_or(|word| name.contains(word))
    }

    /// Measures both alternately. `work`: floating point operations, or 0 to print no speed.
    fn compare(&self, name: &str, work: usize, own: impl FnMut(), replaced: impl FnMut()) {
        let (mut own, mut replaced) = (own, replaced);
        self.compare_timed(
            name,
            work,
            || milliseconds(&mut own),
            || milliseconds(&mut replaced),
        );
    }

    /// The same for functions that return their milliseconds, so that they can prepare an input before.
    fn compare_timed(
        &self,
        name: &str,
        work: usize,
        mut own: impl FnMut() -> f64,
        mut replaced: impl FnMut() -> f64,
    ) {
        if !self.is_chosen(name) {
            return;
        }
        own();
        replaced();
        let mut fastest = [f64::INFINITY; 2];
        let mut ratios: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let times = [own(), replaced()];
                fastest = [fastest[0].min(times[0]), fastest[1].min(times[1])];
                times[1] / times[0]
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let speed = |ms: f64| match work {
            0 => String::new(),
            work => format!("{:.0} GFLOP/s", work as f64 / ms / 1e6),
        };
        println!(
            "{name:<52} {:>9.2} ms {:>11} {:>9.2} ms {:>11} {:>6.2}x",
            fastest[0],
            speed(fastest[0]),
            fastest[1],
            speed(fastest[1]),
            ratios[ratios.len() / 2]
        );
    }

    /// Compares a function of tensors with the plain one, forward only and with its backward pass.
    fn compare_both_ways<const N: usize>(
        &self,
        name: &str,
        inputs: &[Tensor<2>; N],
        own: impl Fn([Tensor<2>; N]) -> Tensor<2>,
        plain: impl Fn([Tensor<2>; N]) -> Tensor<2>,
    ) {
        if !self.is_chosen(name) {
            return;
        }
        self.compare(
            &format!("{name}, forward"),
            0,
            || drop(black_box(own(inputs.clone()))),
            || drop(black_box(plain(inputs.clone()))),
        );
        let gradient = random(own(inputs.clone()).dims());
        self.compare(
            &format!("{name}, forward and backward"),
            0,
            || backward(inputs, &gradient, &own),
            || backward(inputs, &gradient, &plain),
        );
    }
}

fn main() {
    let word = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let table = Table { word };
    println!(
        "{:<52} {:>24} {:>24} {:>7}",
        "kernel", "own", "replaced", "gain"
    );
    for name in SHAPES {
        let shape: NamedShape = name.parse().expect("a known shape");
        let config = shape.config();
        let (hidden, wide, dim) = (
            config.hidden_size,
            config.intermediate_size,
            config.head_dim,
        );
        let (query, shared) = (config.num_attention_heads, config.num_key_value_heads);
        for (batch, length) in BATCHES {
            let rows = batch * length;
            let of = |kernel: &str| format!("{kernel} {name} {batch}x{length}");
            let inputs = [query * dim, shared * dim, shared * dim];
            let inputs = inputs.map(|width| random([rows, width]));
            let heads = (batch, length, query, shared, dim);
            table.compare_both_ways(
                &of("attention"),
                &inputs,
                |x| bench::attention(x, heads),
                |x| bench::plain_attention(x, heads),
            );
            let weight: Tensor<1> = random([hidden]);
            table.compare_both_ways(
                &of("norm"),
                &[random([rows, hidden])],
                |x| bench::norm(x, &weight),
                |x| bench::plain_norm(x, &weight),
            );
            let rotary = bench::Rotary::new(&config, length);
            table.compare_both_ways(
                &of("rotary"),
                &[random([rows, query * dim])],
                |x| rotary.rotate(x),
                |x| rotary.rotate_plainly(x),
            );
            table.compare_both_ways(
                &of("swiglu"),
                &[(); 2].map(|()| random([rows, wide])),
                bench::swiglu,
                bench::plain_swiglu,
            );
            let weight = random([wide, hidden]);
            let inputs = [[rows, hidden], [RANK, hidden], [wide, RANK]].map(random);
            table.compare_both_ways(
                &of("linear"),
                &inputs,
                |x| bench::lora_linear(x, &weight),
                |x| bench::plain_lora_linear(x, &weight),
            );
        }
        if table.is_chosen(&format!("softmax {name}")) {
            let logits = random([256, config.vocab_size]);
            // As in the loss, the logits are owned, so both may work in their memory.
            let timed = |softmax: fn(Tensor<2>) -> [Tensor<2>; 2]| {
                let logits = Tensor::from_data(logits.to_data(), &logits.device());
                let mut logits = Some(logits);
                milliseconds(&mut || drop(black_box(logits.take().map(softmax))))
            };
            table.compare_timed(
                &format!("softmax {name} 256x{}", config.vocab_size),
                0,
                || timed(bench::softmax),
                || timed(bench::plain_softmax),
            );
        }
        for (from, to) in [(hidden, hidden), (hidden, wide), (wide, hidden)] {
            gemm(&table, name, from, to);
            packed(&table, name, from, to);
        }
    }
}

/// Compares `x Wᵀ` for 1,024 rows.
fn gemm(table: &Table, name: &str, from: usize, to: usize) {
    const ROWS: usize = 1024;
    let name = format!("gemm {name} {ROWS}x{from}x{to}");
    if !table.is_chosen(&name) {
        return;
    }
    let weights: Vec<Vec<f32>> = (0..WEIGHTS).map(|_| values([to, from])).collect();
    let x = values([ROWS, from]);
    let all = |by_crate: bool| {
        for weight in &weights {
            black_box(bench::gemm(&x, ROWS, weight, by_crate));
        }
    };
    let work = 2 * WEIGHTS * ROWS * from * to;
    table.compare(&name, work, || all(false), || all(true));
}

/// Compares `x Wᵀ` for one row and for eight with quantised matrices.
fn packed(table: &Table, name: &str, from: usize, to: usize) {
    for (kind, rows) in [
        (SyntheticType::Q8_0, 1),
        (SyntheticType::Q4_1, 1),
        (SyntheticType::Q4_1, 8),
    ] {
        let name = format!("packed {name} {kind} {rows}x{from}x{to}");
        if !table.is_chosen(&name) {
            continue;
        }
        let weights: Vec<bench::Packed> = (0..WEIGHTS)
            .map(|_| bench::Packed::new(kind, to, from))
            .collect();
        let x = values([rows, from]);
        table.compare(
            &name,
            2 * WEIGHTS * rows * from * to,
            || {
                for weight in &weights {
                    black_box(weight.multiply(&x, rows));
                }
            },
            || {
                for weight in &weights {
                    black_box(weight.unpack_and_multiply(&x, rows));
                }
            },
        );
    }
}

fn backward<const N: usize>(
    inputs: &[Tensor<2>; N],
    gradient: &Tensor<2>,
    f: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    let tracked = inputs.clone().map(|x| x.autodiff().require_grad());
    drop(black_box((f(tracked) * gradient.clone()).sum().backward()));
}

fn milliseconds(work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 0.3), &Device::flex())
}

fn values(shape: [usize; 2]) -> Vec<f32> {
    let values = random(shape).into_data().try_into_vec();
    values.expect("single precision")
}
