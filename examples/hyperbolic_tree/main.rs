//! Embeds a random tree in hyperbolic and in Euclidean space, and shows which one it fits.
//!
//! A tree grows exponentially with its depth, and so does hyperbolic space with its radius: two
//! dimensions of it hold what ten Euclidean ones do not. Both runs are the same program, with c > 0
//! and with c = 0.
//!
//! ```text
//! cargo run --release --example hyperbolic_tree
//! ```

mod drawing;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::backend::{Autodiff, Flex};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use clap::Parser;
use hypad::files::write_whole;
use hypad::geometry::nn::{BallPoints, BallPointsConfig};
use hypad::geometry::optim::RiemannianAdamConfig;
use hypad::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use tree::{Fidelity, Tree};

type B = Autodiff<Flex>;

/// Embeds a random tree in hyperbolic and in Euclidean space; prints mean average precision and
/// distortion, and draws what has two dimensions.
#[derive(Parser)]
struct Args {
    /// Nodes of the tree
    #[arg(long, default_value_t = 1023)]
    nodes: usize,
    /// Dimensions of the spaces, comma separated
    #[arg(long, value_delimiter = ',', default_values_t = [2, 10])]
    dims: Vec<usize>,
    /// c of the hyperbolic space, whose curvature is -c
    #[arg(long, default_value_t = 1.0)]
    curvature: f64,
    /// Distance in the space that one edge of the tree is meant to have
    #[arg(long, default_value_t = 1.0)]
    edge: f64,
    /// Optimisation steps, each over all pairs of nodes
    #[arg(long, default_value_t = 600)]
    steps: usize,
    /// Learning rate; it falls to 0 along a half cosine
    #[arg(long, default_value_t = 0.1)]
    lr: f64,
    /// Seed of the tree and of the first points
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where report.json and the pictures go
    #[arg(long, default_value = "out/hyperbolic_tree")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let positive = [("nodes", args.nodes), ("steps", args.steps)];
    for (name, value) in positive
        .into_iter()
        .chain(args.dims.iter().map(|d| ("dims", *d)))
    {
        require(value > 0, name, value, "at least 1")?;
    }
    require(args.nodes > 1, "nodes", args.nodes, "at least 2")?;
    require(
        args.curvature > 0.0,
        "curvature",
        args.curvature,
        "above 0 (c = 0 is run as well)",
    )?;
    require(args.edge > 0.0, "edge", args.edge, "above 0")?;

    let tree = Tree::random(args.nodes, args.seed);
    let depth = tree.depths.iter().max().copied().unwrap_or(0);
    println!("a tree of {} nodes, {depth} levels deep", tree.len());
    let distances = tree.distances();
    println!(
        "{:<12}{:>6}{:>10}{:>14}{:>22}{:>10}",
        "space", "dim", "mAP", "distortion", "largest / least d/g", "seconds"
    );
    let mut rows = Vec::new();
    for &dim in &args.dims {
        for (space, c) in [("hyperbolic", args.curvature), ("euclidean", 0.0)] {
            let started = Instant::now();
            let points = embed(args, &distances, dim, c)?;
            let seconds = started.elapsed().as_secs_f64();
            let embedded = points.ball().pairwise_dist(points.val(), points.val());
            let found = Fidelity::of(&floats(embedded), &distances, tree.len())?;
            println!(
                "{space:<12}{dim:>6}{:>10.4}{:>14.4}{:>22.1}{seconds:>10.1}",
                found.mean_average_precision, found.distortion, found.worst_distortion,
            );
            rows.push(json!({
                "space": space, "dim": dim, "curvature": c, "seconds": seconds,
                "mean_average_precision": found.mean_average_precision,
                "distortion": found.distortion,
                "worst_distortion": found.worst_distortion,
            }));
            if dim == 2 {
                let points: Vec<f64> = floats(points.val()).iter().map(|v| f64::from(*v)).collect();
                let points: Vec<[f64; 2]> = points.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
                if let Some(png) = drawing::draw(&tree, &points, c) {
                    write_whole(args.out.join(format!("{space}.png")), &png)?;
                }
            }
        }
    }
    let report = json!({
        "nodes": tree.len(), "depth": depth, "seed": args.seed, "steps": args.steps,
        "edge": args.edge, "embeddings": rows,
    });
    write_whole(
        args.out.join("report.json"),
        format!("{report:#}\n").as_bytes(),
    )?;
    println!("report and pictures are in {}", args.out.display());
    Ok(())
}

