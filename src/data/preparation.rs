//! How an image becomes the input of a model: which pixels are ignored, whether its aspect ratio is kept,
//! and whether it is cut into tiles.

use std::borrow::Cow;
use std::path::Path;

use image::DynamicImage;
use serde::{Deserialize, Serialize};

use super::image::{resize, to_rgb};
use super::mask::Mask;
use crate::ImageSize;
use crate::error::{Error, Result, check};

/// How an image is brought to the size of a model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fit {
    /// Resized to it, whatever its aspect ratio. EfficientAD and most methods do so.
    #[default]
    Stretch,
    /// Resized until it fits, and set into its middle; its edges are repeated around it.
    KeepAspect,
}

/// Overlapping tiles, so that a large image is seen in its own resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// The size of a tile in pixels of the image; it is resized to the model's input.
    pub size: ImageSize,
    /// Pixels that neighbouring tiles share at least. Their maps are blended there.
    pub overlap: usize,
}

impl Tiles {
    /// The most tiles that a training learns from, drawn from all its images: 1000.
    pub const MOST_IN_TRAINING: usize = 1000;
    /// The most tiles that maps are calibrated on, drawn from the images held out: 128. The threshold of images is
    /// chosen on all of each.
    pub const MOST_IN_CALIBRATION: usize = 128;

    /// Square tiles that overlap by a quarter.
    pub fn square(side: usize) -> Self {
        Self {
            size: ImageSize::square(side),
            overlap: side / 4,
        }
    }

    fn validate(&self) -> Result<()> {
        let ImageSize { width, height } = self.size;
        check(
            width > 0 && height > 0,
            "tile",
            self.size,
            "at least 1 x 1 pixels",
        )?;
        let shorter = width.min(height);
        check(
            self.overlap < shorter,
            "overlap of tiles",
            self.overlap,
            "less than the shorter side of a tile",
        )
    }

    /// The tiles of an image, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for an image that is smaller than a tile.
    pub(crate) fn of(&self, image: ImageSize) -> Result<Vec<Rect>> {
        let ImageSize { width, height } = self.size;
        if image.width < width || image.height < height {
            return Err(Error::Size {
                what: "an image that is cut into tiles",
                expected: format!("at least {}, the size of a tile", self.size),
                found: image.to_string(),
            });
        }
        let columns = starts(image.width, width, self.overlap);
        let rows = starts(image.height, height, self.overlap);
        let tiles = rows
            .iter()
            .flat_map(|y| columns.iter().map(move |x| (*x, *y)));
        Ok(tiles
            .map(|(x, y)| Rect {
                x,
                y,
                width,
                height,
            })
            .collect())
    }
}

/// The first pixels of evenly spaced tiles along a side.
fn starts(side: usize, tile: usize, overlap: usize) -> Vec<usize> {
    let count = (side - overlap).div_ceil(tile - overlap).max(1);
    let rest = side - tile;
    let start = |index: usize| (index * rest + (count - 1) / 2) / (count - 1).max(1);
    (0..count).map(start).collect()
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    /// All of an image.
    pub fn whole(size: ImageSize) -> Self {
        Self {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        }
    }

    /// Width and height.
    pub fn size(&self) -> ImageSize {
        ImageSize::new(self.width, self.height)
    }

    /// This part of an image.
    pub fn cut(&self, image: &DynamicImage) -> DynamicImage {
        let [x, y, width, height] = [self.x, self.y, self.width, self.height].map(|v| v as u32);
        image.crop_imm(x, y, width, height)
    }
}

/// Pixels that count nowhere, such as a date code that changes, or all outside a region of interest: they
/// are made black before a model sees them, in training and prediction, and have no part in scores,
/// thresholds and masks.
///
/// The mask is of one size and stands for images of any, as long as the aspect ratio is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Runs", into = "Runs")]
pub struct IgnoreMask {
    size: ImageSize,
    /// Row by row.
    ignored: Vec<bool>,
}

/// The mask as a model file has it: how many pixels count, are ignored, count, …
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    size: ImageSize,
    runs: Vec<u32>,
}

