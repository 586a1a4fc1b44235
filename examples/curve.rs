//! Trains once and tests as it goes: how good is a detector after how many steps and minutes?

mod common;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::backend::Flex;
use clap::{Parser, ValueEnum};
use hypad::data::{Category, ImageSet, image::open};
use hypad::features::PdnConfig;
use hypad::files::write_atomic;
use hypad::metrics::auroc;
use hypad::report::{Evaluation, Evaluator};
use hypad::training::RunOptions;
use hypad::{
    Detector, Error, HypAdConfig, ImageSize, Progress, Result, ScoreMap, TrainConfig, Trainer,
};
use plotters::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Train detectors on categories and test them as they learn. Writes curve.csv and pictures of image
/// AUROC and AUPRO by step and by minute; minutes are those of training alone. The table also has the
/// image AUROC of each of the two maps, student against teacher and against autoencoder. A run that was
/// stopped goes on when the same command is given again. A line is named by its method and by what
/// differs from its defaults; other lines that the folder of the results has already stay in table and
/// pictures.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of the data set: DATA/CATEGORY/{train/good,test/*,ground_truth/*}
    #[arg(long)]
    data: PathBuf,
    /// Categories (folders of DATA), with commas
    #[arg(long, value_delimiter = ',', required = true)]
    category: Vec<String>,
    /// Variants of the method, with commas; each is a line
    #[arg(long, alias = "arms", value_delimiter = ',', default_value = "h")]
    variants: Vec<Variant>,
    /// c of the curvature -c of "h"
    #[arg(long, default_value_t = HypAdConfig::small().curvature)]
    curvature: f64,
    #[command(flatten)]
    recipe: common::RecipeFlags,
    /// Part of the deviations that the student does not learn from; 0: it learns from all
    /// [default: 0.99 (h, e1), 0.999 (e0), 0 (literal)]
    #[arg(long)]
    hard_quantile: Option<f64>,
    /// Side to which images are resized, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = HypAdConfig::small().image_size.width)]
    image_size: usize,
    #[command(flatten)]
    map_flags: common::MapFlags,
    /// Teachers (PDN-S), with commas; each is a line of every method: shipped, random, or weight files
    #[arg(long, value_delimiter = ',', default_value = "shipped")]
    teacher: Vec<String>,
    /// Folder of images of anything else, also in folders by class, on which the student learns not to
    /// imitate the teacher
    #[arg(long)]
    penalty: Option<PathBuf>,
    /// Numbers of steps after which to test, with commas [default: ten, ever further apart]
    #[arg(long, value_delimiter = ',')]
    at: Vec<usize>,
    /// Where results go
    #[arg(long, default_value = "out/curve")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Variant {
    /// EfficientAD: squared Euclidean, no projection, no clip
    E0,
    /// The pipeline of HypAD in Euclidean space
    E1,
    /// HypAD
    H,
    /// HypAD without a scale before the clip and without mining: the paper read literally
    Literal,
}

/// One line of a picture: a training.
struct Line<'a> {
    category: &'a Category,
    /// The method, and what differs from its defaults.
    variant: String,
    teacher: &'a str,
    seed: u64,
}

impl Line<'_> {
    fn has(&self, point: &Point) -> bool {
        point.category == self.category.name
            && point.variant == self.variant
            && point.teacher == self.teacher
            && point.seed == self.seed
    }

    /// The file from which it goes on.
    fn checkpoint(&self, folder: &Path) -> PathBuf {
        let Line {
            variant,
            teacher,
            seed,
            ..
        } = self;
        let name = format!("{}_{variant}_{teacher}_{seed}", self.category.name);
        let name = name.replace(|c: char| !c.is_alphanumeric() && c != '-', "_");
        folder.join(format!("checkpoint_{name}.safetensors"))
    }
}

/// One test.
#[derive(Clone, Serialize, Deserialize)]
struct Point {
    category: String,
    // The name of the column in tables of earlier versions, which are read again.
    #[serde(rename = "arm")]
    variant: String,
    teacher: String,
    seed: u64,
    step: usize,
    minutes: f64,
    image_auroc: Option<f64>,
    pixel_auroc: Option<f64>,
    aupro_30: Option<f64>,
    aupro_5: Option<f64>,
    student_image_auroc: Option<f64>,
    autoencoder_image_auroc: Option<f64>,
}

