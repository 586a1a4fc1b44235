//! Training: the steps of student and autoencoder on normal images.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::{Tensor, backend::Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::cache::FeatureCache;
use super::config::HypAdConfig;
use super::embedding::Embedding;
use super::loss::{Batch, student_loss};
use super::model::HypAd;
use super::networks::{HypAdNetworks, Student, Teacher};
use super::recipe::TrainConfig;
use super::samples::{SampleStream, StepImages};
use crate::ImageSize;
use crate::data::image::to_tensor;
use crate::data::{Fingerprint, ImageSource, check_images};
use crate::error::{Error, Result, check};
use crate::features::{FeatureExtractor, ModelBackend, Pdn, weights};
use crate::methods::Method;
use crate::progress::ProgressBar;
use crate::training::checkpoint::{
    RunState, Start, changed_fields, changed_images, same_statistics,
};
use crate::training::moments::Moments;
use crate::training::random::{Purpose, rng};
use crate::training::steps::{Task, adam, resume, run_steps};
use crate::training::{Run, TrainingImages};
use crate::warning::warn;

/// The name of the figure that [`TrainingLog`](crate::training::TrainingLog) has of HypAD: the part of
/// the teacher's vectors on the images held out that the clip made shorter. Where it is near 1 only
/// their directions are left to learn from; see [`HypAdConfig::scale`].
pub const CLIPPED: &str = "clipped";

/// HypAD with its recipe, teacher and penalty images.
#[derive(Clone)]
pub struct HypAdMethod<B: ModelBackend> {
    config: HypAdConfig,
    /// The shared layers of the configuration as it was given.
    shared_layers: usize,
    recipe: TrainConfig,
    teacher: Option<Arc<dyn FeatureExtractor<B>>>,
    penalty: Option<Arc<dyn ImageSource>>,
}

impl<B: ModelBackend> std::fmt::Debug for HypAdMethod<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("HypAdMethod")
            .field("config", &self.config)
            .field("recipe", &self.recipe)
            .field("teacher", &self.teacher.is_some())
            .field("penalty", &self.penalty.as_ref().map(|images| images.len()))
            .finish()
    }
}

impl<B: ModelBackend> HypAdMethod<B> {
    /// With the crate's own teacher (PDN-S only) and no penalty images.
    pub fn new(config: HypAdConfig, recipe: TrainConfig) -> Self {
        Self {
            shared_layers: config.shared_layers,
            config,
            recipe,
            teacher: None,
            penalty: None,
        }
    }

    /// Uses this teacher instead: a [`Pdn`], or any network of one's own. Its channels are those of
    /// [`HypAdConfig::channels`]; maps of another size than the student's are resized to it.
    ///
    /// The weights of a network that is not a `Pdn` are not in the model file; [`HypAd::from_parts_with`]
    /// reads it. It shares no layers with the student, whatever [`HypAdConfig::shared_layers`] is.
    pub fn with_teacher(mut self, teacher: impl FeatureExtractor<B>) -> Self {
        self.config.shared_layers = match pdn(&teacher) {
            Some(_) => self.shared_layers,
            None => 0,
        };
        self.teacher = Some(Arc::new(teacher));
        self
    }

    /// In every step, or every [`TrainConfig::penalty_every`], the student also sees one of these
    /// images, of anything but the category, and its features there are penalised.
    /// EfficientAD uses ImageNet.
    pub fn with_penalty(self, images: impl ImageSource + 'static) -> Self {
        Self {
            penalty: Some(Arc::new(images)),
            ..self
        }
    }

    /// The teacher, if it fits the configuration and its weights are finite.
    fn teacher(&self, device: &B::Device) -> Result<Arc<dyn FeatureExtractor<B>>> {
        let wanted = self.config.teacher();
        let teacher = match &self.teacher {
            Some(teacher) => teacher.clone(),
            None => {
                let own = weights::pretrained_small::<B>(device)?;
                let rule = "given, since the crate's own is an unpadded PDN-S with 384 outputs";
                check(own.matches(&wanted), "teacher", "none", rule)?;
                Arc::new(own)
            }
        };
        let (fits, expected, found) = match pdn(&*teacher) {
            Some(pdn) => (pdn.matches(&wanted), wanted.describe(), pdn.describe()),
            None => {
                let channels: usize = teacher.maps().iter().map(|map| map.channels).sum();
                let fits = channels == self.config.channels;
                let [expected, found] =
                    [self.config.channels, channels].map(|count| format!("{count} channels"));
                (fits, expected, found)
            }
        };
        if !fits {
            return Err(Error::Size {
                what: "teacher",
                expected,
                found,
            });
        }
        teacher.tensors()?.check_finite()?;
        Ok(teacher)
    }

