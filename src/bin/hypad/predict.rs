//! `hypad predict`: images against a detector.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use hypad::data::{DataSet, ImageSet};
use hypad::detect::AnomalousRegion;
use hypad::features::ModelBackend;
use hypad::files::{check_writable, write_atomic};
use hypad::image::{GrayImage, ImageFormat, Luma};
use hypad::progress::ProgressBar;
use hypad::report::Ad2Submission;
use hypad::{Detection, Detector, Error, Result};
use serde::Serialize;

use super::device::{Device, on_device};
use super::{Outcome, json, print};

/// Find defects in images with a trained detector.
///
/// Prints a line for each image, and goes on after a file that cannot be read; exit code 1 tells of it.
///
/// Example: hypad predict out/photos/model.safetensors new --json --out found
#[derive(clap::Args)]
pub struct Args {
    /// The detector: a model.safetensors
    model: PathBuf,
    /// Images, and folders of them, with those below
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print an object a line: path, score, threshold, defect, regions; or path and error
    #[arg(long)]
    json: bool,
    /// Write the map (TIFF, 32-bit floats) and the mask (PNG) of each image here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// From this score on an image has a defect, in place of the stored threshold
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    threshold: Option<f32>,
    /// Exit code 3 if any image has a defect
    #[arg(long)]
    fail_on_defect: bool,
    /// Write a submission to the server of MVTec AD 2 of the images of test_private and test_private_mixed; PATHS is
    /// then the folder of an object
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    submission: Option<PathBuf>,
    /// What computes
    #[arg(long, default_value = "auto")]
    device: Device,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Found {
        path: &'a Path,
        score: f32,
        threshold: f32,
        defect: bool,
        regions: Vec<AnomalousRegion>,
    },
    Broken {
        path: &'a Path,
        error: String,
    },
}

pub fn run(args: &Args) -> Result<Outcome> {
    on_device!(args.device, run_on(args))
}

/// An image to look at, and its name among the outputs.
struct Image {
    path: PathBuf,
    output: PathBuf,
}

fn run_on<B: ModelBackend>(args: &Args) -> Result<Outcome> {
    let mut detector = Detector::<B>::load(&args.model, &B::Device::default())?;
    if let Some(threshold) = args.threshold {
        detector.set_threshold(threshold)?;
    }
    if let Some(folder) = &args.submission {
        return submit(args, &detector, folder);
    }
    let images = images(&args.paths)?;
    if let Some(out) = &args.out {
        check_writable(out.join("probe.tiff"))?;
        refuse_shared_outputs(&images)?;
    }
    let bar = ProgressBar::new(true, images.len(), "predicting");
    let (mut broken, mut defects) = (0, 0);
    let paths: Vec<PathBuf> = images.iter().map(|image| image.path.clone()).collect();
    let results = images.iter().zip(detector.predict_files(paths));
    for (image, (path, found)) in results {
        let written = found.and_then(|found| {
            if let Some(out) = &args.out {
                write(out, image, &found)?;
            }
            Ok(found)
        });
        bar.inc();
        let line = match &written {
            Ok(found) => Line::Found {
                path: &path,
                score: found.score,
                threshold: detector.threshold(),
                defect: found.anomalous,
                regions: found.regions(),
            },
            Err(error) => Line::Broken {
                path: &path,
                error: error.to_string(),
            },
        };
        broken += usize::from(written.is_err());
        defects += usize::from(written.is_ok_and(|found| found.anomalous));
        match args.json {
            true => print(&json(&line, false)?)?,
            false => print(&line.text())?,
        }
    }
    drop(bar);
    eprintln!(
        "{} images: {defects} with defects, {broken} could not be read",
        images.len()
    );
    Ok(match (broken, defects) {
        (1.., _) => Outcome::Failed,
        (0, 1..) if args.fail_on_defect => Outcome::Defect,
        _ => Outcome::Fine,
    })
}

impl Line<'_> {
    fn text(&self) -> String {
        match self {
            Self::Found {
                path,
                score,
                threshold,
                defect,
                regions,
            } => {
                let verdict = if *defect { "DEFECT" } else { "good" };
                let place = match (defect, regions.first()) {
                    (true, Some(region)) => format!(
                        ", worst at x {}, y {} ({} x {})",
                        region.x, region.y, region.width, region.height
                    ),
                    _ => String::new(),
                };
                format!(
                    "{verdict:6} {score:.4} of {threshold:.4}  {}{place}\n",
                    path.display()
                )
            }
            Self::Broken { error, .. } => format!("ERROR  {error}\n"),
        }
    }
}

/// The images of files and folders, in their order.
fn images(paths: &[PathBuf]) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for path in paths {
        if path.is_dir() {
            for image in ImageSet::from_tree(path)?.paths() {
                let output = image.strip_prefix(path).unwrap_or(image).to_path_buf();
                let path = image.to_path_buf();
                images.push(Image { path, output });
            }
        } else {
            let output = path.file_name().unwrap_or_default().into();
            let path = path.clone();
            images.push(Image { path, output });
        }
    }
    Ok(images)
}

/// Two images must not write to one file.
fn refuse_shared_outputs(images: &[Image]) -> Result<()> {
    let mut seen = std::collections::BTreeMap::new();
    for image in images {
        if let Some(first) = seen.insert(image.output.with_extension(""), &image.path) {
            return Err(Error::Dataset {
                path: image.path.clone(),
                problems: vec![format!("its outputs would be those of {}", first.display())],
            });
        }
    }
    Ok(())
}

fn write(out: &Path, image: &Image, found: &Detection) -> Result<()> {
    let stem = out.join(image.output.with_extension(""));
    found.map.write_tiff(stem.with_added_extension("tiff"))?;
    let size = found.map.size();
    let mask = GrayImage::from_fn(size.width as u32, size.height as u32, |x, y| {
        let anomalous = found.mask[y as usize * size.width + x as usize];
        Luma([if anomalous { 255 } else { 0 }])
    });
    let path = stem.with_added_extension("mask.png");
    let mut png = Cursor::new(Vec::new());
    let encoded = mask.write_to(&mut png, ImageFormat::Png);
    encoded.map_err(|error| Error::Format {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    write_atomic(&path, png.get_ref())
}

/// Writes the maps and masks of the private images of objects of MVTec AD 2.
fn submit<B: ModelBackend>(args: &Args, detector: &Detector<B>, folder: &Path) -> Result<Outcome> {
    let submission = Ad2Submission::new(folder);
    for path in &args.paths {
        let data = DataSet::open(path)?;
        let [name] = data.names() else {
            return Err(Error::Dataset {
                path: path.clone(),
                problems: vec!["give the folder of one object".into()],
            });
        };
        let category = data.category(name)?;
        if category.unlabelled.is_empty() {
            return Err(Error::Dataset {
                path: path.clone(),
                problems: vec!["no image in test_private or test_private_mixed".into()],
            });
        }
        let bar = ProgressBar::new(true, category.unlabelled.len(), "predicting");
        for (image, found) in detector.predict_files(category.unlabelled.clone()) {
            submission.write(name, &image, &found?)?;
            bar.inc();
        }
    }
    print(&format!(
        "{}: written; hypad evaluate --check-submission checks it\n",
        folder.display()
    ))?;
    Ok(Outcome::Fine)
}
