//! Möbius addition.

use burn::tensor::{Tensor, backend::Backend};

use super::scalars::{norm_squared, rim_gap};

/// x ⊕ y, written with σ = x + y, α = 1 − c‖x‖² and β = 1 − c‖y‖²:
///
/// x ⊕ y = (α σ + c‖σ‖² x) / (α β + c‖σ‖²).
///
/// The textbook numerator subtracts two vectors of size ‖x‖ when y ≈ −x; here the difference is
/// taken once, exactly, in σ, and the denominator is a sum of terms that are not negative.
pub fn mobius_add<B: Backend>(x: Tensor<B, 3>, y: Tensor<B, 3>, c: f64) -> Tensor<B, 3> {
    let alpha = rim_gap(norm_squared(x.clone()), c);
    let beta = rim_gap(norm_squared(y.clone()), c);
    let sum = x.clone() + y;
    let bend = norm_squared(sum.clone()).mul_scalar(c);
    (sum * alpha.clone() + x * bend.clone()) / (alpha * beta + bend)
}
