//! One run of a training: its options, what it reports on the way, and how long it took.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::checkpoint::Checkpoint;
use crate::error::Result;

/// How a training runs. Nothing here changes its result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// Shows the progress on the standard error; see [`ProgressBar`](crate::progress::ProgressBar).
    pub progress: bool,
    /// Mebibytes of memory for features of training images that need not be computed again: 1024. HypAD's
    /// take 3.3 for each image of 256 × 256: 1 of the teacher, three times that without a projection, and 2.3
    /// of the layers that the student shares with it.
    pub feature_cache: usize,
    /// Mebibytes of memory for the training images at the size of the model's input: 2048, which is 10,922
    /// images of 256 × 256. Images beyond it are left out, drawn by the seed, with a warning.
    pub image_memory: usize,
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            progress: true,
            feature_cache: 1024,
            image_memory: 2048,
            checkpoint: None,
        }
    }
}

impl RunOptions {
    /// Shows no progress.
    pub fn quiet() -> Self {
        Self {
            progress: false,
            ..Self::default()
        }
    }

    /// Writes the state to a file after every so many steps, and goes on from that file if it is there;
    /// the result is that of a run without a break on the same machine and backend. The file is written
    /// after the last step as well and stays: another run returns what it has. It takes three times the
    /// room of the trained weights, 65 MB with PDN-S. A file of a training with other images, networks or
    /// settings is an error that names what changed.
    ///
    /// Methods without steps ignore it.
    pub fn with_checkpoint(self, path: impl Into<PathBuf>, every: usize) -> Self {
        Self {
            checkpoint: Some(Checkpoint::new(path, every)),
            ..self
        }
    }

    /// Goes on from the checkpoint also where images, networks or settings have changed since, with a
    /// warning that names what changed: after penalty images were added or repaired, or to train for more
    /// steps. The result is that of no training without a break. Without a checkpoint it does nothing.
    pub fn accept_changes(self) -> Self {
        let accepts_changes = true;
        Self {
            checkpoint: self.checkpoint.map(|checkpoint| Checkpoint {
                accepts_changes,
                ..checkpoint
            }),
            ..self
        }
    }
}

/// Report of a method on its training.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TrainingLog {
    /// The loss of every step; empty for methods without steps.
    pub losses: Vec<f32>,
    /// The time the steps took, those before a break included.
    pub time: Duration,
    /// Other figures of the method, by name.
    pub figures: BTreeMap<String, f64>,
}

/// Called after watched steps with the number of steps, the time they took and the model so far.
pub(crate) type Watch<'a, M> = dyn FnMut(usize, Duration, M) -> Result<()> + Send + 'a;

/// A training that runs: its options, and where a method reports to.
pub struct Run<'a, M> {
    /// The options.
    pub options: &'a RunOptions,
    /// Report of the method.
    pub log: TrainingLog,
    watched: &'a [usize],
    watch: &'a mut Watch<'a, M>,
}

impl<M> std::fmt::Debug for Run<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("options", self.options)
            .field("log", &self.log)
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}

impl<'a, M> Run<'a, M> {
    pub(crate) fn new(
        options: &'a RunOptions,
        watched: &'a [usize],
        watch: &'a mut Watch<'a, M>,
    ) -> Self {
        Self {
            options,
            log: TrainingLog::default(),
            watched,
            watch,
        }
    }

    /// The numbers of steps after which the caller wants to see the model.
    pub fn watched(&self) -> &[usize] {
        self.watched
    }

    /// Shows the model after so many steps, which took this long.
    ///
    /// # Errors
    ///
    /// Any error that the caller returns; it ends the training.
    pub fn show(&mut self, steps: usize, time: Duration, model: M) -> Result<()> {
        (self.watch)(steps, time, model)
    }
}
