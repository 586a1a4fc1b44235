//! How the learning rate changes over the steps.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// How the learning rate falls from its first value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Once, after this part of the steps by this factor.
    Step {
        /// Between 0 and 1.
        after: f64,
        /// At least 0.
        factor: f64,
    },
    /// With every step by the same amount; the step after the last would have 0.
    Linear,
    /// Along half a cosine; the step after the last would have 0.
    Cosine,
}

impl Schedule {
    /// The factor of the learning rate in a step of `steps`, counted from 0.
    pub fn factor(self, step: usize, steps: usize) -> f64 {
        let part = step as f64 / steps as f64;
        match self {
            Self::Step { after, factor } if part >= after => factor,
            Self::Constant | Self::Step { .. } => 1.0,
            Self::Linear => (1.0 - part).max(0.0),
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * part.min(1.0)).cos()),
        }
    }

    /// Checks the numbers of [`Step`](Self::Step).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for one out of its range.
    pub fn validate(self) -> Result<()> {
        let holds = match self {
            Self::Step { after, factor } => {
                (0.0..=1.0).contains(&after) && factor.is_finite() && factor >= 0.0
            }
            _ => true,
        };
        check(
            holds,
            "schedule",
            format!("{self:?}"),
            "after between 0 and 1, factor finite and at least 0",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls() {
        let step = Schedule::Step {
            after: 0.29,
            factor: 0.1,
        };
        // 0.29 * 100 is less than 29 in doubles.
        assert_eq!([28, 29].map(|at| step.factor(at, 100)), [1.0, 0.1]);
        let published = Schedule::Step {
            after: 0.95,
            factor: 0.1,
        };
        let at = [0, 66_499, 66_500].map(|at| published.factor(at, 70_000));
        assert_eq!(at, [1.0, 1.0, 0.1]);
        let at = [0, 400, 1600].map(|at| Schedule::Linear.factor(at, 1600));
        assert_eq!(at, [1.0, 0.75, 0.0]);
        let at = [0, 50, 100].map(|at| Schedule::Cosine.factor(at, 100));
        assert!((at[0], at[2]) == (1.0, 0.0) && (at[1] - 0.5).abs() < 1e-15);
        assert_eq!(Schedule::Constant.factor(7, 9), 1.0);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for (after, factor) in [(1.5, 0.1), (f64::NAN, 0.1), (0.5, -0.1), (0.5, f64::NAN)] {
            assert!(Schedule::Step { after, factor }.validate().is_err());
        }
        assert!(Schedule::Linear.validate().is_ok());
    }
}
