//! TIFF files: pages, and the kinds of pixels that the `image` crate does not read.

use std::io::{Cursor, Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, LumaA, Rgb, Rgb32FImage};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{MAX_PIXELS, Reason, check_expansion, reason};
use crate::{ImageSize, ScoreMap};

/// Photometric interpretations of one sample a pixel.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
/// The most memory that the decoder takes for a value of a tag.
const VALUE: usize = 64;

/// Width, height and orientation of a file of one page.
pub fn header<R: Read + Seek>(reader: R) -> Result<((u32, u32), Orientation), Reason> {
    let mut decoder = one_page(reader)?;
    let size = decoder.dimensions().map_err(reason)?;
    let orientation = decoder
        .find_tag_unsigned(Tag::Orientation)
        .map_err(reason)?;
    let orientation = orientation.and_then(Orientation::from_exif);
    Ok((size, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// The pixels, not turned. Palettes become colours; floats of any length become 32-bit RGB.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, Reason> {
    let mut decoder = one_page(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions().map_err(reason)?;
    let number = |decoder: &mut Decoder<_>, tag| {
        let value = decoder.find_tag_unsigned::<u16>(tag).map_err(reason)?;
        Ok::<_, Reason>(value)
    };
    if number(&mut decoder, Tag::PhotometricInterpretation)? == Some(PALETTE) {
        return palette(bytes, decoder);
    }
    let planar = number(&mut decoder, Tag::PlanarConfiguration)? == Some(2);
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat);
    let format = formats
        .map_err(reason)?
        .and_then(|all| all.first().copied());
    let color = decoder.colortype().map_err(reason)?;
    let bits = color.bit_depth();
    let (integers, floats) = (matches!(format, None | Some(1 | 4)), format == Some(3));
    let samples = usize::from(color.num_samples());
    // The decoder does not read two components of JPEG rightly.
    let jpeg = number(&mut decoder, Tag::Compression)? == Some(7);
    match color {
        ColorType::Gray(2 | 4) if integers => {
            let indices = packed(decoder, width, bits)?;
            let white = (1 << bits) - 1;
            let grey = indices.iter().map(|v| (u16::from(*v) * 255 / white) as u8);
            let image = ImageBuffer::from_raw(width, height, grey.collect());
            image.map(DynamicImage::ImageLuma8).ok_or_else(short)
        }
        ColorType::Gray(16 | 32 | 64) | ColorType::RGB(16 | 64) if floats => {
            let values = values_as_f32(read(decoder)?).ok_or_else(short)?;
            let pixels = (width * height) as usize;
            if values.len() != pixels * samples {
                return Err(short());
            }
            let value = |x: u32, y: u32, sample: usize| {
                let pixel = (y * width + x) as usize;
                values[match planar {
                    true => sample * pixels + pixel,
                    false => pixel * samples + sample,
                }]
            };
            Ok(Rgb32FImage::from_fn(width, height, |x, y| {
                Rgb([0, 1, 2].map(|channel| value(x, y, channel.min(samples - 1))))
            })
            .into())
        }
        ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples: 2,
        } if integers && !planar && !jpeg => grey_with_alpha(read(decoder)?, width, height),
        ColorType::Gray(1 | 8 | 16)
        | ColorType::RGB(8 | 16)
        | ColorType::RGBA(8 | 16)
        | ColorType::CMYK(8 | 16)
            if integers =>
        {
            known(bytes)
        }
        ColorType::RGB(32) | ColorType::RGBA(32) if floats => known(bytes),
        other => {
            let kind = match format {
                Some(3) => "floats",
                Some(2) => "signed integers",
                None | Some(1 | 4) => "unsigned integers",
                _ => "values of an unknown format",
            };
            Err(format!(
                "holds {kind} as {other:?}; unsigned integers of up to 16 bits and floats are read, \
                 as grey, RGB or palette"
            ))
        }
    }
}

/// A decoder at the only page. Reduced copies and masks of a page do not count.
fn one_page<R: Read + Seek>(mut reader: R) -> Result<Decoder<R>, Reason> {
    let length = reader.seek(SeekFrom::End(0)).map_err(reason)?;
    reader.seek(SeekFrom::Start(0)).map_err(reason)?;
    // The limit of pixels holds for tags, too: no more values than the file has bytes.
    let limits = limits(length, VALUE.saturating_mul(usize_of(length)));
    let mut decoder = Decoder::new(reader).map_err(reason)?.with_limits(limits);
    let mut pages = 1;
    while decoder.more_images() {
        decoder.next_image().map_err(reason)?;
        let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType);
        pages += usize::from(kind.map_err(reason)?.unwrap_or(0) & 0b101 == 0);
    }
    if pages > 1 {
        return Err(format!("holds {pages} pages; files of one page are read"));
    }
    decoder.seek_to_image(0).map_err(reason)?;
    for [offsets, counts] in [
        [Tag::StripOffsets, Tag::StripByteCounts],
        [Tag::TileOffsets, Tag::TileByteCounts],
    ] {
        let mut list = |tag| {
            let list = decoder.find_tag_unsigned_vec::<u64>(tag).map_err(reason)?;
            Ok::<_, Reason>(list.unwrap_or_default())
        };
        let mut parts = list(offsets)?.into_iter().zip(list(counts)?);
        if parts.any(|(offset, count)| offset.saturating_add(count) > length) {
            return Err("the file is cut off: its pixels go on beyond its end".into());
        }
    }
    Ok(decoder)
}

