//! Geodesic distances.

use burn::tensor::{Tensor, backend::Backend};

use super::super::backend::HyperbolicBackend;
use super::super::curvature::Curvature;
use super::scalars::{
    arsinhc, at_least, at_most, inner, norm_squared, one_minus_cn2, safe_div, safe_sqrt, sinhc,
};

/// The arsinh form. With δ = x − y, α = 1 − c‖x‖², β = 1 − c‖y‖² and z = c‖δ‖²/(αβ):
/// d = 2‖δ‖/√(αβ) · arsinh(√z)/√z, whose last factor is smooth in c and tends to 1.
pub fn dist<B: HyperbolicBackend>(
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    let alpha = one_minus_cn2(norm_squared(x.clone()), c);
    let beta = one_minus_cn2(norm_squared(y.clone()), c);
    let stretched = norm_squared(x - y) / (alpha * beta);
    // Of points far beyond the boundary it may overflow.
    let largest = stretched.dtype().finfo().map_or(f64::MAX, |info| info.max);
    let stretched = at_most(stretched, largest / (4.0 * (1.0 + c.value())));
    let z = c.times(stretched.clone());
    safe_sqrt(stretched).mul_scalar(2.0) * arsinhc(z)
}

/// The tangent form; see [`PoincareBall::dist_expmap0`](crate::geometry::PoincareBall).
///
/// All of it but four sums along the axis works on one number per point, so that the selection
/// between the plain and the far evaluation costs next to nothing.
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
    let reach = norm_u.clone() + norm_v.clone();
    let radial = safe_div(inner(difference, u + v), reach.clone());
    let pair = Pair {
        norm_u,
        norm_v,
        radial,
        squared_distance,
        reach,
    };

    // The norms cannot exceed √MAX, so for a smaller c nothing is ever far.
    let root = c.value().sqrt();
    if root * f32::MAX.sqrt() as f64 <= FAR {
        return pair.near(c);
    }
    let far = pair.reach.clone().greater_elem(FAR / root);
    pair.clone()
        .shrunk_to(FAR / root)
        .near(c)
        .mask_where(far, pair.far(c))
}

/// √c(‖u‖ + ‖v‖) beyond which the hyperbolic sines are evaluated as logarithms: their product has
/// twice this exponent, and exp(80) still fits in an f32.
const FAR: f64 = 40.0;

/// Values of a pair of vectors that the tangent form needs: ‖u‖, ‖v‖, ‖u‖ − ‖v‖, ‖u − v‖², ‖u‖ + ‖v‖.
#[derive(Clone)]
struct Pair<B: Backend> {
    norm_u: Tensor<B, 3>,
    norm_v: Tensor<B, 3>,
    radial: Tensor<B, 3>,
    squared_distance: Tensor<B, 3>,
    reach: Tensor<B, 3>,
}

impl<B: HyperbolicBackend> Pair<B> {
    /// Scales pairs beyond `reach` back to it, so that an evaluation that is discarded for them
    /// stays finite in value and gradient; nearer pairs are unchanged.
    fn shrunk_to(self, reach: f64) -> Self {
        let scale = at_least(self.reach.clone(), reach).recip() * reach;
        Self {
            norm_u: self.norm_u * scale.clone(),
            norm_v: self.norm_v * scale.clone(),
            radial: self.radial * scale.clone(),
            squared_distance: self.squared_distance * scale.clone() * scale.clone(),
            reach: self.reach * scale,
        }
    }

    /// ‖u − v‖² − (‖u‖ − ‖v‖)², not clamped: rounding may make it negative, but clamping it would
    /// cut off the gradient where u or v is 0.
    fn tangential(&self) -> Tensor<B, 3> {
        self.squared_distance.clone() - self.radial.clone().square()
    }

    /// d = 2 S · arsinh(√c S)/(√c S), from power series in c.
    fn near(self, c: &impl Curvature<B>) -> Tensor<B, 3> {
        let shc =
            |t: Tensor<B, 3>, factor: f64| sinhc(c.times(t.square()).mul_scalar(factor * factor));
        let tangential = self.tangential() * shc(self.norm_u, 2.0) * shc(self.norm_v, 2.0);
        let radial = (shc(self.radial.clone(), 1.0) * self.radial).square();
        let s_squared = at_least(radial + tangential, 0.0);
        let z = c.times(s_squared.clone());
        safe_sqrt(s_squared).mul_scalar(2.0) * arsinhc(z)
    }

    /// The same with e^(√c·reach) taken out of every hyperbolic sine and added to its logarithm:
    /// d = 2/√c · arsinh(e^L) with L = √c·reach + ln(√c S e^(−√c·reach)).
    fn far(self, c: &impl Curvature<B>) -> Tensor<B, 3> {
        // Below this arsinh(e^L) is evaluated as it stands, above it is L + ln 2 to all digits.
        const LINEAR_FROM: f64 = 20.0;

        let tangential = self.tangential();
        // Only pairs with a large reach are used; the others are moved away from 0/0.
        let exponent = at_least(c.power_times(0.5, self.reach), FAR);
        // sinh(2t)/(2t) · e^(−2t) = (1 − e^(−4t))/(4t), and 1 at t = 0.
        let scaled_shc = |norm: Tensor<B, 3>| {
            let z = at_least(c.power_times(0.5, norm).mul_scalar(4.0), 1e-6);
            (z.clone().neg().exp().neg().add_scalar(1.0)) / z
        };
        let tangential = c.times(tangential) * scaled_shc(self.norm_u) * scaled_shc(self.norm_v);
        let length = self.radial.abs();
        let t = c.power_times(0.5, length.clone());
        let radial = ((t.clone() - exponent.clone()).exp() - (t + exponent.clone()).neg().exp())
            .mul_scalar(0.5)
            .square();
        let square = radial + tangential;
        // All of it underflows for vectors on one ray, whose distance is the difference of lengths.
        let one_ray = square.clone().lower_elem(f32::MIN_POSITIVE);
        let log = exponent + square.mask_fill(one_ray.clone(), 1.0).log().mul_scalar(0.5);
        let linear = at_least(log.clone(), LINEAR_FROM).sub_scalar(LINEAR_FROM);
        let d = at_most(log, LINEAR_FROM).exp().asinh() + linear;
        c.power_times(-0.5, d.mul_scalar(2.0))
            .mask_where(one_ray, length.mul_scalar(2.0))
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
    fn far_pairs_do_not_overflow() {
        for reach in [1.0, 30.0, 39.9, 40.1, 60.0, 1e4, 1e8] {
            let d = distance([0.75 * reach, 0.0], [-0.25 * reach, 0.0], 1.0);
            approx::assert_relative_eq!(d, 2.0 * reach, max_relative = 3e-7);
            let d = distance([0.75 * reach, 0.0], [-0.25 * reach, 0.0], 0.25);
            approx::assert_relative_eq!(d, 2.0 * reach, max_relative = 3e-7);
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
