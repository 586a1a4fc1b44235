//! The fully connected layer of the ball.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::curvature::{stored, stored_ball};
use super::on_rows;
use super::planes::Planes;
use crate::error::{Result, check};
use crate::geometry::ops::precision::in_f64;
use crate::geometry::ops::primitive::scalars::{at_least, at_most, sinhc};
use crate::geometry::{Curvature, HyperbolicBackend, PoincareBall};

/// Configuration of a [`PoincareLinear`].
#[derive(Config, Debug)]
pub struct PoincareLinearConfig {
    /// Coordinates of an input point.
    pub d_input: usize,
    /// Coordinates of an output point.
    pub d_output: usize,
    /// The c of the ball.
    pub c: f64,
    /// Whether the hyperplanes may leave the origin.
    #[config(default = true)]
    pub bias: bool,
}

/// Poincaré fully connected layer: coordinate k of the output has the signed distance to a
/// hyperplane of the input, vₖ.
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
    /// [`Error::Setting`](crate::Error::Setting) for no inputs or no outputs.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<PoincareLinear<B>> {
        let ball = PoincareBall::new(self.c)?;
        check(self.d_input > 0, "d_input", self.d_input, "at least 1")?;
        check(self.d_output > 0, "d_output", self.d_output, "at least 1")?;
        let std = 1.0 / (2.0 * self.d_input as f64 * self.d_output as f64).sqrt();
        Ok(PoincareLinear {
            planes: Planes::init(self.d_input, self.d_output, std, self.bias, device),
            c: stored(&ball, device),
        })
    }
}

impl<B: HyperbolicBackend> PoincareLinear<B> {
    /// The ball of its points: the one of the configuration, or of the record that was loaded.
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

    /// The output points at another curvature: one that is learned.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_in<C: Curvature<B>, const D: usize>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D> {
        on_rows(x, |x| self.of_rows(ball, x))
    }

    /// The output points of `[batch, d_input]`.
    fn of_rows<C: Curvature<B>>(&self, ball: &PoincareBall<C>, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let c = ball.curvature();
        in_f64([self.planes.scores(ball, x)], |[v]| {
            let z = c.times(v.clone()) * v.clone();
            // Less the largest exponent, for sinh overflows: s = e^(−m) sinh(√c v)/√c.
            let largest = z.clone().max_dim(1).sqrt().detach();
            let near = z.clone().lower_elem(1.0);
            let t = at_least(z.clone(), 1.0).sqrt();
            let grown = (t.clone() - largest.clone()).exp();
            let fallen = (t.clone() + largest.clone()).neg().exp();
            let far = (grown - fallen) / t.mul_scalar(2.0);
            let shrink = largest.neg().exp();
            let stretch = far.mask_where(near, sinhc(at_most(z, 1.0)) * shrink.clone());
            let s = v * stretch;
            let square = (c.times(s.clone()) * s.clone()).sum_dim(1);
            let root = (shrink.clone().square() + square).sqrt();
            s / (shrink + root)
        })
    }
}
