//! HypAD from nothing to pictures in less than a minute: makes a small category of woven fabric
//! with defects, trains on its good pieces, and shows what it finds on the others.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::backend::Flex;
use hypad::data::MvtecCategory;
use hypad::{HypAdConfig, Result, TrainConfig};
use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Side of the images; half of the published size, a quarter of the work.
const SIZE: u32 = 128;
const STEPS: usize = 150;
const SEED: u64 = 7;

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<()> {
    let out = PathBuf::from("out/quickstart");
    let data = out.join("data");
    println!(
        "making a category of synthetic fabric in {}",
        data.display()
    );
    make_category(&data.join("fabric"))?;
    let category = MvtecCategory::load(&data, "fabric")?;

    println!(
        "training {STEPS} steps on {} good images",
        category.train.len()
    );
    let run = common::Run::<Flex> {
        source: common::Source::Training {
            model: HypAdConfig {
                image_size: [SIZE as usize; 2],
                ..HypAdConfig::small()
            },
            recipe: TrainConfig {
                steps: STEPS,
                seed: SEED,
                ..TrainConfig::default()
            },
            teacher: None,
            penalty: None,
            checkpoint_every: None,
            accept_changes: false,
        },
        pictures: usize::MAX,
        // Every run of this program makes the same results.
        folder: common::RunFolder {
            out: out.clone(),
            overwrite: true,
        },
        maps: None,
    };
    let report = run.go(&category, &Default::default())?;
    let result = (report.category, category.test.len(), report.evaluation);
    print!("{}", common::category_table(&[result]));
    println!(
        "trained in {:.0} s, {:.2} s an image; report, model and pictures are in {}",
        report.seconds.train.unwrap_or_default(),
        report.seconds.per_image,
        out.display()
    );
    Ok(())
}

/// Writes the category in the layout of MVTec AD: 40 images to train on, 10 good ones to test, and
/// 10 of each defect with their masks.
fn make_category(folder: &Path) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(SEED);
    for (part, count) in [("train/good", 40), ("test/good", 10)] {
        for index in 0..count {
            let path = folder.join(part).join(format!("{index:03}.png"));
            common::write_png(&path, &fabric(&mut rng))?;
        }
    }
    type Defect = fn(&mut RgbImage, &mut RgbImage, &mut StdRng);
    let defects: [(&str, Defect); 3] = [("stain", stain), ("cut", cut), ("knot", knot)];
    for (name, spoil) in defects {
        for index in 0..10 {
            let mut image = fabric(&mut rng);
            let mut mask = RgbImage::new(SIZE, SIZE);
            spoil(&mut image, &mut mask, &mut rng);
            let path = folder
                .join("test")
                .join(name)
                .join(format!("{index:03}.png"));
            common::write_png(&path, &image)?;
            let path = folder.join("ground_truth").join(name);
            common::write_png(&path.join(format!("{index:03}_mask.png")), &mask)?;
        }
    }
    Ok(())
}

/// A plain weave: threads of eight pixels crossing over and under, at a random offset, with
/// uneven light and noise.
fn fabric(rng: &mut StdRng) -> RgbImage {
    let (dx, dy) = (rng.random_range(0..16), rng.random_range(0..16));
    let (light, slope) = (rng.random_range(0.9..1.1), rng.random_range(-0.1..0.1_f32));
    RgbImage::from_fn(SIZE, SIZE, |x, y| {
        let (u, v) = (x + dx, y + dy);
        let over = (u / 8 + v / 8) % 2 == 0;
        let across = if over { v % 8 } else { u % 8 };
        let round = 1.0 - ((across as f32 - 3.5) / 5.0).powi(2);
        let light = light + slope * (x as f32 / SIZE as f32 - 0.5);
        let noise = rng.random_range(-8.0..8.0_f32);
        let warp = if over {
            [150.0, 130.0, 100.0]
        } else {
            [120.0, 110.0, 105.0]
        };
        Rgb(warp.map(|v: f32| (v * round * light + noise).clamp(0.0, 255.0) as u8))
    })
}

/// Paints where `inside` says so, in the image and in the mask.
fn paint(
    image: &mut RgbImage,
    mask: &mut RgbImage,
    inside: impl Fn(f32, f32) -> bool,
    mut colour: impl FnMut(Rgb<u8>) -> Rgb<u8>,
) {
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        if inside(x as f32, y as f32) {
            *pixel = colour(*pixel);
            mask.put_pixel(x, y, Rgb([255; 3]));
        }
    }
}

/// A dark, reddish patch.
fn stain(image: &mut RgbImage, mask: &mut RgbImage, rng: &mut StdRng) {
    let (cx, cy) = (rng.random_range(30.0..98.0), rng.random_range(30.0..98.0));
    let (a, b) = (
        rng.random_range(8.0..16.0_f32),
        rng.random_range(8.0..16.0_f32),
    );
    let inside = |x: f32, y: f32| ((x - cx) / a).powi(2) + ((y - cy) / b).powi(2) < 1.0;
    paint(image, mask, inside, |Rgb([r, g, b])| {
        Rgb([r / 2 + 30, g / 3, b / 3])
    });
}

/// A thin bright line.
fn cut(image: &mut RgbImage, mask: &mut RgbImage, rng: &mut StdRng) {
    let (cx, cy) = (rng.random_range(40.0..88.0), rng.random_range(40.0..88.0));
    let angle = rng.random_range(0.0..std::f32::consts::PI);
    let (half, (sin, cos)) = (rng.random_range(15.0..30.0), angle.sin_cos());
    let inside = |x: f32, y: f32| {
        let (along, across) = (
            (x - cx) * cos + (y - cy) * sin,
            (y - cy) * cos - (x - cx) * sin,
        );
        along.abs() < half && across.abs() < 2.0
    };
    paint(image, mask, inside, |_| Rgb([225, 220, 210]));
}

/// A square in which the weave is lost.
fn knot(image: &mut RgbImage, mask: &mut RgbImage, rng: &mut StdRng) {
    let (cx, cy) = (rng.random_range(30.0..98.0), rng.random_range(30.0..98.0));
    let half = rng.random_range(8.0..14.0_f32);
    let inside = |x: f32, y: f32| (x - cx).abs() < half && (y - cy).abs() < half;
    paint(image, mask, inside, |_| {
        let v = rng.random_range(60..170_u8);
        Rgb([v, v, v])
    });
}
