//! A picture of an embedding in two dimensions.

use hypad::geometry::scalar;
use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use crate::tree::Tree;

/// Pixels of a side.
const SIZE: u32 = 1200;
/// Part of the half side that the disk, or the farthest point of a plane, reaches.
const REACH: f32 = 0.96;

/// Where a point of the ball is drawn.
#[derive(Clone, Copy, PartialEq)]
pub enum Chart {
    /// Where it lies: in the disk of curvature −c, or in the plane for c = 0.
    Ball,
    /// In the tangent plane at the origin: as far from it as in the space.
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
    let place = |point: [f64; 2]| {
        let [x, y] = chart.at(&point, c)?;
        let scale = half * REACH / radius as f32;
        Some((half + x as f32 * scale, half - y as f32 * scale))
    };
    if disk {
        let rim = PathBuilder::from_circle(half, half, half * REACH)?;
        canvas.fill_path(
            &rim,
            &paint([245, 246, 250]),
            FillRule::Winding,
            still(),
            None,
        );
        canvas.stroke_path(&rim, &paint([120, 125, 140]), &line(2.0), still(), None);
    }
    let deepest = tree.depths.iter().copied().max().unwrap_or(0).max(1) as f32;
    let colour = |node: usize| {
        let part = tree.depths[node] as f32 / deepest;
        let mix = |from: f32, to: f32| (from + (to - from) * part) as u8;
        [mix(235.0, 40.0), mix(120.0, 70.0), mix(30.0, 170.0)]
    };
    for (child, parent) in tree.edges() {
        if let Some(path) = geodesic(points[parent], points[child], c, place) {
            canvas.stroke_path(&path, &paint(colour(child)), &line(1.2), still(), None);
        }
    }
    for node in (0..tree.len()).rev() {
        let (x, y) = place(points[node])?;
        let size = if node == 0 { 8.0 } else { 3.0 };
        if let Some(dot) = PathBuilder::from_circle(x, y, size) {
            canvas.fill_path(&dot, &paint(colour(node)), FillRule::Winding, still(), None);
        }
    }
    canvas.encode_png().ok()
}

impl Chart {
    fn at(self, point: &[f64; 2], c: f64) -> Option<[f64; 2]> {
        let mut place = *point;
        if self == Self::Tangent {
            scalar::logmap0(point, c, &mut place).ok()?;
        }
        Some(place)
    }
}

fn geodesic(
    from: [f64; 2],
    to: [f64; 2],
    c: f64,
    place: impl Fn([f64; 2]) -> Option<(f32, f32)>,
) -> Option<Path> {
    const PIECES: usize = 24;
    let mut path = PathBuilder::new();
    let (x, y) = place(from)?;
    path.move_to(x, y);
    for piece in 1..=PIECES {
        let (mut scratch, mut point) = ([0.0; 2], [0.0; 2]);
        let t = piece as f64 / PIECES as f64;
        scalar::geodesic(t, &from, &to, c, &mut scratch, &mut point).ok()?;
        let (x, y) = place(point)?;
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

fn still() -> Transform {
    Transform::identity()
}
