//! A crate of its own on hypad's public API: images in a Burn data set, a network of three convolutions as
//! teacher, a rule for the threshold.
//!
//! ```text
//! cd examples/outside && cargo run --release
//! ```

use burn::backend::Flex;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Tensor, activation::relu, backend::Backend};
use hypad::data::FromDataset;
use hypad::detect::{CalibrationScores, ThresholdPolicy};
use hypad::features::weights::Tensors;
use hypad::features::{FeatureExtractor, FeatureMap};
use hypad::image::{DynamicImage, Rgb, RgbImage};
use hypad::methods::hypad::{HypAd, Projection};
use hypad::metrics::quantile;
use hypad::{Detector, HypAdConfig, ImageSize, TrainConfig, Trainer};

/// Three convolutions, random: what they describe is colours and edges.
#[derive(Module, Debug)]
struct Tiny<B: Backend> {
    layers: Vec<Conv2d<B>>,
}

impl<B: Backend> Tiny<B> {
    fn new(device: &B::Device) -> Self {
        let conv = |channels| Conv2dConfig::new(channels, [3, 3]).with_stride([2, 2]);
        let layers = [[3, 16], [16, 32], [32, 48]].map(|channels| conv(channels).init(device));
        let tiny = Self {
            layers: layers.into(),
        };
        // By its record: Burn draws weights when they are first used, a copy's again.
        let record = tiny.clone().into_record();
        tiny.load_record(record)
    }
}

impl<B: Backend> FeatureExtractor<B> for Tiny<B> {
    fn name(&self) -> String {
        "tiny".into()
    }

    fn maps(&self) -> Vec<FeatureMap> {
        vec![FeatureMap::new(48, 8)]
    }

    fn forward(&self, images: Tensor<B, 4>) -> hypad::Result<Vec<Tensor<B, 4>>> {
        let layer = |x, conv: &Conv2d<B>| relu(conv.forward(x));
        Ok(vec![self.layers.iter().fold(images, layer)])
    }

    fn tensors(&self) -> hypad::Result<Tensors> {
        Tensors::of(self)
    }
}

/// Twice the highest score of the good images that were held out.
#[derive(Debug)]
struct TwiceTheHighest;

impl ThresholdPolicy for TwiceTheHighest {
    fn threshold(&self, scores: CalibrationScores) -> hypad::Result<f32> {
        Ok(2.0 * quantile(scores.good, 1.0)? as f32)
    }
}

/// Stripes; a defect is a dark square in the middle.
fn stripes(phase: u32, defect: bool) -> DynamicImage {
    let image = RgbImage::from_fn(160, 160, |x, y| {
        let middle = |at: u32| (70..90).contains(&at);
        let level = match defect && middle(x) && middle(y) {
            true => 20,
            false => 140 + ((x + phase) % 16) as u8 * 4,
        };
        Rgb([level, level, 160])
    });
    DynamicImage::ImageRgb8(image)
}

fn main() -> hypad::Result<()> {
    let device = Default::default();
    let good = InMemDataset::new((0..96).map(|phase| stripes(phase, false)).collect());
    let config = HypAdConfig {
        channels: 48,
        projection: Projection::ChannelPooling(16),
        image_size: ImageSize::square(128),
        ..HypAdConfig::small()
    };
    let recipe = TrainConfig {
        steps: 200,
        // None can be copied from this teacher.
        copied_layers: 0,
        ..TrainConfig::fast()
    };
    let teacher = Tiny::<Flex>::new(&device);
    let trained = Trainer::<Flex>::new(config, recipe)
        .with_teacher(teacher.clone())
        .with_threshold(TwiceTheHighest)
        .fit(&FromDataset::new(good), &device)?;

    let path = std::env::temp_dir().join("hypad_outside.safetensors");
    trained.save(&path)?;
    let detector = Detector::<Flex>::load_with(&path, &device, |_, parts| {
        HypAd::from_parts_with(parts, teacher, &device)
    })?;
    for (phase, defect) in [(3, false), (9, false), (5, true), (12, true)] {
        let found = detector.predict(&stripes(phase, defect))?;
        println!(
            "defect {defect}: score {:.3}, threshold {:.3}",
            found.score,
            detector.threshold()
        );
    }
    Ok(())
}
