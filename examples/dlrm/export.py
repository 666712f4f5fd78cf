# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports DLRM: numbers and categories of a visitor to the chance of a click.

    python export.py             writes dlrm.onnx: 4 tables of 200 rows, one read 4 times a visitor
    python export.py --large     writes dlrm-large.onnx: 26 tables of 10000 rows, width 64 (67 MB)

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


class Dlrm(nn.Module):
    """dense [batch, 8], categories [batch, tables], bag [batch, 4] -> logits [batch]."""

    def __init__(self, tables, rows, width):
        super().__init__()
        self.bottom1 = nn.Linear(8, 2 * width)
        self.bottom2 = nn.Linear(2 * width, width)
        self.tables = nn.ModuleList(nn.Embedding(rows, width) for _ in range(tables))
        self.bag = nn.Embedding(rows, width)
        features = tables + 2
        first, second = torch.triu_indices(features, features, 1)
        self.register_buffer("pairs", first * features + second, persistent=False)
        self.top1 = nn.Linear(width + len(self.pairs), 2 * width)
        self.top2 = nn.Linear(2 * width, 1)
        for table in [*self.tables, self.bag]:
            nn.init.uniform_(table.weight, -rows ** -0.5, rows ** -0.5)

    def forward(self, dense, categories, bag):
        x = F.relu(self.bottom2(F.relu(self.bottom1(dense))))
        rows = [table(categories[:, i]) for i, table in enumerate(self.tables)]
        all = torch.stack([x, *rows, self.bag(bag).sum(1)], 1)
        products = (all @ all.transpose(1, 2)).flatten(1)  # each feature with each other one
        x = torch.cat([x, products[:, self.pairs]], 1)
        return self.top2(F.relu(self.top1(x)))[:, 0]


def build(large):
    torch.manual_seed(0)
    return Dlrm(26, 10000, 64) if large else Dlrm(4, 200, 16)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    inputs = {"dense": torch.zeros(2, 8),
              "categories": torch.zeros(2, 26 if large else 4, dtype=torch.int64),
              "bag": torch.zeros(2, 4, dtype=torch.int64)}
    path = HERE / ("dlrm-large.onnx" if large else "dlrm.onnx")
    onnx_file.export(build(large), path, inputs, ["logits"])


if __name__ == "__main__":
    main()
