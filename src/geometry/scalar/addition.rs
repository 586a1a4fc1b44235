//! Möbius addition, and the logarithmic and exponential maps at a point, as functions of a few sums
//! over the coordinates.
//!
//! All three are combinations of two vectors, x and the sum σ of both, with factors that depend on
//! the sums alone.

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
    pub sum: T,
}

/// Gradients of the inputs from the gradient g of such a combination: ∂x = `of_gradient[0]` g +
/// `of_x` x + `of_sum` σ, and ∂y = `of_gradient[1]` g + `of_y` y + `of_sum` σ.
#[derive(Clone, Copy, Debug)]
pub struct SumGradient<T> {
    pub of_gradient: [T; 2],
    pub of_x: T,
    pub of_y: T,
    pub of_sum: T,
    pub by_c: T,
}

/// Derivatives of a loss by the scalars of an [`AddPair`]: α, β, ‖σ‖², and c where it is explicit.
struct Through<T> {
    a: T,
    b: T,
    sum: T,
    c: T,
}

impl<T: Float> AddPair<T> {
    /// x ⊕ y: the factors of σ and of x.
    #[inline]
    pub fn factors(&self, c: T) -> [T; 2] {
        let [a, b] = self.one_minus_cn2s;
        let bend = c * self.sum;
        let whole = a * b + bend;
        [a / whole, bend / whole]
    }

    /// Its gradient from ⟨g, σ⟩ and ⟨g, x⟩.
    #[inline]
    pub fn gradient(&self, g_sum: T, g_x: T, c: T) -> SumGradient<T> {
        let [a, b] = self.one_minus_cn2s;
        let whole = a * b + c * self.sum;
        let [of_sum, of_x] = self.factors(c);
        let along = b * g_x - g_sum;
        // By c‖σ‖², through which both ‖σ‖² and the explicit c act.
        let by_bend = of_sum / whole * along;
        let through = Through {
            a: -of_x / whole * along,
            b: -of_sum * (of_sum * g_sum + of_x * g_x),
            sum: c * by_bend,
            c: self.sum * by_bend,
        };
        self.collect([of_sum, of_x], through, c)
    }

    /// The logarithmic map of y at −x, as factors of σ and of x: log₋ₓ(y) = α artanhc(z) (x ⊕ y)
    /// with z = c‖x ⊕ y‖² = c‖σ‖²/(αβ + c‖σ‖²).
    #[inline]
    pub fn log_factors(&self, c: T) -> [T; 2] {
        let [a, b] = self.one_minus_cn2s;
        let bend = c * self.sum;
        let whole = a * b + bend;
        let scale = a * artanhc(bend / whole, a * b / whole).value / whole;
        [a * scale, bend * scale]
    }

    /// Its gradient from ⟨g, σ⟩ and ⟨g, x⟩.
    #[inline]
    pub fn log_gradient(&self, g_sum: T, g_x: T, c: T) -> SumGradient<T> {
        let [a, b] = self.one_minus_cn2s;
        let bend = c * self.sum;
        let whole = a * b + bend;
        let z = bend / whole;
        let stretch = artanhc(z, a * b / whole);
        let scale = a * stretch.value / whole;
        let by_scale = g_sum * a + g_x * bend;
        let by_z = by_scale * a / whole * stretch.slope;
        let by_whole = -(by_scale * scale + by_z * z) / whole;
        let by_bend = g_x * scale + by_z / whole + by_whole;
        let through = Through {
            a: g_sum * scale + by_scale * scale / a + b * by_whole,
            b: a * by_whole,
            sum: c * by_bend,
            c: self.sum * by_bend,
        };
        self.collect([a * scale, bend * scale], through, c)
    }

