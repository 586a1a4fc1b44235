"""Weights and images given by a formula, so that Rust and Python hold the same values without a file
of weights. `src/model/backbone/cases.rs` states the same formula in Rust.

Needs numpy and torch.
"""

import json
from pathlib import Path

import numpy as np
import torch

# Sampled values of each recorded layer.
SAMPLES = 240


def uniform(name, count):
    """`count` values in [0, 1), multiples of 2^-24: a 32-bit mixer of the name's FNV-1a hash and the
    index. C. Wellons's `lowbias32`."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    mask = np.uint64(0xFFFFFFFF)
    x = (np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B9) + np.uint64(seed)) & mask
    x ^= x >> np.uint64(16)
    x = x * np.uint64(0x7FEB352D) & mask
    x ^= x >> np.uint64(15)
    x = x * np.uint64(0x846CA68B) & mask
    x ^= x >> np.uint64(16)
    return (x >> np.uint64(8)).astype(np.float64) / 2**24


def tensor(name, shape, gain):
    """The tensor of this name in f32: the weights of convolutions with variance `gain` over the number
    of inputs of an output; of batch normalisation gamma in [0.3, 0.9), beta and mean in [-0.2, 0.2),
    variance in [0.5, 2); biases as beta."""
    values = uniform(name, int(np.prod(shape)))
    if len(shape) == 4:
        bound = np.sqrt(3.0 * gain / float(np.prod(shape[1:])))
        values = (2.0 * values - 1.0) * bound
    elif name.endswith(".running_var"):
        values = 0.5 + 1.5 * values
    elif name.endswith(".weight"):
        values = 0.3 + 0.6 * values
    else:
        values = 0.4 * values - 0.2
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def image(height, width):
    """`[1, 3, height, width]` in [0, 1], multiples of 1/255."""
    values = np.floor(256.0 * uniform("image", 3 * height * width)) / 255.0
    return torch.from_numpy(values.astype(np.float32).reshape(1, 3, height, width))


def record(tensors, gain, size, layers):
    """What the test needs to know of one network: names, shapes and gain of its weights, the image's
    height and width, and of each layer's activations shape, mean, standard deviation and
    every `step`-th value."""
    recorded = {}
    for name, values in layers.items():
        # Odd, so that the samples spread over rows, columns and channels.
        step = max(1, values.numel() // SAMPLES) | 1
        recorded[name] = {
            "shape": list(values.shape),
            "mean": values.mean().item(),
            "std": values.std(correction=0).item(),
            "step": step,
            "values": [float(f"{value:.9g}") for value in values.flatten()[::step].tolist()],
        }
        print(f"{name}: {list(values.shape)}, mean {values.mean():.3f}, std {values.std():.3f}")
    return {"gain": gain, "tensors": tensors, "image": list(size), "layers": recorded}


def write(name, networks):
    """Writes the recorded networks beside this file."""
    path = Path(__file__).with_name(name)
    path.write_text(json.dumps(networks, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")
