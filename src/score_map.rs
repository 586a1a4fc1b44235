//! Maps of anomaly scores.

use std::ops::Deref;

use crate::ImageSize;
use crate::error::{Error, Result};

/// An anomaly score for each pixel of an image, or for each location of a feature map, row by row.
/// Higher is more anomalous.
///
/// It dereferences to the slice of its values.
///
/// ```
/// use hypad::{ImageSize, ScoreMap};
///
/// let map = ScoreMap::new(vec![0.1, 0.9, 0.2], ImageSize::new(3, 1))?;
/// assert_eq!((map.maximum(), map[2], map.size().width), (0.9, 0.2, 3));
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreMap {
    values: Vec<f32>,
    size: ImageSize,
}

impl ScoreMap {
    /// A map of this size.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless there are width × height values, at least one.
    pub fn new(values: Vec<f32>, size: ImageSize) -> Result<Self> {
        if values.is_empty() || values.len() != size.area() {
            return Err(Error::Size {
                what: "values of the score map",
                expected: size.to_string(),
                found: values.len().to_string(),
            });
        }
        Ok(Self { values, size })
    }

    /// Width and height.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// The highest score: that of the image. NaN if no value is a number.
    pub fn maximum(&self) -> f32 {
        self.values.iter().copied().fold(f32::NAN, f32::max)
    }

    /// The values, row by row.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The map with every value changed.
    pub(crate) fn map(mut self, change: impl Fn(f32) -> f32) -> Self {
        self.values
            .iter_mut()
            .for_each(|value| *value = change(*value));
        self
    }
}

impl Deref for ScoreMap {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl<'a> IntoIterator for &'a ScoreMap {
    type Item = &'a f32;
    type IntoIter = std::slice::Iter<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_as_many_values_as_pixels() {
        for (count, width, height) in [(5, 3, 2), (0, 0, 0), (0, 0, 3), (1, usize::MAX, 2)] {
            let map = ScoreMap::new(vec![0.0; count], ImageSize::new(width, height));
            assert!(
                matches!(map, Err(Error::Size { .. })),
                "{count} {width} {height}"
            );
        }
    }
}
