//! One training step and one prediction of PDN-S at 256 × 256, without a penalty image.
//!
//! ```text
//! cargo bench --bench training_step
//! ```

use burn::backend::{Autodiff, Flex};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use hypad::HypAdConfig;
use hypad::model::{Embedding, HypAd};
use hypad::training::{Adam, Batch, student_loss};

type B = Flex;
type A = Autodiff<Flex>;

fn training_step(criterion: &mut Criterion) {
    let device = Default::default();
    let config = HypAdConfig::small();
    let embedding = Embedding::new(&config).unwrap();
    let frozen: HypAd<B> = config.init(&device).unwrap();
    let mut student = Some(config.init::<A>(&device).unwrap().student);
    let mut optimiser = Adam { weight_decay: 1e-5 }.init();
    let image = || Tensor::<B, 4>::random([1, 3, 256, 256], Distribution::Default, &device);
    let (plain, jittered) = (image(), image());

    // As in the trainer, which keeps the features of the plain images.
    let teacher = frozen.teacher.forward(plain.clone());

    let mut group = criterion.benchmark_group("pdn_s_256");
    group.sample_size(10);
    group.bench_function("teacher", |b| {
        b.iter(|| frozen.teacher.forward(plain.clone()))
    });
    group.bench_function("prediction", |b| {
        b.iter(|| {
            let features = frozen.forward(plain.clone());
            let student = embedding.map(features.teacher, features.student);
            let autoencoder = embedding.map(features.autoencoder, features.student_of_autoencoder);
            ((student + autoencoder) * 0.5).into_data()
        })
    });
    group.bench_function("training_step", |b| {
        b.iter(|| {
            let batch = Batch {
                teacher: teacher.clone(),
                teacher_jittered: frozen.teacher.forward(jittered.clone()),
                image: plain.clone(),
                jittered: jittered.clone(),
                penalty: None,
            };
            let before = student.take().unwrap();
            let loss = student_loss(&before, &embedding, config.hard_quantile, batch).unwrap();
            let grads = GradientsParams::from_grads(loss.backward(), &before);
            student = Some(optimiser.step(1e-4, before, grads));
        })
    });
    group.finish();
}

criterion_group!(benches, training_step);
criterion_main!(benches);
