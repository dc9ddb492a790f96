//! The backward kernels. Scores are recomputed from the log-sum-exp.

use cubecl::io::read_masked;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::accumulator::Accumulator;
use super::forward::{load_starts, smallest};
use super::layout::Layout;
use super::tile::{
    fill, hold_block, load_rows, multiply_rows, score_column, score_row, store_rows, sync_rows,
};

/// Sums the products of outputs and their gradients over each head: the part of the gradient of scores that all keys of
/// a query share.
///
/// # Shapes
/// `out`, `gradients`: `[batch * length, heads * dim]`; `shared`: `[batch * heads, length]`
#[cube(launch)]
pub(super) fn row_products_kernel<F: Float, N: Size>(
    out: &[Vector<F, N>],
    gradients: &[Vector<F, N>],
    shared: &mut [f32],
    length: usize,
    #[comptime] layout: Layout,
    #[define(F)] _kind: ElemType,
) {
    let heads = comptime!(layout.heads);
    let vectors = comptime!(layout.vectors());
    if ABSOLUTE_POS < shared.len() {
        let head = ABSOLUTE_POS % heads;
        let row = ABSOLUTE_POS / heads;
        let mut sum = Vector::<f32, N>::new(0.0);
        for i in 0..vectors {
            sum += Vector::<f32, N>::cast_from(out[ABSOLUTE_POS * vectors + i])
                * Vector::<f32, N>::cast_from(gradients[ABSOLUTE_POS * vectors + i]);
        }
        shared[(row / length * heads + head) * length + row % length] = sum.vector_sum();
    }
}

/// Copies the statistics of rows `first ..` of a head; rows from `length` on get zeros.
///
/// # Shapes
/// `source`: `[batch * heads, length]`; `rows`: `[count]`
#[cube]
fn load_statistics(
    source: &[f32],
    rows: &mut Shared<[f32]>,
    of: usize,
    first: usize,
    length: usize,
    #[comptime] count: usize,
    #[comptime] layout: Layout,
) {
    for i in 0..comptime!(count.div_ceil(layout.units)) {
        let row = UNIT_POS as usize + i * comptime!(layout.units);
        if row < count {
            rows[row] =
                read_masked::<f32>(first + row < length, source, of * length + first + row, 0.0);
        }
    }
}

