//! What a run does: train or load, test, write.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::folder::{RunFolder, as_written, checkpoint};
use super::testing::{Pictures, Tested, test};
use crate::data::{Category, ImageSet, Preparation};
use crate::detect::ThresholdPolicy;
use crate::error::{Error, Result};
use crate::features::{ModelBackend, Pdn};
use crate::files::write_atomic;
use crate::methods::hypad::CLIPPED;
use crate::progress::ProgressBar;
use crate::report::{Evaluator, HtmlReport, ImageCounts, MapFolder, Report, Seconds, Table};
use crate::training::RunOptions;
use crate::{Detector, HypAdConfig, TrainConfig, Trainer};

/// How a run comes by its detector.
#[derive(Clone, Debug)]
pub enum Source<B: ModelBackend> {
    /// A model file.
    File(PathBuf),
    /// Training on the category.
    Training(Box<TrainingPlan<B>>),
}

/// A training of HypAD.
#[derive(Clone, Debug)]
pub struct TrainingPlan<B: ModelBackend> {
    /// The model.
    pub model: HypAdConfig,
    /// The recipe.
    pub recipe: TrainConfig,
    /// A teacher in place of the crate's own.
    pub teacher: Option<Pdn<B>>,
    /// Images of anything else, as penalty.
    pub penalty: Option<ImageSet>,
    /// How images become inputs.
    pub preparation: Preparation,
    /// The rule for the threshold of images, in place of the recipe's.
    pub threshold: Option<Arc<dyn ThresholdPolicy>>,
    /// The rule for the threshold of pixels, in place of the recipe's.
    pub pixel_threshold: Option<Arc<dyn ThresholdPolicy>>,
    /// Steps between checkpoints; `None` for none.
    pub checkpoint_every: Option<usize>,
    /// Go on from a checkpoint of a training with other images or settings.
    pub accept_changes: bool,
    /// Writes the weights of the model file in 16 bits.
    pub half_precision: bool,
}

impl<B: ModelBackend> TrainingPlan<B> {
    /// With the crate's own teacher, no penalty images, and a checkpoint every 100 steps.
    pub fn new(model: HypAdConfig, recipe: TrainConfig) -> Self {
        Self {
            model,
            recipe,
            teacher: None,
            penalty: None,
            preparation: Preparation::default(),
            threshold: None,
            pixel_threshold: None,
            checkpoint_every: Some(100),
            accept_changes: false,
            half_precision: false,
        }
    }

    /// The rule for the threshold of images, in words.
    fn threshold_rule(&self) -> String {
        match &self.threshold {
            Some(policy) => policy.describe(),
            None => self.recipe.threshold().describe(),
        }
    }

    fn trainer(self, checkpoint: PathBuf, progress: bool) -> Trainer<B> {
        let mut trainer = Trainer::<B>::new(self.model, self.recipe);
        if let Some(teacher) = self.teacher {
            trainer = trainer.with_teacher(teacher);
        }
        if let Some(penalty) = self.penalty {
            trainer = trainer.with_penalty(penalty);
        }
        if let Some(policy) = self.threshold {
            trainer = trainer.with_threshold(policy);
        }
        if let Some(policy) = self.pixel_threshold {
            trainer = trainer.with_pixel_threshold(policy);
        }
        let mut options = match progress {
            true => RunOptions::default(),
            false => RunOptions::quiet(),
        };
        if let Some(every) = self.checkpoint_every {
            options = options.with_checkpoint(checkpoint, every);
        }
        if self.accept_changes {
            options = options.accept_changes();
        }
        trainer
            .with_preparation(self.preparation)
            .with_options(options)
    }
}

/// A run on one category.
#[derive(Clone, Debug)]
pub struct CategoryRun<B: ModelBackend> {
    /// How it comes by its detector.
    pub source: Source<B>,
    /// Where everything goes.
    pub folder: RunFolder,
    /// Pictures are written of the first this many test images.
    pub pictures: usize,
    /// Where the anomaly maps go, in the layout of the official evaluation.
    pub maps: Option<PathBuf>,
    /// Shows progress on the standard error.
    pub progress: bool,
}

impl<B: ModelBackend> CategoryRun<B> {
    /// The file from which training on a category goes on. It is left to the caller to remove it.
    pub fn checkpoint(&self, category: &Category) -> PathBuf {
        checkpoint(&self.folder.out, &category.name)
    }

