//! Hyperplanes, the signed distances to them, and multinomial logistic regression.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Distribution, Tensor, backend::Backend};

use super::curvature::{stored_ball, stored_curvature};
use super::on_rows;
use crate::error::{Result, check};
use crate::geometry::ops::precision::{in_f32, in_f64};
use crate::geometry::ops::primitive::scalars::{arsinhc, safe_div, safe_sqrt, sinhc};
use crate::geometry::{Curvature, HyperbolicBackend, PoincareBall};

/// Hyperplanes, given by their normals at the origin and their offsets along these, as in HNN++. This takes
/// n + 1 numbers per plane in place of the 2n of a normal and a point, and no point has to stay in the ball.
#[derive(Module, Debug)]
pub struct Planes<B: Backend> {
    /// Normals, `[n, planes]`.
    pub z: Param<Tensor<B, 2>>,
    /// Offsets, `[1, planes]`: the plane goes through exp₀(r z/‖z‖). Scores are finite for √c|r| up to
    /// 150, on devices without f64 up to 10; NaN far beyond that.
    pub r: Param<Tensor<B, 2>>,
}

impl<B: HyperbolicBackend> Planes<B> {
    /// Planes through the origin with random normals of this standard deviation.
    pub(super) fn init(n: usize, planes: usize, std: f64, bias: bool, device: &B::Device) -> Self {
        let normal = Distribution::Normal(0.0, std);
        Self {
            z: Param::from_tensor(Tensor::random([n, planes], normal, device)),
            r: Param::from_tensor(Tensor::zeros([1, planes], device)).set_require_grad(bias),
        }
    }

    /// vₖ(x) = 2‖zₖ‖/√c · arsinh(λₓ⟨√c x, ẑₖ⟩ cosh(2√c rₖ) − (λₓ − 1) sinh(2√c rₖ)), which is
    /// ‖zₖ‖ times twice the signed distance to the plane; 4(⟨x, zₖ⟩ − ‖zₖ‖rₖ) at c = 0.
    ///
    /// The coordinates are on the last axis, regardless of the axis of the ball.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, n]`
    /// - output: `[batch, planes]`
    pub(super) fn scores<C: Curvature<B>>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let c = ball.curvature();
        in_f32([x, self.z.val(), self.r.val()], |[x, z, r]| {
            let norm_z = safe_sqrt(z.clone().square().sum_dim(0));
            let unit_z = safe_div(z, norm_z.clone());
            let ball = PoincareBall::from_parts(c.clone(), None);
            let lambda = ball.lambda_x(x.clone());
            let x_unit_z = ball.not_beyond(x).matmul(unit_z);
            // The rest in f64, for the hyperbolic functions of large offsets.
            in_f64(
                [x_unit_z, lambda, r, norm_z],
                |[x_unit_z, lambda, r, norm_z]| {
                    let c_r2 = c.times(r.clone().square());
                    // cosh(2√c r) = 1 + 2 sinh²(√c r).
                    let sinhc_r = sinhc(c_r2.clone());
                    let cosh_2r = (c_r2.clone() * sinhc_r.square())
                        .mul_scalar(2.0)
                        .add_scalar(1.0);
                    // sinh(2√c r)/√c.
                    let sinh_2r = r.mul_scalar(2.0) * sinhc(c_r2.mul_scalar(4.0));
                    let t = x_unit_z * lambda.clone() * cosh_2r - lambda.sub_scalar(1.0) * sinh_2r;
                    let z = c.times(t.clone()) * t.clone();
                    t * arsinhc(z) * norm_z.mul_scalar(2.0)
                },
            )
        })
    }
}

/// Configuration of a [`PoincareMlr`].
#[derive(Config, Debug)]
pub struct PoincareMlrConfig {
    /// Number of coordinates of a point.
    pub d_input: usize,
    /// Number of classes.
    pub classes: usize,
    /// The c of the ball.
    pub c: f64,
    /// Whether the offsets of the hyperplanes are learned; if not, all go through the origin.
    #[config(default = true)]
    pub bias: bool,
}

/// Multinomial logistic regression in the ball: one hyperplane per class, with the scaled signed distances to
/// them as logits.
///
/// Shimizu, Mukuta, Harada, *Hyperbolic Neural Networks++*, ICLR 2021, Sec. 3.1.
#[derive(Module, Debug)]
pub struct PoincareMlr<B: Backend> {
    /// The hyperplanes.
    pub planes: Planes<B>,
    c: Param<Tensor<B, 1>>,
}

impl PoincareMlrConfig {
    /// The classifier, with random normals.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite;
    /// [`Error::Setting`](crate::Error::Setting) for a `d_input` or `classes` of 0.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<PoincareMlr<B>> {
        let ball = PoincareBall::new(self.c)?;
        check(self.d_input > 0, "d_input", self.d_input, "at least 1")?;
        check(self.classes > 0, "classes", self.classes, "at least 1")?;
        let std = 1.0 / (self.d_input as f64).sqrt();
        Ok(PoincareMlr {
            planes: Planes::init(self.d_input, self.classes, std, self.bias, device),
            c: stored_curvature(&ball, device),
        })
    }
}

impl<B: HyperbolicBackend> PoincareMlr<B> {
    /// The ball of the points, from the configuration or from the record that was loaded.
    pub fn ball(&self) -> PoincareBall {
        stored_ball(&self.c)
    }

    /// Logits.
    ///
    /// # Shapes
    ///
    /// - x: `[..., d_input]`, points of the ball
    /// - output: `[..., classes]`
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.forward_in(&self.ball(), x)
    }

    /// Logits in another ball, such as one with a learned curvature.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_in<C: Curvature<B>, const D: usize>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D> {
        on_rows(x, |x| self.planes.scores(ball, x))
    }
}