impl IgnoreMask {
    /// The most pixels of a mask: 16 megapixels.
    pub const MOST_PIXELS: usize = 1 << 24;
    /// How much the aspect ratios of mask and image may differ.
    const ASPECT_TOLERANCE: f64 = 0.02;

    /// These pixels, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless there is one value for each pixel, and [`Error::Setting`] for more than
    /// [`MOST_PIXELS`](Self::MOST_PIXELS), and if all are ignored.
    pub fn new(ignored: Vec<bool>, size: ImageSize) -> Result<Self> {
        if ignored.len() != size.area() {
            return Err(Error::Size {
                what: "pixels of the mask of ignored pixels",
                expected: size.to_string(),
                found: ignored.len().to_string(),
            });
        }
        let rule = "at most 16 megapixels; a smaller mask is enlarged to the image";
        check(
            ignored.len() <= Self::MOST_PIXELS,
            "mask of ignored pixels",
            size,
            rule,
        )?;
        let rule = "less than all pixels";
        check(ignored.contains(&false), "ignored pixels", "all", rule)?;
        Ok(Self { size, ignored })
    }

    /// The pixels that are not 0 in an image file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Format`] naming the file, and those of [`new`](Self::new).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mask = Mask::open(path.as_ref())?;
        Self::new(mask.truth, mask.size)
    }

    /// All pixels outside a region of interest, which is not 0 in an image file.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn outside(path: impl AsRef<Path>) -> Result<Self> {
        let mask = Mask::open(path.as_ref())?;
        Self::new(
            mask.truth.into_iter().map(|inside| !inside).collect(),
            mask.size,
        )
    }

    /// What is ignored by either.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for masks of different sizes, and those of [`new`](Self::new).
    pub fn union(&self, other: &Self) -> Result<Self> {
        if self.size != other.size {
            return Err(Error::Size {
                what: "masks of ignored pixels",
                expected: self.size.to_string(),
                found: other.size.to_string(),
            });
        }
        let ignored = self
            .ignored
            .iter()
            .zip(&other.ignored)
            .map(|(a, b)| *a || *b);
        Self::new(ignored.collect(), self.size)
    }

    /// Width and height.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Whether a pixel of an image of this size is ignored.
    fn covers(&self, size: ImageSize, x: usize, y: usize) -> bool {
        let (x, y) = (
            x * self.size.width / size.width,
            y * self.size.height / size.height,
        );
        self.ignored[y * self.size.width + x]
    }

    /// The ignored pixels of an image of this size, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for an image of another aspect ratio.
    pub fn at(&self, size: ImageSize) -> Result<Vec<bool>> {
        let aspect = |size: ImageSize| size.width as f64 / size.height as f64;
        let difference = (aspect(self.size) / aspect(size)).ln().abs();
        // NaN: an image without pixels.
        if difference.is_nan() || difference > Self::ASPECT_TOLERANCE {
            return Err(Error::Size {
                what: "aspect ratio of an image and of the mask of ignored pixels",
                expected: self.size.to_string(),
                found: size.to_string(),
            });
        }
        let rows = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
        Ok(rows.map(|(x, y)| self.covers(size, x, y)).collect())
    }
}

impl From<IgnoreMask> for Runs {
    fn from(mask: IgnoreMask) -> Self {
        let mut runs = vec![0];
        let mut ignored = false;
        for pixel in mask.ignored {
            if pixel != ignored {
                runs.push(0);
                ignored = pixel;
            }
            *runs.last_mut().expect("never empty") += 1;
        }
        Self {
            size: mask.size,
            runs,
        }
    }
}

impl TryFrom<Runs> for IgnoreMask {
    type Error = Error;

    fn try_from(Runs { size, runs }: Runs) -> Result<Self> {
        let total: u64 = runs.iter().map(|run| u64::from(*run)).sum();
        let holds = total == size.area() as u64 && total <= Self::MOST_PIXELS as u64;
        check(
            holds,
            "runs of the mask of ignored pixels",
            total,
            "those of its size, at most 16 megapixels",
        )?;
        let pixels = runs.iter().enumerate();
        let pixels = pixels.flat_map(|(at, run)| std::iter::repeat_n(at % 2 == 1, *run as usize));
        Self::new(pixels.collect(), size)
    }
}

