//! Attention compared with plain loops in double precision.

use super::{Gradients, Problem};
use crate::config::Heads;
use crate::kernel::check;

fn noise(n: usize, seed: u32) -> Vec<f32> {
    let numbers = check::noise(n, seed).into_iter();
    numbers.map(|number| 3.0 * number).collect()
}

/// Output and gradients from plain loops in double precision.
fn reference(problem: &Problem, gradient: &[f32]) -> [Vec<f64>; 4] {
    let Heads {
        query,
        key_value,
        dim,
    } = problem.heads;
    let (width, shared_width) = (query * dim, key_value * dim);
    let mut out = vec![0.0; problem.queries.len()];
    let mut of_queries = out.clone();
    let (mut of_keys, mut of_values) =
        (vec![0.0; problem.keys.len()], vec![0.0; problem.keys.len()]);
    for row in 0..problem.starts.len() {
        let begin = row - row % problem.length;
        for head in 0..query {
            let q = row * width + head * dim;
            let at = |key: usize| key * shared_width + head / (query / key_value) * dim;
            let keys = begin + problem.starts[row] as usize..row + 1;
            let dot = |a: &[f32], i: usize, b: &[f32], j: usize| -> f64 {
                (0..dim)
                    .map(|d| f64::from(a[i + d]) * f64::from(b[j + d]))
                    .sum()
            };
            let exponentials: Vec<f64> = keys
                .clone()
                .map(|key| dot(problem.queries, q, problem.keys, at(key)).exp())
                .collect();
            let sum: f64 = exponentials.iter().sum();
            let weights: Vec<f64> = exponentials.iter().map(|e| e / sum).collect();
            let of_weights: Vec<f64> = keys
                .clone()
                .map(|key| dot(gradient, q, problem.values, at(key)))
                .collect();
            let mean: f64 = weights.iter().zip(&of_weights).map(|(w, g)| w * g).sum();
            for (i, key) in keys.enumerate() {
                let of_score = weights[i] * (of_weights[i] - mean);
                for d in 0..dim {
                    out[q + d] += weights[i] * f64::from(problem.values[at(key) + d]);
                    of_values[at(key) + d] += weights[i] * f64::from(gradient[q + d]);
                    of_keys[at(key) + d] += of_score * f64::from(problem.queries[q + d]);
                    of_queries[q + d] += of_score * f64::from(problem.keys[at(key) + d]);
                }
            }
        }
    }
    [out, of_queries, of_keys, of_values]
}

fn check(heads: Heads, length: usize, starts: Vec<u32>) {
    let rows = starts.len();
    let shared = rows * heads.key_value * heads.dim;
    let queries: Vec<f32> = noise(rows * heads.query * heads.dim, 1);
    let queries: Vec<f32> = queries.iter().map(|q| q * heads.scale()).collect();
    let (keys, values) = (noise(shared, 2), noise(shared, 3));
    let gradient = noise(queries.len(), 4);
    let problem = Problem {
        queries: &queries,
        keys: &keys,
        values: &values,
        starts: &starts,
        length,
        heads,
    };
    let attended = problem.forward();
    let Gradients {
        queries: of_queries,
        keys: of_keys,
        values: of_values,
    } = problem.backward((&attended.out, &attended.log_sums), &gradient);
    let found = [&attended.out, &of_queries, &of_keys, &of_values];
    for (what, (found, expected)) in found.iter().zip(reference(&problem, &gradient)).enumerate() {
        let largest = expected.iter().fold(0.0f64, |max, v| max.max(v.abs()));
        // A query that sees one key has no gradient at all.
        let largest = if largest == 0.0 { 1.0 } else { largest };
        for (i, (&found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (f64::from(found) - expected).abs() / largest;
            assert!(
                error < 2e-6,
                "{heads:?}, {length}: {what} at {i}: {found} for {expected}"
            );
        }
    }
}

fn heads(query: usize, key_value: usize, dim: usize) -> Heads {
    Heads {
        query,
        key_value,
        dim,
    }
}

#[test]
fn output_and_gradients_are_those_of_double_precision() {
    check(heads(3, 1, 64), 70, vec![0; 140]);
    check(heads(4, 2, 8), 33, vec![0; 33]);
    check(heads(2, 2, 40), 5, vec![0; 15]);
    check(heads(1, 1, 128), 1, vec![0; 2]);
}

#[test]
fn texts_of_a_sequence_do_not_see_each_other() {
    // Two sequences of 100: texts of 40, 1, 50 and padding; and of 64, 36.
    let mut starts = [vec![0; 40], vec![40], vec![41; 50]].concat();
    starts.extend(91..100);
    starts.extend([vec![0; 64], vec![64; 36]].concat());
    check(heads(4, 2, 32), 100, starts);
}

/// More keys than are summed in one block; the second text begins inside a block.
#[test]
fn long_sequences_are_those_of_double_precision() {
    check(
        heads(2, 1, 8),
        1_300,
        [vec![0; 700], vec![700; 600]].concat(),
    );
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let heads = heads(6, 2, 16);
    let rows = 200;
    let (queries, gradient) = (noise(rows * 96, 1), noise(rows * 96, 4));
    let (keys, values) = (noise(rows * 32, 2), noise(rows * 32, 3));
    let starts = vec![0; rows];
    let problem = Problem {
        queries: &queries,
        keys: &keys,
        values: &values,
        starts: &starts,
        length: 100,
        heads,
    };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| {
            let attended = problem.forward();
            let found = problem.backward((&attended.out, &attended.log_sums), &gradient);
            let bits = [attended.out, found.queries, found.keys, found.values].concat();
            bits.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        })
    };
    let alone = on(1);
    assert_eq!(on(3), alone);
    assert_eq!(on(8), alone);
}
