//! The per-point quantities that the operations share: squared norms, 1 − c‖x‖², and the even
//! functions f(√z)/√z, smooth in z = c‖v‖² and therefore in c, with no singularity at 0.

use burn::tensor::{DType, Tensor, backend::Backend};

use super::super::backend::HyperbolicBackend;
use super::super::curvature::Curvature;

/// The axis of the coordinates in `[outer, n, inner]`.
const AXIS: usize = 1;

/// ⟨x, y⟩ along the coordinates, whose axis stays with size 1.
pub fn inner<B: Backend>(x: Tensor<B, 3>, y: Tensor<B, 3>) -> Tensor<B, 3> {
    (x * y).sum_dim(AXIS)
}

/// ‖x‖².
pub fn norm_squared<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    inner(x.clone(), x)
}

/// √z with derivative 0, not ∞, at z = 0. Rounding may have made z slightly negative.
pub fn safe_sqrt<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    let zero = z.clone().lower_equal_elem(0.0);
    // A factor of NaN where z is NaN, else 1: on some GPUs Burn's gradient of a root is 0 there.
    let not_nan = z.clone().is_nan().bool_not();
    let factor = z.clone().detach().mask_fill(not_nan, 1.0);
    let root = z.mask_fill(zero.clone(), 1.0).sqrt() * factor;
    root.mask_fill(zero, 0.0)
}

/// x/y, and x where y is 0.
pub fn safe_div<B: Backend, const D: usize>(x: Tensor<B, D>, y: Tensor<B, D>) -> Tensor<B, D> {
    let zero = y.clone().equal_elem(0.0);
    x / y.mask_fill(zero, 1.0)
}

/// z, or `least` where it is less. NaN stays NaN, which Burn's `clamp_min` replaces on some backends.
pub fn at_least<B: Backend, const D: usize>(z: Tensor<B, D>, least: f64) -> Tensor<B, D> {
    let below = z.clone().lower_elem(least);
    z.mask_fill(below, least)
}

/// z, or `most` where it is more. NaN stays NaN.
pub fn at_most<B: Backend, const D: usize>(z: Tensor<B, D>, most: f64) -> Tensor<B, D> {
    let above = z.clone().greater_elem(most);
    z.mask_fill(above, most)
}

/// The value, or NaN where z is infinite or NaN.
pub fn nan_unless_finite<B: Backend, const D: usize>(
    value: Tensor<B, D>,
    z: Tensor<B, D>,
) -> Tensor<B, D> {
    value + z.mul_scalar(0.0)
}

/// 1 − c‖x‖² from ‖x‖². At the boundary and beyond it is the machine epsilon, the value of the last point
/// inside, so that quotients by it are finite; NaN for an infinite or NaN ‖x‖².
pub fn one_minus_cn2<B: HyperbolicBackend, const D: usize>(
    norm_squared: Tensor<B, D>,
    c: &impl Curvature<B>,
) -> Tensor<B, D> {
    let epsilon = epsilon(norm_squared.dtype());
    let z = c.times(norm_squared);
    let one_minus_cn2 = z.clone().neg().add_scalar(1.0);
    nan_unless_finite(at_least(one_minus_cn2, epsilon), z)
}

/// The machine epsilon of a float type.
pub fn epsilon(dtype: DType) -> f64 {
    dtype.finfo().map_or(f64::EPSILON, |info| info.epsilon)
}

/// tanh(√z)/√z for z ≥ 0; NaN for an infinite z, which has no direction.
pub fn tanhc<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    let series = [1.0, -1.0 / 3.0, 2.0 / 15.0, -17.0 / 315.0, 62.0 / 2835.0];
    nan_unless_finite(series_or_quotient(z.clone(), series, Tensor::tanh), z)
}

/// artanh(√z)/√z for 0 ≤ z < 1. For z > 1 − ε it is artanh(√(1 − ε))/√z.
pub fn artanhc<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    let series = [1.0, 1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0];
    let largest = 1.0 - epsilon(z.dtype());
    let ratio = at_least(z.clone(), largest)
        .recip()
        .mul_scalar(largest)
        .sqrt();
    nan_unless_finite(
        series_or_quotient(at_most(z.clone(), largest), series, Tensor::atanh) * ratio,
        z,
    )
}

/// arsinh(√z)/√z for z ≥ 0.
pub fn arsinhc<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    let series = [1.0, -1.0 / 6.0, 3.0 / 40.0, -5.0 / 112.0, 35.0 / 1152.0];
    series_or_quotient(z, series, Tensor::asinh)
}

/// z, clamped to (0.9 ln MAX)², below which sinh(√z) does not overflow.
pub fn below_overflow<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    let largest = z.dtype().finfo().map_or(f64::MAX, |info| info.max);
    at_most(z, (0.9 * largest.ln()).powi(2))
}

