# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports an LSTM of two layers that reads an image of 8x8 row by row.

    python export.py             writes lstm.onnx

Needs torch==2.11.0 and onnx==1.22.0.
"""
import argparse
import pathlib
import sys

import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import onnx_file  # noqa: E402


class Reader(nn.Module):
    def __init__(self, features, hidden, layers, classes):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, x):
        _, (last, _) = self.lstm(x)
        return self.fc(last[-1])


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.manual_seed(0)
    onnx_file.export(Reader(8, 48, 2, 10), HERE / "lstm.onnx", {"x": torch.zeros(3, 8, 8)},
                     ["logits"])


if __name__ == "__main__":
    main()
