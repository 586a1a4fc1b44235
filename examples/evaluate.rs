//! The metrics of anomaly maps from any model, in any language: reads float32 TIFF files in the
//! layout of MVTec AD's official evaluation, and writes its `metrics.json` and more.
//!
//! ```text
//! cargo run --release --example evaluate -- --data DATA --maps MAPS
//! ```

#[path = "common/results.rs"]
#[allow(dead_code)] // it uses a part
mod results;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hypad::data::MvtecCategory;
use hypad::files::check_writable;
use hypad::progress::ProgressBar;
use hypad::report::{Evaluation, Evaluator, MapFolder, MvtecMetrics, MvtecMetricsFile};
use hypad::{Error, Result};

/// Evaluate anomaly maps: exact AUROC, average precision, F1-max and AUPRO of images, pixels and
/// regions.
///
/// Writes metrics.json as the official evaluation of MVTec AD does, tables of the categories, and in
/// a folder for each category tables of its kinds of defect, images and regions. A category that
/// cannot be evaluated is named at the end, with exit code 1; metrics.json is then of the others.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of the data set: DATA/CATEGORY/{train/good,test/*,ground_truth/*}
    #[arg(long)]
    data: PathBuf,
    /// Folder of the maps, one for each test image: MAPS/CATEGORY/test/DEFECT/IMAGE.tiff
    #[arg(long)]
    maps: PathBuf,
    /// A category, or "all" for those of DATA that MAPS has a folder of
    #[arg(long, default_value = "all")]
    category: String,
    /// The false-positive rate up to which metrics.json has AUPRO
    #[arg(long, default_value_t = 0.3, value_parser = rate)]
    limit: f64,
    /// The threshold of the tables of images and regions [default: that of the largest pixel F1]
    #[arg(long, allow_negative_numbers = true, value_parser = threshold)]
    threshold: Option<f32>,
    /// Where results go
    #[arg(long, default_value = "out/evaluate")]
    out: PathBuf,
}

fn main() -> ExitCode {
    results::exit(run(&Args::parse()))
}

/// The false-positive rate up to which AUPRO is taken.
fn rate(text: &str) -> std::result::Result<f64, String> {
    let rate = text.parse().map_err(|_| "not a number".to_string())?;
    match rate > 0.0 && rate <= 1.0 {
        true => Ok(rate),
        false => Err("not above 0 and at most 1".into()),
    }
}

fn threshold(text: &str) -> std::result::Result<f32, String> {
    let threshold: f32 = text.parse().map_err(|_| "not a number".to_string())?;
    match threshold.is_nan() {
        true => Err("not a number".into()),
        false => Ok(threshold),
    }
}

/// Folders of maps that are no category of the data set count nowhere: one line names them.
fn warn_of_other_folders(maps: &Path, names: &[String]) -> Result<()> {
    let mut others = Vec::new();
    for entry in std::fs::read_dir(maps).map_err(results::io_error(maps))? {
        let entry = entry.map_err(results::io_error(maps))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') && !names.contains(&name) {
            others.push(name);
        }
    }
    others.sort();
    if !others.is_empty() {
        eprintln!(
            "warning: {}: passed over, since the data set has no such category: {}",
            maps.display(),
            others.join(", ")
        );
    }
    Ok(())
}

fn run(args: &Args) -> Result<()> {
    let names = match args.category.as_str() {
        "all" => {
            let mut names = MvtecCategory::names(&args.data)?;
            names.retain(|name| args.maps.join(name).is_dir());
            warn_of_other_folders(&args.maps, &names)?;
            names
        }
        name => vec![name.to_string()],
    };
    if names.is_empty() {
        return Err(Error::Dataset {
            path: args.maps.clone(),
            problems: vec![format!("no category of {}", args.data.display())],
        });
    }
    let metrics_json = args.out.join("metrics.json");
    check_writable(&metrics_json)?;
    let (mut evaluations, mut official) = (Vec::new(), BTreeMap::new());
    // A category with a problem does not stop the others.
    let mut problems = Vec::new();
    for name in names {
        let mut problem = |error: Error| problems.push(format!("{name}: {error}"));
        match evaluate(&name, args) {
            Ok(category) => {
                match category.official {
                    Ok(metrics) => drop(official.insert(name.clone(), metrics)),
                    Err(error) => problem(error),
                }
                evaluations.push((name, category.images, category.evaluation));
            }
            Err(error) => problem(error),
        }
    }
    if !evaluations.is_empty() {
        let table = results::category_table(&evaluations);
        print!("{table}");
        table.write(args.out.join("categories"))?;
    }
    if !official.is_empty() {
        MvtecMetricsFile::new(official)?.write(&metrics_json)?;
        println!("metrics.json and tables are in {}", args.out.display());
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Dataset {
            path: args.maps.clone(),
            problems,
        }),
    }
}

/// What was found of a category.
struct Category {
    images: usize,
    evaluation: Evaluation,
    /// An error where the official metrics are undefined.
    official: Result<MvtecMetrics>,
}

fn evaluate(name: &str, args: &Args) -> Result<Category> {
    let category = MvtecCategory::load(&args.data, name)?;
    category.check(&|| ())?;
    let evaluator = read(&category, args)?;
    let evaluation = evaluator.evaluate()?;
    let threshold = args.threshold.or(evaluation.pixel.f1_threshold);
    let threshold = threshold.unwrap_or(f32::INFINITY);
    results::write_tables(&evaluator, threshold, &args.out.join(name))?;
    Ok(Category {
        images: category.test.len(),
        evaluation,
        official: evaluator.official(args.limit),
    })
}

fn read(category: &MvtecCategory, args: &Args) -> Result<Evaluator> {
    let what = format!("reading maps of {}", category.name);
    let bar = ProgressBar::new(true, category.test.len(), &what);
    let maps = MapFolder::new(&args.maps);
    let mut evaluator = Evaluator::new();
    for test in bar.wrap(&category.test) {
        let map = maps.read(&category.name, test)?;
        let truth = test.truth(map.size())?;
        evaluator.add(&results::name_of(test), &test.defect, &map, &truth)?;
    }
    Ok(evaluator)
}
