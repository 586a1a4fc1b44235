//! The loop of gradient steps, which trained methods and the distillation share.

use std::sync::mpsc::sync_channel;
use std::time::Instant;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{ElementConversion, Tensor};

use super::adam::Adam;
use super::checkpoint::{Optimiser, RunState, Start, TrainingState};
use super::run::RunOptions;
use crate::error::{Error, Result};
use crate::features::ModelBackend;
use crate::progress::ProgressBar;

/// Samples that are prepared ahead of their step, at most.
const PREFETCH: usize = 4;

/// The part of a training that the loop does not know: loss, learning rate, work after a step.
pub(crate) trait Task<B: ModelBackend> {
    /// The trained module.
    type Module: AutodiffModule<Autodiff<B>>;
    /// The images of a step.
    type Sample: Send;
    /// Start of the training.
    type Start: Start;

    /// The learning rate of a step, counted from 0.
    fn learning_rate(&self, step: usize) -> f64;

    /// The loss of a step, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Error::NanScore`] stands for a loss that is not finite.
    fn loss(
        &mut self,
        step: usize,
        module: &Self::Module,
        sample: Self::Sample,
    ) -> Result<Tensor<Autodiff<B>, 1>>;

    /// Called after each step, outside of the time that is measured; returns a remark for the progress.
    ///
    /// # Errors
    ///
    /// Any, which ends the training.
    fn after_step(
        &mut self,
        module: &Self::Module,
        run_state: &mut RunState<Self::Start>,
    ) -> Result<Option<String>>;
}

/// Adam with an L2 penalty added to the gradient, at its first step.
pub(crate) fn adam<B: ModelBackend, M: AutodiffModule<Autodiff<B>>>(
    weight_decay: f32,
) -> Optimiser<B, M> {
    let weight_decay = weight_decay.into();
    Adam { weight_decay }.init()
}

/// The state to begin with: that of the checkpoint, if there is one, or else this.
///
/// # Errors
///
/// Those of reading a checkpoint.
pub(crate) fn resume<B: ModelBackend, M: AutodiffModule<Autodiff<B>>, S: Start>(
    module: M,
    optimiser: Optimiser<B, M>,
    start: S,
    options: &RunOptions,
) -> Result<TrainingState<B, M, S>> {
    if let Some(checkpoint) = &options.checkpoint
        && let Some(resumed) = checkpoint.read(module.clone(), optimiser.clone(), &start)?
    {
        return Ok(resumed);
    }
    Ok(TrainingState {
        module,
        optimiser,
        run_state: RunState::new(start),
    })
}

/// Runs the remaining steps, after those that the state has done. A thread of its own prepares the samples,
/// by `prepare` of a step counted from 0.
///
/// # Errors
///
/// [`Error::Diverged`] for a loss that is not finite, and those of the task and of the checkpoint.
pub(crate) fn run_steps<B: ModelBackend, T: Task<B>>(
    what: &str,
    task: &mut T,
    state: TrainingState<B, T::Module, T::Start>,
    mut prepare: impl FnMut(usize) -> Result<T::Sample> + Send,
    options: &RunOptions,
) -> Result<(T::Module, RunState<T::Start>)> {
    let TrainingState {
        mut module,
        mut optimiser,
        mut run_state,
    } = state;
    let steps = run_state.losses.len()..run_state.start.steps();
    let bar = ProgressBar::new(options.progress, steps.end, what);
    bar.start_at(steps.start);
    std::thread::scope(|scope| {
        let (sender, samples) = sync_channel(PREFETCH);
        let mut ahead = steps.clone();
        scope.spawn(move || {
            // Sending fails when the steps have ended with an error.
            ahead.try_for_each(|step| sender.send(prepare(step)))
        });
        let mut begin = Instant::now();
        for (step, sample) in steps.zip(samples) {
            let diverged = Error::Diverged { step: step + 1 };
            let loss = match task.loss(step, &module, sample?) {
                Err(Error::NanScore { .. }) => return Err(diverged),
                loss => loss?,
            };
            let grads = GradientsParams::from_grads(loss.backward(), &module);
            module = optimiser.step(task.learning_rate(step), module, grads);
            let loss: f32 = loss.into_scalar().elem();
            if !loss.is_finite() {
                return Err(diverged);
            }
            run_state.losses.push(loss);
            run_state.time += begin.elapsed();
            let remark = task.after_step(&module, &mut run_state)?;
            bar.set_message(format!("loss {loss:.4}{}", remark.unwrap_or_default()));
            bar.inc();
            // Written last, so that a run that goes on does not repeat `after_step`.
            if let Some(checkpoint) = &options.checkpoint {
                checkpoint.write(&module, &optimiser, &run_state)?;
            }
            begin = Instant::now();
        }
        Ok((module, run_state))
    })
}
