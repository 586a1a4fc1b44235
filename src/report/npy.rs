//! Score maps as NumPy's `.npy` files.

use half::f16;

use crate::data::image::MAX_PIXELS;
use crate::{ImageSize, ScoreMap};

/// How a file begins.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array of floats of 16, 32 or 64 bits with the axes (height, width); further axes before them have
/// a length of 1.
///
/// # Errors
///
/// The defect in words: another type or shape, a file that is cut short, values that are NaN or infinite.
pub fn parse(bytes: &[u8]) -> Result<ScoreMap, String> {
    let (header, data) = split(bytes).ok_or("a NumPy file that is cut short")?;
    let field = |name: &str| {
        let unreadable = || format!("its header has no {name}: {header}");
        let after = header
            .split_once(&format!("'{name}':"))
            .ok_or_else(unreadable)?;
        Ok::<_, String>(after.1.trim_start())
    };
    let kind = field("descr")?.split('\'').nth(1).unwrap_or_default();
    let fortran = field("fortran_order")?.starts_with("True");
    let size = size(field("shape")?)?;
    let values = values(kind, data, size.area())?;
    let values = match fortran {
        false => values,
        true => {
            let at = |index: usize| values[index % size.width * size.height + index / size.width];
            (0..size.area()).map(at).collect()
        }
    };
    match values.iter().filter(|value| !value.is_finite()).count() {
        0 => ScoreMap::new(values, size).map_err(|error| error.to_string()),
        broken => Err(format!("{broken} of its values are NaN or infinite")),
    }
}

/// The header, a literal of a Python dictionary, and what comes after it.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let after = bytes.strip_prefix(MAGIC)?;
    // Version 1 has two bytes of length, later ones four.
    let (length, rest) = match after.first()? {
        1 => {
            let (length, rest) = after.get(2..)?.split_first_chunk::<2>()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        _ => {
            let (length, rest) = after.get(2..)?.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
        }
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// The size of a map, of a shape such as `(1, 256, 256), …`.
fn size(text: &str) -> Result<ImageSize, String> {
    let inside = text.strip_prefix('(').and_then(|text| text.split_once(')'));
    let (shape, _) = inside.ok_or("its shape cannot be read")?;
    let sides = shape
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty());
    let sides: Result<Vec<u64>, _> = sides.map(str::parse).collect();
    let wrong = || format!("an array of shape ({shape}); a map has (height, width)");
    let sides = sides.map_err(|_| wrong())?;
    let [ones @ .., height, width] = &sides[..] else {
        return Err(wrong());
    };
    if ones.iter().any(|side| *side != 1) {
        return Err(wrong());
    }
    match width.checked_mul(*height) {
        Some(pixels) if (1..=MAX_PIXELS).contains(&pixels) => {
            Ok(ImageSize::new(*width as usize, *height as usize))
        }
        _ => Err(format!(
            "{width} x {height} values; a map has from 1 to {MAX_PIXELS}"
        )),
    }
}

/// So many values of a type such as `<f4`.
fn values(kind: &str, data: &[u8], count: usize) -> Result<Vec<f32>, String> {
    let big = kind.starts_with('>');
    let bytes = match kind.trim_start_matches(['<', '>', '=', '|']) {
        "f2" => 2,
        "f4" => 4,
        "f8" => 8,
        _ => {
            return Err(format!(
                "values of type {kind}; a map has floats of 16, 32 or 64 bits"
            ));
        }
    };
    if data.len() != bytes * count {
        return Err(format!(
            "{count} values of type {kind} in {} bytes",
            data.len()
        ));
    }
    let value = |value: &[u8]| {
        let mut little = [0; 8];
        little[..bytes].copy_from_slice(value);
        if big {
            little[..bytes].reverse();
        }
        let [a, b, c, d, ..] = little;
        match bytes {
            2 => f16::from_le_bytes([a, b]).to_f32(),
            4 => f32::from_le_bytes([a, b, c, d]),
            _ => f64::from_le_bytes(little) as f32,
        }
    };
    Ok(data.chunks_exact(bytes).map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this description and these bytes.
    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_of_every_float_are_read() {
        let values = [0.5_f32, 1.0, 2.0, -1.0, 0.25, 4.0];
        let size = ImageSize::new(3, 2);
        let expected = ScoreMap::new(values.to_vec(), size).unwrap();
        let bytes = |each: &dyn Fn(f32) -> Vec<u8>| -> Vec<u8> {
            values.iter().flat_map(|value| each(*value)).collect()
        };
        let f32s = bytes(&|value| value.to_le_bytes().to_vec());
        let files = [
            file("<f4", "False", "(2, 3)", &f32s),
            file("<f4", "False", "(1, 1, 2, 3)", &f32s),
            file(
                ">f4",
                "False",
                "(2, 3)",
                &bytes(&|value| value.to_be_bytes().to_vec()),
            ),
            file(
                "<f8",
                "False",
                "(2, 3)",
                &bytes(&|value| f64::from(value).to_le_bytes().to_vec()),
            ),
            file(
                "<f2",
                "False",
                "(2, 3)",
                &bytes(&|value| half::f16::from_f32(value).to_le_bytes().to_vec()),
            ),
        ];
        for file in files {
            assert_eq!(parse(&file).unwrap(), expected);
        }
        let columns = [0, 3, 1, 4, 2, 5].map(|at: usize| values[at]);
        let columns: Vec<u8> = columns
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(
            parse(&file("<f4", "True", "(2, 3)", &columns)).unwrap(),
            expected
        );
    }

    #[test]
    fn other_arrays_are_refused() {
        let data = [0; 24];
        for (descr, shape) in [
            ("<i4", "(2, 3)"),
            ("<f4", "(3, 3)"),
            ("<f4", "(6,)"),
            ("<f4", "(2, 1, 3)"),
            ("<f4", "(0, 3)"),
            ("<f4", "(4294967296, 4294967296)"),
            ("<f4", "(18446744073709551615, 2)"),
        ] {
            assert!(
                parse(&file(descr, "False", shape, &data)).is_err(),
                "{descr} {shape}"
            );
        }
        let nan = f32::NAN.to_le_bytes();
        assert!(
            parse(&file("<f4", "False", "(1, 1)", &nan))
                .unwrap_err()
                .contains("NaN")
        );
        let whole = file("<f4", "False", "(2, 3)", &data);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
    }
}
