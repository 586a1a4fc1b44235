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
    /// 1 − c‖x‖², with size 1 on the coordinate axis.
    RimGap,
}

/// An operation on two tensors of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairOp {
    /// x ⊕ y.
    MobiusAdd,
    /// d(x, y), with size 1 on the coordinate axis.
    Dist,
    /// d(exp₀(x), exp₀(y)), with size 1 on the coordinate axis.
    DistExpmap0,
}

/// A backend with the operations of the ball, and their gradients in closed form.
///
/// The default bodies are made of Burn's primitives and differentiate through them; Flex and
/// NdArray have kernels that read each tensor once or twice. `Autodiff` of a backend takes forward
/// and backward pass from it.
pub trait HyperbolicBackend: Backend {
    /// The operation along `axis`, at curvature −c.
    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        by_vectors::<Self, 1>([x], axis, |[x]| primitive::point(op, x, c))
    }

    /// The gradient by x from the one by the output.
    fn point_op_backward(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        let [grad] = gradients::<Self, 1>([x], grad, axis, |[x]| primitive::point(op, x, c));
        grad
    }

    /// The operation along `axis`, at curvature −c, of tensors of one shape.
    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        by_vectors::<Self, 2>([x, y], axis, |[x, y]| primitive::pair(op, x, y, c))
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
        gradients::<Self, 2>([x, y], grad, axis, |[x, y]| primitive::pair(op, x, y, c))
    }
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

/// Its gradients, by Burn's own differentiation of the primitives.
fn gradients<B: Backend, const N: usize>(
    inputs: [FloatTensor<B>; N],
    grad: FloatTensor<B>,
    axis: usize,
    op: impl Fn([Tensor<Autodiff<B>, 3>; N]) -> Tensor<Autodiff<B>, 3>,
) -> [FloatTensor<B>; N] {
    let shape = inputs[0].shape();
    let inputs = inputs
        .map(|input| Tensor::<Autodiff<B>, 3>::from_inner(vectors(input, axis)).require_grad());
    let grad = Tensor::from_inner(vectors::<B>(grad, axis));
    let grads = (op(inputs.clone()) * grad).sum().backward();
    inputs.map(|input| {
        let grad = input
            .grad(&grads)
            .unwrap_or_else(|| input.inner().zeros_like());
        B::float_reshape(grad.into_primitive().tensor(), shape.clone())
    })
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
    use burn::tensor::{Bool, DType, Distribution};

    type T = Tensor<Flex, 3>;

    fn assert_equal(ours: FloatTensor<Flex>, kernel: FloatTensor<Flex>, what: &str) {
        let [ours, kernel] = [ours, kernel].map(|t| T::from_primitive(TensorPrimitive::Float(t)));
        assert_eq!(ours.dims(), kernel.dims(), "{what}");
        let scale = kernel.clone().abs().add_scalar(1.0);
        let close: Tensor<Flex, 3, Bool> = ((ours - kernel).abs() / scale).lower_elem(1e-12);
        assert!(close.all().into_scalar(), "{what}");
    }

    /// What a backend without kernels computes is what the kernels of Flex compute.
    #[test]
    fn defaults_agree_with_kernels() {
        let device = Default::default();
        for c in [0.0, 1e-9, 0.3, 2.5] {
            for axis in 0..3 {
                let random = |shape: [usize; 3]| {
                    let uniform = Distribution::Uniform(-0.2, 0.2);
                    let tensor = T::random(shape, uniform, &device).cast(DType::F64);
                    tensor.into_primitive().tensor()
                };
                let shape = [4, 5, 6];
                let (x, y) = (random(shape), random(shape));
                let mut one = shape;
                one[axis] = 1;
                for op in [
                    PointOp::Expmap0,
                    PointOp::Logmap0,
                    PointOp::ScalarMul(-1.7),
                    PointOp::RimGap,
                ] {
                    let what = format!("{op:?}, c = {c}, axis {axis}");
                    let f = |[x]: [_; 1]| primitive::point(op, x, c);
                    let ours = by_vectors::<Flex, 1>([x.clone()], axis, f);
                    assert_equal(ours, Flex::point_op(op, x.clone(), axis, c), &what);
                    let g = random(if op == PointOp::RimGap { one } else { shape });
                    let f = |[x]: [_; 1]| primitive::point(op, x, c);
                    let [ours] = gradients::<Flex, 1>([x.clone()], g.clone(), axis, f);
                    let kernel = Flex::point_op_backward(op, x.clone(), g, axis, c);
                    assert_equal(ours, kernel, &what);
                }
                for op in [PairOp::MobiusAdd, PairOp::Dist, PairOp::DistExpmap0] {
                    let what = format!("{op:?}, c = {c}, axis {axis}");
                    let f = |[x, y]: [_; 2]| primitive::pair(op, x, y, c);
                    let ours = by_vectors::<Flex, 2>([x.clone(), y.clone()], axis, f);
                    let kernel = Flex::pair_op(op, x.clone(), y.clone(), axis, c);
                    assert_equal(ours, kernel, &what);
                    let g = random(if op == PairOp::MobiusAdd { shape } else { one });
                    let f = |[x, y]: [_; 2]| primitive::pair(op, x, y, c);
                    let inputs = [x.clone(), y.clone()];
                    let [a, b] = gradients::<Flex, 2>(inputs, g.clone(), axis, f);
                    let [x, y] = [x.clone(), y.clone()];
                    let [kernel_a, kernel_b] = Flex::pair_op_backward(op, x, y, g, axis, c);
                    assert_equal(a, kernel_a, &what);
                    assert_equal(b, kernel_b, &what);
                }
            }
        }
    }
}
