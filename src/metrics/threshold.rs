//! Thresholds from scores.

use super::{ranking::reject_nan, sum::CompensatedSum};
use crate::error::{Error, Result};

/// The q-quantile of `values`, linear between order statistics: position q (n − 1) in ascending
/// order, NumPy's and PyTorch's default. Any number of values; not sorted, but selected. Between −∞ and
/// a larger value it is −∞.
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
    let part = position.fract();
    // Differences of infinities are NaN.
    match part == 0.0 || low == high || low == f64::NEG_INFINITY {
        true => Ok(low),
        false => Ok(low + (high - low) * part),
    }
}

/// mean + k·σ of the scores of normal samples, σ their standard deviation (division by n).
///
/// # Errors
///
/// [`Error::Undefined`] for no values, [`Error::NanScore`], and [`Error::Setting`] for a k that is
/// not finite or scores that are infinite.
///
/// # Example
///
/// ```
/// assert_eq!(hypad::metrics::sigma_threshold(&[1.0, 3.0, 1.0, 3.0], 3.0)?, 5.0);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn sigma_threshold(normal: &[f32], k: f64) -> Result<f32> {
    reject_nan(normal)?;
    if normal.is_empty() {
        return Err(Error::Undefined {
            metric: "k-sigma threshold",
            reason: "no values",
        });
    }
    let infinite = normal.iter().find(|score| score.is_infinite());
    let wrong = infinite.map(|score| ("score", f64::from(*score)));
    if let Some((name, value)) = wrong.or((!k.is_finite()).then_some(("k", k))) {
        return Err(Error::Setting {
            name,
            value: value.to_string(),
            rule: "finite",
        });
    }
    let count = normal.len() as f64;
    let sum = |term: &dyn Fn(f64) -> f64| {
        let mut sum = CompensatedSum::default();
        normal
            .iter()
            .for_each(|score| sum.add(term(f64::from(*score))));
        sum.value()
    };
    let mean = sum(&|score| score) / count;
    let variance = sum(&|score| (score - mean) * (score - mean)) / count;
    Ok((mean + k * variance.sqrt()) as f32)
}

/// The largest k for which k/n, rounded to a double as `rate` was, is at most `rate`. The product
/// `rate * n` alone would be too small by one for some rates, such as 0.29 of 100.
fn count_within(rate: f64, n: usize) -> usize {
    let mut count = (rate * n as f64) as usize;
    while count < n && (count + 1) as f64 / n as f64 <= rate {
        count += 1;
    }
    while count > 0 && count as f64 / n as f64 > rate {
        count -= 1;
    }
    count
}

/// The lowest threshold at which at most the part `rate` of normal samples has score ≥ threshold.
///
/// # Errors
///
/// [`Error::Undefined`] for no values, [`Error::NanScore`], and [`Error::Setting`] for a rate outside
/// [0, 1], or if more than `rate` of the scores are +∞, which no threshold excludes.
///
/// # Example
///
/// ```
/// let normal = [0.1, 0.2, 0.3, 0.3];
/// let threshold = hypad::metrics::fpr_threshold(&normal, 0.5)?;
/// assert_eq!(normal.iter().filter(|score| **score >= threshold).count(), 2);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn fpr_threshold(normal: &[f32], rate: f64) -> Result<f32> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(Error::Setting {
            name: "false-positive rate",
            value: rate.to_string(),
            rule: "between 0 and 1",
        });
    }
    if normal.is_empty() {
        return Err(Error::Undefined {
            metric: "false-positive rate",
            reason: "no normal sample",
        });
    }
    reject_nan(normal)?;
    let allowed = count_within(rate, normal.len());
    if allowed >= normal.len() {
        return Ok(f32::NEG_INFINITY);
    }
    // The highest score that must stay out.
    let mut scores = normal.to_vec();
    let descending = |a: &f32, b: &f32| b.partial_cmp(a).expect("no NaN");
    let (_, excluded, _) = scores.select_nth_unstable_by(allowed, descending);
    if *excluded == f32::INFINITY {
        return Err(Error::Setting {
            name: "false-positive rate",
            value: rate.to_string(),
            rule: "at least the part of scores that are infinite",
        });
    }
    Ok(excluded.next_up())
}

