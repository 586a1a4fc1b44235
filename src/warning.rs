//! Warnings: what a user should know although the work goes on.
//!
//! They are records of the `log` crate at the level "warn", so that a program with a logger decides
//! where they go. Without a logger they are printed to stderr, as `warning: ...`, like Python's
//! `logging` does by its handler of last resort.

use std::fmt::Display;

/// Gives a warning to the program's logger, or prints it if there is none.
pub(crate) fn warn(message: impl Display) {
    match log::max_level() {
        log::LevelFilter::Off => eprintln!("warning: {message}"),
        _ => log::warn!("{message}"),
    }
}
