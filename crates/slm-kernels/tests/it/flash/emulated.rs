//! The tensor-core kernels, compiled to PTX and run by an emulator, against sums in double precision.
//!
//! `$CUDA_PATH` names the folder that holds `nvvm/libdevice`; without it the tests are skipped.

use half::bf16;
use slm_kernels::flash::Shape;
use slm_kernels::inventory::kernels;

use super::reference::{Problem, Results, padded};
use super::{NAMES, agree};
use crate::ptx::assemble::ptx_of;
use crate::ptx::emulate::{Memory, launch};
use crate::ptx::program::Program;

/// Rows of a block.
const BLOCK: usize = 64;

/// The kernels of a shape: forward, gradient of queries, gradients of keys and values.
struct Kernels([Program; 3]);

impl Kernels {
    /// Compiles them; `None` and a line with the reason without `$CUDA_PATH`.
    #[expect(
        clippy::print_stdout,
        reason = "the log of tests shows what was skipped"
    )]
    fn compile(of: &str) -> Option<Self> {
        if std::env::var_os("CUDA_PATH").is_none() {
            println!("SKIPPED: CUDA_PATH does not name the folder with nvvm/libdevice");
            return None;
        }
        let named = |name: String| {
            let kernel = kernels().into_iter().find(|kernel| kernel.name == name);
            let ptx = ptx_of(&*kernel.expect("a kernel of this name").kernel, 80);
            Program::parse(&ptx.text, ptx.shared_bytes)
        };
        Some(Self([
            named(format!("flash, {of}")),
            named(format!("flash of queries, {of}")),
            named(format!("flash of keys and values, {of}")),
        ]))
    }

    fn run(&self, problem: &Problem, last_plane_first: bool) -> [Vec<f32>; 5] {
        let Self([forward, of_queries, of_keys_and_values]) = self;
        let shape = problem.shape;
        let blocks = shape.length.div_ceil(BLOCK) as u32;
        let wide = [blocks, shape.heads as u32, shape.batch as u32];
        let narrow = [blocks, shape.key_value_heads as u32, shape.batch as u32];
        let [q, k, v, g] = [
            &problem.queries,
            &problem.keys,
            &problem.values,
            &problem.gradient,
        ]
        .map(|v| half(v));
        let starts: Vec<u8> = problem
            .starts
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        // The scalar argument; lengths of buffers would follow.
        let mut info = vec![0xff; 256];
        info[..4].copy_from_slice(&(shape.length as u32).to_le_bytes());
        let statistics = shape.batch * shape.heads * shape.length;
        let (q_bytes, k_bytes) = (q.len(), k.len());
        let garbage = |bytes: usize| vec![0xff; bytes];
        let buffers = vec![
            q,
            k,
            v,
            g,
            starts,
            info,
            garbage(q_bytes),
            garbage(4 * statistics),
            garbage(4 * statistics),
            garbage(q_bytes),
            garbage(k_bytes),
            garbage(k_bytes),
        ];
        let mut memory = Memory::new(buffers);
        let start = |program: &Program, cubes, buffers: &[usize], memory: &mut Memory| {
            let arguments: Vec<u64> = buffers.iter().map(|&b| Memory::address(b)).collect();
            launch(program, cubes, &arguments, memory, last_plane_first);
        };
        start(forward, wide, &[0, 1, 2, 4, 6, 7, 5], &mut memory);
        let out = floats(memory.buffer(6), 2);
        let common = row_products(problem, &out);
        memory.buffer_mut(8).copy_from_slice(&common);
        start(of_queries, wide, &[0, 1, 2, 3, 7, 8, 4, 9, 5], &mut memory);
        start(
            of_keys_and_values,
            narrow,
            &[0, 1, 2, 3, 7, 8, 4, 10, 11, 5],
            &mut memory,
        );
        [
            out,
            floats(memory.buffer(7), 4),
            floats(memory.buffer(9), 2),
            floats(memory.buffer(10), 2),
            floats(memory.buffer(11), 2),
        ]
    }

    #[track_caller]
    fn check(&self, shape: Shape, starts: Vec<u32>) {
        let problem = Problem::random(shape, starts, true);
        let Results(expected) = problem.reference();
        let found = self.run(&problem, false);
        for ((name, found), expected) in NAMES.iter().zip(&found).zip(&expected) {
            agree(name, found, expected, true);
        }
        assert_eq!(
            found,
            self.run(&problem, true),
            "the order of planes changes results"
        );
    }
}

