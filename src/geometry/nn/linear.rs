//! The fully connected layer of the ball.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::curvature::{stored_ball, stored_curvature};
use super::on_rows;
use super::planes::Planes;
use crate::error::{Result, check};
use crate::geometry::ops::precision::in_f64;
use crate::geometry::ops::primitive::scalars::{at_least, at_most, sinhc};
use crate::geometry::{Curvature, HyperbolicBackend, PoincareBall};

/// Configuration of a [`PoincareLinear`].
#[derive(Config, Debug)]
pub struct PoincareLinearConfig {
    /// Number of coordinates of an input point.
    pub d_input: usize,
    /// Number of coordinates of an output point.
    pub d_output: usize,
    /// The c of the ball.
    pub c: f64,
    /// Whether the offsets of the hyperplanes are learned; if not, all go through the origin.
    #[config(default = true)]
    pub bias: bool,
}

/// Poincaré fully connected layer. The score vₖ of the input x, 2‖zₖ‖ times its signed distance to
/// hyperplane k, is the signed distance of the output y to the hyperplane yₖ = 0.
///
/// y = w/(1 + √(1 + c‖w‖²)) with wₖ = sinh(√c vₖ)/√c. Shimizu, Mukuta, Harada, *Hyperbolic Neural
/// Networks++*, ICLR 2021, Sec. 3.2. At c = 0 it is the linear layer 2(⟨x, zₖ⟩ − ‖zₖ‖rₖ).
#[derive(Module, Debug)]
pub struct PoincareLinear<B: Backend> {
    /// The hyperplanes, one per output coordinate.
    pub planes: Planes<B>,
    c: Param<Tensor<B, 1>>,
}

impl PoincareLinearConfig {
    /// The layer, with random normals.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite;
    /// [`Error::Setting`](crate::Error::Setting) for a `d_input` or a `d_output` of 0.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<PoincareLinear<B>> {
        let ball = PoincareBall::new(self.c)?;
        check(self.d_input > 0, "d_input", self.d_input, "at least 1")?;
        check(self.d_output > 0, "d_output", self.d_output, "at least 1")?;
        let std = 1.0 / (2.0 * self.d_input as f64 * self.d_output as f64).sqrt();
        Ok(PoincareLinear {
            planes: Planes::init(self.d_input, self.d_output, std, self.bias, device),
            c: stored_curvature(&ball, device),
        })
    }
}

impl<B: HyperbolicBackend> PoincareLinear<B> {
    /// The ball of the points, from the configuration or from the record that was loaded.
    pub fn ball(&self) -> PoincareBall {
        stored_ball(&self.c)
    }

    /// The output points.
    ///
    /// # Shapes
    ///
    /// - x: `[..., d_input]`, points of the ball
    /// - output: `[..., d_output]`, points of the ball
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.forward_in(&self.ball(), x)
    }

    /// The output points in another ball, such as one with a learned curvature.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_in<C: Curvature<B>, const D: usize>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D> {
        on_rows(x, |x| self.forward_rows(ball, x))
    }

    /// The output points, for x of the shape `[batch, d_input]`.
    fn forward_rows<C: Curvature<B>>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let c = ball.curvature();
        in_f64([self.planes.scores(ball, x)], |[v]| {
            let z = c.times(v.clone()) * v.clone();
            // w may overflow, so y is computed from s = e^(−m) w with m = maxₖ √c|vₖ|:
            // y = s/(e^(−m) + √(e^(−2m) + c‖s‖²)).
            let m = z.clone().max_dim(1).sqrt().detach();
            let below_one = z.clone().lower_elem(1.0);
            let t = at_least(z.clone(), 1.0).sqrt();
            // e^(−m) sinh(t)/t.
            let scaled_exp_t = (t.clone() - m.clone()).exp();
            let scaled_exp_minus_t = (t.clone() + m.clone()).neg().exp();
            let scaled_sinhc = (scaled_exp_t - scaled_exp_minus_t) / t.mul_scalar(2.0);
            let exp_minus_m = m.neg().exp();
            let scaled_sinhc =
                scaled_sinhc.mask_where(below_one, sinhc(at_most(z, 1.0)) * exp_minus_m.clone());
            let s = v * scaled_sinhc;
            let c_s2 = (c.times(s.clone()) * s.clone()).sum_dim(1);
            let root = (exp_minus_m.clone().square() + c_s2).sqrt();
            s / (exp_minus_m + root)
        })
    }
}
