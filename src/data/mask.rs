//! Which pixels of a ground-truth mask are anomalous.
//!
//! | mask | anomalous |
//! |---|---|
//! | few exact levels: 0 and 255, numbers of classes, saturations (MVTec LOCO) | not 0 |
//! | soft: JPEG or lossy WebP, or edges smoothed by a resize or by antialiasing | from half of the largest value on |
//! | a shape in the alpha channel, colours constant | by alpha |
//!
//! The value of a colour pixel is the largest of its channels.

use std::path::Path;

use image::DynamicImage;

use super::decode::open_as;
use crate::ImageSize;
use crate::error::{Error, Result};

/// Largest values below this one are numbers of classes, not grey levels.
const GREY_LEVELS: f32 = 64.0;
/// The part of the ambiguous values of a mask that lie on slopes, from which on it is soft.
const SOFT_PART: f64 = 0.5;

/// A mask.
#[derive(Debug)]
pub struct Mask {
    /// Width and height, upright.
    pub size: ImageSize,
    /// Row by row, whether the pixel is anomalous.
    pub truth: Vec<bool>,
    /// Whether levels between normal and anomalous had to be decided by half of the largest value.
    pub soft: bool,
    /// The EXIF orientation from 2 to 8 by which it was turned.
    pub turned: Option<u8>,
}

impl Mask {
    /// Reads a mask, upright.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Format`] naming the file, the latter also for a mask that has no
    /// certain meaning.
    pub fn open(path: &Path) -> Result<Self> {
        let (image, header) = open_as(path)?;
        let (truth, soft) = decide(&image, header.lossy).map_err(|reason| Error::Format {
            path: path.to_path_buf(),
            reason: reason.into(),
        })?;
        Ok(Self {
            size: header.upright(),
            truth,
            soft,
            turned: header.turned(),
        })
    }
}

/// The anomalous pixels, and whether the mask is soft.
fn decide(image: &DynamicImage, lossy: bool) -> Result<(Vec<bool>, bool), &'static str> {
    let width = image.width() as usize;
    let (colours, alpha) = planes(image);
    let Some(alpha) = alpha.filter(|alpha| !constant(alpha) || alpha[0] == 0.0) else {
        return decide_plane(&colours, width, lossy);
    };
    if constant(&colours) && constant(&alpha) {
        return Ok((vec![false; colours.len()], false));
    }
    if constant(&alpha) {
        return Err("the mask is transparent all over, but has a shape in its colours");
    }
    let by_alpha = decide_plane(&alpha, width, lossy)?;
    if constant(&colours) {
        return Ok(by_alpha);
    }
    let by_colour = decide_plane(&colours, width, lossy)?;
    match by_colour.0 == by_alpha.0 || by_colour.0.iter().all(|anomalous| *anomalous) {
        true => Ok(by_alpha),
        false => Err("the mask has one shape in its colours and another one in its alpha channel"),
    }
}

fn constant(plane: &[f32]) -> bool {
    plane.iter().all(|value| *value == plane[0])
}

/// The largest of the colours of each pixel, and alpha, as they are in the file.
fn planes(image: &DynamicImage) -> (Vec<f32>, Option<Vec<f32>>) {
    fn split<T: Copy + Into<f32>>(
        values: &[T],
        image: &DynamicImage,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let channels = usize::from(image.color().channel_count());
        let has_alpha = image.color().has_alpha();
        let colours = channels - usize::from(has_alpha);
        let pixels = values.chunks_exact(channels);
        let largest = |pixel: &[T]| {
            let values = pixel[..colours].iter().map(|value| (*value).into());
            values.fold(0.0, f32::max)
        };
        let alpha = |pixel: &[T]| pixel[colours].into();
        let alpha = has_alpha.then(|| pixels.clone().map(alpha).collect());
        (pixels.map(largest).collect(), alpha)
    }
    use super::range::{values_16bit, values_float};
    match (values_16bit(image), values_float(image)) {
        (Some(values), _) => split(values, image),
        (_, Some(values)) => split(values, image),
        _ => split(image.as_bytes(), image),
    }
}

