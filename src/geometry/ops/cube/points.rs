//! Operations on one tensor.

use burn_cubecl::cubecl::{self, prelude::*};

use super::formulas::{Radial, one_minus_cn2, radial};
use super::functions::nan_unless_finite;
use super::vectors::{Sharing, Sums, part, sum_over_units};

/// ‖x‖² and, `with_grad`, ⟨g, x⟩ of a unit's vector.
#[cube]
fn point_sums<T: Float>(
    x: &Array<T>,
    grad: &Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    #[comptime] with_grad: bool,
    #[comptime] sharing: Sharing,
) -> Sums {
    let part = part(n, inner, sharing);
    let mut norm_squared = 0.0f64.runtime();
    let mut g_x = 0.0f64.runtime();
    if part.vector < count {
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let x = f64::cast_from(x[at]);
            norm_squared += x * x;
            if comptime!(with_grad) {
                g_x += f64::cast_from(grad[at]) * x;
            }
            k += sharing.lanes;
        }
    }
    let sums = Sums {
        a: norm_squared,
        b: g_x,
        c: 0.0f64.runtime(),
        d: 0.0f64.runtime(),
        e: 0.0f64.runtime(),
    };
    sum_over_units(
        sums,
        comptime!(if with_grad { 2usize } else { 1usize }),
        sharing,
    )
}

/// f x of each vector.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn radial_map<T: Float>(
    x: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    parameter: f64,
    min_denominator: f64,
    #[comptime] map: Radial,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = point_sums::<T>(x, x, n, inner, count, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let factor = radial(sums.a, c, parameter, min_denominator, map).value;
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            out[at] = T::cast_from(factor * f64::cast_from(x[at]));
            k += sharing.lanes;
        }
    }
}

/// f g + 2 ∂f/∂‖x‖² ⟨g, x⟩ x of each vector.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn radial_map_backward<T: Float>(
    x: &Array<T>,
    grad: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    parameter: f64,
    min_denominator: f64,
    #[comptime] map: Radial,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = point_sums::<T>(x, grad, n, inner, count, true, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let factor = radial(sums.a, c, parameter, min_denominator, map);
        let of_x = 2.0f64 * factor.by_norm_squared * sums.b;
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let by_x = factor.value * f64::cast_from(grad[at]) + of_x * f64::cast_from(x[at]);
            out[at] = T::cast_from(by_x);
            k += sharing.lanes;
        }
    }
}

/// ⟨g, x⟩ ∂f/∂c of each vector.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn radial_map_by_c<T: Float>(
    x: &Array<T>,
    grad: &Array<T>,
    out: &mut Array<f64>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    parameter: f64,
    min_denominator: f64,
    #[comptime] map: Radial,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = point_sums::<T>(x, grad, n, inner, count, true, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count && part.lane == 0 {
        let factor = radial(sums.a, c, parameter, min_denominator, map);
        out[part.vector] = sums.b * factor.by_c;
    }
}

/// 1 − c‖x‖² of each vector.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn one_minus_cn2_of_each<T: Float>(
    x: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = point_sums::<T>(x, x, n, inner, count, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count && part.lane == 0 {
        out[part.vector] = T::cast_from(one_minus_cn2(sums.a, c, min_denominator));
    }
}

/// −‖x‖² g of each vector; 0 where 1 − c‖x‖² is clamped.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn one_minus_cn2_of_each_by_c<T: Float>(
    x: &Array<T>,
    grad: &Array<T>,
    out: &mut Array<f64>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = point_sums::<T>(x, x, n, inner, count, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count && part.lane == 0 {
        let one_minus_cn2 = one_minus_cn2(sums.a, c, min_denominator);
        let by_c = -sums.a * f64::cast_from(grad[part.vector]);
        out[part.vector] =
            select(one_minus_cn2 <= min_denominator, 0.0f64, by_c) + nan_unless_finite(c * sums.a);
    }
}

/// −2c g x of each vector; 0 where 1 − c‖x‖² is clamped.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn one_minus_cn2_of_each_backward<T: Float>(
    x: &Array<T>,
    grad: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = point_sums::<T>(x, x, n, inner, count, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let one_minus_cn2 = one_minus_cn2(sums.a, c, min_denominator);
        let factor = -2.0f64 * c * f64::cast_from(grad[part.vector]);
        let factor = select(one_minus_cn2 <= min_denominator, 0.0f64, factor)
            + nan_unless_finite(c * sums.a);
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            out[at] = T::cast_from(factor * f64::cast_from(x[at]));
            k += sharing.lanes;
        }
    }
}
