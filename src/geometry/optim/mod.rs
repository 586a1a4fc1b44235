//! Riemannian optimisers, which update both the points and the Euclidean parameters of a module.
//!
//! Parameters in [`BallPoints`](super::nn::BallPoints) move along geodesics with the Riemannian
//! gradient; all other parameters get the Euclidean step of the same optimiser. The optimisers are Burn
//! [`Optimizer`](burn::optim::Optimizer)s, and their state can be recorded.

mod adam;
mod riemannian;
mod sgd;

pub use adam::{RiemannianAdam, RiemannianAdamConfig, RiemannianAdamState};
pub use riemannian::{Riemannian, RiemannianStep};
pub use sgd::{RiemannianSgd, RiemannianSgdConfig, RiemannianSgdState};

use crate::error::{Result, check};

/// Checks that a decay rate or a momentum is in [0, 1).
fn check_decay(name: &'static str, value: f64) -> Result<()> {
    check((0.0..1.0).contains(&value), name, value, "in [0, 1)")
}
