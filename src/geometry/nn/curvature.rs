//! The curvature of a layer: learned, or a number that its records carry.

use burn::module::{Module, Param};
use burn::tensor::{DType, Element, Tensor, TensorCreationOptions, TensorData, backend::Backend};

use crate::error::{Error, Result};
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// The c of a ball as a parameter of a module, whose value is the one it was made with.
///
/// An optimiser may push the parameter below 0, where there is no ball; [`ball`](Self::ball) takes
/// its absolute value, so that the next gradients push it back up.
///
/// ```
/// use burn::{backend::{Autodiff, Flex}, tensor::Tensor};
/// use hypad::geometry::nn::LearnableCurvature;
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let curvature = LearnableCurvature::<Autodiff<Flex>>::new(0.01, &device)?;
/// let x = Tensor::<_, 2>::from_floats([[0.3, -0.2]], &device);
/// let y = Tensor::<_, 2>::from_floats([[0.1, 0.5]], &device);
/// let grads = curvature.ball().dist(x, y).backward();
/// assert!(curvature.c.grad(&grads).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct LearnableCurvature<B: Backend> {
    /// One element.
    pub c: Param<Tensor<B, 1>>,
}

impl<B: HyperbolicBackend> LearnableCurvature<B> {
    /// A parameter of value c, rounded to f32 (to f64 on a backend whose floats are).
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] for a c that is negative, NaN or infinite as that type.
    pub fn new(c: f64, device: &B::Device) -> Result<Self> {
        let (dtype, stored) = match B::FloatElem::dtype() {
            DType::F64 => (DType::F64, c),
            _ => (DType::F32, f64::from(c as f32)),
        };
        if !(stored.is_finite() && stored >= 0.0) {
            return Err(Error::Curvature(c));
        }
        let c = Tensor::full([1], c, (device, dtype));
        Ok(Self {
            c: Param::from_tensor(c),
        })
    }

    /// The ball at the current value, whose operations give gradients to it.
    pub fn ball(&self) -> PoincareBall<Tensor<B, 1>> {
        let c = self.c.val();
        // Not `abs`, whose derivative at 0 is 0.
        let below = c.clone().lower_elem(0.0);
        PoincareBall::from_parts(c.clone().mask_where(below, c.neg()), None)
    }
}

/// The c of a ball as part of a module that does not learn it, so that records and stores of tensors
/// carry it and the one that is loaded holds: its eight bytes as numbers, which no float type rounds.
pub(super) fn stored<B: Backend>(
    ball: &PoincareBall,
    options: impl Into<TensorCreationOptions<B>>,
) -> Param<Tensor<B, 1>> {
    let bytes = TensorData::from(ball.c().to_le_bytes().map(f32::from));
    Param::from_tensor(Tensor::from_data(bytes, options)).set_require_grad(false)
}

/// The ball of a stored c. One that makes no sense gives NaN wherever it is used.
pub(super) fn stored_ball<B: Backend>(bytes: &Param<Tensor<B, 1>>) -> PoincareBall {
    let bytes: Vec<u8> = bytes
        .val()
        .into_data()
        .iter::<f32>()
        .map(|byte| byte as u8)
        .collect();
    let c = bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
    PoincareBall::new(c).unwrap_or_else(|_| PoincareBall::from_parts(f64::NAN, None))
}
