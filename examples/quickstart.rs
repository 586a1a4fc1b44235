//! HypAD from nothing to pictures in less than a minute: makes a small category of woven fabric
//! with defects, trains on its good pieces, and shows what it finds on the others.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::backend::Flex;
use common::fabric;
use hypad::data::Category;
use hypad::report::Table;
use hypad::run::{CategoryRun, RunFolder, Source, TrainingPlan};
use hypad::{HypAdConfig, ImageSize, Result, TrainConfig};

const STEPS: usize = 150;
const SEED: u64 = 7;

/// Makes a small category of woven fabric with defects in out/quickstart, trains on its good pieces, and
/// shows what it finds on the others. Takes no options.
#[derive(clap::Parser)]
#[command(version)]
struct Args {}

fn main() -> ExitCode {
    <Args as clap::Parser>::parse();
    common::exit(run())
}

fn run() -> Result<()> {
    let out = PathBuf::from("out/quickstart");
    let data = out.join("data");
    println!(
        "making a category of synthetic fabric in {}",
        data.display()
    );
    make_category(&data.join("fabric"))?;
    let category = Category::load(&data, "fabric")?;

    println!(
        "training {STEPS} steps on {} good images",
        category.train.len()
    );
    let model = HypAdConfig {
        image_size: ImageSize::square(fabric::SIZE as usize),
        ..HypAdConfig::small()
    };
    let recipe = TrainConfig {
        steps: STEPS,
        seed: SEED,
        ..TrainConfig::default()
    };
    let run = CategoryRun::<Flex> {
        source: Source::Training(Box::new(TrainingPlan {
            checkpoint_every: None,
            ..TrainingPlan::new(model, recipe)
        })),
        pictures: usize::MAX,
        // Every run of this program makes the same results.
        folder: RunFolder {
            out: out.clone(),
            overwrite: true,
        },
        maps: None,
        progress: true,
    };
    let report = run.go(&category, &Default::default())?;
    let result = (report.category, category.test.len(), report.evaluation);
    print!("{}", Table::of_categories(&[result]));
    println!(
        "trained in {:.0} s, {:.2} s an image; look at report.html and the pictures in {}",
        report.seconds.train.unwrap_or_default(),
        report.seconds.per_image,
        out.display()
    );
    Ok(())
}

/// Writes the category in the layout of MVTec AD: 40 images to train on, 10 good ones to test, and
/// 10 of each defect with their masks.
fn make_category(folder: &Path) -> Result<()> {
    let category = fabric::category(40, 10, SEED);
    for (index, image) in category.train.iter().enumerate() {
        common::write_png(&folder.join(format!("train/good/{index:03}.png")), image)?;
    }
    for (index, piece) in category.test.iter().enumerate() {
        let (defect, index) = (piece.defect, index % 10);
        let path = format!("test/{defect}/{index:03}.png");
        common::write_png(&folder.join(path), &piece.image)?;
        if defect != "good" {
            let path = format!("ground_truth/{defect}/{index:03}_mask.png");
            common::write_png(&folder.join(path), &piece.mask)?;
        }
    }
    Ok(())
}
