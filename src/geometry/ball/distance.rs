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

    /// d(exp₀(u), exp₀(v)) straight from the tangent vectors, without visiting the ball.
    ///
    /// Points far out are crowded at the boundary of the ball, where floats cannot tell them apart.
    /// Tangent vectors keep their digits, so this form neither saturates nor loses near pairs:
    /// with s = √c, r = ‖u‖ − ‖v‖ and shc(t) = sinh(t)/t,
    ///
    /// S² = shc(sr)² r² + shc(2s‖u‖) shc(2s‖v‖) (‖u − v‖² − r²),   d = 2/s · arsinh(s S).
    ///
    /// At u = v the value and the gradient are 0; at c = 0 the value is 2‖u − v‖. For vectors that
    /// lie on nearly one ray ‖u − v‖² − r² would be rounding, which sinh blows up far out: the
    /// kernels then take it from the differences of coordinates; backends without kernels lose
    /// digits from √c‖u‖ ≳ 3 on.
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
    /// The sums are ‖xᵢ − yⱼ‖², of differences, in blocks as in a matrix product. The usual way,
    /// ‖x‖² + ‖y‖² − 2⟨x,y⟩, loses all digits of points that nearly coincide; this one is as exact
    /// as [`dist`](Self::dist), in the precision of the tensor (f32 for f16 and bf16), and as
    /// differentiable. On backends without kernels it is computed a few rows at a time.
    ///
    /// # Shapes
    ///
    /// - x: `[n, d]`, y: `[m, d]`, points; the coordinates are on the last axis whatever
    ///   [`along`](Self::along) says
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

    /// Signed distance to a hyperplane: the one through p that is orthogonal to a, with a positive
    /// sign on the side that a points to.
    ///
    /// arsinh(2√c⟨w,a⟩ / ((1 − c‖w‖²)‖a‖))/√c with w = −p ⊕ x; 2⟨x − p,a⟩/‖a‖ at c = 0, and 0 for
    /// a = 0. Its absolute value is the distance of Ganea et al., Theorem 5. Evaluated from x − p
    /// and the one_minus_cn2s of x and p, so that nothing cancels where x is close to p.
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
        let (gap_x, gap_p) = (self.one_minus_cn2(x.clone()), self.one_minus_cn2(p.clone()));
        in_f64([x, p, a, gap_x, gap_p], |[x, p, a, gap_x, gap_p]| {
            let [x, p] = [x, p].map(|point| self.not_beyond(point));
            let norm = safe_sqrt(self.dot(a.clone(), a.clone()));
            let difference = x.clone() - p.clone();
            let square = self.dot(difference.clone(), difference.clone());
            // 2⟨w,a⟩/(1 − c‖w‖²) = 2(⟨x − p,a⟩ − c‖x − p‖²⟨p,a⟩/(1 − c‖p‖²))/(1 − c‖x‖²).
            let bend = self.c.times(square) * self.dot(p.clone(), a.clone()) / gap_p;
            let along = self.dot(difference, a) - bend;
            let t = safe_div(along.mul_scalar(2.0) / gap_x, norm);
            let z = self.c.times(t.clone()) * t.clone();
            t * arsinhc(z)
        })
    }

    /// Busemann function of a point at infinity: how much nearer to ω than the origin x is, with
    /// the sign turned. b(x) = 1/√c · ln(‖ω − √c x‖²/(1 − c‖x‖²)), which is 0 at the origin, falls
    /// towards ω and rises away from it, with slope 1.
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
            let along = self.dot(x.clone(), omega.clone());
            if self.c.value() == 0.0 {
                return along.mul_scalar(-2.0);
            }
            let scaled = self.c.power_times(0.5, x);
            let square = self.dot(scaled.clone(), scaled.clone());
            // The quotient less 1 where it is near 1, itself where it is near 0: at ω.
            let above =
                (square - self.c.power_times(0.5, along)).mul_scalar(2.0) / one_minus_cn2.clone();
            let near_omega = above.clone().lower_elem(-0.5);
            let beyond = omega - scaled;
            let quotient = self.dot(beyond.clone(), beyond) / one_minus_cn2;
            let far = above.mask_fill(near_omega.clone(), 0.0).log1p();
            let tiny = f32::MIN_POSITIVE;
            let near = quotient.mask_fill(near_omega.clone().bool_not(), 1.0);
            let near = at_least(near, tiny.into()).log();
            self.c.power_times(-0.5, far.mask_where(near_omega, near))
        })
    }
}
