//! The connected regions of a detection's mask.

use serde::Serialize;

use super::detector::Detection;
use crate::metrics::{Connectivity, regions};

/// A connected region of pixels that reach the threshold, in pixels of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AnomalousRegion {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns from the first to the last.
    pub width: usize,
    /// Rows from the first to the last.
    pub height: usize,
    /// Pixels.
    pub area: usize,
    /// Highest score.
    pub peak: f32,
    /// Column of the highest score.
    pub peak_x: usize,
    /// Row of the highest score.
    pub peak_y: usize,
}

impl Detection {
    /// The 8-connected regions of the mask, those of the highest peak first.
    pub fn regions(&self) -> Vec<AnomalousRegion> {
        let size = self.map.size();
        let in_mask = |at: usize| self.mask.get(at).is_some_and(|anomalous| *anomalous);
        let found = regions(in_mask, [size.width, size.height], Connectivity::Eight);
        let mut all: Vec<_> = found
            .iter()
            .filter_map(|pixels| self.region(pixels))
            .collect();
        all.sort_by(|a, b| b.peak.total_cmp(&a.peak).then((a.y, a.x).cmp(&(b.y, b.x))));
        all
    }

    /// The region of these pixels; `None` of none.
    fn region(&self, pixels: &[usize]) -> Option<AnomalousRegion> {
        let width = self.map.size().width;
        let peak = *pixels
            .iter()
            .max_by(|a, b| self.map[**a].total_cmp(&self.map[**b]))?;
        let range = |part: &dyn Fn(usize) -> usize| {
            let parts = || pixels.iter().map(|at| part(*at));
            Some((parts().min()?, parts().max()?))
        };
        let (left, right) = range(&|at| at % width)?;
        let (top, bottom) = range(&|at| at / width)?;
        Some(AnomalousRegion {
            x: left,
            y: top,
            width: right - left + 1,
            height: bottom - top + 1,
            area: pixels.len(),
            peak: self.map[peak],
            peak_x: peak % width,
            peak_y: peak / width,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageSize, ScoreMap};

    #[test]
    fn regions_have_boxes_and_peaks() {
        let map = vec![
            0.6, 0.0, 0.0, 0.0, 0.0, //
            0.0, 0.7, 0.0, 0.0, 0.9, //
            0.0, 0.0, 0.0, 0.5, 0.0,
        ];
        let map = ScoreMap::new(map, ImageSize::new(5, 3)).unwrap();
        let found = Detection::new(map, 0.5).regions();
        let boxes: Vec<_> = found
            .iter()
            .map(|r| [r.x, r.y, r.width, r.height, r.area])
            .collect();
        assert_eq!(boxes, [[3, 1, 2, 2, 2], [0, 0, 2, 2, 2]]);
        assert_eq!(
            (found[0].peak, found[0].peak_x, found[0].peak_y),
            (0.9, 4, 1)
        );
        let map = ScoreMap::new(vec![0.1], ImageSize::square(1)).unwrap();
        assert!(Detection::new(map, 0.5).regions().is_empty());
    }
}
