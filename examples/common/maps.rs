//! Flags on what maps cover and how they are smoothed.

use clap::{Args, ValueEnum};
use hypad::HypAdConfig;
use hypad::methods::Join;
use hypad::methods::hypad::ImagePadding;

#[derive(Args)]
pub struct MapFlags {
    /// How images are continued beyond their edges, so that the map covers them: mirrored, repeated, or
    /// not at all [default: reflect for HypAD, none for EfficientAD and, in `curve`, `literal`]
    #[arg(long)]
    image_padding: Option<PaddingFlag>,
    /// Standard deviation, in locations of 4 pixels, of the Gaussian that smoothes the map; 0: none
    /// [default: that of the method: 1 for HypAD, 0 for EfficientAD and, in `curve`, `literal`]
    #[arg(long, value_name = "LOCATIONS")]
    smoothing: Option<f64>,
    /// How the maps of student and teacher, and of student and autoencoder, become one
    /// [default: planted-defects for HypAD, mean for EfficientAD and, in `curve`, `literal`]
    #[arg(long)]
    join: Option<JoinFlag>,
}

#[derive(Clone, Copy, ValueEnum)]
enum JoinFlag {
    /// Their mean
    Mean,
    /// Weighed by how well they tell good images that are held out from the same with planted defects
    PlantedDefects,
}

#[derive(Clone, Copy, ValueEnum)]
enum PaddingFlag {
    None,
    Reflect,
    Edge,
}

impl MapFlags {
    /// The configuration with what was given.
    pub fn apply(&self, config: HypAdConfig) -> HypAdConfig {
        HypAdConfig {
            image_padding: match self.image_padding {
                None => config.image_padding,
                Some(PaddingFlag::None) => ImagePadding::None,
                Some(PaddingFlag::Reflect) => ImagePadding::Reflect,
                Some(PaddingFlag::Edge) => ImagePadding::Edge,
            },
            join: match self.join {
                None => config.join,
                Some(JoinFlag::Mean) => Join::Mean,
                Some(JoinFlag::PlantedDefects) => Join::PlantedDefects,
            },
            smoothing: self.smoothing.unwrap_or(config.smoothing),
            ..config
        }
    }
}
