//! Training: the losses, the schedule, the loop.

mod adam;
mod cache;
mod checkpoint;
mod config;
mod distill;
mod feed;
mod loss;
mod moments;
mod random;
mod trainer;
mod window;

pub use adam::{Adam, AdamState};
pub use config::{Schedule, TrainConfig};
pub use distill::{DistillConfig, Distilled, Distiller};
pub use loss::{Batch, hard_mean, student_loss};
pub use trainer::{Progress, Trained, Trainer};
pub use window::Window;
