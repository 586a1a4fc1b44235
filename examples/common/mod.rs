//! What the example programs share: train on a category, test it, leave a report and pictures.

#![allow(dead_code)] // no example uses all of it

pub mod fabric;
mod folder;
mod maps;
mod recipe;
mod results;
mod teacher;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hypad::data::image::{PixelRange, open};
use hypad::data::{ImageSet, MvtecCategory};
use hypad::detect::Detection;
use hypad::features::{ModelBackend, Pdn};
use hypad::files::write_atomic;
use hypad::methods::hypad::CLIPPED;
use hypad::progress::ProgressBar;
use hypad::report::{Evaluator, ImageCounts, MapFolder, Report, Seconds, panel};
use hypad::training::RunOptions;
use hypad::{Detector, Error, HypAdConfig, Result, ScoreMap, TrainConfig, Trainer};
#[allow(unused_imports)] // as above
pub use {
    folder::{RunFolder, as_written, category_folder},
    maps::MapFlags,
    recipe::RecipeFlags,
    results::*,
    teacher::teacher,
};

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
        /// Go on from a checkpoint of a training with other images or settings.
        accept_changes: bool,
    },
}

/// One run.
pub struct Run<B: ModelBackend> {
    pub source: Source<B>,
    /// Pictures are written of the first this many test images.
    pub pictures: usize,
    /// Where `report.json`, `model.safetensors`, `tables/` and `pictures/` go.
    pub folder: RunFolder,
    /// Where the anomaly maps go, in the layout of the official evaluation.
    pub maps: Option<PathBuf>,
}

impl<B: ModelBackend> Run<B> {
    /// The file from which training on a category goes on. It is left to the caller to remove it.
    pub fn checkpoint(&self, category: &MvtecCategory) -> PathBuf {
        folder::checkpoint(&self.folder.out, &category.name)
    }

    /// Everything that can go wrong later: test images and masks that cannot be read, a folder that
    /// cannot be written or holds another run. Training checks its own images; where there is a problem
    /// here, they are checked here too, so that one report has everything.
    pub fn check(&self, category: &MvtecCategory, device: &B::Device) -> Result<()> {
        let mut found = vec![self.check_folders(category, device)];
        let images = category.test.len();
        let bar = ProgressBar::new(true, images, "checking test images");
        found.push(category.check(&|| bar.inc()));
        drop(bar);
        if let Source::Training { penalty, .. } = &self.source
            && found.iter().any(Result::is_err)
        {
            for images in [Some(&category.train), penalty.as_ref()]
                .into_iter()
                .flatten()
            {
                found.push(images.check(&|| ()));
            }
        }
        all_problems(&category.name, found)
    }

    fn check_folders(&self, category: &MvtecCategory, device: &B::Device) -> Result<()> {
        let (model, training) = match &self.source {
            Source::File(path) => (settings(&Detector::<B>::load(path, device)?)?, None),
            Source::Training { model, recipe, .. } => (as_written(model), Some(recipe)),
        };
        let maps = self.maps.as_deref();
        self.folder
            .check(category, &model, training, maps, self.pictures)
    }

