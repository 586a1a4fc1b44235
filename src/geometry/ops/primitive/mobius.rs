//! Möbius addition.

use burn::tensor::{Tensor, backend::Backend};

use super::scalars::{norm_squared, rim_gap};

/// x ⊕ y, written with σ = x + y, α = 1 − c‖x‖² and β = 1 − c‖y‖²:
///
/// x ⊕ y = (α σ + c‖σ‖² x) / (α β + c‖σ‖²).
///
/// The textbook numerator subtracts two vectors of size ‖x‖ when y ≈ −x; here the difference is
/// taken once, exactly, in σ, and the denominator is a sum of terms that are not negative.
pub fn mobius_add<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    y: Tensor<B, D>,
    c: f64,
    axis: usize,
) -> Tensor<B, D> {
    let alpha = rim_gap(norm_squared(x.clone(), axis), c);
    let beta = rim_gap(norm_squared(y.clone(), axis), c);
    let sum = x.clone() + y;
    let bend = norm_squared(sum.clone(), axis).mul_scalar(c);
    (sum * alpha.clone() + x * bend.clone()) / (alpha * beta + bend)
}
