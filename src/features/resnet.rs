//! Residual networks up to their third stage: He et al., *Deep Residual Learning*, CVPR 2016, and
//! Zagoruyko, Komodakis, *Wide Residual Networks*, BMVC 2016, in the form of torchvision, whose
//! WideResNet-101-2 made EfficientAD's published teachers.

use std::path::Path;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::{Tensor, TensorData, activation::relu, backend::Backend};

use crate::data::image::{IMAGENET_MEAN, IMAGENET_STD};
use crate::error::Result;
use crate::features::weights::{TensorFile, Tensors};

/// ε that batch normalisation adds to the variance.
const EPSILON: f64 = 1e-5;
/// Channels of the first convolution and of the first stage, before any widening.
const BASE: usize = 64;
/// Parts of torchvision's files that lie behind the third stage.
const UNUSED: [&str; 2] = ["layer4.", "fc."];

/// Which residual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Three convolutions a block with four times the channels at its end, or two convolutions.
    pub bottleneck: bool,
    /// Blocks of the three stages.
    pub blocks: [usize; 3],
    /// How much wider the inner convolutions of a bottleneck are.
    pub widening: usize,
}

/// One convolution: its name and the name of its normalisation in the file, and its form.
struct Layer {
    conv: String,
    norm: String,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
}

impl Layer {
    fn init<B: Backend>(&self, device: &B::Device) -> Conv2d<B> {
        let padding = self.kernel / 2;
        Conv2dConfig::new(self.channels, [self.kernel; 2])
            .with_stride([self.stride; 2])
            .with_padding(PaddingConfig2d::Explicit(
                padding, padding, padding, padding,
            ))
            .init(device)
    }
}

/// The convolutions of a block, and of its shortcut if that has one.
struct Block {
    convs: Vec<Layer>,
    shortcut: Option<Layer>,
}

impl ResNetConfig {
    /// ResNet-18: 128 and 256 channels after the second and the third stage.
    pub fn resnet18() -> Self {
        Self {
            bottleneck: false,
            blocks: [2, 2, 2],
            widening: 1,
        }
    }

    /// WideResNet-101-2: 512 and 1024 channels.
    pub fn wide_resnet101_2() -> Self {
        Self {
            bottleneck: true,
            blocks: [3, 4, 23],
            widening: 2,
        }
    }

    /// Output channels of the three stages.
    pub fn channels(&self) -> [usize; 3] {
        [1, 2, 4].map(|times| times * BASE * if self.bottleneck { 4 } else { 1 })
    }

    fn stem(&self) -> Layer {
        Layer {
            conv: "conv1".into(),
            norm: "bn1".into(),
            channels: [3, BASE],
            kernel: 7,
            stride: 2,
        }
    }

    fn stages(&self) -> Vec<Vec<Block>> {
        let mut inputs = BASE;
        let stage = |(stage, outputs): (usize, usize)| {
            let block = |index: usize| {
                let name = format!("layer{}.{index}", stage + 1);
                let stride = if index == 0 && stage > 0 { 2 } else { 1 };
                let from = std::mem::replace(&mut inputs, outputs);
                let layer = |number: usize, channels, kernel, stride| Layer {
                    conv: format!("{name}.conv{number}"),
                    norm: format!("{name}.bn{number}"),
                    channels,
                    kernel,
                    stride,
                };
                let convs = if self.bottleneck {
                    let inner = outputs / 4 * self.widening;
                    vec![
                        layer(1, [from, inner], 1, 1),
                        layer(2, [inner, inner], 3, stride),
                        layer(3, [inner, outputs], 1, 1),
                    ]
                } else {
                    vec![
                        layer(1, [from, outputs], 3, stride),
                        layer(2, [outputs, outputs], 3, 1),
                    ]
                };
                let shortcut = (stride != 1 || from != outputs).then(|| Layer {
                    conv: format!("{name}.downsample.0"),
                    norm: format!("{name}.downsample.1"),
                    channels: [from, outputs],
                    kernel: 1,
                    stride,
                });
                Block { convs, shortcut }
            };
            (0..self.blocks[stage]).map(block).collect()
        };
        self.channels().into_iter().enumerate().map(stage).collect()
    }

