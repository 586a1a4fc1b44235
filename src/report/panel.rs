//! Pictures: image | ground truth | predicted mask | anomaly map | overlay, as in HypAD, Figs. 5, 6.

use font8x8::UnicodeFonts;
use image::{Rgb, RgbImage, imageops};

use crate::detect::Detection;
use crate::error::{Error, Result, check, check_finite};

/// Pixels between the panels.
const GAP: u32 = 4;
/// How much of the map's colour covers the image where the map is highest; where it is lowest the
/// image is seen as it is.
const OVERLAY: f32 = 0.7;
/// What the panels show, in order.
const LEGEND: [&str; 5] = ["image", "ground truth", "mask", "map", "overlay"];
/// The side of a letter.
const LETTER: u32 = 8;
/// Width of the colour bar, and of the numbers beside it.
const BAR: u32 = 12;
const NUMBERS: u32 = 7 * LETTER;

/// Five pictures of one image side by side: the image, its ground truth, the predicted mask, the anomaly
/// map, and the map over the image.
#[derive(Clone, Debug)]
pub struct Panel {
    pictures: [RgbImage; 5],
    /// The scores of the first and of the last colour.
    limits: (f32, f32),
}

impl Panel {
    /// The panel of an image and what was found in it. Without a truth, that picture is grey.
    ///
    /// The colours of map and overlay run from `low` (dark blue) to `high` (dark red); give the same
    /// two values for all images of a category, so that colours can be compared. An image whose size
    /// is not the detection's is resized.
    ///
    /// # Errors
    ///
    /// [`Error::Size`](crate::Error) for a truth or a mask that has not as many values as the map, and
    /// [`Error::Setting`](crate::Error) for a `low` above `high` or limits that are not finite.
    pub fn new(
        image: &RgbImage,
        truth: Option<&[bool]>,
        found: &Detection,
        (low, high): (f32, f32),
    ) -> Result<Self> {
        let size = found.map.size();
        let lengths = [
            (
                "pixels of the truth",
                truth.map_or(size.area(), <[bool]>::len),
            ),
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
        let unknown = || RgbImage::from_pixel(width, height, Rgb([128; 3]));
        let span = if high > low { high - low } else { 1.0 };
        let level = |x, y| ((found.map[pixel_of(x, y)] - low) / span).clamp(0.0, 1.0);
        let map = RgbImage::from_fn(width, height, |x, y| colour(level(x, y)));
        let overlay = RgbImage::from_fn(width, height, |x, y| {
            let cover = OVERLAY * level(x, y);
            let (below, above) = (image.get_pixel(x, y).0, map.get_pixel(x, y).0);
            let mix = |i: usize| f32::from(below[i]) * (1.0 - cover) + f32::from(above[i]) * cover;
            Rgb([mix(0), mix(1), mix(2)].map(|v| v.round() as u8))
        });
        let truth = truth.map_or_else(unknown, binary);
        Ok(Self {
            pictures: [image, truth, binary(&found.mask), map, overlay],
            limits: (low, high),
        })
    }

    /// The pictures side by side.
    pub fn side_by_side(&self) -> RgbImage {
        let (width, height) = self.pictures[0].dimensions();
        let total = 5 * width + 4 * GAP;
        let mut all = RgbImage::from_pixel(total, height, Rgb([255; 3]));
        for (index, picture) in self.pictures.iter().enumerate() {
            let left = index as u32 * (width + GAP);
            imageops::replace(&mut all, picture, left.into(), 0);
        }
        all
    }

    /// The same, no higher than so many pixels.
    pub fn at_most(&self, height: u32) -> RgbImage {
        let all = self.side_by_side();
        match all.height() > height {
            false => all,
            true => {
                let width = u64::from(all.width()) * u64::from(height) / u64::from(all.height());
                let filter = imageops::FilterType::Triangle;
                imageops::resize(&all, (width as u32).max(1), height, filter)
            }
        }
    }

    /// The same, with what each picture is above it, and a bar of the map's colours with its limits on the
    /// right.
    pub fn with_legend(&self) -> RgbImage {
        let all = self.side_by_side();
        let (width, height) = self.pictures[0].dimensions();
        let top = LETTER + GAP;
        let size = [all.width() + GAP + BAR + GAP + NUMBERS, all.height() + top];
        let mut picture = RgbImage::from_pixel(size[0], size[1], Rgb([255; 3]));
        imageops::replace(&mut picture, &all, 0, top.into());
        for (index, text) in LEGEND.iter().enumerate() {
            let left = index as u32 * (width + GAP);
            write(&mut picture, text, (left, GAP / 2), left + width);
        }
        let left = all.width() + GAP;
        for y in 0..height {
            let level = 1.0 - y as f32 / (height.max(2) - 1) as f32;
            for x in 0..BAR {
                picture.put_pixel(left + x, top + y, colour(level));
            }
        }
        let (left, right) = (left + BAR + GAP, size[0]);
        let number = |value: f32| format!("{value:.3}");
        write(&mut picture, &number(self.limits.1), (left, top), right);
        let last = (top + height).saturating_sub(LETTER).max(top + LETTER);
        write(&mut picture, &number(self.limits.0), (left, last), right);
        picture
    }
}

/// Writes text in black, as far as it fits to the left of `right`.
fn write(picture: &mut RgbImage, text: &str, (left, top): (u32, u32), right: u32) {
    for (index, letter) in text.chars().enumerate() {
        let left = left + index as u32 * LETTER;
        let Some(rows) = font8x8::BASIC_FONTS
            .get(letter)
            .filter(|_| left + LETTER <= right)
        else {
            return;
        };
        for (y, row) in rows.iter().enumerate() {
            for x in (0..LETTER).filter(|x| row >> x & 1 == 1) {
                let (x, y) = (left + x, top + y as u32);
                if x < picture.width() && y < picture.height() {
                    picture.put_pixel(x, y, Rgb([0; 3]));
                }
            }
        }
    }
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
        let panel = Panel::new(&image, Some(&[true, false]), &found, (0.0, 1.0)).unwrap();
        let picture = panel.side_by_side();
        assert_eq!(picture.dimensions(), (2 * 5 + 4 * GAP, 1));
        assert_eq!(picture.get_pixel(0, 0).0, [10, 20, 30]);
        assert_eq!(picture.get_pixel(2 + GAP, 0).0, [255; 3]);
        assert_eq!(picture.get_pixel(2 * (2 + GAP), 0).0, [0; 3]);
        assert_eq!(picture.get_pixel(3 * (2 + GAP), 0).0, [0, 0, 128]);
        assert_eq!(picture.get_pixel(3 * (2 + GAP) + 1, 0).0, [128, 0, 0]);

        let error = |truth, limits| Panel::new(&image, Some(truth), &found, limits).unwrap_err();
        let unknown = Panel::new(&image, None, &found, (0.0, 1.0)).unwrap();
        assert_eq!(unknown.side_by_side().get_pixel(2 + GAP, 0).0, [128; 3]);
        let legend = panel.with_legend();
        assert_eq!(legend.get_pixel(0, LETTER + GAP).0, [10, 20, 30]);
        assert_eq!(panel.at_most(1), picture);

        let short = error(&[true][..], (0.0, 1.0));
        assert!(matches!(short, Error::Size { .. }), "{short}");
        for limits in [(1.0, 0.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)] {
            let flat = error(&[true, false][..], limits);
            assert!(matches!(flat, Error::Setting { .. }), "{flat}");
        }
    }
}
