//! A category of synthetic woven fabric with defects: `quickstart` and `tests/detects.rs` train on it.

use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Side of the images; half of the published size, a quarter of the work.
pub const SIZE: u32 = 128;

/// Adds a defect to an image and to its mask.
type AddDefect = fn(&mut RgbImage, &mut RgbImage, &mut StdRng);

const KINDS: [(&str, AddDefect); 4] = [
    ("good", |_, _, _| ()),
    ("stain", stain),
    ("cut", cut),
    ("knot", knot),
];

/// An image to test on.
pub struct Piece {
    /// `good`, `stain`, `cut` or `knot`.
    pub defect: &'static str,
    pub image: RgbImage,
    /// White where the defect is, black elsewhere.
    pub mask: RgbImage,
}

/// Images to train on and to test on.
pub struct Category {
    pub train: Vec<RgbImage>,
    /// The good ones first.
    pub test: Vec<Piece>,
}

/// Draws so many images to train on, and so many of each kind to test on.
pub fn category(train: usize, test: usize, seed: u64) -> Category {
    let mut rng = StdRng::seed_from_u64(seed);
    let train = (0..train).map(|_| fabric(&mut rng)).collect();
    let kinds = KINDS
        .iter()
        .flat_map(|kind| std::iter::repeat_n(kind, test));
    let piece = |(defect, add): &(&'static str, AddDefect)| {
        let (mut image, mut mask) = (fabric(&mut rng), RgbImage::new(SIZE, SIZE));
        add(&mut image, &mut mask, &mut rng);
        Piece {
            defect,
            image,
            mask,
        }
    };
    let test = kinds.map(piece).collect();
    Category { train, test }
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
