//! Layers: their definitions, their Euclidean limits, their records.

use burn::backend::Flex;
use burn::module::Module;
use burn::tensor::{DType, Distribution, Tensor, TensorData};
use hypad::geometry::PoincareBall;
use hypad::geometry::nn::*;

use super::common::*;

fn batch(count: usize, n: usize) -> Tensor<F, 2> {
    let uniform = Distribution::Uniform(-0.3, 0.3);
    Tensor::random([count, n], uniform, &Default::default())
}

/// Hyperplane scores are ‖z‖ times twice the signed distance to the plane through exp₀(r ẑ).
#[test]
fn scores_are_distances_to_planes() {
    let device = Default::default();
    for c in [0.0, 1e-6, 0.5, 1.6] {
        let ball = PoincareBall::new(c).unwrap();
        let mut mlr = PoincareMlrConfig::new(4, 3, c).init::<F>(&device).unwrap();
        let r = Tensor::from_floats([[0.3, -0.2, 0.0]], &device);
        mlr.planes.r = burn::module::Param::from_tensor(r);
        let x = batch(5, 4);
        let scores = mlr.forward(x.clone());
        for k in 0..3 {
            let z = mlr.planes.z.val().slice([0..4, k..k + 1]).transpose();
            let norm = values(z.clone().square().sum().sqrt())[0];
            let r = values(mlr.planes.r.val())[k];
            // exp₀(r ẑ) at distance 2r of the origin; its normal points along z.
            let p = ball.expmap0(z.clone() * (r / norm));
            let d = ball.dist2plane(x.clone(), p, z.clone()) * (2.0 * norm);
            let e = error(&values(scores.clone().slice([0..5, k..k + 1])), &values(d));
            assert!(e < 3e-6, "c = {c}, plane {k}: {e:e}");
        }
    }
}

/// 4(⟨x, z⟩ − ‖z‖r) and half of it at c = 0, reached with an error of order c.
#[test]
fn euclidean_limits() {
    let device = Default::default();
    let x = batch(5, 4);
    let mut linear = PoincareLinearConfig::new(4, 3, 0.0)
        .init::<F>(&device)
        .unwrap();
    let r = Tensor::from_floats([[0.3, -0.2, 0.0]], &device);
    linear.planes.r = burn::module::Param::from_tensor(r.clone());
    let z = linear.planes.z.val();
    let norm = z.clone().square().sum_dim(0).sqrt();
    let expected = (x.clone().matmul(z) - norm * r) * 2.0;
    let flat = values(linear.forward(x.clone()));
    assert!(error(&flat, &values(expected)) < 1e-6);
    for c in [1e-2, 1e-4, 1e-6] {
        let bent = values(linear.forward_in(&PoincareBall::new(c).unwrap(), x.clone()));
        assert!(error(&bent, &flat) < 4.0 * c + 1e-6, "c = {c}");
    }
}

/// Coordinate k of the output has the distance to its own hyperplane that the input has to plane k.
#[test]
fn linear_keeps_distances_to_planes() {
    let device = Default::default();
    let c = 0.9;
    let ball = PoincareBall::new(c).unwrap();
    let linear = PoincareLinearConfig::new(4, 3, c)
        .init::<F>(&device)
        .unwrap();
    let x = batch(5, 4);
    let y = linear.forward(x.clone());
    let scores = PoincareMlr::forward_in(
        &PoincareMlrConfig::new(4, 3, c)
            .init::<F>(&device)
            .map(|mut mlr| {
                mlr.planes = linear.planes.clone();
                mlr
            })
            .unwrap(),
        &ball,
        x,
    );
    for k in 0..3 {
        let mut axis = [0.0; 3];
        axis[k] = 1.0;
        let axis = row::<F>(&axis, DType::F32);
        let d = ball.dist2plane(y.clone(), axis.zeros_like(), axis);
        let e = error(&values(d), &values(scores.clone().slice([0..5, k..k + 1])));
        assert!(e < 2e-6, "{k}: {e:e}");
    }
    let norms = values((y * f64::sqrt(c)).square().sum_dim(1));
    assert!(norms.iter().all(|n| *n < 1.0));
}

