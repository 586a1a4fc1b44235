//! Decoding, resizing and normalising.
//!
//! Images keep the depth of their file, 8 or 16 bits or floats, up to the networks' input; greyscale
//! is replicated, alpha is dropped. Resizing is antialiased bilinear (a triangle filter of the size
//! of the reduction, half pixel centres), Pillow's `BILINEAR`.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::DynamicImage;

use super::decode::check_values;
pub use super::decode::{MAX_PIXELS, open, size};
pub use super::range::{PixelRange, PixelRangeFinder};

use crate::ImageSize;
use crate::error::{Error, Result};

/// Mean of ImageNet per channel, for values in [0, 1].
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of ImageNet per channel.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The image as RGB of its own depth: `ImageRgb8` for 8 bits a value, `ImageRgb16` for 16 bits,
/// `ImageRgb32F` for floats. Greyscale is replicated, alpha is dropped.
pub fn to_rgb(image: &DynamicImage) -> DynamicImage {
    use image::ColorType::{L16, La16, Rgb16, Rgb32F, Rgba16, Rgba32F};
    match image.color() {
        L16 | La16 | Rgb16 | Rgba16 => image.to_rgb16().into(),
        Rgb32F | Rgba32F => image.to_rgb32f().into(),
        _ => image.to_rgb8().into(),
    }
}

/// Resizes the image as RGB of the same depth (see [`to_rgb`]), antialiased bilinear. An
/// image of that size keeps its values.
///
/// # Errors
///
/// [`Error::Setting`] if a side of the image or of the target is 0, or the target has more than
/// [`MAX_PIXELS`] pixels.
pub fn resize(image: &DynamicImage, size: ImageSize) -> Result<DynamicImage> {
    let from = (image.width(), image.height());
    let failed = |e: &dyn Display| Error::Setting {
        name: "image size",
        value: format!("{} x {} to {size} ({e})", from.0, from.1),
        rule: "at least 1 x 1, and no more than 256 megapixels",
    };
    let sides = [size.width, size.height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let pixels = u64::from(sides[0]) * u64::from(sides[1]);
    if pixels > MAX_PIXELS {
        return Err(failed(&"too large"));
    }
    let to = (sides[0], sides[1]);
    let image = match image {
        DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgb32F(_) => {
            Cow::Borrowed(image)
        }
        _ => Cow::Owned(to_rgb(image)),
    };
    if from == to {
        return Ok(image.into_owned());
    }
    let mut target = DynamicImage::new(to.0, to.1, image.color());
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    match pixels > 0 && from.0 > 0 && from.1 > 0 {
        true => Resizer::new()
            .resize(image.as_ref(), &mut target, &options)
            .map_err(|e| failed(&e))?,
        false => return Err(failed(&"empty")),
    }
    Ok(target)
}

/// Whether all values of an image are finite and at least 0, as those of files are.
pub(crate) fn check_image(image: &DynamicImage) -> Result<()> {
    check_values(image).map_err(|reason| Error::Setting {
        name: "image",
        value: reason,
        rule: "of finite values of at least 0",
    })
}

/// The values of the image as RGB (see [`to_rgb`]), row by row, three a pixel: in \[0, 1\] for
/// images of 8 bits, and for others where no value exceeds the white of `range`.
pub fn unit(image: &DynamicImage, range: &PixelRange) -> Vec<f32> {
    match image {
        DynamicImage::ImageRgb8(image) => {
            let values = image.as_raw().iter();
            values.map(|v| f32::from(*v) / 255.0).collect()
        }
        DynamicImage::ImageRgb16(image) => {
            let white = f32::from(range.white_16bit);
            let values = image.as_raw().iter();
            values.map(|v| f32::from(*v) / white).collect()
        }
        DynamicImage::ImageRgb32F(image) => {
            let values = image.as_raw().iter();
            values.map(|v| v / range.white_float).collect()
        }
        other => unit(&to_rgb(other), range),
    }
}

/// Decodes files on a thread of its own, two ahead of the one that is asked for. It ends when the iterator is
/// dropped.
pub(crate) fn decode_ahead(
    paths: Vec<PathBuf>,
) -> impl Iterator<Item = (PathBuf, Result<DynamicImage>)> {
    // Besides one that is ready and one that is being decoded.
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        for path in paths {
            let image = open(&path);
            if sender.send((path, image)).is_err() {
                return;
            }
        }
    });
    receiver.into_iter()
}

/// The input of the networks.
///
/// # Shapes
///
/// - pixels: height × width × 3 values in [0, 1], see [`unit()`]
/// - output: `[1, 3, height, width]`, ImageNet-normalised
pub fn to_tensor<B: Backend>(pixels: &[f32], size: ImageSize, device: &B::Device) -> Tensor<B, 4> {
    let mut planes = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        let (mean, std) = (IMAGENET_MEAN[channel], IMAGENET_STD[channel]);
        let values = pixels.iter().skip(channel).step_by(3);
        planes.extend(values.map(|v| (v - mean) / std));
    }
    let shape = [1, 3, size.height, size.width];
    Tensor::from_data(TensorData::new(planes, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_16_bit_and_alpha_become_rgb() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        let images = [
            DynamicImage::ImageLuma8(image::ImageBuffer::from_pixel(2, 1, image::Luma([200]))),
            DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(2, 1, image::Luma([51400]))),
            DynamicImage::ImageRgba8(image::ImageBuffer::from_pixel(
                2,
                1,
                image::Rgba([200, 200, 200, 7]),
            )),
        ];
        for image in images {
            image.save(&path).unwrap();
            let values = unit(&open(&path).unwrap(), &PixelRange::default());
            assert_eq!(values, [200.0 / 255.0; 6]);
        }
    }

    #[test]
    fn a_text_file_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note.png");
        std::fs::write(&path, "not an image").unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains("note.png"), "{message}");
    }

    /// Pillow 12: `Image.fromarray(ramp).resize((3, 2), Image.BILINEAR)`.
    #[test]
    fn resizes_as_pillow_does() {
        let image = image::RgbImage::from_fn(7, 5, |x, y| {
            let v = ((x * 37 + y * 91 + x * y * 13) % 256) as u8;
            image::Rgb([v, 255 - v, v / 2])
        });
        let small = resize(&image.into(), ImageSize::new(3, 2)).unwrap();
        let small = small.as_rgb8().unwrap();
        let expected: [u8; 18] = PILLOW;
        for (ours, pillow) in small.as_raw().iter().zip(expected) {
            assert!(ours.abs_diff(pillow) <= 1, "{:?}", small.as_raw());
        }
    }

    const PILLOW: [u8; 18] = [
        110, 145, 54, 141, 114, 70, 141, 114, 70, 122, 133, 61, 145, 110, 72, 137, 118, 68,
    ];
}
