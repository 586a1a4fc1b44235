//! Distances: between points, to hyperplanes, to points at infinity.

use burn::tensor::Tensor;

use super::PoincareBall;
use crate::geometry::ops::backend::{HyperbolicBackend, PairOp};
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f64};
use crate::geometry::ops::primitive::scalars::{arsinhc, at_least, safe_div, safe_sqrt};

impl<C> PoincareBall<C> {
    /// Geodesic distance: d(x, y) = 2/√c · arsinh(√c‖x − y‖ / √((1 − c‖x‖²)(1 − c‖y‖²))).
    ///
    /// Equal to 2/√c · artanh(√c‖−x ⊕ y‖) (HypAD, Eq. 2), but exact for points that nearly
    /// coincide. At x = y the value and the gradient are 0. For points that come from
    /// [`expmap0`](Self::expmap0), [`dist_expmap0`](Self::dist_expmap0) is more accurate still.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, points, broadcast
    /// - output: `[..., 1]`; the coordinate axis stays, with size 1, as in Burn's `sum_dim`
    pub fn dist<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.pair(PairOp::Dist, x, y, self.axis::<D>())
    }

    /// Distance from the origin: d(0, x) = 2/√c · artanh(√c‖x‖); its gradient at x = 0 is 0.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point
    /// - output: `[..., 1]`
    pub fn dist0<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.dist(x.zeros_like(), x)
    }

    /// d(exp₀(u), exp₀(v)), computed from the tangent vectors without mapping them to the ball.
    ///
    /// Far from the origin, points of the ball are so close to the boundary that floats cannot distinguish
    /// them. Tangent vectors keep their digits, so this form neither saturates nor loses accuracy for points
    /// that nearly coincide: with s = √c, r = ‖u‖ − ‖v‖ and shc(t) = sinh(t)/t,
    ///
    /// S² = shc(sr)² r² + shc(2s‖u‖) shc(2s‖v‖) (‖u − v‖² − r²),   d = 2/s · arsinh(s S).
    ///
    /// At u = v the value and the gradient are 0; at c = 0 the value is 2‖u − v‖. For vectors on nearly one
    /// ray, ‖u − v‖² − r² is mostly rounding, which the factors shc amplify for long vectors. The kernels
    /// then compute it from the coordinates; backends without kernels lose digits from √c‖u‖ ≳ 3 on.
    ///
    /// # Shapes
    ///
    /// - u, v: `[..., n]`, tangent vectors at the origin, broadcast
    /// - output: `[..., 1]`
    pub fn dist_expmap0<B: HyperbolicBackend, const D: usize>(
        &self,
        u: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.pair(PairOp::DistExpmap0, u, v, self.axis::<D>())
    }

    /// All distances between two sets of points: output\[i, j\] = d(xᵢ, yⱼ).
    ///
    /// ‖xᵢ − yⱼ‖² is summed from the differences of coordinates, in blocks as in a matrix product. The usual
    /// expansion ‖x‖² + ‖y‖² − 2⟨x,y⟩ loses all digits for points that nearly coincide. This form has the
    /// accuracy of [`dist`](Self::dist) in the precision of the tensor (f32 for f16 and bf16), and is
    /// differentiable in the same way. Backends without kernels compute a few rows at a time.
    ///
    /// # Shapes
    ///
    /// - x: `[n, d]`, y: `[m, d]`, points; the coordinates are on the last axis, regardless
    ///   of [`along`](Self::along)
    /// - output: `[n, m]`
    pub fn pairwise_dist<B: HyperbolicBackend>(
        &self,
        x: Tensor<B, 2>,
        y: Tensor<B, 2>,
    ) -> Tensor<B, 2>
    where
        C: Curvature<B>,
    {
        self.c.pair(PairOp::PairwiseDist, x, y, 1)
    }

    /// Signed distance to the hyperplane through p that is orthogonal to a; positive on the side that a
    /// points to.
    ///
    /// arsinh(2√c⟨w,a⟩ / ((1 − c‖w‖²)‖a‖))/√c with w = −p ⊕ x; 2⟨x − p,a⟩/‖a‖ at c = 0, and 0 for
    /// a = 0. Its absolute value is the distance of Ganea et al., Theorem 5. Evaluated from x − p,
    /// 1 − c‖x‖² and 1 − c‖p‖², so that nothing cancels where x is close to p.
    ///
    /// # Shapes
    ///
    /// - x, p: `[..., n]`, points; a: `[..., n]`, a tangent vector at p; broadcast
    /// - output: `[..., 1]`
    pub fn dist2plane<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        p: Tensor<B, D>,
        a: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, p, a] = alike(self.axis::<D>(), [x, p, a]);
        let one_minus_cx2 = self.one_minus_cn2(x.clone());
        let one_minus_cp2 = self.one_minus_cn2(p.clone());
        let inputs = [x, p, a, one_minus_cx2, one_minus_cp2];
        in_f64(inputs, |[x, p, a, one_minus_cx2, one_minus_cp2]| {
            let [x, p] = [x, p].map(|point| self.not_beyond(point));
            let norm_a = safe_sqrt(self.dot(a.clone(), a.clone()));
            let difference = x.clone() - p.clone();
            let squared_distance = self.dot(difference.clone(), difference.clone());
            // 2⟨w,a⟩/(1 − c‖w‖²) = 2(⟨x − p,a⟩ − c‖x − p‖²⟨p,a⟩/(1 − c‖p‖²))/(1 − c‖x‖²).
            let p_a = self.dot(p.clone(), a.clone());
            let curvature_term = self.c.times(squared_distance) * p_a / one_minus_cp2;
            let numerator = self.dot(difference, a) - curvature_term;
            let t = safe_div(numerator.mul_scalar(2.0) / one_minus_cx2, norm_a);
            let z = self.c.times(t.clone()) * t.clone();
            t * arsinhc(z)
        })
    }

    /// Busemann function of the point ω at infinity: b(x) = 1/√c · ln(‖ω − √c x‖²/(1 − c‖x‖²)), the limit
    /// of d(x, p) − d(0, p) for p → ω/√c. It is 0 at the origin, and −t at the distance t from the origin on
    /// the geodesic to ω.
    ///
    /// The limit at c = 0 is −2⟨ω, x⟩; b is a function of √c, so its derivative by a learned c has
    /// no limit there. Chami et al., *HoroPCA*, ICML 2021 (at c = 1).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; omega: `[..., n]`, a unit vector; broadcast
    /// - output: `[..., 1]`
    pub fn busemann<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        omega: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, omega] = alike(self.axis::<D>(), [x, omega]);
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        in_f64([x, omega, one_minus_cn2], |[x, omega, one_minus_cn2]| {
            let x = self.not_beyond(x);
            let x_omega = self.dot(x.clone(), omega.clone());
            if self.c.value() == 0.0 {
                return x_omega.mul_scalar(-2.0);
            }
            let sqrt_c_x = self.c.power_times(0.5, x);
            let c_x2 = self.dot(sqrt_c_x.clone(), sqrt_c_x.clone());
            let quotient_minus_one =
                (c_x2 - self.c.power_times(0.5, x_omega)).mul_scalar(2.0) / one_minus_cn2.clone();
            // ln(1 + (quotient − 1)) is accurate for quotients near 1, ln(quotient) for quotients near 0,
            // which occur near ω.
            let near_omega = quotient_minus_one.clone().lower_elem(-0.5);
            let difference = omega - sqrt_c_x;
            let quotient = self.dot(difference.clone(), difference) / one_minus_cn2;
            let log = quotient_minus_one
                .mask_fill(near_omega.clone(), 0.0)
                .log1p();
            let quotient = quotient.mask_fill(near_omega.clone().bool_not(), 1.0);
            let log_near_omega = at_least(quotient, f32::MIN_POSITIVE.into()).log();
            self.c
                .power_times(-0.5, log.mask_where(near_omega, log_near_omega))
        })
    }
}
