//! The chunks of a WebP file.

use std::io::{Read, Seek, SeekFrom};

use super::Reason;

const HEADER: u64 = 12;

/// The types of the chunks.
fn chunks<R: Read + Seek>(reader: &mut R) -> Result<Vec<[u8; 4]>, Reason> {
    let cut = || "the file is cut off".to_string();
    let length = reader.seek(SeekFrom::End(0)).map_err(|_| cut())?;
    reader.seek(SeekFrom::Start(4)).map_err(|_| cut())?;
    let number = |reader: &mut R| {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(|_| cut())?;
        Ok::<_, Reason>(bytes)
    };
    let end = 8 + u64::from(u32::from_le_bytes(number(reader)?));
    if end > length {
        return Err(cut());
    }
    let mut chunks = Vec::new();
    let mut at = HEADER;
    while at + 8 <= end {
        reader.seek(SeekFrom::Start(at)).map_err(|_| cut())?;
        let kind = number(reader)?;
        let size = u64::from(u32::from_le_bytes(number(reader)?));
        let data_end = at + 8 + size;
        if data_end > end {
            return Err(format!("chunk {} is cut off", kind.escape_ascii()));
        }
        chunks.push(kind);
        at = data_end + size % 2;
    }
    Ok(chunks)
}

/// Checks that the file is whole and no animation.
pub fn check<R: Read + Seek>(reader: &mut R) -> Result<(), Reason> {
    let chunks = chunks(reader)?;
    let frames = chunks.iter().filter(|chunk| *chunk == b"ANMF").count();
    match frames {
        0 => Ok(()),
        frames => Err(format!("an animation of {frames} frames")),
    }
}

/// Whether the pixels are compressed with loss.
pub fn is_lossy<R: Read + Seek>(reader: &mut R) -> Result<bool, Reason> {
    Ok(chunks(reader)?.iter().any(|chunk| chunk == b"VP8 "))
}
