//! The weights of the maps of a model with several branches, chosen by planted defects.

use burn::backend::Flex;
use burn::tensor::{Tensor, backend::Backend};
use hypad::features::weights::Tensors;
use hypad::image::{DynamicImage, Rgb, RgbImage};
use hypad::methods::{AnomalyModel, Join, LoadModel, MapLayout, Method, ModelParts};
use hypad::training::{Run, RunOptions, TrainingImages};
use hypad::{Detector, ImageSize, Result, ScoreMap, Trainer};

const SIZE: ImageSize = ImageSize::square(64);

/// Two branches: how far pixels are from the mean image, and numbers that have nothing to do with defects.
#[derive(Debug)]
struct Sighted(Join);

#[derive(Debug)]
struct Model<B: Backend> {
    mean: Tensor<B, 4>,
    join: Join,
}

impl<B: Backend> Method<B> for Sighted {
    type Model = Model<B>;

    fn input_size(&self) -> ImageSize {
        SIZE
    }

    fn fit(
        &self,
        images: &TrainingImages,
        _: &mut Run<'_, Model<B>>,
        device: &B::Device,
    ) -> Result<Model<B>> {
        let all = Tensor::cat(images.tensors(device).collect(), 0);
        let (mean, join) = (all.mean_dim(0), self.0);
        Ok(Model { mean, join })
    }
}

impl<B: Backend> AnomalyModel<B> for Model<B> {
    fn method(&self) -> &str {
        Self::METHOD
    }

    fn input_size(&self) -> ImageSize {
        SIZE
    }

    fn map_layout(&self) -> MapLayout {
        MapLayout::new(["image and mean", "nothing"], SIZE).with_join(self.join)
    }

    fn raw_maps(&self, image: Tensor<B, 4>) -> Result<Vec<ScoreMap>> {
        let far = (image - self.mean.clone()).abs().mean_dim(1);
        let far: Vec<f32> = far.into_data().iter::<f32>().collect();
        let sum: f64 = far.iter().map(|value| f64::from(*value)).sum();
        let noise = |at: usize| ((sum * 1e4 + at as f64) * 12.9898).sin().abs() as f32;
        let mut nothing: Vec<f32> = (0..far.len()).map(noise).collect();
        // One pixel is far above the others, and by as much as chance has it.
        nothing[0] *= 1e4;
        Ok(vec![
            ScoreMap::new(far, SIZE)?,
            ScoreMap::new(nothing, SIZE)?,
        ])
    }

    fn to_parts(&self) -> Result<ModelParts> {
        let mut tensors = Tensors::new();
        tensors.insert("mean", self.mean.to_data());
        Ok(ModelParts {
            settings: Default::default(),
            tensors,
        })
    }
}

impl<B: Backend> LoadModel<B> for Model<B> {
    const METHOD: &'static str = "sighted";

    fn from_parts(mut parts: ModelParts, device: &B::Device) -> Result<Self> {
        Ok(Self {
            mean: Tensor::from_data(parts.tensors.take("mean")?, device),
            join: Join::PlantedDefects,
        })
    }
}

/// Slopes of light with a little noise.
fn pictures() -> Vec<DynamicImage> {
    let picture = |index: u32| {
        DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, y| {
            let noise = (x * 7 + y * 13 + index * 29) % 11;
            Rgb([(2 * x + y + noise) as u8, (x + 2 * y) as u8, (3 * x) as u8])
        }))
    };
    (0..40).map(picture).collect()
}

fn trained(join: Join) -> Detector<Flex> {
    let trainer = Trainer::<Flex, _>::of(Sighted(join)).with_options(RunOptions::quiet());
    trainer
        .fit(&pictures(), &Default::default())
        .unwrap()
        .detector
}

#[test]
fn a_branch_that_sees_nothing_counts_for_nothing() {
    assert_eq!(trained(Join::Mean).weights(), [0.5, 0.5]);
    let detector = trained(Join::PlantedDefects);
    assert_eq!(detector.weights(), [1.0, 0.0]);

    // The map is that of the first branch, from the file as well.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    detector.save(&path).unwrap();
    let loaded = Detector::<Flex>::load_as::<Model<Flex>>(&path, &Default::default()).unwrap();
    let image = &pictures()[3];
    let maps = detector.maps(image).unwrap();
    for detector in [&detector, &loaded] {
        assert_eq!(detector.predict(image).unwrap().map, maps[0]);
    }
}

#[test]
fn weights_that_make_no_mean_are_refused() {
    let mut detector = trained(Join::Mean);
    for wrong in [
        vec![1.0],
        vec![0.5, 0.6],
        vec![1.5, -0.5],
        vec![f32::NAN, 1.0],
        vec![0.0, 0.0],
    ] {
        let error = detector.set_weights(wrong.clone()).unwrap_err().to_string();
        assert!(error.contains("weights"), "{wrong:?}: {error}");
    }
    detector.set_weights(vec![0.25, 0.75]).unwrap();
    assert_eq!(detector.weights(), [0.25, 0.75]);
}
