//! Geodesic distances as functions of a few sums over the coordinates.

use num_traits::Float;

use super::even::{arsinhc, at_least, at_most, constant, exprel_neg, log_sinhc_slope};

/// Derivatives of a distance d that depends on x and y through ‖x‖², ‖y‖² and ‖x − y‖².
///
/// ∂d/∂x = 2 `by_xx` x + 2 `by_squared_distance` (x − y) and
/// ∂d/∂y = 2 `by_yy` y + 2 `by_squared_distance` (y − x).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slopes<T> {
    /// ∂d/∂‖x‖².
    pub by_xx: T,
    /// ∂d/∂‖y‖².
    pub by_yy: T,
    /// ∂d/∂‖x − y‖².
    pub by_squared_distance: T,
}

impl<T: Float> Slopes<T> {
    /// At x = y the distance has no gradient; it is defined as 0.
    fn zero() -> Self {
        Self {
            by_xx: T::zero(),
            by_yy: T::zero(),
            by_squared_distance: T::zero(),
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
    pub squared_distance: T,
}

impl<T: Float> BallPair<T> {
    /// q = ‖x − y‖²/((1 − c‖x‖²)(1 − c‖y‖²)).
    #[inline]
    pub fn quotient(&self) -> T {
        self.squared_distance / (self.one_minus_cn2s[0] * self.one_minus_cn2s[1])
    }

    /// d = 2 √q arsinh(√(cq))/√(cq).
    #[inline]
    pub fn distance(&self, c: T) -> T {
        let q = self.quotient();
        constant::<T>(2.0) * q.sqrt() * arsinhc(c * q).value
    }

    /// The derivatives of the distance, from ∂d/∂q = 1/(√q √(1 + cq)).
    #[inline]
    pub fn slopes(&self, c: T) -> Slopes<T> {
        if self.squared_distance <= T::zero() {
            return Slopes::zero();
        }
        let [a, b] = self.one_minus_cn2s;
        let q = self.quotient();
        let by_q_times_q = (q / (T::one() + c * q)).sqrt();
        Slopes {
            by_xx: c * by_q_times_q / a,
            by_yy: c * by_q_times_q / b,
            by_squared_distance: by_q_times_q / self.squared_distance,
        }
    }

    /// ∂d/∂c.
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

/// The terms R and W of S² = R + W (see [`TangentPair::distance`]), both scaled by e^(−2m) with
/// m = √c(‖u‖ + ‖v‖), so that they do not overflow for long vectors.
struct ScaledTerms<T> {
    /// R e^(−2m) = ((sinh(√c r)/√c) e^(−m))², r = ‖u‖ − ‖v‖.
    radial_term: T,
    /// shc(2√c‖u‖) shc(2√c‖v‖) e^(−2m) = sinh(2√c‖u‖) sinh(2√c‖v‖)/(4c‖u‖‖v‖) e^(−2m).
    sinhc_product: T,
    /// W e^(−2m) = `sinhc_product` (‖u − v‖² − r²).
    tangential_term: T,
    /// m.
    exponent: T,
}

impl<T: Float> TangentPair<T> {
    /// Whether u and v lie on one ray, so that d = 2|‖u‖ − ‖v‖| for every c. The formula for S² gives the
    /// same, but R underflows for long vectors, and in the derivatives two large numbers would cancel.
    #[inline]
    fn on_one_ray(&self) -> bool {
        let [norm_u, norm_v] = self.norms;
        self.tangential <= T::zero() && norm_u > T::zero() && norm_v > T::zero()
    }

    /// R, W and m.
    #[inline]
    fn scaled_terms(&self, c: T) -> ScaledTerms<T> {
        let sqrt_c = c.sqrt();
        let [norm_u, norm_v] = self.norms;
        let exponent = sqrt_c * (norm_u + norm_v);
        let r = self.radial.abs();
        let four = constant::<T>(4.0);
        let scaled_sinh_radial =
            r * at_most(sqrt_c * r - exponent, T::zero()).exp() * exprel_neg((sqrt_c + sqrt_c) * r);
        let sinhc_product = exprel_neg(four * sqrt_c * norm_u) * exprel_neg(four * sqrt_c * norm_v);
        ScaledTerms {
            radial_term: scaled_sinh_radial * scaled_sinh_radial,
            sinhc_product,
            tangential_term: sinhc_product * at_least(self.tangential, T::zero()),
            exponent,
        }
    }

    /// d = 2/√c arsinh(√c S), with shc(t) = sinh(t)/t, r = ‖u‖ − ‖v‖ and S² = R + W,
    /// R = (sinh(√c r)/√c)², W = shc(2√c‖u‖) shc(2√c‖v‖) (‖u − v‖² − r²).
    #[inline]
    pub fn distance(&self, c: T) -> T {
        let two = constant::<T>(2.0);
        if self.on_one_ray() {
            return two * self.radial.abs();
        }
        let scaled = self.scaled_terms(c);
        let scaled_s_squared = scaled.radial_term + scaled.tangential_term;
        // The square of e^30 fits into an f32.
        if scaled.exponent < constant(30.0) {
            let s = scaled_s_squared.sqrt() * scaled.exponent.exp();
            return two * s * arsinhc(c * s * s).value;
        }
        if scaled_s_squared <= T::zero() {
            return T::zero();
        }
        let sqrt_c = c.sqrt();
        // arsinh(e^L), which is L + ln 2 to all digits from 20 on.
        let log = scaled.exponent + (sqrt_c * scaled_s_squared.sqrt()).ln();
        let arsinh = if log < constant(20.0) {
            log.exp().asinh()
        } else {
            log + constant(std::f64::consts::LN_2)
        };
        two * arsinh / sqrt_c
    }

    /// The derivatives of the distance; `by_xx` is ∂d/∂‖u‖² at a fixed ‖u − v‖².
    #[inline]
    pub fn slopes(&self, c: T) -> Slopes<T> {
        if self.on_one_ray() {
            return self.radial_slopes();
        }
        let scaled = self.scaled_terms(c);
        if scaled.radial_term + scaled.tangential_term <= T::zero() {
            return Slopes::zero();
        }
        let (two, four) = (constant::<T>(2.0), constant::<T>(4.0));
        let by_s_squared = scaled.by_s_squared(c);
        let r = self.radial;
        let rr = r * r;
        let radial_term_slope = if r == T::zero() {
            T::zero()
        } else {
            let kappa = log_sinhc_slope(c * rr);
            two * scaled.radial_term / r * (T::one() + two * c * rr * kappa)
        };
        let by_radial = radial_term_slope - two * r * scaled.sinhc_product;
        let [norm_u, norm_v] = self.norms;
        let by_norm_squared = |by_radial: T, norm: T| {
            if norm == T::zero() {
                return T::zero();
            }
            let kappa = log_sinhc_slope(four * c * norm * norm);
            let tangential_term_slope =
                constant::<T>(8.0) * c * norm * kappa * scaled.tangential_term;
            by_s_squared * (by_radial + tangential_term_slope) / (two * norm)
        };
        Slopes {
            by_xx: by_norm_squared(by_radial, norm_u),
            by_yy: by_norm_squared(-by_radial, norm_v),
            by_squared_distance: by_s_squared * scaled.sinhc_product,
        }
    }

    /// The derivatives of 2|‖u‖ − ‖v‖|.
    fn radial_slopes(&self) -> Slopes<T> {
        if self.radial == T::zero() {
            return Slopes::zero();
        }
        let sign = self.radial.signum();
        let [norm_u, norm_v] = self.norms;
        Slopes {
            by_xx: sign / norm_u,
            by_yy: -sign / norm_v,
            by_squared_distance: T::zero(),
        }
    }

    /// ∂d/∂c, the sum of two parts: through S, and at a fixed S.
    pub fn by_c(&self, c: T) -> T {
        let scaled = self.scaled_terms(c);
        let scaled_s_squared = scaled.radial_term + scaled.tangential_term;
        if self.on_one_ray() || scaled_s_squared <= T::zero() {
            return T::zero();
        }
        let (two, four) = (constant::<T>(2.0), constant::<T>(4.0));
        let rr = self.radial * self.radial;
        let kappa = log_sinhc_slope(c * rr);
        let [uu, vv] = self.norms.map(|norm| norm * norm);
        let [kappa_u, kappa_v] =
            [uu, vv].map(|norm_squared| log_sinhc_slope(four * c * norm_squared));
        let log_sinhc_product_by_c = four * (kappa_u * uu + kappa_v * vv);
        let by_c_through_s = scaled.by_s_squared(c)
            * (two * kappa * rr * scaled.radial_term
                + log_sinhc_product_by_c * scaled.tangential_term);
        let exp_minus_2m = scaled.exp_minus_2m();
        let no_overflow = scaled.exponent < constant(30.0);
        let by_c_at_fixed_s = if no_overflow && c * scaled_s_squared / exp_minus_2m < constant(1e-2)
        {
            let s_squared = scaled_s_squared / exp_minus_2m;
            two * s_squared * s_squared.sqrt() * arsinhc(c * s_squared).slope
        } else {
            ((scaled_s_squared / (exp_minus_2m + c * scaled_s_squared)).sqrt()
                - self.distance(c) / two)
                / c
        };
        by_c_through_s + by_c_at_fixed_s
    }
}

impl<T: Float> ScaledTerms<T> {
    /// e^(−2m).
    fn exp_minus_2m(&self) -> T {
        (-constant::<T>(2.0) * self.exponent).exp()
    }

    /// ∂d/∂S² · e^(2m), where ∂d/∂S² = 1/(S √(1 + cS²)): multiplied by derivatives of the scaled terms, it
    /// gives derivatives of d.
    #[inline]
    fn by_s_squared(&self, c: T) -> T {
        let scaled_s_squared = self.radial_term + self.tangential_term;
        (scaled_s_squared * (self.exp_minus_2m() + c * scaled_s_squared))
            .sqrt()
            .recip()
    }
}
