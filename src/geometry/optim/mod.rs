//! Riemannian optimisers, which step the points and the Euclidean parameters of one module.
//!
//! Parameters in [`BallPoints`](super::nn::BallPoints) move along geodesics with the Riemannian
//! gradient; all others get the ordinary step of the same optimiser. They are Burn
//! [`Optimizer`](burn::optim::Optimizer)s, and their state can be recorded.

mod adam;
mod riemannian;
mod sgd;

pub use adam::{RiemannianAdam, RiemannianAdamConfig, RiemannianAdamState};
pub use riemannian::{Riemannian, RiemannianStep};
pub use sgd::{RiemannianSgd, RiemannianSgdConfig, RiemannianSgdState};

use crate::error::{Result, check};

/// Whether a part of the past that is kept leaves room for the present.
fn check_memory(name: &'static str, value: f64) -> Result<()> {
    check((0.0..1.0).contains(&value), name, value, "in [0, 1)")
}
