//! From files to pixels: whole, upright, within the size limit, or not at all.
//!
//! The decoders of the `image` and `tiff` crates do the work. What they let pass is checked here:
//! files that end early, further pages and frames, orientation, values that are not finite.

mod huffman;
mod jpeg;
mod png;
mod tiff;
mod webp;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek, SeekFrom};
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, Limits};

use super::range::values_float;
use crate::ImageSize;
use crate::error::{Error, Result};
use crate::files::{io_error, read};

pub(crate) use tiff::{read_map, stored_as_f16};

/// The most pixels an image may have: 256 megapixels, as 16000 × 16000.
pub const MAX_PIXELS: u64 = 256_000_000;

/// The most bytes of pixels that a byte of a PNG, BMP or TIFF file can stand for; more than their
/// compressions reach, so that a damaged header cannot ask for much memory.
const MAX_EXPANSION: u64 = 1 << 16;
/// The most memory for what a file holds besides pixels, as colour profiles.
const MAX_METADATA: u64 = 64 << 20;
const READABLE: &str = "PNG, JPEG, BMP, TIFF and WebP images are read";

/// The defect of a file, in words.
type Reason = String;

/// Decodes a PNG, JPEG, BMP, TIFF or WebP file, whatever its name says, and turns it upright by its
/// EXIF orientation. Values keep their depth: 8 or 16 bits, or floats.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Format`], naming the file: also if it is cut off or damaged, has more
/// than [`MAX_PIXELS`] pixels or more than one page or frame, or holds negative values or values
/// that are not finite.
pub fn open(path: impl AsRef<Path>) -> Result<DynamicImage> {
    Ok(open_as(path.as_ref())?.0)
}

/// Width and height of an image file, upright, without decoding its pixels.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Format`], naming the file, as far as the header shows that it cannot be
/// [opened](open).
pub fn size(path: impl AsRef<Path>) -> Result<ImageSize> {
    Ok(header(path.as_ref())?.upright())
}

/// How a file stores its pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    format: ImageFormat,
    stored: (u32, u32),
    orientation: Orientation,
    /// Whether the compression changes values.
    pub lossy: bool,
}

impl Header {
    /// Width and height of the upright image.
    pub fn upright(&self) -> ImageSize {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        let (width, height) = match self.orientation {
            Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH => (self.stored.1, self.stored.0),
            _ => self.stored,
        };
        ImageSize::new(width as usize, height as usize)
    }

    /// The EXIF orientation from 2 to 8 by which the image is turned; `None` if it is stored upright.
    pub fn turned(&self) -> Option<u8> {
        (self.orientation != Orientation::NoTransforms).then(|| self.orientation.to_exif())
    }

    fn read<'a, R: BufRead + Seek + 'a>(mut reader: R) -> Result<Self, Reason> {
        let broken = |e: std::io::Error| e.to_string();
        let format = format(reader.fill_buf().map_err(broken)?)?;
        let mut orientation = None;
        match format {
            ImageFormat::Png => orientation = Some(png::check(&mut reader)?),
            ImageFormat::WebP => webp::check(&mut reader)?,
            _ => {}
        }
        let lossy = match format {
            ImageFormat::Jpeg => true,
            ImageFormat::WebP => webp::is_lossy(&mut reader)?,
            _ => false,
        };
        reader.seek(SeekFrom::Start(0)).map_err(broken)?;
        let (stored, orientation) = match format {
            ImageFormat::Tiff => tiff::header(reader)?,
            format => {
                let mut decoder = decoder(format, reader)?;
                let orientation = match orientation {
                    Some(orientation) => orientation,
                    None => decoder.orientation().map_err(reason)?,
                };
                (decoder.dimensions(), orientation)
            }
        };
        let (width, height) = stored;
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let limit = MAX_PIXELS / 1_000_000;
            return Err(format!(
                "{width} x {height} pixels are more than the limit of {limit} megapixels"
            ));
        }
        if width == 0 || height == 0 {
            return Err(format!("{width} x {height} pixels"));
        }
        Ok(Self {
            format,
            stored,
            orientation,
            lossy,
        })
    }
}

