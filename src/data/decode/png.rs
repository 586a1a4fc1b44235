//! The chunks of a PNG file.

use std::io::{Read, Seek, SeekFrom};

use image::metadata::Orientation;

use super::Reason;

const SIGNATURE: u64 = 8;
/// The most bytes of EXIF data; JPEG files cannot hold more.
const MAX_EXIF: u32 = 1 << 16;

/// Checks that the file goes on to its end chunk and is no animation; finds the orientation, which
/// may come before or after the pixels.
pub fn check<R: Read + Seek>(mut reader: R) -> Result<Orientation, Reason> {
    let cut = |_| "the file is cut off: it has no end chunk".to_string();
    let length = reader.seek(SeekFrom::End(0)).map_err(cut)?;
    let mut at = reader.seek(SeekFrom::Start(SIGNATURE)).map_err(cut)?;
    let mut orientation = None;
    loop {
        let mut head = [0; 8];
        reader.read_exact(&mut head).map_err(cut)?;
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        // Size, type and checksum.
        let next = at + u64::from(size) + 12;
        if next > length {
            return Err("the file is cut off: it has no end chunk".into());
        }
        match &head[4..] {
            b"IEND" => return Ok(orientation.unwrap_or(Orientation::NoTransforms)),
            b"acTL" => {
                let mut frames = [0; 4];
                reader.read_exact(&mut frames).map_err(cut)?;
                let frames = u32::from_be_bytes(frames);
                if frames > 1 {
                    return Err(format!("an animation of {frames} frames"));
                }
            }
            b"eXIf" if size <= MAX_EXIF => {
                let mut exif = vec![0; size as usize];
                reader.read_exact(&mut exif).map_err(cut)?;
                orientation = orientation.or(Orientation::from_exif_chunk(&exif));
            }
            _ => {}
        }
        at = reader.seek(SeekFrom::Start(next)).map_err(cut)?;
    }
}
