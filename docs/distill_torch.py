#!/usr/bin/env python3
"""Times a step of the light distillation recipe in PyTorch, to run beside `distill` (`pip install torch`).

    python docs/distill_torch.py [THREADS] [STEPS]

The same networks and sizes: 8 images of 128 x 128, MobileNet v1 up to its fifth block, blocks 3 and 5
as targets, an unpadded PDN-S, mean squared error on the middle 24 x 24 places, Adam. Weights and
images are random and already in memory: decoding, cropping and resizing are not in it.
"""
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class MobileNet(nn.Module):
    # (channels, stride) of the first separable blocks
    BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1)]

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, 2, 1)
        depthwise, pointwise, inputs = [], [], 32
        for channels, stride in self.BLOCKS:
            depthwise.append(nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs))
            pointwise.append(nn.Conv2d(inputs, channels, 1))
            inputs = channels
        self.depthwise, self.pointwise = nn.ModuleList(depthwise), nn.ModuleList(pointwise)

    def forward(self, x):
        x, taps = F.relu6(self.first(x)), []
        for depthwise, pointwise in zip(self.depthwise, self.pointwise):
            x = F.relu6(pointwise(F.relu6(depthwise(x))))
            taps.append(x)
        fine, coarse = taps[2], taps[4]
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear")
        return torch.cat([fine, coarse], 1)


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    torch.set_num_threads(threads)
    student = nn.Sequential(
        nn.Conv2d(3, 128, 4), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(256, 256, 3), nn.ReLU(), nn.Conv2d(256, 384, 4),
    ).to(memory_format=torch.channels_last)
    backbone = MobileNet().eval().to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(student.parameters(), lr=1e-3)
    images = torch.randn(8, 3, 128, 128).to(memory_format=torch.channels_last)
    mean, std = torch.zeros(1, 384, 1, 1), torch.ones(1, 384, 1, 1)
    times = []
    for _ in range(steps + 5):
        start = time.perf_counter()
        with torch.no_grad():
            targets = ((backbone(images) - mean) / std)[:, :, 4:28, 4:28]
        loss = (student(images) - targets).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()
        times.append(time.perf_counter() - start)
    times = times[5:]
    print(f"{statistics.median(times):.3f} s a step (median of {steps}; {min(times):.3f} to {max(times):.3f})")


if __name__ == "__main__":
    main()
