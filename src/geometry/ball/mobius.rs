//! The gyrovector operations: Möbius addition and coaddition, gyration, Möbius multiplication.

use burn::tensor::Tensor;

use super::PoincareBall;
use crate::geometry::ops::backend::{HyperbolicBackend, PairOp, PointOp};
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f32, in_f64};

impl<C> PoincareBall<C> {
    /// Möbius addition x ⊕ y.
    ///
    /// x ⊕ y = ((1 + 2c⟨x,y⟩ + c‖y‖²) x + (1 − c‖x‖²) y) / (1 + 2c⟨x,y⟩ + c²‖x‖²‖y‖²),
    /// evaluated from x + y so that it stays exact where y is close to −x. Ganea et al., Eq. 4.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, broadcast
    /// - output: `[..., n]`
    pub fn mobius_add<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.pair(PairOp::MobiusAdd, x, y, self.axis::<D>())
    }

    /// Möbius subtraction x ⊖ y = x ⊕ (−y).
    ///
    /// # Shapes
    ///
    /// As [`mobius_add`](Self::mobius_add).
    pub fn mobius_sub<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.mobius_add(x, y.neg())
    }

    /// Möbius coaddition x ⊞ y = x ⊕ gyr[x, −y] y, which commutes.
    ///
    /// x ⊞ y = ((1 − c‖y‖²) x + (1 − c‖x‖²) y)/(1 − c²‖x‖²‖y‖²), evaluated from x + y. Ungar 2009,
    /// ch. 3.
    ///
    /// # Shapes
    ///
    /// As [`mobius_add`](Self::mobius_add).
    pub fn mobius_coadd<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, y] = alike(self.axis::<D>(), [x, y]);
        let (a, b) = (self.one_minus_cn2(x.clone()), self.one_minus_cn2(y.clone()));
        in_f64([x, y, a, b], |[x, y, a, b]| {
            let [x, y] = [x, y].map(|point| self.not_beyond(point));
            let sum = x.clone() + y.clone();
            // α − β = c(‖y‖² − ‖x‖²), and 1 − c²‖x‖²‖y‖² = α + β − αβ.
            let a_minus_b = self.c.times(self.dot(y.clone() - x, sum.clone()));
            let denominator = a.clone() + b.clone() - a * b.clone();
            (sum * b + y * a_minus_b) / denominator
        })
    }

    /// Möbius cosubtraction x ⊟ y = x ⊞ (−y).
    ///
    /// # Shapes
    ///
    /// As [`mobius_add`](Self::mobius_add).
    pub fn mobius_cosub<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.mobius_coadd(x, y.neg())
    }

    /// Gyration gyr[x, y] z = −(x ⊕ y) ⊕ (x ⊕ (y ⊕ z)): the rotation with which Möbius addition is
    /// associative, x ⊕ (y ⊕ z) = (x ⊕ y) ⊕ gyr[x, y] z. It is linear in z and preserves its length.
    ///
    /// With σ = x + y, α = 1 − c‖x‖² and β = 1 − c‖y‖²:
    ///
    /// gyr[x, y] z = z + 2c((β⟨σ,z⟩ + c‖σ‖²⟨y,z⟩) x + (α⟨y,z⟩ − ⟨σ,z⟩) σ)/(αβ + c‖σ‖²),
    ///
    /// the closed form of Ungar 2009, ch. 3, in terms that do not cancel for y ≈ −x.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, points; z: `[..., n]`, any vector; broadcast
    /// - output: `[..., n]`
    pub fn gyration<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
        z: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, y, z] = alike(self.axis::<D>(), [x, y, z]);
        let one_minus_cn2s = [&x, &y].map(|point| self.one_minus_cn2(point.clone()));
        let [a, b] = one_minus_cn2s;
        in_f64([x, y, z, a, b], |[x, y, z, a, b]| {
            self.gyration_of([x, y], [a, b], z)
        })
    }

    /// gyr[x, y] z from the points and 1 − c‖x‖², 1 − c‖y‖².
    pub(super) fn gyration_of<B: HyperbolicBackend, const D: usize>(
        &self,
        points: [Tensor<B, D>; 2],
        [a, b]: [Tensor<B, D>; 2],
        z: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, y] = points.map(|point| self.not_beyond(point));
        let sum = x.clone() + y.clone();
        let c_sum2 = self.c.times(self.dot(sum.clone(), sum.clone()));
        let y_z = self.dot(y, z.clone());
        let sum_z = self.dot(sum.clone(), z.clone());
        let denominator = a.clone() * b.clone() + c_sum2.clone();
        let scale = self.c.times(denominator.recip()).mul_scalar(2.0);
        let of_x = b * sum_z.clone() + c_sum2 * y_z.clone();
        let of_sum = a * y_z - sum_z;
        z + (x * of_x + sum * of_sum) * scale
    }

    /// Möbius scalar multiplication r ⊗ x = tanh(r artanh(√c‖x‖)) x / (√c‖x‖).
    ///
    /// The same as exp₀(r log₀(x)); r x at c = 0. Ganea et al., Eq. 5.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point
    /// - output: `[..., n]`, a point
    pub fn mobius_scalar_mul<B: HyperbolicBackend, const D: usize>(
        &self,
        r: f64,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.point(PointOp::ScalarMul(r), x, self.axis::<D>())
    }

    /// Möbius pointwise multiplication exp₀(w ∘ log₀(x)): a diagonal matrix applied to a point.
    ///
    /// # Shapes
    ///
    /// - w: `[..., n]` or `[..., 1]`, factors; x: `[..., n]`, a point; broadcast
    /// - output: `[..., n]`, a point
    pub fn mobius_pointwise_mul<B: HyperbolicBackend, const D: usize>(
        &self,
        w: Tensor<B, D>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([w, x], |[w, x]| self.mobius_fn_apply(|v| v * w, x))
    }

    /// Möbius matrix-vector multiplication exp₀(M log₀(x)); 0 where M log₀(x) is 0. Ganea et al.,
    /// Sec. 3.2.
    ///
    /// # Shapes
    ///
    /// - m: `[k, n]`, used in the type of x
    /// - x: `[..., n]`, a point
    /// - output: `[..., k]`, a point
    pub fn mobius_matvec<B: HyperbolicBackend, const D: usize>(
        &self,
        m: Tensor<B, 2>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let axis = self.axis::<D>();
        let apply = |v: Tensor<B, D>| {
            let v = v.swap_dims(axis, D - 1);
            let mut shape = v.dims();
            let [k, n] = m.dims();
            let rows = shape[..D - 1].iter().product::<usize>();
            shape[D - 1] = k;
            let m = m.cast(v.dtype());
            let product = v.reshape([rows, n]).matmul(m.transpose());
            product.reshape(shape).swap_dims(axis, D - 1)
        };
        in_f32([x], |[x]| self.mobius_fn_apply(apply, x))
    }

    /// Applies a function of tangent vectors to points: exp₀(f(log₀(x))). Ganea et al., Sec. 3.2.
    ///
    /// `f` may change the number of coordinates. Its argument has the type of x, so half precision is
    /// rounded there, too.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point
    /// - output: `[..., k]`, a point
    pub fn mobius_fn_apply<B: HyperbolicBackend, const D: usize>(
        &self,
        f: impl FnOnce(Tensor<B, D>) -> Tensor<B, D>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.expmap0(f(self.logmap0(x)))
    }

    /// The point opposite to x with respect to the origin: −x, the inverse of x under
    /// [`mobius_add`](Self::mobius_add).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`
    pub fn antipode<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        x.neg()
    }
}
