//! What happens to images between one day and the next: light, focus, position, compression.

use std::fmt;

use hypad::image::codecs::jpeg::JpegEncoder;
use hypad::image::{Rgb, RgbImage, imageops, load_from_memory};
use hypad::{Error, ImageSize, Result};

/// A change of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// None.
    Plain,
    /// All values by this factor.
    Brightness(f32),
    /// The difference of all values from the image's mean by this factor.
    Contrast(f32),
    /// A Gaussian of this standard deviation in pixels.
    Blur(f32),
    /// By so many pixels to the right and down; the edge is repeated.
    Shift(u32),
    /// Compression with this quality.
    Jpeg(u8),
}

impl Change {
    /// Those of the table.
    pub const ALL: [Change; 10] = [
        Change::Plain,
        Change::Brightness(0.8),
        Change::Brightness(0.9),
        Change::Brightness(1.1),
        Change::Brightness(1.2),
        Change::Contrast(0.8),
        Change::Contrast(1.2),
        Change::Blur(1.0),
        Change::Shift(1),
        Change::Jpeg(75),
    ];

    /// The changed image.
    pub fn of_image(self, image: &RgbImage) -> Result<RgbImage> {
        Ok(match self {
            Change::Plain => image.clone(),
            Change::Brightness(factor) => scaled(image, factor, 0.0),
            Change::Contrast(factor) => scaled(image, factor, mean(image)),
            Change::Blur(deviation) => imageops::blur(image, deviation),
            Change::Shift(by) => RgbImage::from_fn(image.width(), image.height(), |x, y| {
                *image.get_pixel(x.saturating_sub(by), y.saturating_sub(by))
            }),
            Change::Jpeg(quality) => through_jpeg(image, quality)?,
        })
    }

    /// The ground truth of the changed image.
    pub fn of_truth(self, truth: &[bool], size: ImageSize) -> Vec<bool> {
        let Change::Shift(by) = self else {
            return truth.to_vec();
        };
        let by = by as usize;
        let source = |index: usize| {
            let (x, y) = (index % size.width, index / size.width);
            truth[y.saturating_sub(by) * size.width + x.saturating_sub(by)]
        };
        (0..truth.len()).map(source).collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Change::Plain => write!(f, "none"),
            Change::Brightness(factor) => write!(f, "brightness x {factor}"),
            Change::Contrast(factor) => write!(f, "contrast x {factor}"),
            Change::Blur(deviation) => write!(f, "blur, {deviation} px"),
            Change::Shift(by) => write!(f, "shift, {by} px"),
            Change::Jpeg(quality) => write!(f, "JPEG, quality {quality}"),
        }
    }
}

fn mean(image: &RgbImage) -> f32 {
    let sum: u64 = image.as_raw().iter().map(|v| u64::from(*v)).sum();
    (sum as f64 / image.as_raw().len() as f64) as f32
}

/// The difference of all values from `centre` by a factor, rounded, within 0 to 255.
fn scaled(image: &RgbImage, factor: f32, centre: f32) -> RgbImage {
    let mut changed = image.clone();
    for Rgb(values) in changed.pixels_mut() {
        *values = values.map(|v| {
            let value = centre + factor * (f32::from(v) - centre);
            value.round().clamp(0.0, 255.0) as u8
        });
    }
    changed
}

fn through_jpeg(image: &RgbImage, quality: u8) -> Result<RgbImage> {
    let problem = |error: hypad::image::ImageError| Error::Format {
        path: "JPEG in memory".into(),
        reason: error.to_string(),
    };
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    image.write_with_encoder(encoder).map_err(problem)?;
    Ok(load_from_memory(&bytes).map_err(problem)?.to_rgb8())
}
