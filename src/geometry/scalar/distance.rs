//! Geodesic distances as functions of a few sums over the coordinates.

use num_traits::Float;

use super::even::{arsinhc, at_least, at_most, constant, decayed, log_sinhc_slope};

/// Derivatives of a distance that depends on x and y through ‖x‖², ‖y‖² and ‖x − y‖².
///
/// ∂d/∂x = 2 `by_x` x + 2 `by_difference` (x − y), and ∂d/∂y with the sign turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slopes<T> {
    pub by_x: T,
    pub by_y: T,
    pub by_difference: T,
}

impl<T: Float> Slopes<T> {
    /// At x = y the distance has no gradient; it is defined as 0.
    fn zero() -> Self {
        Self {
            by_x: T::zero(),
            by_y: T::zero(),
            by_difference: T::zero(),
        }
    }
}

/// Sums of a pair of points of the ball.
#[derive(Clone, Copy, Debug)]
pub struct BallPair<T> {
    /// ‖x‖² and ‖y‖².
    pub squares: [T; 2],
    /// 1 − c‖x‖² and 1 − c‖y‖².
    pub one_minus_cn2s: [T; 2],
    /// ‖x − y‖².
    pub difference: T,
}

impl<T: Float> BallPair<T> {
    /// q = ‖x − y‖²/((1 − c‖x‖²)(1 − c‖y‖²)).
    #[inline]
    pub fn quotient(&self) -> T {
        self.difference / (self.one_minus_cn2s[0] * self.one_minus_cn2s[1])
    }

    /// d = 2 √q arsinh(√(cq))/√(cq).
    #[inline]
    pub fn distance(&self, c: T) -> T {
        let q = self.quotient();
        constant::<T>(2.0) * q.sqrt() * arsinhc(c * q).value
    }

    /// Its derivatives, from ∂d/∂q = 1/(√q √(1 + cq)).
    #[inline]
    pub fn slopes(&self, c: T) -> Slopes<T> {
        if self.difference <= T::zero() {
            return Slopes::zero();
        }
        let [a, b] = self.one_minus_cn2s;
        let q = self.quotient();
        let by_q_times_q = (q / (T::one() + c * q)).sqrt();
        Slopes {
            by_x: c * by_q_times_q / a,
            by_y: c * by_q_times_q / b,
            by_difference: by_q_times_q / self.difference,
        }
    }

    /// Its derivative by c.
    pub fn by_c(&self, c: T) -> T {
        let [a, b] = self.one_minus_cn2s;
        let [xx, yy] = self.squares;
        let q = self.quotient();
        let two = constant::<T>(2.0);
        let by_q_times_q = (q / (T::one() + c * q)).sqrt();
        by_q_times_q * (xx / a + yy / b) + two * q.sqrt() * q * arsinhc(c * q).slope
    }
}

/// Sums of a pair of tangent vectors at the origin.
#[derive(Clone, Copy, Debug)]
pub struct TangentPair<T> {
    /// ‖u‖ and ‖v‖.
    pub norms: [T; 2],
    /// ‖u‖ − ‖v‖, as ⟨u − v, u + v⟩/(‖u‖ + ‖v‖).
    pub radial: T,
    /// ‖u − v‖² − (‖u‖ − ‖v‖)²; 0 for vectors on one ray.
    pub tangential: T,
}

/// S² = R + W and its exponent: R and W are scaled by e^(−2m), m = √c(‖u‖ + ‖v‖), so that nothing
/// overflows however far out the vectors point.
struct Scaled<T> {
    /// ((sinh(√c r)/√c) e^(−m))².
    radial: T,
    /// sinh(2√c‖u‖) sinh(2√c‖v‖)/(4c‖u‖‖v‖) e^(−2m).
    weight: T,
    /// `weight` (‖u − v‖² − r²).
    tangential: T,
    exponent: T,
}

impl<T: Float> TangentPair<T> {
    /// Whether d = 2|‖u‖ − ‖v‖| for every c. The sum below says the same, but of long vectors R
    /// underflows, and in the slopes the factor of r would be a difference of large numbers.
    #[inline]
    fn on_one_ray(&self) -> bool {
        let [u, v] = self.norms;
        self.tangential <= T::zero() && u > T::zero() && v > T::zero()
    }

    #[inline]
    fn scaled(&self, c: T) -> Scaled<T> {
        let s = c.sqrt();
        let [u, v] = self.norms;
        let exponent = s * (u + v);
        let r = self.radial.abs();
        let four = constant::<T>(4.0);
        let root = r * at_most(s * r - exponent, T::zero()).exp() * decayed((s + s) * r);
        let weight = decayed(four * s * u) * decayed(four * s * v);
        Scaled {
            radial: root * root,
            weight,
            tangential: weight * at_least(self.tangential, T::zero()),
            exponent,
        }
    }

