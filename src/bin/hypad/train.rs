//! `hypad train`: a detector for each category.

use std::path::{Path, PathBuf};

use burn::module::Module;
use hypad::data::{Category, DataSet, Fit, IgnoreMask, ImageSet, Preparation, Tiles};
use hypad::features::weights::{load_pdn, pretrained_small};
use hypad::features::{ModelBackend, Pdn, PdnConfig, PdnSize};
use hypad::report::{Report, Table};
use hypad::run::{CategoryRun, RunFolder, Source, TrainingPlan, category_folder};
use hypad::{Error, HypAdConfig, ImageSize, Result, TrainConfig};

use super::device::{Device, on_device};
use super::policy::{HELP, Policy, Size};
use super::{Outcome, json, print};

/// Train a detector on the good images of a folder, and test it on its other images.
///
/// Writes model.safetensors, report.html, report.json, tables and pictures. A training that was stopped goes
/// on when the same command is given again. Takes about five minutes on two cores at 256 x 256.
///
/// Example: hypad train photos --out out/photos
#[derive(clap::Args)]
pub struct Args {
    /// A data set's folder, one of its categories, or any folder of images: see hypad data
    data: PathBuf,
    /// Categories, with commas between them [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    category: Vec<String>,
    /// Where results go; of several categories each to a folder of its name in it
    #[arg(long)]
    out: PathBuf,
    /// hypad: distances in the Poincaré ball; efficientad: squared Euclidean distances
    #[arg(long, default_value = "hypad")]
    method: Method,
    /// fast: five minutes on two cores; published: the paper's 70,000 steps
    #[arg(long, default_value = "fast")]
    recipe: Recipe,
    /// Training steps of one image each [default: those of the recipe]
    #[arg(long)]
    steps: Option<usize>,
    /// Seed of all that is random
    #[arg(long, default_value_t = TrainConfig::default().seed)]
    seed: u64,
    /// Size to which images are resized, a side or WIDTHxHEIGHT
    #[arg(long, value_name = "SIZE", default_value = "256")]
    image_size: Size,
    /// PDN-S or PDN-M; the crate brings a teacher for the first
    #[arg(long, default_value = "small")]
    network: Network,
    /// c of the curvature -c
    #[arg(long, default_value_t = HypAdConfig::small().curvature, allow_negative_numbers = true)]
    curvature: f64,
    /// Teacher: shipped, random, or a file of weights
    #[arg(long, default_value = "shipped")]
    teacher: String,
    /// Folder of images of anything else, on which the student learns not to imitate the teacher
    #[arg(long, value_name = "DIR")]
    penalty: Option<PathBuf>,
    /// Threshold of images, chosen on good images that are held out: see below
    #[arg(long, value_name = "RULE", long_help = format!("Threshold of images, chosen on good images that are held out: {HELP} [default: sigma:3]"))]
    threshold: Option<Policy>,
    /// Threshold of pixels, likewise [default: fpr:0.0005]
    #[arg(long, value_name = "RULE")]
    pixel_threshold: Option<Policy>,
    /// Part of the good images that is held out for calibration
    #[arg(long, value_name = "PART", default_value_t = TrainConfig::default().validation)]
    hold_out: f64,
    /// Keep the aspect ratio of images that are resized
    #[arg(long)]
    keep_aspect: bool,
    /// Cut images into overlapping tiles of this side, in pixels of the image, so that small defects of large
    /// images are seen
    #[arg(long, value_name = "PIXELS")]
    tile: Option<usize>,
    /// Pixels that tiles share with their neighbours [default: a quarter of their side]
    #[arg(long, value_name = "PIXELS", requires = "tile")]
    tile_overlap: Option<usize>,
    /// Image whose pixels that are not 0 count nowhere, such as a date code that changes
    #[arg(long, value_name = "FILE")]
    ignore: Option<PathBuf>,
    /// Image whose pixels that are 0 count nowhere: the region of interest is the rest
    #[arg(long, value_name = "FILE")]
    roi: Option<PathBuf>,
    /// Write the weights in 16 bits: half the size
    #[arg(long)]
    half: bool,
    /// Pictures of the first N test images [default: all]
    #[arg(long, value_name = "N")]
    pictures: Option<usize>,
    /// Write the anomaly maps here, in the layout of MVTec AD's official evaluation
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Steps after which a checkpoint is written; 0: none
    #[arg(long, value_name = "STEPS", default_value_t = 100)]
    checkpoint_every: usize,
    /// Go on from a checkpoint also where images or settings have changed since
    #[arg(long)]
    accept_changes: bool,
    /// Write over the results of another run
    #[arg(long)]
    overwrite: bool,
    /// Print the reports as JSON, one line for each category
    #[arg(long)]
    json: bool,
    /// What computes
    #[arg(long, default_value = "auto")]
    device: Device,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Method {
    Hypad,
    Efficientad,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Recipe {
    Fast,
    Published,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Network {
    Small,
    Medium,
}

impl Args {
    fn model(&self) -> Result<HypAdConfig> {
        let base = match self.method {
            Method::Hypad => HypAdConfig {
                curvature: self.curvature,
                ..HypAdConfig::small()
            },
            Method::Efficientad => HypAdConfig::efficient_ad(),
        };
        let config = HypAdConfig {
            network: match self.network {
                Network::Small => PdnSize::Small,
                Network::Medium => PdnSize::Medium,
            },
            shared_layers: match self.recipe {
                Recipe::Fast => base.shared_layers,
                Recipe::Published => 0,
            },
            image_size: self.image_size.0,
            ..base
        };
        config.validate()?;
        Ok(config)
    }

    fn recipe(&self) -> Result<TrainConfig> {
        let base = match self.recipe {
            Recipe::Fast => TrainConfig::fast(),
            Recipe::Published => TrainConfig::published(),
        };
        let recipe = TrainConfig {
            steps: self.steps.unwrap_or(base.steps),
            seed: self.seed,
            validation: self.hold_out,
            ..base
        };
        recipe.validate()?;
        Ok(recipe)
    }

    fn preparation(&self) -> Result<Preparation> {
        let mut preparation = Preparation::default();
        if self.keep_aspect {
            preparation = preparation.with_fit(Fit::KeepAspect);
        }
        if let Some(side) = self.tile {
            let tiles = Tiles {
                size: ImageSize::square(side),
                overlap: self.tile_overlap.unwrap_or(side / 4),
            };
            preparation = preparation.with_tiles(tiles);
        }
        let ignore = self.ignore.as_ref().map(IgnoreMask::open).transpose()?;
        let outside = self.roi.as_ref().map(IgnoreMask::outside).transpose()?;
        let mask = match (ignore, outside) {
            (Some(a), Some(b)) => Some(a.union(&b)?),
            (a, b) => a.or(b),
        };
        Ok(match mask {
            Some(mask) => preparation.with_ignore(mask),
            None => preparation,
        })
    }

    fn teacher<B: ModelBackend>(&self, config: &HypAdConfig, device: &B::Device) -> Result<Pdn<B>> {
        let shape = PdnConfig::new(config.network, config.channels);
        match self.teacher.as_str() {
            "shipped" if shape.size == PdnSize::Small => pretrained_small(device),
            "shipped" => Err(Error::Setting {
                name: "teacher",
                value: "shipped".into(),
                rule: "a file, since the crate brings one for PDN-S only",
            }),
            "random" => {
                B::seed(device, self.seed);
                // As a record the weights are drawn now, not when they are first used.
                let record = shape.init::<B>(device).into_record();
                Ok(shape.init(device).load_record(record))
            }
            file => load_pdn(file, shape, device),
        }
    }

    fn plan<B: ModelBackend>(&self, device: &B::Device) -> Result<TrainingPlan<B>> {
        let (model, recipe) = (self.model()?, self.recipe()?);
        let teacher = self.teacher::<B>(&model, device)?;
        Ok(TrainingPlan {
            teacher: Some(teacher),
            penalty: self.penalty.as_ref().map(ImageSet::from_tree).transpose()?,
            preparation: self.preparation()?,
            threshold: self.threshold.as_ref().map(|policy| policy.0.clone()),
            pixel_threshold: self.pixel_threshold.as_ref().map(|policy| policy.0.clone()),
            checkpoint_every: (self.checkpoint_every > 0).then_some(self.checkpoint_every),
            accept_changes: self.accept_changes,
            half_precision: self.half,
            ..TrainingPlan::new(model, recipe)
        })
    }
}

pub fn run(args: &Args) -> Result<Outcome> {
    on_device!(args.device, run_on(args))
}

fn run_on<B: ModelBackend>(args: &Args) -> Result<Outcome> {
    let device = B::Device::default();
    let plan = args.plan::<B>(&device)?;
    let categories = categories(&args.data, &args.category)?;
    let mut runs = Vec::new();
    for category in &categories {
        let out = match categories.len() {
            1 => category_folder(&args.out, &category.name)?,
            _ => args.out.join(&category.name),
        };
        let run = CategoryRun {
            source: Source::Training(Box::new(plan.clone())),
            folder: RunFolder {
                out,
                overwrite: args.overwrite,
            },
            pictures: args.pictures.unwrap_or(usize::MAX),
            maps: args.maps.clone(),
            progress: true,
        };
        run.check(category, &device)?;
        for note in &category.notes {
            eprintln!("note: {}: {note}", category.name);
        }
        runs.push(run);
    }
    let (mut results, mut checkpoints) = (Vec::new(), Vec::new());
    for (category, run) in categories.iter().zip(runs) {
        checkpoints.push(run.checkpoint(category));
        let out = run.folder.out.clone();
        let report = run.go(category, &device)?;
        match args.json {
            true => print(&json(&report, false)?)?,
            false => print(&told(&report, &out))?,
        }
        results.push((report.category, category.test.len(), report.evaluation));
    }
    if !args.json {
        print(&Table::of_categories(&results).to_string())?;
    }
    if results.len() > 1 {
        Table::of_categories(&results).write(args.out.join("tables/categories"))?;
    }
    for checkpoint in checkpoints {
        // What they were for is written.
        let _ = std::fs::remove_file(checkpoint);
    }
    Ok(Outcome::Fine)
}

/// Categories of a data set; the problems of all of them are one error.
fn categories(path: &Path, names: &[String]) -> Result<Vec<Category>> {
    let data = DataSet::open(path)?;
    let names = if names.is_empty() {
        data.names()
    } else {
        names
    };
    Error::all(path, names.iter().map(|name| data.category(name)).collect())
}

/// What people want to know of a run.
fn told(report: &Report, out: &Path) -> String {
    let mut text = format!("{}:\n", report.category);
    if report.clipped.is_some_and(|part| part > 0.5) {
        text += &format!(
            "{:.1} % of the teacher's vectors are longer than the clip, which leaves their directions only\n",
            100.0 * report.clipped.unwrap_or_default()
        );
    }
    if !report.defects.is_empty() {
        text += &Table::new(report.defects.clone()).to_string();
    }
    text += &format!(
        "threshold {} ({})\nreport: {}\n",
        report.threshold,
        report.threshold_policy.as_deref().unwrap_or("not known"),
        out.join("report.html").display()
    );
    text
}