/// Huge weights saturate at the boundary; nothing is NaN, and neither are the gradients.
#[test]
fn linear_is_finite_for_huge_weights() {
    let device = Default::default();
    let mut linear = PoincareLinearConfig::new(4, 3, 1.0)
        .init::<F>(&device)
        .unwrap();
    linear.planes.z = linear.planes.z.map(|z| (z * 1e4).detach().require_grad());
    let x = batch(5, 4).require_grad();
    let y = linear.forward(x.clone());
    let grads = y.clone().sum().backward();
    assert!(values(y).iter().all(|v| v.is_finite() && v.abs() <= 1.0));
    assert!(
        values(x.grad(&grads).unwrap())
            .iter()
            .all(|v| v.is_finite())
    );
}

/// At the boundary the output has the direction of sinh(√c vₖ), in balls of any size: whose squares do not
/// fit into an f32, and for scores that overflow sinh.
#[test]
fn linear_reaches_the_boundary_in_the_right_direction() {
    let device = Default::default();
    for c in [1e-30, 1e-6, 1.0] {
        let ball = PoincareBall::new(c).unwrap();
        for scale in [0.5, 3.0, 20.0, 300.0] {
            let mut linear = PoincareLinearConfig::new(4, 3, c)
                .init::<Flex>(&device)
                .unwrap();
            linear.planes.z = linear.planes.z.map(|z| z * scale);
            let far =
                Tensor::<_, 2>::from_floats([[0.9, -2.1, 1.3, 0.4]], &device) * (2.0 / c.sqrt());
            let x = ball.expmap0(far);
            let mut mlr = PoincareMlrConfig::new(4, 3, c)
                .init::<Flex>(&device)
                .unwrap();
            mlr.planes = linear.planes.clone();
            let t: Vec<_> = values(mlr.forward(x.clone()))
                .into_iter()
                .map(|v| v * c.sqrt())
                .collect();
            let most = t.iter().fold(0.0, |m: f64, t| m.max(t.abs()));
            let s: Vec<_> = t
                .iter()
                .map(|t| 0.5 * ((t - most).exp() - (-t - most).exp()))
                .collect();
            let root = (-most).exp() + (-most).exp().hypot(norm(&s));
            let expected: Vec<_> = s.iter().map(|s| s / root).collect();
            let ours = values(linear.forward(x) * c.sqrt());
            let e = error(&ours, &expected);
            // The exponent of a large score is rounded with it.
            assert!(
                e < 2e-7 * (1.0 + most),
                "c = {c}, {t:?}: {ours:?} {expected:?}"
            );
        }
    }
}

/// Layers whose coordinates are on the last axis do not care for the axis of a ball.
#[test]
fn layers_ignore_the_axis_of_the_ball() {
    let device = Default::default();
    let ball = PoincareBall::new(0.7).unwrap();
    let mlr = PoincareMlrConfig::new(4, 3, 0.7)
        .init::<Flex>(&device)
        .unwrap();
    let x = batch(5, 4).inner();
    let [last, first] = [ball, ball.along(0)].map(|ball| mlr.forward_in(&ball, x.clone()));
    first.into_data().assert_eq(&last.into_data(), true);
}

/// The c of parameters is the one that was given, to the last digit, in any type and after any
/// record; settings that make no sense are refused.
#[test]
fn curvature_of_parameters_is_kept() {
    use burn::record::{BinBytesRecorder, HalfPrecisionSettings, Recorder};
    use hypad::Error;
    let device = Default::default();
    for c in [0.0, 1e-300, 1e-8, 0.01, 1.0 / 3.0, 7.1, 1e5] {
        for dtype in [DType::F16, DType::F32, DType::F64] {
            let points = Tensor::<Flex, 2>::zeros([1, 2], (&device, dtype));
            let points = BallPoints::new(PoincareBall::new(c).unwrap(), points);
            assert_eq!(points.ball().c(), c, "{dtype:?}");
            let recorder = BinBytesRecorder::<HalfPrecisionSettings>::default();
            let bytes = recorder.record(points.clone().into_record(), ()).unwrap();
            let loaded = points.load_record(recorder.load(bytes, &device).unwrap());
            assert_eq!(loaded.ball().c(), c, "{dtype:?}");
        }
    }
    for c in [-1.0, f64::NAN, 1e300] {
        assert!(matches!(
            LearnableCurvature::<Flex>::new(c, &device),
            Err(Error::Curvature(_))
        ));
    }
    let spread = |spread| BallPointsConfig::new(3, 2, 0.7).with_spread(spread);
    for wrong in [f64::NAN, -1.0, f64::INFINITY] {
        let made = spread(wrong).init::<Flex>(&device);
        assert!(matches!(made, Err(Error::Setting { name: "spread", .. })));
    }
}

