//! Image files for tests, byte by byte: what no encoder at hand writes.

#![allow(dead_code)]

pub mod jpeg;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};

/// The file of an image.
pub fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// EXIF data with an orientation.
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

/// A PNG file with one more chunk, after its header or before its end.
pub fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8], at_end: bool) -> Vec<u8> {
    let at = if at_end { png.len() - 12 } else { 33 };
    let mut file = png[..at].to_vec();
    file.extend((data.len() as u32).to_be_bytes());
    let checked = [kind, data].concat();
    file.extend(&checked);
    file.extend(crc32(&checked).to_be_bytes());
    file.extend(&png[at..]);
    file
}

/// The checksum of PNG chunks.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// A lossless WebP file without and with EXIF data.
pub fn webp_with_exif(webp: &[u8], [width, height]: [u32; 2], exif: &[u8]) -> Vec<u8> {
    let mut chunks = b"VP8X".to_vec();
    chunks.extend([10, 0, 0, 0, 0x08, 0, 0, 0]);
    chunks.extend(&(width - 1).to_le_bytes()[..3]);
    chunks.extend(&(height - 1).to_le_bytes()[..3]);
    chunks.extend(&webp[12..]);
    chunks.extend(b"EXIF");
    chunks.extend((exif.len() as u32).to_le_bytes());
    chunks.extend(exif);
    chunks.resize(chunks.len().next_multiple_of(2), 0);
    let mut file = b"RIFF".to_vec();
    file.extend((chunks.len() as u32 + 4).to_le_bytes());
    file.extend(b"WEBP");
    file.extend(chunks);
    file
}

/// A page of a TIFF file, uncompressed, in one strip.
#[derive(Clone)]
pub struct Page {
    pub size: [u16; 2],
    pub bits: u16,
    pub samples: u16,
    /// 1: unsigned integers, 2: signed ones, 3: floats.
    pub format: u16,
    /// 0: white is 0, 1: black is 0, 2: RGB, 3: palette.
    pub photometric: u16,
    pub pixels: Vec<u8>,
    /// Further tags with values of 16 bits.
    pub more: Vec<(u16, Vec<u16>)>,
}

impl Page {
    pub fn new(size: [u16; 2], bits: u16, format: u16, pixels: Vec<u8>) -> Self {
        Self {
            size,
            bits,
            samples: 1,
            format,
            photometric: 1,
            pixels,
            more: Vec::new(),
        }
    }
}

/// A TIFF file of little-endian numbers. Pixels come before the directories.
pub fn tiff(pages: &[Page]) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for page in pages {
        let pixels = file.len() as u32;
        file.extend(&page.pixels);
        file.resize(file.len().next_multiple_of(2), 0);
        let mut entries: Vec<(u16, u16, Vec<u16>)> = vec![
            (256, 3, vec![page.size[0]]),
            (257, 3, vec![page.size[1]]),
            (258, 3, vec![page.bits; page.samples.into()]),
            (259, 3, vec![1]),
            (262, 3, vec![page.photometric]),
            (273, 4, vec![pixels as u16, (pixels >> 16) as u16]),
            (277, 3, vec![page.samples]),
            (278, 3, vec![page.size[1]]),
            (
                279,
                4,
                vec![page.pixels.len() as u16, (page.pixels.len() >> 16) as u16],
            ),
            (339, 3, vec![page.format; page.samples.into()]),
        ];
        let more = page.more.iter().cloned();
        entries.extend(more.map(|(tag, values)| (tag, 3, values)));
        entries.sort();
        let mut directory = (entries.len() as u16).to_le_bytes().to_vec();
        for (tag, kind, values) in entries {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let count = if kind == 4 { 1 } else { values.len() as u32 };
            directory.extend(tag.to_le_bytes());
            directory.extend(kind.to_le_bytes());
            directory.extend(count.to_le_bytes());
            if bytes.len() <= 4 {
                directory.extend(&bytes);
                directory.resize(directory.len() + 4 - bytes.len(), 0);
            } else {
                directory.extend((file.len() as u32).to_le_bytes());
                file.extend(bytes);
            }
        }
        let at = file.len() as u32;
        file[link..link + 4].copy_from_slice(&at.to_le_bytes());
        file.extend(directory);
        link = file.len();
        file.extend([0; 4]);
    }
    file
}
