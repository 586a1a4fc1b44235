//! The initial points of the nodes: each child at the length of an edge from its parent.

use hypad::Result;
use hypad::geometry::scalar;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::tree::Tree;

/// Random directions tried for each child.
const CANDIDATES: usize = 256;

/// The initial coordinates of the nodes, row by row, in the ball of curvature −c or, for c = 0, in the
/// plane.
///
/// Each child lies on a geodesic of length `edge` from its parent, in the direction with the widest
/// angles to those of the grandparent and the siblings. With many candidates, in two dimensions, this is the
/// construction of Sarkar (*Low Distortion Delaunay Embedding of Trees in Hyperbolic Plane*, 2011).
pub fn initial_points(tree: &Tree, dim: usize, c: f64, edge: f64, seed: u64) -> Result<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut points = vec![0.0; tree.len() * dim];
    // The directions of the neighbours of each node.
    let mut taken: Vec<Vec<Vec<f64>>> = vec![Vec::new(); tree.len()];
    for (child, parent) in tree.edges() {
        let candidates = (0..CANDIDATES).map(|_| unit(&gaussian(dim, &mut random)));
        let direction = candidates
            .min_by(|a, b| {
                let [a, b] = [a, b].map(|direction| largest_cosine(direction, &taken[parent]));
                a.total_cmp(&b)
            })
            .unwrap_or_default();
        let from = points[parent * dim..(parent + 1) * dim].to_vec();
        let length = edge / scalar::lambda_x(&from, c)?;
        let tangent: Vec<f64> = direction.iter().map(|d| d * length).collect();
        let to = &mut points[child * dim..(child + 1) * dim];
        scalar::expmap(&from, &tangent, c, to)?;
        let mut back = vec![0.0; dim];
        scalar::logmap(to, &from, c, &mut back)?;
        taken[child].push(unit(&back));
        taken[parent].push(direction);
    }
    Ok(points)
}

/// The largest cosine with one of `taken`.
fn largest_cosine(direction: &[f64], taken: &[Vec<f64>]) -> f64 {
    let cosines = taken.iter().map(|other| dot(direction, other));
    cosines.fold(-1.0, f64::max)
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn unit(vector: &[f64]) -> Vec<f64> {
    let norm = dot(vector, vector).sqrt();
    vector.iter().map(|v| v / norm).collect()
}

/// A normal vector, by the transform of Box and Muller.
fn gaussian(dim: usize, random: &mut StdRng) -> Vec<f64> {
    let normal = |_| {
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
    };
    (0..dim).map(normal).collect()
}
