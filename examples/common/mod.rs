//! What the example programs share: flags, a synthetic category, tables.

#![allow(dead_code)] // no example uses all of it

pub mod fabric;
mod maps;
mod recipe;
mod results;
mod teacher;

use std::io::Cursor;
use std::path::Path;

use hypad::files::write_atomic;
use hypad::{Error, Result};
#[allow(unused_imports)] // as above
pub use {maps::MapFlags, recipe::RecipeFlags, results::*, teacher::teacher};

/// Encodes a picture and writes it whole.
pub fn write_png(path: &Path, picture: &image::RgbImage) -> Result<()> {
    let mut png = Vec::new();
    let encoded = picture.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png);
    encoded.map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    write_atomic(path, &png)
}
