//! Bringing maps of different origin to one scale.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::quantile;

/// Calibrated value of the upper quantile.
const UPPER: f64 = 0.1;

/// The linear map that takes two quantiles of normal maps to 0 and 0.1. EfficientAD, section 3.4.
///
/// Both are finite and the first is below the second, from wherever the value comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub struct MapNormalisation {
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    low: f64,
    high: f64,
}

impl TryFrom<Bounds> for MapNormalisation {
    type Error = Error;

    fn try_from(bounds: Bounds) -> Result<Self> {
        Self::new(bounds.low, bounds.high)
    }
}

impl MapNormalisation {
    /// The map that takes `low` to 0 and `high` to 0.1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless both and their difference are finite and `low` is below `high`.
    pub fn new(low: f64, high: f64) -> Result<Self> {
        match low < high && (high - low).is_finite() {
            true => Ok(Self { low, high }),
            false => Err(Error::Setting {
                name: "map normalisation",
                value: format!("{low} to {high}"),
                rule: "two finite values, the first below the second",
            }),
        }
    }

    /// Fits the map to the values of normal maps. Values without any spread carry no scale: they are
    /// shifted only.
    ///
    /// # Errors
    ///
    /// Those of [`quantile`] and of [`new`](Self::new).
    pub fn fit(values: &[f32], [low, high]: [f64; 2]) -> Result<Self> {
        let (low, high) = (quantile(values, low)?, quantile(values, high)?);
        Self::new(low, if high > low { high } else { low + UPPER })
    }

    /// The value that becomes 0.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The value that becomes 0.1.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// 0.1 (value − low) / (high − low).
    pub fn apply(&self, value: f32) -> f32 {
        (UPPER * (f64::from(value) - self.low) / (self.high - self.low)) as f32
    }
}

impl Default for MapNormalisation {
    /// Leaves values as they are.
    fn default() -> Self {
        Self {
            low: 0.0,
            high: UPPER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_become_zero_and_a_tenth() {
        let values: Vec<f32> = (0..=1000).map(|i| i as f32).collect();
        let map = MapNormalisation::fit(&values, [0.9, 0.995]).unwrap();
        assert_eq!(map.apply(900.0), 0.0);
        assert!((map.apply(995.0) - 0.1).abs() < 1e-7);
        let flat = MapNormalisation::fit(&[2.0; 5], [0.9, 0.995]).unwrap();
        assert!(flat.apply(2.5).is_finite());
    }

    #[test]
    fn bounds_without_an_order_are_refused() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        let wrong = [
            (1.0, 1.0),
            (1.0, 0.5),
            (nan, 1.0),
            (0.0, nan),
            (0.0, infinity),
            (-infinity, 0.0),
            (-f64::MAX, f64::MAX),
        ];
        for (low, high) in wrong {
            assert!(MapNormalisation::new(low, high).is_err(), "{low} {high}");
            let json = format!(r#"{{"low": {low:?}, "high": {high:?}}}"#);
            assert!(serde_json::from_str::<MapNormalisation>(&json).is_err());
        }
        // Values so large that a tenth is lost on them.
        assert!(MapNormalisation::fit(&[f32::MAX; 3], [0.9, 0.995]).is_err());
    }
}
