//! The forward kernel.

use cubecl::io::read_masked;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::accumulator::Accumulator;
use super::layout::{EDGE, Layout, UNROLLED};
use super::tile::{
    fill, hold_block, load_rows, multiply_rows, score_column, score_row, store_rows, sync_rows,
};

/// How far a score may exceed the maximum of earlier scores of its row before the sums are rescaled. Weights are then at most e^5,
/// which loses nothing in floating point, and most rows rescale once or never.
const SLACK: f32 = 5.0;
/// Below all scores. Finite, since WGSL has no constant for minus infinity.
const LOWEST: f32 = f32::MIN;

/// The first index that each row of a block sees, from `first` on; rows from `length` on see nothing.
#[cube]
pub(super) fn load_starts(
    starts: &[u32],
    seen: &mut Shared<[u32]>,
    sequence: usize,
    first: usize,
    length: usize,
    #[comptime] rows: usize,
    #[comptime] layout: Layout,
) {
    for i in 0..comptime!(rows.div_ceil(layout.units)) {
        let row = UNIT_POS as usize + i * comptime!(layout.units);
        if row < rows {
            seen[row] = read_masked::<u32>(
                first + row < length,
                starts,
                sequence * length + first + row,
                u32::MAX,
            );
        }
    }
}

/// The smallest of the first `rows` values.
#[cube]
pub(super) fn smallest(seen: &Shared<[u32]>, #[comptime] rows: usize) -> usize {
    let mut least = u32::MAX.runtime();
    for row in 0..rows {
        least = min(least, seen[row]);
    }
    least as usize
}

/// Attends to the keys of one head from the queries of one block: `CUBE_POS_X` is the block, counted from the last, which
/// has the most keys; `CUBE_POS_Y` the head; `CUBE_POS_Z` the sequence.
#[cube(launch)]
pub(super) fn forward_kernel<F: Float, N: Size>(
    queries: &[Vector<F, N>],
    keys: &[Vector<F, N>],
    values: &[Vector<F, N>],
    starts: &[u32],
    out: &mut [Vector<F, N>],
    log_sums: &mut [f32],
    length: usize,
    #[comptime] layout: Layout,
    #[define(F)] _kind: ElemType,
) {
    let resident = comptime!(layout.resident);
    let streamed = comptime!(layout.streamed);
    let mut query =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.block_len()), 32usize);
    // A tile of keys, then one of values.
    let mut tiles =
        Shared::<[Vector<F, N>]>::new_aligned_slice(comptime!(layout.tiles_len()), 32usize);
    let second = comptime!(layout.streamed * layout.tile_stride());
    let mut scores = Shared::<[f32]>::new_aligned_slice(
        comptime!(layout.resident * layout.score_stride()),
        32usize,
    );
    let mut weights = Shared::<[F]>::new_aligned_slice(
        comptime!(layout.resident * layout.weight_stride()),
        32usize,
    );
    let mut seen = Shared::<[u32]>::new_slice(resident);
    let mut maxima = Shared::<[f32]>::new_slice(resident);
    let mut totals = Shared::<[f32]>::new_slice(resident);
    let mut factors = Shared::<[f32]>::new_slice(resident);
    let mut query_taint = Shared::<[f32]>::new_slice(resident);
    // Two halves, used in turns by tiles: one is reset while the other is in use.
    let mut key_taint = Shared::<[f32]>::new_slice(2 * streamed);

    let blocks = (length + resident - 1) / resident;
    let first = (blocks - 1 - CUBE_POS_X as usize) * resident;
    let head = CUBE_POS_Y as usize;
    let key_head = head / comptime!(layout.group());
    let sequence = CUBE_POS_Z as usize;
    let end = min(first + resident, length);

    load_starts(starts, &mut seen, sequence, first, length, resident, layout);
    fill(&mut maxima, 0, LOWEST, resident, layout);
    fill(&mut totals, 0, 0.0, resident, layout);
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
        queries,
        sequence,
        first,
        head,
        length,
        resident,
        comptime!(layout.heads),
        layout,
    );
    let held = hold_block::<F, N>(&loaded, &mut query, &mut tiles, &mut query_taint, layout);
    let mut sums = Accumulator::<N>::zeros(layout);

    for tile in smallest(&seen, resident) / streamed..(end + streamed - 1) / streamed {
        let start = tile * streamed;
        let turn = tile % 2 * streamed;
        fill(&mut key_taint, streamed - turn, 0.0, streamed, layout);
        let heads = comptime!(layout.key_value_heads);
        let loaded = load_rows::<F, N>(
            keys, sequence, start, key_head, length, streamed, heads, layout,
        );
        let others = load_rows::<F, N>(
            values, sequence, start, key_head, length, streamed, heads, layout,
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
        sync_rows(layout);
        let mut changed = false;
        for i in 0..comptime!(layout.rows_per_unit()) {
            let row = score_row(i, layout);
            if row < resident {
                let factor = weigh::<F>(
                    &scores,
                    &mut weights,
                    &mut maxima,
                    &mut totals,
                    &key_taint,
                    turn,
                    query_taint[row],
                    row,
                    seen[row] as usize,
                    first + row,
                    start,
                    layout,
                );
                factors[row] = factor;
                changed = changed || factor < 1.0;
            }
        }
        sync_rows(layout);
        // Behind the barrier, where all units of the plane vote.
        if comptime!(layout.tensor_cores) {
            changed = plane_any(changed);
        } else {
            changed = true;
        }
        sums.scale_rows(&factors, changed, &mut scores, layout);
        sums.add_product::<F>(&weights, &tiles, second, layout);
        sync_cube();
    }

    for i in 0..comptime!(layout.resident.div_ceil(layout.units)) {
        let row = UNIT_POS as usize + i * comptime!(layout.units);
        if row < resident {
            factors[row] = 1.0 / totals[row];
        }
    }
    sync_cube();
    sums.write::<F>(
        out,
        &factors,
        &mut scores,
        sequence,
        first,
        head,
        length,
        comptime!(layout.heads),
        layout,
    );
    for i in 0..comptime!(layout.resident.div_ceil(layout.units)) {
        let row = UNIT_POS as usize + i * comptime!(layout.units);
        if row < resident && first + row < length {
            let index = (sequence * comptime!(layout.heads) + head) * length + first + row;
            log_sums[index] = maxima[row] + totals[row].ln();
        }
    }
}