/// Limits of a decoder of a file of this length.
fn limits(length: u64, buffer: usize) -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = buffer;
    limits.intermediate_buffer_size = usize_of(length);
    limits
}

fn usize_of(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// All values, after a look at how many there are.
fn read<R: Read + Seek>(mut decoder: Decoder<R>) -> Result<DecodingResult, Reason> {
    let layout = decoder.image_buffer_layout().map_err(reason)?;
    let length = decoder.inner().seek(SeekFrom::End(0)).map_err(reason)?;
    check_expansion(layout.complete_len as u64, usize_of(length))?;
    let mut decoder = decoder.with_limits(limits(length, layout.complete_len));
    let mut values = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut values).map_err(reason)?;
    Ok(values)
}

/// The pixels of a kind that the `image` crate reads.
fn known(bytes: &[u8]) -> Result<DynamicImage, Reason> {
    let decoder = TiffDecoder::new(Cursor::new(bytes)).map_err(reason)?;
    check_expansion(image::ImageDecoder::total_bytes(&decoder), bytes.len())?;
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(2 * 16 * MAX_PIXELS);
    let mut decoder = decoder;
    image::ImageDecoder::set_limits(&mut decoder, limits).map_err(reason)?;
    DynamicImage::from_decoder(decoder).map_err(reason)
}

/// Values of 1 to 8 bits, one byte each. Rows begin with a byte of their own.
fn packed<R: Read + Seek>(decoder: Decoder<R>, width: u32, bits: u8) -> Result<Vec<u8>, Reason> {
    let DecodingResult::U8(bytes) = read(decoder)? else {
        return Err(short());
    };
    let (width, bits) = (width as usize, usize::from(bits));
    let mask = u8::MAX >> (8 - bits);
    let rows = bytes.chunks((width * bits).div_ceil(8));
    let row = |row: &[u8]| -> Vec<u8> {
        let bit = |x: usize| (x * bits / 8, 8 - bits - x * bits % 8);
        let value = |x| row.get(bit(x).0).map(|byte| byte >> bit(x).1 & mask);
        (0..width).map_while(value).collect()
    };
    Ok(rows.flat_map(row).collect())
}

/// The colours of a file of indices into a palette.
///
/// The decoder reads no palettes; it reads the indices from a copy that calls them grey.
fn palette(bytes: &[u8], mut decoder: Decoder<Cursor<&[u8]>>) -> Result<DynamicImage, Reason> {
    let (width, height) = decoder.dimensions().map_err(reason)?;
    let bits: Option<Vec<u8>> = decoder
        .find_tag_unsigned_vec(Tag::BitsPerSample)
        .map_err(reason)?;
    let bits = bits.and_then(|bits| bits.first().copied()).unwrap_or(1);
    if !matches!(bits, 1 | 2 | 4 | 8) {
        return Err(format!(
            "holds a palette of {bits} bits; 1, 2, 4 or 8 are read"
        ));
    }
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(reason)?;
    let colours = 1 << bits;
    if map.len() != 3 * colours {
        return Err(format!(
            "its palette has {} values of {}",
            map.len(),
            3 * colours
        ));
    }
    let mut copy = bytes.to_vec();
    call_grey(&mut copy).ok_or("its palette is not readable")?;
    let decoder = one_page(Cursor::new(copy.as_slice()))?;
    let indices = packed(decoder, width, bits)?;
    // Both 257 v and 256 v are written for a colour v of 8 bits.
    let colour = |index: &u8| {
        [0, 1, 2].map(|channel| (map[channel * colours + usize::from(*index)] >> 8) as u8)
    };
    let pixels: Vec<u8> = indices.iter().flat_map(colour).collect();
    let image = ImageBuffer::from_raw(width, height, pixels);
    image.map(DynamicImage::ImageRgb8).ok_or_else(short)
}

