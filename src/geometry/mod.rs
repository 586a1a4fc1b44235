//! Hyperbolic geometry on Burn tensors, differentiable and generic over the backend.
//!
//! This layer knows tensors and nothing else: no images, no models, no files.
//!
//! # Conventions
//!
//! | what | value |
//! |---|---|
//! | curvature | −c with c ≥ 0 (`f64`) |
//! | Poincaré ball | points x with c‖x‖² < 1, radius 1/√c |
//! | conformal factor | λₓ = 2 / (1 − c‖x‖²), so λ₀ = 2 |
//! | c = 0 | the Euclidean limit: x ⊕ y = x + y, expₓ(v) = x + v, d(x, y) = 2‖x − y‖ |
//! | coordinates | on the last axis, or on the one given to [`PoincareBall::along`] |
//! | broadcasting | all other axes broadcast as in Burn |
//!
//! The limit distance is *twice* the Euclidean one, because λ₀ = 2: an experiment that wants the
//! same pipeline without curvature sets c = 0 and changes nothing else.
//!
//! # Symbols
//!
//! | symbol | in the code | meaning |
//! |---|---|---|
//! | c | `c` | the curvature is −c |
//! | λₓ | `lambda_x` | conformal factor 2/(1 − c‖x‖²) |
//! | 1 − c‖x‖²; α, β of x, y | `one_minus_cn2`; `a`, `b` | 2/λₓ, from 1 at the origin to 0 at the boundary |
//! | boundary | `boundary` | the sphere ‖x‖ = 1/√c, which no point reaches |
//! | ε | `epsilon`, `min_denominator` | machine epsilon: 1 − c‖x‖² is clamped to it from below |
//! | ‖x‖², ‖y‖², ⟨x, y⟩ | `norm_squared`, `xx`, `yy`, `product` | sums over the coordinates |
//! | x − y, ‖x − y‖² | `difference`, `squared_distance` | of a pair of points or of tangent vectors |
//! | ⟨x, v⟩, c⟨x, v⟩ | `x_v`, `c_x_v` | named by their vectors where several products occur, such as `y_z`, `g_x` |
//! | c‖x‖², 1 − c‖p‖² | `c_x2`, `one_minus_cp2` | named by their vector where there are several |
//! | σ, ‖σ‖², c‖σ‖² | `sum`, `sum_squared`, `c_sum2` | σ = x + y of two points |
//! | αβ + c‖σ‖² | `denominator` | of Möbius addition and the logarithm |
//! | q | `q` | ‖x − y‖²/(αβ); d(x, y) = 2/√c arsinh(√(cq)) |
//! | r, S² | `radial`, `s_squared` | ‖u‖ − ‖v‖ of tangent vectors at 0; d(exp₀u, exp₀v) = 2/√c arsinh(√c S) |
//! | z | `z` | c‖v‖², the argument of the even functions |
//! | tanhc, artanhc, sinhc (shc), arsinhc | the same | f(√z)/√z, continued by their limit to z = 0 |
//! | √c x₀ | `scaled_time` | of a point of the hyperboloid: √(1 + c‖x‖²) = cosh(√c d(0, x)) |
//! | L | `bound` | of a Fréchet mean: the eigenvalues of the Hessian are between 1 and L |
//! | κ | `kappa` | in derivatives of distances: d ln(sinhc(z))/dz |
//! | g | `grad`, `g` | gradient of a loss by the output of an operation |
//! | ∂/∂c, … | `by_c`, … | derivative by a quantity, of an output or of a loss |
//! | factor of σ, … | `of_sum`, … | in a linear combination of vectors, such as `of_sum` σ + `of_x` x |
//! | ⊕, ⊗, gyr, exp, log | `mobius_add`, `mobius_scalar_mul`, `gyration`, `expmap`, `logmap` | see [`PoincareBall`] |
//!
//! # Numerics
//!
//! Every operation is continuous in c down to c = 0. Values and gradients are finite for finite
//! coordinates below 10¹⁸: at x = y, at the origin, at the boundary and beyond it; in f32 unless the number
//! itself is larger than an f32, as the product of two long tangent vectors at the boundary is. On GPUs this
//! holds for the operations with kernels; others are finite for coordinates up to 10⁷. Where a
//! function has no gradient (a norm at 0), the gradient is 0. Distances use the inverse hyperbolic sine, which keeps
//! its relative accuracy for points that nearly coincide, where the common artanh(‖−x ⊕ y‖) form
//! loses all digits.
//!
//! The operations with kernels (⊕, exp, log, r ⊗ x, distances, projection, clip, 1 − c‖x‖²) sum over
//! coordinates in f64 whatever the type of the elements, and 1 − c‖x‖² has all its digits; distances
//! of all pairs sum in f32 or f64, whichever is the points'. Operations of the models that are made of
//! several compute f16 and bf16 in f32, and in f64 what needs it (gyrations, planes, midpoints, the other
//! models). Half precision is thus rounded once, at the end; layers round between their operations. An
//! f16 beyond 65504, such as λₓ at the boundary, is infinite as everywhere. (Not so on devices without f64,
//! where large numbers overflow earlier, too; and 1 − c‖x‖² of f64 points near the boundary has all its digits
//! on the CPU alone.)
//!
//! NaN is never replaced: every element of a result and of a gradient that depends on a NaN is NaN, on
//! CPUs and GPUs. An infinite coordinate gives NaN or an infinite number. A point on or beyond the boundary:
//! see [`PoincareBall`].
//!
//! Formulas: Ganea, Bécigneul, Hofmann, *Hyperbolic Neural Networks*, NeurIPS 2018 (arXiv
//! 1805.09112); Ungar, *A Gyrovector Space Approach to Hyperbolic Geometry*, 2009.

mod ball;
mod distribution;
mod klein;
mod lorentz;
pub mod nn;
mod ops;
pub mod optim;
pub mod scalar;

pub use ball::{FrechetMean, PoincareBall};
pub use distribution::WrappedNormal;
pub use klein::Klein;
pub use lorentz::Lorentz;
pub use ops::backend::HyperbolicBackend;
// For kernels, their tests and benches.
#[doc(hidden)]
pub use ops::backend::{Kernels, PairOp, PointOp};
pub use ops::curvature::Curvature;
#[cfg(all(feature = "flex", feature = "anomaly"))]
pub(crate) use ops::vectorised;
