//! The operations of a backend without kernels, and their gradients by Burn's own differentiation.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};

use super::super::backend::{HyperbolicBackend, PairOp, PointOp};
use super::{pair, point};

/// An operation on one tensor along `axis`, at curvature −c.
pub fn point_op<B: HyperbolicBackend>(
    op: PointOp,
    x: FloatTensor<B>,
    axis: usize,
    c: f64,
) -> FloatTensor<B> {
    by_vectors::<B, 1>([x], axis, |[x]| point(op, x, &c))
}

/// Its gradients by x and c.
pub fn point_gradients<B: HyperbolicBackend>(
    op: PointOp,
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
    axis: usize,
    c: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let op = |[x]: [_; 1], c: &Learned<B>| point(op, x, c);
    let ([by_x], by_c) = gradients::<B, 1>([x], grad, axis, c, op);
    (by_x, by_c)
}

/// An operation on two tensors along `axis`, at curvature −c.
pub fn pair_op<B: HyperbolicBackend>(
    op: PairOp,
    x: FloatTensor<B>,
    y: FloatTensor<B>,
    axis: usize,
    c: f64,
) -> FloatTensor<B> {
    let op_of = |[x, y]: [_; 2]| pair(op, x, y, &c);
    let parts = row_parts::<B>(op, x, &y).into_iter();
    let parts = parts.map(|x| by_vectors::<B, 2>([x, y.clone()], axis, op_of));
    joined::<B>(parts.collect())
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

/// The gradients of an operation on two tensors, by both and by c.
pub fn pair_gradients<B: HyperbolicBackend>(
    op: PairOp,
    [x, y]: [FloatTensor<B>; 2],
    grad: FloatTensor<B>,
    axis: usize,
    c: f64,
) -> ([FloatTensor<B>; 2], FloatTensor<B>) {
    let op_of = |[x, y]: [_; 2], c: &Learned<B>| pair(op, x, y, c);
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
        let ours = pair_op::<Flex>(op, x.clone(), y.clone(), axis, c);
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
                    let ours = point_op::<Flex>(op, x.clone(), axis, c);
                    assert_equal(ours, Flex::point_op(op, x.clone(), axis, c), &what);
                    let g = random(if op == PointOp::RimGap { one } else { shape });
                    let (ours, by_c) = point_gradients::<Flex>(op, x.clone(), g.clone(), axis, c);
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
