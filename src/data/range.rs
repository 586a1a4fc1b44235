//! The value that is white, in images of more than 8 bits.

use image::{DynamicImage, RgbImage};
use serde::{Deserialize, Serialize};

use super::image::{to_rgb, unit};
use crate::error::{Result, check};

/// The values of 16-bit and float images that become 1 at the networks' input; 0 becomes 0. In
/// images of 8 bits it is always 255.
///
/// A larger value than white becomes a number above 1; it is not cut off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelRange {
    /// White of images of 16 bits: 65535, or less for cameras of fewer bits (4095 for 12).
    pub white_16bit: u16,
    /// White of float images: 1.
    pub white_float: f32,
}

/// An image whose largest value is white over this, four bits less, gets a warning.
const DARK: u16 = 16;
/// A float image whose largest value is more than this times white gets a warning.
const BRIGHT: f32 = 2.0;

impl Default for PixelRange {
    fn default() -> Self {
        Self {
            white_16bit: u16::MAX,
            white_float: 1.0,
        }
    }
}

impl PixelRange {
    /// Checks both values.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) unless both are above 0 and finite.
    pub fn validate(&self) -> Result<()> {
        let rule = "above 0 and finite";
        check(self.white_16bit > 0, "white_16bit", self.white_16bit, rule)?;
        let holds = self.white_float > 0.0 && self.white_float.is_finite();
        check(holds, "white_float", self.white_float, rule)
    }
}

impl PixelRange {
    /// Describes an image of 16 bits or of floats that does not suit this range: all of it is much darker
    /// than white, or a part brighter, as in files of another camera or program. A float may be twice white.
    pub(crate) fn warning(&self, image: &DynamicImage) -> Option<String> {
        let mut finder = PixelRangeFinder::default();
        finder.add(image);
        if let Some(largest) = finder.largest_16bit {
            let (own, white) = (finder.finish().white_16bit, self.white_16bit);
            let odd = own > white || own <= white / DARK;
            return odd.then(|| format!("16-bit values up to {largest}, where {white} is white"));
        }
        let (largest, white) = (finder.largest_float?, self.white_float);
        let odd = largest > BRIGHT * white || largest <= white / f32::from(DARK);
        odd.then(|| format!("values up to {largest}, where {white} is white"))
    }

    /// An image as 8-bit RGB for people to look at: white is 255, and so is what is brighter.
    pub fn to_rgb8(&self, image: &DynamicImage) -> RgbImage {
        let image = to_rgb(image);
        if let DynamicImage::ImageRgb8(image) = image {
            return image;
        }
        let values = unit(&image, self).into_iter();
        let mut values = values.map(|v| (255.0 * v).round() as u8);
        let mut shown = RgbImage::new(image.width(), image.height());
        for (pixel, value) in shown.iter_mut().zip(&mut values) {
            *pixel = value;
        }
        shown
    }
}

/// Finds the range of a set of images, one after the other.
///
/// - 16 bits: the least 2^k − 1, k from 8 to 16, that no value exceeds. Cameras of 10, 12 or 14 bits
///   write such files.
/// - floats: 1 if no value exceeds it, else the largest value.
#[derive(Clone, Copy, Debug, Default)]
pub struct PixelRangeFinder {
    largest_16bit: Option<u16>,
    largest_float: Option<f32>,
}

impl PixelRangeFinder {
    /// Takes the values of an image into account, without its alpha. Those of an image of 8 bits
    /// change nothing.
    pub fn add(&mut self, image: &DynamicImage) {
        let channels = usize::from(image.color().channel_count());
        let colours = match image.color().has_alpha() {
            true => channels - 1,
            false => channels,
        };
        if let Some(values) = values_16bit(image) {
            let colours = values.chunks_exact(channels).flat_map(|p| &p[..colours]);
            self.largest_16bit = self.largest_16bit.max(colours.max().copied());
        } else if let Some(values) = values_float(image) {
            let colours = values.chunks_exact(channels).flat_map(|p| &p[..colours]);
            let largest = colours.fold(self.largest_float.unwrap_or(0.0), |a, b| a.max(*b));
            self.largest_float = Some(largest);
        }
    }

    /// The range of all images so far; the default for a depth that none of them has.
    pub fn finish(&self) -> PixelRange {
        let white_16bit = match self.largest_16bit {
            Some(largest) => {
                let bits = (u16::BITS - largest.leading_zeros()).max(8);
                u16::MAX >> (u16::BITS - bits)
            }
            None => u16::MAX,
        };
        PixelRange {
            white_16bit,
            white_float: self.largest_float.unwrap_or(1.0).max(1.0),
        }
    }
}