/// Gradient of the queries of one block and head. Cubes as in the forward kernel.
#[cube(launch)]
pub(super) fn query_gradient_kernel<F: Float, N: Size>(
    queries: &[Vector<F, N>],
    keys: &[Vector<F, N>],
    values: &[Vector<F, N>],
    gradients: &[Vector<F, N>],
    log_sums: &[f32],
    shared: &[f32],
    starts: &[u32],
    out: &mut [Vector<F, N>],
    length: usize,
    #[comptime] layout: Layout,
    #[define(F)] _kind: ElemType,
) {
    let resident = comptime!(layout.resident);
    let streamed = comptime!(layout.streamed);
    let mut query =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.block_len()), 32usize);
    let mut gradient =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.block_len()), 32usize);
    // A tile of keys, then one of values.
    let mut tiles =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.tiles_len()), 32usize);
    let second = comptime!(layout.streamed * layout.tile_stride());
    let mut scores = Shared::<[f32]>::new_aligned_slice(
        comptime!(layout.resident * layout.score_stride()),
        32usize,
    );
    let mut of_weights = Shared::<[f32]>::new_aligned_slice(
        comptime!(layout.resident * layout.score_stride()),
        32usize,
    );
    let mut of_scores = Shared::<[F]>::new_aligned_slice(
        comptime!(layout.resident * layout.weight_stride()),
        32usize,
    );
    let mut seen = Shared::<[u32]>::new_slice(resident);
    let mut log_sum = Shared::<[f32]>::new_slice(resident);
    let mut common = Shared::<[f32]>::new_slice(resident);
    let mut ones = Shared::<[f32]>::new_slice(resident);
    let mut query_taint = Shared::<[f32]>::new_slice(resident);
    // Two halves, used in turns by tiles: one is reset while the other is in use.
    let mut key_taint = Shared::<[f32]>::new_slice(2 * streamed);

    let blocks = (length + resident - 1) / resident;
    let first = (blocks - 1 - CUBE_POS_X as usize) * resident;
    let head = CUBE_POS_Y as usize;
    let key_head = head / comptime!(layout.group());
    let sequence = CUBE_POS_Z as usize;
    let end = min(first + resident, length);
    let heads = comptime!(layout.heads);
    let of = sequence * heads + head;

    load_starts(starts, &mut seen, sequence, first, length, resident, layout);
    load_statistics(log_sums, &mut log_sum, of, first, length, resident, layout);
    load_statistics(shared, &mut common, of, first, length, resident, layout);
    fill(&mut ones, 0, 1.0, resident, layout);
    fill(&mut query_taint, 0, 0.0, resident, layout);
    fill(
        &mut key_taint,
        0,
        0.0,
        comptime!(2 * layout.streamed),
        layout,
    );
    sync_cube();
    let loaded = load_rows::<F, N>(
        queries, sequence, first, head, length, resident, heads, layout,
    );
    let others = load_rows::<F, N>(
        gradients, sequence, first, head, length, resident, heads, layout,
    );
    let held = hold_block::<F, N>(&loaded, &mut query, &mut tiles, &mut query_taint, layout);
    let held_gradient =
        hold_block::<F, N>(&others, &mut gradient, &mut tiles, &mut query_taint, layout);
    let mut sums = Accumulator::<N>::zeros(layout);

    for tile in smallest(&seen, resident) / streamed..(end + streamed - 1) / streamed {
        let start = tile * streamed;
        let turn = tile % 2 * streamed;
        fill(&mut key_taint, streamed - turn, 0.0, streamed, layout);
        let key_heads = comptime!(layout.key_value_heads);
        let loaded = load_rows::<F, N>(
            keys, sequence, start, key_head, length, streamed, key_heads, layout,
        );
        let others = load_rows::<F, N>(
            values, sequence, start, key_head, length, streamed, key_heads, layout,
        );
        store_rows::<F, N>(
            &loaded,
            &mut tiles,
            0usize,
            &mut key_taint,
            turn,
            streamed,
            layout,
        );
        store_rows::<F, N>(
            &others,
            &mut tiles,
            second,
            &mut key_taint,
            turn,
            streamed,
            layout,
        );
        sync_cube();
        multiply_rows::<F, N>(&query, &held, &tiles, 0usize, &mut scores, layout);
        multiply_rows::<F, N>(
            &gradient,
            &held_gradient,
            &tiles,
            second,
            &mut of_weights,
            layout,
        );
        sync_rows(layout);
        for i in 0..comptime!(layout.rows_per_unit()) {
            let row = score_row(i, layout);
            if row < resident {
                let base = log_sum[row] + query_taint[row];
                for j in 0..comptime!(layout.streamed / layout.sharers()) {
                    let column = score_column(layout) + j * comptime!(layout.sharers());
                    let at = row * comptime!(layout.score_stride()) + column;
                    let visible =
                        seen[row] as usize <= start + column && start + column <= first + row;
                    let weight = (scores[at] + key_taint[turn + column] - base).exp();
                    let of_score = weight * (of_weights[at] - common[row]);
                    of_scores[row * comptime!(layout.weight_stride()) + column] =
                        F::cast_from(select(visible, of_score, 0.0));
                }
            }
        }
        sync_rows(layout);
        sums.add_product::<F>(&of_scores, &tiles, 0usize, layout);
        sync_cube();
    }

    sums.write::<F>(
        out,
        &ones,
        &mut scores,
        sequence,
        first,
        head,
        length,
        heads,
        layout,
    );
}