#[test]
fn clip_cuts_and_keeps() {
    let ball = PoincareBall::new(0.01).unwrap();
    assert!(ExpMap::new(ball, Some(0.0)).is_err());
    assert!(ExpMap::new(ball, Some(f64::NAN)).is_err());
    let map = ExpMap::new(ball, Some(2.3)).unwrap();
    let device = Default::default();
    let x = Tensor::<Flex, 2>::from_floats([[3.0, 4.0], [0.3, -0.2], [0.0, 0.0]], &device);
    let cut = values(map.tangent(x));
    let expected = [1.38, 1.84, 0.3, -0.2, 0.0, 0.0];
    assert!(error(&cut, &expected) < 1e-7, "{cut:?}");
}

/// In training the output has the learned mean and variance; outside, the running ones are used.
#[test]
fn batch_norm_sets_mean_and_variance() {
    let device = Default::default();
    let c = 0.6;
    let ball = PoincareBall::new(c).unwrap();
    let mut norm = BallBatchNormConfig::new(3, c)
        .with_epsilon(0.0)
        .init::<F>(&device)
        .unwrap();
    norm.beta = norm
        .beta
        .map(|_| Tensor::from_floats([[0.2, -0.1, 0.3]], &device).require_grad());
    norm.gamma = norm
        .gamma
        .map(|_| Tensor::from_floats([0.04], &device).require_grad());
    let x = batch(200, 3) + Tensor::from_floats([[0.3, 0.1, 0.0]], &device);
    let y = norm.forward(x.clone());
    let beta = ball.expmap0(norm.beta.val());
    let ones = Tensor::ones([200, 1], &device);
    let mean = ball.frechet_mean(y.clone(), ones, 0);
    assert!(values(ball.dist(mean, beta.clone()))[0] < 0.02);
    let variance = values(ball.dist(y, beta).square().mean())[0];
    assert!((variance / 0.04 - 1.0).abs() < 1e-4, "{variance}");

    for _ in 0..60 {
        norm.forward(x.clone());
    }
    let trained = values(norm.forward(x.clone()));
    use burn::module::AutodiffModule;
    let evaluated = values(norm.valid().forward(x.inner()));
    assert!(error(&evaluated, &trained) < 0.01);
}

/// A record holds the curvature, the points and the planes.
#[test]
fn records_bring_everything_back() {
    use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
    let device = Default::default();
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
    let prototypes = PrototypesConfig::new(4, 3, 0.3)
        .init::<Flex>(&device)
        .unwrap();
    let bytes = recorder
        .record(prototypes.clone().into_record(), ())
        .unwrap();
    let other = PrototypesConfig::new(4, 3, 1.0)
        .init::<Flex>(&device)
        .unwrap();
    let loaded = other.load_record(recorder.load(bytes, &device).unwrap());
    assert_eq!(loaded.prototypes.ball().c(), 0.3);
    let x = Tensor::from_data(TensorData::from([[0.1_f32, 0.2, -0.3, 0.0]]), &device);
    let [a, b] = [prototypes.forward(x.clone()), loaded.forward(x)];
    a.into_data().assert_eq(&b.into_data(), true);
}

/// β-concatenation and its inverse; β is the function of its definition.
#[test]
fn points_are_put_together_and_taken_apart() {
    for c in [0.0, 0.7] {
        let ball = PoincareBall::new(c).unwrap();
        let points: Vec<_> = [2, 3, 1].map(|n| batch(5, n).inner()).into();
        let whole = ball.concat(points.clone());
        assert_eq!(whole.dims(), [5, 6]);
        let parts = ball.split(whole.clone(), &[2, 3, 1]);
        for (part, point) in parts.into_iter().zip(&points) {
            assert!(
                error(&values(part), &values(point.clone())) < 1e-6,
                "c = {c}"
            );
        }
        // B(3, 1/2) = 16/15, B(1, 1/2) = 2, B(3/2, 1/2) = π/2, B(1/2, 1/2) = π.
        let pi = std::f64::consts::PI;
        let scales = [8.0 / 15.0, 32.0 / (15.0 * pi), 16.0 / (15.0 * pi)];
        let tangents = points.into_iter().zip(scales);
        let tangents = tangents.map(|(point, scale)| ball.logmap0(point) * scale);
        let expected = ball.expmap0(Tensor::cat(tangents.collect(), 1));
        assert!(error(&values(whole), &values(expected)) < 1e-6, "c = {c}");
    }
}

