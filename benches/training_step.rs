//! One training step of PDN-S at 256 × 256, without a penalty image, and its parts; one prediction.
//!
//! ```text
//! cargo bench --bench training_step
//! ```

use std::time::{Duration, Instant};

use ::image::{DynamicImage, Rgb, RgbImage};
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Distribution, Tensor};
use criterion::{Criterion, SamplingMode, criterion_group};
use hypad::data::{ImageSet, augment, image};
use hypad::methods::Join;
use hypad::methods::hypad::{Batch, TrainConfig, student_loss};
use hypad::methods::hypad::{Embedding, HypAd, HypAdNetworks, ImagePadding};
use hypad::training::Adam;
use hypad::training::RunOptions;
use hypad::{Detector, HypAdConfig, ImageSize, Trainer};
use rand::{SeedableRng, rngs::StdRng};

type B = Flex;
type A = Autodiff<Flex>;

const SIZE: ImageSize = ImageSize::square(256);

fn picture(index: u32) -> RgbImage {
    RgbImage::from_fn(256, 256, |x, y| {
        Rgb([(x + index) as u8, y as u8, (x ^ y) as u8])
    })
}

/// The time that a trainer takes for so many steps, once it has the teacher's features of all images.
fn trained(config: HypAdConfig, tiles: usize, count: u64) -> Duration {
    const IMAGES: usize = 4;
    let recipe = TrainConfig {
        steps: 2 * IMAGES + count as usize,
        tiles,
        ..TrainConfig::fast()
    };
    let at = [2 * IMAGES, recipe.steps];
    let pictures = (0..IMAGES as u32).map(|index| DynamicImage::ImageRgb8(picture(index)));
    let images = ImageSet::from_images(pictures);
    let mut times = Vec::new();
    // Calibration is not measured: no defects are planted for it.
    let config = HypAdConfig {
        join: Join::Mean,
        ..config
    };
    let trainer = Trainer::<B>::new(config, recipe);
    let watch = |progress: hypad::Progress<B>| {
        times.push(progress.time);
        Ok(())
    };
    trainer
        .with_options(RunOptions::quiet())
        .fit_with(&images, &Default::default(), &at, watch)
        .unwrap();
    times[1] - times[0]
}

fn training_steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pdn_s_256");
    // A few trainings of a few steps, not ever longer ones.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, config, tiles) in [
        ("training_step", HypAdConfig::small(), 1),
        ("training_step_fast", HypAdConfig::small(), 2),
        ("training_step_fast_no_shared_layers", no_shared_layers(), 2),
        ("training_step_fast_e0", HypAdConfig::efficient_ad(), 2),
    ] {
        group.bench_function(name, |b| {
            b.iter_custom(|count| trained(config.clone(), tiles, count))
        });
    }
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let device = Default::default();
    let config = HypAdConfig::small();
    let embedding = Embedding::new(&config).unwrap();
    let frozen: HypAdNetworks<B> = config.init(&device).unwrap();
    let mut student = Some(config.init::<A>(&device).unwrap().student);
    let mut optimiser = Adam { weight_decay: 1e-5 }.init();
    let random = || Tensor::<B, 4>::random([1, 3, 256, 256], Distribution::Default, &device);
    let (plain, jittered) = (random(), random());
    let teacher = frozen.teacher.forward(plain.clone()).unwrap();
    let teacher_jittered = frozen.teacher.forward(jittered.clone()).unwrap();
    let stem = |image: &Tensor<B, 4>| {
        let padded = config.image_padding.apply(image.clone());
        frozen.student.stem(padded)
    };

    let mut group = criterion.benchmark_group("pdn_s_256");
    group.sample_size(10);
    group.bench_function("prepare", |b| {
        let picture = DynamicImage::from(picture(0));
        let range = image::PixelRange::default();
        let mut rng = StdRng::seed_from_u64(1);
        b.iter(|| {
            let plain = image::unit(&picture, &range);
            let mut changed = plain.clone();
            augment::jitter(&mut changed, 0.2, &mut rng);
            [plain, changed].map(|pixels| image::to_tensor::<B>(&pixels, SIZE, &device))
        })
    });
    group.bench_function("teacher", |b| {
        b.iter(|| frozen.teacher.forward(plain.clone()).unwrap())
    });
    group.bench_function("student", |b| {
        let student = student.as_ref().unwrap().valid();
        b.iter(|| student.teacher_head(student.stem(config.image_padding.apply(plain.clone()))))
    });
    group.bench_function("autoencoder", |b| {
        let student = student.as_ref().unwrap().valid();
        b.iter(|| student.autoencoder(plain.clone()))
    });

    // Whole steps on the whole image, of which a part counts.
    let mut steps = |count: u64, part: usize| {
        let mut time = Duration::ZERO;
        for _ in 0..count {
            let before = student.take().unwrap();
            let batch = Batch {
                teacher: teacher.clone(),
                teacher_jittered: teacher_jittered.clone(),
                stem: stem(&plain),
                jittered: jittered.clone(),
                jittered_stem: stem(&jittered),
                penalty: None,
                window: None,
            };
            let mut marks = vec![Instant::now()];
            let loss = student_loss(&before, &embedding, config.hard_quantile, batch).unwrap();
            marks.push(Instant::now());
            let grads = GradientsParams::from_grads(loss.backward(), &before);
            marks.push(Instant::now());
            student = Some(optimiser.step(1e-4, before, grads));
            marks.push(Instant::now());
            time += marks[part + 1] - marks[part];
        }
        time
    };
    for (part, name) in ["loss", "backward", "optimiser"].iter().enumerate() {
        group.bench_function(*name, |b| b.iter_custom(|count| steps(count, part)));
    }
    group.finish();
}

fn no_shared_layers() -> HypAdConfig {
    HypAdConfig {
        shared_layers: 0,
        ..HypAdConfig::small()
    }
}

fn no_image_padding() -> HypAdConfig {
    HypAdConfig {
        image_padding: ImagePadding::None,
        ..HypAdConfig::small()
    }
}

fn prediction(criterion: &mut Criterion) {
    let device = Default::default();
    let image = DynamicImage::ImageRgb8(picture(0));
    let mut group = criterion.benchmark_group("pdn_s_256");
    group.sample_size(10);
    for (name, config) in [
        ("prediction", HypAdConfig::small()),
        ("prediction_no_image_padding", no_image_padding()),
        ("prediction_no_shared_layers", no_shared_layers()),
    ] {
        let model = config.init(&device).unwrap();
        let detector = Detector::<B>::new(HypAd::new(config, model).unwrap(), &device).unwrap();
        group.bench_function(name, |b| b.iter(|| detector.predict(&image).unwrap()));
    }
    group.finish();
}

criterion_group!(in_a_pool, parts);
criterion_group!(anywhere, training_steps, prediction);

fn main() {
    // The trainer runs its steps on a thread of a pool; so do their parts here.
    rayon::scope(|_| in_a_pool());
    anywhere();
    Criterion::default().configure_from_args().final_summary();
}
