//! The test images of a category: predicted one after the other, and drawn.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};

use crate::data::image::{decode_ahead, open};
use crate::data::{Category, TestImage};
use crate::error::{Error, Result};
use crate::features::ModelBackend;
use crate::files::{io_error, write_atomic};
use crate::progress::ProgressBar;
use crate::report::{Evaluator, ImageRow, MapFolder, Panel};
use crate::{Detection, Detector, ScoreMap};

/// The quality of pictures inside the HTML report, and their greatest height.
const JPEG_QUALITY: u8 = 85;
const GREATEST_HEIGHT: u32 = 256;

/// What testing gives.
pub struct Tested {
    pub evaluator: Evaluator,
    /// Seconds of all predictions.
    pub predicting: f64,
    /// The lowest and highest score of all maps.
    pub colours: (f32, f32),
    /// The maps wait here for the last image, since all pictures share their colours.
    waiting: Waiting,
    /// Pictures are drawn of the first this many images; maps of others are computed again where they are
    /// needed.
    pictures: usize,
}

/// Predicts every test image; writes maps where they are wanted.
pub fn test<B: ModelBackend>(
    detector: &Detector<B>,
    category: &Category,
    out: &Path,
    maps: Option<MapFolder>,
    pictures: usize,
    progress: bool,
) -> Result<Tested> {
    let mut tested = Tested {
        evaluator: Evaluator::new(),
        predicting: 0.0,
        colours: (f32::INFINITY, f32::NEG_INFINITY),
        waiting: Waiting::new(out)?,
        pictures,
    };
    let bar = ProgressBar::new(progress, category.test.len(), "testing");
    let paths = category.test.iter().map(|test| test.path.clone()).collect();
    let images = bar.wrap(category.test.iter().zip(decode_ahead(paths)));
    for (index, (test, (_, image))) in images.enumerate() {
        let image = image?;
        let before = Instant::now();
        let found = detector.predict(&image)?;
        tested.predicting += before.elapsed().as_secs_f64();
        let map = &found.map;
        let ignored = detector.ignored(map.size())?;
        tested
            .evaluator
            .add_test_image(test, map, ignored.as_deref())?;
        let (low, high) = tested.colours;
        tested.colours = map.iter().fold((low, high), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
        if let Some(maps) = &maps {
            maps.write(&category.name, test, map)?;
        }
        if index < pictures {
            map.write_tiff(tested.map_of(index))?;
        }
    }
    if category.test.is_empty() {
        tested.colours = (0.0, 1.0);
    }
    Ok(tested)
}

impl Tested {
    fn map_of(&self, index: usize) -> PathBuf {
        self.waiting.path.join(format!("{index}.tiff"))
    }
}

/// A hidden folder that goes with its owner. One that a process left behind which was killed is emptied.
struct Waiting {
    path: PathBuf,
}

impl Waiting {
    fn new(out: &Path) -> Result<Self> {
        let path = out.join(".maps");
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(io_error(&path))?;
        }
        std::fs::create_dir_all(&path).map_err(io_error(&path))?;
        Ok(Self { path })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // What is left is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Draws pictures of test images.
pub struct Pictures<'a, B: ModelBackend> {
    detector: &'a Detector<B>,
    category: &'a Category,
    tested: &'a Tested,
}

impl<'a, B: ModelBackend> Pictures<'a, B> {
    pub fn new(detector: &'a Detector<B>, category: &'a Category, tested: &'a Tested) -> Self {
        Self {
            detector,
            category,
            tested,
        }
    }

    /// Writes the pictures of the first images.
    pub fn write(&self, out: &Path, progress: bool) -> Result<()> {
        let shown = self.category.test.iter().take(self.tested.pictures);
        let bar = ProgressBar::new(progress, shown.len(), "drawing");
        for (index, test) in bar.wrap(shown).enumerate() {
            let path = out.join(format!("pictures/{}/{}.png", test.defect, test.name));
            write_png(&path, &self.panel(index, test)?.with_legend())?;
        }
        Ok(())
    }

    fn panel(&self, index: usize, test: &TestImage) -> Result<Panel> {
        let image = open(&test.path)?;
        let found = match index < self.tested.pictures {
            true => {
                let map = ScoreMap::read_tiff(self.tested.map_of(index))?;
                Detection::new(map, self.detector.thresholds())
            }
            false => self.detector.predict(&image)?,
        };
        let image = self.detector.pixel_range().to_rgb8(&image);
        let truth = test.truth(found.map.size())?;
        Panel::new(&image, truth.as_deref(), &found, self.tested.colours)
    }

    /// The picture of an image as JPEG, for the report; `None` for an image that is not there.
    pub fn embedded(&self, row: &ImageRow) -> Result<Option<Vec<u8>>> {
        let is_it = |test: &&TestImage| test.defect == row.defect && test.name == row.image;
        let tests = self.category.test.iter().enumerate();
        let Some((index, test)) = tests.clone().find(|(_, test)| is_it(test)) else {
            return Ok(None);
        };
        let picture = self.panel(index, test)?.at_most(GREATEST_HEIGHT);
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY);
        picture
            .write_with_encoder(encoder)
            .map_err(|error| Error::Format {
                path: test.path.clone(),
                reason: error.to_string(),
            })?;
        Ok(Some(jpeg))
    }
}

/// Encodes a picture and writes it whole.
fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let mut png = Vec::new();
    let encoded = picture.write_to(&mut Cursor::new(&mut png), ImageFormat::Png);
    encoded.map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    write_atomic(path, &png)
}
