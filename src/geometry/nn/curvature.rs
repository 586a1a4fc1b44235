//! The curvature of a layer: learned, or a number that its records carry.

use burn::module::{Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{DType, Element, Tensor, TensorCreationOptions, TensorData, backend::Backend};

use crate::error::{Error, Result, check};
use crate::geometry::ops::primitive::scalars::{at_least, at_most};
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// How c ≥ 0 is made of a parameter θ that an optimiser may take anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum CurvatureParametrisation {
    /// c = |θ|. It reaches 0, and its gradient leads back from below.
    #[default]
    Absolute,
    /// c = ln(1 + e^θ), above 0.
    Softplus,
    /// c = e^θ, with θ held between ln `low` and ln `high`. Desai et al., *Hyperbolic Image-Text
    /// Representations* (MERU), ICML 2023, hold c within a factor of 10 of its first value.
    BoundedLog {
        /// The least c, above 0.
        low: f64,
        /// The largest c.
        high: f64,
    },
}

/// The c of a ball as a parameter of a module.
///
/// ```
/// use burn::{backend::{Autodiff, Flex}, tensor::Tensor};
/// use hypad::geometry::nn::{CurvatureParametrisation, LearnableCurvature};
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let bounds = CurvatureParametrisation::BoundedLog { low: 0.001, high: 0.1 };
/// let curvature = LearnableCurvature::<Autodiff<Flex>>::new_as(bounds, 0.01, &device)?;
/// let x = Tensor::<_, 2>::from_floats([[0.3, -0.2]], &device);
/// let y = Tensor::<_, 2>::from_floats([[0.1, 0.5]], &device);
/// let grads = curvature.ball().dist(x, y).backward();
/// assert!(curvature.parameter.grad(&grads).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct LearnableCurvature<B: Backend> {
    /// θ, one element.
    pub parameter: Param<Tensor<B, 1>>,
    #[module(skip)]
    parametrisation: CurvatureParametrisation,
}

impl<B: HyperbolicBackend> LearnableCurvature<B> {
    /// A parameter whose absolute value is c, rounded to f32 (to f64 on a backend whose floats are).
    ///
    /// # Errors
    ///
    /// As [`new_as`](Self::new_as).
    pub fn new(c: f64, device: &B::Device) -> Result<Self> {
        Self::new_as(CurvatureParametrisation::Absolute, c, device)
    }

    /// A parameter of which c is made like this.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] for a c that is negative, NaN or infinite, as the float type of the backend
    /// rounds it, or that the parametrisation does not reach (0 by softplus and logarithm);
    /// [`Error::Setting`] for bounds that are not above 0 and in order, or do not hold c.
    pub fn new_as(
        parametrisation: CurvatureParametrisation,
        c: f64,
        device: &B::Device,
    ) -> Result<Self> {
        let (dtype, stored) = match B::FloatElem::dtype() {
            DType::F64 => (DType::F64, c),
            _ => (DType::F32, f64::from(c as f32)),
        };
        if !(stored.is_finite() && stored >= 0.0) {
            return Err(Error::Curvature(c));
        }
        let theta = match parametrisation {
            CurvatureParametrisation::Absolute => c,
            // ln(e^c − 1) without its cancellation.
            CurvatureParametrisation::Softplus => c + (-(-c).exp_m1()).ln(),
            CurvatureParametrisation::BoundedLog { low, high } => {
                let holds = low > 0.0 && high.is_finite() && (low..=high).contains(&c);
                let bounds = format!("{c} in {low} to {high}");
                let rule = "two bounds above 0 in order, and c between them";
                check(holds, "curvature", bounds, rule)?;
                c.ln()
            }
        };
        if !theta.is_finite() {
            return Err(Error::Curvature(c));
        }
        Ok(Self {
            parameter: Param::from_tensor(Tensor::full([1], theta, (device, dtype))),
            parametrisation,
        })
    }

    /// The value of c, one element.
    pub fn value(&self) -> Tensor<B, 1> {
        let theta = self.parameter.val();
        match self.parametrisation {
            CurvatureParametrisation::Absolute => {
                // Not `abs`, whose derivative at 0 is 0.
                let below = theta.clone().lower_elem(0.0);
                theta.clone().mask_where(below, theta.neg())
            }
            CurvatureParametrisation::Softplus => log_sigmoid(theta.neg()).neg(),
            CurvatureParametrisation::BoundedLog { low, high } => {
                at_most(at_least(theta, low.ln()), high.ln()).exp()
            }
        }
    }

    /// The ball at the current value, whose operations give gradients to the parameter.
    pub fn ball(&self) -> PoincareBall<Tensor<B, 1>> {
        PoincareBall::from_parts(self.value(), None)
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
