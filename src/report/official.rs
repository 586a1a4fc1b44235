//! The formats of MVTec AD's official evaluation: anomaly maps as TIFF files, and `metrics.json`.
//!
//! ```text
//! <maps>/<category>/test/<defect>/<image>.tiff    one float32 plane of the size of the image
//! ```

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tiff::encoder::{TiffEncoder, colortype::Gray32Float};

use super::npy;
use crate::ScoreMap;
use crate::data::TestImage;
use crate::data::decode::read_map;
use crate::data::{image, name_of};
use crate::error::{Error, Result};
use crate::files::{read, write_atomic};
use crate::metrics::Ranking;

impl ScoreMap {
    /// Reads a TIFF or NumPy file of floats of 16, 32 or 64 bits, whatever its name says; a NumPy array has the
    /// axes (height, width), before which others may have a length of 1.
    ///
    /// # Errors
    ///
    /// Those of [`read_tiff`](Self::read_tiff).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let map = match bytes.starts_with(npy::MAGIC) {
            true => npy::parse(&bytes),
            false => read_map(&bytes),
        };
        map.map_err(|reason| format(path, reason))
    }

    /// Reads a TIFF file of one plane of floats of 16, 32 or 64 bits.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Format`] naming the file; the latter also for further pages and for
    /// values that are NaN or infinite (16-bit floats end at 65504).
    pub fn read_tiff(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        read_map(&read(path)?).map_err(|e| format(path, e))
    }

    /// Writes a TIFF file of one plane of 32-bit floats, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Format`] for a map of more than 2³² − 1 rows or columns.
    pub fn write_tiff(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let side = |side: usize| u32::try_from(side).map_err(|e| format(path, e));
        let (width, height) = (side(self.size().width)?, side(self.size().height)?);
        let mut bytes = Cursor::new(Vec::new());
        TiffEncoder::new(&mut bytes)
            .and_then(|mut encoder| encoder.write_image::<Gray32Float>(width, height, self))
            .map_err(|e| format(path, e))?;
        write_atomic(path, bytes.get_ref())
    }
}

/// A folder of the score maps of many categories, as the official evaluation reads it.
#[derive(Clone, Debug)]
pub struct MapFolder {
    path: PathBuf,
}

impl MapFolder {
    /// The folder at this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the map of a test image, and checks that it has the image's size.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] unless there is exactly one map (`.tiff`, `.tif` or `.npy`), [`Error::Io`], and
    /// [`Error::Format`] naming a file of another format or size.
    pub fn read(&self, category: &str, test: &TestImage) -> Result<ScoreMap> {
        let stem = self.stem(category, test);
        let paths = ENDINGS.map(|ending| stem.with_added_extension(ending));
        let found: Vec<&PathBuf> = paths.iter().filter(|path| path.exists()).collect();
        let [path] = found[..] else {
            let shown = test.path.display();
            let problem = match found[..] {
                [] => format!("nor a .tif or .npy beside it: no such map of {shown}"),
                [_, second, ..] => format!("and {} are two maps of {shown}", name_of(second)),
                [_] => String::new(), // matched above
            };
            return Err(Error::Dataset {
                path: found.first().map_or(&paths[0], |path| path).to_path_buf(),
                problems: vec![problem],
            });
        };
        let map = ScoreMap::read(path)?;
        let expected = image::size(&test.path)?;
        if map.size() != expected {
            let image = test.path.display();
            let reason = format!("the map is {}, its image {image} is {expected}", map.size());
            return Err(format(path, reason));
        }
        Ok(map)
    }

    /// Writes the map of a test image.
    ///
    /// # Errors
    ///
    /// Those of [`ScoreMap::write_tiff`].
    pub fn write(&self, category: &str, test: &TestImage, map: &ScoreMap) -> Result<()> {
        map.write_tiff(self.stem(category, test).with_added_extension("tiff"))
    }

    /// Where the map of a test image is, without the ending.
    fn stem(&self, category: &str, test: &TestImage) -> PathBuf {
        let folder = self.path.join(category).join("test").join(&test.defect);
        folder.join(&test.name)
    }
}

/// The endings of maps.
const ENDINGS: [&str; 3] = ["tiff", "tif", "npy"];

fn format(path: &Path, reason: impl ToString) -> Error {
    Error::Format {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}

/// Metrics of one category in the `metrics.json` of the official evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MvtecMetrics {
    /// AUPRO up to the limit, 0.3 unless told otherwise.
    pub au_pro: f64,
    /// AUROC of images.
    pub classification_au_roc: f64,
    /// False-positive rates of its curve.
    pub classification_roc_curve_fpr: Vec<f64>,
    /// True-positive rates of its curve.
    pub classification_roc_curve_tpr: Vec<f64>,
}

impl MvtecMetrics {
    pub(super) fn new(images: &Ranking, au_pro: f64) -> Result<Self> {
        let (fpr, tpr) = images
            .roc_curve()?
            .thinned()
            .points
            .iter()
            .map(|[x, y]| (x, y))
            .unzip();
        Ok(Self {
            au_pro,
            classification_au_roc: images.auroc()?,
            classification_roc_curve_fpr: fpr,
            classification_roc_curve_tpr: tpr,
        })
    }
}

/// The file `metrics.json` of the official evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MvtecMetricsFile {
    /// By category.
    #[serde(flatten)]
    pub categories: BTreeMap<String, MvtecMetrics>,
    /// Mean AUPRO.
    pub mean_au_pro: f64,
    /// Mean image AUROC.
    pub mean_classification_au_roc: f64,
}

impl MvtecMetricsFile {
    /// Of these categories, and their means.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`] without a category.
    pub fn new(categories: BTreeMap<String, MvtecMetrics>) -> Result<Self> {
        if categories.is_empty() {
            return Err(Error::Undefined {
                metric: "mean AUPRO",
                reason: "no category",
            });
        }
        let count = categories.len() as f64;
        let mean =
            |value: fn(&MvtecMetrics) -> f64| categories.values().map(value).sum::<f64>() / count;
        Ok(Self {
            mean_au_pro: mean(|category| category.au_pro),
            mean_classification_au_roc: mean(|category| category.classification_au_roc),
            categories,
        })
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Format`] naming it, the latter also for a value outside [0, 1].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metrics: Self = serde_json::from_slice(&read(path)?).map_err(|e| format(path, e))?;
        let mut values = vec![metrics.mean_au_pro, metrics.mean_classification_au_roc];
        for category in metrics.categories.values() {
            values.extend([category.au_pro, category.classification_au_roc]);
            values.extend(&category.classification_roc_curve_fpr);
            values.extend(&category.classification_roc_curve_tpr);
        }
        match values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            Some(value) => Err(format(path, format_args!("{value} is not between 0 and 1"))),
            None => Ok(metrics),
        }
    }

    /// Writes the file as the official evaluation does, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming it.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut json = Vec::new();
        let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut json, indented);
        self.serialize(&mut serializer)
            .map_err(|e| format(path, e))?;
        write_atomic(path, &json)
    }
}
