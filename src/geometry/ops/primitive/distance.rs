//! Geodesic distances.

use burn::tensor::{Tensor, backend::Backend};

use super::super::backend::HyperbolicBackend;
use super::super::curvature::Curvature;
use super::scalars::{
    arsinhc, at_least, at_most, inner, norm_squared, one_minus_cn2, safe_div, safe_sqrt, sinhc,
};

/// d = 2√q · arsinh(√z)/√z with α = 1 − c‖x‖², β = 1 − c‖y‖², q = ‖x − y‖²/(αβ) and z = cq. The last
/// factor is smooth in c and tends to 1 for c → 0.
pub fn dist<B: HyperbolicBackend>(
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let a = one_minus_cn2(norm_squared(x.clone()), c);
    let b = one_minus_cn2(norm_squared(y.clone()), c);
    let q = norm_squared(x - y) / (a * b);
    // For points far beyond the boundary q may overflow.
    let largest = q.dtype().finfo().map_or(f64::MAX, |info| info.max);
    let q = at_most(q, largest / (4.0 * (1.0 + c.value())));
    let z = c.times(q.clone());
    safe_sqrt(q).mul_scalar(2.0) * arsinhc(z)
}

/// d(exp₀(u), exp₀(v)); see [`PoincareBall::dist_expmap0`](crate::geometry::PoincareBall).
///
/// After four sums along the axis all steps compute one number per pair, so that evaluating both the
/// direct formula and the one with logarithms costs little.
pub fn dist_expmap0<B: HyperbolicBackend>(
    u: Tensor<B, 3>,
    v: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let difference = u.clone() - v.clone();
    let squared_distance = norm_squared(difference.clone());
    let norm_u = safe_sqrt(norm_squared(u.clone()));
    let norm_v = safe_sqrt(norm_squared(v.clone()));
    // ‖u‖ − ‖v‖ without its cancellation.
    let norm_sum = norm_u.clone() + norm_v.clone();
    let radial = safe_div(inner(difference, u + v), norm_sum.clone());
    let pair = TangentPair {
        norm_u,
        norm_v,
        radial,
        squared_distance,
        norm_sum,
    };

    // The norms cannot exceed √MAX, so for a small c no pair needs the logarithms.
    let sqrt_c = c.value().sqrt();
    if sqrt_c * f32::MAX.sqrt() as f64 <= LOGARITHMS_FROM {
        return pair.direct(c);
    }
    let overflows = pair.norm_sum.clone().greater_elem(LOGARITHMS_FROM / sqrt_c);
    pair.clone()
        .scaled_down_to(LOGARITHMS_FROM / sqrt_c)
        .direct(c)
        .mask_where(overflows, pair.by_logarithms(c))
}

/// The √c(‖u‖ + ‖v‖) from which the logarithms of the hyperbolic sines are computed in their place: the
/// product of the sines has twice this exponent, and exp(80) fits into an f32.
const LOGARITHMS_FROM: f64 = 40.0;

/// Values of pairs of tangent vectors at the origin.
#[derive(Clone)]
struct TangentPair<B: Backend> {
    /// ‖u‖.
    norm_u: Tensor<B, 3>,
    /// ‖v‖.
    norm_v: Tensor<B, 3>,
    /// ‖u‖ − ‖v‖.
    radial: Tensor<B, 3>,
    /// ‖u − v‖².
    squared_distance: Tensor<B, 3>,
    /// ‖u‖ + ‖v‖.
    norm_sum: Tensor<B, 3>,
}

impl<B: HyperbolicBackend> TangentPair<B> {
    /// Scales pairs with ‖u‖ + ‖v‖ > `max_norm_sum` down to ‖u‖ + ‖v‖ = `max_norm_sum`, so that the direct
    /// formula, whose result is not used for them, is finite in value and gradient.
    fn scaled_down_to(self, max_norm_sum: f64) -> Self {
        let scale = at_least(self.norm_sum.clone(), max_norm_sum).recip() * max_norm_sum;
        Self {
            norm_u: self.norm_u * scale.clone(),
            norm_v: self.norm_v * scale.clone(),
            radial: self.radial * scale.clone(),
            squared_distance: self.squared_distance * scale.clone() * scale.clone(),
            norm_sum: self.norm_sum * scale,
        }
    }

    /// ‖u − v‖² − (‖u‖ − ‖v‖)², not clamped: rounding may make it negative, but clamping it would
    /// cut off the gradient where u or v is 0.
    fn tangential(&self) -> Tensor<B, 3> {
        self.squared_distance.clone() - self.radial.clone().square()
    }

