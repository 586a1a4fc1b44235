//! The operations of a backend without kernels, on tensors of any rank.

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};

use super::super::backend::{HyperbolicBackend, PairOp, PointOp};
use super::super::curvature::Curvature;
use super::{pair, point};

/// An operation on one tensor along `axis`.
pub fn point_op<B: HyperbolicBackend>(
    op: PointOp,
    x: FloatTensor<B>,
    axis: usize,
    c: &impl Curvature<B>,
) -> FloatTensor<B> {
    by_vectors::<B, 1>([x], axis, |[x]| point(op, x, c))
}

/// An operation on two tensors along `axis`.
pub fn pair_op<B: HyperbolicBackend>(
    op: PairOp,
    [x, y]: [FloatTensor<B>; 2],
    axis: usize,
    c: &impl Curvature<B>,
) -> FloatTensor<B> {
    let op_of = |[x, y]: [_; 2]| pair(op, x, y, c);
    let parts = row_parts::<B>(op, x, &y).into_iter();
    let parts = parts.map(|x| by_vectors::<B, 2>([x, y.clone()], axis, op_of));
    joined::<B>(parts.collect())
}

/// A curvature that is a tensor of one element.
pub fn learned<B: HyperbolicBackend>(c: FloatTensor<B>) -> Tensor<B, 1> {
    Tensor::from_primitive(TensorPrimitive::Float(c))
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

/// Upper limit of the n·m·d elements of the tensor that the primitives of a pairwise distance create.
const PAIRWISE_ELEMENTS: usize = 1 << 26;

/// The tensor x, split into groups of rows if `op` is the pairwise distance to the rows of `y`.
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
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::{Bool, DType, Distribution};

    type B = Autodiff<Flex>;
    type T = Tensor<B, 3>;

    fn assert_equal(ours: FloatTensor<Flex>, kernel: FloatTensor<Flex>, what: &str) {
        let [ours, kernel] = [ours, kernel].map(|t| vectors::<Flex>(t, 0));
        assert_eq!(ours.dims(), kernel.dims(), "{what}");
        let scale = kernel.clone().abs().add_scalar(1.0);
        let close: Tensor<Flex, 3, Bool> = ((ours - kernel).abs() / scale).lower_elem(1e-11);
        assert!(close.all().into_scalar(), "{what}");
    }

    fn random(shape: [usize; 3]) -> T {
        let uniform = Distribution::Uniform(-0.2, 0.2);
        T::random(shape, uniform, &Default::default()).cast(DType::F64)
    }

    /// The output of an operation, and its gradients by the inputs and by c.
    fn outcome<const N: usize>(
        inputs: &[T; N],
        c: f64,
        op: impl Fn([FloatTensor<B>; N], FloatTensor<B>) -> FloatTensor<B>,
    ) -> Vec<FloatTensor<Flex>> {
        let inputs = inputs.clone().map(|input| input.detach().require_grad());
        let device = Default::default();
        let c = Tensor::<B, 1>::full([1], c, (&device, DType::F64)).require_grad();
        let primitives = inputs.clone().map(|input| input.into_primitive().tensor());
        let output = op(primitives, c.clone().into_primitive().tensor());
        let output = vectors::<B>(output, 0);
        let steps: usize = output.dims().iter().product();
        let weights = Tensor::arange(0..steps as i64, &device)
            .float()
            .cast(DType::F64);
        let weights = (weights * 0.7).sin().reshape(output.dims());
        let grads = (output.clone() * weights).sum().backward();
        let of = inputs
            .into_iter()
            .map(|input| input.grad(&grads).map(|t| t.into_primitive()));
        let by_c = c.grad(&grads).map(|t| t.into_primitive());
        let all = of.chain([by_c]).flatten().map(|t| t.tensor());
        let output = output.inner().into_primitive().tensor();
        [output].into_iter().chain(all).collect()
    }

    fn check_pair(op: PairOp, inputs: [T; 2], axis: usize, c: f64) {
        let shape = inputs[0].dims();
        let flat = |t: FloatTensor<B>| match op {
            // Rows of a matrix.
            PairOp::PairwiseDist => {
                let [n, d] = [t.shape()[1], shape[2]];
                let t = Tensor::<B, 3>::from_primitive(TensorPrimitive::Float(t));
                t.reshape([n, d]).into_primitive().tensor()
            }
            _ => t,
        };
        let ours = outcome(&inputs, c, |inputs, c| {
            pair_op::<B>(op, inputs.map(flat), axis, &learned::<B>(c))
        });
        let kernel = outcome(&inputs, c, |inputs, c| {
            let [x, y] = inputs.map(flat);
            B::pair_op_learned(op, x, y, axis, c)
        });
        assert_eq!((ours.len(), kernel.len()), (4, 4));
        for (part, (ours, kernel)) in ours.into_iter().zip(kernel).enumerate() {
            assert_equal(
                ours,
                kernel,
                &format!("{op:?}, c = {c}, axis {axis}, {part}"),
            );
        }
    }

    const POINTS: [PointOp; 6] = [
        PointOp::Expmap0,
        PointOp::Logmap0,
        PointOp::ScalarMul(-1.7),
        PointOp::Project(0.6),
        PointOp::Clip(1.1),
        PointOp::OneMinusCn2,
    ];
    const PAIRS: [PairOp; 5] = [
        PairOp::MobiusAdd,
        PairOp::Expmap,
        PairOp::Logmap,
        PairOp::Dist,
        PairOp::DistExpmap0,
    ];

    /// Random vectors, and the same with one coordinate of the second vector replaced.
    fn with_broken(broken: f64) -> [T; 2] {
        let x = random([3, 4, 1]);
        let value = T::full([1, 1, 1], broken, (&x.device(), DType::F64));
        let index = [1..2, 2..3, 0..1];
        [x.clone(), x.slice_assign(index, value)]
    }

    /// The results of a backend without kernels are finite at the elements where those of the kernels are.
    fn check_broken(ours: Vec<FloatTensor<Flex>>, kernel: Vec<FloatTensor<Flex>>, what: &str) {
        for (part, (ours, kernel)) in ours.into_iter().zip(kernel).enumerate() {
            let [ours, kernel] = [ours, kernel].map(|tensor| {
                let data = vectors::<Flex>(tensor, 0).into_data();
                data.iter::<f64>().collect::<Vec<_>>()
            });
            for (at, (ours, kernel)) in ours.iter().zip(&kernel).enumerate() {
                assert_eq!(
                    ours.is_finite(),
                    kernel.is_finite(),
                    "{what}, {part} [{at}]: {ours} {kernel}"
                );
            }
        }
    }

    #[test]
    fn nan_shows() {
        for c in [0.0, 0.3] {
            for broken in [f64::NAN, f64::INFINITY] {
                let [healthy, x] = with_broken(broken);
                for op in POINTS {
                    let inputs = [x.clone()];
                    let ours = outcome(&inputs, c, |[x], c| {
                        point_op::<B>(op, x, 1, &learned::<B>(c))
                    });
                    let kernel = outcome(&inputs, c, |[x], c| B::point_op_learned(op, x, 1, c));
                    let parts = if broken.is_nan() { 2 } else { 1 };
                    let first = |all: Vec<_>| all.into_iter().take(parts).collect();
                    check_broken(
                        first(ours),
                        first(kernel),
                        &format!("{op:?}, c = {c}, {broken}"),
                    );
                }
                for (op, side) in PAIRS.iter().flat_map(|op| [0, 1].map(|side| (*op, side))) {
                    let mut inputs = [healthy.clone(), healthy.clone() * 0.5];
                    inputs[side] = x.clone();
                    let ours = outcome(&inputs, c, |inputs, c| {
                        pair_op::<B>(op, inputs, 1, &learned::<B>(c))
                    });
                    let kernel =
                        outcome(&inputs, c, |[x, y], c| B::pair_op_learned(op, x, y, 1, c));
                    let parts = if broken.is_nan() { 3 } else { 1 };
                    let first = |all: Vec<_>| all.into_iter().take(parts).collect();
                    check_broken(
                        first(ours),
                        first(kernel),
                        &format!("{op:?} {side}, c = {c}, {broken}"),
                    );
                }
            }
        }
    }

    /// A backend without kernels computes the same as the kernels of Flex: values, gradients
    /// by the inputs and by c.
    #[test]
    fn primitives_agree_with_kernels() {
        for c in [0.0, 1e-9, 0.3, 2.5] {
            for axis in 0..3 {
                let shape = [4, 5, 6];
                for op in POINTS {
                    let x = [random(shape)];
                    let ours =
                        outcome(&x, c, |[x], c| point_op::<B>(op, x, axis, &learned::<B>(c)));
                    let kernel = outcome(&x, c, |[x], c| B::point_op_learned(op, x, axis, c));
                    // A clip does not depend on c: no gradient from Burn, a gradient of 0 from the kernels.
                    assert!(ours.len() == 3 || matches!(op, PointOp::Clip(_)));
                    for (part, (ours, kernel)) in ours.into_iter().zip(kernel).enumerate() {
                        let what = format!("{op:?}, c = {c}, axis {axis}, {part}");
                        assert_equal(ours, kernel, &what);
                    }
                }
                for op in PAIRS {
                    check_pair(op, [random(shape), random(shape)], axis, c);
                }
            }
            let rows = [5, 9].map(|n| random([1, n, 7]));
            check_pair(PairOp::PairwiseDist, rows, 1, c);
        }
    }
}
