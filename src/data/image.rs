//! Decoding, resizing and normalising.
//!
//! Every image becomes 8-bit RGB: greyscale is replicated, 16 bits are scaled to 8, alpha is
//! dropped. Resizing is antialiased bilinear (a triangle filter of the size of the reduction, half
//! pixel centres), Pillow's `BILINEAR`.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images};
use image::{DynamicImage, ImageError, ImageReader, RgbImage};

use crate::error::{Error, Result};
use crate::files::io_error;

/// Mean of ImageNet per channel, for values in [0, 1].
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of ImageNet per channel.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Decodes a PNG, JPEG, BMP or TIFF file, whatever its name says.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Format`], naming the file.
pub fn open(path: impl AsRef<Path>) -> Result<DynamicImage> {
    let path = path.as_ref();
    reader(path)?.decode().map_err(|e| unreadable(path, e))
}

/// Width and height of an image file, without decoding its pixels.
///
/// # Errors
///
/// As [`open`].
pub fn size(path: impl AsRef<Path>) -> Result<(u32, u32)> {
    let path = path.as_ref();
    reader(path)?
        .into_dimensions()
        .map_err(|e| unreadable(path, e))
}

fn reader(path: &Path) -> Result<ImageReader<BufReader<File>>> {
    let reader = ImageReader::open(path).map_err(io_error(path))?;
    reader.with_guessed_format().map_err(io_error(path))
}

fn unreadable(path: &Path, error: ImageError) -> Error {
    Error::Format {
        path: path.to_path_buf(),
        reason: format!("not a readable PNG, JPEG, BMP or TIFF image: {error}"),
    }
}

/// Resizes to height × width, antialiased bilinear. An image of that size is returned as it is.
///
/// # Errors
///
/// [`Error::Setting`] if a side of the image or of the target is 0.
pub fn resize(image: &RgbImage, [height, width]: [usize; 2]) -> Result<RgbImage> {
    let size = (width as u32, height as u32);
    if image.dimensions() == size {
        return Ok(image.clone());
    }
    let (w, h) = image.dimensions();
    let failed = |e: &dyn std::fmt::Display| Error::Setting {
        name: "image size",
        value: format!("{w} x {h} to {width} x {height} ({e})"),
        rule: "at least 1 x 1",
    };
    let source = images::Image::from_vec_u8(w, h, image.as_raw().clone(), PixelType::U8x3)
        .map_err(|e| failed(&e))?;
    let mut target = images::Image::new(size.0, size.1, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|e| failed(&e))?;
    RgbImage::from_raw(size.0, size.1, target.into_vec()).ok_or_else(|| failed(&"empty"))
}

/// Values in [0, 1], row by row, three a pixel.
pub fn unit(image: &RgbImage) -> Vec<f32> {
    image
        .as_raw()
        .iter()
        .map(|v| f32::from(*v) / 255.0)
        .collect()
}

/// The input of the networks.
///
/// # Shapes
///
/// - pixels: height × width × 3 values in [0, 1], see [`unit()`]
/// - output: `[1, 3, height, width]`, ImageNet-normalised
pub fn to_tensor<B: Backend>(
    pixels: &[f32],
    [height, width]: [usize; 2],
    device: &B::Device,
) -> Tensor<B, 4> {
    let mut planes = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        let (mean, std) = (IMAGENET_MEAN[channel], IMAGENET_STD[channel]);
        let values = pixels.iter().skip(channel).step_by(3);
        planes.extend(values.map(|v| (v - mean) / std));
    }
    Tensor::from_data(TensorData::new(planes, [1, 3, height, width]), device)
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
            let rgb = open(&path).unwrap().to_rgb8();
            assert_eq!(rgb.as_raw(), &[200; 6]);
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
        let image = RgbImage::from_fn(7, 5, |x, y| {
            let v = ((x * 37 + y * 91 + x * y * 13) % 256) as u8;
            image::Rgb([v, 255 - v, v / 2])
        });
        let small = resize(&image, [2, 3]).unwrap();
        let expected: [u8; 18] = PILLOW;
        for (ours, pillow) in small.as_raw().iter().zip(expected) {
            assert!(ours.abs_diff(pillow) <= 1, "{:?}", small.as_raw());
        }
    }

    const PILLOW: [u8; 18] = [
        110, 145, 54, 141, 114, 70, 141, 114, 70, 122, 133, 61, 145, 110, 72, 137, 118, 68,
    ];
}
