//! Curves as data.

use super::sum::CompensatedSum;
use crate::error::{Error, Result};

/// A curve through points, straight between them, from left to right.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Curve {
    /// (x, y).
    pub points: Vec<[f64; 2]>,
}

impl Curve {
    /// The area under the curve from x = 0 to `limit`, divided by `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a limit outside (0, 1].
    pub fn area(&self, limit: f64) -> Result<f64> {
        if !(limit > 0.0 && limit <= 1.0) {
            return Err(Error::Setting {
                name: "limit of the area",
                value: limit.to_string(),
                rule: "above 0 and at most 1",
            });
        }
        let mut area = CompensatedSum::default();
        for pair in self.points.windows(2) {
            let ([x, y], [next_x, next_y]) = (pair[0], pair[1]);
            if next_x >= limit {
                let at_limit = if next_x > x {
                    y + (next_y - y) * ((limit - x) / (next_x - x))
                } else {
                    y
                };
                area.add(0.5 * (y + at_limit) * (limit - x));
                break;
            }
            area.add(0.5 * (y + next_y) * (next_x - x));
        }
        Ok(area.value() / limit)
    }

    /// The same curve without repeated points and those that lie on a level or an upright line
    /// between their neighbours: all that a plot needs.
    pub fn thinned(&self) -> Self {
        let mut points: Vec<[f64; 2]> = Vec::new();
        for &point in &self.points {
            if points.last() == Some(&point) {
                continue;
            }
            if let [.., before, last] = points[..] {
                let on_line = |axis: usize| before[axis] == last[axis] && last[axis] == point[axis];
                if on_line(0) || on_line(1) {
                    points.pop();
                }
            }
            points.push(point);
        }
        Self { points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_and_thinning_by_hand() {
        let points = vec![
            [0.0, 0.0],
            [0.0, 0.25],
            [0.0, 0.5],
            [0.5, 0.5],
            [0.75, 0.5],
            [1.0, 1.0],
        ];
        let curve = Curve { points };
        let thin = curve.thinned();
        assert_eq!(
            thin.points,
            [[0.0, 0.0], [0.0, 0.5], [0.75, 0.5], [1.0, 1.0]]
        );
        for curve in [&curve, &thin] {
            assert_eq!(curve.area(0.5).unwrap(), 0.5);
            assert_eq!(curve.area(1.0).unwrap(), 0.375 + 0.1875);
            assert_eq!(curve.area(0.875).unwrap(), (0.375 + 0.078125) / 0.875);
        }
        assert!(curve.area(0.0).is_err() && curve.area(f64::NAN).is_err());
    }
}
