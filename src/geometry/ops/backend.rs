//! The operations that a backend computes itself.

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor, TensorPrimitive};

use super::primitive;

/// An operation on one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointOp {
    /// exp₀(x).
    Expmap0,
    /// log₀(x).
    Logmap0,
    /// r ⊗ x.
    ScalarMul(f64),
    /// x, or the point of its ray at (1 − m)/√c if x lies beyond; m is the margin.
    Project(f64),
    /// min(1, r/‖x‖) x.
    Clip(f64),
    /// 1 − c‖x‖², with size 1 on the coordinate axis.
    OneMinusCn2,
}

/// An operation on two tensors, of one shape but for `PairwiseDist`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairOp {
    /// x ⊕ y.
    MobiusAdd,
    /// expₓ(y).
    Expmap,
    /// logₓ(y).
    Logmap,
    /// d(x, y), with size 1 on the coordinate axis.
    Dist,
    /// d(exp₀(x), exp₀(y)), with size 1 on the coordinate axis.
    DistExpmap0,
    /// d(xᵢ, yⱼ) for every row of `[n, d]` and every row of `[m, d]`: `[n, m]`. The axis is 1.
    PairwiseDist,
}

impl PairOp {
    /// Whether the output has size 1 on the coordinate axis.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::Dist | Self::DistExpmap0)
    }
}

/// The operations and their gradients in closed form, on tensors `T` of one element type.
///
/// `axis` is that of the coordinates, c the curvature with its sign turned. Kernels read each tensor
/// once or twice.
#[derive(Debug)]
pub struct Kernels<T> {
    /// An operation on one tensor: op, x, axis, c.
    pub point: fn(PointOp, T, usize, f64) -> T,
    /// The gradient by x from the one by the output: op, x, gradient, axis, c.
    pub point_backward: fn(PointOp, T, T, usize, f64) -> T,
    /// The gradient by c from the one by the output, one element: op, x, gradient, axis, c.
    pub point_by_c: fn(PointOp, T, T, usize, f64) -> T,
    /// An operation on two tensors: op, \[x, y\], axis, c.
    pub pair: fn(PairOp, [T; 2], usize, f64) -> T,
    /// The gradients by x and y from the one by the output: op, \[x, y\], gradient, axis, c.
    pub pair_backward: fn(PairOp, [T; 2], T, usize, f64) -> [T; 2],
    /// The gradient by c from the one by the output, one element: op, \[x, y\], gradient, axis, c.
    pub pair_by_c: fn(PairOp, [T; 2], T, usize, f64) -> T,
}

impl<T> Clone for Kernels<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Kernels<T> {}

/// A backend that the geometry runs on.
///
/// `impl HyperbolicBackend for MyBackend {}` is enough: the operations are then made of Burn's
/// primitives, and `Autodiff` differentiates through these. Flex, NdArray and the runtimes of CubeCL have
/// kernels (the latter on devices with f64), from which `Autodiff` takes the forward and the backward pass;
/// Candle, LibTorch, the router and remote backends (features `candle`, `tch`, `router`, `remote`) have none.
///
/// Burn's `Fusion` is refused by the compiler, for it computes wrong results in 0.21
/// ([tracel-ai/burn#5122](https://github.com/tracel-ai/burn/issues/5122)):
///
/// ```
/// use burn_fusion::FusionBackend;
/// use hypad::geometry::HyperbolicBackend;
///
/// fn geometry_on<B: HyperbolicBackend>() {}
/// fn not_fused<B: FusionBackend + HyperbolicBackend>() {
///     geometry_on::<B>();
/// }
/// ```
///
/// ```compile_fail,E0277
/// use burn_fusion::{Fusion, FusionBackend};
/// use hypad::geometry::HyperbolicBackend;
///
/// fn geometry_on<B: HyperbolicBackend>() {}
/// fn fused<B: FusionBackend + HyperbolicBackend>() {
///     geometry_on::<Fusion<B>>();
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a backend that hypad's geometry is known to run on",
    label = "no `HyperbolicBackend` for this type",
    note = "in generic code, add the bound `B: HyperbolicBackend`",
    note = "a feature of hypad implements it for each of Burn's backends: flex, ndarray, cuda, vulkan, candle, tch, router, remote; `cube` for those of `burn/metal`, `burn/webgpu`, `burn/rocm` and `burn/cpu`",
    note = "`Fusion` is left out, for it computes wrong results in Burn 0.21 (tracel-ai/burn#5122); where a crate turns Burn's fusion on, take `hypad::backend::Cuda`, `Vulkan` or another `CubeBackend`",
    note = "for a backend of your own, `impl HyperbolicBackend for MyBackend {{}}` is enough"
)]
pub trait HyperbolicBackend: Backend {
    /// The kernels for tensors like this one, on its device; none by default.
    fn kernels(_like: &FloatTensor<Self>) -> Option<Kernels<FloatTensor<Self>>> {
        None
    }

    /// Whether Burn's own operations compute in f64 on this device. Operations that are made of several
    /// of them compute in f32 where they do not.
    fn computes_in_f64(device: &Self::Device) -> bool {
        Self::supports_dtype(device, DType::F64)
    }

    /// The operation along `axis`, at curvature −c.
    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        match Self::kernels(&x) {
            Some(kernels) => (kernels.point)(op, x, axis, c),
            None => primitive::point_op::<Self>(op, x, axis, &c),
        }
    }

    /// The operation along `axis`, at curvature −c.
    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        match Self::kernels(&x) {
            Some(kernels) => (kernels.pair)(op, [x, y], axis, c),
            None => primitive::pair_op::<Self>(op, [x, y], axis, &c),
        }
    }

    /// [`point_op`](Self::point_op) at a curvature that is a tensor of one element, and that
    /// receives a gradient where the backend has them.
    fn point_op_learned(
        op: PointOp,
        x: FloatTensor<Self>,
        axis: usize,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::point_op(op, x, axis, value::<Self>(c))
    }

    /// [`pair_op`](Self::pair_op) at a curvature that is a tensor of one element, and that receives
    /// a gradient where the backend has them.
    fn pair_op_learned(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::pair_op(op, x, y, axis, value::<Self>(c))
    }
}

/// The number in a tensor of one element.
pub(super) fn value<B: Backend>(tensor: FloatTensor<B>) -> f64 {
    let tensor = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(tensor));
    tensor.into_data().iter().next().unwrap_or(f64::NAN)
}

// From Burn's operations.
// burn-candle is deprecated in Burn 0.21.
#[cfg(feature = "candle")]
#[allow(deprecated)]
impl<F, I> HyperbolicBackend for burn::backend::Candle<F, I>
where
    F: burn::backend::candle::FloatCandleElement,
    I: burn::backend::candle::IntCandleElement,
{
}
#[cfg(feature = "tch")]
impl<E> HyperbolicBackend for burn::backend::LibTorch<E> where E: burn::backend::libtorch::TchElement
{}
#[cfg(feature = "router")]
impl<R: burn::backend::router::RunnerChannel> HyperbolicBackend
    for burn::backend::router::BackendRouter<R>
{
}
