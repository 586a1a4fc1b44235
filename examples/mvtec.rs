//! Trains and tests HypAD on categories of a data set in the layout of MVTec AD.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hypad::data::{Category, DataSet, ImageSet};
use hypad::features::ModelBackend;
use hypad::features::{PdnConfig, PdnSize};
use hypad::methods::Border;
use hypad::methods::hypad::FeatureScale;
use hypad::report::Table;
use hypad::run::{CategoryRun, RunFolder, Source, TrainingPlan, category_folder};
use hypad::{Error, HypAdConfig, ImageSize, Result};

/// Train HypAD on the normal images of a category, detect and localise the defects of its test
/// images, and write report.json, model.safetensors, tables and pictures. A training that was stopped
/// goes on when the same command is given again.
///
/// A picture shows image | ground truth | predicted mask | anomaly map | overlay.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of the data set: DATA/CATEGORY/{train/good,test/*,ground_truth/*}
    #[arg(long)]
    data: PathBuf,
    /// A category (a folder of DATA), or "all"
    #[arg(long)]
    category: String,
    /// Where results go; with "all", or if it holds the results of another category, to a folder of
    /// the category's name in it
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Write over the results of another run
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    recipe: common::RecipeFlags,
    /// hypad: distances in the Poincaré ball; efficientad: squared Euclidean, no projection, no
    /// clip (--curvature, --clip and --scale do not apply)
    #[arg(long, default_value = "hypad")]
    method: Method,
    /// c of the curvature -c; 0 is the same pipeline in Euclidean space
    #[arg(long, default_value_t = HypAdConfig::small().curvature, allow_negative_numbers = true)]
    curvature: f64,
    /// Largest norm of a vector that enters the ball, or "none"
    #[arg(long, default_value = "2.3", allow_negative_numbers = true)]
    clip: String,
    /// Factor on the features before the clip: "none" (the paper, read literally), "rms" (root
    /// mean square norm 2.3), "sqrt" (1/sqrt(channels)), or a number
    #[arg(long, default_value = "rms", allow_negative_numbers = true)]
    scale: String,
    /// Part of the deviations that the student does not learn from; 0: it learns from all
    /// [default: 0.99 (hypad), 0.999 (efficientad)]
    #[arg(long)]
    hard_quantile: Option<f64>,
    /// Side to which images are resized, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = HypAdConfig::small().image_size.width)]
    image_size: usize,
    /// PDN-S or PDN-M
    #[arg(long, default_value = "small")]
    size: Size,
    #[command(flatten)]
    map_flags: common::MapFlags,
    /// The score of the border that the networks do not see without padding
    #[arg(long, default_value = "zero-deviation")]
    border: BorderFlag,
    /// Test this trained model (a model.safetensors) instead of training one; goes with no flag of
    /// model or recipe
    #[arg(long, conflicts_with_all = ["recipe", "steps", "learning_rate", "schedule", "weight_decay", "copied_layers", "shared_layers", "tiles", "penalty_every", "checkpoint_every", "accept_changes", "seed", "method", "curvature", "clip", "scale", "hard_quantile", "image_size", "size", "image_padding", "smoothing", "join", "border", "teacher", "penalty"])]
    model: Option<PathBuf>,
    /// Teacher: shipped (the crate's own PDN-S), random, or a file of weights (safetensors,
    /// or .pth if built with --features pytorch; in the names of PyTorch's Sequential or of anomalib)
    #[arg(long, default_value = "shipped")]
    teacher: String,
    /// Folder of images of anything else, also in folders by class, on which the student learns not to
    /// imitate the teacher
    #[arg(long)]
    penalty: Option<PathBuf>,
    /// Write the anomaly maps here as float32 TIFF, in the layout that the official evaluation reads
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Pictures of the first N test images [default: all]
    #[arg(long, value_name = "N")]
    pictures: Option<usize>,
    /// What computes: auto takes the fastest that this program was built with
    #[arg(long, default_value = "auto")]
    device: Device,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    Hypad,
    Efficientad,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    Small,
    Medium,
}

#[derive(Clone, Copy, ValueEnum)]
enum BorderFlag {
    /// The score of a location where all networks agree
    ZeroDeviation,
    /// 0, as in EfficientAD
    Zero,
}

#[derive(Clone, Copy, ValueEnum)]
enum Device {
    Auto,
    Flex,
    Ndarray,
    Cuda,
    Vulkan,
}

impl Args {
    fn config(&self) -> Result<HypAdConfig> {
        let border = match self.border {
            BorderFlag::ZeroDeviation => Border::ZeroDeviation,
            BorderFlag::Zero => Border::Zero,
        };
        let network = match self.size {
            Size::Small => PdnSize::Small,
            Size::Medium => PdnSize::Medium,
        };
        let mut config = match self.method {
            Method::Efficientad => HypAdConfig {
                network,
                border,
                ..HypAdConfig::efficient_ad()
            },
            Method::Hypad => HypAdConfig {
                network,
                border,
                curvature: self.curvature,
                clip: match self.clip.as_str() {
                    "none" => None,
                    text => Some(number("clip", text, "a number above 0, or none")?),
                },
                scale: match self.scale.as_str() {
                    "none" => FeatureScale::None,
                    "rms" => HypAdConfig::small().scale,
                    "sqrt" => FeatureScale::RmsNorm(1.0),
                    text => {
                        let rule = "a number above 0, none, rms or sqrt";
                        FeatureScale::Factor(number("scale", text, rule)?)
                    }
                },
                ..HypAdConfig::small()
            },
        };
        if let Some(quantile) = self.hard_quantile {
            config.hard_quantile = quantile;
        }
        config.image_size = ImageSize::square(self.image_size);
        let config = self.recipe.apply(self.map_flags.apply(config));
        config.validate()?;
        Ok(config)
    }
}

