//! Activations recorded from PyTorch for weights and an image given by a formula: the Rust half of
//! `tests/cases/formula.py`, which states the same formula.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use tempfile::TempDir;

/// One network of `tests/cases/*.json`.
#[derive(Deserialize)]
pub struct Case {
    /// Variance of a convolution's weights times the number of inputs of an output.
    gain: f64,
    /// Shapes of the weights by their names in the file.
    tensors: BTreeMap<String, Vec<usize>>,
    /// Height and width.
    image: [usize; 2],
    layers: BTreeMap<String, Activations>,
}

#[derive(Deserialize)]
struct Activations {
    shape: [usize; 4],
    mean: f64,
    std: f64,
    /// `values` are those at 0, `step`, 2 `step`, …
    step: usize,
    values: Vec<f64>,
}

/// The cases of a JSON text by the names of their networks.
pub fn read(json: &str) -> BTreeMap<String, Case> {
    serde_json::from_str(json).unwrap()
}

impl Case {
    /// A file with the weights.
    pub fn weights(&self) -> (TempDir, PathBuf) {
        let tensors = self.tensors.iter().map(|(name, shape)| {
            let inputs = shape.iter().skip(1).product::<usize>() as f64;
            let bound = (3.0 * self.gain / inputs).sqrt();
            let value = |u: f64| match name {
                _ if shape.len() == 4 => (2.0 * u - 1.0) * bound,
                name if name.ends_with(".running_var") => 0.5 + 1.5 * u,
                name if name.ends_with(".weight") => 0.3 + 0.6 * u,
                _ => 0.4 * u - 0.2,
            };
            let values = uniform(name, shape.iter().product());
            (name.as_str(), values.map(value).collect(), shape.clone())
        });
        file(tensors.collect())
    }

    /// `[1, 3, height, width]`.
    pub fn image(&self) -> Tensor<Flex, 4> {
        let [height, width] = self.image;
        let values = uniform("image", 3 * height * width).map(|u| (256.0 * u).floor() / 255.0);
        let values: Vec<f32> = values.map(|value| value as f32).collect();
        let data = TensorData::new(values, [1, 3, height, width]);
        Tensor::from_data(data, &Default::default())
    }

    /// Compares the activations of a layer; errors are relative to its standard deviation.
    pub fn check(&self, layer: &str, found: Tensor<Flex, 4>, tolerance: f64) {
        let expected = &self.layers[layer];
        assert_eq!(found.dims(), expected.shape, "{layer}");
        let found: Vec<f64> = found.into_data().iter::<f64>().collect();
        let count = found.len() as f64;
        let mean = found.iter().sum::<f64>() / count;
        let squares = found.iter().map(|value| (value - mean).powi(2));
        let std = (squares.sum::<f64>() / count).sqrt();
        let samples: Vec<f64> = found.into_iter().step_by(expected.step).collect();
        assert_eq!(samples.len(), expected.values.len(), "{layer}");
        let summary = [("mean", mean, expected.mean), ("std", std, expected.std)];
        let values = samples.into_iter().zip(&expected.values);
        let values = values.map(|(found, expected)| ("value", found, *expected));
        for (what, found, theirs) in summary.into_iter().chain(values) {
            let error = (found - theirs).abs() / expected.std;
            assert!(error < tolerance, "{layer}, {what}: {found}, not {theirs}");
        }
    }
}

/// Values in [0, 1), multiples of 2⁻²⁴: a 32-bit mixer (C. Wellons's `lowbias32`) of the name's FNV-1a
/// hash and the index.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = |seed: u32, byte: u8| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let seed = name.bytes().fold(0x811C_9DC5, hash);
    (0..count as u32).map(move |index| {
        let mut x = index.wrapping_mul(0x9E37_79B9).wrapping_add(seed);
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        f64::from((x ^ (x >> 16)) >> 8) / f64::from(1 << 24)
    })
}

/// A safetensors file of f32 tensors: name, values, shape.
pub fn file(tensors: Vec<(&str, Vec<f64>, Vec<usize>)>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, values, _)| values.iter().flat_map(|v| (*v as f32).to_le_bytes()))
        .map(Iterator::collect)
        .collect();
    let views = tensors.into_iter().zip(&bytes);
    let views = views.map(|((name, _, shape), bytes)| {
        (name, TensorView::new(Dtype::F32, shape, bytes).unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (folder, path)
}

#[test]
fn the_formula_is_that_of_python() {
    let found = uniform("conv1.weight", 3).map(|u| u * f64::from(1 << 24));
    let found: Vec<f64> = found.collect();
    assert_eq!(found, [4_135_106.0, 410_562.0, 10_717_488.0]);
}
