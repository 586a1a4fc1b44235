//! Distances of all pairs of two sets of points, and their gradients: the loops of a matrix product with
//! (x − y)² in the place of x·y, which is accurate for points that nearly coincide.

use burn_cubecl::cubecl::{self, prelude::*};

use super::formulas::{dist, dist_slopes, one_minus_cn2};
use super::vectors::UNITS;

/// Number of rows and of columns of the tile of a cube.
pub const TILE: usize = 64;
/// Step between the rows, and between the columns, of one unit.
const SIDE: usize = 16;
/// Number of rows and of columns of one unit.
const EACH: usize = TILE / SIDE;
/// Number of coordinates, or of sources, in a partial sum.
const DEPTH: usize = 16;
/// Length of a line of a tile in shared memory: one more than the tile, so that the elements of a column are
/// in different banks.
const LINE: usize = TILE + 1;

/// Loads `DEPTH` columns of `TILE` rows of a matrix into shared memory, with zeros beyond its end.
/// `row_step` and `column_step` are the distances in memory between its rows and between its columns.
#[cube]
#[allow(clippy::too_many_arguments)]
fn load<T: Float>(
    from: &Array<T>,
    to: &mut SharedMemory<T>,
    first_row: usize,
    rows: usize,
    first_column: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
) {
    #[unroll]
    for piece in 0..comptime!(TILE * DEPTH / UNITS) {
        let at = UNIT_POS as usize + piece * UNITS;
        let row = first_row + at / DEPTH;
        let column = first_column + at % DEPTH;
        let mut value = T::new(0.0);
        if row < rows && column < columns {
            value = from[row * row_step + column * column_step];
        }
        to[at % DEPTH * LINE + at / DEPTH] = value;
    }
}

/// ‖x − y‖² of the `EACH`² pairs of a unit.
#[cube]
fn squared_distances<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    sums: &mut Array<T>,
    first_x: usize,
    first_y: usize,
    count_x: usize,
    count_y: usize,
    n: usize,
) {
    let mut of_x = SharedMemory::<T>::new(comptime!(DEPTH * LINE));
    let mut of_y = SharedMemory::<T>::new(comptime!(DEPTH * LINE));
    let row = UNIT_POS as usize / SIDE;
    let column = UNIT_POS as usize % SIDE;
    #[unroll]
    for pair in 0..comptime!(EACH * EACH) {
        sums[pair] = T::new(0.0);
    }
    let mut first = 0usize.runtime();
    while first < n {
        sync_cube();
        load::<T>(
            x,
            &mut of_x,
            first_x,
            count_x,
            first,
            n,
            n,
            1usize.runtime(),
        );
        load::<T>(
            y,
            &mut of_y,
            first_y,
            count_y,
            first,
            n,
            n,
            1usize.runtime(),
        );
        sync_cube();
        let mut part = Array::<T>::new(comptime!(EACH * EACH));
        #[unroll]
        for pair in 0..comptime!(EACH * EACH) {
            part[pair] = T::new(0.0);
        }
        for k in 0..DEPTH {
            #[unroll]
            for r in 0..EACH {
                let x = of_x[k * LINE + row + r * SIDE];
                #[unroll]
                for s in 0..EACH {
                    let difference = x - of_y[k * LINE + column + s * SIDE];
                    part[r * EACH + s] += difference * difference;
                }
            }
        }
        // Sums of partial sums: rounding does not grow with the number of coordinates.
        #[unroll]
        for pair in 0..comptime!(EACH * EACH) {
            let sum = part[pair];
            sums[pair] += sum;
        }
        first += DEPTH;
    }
}

/// ‖x − y‖², or the largest f32 where it is infinite, as for points far beyond the boundary.
#[cube]
fn at_most_f32_max(squared_distance: f64) -> f64 {
    select(
        squared_distance > f64::MAX,
        3.402_823_466_385_288_6e38f64,
        squared_distance,
    )
}

/// ‖x‖² of every row, in f64.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn row_squares<T: Float>(
    x: &Array<T>,
    out: &mut Array<f64>,
    n: usize,
    count: usize,
    #[define(T)] _dtype: StorageType,
) {
    let row = ABSOLUTE_POS;
    if row < count {
        let mut sum = 0.0f64.runtime();
        for k in 0..n {
            let value = f64::cast_from(x[row * n + k]);
            sum += value * value;
        }
        out[row] = sum;
    }
}