    /// Sets the mean and standard deviation of each channel over all images and locations.
    fn normalise(
        &self,
        teacher: Teacher<B>,
        images: &TrainingImages,
        progress: bool,
        device: &B::Device,
    ) -> Result<Teacher<B>> {
        let bar = ProgressBar::new(progress, images.len(), "normalising the teacher");
        let mut total = Moments::new(self.config.channels);
        for image in images.tensors(device) {
            total.add_features(teacher.forward(image)?);
            bar.inc();
        }
        let cause = "the teacher's weights are damaged";
        let [mean, std] = total.statistics("the teacher's features", cause, device)?;
        Ok(teacher.normalised(mean, std))
    }

    /// The part of the teacher's vectors on the images held out that the clip makes shorter.
    fn clipped(
        &self,
        teacher: &Teacher<B>,
        images: &TrainingImages,
        device: &B::Device,
    ) -> Result<f64> {
        let Some(radius) = self.config.clip else {
            return Ok(0.0);
        };
        let embedding = Embedding::new(&self.config)?;
        let projected = teacher.pooled(embedding.group());
        let parts = images.held_out_tensors(device);
        let parts = parts.map(|image| Ok(embedding.clipped(radius, projected.forward(image)?)));
        Ok(parts.sum::<Result<f64>>()? / images.validation.len() as f64)
    }
}

impl<B: ModelBackend> Method<B> for HypAdMethod<B> {
    type Model = HypAd<B>;

    fn input_size(&self) -> ImageSize {
        self.config.image_size
    }

    fn validate(&self, device: &B::Device) -> Result<()> {
        self.config.validate()?;
        self.recipe.validate()?;
        let (tiles, maps) = (self.recipe.tiles, self.config.output_size()?);
        check(
            tiles == 1 || !self.config.padding && tiles <= maps.width.min(maps.height),
            "tiles",
            tiles,
            "1 with padded networks, and no more than the rows or columns of a map",
        )?;
        let most = self.config.network.convolutions() - 1;
        let copied = self.recipe.copied_layers;
        let rule = "no more than the convolutions of the network but the last";
        check(copied <= most, "copied layers", copied, rule)?;
        if let Some(penalty) = &self.penalty {
            let rule = "at least 1; without penalty images, give no set of them";
            check(!penalty.is_empty(), "penalty images", penalty.len(), rule)?;
        }
        self.teacher(device).map(drop)
    }

    fn fit(
        &self,
        images: &TrainingImages,
        run: &mut Run<'_, HypAd<B>>,
        device: &B::Device,
    ) -> Result<HypAd<B>> {
        let (config, recipe, options) = (&self.config, &self.recipe, run.options);
        let late = run
            .watched()
            .iter()
            .find(|s| !(1..=recipe.steps).contains(*s));
        check(
            late.is_none(),
            "watched step",
            late.copied().unwrap_or_default(),
            "at least 1 and no more than the steps of the training",
        )?;
        let teacher = self.teacher(device)?;
        let no_copies = recipe.copied_layers > 0 && pdn(&*teacher).is_none();
        let teacher_name = teacher.name();

        // From here on the order in which the backend's random numbers are drawn counts.
        Autodiff::<B>::seed(device, recipe.seed);
        let mut student = config.init_student::<Autodiff<B>>(device)?;
        let of_teacher = pdn(&*teacher).map(|pdn| Pdn::<Autodiff<B>>::from_inner(pdn.clone()));
        if let Some(pdn) = &of_teacher {
            student = student.with_copied_layers(pdn, recipe.copied_layers);
        }
        // Burn draws weights when they are first used: now, before the first step's seed.
        let _ = student.valid();
        let teacher = Teacher::of(teacher, config, device)?;
        let teacher = self.normalise(teacher, images, options.progress, device)?;
        let penalty = self.penalty.as_ref().map(|images| images.fingerprint());
        let start = HypAdStart {
            model: config.clone(),
            train: recipe.clone(),
            teacher: teacher.mean().into_data().iter::<f32>().collect(),
            images: images.fingerprint,
            penalty: penalty.transpose()?,
        };
        let mut state = resume(student, adam(recipe.weight_decay), start, options)?;
        if let Some(pdn) = &of_teacher {
            // Here, since a checkpoint of a training that shared none has layers of its own.
            state.module = state.module.sharing(pdn);
        }
        if no_copies && state.run_state.losses.is_empty() {
            warn(format_args!(
                "the teacher {teacher_name} is not a PDN (patch description network): no layers are copied, \
                 and the student begins with random weights; more steps may be needed"
            ));
        }
        let penalty = self.penalty.as_deref();
        let maps = config.output_size()?;
        let mut stream = SampleStream::new(images, penalty, maps, recipe);
        if let Some(penalty) = penalty {
            let drawn = stream.penalty_indices(state.run_state.losses.len()..recipe.steps);
            let bar = ProgressBar::new(options.progress, drawn.len(), "checking penalty images");
            check_images(penalty, drawn, "penalty images", &|| bar.inc())?;
        }
        let embedding = Embedding::new(config)?;
        let mut task = Steps {
            method: self,
            projected: teacher.pooled(embedding.group()),
            embedding,
            teacher: &teacher,
            // Of each image two maps: of the teacher, and of the shared layers.
            cache: FeatureCache::new(2 * images.len(), options.feature_cache),
            run,
            device,
        };
        let prepare = |step| stream.step(step);
        let (student, run_state) = run_steps("training", &mut task, state, prepare, options)?;
        run.log
            .figures
            .insert(CLIPPED.to_string(), self.clipped(&teacher, images, device)?);
        let step = run_state.losses.len();
        run.log.losses = run_state.losses;
        run.log.time = run_state.time;
        self.model(&teacher, &student, step)
    }
}

