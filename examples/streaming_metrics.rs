//! Exact pixel metrics of more images than fit into memory, shown one by one, twice.
//!
//! The first pass keeps the anomalous pixels, the second counts the normal ones among them. Images
//! are made on the fly here; a program of yours would read maps and masks from files.
//!
//! ```text
//! cargo run --release --example streaming_metrics -- --images 100000
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hypad::metrics::{AnomalousPixels, NormalPixels, PixelImage};
use hypad::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// Makes images, one in a hundred with a defect, and prints their exact pixel metrics, the time and
/// the memory that was taken.
#[derive(Parser)]
struct Args {
    /// Images
    #[arg(long, default_value_t = 10_000)]
    images: u64,
    /// Pixels of a side
    #[arg(long, default_value_t = 256)]
    side: usize,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if args.side < 8 || args.side > 1 << 14 {
        let (name, rule) = ("side", "from 8 to 16384");
        let value = args.side.to_string();
        return Err(Error::Setting { name, value, rule });
    }
    let started = Instant::now();
    let mut anomalous = AnomalousPixels::new();
    let mut canvas = Canvas::new(args.side);
    for number in 0..args.images {
        // Images without a defect add nothing here but their number.
        anomalous.add(&canvas.image(number)?);
    }
    println!("first pass: {:.1?}", started.elapsed());

    let bar = ProgressBar::new(args.images).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} images  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.enable_steady_tick(Duration::from_millis(500));
    let normal = anomalous.normal_pixels();
    let threads = args.threads.max(1);
    let parts: Vec<Result<NormalPixels>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let (mut part, bar) = (normal.empty(), &bar);
                scope.spawn(move || {
                    let mut canvas = Canvas::new(args.side);
                    for number in (thread..args.images).step_by(threads as usize) {
                        part.add(&canvas.image(number)?);
                        bar.inc(1);
                    }
                    Ok(part)
                })
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    });
    let mut all = normal;
    for part in parts {
        all.merge(&part?)?;
    }
    bar.finish_and_clear();
    let found = all.finish()?;
    let pixels = found.pixels();
    println!(
        "{} pixels, of which {} anomalous in {} regions",
        pixels.positives() + pixels.negatives(),
        pixels.positives(),
        found.regions().len()
    );
    println!("AUROC {:.6}", pixels.auroc()?);
    println!("average precision {:.6}", pixels.average_precision()?);
    let best = pixels.f1_max()?;
    println!("F1-max {:.6} at {}", best.value, best.threshold);
    println!("AUPRO@0.3 {:.6}", found.aupro(0.3)?);
    println!("in {:.1?}", started.elapsed());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory {}", peak.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}

/// One image at a time, in the same memory.
struct Canvas {
    side: usize,
    map: Vec<f32>,
    mask: Vec<bool>,
}

impl Canvas {
    fn new(side: usize) -> Self {
        Self {
            side,
            map: vec![0.0; side * side],
            mask: vec![false; side * side],
        }
    }

    /// Noise, and in every hundredth image a brighter disk.
    fn image(&mut self, number: u64) -> Result<PixelImage<'_>> {
        let side = self.side as u64;
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = || {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 32
        };
        let centre = [random() % side, random() % side];
        let radius = 2 + random() % (side / 8);
        let defect = number.is_multiple_of(100);
        for (at, (score, truth)) in self.map.iter_mut().zip(&mut self.mask).enumerate() {
            let [x, y] = [at as u64 % side, at as u64 / side];
            let away = x.abs_diff(centre[0]).pow(2) + y.abs_diff(centre[1]).pow(2);
            *truth = defect && away < radius * radius;
            let noise = random();
            // The sum of two uniform numbers.
            let noise = (noise & 0xffff) as f32 + (noise >> 16) as f32;
            *score = noise / 65536.0 + if *truth { 0.8 } else { 0.0 };
        }
        PixelImage::new(&self.map, &self.mask, self.side, self.side)
    }
}
