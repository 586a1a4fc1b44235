//! How the vectors of a tensor lie in memory.

use burn::tensor::{Shape, TensorMetadata};

use super::backend::PairOp;

/// A contiguous tensor seen as `[outer, n, inner]`, with the coordinates on the middle axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vectors {
    pub outer: usize,
    pub n: usize,
    pub inner: usize,
}

impl Vectors {
    /// The vectors of a tensor with the coordinates on `axis`.
    pub fn new(shape: &Shape, axis: usize) -> Self {
        Self {
            outer: shape[..axis].iter().product(),
            n: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        }
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        self.outer * self.inner
    }
}

/// The shape of the first tensor of a pair, whose types and shapes must agree as Burn's own
/// operations demand.
pub fn expect_equal<T: TensorMetadata>(op: PairOp, x: &T, y: &T) -> Shape {
    assert_eq!(x.dtype(), y.dtype(), "the tensors of a pair have one type");
    let (of_x, of_y) = (x.shape(), y.shape());
    if op == PairOp::PairwiseDist {
        assert_eq!(
            of_x[1], of_y[1],
            "points have the same number of coordinates"
        );
    } else {
        assert_eq!(of_x, of_y, "the tensors of a pair broadcast to one shape");
    }
    of_x
}