/// How images become inputs of a model, in training and prediction alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Preparation {
    /// How an image, or a tile of it, is brought to the size of the input.
    pub fit: Fit,
    /// The tiles that it is cut into; `None` for the whole image.
    pub tiles: Option<Tiles>,
    /// Pixels that count nowhere.
    pub ignore: Option<IgnoreMask>,
}

impl Preparation {
    /// With another way to bring an image to the size of the input.
    pub fn with_fit(self, fit: Fit) -> Self {
        Self { fit, ..self }
    }

    /// With tiles.
    pub fn with_tiles(self, tiles: Tiles) -> Self {
        Self {
            tiles: Some(tiles),
            ..self
        }
    }

    /// With pixels that count nowhere.
    pub fn with_ignore(self, mask: IgnoreMask) -> Self {
        Self {
            ignore: Some(mask),
            ..self
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        self.tiles.map_or(Ok(()), |tiles| tiles.validate())
    }

    /// The image with all ignored pixels black.
    ///
    /// # Errors
    ///
    /// Those of [`IgnoreMask::at`].
    pub(crate) fn black_out<'a>(&self, image: &'a DynamicImage) -> Result<Cow<'a, DynamicImage>> {
        let Some(mask) = &self.ignore else {
            return Ok(Cow::Borrowed(image));
        };
        let ignored = mask.at(ImageSize::of(image))?;
        fn fill<T: Default>(values: &mut [T], ignored: &[bool]) {
            let (pixels, _) = values.as_chunks_mut::<3>();
            for (pixel, _) in pixels
                .iter_mut()
                .zip(ignored)
                .filter(|(_, ignored)| **ignored)
            {
                pixel.iter_mut().for_each(|value| *value = T::default());
            }
        }
        let mut image = to_rgb(image);
        match &mut image {
            DynamicImage::ImageRgb16(image) => fill(image, &ignored),
            DynamicImage::ImageRgb32F(image) => fill(image, &ignored),
            other => {
                if let Some(image) = other.as_mut_rgb8() {
                    fill(image, &ignored);
                }
            }
        }
        Ok(Cow::Owned(image))
    }

    /// Where a part of an image of this size lies in an input.
    pub(crate) fn placement(&self, image: ImageSize, part: Rect, input: ImageSize) -> Placement {
        let content = match self.fit {
            Fit::Stretch => Rect::whole(input),
            Fit::KeepAspect => {
                let scales = [
                    input.width as f64 / part.width as f64,
                    input.height as f64 / part.height as f64,
                ];
                let scale = scales[0].min(scales[1]);
                let side = |side: usize, most: usize| {
                    ((side as f64 * scale).round() as usize).clamp(1, most)
                };
                let (width, height) = (
                    side(part.width, input.width),
                    side(part.height, input.height),
                );
                Rect {
                    x: (input.width - width) / 2,
                    y: (input.height - height) / 2,
                    width,
                    height,
                }
            }
        };
        Placement {
            image,
            part,
            input,
            content,
        }
    }

    /// The cells of a grid over the input that do not count: whose middle is not of the image, or ignored.
    /// `None` if all count.
    pub(crate) fn ignored_cells(
        &self,
        placement: &Placement,
        grid: ImageSize,
    ) -> Option<Vec<bool>> {
        if self.ignore.is_none() && placement.content == Rect::whole(placement.input) {
            return None;
        }
        let cells = (0..grid.height).flat_map(|y| (0..grid.width).map(move |x| (x, y)));
        let ignored = |(x, y): (usize, usize)| match placement.pixel_of(grid, x, y) {
            None => true,
            Some((x, y)) => {
                let mask = self.ignore.as_ref();
                mask.is_some_and(|mask| mask.covers(placement.image, x, y))
            }
        };
        Some(cells.map(ignored).collect())
    }
}

/// Where a part of an image lies in an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    image: ImageSize,
    /// In pixels of the image.
    part: Rect,
    pub input: ImageSize,
    /// The same in pixels of the input.
    pub content: Rect,
}