    fn collect(&self, [of_sum, of_x]: [T; 2], by: Through<T>, c: T) -> SumGradient<T> {
        let two = T::one() + T::one();
        SumGradient {
            of_gradient: [of_sum + of_x, of_sum],
            of_x: -two * c * by.a,
            of_y: -two * c * by.b,
            of_sum: two * by.sum,
            by_c: by.c - by.a * self.squares[0] - by.b * self.squares[1],
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
    /// The least 1 − c‖x‖² of the type: α is not below, and neither is 1 − c‖w‖².
    pub least: T,
}

/// x ⊕ w from the factor of v in w.
struct Added<T> {
    /// w = `factor` v.
    factor: T,
    /// 1 − c‖w‖² = sech²(√c‖v‖/α).
    one_minus_cn2: T,
    /// ‖x + w‖².
    sum: T,
    /// α(1 − c‖w‖²) + c‖x + w‖².
    whole: T,
}

impl<T: Float> ExpPair<T> {
    /// The factor of v in w.
    #[inline]
    pub fn factor(&self, c: T) -> T {
        tanhc(c * self.reach()).value / self.one_minus_cn2
    }

    /// ‖v‖²/α².
    fn reach(&self) -> T {
        self.squares[1] / (self.one_minus_cn2 * self.one_minus_cn2)
    }

    /// ‖x + w‖², up to the rounding of its largest term.
    #[inline]
    pub fn sum(&self, factor: T) -> T {
        let [xx, vv] = self.squares;
        let sum = xx + factor * (self.product + self.product + factor * vv);
        at_least(sum, T::zero())
    }

    fn added(&self, sum: T, c: T) -> Added<T> {
        let t = (c * self.reach()).sqrt();
        let decay = (-(t + t)).exp();
        let half_cosh = T::one() + decay;
        let four = T::from(4).unwrap_or_else(T::nan);
        let one_minus_cn2 = four * decay / (half_cosh * half_cosh);
        let one_minus_cn2 = at_least(one_minus_cn2, self.least);
        Added {
            factor: self.factor(c),
            one_minus_cn2,
            sum,
            whole: self.one_minus_cn2 * one_minus_cn2 + c * sum,
        }
    }

    /// expₓ(v): the factors of x + v and of x, given ‖x + w‖².
    #[inline]
    pub fn factors(&self, sum: T, c: T) -> [T; 2] {
        let added = self.added(sum, c);
        let of_v = self.one_minus_cn2 * added.factor / added.whole;
        let of_x = (self.one_minus_cn2 + c * sum) / added.whole;
        [of_v, of_x - of_v]
    }

    /// Its gradient from ⟨g, x⟩ and ⟨g, v⟩, with v in the place of y.
    #[inline]
    pub fn gradient(&self, sum: T, g_x: T, g_v: T, c: T) -> SumGradient<T> {
        let two = T::one() + T::one();
        let Added {
            factor,
            one_minus_cn2,
            sum,
            whole,
        } = self.added(sum, c);
        let [xx, vv] = self.squares;
        let reach = self.reach();
        let stretch = tanhc(c * reach);
        let of_x = (self.one_minus_cn2 + c * sum) / whole;
        let of_v = self.one_minus_cn2 * factor / whole;

        let by_whole = -(g_x * of_x + g_v * of_v) / whole;
        let by_bend = g_x / whole + by_whole;
        let by_sum = c * by_bend;
        let by_factor =
            g_v * self.one_minus_cn2 / whole + two * by_sum * (self.product + factor * vv);
        // sech² = 1 − tanh², whose derivative in the argument of tanhc is −tanhc sech².
        let by_z = by_factor / self.one_minus_cn2 * stretch.slope
            - self.one_minus_cn2 * by_whole * stretch.value * one_minus_cn2;
        let by_reach = c * by_z;
        let by_one_minus_cn2 = if self.one_minus_cn2 <= self.least {
            T::zero()
        } else {
            g_x / whole + g_v * factor / whole + one_minus_cn2 * by_whole
                - (by_factor * factor + two * by_reach * reach) / self.one_minus_cn2
        };
        let by_xx = by_sum - c * by_one_minus_cn2;
        let by_vv = by_sum * factor * factor + by_reach / (self.one_minus_cn2 * self.one_minus_cn2);
        let by_product = two * factor * by_sum;
        SumGradient {
            of_gradient: [of_x, of_v],
            of_x: two * by_xx - by_product,
            of_y: two * by_vv - by_product,
            of_sum: by_product,
            by_c: sum * by_bend - xx * by_one_minus_cn2 + reach * by_z,
        }
    }
}
