//! `hypad evaluate`: the metrics of anomaly maps from any model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hypad::data::{Category, DataSet};
use hypad::files::check_writable;
use hypad::progress::ProgressBar;
use hypad::report::{
    Ad2Submission, Evaluation, Evaluator, MapFolder, MvtecMetrics, MvtecMetricsFile, Partial,
    Shard, Table,
};
use hypad::{Error, Result};

use super::{Outcome, print};

/// Evaluate anomaly maps of any model, in any language: exact AUROC, average precision, AUPR, F1-max and AUPRO of
/// images, pixels and regions.
///
/// Maps are TIFF files of floats of 16, 32 or 64 bits, or NumPy files, one for each test image:
/// MAPS/CATEGORY/test/KIND/IMAGE.tiff. Writes metrics.json as the official evaluation of MVTec AD does, and tables.
/// A category that cannot be evaluated is named at the end, with exit code 1; the others are not lost.
///
/// A part of the images at a time, on any machines: --shard 0/2 and --shard 1/2 write OUT/CATEGORY/part_0_of_2 and
/// part_1_of_2, and --merge takes them all.
///
/// Example: hypad evaluate mvtec_ad --maps maps --out out/evaluate
#[derive(clap::Args)]
pub struct Args {
    /// A data set's folder, or one of its categories
    #[arg(required_unless_present_any = ["merge", "check_submission"])]
    data: Option<PathBuf>,
    /// Folder of the maps
    #[arg(long, value_name = "DIR", required_unless_present_any = ["merge", "check_submission"])]
    maps: Option<PathBuf>,
    /// Where results go
    #[arg(long, default_value = "out/evaluate")]
    out: PathBuf,
    /// Categories, with commas between them [default: all that have maps]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    category: Vec<String>,
    /// The false-positive rate up to which metrics.json has AUPRO
    #[arg(long, default_value_t = 0.3, value_parser = rate)]
    limit: f64,
    /// The threshold of the tables of images and regions [default: that of the largest pixel F1]
    #[arg(long, allow_negative_numbers = true, value_parser = threshold)]
    threshold: Option<f32>,
    /// Gather one of N parts of each category's images alone, as a file
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Evaluate from the files of all parts
    #[arg(long, value_name = "FILES", num_args = 1.., conflicts_with_all = ["maps", "shard", "data"])]
    merge: Vec<PathBuf>,
    /// Check a submission to the server of MVTec AD 2 by its rules; with DATA also against the images
    #[arg(long, value_name = "DIR", conflicts_with_all = ["maps", "shard", "merge"])]
    check_submission: Option<PathBuf>,
}

/// The false-positive rate up to which AUPRO is taken.
fn rate(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1.0 => Ok(rate),
        _ => Err("not above 0 and at most 1".into()),
    }
}

fn threshold(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(threshold) if !threshold.is_nan() => Ok(threshold),
        _ => Err("not a number".into()),
    }
}

fn shard(text: &str) -> std::result::Result<Shard, String> {
    let parts = text.split_once('/');
    let parts = parts.and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    let (index, of) = parts.ok_or("not two numbers as in 0/4")?;
    Shard::new(index, of).map_err(|error| error.to_string())
}

pub fn run(args: &Args) -> Result<Outcome> {
    if let Some(folder) = &args.check_submission {
        Ad2Submission::new(folder).check(args.data.as_deref())?;
        print(&format!(
            "{}: as the server of MVTec AD 2 takes it\n",
            folder.display()
        ))?;
        return Ok(Outcome::Fine);
    }
    let mut found = Found::default();
    let metrics_json = args.out.join("metrics.json");
    check_writable(&metrics_json)?;
    match (&args.data, &args.maps) {
        (Some(data), Some(maps)) => gather(args, data, maps, &mut found)?,
        _ => merge(args, &mut found)?,
    }
    if !found.evaluations.is_empty() {
        let table = Table::of_categories(&found.evaluations);
        print(&table.to_string())?;
        table.write(args.out.join("categories"))?;
    }
    if !found.official.is_empty() {
        MvtecMetricsFile::new(found.official)?.write(&metrics_json)?;
        print(&format!(
            "metrics.json and tables are in {}\n",
            args.out.display()
        ))?;
    }
    match found.problems.is_empty() {
        true => Ok(Outcome::Fine),
        false => Err(Error::Dataset {
            path: args.maps.clone().unwrap_or("parts".into()),
            problems: found.problems,
        }),
    }
}

