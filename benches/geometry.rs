//! The operations of the ball on the shapes of the benchmarks of other libraries: forward alone,
//! and forward with backward.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use hypad::geometry::PoincareBall;

type Plain = Tensor<Flex, 2>;
type Tracked = Tensor<Autodiff<Flex>, 2>;

fn operations(criterion: &mut Criterion) {
    let device = Default::default();
    let ball = PoincareBall::new(0.01).expect("a valid curvature");
    for shape in [[4096, 384], [65_536, 64], [3136, 384]] {
        // Norms of about 0.6 of the radius 10.
        let spread = 6.0 * (3.0 / shape[1] as f64).sqrt();
        let random = || Plain::random(shape, Distribution::Uniform(-spread, spread), &device);
        let (x, y) = (random(), random());
        let mut group = criterion.benchmark_group(format!("{} x {}", shape[0], shape[1]));
        group.sample_size(20);
        macro_rules! bench {
            ($name:literal, |$x:ident, $y:ident| $op:expr) => {
                group.bench_function(concat!($name, " forward"), |bencher| {
                    bencher.iter(|| {
                        let ($x, $y) = (x.clone(), y.clone());
                        $op
                    })
                });
                group.bench_function(concat!($name, " forward + backward"), |bencher| {
                    bencher.iter(|| {
                        let $x = Tracked::from_inner(x.clone()).require_grad();
                        let $y = Tracked::from_inner(y.clone()).require_grad();
                        $op.sum().backward()
                    })
                });
            };
        }
        bench!("dist", |x, y| ball.dist(x, y));
        bench!("dist_expmap0", |x, y| ball.dist_expmap0(x, y));
        bench!("mobius_add", |x, y| ball.mobius_add(x, y));
        bench!("expmap0", |x, _y| ball.expmap0(x));
        bench!("logmap", |x, y| ball.logmap(x, y));
        group.finish();
    }
}

criterion_group!(benches, operations);
criterion_main!(benches);
