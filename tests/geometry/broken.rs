//! Inputs that are NaN, infinite or very large: what depends on a NaN is NaN, what depends on an
//! infinite number is not a healthy one, and what is finite in f64 is finite in f32.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor};
use hypad::Error;
use hypad::geometry::{Curvature, PairOp, PoincareBall, PointOp, WrappedNormal, scalar};
use num_traits::Float;

use super::common::*;
use super::table::*;

const CURVATURES: [f64; 3] = [0.0, 0.01, 1.0];

/// Where to break a row of this length: at its ends, and on both sides of a vector register.
fn places(length: usize) -> Vec<usize> {
    let mut places: Vec<_> = [0, length / 2, 16, length - 1]
        .into_iter()
        .filter(|k| *k < length)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Whether each element of a part differs, by more than rounding.
fn differs(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<bool>> {
    let size = a.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
    let limit = 1e-10 * size.max(1e-10);
    let row = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b).abs() > limit).collect()
    };
    a.iter().zip(b).map(row).collect()
}

/// What to put into a place, and where to look for it.
#[derive(Clone, Copy)]
struct Trial<'a> {
    c: f64,
    n: usize,
    broken: f64,
    dtypes: &'a [DType],
    /// With the coordinates on the first axis.
    across: bool,
    /// In the gradients, too.
    with_gradients: bool,
}

/// Puts one number into one place of one input of an operation: whatever changes in f64 when that
/// place changes must be broken, and no row that does not depend on it. Says what is not so.
fn wrong<B: Tested>(operation: &Operation<B>, trial: Trial) -> Option<String> {
    let Trial { c, n, broken, .. } = trial;
    let base: Vec<Vec<f64>> = (operation.inputs.iter().enumerate())
        .map(|(input, kind)| kind.values(n, input))
        .collect();
    let on_flex = on_flex(operation.name)?;
    let exact = |c, inputs: &[Vec<f64>]| {
        outcome::<F>(&on_flex, c, n, inputs, DType::F64, trial.across).parts
    };
    // In a bent space whatever can depend on a place does.
    let (at_rest, at_rest_bent) = (exact(c, &base), exact(1.0, &base));
    let parts = if trial.with_gradients {
        at_rest.len()
    } else {
        1
    };
    for (input, kind) in operation.inputs.iter().enumerate() {
        let [count, length] = kind.shape(n);
        let row = 1.min(count - 1);
        for place in places(length) {
            let with = |value: &dyn Fn(f64) -> f64| {
                let mut inputs = base.clone();
                let at = row * length + place;
                inputs[input][at] = value(inputs[input][at]);
                inputs
            };
            let moved = with(&|v| v + 0.013);
            let (moved, moved_bent) = (exact(c, &moved), exact(1.0, &moved));
            for &dtype in trial.dtypes {
                let inputs = with(&|_| broken);
                let found = outcome(operation, c, n, &inputs, dtype, trial.across).parts;
                for part in 0..parts {
                    let changed = differs(&at_rest[part], &moved[part]);
                    let depends = differs(&at_rest_bent[part], &moved_bent[part]);
                    for (at, line) in found[part].iter().enumerate() {
                        let whole = at_rest[part][at].iter().all(|v| v.is_finite());
                        let apart = at != row && whole && !depends[at].contains(&true);
                        for (k, value) in line.iter().enumerate() {
                            let shows = if broken.is_nan() {
                                value.is_nan()
                            } else {
                                !value.is_finite()
                            };
                            if changed[at][k] && !shows || apart && !value.is_finite() {
                                return Some(format!(
                                    "{}, c = {c}, n = {n}, {dtype:?}, {broken} in input {input} at \
                                     [{row}, {place}], across: {}: part {part} [{at}, {k}] is {value}",
                                    operation.name, trial.across
                                ));
                            }
                        }
                    }
                }
            }
        }
    }
    None
}

fn on_flex(name: &str) -> Option<Operation<F>> {
    operations()
        .into_iter()
        .find(|operation| operation.name == name)
}

