//! MobileNet v1, a small network whose first layers make a teacher's features quickly. Howard et al.,
//! *MobileNets*, arXiv:1704.04861, Table 1, at width 1.0 and without its last block and classifier.

use std::path::Path;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Tensor, backend::Backend};

use crate::error::{Error, Result};
use crate::features::FeatureMap;
use crate::features::weights::TensorFile;

/// Output channels and stride of each block.
const BLOCKS: [(usize, usize); 12] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
];
/// Channels of the first convolution.
const STEM: usize = 32;
/// Where activations end.
const CEILING: f32 = 6.0;

/// MobileNet v1 with its batch normalisation folded into the convolutions.
#[derive(Module, Debug)]
pub struct MobileNetV1<B: Backend> {
    stem: Conv2d<B>,
    depthwise: Vec<Conv2d<B>>,
    pointwise: Vec<Conv2d<B>>,
}

impl<B: Backend> MobileNetV1<B> {
    /// The network with random weights.
    pub fn new(device: &B::Device) -> Self {
        let mut inputs = STEM;
        let (mut depthwise, mut pointwise) = (Vec::new(), Vec::new());
        for (outputs, stride) in BLOCKS {
            let config = Conv2dConfig::new([inputs; 2], [3; 2]).with_groups(inputs);
            depthwise.push(config.with_stride([stride; 2]).init(device));
            pointwise.push(Conv2dConfig::new([inputs, outputs], [1; 2]).init(device));
            inputs = outputs;
        }
        let stem = Conv2dConfig::new([3, STEM], [3; 2]).with_stride([2; 2]);
        Self {
            stem: stem.init(device),
            depthwise,
            pointwise,
        }
    }

    /// The network with the weights of a safetensors or, with feature `pytorch`, a PyTorch file: `conv1`, `conv_dw_1` …
    /// `conv_dw_12` and `conv_pw_1` … `conv_pw_12`, `.weight` (depthwise `[channels, 1, 3, 3]`) and
    /// `.bias` each, batch normalisation folded.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or [`Error::Format`] with every missing, misshapen or unknown tensor.
    pub fn load(path: impl AsRef<Path>, device: &B::Device) -> Result<Self> {
        const PARTS: [(&str, &str); 2] = [("conv_dw_", "depthwise."), ("conv_pw_", "pointwise.")];
        let inside = |name: &str| {
            if let Some(rest) = name.strip_prefix("conv1.") {
                return format!("stem.{rest}");
            }
            let known = PARTS.iter().find_map(|(outside, inside)| {
                let (number, rest) = name.strip_prefix(outside)?.split_once('.')?;
                let number = number.parse::<usize>().ok()?.checked_sub(1)?;
                Some(format!("{inside}{number}.{rest}"))
            });
            known.unwrap_or_else(|| name.to_string())
        };
        let outside = |path: &str| {
            if let Some(rest) = path.strip_prefix("stem.") {
                return format!("conv1.{rest}");
            }
            let known = PARTS.iter().find_map(|(outside, inside)| {
                let (index, rest) = path.strip_prefix(inside)?.split_once('.')?;
                Some(format!(
                    "{outside}{}.{rest}",
                    index.parse::<usize>().ok()? + 1
                ))
            });
            known.unwrap_or_else(|| path.to_string())
        };
        TensorFile::read(path.as_ref())?
            .renamed(inside)
            .fill(Self::new(device), outside)
    }

    pub(super) fn check_blocks(blocks: &[usize]) -> Result<()> {
        let wrong = blocks.iter().find(|b| !(1..=BLOCKS.len()).contains(*b));
        match wrong {
            None => Ok(()),
            Some(wrong) => Err(Error::Setting {
                name: "block",
                value: wrong.to_string(),
                rule: "from 1 to 12",
            }),
        }
    }

    /// Channels and stride of the activations after a block.
    pub(super) fn map_of(block: usize) -> FeatureMap {
        let strides = BLOCKS.iter().take(block).map(|(_, stride)| stride);
        // The first convolution halves the image.
        FeatureMap::new(BLOCKS[block - 1].0, 2 * strides.product::<usize>())
    }

