//! A run on a category of a data set: a detector is trained, or read from its file, tested on all test
//! images, and everything that people and programs want to know of it is left in one folder.
//!
//! ```text
//! <out>/model.safetensors      the detector
//! <out>/report.json, .html     metrics, settings, times; with pictures of the worst mistakes
//! <out>/tables/                images, regions and kinds of defect, as CSV and JSON
//! <out>/pictures/<kind>/       a picture of every test image
//! ```

mod folder;
mod plan;
mod testing;

pub use folder::{RunFolder, category_folder};
pub use plan::{CategoryRun, Source, TrainingPlan};
