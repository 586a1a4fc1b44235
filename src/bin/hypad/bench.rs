//! `hypad bench`: how fast a detector is.

use std::path::PathBuf;
use std::time::Instant;

use hypad::features::ModelBackend;
use hypad::image::{DynamicImage, Rgb, RgbImage};
use hypad::methods::hypad::HypAd;
use hypad::report::Table;
use hypad::{Detector, HypAdConfig, ImageSize, Result};
use serde::Serialize;

use super::device::{Device, on_device};
use super::policy::Size;
use super::{Outcome, json, print};

/// Measure how long a prediction takes, by the protocol of MVTec's benchmarks.
///
/// One image at a time, from pixels in memory to a map in memory, after predictions that are not counted. At a size
/// other than the model's own a network of the same settings and random weights is measured.
///
/// Example: hypad bench out/photos/model.safetensors
#[derive(clap::Args)]
pub struct Args {
    /// The detector: a model.safetensors
    model: PathBuf,
    /// Sizes of images and inputs, with commas between them
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        default_value = "256,512,1224x1024"
    )]
    sizes: Vec<Size>,
    /// Predictions that are counted
    #[arg(long, default_value_t = 20)]
    repeats: usize,
    /// Predictions before them
    #[arg(long, default_value_t = 3)]
    warm_up: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// What computes
    #[arg(long, default_value = "auto")]
    device: Device,
}

#[derive(Serialize)]
struct Row {
    size: String,
    mean_ms: f64,
    std_ms: f64,
    min_ms: f64,
    max_ms: f64,
    p99_ms: f64,
    /// Of the process while this size was measured; empty where the system does not tell.
    peak_mib: Option<u64>,
}

pub fn run(args: &Args) -> Result<Outcome> {
    on_device!(args.device, run_on(args))
}

fn run_on<B: ModelBackend>(args: &Args) -> Result<Outcome> {
    let device = B::Device::default();
    let loaded = Detector::<B>::load(&args.model, &device)?;
    let mut rows = Vec::new();
    for Size(size) in &args.sizes {
        let config = loaded
            .model_as::<HypAd<B>>()
            .map(|model| model.config().clone());
        let detector = match config {
            Some(config) if loaded.model().input_size() != *size => {
                of_size(config, *size, &device)?
            }
            _ => loaded.clone(),
        };
        rows.push(measure(args, &detector, *size)?);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match args.json {
        true => print(&json(&rows, true)?)?,
        false => {
            print(&Table::new(rows).to_string())?;
            print(&format!(
                "{} predictions each, {}, {threads} threads\n",
                args.repeats,
                B::name(&device)
            ))?;
        }
    }
    Ok(Outcome::Fine)
}

/// A detector of the same settings for images of another size.
fn of_size<B: ModelBackend>(
    config: HypAdConfig,
    size: ImageSize,
    device: &B::Device,
) -> Result<Detector<B>> {
    let config = HypAdConfig {
        image_size: size,
        ..config
    };
    let networks = config.init::<B>(device)?;
    Detector::new(HypAd::new(config, networks)?, device)
}

fn measure<B: ModelBackend>(args: &Args, detector: &Detector<B>, size: ImageSize) -> Result<Row> {
    let image = RgbImage::from_fn(size.width as u32, size.height as u32, |x, y| {
        Rgb([x, y, x ^ y].map(|value| value as u8))
    });
    let image = DynamicImage::ImageRgb8(image);
    reset_peak();
    for _ in 0..args.warm_up {
        detector.predict(&image)?;
    }
    let mut times = Vec::new();
    for _ in 0..args.repeats.max(1) {
        let started = Instant::now();
        detector.predict(&image)?;
        times.push(1e3 * started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / count;
    let rank = (0.99 * count).ceil() as usize - 1;
    Ok(Row {
        size: size.to_string(),
        mean_ms: mean,
        std_ms: variance.sqrt(),
        min_ms: times[0],
        max_ms: times[times.len() - 1],
        p99_ms: times[rank.min(times.len() - 1)],
        peak_mib: peak(),
    })
}

/// Lets the system count the peak of memory from now on; only Linux does.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak of the memory that the process had, in mebibytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes >> 10)
}
