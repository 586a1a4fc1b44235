//! Maps that only change the length of a vector: y = f(c‖x‖²) x.

use num_traits::Float;

use super::even::{ValueSlope, artanhc, at_most, constant, nan_unless_finite, scaled_tanhc, tanhc};

/// A map y = f x, given by its factor f; z = c‖x‖².
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Radial {
    /// exp₀: f = tanh(√z)/√z.
    Exp,
    /// log₀: f = artanh(√z)/√z.
    Log,
    /// r ⊗ x: f = tanh(r artanh(√z))/√z.
    Scale(f64),
    /// Projection into the ball; the margin m is a part of its radius: f = min(1, (1 − m)/√z).
    Project(f64),
    /// Clip to the length r: f = min(1, r/‖x‖).
    Clip(f64),
}

/// The factor f at a point, and its derivatives.
#[derive(Clone, Copy, Debug)]
pub struct Factor<T> {
    /// f.
    pub value: T,
    /// ∂f/∂‖x‖².
    pub by_norm_squared: T,
    /// ∂f/∂c.
    pub by_c: T,
}

impl Radial {
    /// The factor from ‖x‖² and 1 − c‖x‖², which is clamped at the boundary and beyond it: log₀ and ⊗ of
    /// such a point are those of the last point inside on its ray.
    ///
    /// NaN if ‖x‖² is NaN or infinite, or r or the radius is.
    #[inline]
    pub fn at<T: Float>(self, norm_squared: T, one_minus_cn2: T, c: T) -> Factor<T> {
        let z = c * norm_squared;
        let clamped_z = at_most(z, T::one() - one_minus_cn2);
        let mut f = match self {
            Radial::Exp => tanhc(z),
            Radial::Log => artanhc(clamped_z, one_minus_cn2),
            Radial::Scale(r) => scaled_tanhc(constant(r), clamped_z, one_minus_cn2),
            Radial::Project(margin) => project(z, constant(margin)),
            Radial::Clip(radius) => return clip(norm_squared, constant(radius)),
        };
        if z >= T::one() && matches!(self, Radial::Log | Radial::Scale(_)) {
            f.value = f.value * (clamped_z / z).sqrt();
            f.slope = -f.value / (z + z);
        }
        let nan_or_zero = match self {
            Radial::Scale(r) => nan_unless_finite(z) + nan_unless_finite(constant(r)),
            _ => nan_unless_finite(z),
        };
        Factor {
            value: f.value + nan_or_zero,
            by_norm_squared: c * f.slope + nan_or_zero,
            by_c: norm_squared * f.slope + nan_or_zero,
        }
    }
}

/// f = min(1, r/‖x‖); NaN for a radius r below 0.
fn clip<T: Float>(norm_squared: T, radius: T) -> Factor<T> {
    let nan_or_zero = nan_unless_finite(norm_squared);
    if radius >= T::zero() && norm_squared <= radius * radius {
        return Factor {
            value: T::one() + nan_or_zero,
            by_norm_squared: nan_or_zero,
            by_c: T::zero(),
        };
    }
    let value = if radius >= T::zero() {
        radius / norm_squared.sqrt() + nan_or_zero
    } else {
        T::nan()
    };
    Factor {
        value,
        by_norm_squared: -value / (norm_squared + norm_squared),
        by_c: T::zero(),
    }
}

/// f = min(1, (1 − m)/√z). A point that exceeds (1 − m)/√c by less than a quarter of the margin is left
/// as it is, so that rounding cannot move a projected point again.
fn project<T: Float>(z: T, margin: T) -> ValueSlope<T> {
    let limit = T::one() - constant::<T>(0.75) * margin;
    if z <= limit * limit {
        return ValueSlope {
            value: T::one(),
            slope: T::zero(),
        };
    }
    let value = (T::one() - margin) / z.sqrt();
    ValueSlope {
        value,
        slope: -value / (z + z),
    }
}
