//! A picture of an embedding in two dimensions.

use hypad::geometry::scalar;
use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use crate::tree::Tree;

/// Side of the picture in pixels.
const SIZE: u32 = 1200;
/// Radius of the disk, or of the farthest point of a plane, as a fraction of half a side.
const RADIUS: f32 = 0.96;

/// The position at which a point of the ball is drawn.
#[derive(Clone, Copy, PartialEq)]
pub enum Chart {
    /// Its own coordinates, in the disk of curvature −c or, for c = 0, in the plane.
    Ball,
    /// Its logarithm in the tangent plane at the origin, which has the same distance from the origin.
    Tangent,
}

/// Draws the edges of the tree as geodesics and the nodes as dots, from orange at the root to blue
/// at the deepest leaves. Returns a PNG.
pub fn draw(tree: &Tree, points: &[[f64; 2]], c: f64, chart: Chart) -> Option<Vec<u8>> {
    let mut canvas = Pixmap::new(SIZE, SIZE)?;
    canvas.fill(Color::WHITE);
    let disk = chart == Chart::Ball && c > 0.0;
    let radius = if disk {
        1.0 / c.sqrt()
    } else {
        let lengths = points
            .iter()
            .filter_map(|p| chart.at(p, c))
            .map(|[x, y]| x.hypot(y));
        lengths.fold(1e-9, f64::max)
    };
    let half = SIZE as f32 / 2.0;
    let to_pixels = |point: [f64; 2]| {
        let [x, y] = chart.at(&point, c)?;
        let scale = half * RADIUS / radius as f32;
        Some((half + x as f32 * scale, half - y as f32 * scale))
    };
    if disk {
        let boundary = PathBuilder::from_circle(half, half, half * RADIUS)?;
        canvas.fill_path(
            &boundary,
            &paint([245, 246, 250]),
            FillRule::Winding,
            identity(),
            None,
        );
        canvas.stroke_path(
            &boundary,
            &paint([120, 125, 140]),
            &line(2.0),
            identity(),
            None,
        );
    }
    let deepest = tree.depths.iter().copied().max().unwrap_or(0).max(1) as f32;
    let colour = |node: usize| {
        let part = tree.depths[node] as f32 / deepest;
        let mix = |from: f32, to: f32| (from + (to - from) * part) as u8;
        [mix(235.0, 40.0), mix(120.0, 70.0), mix(30.0, 170.0)]
    };
    for (child, parent) in tree.edges() {
        if let Some(path) = geodesic(points[parent], points[child], c, to_pixels) {
            canvas.stroke_path(&path, &paint(colour(child)), &line(1.2), identity(), None);
        }
    }
    for node in (0..tree.len()).rev() {
        let (x, y) = to_pixels(points[node])?;
        let size = if node == 0 { 8.0 } else { 3.0 };
        if let Some(dot) = PathBuilder::from_circle(x, y, size) {
            canvas.fill_path(
                &dot,
                &paint(colour(node)),
                FillRule::Winding,
                identity(),
                None,
            );
        }
    }
    canvas.encode_png().ok()
}

impl Chart {
    fn at(self, point: &[f64; 2], c: f64) -> Option<[f64; 2]> {
        let mut position = *point;
        if self == Self::Tangent {
            scalar::logmap0(point, c, &mut position).ok()?;
        }
        Some(position)
    }
}

fn geodesic(
    from: [f64; 2],
    to: [f64; 2],
    c: f64,
    to_pixels: impl Fn([f64; 2]) -> Option<(f32, f32)>,
) -> Option<Path> {
    const PIECES: usize = 24;
    let mut path = PathBuilder::new();
    let (x, y) = to_pixels(from)?;
    path.move_to(x, y);
    for piece in 1..=PIECES {
        let (mut scratch, mut point) = ([0.0; 2], [0.0; 2]);
        let t = piece as f64 / PIECES as f64;
        scalar::geodesic(t, &from, &to, c, &mut scratch, &mut point).ok()?;
        let (x, y) = to_pixels(point)?;
        path.line_to(x, y);
    }
    path.finish()
}

fn paint([red, green, blue]: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint.anti_alias = true;
    paint
}

fn line(width: f32) -> Stroke {
    Stroke {
        width,
        ..Stroke::default()
    }
}

fn identity() -> Transform {
    Transform::identity()
}
