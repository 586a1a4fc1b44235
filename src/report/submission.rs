//! The folder that the evaluation server of MVTec AD 2 takes: maps of float16 and masks of 0 and 255, for every
//! image of `test_private` and `test_private_mixed`, and nothing else.
//!
//! ```text
//! <folder>/anomaly_images/<object>/{test_private,test_private_mixed}/NNN_{regular,mixed}.tiff
//! <folder>/anomaly_images_thresholded/<object>/…/….png
//! ```

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use half::f16;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use tiff::encoder::{TiffEncoder, colortype::ColorType};
use tiff::tags::{PhotometricInterpretation, SampleFormat};

use crate::ScoreMap;
use crate::data::decode::stored_as_f16;
use crate::data::image::open;
use crate::detect::Detection;
use crate::error::{Error, Result};
use crate::files::{io_error, read, write_atomic};

/// The objects with the number of images in each of their two parts.
const OBJECTS: [(&str, usize); 8] = [
    ("can", 321),
    ("fabric", 314),
    ("fruit_jelly", 255),
    ("rice", 277),
    ("sheet_metal", 142),
    ("vial", 276),
    ("wallplugs", 232),
    ("walnuts", 228),
];
/// The parts of an object, with what the names of their images end with.
const PARTS: [(&str, &str); 2] = [
    ("test_private", "_regular"),
    ("test_private_mixed", "_mixed"),
];
const MAPS: &str = "anomaly_images";
const MASKS: &str = "anomaly_images_thresholded";

/// A folder of maps and masks for the evaluation server of MVTec AD 2.
#[derive(Clone, Debug)]
pub struct Ad2Submission {
    path: PathBuf,
}

/// One 16-bit float a pixel, as its bits.
struct Gray16Float;

impl ColorType for Gray16Float {
    type Inner = u16;
    const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::BlackIsZero;
    const BITS_PER_SAMPLE: &'static [u16] = &[16];
    const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::IEEEFP];

    fn horizontal_predict(_: &[u16], _: &mut Vec<u16>) {
        // Only called for a predictor, which is never set.
    }
}

impl Ad2Submission {
    /// The folder at this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Writes map and mask of an image, which is in a folder `test_private` or `test_private_mixed` of its
    /// object. Scores beyond the range of 16 bits become its ends.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for an image in another folder, and [`Error::Io`].
    pub fn write(&self, object: &str, image: &Path, found: &Detection) -> Result<()> {
        let folder = image.parent().and_then(Path::file_name).unwrap_or_default();
        if !PARTS.iter().any(|(part, _)| folder == *part) {
            let reason =
                "not in test_private or test_private_mixed, of which a submission consists";
            return Err(format(image, reason));
        }
        let stem = image.file_stem().unwrap_or_default();
        let place = |kind: &str| self.path.join(kind).join(object).join(folder).join(stem);
        let (map, size) = (&found.map, found.map.size());
        let path = place(MAPS).with_added_extension("tiff");
        let limit = f16::MAX.to_f32();
        let values = map
            .iter()
            .map(|value| f16::from_f32(value.clamp(-limit, limit)).to_bits());
        let values: Vec<u16> = values.collect();
        let mut bytes = Cursor::new(Vec::new());
        let (width, height) = (size.width as u32, size.height as u32);
        TiffEncoder::new(&mut bytes)
            .and_then(|mut encoder| encoder.write_image::<Gray16Float>(width, height, &values))
            .map_err(|error| format(&path, error))?;
        write_atomic(&path, bytes.get_ref())?;
        let path = place(MASKS).with_added_extension("png");
        let mask = GrayImage::from_fn(width, height, |x, y| {
            let anomalous = found.mask[y as usize * size.width + x as usize];
            Luma([if anomalous { 255 } else { 0 }])
        });
        let mut png = Cursor::new(Vec::new());
        let encoded = mask.write_to(&mut png, ImageFormat::Png);
        encoded.map_err(|error| format(&path, error))?;
        write_atomic(&path, png.get_ref())
    }

