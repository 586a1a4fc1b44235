//! How far long work is, on the standard error.

use indicatif::{ProgressBar, ProgressStyle};

/// The line of a training's steps.
pub const STEPS: &str = "{bar:30} step {pos}/{len}, {msg}, {eta} left";

/// A progress bar, which a hidden one stands for if it shall not be `shown`; drawn on a terminal only.
pub fn progress_bar(shown: bool, length: usize, template: &str) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style)
}
