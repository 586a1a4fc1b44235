//! Results for people and programs: metrics over a test set, tables, reports and pictures, and the
//! file formats of the official evaluation of MVTec AD.

mod evaluation;
mod html;
mod json;
mod npy;
mod official;
mod panel;
mod partial;
mod score_file;
mod submission;
mod table;

pub use evaluation::{AreaMetrics, Curves, Evaluation, Evaluator, RankMetrics, ScoredImage};
pub use html::HtmlReport;
pub use json::{ImageCounts, Report, Seconds};
pub use official::{MapFolder, MvtecMetrics, MvtecMetricsFile};
pub use panel::Panel;
pub use partial::{Partial, Shard};
pub use submission::Ad2Submission;
pub use table::{ImageRow, MetricsRow, RegionRow, Table};
