//! The formulas of the ball on slices of any float type: no tensor, no allocation.
//!
//! The tensor operations compute with the functions of this folder; the slice functions below are
//! the whole of an operation on one point, useful by themselves. Slices of a pair must be equally
//! long; of longer ones the rest is ignored. Conventions as in [`geometry`](crate::geometry).
//!
//! ```
//! use hypad::geometry::scalar;
//!
//! let (x, y) = ([0.3, -0.2], [-0.1, 0.5]);
//! let mut sum = [0.0; 2];
//! scalar::mobius_add(&x, &y, 0.7, &mut sum);
//! let d: f64 = scalar::dist(&x, &y, 0.7);
//! assert!((d - scalar::dist(&[0.0; 2], &{
//!     let mut gap = [0.0; 2];
//!     scalar::mobius_add(&x.map(|v| -v), &y, 0.7, &mut gap);
//!     gap
//! }, 0.7)).abs() < 1e-14);
//! ```

use num_traits::Float;

// Gradients are for the kernels of the CPU backends.
#[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
pub(crate) mod addition;
#[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
pub(crate) mod distance;
pub(crate) mod even;
#[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
pub(crate) mod radial;
pub(crate) mod rim;

use addition::{AddPair, ExpPair};
use distance::{BallPair, TangentPair};
use radial::Radial;

/// ⟨x, y⟩.
pub fn inner<T: Float>(x: &[T], y: &[T]) -> T {
    let products = x.iter().zip(y).map(|(x, y)| *x * *y);
    products.fold(T::zero(), |sum, product| sum + product)
}

/// 1 − c‖x‖², exact near the rim, and the machine epsilon at the rim and beyond.
pub fn rim_gap<T: Float>(x: &[T], c: T) -> T {
    rim::gap(inner(x, x), c, T::epsilon(), x.iter().copied())
}

/// The conformal factor λₓ = 2/(1 − c‖x‖²).
pub fn lambda_x<T: Float>(x: &[T], c: T) -> T {
    (T::one() + T::one()) / rim_gap(x, c)
}

/// Möbius addition: `out` = x ⊕ y.
pub fn mobius_add<T: Float>(x: &[T], y: &[T], c: T, out: &mut [T]) {
    let [of_sum, of_x] = add_pair(x, y, c).factors(c);
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = of_sum * (*x + *y) + of_x * *x;
    }
}

/// Gyration: `out` = gyr[x, y] z, the rotation that Möbius addition is short of associativity.
///
/// z + 2c((β⟨σ,z⟩ + c‖σ‖²⟨y,z⟩) x + (α⟨y,z⟩ − ⟨σ,z⟩) σ)/(αβ + c‖σ‖²), with σ = x + y,
/// α = 1 − c‖x‖² and β = 1 − c‖y‖²: the closed form of Ungar in terms that do not cancel for
/// y ≈ −x.
pub fn gyration<T: Float>(x: &[T], y: &[T], z: &[T], c: T, out: &mut [T]) {
    let pair = add_pair(x, y, c);
    let [a, b] = pair.gaps;
    let of_y = inner(y, z);
    let of_sum = inner(x, z) + of_y;
    let bend = c * pair.sum;
    let scale = (c + c) / (a * b + bend);
    let by_x = scale * (b * of_sum + bend * of_y);
    let by_sum = scale * (a * of_y - of_sum);
    for (((out, x), y), z) in out.iter_mut().zip(x).zip(y).zip(z) {
        *out = *z + by_x * *x + by_sum * (*x + *y);
    }
}

/// Exponential map: `out` = expₓ(v).
pub fn expmap<T: Float>(x: &[T], v: &[T], c: T, out: &mut [T]) {
    let pair = ExpPair {
        squares: [inner(x, x), inner(v, v)],
        product: inner(x, v),
        gap: rim_gap(x, c),
        least: T::epsilon(),
    };
    let sum = exp_sum(&pair, c, || x.iter().copied().zip(v.iter().copied()));
    let [of_sum, of_x] = pair.factors(sum, c);
    for ((out, x), v) in out.iter_mut().zip(x).zip(v) {
        *out = of_sum * (*x + *v) + of_x * *x;
    }
}

/// Logarithmic map: `out` = logₓ(y).
pub fn logmap<T: Float>(x: &[T], y: &[T], c: T, out: &mut [T]) {
    let pair = AddPair {
        sum: sum(x, y, |x, y| (y - x) * (y - x)),
        ..add_pair(x, y, c)
    };
    let [of_sum, of_x] = pair.log_factors(c);
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = of_sum * (*y - *x) - of_x * *x;
    }
}

