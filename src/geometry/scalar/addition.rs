//! Möbius addition, and the logarithmic and exponential maps at a point, as functions of a few sums
//! over the coordinates.
//!
//! All three are linear combinations of x and the sum σ of both vectors, with factors that depend on the
//! sums over the coordinates alone.

use num_traits::Float;

use super::even::{artanhc, at_least, tanhc};

/// Sums of a pair of points: with σ = x + y, α = 1 − c‖x‖² and β = 1 − c‖y‖²,
///
/// x ⊕ y = (α σ + c‖σ‖² x) / (α β + c‖σ‖²).
///
/// The textbook numerator subtracts two vectors of size ‖x‖ when y ≈ −x; here the difference is
/// taken once, exactly, in σ, and the denominator is a sum of terms that are not negative.
#[derive(Clone, Copy, Debug)]
pub struct AddPair<T> {
    /// ‖x‖² and ‖y‖².
    pub squares: [T; 2],
    /// α and β.
    pub one_minus_cn2s: [T; 2],
    /// ‖σ‖².
    pub sum_squared: T,
}

/// Gradients by x, y and c, from the gradient g by such a linear combination:
/// ∂x = `of_g[0]` g + `of_x` x + `of_sum` σ, ∂y = `of_g[1]` g + `of_y` y + `of_sum` σ, ∂c = `by_c`.
#[derive(Clone, Copy, Debug)]
pub struct SumGradient<T> {
    pub of_g: [T; 2],
    pub of_x: T,
    pub of_y: T,
    pub of_sum: T,
    pub by_c: T,
}

/// Derivatives of a loss by the scalars of an [`AddPair`].
struct ScalarGradient<T> {
    /// By α.
    by_a: T,
    /// By β.
    by_b: T,
    /// By ‖σ‖².
    by_sum_squared: T,
    /// By the c of c‖σ‖², at fixed α and β.
    by_c: T,
}

impl<T: Float> AddPair<T> {
    /// x ⊕ y: the factors of σ and of x.
    #[inline]
    pub fn factors(&self, c: T) -> [T; 2] {
        let [a, b] = self.one_minus_cn2s;
        let c_sum2 = c * self.sum_squared;
        let denominator = a * b + c_sum2;
        [a / denominator, c_sum2 / denominator]
    }

    /// The gradient of x ⊕ y from ⟨g, σ⟩ and ⟨g, x⟩.
    #[inline]
    pub fn gradient(&self, g_sum: T, g_x: T, c: T) -> SumGradient<T> {
        let [a, b] = self.one_minus_cn2s;
        let denominator = a * b + c * self.sum_squared;
        let [of_sum, of_x] = self.factors(c);
        let b_g_x_minus_g_sum = b * g_x - g_sum;
        // The derivative by c‖σ‖².
        let by_c_sum2 = of_sum / denominator * b_g_x_minus_g_sum;
        let by = ScalarGradient {
            by_a: -of_x / denominator * b_g_x_minus_g_sum,
            by_b: -of_sum * (of_sum * g_sum + of_x * g_x),
            by_sum_squared: c * by_c_sum2,
            by_c: self.sum_squared * by_c_sum2,
        };
        self.apply_chain_rule([of_sum, of_x], by, c)
    }

    /// The logarithmic map of y at −x, as factors of σ and of x: log₋ₓ(y) = α artanhc(z) (x ⊕ y)
    /// with z = c‖x ⊕ y‖² = c‖σ‖²/(αβ + c‖σ‖²).
    #[inline]
    pub fn log_factors(&self, c: T) -> [T; 2] {
        let [a, b] = self.one_minus_cn2s;
        let c_sum2 = c * self.sum_squared;
        let denominator = a * b + c_sum2;
        let scale = a * artanhc(c_sum2 / denominator, a * b / denominator).value / denominator;
        [a * scale, c_sum2 * scale]
    }

    /// The gradient of log₋ₓ(y) from ⟨g, σ⟩ and ⟨g, x⟩.
    #[inline]
    pub fn log_gradient(&self, g_sum: T, g_x: T, c: T) -> SumGradient<T> {
        let [a, b] = self.one_minus_cn2s;
        let c_sum2 = c * self.sum_squared;
        let denominator = a * b + c_sum2;
        let z = c_sum2 / denominator;
        let artanhc_z = artanhc(z, a * b / denominator);
        let scale = a * artanhc_z.value / denominator;
        let by_scale = g_sum * a + g_x * c_sum2;
        let by_z = by_scale * a / denominator * artanhc_z.slope;
        let by_denominator = -(by_scale * scale + by_z * z) / denominator;
        let by_c_sum2 = g_x * scale + by_z / denominator + by_denominator;
        let by = ScalarGradient {
            by_a: g_sum * scale + by_scale * scale / a + b * by_denominator,
            by_b: a * by_denominator,
            by_sum_squared: c * by_c_sum2,
            by_c: self.sum_squared * by_c_sum2,
        };
        self.apply_chain_rule([a * scale, c_sum2 * scale], by, c)
    }

    /// The gradients by x, y and c from the factors of σ and x and the derivatives by the scalars.
    fn apply_chain_rule(
        &self,
        [of_sum, of_x]: [T; 2],
        by: ScalarGradient<T>,
        c: T,
    ) -> SumGradient<T> {
        let two = T::one() + T::one();
        SumGradient {
            of_g: [of_sum + of_x, of_sum],
            of_x: -two * c * by.by_a,
            of_y: -two * c * by.by_b,
            of_sum: two * by.by_sum_squared,
            by_c: by.by_c - by.by_a * self.squares[0] - by.by_b * self.squares[1],
        }
    }
}

