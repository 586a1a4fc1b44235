//! The operations of a backend on a GPU: which kernel, on which tensors.

use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::ir::{ElemType, FloatKind, UIntKind};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};

use super::formulas::Radial;
use super::vectors::{Sharing, UNITS};
use super::{pairs, pairwise, points};
use crate::geometry::ops::backend::{HyperbolicBackend, PairOp, PointOp};
use crate::geometry::ops::layout::{Vectors, expect_equal};
use crate::geometry::ops::primitive;

/// Whether kernels may compute in f64, whose bits they read as u64. CUDA always can; Burn leaves f64
/// out of what it claims there, for the sake of its matrix products.
fn has_doubles<R: CubeRuntime>(x: &CubeTensor<R>) -> bool {
    let types = [
        ElemType::Float(FloatKind::F64),
        ElemType::UInt(UIntKind::U64),
    ];
    let properties = x.client.properties();
    R::name(&x.client) == "cuda" || types.into_iter().all(|t| properties.supports_type(t))
}

/// What every kernel is told of the vectors of a tensor.
struct Task<R: CubeRuntime> {
    vectors: Vectors,
    sharing: Sharing,
    cubes: CubeCount,
    units: CubeDim,
    client: ComputeClient<R>,
    dtype: StorageType,
    least: f64,
}

impl<R: CubeRuntime> Task<R> {
    fn new(x: &CubeTensor<R>, axis: usize) -> Self {
        let vectors = Vectors::new(x.meta.shape(), axis);
        let sharing = Sharing::new(vectors);
        let (cubes, units) = sharing.launch(&x.client, vectors);
        Self {
            vectors,
            sharing,
            cubes,
            units,
            client: x.client.clone(),
            dtype: x.dtype.into(),
            least: least_gap(x.dtype),
        }
    }

    fn is_empty(&self) -> bool {
        self.vectors.count() * self.vectors.n == 0
    }
}

/// The gap 1 − c‖x‖² below which a point cannot be told from the rim.
fn least_gap(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        _ => f32::EPSILON.into(),
    }
}

fn like<R: CubeRuntime>(x: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, x.dtype)
}

fn zeros_like<R: CubeRuntime>(x: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    zeros_client(x.client.clone(), x.device.clone(), shape, x.dtype)
}

/// The shape with one number for each vector.
fn of_vectors(x: &Shape, axis: usize) -> Shape {
    let mut shape = x.clone();
    shape[axis] = 1;
    shape
}

/// The kernel's map and its parameter; none for the gap, which has kernels of its own.
fn radial(op: PointOp) -> Option<(Radial, f64)> {
    match op {
        PointOp::Expmap0 => Some((Radial::Exp, 0.0)),
        PointOp::Logmap0 => Some((Radial::Log, 0.0)),
        PointOp::ScalarMul(r) => Some((Radial::Scale, r)),
        PointOp::Project(margin) => Some((Radial::Project, margin)),
        PointOp::Clip(radius) => Some((Radial::Clip, radius)),
        PointOp::RimGap => None,
    }
}

/// Starts a kernel on the vectors of a task: arrays, then n, inner, count and the rest.
///
/// The arrays of a kernel have the sizes that it derives from these numbers, and a unit whose vector
/// is beyond the last one touches none: that is what makes the unchecked launch sound.
macro_rules! launch {
    ($kernel:path, $task:expr, [$($array:expr),*], $($rest:expr),*) => {{
        use $kernel as kernel;
        let task = &$task;
        // SAFETY: see above.
        unsafe {
            kernel::launch_unchecked::<R>(
                &task.client,
                task.cubes.clone(),
                task.units,
                $($array.clone().into_array_arg(),)*
                task.vectors.n,
                task.vectors.inner,
                task.vectors.count(),
                $($rest,)*
                task.sharing,
                task.dtype,
            )
        }
    }};
}

fn point<R: CubeRuntime>(op: PointOp, x: CubeTensor<R>, axis: usize, c: f64) -> CubeTensor<R> {
    let x = into_contiguous(x);
    let task = Task::new(&x, axis);
    let Some((map, parameter)) = radial(op) else {
        let out = like(&x, of_vectors(x.meta.shape(), axis));
        if task.vectors.count() > 0 {
            launch!(points::gap, task, [x, x, out], c, task.least, false);
        }
        return out;
    };
    let out = like(&x, x.meta.shape().clone());
    if !task.is_empty() {
        let (kernel_map, least) = (map, task.least);
        launch!(
            points::radial_map,
            task,
            [x, out],
            c,
            parameter,
            least,
            kernel_map
        );
    }
    out
}