    /// Everything that can go wrong later: test images and masks that cannot be read, a folder that
    /// cannot be written or holds another run. Training checks its own images; where there is a problem
    /// here, they are checked here too, so that one report has everything.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with all problems.
    pub fn check(&self, category: &Category, device: &B::Device) -> Result<()> {
        let mut found = vec![self.check_folders(category, device)];
        let images = category.test.len();
        let bar = ProgressBar::new(self.progress, images, "checking test images");
        found.push(category.check(&|| bar.inc()));
        drop(bar);
        if let Source::Training(plan) = &self.source
            && found.iter().any(Result::is_err)
        {
            let sets = [Some(&category.train), plan.penalty.as_ref()];
            found.extend(
                sets.into_iter()
                    .flatten()
                    .map(|images| images.check(&|| ())),
            );
        }
        Error::all(&category.name, found).map(drop)
    }

    fn check_folders(&self, category: &Category, device: &B::Device) -> Result<()> {
        let ours = match &self.source {
            Source::File(path) => {
                let detector = Detector::<B>::load(path, device)?;
                json!({
                    "model": settings(&detector)?,
                    "training": null,
                    "preparation": detector.preparation(),
                    "threshold_policy": detector.threshold_policy(),
                })
            }
            Source::Training(plan) => json!({
                "model": as_written(&plan.model),
                "training": as_written(&plan.recipe),
                "preparation": plan.preparation,
                "threshold_policy": plan.threshold_rule(),
            }),
        };
        let maps = self.maps.as_deref();
        self.folder.check(category, ours, maps, self.pictures)
    }

    /// Trains or loads, tests and writes everything.
    ///
    /// # Errors
    ///
    /// Those of [`Trainer::fit`] or [`Detector::load`], of [`Detector::predict`], and of writing.
    pub fn go(self, category: &Category, device: &B::Device) -> Result<Report> {
        let checkpoint = self.checkpoint(category);
        let out = &self.folder.out;
        let (detector, recipe, trained) = match self.source {
            Source::File(path) => (Detector::load(path, device)?, None, None),
            Source::Training(plan) => {
                let (recipe, half) = (plan.recipe.clone(), plan.half_precision);
                let trainer = plan.trainer(checkpoint, self.progress);
                let trained = trainer.fit(&category.train, device)?;
                let path = out.join("model.safetensors");
                match half {
                    true => trained.detector.save_half(path)?,
                    false => trained.save(path)?,
                }
                (trained.detector.clone(), Some(recipe), Some(trained))
            }
        };
        let clipped = trained
            .as_ref()
            .and_then(|trained| trained.figures.get(CLIPPED).copied());
        let started = Instant::now();
        let maps = self.maps.map(MapFolder::new);
        let tested = test(&detector, category, out, maps, self.pictures, self.progress)?;
        let Tested { evaluator, .. } = &tested;
        let evaluation = evaluator.evaluate()?;
        let thresholds = detector.thresholds();
        let images = evaluator.images(thresholds)?;
        write_tables(evaluator, &detector, out)?;
        self.folder.remove_old_pictures()?;
        let pictures = Pictures::new(&detector, category, &tested);
        pictures.write(out, self.progress)?;
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
            preparation: detector.preparation().clone(),
            evaluation,
            defects: evaluator.defects()?,
            weights: branches(&detector),
            threshold: thresholds.image,
            threshold_policy: detector.threshold_policy().map(str::to_string),
            held_out_scores: trained.as_ref().map(|trained| trained.held_out.clone()),
            pixel_threshold: thresholds.pixel,
            pixel_f1: evaluator.pixel_f1(thresholds.pixel)?,
            seconds: Seconds {
                train: trained.as_ref().map(|trained| trained.time.as_secs_f64()),
                evaluate: started.elapsed().as_secs_f64(),
                per_image: tested.predicting / category.test.len().max(1) as f64,
            },
            training: recipe.as_ref().map(as_written),
            model,
        };
        let html = HtmlReport {
            report: &report,
            images: &images,
            curves: evaluator.curves()?,
            losses: trained.as_ref().map_or(&[], |trained| &trained.losses),
            notes: &category.notes,
            colours: tested.colours,
        };
        let html = html.to_html(&mut |image| pictures.embedded(image))?;
        write_atomic(out.join("report.html"), html.as_bytes())?;
        report.write(out.join("report.json"))?;
        Ok(report)
    }
}

/// Writes what was found of each image, region and kind of defect at the stored thresholds.
fn write_tables<B: ModelBackend>(
    evaluator: &Evaluator,
    detector: &Detector<B>,
    out: &std::path::Path,
) -> Result<()> {
    let (thresholds, folder) = (detector.thresholds(), out.join("tables"));
    Table::new(evaluator.images(thresholds)?).write(folder.join("images"))?;
    Table::new(evaluator.regions(thresholds.pixel)?).write(folder.join("regions"))?;
    Table::new(evaluator.defects()?).write(folder.join("defects"))
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
