//! Riemannian optimisers.

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{DType, Tensor, backend::Backend};
use hypad::geometry::PoincareBall;
use hypad::geometry::nn::BallPoints;
use hypad::geometry::optim::{RiemannianAdamConfig, RiemannianSgdConfig};

use super::common::*;

/// Points of a ball and a Euclidean scale, in one module.
#[derive(Module, Debug)]
struct Model<B: Backend> {
    points: BallPoints<B>,
    scale: Param<Tensor<B, 1>>,
}

const C: f64 = 0.8;

fn model() -> Model<F> {
    let ball = PoincareBall::new(C).unwrap();
    let points = [[0.9, -0.3], [-0.2, 1.0]].map(|p| row::<F>(&p, DType::F64));
    let device = Default::default();
    let scale = Tensor::<F, 1>::from_floats([3.0], &device).cast(DType::F64);
    Model {
        points: BallPoints::new(ball, Tensor::cat(points.to_vec(), 0)),
        scale: Param::from_tensor(scale),
    }
}

fn target() -> Tensor<F, 2> {
    Tensor::cat(
        [[-0.4, 0.5], [0.3, 0.3]]
            .map(|p| row(&p, DType::F64))
            .to_vec(),
        0,
    )
}

/// Squared distances to the targets, and a Euclidean term that is least at scale 1.
fn loss(model: &Model<F>) -> Tensor<F, 1> {
    let ball = model.points.ball();
    let distances = ball.dist(model.points.val(), target()).square().sum();
    distances + (model.scale.val() - 1.0).square()
}

fn train(mut optimiser: impl Optimizer<Model<F>, F>, lr: f64, steps: usize) -> Model<F> {
    let mut model = model();
    for _ in 0..steps {
        let grads = GradientsParams::from_grads(loss(&model).backward(), &model);
        model = optimiser.step(lr, model, grads);
    }
    model
}

#[test]
fn both_reach_the_minimum() {
    let sgd = train(RiemannianSgdConfig::new().init().unwrap(), 0.1, 200);
    let momentum = RiemannianSgdConfig::new().with_momentum(0.8);
    let momentum = train(momentum.init().unwrap(), 0.03, 300);
    let adam = train(RiemannianAdamConfig::new().init().unwrap(), 0.03, 1500);
    for (model, limit) in [(sgd, 1e-18), (momentum, 1e-12), (adam, 1e-8)] {
        let loss = values(loss(&model))[0];
        assert!(loss < limit, "{loss:e}");
        assert!((model.points.ball().c() - C).abs() < 1e-12);
    }
}

/// One step of gradient descent goes along the geodesic to the target: ½d² has the Riemannian
/// gradient −log.
#[test]
fn a_step_follows_the_geodesic() {
    let before = model();
    let ball = before.points.ball();
    let after = train(RiemannianSgdConfig::new().init().unwrap(), 0.15, 1);
    // The loss is d², twice as steep.
    let expected = ball.geodesic(0.3, before.points.val(), target());
    assert!(error(&values(after.points.val()), &values(expected)) < 1e-14);
    assert!((values(after.scale.val())[0] - (3.0 - 0.15 * 4.0)).abs() < 1e-12);
}

/// The first step of Adam has the length of the learning rate, in the metric and in coordinates.
#[test]
fn the_first_step_of_adam_is_the_learning_rate() {
    let before = model();
    let ball = before.points.ball();
    let after = train(RiemannianAdamConfig::new().init().unwrap(), 0.02, 1);
    for d in values(ball.dist(before.points.val(), after.points.val())) {
        assert!((d - 0.02).abs() < 1e-8, "{d}");
    }
    assert!((values(after.scale.val())[0] - 2.98).abs() < 1e-8);
}

/// Steps that are far too long end inside the ball.
#[test]
fn points_stay_in_the_ball() {
    let model = train(RiemannianSgdConfig::new().init().unwrap(), 1e6, 3);
    for norm in values(model.points.val().square().sum_dim(1)) {
        assert!(norm * C < 1.0, "{norm}");
    }
}

