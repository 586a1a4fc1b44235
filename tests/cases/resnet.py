"""Activations of torchvision's residual networks for weights and an image given by a formula.

    python tests/cases/resnet.py

Needs numpy, torch and torchvision; writes `resnet.json` beside itself. The arithmetic is that of f64.
"""

import torch
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

import formula

MEAN = torch.tensor([0.485, 0.456, 0.406]).double()[None, :, None, None]
STD = torch.tensor([0.229, 0.224, 0.225]).double()[None, :, None, None]
# Sides that stages halve with and without a remainder.
SIZE = (72, 100)
# Variance of a convolution's weights times its inputs: activations stay of order 1.
GAIN = 2.0
# Behind the third stage, or without effect in inference.
UNUSED = ("layer4.", "fc.", "num_batches_tracked")


def activations(network, image):
    """Fills a network with the formula's weights; `layer2` and `layer3` for the image, and the names
    and shapes of the weights up to there."""
    state = network.state_dict()
    used = {
        name: list(values.shape)
        for name, values in state.items()
        if not any(part in name for part in UNUSED)
    }
    state.update({name: formula.tensor(name, shape, GAIN) for name, shape in used.items()})
    network.load_state_dict(state)
    network = network.double().eval()
    layers = {}
    for name in ["layer2", "layer3"]:
        keep = lambda module, inputs, output, name=name: layers.update({name: output})
        getattr(network, name).register_forward_hook(keep)
    with torch.no_grad():
        network((image.double() - MEAN) / STD)
    return used, layers


def main():
    networks = {
        "resnet18": ResNet(BasicBlock, [2, 2, 2, 2]),
        # The blocks of WideResNet-101-2, but few.
        "wide_bottlenecks": ResNet(Bottleneck, [1, 2, 1, 1], width_per_group=128),
    }
    cases = {}
    for name, network in networks.items():
        used, layers = activations(network, formula.image(*SIZE))
        cases[name] = formula.record(used, GAIN, SIZE, layers)
    formula.write("resnet.json", cases)


if __name__ == "__main__":
    main()
