//! Layers with hyperbolic parameters, and what they are made of.

mod curvature;

pub use curvature::LearnableCurvature;
