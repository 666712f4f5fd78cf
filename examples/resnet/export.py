# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports a residual network of bottlenecks, with ten classes.

    python export.py                writes resnet.onnx: 8x8 images, 9 convolutions deep, 69 KB
    python export.py --depth=50     writes resnet50.onnx: ResNet-50 for images of 224x224, 94 MB

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


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, each with a batch norm, beside a shortcut."""

    def __init__(self, channels, width, stride, expansion=4):
        super().__init__()
        out = width * expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """ResNet-50 for blocks (3, 4, 6, 3), width 64; `small` has no pooling in its first layers."""

    def __init__(self, blocks, width, classes, channels, small):
        super().__init__()
        self.small = small
        self.conv1 = nn.Conv2d(channels, width, 3 if small else 7, stride=1 if small else 2,
                               padding=1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        before = width
        self.layers = len(blocks)
        for i, count in enumerate(blocks):
            layer = []
            for j in range(count):
                stride = 2 if i > 0 and j == 0 else 1
                layer.append(Bottleneck(before, width << i, stride))
                before = (width << i) * 4
            self.add_module(f"layer{i + 1}", nn.Sequential(*layer))
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.small:
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        for i in range(self.layers):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


def build(depth):
    torch.manual_seed(0)
    if depth == 50:
        return ResNet((3, 4, 6, 3), 64, 10, channels=3, small=False)
    return ResNet((1, 1, 1), 8, 10, channels=1, small=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, choices=[11, 50], default=11)
    depth = parser.parse_args().depth
    path = HERE / ("resnet50.onnx" if depth == 50 else "resnet.onnx")
    shape = (3, 224, 224) if depth == 50 else (1, 8, 8)
    onnx_file.export(build(depth), path, {"x": torch.zeros(2, *shape)}, ["logits"])


if __name__ == "__main__":
    main()
