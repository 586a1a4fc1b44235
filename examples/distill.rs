//! Makes a teacher: distils a patch description network from a backbone, on images of anything.
//!
//! ```text
//! cargo run --release --example distill -- --images PHOTOS --weights mobilenet_v1.safetensors
//! ```

#[path = "common/results.rs"]
#[allow(dead_code)] // tables are for evaluations
mod results;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::backend::Flex;
use clap::{Parser, ValueEnum};
use hypad::data::ImageSet;
use hypad::features::PdnSize;
use hypad::features::weights::{Precision, save_pdn};
use hypad::features::{MobileNetV1, ResNetConfig, Targets};
use hypad::files::{check_writable, write_atomic};
use hypad::training::{DistillConfig, Distilled, Distiller, RunOptions};
use hypad::{Error, Result};
use plotters::prelude::*;

/// Distil a teacher from a backbone: a patch description network learns to predict its features on
/// images of anything, without labels.
///
/// Writes teacher.safetensors, which the mvtec example takes as --teacher, and losses.csv and
/// losses.svg. A run that was stopped goes on when the same command is given again.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of images, also in folders by class; the more and the more different the better
    #[arg(long)]
    images: PathBuf,
    /// Weights of the backbone, safetensors, or .pth if built with --features pytorch: MobileNet v1
    /// for the light recipe (conv1, conv_dw_1, conv_pw_1, ...; batch normalisation folded),
    /// torchvision's WideResNet-101-2 for the published one
    #[arg(long)]
    weights: PathBuf,
    /// light: crops of 128 x 128, MobileNet v1; published: 256 x 256, WideResNet-101-2
    #[arg(long, default_value = "light")]
    recipe: Recipe,
    /// PDN-S or PDN-M
    #[arg(long, default_value = "small")]
    size: Size,
    /// Training steps [default: 10000 (light), 60000 (published)]
    #[arg(long)]
    steps: Option<usize>,
    /// Images a step [default: 8 (light), 16 (published)]
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate [default: 1e-3, falling (light), 1e-4 (published)]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Steps in which the learning rate rises [default: 200 (light), 0 (published)]
    #[arg(long)]
    warm_up: Option<usize>,
    /// Seed of all that is random
    #[arg(long, default_value_t = DistillConfig::light().seed)]
    seed: u64,
    /// Steps after which OUT/checkpoint.safetensors is written, from which the same command goes on
    #[arg(long, default_value_t = 500)]
    checkpoint_every: usize,
    /// Go on from a checkpoint also where images, backbone or settings have changed since
    #[arg(long)]
    accept_changes: bool,
    /// Store the teacher in 16 bits, half the size
    #[arg(long)]
    half: bool,
    /// Where results go
    #[arg(long, default_value = "out/distill")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Recipe {
    Light,
    Published,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    Small,
    Medium,
}

fn main() -> ExitCode {
    results::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let device = Default::default();
    let (targets, recipe) = match args.recipe {
        Recipe::Light => (
            Targets::Light(MobileNetV1::<Flex>::load(&args.weights, &device)?),
            DistillConfig::light(),
        ),
        Recipe::Published => {
            let network = ResNetConfig::wide_resnet101_2();
            let network = network.load(&args.weights, &device)?;
            (Targets::Published(network), DistillConfig::published())
        }
    };
    let size = match args.size {
        Size::Small => PdnSize::Small,
        Size::Medium => PdnSize::Medium,
    };
    let config = DistillConfig {
        size,
        steps: args.steps.unwrap_or(recipe.steps),
        batch: args.batch.unwrap_or(recipe.batch),
        learning_rate: args.learning_rate.unwrap_or(recipe.learning_rate),
        warm_up: args.warm_up.unwrap_or(recipe.warm_up),
        seed: args.seed,
        ..recipe
    };
    for file in ["teacher.safetensors", "losses.csv", "losses.svg"] {
        check_writable(args.out.join(file))?;
    }
    let images = ImageSet::from_tree(&args.images)?;
    println!(
        "{} steps of {} images out of {}",
        config.steps,
        config.batch,
        images.len()
    );
    let steps = config.steps;
    let checkpoint = args.out.join("checkpoint.safetensors");
    let mut options = RunOptions::default().with_checkpoint(&checkpoint, args.checkpoint_every);
    if args.accept_changes {
        options = options.accept_changes();
    }
    let distiller = Distiller::new(targets, config).with_options(options);
    let found = distiller.fit(&images, &device)?;

    let precision = if args.half {
        Precision::Half
    } else {
        Precision::Full
    };
    let path = args.out.join("teacher.safetensors");
    save_pdn(&found.teacher, size, &path, precision)?;
    let mut csv = "step,loss,held_out\n".to_string();
    let mut measured = found.validation.iter().peekable();
    for (step, loss) in (1..).zip(&found.losses) {
        let held_out = measured.next_if(|(at, _)| *at == step);
        let held_out = held_out.map(|(_, loss)| loss.to_string());
        csv += &format!("{step},{loss},{}\n", held_out.unwrap_or_default());
    }
    write_atomic(args.out.join("losses.csv"), csv.as_bytes())?;
    write_picture(&args.out.join("losses.svg"), &found)?;
    // What it was for is written.
    let _ = std::fs::remove_file(checkpoint);
    println!("{:.2} s a step", found.time.as_secs_f64() / steps as f64);
    if let Some((_, loss)) = found.validation.last() {
        println!("of the variance of the images held out, {loss:.3} is not predicted");
    }
    println!("the teacher is {}", path.display());
    Ok(())
}

/// The course of the loss: of the steps, as means of a hundredth of the run, and of the images held
/// out.
fn write_picture(path: &Path, found: &Distilled<Flex>) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, found).map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    write_atomic(path, svg.as_bytes())
}

fn draw(
    svg: &mut String,
    found: &Distilled<Flex>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let span = found.losses.len().div_ceil(100);
    let means = found.losses.chunks(span).enumerate().map(|(part, losses)| {
        let mean = losses.iter().sum::<f32>() / losses.len() as f32;
        (part * span + losses.len() / 2, mean)
    });
    let area = SVGBackend::with_string(svg, (720, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "part of the targets' variance not predicted, by step",
            ("sans-serif", 16),
        )
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(40)
        .build_cartesian_2d(0..found.losses.len(), 0.0_f32..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (colour, name, points) in [
        (BLUE, "training", means.collect::<Vec<_>>()),
        (RED, "held out", found.validation.clone()),
    ] {
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 3), (x + 14, y + 3)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}
