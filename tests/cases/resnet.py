"""Residual networks of torchvision with random weights, and their activations for one image.

    python tests/cases/resnet.py FOLDER
    HYPAD_RESNETS=FOLDER cargo test --release resnet

Needs torch and torchvision; writes half a gigabyte.
"""

import json
import sys
from pathlib import Path

import torch
import torchvision

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(3)
for name in ["resnet18", "wide_resnet101_2"]:
    network = getattr(torchvision.models, name)(weights=None).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.9)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    torch.save(network.state_dict(), folder / f"{name}.pth")

    pixels = torch.arange(3 * 64 * 96) * 7919 % 256
    image = pixels.float().reshape(1, 3, 64, 96) / 255
    mean = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[None, :, None, None]
    found = {}
    for part in ["layer2", "layer3"]:
        keep = lambda module, inputs, output, part=part: found.update({part: output})
        getattr(network, part).register_forward_hook(keep)
    with torch.no_grad():
        network((image - mean) / std)
    summary = {
        part: {
            "shape": list(output.shape),
            "std": output.std().item(),
            "every": output.flatten()[:: max(1, output.numel() // 200)].tolist(),
        }
        for part, output in found.items()
    }
    (folder / f"{name}.json").write_text(json.dumps(summary))