/// d(xᵢ, yⱼ).
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn distances<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    squares_x: &Array<f64>,
    squares_y: &Array<f64>,
    out: &mut Array<T>,
    count_x: usize,
    count_y: usize,
    n: usize,
    c: f64,
    min_denominator: f64,
    #[define(T)] _dtype: StorageType,
) {
    let first_x = CUBE_POS / count_y.div_ceil(TILE) * TILE;
    let first_y = CUBE_POS % count_y.div_ceil(TILE) * TILE;
    let mut sums = Array::<T>::new(comptime!(EACH * EACH));
    squared_distances::<T>(x, y, &mut sums, first_x, first_y, count_x, count_y, n);
    #[unroll]
    for r in 0..EACH {
        let i = first_x + UNIT_POS as usize / SIDE + r * SIDE;
        #[unroll]
        for s in 0..EACH {
            let j = first_y + UNIT_POS as usize % SIDE + s * SIDE;
            if i < count_x && j < count_y {
                let squared_distance = at_most_f32_max(f64::cast_from(sums[r * EACH + s]));
                let d = dist(
                    squares_x[i],
                    squares_y[j],
                    squared_distance,
                    c,
                    min_denominator,
                );
                out[i * count_y + j] = T::cast_from(d);
            }
        }
    }
}

/// `h` = g ‖x − y‖² ∂d/∂‖x − y‖² and `weights` = 2h/‖x − y‖² of every pair.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn weights<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    squares_x: &Array<f64>,
    squares_y: &Array<f64>,
    grad: &Array<T>,
    weights: &mut Array<T>,
    h: &mut Array<T>,
    count_x: usize,
    count_y: usize,
    n: usize,
    c: f64,
    min_denominator: f64,
    #[define(T)] _dtype: StorageType,
) {
    let first_x = CUBE_POS / count_y.div_ceil(TILE) * TILE;
    let first_y = CUBE_POS % count_y.div_ceil(TILE) * TILE;
    let mut sums = Array::<T>::new(comptime!(EACH * EACH));
    squared_distances::<T>(x, y, &mut sums, first_x, first_y, count_x, count_y, n);
    #[unroll]
    for r in 0..EACH {
        let i = first_x + UNIT_POS as usize / SIDE + r * SIDE;
        #[unroll]
        for s in 0..EACH {
            let j = first_y + UNIT_POS as usize % SIDE + s * SIDE;
            if i < count_x && j < count_y {
                let at = i * count_y + j;
                let squared_distance = at_most_f32_max(f64::cast_from(sums[r * EACH + s]));
                let slopes = dist_slopes(
                    squares_x[i],
                    squares_y[j],
                    squared_distance,
                    c,
                    min_denominator,
                );
                let g = f64::cast_from(grad[at]);
                let weight = 2.0f64 * g * slopes.by_squared_distance;
                weights[at] = T::cast_from(weight);
                h[at] = T::cast_from(g * slopes.by_squared_distance * squared_distance);
            }
        }
    }
}

/// g ∂d/∂c of every pair.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn by_c<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    squares_x: &Array<f64>,
    squares_y: &Array<f64>,
    grad: &Array<T>,
    out: &mut Array<f64>,
    count_x: usize,
    count_y: usize,
    n: usize,
    c: f64,
    min_denominator: f64,
    #[define(T)] _dtype: StorageType,
) {
    let first_x = CUBE_POS / count_y.div_ceil(TILE) * TILE;
    let first_y = CUBE_POS % count_y.div_ceil(TILE) * TILE;
    let mut sums = Array::<T>::new(comptime!(EACH * EACH));
    squared_distances::<T>(x, y, &mut sums, first_x, first_y, count_x, count_y, n);
    #[unroll]
    for r in 0..EACH {
        let i = first_x + UNIT_POS as usize / SIDE + r * SIDE;
        #[unroll]
        for s in 0..EACH {
            let j = first_y + UNIT_POS as usize % SIDE + s * SIDE;
            if i < count_x && j < count_y {
                let at = i * count_y + j;
                let squared_distance = at_most_f32_max(f64::cast_from(sums[r * EACH + s]));
                let slopes = dist_slopes(
                    squares_x[i],
                    squares_y[j],
                    squared_distance,
                    c,
                    min_denominator,
                );
                let g = f64::cast_from(grad[at]);
                out[at] = g * slopes.by_c;
            }
        }
    }
}

