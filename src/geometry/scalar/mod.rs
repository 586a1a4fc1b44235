//! The formulas of the ball on slices of any float type: no tensor, no allocation.
//!
//! The tensor operations compute with the functions of this folder. Each slice function below is a
//! complete operation on one point; it computes in f64 and rounds once.
//! Conventions as in [`geometry`](crate::geometry).
//!
//! # Errors
//!
//! [`Error::Size`] for slices that are not equally long, the one for the output among them;
//! [`Error::Curvature`] for a c that is negative, NaN or infinite. NaN or infinite coordinates give
//! NaN.
//!
//! ```
//! use hypad::geometry::scalar;
//!
//! # fn main() -> hypad::Result<()> {
//! let (x, y) = ([0.3, -0.2], [-0.1, 0.5]);
//! let mut difference = [0.0; 2];
//! scalar::mobius_add(&x.map(|v| -v), &y, 0.7, &mut difference)?;
//! let d: f64 = scalar::dist(&x, &y, 0.7)?;
//! assert!((d - scalar::dist0(&difference, 0.7)?).abs() < 1e-14);
//! # Ok(())
//! # }
//! ```

use num_traits::Float;

use crate::error::{Error, Result};

// Only the kernels of the CPU backends use the gradients.
#[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
pub(crate) mod addition;
pub(crate) mod boundary;
#[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
pub(crate) mod distance;
pub(crate) mod even;
#[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
pub(crate) mod radial;

use addition::{AddPair, ExpPair};
use distance::{BallPair, TangentPair};
use radial::Radial;

/// ⟨x, y⟩.
pub fn inner<T: Float>(x: &[T], y: &[T]) -> Result<T> {
    expect_length(x.len(), y.len())?;
    Ok(from_f64(dot(x, y)))
}

/// 1 − c‖x‖², exact near the boundary, and the machine epsilon at the boundary and beyond.
pub fn one_minus_cn2<T: Float>(x: &[T], c: T) -> Result<T> {
    Ok(from_f64(one_minus_cn2_f64(x, curvature(c)?)))
}

/// The conformal factor λₓ = 2/(1 − c‖x‖²).
pub fn lambda_x<T: Float>(x: &[T], c: T) -> Result<T> {
    Ok(from_f64(2.0 / one_minus_cn2_f64(x, curvature(c)?)))
}

/// Möbius addition: `out` = x ⊕ y.
pub fn mobius_add<T: Float>(x: &[T], y: &[T], c: T, out: &mut [T]) -> Result<()> {
    let c = expect(c, x.len(), &[y.len(), out.len()])?;
    let [of_sum, of_x] = add_pair(x, y, c).factors(c);
    write(out, pairs(x, y), |(x, y)| of_sum * (x + y) + of_x * x);
    Ok(())
}

/// Gyration: `out` = gyr[x, y] z, the rotation with x ⊕ (y ⊕ z) = (x ⊕ y) ⊕ gyr[x, y] z.
///
/// z + 2c((β⟨σ,z⟩ + c‖σ‖²⟨y,z⟩) x + (α⟨y,z⟩ − ⟨σ,z⟩) σ)/(αβ + c‖σ‖²), with σ = x + y,
/// α = 1 − c‖x‖² and β = 1 − c‖y‖²: the closed form of Ungar, in terms that do not cancel for
/// y ≈ −x.
pub fn gyration<T: Float>(x: &[T], y: &[T], z: &[T], c: T, out: &mut [T]) -> Result<()> {
    let c = expect(c, x.len(), &[y.len(), z.len(), out.len()])?;
    write_gyration([x, y, z], [1.0, 1.0], 1.0, c, out);
    Ok(())
}

/// Exponential map: `out` = expₓ(v).
pub fn expmap<T: Float>(x: &[T], v: &[T], c: T, out: &mut [T]) -> Result<()> {
    let c = expect(c, x.len(), &[v.len(), out.len()])?;
    write_expmap(x, v, c, out);
    Ok(())
}

/// Logarithmic map: `out` = logₓ(y).
pub fn logmap<T: Float>(x: &[T], y: &[T], c: T, out: &mut [T]) -> Result<()> {
    let c = expect(c, x.len(), &[y.len(), out.len()])?;
    write_logmap(x, y, c, out);
    Ok(())
}