/// Trials of all operations.
fn all_right<B: Tested>(trials: &[Trial]) {
    let mut all = Vec::new();
    for operation in operations::<B>() {
        let trials = trials.iter().filter(|t| operation.any_axis || !t.across);
        all.extend(trials.filter_map(|trial| wrong(&operation, *trial)));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// NaN in every operation, in types that the backend has.
pub fn nan_shows<B: Tested>(dtypes: &[DType]) {
    let trial = |c, n, across| Trial {
        c,
        n,
        broken: f64::NAN,
        dtypes,
        across,
        with_gradients: true,
    };
    all_right::<B>(&[
        trial(0.0, 2, false),
        trial(0.01, 2, true),
        trial(1.0, 2, false),
        trial(1.0, 3, true),
        trial(0.0, 17, true),
        trial(0.01, 17, false),
        trial(1.0, 17, false),
        trial(1.0, 384, false),
        trial(1.0, 384, true),
    ]);
}

fn infinity_shows<B: Tested>() {
    let trial = |c, n, broken| Trial {
        c,
        n,
        broken,
        dtypes: &CPU,
        across: false,
        with_gradients: false,
    };
    all_right::<B>(&[
        trial(0.0, 2, f64::INFINITY),
        trial(0.01, 2, f64::NEG_INFINITY),
        trial(1.0, 2, f64::INFINITY),
        trial(0.0, 17, f64::NEG_INFINITY),
        trial(0.01, 17, f64::INFINITY),
        trial(1.0, 17, f64::NEG_INFINITY),
    ]);
}

const CPU: [DType; 2] = [DType::F32, DType::F64];

#[test]
fn nan_shows_on_flex() {
    nan_shows::<Autodiff<Flex>>(&[DType::F32, DType::F64, DType::BF16]);
}

#[cfg(feature = "ndarray")]
#[test]
fn nan_shows_on_ndarray() {
    nan_shows::<Autodiff<burn::backend::NdArray>>(&CPU);
}

#[test]
fn infinity_shows_on_both() {
    infinity_shows::<Autodiff<Flex>>();
    #[cfg(feature = "ndarray")]
    infinity_shows::<Autodiff<burn::backend::NdArray>>();
}

/// The gradient by a learned curvature, and the numbers that an operation takes.
pub fn nan_shows_in_the_gradient_by_c<B: Tested>() {
    let device = B::Device::default();
    let point = || Tensor::<B, 2>::from_floats([[0.3, -0.2, 0.1], [0.1, 0.2, 0.4]], &device);
    for place in 0..3 {
        let mut values = [[0.3, -0.2, 0.1], [0.1, 0.2, 0.4]];
        values[1][place] = f32::NAN;
        let broken = || Tensor::<B, 2>::from_floats(values, &device);
        for c in [0.0, 0.01, 1.0] {
            let by_c = |output: &dyn Fn(&Tensor<B, 1>) -> Tensor<B, 2>| {
                let c = Tensor::<B, 1>::from_floats([c], &device).require_grad();
                let grads = output(&c).sum().backward();
                c.grad(&grads).map(super::common::values)
            };
            for op in [
                PointOp::Expmap0,
                PointOp::Logmap0,
                PointOp::ScalarMul(-1.7),
                PointOp::Project(0.6),
                PointOp::OneMinusCn2,
            ] {
                let found = by_c(&|c| c.point(op, broken(), 1));
                assert!(found.unwrap()[0].is_nan(), "{op:?}, c = {c}");
            }
            for op in [
                PairOp::MobiusAdd,
                PairOp::Expmap,
                PairOp::Logmap,
                PairOp::Dist,
                PairOp::DistExpmap0,
                PairOp::PairwiseDist,
            ] {
                let found = by_c(&|c| c.pair(op, broken(), point(), 1));
                assert!(found.unwrap()[0].is_nan(), "{op:?}, x, c = {c}");
                let found = by_c(&|c| c.pair(op, point(), broken(), 1));
                assert!(found.unwrap()[0].is_nan(), "{op:?}, y, c = {c}");
            }
        }
    }
    let ball = PoincareBall::new(0.7).unwrap();
    for (name, output) in [
        ("r", ball.mobius_scalar_mul(f64::NAN, point())),
        ("r", ball.mobius_scalar_mul(f64::INFINITY, point())),
        ("radius", ball.clip(f64::NAN, point())),
        ("radius", ball.clip(-1.0, point())),
        ("margin", ball.project_within(f64::NAN, point())),
        ("t", ball.geodesic(f64::NAN, point(), point() * 0.5)),
        ("t", ball.geodesic_unit(f64::NAN, point(), point())),
    ] {
        let all = values(output);
        assert!(all.iter().all(|v| v.is_nan()), "{name}: {all:?}");
    }
}

#[test]
fn nan_shows_in_the_gradient_by_c_on_both() {
    nan_shows_in_the_gradient_by_c::<Autodiff<Flex>>();
    #[cfg(feature = "ndarray")]
    nan_shows_in_the_gradient_by_c::<Autodiff<burn::backend::NdArray>>();
}

#[test]
fn nan_shows_in_samples() {
    let device = Default::default();
    let mean = Tensor::<Flex, 2>::from_floats([[0.3, f32::NAN], [0.1, 0.2]], &device);
    let std = Tensor::from_floats([[0.5], [0.5]], &device);
    let ball = PoincareBall::new(0.7).unwrap();
    let samples = values(WrappedNormal::new(ball, mean, std).unwrap().sample([2, 2]));
    assert!(samples[..2].iter().all(|v| v.is_nan()), "{samples:?}");
    assert!(samples[2..].iter().all(|v| v.is_finite()), "{samples:?}");
}

/// A group of points with a NaN does not change the mean of another one.
#[test]
fn a_nan_group_leaves_other_means_alone() {
    let ball = PoincareBall::new(1.0).unwrap();
    let device = Default::default();
    let good = [[0.9, 0.1], [-0.8, 0.3], [0.2, -0.95]];
    let bad = [[0.9, f32::NAN], [-0.8, 0.3], [0.2, -0.95]];
    let ones = |groups: usize| Tensor::<Flex, 3>::ones([groups, 3, 1], &device);
    let both = Tensor::<Flex, 3>::from_floats([bad, good], &device);
    let alone = Tensor::<Flex, 3>::from_floats([good], &device);
    let both = values(ball.frechet_mean(both, ones(2), 1));
    let alone = values(ball.frechet_mean(alone, ones(1), 1));
    assert!(both[..2].iter().all(|v| v.is_nan()));
    assert!(error(&both[2..], &alone) < 1e-6, "{both:?} {alone:?}");
}

/// A function of slices: on up to three vectors, into an output of their length or of one number.
type Slices<T> = fn(&[Vec<T>; 3], T, &mut [T]) -> hypad::Result<()>;

/// Name, number of vectors, whether the output is a vector.
fn slices<T: Float>() -> Vec<(&'static str, usize, bool, Slices<T>)> {
    fn one<T>(value: hypad::Result<T>, out: &mut [T]) -> hypad::Result<()> {
        out[0] = value?;
        Ok(())
    }
    vec![
        ("inner", 2, false, |[x, y, _], _, out| {
            one(scalar::inner(x, y), out)
        }),
        ("one_minus_cn2", 1, false, |[x, ..], c, out| {
            one(scalar::one_minus_cn2(x, c), out)
        }),
        ("lambda_x", 1, false, |[x, ..], c, out| {
            one(scalar::lambda_x(x, c), out)
        }),
        ("dist", 2, false, |[x, y, _], c, out| {
            one(scalar::dist(x, y, c), out)
        }),
        ("dist0", 1, false, |[x, ..], c, out| {
            one(scalar::dist0(x, c), out)
        }),
        ("dist_expmap0", 2, false, |[u, v, _], c, out| {
            one(scalar::dist_expmap0(u, v, c), out)
        }),
        ("mobius_add", 2, true, |[x, y, _], c, out| {
            scalar::mobius_add(x, y, c, out)
        }),
        ("gyration", 3, true, |[x, y, z], c, out| {
            scalar::gyration(x, y, z, c, out)
        }),
        ("expmap", 2, true, |[x, v, _], c, out| {
            scalar::expmap(x, v, c, out)
        }),
        ("logmap", 2, true, |[x, y, _], c, out| {
            scalar::logmap(x, y, c, out)
        }),
        ("ptransp", 3, true, |[x, y, v], c, out| {
            scalar::ptransp(x, y, v, c, out)
        }),
        ("geodesic", 2, true, |[x, y, _], c, out| {
            let (t, mut scratch) = (T::one() / (T::one() + T::one()), out.to_vec());
            scalar::geodesic(t, x, y, c, &mut scratch, out)
        }),
        ("project", 1, true, |[x, ..], c, out| {
            scalar::project(x, 0.1, c, out)
        }),
        ("mobius_scalar_mul", 1, true, |[x, ..], c, out| {
            scalar::mobius_scalar_mul(-1.7, x, c, out)
        }),
        ("expmap0", 1, true, |[v, ..], c, out| {
            scalar::expmap0(v, c, out)
        }),
        ("logmap0", 1, true, |[y, ..], c, out| {
            scalar::logmap0(y, c, out)
        }),
    ]
}

fn vectors<T: Float>(n: usize, scale: f64) -> [Vec<T>; 3] {
    [0, 1, 2].map(|input| {
        let row = Kind::Vector.values(n, input).into_iter().take(n);
        row.map(|v| T::from(scale * v).unwrap()).collect()
    })
}

/// NaN and infinite coordinates in slices give NaN, but for products, which may be infinite.
fn broken_shows_in_slices<T: Float + std::fmt::Debug>() {
    for (name, count, is_vector, run) in slices::<T>() {
        for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (c, n) in CURVATURES
                .iter()
                .flat_map(|c| [1, 2, 3, 17].map(|n| (*c, n)))
            {
                for (input, place) in
                    (0..count).flat_map(|i| places(n).into_iter().map(move |k| (i, k)))
                {
                    let mut inputs = vectors::<T>(n, 1.0);
                    inputs[input][place] = T::from(broken).unwrap();
                    let mut out = vec![T::zero(); if is_vector { n } else { 1 }];
                    run(&inputs, T::from(c).unwrap(), &mut out).unwrap();
                    let shows = |v: &T| {
                        if broken.is_nan() {
                            v.is_nan()
                        } else {
                            !v.is_finite()
                        }
                    };
                    let what =
                        format!("{name}, {broken}, c = {c}, input {input} at {place}: {out:?}");
                    // A transported vector changes only its coordinate at c = 0.
                    let free = c == 0.0 && is_vector && !broken.is_nan();
                    assert!(
                        out.iter().all(shows) || free && !out[place].is_finite(),
                        "{what}"
                    );
                }
            }
        }
    }
}

#[test]
fn broken_shows_in_slices_of_both_types() {
    broken_shows_in_slices::<f32>();
    broken_shows_in_slices::<f64>();
}

/// Slices of different lengths, and a c that is none.
#[test]
fn slices_that_do_not_fit_are_refused() {
    for (name, count, is_vector, run) in slices::<f64>() {
        let length = if is_vector { 3 } else { 1 };
        for wrong in 1..count {
            let mut inputs = vectors::<f64>(3, 1.0);
            inputs[wrong].pop();
            let found = run(&inputs, 0.7, &mut vec![0.0; length]);
            let expected = matches!(found, Err(Error::Size { .. }));
            assert!(expected, "{name}: {found:?}");
        }
        if is_vector {
            for length in [2, 4] {
                let found = run(&vectors(3, 1.0), 0.7, &mut vec![0.0; length]);
                assert!(
                    matches!(found, Err(Error::Size { .. })),
                    "{name}: {found:?}"
                );
            }
        }
        for c in [-1.0, f64::NAN, f64::INFINITY] {
            let found = run(&vectors(3, 1.0), c, &mut vec![0.0; length]);
            let refused = matches!(found, Err(Error::Curvature(_)));
            assert!(refused || name == "inner", "{name}: {found:?}");
        }
    }
    let found = scalar::dist(&[0.3_f32, 0.1], &[0.3, 0.1, 0.2], 1.0);
    assert_eq!(
        found.unwrap_err().to_string(),
        "coordinates of a slice: expected 2, found 3"
    );
}

const MAGNITUDES: [f64; 4] = [1e7, 1e10, 1e15, 9e17];

/// The operations that have kernels, which sum in f64 on every device. Others are made of Burn's
/// operations, and finite for coordinates up to 10⁷ where these do not compute in f64.
const KERNELS: [&str; 11] = [
    "mobius_add",
    "expmap",
    "logmap",
    "dist",
    "dist_expmap0",
    "pairwise_dist",
    "expmap0",
    "logmap0",
    "mobius_scalar_mul",
    "project",
    "clip",
];

/// Coordinates up to 10¹⁸, of one input or of all: finite in f64, and in f32 where the number that f64
/// has fits into it. See [`KERNELS`].
pub fn large_is_finite<B: Tested>() {
    let mut all = Vec::new();
    for operation in operations::<B>() {
        for c in [0.0, 1e-8, 0.01, 1.0, 30.0] {
            // Its time part is infinite.
            if c == 0.0 && matches!(operation.name, "Lorentz::time" | "Lorentz::to_ambient") {
                continue;
            }
            for magnitude in MAGNITUDES {
                let in_f64 = B::computes_in_f64(&B::Device::default());
                if magnitude > 1e7 && !in_f64 && !KERNELS.contains(&operation.name) {
                    continue;
                }
                let n = if magnitude < 1e12 { 2 } else { 17 };
                let count = operation.inputs.len();
                all.extend(
                    (0..=count).filter_map(|large| too_large(&operation, c, n, magnitude, large)),
                );
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// What is not finite with coordinates of this magnitude in one input, or in all.
fn too_large<B: Tested>(
    operation: &Operation<B>,
    c: f64,
    n: usize,
    magnitude: f64,
    large: usize,
) -> Option<String> {
    let inputs = operation.inputs.iter().enumerate().map(|(input, kind)| {
        let values = kind.values(n, input);
        let most = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let fixed = matches!(kind, Kind::Unit | Kind::Offsets | Kind::Number);
        let scaled = (large == operation.inputs.len() || large == input) && !fixed;
        let factor = if scaled { magnitude / most } else { 1.0 };
        values.iter().map(|v| v * factor).collect()
    });
    let inputs: Vec<Vec<f64>> = inputs.collect();
    let exact = outcome(&on_flex(operation.name)?, c, n, &inputs, DType::F64, false).parts;
    let single = outcome(operation, c, n, &inputs, DType::F32, false).parts;
    for (part, (exact, single)) in exact.iter().zip(&single).enumerate() {
        for (exact, single) in exact.iter().flatten().zip(single.iter().flatten()) {
            if !exact.is_finite() || !single.is_finite() && exact.abs() < 1e36 {
                return Some(format!(
                    "{}, c = {c}, n = {n}, {magnitude:e} in {large}, part {part}: {single}, in f64 {exact}",
                    operation.name
                ));
            }
        }
    }
    None
}

#[test]
fn large_is_finite_on_flex() {
    large_is_finite::<Autodiff<Flex>>();
}

#[cfg(feature = "ndarray")]
#[test]
fn large_is_finite_on_ndarray() {
    large_is_finite::<Autodiff<burn::backend::NdArray>>();
}

fn large_is_finite_in_slices<T: Float + std::fmt::Debug>() {
    for (name, count, is_vector, run) in slices::<T>() {
        for (c, n) in [0.0, 1e-8, 0.01, 1.0, 30.0]
            .iter()
            .flat_map(|c| [1, 2, 17].map(|n| (*c, n)))
        {
            for magnitude in MAGNITUDES {
                for large in 0..=count {
                    let mut inputs = vectors::<T>(n, 1.0);
                    for (input, values) in inputs.iter_mut().enumerate() {
                        if large == count || large == input {
                            *values = vectors::<T>(n, magnitude)[input].clone();
                        }
                    }
                    let mut out = vec![T::zero(); if is_vector { n } else { 1 }];
                    run(&inputs, T::from(c).unwrap(), &mut out).unwrap();
                    let finite = out.iter().all(|v| v.is_finite());
                    assert!(finite, "{name}, c = {c}, {magnitude:e} in {large}: {out:?}");
                }
            }
        }
    }
}

#[test]
fn large_is_finite_in_slices_of_both_types() {
    large_is_finite_in_slices::<f32>();
    large_is_finite_in_slices::<f64>();
}

/// Operations that take the coordinates of points beyond the boundary as they stand, or are made of those.
const AS_THEY_STAND: [&str; 17] = [
    "mobius_add",
    "mobius_sub",
    "expmap",
    "logmap",
    "geodesic",
    "geodesic_unit",
    "retraction",
    "dist",
    "dist0",
    "pairwise_dist",
    "antipode",
    "frechet_mean",
    "frechet_variance",
    "BallBatchNorm, training",
    "BallBatchNorm, running statistics",
    "BallEmbedding",
    "Prototypes",
];

/// The others are those of the last point inside on the same ray: they do not change on the way
/// outwards.
#[test]
fn points_beyond_the_boundary_are_the_last_ones_inside() {
    let mut all = Vec::new();
    for operation in operations::<F>() {
        if AS_THEY_STAND.contains(&operation.name) {
            continue;
        }
        for (input, kind) in operation.inputs.iter().enumerate() {
            for c in [0.01_f64, 1.0, 7.0] {
                if *kind != Kind::Point {
                    continue;
                }
                // A power of two, so that the direction is the same to the last digit.
                let [near, far] = [1.0, 1024.0 * 1024.0].map(|factor| {
                    let inputs = operation.inputs.iter().enumerate().map(|(index, kind)| {
                        let mut values = kind.values(3, index);
                        let to_boundary = |row: &[f64]| 1.000_01 / c.sqrt() / norm(row);
                        for row in values.chunks_mut(3).filter(|_| *kind == Kind::Point) {
                            let scale = if index == input {
                                to_boundary(row)
                            } else {
                                0.5 / c.sqrt()
                            };
                            for value in row {
                                *value = f64::from((*value * scale) as f32);
                                *value *= if index == input { factor } else { 1.0 };
                            }
                        }
                        values
                    });
                    let inputs: Vec<Vec<f64>> = inputs.collect();
                    let outcome = outcome(&operation, c, 3, &inputs, DType::F32, false);
                    outcome.parts[0].concat()
                });
                let e = error(&far, &near);
                if e > 1e-6 {
                    all.push(format!(
                        "{}, c = {c}, input {input}: {e:.1e}",
                        operation.name
                    ));
                }
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// The coordinates do not broadcast; everything else does.
#[test]
fn different_numbers_of_coordinates_are_refused() {
    for operation in operations::<F>() {
        let points = operation
            .inputs
            .iter()
            .filter(|kind| matches!(kind, Kind::Point | Kind::Vector | Kind::Unit));
        let independent = ["concat", "mobius_pointwise_mul", "BallEmbedding"];
        if points.count() < 2 || independent.contains(&operation.name) {
            continue;
        }
        for narrow in 0..operation.inputs.len() {
            if !matches!(
                operation.inputs[narrow],
                Kind::Point | Kind::Vector | Kind::Unit
            ) {
                continue;
            }
            let device = Default::default();
            let inputs = operation.inputs.iter().enumerate().map(|(index, kind)| {
                let [rows, n] = kind.shape(3);
                let n = if index == narrow { 1 } else { n };
                Tensor::<F, 2>::ones([rows, n], &device) * 0.1
            });
            let inputs: Vec<_> = inputs.collect();
            let ball = PoincareBall::new(0.7).unwrap();
            let run = std::panic::AssertUnwindSafe(|| (operation.apply)(&ball, inputs));
            let found = std::panic::catch_unwind(run);
            assert!(found.is_err(), "{}, input {narrow}", operation.name);
        }
    }
}