/// Every output pixel is the linear layer's, of the concatenated pixels of its window.
#[test]
fn convolution_is_a_linear_layer_of_windows() {
    let device = Default::default();
    let c = 0.7;
    let ball = PoincareBall::new(c).unwrap();
    let conv = PoincareConv2dConfig::new([2, 3], [3, 2], c)
        .with_stride([2, 1])
        .with_padding([1, 0])
        .init::<F>(&device)
        .unwrap();
    let uniform = Distribution::Uniform(-0.5, 0.5);
    let x = Tensor::<F, 4>::random([2, 2, 5, 4], uniform, &device).require_grad();
    let y = conv.forward(x.clone());
    assert_eq!(y.dims(), [2, 3, 3, 3]);
    let pixel = |x: &Tensor<F, 4>, row: isize, column: usize| {
        if !(0..5).contains(&row) {
            return Tensor::<F, 2>::zeros([2, 2], &device);
        }
        let row = row as usize;
        x.clone()
            .slice([0..2, 0..2, row..row + 1, column..column + 1])
            .reshape([2, 2])
    };
    for row in 0..3 {
        for column in 0..3 {
            let window = (0..6).map(|k| {
                let (down, right) = (k / 2, k % 2);
                pixel(&x, 2 * row as isize + down - 1, column + right as usize)
            });
            // The layer has all first coordinates of a window before all second ones.
            let points: Vec<_> = window.map(|pixel| pixel.reshape([2, 2, 1])).collect();
            let tangent = points
                .into_iter()
                .map(|p| PoincareBall::along(ball, 1).logmap0(p));
            let tangent = Tensor::cat(tangent.collect(), 2).reshape([2, 12]);
            // B(6, 1/2)/B(1, 1/2)
            let scale = (10.0 / 11.0) * (8.0 / 9.0) * (6.0 / 7.0) * (4.0 / 5.0) * (2.0 / 3.0);
            let expected = conv.linear.forward(ball.expmap0(tangent * scale));
            let ours = y
                .clone()
                .slice([0..2, 0..3, row..row + 1, column..column + 1]);
            let e = error(&values(ours), &values(expected));
            assert!(e < 2e-6, "{row} {column}: {e:e}");
        }
    }
    let grads = y.sum().backward();
    assert!(
        values(x.grad(&grads).unwrap())
            .iter()
            .all(|g| g.is_finite())
    );
    assert!(
        PoincareConv2dConfig::new([2, 3], [3, 0], c)
            .init::<F>(&device)
            .is_err()
    );
}

/// The rows of the table, and gradients to those alone that were asked for.
#[test]
fn embedding_looks_points_up() {
    let device = Default::default();
    let table = BallEmbeddingConfig::new(5, 3, 0.7)
        .with_spread(0.3)
        .init::<F>(&device)
        .unwrap();
    let indices = Tensor::from_ints([[4, 0], [4, 2]], &device);
    let points = table.forward(indices);
    assert_eq!(points.dims(), [2, 2, 3]);
    let rows = values(table.points.val());
    let expected = [4, 0, 4, 2].map(|i: usize| rows[3 * i..3 * i + 3].to_vec());
    assert_eq!(values(points.clone()), expected.concat());
    let grads = points.sum().backward();
    let grad = values(table.points.points.grad(&grads).unwrap());
    let expected = [1.0, 0.0, 1.0, 0.0, 2.0].map(|times| [times; 3]).concat();
    assert_eq!(grad, expected);
}

