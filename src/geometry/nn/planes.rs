//! Hyperplanes: signed distances to them, and the classifier made of these.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Distribution, Tensor, backend::Backend};

use super::curvature::{stored, stored_ball};
use super::on_rows;
use crate::error::{Result, check};
use crate::geometry::ops::precision::{in_f32, in_f64};
use crate::geometry::ops::primitive::scalars::{arsinhc, safe_div, safe_sqrt, sinhc};
use crate::geometry::{Curvature, HyperbolicBackend, PoincareBall};

/// Hyperplanes by their normal at the origin and their offset along it, as HNN++ has them: one
/// number fewer each than with a point of the plane, and no point to keep in the ball.
#[derive(Module, Debug)]
pub struct Planes<B: Backend> {
    /// Normals, `[n, planes]`.
    pub z: Param<Tensor<B, 2>>,
    /// Offsets, `[1, planes]`: the plane goes through exp₀(r z/‖z‖). Scores are finite for √c|r| up to
    /// 150, on devices without f64 up to 10; NaN far beyond that.
    pub r: Param<Tensor<B, 2>>,
}

impl<B: HyperbolicBackend> Planes<B> {
    /// Normals of this standard deviation, through the origin.
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
    /// The coordinates are on the last axis, whatever the ball says.
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
            let norm = safe_sqrt(z.clone().square().sum_dim(0));
            let unit = safe_div(z, norm.clone());
            let ball = PoincareBall::from_parts(c.clone(), None);
            let lambda = ball.lambda_x(x.clone());
            let along = ball.not_beyond(x).matmul(unit);
            // The rest in f64: hyperbolic functions of large offsets.
            in_f64([along, lambda, r, norm], |[along, lambda, r, norm]| {
                let bend = c.times(r.clone().square());
                // cosh 2t = 1 + 2 sinh² t.
                let sinh = sinhc(bend.clone());
                let cosh = (bend.clone() * sinh.square())
                    .mul_scalar(2.0)
                    .add_scalar(1.0);
                let offset = r.mul_scalar(2.0) * sinhc(bend.mul_scalar(4.0));
                let t = along * lambda.clone() * cosh - lambda.sub_scalar(1.0) * offset;
                let stretch = arsinhc(c.times(t.clone()) * t.clone());
                t * stretch * norm.mul_scalar(2.0)
            })
        })
    }
}

/// Configuration of a [`PoincareMlr`].
#[derive(Config, Debug)]
pub struct PoincareMlrConfig {
    /// Coordinates of a point.
    pub d_input: usize,
    /// Classes.
    pub classes: usize,
    /// The c of the ball.
    pub c: f64,
    /// Whether planes may leave the origin.
    #[config(default = true)]
    pub bias: bool,
}

/// Multinomial logistic regression in the ball: a hyperplane per class, logits from the distances.
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
    /// [`Error::Setting`](crate::Error::Setting) for no inputs or no classes.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<PoincareMlr<B>> {
        let ball = PoincareBall::new(self.c)?;
        check(self.d_input > 0, "d_input", self.d_input, "at least 1")?;
        check(self.classes > 0, "classes", self.classes, "at least 1")?;
        let std = 1.0 / (self.d_input as f64).sqrt();
        Ok(PoincareMlr {
            planes: Planes::init(self.d_input, self.classes, std, self.bias, device),
            c: stored(&ball, device),
        })
    }
}

impl<B: HyperbolicBackend> PoincareMlr<B> {
    /// The ball of its points: the one of the configuration, or of the record that was loaded.
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

    /// Logits at another curvature: one that is learned.
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