/// Parallel transport of v along the geodesic from x to y: `out` = λₓ/λᵧ gyr[y, −x] v.
pub fn ptransp<T: Float>(x: &[T], y: &[T], v: &[T], c: T, out: &mut [T]) {
    let pair = AddPair {
        sum: sum(x, y, |x, y| (y - x) * (y - x)),
        ..add_pair(y, x, c)
    };
    // gyr[y, −x] v as in `gyration`.
    let [a, b] = pair.gaps;
    let of_x = -inner(x, v);
    let of_sum = inner(y, v) + of_x;
    let bend = c * pair.sum;
    let scale = (c + c) / (a * b + bend);
    let by_y = scale * (b * of_sum + bend * of_x);
    let by_sum = scale * (a * of_x - of_sum);
    for (((out, x), y), v) in out.iter_mut().zip(x).zip(y).zip(v) {
        *out = a / b * (*v + by_y * *y + by_sum * (*y - *x));
    }
}

/// The point at time t of the geodesic from x (t = 0) to y (t = 1): `out` = expₓ(t logₓ(y)).
///
/// `scratch` holds a tangent vector on the way, and is as long as the points.
pub fn geodesic<T: Float>(t: T, x: &[T], y: &[T], c: T, scratch: &mut [T], out: &mut [T]) {
    logmap(x, y, c, scratch);
    for v in scratch.iter_mut() {
        *v = t * *v;
    }
    expmap(x, scratch, c, out);
}

/// Back into the ball: `out` = x, or on the radius (1 − `margin`)/√c if x lies beyond it.
pub fn project<T: Float>(x: &[T], margin: f64, c: T, out: &mut [T]) {
    radial_map(Radial::Project(margin), x, c, out);
}

/// Möbius scalar multiplication: `out` = r ⊗ x = exp₀(r log₀(x)).
pub fn mobius_scalar_mul<T: Float>(r: f64, x: &[T], c: T, out: &mut [T]) {
    radial_map(Radial::Scale(r), x, c, out);
}

/// Exponential map at the origin: `out` = exp₀(v).
pub fn expmap0<T: Float>(v: &[T], c: T, out: &mut [T]) {
    radial_map(Radial::Exp, v, c, out);
}

/// Logarithmic map at the origin: `out` = log₀(y).
pub fn logmap0<T: Float>(y: &[T], c: T, out: &mut [T]) {
    radial_map(Radial::Log, y, c, out);
}

/// Geodesic distance d(x, y).
pub fn dist<T: Float>(x: &[T], y: &[T], c: T) -> T {
    ball_pair(x, y, c).distance(c)
}

/// Geodesic distance from the origin, d(0, x).
pub fn dist0<T: Float>(x: &[T], c: T) -> T {
    let square = inner(x, x);
    let pair = BallPair {
        squares: [T::zero(), square],
        gaps: [T::one(), rim_gap(x, c)],
        difference: square,
    };
    pair.distance(c)
}

/// d(exp₀(u), exp₀(v)) from the tangent vectors.
pub fn dist_expmap0<T: Float>(u: &[T], v: &[T], c: T) -> T {
    let sums = [
        inner(u, u),
        inner(v, v),
        sum(u, v, |u, v| (u - v) * (u - v)),
        sum(u, v, |u, v| (u - v) * (u + v)),
    ];
    tangent_pair(sums, || u.iter().copied().zip(v.iter().copied())).distance(c)
}

fn add_pair<T: Float>(x: &[T], y: &[T], c: T) -> AddPair<T> {
    AddPair {
        squares: [inner(x, x), inner(y, y)],
        gaps: [rim_gap(x, c), rim_gap(y, c)],
        sum: sum(x, y, |x, y| (x + y) * (x + y)),
    }
}

fn ball_pair<T: Float>(x: &[T], y: &[T], c: T) -> BallPair<T> {
    BallPair {
        squares: [inner(x, x), inner(y, y)],
        gaps: [rim_gap(x, c), rim_gap(y, c)],
        difference: sum(x, y, |x, y| (x - y) * (x - y)),
    }
}

fn sum<T: Float>(x: &[T], y: &[T], term: impl Fn(T, T) -> T) -> T {
    let terms = x.iter().zip(y).map(|(x, y)| term(*x, *y));
    terms.fold(T::zero(), |sum, term| sum + term)
}

fn radial_map<T: Float>(map: Radial, x: &[T], c: T, out: &mut [T]) {
    let factor = map.at(inner(x, x), rim_gap(x, c), c).value;
    for (out, x) in out.iter_mut().zip(x) {
        *out = factor * *x;
    }
}