fn point_backward<R: CubeRuntime>(
    op: PointOp,
    x: CubeTensor<R>,
    grad: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> CubeTensor<R> {
    let (x, grad) = (into_contiguous(x), into_contiguous(grad));
    let task = Task::new(&x, axis);
    let out = like(&x, x.meta.shape().clone());
    if task.is_empty() {
        return out;
    }
    let least = task.least;
    match radial(op) {
        Some((map, parameter)) => {
            launch!(
                points::radial_map_backward,
                task,
                [x, grad, out],
                c,
                parameter,
                least,
                map
            );
        }
        None => launch!(points::gap_backward, task, [x, grad, out], c, least),
    }
    out
}

/// The part of each vector in ⟨grad, ∂/∂c⟩.
fn point_by_c<R: CubeRuntime>(
    op: PointOp,
    x: CubeTensor<R>,
    grad: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> CubeTensor<R> {
    let (x, grad) = (into_contiguous(x), into_contiguous(grad));
    let task = Task::new(&x, axis);
    if task.is_empty() {
        return zeros_like(&x, [1].into());
    }
    let out = like(&x, [task.vectors.count()].into());
    let least = task.least;
    match radial(op) {
        Some((map, parameter)) => {
            launch!(
                points::radial_map_by_c,
                task,
                [x, grad, out],
                c,
                parameter,
                least,
                map
            );
        }
        None => launch!(points::gap, task, [x, grad, out], c, least, true),
    }
    out
}

fn pair<R: CubeRuntime>(
    op: PairOp,
    x: CubeTensor<R>,
    y: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> CubeTensor<R> {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let task = Task::new(&x, axis);
    let shape = x.meta.shape();
    if op.is_distance() {
        let out = like(&x, of_vectors(shape, axis));
        if task.vectors.count() > 0 {
            launch!(pairs::distance, task, [x, y, out], c, task.least, op);
        }
        out
    } else {
        let out = like(&x, shape.clone());
        if !task.is_empty() {
            launch!(pairs::sum_map, task, [x, y, out], c, task.least, op);
        }
        out
    }
}

fn pair_backward<R: CubeRuntime>(
    op: PairOp,
    x: CubeTensor<R>,
    y: CubeTensor<R>,
    grad: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> [CubeTensor<R>; 2] {
    let (x, y, grad) = (
        into_contiguous(x),
        into_contiguous(y),
        into_contiguous(grad),
    );
    let task = Task::new(&x, axis);
    let [by_x, by_y] = [&x, &y].map(|input| like(input, input.meta.shape().clone()));
    if !task.is_empty() {
        let least = task.least;
        if op.is_distance() {
            launch!(
                pairs::distance_backward,
                task,
                [x, y, grad, by_x, by_y],
                c,
                least,
                op
            );
        } else {
            launch!(
                pairs::sum_map_backward,
                task,
                [x, y, grad, by_x, by_y],
                c,
                least,
                op
            );
        }
    }
    [by_x, by_y]
}

/// The part of each pair in ⟨grad, ∂/∂c⟩.
fn pair_by_c<R: CubeRuntime>(
    op: PairOp,
    x: CubeTensor<R>,
    y: CubeTensor<R>,
    grad: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> CubeTensor<R> {
    let (x, y, grad) = (
        into_contiguous(x),
        into_contiguous(y),
        into_contiguous(grad),
    );
    let task = Task::new(&x, axis);
    if task.is_empty() {
        return zeros_like(&x, [1].into());
    }
    let out = like(&x, [task.vectors.count()].into());
    launch!(pairs::pair_by_c, task, [x, y, grad, out], c, task.least, op);
    out
}

/// Two sets of points in a type that kernels add up in, and what they share.
struct Points<R: CubeRuntime> {
    x: CubeTensor<R>,
    y: CubeTensor<R>,
    squares: [CubeTensor<R>; 2],
    counts: [usize; 2],
    n: usize,
    /// The type of the caller, and the least gap of it.
    dtype: DType,
    least: f64,
}

impl<R: CubeRuntime> Points<R> {
    fn new(x: CubeTensor<R>, y: CubeTensor<R>) -> Self {
        let dtype = x.dtype;
        let [x, y] = [x, y].map(|points| into_contiguous(wide(points)));
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
            least: least_gap(dtype),
        }
    }

    fn is_empty(&self) -> bool {
        self.counts[0] * self.counts[1] == 0
    }

    fn distances(&self, c: f64) -> CubeTensor<R> {
        let out = like(&self.x, self.counts.into());
        if self.is_empty() {
            return out;
        }
        let [squares_x, squares_y] = self.squares.clone();
        // SAFETY: units beyond the last row or column neither read nor write.
        unsafe {
            pairwise::distances::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, self.counts[0], self.counts[1]),
                CubeDim::new_1d(UNITS as u32),
                self.x.clone().into_array_arg(),
                self.y.clone().into_array_arg(),
                squares_x.into_array_arg(),
                squares_y.into_array_arg(),
                out.clone().into_array_arg(),
                self.counts[0],
                self.counts[1],
                self.n,
                c,
                self.least,
                self.x.dtype.into(),
            );
        }
        out
    }

    /// Weights of the differences, and h or the parts of the derivative by c.
    fn weights(&self, grad: CubeTensor<R>, c: f64, by_c: bool) -> [CubeTensor<R>; 2] {
        let grad = into_contiguous(wide(grad));
        let outs = [0, 1].map(|_| like(&self.x, self.counts.into()));
        let [weights, h] = outs.clone();
        let [squares_x, squares_y] = self.squares.clone();
        // SAFETY: units beyond the last row or column neither read nor write.
        unsafe {
            pairwise::weights::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, self.counts[0], self.counts[1]),
                CubeDim::new_1d(UNITS as u32),
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
                self.least,
                by_c,
                self.x.dtype.into(),
            );
        }
        outs
    }

    /// The gradient by the points of one side, whose sums of h are given.
    fn pull(
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
            pairwise::pull::launch_unchecked::<R>(
                &self.x.client,
                tiles(&self.x.client, self.counts[side], self.n),
                CubeDim::new_1d(UNITS as u32),
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
                self.least,
                self.x.dtype.into(),
            );
        }
        cast(out, self.dtype)
    }
}

