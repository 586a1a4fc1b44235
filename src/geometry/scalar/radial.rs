//! Maps that only change the length of a vector: y = f(c‖x‖²) x.

use num_traits::Float;

use super::even::{Even, artanhc, at_most, constant, nan_unless_finite, scaled_tanhc, tanhc};

/// Which map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Radial {
    /// exp₀: f = tanh(√z)/√z.
    Exp,
    /// log₀: f = artanh(√z)/√z.
    Log,
    /// r ⊗ x: f = tanh(r artanh(√z))/√z.
    Scale(f64),
    /// Back into the ball, with this part of its radius as margin: f = min(1, (1 − m)/√z).
    Project(f64),
    /// Cut to this length: f = min(1, r/‖x‖).
    Clip(f64),
}

/// The factor f at a point, and its derivatives.
#[derive(Clone, Copy, Debug)]
pub struct Factor<T> {
    pub value: T,
    /// ∂f/∂‖x‖².
    pub by_norm: T,
    /// ∂f/∂c.
    pub by_c: T,
}

impl Radial {
    /// The factor from ‖x‖² and 1 − c‖x‖². At the boundary and beyond it `one_minus_cn2` is the least one of the
    /// type; log₀ and ⊗ of such a point are those of the last point inside on its ray.
    ///
    /// NaN if ‖x‖² is NaN or infinite, or r or the radius is.
    #[inline]
    pub fn at<T: Float>(self, norm_squared: T, one_minus_cn2: T, c: T) -> Factor<T> {
        let z = c * norm_squared;
        let inside = at_most(z, T::one() - one_minus_cn2);
        let mut even = match self {
            Radial::Exp => tanhc(z),
            Radial::Log => artanhc(inside, one_minus_cn2),
            Radial::Scale(r) => scaled_tanhc(constant(r), inside, one_minus_cn2),
            Radial::Project(margin) => project(z, constant(margin)),
            Radial::Clip(radius) => return clip(norm_squared, constant(radius)),
        };
        if z >= T::one() && matches!(self, Radial::Log | Radial::Scale(_)) {
            even.value = even.value * (inside / z).sqrt();
            even.slope = -even.value / (z + z);
        }
        let lost = match self {
            Radial::Scale(r) => nan_unless_finite(z) + nan_unless_finite(constant(r)),
            _ => nan_unless_finite(z),
        };
        Factor {
            value: even.value + lost,
            by_norm: c * even.slope + lost,
            by_c: norm_squared * even.slope + lost,
        }
    }
}

/// NaN for a radius below 0, which no vector can be cut to.
fn clip<T: Float>(norm_squared: T, radius: T) -> Factor<T> {
    let lost = nan_unless_finite(norm_squared);
    if radius >= T::zero() && norm_squared <= radius * radius {
        return Factor {
            value: T::one() + lost,
            by_norm: lost,
            by_c: T::zero(),
        };
    }
    let value = if radius >= T::zero() {
        radius / norm_squared.sqrt() + lost
    } else {
        T::nan()
    };
    Factor {
        value,
        by_norm: -value / (norm_squared + norm_squared),
        by_c: T::zero(),
    }
}

/// A point that is out by less than a quarter of the margin stays, so that rounding cannot move a
/// projected point again.
fn project<T: Float>(z: T, margin: T) -> Even<T> {
    let limit = T::one() - constant::<T>(0.75) * margin;
    if z <= limit * limit {
        return Even {
            value: T::one(),
            slope: T::zero(),
        };
    }
    let value = (T::one() - margin) / z.sqrt();
    Even {
        value,
        slope: -value / (z + z),
    }
}