/// The values of an image of 16 bits, pixel by pixel.
pub(super) fn values_16bit(image: &DynamicImage) -> Option<&[u16]> {
    match image {
        DynamicImage::ImageLuma16(image) => Some(image.as_raw()),
        DynamicImage::ImageLumaA16(image) => Some(image.as_raw()),
        DynamicImage::ImageRgb16(image) => Some(image.as_raw()),
        DynamicImage::ImageRgba16(image) => Some(image.as_raw()),
        _ => None,
    }
}

/// The values of a float image, pixel by pixel.
pub(super) fn values_float(image: &DynamicImage) -> Option<&[f32]> {
    match image {
        DynamicImage::ImageRgb32F(image) => Some(image.as_raw()),
        DynamicImage::ImageRgba32F(image) => Some(image.as_raw()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, LumaA, Rgb};

    fn range(images: &[DynamicImage]) -> PixelRange {
        let mut finder = PixelRangeFinder::default();
        images.iter().for_each(|image| finder.add(image));
        finder.finish()
    }

    #[test]
    fn white_is_the_next_power_of_two() {
        let grey = |value: u16| ImageBuffer::from_pixel(3, 2, Luma([value])).into();
        for (value, white) in [
            (0, 255),
            (255, 255),
            (256, 511),
            (3300, 4095),
            (4095, 4095),
            (4096, 8191),
            (65535, 65535),
        ] {
            assert_eq!(range(&[grey(value)]).white_16bit, white, "{value}");
            assert_eq!(range(&[grey(value), grey(0)]).white_16bit, white);
        }
        let alpha = ImageBuffer::from_pixel(3, 2, LumaA([1000_u16, 65535]));
        assert_eq!(range(&[alpha.into()]).white_16bit, 1023);
        let colour = ImageBuffer::from_pixel(1, 1, Rgb([1_u16, 2, 5000]));
        assert_eq!(range(&[colour.into()]).white_16bit, 8191);
        assert_eq!(range(&[]), PixelRange::default());
        assert_eq!(
            range(&[DynamicImage::new_rgb8(2, 2)]),
            PixelRange::default()
        );
    }

    #[test]
    fn white_of_floats_is_one_or_the_largest() {
        let image = |value: f32| ImageBuffer::from_pixel(3, 2, Rgb([0.0, value, 0.1])).into();
        assert_eq!(range(&[image(0.7)]).white_float, 1.0);
        assert_eq!(
            range(&[image(0.7), image(812.5), image(3.0)]).white_float,
            812.5
        );
    }

    #[test]
    fn pictures_of_deep_images_are_scaled_by_white() {
        let image =
            ImageBuffer::from_fn(3, 1, |x, _| Luma([[0_u16, 2048, 8000][x as usize]])).into();
        let range = PixelRange {
            white_16bit: 4095,
            ..PixelRange::default()
        };
        let shown = range.to_rgb8(&image);
        assert_eq!(shown.as_raw(), &[0, 0, 0, 128, 128, 128, 255, 255, 255]);
    }

    #[test]
    fn images_of_another_depth_are_doubted() {
        let grey = |value: u16| DynamicImage::from(ImageBuffer::from_pixel(3, 2, Luma([value])));
        let whole = PixelRange::default();
        let twelve = PixelRange {
            white_16bit: 4095,
            ..whole
        };
        for (range, value, is_odd) in [
            (whole, 60000, false),
            (whole, 4096, false),
            (whole, 4095, true),
            (twelve, 3300, false),
            (twelve, 4096, true),
        ] {
            assert_eq!(range.warning(&grey(value)).is_some(), is_odd, "{value}");
        }
        assert_eq!(whole.warning(&DynamicImage::new_rgb8(2, 2)), None);
        let bytes = PixelRange {
            white_float: 255.0,
            ..whole
        };
        for (range, value, is_odd) in [
            (whole, 0.7, false),
            (whole, 1.9, false),
            (whole, 2.1, true),
            (whole, 0.06, true),
            (bytes, 200.0, false),
            (bytes, 1.0, true),
        ] {
            let image = ImageBuffer::from_pixel(3, 2, Rgb([0.0, value, 0.01_f32])).into();
            assert_eq!(range.warning(&image).is_some(), is_odd, "{value}");
        }
    }

    #[test]
    fn a_white_of_nothing_is_refused() {
        let range = PixelRange::default();
        range.validate().unwrap();
        for white_float in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(
                PixelRange {
                    white_float,
                    ..range
                }
                .validate()
                .is_err()
            );
        }
        let white_16bit = 0;
        assert!(
            PixelRange {
                white_16bit,
                ..range
            }
            .validate()
            .is_err()
        );
    }
}
