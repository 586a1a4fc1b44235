//! `hypad info`: what a model file says of itself.

use std::path::PathBuf;

use hypad::Result;
use hypad::detect::ModelInfo;

use super::{Outcome, json, print};

/// Print what a model file says of itself: method, sizes, thresholds and how they were chosen.
///
/// Example: hypad info out/photos/model.safetensors
#[derive(clap::Args)]
pub struct Args {
    /// The detector: a model.safetensors
    model: PathBuf,
    /// Print everything, as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Outcome> {
    let info = ModelInfo::read(&args.model)?;
    if args.json {
        print(&json(&info, true)?)?;
        return Ok(Outcome::Fine);
    }
    let threshold = |value: Option<f32>| value.map_or("none".into(), |value| value.to_string());
    let writer = match info.crate_version.as_str() {
        "" => "an early hypad".to_string(),
        version => format!("hypad {version}"),
    };
    let size = info.settings["image_size"].clone();
    let size: Option<hypad::ImageSize> = serde_json::from_value(size).ok();
    let rows = [
        ("method", info.method.clone()),
        (
            "written by",
            format!("{writer}, file version {}", info.version),
        ),
        ("weights", format!("{} numbers", info.parameters)),
        (
            "input",
            size.map_or("not known".into(), |size| size.to_string()),
        ),
        ("image threshold", threshold(info.threshold)),
        (
            "chosen by",
            info.threshold_policy.unwrap_or("not known".into()),
        ),
        ("pixel threshold", threshold(info.pixel_threshold)),
        (
            "tiles",
            info.preparation.tiles.map_or("none".into(), |tiles| {
                format!("{}, overlapping by {}", tiles.size, tiles.overlap)
            }),
        ),
        (
            "ignored pixels",
            info.preparation
                .ignore
                .map_or("none".into(), |mask| format!("a mask of {}", mask.size())),
        ),
        ("aspect ratio", format!("{:?}", info.preparation.fit)),
        (
            "checksum",
            if info.has_checksum { "right" } else { "none" }.to_string(),
        ),
    ];
    for (name, value) in rows {
        print(&format!("{name:16} {value}\n"))?;
    }
    Ok(Outcome::Fine)
}