impl Placement {
    /// The input, from the part of the image.
    ///
    /// # Errors
    ///
    /// Those of [`resize`].
    pub fn apply(&self, part: &DynamicImage) -> Result<DynamicImage> {
        let content = resize(part, self.content.size())?;
        if self.content == Rect::whole(self.input) {
            return Ok(content);
        }
        let [width, height] = [self.input.width, self.input.height].map(|side| side as u32);
        let mut input = DynamicImage::new(width, height, content.color());
        // Repeats edges: values keep their depth, which pixels of `GenericImage` would not.
        fn spread<T: Copy>(from: &[T], to: &mut [T], content: Rect, width: usize) {
            for (at, pixel) in to.chunks_exact_mut(3).enumerate() {
                let clamp =
                    |at: usize, first: usize, count: usize| at.saturating_sub(first).min(count - 1);
                let x = clamp(at % width, content.x, content.width);
                let y = clamp(at / width, content.y, content.height);
                let start = 3 * (y * content.width + x);
                pixel.copy_from_slice(&from[start..start + 3]);
            }
        }
        use DynamicImage::{ImageRgb8, ImageRgb16, ImageRgb32F};
        match (&content, &mut input) {
            (ImageRgb8(from), ImageRgb8(to)) => spread(from, to, self.content, self.input.width),
            (ImageRgb16(from), ImageRgb16(to)) => spread(from, to, self.content, self.input.width),
            (ImageRgb32F(from), ImageRgb32F(to)) => {
                spread(from, to, self.content, self.input.width)
            }
            _ => debug_assert!(false, "resize gives RGB of three depths"),
        }
        Ok(input)
    }

    /// The size that the whole input has at the scale of the part, and where the part lies in it.
    pub fn canvas(&self) -> (ImageSize, Rect) {
        let (part, content, input) = (self.part, self.content, self.input);
        let along = |side: usize, content: usize, pixels: usize| {
            (pixels as f64 * side as f64 / content as f64).round() as usize
        };
        let [width, x] = [input.width, content.x].map(|p| along(part.width, content.width, p));
        let [height, y] = [input.height, content.y].map(|p| along(part.height, content.height, p));
        let canvas = ImageSize::new(width.max(x + part.width), height.max(y + part.height));
        (canvas, Rect { x, y, ..part })
    }

    /// The whole input as if it were an image.
    pub fn of_input(&self) -> Self {
        let whole = Rect::whole(self.input);
        Self {
            image: self.input,
            part: whole,
            input: self.input,
            content: whole,
        }
    }

