//! What users bring: images, a teacher, a threshold.

use burn::backend::Flex;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Tensor, activation::relu, backend::Backend};
use hypad::data::{ImageSource, Sample};
use hypad::detect::{CalibrationScores, F1Threshold, ThresholdPolicy};
use hypad::features::weights::Tensors;
use hypad::features::{FeatureExtractor, FeatureMap};
use hypad::image::{DynamicImage, Rgb, RgbImage};
use hypad::methods::hypad::{HypAd, Projection};
use hypad::training::RunOptions;
use hypad::{Detector, HypAdConfig, ImageSize, Result, TrainConfig, Trainer};

/// Three convolutions.
#[derive(Module, Debug)]
struct Tiny<B: Backend> {
    layers: Vec<Conv2d<B>>,
}

impl<B: Backend> Tiny<B> {
    fn new(device: &B::Device) -> Self {
        let conv = |channels| Conv2dConfig::new(channels, [3, 3]).with_stride([2, 2]);
        let layers = [[3, 8], [8, 16], [16, 24]].map(|channels| conv(channels).init(device));
        let tiny = Self {
            layers: layers.into(),
        };
        // By its record: Burn draws weights when they are first used.
        let record = tiny.clone().into_record();
        tiny.load_record(record)
    }
}

impl<B: Backend> FeatureExtractor<B> for Tiny<B> {
    fn name(&self) -> String {
        "tiny".into()
    }

    fn maps(&self) -> Vec<FeatureMap> {
        vec![FeatureMap::new(16, 4), FeatureMap::new(24, 8)]
    }

    fn forward(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>> {
        let mut maps = Vec::new();
        let mut x = images;
        for layer in &self.layers {
            x = relu(layer.forward(x));
            maps.push(x.clone());
        }
        Ok(maps.split_off(1))
    }

    fn tensors(&self) -> Result<Tensors> {
        Tensors::of(self)
    }
}

/// Pictures of one colour each.
struct Colours(usize);

impl ImageSource for Colours {
    fn len(&self) -> usize {
        self.0
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let image = RgbImage::from_fn(90, 70, |x, y| {
            Rgb([(x * 2) as u8, (y * 3) as u8, 20 * index as u8])
        });
        let name = format!("colour {index}");
        Ok(Sample::new(DynamicImage::ImageRgb8(image), name))
    }
}

#[derive(Debug)]
struct Fixed(f32);

impl ThresholdPolicy for Fixed {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        assert_eq!((scores.good.len(), scores.defective.len()), (2, 0));
        Ok(self.0)
    }
}

#[test]
fn images_teacher_and_threshold_are_the_users() {
    let device = Default::default();
    let tiny = Tiny::<Flex>::new(&device);
    let config = HypAdConfig {
        channels: 40,
        projection: Projection::ChannelPooling(10),
        image_size: ImageSize::square(128),
        ..HypAdConfig::small()
    };
    let recipe = TrainConfig {
        steps: 3,
        validation: 0.3,
        ..TrainConfig::fast()
    };
    let trainer = Trainer::<Flex>::new(config.clone(), recipe.clone())
        .with_teacher(tiny.clone())
        .with_penalty(Colours(2))
        .with_threshold(Fixed(0.7))
        .with_options(RunOptions::quiet());
    let trained = trainer.fit(&Colours(6), &device).unwrap();
    assert_eq!(trained.losses.len(), 3);
    assert_eq!(trained.detector.threshold(), 0.7);
    let policy = trained.detector.threshold_policy();
    assert_eq!(policy, Some("Fixed(0.7)"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained.save(&path).unwrap();
    let error = Detector::<Flex>::load(&path, &device).unwrap_err();
    assert!(error.to_string().contains("teacher = tiny"), "{error}");
    let load = |teacher: Tiny<Flex>| {
        Detector::<Flex>::load_with(&path, &device, |method, parts| {
            assert_eq!(method, "hypad");
            HypAd::from_parts_with(parts, teacher, &device)
        })
    };
    let loaded = load(tiny.clone()).unwrap();
    let image = Colours(9).load(8).unwrap().image;
    let found = trained.detector.predict(&image).unwrap();
    assert_eq!(loaded.predict(&image).unwrap(), found);
    assert_eq!(found.map.size(), ImageSize::new(90, 70));
    // A rule that needs defects, afterwards.
    let mut detector = loaded.clone();
    let scores = CalibrationScores::good(&[0.1, 0.2]).with_defective(&[0.5, 0.9]);
    let chosen = detector.choose_threshold(&F1Threshold, scores).unwrap();
    assert_eq!((chosen, detector.threshold()), (0.5, 0.5));
    assert_eq!(detector.threshold_policy(), Some("the largest F1 score"));
    // Other weights.
    let error = load(Tiny::new(&device)).unwrap_err().to_string();
    assert!(error.contains("was trained with tiny"), "{error}");

    // Another number of channels.
    let wide = HypAdConfig {
        channels: 48,
        projection: Projection::ChannelPooling(12),
        ..config
    };
    let trainer = Trainer::<Flex>::new(wide, recipe).with_teacher(tiny);
    let error = trainer.fit(&Colours(6), &device).unwrap_err().to_string();
    assert!(error.contains("40 channels"), "{error}");
}