/// A state that was recorded goes on as if it had not been.
#[test]
fn the_state_can_be_recorded() {
    let step = |optimiser: &mut dyn FnMut(Model<F>, GradientsParams) -> Model<F>,
                model: Model<F>| {
        let grads = GradientsParams::from_grads(loss(&model).backward(), &model);
        optimiser(model, grads)
    };
    let mut first = RiemannianAdamConfig::new().init::<F, Model<F>>().unwrap();
    let mut model = model();
    for _ in 0..5 {
        model = step(&mut |m, g| first.step(0.03, m, g), model);
    }
    let mut second = RiemannianAdamConfig::new()
        .init::<F, Model<F>>()
        .unwrap()
        .load_record(first.to_record());
    let a = step(&mut |m, g| first.step(0.03, m, g), model.clone());
    let b = step(&mut |m, g| second.step(0.03, m, g), model.clone());
    let fresh = RiemannianAdamConfig::new()
        .init::<F, Model<F>>()
        .unwrap()
        .step(
            0.03,
            model.clone(),
            GradientsParams::from_grads(loss(&model).backward(), &model),
        );
    assert_eq!(values(a.points.val()), values(b.points.val()));
    assert_ne!(values(a.points.val()), values(fresh.points.val()));
}

/// What points are is no matter of a name: another module of the same name, after real points.
mod of_the_same_name {
    use super::*;

    #[derive(Module, Debug)]
    pub struct BallPoints<B: Backend> {
        pub c: Param<Tensor<B, 1>>,
        pub points: Param<Tensor<B, 2>>,
    }
}

#[derive(Module, Debug)]
struct Mixed<B: Backend> {
    before: of_the_same_name::BallPoints<B>,
    real: BallPoints<B>,
    after: of_the_same_name::BallPoints<B>,
    nested: Vec<(BallPoints<B>, of_the_same_name::BallPoints<B>)>,
}

#[test]
fn points_are_known_by_what_they_are() {
    let rows = || Tensor::<F, 2>::cat(vec![row(&[3.0, 4.0], DType::F64)], 0);
    let other = || of_the_same_name::BallPoints {
        c: Param::from_tensor(Tensor::<F, 1>::zeros([8], &Default::default())),
        points: Param::from_tensor(rows()),
    };
    // Of two balls: each of the real points has its own.
    let real = |c: f64| {
        let ball = PoincareBall::new(c).unwrap();
        BallPoints::new(ball, row(&[0.5, -0.25], DType::F64))
    };
    let module = Mixed {
        before: other(),
        real: real(0.8),
        after: other(),
        nested: vec![(real(0.3), other())],
    };
    let gradient = row::<F>(&[1.0, 2.0], DType::F64);
    let loss = |module: &Mixed<F>| {
        let all = [
            module.before.points.val(),
            module.real.val(),
            module.after.points.val(),
            module.nested[0].0.val(),
            module.nested[0].1.points.val(),
        ];
        (Tensor::cat(all.to_vec(), 0) * gradient.clone()).sum()
    };
    let grads = GradientsParams::from_grads(loss(&module).backward(), &module);
    let mut sgd = RiemannianSgdConfig::new().init().unwrap();
    let stepped = sgd.step(0.1, module, grads);
    let straight = [3.0 - 0.1, 4.0 - 0.2];
    for other in [&stepped.before, &stepped.after, &stepped.nested[0].1] {
        assert!(error(&values(other.points.val()), &straight) < 1e-15);
    }
    for (points, c) in [(&stepped.real, 0.8), (&stepped.nested[0].0, 0.3)] {
        let ball = PoincareBall::new(c).unwrap();
        let x = row::<F>(&[0.5, -0.25], DType::F64);
        let step = ball.egrad2rgrad(x.clone(), gradient.clone()) * -0.1;
        let expected = values(ball.project(ball.expmap(x, step)));
        assert!(error(&values(points.val()), &expected) < 1e-15, "c = {c}");
        assert_eq!(points.ball().c(), c);
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    use hypad::Error;
    for wrong in [-0.1, 1.0, 5.0, f64::NAN, f64::INFINITY] {
        let sgd = RiemannianSgdConfig::new().with_momentum(wrong);
        let first = RiemannianAdamConfig::new().with_beta_1(wrong);
        let second = RiemannianAdamConfig::new().with_beta_2(wrong);
        for found in [
            sgd.init::<F, Model<F>>().err(),
            first.init::<F, Model<F>>().err(),
            second.init::<F, Model<F>>().err(),
        ] {
            assert!(
                matches!(found, Some(Error::Setting { .. })),
                "{wrong}: {found:?}"
            );
        }
    }
    for wrong in [-1e-8, 0.0, f64::NAN, f64::INFINITY] {
        let adam = RiemannianAdamConfig::new().with_epsilon(wrong);
        let found = adam.init::<F, Model<F>>().err();
        assert!(
            matches!(
                found,
                Some(Error::Setting {
                    name: "epsilon",
                    ..
                })
            ),
            "{wrong}"
        );
    }
}
