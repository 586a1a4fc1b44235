//! Results for people and programs: metrics over a test set, tables, reports and pictures, and the
//! file formats of the official evaluation of MVTec AD.

mod evaluation;
mod json;
mod official;
mod panel;
mod score_file;
mod table;

pub use evaluation::{AreaMetrics, Evaluation, Evaluator, RankMetrics};
pub use json::{ImageCounts, Report, Seconds};
pub use official::{MapFolder, MvtecMetrics, MvtecMetricsFile};
pub use panel::panel;
pub use table::{ImageRow, MetricsRow, RegionRow, Table};
