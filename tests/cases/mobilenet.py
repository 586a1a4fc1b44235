"""Activations of MobileNet v1, written with PyTorch's functions, for weights and an image given by a
formula: TensorFlow's `SAME` padding, batch normalisation folded, ReLU6 after every convolution.

    python tests/cases/mobilenet.py

Needs numpy and torch; writes `mobilenet.json` beside itself. The arithmetic is that of f64.
"""

import torch
import torch.nn.functional as F

import formula

# Howard et al., arXiv:1704.04861, Table 1.
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2]
CHANNELS = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024]
# Sides that the strides halve with and without a remainder, at different depths.
SIZE = (70, 84)
# Variance of a convolution's weights times its inputs: a few in a hundred activations reach 6.
GAIN = 3.0


def same(x, stride):
    """TensorFlow's `SAME` for a kernel of 3: ceil(size / stride) outputs, the larger half of the zeros
    behind."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def activations(weights, image):
    """After each of the twelve blocks, for an image in [0, 1]."""
    weights = {name: values.double() for name, values in weights.items()}
    parameters = lambda name: (weights[f"{name}.weight"], weights[f"{name}.bias"])
    x = 2 * image.double() - 1
    x = F.relu6(F.conv2d(same(x, 2), *parameters("conv1"), stride=2))
    layers = {}
    for block, stride in enumerate(STRIDES, 1):
        depthwise = parameters(f"conv_dw_{block}")
        x = F.relu6(F.conv2d(same(x, stride), *depthwise, stride=stride, groups=x.shape[1]))
        x = F.relu6(F.conv2d(x, *parameters(f"conv_pw_{block}")))
        layers[f"{block}"] = x
    return layers


def main():
    shapes = {"conv1.weight": [32, 3, 3, 3], "conv1.bias": [32]}
    for block, (inputs, outputs) in enumerate(zip(CHANNELS, CHANNELS[1:]), 1):
        shapes[f"conv_dw_{block}.weight"] = [inputs, 1, 3, 3]
        shapes[f"conv_dw_{block}.bias"] = [inputs]
        shapes[f"conv_pw_{block}.weight"] = [outputs, inputs, 1, 1]
        shapes[f"conv_pw_{block}.bias"] = [outputs]
    weights = {name: formula.tensor(name, shape, GAIN) for name, shape in shapes.items()}
    layers = activations(weights, formula.image(*SIZE))
    for name, values in layers.items():
        print(f"{name}: {100 * (values == 6).double().mean():.2f} % at 6")
    formula.write("mobilenet.json", {"mobilenet_v1": formula.record(shapes, GAIN, SIZE, layers)})


if __name__ == "__main__":
    main()
