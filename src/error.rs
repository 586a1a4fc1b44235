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
        /// What it was set to.
        value: String,
        /// What it may be.
        rule: &'static str,
    },

    /// Two inputs whose sizes must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// What was measured.
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
        /// What is missing.
        reason: &'static str,
    },

    /// An error in one image of many.
    #[error("image {image}: {source}")]
    InImage {
        /// Its name or number.
        image: String,
        /// What is wrong with it.
        source: Box<Error>,
    },

    /// A file or folder that could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file whose content is not what it should be.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
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

impl Error {
    /// The same error, of this image.
    pub(crate) fn in_image(self, image: impl std::fmt::Display) -> Self {
        Self::InImage {
            image: image.to_string(),
            source: Box::new(self),
        }
    }
}