/// The anomalous pixels of one plane, and whether it is soft.
fn decide_plane(
    plane: &[f32],
    width: usize,
    lossy: bool,
) -> Result<(Vec<bool>, bool), &'static str> {
    let largest = plane.iter().copied().fold(0.0, f32::max);
    let from_half = |value: f32| 2.0 * value >= largest;
    let ambiguous = |value: f32| value > 0.0 && !from_half(value);
    let classes = largest < GREY_LEVELS && plane.iter().all(|value| value.fract() == 0.0);
    let soft = if lossy {
        if classes && largest > 0.0 {
            return Err(
                "the mask has small values in a format that does not keep them exactly (JPEG, WebP)",
            );
        }
        plane.iter().any(|value| *value > 0.0 && *value < largest)
    } else {
        !classes && {
            let unsure = || (0..plane.len()).filter(|at| ambiguous(plane[*at]));
            let slopes = unsure().filter(|at| on_slope(plane, width, *at)).count();
            slopes > 0 && slopes as f64 >= SOFT_PART * unsure().count() as f64
        }
    };
    let anomalous = |value: &f32| match soft {
        true => *value > 0.0 && from_half(*value),
        false => *value != 0.0,
    };
    Ok((plane.iter().map(anomalous).collect(), soft))
}

/// Whether the pixels around one rise from lower to higher values, as across a smoothed edge. Within a
/// region of one class they do not.
fn on_slope(plane: &[f32], width: usize, at: usize) -> bool {
    let height = plane.len() / width;
    let (row, column) = (at / width, at % width);
    let near = |distance: usize| {
        let rows = row.saturating_sub(distance)..(row + distance + 1).min(height);
        rows.flat_map(move |y| {
            let columns = column.saturating_sub(distance)..(column + distance + 1).min(width);
            columns.map(move |x| plane[y * width + x])
        })
    };
    let value = plane[at];
    let alone = near(1).filter(|other| *other == value).count() == 1;
    let distance = if alone { 2 } else { 1 };
    near(1).any(|other| other < value) && near(distance).any(|other| other > value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::imageops::{FilterType, resize};
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

    /// A disc of radius 12 in 64 × 64 pixels, with this value.
    fn disc(value: u8) -> GrayImage {
        GrayImage::from_fn(64, 64, |x, y| {
            let (dx, dy) = (x as i32 - 30, y as i32 - 33);
            Luma([if dx * dx + dy * dy < 144 { value } else { 0 }])
        })
    }

    fn count(image: impl Into<DynamicImage>, lossy: bool) -> Result<(usize, bool), &'static str> {
        let (truth, soft) = decide(&image.into(), lossy)?;
        Ok((truth.iter().filter(|anomalous| **anomalous).count(), soft))
    }

    #[test]
    fn exact_levels_count_from_one_on() {
        let area = count(disc(255), false).unwrap().0;
        for value in [1, 2, 20, 63, 64, 200, 255] {
            assert_eq!(count(disc(value), false).unwrap(), (area, false), "{value}");
        }
        assert_eq!(count(disc(0), false).unwrap(), (0, false));
        assert_eq!(count(disc(0), true).unwrap(), (0, false));
        // Classes side by side, of large and of small numbers; thin ones too.
        for levels in [
            [1, 2, 3, 20],
            [50, 100, 200, 255],
            [1, 60, 130, 255],
            [255, 254, 253, 1],
        ] {
            let classes = GrayImage::from_fn(64, 64, |x, y| match (x / 16, y) {
                (_, 0..8 | 56..64) => Luma([0]),
                (i, _) if x % 16 < 9 || y == 30 => Luma([levels[i as usize]]),
                _ => Luma([0]),
            });
            let expected = classes.pixels().filter(|p| p.0[0] != 0).count();
            assert_eq!(
                count(classes, false).unwrap(),
                (expected, false),
                "{levels:?}"
            );
        }
        let thin = GrayImage::from_fn(64, 64, |x, y| match (x, y) {
            (20, 5..50) => Luma([70]),
            (_, 20) if x < 60 => Luma([90]),
            (40..50, 40..50) => Luma([255]),
            _ => Luma([0]),
        });
        let expected = thin.pixels().filter(|p| p.0[0] != 0).count();
        assert_eq!(count(thin, false).unwrap(), (expected, false));
        let deep = ImageBuffer::from_fn(64, 64, |x, _| Luma([if x < 10 { 1_u16 } else { 0 }]));
        assert_eq!(count(deep, false).unwrap(), (640, false));
    }

    #[test]
    fn smoothed_edges_are_cut_at_half() {
        let large = resize(&disc(255), 128, 128, FilterType::Nearest);
        let area = count(disc(255), false).unwrap().0;
        for filter in [
            FilterType::Triangle,
            FilterType::CatmullRom,
            FilterType::Gaussian,
        ] {
            let (found, soft) = count(resize(&large, 64, 64, filter), false).unwrap();
            assert!(
                soft && found.abs_diff(area) <= 8,
                "{filter:?}: {found} of {area}"
            );
            let (found, soft) = count(resize(&disc(255), 200, 170, filter), false).unwrap();
            let expected = area * 200 * 170 / 4096;
            assert!(
                soft && found.abs_diff(expected) <= 60,
                "{found} of {expected}"
            );
        }
        let blurred = image::imageops::blur(&disc(255), 2.5);
        let (found, soft) = count(blurred, false).unwrap();
        assert!(soft && found.abs_diff(area) <= 25, "{found} of {area}");
        let deep = resize(&large, 64, 64, FilterType::Triangle);
        let deep = DynamicImage::ImageLuma8(deep).to_luma16();
        assert!(count(deep, false).unwrap().1);
    }

    #[test]
    fn lossy_masks_are_cut_at_half_or_refused() {
        let ringing = GrayImage::from_fn(64, 64, |x, y| {
            let noise = ((x * 7 + y * 13) % 11) as u8;
            let inside = disc(255).get_pixel(x, y).0[0] > 0;
            Luma([if inside { 245 + noise.min(10) } else { noise }])
        });
        let area = count(disc(255), false).unwrap().0;
        assert_eq!(count(ringing, true).unwrap(), (area, true));
        assert!(count(disc(1), true).is_err());
        assert!(count(disc(20), true).is_err());
    }

    #[test]
    fn alpha_and_colours() {
        let area = count(disc(255), false).unwrap().0;
        let with = |colour: fn(bool) -> u8, alpha: fn(bool) -> u8| {
            ImageBuffer::from_fn(64, 64, |x, y| {
                let inside = disc(255).get_pixel(x, y).0[0] > 0;
                let colour = colour(inside);
                Rgba([colour, colour, colour, alpha(inside)])
            })
        };
        let shape = |inside| 255 * u8::from(inside);
        assert_eq!(count(with(|_| 0, shape), false).unwrap().0, area);
        assert_eq!(count(with(|_| 255, shape), false).unwrap().0, area);
        assert_eq!(count(with(shape, shape), false).unwrap().0, area);
        assert_eq!(count(with(shape, |_| 255), false).unwrap().0, area);
        assert_eq!(count(with(shape, |_| 128), false).unwrap().0, area);
        assert_eq!(
            count(with(|inside| if inside { 200 } else { 255 }, shape), false)
                .unwrap()
                .0,
            area
        );
        assert_eq!(count(with(|_| 0, |_| 0), false).unwrap().0, 0);
        assert!(count(with(shape, |_| 0), false).is_err());
        assert!(count(with(shape, |inside| 255 * u8::from(!inside)), false).is_err());
        let grey = ImageBuffer::from_fn(64, 64, |x, y| LumaA([0, disc(255).get_pixel(x, y).0[0]]));
        assert_eq!(count(grey, false).unwrap().0, area);
        for channel in 0..3 {
            let image = RgbImage::from_fn(64, 64, |x, y| {
                let mut pixel = [0; 3];
                pixel[channel] = disc(1).get_pixel(x, y).0[0];
                Rgb(pixel)
            });
            assert_eq!(count(image, false).unwrap().0, area);
        }
    }
}