fn require(
    holds: bool,
    name: &'static str,
    value: impl ToString,
    rule: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    let value = value.to_string();
    Err(Error::Setting { name, value, rule })
}

/// Points whose distances are those of the tree times `edge`, in the least squares of the ratio.
fn embed(args: &Args, distances: &[f32], dim: usize, c: f64) -> Result<BallPoints<B>> {
    let device = Default::default();
    B::seed(&device, args.seed);
    let nodes = args.nodes;
    // One on the diagonal, where there is nothing to divide.
    let wanted = distances.iter().map(|d| d.max(1.0) * args.edge as f32);
    let wanted = TensorData::new(wanted.collect::<Vec<f32>>(), [nodes, nodes]);
    let per_wanted = Tensor::<B, 2>::from_data(wanted, &device).recip();

    let power: f32 = std::env::var("W")
        .ok()
        .and_then(|w| w.parse().ok())
        .unwrap_or(0.0);
    let weights = distances
        .iter()
        .map(|d| d.max(1.0).powf(-power))
        .collect::<Vec<f32>>();
    let weights = Tensor::<B, 2>::from_data(TensorData::new(weights, [nodes, nodes]), &device);
    let env = |n: &str, d: f64| {
        std::env::var(n)
            .ok()
            .and_then(|w| w.parse().ok())
            .unwrap_or(d)
    };
    let (tau, alpha) = (env("TAU", 0.2), env("ALPHA", 0.0));
    let eye = Tensor::<B, 2>::eye(nodes, &device);
    let adjacent = distances
        .iter()
        .map(|d| if *d == 1.0 { 1.0f32 } else { 0.0 })
        .collect::<Vec<f32>>();
    let adjacent = Tensor::<B, 2>::from_data(TensorData::new(adjacent, [nodes, nodes]), &device);
    let adjacent = adjacent.clone() / adjacent.sum_dim(1);
    let config = BallPointsConfig::new(nodes, dim, c).with_spread(0.1);
    let mut points = config.init::<B>(&device)?;
    let ball = points.ball();
    let mut optimiser = RiemannianAdamConfig::new().init();
    let bar = ProgressBar::new(args.steps as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len}  loss {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    for step in 0..args.steps {
        let grow = (env("G0", 0.1)
            + (1.0 - env("G0", 0.1)) * (step as f64 / args.steps as f64 / 0.6))
            .min(1.0);
        let embedded = ball.pairwise_dist(points.val(), points.val()) / grow;
        let ce = (burn::tensor::activation::log_softmax(
            embedded.clone() * (-1.0 / tau) - eye.clone() * 1e4,
            1,
        ) * adjacent.clone())
        .sum()
        .neg()
            / nodes as f64;
        let loss = ((embedded * per_wanted.clone() - 1.0).square() * weights.clone()).mean()
            + ce * (alpha * (1.0 - step as f64 / args.steps as f64).powi(4) + env("BETA", 0.0));
        if step % 20 == 0 {
            bar.set_message(format!("{:.4}", loss.clone().into_scalar()));
        }
        let grads = GradientsParams::from_grads(loss.backward(), &points);
        let progress = step as f64 / args.steps as f64;
        let lr = grow * args.lr * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        points = optimiser.step(lr, points, grads);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(points)
}

fn floats<const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}
