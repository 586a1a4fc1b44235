//! How good are a teacher's features, before any student is trained? Scores each patch of a test
//! image by the distance of its features to the nearest of a random bank of the training images'.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use ::image::DynamicImage;
use burn::backend::{Flex, flex::FlexDevice};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, PadMode};
use burn::tensor::{Int, Tensor, TensorData};
use clap::Parser;
use hypad::data::Category;
use hypad::data::image::{self, PixelRange, PixelRangeFinder};
use hypad::features::{MobileNetV1, Targets};
use hypad::features::{Pdn, PdnConfig, PdnSize};
use hypad::geometry::PoincareBall;
use hypad::progress::ProgressBar;
use hypad::report::{Evaluation, Evaluator, MetricsRow, Table};
use hypad::{Error, ImageSize, Result, ScoreMap};
use rand::{SeedableRng, rngs::StdRng, seq::index::sample};

/// Compare teachers on categories by a nearest-neighbour score on their features: no training, so
/// that nothing but the features counts.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of the data set: DATA/CATEGORY/{train/good,test/*,ground_truth/*}
    #[arg(long)]
    data: PathBuf,
    /// Categories (folders of DATA), with commas
    #[arg(long, value_delimiter = ',', required = true)]
    category: Vec<String>,
    /// Teachers (PDN-S), with commas: shipped, random, or weight files
    #[arg(long, value_delimiter = ',', default_value = "shipped,random")]
    teacher: Vec<String>,
    /// Also score the features that teachers of the light recipe learn to predict: weights of
    /// MobileNet v1
    #[arg(long)]
    mobilenet: Option<PathBuf>,
    /// Vectors in the bank
    #[arg(long, default_value_t = 1000)]
    vectors: usize,
    /// Height and width of the images
    #[arg(long, default_value_t = 256)]
    side: usize,
    /// Seed of the bank, and of a random teacher
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Where the table goes
    #[arg(long, default_value = "out/nearest_neighbour")]
    out: PathBuf,
}

/// What describes patches.
#[allow(clippy::large_enum_variant)] // there is one of it
enum Features {
    Teacher(Pdn<Flex>),
    Targets(Targets<Flex>),
}

impl Features {
    /// The vectors of an image's patches, `[height × width, channels]`, and the height and width.
    fn of(
        &self,
        picture: &DynamicImage,
        range: &PixelRange,
        device: &FlexDevice,
    ) -> Result<(Tensor<Flex, 2>, [usize; 2])> {
        let size = ImageSize::of(picture);
        let input = image::to_tensor(&image::unit(picture, range), size, device);
        let features = match self {
            Self::Teacher(teacher) => teacher.forward(input),
            Self::Targets(targets) => {
                let constant = |values: [f32; 3]| {
                    Tensor::<Flex, 1>::from_floats(values, device).reshape([1, 3, 1, 1])
                };
                let unit = input * constant(image::IMAGENET_STD) + constant(image::IMAGENET_MEAN);
                targets.forward(unit)?
            }
        };
        let [_, channels, height, width] = features.dims();
        let vectors = features.reshape([channels, height * width]).transpose();
        Ok((vectors, [height, width]))
    }
}

fn main() -> ExitCode {
    common::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    if args.vectors < 2 {
        return Err(Error::Setting {
            name: "vectors",
            value: args.vectors.to_string(),
            rule: "at least 2",
        });
    }
    if args.side < 40 || !args.side.is_multiple_of(8) {
        return Err(Error::Setting {
            name: "side",
            value: args.side.to_string(),
            rule: "a multiple of 8, at least 40",
        });
    }
    let device = FlexDevice;
    let mut teachers = Vec::new();
    for name in &args.teacher {
        let network = PdnConfig::new(PdnSize::Small, 384);
        let network = common::teacher(name, network, args.seed, &device)?;
        let teacher = Features::Teacher(network);
        teachers.push((name.clone(), teacher));
    }
    if let Some(path) = &args.mobilenet {
        let targets = Targets::Light(MobileNetV1::load(path, &device)?);
        teachers.push(("mobilenet".into(), Features::Targets(targets)));
    }
    let categories = args.category.iter();
    let categories: Vec<_> = categories
        .map(|name| Category::load(&args.data, name))
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for category in &categories {
        for (name, features) in &teachers {
            let evaluation = score(args, category, name, features, &device)?;
            let row = format!("{} with {name}", category.name);
            rows.push((row, category.test.len(), evaluation));
        }
    }
    let rows = rows.iter();
    let rows = rows.map(|(name, images, found)| MetricsRow::new(name, *images, found));
    let table = Table::new(rows.collect());
    print!("{table}");
    table.write(args.out.join("teachers"))?;
    println!("results are in {}", args.out.display());
    Ok(())
}

fn score(
    args: &Args,
    category: &Category,
    name: &str,
    features: &Features,
    device: &FlexDevice,
) -> Result<Evaluation> {
    let total = category.train.len() + category.test.len();
    let bar = ProgressBar::new(true, total, &format!("{} with {name}", category.name));

    let mut finder = PixelRangeFinder::default();
    for index in 0..category.train.len() {
        finder.add(&category.train.decode(index)?);
    }
    let range = finder.finish();
    // A random part of each image's vectors, of about the same size.
    let mut rng = StdRng::seed_from_u64(args.seed);
    let mut bank = Vec::new();
    for index in 0..category.train.len() {
        let [from, to] = [index, index + 1].map(|i| i * args.vectors / category.train.len());
        bar.inc();
        if from == to {
            continue;
        }
        let picture = image::resize(&category.train.decode(index)?, ImageSize::square(args.side))?;
        let (vectors, [height, width]) = features.of(&picture, &range, device)?;
        let drawn = sample(&mut rng, height * width, (to - from).min(height * width));
        let drawn: Vec<i32> = drawn.iter().map(|place| place as i32).collect();
        let count = drawn.len();
        let drawn = Tensor::<Flex, 1, Int>::from_data(TensorData::new(drawn, [count]), device);
        bank.push(vectors.select(0, drawn));
    }
    let bank = Tensor::cat(bank, 0);
    let mean = bank.clone().mean_dim(0);
    let deviation = bank.clone().var(0).sqrt().clamp_min(f32::MIN_POSITIVE);
    let normalised = |vectors: Tensor<Flex, 2>| (vectors - mean.clone()) / deviation.clone();
    let bank = normalised(bank);
    let euclidean = PoincareBall::new(0.0)?;

    let mut evaluator = Evaluator::new();
    for test in bar.wrap(&category.test) {
        let picture = image::open(&test.path)?;
        let size = ImageSize::of(&picture);
        let picture = image::resize(&picture, ImageSize::square(args.side))?;
        let (vectors, [height, width]) = features.of(&picture, &range, device)?;
        let distances = euclidean.pairwise_dist(normalised(vectors), bank.clone());
        let nearest = distances.min_dim(1).reshape([1, 1, height, width]);
        // Where a teacher without padding sees nothing there is no distance.
        let [up, left] = [height, width].map(|n| (args.side / PdnConfig::STRIDE - n) / 2);
        let whole = nearest.pad((left, left, up, up), PadMode::Constant(0.0));
        let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
        let map = interpolate(whole, [size.height, size.width], options).into_data();
        let map = ScoreMap::new(map.iter::<f32>().collect(), size)?;
        evaluator.add_test_image(test, &map, None)?;
    }
    evaluator.evaluate()
}
