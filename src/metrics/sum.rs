//! Sums of many terms.

/// Neumaier's sum: the rounding of each addition is carried along.
#[derive(Default)]
pub struct CompensatedSum {
    sum: f64,
    carry: f64,
}

impl CompensatedSum {
    pub fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        let (large, small) = if self.sum.abs() >= term.abs() {
            (self.sum, term)
        } else {
            (term, self.sum)
        };
        self.carry += (large - sum) + small;
        self.sum = sum;
    }

    pub fn value(&self) -> f64 {
        self.sum + self.carry
    }
}
