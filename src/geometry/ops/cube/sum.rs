//! Sums of many numbers in f64.

use burn_cubecl::cubecl::{self, prelude::*};

use super::vectors::UNITS;

/// Number of summands of a cube.
pub const PER_CUBE: usize = 16 * UNITS;

/// Sums of `PER_CUBE` consecutive numbers each, one for each cube.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn sums<T: Float>(
    parts: &Array<f64>,
    out: &mut Array<T>,
    count: usize,
    cubes: usize,
    #[define(T)] _dtype: StorageType,
) {
    let unit = UNIT_POS as usize;
    let mut sum = 0.0f64.runtime();
    #[unroll]
    for piece in 0..comptime!(PER_CUBE / UNITS) {
        let at = CUBE_POS * PER_CUBE + piece * UNITS + unit;
        if at < count {
            sum += parts[at];
        }
    }
    let mut memory = SharedMemory::<f64>::new(UNITS);
    memory[unit] = sum;
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        sync_cube();
        if unit < half {
            let other = memory[unit + half];
            memory[unit] += other;
        }
        half /= 2;
    }
    if unit == 0 && CUBE_POS < cubes {
        out[CUBE_POS] = T::cast_from(memory[0]);
    }
}
