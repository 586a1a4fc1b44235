//! The one error type of the crate.

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. Each message names the value or the file, and the rule it broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A curvature that is negative, NaN or infinite.
    #[error("curvature c must be finite and at least 0 (the space has curvature -c), got {0}")]
    Curvature(f64),

    /// A setting outside its range.
    #[error("{name} = {value}: must be {rule}")]
    Setting {
        /// The field or flag.
        name: &'static str,
        /// Its value.
        value: String,
        /// The values that are allowed.
        rule: &'static str,
    },

    /// Two inputs whose sizes must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// The quantity.
        what: &'static str,
        /// The size asked for by the other input.
        expected: String,
        /// The size found.
        found: String,
    },

    /// A score that is not a number; it has no rank.
    #[error("score {index} is NaN; scores must be ordered (infinities are allowed)")]
    NanScore {
        /// Position in the slice.
        index: usize,
    },

    /// Numbers that are NaN or infinite where only finite ones make sense.
    #[error("{what}: {count} of {total} values are NaN or infinite; {cause}")]
    NotFinite {
        /// Meaning of the numbers.
        what: String,
        /// How many are not finite.
        count: usize,
        /// How many there are.
        total: usize,
        /// The cause.
        cause: &'static str,
    },

    /// A training whose loss, or whose maps after a step, are no longer finite.
    #[error(
        "training diverged in step {step}: its loss or maps are not finite; try a lower learning rate"
    )]
    Diverged {
        /// The step, counted from 1.
        step: usize,
    },

    /// A metric that the data leaves undefined.
    #[error("{metric} is undefined: {reason}")]
    Undefined {
        /// The metric.
        metric: &'static str,
        /// The reason.
        reason: &'static str,
    },

    /// An error in one image of many.
    #[error("image {image}: {source}")]
    InImage {
        /// Its name or number.
        image: String,
        /// The defect.
        source: Box<Error>,
    },

    /// A file or folder that could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: std::path::PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },

    /// A file whose content is not what it should be.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: std::path::PathBuf,
        /// The defect.
        reason: String,
    },

    /// A data set that breaks the rules of its layout.
    #[error("{path}: {}", problems.join("\n  "))]
    Dataset {
        /// The folder at fault.
        path: std::path::PathBuf,
        /// Every problem found, one a line.
        problems: Vec<String>,
    },
}

/// Whether a setting keeps its rule.
///
/// # Errors
///
/// [`Error::Setting`] with these words if not.
pub(crate) fn check(
    holds: bool,
    name: &'static str,
    value: impl ToString,
    rule: &'static str,
) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::Setting {
            name,
            value: value.to_string(),
            rule,
        }),
    }
}

/// Whether all values are finite.
///
/// # Errors
///
/// [`Error::NotFinite`] with these words if not.
#[cfg(feature = "anomaly")]
pub(crate) fn check_finite(
    values: &[f32],
    what: impl std::fmt::Display,
    cause: &'static str,
) -> Result<()> {
    // First without a count, in vector instructions.
    if values.iter().fold(true, |all, v| all & v.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite {
        what: what.to_string(),
        count: values.iter().filter(|v| !v.is_finite()).count(),
        total: values.len(),
        cause,
    })
}

impl Error {
    /// The problems of several checks of one thing as one error, if there are any.
    ///
    /// # Errors
    ///
    /// The only problem as it is, or [`Error::Dataset`] with all.
    pub fn all<T>(of: impl Into<std::path::PathBuf>, checks: Vec<Result<T>>) -> Result<Vec<T>> {
        let (mut fine, mut errors) = (Vec::new(), Vec::new());
        for check in checks {
            match check {
                Ok(value) => fine.push(value),
                Err(error) => errors.push(error),
            }
        }
        match errors.len() {
            0 => Ok(fine),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Dataset {
                path: of.into(),
                problems: errors.iter().map(Error::to_string).collect(),
            }),
        }
    }

    /// The same error, of this image.
    pub(crate) fn in_image(self, image: impl std::fmt::Display) -> Self {
        Self::InImage {
            image: image.to_string(),
            source: Box::new(self),
        }
    }
}
