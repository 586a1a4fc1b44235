//! The fully connected layer of the ball.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::planes::Planes;
use crate::error::Result;
use crate::geometry::ops::primitive::scalars::sinhc;
use crate::geometry::{Curvature, HyperbolicBackend, PoincareBall};

/// √c|v| beyond which v is held: the squares of sinh(√c v) must fit into an f32, and the output has
/// been at the rim for long.
const HELD_FROM: f64 = 40.0;

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
    c: f64,
}

impl PoincareLinearConfig {
    /// The layer, with random normals.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<PoincareLinear<B>> {
        PoincareBall::new(self.c)?;
        let std = 1.0 / (2.0 * self.d_input as f64 * self.d_output as f64).sqrt();
        Ok(PoincareLinear {
            planes: Planes::init(self.d_input, self.d_output, std, self.bias, device),
            c: self.c,
        })
    }
}

impl<B: HyperbolicBackend> PoincareLinear<B> {
    /// The output points.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, d_input]`, points of the ball
    /// - output: `[batch, d_output]`, points of the ball
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.forward_in(&PoincareBall::from_parts(self.c, None), x)
    }

    /// The output points at another curvature: one that is learned.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_in<C: Curvature<B>>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let c = ball.curvature();
        let mut v = self.planes.scores(ball, x);
        let root = c.value().sqrt();
        if root > 0.0 {
            let held = HELD_FROM / root;
            v = v.clamp(-held, held);
        }
        // c first: the squares of long vectors need not fit into an f32.
        let z = c.times(v.clone()) * v.clone();
        let w = v * sinhc(z);
        let square = (c.times(w.clone()) * w.clone()).sum_dim(1);
        w / square.add_scalar(1.0).sqrt().add_scalar(1.0)
    }
}