/// Parallel transport of v along the geodesic from x to y: `out` = λₓ/λᵧ gyr[y, −x] v.
pub fn ptransp<T: Float>(x: &[T], y: &[T], v: &[T], c: T, out: &mut [T]) -> Result<()> {
    let c = expect(c, x.len(), &[y.len(), v.len(), out.len()])?;
    let ratio = one_minus_cn2_f64(y, c) / one_minus_cn2_f64(x, c);
    write_gyration([y, x, v], [1.0, -1.0], ratio, c, out);
    Ok(())
}

/// The point at time t of the geodesic from x (t = 0) to y (t = 1): `out` = expₓ(t logₓ(y)).
///
/// `scratch` receives the tangent vector t logₓ(y), and is as long as the points.
pub fn geodesic<T: Float>(
    t: T,
    x: &[T],
    y: &[T],
    c: T,
    scratch: &mut [T],
    out: &mut [T],
) -> Result<()> {
    let c = expect(c, x.len(), &[y.len(), scratch.len(), out.len()])?;
    write_logmap(x, y, c, scratch);
    for v in scratch.iter_mut() {
        *v = t * *v;
    }
    write_expmap(x, scratch, c, out);
    Ok(())
}

/// Projection into the ball: `out` = x, or the point of its ray with norm (1 − `margin`)/√c if x lies
/// beyond that; the margin is clamped to between 0 and 1.
pub fn project<T: Float>(x: &[T], margin: f64, c: T, out: &mut [T]) -> Result<()> {
    write_radial(Radial::Project(margin.clamp(0.0, 1.0)), x, c, out)
}

/// Möbius scalar multiplication: `out` = r ⊗ x = exp₀(r log₀(x)).
pub fn mobius_scalar_mul<T: Float>(r: f64, x: &[T], c: T, out: &mut [T]) -> Result<()> {
    write_radial(Radial::Scale(r), x, c, out)
}

/// Exponential map at the origin: `out` = exp₀(v).
pub fn expmap0<T: Float>(v: &[T], c: T, out: &mut [T]) -> Result<()> {
    write_radial(Radial::Exp, v, c, out)
}

/// Logarithmic map at the origin: `out` = log₀(y).
pub fn logmap0<T: Float>(y: &[T], c: T, out: &mut [T]) -> Result<()> {
    write_radial(Radial::Log, y, c, out)
}

/// Geodesic distance d(x, y).
pub fn dist<T: Float>(x: &[T], y: &[T], c: T) -> Result<T> {
    let c = expect(c, x.len(), &[y.len()])?;
    Ok(from_f64(ball_pair(x, y, c).distance(c)))
}

/// Geodesic distance from the origin, d(0, x).
pub fn dist0<T: Float>(x: &[T], c: T) -> Result<T> {
    let c = curvature(c)?;
    let norm_squared = dot(x, x);
    let pair = BallPair {
        squares: [0.0, norm_squared],
        one_minus_cn2s: [1.0, one_minus_cn2_f64(x, c)],
        squared_distance: norm_squared,
    };
    Ok(from_f64(pair.distance(c)))
}

/// d(exp₀(u), exp₀(v)) from the tangent vectors.
pub fn dist_expmap0<T: Float>(u: &[T], v: &[T], c: T) -> Result<T> {
    let c = expect(c, u.len(), &[v.len()])?;
    let sums = [
        dot(u, u),
        dot(v, v),
        sum(u, v, |u, v| (u - v) * (u - v)),
        sum(u, v, |u, v| (u - v) * (u + v)),
    ];
    Ok(from_f64(tangent_pair(sums, || pairs(u, v)).distance(c)))
}

/// The c of an operation, checked like the lengths of its slices.
fn expect<T: Float>(c: T, expected: usize, lengths: &[usize]) -> Result<f64> {
    for found in lengths {
        expect_length(expected, *found)?;
    }
    curvature(c)
}

