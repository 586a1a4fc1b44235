//! The size of images and maps.

use std::fmt;

use image::DynamicImage;
use serde::{Deserialize, Serialize};

/// Width and height of an image or a map, in pixels or locations.
///
/// ```
/// use hypad::ImageSize;
///
/// let size = ImageSize::new(640, 480);
/// assert_eq!((size.width, size.height, size.area()), (640, 480, 307_200));
/// assert_eq!(size.to_string(), "640 x 480");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct ImageSize {
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

/// How a size is read: as an object, or as the list of height and width that files of older versions
/// have.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    // First: serde would take a list for the fields of a struct in their order.
    HeightWidth([usize; 2]),
    Named(Named),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    width: usize,
    height: usize,
}

impl From<Stored> for ImageSize {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Named(Named { width, height }) => Self { width, height },
            Stored::HeightWidth([height, width]) => Self { width, height },
        }
    }
}

impl ImageSize {
    /// A size.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// The size of a square.
    pub const fn square(side: usize) -> Self {
        Self::new(side, side)
    }

    /// The size of an image.
    pub fn of(image: &DynamicImage) -> Self {
        Self::new(image.width() as usize, image.height() as usize)
    }

    /// Number of pixels; the largest number there is if it has no room for them.
    pub const fn area(self) -> usize {
        self.width.saturating_mul(self.height)
    }

    /// Height and width, the order of the axes of a tensor.
    pub(crate) const fn height_width(self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The size with these two sides changed.
    pub(crate) fn map(self, change: impl Fn(usize) -> usize) -> Self {
        Self::new(change(self.width), change(self.height))
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_in_both_forms() {
        let size = ImageSize::new(3, 2);
        let json = serde_json::to_string(&size).unwrap();
        assert_eq!(json, r#"{"width":3,"height":2}"#);
        for json in [&json, "[2, 3]"] {
            assert_eq!(serde_json::from_str::<ImageSize>(json).unwrap(), size);
        }
        for json in [
            "[2]",
            "[2, 3, 4]",
            r#"{"width":3,"height":2,"depth":1}"#,
            "[2, -3]",
        ] {
            assert!(serde_json::from_str::<ImageSize>(json).is_err(), "{json}");
        }
    }
}