/// In f32 at least.
fn wide<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    match x.dtype {
        DType::F32 | DType::F64 => x,
        _ => cast(x, DType::F32),
    }
}

/// Cubes for all tiles, row by row of them; there may be a few more cubes than tiles.
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

impl<R, F, I, BT> HyperbolicBackend for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        match has_doubles(&x) {
            true => point(op, x, axis, c),
            false => primitive::point_op::<Self>(op, x, axis, c),
        }
    }

    fn point_op_backward(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        match has_doubles(&x) {
            true => point_backward(op, x, grad, axis, c),
            false => primitive::point_gradients::<Self>(op, x, grad, axis, c).0,
        }
    }

    fn point_op_by_c(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        match has_doubles(&x) {
            true => Self::float_sum(point_by_c(op, x, grad, axis, c)),
            false => primitive::point_gradients::<Self>(op, x, grad, axis, c).1,
        }
    }

    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        expect_equal(op, &x, &y);
        if !has_doubles(&x) {
            return primitive::pair_op::<Self>(op, x, y, axis, c);
        }
        match op {
            PairOp::PairwiseDist => {
                let dtype = x.dtype;
                cast(Points::new(x, y).distances(c), dtype)
            }
            _ => pair(op, x, y, axis, c),
        }
    }

    fn pair_op_backward(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> [FloatTensor<Self>; 2] {
        expect_equal(op, &x, &y);
        if !has_doubles(&x) {
            return primitive::pair_gradients::<Self>(op, [x, y], grad, axis, c).0;
        }
        if op != PairOp::PairwiseDist {
            return pair_backward(op, x, y, grad, axis, c);
        }
        let points = Points::new(x.clone(), y.clone());
        if points.is_empty() || points.n == 0 {
            return [x, y].map(|points| zeros_like(&points, points.meta.shape().clone()));
        }
        let [weights, h] = points.weights(grad, c, false);
        [1, 0].map(|axis| {
            let sums = Self::float_sum_dim(h.clone(), axis);
            points.pull(1 - axis, &weights, into_contiguous(sums), c)
        })
    }

    fn pair_op_by_c(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        expect_equal(op, &x, &y);
        if !has_doubles(&x) {
            return primitive::pair_gradients::<Self>(op, [x, y], grad, axis, c).1;
        }
        if op != PairOp::PairwiseDist {
            return Self::float_sum(pair_by_c(op, x, y, grad, axis, c));
        }
        let points = Points::new(x, y);
        if points.is_empty() {
            return zeros_like(&points.x, [1].into());
        }
        let [_, parts] = points.weights(grad, c, true);
        cast(Self::float_sum(parts), points.dtype)
    }
}
