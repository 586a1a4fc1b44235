//! What the example programs share: train on a category, test it, leave a report and pictures.

#![allow(dead_code)] // no example uses all of it

mod recipe;
mod results;
mod teacher;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hypad::data::{ImageSet, MvtecCategory, image::open};
use hypad::files::write_whole;
use hypad::model::ModelBackend;
use hypad::model::Pdn;
use hypad::report::{AnomalyMap, Evaluator, Report, Seconds, panel};
use hypad::{Detector, Error, HypAdConfig, Result, TrainConfig, Trainer};
use indicatif::{ProgressBar, ProgressStyle};
#[allow(unused_imports)] // as above
pub use {recipe::RecipeFlags, results::*, teacher::teacher};

/// How a run comes by its detector.
#[derive(Clone)]
#[allow(clippy::large_enum_variant)] // there is one of it
pub enum Source<B: ModelBackend> {
    /// A model file.
    File(PathBuf),
    /// Training on the category.
    Training {
        model: HypAdConfig,
        recipe: TrainConfig,
        teacher: Option<Pdn<B>>,
        penalty: Option<ImageSet>,
        /// Steps between checkpoints, if there shall be any.
        checkpoint_every: Option<usize>,
    },
}

/// One run.
pub struct Run<B: ModelBackend> {
    pub source: Source<B>,
    /// Pictures are written of the first this many test images.
    pub pictures: usize,
    /// Where `report.json`, `model.safetensors`, `tables/` and `pictures/` go.
    pub out: PathBuf,
    /// Where the anomaly maps go, in the layout of the official evaluation.
    pub maps: Option<PathBuf>,
}

impl<B: ModelBackend> Run<B> {
    /// The file from which training on a category goes on. It is left to the caller to remove it.
    pub fn checkpoint(&self, category: &MvtecCategory) -> PathBuf {
        let name = format!("checkpoint_{}.safetensors", category.name);
        self.out.join(name)
    }

    /// Trains or loads, tests and writes everything.
    pub fn go(self, category: &MvtecCategory, device: &B::Device) -> Result<Report> {
        let checkpoint = self.checkpoint(category);
        let (detector, recipe, train, clipped) = match self.source {
            Source::File(path) => (Detector::load(path, device)?, None, None, None),
            Source::Training {
                model,
                recipe,
                teacher,
                penalty,
                checkpoint_every,
            } => {
                let mut trainer = Trainer::<B>::new(model, recipe.clone());
                if let Some(teacher) = teacher {
                    trainer = trainer.with_teacher(teacher);
                }
                if let Some(penalty) = penalty {
                    trainer = trainer.with_penalty(penalty);
                }
                if let Some(every) = checkpoint_every {
                    trainer = trainer.with_checkpoint(checkpoint, every);
                }
                let trained = trainer.fit(&category.train, device)?;
                trained.save(self.out.join("model.safetensors"))?;
                if trained.clipped > 0.5 {
                    eprintln!(
                        "note: {:.1} % of the teacher's vectors are longer than the clip, which leaves \
                         their directions only; a scale below 1 avoids that",
                        100.0 * trained.clipped
                    );
                }
                let time = trained.time.as_secs_f64();
                let clipped = trained.clipped;
                (trained.detector, Some(recipe), Some(time), Some(clipped))
            }
        };

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
            let size = [found.width, found.height];
            evaluator.add(&name_of(test), &test.defect, &found.map, &truth, size)?;
            if let Some(maps) = &self.maps {
                let values = found.map.clone();
                AnomalyMap { values, size }.write_of(maps, &category.name, test)?;
            }
            low = found.map.iter().copied().fold(low, f32::min);
            high = found.map.iter().copied().fold(high, f32::max);
            if shown.len() < self.pictures {
                shown.push((test, image.to_rgb8(), truth, found));
            }
        }
        let evaluation = evaluator.evaluate()?;
        write_tables(&evaluator, detector.threshold, &self.out.join("tables"))?;
        for (test, image, truth, found) in &shown {
            let path = format!("pictures/{}_{}.png", test.defect, name_of(test));
            let picture = panel(image, truth, found, (low, high));
            write_png(&self.out.join(path), &picture)?;
        }
        let report = Report {
            category: category.name.clone(),
            seed: recipe.as_ref().map(|recipe| recipe.seed),
            steps: recipe.as_ref().map(|recipe| recipe.steps),
            curvature: detector.config().curvature,
            clip: detector.config().clip,
            clipped,
            device: B::name(device),
            evaluation,
            defects: evaluator.defects()?,
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
