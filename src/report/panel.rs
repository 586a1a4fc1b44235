//! Pictures: image | ground truth | predicted mask | anomaly map | overlay, as in HypAD, Figs. 5, 6.

use image::{Rgb, RgbImage, imageops};

use crate::detect::Detection;
use crate::error::{Error, Result, check, check_finite};

/// Pixels between the panels.
const GAP: u32 = 4;
/// How much of the map's colour covers the image where the map is highest; where it is lowest the
/// image is seen as it is.
const OVERLAY: f32 = 0.7;

/// The five panels side by side.
///
/// The colours of map and overlay run from `low` (dark blue) to `high` (dark red); give the same
/// two values for all images of a category, so that colours can be compared. An image whose size
/// is not the detection's is resized.
///
/// # Errors
///
/// [`Error::Size`](crate::Error) for a truth or a mask that has not as many values as the map, and
/// [`Error::Setting`](crate::Error) for a `low` above `high` or limits that are not finite.
pub fn panel(
    image: &RgbImage,
    truth: &[bool],
    found: &Detection,
    (low, high): (f32, f32),
) -> Result<RgbImage> {
    let size = found.map.size();
    let lengths = [
        ("pixels of the truth", truth.len()),
        ("pixels of the mask", found.mask.len()),
    ];
    for (what, length) in lengths {
        if length != size.area() {
            return Err(Error::Size {
                what,
                expected: size.to_string(),
                found: length.to_string(),
            });
        }
    }
    check(
        low <= high && low.is_finite() && high.is_finite(),
        "limits of the colours",
        format!("{low} to {high}"),
        "two finite values, the first not above the second",
    )?;
    check_finite(&found.map, "anomaly map", "it has no colour")?;
    let (width, height) = (size.width as u32, size.height as u32);
    let image = if image.dimensions() == (width, height) {
        image.clone()
    } else {
        imageops::resize(image, width, height, imageops::FilterType::Triangle)
    };
    let pixel_of = |x: u32, y: u32| y as usize * size.width + x as usize;
    let binary = |mask: &[bool]| {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([if mask[pixel_of(x, y)] { 255 } else { 0 }; 3])
        })
    };
    let span = if high > low { high - low } else { 1.0 };
    let level = |x, y| ((found.map[pixel_of(x, y)] - low) / span).clamp(0.0, 1.0);
    let map = RgbImage::from_fn(width, height, |x, y| colour(level(x, y)));
    let overlay = RgbImage::from_fn(width, height, |x, y| {
        let cover = OVERLAY * level(x, y);
        let (below, above) = (image.get_pixel(x, y).0, map.get_pixel(x, y).0);
        let mix = |i: usize| f32::from(below[i]) * (1.0 - cover) + f32::from(above[i]) * cover;
        Rgb([mix(0), mix(1), mix(2)].map(|v| v.round() as u8))
    });

    let panels = [image, binary(truth), binary(&found.mask), map, overlay];
    let total = 5 * width + 4 * GAP;
    let mut picture = RgbImage::from_pixel(total, height, Rgb([255; 3]));
    for (index, panel) in panels.iter().enumerate() {
        let left = index as u32 * (width + GAP);
        imageops::replace(&mut picture, panel, left.into(), 0);
    }
    Ok(picture)
}

/// Dark blue, blue, cyan, yellow, red, dark red for 0 to 1.
fn colour(value: f32) -> Rgb<u8> {
    let ramp = |centre: f32| (1.5 - (4.0 * value - centre).abs()).clamp(0.0, 1.0);
    Rgb([ramp(3.0), ramp(2.0), ramp(1.0)].map(|v| (255.0 * v).round() as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageSize, ScoreMap};

    #[test]
    fn panels_stand_in_order() {
        let map = ScoreMap::new(vec![0.0, 1.0], ImageSize::new(2, 1)).unwrap();
        let found = Detection::new(map, 0.5);
        let image = RgbImage::from_pixel(2, 1, Rgb([10, 20, 30]));
        let picture = panel(&image, &[true, false], &found, (0.0, 1.0)).unwrap();
        assert_eq!(picture.dimensions(), (2 * 5 + 4 * GAP, 1));
        assert_eq!(picture.get_pixel(0, 0).0, [10, 20, 30]);
        assert_eq!(picture.get_pixel(2 + GAP, 0).0, [255; 3]);
        assert_eq!(picture.get_pixel(2 * (2 + GAP), 0).0, [0; 3]);
        assert_eq!(picture.get_pixel(3 * (2 + GAP), 0).0, [0, 0, 128]);
        assert_eq!(picture.get_pixel(3 * (2 + GAP) + 1, 0).0, [128, 0, 0]);

        let error = |truth: &[bool], limits| panel(&image, truth, &found, limits).unwrap_err();
        let short = error(&[true], (0.0, 1.0));
        assert!(matches!(short, Error::Size { .. }), "{short}");
        for limits in [(1.0, 0.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)] {
            let flat = error(&[true, false], limits);
            assert!(matches!(flat, Error::Setting { .. }), "{flat}");
        }
    }
}
