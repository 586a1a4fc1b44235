//! Distances of all pairs of two sets of points: launches of the kernels in `pairwise.rs`.

use burn::tensor::DType;
use burn::tensor::backend::Backend;
use burn_cubecl::CubeRuntime;
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::host::{like, min_denominator, parts_like, sum, widest, zeros_like};
use super::pairwise;
use super::vectors::UNITS;

/// Two sets of points in the type in which the kernels add, and their common properties.
pub struct Points<R: CubeRuntime> {
    x: CubeTensor<R>,
    y: CubeTensor<R>,
    /// ‖x‖² and ‖y‖² of every row.
    squares: [CubeTensor<R>; 2],
    /// Numbers of points.
    counts: [usize; 2],
    /// Number of coordinates.
    n: usize,
    /// The type of the caller's tensors.
    dtype: DType,
    /// The value to which 1 − c‖x‖² is clamped from below.
    min_denominator: f64,
}

impl<R: CubeRuntime> Points<R> {
    pub fn new(x: CubeTensor<R>, y: CubeTensor<R>) -> Self {
        let dtype = x.dtype;
        let [x, y] = [x, y].map(|points| into_contiguous(at_least_f32(points)));
        let squares = [&x, &y].map(|points| row_squares(points));
        let counts = [x.meta.shape()[0], y.meta.shape()[0]];
        let n = x.meta.shape()[1];
        Self {
            x,
            y,
            squares,
            counts,
            n,
            dtype,
            min_denominator: min_denominator(dtype),
        }
    }

    fn is_empty(&self) -> bool {
        self.counts[0] * self.counts[1] == 0
    }

