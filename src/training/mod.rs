//! Training: the losses, the schedule, the loop.

mod adam;
mod cache;
mod checkpoint;
mod config;
mod distill;
mod feed;
#[cfg(test)]
mod gradients;
mod images;
mod loss;
mod mining;
mod moments;
mod pool;
mod random;
mod trainer;
mod window;

pub use adam::{Adam, AdamState};
pub use config::{Schedule, TrainConfig};
pub use distill::{DistillConfig, Distilled, Distiller};
pub use loss::{Batch, student_loss};
pub use mining::hard_mean;
pub use trainer::{Progress, Trained, Trainer};
pub use window::Window;
