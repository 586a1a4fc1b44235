//! What the example programs say at the end.

use std::path::Path;

use hypad::data::{Category, ImageSet};
use hypad::report::{Evaluation, MetricsRow, Table};
use hypad::{Error, Result};

/// The metrics of categories, with their means if there are several.
pub fn category_table(categories: &[(String, usize, Evaluation)]) -> Table<MetricsRow> {
    let rows = categories.iter();
    let mut rows: Vec<_> = rows
        .map(|(name, images, evaluation)| MetricsRow::new(name, *images, evaluation))
        .collect();
    if categories.len() > 1 {
        let all: Vec<_> = categories.iter().map(|category| category.2).collect();
        let images = categories.iter().map(|category| category.1).sum();
        rows.push(MetricsRow::new("mean", images, &Evaluation::mean(&all)));
    }
    Table::new(rows)
}

/// The problems of several checks as one error.
pub fn all_problems(of: &str, found: Vec<Result<()>>) -> Result<()> {
    let mut errors: Vec<Error> = found.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(Error::Dataset {
            path: of.into(),
            problems: errors.iter().map(Error::to_string).collect(),
        }),
    }
}

/// Categories of a data set. The problems of all of them are one error, with those of the training
/// images.
pub fn load_categories(data: &Path, names: &[String]) -> Result<Vec<Category>> {
    let mut categories = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        match Category::load(data, name) {
            Ok(category) => categories.push(category),
            Err(error) => problems.push(Err(error)),
        }
    }
    if !problems.is_empty() {
        let folders = names.iter().map(|name| data.join(name).join("train/good"));
        for folder in folders.filter(|folder| folder.is_dir()) {
            let checked = ImageSet::from_dir(folder).and_then(|images| images.check(&|| ()));
            problems.push(checked);
        }
    }
    all_problems(&data.to_string_lossy(), problems)?;
    Ok(categories)
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