/// Sums of a point and a tangent vector at it: with w = tanhc(c‖v‖²/α²) v/α, expₓ(v) = x ⊕ w.
#[derive(Clone, Copy, Debug)]
pub struct ExpPair<T> {
    /// ‖x‖² and ‖v‖².
    pub squares: [T; 2],
    /// ⟨x, v⟩.
    pub product: T,
    /// α = 1 − c‖x‖².
    pub one_minus_cn2: T,
    /// The value to which α and 1 − c‖w‖² are clamped from below.
    pub min_denominator: T,
}

/// Intermediate quantities of expₓ(v) = x ⊕ w.
struct ExpIntermediates<T> {
    /// tanhc(c‖v‖²/α²)/α, so that w = `factor` v.
    factor: T,
    /// 1 − c‖w‖² = sech²(t) = 4e^(−2t)/(1 + e^(−2t))², t = √c‖v‖/α.
    one_minus_cw2: T,
    /// ‖x + w‖².
    sum_squared: T,
    /// α(1 − c‖w‖²) + c‖x + w‖².
    denominator: T,
}

impl<T: Float> ExpPair<T> {
    /// The factor of v in w.
    #[inline]
    pub fn factor(&self, c: T) -> T {
        tanhc(c * self.vv_over_a2()).value / self.one_minus_cn2
    }

    /// ‖v‖²/α².
    fn vv_over_a2(&self) -> T {
        self.squares[1] / (self.one_minus_cn2 * self.one_minus_cn2)
    }

    /// ‖x + w‖² = ‖x‖² + 2⟨x, w⟩ + ‖w‖², up to the rounding of its largest term.
    #[inline]
    pub fn sum_squared(&self, factor: T) -> T {
        let [xx, vv] = self.squares;
        let sum_squared = xx + factor * (self.product + self.product + factor * vv);
        at_least(sum_squared, T::zero())
    }

    /// The intermediate quantities, given ‖x + w‖².
    fn intermediates(&self, sum_squared: T, c: T) -> ExpIntermediates<T> {
        let t = (c * self.vv_over_a2()).sqrt();
        let exp_minus_2t = (-(t + t)).exp();
        let one_plus_exp = T::one() + exp_minus_2t;
        let four = T::from(4).unwrap_or_else(T::nan);
        let one_minus_cw2 = four * exp_minus_2t / (one_plus_exp * one_plus_exp);
        let one_minus_cw2 = at_least(one_minus_cw2, self.min_denominator);
        ExpIntermediates {
            factor: self.factor(c),
            one_minus_cw2,
            sum_squared,
            denominator: self.one_minus_cn2 * one_minus_cw2 + c * sum_squared,
        }
    }

    /// expₓ(v): the factors of x + v and of x, given ‖x + w‖².
    #[inline]
    pub fn factors(&self, sum_squared: T, c: T) -> [T; 2] {
        let a = self.one_minus_cn2;
        let terms = self.intermediates(sum_squared, c);
        let of_v = a * terms.factor / terms.denominator;
        let of_x = (a + c * sum_squared) / terms.denominator;
        [of_v, of_x - of_v]
    }

    /// The gradient of expₓ(v) from ⟨g, x⟩ and ⟨g, v⟩: `of_g[1]` and `of_y` give ∂v.
    #[inline]
    pub fn gradient(&self, sum_squared: T, g_x: T, g_v: T, c: T) -> SumGradient<T> {
        let two = T::one() + T::one();
        let a = self.one_minus_cn2;
        let ExpIntermediates {
            factor,
            one_minus_cw2,
            sum_squared,
            denominator,
        } = self.intermediates(sum_squared, c);
        let [xx, vv] = self.squares;
        let vv_over_a2 = self.vv_over_a2();
        let tanhc_z = tanhc(c * vv_over_a2);
        let of_x = (a + c * sum_squared) / denominator;
        let of_v = a * factor / denominator;

        let by_denominator = -(g_x * of_x + g_v * of_v) / denominator;
        let by_c_sum2 = g_x / denominator + by_denominator;
        let by_sum_squared = c * by_c_sum2;
        let by_factor = g_v * a / denominator + two * by_sum_squared * (self.product + factor * vv);
        // ∂(1 − c‖w‖²)/∂z = −tanhc(z) sech²(√z) with z = c‖v‖²/α².
        let by_z =
            by_factor / a * tanhc_z.slope - a * by_denominator * tanhc_z.value * one_minus_cw2;
        let by_vv_over_a2 = c * by_z;
        let by_a = if a <= self.min_denominator {
            T::zero()
        } else {
            g_x / denominator + g_v * factor / denominator + one_minus_cw2 * by_denominator
                - (by_factor * factor + two * by_vv_over_a2 * vv_over_a2) / a
        };
        let by_xx = by_sum_squared - c * by_a;
        let by_vv = by_sum_squared * factor * factor + by_vv_over_a2 / (a * a);
        let by_product = two * factor * by_sum_squared;
        SumGradient {
            of_g: [of_x, of_v],
            of_x: two * by_xx - by_product,
            of_y: two * by_vv - by_product,
            of_sum: by_product,
            by_c: sum_squared * by_c_sum2 - xx * by_a + vv_over_a2 * by_z,
        }
    }
}
