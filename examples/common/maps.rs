//! Flags on what maps cover and how they are smoothed.

use clap::{Args, ValueEnum};
use hypad::HypAdConfig;
use hypad::methods::hypad::ImagePadding;

#[derive(Args)]
pub struct MapFlags {
    /// How images are continued beyond their edges, so that the map covers them: mirrored, repeated, or
    /// not at all
    #[arg(long, default_value = "none")]
    image_padding: PaddingFlag,
    /// Standard deviation, in locations of 4 pixels, of the Gaussian that smoothes the map; 0: none
    /// [default: that of the method: 1 for HypAD, 0 for EfficientAD and, in `curve`, `literal`]
    #[arg(long, value_name = "LOCATIONS")]
    smoothing: Option<f64>,
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
                PaddingFlag::None => ImagePadding::None,
                PaddingFlag::Reflect => ImagePadding::Reflect,
                PaddingFlag::Edge => ImagePadding::Edge,
            },
            smoothing: self.smoothing.unwrap_or(config.smoothing),
            ..config
        }
    }
}
