//! Maps that only change the length of a vector: y = f(c‖x‖²) x.

use num_traits::Float;

use super::even::{Even, artanhc, constant, scaled_tanhc, tanhc};

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
    /// The factor from ‖x‖² and 1 − c‖x‖². At the rim and beyond it `gap` is the least one of the
    /// type, and z is held there: log₀ and ⊗ have no slope.
    #[inline]
    pub fn at<T: Float>(self, norm_squared: T, gap: T, c: T) -> Factor<T> {
        let z = c * norm_squared;
        let inside = z.min(T::one() - gap);
        let mut even = match self {
            Radial::Exp => tanhc(z),
            Radial::Log => artanhc(inside, gap),
            Radial::Scale(r) => scaled_tanhc(constant(r), inside, gap),
            Radial::Project(margin) => project(z, constant(margin)),
            Radial::Clip(radius) => return clip(norm_squared, constant(radius)),
        };
        if z >= T::one() && matches!(self, Radial::Log | Radial::Scale(_)) {
            even.slope = T::zero();
        }
        Factor {
            value: even.value,
            by_norm: c * even.slope,
            by_c: norm_squared * even.slope,
        }
    }
}

fn clip<T: Float>(norm_squared: T, radius: T) -> Factor<T> {
    let long = norm_squared > radius * radius;
    let value = if long {
        radius / norm_squared.sqrt()
    } else {
        T::one()
    };
    let slope = if long {
        -value / (norm_squared + norm_squared)
    } else {
        T::zero()
    };
    Factor {
        value,
        by_norm: slope,
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