impl Variant {
    /// The method with its defaults.
    fn base(self) -> HypAdConfig {
        match self {
            Variant::E0 => HypAdConfig::efficient_ad(),
            Variant::E1 => HypAdConfig {
                curvature: 0.0,
                ..HypAdConfig::default()
            },
            Variant::H => HypAdConfig::default(),
            Variant::Literal => HypAdConfig::literal(),
        }
    }
}

/// The fields of a configuration that differ from another's, with their values.
fn differences(own: &impl Serialize, base: &impl Serialize) -> Vec<String> {
    let fields = |config: serde_json::Result<Value>| match config {
        Ok(Value::Object(fields)) => fields,
        _ => Default::default(),
    };
    let base = fields(serde_json::to_value(base));
    let own = fields(serde_json::to_value(own));
    let differ = own
        .iter()
        .filter(|(name, value)| base.get(*name) != Some(*value));
    let words = |(name, value): (&String, &Value)| format!("{name} {value}").replace('"', "");
    differ.map(words).collect()
}

impl Args {
    fn model(&self, variant: Variant) -> Result<HypAdConfig> {
        let mut config = variant.base();
        if variant == Variant::H {
            config.curvature = self.curvature;
        }
        if let Some(quantile) = self.hard_quantile {
            config.hard_quantile = quantile;
        }
        config.image_size = ImageSize::square(self.image_size);
        let config = self.recipe.apply(self.map_flags.apply(config));
        config.validate()?;
        Ok(config)
    }

    /// The name of a line.
    fn name(&self, variant: Variant, model: &HypAdConfig, recipe: &TrainConfig) -> String {
        let (name, base) = self.recipe.base();
        let base = TrainConfig {
            seed: recipe.seed,
            ..base
        };
        let mut words = vec![format!("{variant:?}"), name.to_string()];
        words.extend(differences(model, &variant.base()));
        words.extend(differences(recipe, &base));
        if self.penalty.is_some() {
            words.push("penalty images".to_string());
        }
        words.retain(|word| !word.is_empty());
        words.join(", ")
    }

    /// The steps after which to test: a factor of about 1.6 apart.
    fn at(&self, steps: usize) -> Vec<usize> {
        if !self.at.is_empty() {
            return self.at.clone();
        }
        let part = |index: i32| (steps as f64 * 1.6_f64.powi(index - 9)).round() as usize;
        let mut at: Vec<usize> = (0..10).map(part).filter(|step| *step > 0).collect();
        at.dedup();
        at
    }
}

