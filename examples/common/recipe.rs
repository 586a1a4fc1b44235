//! Flags of a recipe of training.

use hypad::training::Schedule;
use hypad::{HypAdConfig, Result, TrainConfig};

/// A recipe of training.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Recipe {
    /// Five minutes on two cores, ten or more for EfficientAD: 1600 steps, rate 5e-4, linear, 3 copied layers, 2 tiles
    Fast,
    /// The paper's: 70,000 steps, rate 1e-4, step, no copied layer, 1 tile
    Published,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ScheduleFlag {
    Step,
    Linear,
}

#[derive(clap::Args)]
pub struct RecipeFlags {
    /// The recipe; the flags below change parts of it
    #[arg(long, default_value = "fast")]
    recipe: Recipe,
    /// Training steps of one image each
    #[arg(long)]
    steps: Option<usize>,
    /// Learning rate of Adam
    #[arg(long)]
    learning_rate: Option<f64>,
    /// step: once, near the end, to a tenth; linear: from the first step to the last, to 0
    #[arg(long)]
    schedule: Option<ScheduleFlag>,
    /// L2 penalty on the weights
    #[arg(long)]
    weight_decay: Option<f32>,
    /// First convolutions of the student that start as the teacher's
    #[arg(long)]
    copied_layers: Option<usize>,
    /// First convolutions of the student that are the teacher's and stay so
    /// [default: that of the method, 2 for HypAD and 0 for EfficientAD; 0 with the published recipe]
    #[arg(long, value_name = "N")]
    shared_layers: Option<usize>,
    /// The autoencoder's terms of a step are taken in one of N x N parts of the image; 1: everywhere
    #[arg(long, value_name = "N")]
    tiles: Option<usize>,
    /// The student sees a penalty image in every so many steps
    #[arg(long)]
    penalty_every: Option<usize>,
    /// Steps after which a checkpoint is written to the folder of the results, from which the same
    /// command goes on; 0: none
    #[arg(long, value_name = "STEPS", default_value_t = 500)]
    checkpoint_every: usize,
    /// Go on from a checkpoint also where images, teacher or settings have changed since
    #[arg(long)]
    accept_changes: bool,
    /// Seed of all that is random
    #[arg(long, default_value_t = TrainConfig::default().seed)]
    pub seed: u64,
}

impl RecipeFlags {
    /// Steps between checkpoints, if there shall be any.
    pub fn checkpoint_every(&self) -> Option<usize> {
        (self.checkpoint_every > 0).then_some(self.checkpoint_every)
    }

    /// Whether to go on from a checkpoint of a training with other images or settings.
    pub fn accept_changes(&self) -> bool {
        self.accept_changes
    }

    /// The model with the layers that are shared.
    pub fn apply(&self, model: HypAdConfig) -> HypAdConfig {
        let shared_layers = match self.recipe {
            Recipe::Fast => model.shared_layers,
            Recipe::Published => 0,
        };
        HypAdConfig {
            shared_layers: self.shared_layers.unwrap_or(shared_layers),
            ..model
        }
    }

    /// The recipe, and its name if it is not the default, without the flags that change it.
    pub fn base(&self) -> (&'static str, TrainConfig) {
        match self.recipe {
            Recipe::Fast => ("", TrainConfig::fast()),
            Recipe::Published => ("published", TrainConfig::published()),
        }
    }

    pub fn config(&self) -> Result<TrainConfig> {
        let (_, base) = self.base();
        let config = TrainConfig {
            steps: self.steps.unwrap_or(base.steps),
            learning_rate: self.learning_rate.unwrap_or(base.learning_rate),
            schedule: match self.schedule {
                None => base.schedule,
                Some(ScheduleFlag::Step) => TrainConfig::published().schedule,
                Some(ScheduleFlag::Linear) => Schedule::Linear,
            },
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            copied_layers: self.copied_layers.unwrap_or(base.copied_layers),
            tiles: self.tiles.unwrap_or(base.tiles),
            penalty_every: self.penalty_every.unwrap_or(base.penalty_every),
            seed: self.seed,
            ..base
        };
        config.validate()?;
        Ok(config)
    }
}
