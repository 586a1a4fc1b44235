//! Möbius addition as a function of three sums over the coordinates.

use num_traits::Float;

/// Sums of a pair of points: with σ = x + y, α = 1 − c‖x‖² and β = 1 − c‖y‖²,
///
/// x ⊕ y = (α σ + c‖σ‖² x) / (α β + c‖σ‖²).
///
/// The textbook numerator subtracts two vectors of size ‖x‖ when y ≈ −x; here the difference is
/// taken once, exactly, in σ, and the denominator is a sum of terms that are not negative.
#[derive(Clone, Copy, Debug)]
pub struct AddPair<T> {
    /// α and β.
    pub gaps: [T; 2],
    /// ‖σ‖².
    pub sum: T,
}

/// What the gradient of a loss by x ⊕ y, g, becomes: ∂x = `of_gradient[0]` g + `of_x` x +
/// `of_sum` σ, and ∂y = `of_gradient[1]` g + `of_y` y + `of_sum` σ.
#[derive(Clone, Copy, Debug)]
pub struct AddGradient<T> {
    pub of_gradient: [T; 2],
    pub of_x: T,
    pub of_y: T,
    pub of_sum: T,
}

impl<T: Float> AddPair<T> {
    /// The factors of σ and of x.
    #[inline]
    pub fn factors(&self, c: T) -> [T; 2] {
        let [a, b] = self.gaps;
        let bend = c * self.sum;
        let whole = a * b + bend;
        [a / whole, bend / whole]
    }

    /// The gradient from ⟨g, σ⟩ and ⟨g, x⟩.
    #[inline]
    pub fn gradient(&self, g_sum: T, g_x: T, c: T) -> AddGradient<T> {
        let [a, b] = self.gaps;
        let whole = a * b + c * self.sum;
        let [of_sum, of_x] = self.factors(c);
        let along = b * g_x - g_sum;
        let by_a = -of_x / whole * along;
        let by_b = -of_sum * (of_sum * g_sum + of_x * g_x);
        let by_sum = of_sum / whole * along;
        let two_c = c + c;
        AddGradient {
            of_gradient: [of_sum + of_x, of_sum],
            of_x: -two_c * by_a,
            of_y: -two_c * by_b,
            of_sum: two_c * by_sum,
        }
    }
}
