//! Flex and NdArray: their tensors as slices, and the operations on them.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Element, Shape, TensorData, TensorMetadata, bf16, f16};

use super::vectors::Real;
use super::{kernels, pairwise, simd_float};
use crate::geometry::ops::backend::{HyperbolicBackend, Kernels, PairOp, PointOp};
use crate::geometry::ops::layout::{Vectors, expect_equal};

/// A tensor in the memory of the CPU.
trait HostTensor: TensorMetadata {
    /// The same tensor, contiguous in row-major order.
    fn contiguous(self) -> Self;
    /// The elements of a contiguous tensor of this type.
    fn elements<T: Element + bytemuck::Pod>(&self) -> &[T];
    /// A tensor of these elements in row-major order.
    fn from_elements<T: Element>(elements: Vec<T>, shape: Shape) -> Self;
}

#[cfg(feature = "flex")]
impl HostTensor for burn_flex::FlexTensor {
    fn contiguous(self) -> Self {
        self.to_contiguous()
    }

    fn elements<T: Element + bytemuck::Pod>(&self) -> &[T] {
        self.as_slice().unwrap_or_default()
    }

    fn from_elements<T: Element>(elements: Vec<T>, shape: Shape) -> Self {
        Self::from_data(TensorData::new(elements, shape))
    }
}

#[cfg(feature = "ndarray")]
impl HostTensor for burn_ndarray::NdArrayTensor {
    fn contiguous(self) -> Self {
        use burn_ndarray::NdArrayTensor::{F32, F64};
        match self {
            F32(storage) => match storage.into_shared() {
                array if array.is_standard_layout() => array.into(),
                array => array.as_standard_layout().into_owned().into_shared().into(),
            },
            F64(storage) => match storage.into_shared() {
                array if array.is_standard_layout() => array.into(),
                array => array.as_standard_layout().into_owned().into_shared().into(),
            },
            other => other,
        }
    }

    fn elements<T: Element + bytemuck::Pod>(&self) -> &[T] {
        use burn_ndarray::NdArrayTensor::{F32, F64};
        match self {
            F32(storage) => storage.view().to_slice().map(bytemuck::cast_slice),
            F64(storage) => storage.view().to_slice().map(bytemuck::cast_slice),
            _ => None,
        }
        .unwrap_or_default()
    }

    fn from_elements<T: Element>(elements: Vec<T>, shape: Shape) -> Self {
        Self::from_data(TensorData::new(elements, shape))
    }
}

/// Evaluates an expression with `T` the element type of a tensor.
macro_rules! with_element {
    ($tensor:expr, $body:expr) => {
        match $tensor.dtype() {
            DType::F64 => {
                type T = f64;
                $body
            }
            DType::F16 => {
                type T = f16;
                $body
            }
            DType::BF16 => {
                type T = bf16;
                $body
            }
            _ => {
                type T = f32;
                $body
            }
        }
    };
}

/// A derivative by c as a tensor of one element, in the type of sums over the elements of type `T`.
fn scalar_tensor<H: HostTensor, T: Real>(by_c: f64) -> H {
    H::from_elements(
        vec![<T::Accumulator as simd_float::SimdFloat>::of(by_c)],
        [1].into(),
    )
}

fn point<H: HostTensor>(op: PointOp, x: H, axis: usize, c: f64) -> H {
    let x = x.contiguous();
    let mut shape = x.shape();
    let vectors = Vectors::new(&shape, axis);
    if op == PointOp::OneMinusCn2 {
        shape[axis] = 1;
    }
    with_element!(x, {
        H::from_elements(kernels::point::<T>(op, vectors, x.elements(), c), shape)
    })
}

fn point_backward<H: HostTensor>(op: PointOp, x: H, grad: H, axis: usize, c: f64) -> H {
    let (x, grad) = (x.contiguous(), grad.contiguous());
    let vectors = Vectors::new(&x.shape(), axis);
    with_element!(x, {
        let of_x = kernels::point_backward::<T>(op, vectors, x.elements(), grad.elements(), c);
        H::from_elements(of_x, x.shape())
    })
}

fn point_by_c<H: HostTensor>(op: PointOp, x: H, grad: H, axis: usize, c: f64) -> H {
    let (x, grad) = (x.contiguous(), grad.contiguous());
    let vectors = Vectors::new(&x.shape(), axis);
    with_element!(x, {
        let by_c = kernels::point_by_c::<T>(op, vectors, x.elements(), grad.elements(), c);
        scalar_tensor::<H, T>(by_c)
    })
}

fn pair<H: HostTensor>(op: PairOp, [x, y]: [H; 2], axis: usize, c: f64) -> H {
    let (x, y) = (x.contiguous(), y.contiguous());
    let mut shape = expect_equal(op, &x, &y);
    let vectors = Vectors::new(&shape, axis);
    if op == PairOp::PairwiseDist {
        shape[1] = y.shape()[0];
    } else if op.is_distance() {
        shape[axis] = 1;
    }
    with_element!(x, {
        let (x, y) = (x.elements::<T>(), y.elements::<T>());
        let out = match op {
            PairOp::PairwiseDist if vectors.n == 0 => vec![T::of(0.0); shape.num_elements()],
            PairOp::PairwiseDist => pairwise::distances(x, y, vectors.n, c),
            _ => kernels::pair(op, vectors, x, y, c),
        };
        H::from_elements(out, shape)
    })
}

fn pair_backward<H: HostTensor>(
    op: PairOp,
    [x, y]: [H; 2],
    grad: H,
    axis: usize,
    c: f64,
) -> [H; 2] {
    let (x, y, grad) = (x.contiguous(), y.contiguous(), grad.contiguous());
    let vectors = Vectors::new(&expect_equal(op, &x, &y), axis);
    with_element!(x, {
        let inputs = [x.elements::<T>(), y.elements::<T>()];
        let [by_x, by_y] = match op {
            PairOp::PairwiseDist => {
                pairwise::gradients(inputs[0], inputs[1], vectors.n, grad.elements(), c)
            }
            _ => kernels::pair_backward(op, vectors, inputs, grad.elements(), c),
        };
        [
            H::from_elements(by_x, x.shape()),
            H::from_elements(by_y, y.shape()),
        ]
    })
}

fn pair_by_c<H: HostTensor>(op: PairOp, [x, y]: [H; 2], grad: H, axis: usize, c: f64) -> H {
    let (x, y, grad) = (x.contiguous(), y.contiguous(), grad.contiguous());
    let vectors = Vectors::new(&expect_equal(op, &x, &y), axis);
    with_element!(x, {
        let inputs = [x.elements::<T>(), y.elements::<T>()];
        let by_c = match op {
            PairOp::PairwiseDist => {
                pairwise::by_c(inputs[0], inputs[1], vectors.n, grad.elements(), c)
            }
            _ => kernels::pair_by_c(op, vectors, inputs, grad.elements(), c),
        };
        scalar_tensor::<H, T>(by_c)
    })
}

macro_rules! with_kernels {
    ($backend:ty) => {
        impl HyperbolicBackend for $backend {
            fn kernels(_: &FloatTensor<Self>) -> Option<Kernels<FloatTensor<Self>>> {
                Some(Kernels {
                    point,
                    point_backward,
                    point_by_c,
                    pair,
                    pair_backward,
                    pair_by_c,
                })
            }
        }
    };
}

#[cfg(feature = "flex")]
with_kernels!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
with_kernels!(burn::backend::NdArray<f32>);
#[cfg(feature = "ndarray")]
with_kernels!(burn::backend::NdArray<f64>);
