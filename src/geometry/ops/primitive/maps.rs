//! Möbius addition, exponential and logarithmic maps, projection.

use burn::tensor::Tensor;

use super::super::backend::HyperbolicBackend;
use super::super::curvature::Curvature;
use super::scalars::{artanhc, at_least, nan_unless_finite, norm_squared, one_minus_cn2, tanhc};

/// x ⊕ y. With σ = x + y, α = 1 − c‖x‖² and β = 1 − c‖y‖²,
///
/// x ⊕ y = (α σ + c‖σ‖² x) / (α β + c‖σ‖²).
///
/// The textbook numerator subtracts two vectors of size ‖x‖ when y ≈ −x; here the difference is
/// taken once, exactly, in σ, and the denominator is a sum of terms that are not negative.
pub fn mobius_add<B: HyperbolicBackend>(
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let a = one_minus_cn2(norm_squared(x.clone()), c);
    let b = one_minus_cn2(norm_squared(y.clone()), c);
    let sum = x.clone() + y;
    let c_sum2 = c.times(norm_squared(sum.clone()));
    (sum * a.clone() + x * c_sum2.clone()) / (a * b + c_sum2)
}

/// tanh(√c‖v‖)/(√c‖v‖) · v.
pub fn expmap0<B: HyperbolicBackend>(v: Tensor<B, 3>, c: &impl Curvature<B>) -> Tensor<B, 3> {
    let z = c.times(norm_squared(v.clone()));
    v * tanhc(z)
}

/// artanh(√c‖y‖)/(√c‖y‖) · y.
pub fn logmap0<B: HyperbolicBackend>(y: Tensor<B, 3>, c: &impl Curvature<B>) -> Tensor<B, 3> {
    let z = c.times(norm_squared(y.clone()));
    y * artanhc(z)
}

/// x ⊕ exp₀(v/(1 − c‖x‖²)).
pub fn expmap<B: HyperbolicBackend>(
    x: Tensor<B, 3>,
    v: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let one_minus_cn2 = one_minus_cn2(norm_squared(x.clone()), c);
    mobius_add(x, expmap0(v / one_minus_cn2, c), c)
}

/// (1 − c‖x‖²) log₀(−x ⊕ y).
pub fn logmap<B: HyperbolicBackend>(
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let one_minus_cn2 = one_minus_cn2(norm_squared(x.clone()), c);
    logmap0(mobius_add(x.neg(), y, c), c) * one_minus_cn2
}

/// min(1, r/‖x‖) x.
pub fn clip<B: HyperbolicBackend>(x: Tensor<B, 3>, radius: f64) -> Tensor<B, 3> {
    let radius = if radius >= 0.0 { radius } else { f64::NAN };
    let square = norm_squared(x.clone());
    let beyond_radius = square.clone().lower_equal_elem(radius * radius).bool_not();
    let factor = square
        .clone()
        .mask_fill(beyond_radius.clone().bool_not(), 1.0);
    let factor = factor.sqrt().recip().mul_scalar(radius);
    let factor = factor.mask_fill(beyond_radius.bool_not(), 1.0);
    x * nan_unless_finite(factor, square)
}

/// min(1, (1 − m)/(√c‖x‖)) x; a point that exceeds (1 − m)/√c by less than a quarter of the margin is left
/// as it is.
pub fn project<B: HyperbolicBackend>(
    x: Tensor<B, 3>,
    margin: f64,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let limit = 1.0 - 0.75 * margin;
    let z = c.times(norm_squared(x.clone()));
    let beyond_limit = z.clone().greater_elem(limit * limit);
    let factor_beyond = at_least(z.clone(), limit * limit)
        .sqrt()
        .recip()
        .mul_scalar(1.0 - margin);
    let factor = factor_beyond
        .ones_like()
        .mask_where(beyond_limit, factor_beyond);
    x * nan_unless_finite(factor, z)
}
