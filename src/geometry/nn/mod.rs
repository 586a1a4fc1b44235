//! Layers with hyperbolic features or parameters. Each is `XConfig` → `.init(&device)` → `X`, as in
//! Burn's own layers; curvature is c ≥ 0 everywhere, and c = 0 is the Euclidean limit.
//!
//! Records and tensor stores of a module contain the curvatures of its layers; loading one replaces the
//! configured curvatures.
//!
//! [`BallPoints`] are parameters that lie in the ball. The optimisers of [`optim`](super::optim) move them
//! along geodesics. All other parameters are Euclidean.

use burn::tensor::{Tensor, backend::Backend};

pub(super) mod ball_points;
mod batch_norm;
mod conv2d;
mod curvature;
mod embedding;
mod exp_map;
mod linear;
mod planes;
mod prototypes;

pub use ball_points::{BallPoints, BallPointsConfig, BallPointsRecord};
pub use batch_norm::{BallBatchNorm, BallBatchNormConfig};
pub use conv2d::{PoincareConv2d, PoincareConv2dConfig};
pub use curvature::{CurvatureParametrisation, LearnableCurvature};
pub use embedding::{BallEmbedding, BallEmbeddingConfig};
pub use exp_map::ExpMap;
pub use linear::{PoincareLinear, PoincareLinearConfig};
pub use planes::{Planes, PoincareMlr, PoincareMlrConfig};
pub use prototypes::{Prototypes, PrototypesConfig};

/// Applies a layer of `[rows, features]` to `[..., features]`.
fn on_rows<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    layer: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>,
) -> Tensor<B, D> {
    let mut dims = x.dims();
    let (rows, features) = (dims[..D - 1].iter().product(), dims[D - 1]);
    let y = layer(x.reshape([rows, features]));
    dims[D - 1] = y.dims()[1];
    y.reshape(dims)
}