/// Changes the photometric interpretation of the first page to grey.
fn call_grey(bytes: &mut [u8]) -> Option<()> {
    let little = bytes.starts_with(b"II");
    let number = |bytes: &[u8]| {
        let value = bytes
            .iter()
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        match little {
            true => value.swap_bytes() >> (64 - 8 * bytes.len()),
            false => value,
        }
    };
    let big = number(bytes.get(2..4)?) == 43;
    let [start, count, entry, offset] = if big { [8, 8, 20, 12] } else { [4, 2, 12, 8] };
    let first = number(bytes.get(start..start + if big { 8 } else { 4 })?) as usize;
    let entries = number(bytes.get(first..first.checked_add(count)?)?) as usize;
    for index in 0..entries {
        let at = first + count + index.checked_mul(entry)?;
        let tag = number(bytes.get(at..at + 2)?);
        if tag == u64::from(Tag::PhotometricInterpretation.to_u16()) {
            let value = bytes.get_mut(at + offset..at + offset + 2)?;
            value.copy_from_slice(&match little {
                true => BLACK_IS_ZERO.to_le_bytes(),
                false => BLACK_IS_ZERO.to_be_bytes(),
            });
            return Some(());
        }
    }
    None
}

fn grey_with_alpha(
    values: DecodingResult,
    width: u32,
    height: u32,
) -> Result<DynamicImage, Reason> {
    match values {
        DecodingResult::U8(values) => {
            ImageBuffer::<LumaA<u8>, _>::from_raw(width, height, values).map(Into::into)
        }
        DecodingResult::U16(values) => {
            ImageBuffer::<LumaA<u16>, _>::from_raw(width, height, values).map(Into::into)
        }
        _ => None,
    }
    .ok_or_else(short)
}

fn values_as_f32(values: DecodingResult) -> Option<Vec<f32>> {
    match values {
        DecodingResult::F16(values) => Some(values.iter().map(|v| v.to_f32()).collect()),
        DecodingResult::F32(values) => Some(values),
        DecodingResult::F64(values) => Some(values.iter().map(|v| *v as f32).collect()),
        _ => None,
    }
}

fn short() -> Reason {
    "has fewer values than pixels, or of another kind than its header says".into()
}

/// Whether a file holds one 16-bit float a pixel.
pub(crate) fn stored_as_f16(bytes: &[u8]) -> Result<bool, Reason> {
    let mut decoder = one_page(Cursor::new(bytes))?;
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat);
    let floats = formats.map_err(reason)?.is_some_and(|all| all == [3]);
    let color = decoder.colortype().map_err(reason)?;
    Ok(floats && color.bit_depth() == 16 && color.num_samples() == 1)
}

/// One plane of floats.
pub(crate) fn read_map(bytes: &[u8]) -> Result<ScoreMap, Reason> {
    let mut decoder = one_page(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions().map_err(reason)?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let limit = MAX_PIXELS / 1_000_000;
        return Err(format!(
            "{width} x {height} values are more than {limit} million"
        ));
    }
    let samples = decoder.colortype().map_err(reason)?.num_samples();
    if samples != 1 {
        return Err(format!("an anomaly map has one plane, this file {samples}"));
    }
    let kind = "an anomaly map holds 32-bit floats (16 and 64 bits are read, too)";
    let values = values_as_f32(read(decoder)?).ok_or(kind)?;
    let broken = values.iter().filter(|value| !value.is_finite()).count();
    match broken {
        0 => {
            let size = ImageSize::new(width as usize, height as usize);
            ScoreMap::new(values, size).map_err(|_| short())
        }
        broken => Err(format!("{broken} of its values are NaN or infinite")),
    }
}