    /// d = 2/√c arsinh(√c S), with
    /// S² = (sinh(√c r)/√c)² + shc(2√c‖u‖) shc(2√c‖v‖) (‖u − v‖² − r²).
    #[inline]
    pub fn distance(&self, c: T) -> T {
        let two = constant::<T>(2.0);
        if self.on_one_ray() {
            return two * self.radial.abs();
        }
        let scaled = self.scaled(c);
        let sum = scaled.radial + scaled.tangential;
        // The square of e^30 fits into an f32.
        if scaled.exponent < constant(30.0) {
            let root = sum.sqrt() * scaled.exponent.exp();
            return two * root * arsinhc(c * root * root).value;
        }
        if sum <= T::zero() {
            return T::zero();
        }
        let s = c.sqrt();
        // arsinh(e^L), which is L + ln 2 to all digits from 20 on.
        let log = scaled.exponent + (s * sum.sqrt()).ln();
        let angle = if log < constant(20.0) {
            log.exp().asinh()
        } else {
            log + constant(std::f64::consts::LN_2)
        };
        two * angle / s
    }

    /// Its derivatives; `by_x` is by ‖u‖² at a fixed ‖u − v‖².
    #[inline]
    pub fn slopes(&self, c: T) -> Slopes<T> {
        if self.on_one_ray() {
            return self.radial_slopes();
        }
        let scaled = self.scaled(c);
        if scaled.radial + scaled.tangential <= T::zero() {
            return Slopes::zero();
        }
        let (two, four) = (constant::<T>(2.0), constant::<T>(4.0));
        let by_square = scaled.by_square(c);
        let r = self.radial;
        let rr = r * r;
        let by_radial = if r == T::zero() {
            T::zero()
        } else {
            let kappa = log_sinhc_slope(c * rr);
            two * scaled.radial / r * (T::one() + two * c * rr * kappa)
        };
        let along = by_radial - two * r * scaled.weight;
        let [u, v] = self.norms;
        let by_norm = |along: T, norm: T| {
            if norm == T::zero() {
                return T::zero();
            }
            let kappa = log_sinhc_slope(four * c * norm * norm);
            let bend = constant::<T>(8.0) * c * norm * kappa * scaled.tangential;
            by_square * (along + bend) / (two * norm)
        };
        Slopes {
            by_x: by_norm(along, u),
            by_y: by_norm(-along, v),
            by_difference: by_square * scaled.weight,
        }
    }

    /// Those of 2|‖u‖ − ‖v‖|.
    fn radial_slopes(&self) -> Slopes<T> {
        if self.radial == T::zero() {
            return Slopes::zero();
        }
        let sign = self.radial.signum();
        let [u, v] = self.norms;
        Slopes {
            by_x: sign / u,
            by_y: -sign / v,
            by_difference: T::zero(),
        }
    }

    /// Its derivative by c: through S, and at a fixed S through 2/√c arsinh(√c S).
    pub fn by_c(&self, c: T) -> T {
        let scaled = self.scaled(c);
        let sum = scaled.radial + scaled.tangential;
        if self.on_one_ray() || sum <= T::zero() {
            return T::zero();
        }
        let (two, four) = (constant::<T>(2.0), constant::<T>(4.0));
        let rr = self.radial * self.radial;
        let kappa = log_sinhc_slope(c * rr);
        let [u, v] = self.norms.map(|norm| norm * norm);
        let [of_u, of_v] = [u, v].map(|square| log_sinhc_slope(four * c * square));
        let squares = four * (of_u * u + of_v * v);
        let by_square_c =
            scaled.by_square(c) * (two * kappa * rr * scaled.radial + squares * scaled.tangential);
        let shrink = scaled.shrink();
        let near = scaled.exponent < constant(30.0);
        let explicit = if near && c * sum / shrink < constant(1e-2) {
            let square = sum / shrink;
            two * square * square.sqrt() * arsinhc(c * square).slope
        } else {
            ((sum / (shrink + c * sum)).sqrt() - self.distance(c) / two) / c
        };
        by_square_c + explicit
    }
}

impl<T: Float> Scaled<T> {
    /// e^(−2m).
    fn shrink(&self) -> T {
        (-constant::<T>(2.0) * self.exponent).exp()
    }

    /// ∂d/∂S² = 1/(S √(1 + cS²)); what it multiplies is scaled by e^(−2m), and so is this.
    #[inline]
    fn by_square(&self, c: T) -> T {
        let sum = self.radial + self.tangential;
        (sum * (self.shrink() + c * sum)).sqrt().recip()
    }
}
