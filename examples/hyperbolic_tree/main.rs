//! Embeds a random tree in hyperbolic and in Euclidean space, and shows which one it fits.
//!
//! A tree grows exponentially with its depth, and so does hyperbolic space with its radius: two
//! hyperbolic dimensions embed a tree for which ten Euclidean ones are not enough. Both embeddings are made by
//! the same program from the same initial points, one with c > 0 and one with c = 0. They are compared by two
//! usual measures (Sala, De Sa, Gu, Ré, *Representation Tradeoffs for Hyperbolic Embeddings*,
//! ICML 2018): mean average precision of the neighbours, and distortion of the distances.
//!
//! ```text
//! cargo run --release --example hyperbolic_tree
//! ```

mod drawing;
mod layout;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::backend::{Autodiff, Flex};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{DType, Tensor, TensorData};
use clap::Parser;
use hypad::files::write_atomic;
use hypad::geometry::PoincareBall;
use hypad::geometry::nn::BallPoints;
use hypad::geometry::optim::RiemannianAdamConfig;
use hypad::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use drawing::Chart;
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
    /// Distance between parent and child at the start; the longer, the more the space is like a
    /// tree [default: 3/√c, or what a deep tree leaves room for]
    #[arg(long)]
    edge: Option<f64>,
    /// Optimisation steps, each over all pairs of nodes
    #[arg(long, default_value_t = 400)]
    steps: usize,
    /// Learning rate, a length in the space; it falls to 0 along a half cosine
    #[arg(long, default_value_t = 1.0)]
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
    for &dim in &args.dims {
        require(dim > 0, "dims", dim, "at least 1")?;
    }
    require(args.steps > 0, "steps", args.steps, "at least 1")?;
    require(args.nodes > 1, "nodes", args.nodes, "at least 2")?;
    require(
        args.curvature > 0.0,
        "curvature",
        args.curvature,
        "above 0 (c = 0 is run as well)",
    )?;
    let lr_is_fine = args.lr > 0.0 && args.lr.is_finite();
    require(lr_is_fine, "lr", args.lr, "above 0 and finite")?;

    let tree = Tree::random(args.nodes, args.seed);
    let depth = tree.depths.iter().max().copied().unwrap_or(0);
    let unit = 1.0 / args.curvature.sqrt();
    // At larger distances from the origin the f64 points would be on the boundary.
    let max_edge = 34.0 * unit / depth as f64;
    let edge = args.edge.unwrap_or(max_edge.min(3.0 * unit));
    require(
        0.0 < edge && edge <= max_edge,
        "edge",
        edge,
        "above 0 and at most 34/(depth √c), where the f64 numbers of the ball end",
    )?;
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
            let start = layout::initial_points(&tree, dim, c, edge, args.seed)?;
            let points = embed(args, start, &distances, c)?;
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
                draw(&tree, &points, space, &args.out)?;
            }
        }
    }
    let report = json!({
        "nodes": tree.len(), "depth": depth, "seed": args.seed, "steps": args.steps,
        "edge": edge, "lr": args.lr, "embeddings": rows,
    });
    let report = format!("{report:#}\n");
    write_atomic(args.out.join("report.json"), report.as_bytes())?;
    println!("report and pictures are in {}", args.out.display());
    Ok(())
}

/// Moves points until their distances d are as proportional to those of the tree, g, as they can be.
///
/// The loss is the least mean of w (a d/g − 1)² over all pairs that any scale a reaches, which is
/// 1 − mean(w d/g)² / mean(w (d/g)²), with w ∝ 1/g: without it, the few near neighbours count for
/// nothing beside the many far pairs.
fn embed(args: &Args, start: Vec<f64>, distances: &[f64], c: f64) -> Result<BallPoints<B>> {
    let nodes = args.nodes;
    let device = &Default::default();
    let double = |values: Vec<f64>, shape: [usize; 2]| {
        Tensor::<B, 2>::from_data(TensorData::new(values, shape), (device, DType::F64))
    };
    // The diagonal, where d = 0, counts for nothing with any g.
    let inverse = distances.iter().map(|g| 1.0 / g.max(1.0)).collect();
    let inverse = double(inverse, [nodes, nodes]);
    let weights = inverse.clone() / inverse.clone().mean().unsqueeze();

    let dim = start.len() / nodes;
    let mut points = BallPoints::new(PoincareBall::new(c)?, double(start, [nodes, dim]));
    let ball = points.ball();
    let mut optimiser = RiemannianAdamConfig::new().init()?;
    let bar = ProgressBar::new(args.steps as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len}  loss {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    for step in 0..args.steps {
        let ratio = ball.pairwise_dist(points.val(), points.val()) * inverse.clone();
        let mean = (ratio.clone() * weights.clone()).mean();
        let mean_square = (ratio.square() * weights.clone()).mean();
        let loss = (mean.square() / mean_square).neg() + 1.0;
        if step % 20 == 0 {
            bar.set_message(format!("{:.5}", loss.clone().into_scalar()));
        }
        let grads = GradientsParams::from_grads(loss.backward(), &points);
        let progress = step as f64 / args.steps as f64;
        let lr = args.lr * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        points = optimiser.step(lr, points, grads);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(points)
}

/// Draws two-dimensional points with the root in the middle: the disk or the plane, and for the
/// disk, whose leaves crowd at the boundary, its tangent plane at the root as well.
fn draw(tree: &Tree, points: &BallPoints<B>, space: &str, out: &Path) -> Result<()> {
    let ball = points.ball();
    let root = points.val().narrow(0, 0, 1);
    let centred = ball.mobius_add(root.neg(), points.val());
    let centred: Vec<[f64; 2]> = floats(centred)
        .chunks_exact(2)
        .map(|p| [p[0], p[1]])
        .collect();
    let mut charts = vec![(space.to_string(), Chart::Ball)];
    if ball.c() > 0.0 {
        charts.push((format!("{space}_polar"), Chart::Tangent));
    }
    for (name, chart) in charts {
        if let Some(png) = drawing::draw(tree, &centred, ball.c(), chart) {
            write_atomic(out.join(format!("{name}.png")), &png)?;
        }
    }
    Ok(())
}

fn floats<const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().iter().collect()
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
