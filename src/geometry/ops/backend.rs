//! What a backend computes itself.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};

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
    RimGap,
}

/// An operation on two tensors, of one shape but for `PairwiseDist`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A backend with the operations of the ball, and their gradients in closed form.
///
/// The default bodies are made of Burn's primitives and differentiate through them; Flex and
/// NdArray have kernels that read each tensor once or twice. `Autodiff` of a backend takes forward
/// and backward pass from it.
pub trait HyperbolicBackend: Backend {
    /// The operation along `axis`, at curvature −c.
    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        by_vectors::<Self, 1>([x], axis, |[x]| primitive::point(op, x, &c))
    }

    /// The gradient by x from the one by the output.
    fn point_op_backward(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        let op = |[x]: [_; 1], c: &Learned<Self>| primitive::point(op, x, c);
        let ([grad], _) = gradients::<Self, 1>([x], grad, axis, c, op);
        grad
    }

    /// The gradient by c from the one by the output: one element.
    fn point_op_by_c(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        let op = |[x]: [_; 1], c: &Learned<Self>| primitive::point(op, x, c);
        gradients::<Self, 1>([x], grad, axis, c, op).1
    }

    /// The operation along `axis`, at curvature −c.
    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        let op_of = |[x, y]: [_; 2]| primitive::pair(op, x, y, &c);
        let parts = row_parts::<Self>(op, x, &y).into_iter();
        let parts = parts.map(|x| by_vectors::<Self, 2>([x, y.clone()], axis, op_of));
        joined::<Self>(parts.collect())
    }

    /// The gradients by x and y from the one by the output.
    fn pair_op_backward(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> [FloatTensor<Self>; 2] {
        pair_gradients::<Self>(op, [x, y], grad, axis, c).0
    }

    /// The gradient by c from the one by the output: one element.
    fn pair_op_by_c(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        pair_gradients::<Self>(op, [x, y], grad, axis, c).1
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

/// Applies a function of `[outer, n, inner]` tensors to tensors of any rank.
fn by_vectors<B: Backend, const N: usize>(
    inputs: [FloatTensor<B>; N],
    axis: usize,
    op: impl Fn([Tensor<B, 3>; N]) -> Tensor<B, 3>,
) -> FloatTensor<B> {
    let mut shape = inputs[0].shape();
    let output = op(inputs.map(|input| vectors::<B>(input, axis)));
    shape[axis] = output.dims()[1];
    B::float_reshape(output.into_primitive().tensor(), shape)
}

/// A curvature that is differentiated by.
type Learned<B> = Tensor<Autodiff<B>, 1>;

/// Its gradients by the inputs and by c, from Burn's own differentiation of the primitives.
fn gradients<B: HyperbolicBackend, const N: usize>(
    inputs: [FloatTensor<B>; N],
    grad: FloatTensor<B>,
    axis: usize,
    c: f64,
    op: impl Fn([Tensor<Autodiff<B>, 3>; N], &Learned<B>) -> Tensor<Autodiff<B>, 3>,
) -> ([FloatTensor<B>; N], FloatTensor<B>) {
    let shapes = inputs.each_ref().map(|input| input.shape());
    let inputs = inputs
        .map(|input| Tensor::<Autodiff<B>, 3>::from_inner(vectors(input, axis)).require_grad());
    let grad = Tensor::from_inner(vectors::<B>(grad, axis));
    let options = (&inputs[0].device(), inputs[0].dtype());
    let c = Learned::<B>::full([1], c, options).require_grad();
    let output = op(inputs.clone(), &c);
    let grads = (output * grad).sum().backward();
    let by_c = c.grad(&grads).unwrap_or_else(|| c.inner().zeros_like());
    let mut shapes = shapes.into_iter();
    let by_inputs = inputs.map(|input| {
        let grad = input.grad(&grads);
        let grad = grad.unwrap_or_else(|| input.inner().zeros_like());
        let grad = grad.into_primitive().tensor();
        let shape = shapes.next().unwrap_or_else(|| grad.shape());
        B::float_reshape(grad, shape)
    });
    (by_inputs, by_c.into_primitive().tensor())
}

/// The gradients of a pair operation by its inputs and by c.
fn pair_gradients<B: HyperbolicBackend>(
    op: PairOp,
    [x, y]: [FloatTensor<B>; 2],
    grad: FloatTensor<B>,
    axis: usize,
    c: f64,
) -> ([FloatTensor<B>; 2], FloatTensor<B>) {
    let op_of = |[x, y]: [_; 2], c: &Learned<B>| primitive::pair(op, x, y, c);
    let grads = row_parts::<B>(op, grad, &y);
    let parts = row_parts::<B>(op, x, &y).into_iter().zip(grads);
    let parts = parts.map(|(x, grad)| gradients::<B, 2>([x, y.clone()], grad, axis, c, op_of));
    let mut by_x = Vec::new();
    let sums = parts.map(|([x, y], c)| {
        by_x.push(x);
        (y, c)
    });
    let sums =
        sums.reduce(|(y, c), (more_y, more_c)| (B::float_add(y, more_y), B::float_add(c, more_c)));
    let (by_y, by_c) = sums.expect("a tensor has at least one part");
    ([joined::<B>(by_x), by_y], by_c)
}

/// The primitives of a pairwise distance make a tensor of n·m·d elements; this many at a time.
const PAIRWISE_ELEMENTS: usize = 1 << 26;

/// A tensor in parts of a few rows, for pairwise distances to the rows of `y`; whole otherwise.
fn row_parts<B: Backend>(op: PairOp, x: FloatTensor<B>, y: &FloatTensor<B>) -> Vec<FloatTensor<B>> {
    let (shape, of_y) = (x.shape(), y.shape());
    if op != PairOp::PairwiseDist || shape[0] == 0 {
        return vec![x];
    }
    let rows = (PAIRWISE_ELEMENTS / of_y.num_elements().max(1)).max(1);
    let x = Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(x));
    let parts = x.split(rows, 0).into_iter();
    parts.map(|part| part.into_primitive().tensor()).collect()
}

fn joined<B: Backend>(mut parts: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    match parts.len() {
        1 => parts.remove(0),
        _ => B::float_cat(parts, 0),
    }
}

fn vectors<B: Backend>(tensor: FloatTensor<B>, axis: usize) -> Tensor<B, 3> {
    let shape = tensor.shape();
    let outer = shape[..axis].iter().product();
    let inner = shape[axis + 1..].iter().product();
    let shape = [outer, shape[axis], inner].into();
    Tensor::from_primitive(TensorPrimitive::Float(B::float_reshape(tensor, shape)))
}

#[cfg(feature = "cuda")]
impl HyperbolicBackend for burn::backend::Cuda {}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::ops::FloatTensorOps;
    use burn::tensor::{Bool, DType, Distribution};

    type T = Tensor<Flex, 3>;

    fn assert_equal(ours: FloatTensor<Flex>, kernel: FloatTensor<Flex>, what: &str) {
        let [ours, kernel] = [ours, kernel].map(|t| vectors::<Flex>(t, 0));
        assert_eq!(ours.dims(), kernel.dims(), "{what}");
        let scale = kernel.clone().abs().add_scalar(1.0);
        let close: Tensor<Flex, 3, Bool> = ((ours - kernel).abs() / scale).lower_elem(1e-11);
        assert!(close.all().into_scalar(), "{what}");
    }

    fn random(shape: [usize; 3]) -> FloatTensor<Flex> {
        let uniform = Distribution::Uniform(-0.2, 0.2);
        let tensor = T::random(shape, uniform, &Default::default()).cast(DType::F64);
        tensor.into_primitive().tensor()
    }

    fn check_pair(op: PairOp, x: FloatTensor<Flex>, y: FloatTensor<Flex>, axis: usize, c: f64) {
        let what = format!("{op:?}, c = {c}, axis {axis}");
        let kernel = Flex::pair_op(op, x.clone(), y.clone(), axis, c);
        let ours = by_vectors::<Flex, 2>([x.clone(), y.clone()], axis, |[x, y]| {
            primitive::pair(op, x, y, &c)
        });
        let shape = kernel.shape();
        assert_equal(ours, kernel, &what);
        let grad = Flex::float_reshape(random([1, 1, shape.num_elements()]), shape);
        let inputs = [x.clone(), y.clone()];
        let ([a, b], by_c) = pair_gradients::<Flex>(op, inputs, grad.clone(), axis, c);
        let [x, y] = [x, y].map(|t| move || t.clone());
        let [kernel_a, kernel_b] = Flex::pair_op_backward(op, x(), y(), grad.clone(), axis, c);
        assert_equal(a, kernel_a, &format!("{what}, by x"));
        assert_equal(b, kernel_b, &format!("{what}, by y"));
        let kernel = Flex::pair_op_by_c(op, x(), y(), grad, axis, c);
        assert_equal(by_c, kernel, &format!("{what}, by c"));
    }

    /// What a backend without kernels computes is what the kernels of Flex compute.
    #[test]
    fn defaults_agree_with_kernels() {
        for c in [0.0, 1e-9, 0.3, 2.5] {
            for axis in 0..3 {
                let shape = [4, 5, 6];
                let mut one = shape;
                one[axis] = 1;
                for op in [
                    PointOp::Expmap0,
                    PointOp::Logmap0,
                    PointOp::ScalarMul(-1.7),
                    PointOp::Project(0.6),
                    PointOp::Clip(1.1),
                    PointOp::RimGap,
                ] {
                    let x = random(shape);
                    let what = format!("{op:?}, c = {c}, axis {axis}");
                    let f = |[x]: [_; 1]| primitive::point(op, x, &c);
                    let ours = by_vectors::<Flex, 1>([x.clone()], axis, f);
                    assert_equal(ours, Flex::point_op(op, x.clone(), axis, c), &what);
                    let g = random(if op == PointOp::RimGap { one } else { shape });
                    let f = |[x]: [_; 1], c: &Learned<Flex>| primitive::point(op, x, c);
                    let ([ours], by_c) = gradients::<Flex, 1>([x.clone()], g.clone(), axis, c, f);
                    let kernel = Flex::point_op_backward(op, x.clone(), g.clone(), axis, c);
                    assert_equal(ours, kernel, &what);
                    let kernel = Flex::point_op_by_c(op, x, g, axis, c);
                    assert_equal(by_c, kernel, &format!("{what}, by c"));
                }
                for op in [
                    PairOp::MobiusAdd,
                    PairOp::Expmap,
                    PairOp::Logmap,
                    PairOp::Dist,
                    PairOp::DistExpmap0,
                ] {
                    check_pair(op, random(shape), random(shape), axis, c);
                }
            }
            let rows = |n| Flex::float_reshape(random([1, n, 7]), [n, 7].into());
            check_pair(PairOp::PairwiseDist, rows(5), rows(9), 1, c);
        }
    }
}