fn number(name: &'static str, text: &str, rule: &'static str) -> Result<f64> {
    text.parse().map_err(|_| Error::Setting {
        name,
        value: text.to_string(),
        rule,
    })
}

fn main() -> ExitCode {
    common::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    match args.device {
        #[cfg(feature = "cuda")]
        Device::Auto | Device::Cuda => run_on::<hypad::backend::Cuda>(args),
        #[cfg(all(feature = "flex", not(feature = "cuda")))]
        Device::Auto | Device::Flex => run_on::<burn::backend::Flex>(args),
        #[cfg(all(feature = "flex", feature = "cuda"))]
        Device::Flex => run_on::<burn::backend::Flex>(args),
        #[cfg(feature = "vulkan")]
        Device::Vulkan => run_on::<hypad::backend::Vulkan>(args),
        #[cfg(feature = "ndarray")]
        Device::Ndarray => run_on::<burn::backend::NdArray>(args),
        #[allow(unreachable_patterns)]
        _ => Err(Error::Setting {
            name: "device",
            value: match args.device {
                Device::Auto => "auto",
                Device::Flex => "flex",
                Device::Ndarray => "ndarray",
                Device::Cuda => "cuda",
                Device::Vulkan => "vulkan",
            }
            .into(),
            rule: "one that this program was built with (cargo's --features flex, ndarray, cuda, vulkan)",
        }),
    }
}

fn run_on<B: ModelBackend>(args: &Args) -> Result<()> {
    let device = B::Device::default();
    let source = source::<B>(args, &device)?;
    let categories = match args.category.as_str() {
        "all" => DataSet::open(&args.data)?.names().to_vec(),
        name => vec![name.to_string()],
    };
    // Everything is read before hours are spent on a part of it.
    let categories = common::load_categories(&args.data, &categories)?;

    let run = |category: &Category| -> Result<CategoryRun<B>> {
        let out = match args.category.as_str() {
            "all" => args.out.join(&category.name),
            name => category_folder(&args.out, name)?,
        };
        Ok(CategoryRun {
            source: source.clone(),
            pictures: args.pictures.unwrap_or(usize::MAX),
            folder: RunFolder {
                out,
                overwrite: args.overwrite,
            },
            maps: args.maps.clone(),
            progress: true,
        })
    };
    let runs = categories.iter().map(run).collect::<Result<Vec<_>>>()?;
    let found = runs.iter().zip(&categories);
    let found = found.map(|(run, category)| run.check(category, &device));
    Error::all(&args.data, found.collect())?;

    let (mut results, mut checkpoints) = (Vec::new(), Vec::new());
    let out = match &runs[..] {
        [run] => run.folder.out.clone(),
        _ => args.out.clone(),
    };
    for (category, run) in categories.iter().zip(runs) {
        if args.model.is_none() && args.recipe.checkpoint_every().is_some() {
            checkpoints.push(run.checkpoint(category));
        }
        let report = run.go(category, &device)?;
        if report.clipped.is_some_and(|part| part > 0.5) {
            eprintln!(
                "note: {:.1} % of the teacher's vectors are longer than the clip, which leaves their \
                 directions only; a scale below 1 avoids that",
                100.0 * report.clipped.unwrap_or_default()
            );
        }
        for (branch, weight) in &report.weights {
            println!("weight of {branch}: {weight}");
        }
        println!("{}:\n{}", report.category, Table::new(report.defects));
        results.push((report.category, category.test.len(), report.evaluation));
    }
    let table = Table::of_categories(&results);
    print!("{table}");
    table.write(out.join("tables/categories"))?;
    for checkpoint in checkpoints {
        // What they were for is written.
        let _ = std::fs::remove_file(checkpoint);
    }
    println!("results are in {}", out.display());
    Ok(())
}

fn source<B: ModelBackend>(args: &Args, device: &B::Device) -> Result<Source<B>> {
    if let Some(path) = &args.model {
        return Ok(Source::File(path.clone()));
    }
    let (model, recipe) = (args.config()?, args.recipe.config()?);
    let network = PdnConfig::new(model.network, model.channels);
    let teacher = common::teacher::<B>(&args.teacher, network, args.recipe.seed, device)?;
    let penalty = args.penalty.as_ref().map(ImageSet::from_tree).transpose()?;
    Ok(Source::Training(Box::new(TrainingPlan {
        teacher: Some(teacher),
        penalty,
        checkpoint_every: args.recipe.checkpoint_every(),
        accept_changes: args.recipe.accept_changes(),
        ..TrainingPlan::new(model, recipe)
    })))
}