/// A pair from ‖u‖², ‖v‖², ‖u − v‖² and ⟨u − v, u + v⟩; the coordinates are read again only where
/// ‖u − v‖² − (‖u‖ − ‖v‖)² would be mostly rounding: for vectors on nearly one ray.
#[inline]
pub(crate) fn tangent_pair<T: Float, I: Iterator<Item = (T, T)>>(
    [uu, vv, gap, across]: [T; 4],
    coordinates: impl Fn() -> I,
) -> TangentPair<T> {
    let (u, v) = (uu.sqrt(), vv.sqrt());
    let reach = u + v;
    let radial = if reach > T::zero() {
        across / reach
    } else {
        T::zero()
    };
    let plain = gap - radial * radial;
    let tangential = if plain < gap * even::constant(0.0625) && u > T::zero() && v > T::zero() {
        off_ray(uu, vv, coordinates) * (u / v)
    } else {
        plain
    };
    TangentPair {
        norms: [u, v],
        radial,
        tangential,
    }
}

/// ‖v − ‖v‖û‖², which is ‖v‖/‖u‖ (‖u − v‖² − (‖u‖ − ‖v‖)²) without a difference of squares; 0 if all
/// of it is rounding.
fn off_ray<T: Float, I: Iterator<Item = (T, T)>>(uu: T, vv: T, coordinates: impl Fn() -> I) -> T {
    // The fused product has no rounding of its own, but the ratio of the norms has.
    let ratio = vv.sqrt() / uu.sqrt();
    let off = move |(u, v): (T, T)| (u, (-ratio).mul_add(u, v));
    let sums = |[along, square]: [T; 2], (u, off): (T, T)| [along + u * off, square + off * off];
    let [along, square] = coordinates().map(off).fold([T::zero(); 2], sums);
    if square > T::epsilon() * vv {
        return square;
    }
    // An angle whose fourth power is nothing: what is orthogonal to u is all of it.
    let along = along / uu;
    let rest = coordinates()
        .map(off)
        .map(|(u, off)| (-along).mul_add(u, off));
    let rest = rest.fold(T::zero(), |sum, rest| sum + rest * rest);
    let rounding = even::constant::<T>(16.0) * T::epsilon();
    if rest > rounding * rounding * square {
        rest
    } else {
        T::zero()
    }
}

/// ‖x + w‖² of an exponential map; the coordinates are read again only where the expanded square
/// would be mostly rounding, because the map ends near the origin.
#[inline]
pub(crate) fn exp_sum<T: Float, I: Iterator<Item = (T, T)>>(
    pair: &ExpPair<T>,
    c: T,
    coordinates: impl Fn() -> I,
) -> T {
    let factor = pair.factor(c);
    let plain = pair.sum(factor);
    if plain < pair.squares[0] * even::constant(0.0625) {
        let sums = coordinates().map(|(x, v)| x + factor * v);
        sums.fold(T::zero(), |total, sum| total + sum * sum)
    } else {
        plain
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

    /// 2 (by_x x + by_difference (x − y)).
    fn gradient(by_x: f64, by_difference: f64, x: &[f64], y: &[f64]) -> Vec<f64> {
        let terms = x.iter().zip(y);
        terms
            .map(|(x, y)| 2.0 * (by_x * x + by_difference * (x - y)))
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
                "mobius_add" => mobius_add(&x, &y, c, &mut out),
                "expmap0" => expmap0(&v, c, &mut out),
                "logmap0" => logmap0(&y, c, &mut out),
                "gyration" => gyration(&x, &y, &get("z"), c, &mut out),
                "expmap" => expmap(&x, &v, c, &mut out),
                "logmap" => logmap(&x, &y, c, &mut out),
                "ptransp" => ptransp(&x, &y, &v, c, &mut out),
                "mobius_scalar_mul" => {
                    mobius_scalar_mul(case["r"].as_f64().unwrap(), &x, c, &mut out);
                }
                "dist" => {
                    out = vec![dist(&x, &y, c)];
                    let slopes = ball_pair(&x, &y, c).slopes(c);
                    let by = slopes.by_difference;
                    if case.get("grad_x").is_some() {
                        let ours = gradient(slopes.by_x, by, &x, &y);
                        note("dist by x", &ours, &get("grad_x"), 4e-15);
                        let ours = gradient(slopes.by_y, by, &y, &x);
                        note("dist by y", &ours, &get("grad_y"), 4e-15);
                    }
                }
                "dist_expmap0" => {
                    out = vec![dist_expmap0(&u, &v, c)];
                    let sums = [
                        inner(&u, &u),
                        inner(&v, &v),
                        sum(&u, &v, |u, v| (u - v) * (u - v)),
                        sum(&u, &v, |u, v| (u - v) * (u + v)),
                    ];
                    let pair = tangent_pair(sums, || u.iter().copied().zip(v.iter().copied()));
                    let slopes = pair.slopes(c);
                    let by = slopes.by_difference;
                    if case.get("grad_u").is_some() {
                        let ours = gradient(slopes.by_x, by, &u, &v);
                        note("dist_expmap0 by u", &ours, &get("grad_u"), 1e-12);
                        let ours = gradient(slopes.by_y, by, &v, &u);
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