/// What was found of all categories.
#[derive(Default)]
struct Found {
    evaluations: Vec<(String, usize, Evaluation)>,
    official: BTreeMap<String, MvtecMetrics>,
    /// A category with a problem does not stop the others.
    problems: Vec<String>,
}

impl Found {
    fn add(&mut self, name: &str, evaluator: &Evaluator, args: &Args) -> Result<()> {
        let evaluation = evaluator.evaluate()?;
        let threshold = args.threshold.or(evaluation.pixel.f1_threshold);
        let threshold = threshold.unwrap_or(f32::INFINITY);
        let folder = args.out.join(name);
        let images = evaluator.images(threshold)?;
        let count = images.len();
        Table::new(images).write(folder.join("images"))?;
        Table::new(evaluator.regions(threshold)?).write(folder.join("regions"))?;
        Table::new(evaluator.defects()?).write(folder.join("defects"))?;
        if let Some(threshold) = args.threshold {
            let f1 = evaluator.pixel_f1(threshold)?;
            let f1 = f1.map_or("undefined".into(), |f1| format!("{f1:.4}"));
            print(&format!("{name}: pixel F1 (SegF1) at {threshold}: {f1}\n"))?;
        }
        self.evaluations.push((name.to_string(), count, evaluation));
        match evaluator.official(args.limit) {
            Ok(metrics) => drop(self.official.insert(name.to_string(), metrics)),
            Err(error) => self.problems.push(format!("{name}: {error}")),
        }
        Ok(())
    }
}

/// Reads the maps of all categories.
fn gather(args: &Args, data: &Path, maps: &Path, found: &mut Found) -> Result<()> {
    let set = DataSet::open(data)?;
    let mut names = set.names().to_vec();
    if args.category.is_empty() {
        warn_of_other_folders(maps, &names)?;
        names.retain(|name| maps.join(name).is_dir());
    } else {
        names = args.category.clone();
    }
    if names.is_empty() {
        return Err(Error::Dataset {
            path: maps.to_path_buf(),
            problems: vec![format!("no category of {}", data.display())],
        });
    }
    for name in names {
        let read = || -> Result<(Category, Evaluator)> {
            let category = set.category(&name)?;
            category.check(&|| ())?;
            let evaluator = read(&category, maps, args.shard)?;
            Ok((category, evaluator))
        };
        let result = read().and_then(|(category, evaluator)| match args.shard {
            None => found.add(&name, &evaluator, args),
            Some(shard) => {
                let part = format!("part_{}_of_{}", shard.index, shard.of);
                let path = args.out.join(&name).join(part);
                let partial = Partial {
                    category: name.clone(),
                    fingerprint: category.fingerprint()?,
                    shard,
                    evaluator,
                };
                partial.write(&path)?;
                print(&format!("{}\n", path.display()))
            }
        });
        if let Err(error) = result {
            found.problems.push(format!("{name}: {error}"));
        }
    }
    Ok(())
}

fn read(category: &Category, maps: &Path, shard: Option<Shard>) -> Result<Evaluator> {
    let count = category.test.len();
    let images = shard.map_or(0..count, |shard| shard.range(count));
    let what = format!("reading maps of {}", category.name);
    let bar = ProgressBar::new(true, images.len(), &what);
    let maps = MapFolder::new(maps);
    let mut evaluator = Evaluator::new();
    for test in bar.wrap(&category.test[images]) {
        let map = maps.read(&category.name, test)?;
        evaluator.add_test_image(test, &map, None)?;
    }
    Ok(evaluator)
}

/// Joins the parts of each category.
fn merge(args: &Args, found: &mut Found) -> Result<()> {
    let mut parts: BTreeMap<String, Vec<Partial>> = BTreeMap::new();
    for path in &args.merge {
        let part = Partial::read(path)?;
        parts.entry(part.category.clone()).or_default().push(part);
    }
    for (name, parts) in parts {
        let result = Partial::merge(parts).and_then(|all| found.add(&name, &all.evaluator, args));
        if let Err(error) = result {
            found.problems.push(format!("{name}: {error}"));
        }
    }
    Ok(())
}

/// Folders of maps that are no category of the data set count nowhere: one line names them.
fn warn_of_other_folders(maps: &Path, names: &[String]) -> Result<()> {
    let io_error = |source| Error::Io {
        path: maps.to_path_buf(),
        source,
    };
    let mut others = Vec::new();
    for entry in std::fs::read_dir(maps).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
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
