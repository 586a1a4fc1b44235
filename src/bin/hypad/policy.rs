//! Rules for thresholds, as flags name them.

use std::str::FromStr;
use std::sync::Arc;

use hypad::detect::{
    CalibrationScores, ConformalThreshold, FprThreshold, MaximumThreshold, QuantileThreshold,
    SigmaThreshold, ThresholdPolicy,
};

/// What flags say of it.
pub const HELP: &str = "sigma:K (mean and K standard deviations), quantile:Q, fpr:R (the lowest that a part R of \
     the good reaches), conformal:R (promises a false-alarm rate R for new good ones), max (just above the \
     highest), or a number";

/// A rule for a threshold.
#[derive(Clone, Debug)]
pub struct Policy(pub Arc<dyn ThresholdPolicy>);

/// A number that the user gives.
#[derive(Debug)]
struct Fixed(f32);

impl ThresholdPolicy for Fixed {
    fn threshold(&self, _: CalibrationScores) -> hypad::Result<f32> {
        Ok(self.0)
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let number = || {
            let value = value.ok_or(format!("{name} needs a number, as in {name}:0.05"))?;
            value
                .parse::<f64>()
                .map_err(|_| format!("{value} is not a number"))
        };
        let policy: Arc<dyn ThresholdPolicy> = match name {
            "sigma" => Arc::new(SigmaThreshold {
                sigmas: number()?,
                ..SigmaThreshold::default()
            }),
            "quantile" => Arc::new(QuantileThreshold(number()?)),
            "fpr" => Arc::new(FprThreshold(number()?)),
            "conformal" => Arc::new(ConformalThreshold(number()?)),
            "max" if value.is_none() => Arc::new(MaximumThreshold),
            _ => match text.parse::<f32>() {
                Ok(value) if value.is_finite() => Arc::new(Fixed(value)),
                _ => return Err(HELP.into()),
            },
        };
        Ok(Self(policy))
    }
}

/// Width and height, or the side of a square.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub hypad::ImageSize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| match text.parse::<usize>() {
            Ok(side) if side > 0 => Ok(side),
            _ => Err("a side in pixels, or WIDTHxHEIGHT".to_string()),
        };
        let size = match text.split_once(['x', 'X']) {
            None => hypad::ImageSize::square(side(text)?),
            Some((width, height)) => hypad::ImageSize::new(side(width)?, side(height)?),
        };
        Ok(Self(size))
    }
}
