//! What a category holds, and everything in it that a training would stumble over.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::category::Category;
use super::data_set::DataSet;
use super::image;
use crate::error::Error;

/// The fewest images that a training takes.
const LEAST_IMAGES: usize = 2;
/// With fewer, a model is likely to take what it has not seen for a defect.
const FEW_IMAGES: usize = 20;
/// Problems and duplicates that are shown as text; the structure has all.
const SHOWN: usize = 20;

/// What was understood of a category, after every image and mask of it was decoded.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Survey {
    /// Its name.
    pub name: String,
    /// Its folder; `None` if it could not be read.
    pub folder: Option<PathBuf>,
    /// How that was read.
    pub layout: String,
    /// Good images to train on.
    pub train: usize,
    /// Good images that the data set keeps for validation. They are not used.
    pub validation: usize,
    /// Images to test, by kind.
    pub test: BTreeMap<String, usize>,
    /// Masks of images to test.
    pub masks: usize,
    /// Images without a label.
    pub unlabelled: usize,
    /// Sizes of all images, upright, with their number.
    pub sizes: BTreeMap<String, usize>,
    /// How the folder was understood where that is not plain, and what is odd but no hindrance.
    pub notes: Vec<String>,
    /// Images to train on that are tested too: two paths each.
    pub duplicates: Vec<(PathBuf, PathBuf)>,
    /// Why training could not start; none if it could.
    pub problems: Vec<String>,
}

impl Survey {
    /// Surveys a category. `begin` is called with the number of images before they are decoded, and `progress`
    /// after each.
    pub fn of(
        data: &DataSet,
        name: &str,
        begin: impl FnOnce(usize),
        progress: &(dyn Fn() + Sync),
    ) -> Self {
        let mut survey = Self {
            name: name.to_string(),
            folder: None,
            layout: data.layout().to_string(),
            train: 0,
            validation: 0,
            test: BTreeMap::new(),
            masks: 0,
            unlabelled: 0,
            sizes: BTreeMap::new(),
            notes: Vec::new(),
            duplicates: Vec::new(),
            problems: Vec::new(),
        };
        match data.category(name) {
            Ok(category) => survey.look(&category, begin, progress),
            Err(error) => survey.problems = problems(error),
        }
        survey
    }

    fn look(
        &mut self,
        category: &Category,
        begin: impl FnOnce(usize),
        progress: &(dyn Fn() + Sync),
    ) {
        self.folder = Some(category.folder.clone());
        self.layout = category.layout.to_string();
        self.train = category.train.len();
        self.validation = category.validation.len();
        self.unlabelled = category.unlabelled.len();
        self.notes = category.notes.clone();
        for test in &category.test {
            *self.test.entry(test.defect.clone()).or_default() += 1;
            self.masks += test.masks().len();
        }
        let train = category.train.paths();
        let all = train.chain(category.test.iter().map(|test| test.path.as_path()));
        for path in all {
            // What cannot be read is found below.
            if let Ok(size) = image::size(path) {
                *self.sizes.entry(size.to_string()).or_default() += 1;
            }
        }
        begin(category.train.len() + category.test.len());
        for checked in [category.train.check(progress), category.check(progress)] {
            if let Err(error) = checked {
                self.problems.extend(problems(error));
            }
        }
        match category.duplicates() {
            Ok(duplicates) => self.duplicates = duplicates,
            Err(error) => self.problems.push(error.to_string()),
        }
        if self.train < LEAST_IMAGES {
            let problem = format!(
                "{} images to train on; a part is held out, so that it takes 2",
                self.train
            );
            self.problems.push(problem);
        } else if self.train < FEW_IMAGES {
            self.notes.push(format!(
                "only {} images to train on: expect false alarms until there are more",
                self.train
            ));
        }
        if self.validation > 0 {
            let note = format!("{} images for validation are not used", self.validation);
            self.notes.push(note);
        }
        if !self.duplicates.is_empty() {
            self.notes.push(format!(
                "{} images to test are also trained on: the figures will be too good",
                self.duplicates.len()
            ));
        }
    }

    /// Whether training could start.
    pub fn is_ready(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The problems of an error, one each.
fn problems(error: Error) -> Vec<String> {
    match error {
        Error::Dataset { problems, .. } => problems,
        other => vec![other.to_string()],
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = |counts: &BTreeMap<String, usize>| {
            let parts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            parts.collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "{} ({})", self.name, self.layout)?;
        if self.folder.is_some() {
            writeln!(f, "  to train on: {} good images", self.train)?;
            match self.test.is_empty() {
                true => writeln!(f, "  to test: none")?,
                false => writeln!(f, "  to test: {}; {} masks", counts(&self.test), self.masks)?,
            }
            if self.unlabelled > 0 {
                writeln!(f, "  without labels: {}", self.unlabelled)?;
            }
            let sizes = self
                .sizes
                .iter()
                .map(|(size, count)| format!("{size} ({count} images)"));
            writeln!(
                f,
                "  sizes: {}",
                sizes.take(SHOWN).collect::<Vec<_>>().join(", ")
            )?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for (train, test) in self.duplicates.iter().take(SHOWN) {
            writeln!(
                f,
                "  the same image: {} and {}",
                train.display(),
                test.display()
            )?;
        }
        for problem in self.problems.iter().take(SHOWN) {
            writeln!(f, "  problem: {problem}")?;
        }
        if self.problems.len() > SHOWN {
            writeln!(
                f,
                "  and {} more problems; --json has all",
                self.problems.len() - SHOWN
            )?;
        }
        match self.is_ready() {
            true => writeln!(f, "  ready to train"),
            false => writeln!(f, "  not ready: {} problems", self.problems.len()),
        }
    }
}
