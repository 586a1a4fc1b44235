//! The parts that trained methods share (loop of gradient steps, schedule, checkpoint, seeded random
//! numbers), and the distillation of teachers.

mod adam;
pub(crate) mod checkpoint;
mod distill;
mod images;
pub(crate) mod moments;
pub(crate) mod pool;
pub(crate) mod random;
mod run;
mod schedule;
pub(crate) mod steps;

// For benches.
#[doc(hidden)]
pub use adam::{Adam, AdamState};
pub use distill::{DistillConfig, Distilled, Distiller};
pub(crate) use images::Input;
pub use images::{Split, TrainingImages};
pub use run::{Run, RunOptions, TrainingLog};
pub use schedule::Schedule;