fn main() -> ExitCode {
    common::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let device = Default::default();
    let recipe = args.recipe.config()?;
    let at = args.at(recipe.steps);
    if let Some(step) = at.iter().find(|step| !(1..=recipe.steps).contains(*step)) {
        return Err(Error::Setting {
            name: "at",
            value: step.to_string(),
            rule: "at least 1 and no more than the steps of the training",
        });
    }
    let categories = common::load_categories(&args.data, &args.category)?;
    // Everything is read before hours are spent on a part of it.
    let mut models = Vec::new();
    for variant in &args.variants {
        if models.iter().all(|(known, _)| known != variant) {
            models.push((*variant, args.model(*variant)?));
        }
    }
    let shape = HypAdConfig::default();
    let shape = PdnConfig::new(shape.network, shape.channels);
    let mut teachers = BTreeMap::new();
    for name in &args.teacher {
        let teacher = common::teacher::<Flex>(name, shape, args.recipe.seed, &device)?;
        teachers.insert(name.as_str(), teacher);
    }
    let penalty = args.penalty.as_ref().map(ImageSet::from_tree).transpose()?;
    let mut lines = Vec::new();
    for category in &categories {
        for (variant, model) in &models {
            for (name, teacher) in &teachers {
                let line = Line {
                    category,
                    variant: args.name(*variant, model, &recipe),
                    teacher: name,
                    seed: recipe.seed,
                };
                let mut trainer = Trainer::new(model.clone(), recipe.clone());
                trainer = trainer.with_teacher(teacher.clone());
                if let Some(images) = &penalty {
                    trainer = trainer.with_penalty(images.clone());
                }
                lines.push((line, trainer));
            }
        }
    }
    let checked = categories.iter();
    let checked = checked.map(|category| category.check(&|| ())).collect();
    Error::all(&args.data, checked)?;
    // What lines that go on had before stays, and what others had; the rest begin anew.
    let table = args.out.join("curve.csv");
    let mut points = match table.exists() {
        true => read_csv(&table)?,
        false => Vec::new(),
    };
    points.retain(|point| {
        let own = lines.iter().find(|(line, _)| line.has(point));
        let goes_on = |line: &Line| {
            args.recipe.checkpoint_every().is_some() && line.checkpoint(&args.out).exists()
        };
        own.is_none_or(|(line, _)| goes_on(line))
    });
    write_csv(&table, &points)?;

    let mut checkpoints = Vec::new();
    for (line, mut trainer) in lines {
        let category = line.category;
        if let Some(every) = args.recipe.checkpoint_every() {
            let path = line.checkpoint(&args.out);
            let mut options = RunOptions::default().with_checkpoint(&path, every);
            if args.recipe.accept_changes() {
                options = options.accept_changes();
            }
            trainer = trainer.with_options(options);
            checkpoints.push(path);
        }
        let test = |progress: Progress<Flex>| {
            let found = test(category, progress.detector)?;
            let point = Point {
                category: category.name.clone(),
                variant: line.variant.clone(),
                teacher: line.teacher.to_string(),
                seed: line.seed,
                step: progress.step,
                minutes: progress.time.as_secs_f64() / 60.0,
                image_auroc: found.evaluation.image.auroc,
                pixel_auroc: found.evaluation.pixel.auroc,
                aupro_30: found.evaluation.aupro.at_0_3,
                aupro_5: found.evaluation.aupro.at_0_05,
                student_image_auroc: found.student,
                autoencoder_image_auroc: found.autoencoder,
            };
            eprintln!(
                "{} {} {}: step {}, {:.1} minutes, image AUROC {:.4}, AUPRO@0.3 {:.4}",
                point.category,
                point.variant,
                point.teacher,
                point.step,
                point.minutes,
                point.image_auroc.unwrap_or(f64::NAN),
                point.aupro_30.unwrap_or(f64::NAN)
            );
            // Steps after the last checkpoint are done and tested again.
            points.retain(|p| !line.has(p) || p.step < point.step);
            points.push(point);
            // After each test: what was found is never lost.
            write_csv(&table, &points)
        };
        trainer.fit_with(&category.train, &device, &at, test)?;

        // After each line: a picture of those that are done.
        let own: Vec<_> = points
            .iter()
            .filter(|p| p.category == category.name)
            .collect();
        let path = args.out.join(format!("{}.svg", category.name));
        write_picture(&path, &category.name, &own)?;
    }
    for checkpoint in checkpoints {
        // What they were for is written.
        let _ = std::fs::remove_file(checkpoint);
    }
    println!("results are in {}", args.out.display());
    Ok(())
}

/// What a test found: all metrics, and the image AUROC of each of the two maps alone.
struct Found {
    evaluation: Evaluation,
    student: Option<f64>,
    autoencoder: Option<f64>,
}

fn test(category: &Category, detector: &Detector<Flex>) -> Result<Found> {
    let mut evaluator = Evaluator::new();
    let (mut labels, mut student, mut autoencoder) = (Vec::new(), Vec::new(), Vec::new());
    // The score that one map alone would give.
    let alone = |map: &ScoreMap, size| {
        let maps = [map.clone(), map.clone()];
        Ok(detector.detect_from_maps(&maps, size)?.score)
    };
    for test in &category.test {
        let image = open(&test.path)?;
        let maps = detector.maps(&image)?;
        let size = ImageSize::of(&image);
        let map = detector.detect_from_maps(&maps, size)?.map;
        evaluator.add_test_image(test, &map, None)?;
        labels.push(test.is_anomalous());
        student.push(alone(&maps[0], size)?);
        autoencoder.push(alone(&maps[1], size)?);
    }
    Ok(Found {
        evaluation: evaluator.evaluate()?,
        student: defined(auroc(&student, &labels))?,
        autoencoder: defined(auroc(&autoencoder, &labels))?,
    })
}

