//! Where scores fall among the distinct anomalous scores.
//!
//! Only anomalous scores change what a threshold finds, and they are few: they alone are sorted.
//! Every normal score is counted, into the gap between two of them or as equal to one.

use std::sync::Arc;

use crate::error::{Error, Result};

/// The score as a `u32` of the same order; −0.0 equals 0.0. NaN is not allowed.
pub fn sortable_bits(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// The score of an integer from [`ordered`].
pub fn score(ordered: u32) -> f32 {
    let bits = if ordered >> 31 == 1 {
        ordered & !(1 << 31)
    } else {
        !ordered
    };
    f32::from_bits(bits)
}

/// Number of scores looked up before any is counted, so that the processor waits for several parts of the
/// tables at a time.
const BATCH: usize = 64;
/// Number of levels compared at once, without a branch.
const AT_ONCE: usize = 4;

/// Distinct scores, and a table that finds the place of any other among them: its range is cut into
/// equal bins, and within a bin there are few to search.
#[derive(Debug)]
pub struct ScoreBins {
    /// In ascending order, and at the end NaNs, to which nothing compares, for a whole last group.
    padded: Vec<f32>,
    /// How many levels lie in bins before this one, and at the end how many there are.
    before: Vec<u32>,
    least: f64,
    per_unit: f64,
}

impl ScoreBins {
    /// From distinct scores in ascending order.
    pub fn new(ascending: Vec<f32>) -> Self {
        let mut finite = ascending.iter().filter(|score| score.is_finite());
        let least = finite.next().copied().map_or(0.0, f64::from);
        let largest = finite.next_back().copied().map_or(least, f64::from);
        let bins = (4 * ascending.len()).next_power_of_two().clamp(1, 1 << 20);
        let range = largest - least;
        let per_unit = if range > 0.0 {
            bins as f64 / range
        } else {
            0.0
        };
        let count = ascending.len();
        let mut padded = ascending;
        padded.resize(count + AT_ONCE + 1, f32::NAN);
        let mut levels = Self {
            padded,
            before: vec![0; bins + 1],
            least,
            per_unit,
        };
        for index in 0..count {
            let bin = levels.bin(levels.padded[index]);
            levels.before[bin + 1] += 1;
        }
        for bin in 0..bins {
            levels.before[bin + 1] += levels.before[bin];
        }
        levels
    }

    pub fn ascending(&self) -> &[f32] {
        &self.padded[..self.padded.len() - AT_ONCE - 1]
    }

    /// Never falls from a lower score to a higher one, which is all that the search relies on:
    /// infinities, and what is out of range, end up in the first or the last bin.
    #[inline(always)]
    fn bin(&self, score: f32) -> usize {
        let bin = (f64::from(score) - self.least) * self.per_unit;
        (bin as u32 as usize).min(self.before.len() - 2)
    }

    /// How many levels are below a score, and whether the next one equals it.
    #[inline(always)]
    fn place(&self, score: f32) -> (usize, bool) {
        let bin = self.bin(score);
        let (low, high) = (self.before[bin] as usize, self.before[bin + 1] as usize);
        let level = if high - low <= AT_ONCE {
            // Levels of later bins are above the score, and do not count.
            let group = &self.padded[low..low + AT_ONCE];
            low + group.iter().filter(|level| **level < score).count()
        } else {
            low + self.padded[low..high].partition_point(|level| *level < score)
        };
        (level, self.padded[level] == score)
    }
}

/// How many normal scores fell into each place among shared levels.
#[derive(Clone, Debug)]
pub struct Counts {
    levels: Arc<ScoreBins>,
    /// Scores between each level and the one below it, and at the end those above all.
    between: ScoreCounts,
    /// Scores that equal each level.
    ties: ScoreCounts,
    /// Scores counted since the tallies were last emptied.
    recent: u64,
}

impl Counts {
    pub fn new(levels: Arc<ScoreBins>) -> Self {
        let count = levels.ascending().len();
        Self {
            levels,
            between: ScoreCounts::new(count + 1),
            ties: ScoreCounts::new(count),
            recent: 0,
        }
    }

    pub fn levels(&self) -> &Arc<ScoreBins> {
        &self.levels
    }

    /// Counts those scores for which `is_normal` holds, by their position; none is NaN.
    pub fn add(&mut self, scores: &[f32], is_normal: impl Fn(usize) -> bool) {
        const PART: usize = 1 << 30;
        for (part, scores) in scores.chunks(PART).enumerate() {
            self.recent += scores.len() as u64;
            if self.recent > u64::from(u32::MAX) {
                self.between.empty();
                self.ties.empty();
                self.recent = scores.len() as u64;
            }
            self.add_part(scores, |at| is_normal(part * PART + at));
        }
    }

    fn add_part(&mut self, scores: &[f32], is_normal: impl Fn(usize) -> bool) {
        // Most pixels of most images score less than any anomalous one.
        let Some(&least) = self.levels.ascending().first() else {
            let normal = (0..scores.len()).filter(|at| is_normal(*at));
            self.between.recent[0] += normal.count() as u32;
            return;
        };
        let mut below = 0;
        let mut waiting = [0.0; BATCH];
        let mut count = 0;
        for (at, &score) in scores.iter().enumerate() {
            if !is_normal(at) {
                continue;
            }
            if score < least {
                below += 1;
                continue;
            }
            waiting[count] = score;
            count += 1;
            if count == BATCH {
                self.add_batch(&waiting);
                count = 0;
            }
        }
        self.add_batch(&waiting[..count]);
        self.between.recent[0] += below;
    }

    fn add_batch(&mut self, scores: &[f32]) {
        let mut places = [(0, false); BATCH];
        for (place, score) in places.iter_mut().zip(scores) {
            *place = self.levels.place(*score);
        }
        for &(level, equal) in &places[..scores.len()] {
            if equal {
                self.ties.recent[level] += 1;
            } else {
                self.between.recent[level] += 1;
            }
        }
    }

    /// Adds the counts of another part of the data.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for counts among other levels.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let (ours, theirs) = (self.levels.ascending(), other.levels.ascending());
        if !Arc::ptr_eq(&self.levels, &other.levels) && ours != theirs {
            return Err(Error::Size {
                what: "distinct anomalous scores of the counts to merge",
                expected: ours.len().to_string(),
                found: format!("{} of other data", theirs.len()),
            });
        }
        self.between.merge(&other.between);
        self.ties.merge(&other.ties);
        self.recent = 0;
        Ok(())
    }

    /// Normal scores below all levels.
    pub fn below(&self) -> u64 {
        self.between.at(0)
    }

    /// Normal scores that equal a level, and those between it and the next one above.
    pub fn at(&self, level: usize) -> [u64; 2] {
        [self.ties.at(level), self.between.at(level + 1)]
    }
}

