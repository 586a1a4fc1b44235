//! Assignment of the units of a cube to the vectors of a tensor `[outer, n, inner]` with the coordinates on
//! the middle axis, and sums over the coordinates across units.

use burn_cubecl::CubeRuntime;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};

use crate::geometry::ops::layout::Vectors;

/// Units of a cube.
pub const UNITS: usize = 256;

/// Assignment of units to vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sharing {
    /// Units that share a vector: a power of two.
    pub lanes: usize,
    /// Whether neighbouring units have neighbouring coordinates of one vector, for coordinates that are
    /// contiguous in memory. Otherwise neighbouring units have neighbouring vectors.
    pub rows: bool,
}

impl Sharing {
    pub fn new(vectors: Vectors) -> Self {
        let rows = vectors.inner == 1;
        // With eight coordinates for each unit the sums across units take no extra time; strided
        // coordinates need more.
        let (min_coordinates, max_lanes) = if rows { (8, 32) } else { (32, 8) };
        let lanes = (vectors.n / min_coordinates)
            .next_power_of_two()
            .clamp(1, max_lanes);
        Self { lanes, rows }
    }

    /// Number of cubes, and of units of a cube, for all vectors.
    pub fn launch<R: CubeRuntime>(
        self,
        client: &ComputeClient<R>,
        vectors: Vectors,
    ) -> (CubeCount, CubeDim) {
        let cubes = vectors.count().div_ceil(UNITS / self.lanes);
        let dim = CubeDim::new_1d(UNITS as u32);
        (
            calculate_cube_count_elemwise(client, cubes * UNITS, dim),
            dim,
        )
    }
}

/// The coordinates of one unit: `lane`, `lane` + lanes, … of one vector.
#[derive(CubeType, Clone, Copy)]
pub struct Part {
    pub vector: usize,
    pub lane: usize,
    /// Index of the vector's first coordinate.
    pub start: usize,
    /// Distance in memory between its coordinates.
    pub step: usize,
}

#[cube]
pub fn part(n: usize, inner: usize, #[comptime] sharing: Sharing) -> Part {
    let unit = UNIT_POS as usize;
    let lanes = sharing.lanes.runtime();
    let groups = comptime!(UNITS / sharing.lanes).runtime();
    if comptime!(sharing.rows) {
        let vector = CUBE_POS * groups + unit / lanes;
        Part {
            vector,
            lane: unit % lanes,
            start: vector * n,
            step: 1usize.runtime(),
        }
    } else {
        let vector = CUBE_POS * groups + unit % groups;
        Part {
            vector,
            lane: unit / groups,
            start: vector / inner * n * inner + vector % inner,
            step: inner,
        }
    }
}

/// Sums over the coordinates of a vector; their meaning depends on the kernel.
#[derive(CubeType, Clone, Copy)]
pub struct Sums {
    pub a: f64,
    pub b: f64,
    pub c: f64,
    pub d: f64,
    pub e: f64,
}

/// Adds the first `count` sums of all units that share a vector; each of them gets the result. All units of
/// a cube must call it.
#[cube]
pub fn sum_over_units(part: Sums, #[comptime] count: usize, #[comptime] sharing: Sharing) -> Sums {
    if comptime!(sharing.lanes == 1) {
        part
    } else {
        let unit = UNIT_POS as usize;
        let groups = comptime!(UNITS / sharing.lanes).runtime();
        let lanes = sharing.lanes.runtime();
        let mut memory = SharedMemory::<f64>::new(comptime!(UNITS * count));
        memory[unit] = part.a;
        if comptime!(count > 1) {
            memory[UNITS + unit] = part.b;
        }
        if comptime!(count > 2) {
            memory[2 * UNITS + unit] = part.c;
        }
        if comptime!(count > 3) {
            memory[3 * UNITS + unit] = part.d;
        }
        if comptime!(count > 4) {
            memory[4 * UNITS + unit] = part.e;
        }
        let mut lane = unit / groups;
        let mut neighbour = groups;
        let mut first = unit % groups;
        if comptime!(sharing.rows) {
            lane = unit % lanes;
            neighbour = 1usize.runtime();
            first = unit - lane;
        }
        let mut half = lanes / 2;
        while half > 0 {
            sync_cube();
            if lane < half {
                #[unroll]
                for sum in 0..count {
                    let at = sum * UNITS + unit;
                    let other = memory[at + half * neighbour];
                    memory[at] += other;
                }
            }
            half /= 2;
        }
        sync_cube();
        Sums {
            a: memory[first],
            b: memory[comptime!(if count > 1 { UNITS } else { 0 }) + first],
            c: memory[comptime!(if count > 2 { 2 * UNITS } else { 0 }) + first],
            d: memory[comptime!(if count > 3 { 3 * UNITS } else { 0 }) + first],
            e: memory[comptime!(if count > 4 { 4 * UNITS } else { 0 }) + first],
        }
    }
}