/// Σⱼ wᵢⱼ (tᵢ − sⱼ) + 2c hᵢ tᵢ/αᵢ for every target t, over all sources s, with αᵢ = 1 − c‖tᵢ‖².
/// `target_step` and `source_step` are the distances in memory between the weights of two targets and of
/// two sources.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn weighted_differences<T: Float>(
    targets: &Array<T>,
    sources: &Array<T>,
    weights: &Array<T>,
    h: &Array<T>,
    squares: &Array<f64>,
    out: &mut Array<T>,
    count_targets: usize,
    count_sources: usize,
    n: usize,
    target_step: usize,
    source_step: usize,
    c: f64,
    min_denominator: f64,
    #[define(T)] _dtype: StorageType,
) {
    let first_target = CUBE_POS / n.div_ceil(TILE) * TILE;
    let first_coordinate = CUBE_POS % n.div_ceil(TILE) * TILE;
    let row = UNIT_POS as usize / SIDE;
    let column = UNIT_POS as usize % SIDE;
    let mut of_weights = SharedMemory::<T>::new(comptime!(DEPTH * LINE));
    let mut of_sources = SharedMemory::<T>::new(comptime!(DEPTH * LINE));
    let mut values = Array::<T>::new(comptime!(EACH * EACH));
    let mut sums = Array::<T>::new(comptime!(EACH * EACH));
    #[unroll]
    for r in 0..EACH {
        #[unroll]
        for s in 0..EACH {
            let target = first_target + row + r * SIDE;
            let coordinate = first_coordinate + column + s * SIDE;
            let mut value = T::new(0.0);
            if target < count_targets && coordinate < n {
                value = targets[target * n + coordinate];
            }
            values[r * EACH + s] = value;
            sums[r * EACH + s] = T::new(0.0);
        }
    }
    let mut first = 0usize.runtime();
    while first < count_sources {
        sync_cube();
        load::<T>(
            weights,
            &mut of_weights,
            first_target,
            count_targets,
            first,
            count_sources,
            target_step,
            source_step,
        );
        // The rows of this tile are coordinates, its columns sources.
        load::<T>(
            sources,
            &mut of_sources,
            first_coordinate,
            n,
            first,
            count_sources,
            1usize.runtime(),
            n,
        );
        sync_cube();
        let mut part = Array::<T>::new(comptime!(EACH * EACH));
        #[unroll]
        for pair in 0..comptime!(EACH * EACH) {
            part[pair] = T::new(0.0);
        }
        for k in 0..DEPTH {
            #[unroll]
            for r in 0..EACH {
                let weight = of_weights[k * LINE + row + r * SIDE];
                #[unroll]
                for s in 0..EACH {
                    let difference =
                        values[r * EACH + s] - of_sources[k * LINE + column + s * SIDE];
                    part[r * EACH + s] += weight * difference;
                }
            }
        }
        #[unroll]
        for pair in 0..comptime!(EACH * EACH) {
            let sum = part[pair];
            sums[pair] += sum;
        }
        first += DEPTH;
    }
    #[unroll]
    for r in 0..EACH {
        #[unroll]
        for s in 0..EACH {
            let target = first_target + row + r * SIDE;
            let coordinate = first_coordinate + column + s * SIDE;
            if target < count_targets && coordinate < n {
                let one_minus_cn2 = one_minus_cn2(squares[target], c, min_denominator);
                let two_c_h_over_a = 2.0f64 * c * f64::cast_from(h[target]) / one_minus_cn2;
                let two_c_h_over_a =
                    select(one_minus_cn2 <= min_denominator, 0.0f64, two_c_h_over_a);
                let value = f64::cast_from(values[r * EACH + s]);
                let sum = f64::cast_from(sums[r * EACH + s]);
                out[target * n + coordinate] = T::cast_from(sum + two_c_h_over_a * value);
            }
        }
    }
}