    /// The network with random weights.
    pub fn init<B: Backend>(&self, device: &B::Device) -> ResNet<B> {
        let block = |block: &Block| Residual {
            convs: block.convs.iter().map(|layer| layer.init(device)).collect(),
            shortcut: block.shortcut.as_ref().map(|layer| layer.init(device)),
        };
        let stages = self.stages();
        ResNet {
            stem: self.stem().init(device),
            pool: MaxPool2dConfig::new([3; 2])
                .with_strides([2; 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            stages: stages
                .iter()
                .map(|stage| stage.iter().map(block).collect())
                .collect(),
        }
    }

    /// The network with the weights of a safetensors or, with feature `pytorch`, a PyTorch file in torchvision's names. Batch
    /// normalisation, in the form of inference, is folded into the convolutions; what lies behind
    /// the third stage (`layer4`, `fc`) is not needed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io), or [`Error::Format`](crate::Error::Format) with every
    /// missing, misshapen or unknown tensor.
    pub fn load<B: Backend>(
        &self,
        path: impl AsRef<Path>,
        device: &B::Device,
    ) -> Result<ResNet<B>> {
        let mut file = TensorFile::read(path.as_ref())?;
        let mut folded = vec![("stem".to_string(), self.stem())];
        for (stage, blocks) in self.stages().into_iter().enumerate() {
            for (index, block) in blocks.into_iter().enumerate() {
                let path = format!("stages.{stage}.{index}");
                let convs = block.convs.into_iter().enumerate();
                folded.extend(convs.map(|(at, layer)| (format!("{path}.convs.{at}"), layer)));
                folded.extend(
                    block
                        .shortcut
                        .map(|layer| (format!("{path}.shortcut"), layer)),
                );
            }
        }
        let mut problems = Vec::new();
        let mut inside = Vec::new();
        for (path, layer) in &folded {
            if let Some([weight, bias]) = fold(&mut file, layer, &mut problems) {
                inside.push((format!("{path}.weight"), weight));
                inside.push((format!("{path}.bias"), bias));
            }
        }
        let unknown = file.tensors.names();
        let unknown = unknown.filter(|name| !UNUSED.iter().any(|part| name.starts_with(part)));
        problems.extend(unknown.map(|name| format!("no place for tensor {name}")));
        if !problems.is_empty() {
            return Err(file.misfit(&problems));
        }
        file.tensors = Tensors(inside.into_iter().collect());
        file.fill(self.init(device), str::to_string)
    }
}

/// Takes a convolution and its normalisation out of a file: γ (W∗x − μ)/√(σ² + ε) + β is a
/// convolution with weight W γ/√(σ² + ε) and bias β − μ γ/√(σ² + ε).
fn fold(
    file: &mut TensorFile,
    layer: &Layer,
    problems: &mut Vec<String>,
) -> Option<[TensorData; 2]> {
    let [inputs, outputs] = layer.channels;
    let mut take = |name: String, shape: &[usize]| match file.tensors.0.remove(&name) {
        None => {
            problems.push(format!("no tensor {name}"));
            None
        }
        Some(data) if data.shape[..] != *shape => {
            let found = data.shape.to_vec();
            problems.push(format!("tensor {name}: shape {found:?}, not {shape:?}"));
            None
        }
        Some(data) => Some(data.iter::<f32>().collect::<Vec<f32>>()),
    };
    let shape = [outputs, inputs, layer.kernel, layer.kernel];
    let weight = take(format!("{}.weight", layer.conv), &shape);
    let [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
        .map(|part| take(format!("{}.{part}", layer.norm), &[outputs]));
    let (mut weight, gamma, beta) = (weight?, gamma?, beta?);
    let (mean, variance) = (mean?, variance?);
    if variance.iter().any(|variance| *variance < 0.0) {
        let name = format!("{}.running_var", layer.norm);
        problems.push(format!("tensor {name}: a variance below 0"));
        return None;
    }
    let mut bias = Vec::with_capacity(outputs);
    for (channel, weight) in weight
        .chunks_mut(inputs * layer.kernel * layer.kernel)
        .enumerate()
    {
        let scale = f64::from(gamma[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
        weight
            .iter_mut()
            .for_each(|w| *w = (f64::from(*w) * scale) as f32);
        bias.push((f64::from(beta[channel]) - f64::from(mean[channel]) * scale) as f32);
    }
    Some([
        TensorData::new(weight, shape),
        TensorData::new(bias, [outputs]),
    ])
}

/// A residual network, its batch normalisation folded. Made by [`ResNetConfig::load`].
#[derive(Module, Debug)]
pub struct ResNet<B: Backend> {
    stem: Conv2d<B>,
    pool: MaxPool2d,
    stages: Vec<Vec<Residual<B>>>,
}

#[derive(Module, Debug)]
struct Residual<B: Backend> {
    convs: Vec<Conv2d<B>>,
    shortcut: Option<Conv2d<B>>,
}

impl<B: Backend> Residual<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut y = x.clone();
        for (at, conv) in self.convs.iter().enumerate() {
            y = conv.forward(if at > 0 { relu(y) } else { y });
        }
        let x = match &self.shortcut {
            Some(conv) => conv.forward(x),
            None => x,
        };
        relu(x + y)
    }
}

impl<B: Backend> ResNet<B> {
    /// Channels of the second and the third stage.
    pub(super) fn channels(&self) -> [usize; 2] {
        [1, 2].map(|stage| {
            let last = self.stages[stage]
                .last()
                .and_then(|block| block.convs.last());
            last.map_or(0, |conv| conv.weight.dims()[0])
        })
    }

    /// The activations after the second and the third stage (`layer2`, `layer3`).
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, RGB values in [0, 1]
    /// - outputs: `[batch, channels, h, w]`, at an eighth and a sixteenth of the image's size
    pub fn forward(&self, image: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let device = image.device();
        let constant =
            |values: [f32; 3]| Tensor::<B, 1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let image = (image - constant(IMAGENET_MEAN)) / constant(IMAGENET_STD);
        let x = self.pool.forward(relu(self.stem.forward(image)));
        let stage = |x, blocks: &[Residual<B>]| blocks.iter().fold(x, |x, block| block.forward(x));
        let second = stage(stage(x, &self.stages[0]), &self.stages[1]);
        let third = stage(second.clone(), &self.stages[2]);
        [second, third]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::cases::{self, file};
    use burn::backend::Flex;
    use burn::tensor::Tolerance;

    #[test]
    fn folding_is_convolution_and_normalisation() {
        let layer = Layer {
            conv: "conv1".into(),
            norm: "bn1".into(),
            channels: [1, 2],
            kernel: 1,
            stride: 1,
        };
        let (_folder, path) = file(vec![
            ("conv1.weight", vec![3.0, -2.0], vec![2, 1, 1, 1]),
            ("bn1.weight", vec![0.5, 2.0], vec![2]),
            ("bn1.bias", vec![0.25, -1.0], vec![2]),
            ("bn1.running_mean", vec![1.0, 0.5], vec![2]),
            ("bn1.running_var", vec![4.0, 0.25], vec![2]),
        ]);
        let mut problems = Vec::new();
        let mut tensors = TensorFile::read(&path).unwrap();
        let [weight, bias] = fold(&mut tensors, &layer, &mut problems).unwrap();
        assert!(problems.is_empty() && tensors.tensors.names().next().is_none());
        // 0.5 (3x − 1)/2 + 0.25 and 2 (−2x − 0.5)/0.5 − 1.
        let tolerance = Tolerance::relative(1e-4);
        weight.assert_approx_eq::<f32>(&TensorData::from([[[[0.75_f32]]], [[[-8.0]]]]), tolerance);
        bias.assert_approx_eq::<f32>(
            &TensorData::from([0.0_f32, -3.0]),
            Tolerance::absolute(1e-4),
        );
    }

    #[test]
    fn files_of_something_else_are_refused_by_name() {
        let (_folder, path) = file(vec![
            ("bn1.weight", vec![1.0; 3], vec![3]),
            ("fc.bias", vec![1.0], vec![1]),
            ("head.bias", vec![1.0], vec![1]),
        ]);
        let config = ResNetConfig::resnet18();
        let error = config.load::<Flex>(&path, &Default::default()).unwrap_err();
        let message = error.to_string();
        for part in [
            "no tensor conv1.weight",
            "tensor bn1.weight: shape [3], not [64]",
            "no tensor layer3.0.downsample.1.running_var",
            "no place for tensor head.bias",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!message.contains("fc.bias"));
    }

    /// `tests/cases/resnet.py` recorded them.
    #[test]
    fn activations_are_those_of_torchvision() {
        let few_blocks = ResNetConfig {
            blocks: [1, 2, 1],
            ..ResNetConfig::wide_resnet101_2()
        };
        let cases = cases::read(include_str!("../../tests/cases/resnet.json"));
        for (name, config) in [
            ("resnet18", ResNetConfig::resnet18()),
            ("wide_bottlenecks", few_blocks),
        ] {
            let case = &cases[name];
            let (_folder, weights) = case.weights();
            let network = config.load(weights, &Default::default()).unwrap();
            let [second, third] = network.forward(case.image());
            case.check("layer2", second, 2e-5);
            case.check("layer3", third, 2e-5);
        }
    }
}
