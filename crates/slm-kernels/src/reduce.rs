//! Sums over the units of a cube, in a fixed order.

use cubecl::prelude::*;

/// Adds the values of all units by a binary tree in shared memory; every unit gets the sum.
///
/// `units`, the units of the cube, is a power of two.
#[cube]
pub(crate) fn cube_sum(value: f32, #[comptime] units: usize) -> f32 {
    let mut partial = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    partial[unit] = value;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(units.ilog2() as usize) {
        let half = (units / 2) >> level;
        if unit < half {
            let other = partial[unit + half];
            partial[unit] += other;
        }
        sync_cube();
    }
    partial[0]
}