/// Gradients of the keys and values of one block and key-value head: `CUBE_POS_X` is the block, `CUBE_POS_Y` the
/// key-value head, `CUBE_POS_Z` the sequence. Rows of scores are keys, columns are queries.
#[cube(launch)]
pub(super) fn key_value_gradient_kernel<F: Float, N: Size>(
    queries: &[Vector<F, N>],
    keys: &[Vector<F, N>],
    values: &[Vector<F, N>],
    gradients: &[Vector<F, N>],
    log_sums: &[f32],
    shared: &[f32],
    starts: &[u32],
    of_keys: &mut [Vector<F, N>],
    of_values: &mut [Vector<F, N>],
    length: usize,
    #[comptime] layout: Layout,
    #[define(F)] _kind: ElemType,
) {
    let resident = comptime!(layout.resident);
    let streamed = comptime!(layout.streamed);
    let mut key =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.block_len()), 32usize);
    let mut value =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.block_len()), 32usize);
    // A tile of queries, then one of gradients.
    let mut tiles =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.tiles_len()), 32usize);
    let second = comptime!(layout.streamed * layout.tile_stride());
    let mut scores = Shared::<[f32]>::new_aligned_slice(
        comptime!(layout.resident * layout.score_stride()),
        32usize,
    );
    let mut of_weights = Shared::<[f32]>::new_aligned_slice(
        comptime!(layout.resident * layout.score_stride()),
        32usize,
    );
    let mut weights = Shared::<[F]>::new_aligned_slice(
        comptime!(layout.resident * layout.weight_stride()),
        32usize,
    );
    let mut of_scores = Shared::<[F]>::new_aligned_slice(
        comptime!(layout.resident * layout.weight_stride()),
        32usize,
    );
    let mut seen = Shared::<[u32]>::new_slice(streamed);
    let mut log_sum = Shared::<[f32]>::new_slice(streamed);
    let mut common = Shared::<[f32]>::new_slice(streamed);
    // Two halves, used in turns by tiles: one is reset while the other is in use.
    let mut query_taint = Shared::<[f32]>::new_slice(2 * streamed);
    let mut ones = Shared::<[f32]>::new_slice(resident);
    let mut key_taint = Shared::<[f32]>::new_slice(resident);

    let first = CUBE_POS_X as usize * resident;
    let key_head = CUBE_POS_Y as usize;
    let sequence = CUBE_POS_Z as usize;
    let heads = comptime!(layout.heads);
    let key_heads = comptime!(layout.key_value_heads);

    fill(&mut ones, 0, 1.0, resident, layout);
    fill(&mut key_taint, 0, 0.0, resident, layout);
    fill(
        &mut query_taint,
        0,
        0.0,
        comptime!(2 * layout.streamed),
        layout,
    );
    sync_cube();
    let loaded = load_rows::<F, N>(
        keys, sequence, first, key_head, length, resident, key_heads, layout,
    );
    let others = load_rows::<F, N>(
        values, sequence, first, key_head, length, resident, key_heads, layout,
    );
    let held = hold_block::<F, N>(&loaded, &mut key, &mut tiles, &mut key_taint, layout);
    let held_value = hold_block::<F, N>(&others, &mut value, &mut tiles, &mut key_taint, layout);
    let mut key_sums = Accumulator::<N>::zeros(layout);
    let mut value_sums = Accumulator::<N>::zeros(layout);

    let mut turn = 0usize;
    // The first query that sees a key is the key's own row.
    for tile in first / streamed..(length + streamed - 1) / streamed {
        let start = tile * streamed;
        load_starts(starts, &mut seen, sequence, start, length, streamed, layout);
        sync_cube();
        // Skips the tile if all its texts begin behind the block.
        if smallest(&seen, streamed) < first + resident {
            for member in 0..comptime!(layout.group()) {
                let head = key_head * comptime!(layout.group()) + member;
                let of = sequence * heads + head;
                load_statistics(log_sums, &mut log_sum, of, start, length, streamed, layout);
                load_statistics(shared, &mut common, of, start, length, streamed, layout);
                fill(&mut query_taint, streamed - turn, 0.0, streamed, layout);
                let loaded = load_rows::<F, N>(
                    queries, sequence, start, head, length, streamed, heads, layout,
                );
                let others = load_rows::<F, N>(
                    gradients, sequence, start, head, length, streamed, heads, layout,
                );
                store_rows::<F, N>(
                    &loaded,
                    &mut tiles,
                    0usize,
                    &mut query_taint,
                    turn,
                    streamed,
                    layout,
                );
                store_rows::<F, N>(
                    &others,
                    &mut tiles,
                    second,
                    &mut query_taint,
                    turn,
                    streamed,
                    layout,
                );
                sync_cube();
                multiply_rows::<F, N>(&key, &held, &tiles, 0usize, &mut scores, layout);
                multiply_rows::<F, N>(&value, &held_value, &tiles, second, &mut of_weights, layout);
                sync_rows(layout);
                for i in 0..comptime!(layout.rows_per_unit()) {
                    let row = score_row(i, layout);
                    if row < resident {
                        for j in 0..comptime!(layout.streamed / layout.sharers()) {
                            let column = score_column(layout) + j * comptime!(layout.sharers());
                            let at = row * comptime!(layout.score_stride()) + column;
                            let to = row * comptime!(layout.weight_stride()) + column;
                            let visible = seen[column] as usize <= first + row
                                && first + row <= start + column;
                            let score = scores[at] + key_taint[row] + query_taint[turn + column];
                            let weight = (score - log_sum[column]).exp();
                            let of_score = weight * (of_weights[at] - common[column]);
                            weights[to] = F::cast_from(select(visible, weight, 0.0));
                            of_scores[to] = F::cast_from(select(visible, of_score, 0.0));
                        }
                    }
                }
                sync_rows(layout);
                value_sums.add_product::<F>(&weights, &tiles, second, layout);
                key_sums.add_product::<F>(&of_scores, &tiles, 0usize, layout);
                turn = streamed - turn;
                sync_cube();
            }
        } else {
            sync_cube();
        }
    }

    key_sums.write::<F>(
        of_keys,
        &ones,
        &mut scores,
        sequence,
        first,
        key_head,
        length,
        key_heads,
        layout,
    );
    value_sums.write::<F>(
        of_values,
        &ones,
        &mut scores,
        sequence,
        first,
        key_head,
        length,
        key_heads,
        layout,
    );
}