    /// The activations after some of the blocks, numbered from 1 to 12, in the order asked for.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, RGB values in [0, 1]
    /// - outputs: `[batch, channels, h, w]`; for 256 × 256 pixels, block 1 gives 64 × 128 × 128,
    ///   3: 128 × 64 × 64, 5: 256 × 32 × 32, 11: 512 × 16 × 16
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for another block.
    pub fn forward(&self, image: Tensor<B, 4>, blocks: &[usize]) -> Result<Vec<Tensor<B, 4>>> {
        Self::check_blocks(blocks)?;
        let deepest = blocks.iter().copied().max().unwrap_or(0);
        let mut x = activate(self.stem.forward(padded(image * 2.0 - 1.0, 2)));
        let mut outputs = Vec::new();
        let layers = self.depthwise.iter().zip(&self.pointwise).zip(BLOCKS);
        for ((depthwise, pointwise), (_, stride)) in layers.take(deepest) {
            x = activate(depthwise.forward(padded(x, stride)));
            x = activate(pointwise.forward(x));
            outputs.push(x.clone());
        }
        Ok(blocks
            .iter()
            .map(|block| outputs[block - 1].clone())
            .collect())
    }
}

fn activate<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    x.clamp(0.0, CEILING)
}

/// Zeros around an image for a convolution of 3 × 3, TensorFlow's `SAME`: as many outputs as inputs
/// over the stride, and where the zeros cannot be the same on both sides, the more at the end.
fn padded<B: Backend>(x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    let zeros = |size: usize| {
        let total = ((size.div_ceil(stride) - 1) * stride + 3).saturating_sub(size);
        (total / 2, total.div_ceil(2))
    };
    let ((top, bottom), (left, right)) = (zeros(height), zeros(width));
    x.pad((left, right, top, bottom), 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::cases;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    /// The definition of a strided, zero-padded 3 × 3 convolution of one channel.
    fn plain(image: &[f32], side: usize, kernel: &[f32], stride: usize, before: usize) -> Vec<f32> {
        let out = side.div_ceil(stride);
        let value = |i: usize, j: usize, k: usize| {
            let at = |o: usize, d: usize| (o * stride + d).checked_sub(before);
            match (at(i, k / 3), at(j, k % 3)) {
                (Some(y), Some(x)) if y < side && x < side => image[y * side + x] * kernel[k],
                _ => 0.0,
            }
        };
        (0..out * out)
            .map(|at| (0..9).map(|k| value(at / out, at % out, k)).sum())
            .collect()
    }

    #[test]
    fn padding_is_that_of_tensorflow() {
        let device = Default::default();
        for (side, stride, before) in [(8, 1, 1), (7, 1, 1), (8, 2, 0), (7, 2, 1)] {
            let image: Vec<f32> = (0..side * side).map(|i| ((i * 7) % 11) as f32).collect();
            let kernel: Vec<f32> = (0..9).map(|i| (i * i) as f32 - 20.0).collect();
            let data = TensorData::new(image.clone(), [1, 1, side, side]);
            let mut conv: Conv2d<Flex> = Conv2dConfig::new([1, 1], [3; 2])
                .with_stride([stride; 2])
                .with_bias(false)
                .init(&device);
            let weight = TensorData::new(kernel.clone(), [1, 1, 3, 3]);
            conv.weight = burn::module::Param::from_data(weight, &device);
            let found = conv.forward(padded(Tensor::from_data(data, &device), stride));
            let found: Vec<f32> = found.into_data().iter::<f32>().collect();
            assert_eq!(found, plain(&image, side, &kernel, stride, before));
        }
    }

    #[test]
    fn taps_have_their_sizes_in_the_order_asked_for() {
        let network = MobileNetV1::<Flex>::new(&Default::default());
        let image = Tensor::zeros([2, 3, 64, 70], &Default::default());
        let taps = network.forward(image.clone(), &[5, 3]).unwrap();
        assert_eq!(taps[0].dims(), [2, 256, 8, 9]);
        assert_eq!(taps[1].dims(), [2, 128, 16, 18]);
        assert!(network.forward(image.clone(), &[13]).is_err());
        assert!(network.forward(image, &[]).unwrap().is_empty());
    }

    /// `tests/cases/mobilenet.py` recorded them.
    #[test]
    fn activations_are_those_of_pytorch() {
        let case = &cases::read(include_str!("../../tests/cases/mobilenet.json"))["mobilenet_v1"];
        let (_folder, weights) = case.weights();
        let network = MobileNetV1::<Flex>::load(weights, &Default::default()).unwrap();
        let blocks: Vec<usize> = (1..=BLOCKS.len()).collect();
        let taps = network.forward(case.image(), &blocks).unwrap();
        for (block, tap) in blocks.iter().zip(taps) {
            case.check(&block.to_string(), tap, 5e-5);
        }
    }
}