/// Computes the weights of a row of scores relative to its maximum, and updates the maximum and the total of the row.
/// Returns the factor by which earlier sums of the row must be multiplied, at most 1.
#[cube]
fn weigh<F: Float>(
    scores: &Shared<[f32]>,
    weights: &mut Shared<[F]>,
    maxima: &mut Shared<[f32]>,
    totals: &mut Shared<[f32]>,
    key_taint: &Shared<[f32]>,
    taint_at: usize,
    taint: f32,
    row: usize,
    seen: usize,
    own: usize,
    start: usize,
    #[comptime] layout: Layout,
) -> f32 {
    let sharers = comptime!(layout.sharers());
    let score_at = row * comptime!(layout.score_stride());
    let weight_at = row * comptime!(layout.weight_stride());
    let first = score_column(layout);
    let count = comptime!(layout.streamed / layout.sharers());
    let mut visible_scores = Array::<f32>::new(count);
    let mut best = LOWEST.runtime();
    #[unroll(count <= UNROLLED)]
    for i in 0..count {
        let column = first + i * sharers;
        let visible = seen <= start + column && start + column <= own;
        let score = scores[score_at + column] + key_taint[taint_at + column];
        visible_scores[i] = select(visible, score, LOWEST);
        best = max(best, visible_scores[i]);
    }
    if comptime!(layout.tensor_cores) {
        // A shuffle reads from lanes that take part at this moment: the loop may have separated them.
        sync_plane();
        best = max(best, plane_shuffle_xor(best, EDGE as u32));
    }
    let before = maxima[row];
    let maximum = select(best > before + SLACK, best, before);
    // Rows without a visible key up to here keep a maximum of minus infinity and weights of zero.
    let base = select(maximum == LOWEST, 0.0, maximum) + taint;
    let mut total = 0.0f32;
    #[unroll(count <= UNROLLED)]
    for i in 0..count {
        let weight = (visible_scores[i] - base).exp();
        weights[weight_at + first + i * sharers] = F::cast_from(weight);
        total += weight;
    }
    if comptime!(layout.tensor_cores) {
        sync_plane();
        total += plane_shuffle_xor(total, EDGE as u32);
        // All lanes have read the maximum before one writes it.
        sync_plane();
    }
    let factor = select(before == LOWEST, 1.0, (before - maximum).exp());
    if first == 0 {
        maxima[row] = maximum;
        totals[row] = totals[row] * factor + total;
    }
    factor
}