/// A layer, and what it makes of a batch.
macro_rules! keeps_curvature {
    ($layer:ident, $config:expr, $x:expr) => {{
        use burn::record::{BinBytesRecorder, BinFileRecorder, FullPrecisionSettings, Recorder};
        let device = Default::default();
        let at = |c: f64| -> $layer<Flex> { $config(c).init::<Flex>(&device).unwrap() };
        let (made, other) = (at(0.5), at(1.0));
        let expected = values(made.forward($x));
        assert!(error(&values(other.forward($x)), &expected) > 1e-4);
        let same = |loaded: $layer<Flex>, how: &str| {
            let found = values(loaded.forward($x));
            assert_eq!(found, expected, "{} {how}", stringify!($layer));
        };
        same(
            other.clone().load_record(made.clone().into_record()),
            "by a record",
        );
        let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
        let bytes = recorder.record(made.clone().into_record(), ()).unwrap();
        same(
            other
                .clone()
                .load_record(recorder.load(bytes, &device).unwrap()),
            "by bytes",
        );
        let folder = tempfile::tempdir().unwrap();
        let recorder = BinFileRecorder::<FullPrecisionSettings>::new();
        let path = folder.path().join("layer");
        made.clone().save_file(&path, &recorder).unwrap();
        same(
            other.clone().load_file(&path, &recorder, &device).unwrap(),
            "by a file",
        );
        #[cfg(feature = "anomaly")]
        {
            use burn_store::{ModuleSnapshot, ModuleStore, SafetensorsStore};
            let mut applied = other.clone();
            applied.apply(made.collect(None, None, false), None, None, false);
            same(applied, "by snapshots");
            let mut store = SafetensorsStore::from_file(folder.path().join("layer.safetensors"));
            store.collect_from(&made).unwrap();
            let mut applied = other.clone();
            store.apply_to::<Flex, _>(&mut applied).unwrap();
            same(applied, "by safetensors");
        }
    }};
}

/// A record made at one curvature and loaded into a layer of another one: the record's holds.
#[test]
fn the_curvature_of_a_record_holds() {
    let x = || batch(5, 4).inner();
    let x = x();
    keeps_curvature!(
        PoincareLinear,
        |c| PoincareLinearConfig::new(4, 3, c),
        x.clone()
    );
    keeps_curvature!(PoincareMlr, |c| PoincareMlrConfig::new(4, 3, c), x.clone());
    keeps_curvature!(Prototypes, |c| PrototypesConfig::new(4, 3, c), x.clone());
    let mean = Tensor::from_floats([[0.3, -0.2, 0.1, 0.2]], &Default::default());
    let norm = |c| Shifted(BallBatchNormConfig::new(4, c), mean.clone());
    keeps_curvature!(BallBatchNorm, norm, x.clone());
    let pixels = x.clone().transpose().reshape([1, 4, 5, 1]);
    let conv = |c| PoincareConv2dConfig::new([4, 3], [2, 1], c);
    keeps_curvature!(PoincareConv2d, conv, pixels.clone());
    let points = |c| BallPointsConfig::new(2, 3, c);
    let device = Default::default();
    let made = points(0.5).init::<Flex>(&device).unwrap();
    let other = points(1.0).init::<Flex>(&device).unwrap();
    assert_eq!(other.load_record(made.into_record()).ball().c(), 0.5);
}

/// Batch normalisation about another mean than the origin, where curvature shows.
struct Shifted(BallBatchNormConfig, Tensor<Flex, 2>);

impl Shifted {
    // As the configurations of layers are called.
    #[allow(clippy::extra_unused_type_parameters)]
    fn init<B>(
        &self,
        device: &burn::tensor::ops::Device<Flex>,
    ) -> hypad::Result<BallBatchNorm<Flex>> {
        let mut norm = self.0.init::<Flex>(device)?;
        norm.beta = burn::module::Param::from_tensor(self.1.clone());
        norm.running_mean = burn::module::RunningState::new(self.1.clone().neg());
        Ok(norm)
    }
}

