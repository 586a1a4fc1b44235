//! The metrics of anomaly maps from any model, in any language: reads float32 TIFF files in the
//! layout of MVTec AD's official evaluation, and writes its `metrics.json` and more.
//!
//! ```text
//! cargo run --release --example evaluate -- --data DATA --maps MAPS
//! ```

#[path = "common/results.rs"]
mod results;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hypad::data::MvtecCategory;
use hypad::report::{AnomalyMap, Evaluation, Evaluator, OfficialMetrics};
use hypad::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// Evaluate anomaly maps: exact AUROC, average precision, F1-max and AUPRO of images, pixels and
/// regions.
///
/// Writes metrics.json as the official evaluation of MVTec AD does, tables of the categories, and in
/// a folder for each category tables of its kinds of defect, images and regions.
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
    #[arg(long, default_value_t = 0.3)]
    limit: f64,
    /// The threshold of the tables of images and regions [default: that of the largest pixel F1]
    #[arg(long, allow_negative_numbers = true)]
    threshold: Option<f32>,
    /// Where results go
    #[arg(long, default_value = "out/evaluate")]
    out: PathBuf,
}

fn main() -> ExitCode {
    results::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let names = match args.category.as_str() {
        "all" => {
            let mut names = MvtecCategory::names(&args.data)?;
            names.retain(|name| args.maps.join(name).is_dir());
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
    let (mut evaluations, mut official) = (Vec::new(), BTreeMap::new());
    for name in names {
        let category = MvtecCategory::load(&args.data, &name)?;
        let evaluator = read(&category, args)?;
        let evaluation: Evaluation = evaluator.evaluate()?;
        let threshold = args.threshold.or(evaluation.pixel.f1_threshold);
        let threshold = threshold.unwrap_or(f32::INFINITY);
        results::write_tables(&evaluator, threshold, &args.out.join(&name))?;
        official.insert(name.clone(), evaluator.official(args.limit)?);
        evaluations.push((name, category.test.len(), evaluation));
    }
    let table = results::category_table(&evaluations);
    print!("{table}");
    table.write(args.out.join("categories"))?;
    OfficialMetrics::new(official)?.write(args.out.join("metrics.json"))?;
    println!("metrics.json and tables are in {}", args.out.display());
    Ok(())
}

fn read(category: &MvtecCategory, args: &Args) -> Result<Evaluator> {
    let style = ProgressStyle::with_template("{bar:30} {msg} {pos}/{len}, {eta} left")
        .unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(category.test.len() as u64)
        .with_style(style)
        .with_message(category.name.clone());
    let mut evaluator = Evaluator::new();
    for test in bar.wrap_iter(category.test.iter()) {
        let map = AnomalyMap::of(&args.maps, &category.name, test)?;
        let truth = test.truth(map.size[0], map.size[1])?;
        evaluator.add(
            &results::name_of(test),
            &test.defect,
            &map.values,
            &truth,
            map.size,
        )?;
    }
    Ok(evaluator)
}
