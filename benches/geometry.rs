//! The operations of the ball on the shapes of other libraries' benchmarks: forward alone, and
//! forward with backward to all inputs.
//!
//! `RAYON_NUM_THREADS` sets the number of threads. glibc hands large temporaries back to the system
//! after every operation; `docs/benchmarks.md` says how to keep it from that, here and in the
//! programs that are compared.

mod memory;

use std::time::Duration;

use burn::backend::{Autodiff, Flex};
use burn::tensor::{Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use hypad::geometry::PoincareBall;
use memory::peak;

type Plain = Tensor<Flex, 2>;
type Tracked = Tensor<Autodiff<Flex>, 2>;

/// Tangent vectors of length about 0.5/√c.
fn tangent(shape: [usize; 2], c: f64) -> Plain {
    let std = 0.5 / c.sqrt() / (shape[1] as f64).sqrt();
    Plain::random(shape, Distribution::Normal(0.0, std), &Default::default())
}

macro_rules! bench {
    ($group:ident, $name:literal, [$a:expr, $b:expr], |$x:ident, $y:ident| $op:expr) => {
        $group.bench_function(concat!($name, " forward"), |bencher| {
            bencher.iter(|| {
                let ($x, $y) = ($a.clone(), $b.clone());
                $op
            })
        });
        $group.bench_function(concat!($name, " forward + backward"), |bencher| {
            bencher.iter(|| {
                let $x = Tracked::from_inner($a.clone()).require_grad();
                let $y = Tracked::from_inner($b.clone()).require_grad();
                $op.sum().backward()
            })
        });
    };
}

fn operations(criterion: &mut Criterion) {
    for shape in [[4096, 384], [65_536, 64], [3136, 384]] {
        for c in [0.01, 1.0] {
            let ball = PoincareBall::new(c).expect("a valid curvature");
            let (u, v) = (tangent(shape, c), tangent(shape, c));
            let (x, y) = (ball.expmap0(u.clone()), ball.expmap0(v.clone()));
            let name = format!("({}, {}) c={c}", shape[0], shape[1]);
            let mut group = criterion.benchmark_group(name);
            bench!(group, "dist", [x, y], |x, y| ball.dist(x, y));
            bench!(group, "dist_expmap0", [u, v], |u, v| ball
                .dist_expmap0(u, v));
            bench!(group, "expmap0", [u, v], |u, _v| ball.expmap0(u));
            bench!(group, "mobius_add", [x, y], |x, y| ball.mobius_add(x, y));
            bench!(group, "expmap", [x, v], |x, v| ball.expmap(x, v));
            bench!(group, "logmap", [x, y], |x, y| ball.logmap(x, y));
            group.finish();
        }
    }
}

fn pairwise(criterion: &mut Criterion) {
    for (p, q, d) in [(3136, 1024, 384), (4096, 4096, 64)] {
        let c = 0.01;
        let ball = PoincareBall::new(c).expect("a valid curvature");
        let x = ball.expmap0(tangent([p, d], c));
        let y = ball.expmap0(tangent([q, d], c));
        let mut group = criterion.benchmark_group(format!("({p}, {q}, {d}) c={c}"));
        bench!(group, "pairwise_dist", [x, y], |x, y| ball
            .pairwise_dist(x, y));
        group.finish();
    }
}

/// The Fréchet mean beside the same search recorded step by step in the graph, which is how it is done
/// without implicit differentiation. Prints the memory at its peak as well.
fn frechet_mean(criterion: &mut Criterion) {
    for [count, n, std] in [[32, 64, 1], [1000, 16, 1], [16, 384, 1], [32, 64, 5]] {
        let ball = PoincareBall::new(1.0).expect("a valid curvature");
        let x = ball.expmap0(tangent([count, n], 1.0).mul_scalar(std as f64));
        let weights = Plain::ones([count, 1], &x.device());
        let steps = ball
            .frechet_mean_search(x.clone(), weights.clone(), 0)
            .steps;
        let unrolled = |x: Tracked, weights: Tracked| {
            let total = weights.clone().sum();
            let weights = weights / total.reshape([1, 1]);
            let mut mean = ball.midpoint(x.clone(), weights.clone(), 0);
            // The search inside stops at the root of the rounding.
            for _ in 0..2 * steps {
                let negative_gradient =
                    (ball.logmap(mean.clone(), x.clone()) * weights.clone()).sum_dim(0);
                let t = ball.dist(mean.clone().detach(), x.clone().detach());
                let t = t.clone().mul_scalar(1.0 + 1e-6) / t.tanh();
                let bound = (t * weights.clone().detach()).sum_dim(0);
                let tau = bound.add_scalar(1.0).recip().mul_scalar(2.0);
                mean = ball.expmap(mean, negative_gradient * tau);
            }
            mean
        };
        let name = format!("({count}, {n}), {steps} steps");
        let mut group = criterion.benchmark_group(name.clone());
        let tracked = |t: &Plain| Tracked::from_inner(t.clone()).require_grad();
        for (kind, mean) in [
            (
                "frechet_mean",
                &(|x, w| ball.frechet_mean(x, w, 0)) as &dyn Fn(_, _) -> Tracked,
            ),
            ("frechet_mean, all steps in the graph", &unrolled),
        ] {
            let step = || mean(tracked(&x), tracked(&weights)).sum().backward();
            println!("{name} {kind}: {} KiB at its peak", peak(step) / 1024);
            group.bench_function(format!("{kind} forward + backward"), |b| b.iter(step));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    targets = operations, pairwise, frechet_mean
}
criterion_main!(benches);