    /// d(xᵢ, yⱼ).
    pub fn distances(&self, c: f64) -> CubeTensor<R> {
        let out = like(&self.x, self.counts.into());
        if self.is_empty() {
            return cast(out, self.dtype);
        }
        let [squares_x, squares_y] = self.squares.clone();
        // SAFETY: units beyond the last row or column neither read nor write.
        unsafe {
            pairwise::distances::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, self.counts[0], self.counts[1]),
                CubeDim::new_1d(UNITS as u32),
                self.addresses(&out),
                self.x.clone().into_array_arg(),
                self.y.clone().into_array_arg(),
                squares_x.into_array_arg(),
                squares_y.into_array_arg(),
                out.clone().into_array_arg(),
                self.counts[0],
                self.counts[1],
                self.n,
                c,
                self.min_denominator,
                self.x.dtype.into(),
            );
        }
        cast(out, self.dtype)
    }

    /// The gradients by both sets.
    pub fn gradients<B>(&self, grad: CubeTensor<R>, c: f64) -> [CubeTensor<R>; 2]
    where
        B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    {
        if self.is_empty() || self.n == 0 {
            let zeros = |points: &CubeTensor<R>| zeros_like(points, points.meta.shape().clone());
            return [&self.x, &self.y].map(|points| cast(zeros(points), self.dtype));
        }
        let [weights, h] = self.weights(grad, c);
        [0, 1].map(|side| {
            // Sums of the rows of h for the first set, of its columns for the second.
            let sums = into_contiguous(B::float_sum_dim(h.clone(), 1 - side));
            self.weighted_differences(side, &weights, sums, c)
        })
    }

    /// ⟨grad, ∂/∂c⟩.
    pub fn by_c(&self, grad: CubeTensor<R>, c: f64) -> CubeTensor<R> {
        if self.is_empty() {
            return cast(zeros_like(&self.x, [1].into()), self.dtype);
        }
        let grad = into_contiguous(at_least_f32(grad));
        let [count_x, count_y] = self.counts;
        let out = parts_like(&self.x, count_x * count_y);
        let [squares_x, squares_y] = self.squares.clone();
        // SAFETY: units beyond the last row or column neither read nor write.
        unsafe {
            pairwise::by_c::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, count_x, count_y),
                CubeDim::new_1d(UNITS as u32),
                self.addresses(&out),
                self.x.clone().into_array_arg(),
                self.y.clone().into_array_arg(),
                squares_x.into_array_arg(),
                squares_y.into_array_arg(),
                grad.into_array_arg(),
                out.clone().into_array_arg(),
                count_x,
                count_y,
                self.n,
                c,
                self.min_denominator,
                self.x.dtype.into(),
            );
        }
        sum(out, self.dtype)
    }

    /// Address type of the points and of an array of pairs.
    fn addresses(&self, pairs: &CubeTensor<R>) -> AddressType {
        widest([&self.x, &self.y, pairs].map(CubeTensor::required_address_type))
    }

    /// Weights of the differences, and h.
    fn weights(&self, grad: CubeTensor<R>, c: f64) -> [CubeTensor<R>; 2] {
        let grad = into_contiguous(at_least_f32(grad));
        let outs = [0, 1].map(|_| like(&self.x, self.counts.into()));
        let [weights, h] = outs.clone();
        let [squares_x, squares_y] = self.squares.clone();
        // SAFETY: units beyond the last row or column neither read nor write.
        unsafe {
            pairwise::weights::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, self.counts[0], self.counts[1]),
                CubeDim::new_1d(UNITS as u32),
                self.addresses(&weights),
                self.x.clone().into_array_arg(),
                self.y.clone().into_array_arg(),
                squares_x.into_array_arg(),
                squares_y.into_array_arg(),
                grad.into_array_arg(),
                weights.into_array_arg(),
                h.into_array_arg(),
                self.counts[0],
                self.counts[1],
                self.n,
                c,
                self.min_denominator,
                self.x.dtype.into(),
            );
        }
        outs
    }

    /// The gradient by the points of one side, whose sums of h are given.
    fn weighted_differences(
        &self,
        side: usize,
        weights: &CubeTensor<R>,
        h: CubeTensor<R>,
        c: f64,
    ) -> CubeTensor<R> {
        let (targets, sources) = match side {
            0 => (&self.x, &self.y),
            _ => (&self.y, &self.x),
        };
        let steps = [[self.counts[1], 1], [1, self.counts[1]]][side];
        let out = like(targets, targets.meta.shape().clone());
        // SAFETY: units beyond the last target or coordinate neither read nor write.
        unsafe {
            pairwise::weighted_differences::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, self.counts[side], self.n),
                CubeDim::new_1d(UNITS as u32),
                self.addresses(weights),
                targets.clone().into_array_arg(),
                sources.clone().into_array_arg(),
                weights.clone().into_array_arg(),
                h.into_array_arg(),
                self.squares[side].clone().into_array_arg(),
                out.clone().into_array_arg(),
                self.counts[side],
                self.counts[1 - side],
                self.n,
                steps[0],
                steps[1],
                c,
                self.min_denominator,
                self.x.dtype.into(),
            );
        }
        cast(out, self.dtype)
    }
}

/// The same tensor, in f32 if it is of half precision.
fn at_least_f32<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    match x.dtype {
        DType::F32 | DType::F64 => x,
        _ => cast(x, DType::F32),
    }
}

/// One cube for each tile, in row-major order; there may be a few more cubes than tiles.
fn tiles<R: CubeRuntime>(client: &ComputeClient<R>, rows: usize, columns: usize) -> CubeCount {
    let tiles = rows.div_ceil(pairwise::TILE) * columns.div_ceil(pairwise::TILE);
    calculate_cube_count_elemwise(client, tiles * UNITS, CubeDim::new_1d(UNITS as u32))
}

/// ‖x‖² of every row, in f64.
fn row_squares<R: CubeRuntime>(x: &CubeTensor<R>) -> CubeTensor<R> {
    let [count, n] = [0, 1].map(|axis| x.meta.shape()[axis]);
    let (client, device) = (x.client.clone(), x.device.clone());
    let out = empty_device_contiguous_dtype(client, device, [count].into(), DType::F64);
    if count > 0 {
        let dim = CubeDim::new_1d(UNITS as u32);
        let cubes = calculate_cube_count_elemwise(&x.client, count, dim);
        // SAFETY: units beyond the last row neither read nor write.
        unsafe {
            pairwise::row_squares::launch_unchecked::<R>(
                &x.client,
                cubes,
                dim,
                x.required_address_type(),
                x.clone().into_array_arg(),
                out.clone().into_array_arg(),
                n,
                count,
                x.dtype.into(),
            );
        }
    }
    out
}
