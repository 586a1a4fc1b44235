//! Thresholds from scores.

use super::ranking::reject_nan;
use crate::error::{Error, Result};

/// The q-quantile of `values`, linear between order statistics: position q (n − 1) in ascending
/// order, NumPy's and PyTorch's default. Any number of values; not sorted, but selected.
///
/// # Errors
///
/// [`Error::Undefined`] for no values, [`Error::NanScore`], and [`Error::Setting`] for a q outside
/// [0, 1].
///
/// # Example
///
/// ```
/// assert_eq!(hypad::metrics::quantile(&[4.0, 1.0, 3.0, 2.0], 0.5)?, 2.5);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn quantile(values: &[f32], q: f64) -> Result<f64> {
    if !(0.0..=1.0).contains(&q) {
        return Err(Error::Setting {
            name: "quantile",
            value: q.to_string(),
            rule: "between 0 and 1",
        });
    }
    if values.is_empty() {
        return Err(Error::Undefined {
            metric: "quantile",
            reason: "no values",
        });
    }
    reject_nan(values)?;
    let position = q * (values.len() - 1) as f64;
    let mut values = values.to_vec();
    let (_, low, above) =
        values.select_nth_unstable_by(position as usize, |a, b| a.partial_cmp(b).expect("no NaN"));
    let low = *low as f64;
    let high = above
        .iter()
        .copied()
        .reduce(f32::min)
        .map_or(low, f64::from);
    Ok(low + (high - low) * position.fract())
}