    /// d = 2 S · arsinh(√c S)/(√c S) with shc(t) = sinh(t)/t, r = ‖u‖ − ‖v‖ and
    /// S² = (sinh(√c r)/√c)² + shc(2√c‖u‖) shc(2√c‖v‖) (‖u − v‖² − r²).
    fn direct(self, c: &impl Curvature<B>) -> Tensor<B, 3> {
        let shc =
            |t: Tensor<B, 3>, factor: f64| sinhc(c.times(t.square()).mul_scalar(factor * factor));
        let tangential_term = self.tangential() * shc(self.norm_u, 2.0) * shc(self.norm_v, 2.0);
        let radial_term = (shc(self.radial.clone(), 1.0) * self.radial).square();
        let s_squared = at_least(radial_term + tangential_term, 0.0);
        let z = c.times(s_squared.clone());
        safe_sqrt(s_squared).mul_scalar(2.0) * arsinhc(z)
    }

    /// The same, with the exponentials taken out of the hyperbolic sines and added to the logarithm of S:
    /// d = 2/√c · arsinh(e^L) with m = √c(‖u‖ + ‖v‖) and L = m + ln(√c S e^(−m)).
    fn by_logarithms(self, c: &impl Curvature<B>) -> Tensor<B, 3> {
        // From this L on arsinh(e^L) is L + ln 2 to all digits.
        const LINEAR_FROM: f64 = 20.0;

        let tangential = self.tangential();
        // m; the results for smaller m are not used, and the clamp keeps them from being 0/0.
        let exponent = at_least(c.power_times(0.5, self.norm_sum), LOGARITHMS_FROM);
        // sinh(2t)/(2t) · e^(−2t) = (1 − e^(−4t))/(4t), and 1 at t = 0.
        let scaled_shc = |norm: Tensor<B, 3>| {
            let z = at_least(c.power_times(0.5, norm).mul_scalar(4.0), 1e-6);
            (z.clone().neg().exp().neg().add_scalar(1.0)) / z
        };
        let tangential_term =
            c.times(tangential) * scaled_shc(self.norm_u) * scaled_shc(self.norm_v);
        let abs_radial = self.radial.abs();
        let t = c.power_times(0.5, abs_radial.clone());
        let radial_term = ((t.clone() - exponent.clone()).exp()
            - (t + exponent.clone()).neg().exp())
        .mul_scalar(0.5)
        .square();
        // cS² e^(−2m).
        let scaled_z = radial_term + tangential_term;
        // It underflows for vectors on one ray, whose distance is 2|‖u‖ − ‖v‖|.
        let one_ray = scaled_z.clone().lower_elem(f32::MIN_POSITIVE);
        let log = exponent
            + scaled_z
                .mask_fill(one_ray.clone(), 1.0)
                .log()
                .mul_scalar(0.5);
        let linear = at_least(log.clone(), LINEAR_FROM).sub_scalar(LINEAR_FROM);
        let arsinh = at_most(log, LINEAR_FROM).exp().asinh() + linear;
        c.power_times(-0.5, arsinh.mul_scalar(2.0))
            .mask_where(one_ray, abs_radial.mul_scalar(2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    fn distance(u: [f32; 2], v: [f32; 2], c: f64) -> f32 {
        let device = Default::default();
        let u = Tensor::<Flex, 3>::from_floats([u.map(|u| [u])], &device);
        let v = Tensor::<Flex, 3>::from_floats([v.map(|v| [v])], &device);
        dist_expmap0(u, v, &c).into_scalar()
    }

    /// Opposite directions meet at the origin: d = 2(‖u‖ + ‖v‖) for every c, on both sides of the
    /// switch to logarithms and far beyond the range of exp.
    #[test]
    fn long_vectors_do_not_overflow() {
        for norm_sum in [1.0, 30.0, 39.9, 40.1, 60.0, 1e4, 1e8] {
            let d = distance([0.75 * norm_sum, 0.0], [-0.25 * norm_sum, 0.0], 1.0);
            approx::assert_relative_eq!(d, 2.0 * norm_sum, max_relative = 3e-7);
            let d = distance([0.75 * norm_sum, 0.0], [-0.25 * norm_sum, 0.0], 0.25);
            approx::assert_relative_eq!(d, 2.0 * norm_sum, max_relative = 3e-7);
        }
        // A right angle, in f64 by the law of cosines: cosh 2d' = cosh 2a cosh 2b at c = 1.
        let expected = 2.0 * (0.5 * ((60.0_f64.cosh() * 50.0_f64.cosh()).acosh()));
        let d = distance([30.0, 0.0], [0.0, 25.0], 1.0) as f64;
        approx::assert_relative_eq!(d, expected, max_relative = 3e-7);
    }

    #[test]
    fn equal_vectors_are_at_distance_zero() {
        for norm in [0.0, 1e-3, 1.0, 30.0, 100.0, 1e6] {
            for c in [0.0, 1e-30, 0.01, 1.0] {
                assert_eq!(distance([norm, norm], [norm, norm], c), 0.0, "{norm} {c}");
            }
        }
    }
}
