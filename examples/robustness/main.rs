//! What a trained detector makes of images that differ from those it was trained on: other light, focus,
//! position and compression, and defects at the edge.
//!
//! ```text
//! cargo run --release --example robustness -- --data DATA --category bottle --model out/model.safetensors
//! ```

mod changes;
mod planted;
#[path = "../common/results.rs"]
#[allow(dead_code)] // it uses a part
mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::backend::Flex;
use changes::Change;
use clap::Parser;
use hypad::data::Category;
use hypad::data::image::open;
use hypad::image::{DynamicImage, RgbImage};
use hypad::progress::ProgressBar;
use hypad::report::{Evaluator, ScoredImage, Table};
use hypad::{Detector, Error, ImageSize, Result};
use planted::{Place, Square};
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;

/// Test a trained detector on changed images: brightness, contrast, blur, a shift, JPEG; and on good
/// images with a square of another shade at the edge or inside.
///
/// Writes tables of both, and one of the scores of good images by distance from the edge.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of the data set: DATA/CATEGORY/{train/good,test/*,ground_truth/*}
    #[arg(long)]
    data: PathBuf,
    /// A category (a folder of DATA)
    #[arg(long)]
    category: String,
    /// The detector: a model.safetensors that was trained on this category
    #[arg(long)]
    model: PathBuf,
    /// Squares planted into every good test image for each distance from the edge
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    squares: usize,
    /// Seed of where they are
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the tables go
    #[arg(long, default_value = "out/robustness")]
    out: PathBuf,
}

fn main() -> ExitCode {
    results::exit(run(&Args::parse()))
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("not a whole number of at least 1".into()),
        Ok(count) => Ok(count),
    }
}

fn run(args: &Args) -> Result<()> {
    let category = Category::load(&args.data, &args.category)?;
    category.check(&|| ())?;
    let detector = Detector::<Flex>::load(&args.model, &Default::default())?;
    let changed = Table::new(changed(&detector, &category)?);
    print!("{changed}");
    changed.write(args.out.join("changes"))?;

    let good = good_images(&detector, &category)?;
    let edges = Table::new(edges(&detector, &good)?);
    print!("\n{edges}");
    edges.write(args.out.join("good_images"))?;
    let planted = Table::new(planted(&detector, &good, args)?);
    print!("\n{planted}");
    planted.write(args.out.join("planted_squares"))?;
    println!("tables are in {}", args.out.display());
    Ok(())
}

/// The test images with a change.
#[derive(Serialize)]
struct ChangeRow {
    change: String,
    image_auroc: Option<f64>,
    pixel_auroc: Option<f64>,
    #[serde(rename = "aupro_0.3")]
    aupro_0_3: Option<f64>,
    #[serde(rename = "aupro_0.05")]
    aupro_0_05: Option<f64>,
    /// Good images that are called anomalous at the stored threshold.
    false_alarms: usize,
    good: usize,
    /// Images with a defect that are not.
    missed: usize,
    defective: usize,
}

fn changed(detector: &Detector<Flex>, category: &Category) -> Result<Vec<ChangeRow>> {
    let defective = category
        .test
        .iter()
        .filter(|test| test.is_anomalous())
        .count();
    let good = category.test.len() - defective;
    let mut rows = Vec::new();
    for change in Change::ALL {
        let bar = ProgressBar::new(
            true,
            category.test.len(),
            &format!("testing, change: {change}"),
        );
        let mut evaluator = Evaluator::new();
        let (mut false_alarms, mut detected) = (0, 0);
        for test in bar.wrap(&category.test) {
            let image = change.of_image(&detector.pixel_range().to_rgb8(&open(&test.path)?))?;
            let found = detector.predict(&DynamicImage::ImageRgb8(image))?;
            let size = found.map.size();
            let truth = test.truth(size)?;
            let truth = truth.map(|truth| change.of_truth(&truth, size));
            evaluator.add_image(ScoredImage {
                name: &test.name,
                defect: &test.defect,
                map: &found.map,
                truth: truth.as_deref(),
                ignore: None,
            })?;
            match test.is_anomalous() {
                true => detected += usize::from(found.anomalous),
                false => false_alarms += usize::from(found.anomalous),
            }
        }
        let evaluation = evaluator.evaluate()?;
        rows.push(ChangeRow {
            change: change.to_string(),
            image_auroc: evaluation.image.auroc,
            pixel_auroc: evaluation.pixel.auroc,
            aupro_0_3: evaluation.aupro.at_0_3,
            aupro_0_05: evaluation.aupro.at_0_05,
            false_alarms,
            good,
            missed: defective - detected,
            defective,
        });
    }
    Ok(rows)
}

