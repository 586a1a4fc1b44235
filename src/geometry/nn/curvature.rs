//! The curvature of a layer: learned, or a number that its records contain.

use burn::module::{Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{DType, Element, Tensor, TensorCreationOptions, TensorData, backend::Backend};

use crate::error::{Error, Result, check};
use crate::geometry::ops::primitive::scalars::{at_least, at_most};
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// How c ≥ 0 is computed from an unconstrained parameter θ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum CurvatureParametrisation {
    /// c = |θ|, which can be 0; its derivative at θ < 0 is −1.
    #[default]
    Absolute,
    /// c = ln(1 + e^θ), above 0.
    Softplus,
    /// c = e^θ, with θ clamped between ln `low` and ln `high`. Desai et al., *Hyperbolic Image-Text
    /// Representations* (MERU), ICML 2023, keep c within a factor of 10 of its initial value.
    BoundedLog {
        /// The smallest c, above 0.
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

    /// A parameter from which `parametrisation` computes c.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] for a c that is negative, NaN or infinite after rounding to the float type of the
    /// backend, or that the parametrisation does not reach (0 with softplus and logarithm);
    /// [`Error::Setting`] for bounds that are not above 0 and in order, or do not contain c.
    pub fn new_as(
        parametrisation: CurvatureParametrisation,
        c: f64,
        device: &B::Device,
    ) -> Result<Self> {
        let (dtype, rounded) = match B::FloatElem::dtype() {
            DType::F64 => (DType::F64, c),
            _ => (DType::F32, f64::from(c as f32)),
        };
        if !(rounded.is_finite() && rounded >= 0.0) {
            return Err(Error::Curvature(c));
        }
        let theta = match parametrisation {
            CurvatureParametrisation::Absolute => c,
            // ln(e^c − 1) without its cancellation.
            CurvatureParametrisation::Softplus => c + (-(-c).exp_m1()).ln(),
            CurvatureParametrisation::BoundedLog { low, high } => {
                let valid = low > 0.0 && high.is_finite() && (low..=high).contains(&c);
                let bounds = format!("{c} in {low} to {high}");
                let rule = "two bounds above 0 in order, and c between them";
                check(valid, "curvature", bounds, rule)?;
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
                let negative = theta.clone().lower_elem(0.0);
                theta.clone().mask_where(negative, theta.neg())
            }
            CurvatureParametrisation::Softplus => log_sigmoid(theta.neg()).neg(),
            CurvatureParametrisation::BoundedLog { low, high } => {
                at_most(at_least(theta, low.ln()), high.ln()).exp()
            }
        }
    }

    /// The ball with the current c; its operations are differentiable by the parameter.
    pub fn ball(&self) -> PoincareBall<Tensor<B, 1>> {
        PoincareBall::from_parts(self.value(), None)
    }
}

/// The c of a ball as a constant parameter of a module: records and tensor stores contain it, and loading one
/// replaces it. The elements are the eight bytes of c as numbers, which no float type rounds.
pub(super) fn stored_curvature<B: Backend>(
    ball: &PoincareBall,
    options: impl Into<TensorCreationOptions<B>>,
) -> Param<Tensor<B, 1>> {
    let bytes = TensorData::from(ball.c().to_le_bytes().map(f32::from));
    Param::from_tensor(Tensor::from_data(bytes, options)).set_require_grad(false)
}

/// The ball of a stored c. With an invalid c all its operations return NaN.
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