fn half(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
        .collect()
}

fn floats(bytes: &[u8], width: usize) -> Vec<f32> {
    let float = |bytes: &[u8]| match *bytes {
        [a, b] => bf16::from_le_bytes([a, b]).to_f32(),
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        _ => panic!("a float of {width} bytes"),
    };
    bytes.chunks_exact(width).map(float).collect()
}

/// What the kernel of row products computes.
fn row_products(problem: &Problem, out: &[f32]) -> Vec<u8> {
    let Shape {
        batch,
        length,
        heads,
        dim,
        ..
    } = problem.shape;
    let mut sums = vec![0.0f32; batch * heads * length];
    let products = out
        .chunks_exact(dim)
        .zip(problem.gradient.chunks_exact(dim));
    for (at, (out, gradient)) in products.enumerate() {
        let (row, head) = (at / heads, at % heads);
        let sum = out.iter().zip(gradient).map(|(o, g)| o * g).sum();
        sums[(row / length * heads + head) * length + row % length] = sum;
    }
    sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
}

#[test]
fn tensor_core_kernels_equal_the_reference_for_heads_of_64() {
    let Some(kernels) = Kernels::compile("64 values") else {
        return;
    };
    let shape = |batch, length| super::shape(batch, length, (14, 2), 64);
    for length in [1, 63, 64, 65] {
        kernels.check(shape(1, length), vec![0; length]);
    }
    let texts = [vec![10, 1, 33, 70], vec![64, 16, 50]];
    kernels.check(shape(2, 130), padded(&texts, 130));
}

#[test]
fn tensor_core_kernels_equal_the_reference_for_heads_of_128() {
    let Some(kernels) = Kernels::compile("128 values") else {
        return;
    };
    let shape = |length| super::shape(1, length, (12, 2), 128);
    kernels.check(shape(65), vec![0; 65]);
    kernels.check(shape(140), padded(&[vec![20, 100]], 140));
}

#[test]
fn tensor_core_kernels_keep_a_growing_maximum_and_values_that_are_not_finite_apart() {
    let Some(kernels) = Kernels::compile("64 values") else {
        return;
    };
    let shape = super::shape(1, 100, (14, 2), 64);
    let mut problem = Problem::random(shape, padded(&[vec![80, 10]], 100), true);
    // Scores grow from tile to tile, so that sums are rescaled.
    for (row, values) in problem.keys.chunks_exact_mut(2 * 64).enumerate() {
        values.fill(bf16::from_f32(row as f32 / 16.0).to_f32());
    }
    problem.queries.fill(0.125);
    let Results(expected) = problem.reference();
    let found = kernels.run(&problem, false);
    for ((name, found), expected) in NAMES.iter().zip(&found).zip(&expected).take(2) {
        agree(name, found, expected, true);
    }
    let (wide, narrow) = (14 * 64, 2 * 64);
    problem.queries[wide * 80..].fill(f32::NAN);
    problem.gradient[wide * 80..].fill(f32::INFINITY);
    problem.keys[narrow * 80..].fill(f32::NAN);
    problem.values[narrow * 80..].fill(f32::NEG_INFINITY);
    let dirty = kernels.run(&problem, false);
    for (at, width) in [(0, wide), (2, wide), (3, narrow), (4, narrow)] {
        assert_eq!(
            found[at][..80 * width],
            dirty[at][..80 * width],
            "{}",
            NAMES[at]
        );
        assert!(
            dirty[at][80 * width..].iter().all(|v| v.is_nan()),
            "{}",
            NAMES[at]
        );
    }
}
