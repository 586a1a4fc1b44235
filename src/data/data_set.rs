//! A data set in a folder: which layout it has, and its categories.

use std::fmt;
use std::path::{Path, PathBuf};

use super::category::Category;
use super::files::{Listing, name_of, not_utf8};
use super::layouts::{self, is_good};
use crate::error::{Error, Result};

/// How a folder holds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// `train/good`, `test/good`, `test/<defect>`, `ground_truth/<defect>`: MVTec AD, AD 2, LOCO and the
    /// colour images of 3D-AD, VisA's prepared forms, BTAD, MPDD, VAD, AutoVI. Good images may be in `ok` or
    /// `normal`.
    Folders,
    /// `split_csv/1cls.csv` and the folders that VisA comes in.
    Visa,
    /// The JSON files of Real-IAD, a category each.
    RealIad,
    /// `meta.json` as ADer writes it.
    Ader,
    /// `train` and `test` with `ID_GT` beside `ID`: KolektorSDD2.
    MasksBeside,
    /// A folder of good images, and folders of images with defects.
    GoodAndBad,
    /// A folder of images, all good.
    Images,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folders => "folders as of MVTec AD",
            Self::Visa => "VisA",
            Self::RealIad => "Real-IAD",
            Self::Ader => "meta.json of ADer",
            Self::MasksBeside => "masks beside images, as of KolektorSDD2",
            Self::GoodAndBad => "folders of good images and of defects",
            Self::Images => "a folder of good images",
        })
    }
}

/// A data set: the layout of a folder and the names of its categories.
///
/// ```no_run
/// use hypad::data::DataSet;
///
/// let data = DataSet::open("mvtec_ad")?;
/// println!("{}: {}", data.layout(), data.names().join(", "));
/// println!("{} images to train on", data.category("bottle")?.train.len());
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataSet {
    root: PathBuf,
    layout: Layout,
    names: Vec<String>,
    /// Whether `root` is the folder of its only category.
    single: bool,
}

/// Folders that are parts of a category and no categories.
const PARTS: [&str; 5] = ["train", "test", "test_public", "validation", "ground_truth"];
/// What [`DataSet::open`] looks for.
const LOOKED_FOR: &str = "looked for: train/good (or ok, normal) here or in the folders below; good (or ok, \
     normal) beside other folders; split_csv/1cls.csv (VisA); realiad_jsons*/ (Real-IAD); meta.json \
     (ADer); train/*_GT.png (KolektorSDD2); images";

impl DataSet {
    /// Recognises the layout of a folder: the root of a data set, the folder of one of its categories, or
    /// any folder of images.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a folder that cannot be read, [`Error::Dataset`] for one of no layout that is known
    /// and for a link to nothing, [`Error::Format`] for a CSV or JSON file that cannot be read.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let of = |layout, names, single| {
            Ok(Self {
                root: root.to_path_buf(),
                layout,
                names,
                single,
            })
        };
        let listing = Listing::read(root)?;
        if layouts::visa::csv(root).is_file() {
            return of(Layout::Visa, layouts::visa::names(root)?, false);
        }
        if layouts::ader::meta(root).is_file() {
            return of(Layout::Ader, layouts::ader::names(root)?, false);
        }
        if let Some(set) = layouts::real_iad::find(root)? {
            return of(Layout::RealIad, set.names()?, false);
        }
        if let Some(layout) = layout_of_category(root)? {
            return of(layout, vec![own_name(root)?], true);
        }
        if let Some(nested) = listing
            .folders
            .iter()
            .find(|folder| name_of(folder) == "1cls")
        {
            return Self::open(nested);
        }
        let mut names = Vec::new();
        let mut found = None;
        for folder in &listing.folders {
            if PARTS.contains(&name_of(folder).as_str()) {
                continue;
            }
            if let Some(layout) = layout_of_category(folder)? {
                found = found.or(Some(layout));
                let name = folder.file_name().unwrap_or_default().to_str();
                names.push(name.map(str::to_string).ok_or_else(|| Error::Dataset {
                    path: root.to_path_buf(),
                    problems: vec![not_utf8(folder)],
                })?);
            }
        }
        match found {
            Some(layout) => of(layout, names, false),
            None if !listing.images.is_empty() => of(Layout::Images, vec![own_name(root)?], true),
            None => Err(Error::Dataset {
                path: root.to_path_buf(),
                problems: vec![format!("no data set is recognised here; {LOOKED_FOR}")],
            }),
        }
    }

    /// The layout; of folders of several layouts, that of the first category.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The names of the categories, sorted; at least one.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads a category; of the images only the headers.
    ///
    /// Images and masks are paired by name: `000.png` with `000_mask.png`, `000_GT.png`, `000_label.png` or
    /// `000.png` in the folder of masks, or with all images of a folder `000` there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a folder that is not there, and [`Error::Dataset`] with every problem: a name that
    /// is no category, an image that has no mask where others have one, or two, a mask that has no image or
    /// not its size, two images of one name, a folder without images, a link to nothing, and a path of a
    /// CSV or JSON file that leads nowhere or out of the data set.
    pub fn category(&self, name: &str) -> Result<Category> {
        if !self.names.iter().any(|known| known == name) {
            return Err(Error::Dataset {
                path: self.root.clone(),
                problems: vec![format!(
                    "no category \"{name}\": there is {}",
                    self.names.join(", ")
                )],
            });
        }
        match self.layout {
            Layout::Visa => return layouts::visa::category(&self.root, name),
            Layout::Ader => return layouts::ader::category(&self.root, name),
            Layout::RealIad => return layouts::real_iad::category(&self.root, name),
            _ => {}
        }
        let folder = match self.single {
            true => self.root.clone(),
            false => self.root.join(name),
        };
        match layout_of_category(&folder)? {
            Some(Layout::MasksBeside) => layouts::masks_beside::category(folder, name),
            Some(Layout::GoodAndBad) => layouts::good_and_bad::category(folder, name),
            Some(_) => layouts::folders::category(folder, name),
            None => layouts::good_and_bad::images_alone(folder, name),
        }
    }
}

/// The layout of the folder of a category, if it is one.
fn layout_of_category(folder: &Path) -> Result<Option<Layout>> {
    let train = folder.join("train");
    if train.is_dir() {
        if layouts::folders::good_folder(&train)?.is_some() {
            return Ok(Some(Layout::Folders));
        }
        if layouts::masks_beside::is_here(&train)? {
            return Ok(Some(Layout::MasksBeside));
        }
    }
    // Links to nothing are reported where the category is read.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(None);
    };
    let good = entries
        .flatten()
        .any(|entry| is_good(&entry.file_name()) && entry.path().is_dir());
    Ok(good.then_some(Layout::GoodAndBad))
}

/// The name of a folder by its place, also of `.`.
fn own_name(folder: &Path) -> Result<String> {
    let place = folder
        .canonicalize()
        .map_err(crate::files::io_error(folder))?;
    match place.file_name().map(|name| name.to_str()) {
        Some(Some(name)) => Ok(name.to_string()),
        Some(None) => Err(Error::Dataset {
            path: folder.to_path_buf(),
            problems: vec![not_utf8(&place)],
        }),
        None => Ok("images".into()),
    }
}