    /// The pixel of the image in the middle of a cell of a grid over the input; `None` outside the image.
    fn pixel_of(&self, grid: ImageSize, x: usize, y: usize) -> Option<(usize, usize)> {
        let along = |cell: usize, cells: usize, input: usize, start: usize, content: usize| {
            let at = (cell as f64 + 0.5) * input as f64 / cells as f64 - start as f64;
            (0.0..content as f64)
                .contains(&at)
                .then(|| at / content as f64)
        };
        let (input, content) = (self.input, self.content);
        let u = along(x, grid.width, input.width, content.x, content.width)?;
        let v = along(y, grid.height, input.height, content.y, content.height)?;
        let pixel = |part: f64, start: usize, side: usize| {
            start + ((part * side as f64) as usize).min(side - 1)
        };
        let part = self.part;
        Some((pixel(u, part.x, part.width), pixel(v, part.y, part.height)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn tiles_cover_every_pixel_and_overlap() {
        for (width, height, side, overlap) in [
            (4000, 3000, 256, 64),
            (256, 256, 256, 64),
            (257, 600, 256, 0),
            (1000, 300, 256, 255),
            (511, 512, 256, 1),
        ] {
            let tiles = Tiles {
                size: ImageSize::square(side),
                overlap,
            };
            tiles.validate().unwrap();
            let found = tiles.of(ImageSize::new(width, height)).unwrap();
            for (count, along) in [(width, true), (height, false)] {
                let mut starts: Vec<usize> = found
                    .iter()
                    .map(|tile| if along { tile.x } else { tile.y })
                    .collect();
                starts.sort_unstable();
                starts.dedup();
                assert_eq!((starts[0], starts[starts.len() - 1] + side), (0, count));
                let enough =
                    |pair: &[usize]| pair[1] > pair[0] && pair[1] + overlap <= pair[0] + side;
                assert!(starts.windows(2).all(enough), "{starts:?}");
            }
        }
        let tiles = Tiles::square(256);
        assert!(tiles.of(ImageSize::new(255, 300)).is_err());
        assert!(
            Tiles {
                overlap: 256,
                ..tiles
            }
            .validate()
            .is_err()
        );
    }

    #[test]
    fn ignored_pixels_are_stored_and_enlarged() {
        let size = ImageSize::new(4, 2);
        let ignored = vec![true, false, false, true, true, false, true, true];
        let mask = IgnoreMask::new(ignored.clone(), size).unwrap();
        let json = serde_json::to_string(&mask).unwrap();
        assert_eq!(serde_json::from_str::<IgnoreMask>(&json).unwrap(), mask);
        for wrong in [
            r#"{"size":{"width":4,"height":2},"runs":[0,9]}"#,
            r#"{"size":{"width":4,"height":2},"runs":[0,8]}"#,
            r#"{"size":{"width":4,"height":4000000000},"runs":[4000000000,4000000000,4000000000,4000000000]}"#,
        ] {
            assert!(
                serde_json::from_str::<IgnoreMask>(wrong).is_err(),
                "{wrong}"
            );
        }
        let large = mask.at(ImageSize::new(40, 20)).unwrap();
        assert_eq!(
            [large[0], large[9], large[10], large[19 * 40 + 39]],
            [true, true, false, true]
        );
        assert!(mask.at(ImageSize::new(20, 40)).is_err());
        assert!(mask.at(ImageSize::new(0, 0)).is_err());
        assert!(IgnoreMask::new(vec![true; 8], size).is_err());
        assert!(IgnoreMask::new(vec![false; 7], size).is_err());
    }

    #[test]
    fn the_aspect_ratio_is_kept_on_request() {
        let image = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8, y as u8, 0])).into();
        let input = ImageSize::square(20);
        let preparation = Preparation::default().with_fit(Fit::KeepAspect);
        let whole = Rect::whole(ImageSize::of(&image));
        let placement = preparation.placement(ImageSize::of(&image), whole, input);
        assert_eq!(
            placement.content,
            Rect {
                x: 0,
                y: 5,
                width: 20,
                height: 10
            }
        );
        let placed = placement.apply(&image).unwrap().to_rgb8();
        assert_eq!(placed.get_pixel(3, 0), placed.get_pixel(3, 5));
        assert_eq!(placed.get_pixel(3, 19), placed.get_pixel(3, 14));
        let ignored = preparation
            .ignored_cells(&placement, ImageSize::square(4))
            .unwrap();
        let row = |row: usize| &ignored[4 * row..4 * row + 4];
        assert_eq!(
            [row(0), row(1), row(2), row(3)],
            [[true; 4], [false; 4], [false; 4], [true; 4]]
        );
        let stretched = Preparation::default();
        let placement = stretched.placement(ImageSize::of(&image), whole, input);
        assert_eq!(
            stretched.ignored_cells(&placement, ImageSize::square(4)),
            None
        );
    }

    #[test]
    fn ignored_pixels_become_black_in_every_depth() {
        let mask = IgnoreMask::new(vec![false, true], ImageSize::new(2, 1)).unwrap();
        let preparation = Preparation::default().with_ignore(mask);
        let image = DynamicImage::from(RgbImage::from_pixel(2, 1, Rgb([9, 8, 7])));
        for image in [
            image.clone(),
            image.to_rgb16().into(),
            image.to_rgb32f().into(),
            image.to_luma8().into(),
        ] {
            let black = preparation.black_out(&image).unwrap();
            let black = black.to_rgb32f();
            assert_eq!(black.get_pixel(1, 0).0, [0.0; 3]);
            assert!(black.get_pixel(0, 0).0[0] > 0.0);
        }
    }
}
