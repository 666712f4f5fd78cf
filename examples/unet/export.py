# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports a U-Net that finds what belongs to a digit in a noisy image.

    python export.py             writes unet.onnx: 16x16 images, two levels, width 12
    python export.py --large     writes unet-large.onnx: 256x256 images, five levels, width 64 (31 M)

Needs torch==2.11.0 and onnx==1.22.0.
"""
import argparse
import pathlib
import sys

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import onnx_file  # noqa: E402


class Double(nn.Module):
    """Two convolutions, each with a group norm."""

    def __init__(self, channels, width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(4, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(4, width)

    def forward(self, x):
        x = F.silu(self.norm1(self.conv1(x)))
        return F.silu(self.norm2(self.conv2(x)))


class UNet(nn.Module):
    def __init__(self, channels, width, levels):
        super().__init__()
        widths = [width << i for i in range(levels)]
        self.down = nn.ModuleList(
            Double(before, after) for before, after in zip([channels, *widths], widths))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, stride=2)
            for narrow, wide in zip(widths, widths[1:]))
        self.join = nn.ModuleList(Double(2 * narrow, narrow) for narrow in widths[:-1])
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for up, join, skip in reversed(list(zip(self.up, self.join, skips))):
            x = join(torch.cat([skip, up(x)], 1))
        return self.last(x)


def build(large):
    torch.manual_seed(0)
    return UNet(1, 64, 5) if large else UNet(1, 12, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    size = 256 if large else 16
    path = HERE / ("unet-large.onnx" if large else "unet.onnx")
    onnx_file.export(build(large), path, {"x": torch.zeros(2, 1, size, size)}, ["logits"])


if __name__ == "__main__":
    main()
