//! Results for people and programs: metrics over a test set, reports and pictures.

mod evaluation;
mod json;
mod panel;

pub use evaluation::{AreaMetrics, Evaluation, Evaluator, RankMetrics};
pub use json::{Report, Seconds};
pub use panel::panel;