    /// Checks the folder by the rules of the server: every object, part and image is there, nothing else is,
    /// maps are of float16 and one channel, masks are of 0 and 255 and of the size of their maps. Where the
    /// data set is at hand, give its folder: sizes and names are then compared with its images.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with every problem.
    pub fn check(&self, data: Option<&Path>) -> Result<()> {
        let mut problems = Vec::new();
        let objects: Vec<&str> = OBJECTS.iter().map(|(object, _)| *object).collect();
        self.only(&self.path, &[MAPS, MASKS], &mut problems);
        for kind in [MAPS, MASKS] {
            self.only(&self.path.join(kind), &objects, &mut problems);
        }
        for (object, count) in OBJECTS {
            for kind in [MAPS, MASKS] {
                let parts = PARTS.map(|(part, _)| part);
                self.only(&self.path.join(kind).join(object), &parts, &mut problems);
            }
            for (part, ending) in PARTS {
                let place = Path::new(object).join(part);
                let maps = self.names(&self.path.join(MAPS).join(&place), "tiff", &mut problems);
                let masks = self.names(&self.path.join(MASKS).join(&place), "png", &mut problems);
                let shown = place.display();
                for name in maps.symmetric_difference(&masks) {
                    problems.push(format!("{shown}/{name} has not both a map and a mask"));
                }
                for name in maps.iter().filter(|name| !is_name(name, ending)) {
                    problems.push(format!("{shown}/{name}: names are NNN{ending}"));
                }
                let expected = data.and_then(|data| images(&data.join(&place)));
                match &expected {
                    Some(expected) => {
                        for name in expected.difference(&maps) {
                            problems.push(format!("{shown}/{name} is missing"));
                        }
                        for name in maps.difference(expected) {
                            problems.push(format!("{shown}/{name} is no image of the data set"));
                        }
                    }
                    None if maps.len() != count => {
                        problems.push(format!("{shown} has {} maps, not {count}", maps.len()));
                    }
                    None => {}
                }
                for name in maps.intersection(&masks) {
                    if let Err(problem) = self.check_pair(&place.join(name)) {
                        problems.push(problem);
                    }
                }
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::Dataset {
                path: self.path.clone(),
                problems,
            }),
        }
    }

    /// Map and mask of an image.
    fn check_pair(&self, name: &Path) -> Result<(), String> {
        let path =
            |kind: &str, ending| self.path.join(kind).join(name).with_added_extension(ending);
        let (map, mask) = (path(MAPS, "tiff"), path(MASKS, "png"));
        let bytes = read(&map).map_err(|error| error.to_string())?;
        let in_map = |reason: String| format!("{}: {reason}", map.display());
        if !stored_as_f16(&bytes).map_err(in_map)? {
            return Err(in_map("not of 16-bit floats".into()));
        }
        let size = ScoreMap::read(&map)
            .map_err(|error| error.to_string())?
            .size();
        let image = open(&mask).map_err(|error| error.to_string())?;
        let in_mask = |reason: &str| Err(format!("{}: {reason}", mask.display()));
        let DynamicImage::ImageLuma8(image) = image else {
            return in_mask("not of one channel of 8 bits");
        };
        if crate::ImageSize::new(image.width() as usize, image.height() as usize) != size {
            return in_mask("not of the size of its map");
        }
        match image.pixels().all(|pixel| matches!(pixel.0, [0 | 255])) {
            true => Ok(()),
            false => in_mask("a value other than 0 and 255"),
        }
    }

    /// Whether a folder has exactly these entries.
    fn only(&self, folder: &Path, names: &[&str], problems: &mut Vec<String>) {
        let found = entries(folder).unwrap_or_default();
        let shown = folder
            .strip_prefix(&self.path)
            .unwrap_or(folder)
            .display()
            .to_string();
        let shown = if shown.is_empty() { ".".into() } else { shown };
        for name in names.iter().filter(|name| !found.contains(**name)) {
            problems.push(format!("{shown}: no folder {name}"));
        }
        for name in found.iter().filter(|name| !names.contains(&name.as_str())) {
            problems.push(format!("{shown}/{name} does not belong to a submission"));
        }
    }

    /// The names of the files of a folder without their ending, which must be this one.
    fn names(&self, folder: &Path, ending: &str, problems: &mut Vec<String>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for name in entries(folder).unwrap_or_default() {
            match name
                .strip_suffix(ending)
                .and_then(|name| name.strip_suffix('.'))
            {
                Some(stem) => drop(names.insert(stem.to_string())),
                None => {
                    let shown = folder.strip_prefix(&self.path).unwrap_or(folder).display();
                    problems.push(format!("{shown}/{name} does not belong to a submission"));
                }
            }
        }
        names
    }
}

/// Whether a name is three digits with this ending.
fn is_name(name: &str, ending: &str) -> bool {
    let digits = name.strip_suffix(ending);
    digits.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The names of the images of a folder, without their ending; `None` if it is not there.
fn images(folder: &Path) -> Option<BTreeSet<String>> {
    let names = entries(folder).ok()?;
    let stem = |name: String| name.strip_suffix(".png").map(str::to_string);
    Some(names.into_iter().filter_map(stem).collect())
}

/// The names in a folder.
fn entries(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn format(path: &Path, reason: impl ToString) -> Error {
    Error::Format {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}