fn defined(metric: Result<f64>) -> Result<Option<f64>> {
    match metric {
        Err(Error::Undefined { .. }) => Ok(None),
        metric => metric.map(Some),
    }
}

/// The points of a table that was written before.
fn read_csv(path: &Path) -> Result<Vec<Point>> {
    let table = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let points = csv::Reader::from_reader(table.as_slice()).into_deserialize();
    let points: std::result::Result<_, csv::Error> = points.collect();
    points.map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })
}

fn write_csv(path: &Path, points: &[Point]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |reason: String| Error::Format {
        path: path.to_path_buf(),
        reason,
    };
    for point in points {
        writer.serialize(point).map_err(|e| wrong(e.to_string()))?;
    }
    let table = writer.into_inner().map_err(|e| wrong(e.to_string()))?;
    write_atomic(path, &table)
}

/// Image AUROC and AUPRO@0.3, by step and by minute, a line for each method.
fn write_picture(path: &Path, category: &str, points: &[&Point]) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, category, points).map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    write_atomic(path, svg.as_bytes())
}

/// A file's name without folders and ending.
fn stem(path: &str) -> Cow<'_, str> {
    Path::new(path)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
}

/// With two decimals at most.
fn rounded(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}

/// Okabe and Ito's, which people with any colour vision can tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

type Axis = (&'static str, fn(&Point) -> f64);

fn draw(
    svg: &mut String,
    category: &str,
    points: &[&Point],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let across: [Axis; 2] = [("steps", |p| p.step as f64), ("minutes", |p| p.minutes)];
    let up: [Axis; 2] = [
        ("image AUROC", |p| p.image_auroc.unwrap_or(f64::NAN)),
        ("AUPRO@0.3", |p| p.aupro_30.unwrap_or(f64::NAN)),
    ];
    // A line has a method, a teacher and a seed; what all share is not named.
    let shared = points.iter().all(|p| p.teacher == points[0].teacher);
    let same_seed = points.iter().all(|p| p.seed == points[0].seed);
    let name = |p: &Point| {
        let mut words = vec![Cow::from(&p.variant)];
        words.extend((!shared).then(|| stem(&p.teacher)));
        words.extend((!same_seed).then(|| format!("seed {}", p.seed).into()));
        words.join(", ")
    };
    let mut variants: Vec<String> = Vec::new();
    for point in points {
        if !variants.contains(&name(point)) {
            variants.push(name(point));
        }
    }
    let area = SVGBackend::with_string(svg, (960, 680)).into_drawing_area();
    area.fill(&WHITE)?;
    for (cell, (y, x)) in area
        .split_evenly((2, 2))
        .iter()
        .zip(up.iter().flat_map(|y| across.iter().map(move |x| (y, x))))
    {
        let right = points.iter().map(|p| x.1(p)).fold(0.0, f64::max);
        let low = points.iter().map(|p| y.1(p)).fold(0.9, f64::min);
        let mut chart = ChartBuilder::on(cell)
            .caption(
                format!("{category}: {} by {}", y.0, x.0),
                ("sans-serif", 16),
            )
            .margin(12)
            .x_label_area_size(28)
            .y_label_area_size(40)
            .build_cartesian_2d(0.0..right * 1.02, (low - 0.02)..1.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|x| rounded(*x))
            .y_label_formatter(&|y| rounded(*y))
            .draw()?;
        for (index, variant) in variants.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let line = points.iter().filter(|p| name(p) == *variant);
            let line: Vec<_> = line.map(|p| (x.1(p), y.1(p))).collect();
            let dots = line.iter().map(|at| Circle::new(*at, 3, colour.filled()));
            chart.draw_series(dots)?;
            chart
                .draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?
                .label(variant)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 3), (x + 14, y + 3)], colour.filled())
                });
        }
        // Lines end high, with room below them, or at chance, with room above.
        let middle = points.iter().any(|p| y.1(p) < 0.6 && x.1(p) > 0.7 * right);
        chart
            .configure_series_labels()
            .position(match middle {
                true => SeriesLabelPosition::MiddleRight,
                false => SeriesLabelPosition::LowerRight,
            })
            .background_style(WHITE.mix(0.8))
            .draw()?;
    }
    area.present()?;
    Ok(())
}
