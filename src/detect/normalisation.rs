//! Bringing maps of different origin to one scale.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::metrics::quantile;

/// What the upper quantile becomes.
const UPPER: f64 = 0.1;

/// The linear map that takes two quantiles of normal maps to 0 and 0.1. EfficientAD, section 3.4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapNormalisation {
    /// The value that becomes 0.
    pub low: f64,
    /// The value that becomes 0.1.
    pub high: f64,
}

impl MapNormalisation {
    /// Fits the map to the values of normal maps.
    ///
    /// # Errors
    ///
    /// Those of [`quantile`].
    pub fn fit(values: &[f32], [low, high]: [f64; 2]) -> Result<Self> {
        let (low, high) = (quantile(values, low)?, quantile(values, high)?);
        // Maps without any spread carry no scale: shift them only.
        let high = if high > low { high } else { low + UPPER };
        Ok(Self { low, high })
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
}
