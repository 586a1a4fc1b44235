//! Training: the losses, the schedule, the loop.

mod config;
mod loss;
mod trainer;

pub use config::TrainConfig;
pub use loss::{Batch, hard_mean, student_loss};
pub use trainer::{Trained, Trainer};
