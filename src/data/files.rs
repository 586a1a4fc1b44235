//! Which entries of a folder are images, and which are passed over.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::io_error;
use crate::warning::warn;

/// The file name endings that are taken for images, in any case.
pub const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp"];
/// Names that systems and archives leave behind, besides those that begin with a dot.
const SYSTEM: [&str; 4] = ["thumbs.db", "desktop.ini", "__macosx", "@eadir"];

/// The entries of a folder, sorted by name.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files with the ending of an image.
    pub images: Vec<PathBuf>,
    /// Folders.
    pub folders: Vec<PathBuf>,
    /// Number of other files, by ending.
    others: BTreeMap<String, usize>,
    hidden: usize,
}

impl Listing {
    /// Reads a folder. Links are followed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the folder or entry, [`Error::Dataset`] with every link to nothing.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut listing = Self::default();
        let mut dead = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
            let path = entry.map_err(io_error(folder))?.path();
            if is_hidden(&path) {
                listing.hidden += 1;
                continue;
            }
            match (path.metadata(), path.read_link()) {
                (Ok(metadata), _) => listing.add(path, &metadata),
                (Err(_), Ok(target)) => dead.push(format!(
                    "{} is a link to {}, which does not exist",
                    name_of(&path),
                    target.display()
                )),
                (Err(error), Err(_)) => return Err(io_error(&path)(error)),
            }
        }
        if !dead.is_empty() {
            dead.sort();
            return Err(Error::Dataset {
                path: folder.to_path_buf(),
                problems: dead,
            });
        }
        listing.images.sort();
        listing.folders.sort();
        Ok(listing)
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let ending = ending.to_ascii_lowercase();
        if metadata.is_dir() {
            self.folders.push(path);
        } else if metadata.is_file() && ENDINGS.contains(&ending.as_str()) {
            self.images.push(path);
        } else {
            *self.others.entry(ending).or_default() += 1;
        }
    }

    /// The images, of which there must be some; warns of all other entries.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] for a folder without images.
    pub fn into_images(self, folder: &Path) -> Result<Vec<PathBuf>> {
        if self.images.is_empty() {
            let of_images = |folder: &&PathBuf| {
                Self::read(folder).is_ok_and(|listing| !listing.images.is_empty())
            };
            let below = match self.folders.iter().filter(of_images).count() {
                0 => String::new(),
                count => format!("; {count} of its folders hold images"),
            };
            return Err(no_image(folder, &below));
        }
        self.warn_besides_images(folder);
        Ok(self.images)
    }

    /// Warns of all entries but images, in one line.
    pub fn warn_besides_images(&self, folder: &Path) {
        self.warn_besides(folder, &[("folder", self.folders.len())]);
    }

    /// Adds up the entries that are passed over in several folders.
    pub fn add_passed_over(&mut self, other: &Self) {
        self.hidden += other.hidden;
        for (ending, count) in &other.others {
            *self.others.entry(ending.clone()).or_default() += count;
        }
    }

    /// Warns of other files, hidden entries, and what the caller passes over.
    pub fn warn_besides(&self, folder: &Path, passed_over: &[(&str, usize)]) {
        let mut reasons = Vec::new();
        let others = self.others.values().sum::<usize>();
        if others > 0 {
            let mut text = format!("{others} of other file types (");
            for (index, (ending, count)) in self.others.iter().enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                let ending = match ending.as_str() {
                    "" => "no ending".to_string(),
                    ending => format!(".{ending}"),
                };
                let _ = write!(text, "{comma}{ending} {count}");
            }
            reasons.push(text + ")");
        }
        let mut total = others + self.hidden;
        for (kind, count) in passed_over.iter().filter(|(_, count)| *count > 0) {
            let plural = if *count > 1 { "s" } else { "" };
            reasons.push(format!("{count} {kind}{plural}"));
            total += count;
        }
        if self.hidden > 0 {
            reasons.push(format!("{} hidden or of the system", self.hidden));
        }
        if total > 0 {
            let entries = if total == 1 { "entry" } else { "entries" };
            let reasons = reasons.join(", ");
            warn(format!(
                "{}: {total} {entries} passed over: {reasons}",
                folder.display()
            ));
        }
    }
}

/// The error of a folder without images.
pub fn no_image(folder: &Path, more: &str) -> Error {
    Error::Dataset {
        path: folder.to_path_buf(),
        problems: vec![format!(
            "no image ({}) in this folder{more}",
            ENDINGS.join(", ")
        )],
    }
}

/// Whether the system or an editor hides the file, or made it for itself.
fn is_hidden(path: &Path) -> bool {
    let name = name_of(path).to_ascii_lowercase();
    name.starts_with('.') || SYSTEM.contains(&name.as_str())
}

/// The last part of a path.
pub fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The problem with a name that is needed as text.
pub fn not_utf8(path: &Path) -> String {
    format!("the name of {} is not UTF-8", path.display())
}
