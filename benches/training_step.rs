//! One training step of PDN-S at 256 × 256, without a penalty image, and its parts; one prediction.
//!
//! ```text
//! cargo bench --bench training_step
//! ```

use std::time::{Duration, Instant};

use ::image::{Rgb, RgbImage};
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Distribution, Tensor};
use criterion::{Criterion, criterion_group};
use hypad::HypAdConfig;
use hypad::data::{augment, image};
use hypad::model::{Embedding, HypAd};
use hypad::training::{Adam, Batch, Window, student_loss};
use rand::{SeedableRng, rngs::StdRng};

type B = Flex;
type A = Autodiff<Flex>;

const SIZE: [usize; 2] = [256, 256];

fn training_step(criterion: &mut Criterion) {
    let device = Default::default();
    let config = HypAdConfig::small();
    let embedding = Embedding::new(&config).unwrap();
    let frozen: HypAd<B> = config.init(&device).unwrap();
    let mut student = Some(config.init::<A>(&device).unwrap().student);
    let mut optimiser = Adam { weight_decay: 1e-5 }.init();
    let random = || Tensor::<B, 4>::random([1, 3, 256, 256], Distribution::Default, &device);
    let (plain, jittered) = (random(), random());
    // As in the trainer, which keeps the features of the plain images.
    let teacher = frozen.teacher.forward(plain.clone());

    let mut group = criterion.benchmark_group("pdn_s_256");
    group.sample_size(10);
    group.bench_function("prepare", |b| {
        let picture = RgbImage::from_fn(256, 256, |x, y| Rgb([x as u8, y as u8, (x ^ y) as u8]));
        let mut rng = StdRng::seed_from_u64(1);
        b.iter(|| {
            let plain = image::unit(&picture);
            let mut changed = plain.clone();
            augment::jitter(&mut changed, 0.2, &mut rng);
            [plain, changed].map(|pixels| image::to_tensor::<B>(&pixels, SIZE, &device))
        })
    });
    group.bench_function("teacher", |b| {
        b.iter(|| frozen.teacher.forward(plain.clone()))
    });
    group.bench_function("student", |b| {
        let student = student.as_ref().unwrap().valid();
        b.iter(|| student.of_teacher(plain.clone()))
    });
    group.bench_function("autoencoder", |b| {
        let student = student.as_ref().unwrap().valid();
        b.iter(|| student.autoencoder(plain.clone()))
    });

    // A quarter of the image, as the fast recipe takes it for the autoencoder's terms.
    let quarter = Window {
        top: 28,
        left: 0,
        height: 28,
        width: 28,
    };
    // Whole steps, of which a part counts.
    let mut steps = |count: u64, part: Option<usize>, window: Option<Window>| {
        let mut time = Duration::ZERO;
        for _ in 0..count {
            let before = student.take().unwrap();
            let mut marks = vec![Instant::now()];
            let seen = window.map_or(jittered.clone(), |w| w.of_image(jittered.clone()));
            let batch = Batch {
                teacher: teacher.clone(),
                teacher_jittered: frozen.teacher.forward(seen),
                image: plain.clone(),
                jittered: jittered.clone(),
                penalty: None,
                window,
            };
            marks.push(Instant::now());
            let loss = student_loss(&before, &embedding, config.hard_quantile, batch).unwrap();
            marks.push(Instant::now());
            let grads = GradientsParams::from_grads(loss.backward(), &before);
            marks.push(Instant::now());
            student = Some(optimiser.step(1e-4, before, grads));
            marks.push(Instant::now());
            let (from, to) = part.map_or((0, 4), |part| (part, part + 1));
            time += marks[to] - marks[from];
        }
        time
    };
    for (part, name) in [(1, "loss"), (2, "backward"), (3, "optimiser")] {
        group.bench_function(name, |b| {
            b.iter_custom(|count| steps(count, Some(part), None))
        });
    }
    group.bench_function("training_step", |b| {
        b.iter_custom(|count| steps(count, None, None))
    });
    group.bench_function("training_step_fast", |b| {
        b.iter_custom(|count| steps(count, None, Some(quarter)))
    });
    group.finish();
}

fn prediction(criterion: &mut Criterion) {
    let device = Default::default();
    let config = HypAdConfig::small();
    let embedding = Embedding::new(&config).unwrap();
    let model: HypAd<B> = config.init(&device).unwrap();
    let image = Tensor::random([1, 3, 256, 256], Distribution::Default, &device);
    let mut group = criterion.benchmark_group("pdn_s_256");
    group.sample_size(10);
    group.bench_function("prediction", |b| {
        b.iter(|| {
            let features = model.forward(image.clone());
            let student = embedding.map(features.teacher, features.student);
            let autoencoder = embedding.map(features.autoencoder, features.student_of_autoencoder);
            ((student + autoencoder) * 0.5).into_data()
        })
    });
    group.finish();
}

criterion_group!(steps, training_step);
criterion_group!(predictions, prediction);

fn main() {
    // The trainer runs on a thread of a pool, a detector where it is called.
    rayon::scope(|_| steps());
    predictions();
    Criterion::default().configure_from_args().final_summary();
}