/// Every setting of every layer that makes no sense is refused by its name.
#[test]
fn settings_out_of_range_are_refused() {
    use hypad::Error;
    let device = Default::default();
    fn refused<T>(found: hypad::Result<T>, expected: &str) {
        match found.err() {
            Some(Error::Setting { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    refused(
        PoincareLinearConfig::new(0, 3, 1.0).init::<Flex>(&device),
        "d_input",
    );
    refused(
        PoincareLinearConfig::new(3, 0, 1.0).init::<Flex>(&device),
        "d_output",
    );
    refused(
        PoincareMlrConfig::new(0, 3, 1.0).init::<Flex>(&device),
        "d_input",
    );
    refused(
        PoincareMlrConfig::new(3, 0, 1.0).init::<Flex>(&device),
        "classes",
    );
    let conv = PoincareConv2dConfig::new;
    refused(conv([0, 3], [3, 3], 1.0).init::<Flex>(&device), "channels");
    refused(conv([3, 0], [3, 3], 1.0).init::<Flex>(&device), "channels");
    refused(
        conv([3, 3], [0, 3], 1.0).init::<Flex>(&device),
        "kernel size",
    );
    let still = conv([3, 3], [3, 3], 1.0).with_stride([1, 0]);
    refused(still.init::<Flex>(&device), "stride");
    let norm = || BallBatchNormConfig::new(3, 1.0);
    refused(
        BallBatchNormConfig::new(0, 1.0).init::<Flex>(&device),
        "dim",
    );
    for wrong in [5.0, -0.1, f64::NAN, f64::INFINITY] {
        refused(
            norm().with_momentum(wrong).init::<Flex>(&device),
            "momentum",
        );
    }
    for wrong in [-1.0, f64::NAN, f64::INFINITY] {
        refused(norm().with_epsilon(wrong).init::<Flex>(&device), "epsilon");
        let points = BallPointsConfig::new(3, 2, 1.0).with_spread(wrong);
        refused(points.init::<Flex>(&device), "spread");
        let table = BallEmbeddingConfig::new(3, 2, 1.0).with_spread(wrong);
        refused(table.init::<Flex>(&device), "spread");
        let prototypes = PrototypesConfig::new(3, 2, 1.0).with_spread(wrong);
        refused(prototypes.init::<Flex>(&device), "spread");
    }
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(
            ExpMap::new(PoincareBall::new(1.0).unwrap(), Some(wrong)),
            "clip",
        );
    }
    refused(
        BallPointsConfig::new(0, 2, 1.0).init::<Flex>(&device),
        "count",
    );
    refused(
        BallPointsConfig::new(2, 0, 1.0).init::<Flex>(&device),
        "dim",
    );
    refused(
        BallEmbeddingConfig::new(0, 2, 1.0).init::<Flex>(&device),
        "n_embedding",
    );
    refused(
        BallEmbeddingConfig::new(2, 0, 1.0).init::<Flex>(&device),
        "d_model",
    );
    refused(
        PrototypesConfig::new(2, 0, 1.0).init::<Flex>(&device),
        "classes",
    );
    refused(
        PrototypesConfig::new(0, 2, 1.0).init::<Flex>(&device),
        "d_input",
    );
    for c in [-1.0, f64::NAN, f64::INFINITY] {
        let all = [
            PoincareLinearConfig::new(3, 3, c)
                .init::<Flex>(&device)
                .err(),
            PoincareMlrConfig::new(3, 3, c).init::<Flex>(&device).err(),
            conv([3, 3], [3, 3], c).init::<Flex>(&device).err(),
            BallBatchNormConfig::new(3, c).init::<Flex>(&device).err(),
            BallPointsConfig::new(3, 3, c).init::<Flex>(&device).err(),
            BallEmbeddingConfig::new(3, 3, c)
                .init::<Flex>(&device)
                .err(),
            PrototypesConfig::new(3, 3, c).init::<Flex>(&device).err(),
        ];
        assert!(
            all.iter()
                .all(|found| matches!(found, Some(Error::Curvature(_)))),
            "{all:?}"
        );
    }
}

/// A layer of points in `[2, 3, n]` is the layer of the six points.
#[test]
fn layers_take_any_number_of_leading_axes() {
    let device = Default::default();
    let spread = burn::tensor::Distribution::Uniform(-0.4, 0.4);
    let x = Tensor::<Flex, 2>::random([6, 4], spread, &device);
    let batched = x.clone().reshape([2, 3, 4]);
    let linear = PoincareLinearConfig::new(4, 5, 0.7)
        .init::<Flex>(&device)
        .unwrap();
    let mlr = PoincareMlrConfig::new(4, 5, 0.7)
        .init::<Flex>(&device)
        .unwrap();
    let norm = BallBatchNormConfig::new(4, 0.7)
        .init::<Flex>(&device)
        .unwrap();
    let pairs = [
        (linear.forward(x.clone()), linear.forward(batched.clone())),
        (mlr.forward(x.clone()), mlr.forward(batched.clone())),
        (norm.forward(x.clone()), norm.forward(batched)),
    ];
    for (rows, batched) in pairs {
        let [_, features] = rows.dims();
        assert_eq!(batched.dims(), [2, 3, features]);
        assert_eq!(values(rows), values(batched));
    }
    let one = linear.forward(x.narrow(0, 0, 1).reshape([4]));
    assert_eq!(one.dims(), [5]);
}
