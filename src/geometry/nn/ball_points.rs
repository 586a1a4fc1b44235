//! Parameters that are points of the ball.

use std::cell::Cell;

use burn::config::Config;
use burn::module::{
    AutodiffModule, Content, Devices, HasAutodiffModule, Module, ModuleDisplay,
    ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
};
use burn::record::Record;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, Tensor};

use super::curvature::{stored_ball, stored_curvature};
use crate::error::{Result, check};
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Configuration of [`BallPoints`].
#[derive(Config, Debug)]
pub struct BallPointsConfig {
    /// Number of points.
    pub count: usize,
    /// Number of coordinates of a point.
    pub dim: usize,
    /// The c of the ball.
    pub c: f64,
    /// Standard deviation of the tangent vectors at the origin from which the initial points are computed.
    #[config(default = 1e-3)]
    pub spread: f64,
}

/// Points of a ball as parameters of a module. Its records contain the curvature.
///
/// The optimisers of [`optim`](crate::geometry::optim) move the points along geodesics. Any other
/// optimiser treats them as Euclidean, and may move them out of the ball.
#[derive(Clone, Debug)]
pub struct BallPoints<B: Backend> {
    c: Param<Tensor<B, 1>>,
    /// `[count, dim]`.
    pub points: Param<Tensor<B, 2>>,
}

/// Record of [`BallPoints`].
#[derive(Record, Clone, Debug)]
pub struct BallPointsRecord<B: Backend> {
    c: Param<Tensor<B, 1>>,
    points: Param<Tensor<B, 2>>,
}

impl BallPointsConfig {
    /// Points near the origin: exp₀ of normal tangent vectors.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite;
    /// [`Error::Setting`](crate::Error::Setting) for a `count` or a `dim` of 0, and a spread that is
    /// negative, NaN or infinite.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<BallPoints<B>> {
        let ball = PoincareBall::new(self.c)?;
        check(self.count > 0, "count", self.count, "at least 1")?;
        check(self.dim > 0, "dim", self.dim, "at least 1")?;
        let spread = self.spread;
        let valid = spread.is_finite() && spread >= 0.0;
        check(valid, "spread", spread, "finite and at least 0")?;
        let normal = Distribution::Normal(0.0, spread);
        let tangent = Tensor::random([self.count, self.dim], normal, device);
        Ok(BallPoints::new(ball, ball.expmap0(tangent)))
    }
}

impl<B: HyperbolicBackend> BallPoints<B> {
    /// The given points of the given ball.
    ///
    /// # Shapes
    ///
    /// - points: `[count, dim]`
    pub fn new(ball: PoincareBall, points: Tensor<B, 2>) -> Self {
        Self {
            c: stored_curvature(&ball, (&points.device(), points.dtype())),
            points: Param::from_tensor(points.detach()),
        }
    }

    /// The ball that the points lie in.
    pub fn ball(&self) -> PoincareBall {
        stored_ball(&self.c)
    }

    /// The points, `[count, dim]`.
    pub fn val(&self) -> Tensor<B, 2> {
        self.points.val()
    }
}

thread_local! {
    /// The ball of the points that are being mapped.
    static BALL: Cell<Option<PoincareBall>> = const { Cell::new(None) };
}

/// The ball of the parameter that is being mapped, if the parameter belongs to [`BallPoints`].
///
/// Burn passes a mapper the names of a parameter and of the types that contain it, but not their values.
pub(in crate::geometry) fn ball_of_mapped() -> Option<PoincareBall> {
    BALL.get()
}

/// Runs a function during which [`ball_of_mapped`] returns this ball.
fn mapped_in<R>(ball: PoincareBall, run: impl FnOnce() -> R) -> R {
    struct Restore(Option<PoincareBall>);
    impl Drop for Restore {
        fn drop(&mut self) {
            BALL.set(self.0);
        }
    }
    let _restore = Restore(BALL.replace(Some(ball)));
    run()
}

/// The name of the container type, as Burn's derive passes it.
const CONTAINER: &str = "Struct:BallPoints";

// As Burn's derive implements it, except for `map`.
impl<B: Backend> Module<B> for BallPoints<B> {
    type Record = BallPointsRecord<B>;

    fn collect_devices(&self, devices: Devices<B>) -> Devices<B> {
        self.points.collect_devices(self.c.collect_devices(devices))
    }

    fn fork(self, device: &B::Device) -> Self {
        Self {
            c: self.c.fork(device),
            points: self.points.fork(device),
        }
    }

    fn to_device(self, device: &B::Device) -> Self {
        Self {
            c: Module::<B>::to_device(self.c, device),
            points: Module::<B>::to_device(self.points, device),
        }
    }

    fn visit<V: ModuleVisitor<B>>(&self, visitor: &mut V) {
        visitor.enter_module("c", CONTAINER);
        self.c.visit(visitor);
        visitor.exit_module("c", CONTAINER);
        visitor.enter_module("points", CONTAINER);
        self.points.visit(visitor);
        visitor.exit_module("points", CONTAINER);
    }

    fn map<M: ModuleMapper<B>>(self, mapper: &mut M) -> Self {
        mapper.enter_module("c", CONTAINER);
        let c = Module::<B>::map(self.c, mapper);
        mapper.exit_module("c", CONTAINER);
        mapper.enter_module("points", CONTAINER);
        let points = mapped_in(stored_ball(&c), || Module::<B>::map(self.points, mapper));
        mapper.exit_module("points", CONTAINER);
        Self { c, points }
    }

    fn load_record(self, record: Self::Record) -> Self {
        Self {
            c: self.c.load_record(record.c),
            points: self.points.load_record(record.points),
        }
    }

    fn into_record(self) -> Self::Record {
        BallPointsRecord {
            c: self.c.into_record(),
            points: self.points.into_record(),
        }
    }
}

impl<B: AutodiffBackend> AutodiffModule<B> for BallPoints<B> {
    type InnerModule = BallPoints<B::InnerBackend>;

    fn valid(&self) -> Self::InnerModule {
        BallPoints {
            c: self.c.valid(),
            points: self.points.valid(),
        }
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        Self {
            c: AutodiffModule::from_inner(module.c),
            points: AutodiffModule::from_inner(module.points),
        }
    }
}

impl<B: AutodiffBackend> HasAutodiffModule<B> for BallPoints<B::InnerBackend> {
    type TrainModule = BallPoints<B>;
}

impl<B: Backend> ModuleDisplayDefault for BallPoints<B> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("BallPoints")
            .add("c", &self.c)
            .add("points", &self.points)
            .optional()
    }
}

impl<B: Backend> ModuleDisplay for BallPoints<B> {}

impl<B: Backend> std::fmt::Display for BallPoints<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&ModuleDisplay::format(self, Default::default()))
    }
}
