//! The operations of a backend on a GPU: launches of the kernels.

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::ir::{ElemType, FloatKind, UIntKind};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};

use super::all_pairs::Points;
use super::formulas::Radial;
use super::vectors::{Sharing, UNITS};
use super::{pairs, points, sum};
use crate::geometry::ops::backend::{HyperbolicBackend, Kernels, PairOp, PointOp};
use crate::geometry::ops::layout::{Vectors, expect_equal};

/// Whether the device computes in f64 and in u64, as which the kernels read its bits. CUDA always does, but
/// Burn does not list f64 as supported there, because of its matrix products.
fn has_doubles<R: CubeRuntime>(x: &CubeTensor<R>) -> bool {
    let types = [
        ElemType::Float(FloatKind::F64),
        ElemType::UInt(UIntKind::U64),
    ];
    let properties = x.client.properties();
    R::name(&x.client) == "cuda" || types.into_iter().all(|t| properties.supports_type(t))
}

/// Layout of the vectors of a tensor, and how a kernel is launched on them.
struct Task<R: CubeRuntime> {
    vectors: Vectors,
    sharing: Sharing,
    cubes: CubeCount,
    units: CubeDim,
    client: ComputeClient<R>,
    dtype: StorageType,
    min_denominator: f64,
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
            min_denominator: min_denominator(x.dtype),
        }
    }

    fn is_empty(&self) -> bool {
        self.vectors.count() * self.vectors.n == 0
    }
}

/// The value to which 1 − c‖x‖² is clamped from below, for tensors of this type.
pub(super) fn min_denominator(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        _ => f32::EPSILON.into(),
    }
}

/// An uninitialised tensor of this shape, with the type and on the device of `x`.
pub(super) fn like<R: CubeRuntime>(x: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, x.dtype)
}

/// A tensor of zeros of this shape, with the type and on the device of `x`.
pub(super) fn zeros_like<R: CubeRuntime>(x: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    zeros_client(x.client.clone(), x.device.clone(), shape, x.dtype)
}

/// The shape of a tensor with one number for each vector of a tensor of shape `x`.
fn of_vectors(x: &Shape, axis: usize) -> Shape {
    let mut shape = x.clone();
    shape[axis] = 1;
    shape
}

/// The kernel's map and its parameter; `None` for 1 − c‖x‖², which has kernels of its own.
fn radial(op: PointOp) -> Option<(Radial, f64)> {
    match op {
        PointOp::Expmap0 => Some((Radial::Exp, 0.0)),
        PointOp::Logmap0 => Some((Radial::Log, 0.0)),
        PointOp::ScalarMul(r) => Some((Radial::Scale, r)),
        PointOp::Project(margin) => Some((Radial::Project, margin)),
        // An infinite radius becomes the largest number, since the kernel's parameter must be finite; a
        // negative radius gives NaN.
        PointOp::Clip(radius) if radius >= 0.0 => Some((Radial::Clip, radius.min(f64::MAX))),
        PointOp::Clip(_) => Some((Radial::Clip, f64::NAN)),
        PointOp::OneMinusCn2 => None,
    }
}

/// An uninitialised tensor for the contributions to a derivative by c, in f64 whatever the type of `x`.
pub(super) fn parts_like<R: CubeRuntime>(x: &CubeTensor<R>, count: usize) -> CubeTensor<R> {
    let (client, device) = (x.client.clone(), x.device.clone());
    empty_device_contiguous_dtype(client, device, [count].into(), DType::F64)
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
                widest([$($array.required_address_type()),*]),
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

/// The widest address type that any of the arrays requires.
pub(super) fn widest<const N: usize>(types: [AddressType; N]) -> AddressType {
    types.into_iter().max().unwrap_or_default()
}

fn point<R: CubeRuntime>(op: PointOp, x: CubeTensor<R>, axis: usize, c: f64) -> CubeTensor<R> {
    let x = into_contiguous(x);
    let task = Task::new(&x, axis);
    let Some((map, parameter)) = radial(op) else {
        let out = like(&x, of_vectors(x.meta.shape(), axis));
        if task.vectors.count() > 0 {
            launch!(
                points::one_minus_cn2_of_each,
                task,
                [x, out],
                c,
                task.min_denominator
            );
        }
        return out;
    };
    let out = like(&x, x.meta.shape().clone());
    if !task.is_empty() {
        let (kernel_map, min_denominator) = (map, task.min_denominator);
        launch!(
            points::radial_map,
            task,
            [x, out],
            c,
            parameter,
            min_denominator,
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
    let min_denominator = task.min_denominator;
    match radial(op) {
        Some((map, parameter)) => {
            launch!(
                points::radial_map_backward,
                task,
                [x, grad, out],
                c,
                parameter,
                min_denominator,
                map
            );
        }
        None => launch!(
            points::one_minus_cn2_of_each_backward,
            task,
            [x, grad, out],
            c,
            min_denominator
        ),
    }
    out
}

/// ⟨grad, ∂/∂c⟩.
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
    let out = parts_like(&x, task.vectors.count());
    let min_denominator = task.min_denominator;
    match radial(op) {
        Some((map, parameter)) => {
            launch!(
                points::radial_map_by_c,
                task,
                [x, grad, out],
                c,
                parameter,
                min_denominator,
                map
            );
        }
        None => launch!(
            points::one_minus_cn2_of_each_by_c,
            task,
            [x, grad, out],
            c,
            min_denominator
        ),
    }
    sum(out, x.dtype)
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
            launch!(
                pairs::distance,
                task,
                [x, y, out],
                c,
                task.min_denominator,
                op
            );
        }
        out
    } else {
        let out = like(&x, shape.clone());
        if !task.is_empty() {
            launch!(
                pairs::sum_map,
                task,
                [x, y, out],
                c,
                task.min_denominator,
                op
            );
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
        let min_denominator = task.min_denominator;
        if op.is_distance() {
            launch!(
                pairs::distance_backward,
                task,
                [x, y, grad, by_x, by_y],
                c,
                min_denominator,
                op
            );
        } else {
            launch!(
                pairs::sum_map_backward,
                task,
                [x, y, grad, by_x, by_y],
                c,
                min_denominator,
                op
            );
        }
    }
    [by_x, by_y]
}

/// ⟨grad, ∂/∂c⟩.
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
    let out = parts_like(&x, task.vectors.count());
    launch!(
        pairs::pair_by_c,
        task,
        [x, y, grad, out],
        c,
        task.min_denominator,
        op
    );
    sum(out, x.dtype)
}