/// A good test image, and what the detector finds in it.
struct Good {
    image: RgbImage,
    found: hypad::Detection,
}

fn good_images(detector: &Detector<Flex>, category: &Category) -> Result<Vec<Good>> {
    let tests = category.test.iter().filter(|test| !test.is_anomalous());
    let mut good = Vec::new();
    for test in tests {
        let image = detector.pixel_range().to_rgb8(&open(&test.path)?);
        if image.width().min(image.height()) < Square::LEAST_IMAGE {
            return Err(Error::Setting {
                name: "side of a test image",
                value: format!(
                    "{} of {}",
                    image.width().min(image.height()),
                    test.path.display()
                ),
                rule: "at least 92 pixels, for a square in the middle",
            });
        }
        let found = detector.predict(&DynamicImage::ImageRgb8(image.clone()))?;
        good.push(Good { image, found });
    }
    if good.is_empty() {
        return Err(Error::Dataset {
            path: category.name.clone().into(),
            problems: vec!["no good test image to plant squares in".into()],
        });
    }
    Ok(good)
}

/// Good images at a distance from the nearest edge.
#[derive(Serialize)]
struct EdgeRow {
    pixels_from_edge: String,
    mean_score: f64,
    /// The score that one in a hundred pixels reaches.
    high_score: f32,
    /// The part of the pixels in masks.
    in_masks: f64,
}

/// The scores of good images by distance from the edge, in rings of 8 pixels.
fn edges(detector: &Detector<Flex>, good: &[Good]) -> Result<Vec<EdgeRow>> {
    const RING: usize = 8;
    const RINGS: usize = 6;
    let threshold = detector.thresholds().pixel;
    let mut rings = vec![Vec::new(); RINGS];
    for Good { found, .. } in good {
        let ImageSize { width, height } = found.map.size();
        for (index, score) in found.map.iter().enumerate() {
            let (x, y) = (index % width, index / width);
            let distance = x.min(y).min(width - 1 - x).min(height - 1 - y);
            rings[(distance / RING).min(RINGS - 1)].push(*score);
        }
    }
    let rings = rings.iter_mut().enumerate();
    let rows = rings
        .filter(|(_, scores)| !scores.is_empty())
        .map(|(ring, scores)| {
            let count = scores.len();
            let sum: f64 = scores.iter().map(|score| f64::from(*score)).sum();
            let above = scores.iter().filter(|score| **score >= threshold).count();
            let (_, high, _) =
                scores.select_nth_unstable_by(count - 1 - count / 100, f32::total_cmp);
            EdgeRow {
                pixels_from_edge: match ring + 1 {
                    RINGS => format!("{} and more", RING * ring),
                    _ => format!("{} to {}", RING * ring, RING * (ring + 1) - 1),
                },
                mean_score: sum / count as f64,
                high_score: *high,
                in_masks: above as f64 / count as f64,
            }
        });
    Ok(rows.collect())
}

/// Squares planted at a distance from the edge.
#[derive(Serialize)]
struct PlantedRow {
    place: String,
    squares: usize,
    /// Part of them that the mask touches, and did not touch before.
    in_mask: f64,
    /// Part of the images with one that are called anomalous.
    detected: f64,
}

fn planted(detector: &Detector<Flex>, good: &[Good], args: &Args) -> Result<Vec<PlantedRow>> {
    let mut rows = Vec::new();
    for place in Place::ALL {
        let mut rng = StdRng::seed_from_u64(args.seed);
        let squares = good.len() * args.squares;
        let bar = ProgressBar::new(
            true,
            squares,
            &format!("planting squares, {}", place.name()),
        );
        let (mut touched, mut detected) = (0, 0);
        for Good { image, found } in good {
            let touches = |mask: &[bool], square: Square| {
                let width = image.width();
                square.pixels().any(|(x, y)| mask[(y * width + x) as usize])
            };
            for _ in 0..args.squares {
                let square = Square::random(place, [image.width(), image.height()], &mut rng);
                let planted = DynamicImage::ImageRgb8(square.plant(image));
                let with = detector.predict(&planted)?;
                let new = touches(&with.mask, square) && !touches(&found.mask, square);
                touched += usize::from(new);
                detected += usize::from(with.anomalous);
                bar.inc();
            }
        }
        rows.push(PlantedRow {
            place: place.name(),
            squares,
            in_mask: touched as f64 / squares as f64,
            detected: detected as f64 / squares as f64,
        });
    }
    Ok(rows)
}
