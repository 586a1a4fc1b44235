//! Maps that only change the length of a vector: y = f(c‖x‖²) x.

use num_traits::Float;

use super::even::{artanhc, scaled_tanhc, tanhc};

/// Which map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Radial {
    /// exp₀: f = tanh(√z)/√z.
    Exp,
    /// log₀: f = artanh(√z)/√z.
    Log,
    /// r ⊗ x: f = tanh(r artanh(√z))/√z.
    Scale(f64),
}

/// The factor f at a point, and its derivative.
#[derive(Clone, Copy, Debug)]
pub struct Factor<T> {
    pub value: T,
    /// ∂f/∂‖x‖².
    pub by_norm: T,
}

impl Radial {
    /// The factor from ‖x‖² and 1 − c‖x‖². At the rim and beyond it `gap` is the least one of the
    /// type, and z is held there: log₀ and ⊗ have no slope.
    #[inline]
    pub fn at<T: Float>(self, norm_squared: T, gap: T, c: T) -> Factor<T> {
        let z = c * norm_squared;
        let inside = z.min(T::one() - gap);
        let held = z >= T::one();
        let even = match self {
            Radial::Exp => tanhc(z),
            Radial::Log => artanhc(inside, gap),
            Radial::Scale(r) => scaled_tanhc(T::from(r).unwrap_or_else(T::nan), inside, gap),
        };
        let slope = if held && self != Radial::Exp {
            T::zero()
        } else {
            even.slope
        };
        Factor {
            value: even.value,
            by_norm: c * slope,
        }
    }
}
