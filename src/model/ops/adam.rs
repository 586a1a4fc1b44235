//! One step of Adam on slices.

use rayon::prelude::*;

use super::AdamStep;
use crate::geometry::vectorised;

/// Elements of one task.
const TASK: usize = 1 << 14;

/// Changes parameters and both moments in place.
pub fn step(
    step: AdamStep,
    parameters: &mut [f32],
    grads: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let [beta_1, beta_2] = step.betas.map(|beta| beta as f32);
    let [scale_1, scale_2] = step
        .corrections()
        .map(|correction| (1.0 / correction) as f32);
    let (rate, epsilon) = (step.learning_rate as f32 * scale_1, step.epsilon as f32);
    let decay = step.weight_decay as f32;
    let parts = parameters
        .par_chunks_mut(TASK)
        .zip(grads.par_chunks(TASK))
        .zip(first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK)));
    parts.for_each(|((parameters, grads), (first, second))| {
        vectorised(
            #[inline(always)]
            || {
                let moments = first.iter_mut().zip(second);
                for ((p, g), (m, v)) in parameters.iter_mut().zip(grads).zip(moments) {
                    let g = g + decay * *p;
                    *m = beta_1 * *m + (1.0 - beta_1) * g;
                    *v = beta_2 * *v + (1.0 - beta_2) * g * g;
                    *p -= rate * *m / ((*v * scale_2).sqrt() + epsilon);
                }
            },
        )
    });
}
