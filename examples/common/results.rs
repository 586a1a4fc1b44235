//! What the example programs say at the end.

use std::path::Path;

use hypad::data::{Category, ImageSet};
use hypad::{Error, Result};

/// Categories of a data set. The problems of all of them are one error, with those of the training
/// images.
pub fn load_categories(data: &Path, names: &[String]) -> Result<Vec<Category>> {
    let mut found: Vec<Result<Category>> = names
        .iter()
        .map(|name| Category::load(data, name))
        .collect();
    if found.iter().any(Result::is_err) {
        let folders = names.iter().map(|name| data.join(name).join("train/good"));
        for folder in folders.filter(|folder| folder.is_dir()) {
            let checked = ImageSet::from_dir(folder).and_then(|images| images.check(&|| ()));
            found.extend(checked.err().map(Err));
        }
    }
    Error::all(data, found)
}

/// Ends a program: an error is one line on the standard error and exit code 1.
pub fn exit(result: Result<()>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