/// sinh(√z)/√z for z ≥ 0; z is clamped by [`below_overflow`].
pub fn sinhc<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    let series = [1.0, 1.0 / 6.0, 1.0 / 120.0, 1.0 / 5040.0, 1.0 / 362_880.0];
    nan_unless_finite(
        series_or_quotient(below_overflow(z.clone()), series, Tensor::sinh),
        z,
    )
}

/// ln(sinh(√z)/√z) for z ≥ 0, however large.
pub fn log_sinhc<B: Backend, const D: usize>(z: Tensor<B, D>) -> Tensor<B, D> {
    /// Upper limit of the z of the power series, whose first omitted term is z⁴/37800.
    const SERIES_BELOW: f64 = 1e-3;

    let small = z.clone().lower_elem(SERIES_BELOW);
    let t = at_least(z.clone(), SERIES_BELOW).sqrt();
    let two_t = t.clone().mul_scalar(2.0);
    let exprel = two_t.clone().neg().exp().neg().add_scalar(1.0) / two_t;
    let z = at_most(z, SERIES_BELOW);
    let higher_terms = z.clone().mul_scalar(1.0 / 2835.0).sub_scalar(1.0 / 180.0);
    let series = (z.clone() * higher_terms).add_scalar(1.0 / 6.0) * z;
    (t + exprel.log()).mask_where(small, series)
}

/// f(√z)/√z for an odd f, by the first five terms of its power series in z below [`SERIES_BELOW`].
fn series_or_quotient<B: Backend, const D: usize>(
    z: Tensor<B, D>,
    series: [f64; 5],
    odd: impl Fn(Tensor<B, D>) -> Tensor<B, D>,
) -> Tensor<B, D> {
    /// Upper limit of the z of the power series, whose first omitted term is below z⁵ = 1e-20 and so below
    /// the rounding of an f64. Above it the derivative of the quotient has an error of about ε/z.
    const SERIES_BELOW: f64 = 1e-4;

    let small = z.clone().lower_elem(SERIES_BELOW);
    let root = at_least(z.clone(), SERIES_BELOW).sqrt();
    let quotient = odd(root.clone()) / root;

    let z = at_most(z, SERIES_BELOW);
    let [first, rest @ .., last] = series;
    let mut sum = z.clone().mul_scalar(last);
    for term in rest.into_iter().rev() {
        sum = sum.add_scalar(term) * z.clone();
    }
    quotient.mask_where(small, sum.add_scalar(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::TensorData;

    type B = Autodiff<Flex>;

    /// Value and derivative of the even functions against the plain quotient in f64, on both sides
    /// of the switch to the series and at 0.
    #[test]
    fn even_functions_match_their_definition() {
        type Even = fn(Tensor<B, 1>) -> Tensor<B, 1>;
        type Scalar = fn(f64) -> f64;
        let cases: [(Even, Scalar, Scalar, f64); 4] = [
            (tanhc, f64::tanh, |t| 1.0 - t.tanh().powi(2), -1.0 / 3.0),
            (artanhc, f64::atanh, |t| 1.0 / (1.0 - t * t), 1.0 / 3.0),
            (arsinhc, f64::asinh, |t| 1.0 / t.hypot(1.0), -1.0 / 6.0),
            (sinhc, f64::sinh, f64::cosh, 1.0 / 6.0),
        ];
        let device = Default::default();
        for (even, odd, derivative, slope_at_zero) in cases {
            for z in [0.0_f64, 1e-12, 9.9e-5, 1.01e-4, 0.01, 0.5, 0.9] {
                let data = TensorData::from([z]);
                let input = Tensor::<B, 1>::from_data(data, (&device, DType::F64)).require_grad();
                let output = even(input.clone());
                let grads = output.backward();
                let value: f64 = output.into_data().to_vec().unwrap()[0];
                let slope: f64 = input.grad(&grads).unwrap().into_data().to_vec().unwrap()[0];

                let t = z.sqrt();
                let (expected, expected_slope) = if z < 1e-6 {
                    (1.0, slope_at_zero)
                } else {
                    let d = (derivative(t) - odd(t) / t) / (2.0 * z);
                    (odd(t) / t, d)
                };
                // The plain derivative cancels near 0; its own error there is about ε/z.
                let tolerance = 1e-11_f64.max(4e-16 / z.max(1e-5));
                assert!((value - expected).abs() < 1e-12, "{z}: {value} {expected}");
                assert!(
                    (slope - expected_slope).abs() < tolerance,
                    "{z}: {slope} {expected_slope}"
                );
            }
        }
    }
}