/// The sum of the contributions to a derivative by c: in f64 if the tensors `of` the operation are, else in
/// f32.
pub(super) fn sum<R: CubeRuntime>(parts: CubeTensor<R>, of: DType) -> CubeTensor<R> {
    let mut parts = parts;
    loop {
        let count = parts.meta.shape().num_elements();
        let cubes = count.div_ceil(sum::PER_CUBE).max(1);
        let (client, device) = (parts.client.clone(), parts.device.clone());
        let last = cubes == 1;
        let dtype = match of {
            DType::F64 => DType::F64,
            _ if last => DType::F32,
            _ => DType::F64,
        };
        let out = empty_device_contiguous_dtype(client, device, [cubes].into(), dtype);
        let dim = CubeDim::new_1d(UNITS as u32);
        // SAFETY: units beyond the last part do not read it, cubes beyond the last sum do not write.
        unsafe {
            sum::sums::launch_unchecked::<R>(
                &parts.client,
                calculate_cube_count_elemwise(&parts.client, cubes * UNITS, dim),
                dim,
                parts.required_address_type(),
                parts.clone().into_array_arg(),
                out.clone().into_array_arg(),
                count,
                cubes,
                dtype.into(),
            );
        }
        if last {
            return out;
        }
        parts = out;
    }
}

fn pair_of_any_kind<R: CubeRuntime>(
    op: PairOp,
    [x, y]: [CubeTensor<R>; 2],
    axis: usize,
    c: f64,
) -> CubeTensor<R> {
    expect_equal(op, &x, &y);
    match op {
        PairOp::PairwiseDist => Points::new(x, y).distances(c),
        _ => pair(op, x, y, axis, c),
    }
}

fn pair_of_any_kind_backward<B, R>(
    op: PairOp,
    [x, y]: [CubeTensor<R>; 2],
    grad: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> [CubeTensor<R>; 2]
where
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    expect_equal(op, &x, &y);
    match op {
        PairOp::PairwiseDist => Points::new(x, y).gradients::<B>(grad, c),
        _ => pair_backward(op, x, y, grad, axis, c),
    }
}

fn pair_of_any_kind_by_c<R: CubeRuntime>(
    op: PairOp,
    [x, y]: [CubeTensor<R>; 2],
    grad: CubeTensor<R>,
    axis: usize,
    c: f64,
) -> CubeTensor<R> {
    expect_equal(op, &x, &y);
    match op {
        PairOp::PairwiseDist => Points::new(x, y).by_c(grad, c),
        _ => pair_by_c(op, x, y, grad, axis, c),
    }
}

impl<R, F, I, BT> HyperbolicBackend for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn kernels(like: &FloatTensor<Self>) -> Option<Kernels<FloatTensor<Self>>> {
        has_doubles(like).then_some(Kernels {
            point,
            point_backward,
            point_by_c,
            pair: pair_of_any_kind,
            pair_backward: pair_of_any_kind_backward::<Self, R>,
            pair_by_c: pair_of_any_kind_by_c,
        })
    }

    /// Not through wgpu, where CubeCL 0.10 sums in f64 wrongly: 1.5 + 0.5 − 2 + 3 is 2e-308.
    fn computes_in_f64(device: &Self::Device) -> bool {
        let through_wgpu = R::name(&R::client(device)).starts_with("wgpu");
        !through_wgpu && Self::supports_dtype(device, DType::F64)
    }
}