fn expect_length(expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Size {
        what: "coordinates of a slice",
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn curvature<T: Float>(c: T) -> Result<f64> {
    let c = to_f64(c);
    crate::geometry::PoincareBall::new(c).map(|ball| ball.c())
}

fn to_f64<T: Float>(value: T) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}

fn from_f64<T: Float>(value: f64) -> T {
    even::constant(value)
}

fn pairs<T: Float>(x: &[T], y: &[T]) -> impl Iterator<Item = (f64, f64)> {
    x.iter().zip(y).map(|(x, y)| (to_f64(*x), to_f64(*y)))
}

fn sum<T: Float>(x: &[T], y: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    pairs(x, y).map(|(x, y)| term(x, y)).sum()
}

fn dot<T: Float>(x: &[T], y: &[T]) -> f64 {
    sum(x, y, |x, y| x * y)
}

fn one_minus_cn2_f64<T: Float>(x: &[T], c: f64) -> f64 {
    let coordinates = x.iter().map(|x| to_f64(*x));
    boundary::one_minus_cn2(dot(x, x), c, to_f64(T::epsilon()), coordinates)
}

fn write<T: Float, I>(out: &mut [T], inputs: impl Iterator<Item = I>, value: impl Fn(I) -> f64) {
    for (out, input) in out.iter_mut().zip(inputs) {
        *out = from_f64(value(input));
    }
}

/// `out` = `factor` gyr[±x, ±y] z with these signs; points beyond the boundary are projected onto it.
fn write_gyration<T: Float>(
    [x, y, z]: [&[T]; 3],
    signs: [f64; 2],
    factor: f64,
    c: f64,
    out: &mut [T],
) {
    let projection_factor = |x: &[T]| Radial::Project(0.0).at(dot(x, x), 1.0, c).value;
    let [s, t] = [
        signs[0] * projection_factor(x),
        signs[1] * projection_factor(y),
    ];
    let [a, b] = [one_minus_cn2_f64(x, c), one_minus_cn2_f64(y, c)];
    let y_z = t * dot(y, z);
    let sum_z = s * dot(x, z) + y_z;
    let c_sum2 = c * sum(x, y, |x, y| (s * x + t * y) * (s * x + t * y));
    let scale = (c + c) / (a * b + c_sum2);
    let of_x = scale * (b * sum_z + c_sum2 * y_z);
    let of_sum = scale * (a * y_z - sum_z);
    write(out, pairs(x, y).zip(z), |((x, y), z)| {
        let (x, y) = (s * x, t * y);
        factor * (to_f64(*z) + of_x * x + of_sum * (x + y))
    });
}

fn write_expmap<T: Float>(x: &[T], v: &[T], c: f64, out: &mut [T]) {
    let pair = ExpPair {
        squares: [dot(x, x), dot(v, v)],
        product: dot(x, v),
        one_minus_cn2: one_minus_cn2_f64(x, c),
        min_denominator: to_f64(T::epsilon()),
    };
    let sum_squared = exp_sum_squared(&pair, c, || pairs(x, v));
    let [of_sum, of_x] = pair.factors(sum_squared, c);
    write(out, pairs(x, v), |(x, v)| of_sum * (x + v) + of_x * x);
}

fn write_logmap<T: Float>(x: &[T], y: &[T], c: f64, out: &mut [T]) {
    let pair = AddPair {
        sum_squared: sum(x, y, |x, y| (y - x) * (y - x)),
        ..add_pair(x, y, c)
    };
    let [of_sum, of_x] = pair.log_factors(c);
    write(out, pairs(x, y), |(x, y)| of_sum * (y - x) - of_x * x);
}

fn write_radial<T: Float>(map: Radial, x: &[T], c: T, out: &mut [T]) -> Result<()> {
    let c = expect(c, x.len(), &[out.len()])?;
    let factor = map.at(dot(x, x), one_minus_cn2_f64(x, c), c).value;
    write(out, x.iter(), |x| factor * to_f64(*x));
    Ok(())
}

fn add_pair<T: Float>(x: &[T], y: &[T], c: f64) -> AddPair<f64> {
    AddPair {
        squares: [dot(x, x), dot(y, y)],
        one_minus_cn2s: [one_minus_cn2_f64(x, c), one_minus_cn2_f64(y, c)],
        sum_squared: sum(x, y, |x, y| (x + y) * (x + y)),
    }
}

fn ball_pair<T: Float>(x: &[T], y: &[T], c: f64) -> BallPair<f64> {
    BallPair {
        squares: [dot(x, x), dot(y, y)],
        one_minus_cn2s: [one_minus_cn2_f64(x, c), one_minus_cn2_f64(y, c)],
        squared_distance: sum(x, y, |x, y| (x - y) * (x - y)),
    }
}

/// A pair from ‖u‖², ‖v‖², ‖u − v‖² and ⟨u − v, u + v⟩. The coordinates are read again only for vectors on
/// nearly one ray, where ‖u − v‖² − (‖u‖ − ‖v‖)² would be mostly rounding.
#[inline]
pub(crate) fn tangent_pair<T: Float, I: Iterator<Item = (T, T)>>(
    [uu, vv, squared_distance, difference_dot_sum]: [T; 4],
    coordinates: impl Fn() -> I,
) -> TangentPair<T> {
    let (norm_u, norm_v) = (uu.sqrt(), vv.sqrt());
    let norm_sum = norm_u + norm_v;
    let radial = if norm_sum > T::zero() {
        difference_dot_sum / norm_sum
    } else {
        T::zero()
    };
    let tangential = squared_distance - radial * radial;
    let tangential = if tangential < squared_distance * even::constant(0.0625)
        && norm_u > T::zero()
        && norm_v > T::zero()
    {
        off_ray(uu, vv, coordinates) * (norm_u / norm_v)
    } else {
        tangential
    };
    TangentPair {
        norms: [norm_u, norm_v],
        radial,
        tangential,
    }
}

/// ‖v − ‖v‖û‖² with û = u/‖u‖. It equals ‖v‖/‖u‖ (‖u − v‖² − (‖u‖ − ‖v‖)²) without a difference of
/// squares; 0 if it is not larger than its rounding.
fn off_ray<T: Float, I: Iterator<Item = (T, T)>>(uu: T, vv: T, coordinates: impl Fn() -> I) -> T {
    // δ = v − ‖v‖û. The fused product has no rounding of its own, but the ratio of the norms has.
    let ratio = vv.sqrt() / uu.sqrt();
    let delta = move |(u, v): (T, T)| (u, (-ratio).mul_add(u, v));
    let sums = |[u_delta, delta_squared]: [T; 2], (u, delta): (T, T)| {
        [u_delta + u * delta, delta_squared + delta * delta]
    };
    let [u_delta, delta_squared] = coordinates().map(delta).fold([T::zero(); 2], sums);
    if delta_squared > T::epsilon() * vv {
        return delta_squared;
    }
    // The angle between u and v is below √ε. Up to a term in its fourth power, ‖δ‖² is the square of the
    // part of δ that is orthogonal to u.
    let projection = u_delta / uu;
    let orthogonal = coordinates()
        .map(delta)
        .map(|(u, delta)| (-projection).mul_add(u, delta));
    let orthogonal_squared = orthogonal.fold(T::zero(), |sum, value| sum + value * value);
    let rounding = even::constant::<T>(16.0) * T::epsilon();
    if orthogonal_squared > rounding * rounding * delta_squared {
        orthogonal_squared
    } else {
        T::zero()
    }
}

/// ‖x + w‖² of an exponential map. The coordinates are read again only where the expanded square would be
/// mostly rounding, because the result of the map is near the origin.
#[inline]
pub(crate) fn exp_sum_squared<T: Float, I: Iterator<Item = (T, T)>>(
    pair: &ExpPair<T>,
    c: T,
    coordinates: impl Fn() -> I,
) -> T {
    let factor = pair.factor(c);
    let sum_squared = pair.sum_squared(factor);
    if sum_squared < pair.squares[0] * even::constant(0.0625) {
        let x_plus_w = coordinates().map(|(x, v)| x + factor * v);
        x_plus_w.fold(T::zero(), |total, sum| total + sum * sum)
    } else {
        sum_squared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn list(value: &Value) -> Vec<f64> {
        match value {
            Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
            value => value.as_f64().into_iter().collect(),
        }
    }

    /// The largest difference relative to the largest expected number.
    fn error(ours: &[f64], expected: &[f64]) -> f64 {
        let size = expected.iter().fold(1e-300_f64, |m, v| m.max(v.abs()));
        let differences = ours.iter().zip(expected).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f64::max) / size
    }

    /// 2 (by_xx x + by_squared_distance (x − y)).
    fn gradient(by_xx: f64, by_squared_distance: f64, x: &[f64], y: &[f64]) -> Vec<f64> {
        let terms = x.iter().zip(y);
        terms
            .map(|(x, y)| 2.0 * (by_xx * x + by_squared_distance * (x - y)))
            .collect()
    }

    /// Values and gradients in f64 against cases computed at 60 digits; `HYPAD_CASES` names another
    /// file of them. With `--nocapture` the worst errors are shown.
    #[test]
    fn cases_at_sixty_digits() {
        let text = match std::env::var("HYPAD_CASES") {
            Ok(path) => std::fs::read_to_string(path).unwrap(),
            Err(_) => include_str!("../../../tests/cases/ball.json").to_string(),
        };
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        let mut worst = std::collections::BTreeMap::<String, f64>::new();
        let mut checked = 0;
        for case in &cases {
            let get = |name: &str| list(&case[name]);
            let c = case["c"].as_f64().unwrap();
            let name = case["op"].as_str().unwrap();
            let (x, y, u, v) = (get("x"), get("y"), get("u"), get("v"));
            let mut out = vec![0.0; x.len().max(y.len()).max(v.len())];
            let mut note = |what: &str, ours: &[f64], expected: &[f64], limit: f64| {
                let e = error(ours, expected);
                assert!(e <= limit, "{what}: {e:.1e} > {limit:.0e} for {case}");
                let worst = worst.entry(what.to_string()).or_default();
                *worst = worst.max(e);
            };
            match name {
                "mobius_add" => mobius_add(&x, &y, c, &mut out).unwrap(),
                "expmap0" => expmap0(&v, c, &mut out).unwrap(),
                "logmap0" => logmap0(&y, c, &mut out).unwrap(),
                "gyration" => gyration(&x, &y, &get("z"), c, &mut out).unwrap(),
                "expmap" => expmap(&x, &v, c, &mut out).unwrap(),
                "logmap" => logmap(&x, &y, c, &mut out).unwrap(),
                "ptransp" => ptransp(&x, &y, &v, c, &mut out).unwrap(),
                "mobius_scalar_mul" => {
                    let r = case["r"].as_f64().unwrap();
                    mobius_scalar_mul(r, &x, c, &mut out).unwrap();
                }
                "dist" => {
                    out = vec![dist(&x, &y, c).unwrap()];
                    let slopes = ball_pair(&x, &y, c).slopes(c);
                    let by = slopes.by_squared_distance;
                    if case.get("grad_x").is_some() {
                        let ours = gradient(slopes.by_xx, by, &x, &y);
                        note("dist by x", &ours, &get("grad_x"), 4e-15);
                        let ours = gradient(slopes.by_yy, by, &y, &x);
                        note("dist by y", &ours, &get("grad_y"), 4e-15);
                    }
                }
                "dist_expmap0" => {
                    out = vec![dist_expmap0(&u, &v, c).unwrap()];
                    let sums = [
                        dot(&u, &u),
                        dot(&v, &v),
                        sum(&u, &v, |u, v| (u - v) * (u - v)),
                        sum(&u, &v, |u, v| (u - v) * (u + v)),
                    ];
                    let pair = tangent_pair(sums, || pairs(&u, &v));
                    let slopes = pair.slopes(c);
                    let by = slopes.by_squared_distance;
                    if case.get("grad_u").is_some() {
                        let ours = gradient(slopes.by_xx, by, &u, &v);
                        note("dist_expmap0 by u", &ours, &get("grad_u"), 1e-12);
                        let ours = gradient(slopes.by_yy, by, &v, &u);
                        note("dist_expmap0 by v", &ours, &get("grad_v"), 1e-12);
                    }
                }
                other => panic!("{other}"),
            }
            note(name, &out, &get("out"), 1e-13);
            checked += 1;
        }
        assert!(checked > 800);
        println!("{worst:?}");
    }
}
