//! The backbones of this crate as feature extractors.

use burn::tensor::{Tensor, backend::Backend};

use super::extractor::{FeatureExtractor, FeatureMap};
use super::mobilenet::MobileNetV1;
use super::resnet::ResNet;
use super::weights::Tensors;
use crate::data::image::{IMAGENET_MEAN, IMAGENET_STD};
use crate::error::Result;

/// RGB values in \[0, 1\] of ImageNet-normalised images.
pub(crate) fn without_normalisation<B: Backend>(images: Tensor<B, 4>) -> Tensor<B, 4> {
    let device = images.device();
    let constant =
        |values: [f32; 3]| Tensor::<B, 1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
    images * constant(IMAGENET_STD) + constant(IMAGENET_MEAN)
}

/// Some blocks of a MobileNet v1 as feature maps. Made by [`MobileNetV1::with_blocks`].
#[derive(Clone, Debug)]
pub struct MobileNetBlocks<B: Backend> {
    network: MobileNetV1<B>,
    blocks: Vec<usize>,
}

impl<B: Backend> MobileNetV1<B> {
    /// The network as an extractor of the activations after these blocks, numbered from 1 to 12.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for another block.
    pub fn with_blocks(self, blocks: &[usize]) -> Result<MobileNetBlocks<B>> {
        Self::check_blocks(blocks)?;
        Ok(MobileNetBlocks {
            network: self,
            blocks: blocks.to_vec(),
        })
    }
}

impl<B: Backend> FeatureExtractor<B> for MobileNetBlocks<B> {
    fn name(&self) -> String {
        format!("MobileNet v1, blocks {:?}", self.blocks)
    }

    fn maps(&self) -> Vec<FeatureMap> {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| MobileNetV1::<B>::map_of(*block))
            .collect()
    }

    fn forward(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>> {
        self.network
            .forward(without_normalisation(images), &self.blocks)
    }

    fn tensors(&self) -> Result<Tensors> {
        Tensors::of(&self.network)
    }
}

/// The second and the third stage.
impl<B: Backend> FeatureExtractor<B> for ResNet<B> {
    fn name(&self) -> String {
        let [second, third] = self.channels();
        format!("ResNet, stages of {second} and {third} channels")
    }

    fn maps(&self) -> Vec<FeatureMap> {
        let [second, third] = self.channels();
        vec![FeatureMap::new(second, 8), FeatureMap::new(third, 16)]
    }

    fn forward(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>> {
        Ok(ResNet::forward(self, without_normalisation(images)).into())
    }

    fn tensors(&self) -> Result<Tensors> {
        Tensors::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::ResNetConfig;
    use burn::backend::Flex;
    use burn::tensor::{Distribution, Tolerance};

    fn maps_are_as_they_say(network: &dyn FeatureExtractor<Flex>) -> Vec<Tensor<Flex, 4>> {
        let device = Default::default();
        let image = Tensor::random([1, 3, 64, 96], Distribution::Default, &device);
        let found = network.forward(image).unwrap();
        let maps = network.maps();
        assert_eq!(found.len(), maps.len());
        for (found, map) in found.iter().zip(maps) {
            let expected = [1, map.channels, 64 / map.stride, 96 / map.stride];
            assert_eq!(found.dims(), expected, "{}", network.name());
        }
        assert!(network.tensors().unwrap().names().count() > 10);
        found
    }

    #[test]
    fn backbones_are_extractors() {
        let device = Default::default();
        let mobilenet = MobileNetV1::<Flex>::new(&device);
        let blocks = mobilenet.clone().with_blocks(&[1, 3, 5, 11, 12]).unwrap();
        maps_are_as_they_say(&blocks);
        assert!(mobilenet.with_blocks(&[0]).is_err());
        for bottleneck in [false, true] {
            let config = ResNetConfig {
                bottleneck,
                blocks: [1; 3],
                widening: 1,
            };
            maps_are_as_they_say(&config.init::<Flex>(&device));
        }
    }

    #[test]
    fn normalisation_is_taken_back() {
        let device = Default::default();
        let normalised = [[[[-2.117_904_f32]], [[2.428_571_4]], [[0.0]]]];
        let unit = without_normalisation(Tensor::<Flex, 4>::from_floats(normalised, &device));
        let expected = burn::tensor::TensorData::from([[[[0.0_f32]], [[1.0]], [[0.406]]]]);
        unit.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
    }
}
