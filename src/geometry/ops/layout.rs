//! How the vectors of a tensor lie in memory.

use burn::tensor::Shape;

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