impl<B: ModelBackend> HypAdMethod<B> {
    /// The model after so many steps.
    fn model(
        &self,
        teacher: &Teacher<B>,
        student: &Student<Autodiff<B>>,
        step: usize,
    ) -> Result<HypAd<B>> {
        let networks = HypAdNetworks {
            teacher: teacher.clone(),
            student: student.valid(),
            padding: self.config.image_padding,
        };
        // The teacher was checked before: what is not finite now was trained.
        HypAd::new(self.config.clone(), networks).map_err(|error| match error {
            Error::NotFinite { .. } => Error::Diverged { step },
            error => error,
        })
    }
}

/// The network, if it is a patch description network.
fn pdn<B: ModelBackend>(network: &dyn FeatureExtractor<B>) -> Option<&Pdn<B>> {
    let any: &dyn Any = network;
    any.downcast_ref()
}

/// Settings, images and teacher of a training, which its checkpoint is compared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct HypAdStart {
    model: HypAdConfig,
    train: TrainConfig,
    /// The mean of each channel of the teacher, which depends on it and on the images.
    teacher: Vec<f32>,
    images: Fingerprint,
    penalty: Option<Fingerprint>,
}

impl Start for HypAdStart {
    fn steps(&self) -> usize {
        self.train.steps
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = changed_fields("model", &self.model, &now.model);
        changes.extend(changed_fields("recipe", &self.train, &now.train));
        let images = [self, now].map(|start| Some(start.images));
        changes.extend(changed_images("training images", images[0], images[1]));
        changes.extend(changed_images("penalty images", self.penalty, now.penalty));
        if self.images == now.images && !same_statistics(&self.teacher, &now.teacher) {
            changes.push("another teacher".into());
        }
        changes
    }
}

/// The steps of one training.
struct Steps<'a, 'r, B: ModelBackend> {
    method: &'a HypAdMethod<B>,
    embedding: Embedding,
    teacher: &'a Teacher<B>,
    /// The teacher with its output projected.
    projected: Teacher<B>,
    cache: FeatureCache,
    run: &'a mut Run<'r, HypAd<B>>,
    device: &'a B::Device,
}

impl<B: ModelBackend> Task<B> for Steps<'_, '_, B> {
    type Module = Student<Autodiff<B>>;
    type Sample = StepImages;
    type Start = HypAdStart;

    fn learning_rate(&self, step: usize) -> f64 {
        self.method.recipe.learning_rate_at(step)
    }

    fn loss(
        &mut self,
        step: usize,
        student: &Self::Module,
        sample: StepImages,
    ) -> Result<Tensor<Autodiff<B>, 1>> {
        let (config, device) = (&self.method.config, self.device);
        // What dropout leaves out is the step's alone.
        let seed = self.method.recipe.seed;
        B::seed(device, rng(seed, Purpose::Dropout, step).random());
        let tensor = |pixels: &[f32]| to_tensor::<B>(pixels, config.image_size, device);
        let (image, jittered) = (tensor(&sample.image), tensor(&sample.jittered));
        let padded = |image: &Tensor<B, 4>| config.image_padding.apply(image.clone());
        let (teacher, shared) = (&self.projected, config.shared_layers);
        let seen = match sample.window {
            Some(window) => window.of_image(padded(&jittered)),
            None => padded(&jittered),
        };
        let jittered_stem = teacher.stem(shared, seen);
        let teacher_jittered =
            teacher.forward_after(shared, jittered_stem.clone(), &jittered, sample.window)?;
        let stem = || Ok(teacher.stem(shared, padded(&image)));
        let stem = match shared {
            0 => stem()?,
            _ => self.cache.get(2 * sample.index + 1, device, stem)?,
        };
        let features = || teacher.forward_after(shared, stem.clone(), &image, None);
        let batch = Batch {
            teacher: self.cache.get(2 * sample.index, device, features)?,
            teacher_jittered,
            stem,
            jittered,
            jittered_stem,
            penalty: sample.penalty.as_deref().map(tensor),
            window: sample.window,
        };
        student_loss(student, &self.embedding, config.hard_quantile, batch)
    }

    fn after_step(
        &mut self,
        student: &Self::Module,
        run_state: &mut RunState<HypAdStart>,
    ) -> Result<Option<String>> {
        let (step, time): (usize, Duration) = (run_state.losses.len(), run_state.time);
        if self.run.watched().contains(&step) {
            let model = self.method.model(self.teacher, student, step)?;
            self.run.show(step, time, model)?;
        }
        Ok(None)
    }
}
