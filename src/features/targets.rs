//! Targets of a distillation: feature maps of a backbone, a quarter of the image's size.

use burn::tensor::module::{adaptive_avg_pool1d, interpolate, unfold4d};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, UnfoldOptions};
use burn::tensor::{Tensor, backend::Backend};

use super::{MobileNetV1, ResNet};
use crate::error::Result;

/// Channels of the targets, and of a teacher.
pub const TARGET_CHANNELS: usize = 384;
/// Length of each layer's vector in the published recipe.
const LAYER_CHANNELS: usize = 1024;
/// The blocks of MobileNet that the light recipe uses: 128 and 256 channels.
const LIGHT_BLOCKS: [usize; 2] = [3, 5];

/// A backbone with the recipe that makes targets of its features.
#[derive(Debug)]
pub enum Targets<B: Backend> {
    /// Blocks 3 and 5 of MobileNet v1, the latter enlarged, one after the other: quick, and good
    /// enough to begin with.
    Light(MobileNetV1<B>),
    /// The published recipe, for WideResNet-101-2: 3 × 3 neighbourhoods of `layer2` and `layer3`,
    /// averaged to 1024 values each and together to 384. Batzner et al., *EfficientAD*, WACV 2024,
    /// Algorithm 3; the pooling is that of PatchCore (Roth et al., CVPR 2022).
    Published(ResNet<B>),
}

impl<B: Backend> Targets<B> {
    /// How much larger the image must be than the teacher's.
    pub fn magnification(&self) -> usize {
        match self {
            Targets::Light(_) => 1,
            Targets::Published(_) => 2,
        }
    }

    /// The targets of an image, for a teacher that sees it at side / magnification.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, m·height, m·width]`, RGB values in [0, 1], m the
    ///   [`magnification`](Self::magnification); height and width are multiples of 8
    /// - output: `[batch, 384, height / 4, width / 4]`
    ///
    /// # Errors
    ///
    /// None expected.
    pub fn forward(&self, image: Tensor<B, 4>) -> Result<Tensor<B, 4>> {
        let size = |x: &Tensor<B, 4>| {
            let [_, _, h, w] = x.dims();
            [h, w]
        };
        match self {
            Targets::Light(network) => {
                let mut taps = network.forward(image, &LIGHT_BLOCKS)?.into_iter();
                let (fine, coarse) = (taps.next(), taps.next());
                let taps = fine.into_iter().flat_map(|fine| {
                    let size = size(&fine);
                    [
                        Some(fine),
                        coarse.clone().map(|coarse| enlarge(coarse, size)),
                    ]
                });
                Ok(Tensor::cat(taps.flatten().collect(), 1))
            }
            Targets::Published(network) => {
                let [fine, coarse] = network.forward(image);
                let size = size(&fine);
                let fine = neighbourhoods(fine);
                // Both are linear, so that the small map may be pooled before it is enlarged.
                let coarse = enlarge(neighbourhoods(coarse), size);
                let [batch, channels, h, w] = fine.dims();
                let vectors = Tensor::cat(vec![fine, coarse], 1);
                let vectors = vectors.reshape([batch, 2 * channels, h * w]);
                Ok(pool(vectors, TARGET_CHANNELS).reshape([batch, TARGET_CHANNELS, h, w]))
            }
        }
    }
}

/// The 3 × 3 neighbourhood of each location, zeros beyond the border, averaged to 1024 values.
fn neighbourhoods<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [batch, _, h, w] = x.dims();
    let vectors = unfold4d(x, [3, 3], UnfoldOptions::new([1, 1], [1, 1], [1, 1]));
    pool(vectors, LAYER_CHANNELS).reshape([batch, LAYER_CHANNELS, h, w])
}

/// Averages the vectors along axis 1 to another length.
fn pool<B: Backend>(x: Tensor<B, 3>, length: usize) -> Tensor<B, 3> {
    adaptive_avg_pool1d(x.swap_dims(1, 2), length).swap_dims(1, 2)
}

fn enlarge<B: Backend>(x: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    interpolate(x, size, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::ResNetConfig;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    #[test]
    fn targets_are_a_quarter_of_the_teachers_image() {
        let device = Default::default();
        let light = Targets::<Flex>::Light(MobileNetV1::new(&device));
        let found = light.forward(Tensor::zeros([2, 3, 64, 48], &device));
        assert_eq!(found.unwrap().dims(), [2, 384, 16, 12]);
        let config = ResNetConfig {
            bottleneck: true,
            blocks: [1; 3],
            widening: 1,
        };
        let published = Targets::<Flex>::Published(config.init(&device));
        let found = published.forward(Tensor::zeros([1, 3, 64, 64], &device));
        assert_eq!(found.unwrap().dims(), [1, 384, 8, 8]);
    }

    /// 512 channels of 3 × 3 are averaged to 1024 values: 4.5 each, the bins overlapping.
    #[test]
    fn neighbourhoods_are_flattened_channel_by_channel() {
        let device = Default::default();
        let values: Vec<f32> = (0..512 * 4).map(|i| ((i * 31) % 97) as f32).collect();
        let data = TensorData::new(values.clone(), [1, 512, 2, 2]);
        let found = neighbourhoods(Tensor::<Flex, 4>::from_data(data, &device)).into_data();
        let found: Vec<f32> = found.iter::<f32>().collect();
        for (y, x) in [(0, 0), (1, 0), (1, 1)] {
            let value = |place: usize| {
                let (channel, dy, dx) = (place / 9, place / 3 % 3, place % 3);
                let (v, u) = (y + dy, x + dx);
                let inside = (1..3).contains(&v) && (1..3).contains(&u);
                if inside {
                    values[channel * 4 + (v - 1) * 2 + u - 1]
                } else {
                    0.0
                }
            };
            for bin in [0_usize, 1, 2, 500, 1023] {
                let (from, to) = (bin * 4608 / 1024, ((bin + 1) * 4608).div_ceil(1024));
                let mean = (from..to).map(value).sum::<f32>() / (to - from) as f32;
                let ours = found[bin * 4 + y * 2 + x];
                assert!((ours - mean).abs() < 1e-3, "{ours} {mean}");
            }
        }
    }
}