/// The header of a file.
pub(super) fn header(path: &Path) -> Result<Header> {
    let file = File::open(path).map_err(io_error(path))?;
    Header::read(BufReader::new(file)).map_err(in_file(path))
}

/// As [`open`], with the header.
pub(super) fn open_as(path: &Path) -> Result<(DynamicImage, Header)> {
    let bytes = read(path)?;
    let header = Header::read(Cursor::new(bytes.as_slice())).map_err(in_file(path))?;
    Ok((decode(&bytes, &header).map_err(in_file(path))?, header))
}

fn decode(bytes: &[u8], header: &Header) -> Result<DynamicImage, Reason> {
    let mut image = match header.format {
        ImageFormat::Tiff => tiff::decode(bytes)?,
        format => {
            if format == ImageFormat::Jpeg {
                jpeg::check(bytes)?;
            }
            let decoder = decoder(format, Cursor::new(bytes))?;
            if !matches!(format, ImageFormat::Jpeg | ImageFormat::WebP) {
                check_expansion(decoder.total_bytes(), bytes.len())?;
            }
            DynamicImage::from_decoder(decoder).map_err(reason)?
        }
    };
    check_values(&image)?;
    image.apply_orientation(header.orientation);
    Ok(image)
}

/// Whether the values can be those of an image: finite, and at least 0.
pub(super) fn check_values(image: &DynamicImage) -> Result<(), Reason> {
    let values = values_float(image).unwrap_or_default();
    let broken = values.iter().filter(|value| !value.is_finite()).count();
    if broken > 0 {
        return Err(format!("{broken} of its values are NaN or infinite"));
    }
    let least = values.iter().copied().fold(0.0, f32::min);
    match least < 0.0 {
        true => Err(format!("its least value is {least}; 0 must be black")),
        false => Ok(()),
    }
}

fn check_expansion(pixels: u64, file: usize) -> Result<(), Reason> {
    match pixels / MAX_EXPANSION > file as u64 {
        true => Err(format!(
            "a file of {file} bytes cannot hold as many pixels as its header says"
        )),
        false => Ok(()),
    }
}

fn format(start: &[u8]) -> Result<ImageFormat, Reason> {
    if start.starts_with(b"II\x2b\0") || start.starts_with(b"MM\0\x2b") {
        return Ok(ImageFormat::Tiff);
    }
    match image::guess_format(start) {
        Ok(
            format @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::Bmp
            | ImageFormat::Tiff
            | ImageFormat::WebP),
        ) => Ok(format),
        Ok(other) => Err(format!("in the format {other:?}; {READABLE}")),
        Err(_) if start.is_empty() => Err("an empty file".into()),
        Err(_) => Err(format!("not an image; {READABLE}")),
    }
}

/// Without limits but for metadata: the size is checked before, and again with the decoder.
fn decoder<'a, R: BufRead + Seek + 'a>(
    format: ImageFormat,
    reader: R,
) -> Result<Box<dyn ImageDecoder + 'a>, Reason> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_METADATA);
    Ok(match format {
        ImageFormat::Png => Box::new(PngDecoder::with_limits(reader, limits).map_err(reason)?),
        ImageFormat::Bmp => Box::new(BmpDecoder::new(reader).map_err(reason)?),
        ImageFormat::WebP => Box::new(WebPDecoder::new(reader).map_err(reason)?),
        _ => Box::new(JpegDecoder::new(reader).map_err(reason)?),
    })
}

fn reason(error: impl std::fmt::Display) -> Reason {
    format!("not readable: {error}")
}

fn in_file(path: &Path) -> impl FnOnce(Reason) -> Error + '_ {
    move |reason| Error::Format {
        path: path.to_path_buf(),
        reason,
    }
}
