//! What trained methods share: optimiser, checkpoint, seeded random numbers; and the distillation of
//! teachers.

mod adam;
pub(crate) mod checkpoint;
mod distill;
pub(crate) mod images;
pub(crate) mod moments;
pub(crate) mod pool;
pub(crate) mod random;

pub use adam::{Adam, AdamState};
pub use distill::{DistillConfig, Distilled, Distiller};