/// Counters in 32 bits, which the cache holds twice as many of, and their totals in 64.
#[derive(Clone, Debug)]
struct ScoreCounts {
    recent: Vec<u32>,
    /// Empty until it is needed.
    total: Vec<u64>,
}

impl ScoreCounts {
    fn new(count: usize) -> Self {
        Self {
            recent: vec![0; count],
            total: Vec::new(),
        }
    }

    fn at(&self, index: usize) -> u64 {
        u64::from(self.recent[index]) + self.total.get(index).unwrap_or(&0)
    }

    /// Moves what was counted to the totals.
    fn empty(&mut self) {
        self.total.resize(self.recent.len(), 0);
        for (total, recent) in self.total.iter_mut().zip(&mut self.recent) {
            *total += u64::from(std::mem::take(recent));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.empty();
        for (index, total) in self.total.iter_mut().enumerate() {
            *total += other.at(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_order_of_scores() {
        let infinity = f32::INFINITY;
        let ascending = [-infinity, -1e30, -1.0, -1e-40, 0.0, 1e-40, 1.0, infinity];
        for pair in ascending.windows(2) {
            assert!(sortable_bits(pair[0]) < sortable_bits(pair[1]));
        }
        assert!(ascending.iter().all(|s| score(sortable_bits(*s)) == *s));
        assert_eq!(sortable_bits(-0.0), sortable_bits(0.0));
    }

    /// One far level puts all others into one bin; infinities are levels like others.
    #[test]
    fn every_score_finds_its_place() {
        let infinity = f32::INFINITY;
        let sets = [
            vec![0.1_f32, 0.2, 0.25, 1e30],
            vec![-infinity, 0.0, 1.0, infinity],
            vec![infinity],
            vec![-3e38, 3e38],
            vec![0.5],
            vec![-1.0, 0.1, 0.2, 0.21, 0.22, 0.23, 0.25, 1e30],
        ];
        for levels in sets {
            let scores = [-infinity, -3e38, -1.0, 0.0, 0.1, 0.22, 0.25, 0.5, 1.0, 3e38];
            let levels = ScoreBins::new(levels);
            for score in scores.into_iter().chain([infinity]) {
                let lower = levels.ascending().iter().filter(|l| **l < score).count();
                let equal = levels.ascending().contains(&score);
                let place = levels.place(score);
                assert_eq!(place, (lower, equal), "{score} in {:?}", levels.ascending());
            }
        }
    }
}
