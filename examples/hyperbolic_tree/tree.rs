//! A random tree, and measures of how well an embedding represents it.

use std::collections::VecDeque;

use hypad::Result;
use hypad::metrics::average_precision;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// A rooted tree; node 0 is the root.
pub struct Tree {
    /// The parent of each node; the root is its own.
    pub parents: Vec<usize>,
    /// Number of edges from the root to each node.
    pub depths: Vec<usize>,
}

impl Tree {
    /// Expands random leaves into two to seven children until there are `nodes` nodes: wide like a
    /// taxonomy, and of uneven depth.
    pub fn random(nodes: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut parents, mut depths, mut leaves) = (vec![0], vec![0], vec![0]);
        while parents.len() < nodes {
            let leaf = leaves.swap_remove(random.random_range(0..leaves.len()));
            let missing = nodes - parents.len();
            for _ in 0..random.random_range(2..=7).min(missing) {
                leaves.push(parents.len());
                parents.push(leaf);
                depths.push(depths[leaf] + 1);
            }
        }
        Self { parents, depths }
    }

    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Pairs of a child and its parent.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.parents.iter().copied().enumerate().skip(1)
    }

    /// The number of edges between every two nodes, row by row.
    pub fn distances(&self) -> Vec<f64> {
        let n = self.len();
        let mut neighbours = vec![Vec::new(); n];
        for (child, parent) in self.edges() {
            neighbours[child].push(parent);
            neighbours[parent].push(child);
        }
        let mut distances = vec![f64::INFINITY; n * n];
        for start in 0..n {
            let row = &mut distances[start * n..(start + 1) * n];
            row[start] = 0.0;
            let mut queue = VecDeque::from([start]);
            while let Some(node) = queue.pop_front() {
                for &next in &neighbours[node] {
                    if row[next].is_infinite() {
                        row[next] = row[node] + 1.0;
                        queue.push_back(next);
                    }
                }
            }
        }
        distances
    }
}

/// Measures of how well an embedding represents the tree.
pub struct Fidelity {
    /// Mean over the nodes of the average precision with which the nearest points are neighbours.
    pub mean_average_precision: f64,
    /// Mean of |a d/g − 1| over all pairs, d the distance in the space, g the one in the tree, and
    /// a the scale that makes it least in squares.
    pub distortion: f64,
    /// The largest d/g over the smallest.
    pub worst_distortion: f64,
}

impl Fidelity {
    /// Compares two matrices of distances.
    pub fn of(embedded: &[f64], tree: &[f64], nodes: usize) -> Result<Self> {
        let mut precision = 0.0;
        let (mut sum, mut squares) = (0.0, 0.0);
        let (mut least, mut largest) = (f64::INFINITY, 0.0_f64);
        let ratio = |i: usize, j: usize| embedded[i * nodes + j] / tree[i * nodes + j];
        for i in 0..nodes {
            let others: Vec<usize> = (0..nodes).filter(|j| *j != i).collect();
            let at = |j: &usize| i * nodes + j;
            let nearness: Vec<f32> = others.iter().map(|j| -embedded[at(j)] as f32).collect();
            let neighbours: Vec<bool> = others.iter().map(|j| tree[at(j)] == 1.0).collect();
            precision += if neighbours.iter().all(|neighbour| *neighbour) {
                1.0
            } else {
                average_precision(&nearness, &neighbours)?
            };
            for j in others {
                let ratio = ratio(i, j);
                sum += ratio;
                squares += ratio * ratio;
                least = least.min(ratio);
                largest = largest.max(ratio);
            }
        }
        let scale = sum / squares;
        let pairs = (nodes * (nodes - 1)) as f64;
        let mut distortion = 0.0;
        for i in 0..nodes {
            for j in (0..nodes).filter(|j| *j != i) {
                distortion += (scale * ratio(i, j) - 1.0).abs();
            }
        }
        Ok(Self {
            mean_average_precision: precision / nodes as f64,
            distortion: distortion / pairs,
            worst_distortion: largest / least,
        })
    }
}