    /// Trains or loads, tests and writes everything.
    pub fn go(self, category: &MvtecCategory, device: &B::Device) -> Result<Report> {
        let checkpoint = self.checkpoint(category);
        let out = &self.folder.out;
        let (detector, recipe, train, clipped) = match self.source {
            Source::File(path) => (Detector::load(path, device)?, None, None, None),
            Source::Training {
                model,
                recipe,
                teacher,
                penalty,
                checkpoint_every,
                accept_changes,
            } => {
                let mut trainer = Trainer::<B>::new(model, recipe.clone());
                if let Some(teacher) = teacher {
                    trainer = trainer.with_teacher(teacher);
                }
                if let Some(penalty) = penalty {
                    trainer = trainer.with_penalty(penalty);
                }
                let mut options = RunOptions::default();
                if let Some(every) = checkpoint_every {
                    options = options.with_checkpoint(checkpoint, every);
                }
                if accept_changes {
                    options = options.accept_changes();
                }
                let trainer = trainer.with_options(options);
                let trained = trainer.fit(&category.train, device)?;
                trained.save(out.join("model.safetensors"))?;
                let clipped = trained.figures.get(CLIPPED).copied();
                if clipped.is_some_and(|part| part > 0.5) {
                    eprintln!(
                        "note: {:.1} % of the teacher's vectors are longer than the clip, which leaves \
                         their directions only; a scale below 1 avoids that",
                        100.0 * clipped.unwrap_or_default()
                    );
                }
                let time = trained.time.as_secs_f64();
                (trained.detector, Some(recipe), Some(time), clipped)
            }
        };

        let range = detector.pixel_range();
        if range != PixelRange::default() {
            println!(
                "white is {} in 16-bit images and {} in float images",
                range.white_16bit, range.white_float
            );
        }
        for (branch, weight) in branches(&detector) {
            println!("weight of {branch}: {weight}");
        }
        let started = Instant::now();
        let mut predicting = 0.0;
        let mut evaluator = Evaluator::new();
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        // Colours are shared by all pictures, so that their maps wait for the last image, on the disk.
        let waiting = tempfile::tempdir_in(out).map_err(io_error(out))?;
        let waiting_map = |index: usize| waiting.path().join(format!("{index}.tiff"));
        let bar = ProgressBar::new(true, category.test.len(), "testing");
        for (index, test) in bar.wrap(&category.test).enumerate() {
            let image = open(&test.path)?;
            let before = Instant::now();
            let found = detector.predict(&image)?;
            predicting += before.elapsed().as_secs_f64();
            let truth = test.truth(found.map.size())?;
            evaluator.add(&name_of(test), &test.defect, &found.map, &truth)?;
            low = found.map.iter().copied().fold(low, f32::min);
            high = found.map.iter().copied().fold(high, f32::max);
            if let Some(maps) = &self.maps {
                MapFolder::new(maps).write(&category.name, test, &found.map)?;
            }
            if index < self.pictures {
                found.map.write_tiff(waiting_map(index))?;
            }
        }
        let evaluation = evaluator.evaluate()?;
        write_tables(&evaluator, detector.thresholds(), &out.join("tables"))?;
        self.folder.remove_old_pictures()?;
        let shown = category.test.iter().take(self.pictures);
        let bar = ProgressBar::new(true, shown.len(), "drawing");
        for (index, test) in bar.wrap(shown).enumerate() {
            let image = range.to_rgb8(&open(&test.path)?);
            let map = ScoreMap::read_tiff(waiting_map(index))?;
            let truth = test.truth(map.size())?;
            let found = Detection::new(map, detector.thresholds());
            let picture = panel(&image, &truth, &found, (low, high))?;
            let path = format!("pictures/{}/{}.png", test.defect, name_of(test));
            write_png(&out.join(path), &picture)?;
        }
        let model = settings(&detector)?;
        let report = Report {
            category: category.name.clone(),
            seed: recipe.as_ref().map(|recipe| recipe.seed),
            steps: recipe.as_ref().map(|recipe| recipe.steps),
            method: detector.model().method().to_string(),
            curvature: model["curvature"].as_f64(),
            clip: model["clip"].as_f64(),
            clipped,
            device: B::name(device),
            images: ImageCounts {
                train: category.train.len(),
                test: category.test.len(),
                fingerprint: category.fingerprint()?,
            },
            pixel_range: detector.pixel_range(),
            evaluation,
            defects: evaluator.defects()?,
            weights: branches(&detector),
            threshold: detector.threshold(),
            pixel_threshold: detector.thresholds().pixel,
            pixel_f1: evaluator.pixel_f1(detector.thresholds().pixel)?,
            seconds: Seconds {
                train,
                evaluate: started.elapsed().as_secs_f64(),
                per_image: predicting / category.test.len() as f64,
            },
            training: recipe.as_ref().map(as_written),
            model,
        };
        report.write(out.join("report.json"))?;
        Ok(report)
    }
}

/// The branches of a detector's model with their weights in the map.
fn branches<B: ModelBackend>(detector: &Detector<B>) -> BTreeMap<String, f32> {
    let names = detector.map_layout().branches.iter().cloned();
    names.zip(detector.weights().iter().copied()).collect()
}

/// The settings of a detector's model.
fn settings<B: ModelBackend>(detector: &Detector<B>) -> Result<serde_json::Value> {
    Ok(as_written(detector.model().to_parts()?.settings))
}

/// Encodes a picture and writes it whole.
pub fn write_png(path: &Path, picture: &image::RgbImage) -> Result<()> {
    let mut png = Vec::new();
    let encoded = picture.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png);
    encoded.map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    write_atomic(path, &png)
}
