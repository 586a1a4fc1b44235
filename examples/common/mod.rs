//! What the example programs share: train on a category, test it, leave a report and pictures.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hypad::data::{ImageSet, MvtecCategory, image::open};
use hypad::files::write_whole;
use hypad::geometry::HyperbolicBackend;
use hypad::model::Pdn;
use hypad::report::{Evaluation, Evaluator, Report, Seconds, panel};
use hypad::{Detector, Error, HypAdConfig, Result, TrainConfig, Trainer};
use indicatif::{ProgressBar, ProgressStyle};

/// How a run comes by its detector.
#[derive(Clone)]
#[allow(clippy::large_enum_variant)] // there is one of it
pub enum Source<B: HyperbolicBackend> {
    /// A model file.
    #[allow(dead_code)] // not every example tests without training
    File(PathBuf),
    /// Training on the category.
    Training {
        model: HypAdConfig,
        recipe: TrainConfig,
        teacher: Option<Pdn<B>>,
        penalty: Option<ImageSet>,
    },
}

/// One run.
pub struct Run<B: HyperbolicBackend> {
    pub source: Source<B>,
    /// Pictures are written of the first this many test images.
    pub pictures: usize,
    /// Where `report.json`, `model.safetensors` and `pictures/` go.
    pub out: PathBuf,
}

impl<B: HyperbolicBackend> Run<B> {
    /// Trains or loads, tests and writes everything.
    pub fn go(self, category: &MvtecCategory, device: &B::Device) -> Result<Report> {
        let started = Instant::now();
        let (detector, recipe) = match self.source {
            Source::File(path) => (Detector::load(path, device)?, None),
            Source::Training {
                model,
                recipe,
                teacher,
                penalty,
            } => {
                let mut trainer = Trainer::<B>::new(model, recipe.clone());
                if let Some(teacher) = teacher {
                    trainer = trainer.with_teacher(teacher);
                }
                if let Some(penalty) = penalty {
                    trainer = trainer.with_penalty(penalty);
                }
                let trained = trainer.fit(&category.train, device)?;
                trained.save(self.out.join("model.safetensors"))?;
                (trained.detector, Some(recipe))
            }
        };
        let train = recipe.as_ref().map(|_| started.elapsed().as_secs_f64());

        let started = Instant::now();
        let mut predicting = 0.0;
        let mut evaluator = Evaluator::new();
        let mut shown = Vec::new();
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let style = ProgressStyle::with_template("{bar:30} testing {pos}/{len}, {eta} left")
            .unwrap_or(ProgressStyle::default_bar());
        let bar = ProgressBar::new(category.test.len() as u64).with_style(style);
        for test in bar.wrap_iter(category.test.iter()) {
            let image = open(&test.path)?;
            let before = Instant::now();
            let found = detector.predict(&image)?;
            predicting += before.elapsed().as_secs_f64();
            let truth = test.truth(found.width, found.height)?;
            evaluator.add(&found, &truth)?;
            low = found.map.iter().copied().fold(low, f32::min);
            high = found.map.iter().copied().fold(high, f32::max);
            if shown.len() < self.pictures {
                shown.push((test, image.to_rgb8(), truth, found));
            }
        }
        let evaluation = evaluator.evaluate()?;
        for (test, image, truth, found) in &shown {
            let stem = test.path.file_stem().unwrap_or_default().to_string_lossy();
            let path = format!("pictures/{}_{stem}.png", test.defect);
            let picture = panel(image, truth, found, (low, high));
            write_png(&self.out.join(path), &picture)?;
        }
        let report = Report {
            category: category.name.clone(),
            seed: recipe.as_ref().map(|recipe| recipe.seed),
            steps: recipe.as_ref().map(|recipe| recipe.steps),
            curvature: detector.config().curvature,
            clip: detector.config().clip,
            device: B::name(device),
            evaluation,
            threshold: detector.threshold,
            seconds: Seconds {
                train,
                evaluate: started.elapsed().as_secs_f64(),
                per_image: predicting / category.test.len() as f64,
            },
            model: detector.config().clone(),
            training: recipe,
        };
        report.write(self.out.join("report.json"))?;
        Ok(report)
    }
}

/// The heading of the lines of [`print_row`].
pub fn print_heading() {
    println!(
        "{:<12} {:>11} {:>11} {:>11} {:>11} {:>10} {:>9} {:>9}",
        "category", "img AUROC", "img AUPR", "px AUROC", "px AUPR", "AUPRO.05", "AUPRO.3", "AUPRO1"
    );
}

pub fn print_row(name: &str, e: &Evaluation) {
    let cell = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.4}"));
    println!(
        "{name:<12} {:>11} {:>11} {:>11} {:>11} {:>10} {:>9} {:>9}",
        cell(e.image.auroc),
        cell(e.image.aupr),
        cell(e.pixel.auroc),
        cell(e.pixel.aupr),
        cell(e.aupro.at_0_05),
        cell(e.aupro.at_0_3),
        cell(e.aupro.at_1)
    );
}

/// Encodes a picture and writes it whole.
pub fn write_png(path: &Path, picture: &image::RgbImage) -> Result<()> {
    let mut png = Vec::new();
    let encoded = picture.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png);
    encoded.map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    write_whole(path, &png)
}

/// Ends a program: an error is one line on the standard error and exit code 1.
pub fn exit(result: Result<()>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// The means over categories; what is undefined in one is undefined in the mean.
#[allow(dead_code)] // not every example has several categories
pub fn print_means(reports: &[Report]) {
    let mean = |value: fn(&Evaluation) -> Option<f64>| {
        let values = reports.iter().map(|report| value(&report.evaluation));
        let sum: Option<f64> = values.sum();
        sum.map(|sum| sum / reports.len() as f64)
    };
    let mut means = reports[0].evaluation;
    means.image.auroc = mean(|e| e.image.auroc);
    means.image.aupr = mean(|e| e.image.aupr);
    means.pixel.auroc = mean(|e| e.pixel.auroc);
    means.pixel.aupr = mean(|e| e.pixel.aupr);
    means.aupro.at_0_05 = mean(|e| e.aupro.at_0_05);
    means.aupro.at_0_3 = mean(|e| e.aupro.at_0_3);
    means.aupro.at_1 = mean(|e| e.aupro.at_1);
    print_row("mean", &means);
}