/// The threshold of split conformal prediction: a new normal sample has score ≥ threshold with a
/// probability of at most `rate`, if it is exchangeable with the n samples here (drawn as they were, and not
/// learnt from). It is just above the ⌈(n + 1)(1 − rate)⌉-th smallest of their scores (Vovk, Gammerman, Shafer,
/// *Algorithmic Learning in a Random World*, 2005).
///
/// # Errors
///
/// [`Error::NanScore`], and [`Error::Setting`] for a rate outside (0, 1), for one that so few samples
/// cannot promise, which is any below 1/(n + 1), and if the score is +∞.
///
/// # Example
///
/// ```
/// use hypad::metrics::conformal_threshold;
///
/// let normal: Vec<f32> = (1..=19).map(|score| score as f32).collect();
/// assert_eq!(conformal_threshold(&normal, 0.05)?, 19.0_f32.next_up());
/// assert!(conformal_threshold(&normal[1..], 0.05).is_err()); // 18 promise 1/19 at best
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn conformal_threshold(normal: &[f32], rate: f64) -> Result<f32> {
    reject_nan(normal)?;
    let refuse = |value: String, rule| {
        Err(Error::Setting {
            name: "false-alarm rate",
            value,
            rule,
        })
    };
    if !(rate > 0.0 && rate < 1.0) {
        return refuse(rate.to_string(), "above 0 and below 1");
    }
    let count = normal.len();
    let allowed = count_within(rate, count + 1);
    if allowed == 0 {
        return refuse(
            format!(
                "{rate} from {count} good images, which promise {:.3} at best",
                1.0 / (count + 1) as f64
            ),
            "at least 1/(n + 1) for n good images that were not trained on; hold out more",
        );
    }
    let mut scores = normal.to_vec();
    let descending = |a: &f32, b: &f32| b.partial_cmp(a).expect("no NaN");
    let (_, highest, _) = scores.select_nth_unstable_by(allowed - 1, descending);
    match *highest == f32::INFINITY {
        true => refuse(
            rate.to_string(),
            "at least the part of scores that are infinite",
        ),
        false => Ok(highest.next_up()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 40 different scores each is left out once: how many reach the threshold of the others is exactly
    /// what was promised.
    #[test]
    fn conformal_thresholds_keep_their_promise() {
        let scores: Vec<f32> = (0..40).map(|i| ((i * 17) % 40) as f32).collect();
        for allowed in 1..40_usize {
            let rate = allowed as f64 / 40.0;
            let alarms = (0..40).filter(|left_out| {
                let mut others = scores.clone();
                let score = others.swap_remove(*left_out);
                score >= conformal_threshold(&others, rate).unwrap()
            });
            assert_eq!(alarms.count(), allowed, "{rate}");
        }
        assert!(conformal_threshold(&scores, 1.0 / 41.0).is_ok());
        assert!(conformal_threshold(&scores, (1.0_f64 / 41.0).next_down()).is_err());
        for wrong in [0.0, 1.0, f64::NAN, -0.1] {
            assert!(conformal_threshold(&scores, wrong).is_err(), "{wrong}");
        }
        assert!(conformal_threshold(&[], 0.5).is_err());
        assert!(conformal_threshold(&[f32::NAN], 0.5).is_err());
    }

    /// k of n samples are within the rate k/n, for every k and n, and k − 1 within the next lower rate.
    #[test]
    fn counts_within_a_rate_are_exact() {
        for n in 1..=400_usize {
            for k in 0..=n {
                let rate = k as f64 / n as f64;
                assert_eq!(count_within(rate, n), k, "{k}/{n}");
                if k > 0 {
                    assert_eq!(count_within(rate.next_down(), n), k - 1, "below {k}/{n}");
                }
            }
        }
    }

    #[test]
    fn every_percentage_of_100_scores_is_reached() {
        let normal: Vec<f32> = (0..100).map(|i| i as f32).collect();
        for percent in 0..100_usize {
            let rate = format!("{}e-2", percent).parse().unwrap();
            let threshold = fpr_threshold(&normal, rate).unwrap();
            let above = normal.iter().filter(|score| **score >= threshold).count();
            assert_eq!(above, percent);
        }
    }
}
